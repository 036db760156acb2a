/*
 * Reading a file of answers from one place to another. Damaged bytes cost the entries that they hit and no other: the next whole one is searched for. What is not
 * whole at the end is no damage as long as it may be the beginning of an entry: it is being written, or was torn by a kill.
 */
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define NOWHERE UINT32_MAX

/* Bytes of a file that are being walked over: [begin, begin + buf.len). */
struct window {
    struct lam_buf buf;
    uint32_t begin;
    bool ended; /* there is no more than what is in it */
};

/* Makes need bytes from `at` on available, as far as the file goes. */
static int fill(struct lam_cache *cache, int fd, struct window *window, uint32_t at, uint32_t to, size_t need, struct lam_error *err)
{
    const struct lam_fs *fs = cache->options.fs;
    size_t drop = at - window->begin;

    memmove(window->buf.ptr, window->buf.ptr + drop, window->buf.len - drop);
    window->buf.len -= drop;
    window->begin = at;
    while (window->buf.len < need) {
        uint64_t from = (uint64_t)at + window->buf.len;
        size_t want = need - window->buf.len > CACHE_SCAN_STEP ? need - window->buf.len : CACHE_SCAN_STEP;
        ssize_t n;
        int rc;

        want = to - from < want ? (size_t)(to - from) : want;
        if (!want) {
            window->ended = true;
            return 0;
        }
        if ((rc = lam_buf_reserve(&window->buf, want, err)))
            return rc;
        if ((n = fs->ops->pread(fs->arg, fd, window->buf.ptr + window->buf.len, want, (off_t)from)) < 0)
            return LAM_FAIL(err, LAM_E_IO, "read a file of the cache: %s", strerror((int)-n));
        window->buf.len += (size_t)n;
        if (!n) {
            window->ended = true;
            return 0;
        }
    }
    return 0;
}

static void note(struct cache_damage *damage, uint32_t from, uint32_t to)
{
    if (!damage->places++)
        damage->first = from;
    damage->bytes += to - from;
}

/* How far it is from bytes that begin no entry to those that may. have: at least one. */
static uint32_t step(const char *bytes, size_t have)
{
    const char *next = memchr(bytes + 1, 'L', have - 1);

    return next ? (uint32_t)(next - bytes) : (uint32_t)have;
}

static int scan_fd(struct lam_cache *cache, int fd, const struct cache_scan *scan, struct lam_error *err)
{
    struct window window = {.begin = scan->from};
    uint32_t at = scan->from, gap = NOWHERE;
    bool torn = false; /* what begins at gap may be a beginning */
    int rc;

    lam_buf_init(&window.buf, 2 * (LAM_CACHE_VALUE_MAX + CACHE_SCAN_STEP));
    rc = lam_buf_reserve(&window.buf, CACHE_SCAN_STEP, err);
    while (!rc && at < scan->to) {
        const char *here = window.buf.ptr + (at - window.begin);
        size_t have = window.buf.len - (at - window.begin), need;
        struct lam_cache_entry entry;

        rc = cache_read_entry((const unsigned char *)here, have, &entry, &need);
        if (rc == LAM_PENDING && !window.ended) {
            rc = fill(cache, fd, &window, at, scan->to, need, err);
            continue;
        }
        if (rc && have) { /* torn, damaged, or still being written; whole ones may stand behind it */
            torn = gap == NOWHERE ? rc == LAM_PENDING : torn;
            gap = gap == NOWHERE ? at : gap;
            rc = 0;
            at += step(here, have);
            continue;
        }
        if (rc) { /* it is shorter than it was */
            rc = 0;
            break;
        }
        if (gap != NOWHERE)
            note(scan->damage, gap, at);
        gap = NOWHERE;
        if ((rc = scan->visit(scan->arg, &entry, at, err)))
            break;
        at += (uint32_t)need;
    }
    if (gap != NOWHERE && !torn)
        note(scan->damage, gap, at);
    lam_buf_release(&window.buf);
    return rc;
}

int cache_scan(struct lam_cache *cache, const struct cache_file *file, const struct cache_scan *scan, struct lam_error *err)
{
    const struct lam_fs *fs = cache->options.fs;
    unsigned char header[CACHE_FILE_HEADER];
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    ssize_t n;
    int fd, rc;

    cache_file_name(name, file->id);
    if ((rc = lam_path_join(path, cache->folder, name, err)))
        return rc;
    if ((fd = fs->ops->open(fs->arg, path, O_RDONLY, 0)) < 0)
        return LAM_FAIL(err, fd == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", path, strerror(-fd));
    n = fs->ops->pread(fs->arg, fd, header, sizeof header, 0);
    if (n < 0) {
        rc = LAM_FAIL(err, LAM_E_IO, "read %s: %s", path, strerror((int)-n));
    } else if (n < (ssize_t)sizeof header) {
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s has no header of a cache file yet", path);
    } else {
        if (cache_read_file_header(header, sizeof header, file->id)) /* each entry stands for itself */
            note(scan->damage, 0, CACHE_FILE_HEADER);
        if ((rc = scan_fd(cache, fd, scan, err)))
            LAM_PASS(err, rc, "%s", path);
    }
    fs->ops->close(fs->arg, fd);
    return rc;
}

void cache_tell_damage(struct lam_cache *cache, struct cache_file *file, const struct cache_damage *damage)
{
    char name[CACHE_NAME];
    bool told;

    pthread_mutex_lock(&cache->lock);
    told = file->damage_told;
    file->damage_told = told || damage->places;
    pthread_mutex_unlock(&cache->lock);
    if (told || !damage->places)
        return;
    cache_file_name(name, file->id);
    cache_log(cache, "%s/%s is damaged at byte %" PRIu32 " (%" PRIu64 " places, %" PRIu64 " bytes): the answers that stood there are lost and asked again; all others are used",
              cache->folder, name, damage->first, damage->places, damage->bytes);
}
