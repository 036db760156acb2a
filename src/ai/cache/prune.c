/*
 * Making the cache smaller. Whole files go, by the age of their newest entry or as the oldest of too many bytes; of the one that is half too much the newest
 * entries are kept; small ones become one. What is kept of a file is put again, with its own time, and the file removed when that is flushed: a crash in between
 * leaves both.
 */
#include "own.h"

#include <errno.h>
#include <stdlib.h>

#define SMALL_PART 4 /* smaller than this part of a full file is small */
#define TURN_US 20000
#define TURNS 100 /* to wait for another process that prunes; two at once lose nothing, but keep twice what both write anew, which may be more than the limit */

/* A file that may be removed, as it was when the pruning began. */
struct candidate {
    uint32_t number, newest;
    uint64_t size, entries, cost; /* cost: with what the index takes for it */
    uint64_t room;                /* partly: for what is kept */
    bool removed, partly;
};

static uint64_t cost_of(uint64_t size, uint64_t entries) { return size + CACHE_SPAN_BYTES + entries * CACHE_KEY_BYTES; }

static int oldest_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->newest != y->newest ? (x->newest > y->newest) - (x->newest < y->newest) : (x->number > y->number) - (x->number < y->number);
}

/* Its bytes; false: it is not there. */
static bool size_of(struct lam_cache *cache, const struct cache_file *file, struct stat *st)
{
    char name[CACHE_NAME], path[LAM_PATH_MAX];

    cache_file_name(name, file->id);
    return !file->gone && !lam_path_join(path, cache->folder, name, NULL) && !cache->options.fs->ops->stat(cache->options.fs->arg, path, st);
}

/* Does a process perhaps still write to it? */
static bool in_use(const struct lam_cache *cache, const struct cache_file *file, const struct stat *st)
{
    return file->own || (!file->sealed && st->st_mtime + CACHE_QUIET_S >= lam_wall_us(cache->options.clock) / 1000000);
}

