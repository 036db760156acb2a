/* All answers, one after the other: each file is read from its beginning, and an entry counts where a lookup would lead to it. */
#include "own.h"

struct walk {
    struct lam_cache *cache;
    uint32_t number;
    int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err);
    void *arg;
    uint64_t entries;
};

static int look_at(void *arg, const struct lam_cache_entry *entry, uint32_t offset, struct lam_error *err)
{
    struct walk *walk = arg;
    struct cache_key key;
    bool counts;

    walk->entries++;
    pthread_mutex_lock(&walk->cache->lock);
    counts = cache_find(walk->cache, &entry->key, &key) && key.file == walk->number && key.offset == offset;
    pthread_mutex_unlock(&walk->cache->lock);
    return counts ? walk->visit(walk->arg, entry, err) : 0;
}

int cache_walk_file(struct lam_cache *cache, uint32_t number, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                    struct cache_seen *seen, struct lam_error *err)
{
    struct walk walk = {cache, number, visit, arg, 0};
    struct cache_damage damage = {0};
    struct cache_scan scan = {.from = CACHE_FILE_HEADER, .visit = look_at, .arg = &walk, .damage = &damage};
    struct cache_file *file;
    bool gone;
    int rc;

    pthread_mutex_lock(&cache->lock);
    file = cache->files[number];
    scan.to = file->read;
    if (!file->own && file->size > scan.to) /* behind what is known there may be damage */
        scan.to = file->size > CACHE_FILE_MAX ? (uint32_t)CACHE_FILE_MAX : (uint32_t)file->size;
    gone = file->gone;
    pthread_mutex_unlock(&cache->lock);
    rc = gone || scan.to <= scan.from ? 0 : cache_scan(cache, file, &scan, err);
    cache_tell_damage(cache, file, &damage);
    if (seen) {
        seen->entries += walk.entries;
        seen->damage.places += damage.places;
        seen->damage.bytes += damage.bytes;
    }
    return rc == LAM_E_NOT_FOUND || rc == LAM_E_CORRUPT ? 0 : rc;
}

int lam_cache_walk(struct lam_cache *cache, int (*visit)(void *arg, const struct lam_cache_entry *entry, struct lam_error *err), void *arg,
                   struct lam_error *err)
{
    int rc = lam_cache_refresh(cache, err);
    struct cache_seen seen = {0};
    uint32_t count;

    pthread_mutex_lock(&cache->lock);
    count = cache->file_count;
    pthread_mutex_unlock(&cache->lock);
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = cache_walk_file(cache, i, visit, arg, &seen, err);
    pthread_mutex_lock(&cache->lock);
    cache->counts.whole = seen.entries;
    cache->counts.damaged = seen.damage.places;
    cache->counts.damaged_bytes = seen.damage.bytes;
    pthread_mutex_unlock(&cache->lock);
    return rc;
}
