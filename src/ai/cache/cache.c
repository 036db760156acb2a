#include "own.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define FILE_BYTES ((uint64_t)256 << 20)
#define FILE_BYTES_MAX ((uint64_t)1 << 30)

static void set_defaults(struct lam_cache_options *options)
{
    if (!options->fs)
        options->fs = &lam_fs_system;
    if (!options->clock)
        options->clock = &lam_clock_system;
    if (!options->file_bytes)
        options->file_bytes = FILE_BYTES;
    if (options->file_bytes > FILE_BYTES_MAX)
        options->file_bytes = FILE_BYTES_MAX;
    if (!options->pending_bytes)
        options->pending_bytes = (size_t)32 << 20;
    if (!options->flush_bytes)
        options->flush_bytes = (size_t)1 << 20;
    if (!options->flush_us)
        options->flush_us = 20000;
    if (!options->refresh_us)
        options->refresh_us = 1000000;
    if (!options->max_keys)
        options->max_keys = 262144;
    if (!options->max_open)
        options->max_open = 32;
}

static int start_locks(struct lam_cache *cache)
{
    pthread_condattr_t monotonic;
    int rc = pthread_condattr_init(&monotonic);

    if (rc)
        return rc;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&cache->upkeep, NULL);
    pthread_mutex_init(&cache->tail, NULL);
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->some, &monotonic);
    pthread_cond_init(&cache->told, NULL);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

int lam_cache_open(struct lam_cache **cache, const char *root, const struct lam_cache_options *options, struct lam_error *err)
{
    struct lam_cache *made = calloc(1, sizeof *made);
    int rc;

    *cache = NULL;
    if (!made || start_locks(made)) {
        free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to open the cache");
    }
    if (options)
        made->options = *options;
    set_defaults(&made->options);
    cache_keys_init(&made->keys, made->options.max_keys);
    lam_buf_init(&made->pending.bytes, SIZE_MAX); /* add holds the limit */
    made->own_fd = -1;
    if (getrandom(&made->writer, sizeof made->writer, 0) != sizeof made->writer)
        rc = LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
    else if (!(rc = lam_path_join(made->folder, root, LAM_CACHE_FOLDER, err)))
        rc = lam_cache_refresh(made, err);
    if (rc) {
        LAM_PASS(err, rc, "open the cache of %s", root);
        lam_cache_close(made);
        return rc;
    }
    *cache = made;
    return 0;
}

void lam_cache_close(struct lam_cache *cache)
{
    const struct lam_fs *fs;

    if (!cache)
        return;
    fs = cache->options.fs;
    cache_stop_writing(cache);
    for (uint32_t i = 0; i < cache->file_count; i++) {
        if (cache->files[i]->fd >= 0)
            fs->ops->close(fs->arg, cache->files[i]->fd);
        free(cache->files[i]);
    }
    for (uint32_t i = 0; i < cache->index_count; i++)
        cache_index_close(cache->indexes[i]);
    cache_keys_release(&cache->keys);
    lam_buf_release(&cache->pending.bytes);
    free(cache->pending.tickets);
    free(cache->files);
    free(cache->by_id);
    free(cache->indexes);
    pthread_cond_destroy(&cache->some);
    pthread_cond_destroy(&cache->told);
    pthread_mutex_destroy(&cache->lock);
    pthread_mutex_destroy(&cache->tail);
    pthread_mutex_destroy(&cache->upkeep);
    free(cache);
}

void lam_cache_counts(struct lam_cache *cache, struct lam_cache_counts *counts)
{
    pthread_mutex_lock(&cache->lock);
    *counts = cache->counts;
    counts->indexes = cache->index_count;
    counts->keys_in_memory = cache->keys.count;
    for (uint32_t i = 0; i < cache->file_count; i++) {
        if (cache->files[i]->gone)
            continue;
        counts->files++;
        counts->bytes += cache->files[i]->size;
        counts->entries += cache->files[i]->entries;
    }
    for (uint32_t i = 0; i < cache->index_count; i++)
        counts->bytes += cache->indexes[i]->size;
    pthread_mutex_unlock(&cache->lock);
}
