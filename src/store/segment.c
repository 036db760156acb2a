#include "segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "segment_declare.h"

#define SLAB ((size_t)256 << 10)      /* of each dataset, at multiples of itself in the file */
#define DIRECT ((size_t)8 << 20)       /* what is larger than a slab is written in these: one giant write is no faster and often slower */
#define PUT_AT_ONCE 256                /* strings whose offsets are put together */
#define WRITEBACK ((uint64_t)8 << 20)  /* after so many bytes the disk is told to begin, so that the sync at the end is short */

_Static_assert(LAM_LAYOUT_MAX_DATASETS <= LAM_ENTRY_DATASETS, "an entry holds all datasets of a layout");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little-endian and are mapped as they are");

/* A dataset being filled, through a slab, which it has from its first byte to its last. */
struct stream {
    uint8_t *slab;     /* malloc; NULL: not begun, or done */
    size_t size;       /* of slab */
    size_t len, cap;   /* bytes in the slab; how many it is written with, 0 where there is none */
    uint64_t declared; /* bytes */
    uint64_t put;      /* bytes given so far, in the slab and in the file */
};

struct lam_segment {
    const struct lam_fs *fs;
    const struct lam_layout *layout;
    char path[LAM_SEGMENT_PATH], file_path[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    struct lam_segment_spec spec; /* its strings are the caller's, and gone */
    int fd;                       /* -1: none is open */
    struct stream streams[LAM_LAYOUT_MAX_DATASETS];
    uint8_t *spare; /* the slab of a dataset that is done, for the next one */
    size_t spare_size;
    struct lam_dataset_entry entries[LAM_LAYOUT_MAX_DATASETS]; /* len: what was written so far */
    uint32_t first[LAM_LAYOUT_MAX_COLUMNS];                    /* dataset of a column */
    uint64_t dirty; /* bytes written since the disk was told to begin */
    bool created;   /* tmp may exist */
    int rc;         /* a failure ends all further work */
};

static void place_streams(struct lam_segment *segment, const struct lam_segment_place *places)
{
    for (uint32_t i = 0; i < segment->layout->dataset_count; i++) {
        char name[LAM_DATASET_NAME];
        enum lam_dataset_part part;

        segment->streams[i].declared = places[i].len;
        segment->entries[i].offset = places[i].offset;
        lam_layout_column(segment->layout, i, &part, name);
        if (part == LAM_PART_OFFSETS)
            segment->streams[i].put = sizeof(uint64_t); /* the first offset, which stands in the slab as soon as there is one */
    }
}

/*
 * How much fills a slab: up to a multiple of SLAB in the file, for the page cache takes large aligned writes in large pieces, which costs far less;
 * or up to the dataset's end.
 */
static size_t room(const struct lam_segment *segment, uint32_t dataset)
{
    const struct lam_dataset_entry *entry = &segment->entries[dataset];
    uint64_t left = segment->streams[dataset].declared - entry->len;
    size_t to_boundary = SLAB - (entry->offset + entry->len) % SLAB;

    return left < to_boundary ? (size_t)left : to_boundary;
}

static int open_slab(struct lam_segment *segment, uint32_t dataset, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    bool begins = segment->entries[dataset].len == 0 && stream->put >= sizeof(uint64_t);
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;

    stream->size = stream->declared < SLAB ? (size_t)stream->declared : SLAB;
    if (segment->spare_size >= stream->size) {
        stream->slab = segment->spare;
        stream->size = segment->spare_size;
        segment->spare = NULL;
        segment->spare_size = 0;
    } else if (!(stream->slab = malloc(stream->size))) {
        return segment->rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to write segment %s", segment->path);
    }
    stream->cap = room(segment, dataset);
    lam_layout_column(segment->layout, dataset, &part, name);
    if (begins && part == LAM_PART_OFFSETS) {
        memset(stream->slab, 0, sizeof(uint64_t));
        stream->len = sizeof(uint64_t);
    }
    return 0;
}

/* Keeps the larger one of the slab and the spare one. */
static void close_slab(struct lam_segment *segment, struct stream *stream)
{
    if (stream->size > segment->spare_size) {
        free(segment->spare);
        segment->spare = stream->slab;
        segment->spare_size = stream->size;
    } else {
        free(stream->slab);
    }
    stream->slab = NULL;
    stream->cap = 0;
}

/* A hint: what fails here, the sync will tell. */
static void begin_writeback(struct lam_segment *segment)
{
    sync_file_range(segment->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    segment->dirty = 0;
}

/* Writes bytes of a dataset behind what it has. */
static int write_bytes(struct lam_segment *segment, uint32_t dataset, const void *bytes, size_t len, struct lam_error *err)
{
    struct lam_dataset_entry *entry = &segment->entries[dataset];
    struct stream *stream = &segment->streams[dataset];
    int rc;

    entry->crc32c = lam_crc32c(entry->crc32c, bytes, len);
    if ((rc = lam_fs_write_at(segment->fs, segment->fd, bytes, len, (off_t)(entry->offset + entry->len), err)))
        return segment->rc = LAM_PASS(err, rc, "%s", segment->tmp);
    entry->len += len;
    segment->dirty += len;
    if (segment->dirty >= WRITEBACK)
        begin_writeback(segment);
    if (stream->slab && entry->len == stream->declared)
        close_slab(segment, stream);
    else if (stream->slab)
        stream->cap = room(segment, dataset);
    return 0;
}

static int flush_stream(struct lam_segment *segment, uint32_t dataset, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    size_t len = stream->len;

    stream->len = 0;
    return len ? write_bytes(segment, dataset, stream->slab, len, err) : 0;
}

static int too_much(struct lam_segment *segment, uint32_t dataset, struct lam_error *err)
{
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;

    if (segment->rc)
        return LAM_FAIL(err, segment->rc, "segment %s failed before", segment->path);
    lam_layout_column(segment->layout, dataset, &part, name);
    return segment->rc = LAM_FAIL(err, LAM_E_INVALID, "%s: more in dataset %s than was declared", segment->path, name);
}

/* What does not fit the slab: fills it, writes it, and lets what is larger pass without a copy. */
static int add_beyond(struct lam_segment *segment, uint32_t dataset, const uint8_t *p, size_t len, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    int rc;

    while (len > 0) {
        size_t part;

        if (!stream->slab && (rc = open_slab(segment, dataset, err)))
            return rc;
        part = stream->cap - stream->len;
        if (stream->len == 0 && len >= stream->cap) {
            part = len < DIRECT ? len : stream->cap + (DIRECT - SLAB);
            if ((rc = write_bytes(segment, dataset, p, part, err)))
                return rc;
        } else {
            if (part > len)
                part = len;
            memcpy(stream->slab + stream->len, p, part);
            stream->len += part;
            if (stream->len == stream->cap && (rc = flush_stream(segment, dataset, err)))
                return rc;
        }
        p += part;
        len -= part;
    }
    return 0;
}

static inline int add(struct lam_segment *segment, uint32_t dataset, const void *bytes, size_t len, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];

    if (segment->rc || len > stream->declared - stream->put)
        return too_much(segment, dataset, err);
    stream->put += len;
    if (len >= stream->cap - stream->len)
        return add_beyond(segment, dataset, bytes, len, err);
    memcpy(stream->slab + stream->len, bytes, len);
    stream->len += len;
    return 0;
}

int lam_segment_put(struct lam_segment *segment, uint32_t column, const void *values, size_t count, struct lam_error *err)
{
    assert(column < segment->layout->column_count && lam_column_size(segment->layout->columns[column].type) > 0);
    return add(segment, segment->first[column], values, count * lam_column_size(segment->layout->columns[column].type), err);
}

int lam_segment_put_strings(struct lam_segment *segment, uint32_t column, const struct lam_sv *strings, size_t count, struct lam_error *err)
{
    uint32_t dataset = segment->first[column];
    uint64_t offsets[PUT_AT_ONCE];

    assert(column < segment->layout->column_count && segment->layout->columns[column].type == LAM_COL_STRING);
    for (size_t i = 0, n; i < count; i += n) {
        int rc;

        for (n = 0; n < PUT_AT_ONCE && i + n < count; n++) {
            if (strings[i + n].len && (rc = add(segment, dataset + 1, strings[i + n].ptr, strings[i + n].len, err)))
                return rc;
            offsets[n] = segment->streams[dataset + 1].put;
        }
        if ((rc = add(segment, dataset, offsets, n * sizeof *offsets, err)))
            return rc;
    }
    return 0;
}

int lam_segment_put_string(struct lam_segment *segment, uint32_t column, struct lam_sv sv, struct lam_error *err)
{
    return lam_segment_put_strings(segment, column, &sv, 1, err);
}

int lam_segment_put_vector(struct lam_segment *segment, uint32_t column, const float *values, struct lam_error *err)
{
    int rc = 0;

    assert(column < segment->layout->column_count && segment->layout->columns[column].type == LAM_COL_VECTOR);
    if (values)
        return add(segment, segment->first[column], values, segment->spec.dim * sizeof *values, err);
    for (uint32_t i = 0; !rc && i < segment->spec.dim; i++)
        rc = add(segment, segment->first[column], &(float){NAN}, sizeof(float), err);
    return rc;
}

int lam_segment_put_blob(struct lam_segment *segment, uint32_t column, const void *bytes, size_t len, struct lam_error *err)
{
    assert(column < segment->layout->column_count && segment->layout->columns[column].type == LAM_COL_BLOB);
    return len ? add(segment, segment->first[column], bytes, len, err) : 0;
}

/* Fills a column that was not put at all. */
static int fill_column(struct lam_segment *segment, uint32_t column, struct lam_error *err)
{
    static const uint8_t zeros[4096];
    enum lam_column_type type = segment->layout->columns[column].type;
    const struct stream *stream = &segment->streams[segment->first[column]];
    int rc = 0;

    if (stream->put > (type == LAM_COL_STRING ? sizeof(uint64_t) : 0))
        return 0;
    if (type == LAM_COL_STRING)
        for (uint64_t row = 0; !rc && row < segment->spec.rows; row++)
            rc = lam_segment_put_string(segment, column, lam_sv("", 0), err);
    else if (type == LAM_COL_VECTOR)
        for (uint64_t row = 0; !rc && row < segment->spec.rows; row++)
            rc = lam_segment_put_vector(segment, column, NULL, err);
    else
        while (!rc && stream->put < stream->declared) {
            uint64_t left = stream->declared - stream->put;

            rc = add(segment, segment->first[column], zeros, left < sizeof zeros ? (size_t)left : sizeof zeros, err);
        }
    return rc;
}

int lam_segment_complete(struct lam_segment *segment, struct lam_error *err)
{
    int rc = segment->rc ? LAM_FAIL(err, segment->rc, "segment %s failed before", segment->path) : 0;

    for (uint32_t column = 0; !rc && column < segment->layout->column_count; column++)
        rc = fill_column(segment, column, err);
    for (uint32_t i = 0; !rc && i < segment->layout->dataset_count; i++) {
        const struct stream *stream = &segment->streams[i];
        char name[LAM_DATASET_NAME];
        enum lam_dataset_part part;

        lam_layout_column(segment->layout, i, &part, name);
        if (stream->put != stream->declared)
            rc = segment->rc = LAM_FAIL(err, LAM_E_INVALID, "%s: dataset %s ends after %llu of the %llu bytes declared", segment->path,
                                        name,
                                        (unsigned long long)stream->put, (unsigned long long)stream->declared);
        else if (segment->entries[i].len < stream->declared && !(rc = open_slab(segment, i, err))) /* the offset of no rows */
            rc = flush_stream(segment, i, err);
    }
    if (!rc && segment->dirty)
        begin_writeback(segment); /* another thread may sync it, after others: they are written together */
    free(segment->spare);
    segment->spare = NULL;
    segment->spare_size = 0;
    return rc;
}

int lam_segment_new(const struct lam_fs *fs, const struct lam_segment_spec *spec, struct lam_segment **out, struct lam_error *err)
{
    const struct lam_layout *layout = lam_layout(spec->layout);
    struct lam_segment_place places[LAM_LAYOUT_MAX_DATASETS];
    struct lam_segment *segment;
    struct stat st;
    int fd, rc;

    *out = NULL;
    if (!layout || strlen(spec->path) >= LAM_SEGMENT_PATH)
        return LAM_FAIL(err, LAM_E_INVALID, "segment %.200s: no layout %u, or a path too long", spec->path, spec->layout);
    segment = calloc(1, sizeof *segment);
    if (!segment)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to write segment %s", spec->path);
    segment->fs = fs;
    segment->layout = layout;
    segment->spec = *spec;
    segment->fd = -1;
    for (uint32_t i = 0; i < layout->column_count; i++)
        segment->first[i] = lam_layout_dataset(layout, i);
    snprintf(segment->path, sizeof segment->path, "%s", spec->path);
    if ((rc = lam_path_join(segment->file_path, spec->root, spec->path, err)) ||
        (rc = lam_fs_temporary(segment->tmp, segment->file_path, err)))
        goto cleanup;
    if ((rc = fs->ops->stat(fs->arg, segment->file_path, &st)) != -ENOENT) {
        rc = rc ? LAM_FAIL(err, LAM_E_IO, "stat %s: %s", segment->file_path, strerror(-rc))
                : LAM_FAIL(err, LAM_E_EXISTS, "%s exists: no segment is ever replaced", segment->file_path);
        goto cleanup;
    }
    segment->created = true; /* even where open fails: a network may lose the answer of a call that was done */
    fd = fs->ops->open(fs->arg, segment->tmp, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) {
        rc = LAM_FAIL(err, LAM_E_IO, "create %s: %s", segment->tmp, strerror(-fd));
        goto cleanup;
    }
    segment->fd = fd;
    if ((rc = lam_segment_declare(fs, fd, segment->tmp, spec, places, err)))
        goto cleanup;
    place_streams(segment, places);
    *out = segment;
    return 0;
cleanup:
    lam_segment_free(segment);
    return rc;
}

static int close_synced(struct lam_segment *segment, struct lam_error *err)
{
    const struct lam_fs *fs = segment->fs;
    int rc;

    if ((rc = fs->ops->fsync(fs->arg, segment->fd)))
        return segment->rc = LAM_FAIL(err, LAM_E_IO, "sync %s: %s", segment->tmp, strerror(-rc));
    rc = fs->ops->close(fs->arg, segment->fd); /* NFS reports a full disk only here */
    segment->fd = -1;
    return rc ? (segment->rc = LAM_FAIL(err, LAM_E_IO, "close %s: %s", segment->tmp, strerror(-rc))) : 0;
}

static int publish(struct lam_segment *segment, struct lam_error *err)
{
    const struct lam_fs *fs = segment->fs;
    char dir[LAM_PATH_MAX];
    int rc = fs->ops->rename(fs->arg, segment->tmp, segment->file_path);

    if (rc) {
        fs->ops->unlink(fs->arg, segment->file_path); /* the name is ours alone, and the call may have been done */
        return segment->rc = LAM_FAIL(err, LAM_E_IO, "rename %s to %s: %s", segment->tmp, segment->file_path, strerror(-rc));
    }
    segment->created = false;
    memcpy(dir, segment->file_path, sizeof dir);
    *strrchr(dir, '/') = '\0';
    if ((rc = lam_fs_sync_dir(fs, dir, err))) {
        fs->ops->unlink(fs->arg, segment->file_path);
        return segment->rc = LAM_PASS(err, rc, "%s", segment->file_path);
    }
    return 0;
}

static void fill_entry(const struct lam_segment *segment, uint64_t bytes, struct lam_segment_entry *entry)
{
    bool vectors = false;

    for (uint32_t i = 0; i < segment->layout->column_count; i++)
        vectors |= segment->layout->columns[i].type == LAM_COL_VECTOR;
    memcpy(entry->path, segment->path, sizeof entry->path);
    entry->kind = (uint8_t)segment->spec.kind;
    entry->layout = segment->spec.layout;
    entry->rows = segment->spec.rows;
    entry->bytes = bytes;
    entry->dim = vectors && segment->spec.rows ? segment->spec.dim : 0;
    entry->dataset_count = segment->layout->dataset_count;
    memcpy(entry->datasets, segment->entries, segment->layout->dataset_count * sizeof *entry->datasets);
}

int lam_segment_finish(struct lam_segment *segment, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct stat st;
    int rc = lam_segment_complete(segment, err);

    if (rc || (rc = close_synced(segment, err)))
        return rc;
    if ((rc = segment->fs->ops->stat(segment->fs->arg, segment->tmp, &st)))
        return segment->rc = LAM_FAIL(err, LAM_E_IO, "stat %s: %s", segment->tmp, strerror(-rc));
    if ((rc = publish(segment, err)))
        return rc;
    fill_entry(segment, (uint64_t)st.st_size, entry);
    return 0;
}

void lam_segment_free(struct lam_segment *segment)
{
    if (!segment)
        return;
    if (segment->fd >= 0)
        segment->fs->ops->close(segment->fs->arg, segment->fd);
    if (segment->created)
        segment->fs->ops->unlink(segment->fs->arg, segment->tmp); /* a failure leaves a stray file: the sweep takes it */
    for (uint32_t i = 0; i < segment->layout->dataset_count; i++)
        free(segment->streams[i].slab);
    free(segment->spare);
    free(segment);
}
