#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define INDEX_SLAB ((size_t)256 << 10)
#define GUESSES 16 /* of interpolation, then halves: keys are hashes, and three guesses find most */

void cache_index_close(struct cache_index *index)
{
    if (!index)
        return;
    if (index->base)
        munmap(index->base, index->size);
    free(index->spans);
    free(index->files);
    free(index);
}

static int read_spans(struct cache_index *index, const struct cache_index_header *header)
{
    const unsigned char *base = index->base, *at = base + CACHE_INDEX_HEADER;

    if (lam_crc32c(0, at, (size_t)header->spans * CACHE_SPAN_BYTES) != header->spans_crc)
        return LAM_E_CORRUPT;
    index->span_count = header->spans;
    index->spans = calloc(header->spans + 1u, sizeof *index->spans);
    index->files = calloc(header->spans + 1u, sizeof *index->files);
    if (!index->spans || !index->files)
        return LAM_E_MEMORY;
    for (uint32_t i = 0; i < header->spans; i++, at += CACHE_SPAN_BYTES) {
        if (cache_read_span(at, &index->spans[i]))
            return LAM_E_CORRUPT;
        index->files[i] = CACHE_NO_FILE;
    }
    index->keys = at;
    index->count = header->keys;
    index->keys_crc = header->keys_crc;
    return 0;
}

static int map_file(struct cache_index *index, const struct lam_fs *fs, const char *path, struct lam_error *err)
{
    struct stat st;
    int rc = fs->ops->stat(fs->arg, path, &st), fd;

    if (!rc && st.st_size < (off_t)CACHE_INDEX_HEADER)
        return LAM_FAIL(err, LAM_E_CORRUPT, "%s is too short for an index", path);
    if ((fd = rc ? rc : fs->ops->open(fs->arg, path, O_RDONLY, 0)) < 0)
        return LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", path, strerror(-fd));
    index->size = (size_t)st.st_size;
    index->base = mmap(NULL, index->size, PROT_READ, MAP_SHARED, fd, 0);
    fs->ops->close(fs->arg, fd);
    if (index->base == MAP_FAILED) {
        index->base = NULL;
        return LAM_FAIL(err, LAM_E_IO, "map %s: %s", path, strerror(errno));
    }
    return 0;
}

int cache_index_open(const struct lam_fs *fs, const char *folder, const char *name, struct cache_index **index, struct lam_error *err)
{
    struct cache_index *made = calloc(1, sizeof *made);
    struct cache_index_header header;
    char path[LAM_PATH_MAX];
    int rc;

    *index = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an index");
    snprintf(made->name, sizeof made->name, "%s", name);
    if ((rc = lam_path_join(path, folder, name, err)) || (rc = map_file(made, fs, path, err)))
        goto cleanup;
    if ((rc = cache_read_index_header(made->base, made->size, &header)) || (rc = read_spans(made, &header))) {
        LAM_FAIL(err, rc, "%s is not a whole index", path);
        goto cleanup;
    }
    *index = made;
    made = NULL;

cleanup:
    cache_index_close(made);
    return rc;
}

