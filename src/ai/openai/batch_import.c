/* Reading a file of answers into the cache, line by line. */
#include "batch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "recording.h"

#define READ_STEP ((size_t)1 << 20)
#define DEPTH 64
#define TOLD_MAX 20 /* lines that the log names */

struct import {
    struct lam_cache *cache;
    const struct lam_batch_source *source;
    struct lam_json *json, *body; /* of a line; of vectors in it */
    struct lam_llm_reader *reader;
    struct lam_buf value;
    struct lam_batch_counts *counts;
    unsigned told;
    int failed; /* of what was put; written by the cache's thread, read after a flush */
};

static void flushed(void *arg, int rc, const struct lam_error *err)
{
    (void)err;
    if (rc)
        ((struct import *)arg)->failed = rc;
}

static void note(struct import *import, uint64_t *count, const char *why)
{
    if (!import->counts->first[0])
        snprintf(import->counts->first, sizeof import->counts->first, "line %" PRIu64 ": %.360s", import->counts->lines, why);
    ++*count;
    if (import->source->log && import->told++ < TOLD_MAX)
        lam_log_warn(import->source->log, "ai", "%s, line %" PRIu64 ": %.360s%s", import->source->path, import->counts->lines, why,
                     import->told == TOLD_MAX ? "; others that are not taken are counted, and not told of" : "");
}

/* What the cache is to keep of a line: 0, LAM_E_INVALID where there is nothing, or an error that ends the import. */
static int value_of(struct import *import, struct lam_sv line, struct lam_digest *key, struct lam_cache_meta *meta, bool *failed, struct lam_error *err)
{
    struct lam_batch_line parsed;
    int rc = lam_batch_line_parse(import->json, line, &parsed, err);

    *failed = false;
    if (rc)
        return rc;
    *key = parsed.key;
    *meta = parsed.meta;
    if (parsed.own)
        return parsed.base64 ? lam_base64_undo(parsed.value, &import->value, err) : lam_buf_add_sv(&import->value, parsed.value, err);
    if (!parsed.body.len || parsed.status != 200 || parsed.problem.len) {
        struct lam_sv why = parsed.problem.len ? parsed.problem : parsed.body.len ? parsed.body : LAM_SV("without a word why");

        *failed = true;
        return LAM_FAIL(err, LAM_E_INVALID, "status %d, %.*s", parsed.status, why.len > 200 ? 200 : (int)why.len, why.ptr);
    }
    if (parsed.vectors)
        return lam_batch_vector(import->body, parsed.body, import->source->dim, &import->value, meta, err);
    return lam_batch_value(import->reader, parsed.body, &import->value, meta, err);
}

static int take_line(struct import *import, struct lam_sv line, struct lam_error *err)
{
    struct lam_cache_meta meta;
    struct lam_digest key;
    bool failed;
    int rc;

    import->counts->lines++;
    lam_buf_clear(&import->value);
    rc = value_of(import, line, &key, &meta, &failed, err);
    if (rc == LAM_E_INVALID || rc == LAM_E_LIMIT) {
        note(import, failed ? &import->counts->failed : &import->counts->unusable, err->text);
        return 0;
    }
    while (!rc && (rc = lam_cache_put(import->cache, key, lam_buf_sv(&import->value), &meta, flushed, import, err)) == LAM_PENDING)
        rc = lam_cache_flush(import->cache, err);
    import->counts->taken += !rc;
    return rc;
}

static bool blank(struct lam_sv line)
{
    while (line.len && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
        line.len--;
    return !line.len;
}

static int read_lines(struct import *import, const struct lam_fs *fs, int fd, struct lam_buf *buf, struct lam_error *err)
{
    uint64_t at = 0;
    ssize_t n = 1;
    int rc = 0;

    while (n > 0 && !rc) {
        size_t from = 0;
        const char *end;

        if ((rc = lam_buf_reserve(buf, READ_STEP, err)))
            return rc;
        if ((n = fs->ops->pread(fs->arg, fd, buf->ptr + buf->len, READ_STEP, (off_t)at)) < 0)
            return LAM_FAIL(err, LAM_E_IO, "read: %s", strerror((int)-n));
        at += (uint64_t)n;
        buf->len += (size_t)n;
        if (!n && buf->len) /* the last line may lack its end */
            buf->ptr[buf->len++] = '\n';
        while (!rc && from < buf->len && (end = memchr(buf->ptr + from, '\n', buf->len - from))) {
            struct lam_sv line = lam_sv(buf->ptr + from, (size_t)(end - buf->ptr) - from);

            rc = blank(line) ? 0 : take_line(import, line, err);
            from += line.len + 1;
        }
        memmove(buf->ptr, buf->ptr + from, buf->len - from);
        buf->len -= from;
    }
    return rc;
}

int lam_batch_import(struct lam_cache *cache, const struct lam_batch_source *source, struct lam_batch_counts *counts, struct lam_error *err)
{
    struct import import = {.cache = cache, .source = source, .json = lam_json_new(LAM_BATCH_LINE_MAX, DEPTH), .body = lam_json_new(LAM_BATCH_LINE_MAX, DEPTH),
                            .reader = lam_llm_reader_new(LAM_BATCH_LINE_MAX), .counts = counts};
    const struct lam_fs *fs = source->fs ? source->fs : &lam_fs_system;
    const char *path = source->path;
    struct lam_buf buf;
    int rc, fd, last;

    *counts = (struct lam_batch_counts){0};
    lam_buf_init(&import.value, LAM_CACHE_VALUE_MAX);
    lam_buf_init(&buf, LAM_BATCH_LINE_MAX + READ_STEP);
    if (!import.json || !import.body || !import.reader) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %s", path);
    } else if ((fd = fs->ops->open(fs->arg, path, O_RDONLY, 0)) < 0) {
        rc = LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", path, strerror(-fd));
    } else {
        if ((rc = read_lines(&import, fs, fd, &buf, err)))
            LAM_PASS(err, rc, "%s, line %" PRIu64, path, counts->lines);
        fs->ops->close(fs->arg, fd);
        last = lam_cache_flush(cache, rc ? NULL : err);
        rc = rc ? rc : last ? last : import.failed ? LAM_FAIL(err, import.failed, "answers of %s could not be written", path) : 0;
    }
    lam_buf_release(&import.value);
    lam_buf_release(&buf);
    lam_json_free(import.json);
    lam_json_free(import.body);
    lam_llm_reader_free(import.reader);
    return rc;
}
