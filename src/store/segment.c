#include "segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "segment_vfd.h"

#define SLAB ((size_t)256 << 10)     /* of each dataset: stays in the processor's cache between copy, CRC and write */
#define DIRECT ((size_t)8 << 20)     /* what is larger than a slab is written in these: one giant write is no faster and often slower */
#define WRITEBACK ((uint64_t)32 << 20) /* after so many bytes the disk is told to begin, so that the sync at the end is short */
#define ALIGNMENT 64                 /* what mapped readers rely on; HDF5 alone puts datasets on odd addresses */

_Static_assert(LAM_LAYOUT_MAX_DATASETS <= LAM_ENTRY_DATASETS, "an entry holds all datasets of a layout");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little-endian and are mapped as they are");

/* A dataset being filled, through a slab. */
struct stream {
    hid_t dataset, type;
    uint8_t *slab;
    size_t len, cap;   /* bytes in the slab; cap is a number of whole rows */
    size_t row_len;    /* bytes of one row in the file */
    hsize_t width;     /* values of one row */
    uint64_t declared; /* bytes */
    uint64_t put;      /* bytes given so far, in the slab and in the file */
};

struct lam_segment {
    const struct lam_fs *fs;
    const struct lam_layout *layout;
    char path[LAM_SEGMENT_PATH], file_path[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    struct lam_segment_spec spec; /* its strings are the caller's, and gone */
    struct lam_segment_vfd vfd;   /* its fd is -1 where none is open */
    hid_t file;
    struct stream streams[LAM_LAYOUT_MAX_DATASETS];
    struct lam_dataset_entry entries[LAM_LAYOUT_MAX_DATASETS]; /* len: what was written so far */
    uint32_t first[LAM_LAYOUT_MAX_COLUMNS];                    /* dataset of a column */
    uint64_t dirty; /* bytes written since the disk was told to begin */
    bool created;   /* tmp may exist */
    int rc;         /* a failure ends all further work */
};

static herr_t first_error(unsigned depth, const H5E_error2_t *error, void *arg)
{
    const char **desc = arg;

    if (depth == 0)
        *desc = error->desc;
    return 0;
}

/* What HDF5 says about its latest failure. */
static const char *hdf5_says(void)
{
    const char *desc = "no reason given";

    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_error, (void *)&desc);
    return desc;
}

/* Looks whether our driver refused something behind HDF5's back. */
static int disk(struct lam_segment *segment, struct lam_error *err)
{
    if (!segment->rc && segment->vfd.rc)
        segment->rc = LAM_FAIL(err, segment->vfd.rc, "%s: %s", segment->tmp, segment->vfd.err.text);
    return segment->rc;
}

/* A call of HDF5 failed, by itself or by our driver. */
static int hdf5_failed(struct lam_segment *segment, const char *call, struct lam_error *err)
{
    if (segment->vfd.rc)
        return disk(segment, err);
    return segment->rc = LAM_FAIL(err, LAM_E_IO, "%s: %s: %s", segment->tmp, call, hdf5_says());
}

static hid_t file_type(enum lam_column_type type, enum lam_dataset_part part)
{
    if (part == LAM_PART_OFFSETS)
        return H5T_STD_U64LE;
    if (part == LAM_PART_BYTES)
        return H5T_STD_U8LE;
    switch (type) {
    case LAM_COL_U32:
        return H5T_STD_U32LE;
    case LAM_COL_U64:
        return H5T_STD_U64LE;
    case LAM_COL_I64:
        return H5T_STD_I64LE;
    case LAM_COL_F32:
    case LAM_COL_VECTOR:
        return H5T_IEEE_F32LE;
    default:
        return H5T_STD_U8LE;
    }
}

/* Shape of a dataset: its rank, and its dimensions in values of its type. */
static int shape(const struct lam_segment_spec *spec, uint32_t column, enum lam_column_type type, enum lam_dataset_part part,
                 hsize_t dims[2])
{
    dims[0] = spec->rows;
    dims[1] = 1;
    if (part == LAM_PART_OFFSETS)
        dims[0] = spec->rows + 1;
    else if (part == LAM_PART_BYTES || type == LAM_COL_BLOB)
        dims[0] = spec->bytes[column];
    else if (type == LAM_COL_BYTES16)
        dims[1] = 16;
    else if (type == LAM_COL_VECTOR)
        dims[1] = spec->dim;
    return part == LAM_PART_ONLY && (type == LAM_COL_BYTES16 || type == LAM_COL_VECTOR) ? 2 : 1;
}

static hid_t access_list(struct lam_segment_vfd *vfd)
{
    hid_t fapl;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* what fails is in err, not on standard error */
    fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (fapl < 0)
        return fapl;
    if (lam_segment_vfd_set(fapl, vfd) < 0 || H5Pset_alignment(fapl, 1, ALIGNMENT) < 0 ||
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) < 0) {
        H5Pclose(fapl);
        return -1;
    }
    return fapl;
}