static uint64_t first_bytes(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

/* The first key that is not below digest, or count. */
static uint64_t lower_bound(const struct cache_index *index, const struct lam_digest *digest)
{
    uint64_t lo = 0, hi = index->count, low = 0, high = UINT64_MAX, want = first_bytes(digest->bytes);

    for (unsigned guesses = 0; lo < hi; guesses++) {
        uint64_t mid = lo + (hi - lo) / 2;
        const unsigned char *at;

        if (guesses < GUESSES && low < high && want >= low && want <= high)
            mid = lo + (uint64_t)((double)(want - low) / (double)(high - low) * (double)(hi - lo - 1));
        if (mid >= hi) /* of rounding */
            mid = hi - 1;
        at = index->keys + mid * CACHE_KEY_BYTES;
        if (memcmp(at, digest->bytes, sizeof digest->bytes) < 0) {
            lo = mid + 1;
            low = first_bytes(at);
        } else {
            hi = mid;
            high = first_bytes(at);
        }
    }
    return lo;
}

bool cache_index_find(const struct cache_index *index, const struct lam_digest *digest, struct cache_key *found)
{
    uint64_t at = lower_bound(index, digest);

    if (at == index->count || memcmp(index->keys + at * CACHE_KEY_BYTES, digest->bytes, sizeof digest->bytes))
        return false;
    *found = cache_read_key(index->keys + at * CACHE_KEY_BYTES);
    return found->file < index->span_count;
}

bool cache_index_holds(const struct cache_index *index)
{
    uint32_t crc = 0;
    uint64_t len = index->count * CACHE_KEY_BYTES;

    for (uint64_t at = 0; at < len; at += INDEX_SLAB)
        crc = lam_crc32c(crc, index->keys + at, len - at < INDEX_SLAB ? (size_t)(len - at) : INDEX_SLAB);
    return crc == index->keys_crc;
}

static int write_buf(struct cache_index_writer *writer, struct lam_error *err)
{
    int rc = lam_fs_write_at(writer->fs, writer->fd, writer->buf.ptr, writer->buf.len, (off_t)writer->at, err);

    writer->at += writer->buf.len;
    lam_buf_clear(&writer->buf);
    return rc;
}

int cache_index_begin(struct cache_index_writer *writer, const struct lam_fs *fs, const char *folder, const struct cache_span *spans, uint32_t span_count,
                      struct lam_error *err)
{
    unsigned char bytes[CACHE_SPAN_BYTES];
    uint64_t id;
    int rc;

    *writer = (struct cache_index_writer){.fs = fs, .folder = folder, .fd = -1, .at = CACHE_INDEX_HEADER, .header.spans = span_count};
    lam_buf_init(&writer->buf, 2 * INDEX_SLAB);
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    snprintf(writer->name, sizeof writer->name, "%016" PRIx64 CACHE_INDEX_SUFFIX, id);
    if ((rc = lam_path_join(writer->path, folder, writer->name, err)) || (rc = lam_fs_temporary(writer->tmp, writer->path, err)))
        return rc;
    if ((writer->fd = fs->ops->open(fs->arg, writer->tmp, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
        return LAM_FAIL(err, LAM_E_IO, "create %s: %s", writer->tmp, strerror(-writer->fd));
    for (uint32_t i = 0; i < span_count && !rc; i++) {
        cache_write_span(bytes, &spans[i]);
        writer->header.spans_crc = lam_crc32c(writer->header.spans_crc, bytes, sizeof bytes);
        if (!(rc = lam_buf_add(&writer->buf, bytes, sizeof bytes, err)) && writer->buf.len >= INDEX_SLAB)
            rc = write_buf(writer, err);
    }
    return rc;
}

int cache_index_add(struct cache_index_writer *writer, const struct cache_key *key, struct lam_error *err)
{
    unsigned char bytes[CACHE_KEY_BYTES];
    int rc;

    cache_write_key(bytes, key);
    writer->header.keys_crc = lam_crc32c(writer->header.keys_crc, bytes, sizeof bytes);
    writer->header.keys++;
    if ((rc = lam_buf_add(&writer->buf, bytes, sizeof bytes, err)))
        return rc;
    return writer->buf.len >= INDEX_SLAB ? write_buf(writer, err) : 0;
}

int cache_index_finish(struct cache_index_writer *writer, struct lam_error *err)
{
    const struct lam_fs *fs = writer->fs;
    unsigned char header[CACHE_INDEX_HEADER];
    int rc = write_buf(writer, err), closed;

    cache_write_index_header(header, &writer->header);
    if (rc || (rc = lam_fs_write_at(fs, writer->fd, header, sizeof header, 0, err)))
        return LAM_PASS(err, rc, "%s", writer->tmp);
    if ((rc = fs->ops->fsync(fs->arg, writer->fd)))
        return LAM_FAIL(err, LAM_E_IO, "sync %s: %s", writer->tmp, strerror(-rc));
    closed = fs->ops->close(fs->arg, writer->fd);
    writer->fd = -1;
    if (closed)
        return LAM_FAIL(err, LAM_E_IO, "close %s: %s", writer->tmp, strerror(-closed));
    if ((rc = fs->ops->rename(fs->arg, writer->tmp, writer->path)))
        return LAM_FAIL(err, LAM_E_IO, "rename to %s: %s", writer->path, strerror(-rc));
    writer->tmp[0] = '\0';
    return lam_fs_sync_dir(fs, writer->folder, err);
}

void cache_index_release(struct cache_index_writer *writer)
{
    if (writer->fd >= 0)
        writer->fs->ops->close(writer->fs->arg, writer->fd);
    if (writer->fs && writer->tmp[0])
        writer->fs->ops->unlink(writer->fs->arg, writer->tmp);
    lam_buf_release(&writer->buf);
}
