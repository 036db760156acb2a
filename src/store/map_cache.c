#include "map.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

struct node {
    struct node *next;            /* in its bucket */
    struct node *older, *younger; /* by use */
    struct lam_map *map;
    uint64_t hash;
};

struct lam_map_cache {
    const struct lam_fs *fs;
    char *root;
    pthread_mutex_t lock; /* guards all that follows; no file is opened under it */
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count, max;
    struct node *oldest, *youngest;
};

struct lam_map_cache *lam_map_cache_new(const struct lam_fs *fs, const char *root, size_t max)
{
    struct lam_map_cache *cache = calloc(1, sizeof *cache);

    if (!cache)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->fs = fs;
    cache->max = max ? max : 1;
    for (cache->bucket_count = 16; cache->bucket_count < 2 * max; cache->bucket_count *= 2)
        ;
    cache->root = strdup(root);
    cache->buckets = calloc(cache->bucket_count, sizeof(struct node *));
    if (!cache->root || !cache->buckets) {
        lam_map_cache_free(cache);
        return NULL;
    }
    return cache;
}

static struct node **find(struct lam_map_cache *cache, uint64_t hash, const char *path)
{
    struct node **link = &cache->buckets[hash & (cache->bucket_count - 1)];

    while (*link && ((*link)->hash != hash || strcmp(lam_map_path((*link)->map), path)))
        link = &(*link)->next;
    return link;
}

static void unlink_use(struct lam_map_cache *cache, struct node *node)
{
    *(node->older ? &node->older->younger : &cache->oldest) = node->younger;
    *(node->younger ? &node->younger->older : &cache->youngest) = node->older;
}

static void link_youngest(struct lam_map_cache *cache, struct node *node)
{
    node->younger = NULL;
    node->older = cache->youngest;
    *(cache->youngest ? &cache->youngest->younger : &cache->oldest) = node;
    cache->youngest = node;
}

static void drop(struct lam_map_cache *cache, struct node **link)
{
    struct node *node = *link;

    *link = node->next;
    unlink_use(cache, node);
    cache->count--;
    lam_map_unref(node->map);
    free(node);
}

void lam_map_cache_free(struct lam_map_cache *cache)
{
    if (!cache)
        return;
    while (cache->oldest)
        drop(cache, find(cache, cache->oldest->hash, lam_map_path(cache->oldest->map)));
    pthread_mutex_destroy(&cache->lock);
    free(cache->buckets);
    free(cache->root);
    free(cache);
}

/* A reference to what is held; NULL: it is not. */
static struct lam_map *held(struct lam_map_cache *cache, uint64_t hash, const char *path)
{
    struct node *node = *find(cache, hash, path);

    if (!node)
        return NULL;
    if (node != cache->youngest) {
        unlink_use(cache, node);
        link_youngest(cache, node);
    }
    return lam_map_ref(node->map);
}

int lam_map_cache_get(struct lam_map_cache *cache, const struct lam_segment_entry *entry, struct lam_map **map, struct lam_error *err)
{
    uint64_t hash = lam_hash64(entry->path, strlen(entry->path));
    struct lam_map *other;
    struct node *node;
    int rc;

    pthread_mutex_lock(&cache->lock);
    *map = held(cache, hash, entry->path);
    pthread_mutex_unlock(&cache->lock);
    if (*map)
        return 0;
    if ((rc = lam_map_open(cache->fs, cache->root, entry, map, err)))
        return rc;
    if (!(node = malloc(sizeof *node)))
        return 0; /* it is not kept, and that is all */

    pthread_mutex_lock(&cache->lock);
    if ((other = held(cache, hash, entry->path))) { /* another thread was faster */
        lam_map_unref(*map);
        *map = other;
        free(node);
    } else {
        struct node **bucket = &cache->buckets[hash & (cache->bucket_count - 1)];

        if (cache->count == cache->max)
            drop(cache, find(cache, cache->oldest->hash, lam_map_path(cache->oldest->map)));
        *node = (struct node){.next = *bucket, .map = lam_map_ref(*map), .hash = hash};
        *bucket = node;
        link_youngest(cache, node);
        cache->count++;
    }
    pthread_mutex_unlock(&cache->lock);
    return 0;
}

void lam_map_cache_drop(struct lam_map_cache *cache, const char *path)
{
    struct node **link;

    pthread_mutex_lock(&cache->lock);
    link = find(cache, lam_hash64(path, strlen(path)), path);
    if (*link)
        drop(cache, link);
    pthread_mutex_unlock(&cache->lock);
}

size_t lam_map_cache_count(struct lam_map_cache *cache)
{
    size_t count;

    pthread_mutex_lock(&cache->lock);
    count = cache->count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}
