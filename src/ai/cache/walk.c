/* All answers, one after the other: each file is read from its beginning, and an entry counts where a lookup would lead to it. */
#include "own.h"

struct walk {
    struct lam_cache *cache;
    uint32_t number;
    int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err);
    void *arg;
};

static int look_at(void *arg, const struct lam_cache_entry *entry, uint32_t offset, struct lam_error *err)
{
    struct walk *walk = arg;
    struct cache_key key;
    bool counts;

    pthread_mutex_lock(&walk->cache->lock);
    counts = cache_find(walk->cache, &entry->key, &key) && key.file == walk->number && key.offset == offset;
    pthread_mutex_unlock(&walk->cache->lock);
    return counts ? walk->visit(walk->arg, entry, err) : 0;
}

int cache_walk_file(struct lam_cache *cache, uint32_t number, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                    struct lam_error *err)
{
    struct walk walk = {cache, number, visit, arg};
    struct cache_scan scan = {.from = CACHE_FILE_HEADER, .search = true, .visit = look_at, .arg = &walk};
    const struct cache_file *file;
    uint32_t end;
    bool gone;
    int rc;

    pthread_mutex_lock(&cache->lock);
    file = cache->files[number];
    scan.to = file->read;
    gone = file->gone || file->stuck;
    pthread_mutex_unlock(&cache->lock);
    rc = gone || scan.to <= scan.from ? 0 : cache_scan(cache, file, &scan, &end, err);
    return rc == LAM_E_NOT_FOUND || rc == LAM_E_CORRUPT ? 0 : rc;
}

int lam_cache_walk(struct lam_cache *cache, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                   struct lam_error *err)
{
    int rc = lam_cache_refresh(cache, err);
    uint32_t count;

    pthread_mutex_lock(&cache->lock);
    count = cache->file_count;
    pthread_mutex_unlock(&cache->lock);
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = cache_walk_file(cache, i, visit, arg, err);
    return rc;
}
