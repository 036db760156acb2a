/*
 * Putting: an answer is added to what waits to be flushed, and written to the end of the own file at once. That is no sync, and costs some microseconds:
 * what the kernel has is lost with the machine, not with the process. The very first one waits, a second at most, until the flushing thread has made a file; what comes when one
 * is full does not, since its index is written then.
 */
#include "own.h"

#include <stdlib.h>

#define FILE_WAIT_S 1 /* for the first file to be made */

static int make_room(struct cache_batch *batch)
{
    size_t cap = batch->cap ? 2 * batch->cap : 64;
    struct cache_ticket *grown;

    if (batch->count < batch->cap)
        return 0;
    if (!(grown = realloc(batch->tickets, cap * sizeof *grown)))
        return LAM_E_MEMORY;
    batch->tickets = grown;
    batch->cap = cap;
    return 0;
}

void cache_write_through(struct lam_cache *cache)
{
    struct cache_batch *batch = &cache->pending;
    size_t len = batch->bytes.len - batch->written;
    struct lam_error err;

    if (!cache->through || !len)
        return;
    if (!lam_fs_write_at(cache->options.fs, cache->own_fd, batch->bytes.ptr + batch->written, len, (off_t)(cache->tail_at + batch->written), &err)) {
        batch->written += len;
        return;
    }
    cache->through = false; /* the flushing thread tries once more, and tells what came of it */
    pthread_cond_signal(&cache->some);
}

static int add(struct lam_cache *cache, const unsigned char header[CACHE_ENTRY_HEADER], const struct cache_ticket *ticket, struct lam_sv value,
               struct lam_error *err)
{
    struct cache_batch *batch = &cache->pending;
    size_t before = batch->bytes.len;
    int rc;

    if (batch->count && before + CACHE_ENTRY_HEADER + value.len > cache->options.pending_bytes)
        return LAM_PENDING;
    if (make_room(batch))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an answer that is to be cached");
    if ((rc = lam_buf_add(&batch->bytes, header, CACHE_ENTRY_HEADER, err)) || (rc = lam_buf_add_sv(&batch->bytes, value, err))) {
        batch->bytes.len = before;
        return rc;
    }
    batch->tickets[batch->count] = *ticket;
    batch->tickets[batch->count].key.offset = (uint32_t)before;
    if (!batch->count++) {
        int64_t ns;

        clock_gettime(CLOCK_MONOTONIC, &cache->due);
        ns = cache->due.tv_nsec + cache->options.flush_us * 1000;
        cache->due.tv_sec += ns / 1000000000;
        cache->due.tv_nsec = ns % 1000000000;
        pthread_cond_signal(&cache->some);
    } else if (batch->bytes.len >= cache->options.flush_bytes) {
        pthread_cond_signal(&cache->some);
    }
    cache->put_count++;
    return 0;
}

/* The very first put alone, and not for ever: a disk that hangs is to hold up nobody who puts. With tail held. */
static void await_file(struct lam_cache *cache)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FILE_WAIT_S;
    while (!cache->begun)
        if (pthread_cond_timedwait(&cache->told, &cache->tail, &until))
            cache->begun = true; /* nobody waits any more */
}

int lam_cache_put(struct lam_cache *cache, struct lam_digest key, struct lam_sv value, const struct lam_cache_meta *meta,
                  lam_cache_flushed_fn flushed, void *arg, struct lam_error *err)
{
    struct lam_cache_meta mine = meta ? *meta : (struct lam_cache_meta){0};
    struct cache_ticket ticket = {.flushed = flushed, .arg = arg};
    unsigned char header[CACHE_ENTRY_HEADER];
    int rc = 0;

    if (value.len > LAM_CACHE_VALUE_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "an answer of %zu bytes is too long for the cache", value.len);
    if (!mine.time_us)
        mine.time_us = lam_wall_us(cache->options.clock);
    cache_write_entry_header(header, key, &mine, value);
    ticket.key = (struct cache_key){.digest = key, .time = cache_seconds(mine.time_us), .len = (uint32_t)value.len};
    pthread_mutex_lock(&cache->tail);
    if (!cache->started) {
        if ((rc = pthread_create(&cache->thread, NULL, cache_flusher, cache)))
            rc = LAM_FAIL(err, LAM_E_IO, "no thread for the cache: %s", strerror(rc));
        cache->started = !rc;
    }
    if (!rc && !(rc = add(cache, header, &ticket, value, err)))
        cache_write_through(cache);
    if (!rc)
        await_file(cache);
    pthread_mutex_unlock(&cache->tail);
    return rc;
}
