/*
 * Flushing: answers gather in one batch while the thread syncs the one before, so that a sync serves as many as came meanwhile.
 *
 *     put ──> pending, and at the end of the own file ──flush_bytes or flush_us──> sync ──> keys ──> told
 *
 * Puts write their answers themselves, so that a process that is killed loses none. But only where the thread has made the file: what comes when one is full
 * gathers in memory until there is the next.
 *
 * After a failed write or sync nobody knows what is on the disk: the file is cut back to what was flushed and never written to again. What was put
 * meanwhile still stands in memory, and goes to the next one.
 */
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static int own_path(const struct lam_cache *cache, char path[LAM_PATH_MAX], struct lam_error *err)
{
    char name[CACHE_NAME];

    cache_file_name(name, cache->own->id);
    return lam_path_join(path, cache->folder, name, err);
}

static int start_file(struct lam_cache *cache, struct lam_error *err)
{
    const struct lam_fs *fs = cache->options.fs;
    struct cache_file_id id = {cache->writer, cache->next_number++};
    unsigned char header[CACHE_FILE_HEADER];
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    int rc = lam_fs_mkdirs(fs, cache->folder, err), fd;

    cache_file_name(name, id);
    if (rc || (rc = lam_path_join(path, cache->folder, name, err)))
        return rc;
    if ((fd = fs->ops->open(fs->arg, path, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
        return LAM_FAIL(err, LAM_E_IO, "create %s: %s", path, strerror(-fd));
    cache_write_file_header(header, id, lam_wall_us(cache->options.clock));
    if (!(rc = lam_fs_write_at(fs, fd, header, sizeof header, 0, err))) {
        struct cache_file *file;

        pthread_mutex_lock(&cache->upkeep);
        pthread_mutex_lock(&cache->lock);
        if ((file = cache_file_at(cache, id, &cache->own_number)) || !(rc = cache_file_add(cache, id, &cache->own_number, err))) {
            cache->own = cache->files[cache->own_number];
            cache->own->own = true;
            cache->own->size = CACHE_FILE_HEADER;
            cache->own_at = CACHE_FILE_HEADER;
            cache->own_fd = fd;
        }
        pthread_mutex_unlock(&cache->lock);
        pthread_mutex_unlock(&cache->upkeep);
    }
    if (rc) {
        fs->ops->close(fs->arg, fd);
        fs->ops->unlink(fs->arg, path);
    }
    return rc ? LAM_PASS(err, rc, "%s", path) : 0;
}

/* Whoever puts leaves the own file alone from now on, and what they have written to it behind what is being flushed counts as not written. */
static void stop_puts(struct lam_cache *cache)
{
    pthread_mutex_lock(&cache->tail);
    cache->through = false;
    cache->pending.written = 0;
    pthread_mutex_unlock(&cache->tail);
}

/* The own file ends at tail_at as soon as the batch that is being flushed is whole: puts may go on behind it, unless it is large enough. */
static void let_puts(struct lam_cache *cache, uint64_t tail_at)
{
    pthread_mutex_lock(&cache->tail);
    cache->tail_at = (uint32_t)tail_at;
    cache->through = tail_at < cache->options.file_bytes;
    cache_write_through(cache);
    cache->begun = true;
    pthread_cond_broadcast(&cache->told); /* who has put the first one waits for it */
    pthread_mutex_unlock(&cache->tail);
}

/* Nothing more is written to the own file; its keys become an index. What cannot be done now is done by whoever comes next. */
static void retire(struct lam_cache *cache)
{
    char path[LAM_PATH_MAX];
    struct lam_error err;
    int rc;

    if (!cache->own)
        return;
    stop_puts(cache);
    cache->options.fs->ops->close(cache->options.fs->arg, cache->own_fd);
    if (cache->own_at == CACHE_FILE_HEADER && !own_path(cache, path, NULL))
        cache->options.fs->ops->unlink(cache->options.fs->arg, path);
    pthread_mutex_lock(&cache->upkeep);
    pthread_mutex_lock(&cache->lock);
    cache->own->own = false;
    cache->own->sealed = cache->own->read == cache->own_at;
    cache->own->size = cache->own->sealed ? cache->own_at : 0;
    cache->own = NULL;
    cache->own_fd = -1;
    pthread_mutex_unlock(&cache->lock);
    if ((rc = cache_index_keys(cache, cache->own_number, &err)) || (rc = cache_merge(cache, false, &err)))
        cache_log(cache, "no index: %s", err.text);
    pthread_mutex_unlock(&cache->upkeep);
}

/* A file that somebody removed, against the rules, would take the answers with it. */
static void leave_lost_file(struct lam_cache *cache, struct cache_batch *batch)
{
    char path[LAM_PATH_MAX];
    struct stat st;

    if (!cache->own || own_path(cache, path, NULL) || cache->options.fs->ops->stat(cache->options.fs->arg, path, &st) != -ENOENT)
        return;
    retire(cache);
    batch->written = 0;
}

static int write_batch(struct lam_cache *cache, struct cache_batch *batch, struct lam_error *err)
{
    const struct lam_fs *fs = cache->options.fs;
    size_t len = batch->bytes.len;
    char path[LAM_PATH_MAX];
    int rc = 0, cut;

    leave_lost_file(cache, batch);
    if (cache->own && !batch->written && cache->own_at + (uint64_t)len > cache->options.file_bytes && cache->own_at > CACHE_FILE_HEADER)
        retire(cache);
    if ((!cache->own && (rc = start_file(cache, err))) || (rc = own_path(cache, path, err)))
        return rc;
    if (batch->written < len && !(rc = lam_fs_write_at(fs, cache->own_fd, batch->bytes.ptr + batch->written, len - batch->written, (off_t)(cache->own_at + batch->written), err)))
        let_puts(cache, cache->own_at + (uint64_t)len);
    if (!rc && (rc = fs->ops->fsync(fs->arg, cache->own_fd)))
        rc = LAM_FAIL(err, LAM_E_IO, "sync: %s", strerror(-rc));
    if (!rc && cache->own_at == CACHE_FILE_HEADER) /* its first answers: not before, since others wait to be written until there is a file */
        rc = lam_fs_sync_dir(fs, cache->folder, err);
    if (!rc)
        return 0;
    LAM_PASS(err, rc, "%s", path);
    stop_puts(cache);
    if ((cut = fs->ops->truncate(fs->arg, cache->own_fd, (off_t)cache->own_at)))
        cache_log(cache, "%s keeps a torn end: %s", path, strerror(-cut));
    retire(cache);
    return rc;
}

/*
 * Flushed answers can be found from now on. Where memory is full the keys in it become an index first. A key that has no room even so ends what is known of
 * the file there: no index may cover it, and the next look at the folder reads on from it.
 */
static void add_keys(struct lam_cache *cache, struct cache_batch *batch)
{
    uint32_t base = cache->own_at;
    struct lam_error err;
    bool gap;

    pthread_mutex_lock(&cache->lock);
    gap = cache->own->read != cache->own_at;
    for (size_t i = 0; i < batch->count; i++) {
        struct cache_key key = batch->tickets[i].key;
        int rc;

        key.file = cache->own_number;
        key.offset += base;
        if ((rc = cache_keys_put(&cache->keys, &key)) == LAM_E_LIMIT) {
            pthread_mutex_unlock(&cache->lock);
            pthread_mutex_lock(&cache->upkeep);
            if ((rc = cache_index_keys(cache, CACHE_NO_FILE, &err)) || (rc = cache_merge(cache, false, &err)))
                cache_log(cache, "no index: %s", err.text);
            pthread_mutex_unlock(&cache->upkeep);
            pthread_mutex_lock(&cache->lock);
            rc = cache_keys_put(&cache->keys, &key);
        }
        if (rc && !gap)
            cache_log(cache, "answers are kept, but cannot be found yet: there is no memory for their keys");
        gap = gap || rc;
        cache->own_at = key.offset + CACHE_ENTRY_HEADER + key.len;
        if (!gap) {
            cache->own->read = cache->own_at;
            cache->own->entries++;
        }
        if (key.time > cache->own->newest)
            cache->own->newest = key.time;
    }
    cache->own->size = gap ? 0 : cache->own_at;
    pthread_mutex_unlock(&cache->lock);
}

static void flush_batch(struct lam_cache *cache, struct cache_batch *batch)
{
    struct lam_error err = {0};
    int rc = write_batch(cache, batch, &err);

    if (!rc)
        add_keys(cache, batch);
    pthread_mutex_lock(&cache->lock);
    cache->counts.flushes++;
    *(rc ? &cache->counts.failed : &cache->counts.flushed) += batch->count;
    pthread_mutex_unlock(&cache->lock);
    pthread_mutex_lock(&cache->tail);
    cache->begun = true; /* before anybody is told: one of those may put, and would wait for it */
    pthread_cond_broadcast(&cache->told);
    pthread_mutex_unlock(&cache->tail);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->tickets[i].flushed)
            batch->tickets[i].flushed(batch->tickets[i].arg, rc, rc ? &err : NULL);
    pthread_mutex_lock(&cache->tail);
    cache->told_count += batch->count;
    cache->last_rc = rc;
    cache->last_error = err;
    pthread_cond_broadcast(&cache->told);
    pthread_mutex_unlock(&cache->tail);
    lam_buf_clear(&batch->bytes);
    batch->written = batch->count = 0;
}

static bool due(const struct lam_cache *cache)
{
    struct timespec now;

    if (!cache->pending.count)
        return false;
    if (cache->closing || cache->hurry || !cache->through || cache->pending.bytes.len >= cache->options.flush_bytes)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > cache->due.tv_sec || (now.tv_sec == cache->due.tv_sec && now.tv_nsec >= cache->due.tv_nsec);
}

void *cache_flusher(void *arg)
{
    struct lam_cache *cache = arg;
    struct cache_batch batch = {0};

    lam_buf_init(&batch.bytes, SIZE_MAX);
    pthread_mutex_lock(&cache->tail);
    while (!cache->closing || cache->pending.count) {
        struct cache_batch swap;

        if (cache->give_up) { /* what is pending goes into the next file */
            pthread_mutex_unlock(&cache->tail);
            retire(cache);
            pthread_mutex_lock(&cache->tail);
            cache->give_up = false;
            pthread_cond_broadcast(&cache->told);
            continue;
        }
        if (!due(cache)) {
            if (cache->pending.count)
                pthread_cond_timedwait(&cache->some, &cache->tail, &cache->due);
            else
                pthread_cond_wait(&cache->some, &cache->tail);
            continue;
        }
        swap = cache->pending;
        cache->pending = batch;
        batch = swap;
        if (cache->through) {
            cache->tail_at += (uint32_t)batch.bytes.len;
            cache->through = cache->tail_at < cache->options.file_bytes;
        }
        cache->hurry = false;
        pthread_mutex_unlock(&cache->tail);
        flush_batch(cache, &batch);
        pthread_mutex_lock(&cache->tail);
    }
    pthread_mutex_unlock(&cache->tail);
    lam_buf_release(&batch.bytes);
    free(batch.tickets);
    return NULL;
}

int lam_cache_flush(struct lam_cache *cache, struct lam_error *err)
{
    uint64_t until;
    int rc;

    pthread_mutex_lock(&cache->tail);
    until = cache->put_count;
    while (cache->told_count < until) {
        cache->hurry = cache->pending.count > 0; /* else it is being flushed */
        pthread_cond_signal(&cache->some);
        pthread_cond_wait(&cache->told, &cache->tail);
    }
    if ((rc = cache->last_rc) && err)
        *err = cache->last_error;
    pthread_mutex_unlock(&cache->tail);
    return rc;
}

void cache_give_up_file(struct lam_cache *cache)
{
    lam_cache_flush(cache, NULL);
    pthread_mutex_lock(&cache->tail);
    cache->give_up = cache->started && !cache->closing;
    pthread_cond_signal(&cache->some);
    while (cache->give_up)
        pthread_cond_wait(&cache->told, &cache->tail);
    pthread_mutex_unlock(&cache->tail);
}

void cache_stop_writing(struct lam_cache *cache)
{
    pthread_mutex_lock(&cache->tail);
    cache->closing = true;
    pthread_cond_signal(&cache->some);
    pthread_mutex_unlock(&cache->tail);
    if (cache->started)
        pthread_join(cache->thread, NULL);
    retire(cache);
}
