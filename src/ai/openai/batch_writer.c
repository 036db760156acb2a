/* A file of requests on its way: lines gather in a buffer, and the keys that it has in a map. */
#include "batch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/dict.h"

#define WRITE_AT ((size_t)256 << 10)
#define KEYS_MAX ((size_t)1 << 26) /* that are known again; a batch takes a thousandth of them */

struct lam_batch_writer {
    const struct lam_fs *fs;
    char path[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    const char *url;
    int fd;
    uint64_t at, count;
    struct lam_dict keys;
    struct lam_buf buf;
};

int lam_batch_writer_open(struct lam_batch_writer **writer, const struct lam_fs *fs, const char *path, const char *url, struct lam_error *err)
{
    struct lam_batch_writer *made = calloc(1, sizeof *made);
    int rc;

    *writer = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to write %s", path);
    made->fs = fs ? fs : &lam_fs_system;
    made->url = url;
    made->fd = -1;
    lam_buf_init(&made->buf, 2 * LAM_BATCH_LINE_MAX);
    lam_dict_init(&made->keys, KEYS_MAX, KEYS_MAX * sizeof(struct lam_digest));
    if (strlen(path) >= LAM_PATH_MAX) {
        rc = LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", path);
    } else if (memcpy(made->path, path, strlen(path) + 1), !(rc = lam_fs_temporary(made->tmp, path, err))) {
        made->fd = made->fs->ops->open(made->fs->arg, made->tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
        rc = made->fd < 0 ? LAM_FAIL(err, LAM_E_IO, "create %s: %s", path, strerror(-made->fd)) : 0;
    }
    if (rc) {
        made->tmp[0] = '\0';
        lam_batch_writer_free(made);
        return rc;
    }
    *writer = made;
    return 0;
}

static int write_buf(struct lam_batch_writer *writer, struct lam_error *err)
{
    int rc = lam_fs_write_at(writer->fs, writer->fd, writer->buf.ptr, writer->buf.len, (off_t)writer->at, err);

    writer->at += writer->buf.len;
    lam_buf_clear(&writer->buf);
    return rc ? LAM_PASS(err, rc, "%s", writer->path) : 0;
}

int lam_batch_writer_add(struct lam_batch_writer *writer, struct lam_digest key, struct lam_sv body, struct lam_error *err)
{
    uint64_t *value;
    bool added;
    int rc = lam_dict_add(&writer->keys, lam_sv((const char *)key.bytes, sizeof key.bytes), &value, &added, err); /* LAM_E_LIMIT: nobody knows */

    if ((rc && rc != LAM_E_LIMIT) || (!rc && !added))
        return rc;
    if ((rc = lam_batch_request_add(&writer->buf, key, writer->url, body, err)))
        return rc;
    writer->count++;
    return writer->buf.len >= WRITE_AT ? write_buf(writer, err) : 0;
}

uint64_t lam_batch_writer_count(const struct lam_batch_writer *writer) { return writer->count; }

const char *lam_batch_writer_path(const struct lam_batch_writer *writer) { return writer->path; }

int lam_batch_writer_finish(struct lam_batch_writer *writer, struct lam_error *err)
{
    int rc = write_buf(writer, err), closed;

    if (!rc && (rc = writer->fs->ops->fsync(writer->fs->arg, writer->fd)))
        rc = LAM_FAIL(err, LAM_E_IO, "sync %s: %s", writer->path, strerror(-rc));
    closed = writer->fs->ops->close(writer->fs->arg, writer->fd);
    writer->fd = -1;
    if (!rc && closed)
        rc = LAM_FAIL(err, LAM_E_IO, "close %s: %s", writer->path, strerror(-closed));
    if (!rc && (rc = writer->fs->ops->rename(writer->fs->arg, writer->tmp, writer->path)))
        rc = LAM_FAIL(err, LAM_E_IO, "rename to %s: %s", writer->path, strerror(-rc));
    if (!rc)
        writer->tmp[0] = '\0';
    return rc;
}

void lam_batch_writer_free(struct lam_batch_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        writer->fs->ops->close(writer->fs->arg, writer->fd);
    if (writer->tmp[0])
        writer->fs->ops->unlink(writer->fs->arg, writer->tmp);
    lam_dict_release(&writer->keys);
    lam_buf_release(&writer->buf);
    free(writer);
}