static hid_t creation_list(void)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);

    if (list < 0)
        return list;
    if (H5Pset_layout(list, H5D_CONTIGUOUS) < 0 || H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_obj_track_times(list, 0) < 0) {
        H5Pclose(list);
        return -1;
    }
    return list;
}

static herr_t add_number(hid_t file, const char *name, hid_t type, uint64_t value)
{
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t rc = attribute < 0 ? -1 : H5Awrite(attribute, H5T_NATIVE_UINT64, &value);

    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return rc;
}

static herr_t add_text(hid_t file, const char *name, const char *text)
{
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1), attribute = -1;
    herr_t rc = H5Tset_size(type, strlen(text) + 1);

    if (rc >= 0 && (attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) >= 0)
        rc = H5Awrite(attribute, type, text);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
    return attribute < 0 ? -1 : rc;
}

static int declare_dataset(struct lam_segment *segment, uint32_t dataset, hid_t list, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;
    uint32_t column = lam_layout_column(segment->layout, dataset, &part, name);
    enum lam_column_type type = segment->layout->columns[column].type;
    hsize_t dims[2];
    hid_t space = H5Screate_simple(shape(&segment->spec, column, type, part, dims), dims, NULL);
    haddr_t offset;

    stream->type = file_type(type, part);
    if (space >= 0)
        stream->dataset = H5Dcreate2(segment->file, name, stream->type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    H5Sclose(space);
    if (stream->dataset < 0)
        return hdf5_failed(segment, "H5Dcreate", err);
    stream->width = dims[1];
    stream->row_len = dims[1] * H5Tget_size(stream->type);
    stream->declared = dims[0] * stream->row_len;
    if (stream->declared == 0)
        return 0; /* nothing is allocated for it */
    stream->cap = stream->row_len < SLAB ? SLAB / stream->row_len * stream->row_len : stream->row_len;
    if (stream->cap > stream->declared)
        stream->cap = stream->declared;
    if (!(stream->slab = malloc(stream->cap)))
        return segment->rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to write segment %s", segment->path);
    if ((offset = H5Dget_offset(stream->dataset)) == HADDR_UNDEF)
        return hdf5_failed(segment, "H5Dget_offset", err);
    segment->entries[dataset].offset = offset;
    if (part == LAM_PART_OFFSETS) { /* the first offset */
        memset(stream->slab, 0, sizeof(uint64_t));
        stream->len = stream->put = sizeof(uint64_t);
    }
    return 0;
}

static int declare_all(struct lam_segment *segment, struct lam_error *err)
{
    hid_t fapl = access_list(&segment->vfd), list = -1, fcpl = -1;
    int rc = 0;

    if (fapl < 0)
        return hdf5_failed(segment, "H5Pset_driver", err);
    list = creation_list();
    fcpl = H5Pcreate(H5P_FILE_CREATE);
    if (list < 0 || fcpl < 0 || H5Pset_obj_track_times(fcpl, 0) < 0)
        rc = hdf5_failed(segment, "H5Pcreate", err);
    else if ((segment->file = H5Fcreate(segment->tmp, H5F_ACC_TRUNC, fcpl, fapl)) < 0)
        rc = hdf5_failed(segment, "H5Fcreate", err);
    else if (add_number(segment->file, "format", H5T_STD_U32LE, LAM_SEGMENT_FORMAT) < 0 ||
             add_number(segment->file, "layout", H5T_STD_U32LE, segment->spec.layout) < 0 ||
             add_text(segment->file, "kind", lam_segment_kind_name(segment->spec.kind)) < 0 ||
             add_number(segment->file, "rows", H5T_STD_U64LE, segment->spec.rows) < 0)
        rc = hdf5_failed(segment, "H5Awrite", err);
    for (uint32_t i = 0; !rc && i < segment->layout->dataset_count; i++)
        rc = declare_dataset(segment, i, list, err);
    H5Pclose(fcpl);
    H5Pclose(list);
    H5Pclose(fapl);
    return rc;
}

/* Writes whole rows of a dataset behind what it has. */
static int write_rows(struct lam_segment *segment, uint32_t dataset, const void *bytes, size_t len, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    struct lam_dataset_entry *entry = &segment->entries[dataset];
    hsize_t start[2] = {entry->len / stream->row_len, 0}, count[2] = {len / stream->row_len, stream->width}, values = count[0] * count[1];
    hid_t space = H5Dget_space(stream->dataset), memory = H5Screate_simple(1, &values, NULL);
    herr_t rc = -1;

    assert(len % stream->row_len == 0);
    if (space >= 0 && memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0)
        rc = H5Dwrite(stream->dataset, stream->type, memory, space, H5P_DEFAULT, bytes);
    H5Sclose(memory);
    H5Sclose(space);
    if (rc < 0)
        return hdf5_failed(segment, "H5Dwrite", err);
    entry->crc32c = lam_crc32c(entry->crc32c, bytes, len);
    entry->len += len;
    segment->dirty += len;
    if (segment->dirty >= WRITEBACK) {
        sync_file_range(segment->vfd.fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: what fails here, the sync will tell */
        segment->dirty = 0;
    }
    return disk(segment, err);
}

static int flush_stream(struct lam_segment *segment, uint32_t dataset, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    size_t len = stream->len;

    stream->len = 0;
    return len ? write_rows(segment, dataset, stream->slab, len, err) : 0;
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

static int add(struct lam_segment *segment, uint32_t dataset, const void *bytes, size_t len, struct lam_error *err)
{
    struct stream *stream = &segment->streams[dataset];
    const uint8_t *p = bytes;
    int rc;

    if (segment->rc || len > stream->declared - stream->put)
        return too_much(segment, dataset, err);
    stream->put += len;
    while (len > 0) {
        size_t part = stream->cap - stream->len;

        if (stream->len == 0 && len >= stream->cap) {
            part = len / stream->row_len * stream->row_len;
            if (part > DIRECT)
                part = stream->row_len < DIRECT ? DIRECT / stream->row_len * stream->row_len : stream->row_len;
            if ((rc = write_rows(segment, dataset, p, part, err))) /* large values pass without a copy */
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

int lam_segment_put(struct lam_segment *segment, uint32_t column, const void *values, size_t count, struct lam_error *err)
{
    assert(column < segment->layout->column_count && lam_column_size(segment->layout->columns[column].type) > 0);
    return add(segment, segment->first[column], values, count * lam_column_size(segment->layout->columns[column].type), err);
}

int lam_segment_put_string(struct lam_segment *segment, uint32_t column, struct lam_sv sv, struct lam_error *err)
{
    uint32_t dataset = segment->first[column];
    int rc;

    assert(column < segment->layout->column_count && segment->layout->columns[column].type == LAM_COL_STRING);
    if (sv.len && (rc = add(segment, dataset + 1, sv.ptr, sv.len, err)))
        return rc;
    return add(segment, dataset, &segment->streams[dataset + 1].put, sizeof(uint64_t), err);
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

/* All columns have to be whole, and all slabs written. */
static int complete(struct lam_segment *segment, struct lam_error *err)
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
        else
            rc = flush_stream(segment, i, err);
    }
    return rc;
}

int lam_segment_new(const struct lam_fs *fs, const struct lam_segment_spec *spec, struct lam_segment **out, struct lam_error *err)
{
    const struct lam_layout *layout = lam_layout(spec->layout);
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
    segment->vfd = (struct lam_segment_vfd){.fs = fs, .fd = -1};
    segment->file = -1;
    for (uint32_t i = 0; i < LAM_LAYOUT_MAX_DATASETS; i++)
        segment->streams[i].dataset = -1;
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
    segment->vfd.fd = fd;
    if ((rc = declare_all(segment, err)) || (rc = disk(segment, err)))
        goto cleanup;
    *out = segment;
    return 0;
cleanup:
    lam_segment_free(segment);
    return rc;
}

/* Ends HDF5's part. Whatever it would still write is of no use once something failed. */
static void close_hdf5(struct lam_segment *segment)
{
    for (uint32_t i = 0; i < segment->layout->dataset_count; i++) {
        if (segment->streams[i].dataset >= 0)
            H5Dclose(segment->streams[i].dataset);
        segment->streams[i].dataset = -1;
    }
    if (segment->file >= 0)
        H5Fclose(segment->file);
    segment->file = -1;
}

static int close_synced(struct lam_segment *segment, struct lam_error *err)
{
    const struct lam_fs *fs = segment->fs;
    int rc;

    if (H5Fflush(segment->file, H5F_SCOPE_GLOBAL) < 0)
        return hdf5_failed(segment, "H5Fflush", err);
    close_hdf5(segment);
    if ((rc = disk(segment, err)))
        return rc;
    if ((rc = fs->ops->fsync(fs->arg, segment->vfd.fd)))
        return segment->rc = LAM_FAIL(err, LAM_E_IO, "sync %s: %s", segment->tmp, strerror(-rc));
    rc = fs->ops->close(fs->arg, segment->vfd.fd); /* NFS reports a full disk only here */
    segment->vfd.fd = -1;
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
    int rc = complete(segment, err);

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
    if (segment->file >= 0 && !segment->vfd.rc)
        segment->vfd.rc = LAM_E_CANCELLED;
    close_hdf5(segment);
    if (segment->vfd.fd >= 0)
        segment->fs->ops->close(segment->fs->arg, segment->vfd.fd);
    if (segment->created)
        segment->fs->ops->unlink(segment->fs->arg, segment->tmp); /* a failure leaves a stray file: the sweep takes it */
    for (uint32_t i = 0; i < segment->layout->dataset_count; i++)
        free(segment->streams[i].slab);
    free(segment);
}
