/*
 * Making the cache smaller. Whole files go, by the age of their newest entry or as the oldest of too many bytes; small ones are rewritten as
 * one: their entries are put again, with their own times, and the files removed when that is flushed.
 */
#include "own.h"

#include <errno.h>
#include <stdlib.h>

#define SMALL_PART 4 /* smaller than this part of a full file is small */

/* A file that may be removed, as it was when the pruning began. */
struct candidate {
    uint32_t number, newest;
    uint64_t size;
    bool removed;
};

static int oldest_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->newest != y->newest ? (x->newest > y->newest) - (x->newest < y->newest) : (x->number > y->number) - (x->number < y->number);
}

/* Does a process perhaps still write to it? */
static bool in_use(struct lam_cache *cache, const struct cache_file *file, uint64_t *size)
{
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    struct stat st;

    cache_file_name(name, file->id);
    if (file->own || file->gone || lam_path_join(path, cache->folder, name, NULL) || cache->options.fs->ops->stat(cache->options.fs->arg, path, &st))
        return true;
    *size = (uint64_t)st.st_size;
    return !file->sealed && st.st_mtime + CACHE_QUIET_S >= lam_wall_us(cache->options.clock) / 1000000;
}

static int list_candidates(struct lam_cache *cache, struct candidate **list, size_t *count, uint64_t *bytes, struct lam_error *err)
{
    int rc;

    *list = NULL;
    *count = 0;
    pthread_mutex_lock(&cache->upkeep);
    if (!(rc = cache_look(cache, err)) && !(*list = calloc(cache->file_count + 1u, sizeof **list)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to prune the cache");
    if (!rc) {
        pthread_mutex_lock(&cache->lock);
        for (uint32_t i = 0; i < cache->file_count; i++) {
            uint64_t size = 0;

            if (!in_use(cache, cache->files[i], &size))
                (*list)[(*count)++] = (struct candidate){i, cache->files[i]->newest, size, false};
            *bytes += cache->files[i]->gone ? 0 : cache->files[i]->own ? cache->own_at : size ? size : cache->files[i]->size;
        }
        pthread_mutex_unlock(&cache->lock);
    }
    pthread_mutex_unlock(&cache->upkeep);
    if (*count)
        qsort(*list, *count, sizeof **list, oldest_first);
    return rc;
}

static int remove_file(struct lam_cache *cache, struct candidate *candidate, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    struct cache_file *file = cache->files[candidate->number];
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    int rc;

    cache_file_name(name, file->id);
    if ((rc = lam_path_join(path, cache->folder, name, err)))
        return rc;
    rc = cache->options.fs->ops->unlink(cache->options.fs->arg, path);
    if (rc && rc != -ENOENT)
        return LAM_FAIL(err, LAM_E_IO, "remove %s: %s", path, strerror(-rc));
    pthread_mutex_lock(&cache->lock);
    file->gone = true;
    pthread_mutex_unlock(&cache->lock);
    candidate->removed = true;
    pruned->files++;
    pruned->bytes += candidate->size;
    return 0;
}

struct copy {
    struct lam_cache *cache;
    uint64_t count;
    int failed; /* of what was flushed; written by the cache's thread, read after a flush */
};

static void copied(void *arg, int rc, const struct lam_error *err)
{
    (void)err;
    if (rc)
        ((struct copy *)arg)->failed = rc;
}

static int copy_entry(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    struct copy *copy = arg;
    int rc;

    while ((rc = lam_cache_put(copy->cache, entry->key, entry->value, &entry->meta, copied, copy, err)) == LAM_PENDING)
        if ((rc = lam_cache_flush(copy->cache, err)))
            return rc;
    copy->count += !rc;
    return rc;
}

/* Rewrites the small files, if that makes fewer of them. */
static int rewrite_small(struct lam_cache *cache, struct candidate *list, size_t count, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    struct copy copy = {.cache = cache};
    uint64_t small = cache->options.file_bytes / SMALL_PART;
    size_t smalls = 0;
    int rc = 0, flushed;

    for (size_t i = 0; i < count; i++)
        smalls += !list[i].removed && list[i].size < small;
    if (smalls < 2)
        return 0;
    for (size_t i = 0; i < count && !rc; i++)
        if (!list[i].removed && list[i].size < small)
            rc = cache_walk_file(cache, list[i].number, copy_entry, &copy, NULL, err);
    flushed = lam_cache_flush(cache, rc ? NULL : err);
    if (rc || flushed || copy.failed)
        return rc ? rc : flushed ? flushed : LAM_FAIL(err, copy.failed, "answers could not be rewritten; the old files stay");
    pruned->rewritten = copy.count;
    for (size_t i = 0; i < count && !rc; i++)
        if (!list[i].removed && list[i].size < small)
            rc = remove_file(cache, &list[i], pruned, err);
    return rc;
}

int lam_cache_prune(struct lam_cache *cache, uint64_t max_bytes, int64_t max_age_us, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    int64_t now = lam_wall_us(cache->options.clock);
    struct lam_cache_pruned mine = {0};
    struct candidate *list;
    uint64_t bytes = 0;
    size_t count;
    int rc = list_candidates(cache, &list, &count, &bytes, err);

    for (size_t i = 0; i < count && !rc; i++) {
        bool old = max_age_us > 0 && (int64_t)list[i].newest * 1000000 + max_age_us < now;

        if (!old && !(max_bytes && bytes > max_bytes))
            continue;
        bytes -= list[i].size;
        rc = remove_file(cache, &list[i], &mine, err);
    }
    if (!rc)
        rc = rewrite_small(cache, list, count, &mine, err);
    if (!rc && mine.files) { /* indexes that still name what was removed are made anew */
        pthread_mutex_lock(&cache->upkeep);
        rc = cache_merge(cache, true, err);
        pthread_mutex_unlock(&cache->upkeep);
    }
    free(list);
    if (pruned)
        *pruned = mine;
    return rc;
}