/* Adds up all files in pruned->left, and lists those that may go. */
static int list_candidates(struct lam_cache *cache, struct candidate **list, size_t *count, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    int rc;

    *list = NULL;
    *count = 0;
    pthread_mutex_lock(&cache->upkeep);
    if (!(rc = cache_look(cache, err)) && !(*list = calloc(cache->file_count + 1u, sizeof **list)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to prune the cache");
    pthread_mutex_lock(&cache->lock);
    for (uint32_t i = 0; i < cache->file_count && !rc; i++) {
        const struct cache_file *file = cache->files[i];
        struct stat st;
        uint64_t cost;

        if (!size_of(cache, file, &st))
            continue;
        cost = cost_of((uint64_t)st.st_size, file->entries);
        pruned->left += cost;
        if (!in_use(cache, file, &st)) {
            (*list)[(*count)++] = (struct candidate){.number = i, .newest = file->newest, .size = (uint64_t)st.st_size, .entries = file->entries, .cost = cost};
            continue;
        }
        pruned->in_use++;
        pruned->in_use_bytes += (uint64_t)st.st_size;
    }
    pthread_mutex_unlock(&cache->lock);
    pthread_mutex_unlock(&cache->upkeep);
    pruned->left += pruned->left ? CACHE_INDEX_HEADER : 0;
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

/* What is kept of a file: what came after this, by time, then by its place. */
struct limit {
    int64_t time_us;
    uint64_t place;
    uint64_t cost; /* of the entry that stands there */
};

struct ages {
    struct limit *all;
    size_t count, cap;
};

static int note_age(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    struct ages *ages = arg;

    if (ages->count == ages->cap) {
        size_t cap = ages->cap ? 2 * ages->cap : 1024;
        struct limit *grown = realloc(ages->all, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to prune the cache");
        ages->all = grown;
        ages->cap = cap;
    }
    ages->all[ages->count] = (struct limit){entry->meta.time_us, ages->count, cost_of(CACHE_ENTRY_HEADER + entry->value.len, 1) - CACHE_SPAN_BYTES};
    ages->count++;
    return 0;
}

static bool later(int64_t time_us, uint64_t place, const struct limit *than) { return time_us != than->time_us ? time_us > than->time_us : place > than->place; }

static int newest_first(const void *a, const void *b)
{
    const struct limit *x = a, *y = b;

    return later(y->time_us, y->place, x) - later(x->time_us, x->place, y);
}

/* Where the newest entries of a file begin that fit into its room. */
static int find_limit(struct lam_cache *cache, const struct candidate *candidate, struct limit *limit, struct lam_error *err)
{
    uint64_t taken = cost_of(CACHE_FILE_HEADER, 0);
    struct ages ages = {0};
    int rc = cache_walk_file(cache, candidate->number, note_age, &ages, NULL, err);

    if (!rc && ages.count)
        qsort(ages.all, ages.count, sizeof *ages.all, newest_first);
    for (size_t i = 0; i < ages.count && !rc; i++)
        if ((taken += ages.all[i].cost) > candidate->room) {
            *limit = ages.all[i];
            break;
        }
    free(ages.all);
    return rc;
}

struct copy {
    struct lam_cache *cache;
    struct limit limit;
    uint64_t seen, count, left_out;
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

    if (!later(entry->meta.time_us, copy->seen++, &copy->limit)) {
        copy->left_out++;
        return 0;
    }
    while ((rc = lam_cache_put(copy->cache, entry->key, entry->value, &entry->meta, copied, copy, err)) == LAM_PENDING)
        if ((rc = lam_cache_flush(copy->cache, err)))
            return rc;
    copy->count += !rc;
    return rc;
}

static int copy_file(struct copy *copy, const struct candidate *candidate, struct lam_error *err)
{
    int rc = 0;

    copy->limit = (struct limit){.time_us = INT64_MIN};
    copy->seen = 0;
    if (candidate->partly)
        rc = find_limit(copy->cache, candidate, &copy->limit, err);
    return rc ? rc : cache_walk_file(copy->cache, candidate->number, copy_entry, copy, NULL, err);
}

static bool is_small(const struct lam_cache *cache, const struct candidate *candidate)
{
    return !candidate->removed && !candidate->partly && candidate->size < cache->options.file_bytes / SMALL_PART;
}

/* Writes anew what is kept of the file that is half too much, and the small files, if that makes fewer of them. */
static int rewrite(struct lam_cache *cache, struct candidate *list, size_t count, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    struct copy copy = {.cache = cache};
    size_t smalls = 0, parts = 0;
    int rc = 0, flushed;

    for (size_t i = 0; i < count; i++) {
        smalls += is_small(cache, &list[i]);
        parts += list[i].partly;
    }
    smalls = smalls + parts < 2 ? 0 : smalls;
    if (!smalls && !parts)
        return 0;
    for (size_t i = 0; i < count && !rc; i++)
        if (list[i].partly || (smalls && is_small(cache, &list[i])))
            rc = copy_file(&copy, &list[i], err);
    flushed = lam_cache_flush(cache, rc ? NULL : err);
    if (rc || flushed || copy.failed)
        return rc ? rc : flushed ? flushed : LAM_FAIL(err, copy.failed, "answers could not be rewritten; the old files stay");
    pruned->rewritten = copy.count;
    pruned->answers += copy.left_out;
    for (size_t i = 0; i < count && !rc; i++)
        if (list[i].partly || (smalls && is_small(cache, &list[i])))
            rc = remove_file(cache, &list[i], pruned, err);
    return rc;
}

/* What is too old, and the oldest of what is too much. */
static int remove_files(struct lam_cache *cache, struct candidate *list, size_t count, uint64_t max_bytes, int64_t max_age_us, struct lam_cache_pruned *pruned,
                        struct lam_error *err)
{
    int64_t now = lam_wall_us(cache->options.clock);
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        bool old = max_age_us > 0 && (int64_t)list[i].newest * 1000000 + max_age_us < now;
        uint64_t others = pruned->left - list[i].cost;

        if (!old && !(max_bytes && pruned->left > max_bytes))
            continue;
        if (!old && others < max_bytes) {
            list[i].partly = true;
            list[i].room = max_bytes - others;
            pruned->left = max_bytes;
            continue;
        }
        pruned->left = others;
        pruned->answers += list[i].entries;
        rc = remove_file(cache, &list[i], pruned, err);
    }
    return rc;
}

/* Waits until no other process prunes, but not for ever. path is empty where it did not end. */
static void wait_for_turn(struct lam_cache *cache, char path[LAM_PATH_MAX])
{
    const struct timespec pause = {0, TURN_US * 1000};
    struct stat st;

    for (int i = 0; i < TURNS; i++) {
        if (cache_take_turn(cache, CACHE_PRUNING, path))
            return;
        if (cache->options.fs->ops->stat(cache->options.fs->arg, path, &st) == -ENOENT && i > 0) /* nor can it be made: the folder is not there, or not ours */
            break;
        nanosleep(&pause, NULL);
    }
    path[0] = '\0';
}

int lam_cache_prune(struct lam_cache *cache, uint64_t max_bytes, int64_t max_age_us, struct lam_cache_pruned *pruned, struct lam_error *err)
{
    struct lam_cache_pruned mine = {0};
    struct candidate *list;
    char turn[LAM_PATH_MAX] = "";
    size_t count;
    int rc;

    cache_give_up_file(cache);
    if (max_bytes)
        wait_for_turn(cache, turn);
    rc = list_candidates(cache, &list, &count, &mine, err);
    if (!rc && !(rc = remove_files(cache, list, count, max_bytes, max_age_us, &mine, err)))
        rc = rewrite(cache, list, count, &mine, err);
    if (!rc && mine.files) { /* indexes that still name what was removed are made anew */
        pthread_mutex_lock(&cache->upkeep);
        rc = cache_merge(cache, true, err);
        pthread_mutex_unlock(&cache->upkeep);
    }
    if (turn[0])
        cache->options.fs->ops->unlink(cache->options.fs->arg, turn);
    free(list);
    if (pruned)
        *pruned = mine;
    return rc;
}
