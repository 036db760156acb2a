/* Looking at the folder: which files and indexes there are, what the indexes cover, and the entries beyond that. */
#include "own.h"

#include <errno.h>
#include <stdlib.h>

#define LISTINGS 5 /* until an index that is listed and not there is called missing: others merge meanwhile */

struct cache_file *cache_file_at(struct lam_cache *cache, struct cache_file_id id, uint32_t *number)
{
    uint32_t lo = 0, hi = cache->file_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (cache_file_cmp(cache->files[cache->by_id[mid]]->id, id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *number = lo < cache->file_count ? cache->by_id[lo] : CACHE_NO_FILE;
    return lo < cache->file_count && !cache_file_cmp(cache->files[*number]->id, id) ? cache->files[*number] : NULL;
}

static int make_room(struct lam_cache *cache)
{
    uint32_t cap = cache->file_cap ? 2 * cache->file_cap : 16;
    struct cache_file **files = realloc(cache->files, cap * sizeof *files);
    uint32_t *by_id;

    if (!files)
        return LAM_E_MEMORY;
    cache->files = files;
    if (!(by_id = realloc(cache->by_id, cap * sizeof *by_id)))
        return LAM_E_MEMORY;
    cache->by_id = by_id;
    cache->file_cap = cap;
    return 0;
}

int cache_file_add(struct lam_cache *cache, struct cache_file_id id, uint32_t *number, struct lam_error *err)
{
    struct cache_file *file;
    uint32_t at = cache->file_count;

    if ((cache->file_count == cache->file_cap && make_room(cache)) || !(file = calloc(1, sizeof *file)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a file of the cache");
    *file = (struct cache_file){.id = id, .read = CACHE_FILE_HEADER, .covered = CACHE_FILE_HEADER, .fd = -1};
    for (; at > 0 && cache_file_cmp(cache->files[cache->by_id[at - 1]]->id, id) > 0; at--)
        cache->by_id[at] = cache->by_id[at - 1];
    cache->by_id[at] = *number = cache->file_count;
    cache->files[cache->file_count++] = file;
    return 0;
}

struct absorb {
    struct lam_cache *cache;
    struct cache_file *file;
    uint32_t number;
};

/* An entry that no index covers: its key goes into memory; where that is full, what is there becomes an index first. */
static int absorb_entry(void *arg, const struct lam_cache_entry *entry, uint32_t offset, struct lam_error *err)
{
    struct absorb *absorb = arg;
    struct lam_cache *cache = absorb->cache;
    struct cache_key key = {entry->key, cache_seconds(entry->meta.time_us), absorb->number, offset, (uint32_t)entry->value.len};
    int rc;

    pthread_mutex_lock(&cache->lock);
    rc = cache_keys_put(&cache->keys, &key);
    pthread_mutex_unlock(&cache->lock);
    if (rc == LAM_E_LIMIT && !(rc = cache_index_keys(cache, CACHE_NO_FILE, err))) {
        pthread_mutex_lock(&cache->lock);
        rc = cache_keys_put(&cache->keys, &key);
        pthread_mutex_unlock(&cache->lock);
    }
    if (rc)
        return rc == LAM_E_MEMORY ? LAM_FAIL(err, rc, "no memory for keys of the cache") : rc;
    pthread_mutex_lock(&cache->lock);
    absorb->file->read = offset + CACHE_ENTRY_HEADER + (uint32_t)entry->value.len;
    absorb->file->entries++;
    if (key.time > absorb->file->newest)
        absorb->file->newest = key.time;
    pthread_mutex_unlock(&cache->lock);
    return 0;
}

/* What was added to a file since it was read. Its end may be torn, or still being written: then it is looked at again, from the last whole entry on, when it has changed. */
static int read_on(struct lam_cache *cache, uint32_t number, struct lam_error *err)
{
    struct cache_file *file = cache->files[number];
    const struct lam_fs *fs = cache->options.fs;
    struct absorb absorb = {cache, file, number};
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    struct cache_damage damage = {0};
    struct cache_scan scan = {.visit = absorb_entry, .arg = &absorb, .damage = &damage};
    struct stat st;
    bool same;
    int rc;

    cache_file_name(name, file->id);
    if ((rc = lam_path_join(path, cache->folder, name, err)))
        return rc;
    if ((rc = fs->ops->stat(fs->arg, path, &st)))
        return rc == -ENOENT ? 0 : LAM_FAIL(err, LAM_E_IO, "look at %s: %s", path, strerror(-rc));
    pthread_mutex_lock(&cache->lock);
    if (file->own) /* what is not flushed yet does not count */
        st.st_size = cache->own_at;
    same = (uint64_t)st.st_size == file->size;
    scan.from = file->read;
    pthread_mutex_unlock(&cache->lock);
    if (same)
        return 0;
    scan.to = (uint64_t)st.st_size > CACHE_FILE_MAX ? (uint32_t)CACHE_FILE_MAX : (uint32_t)st.st_size;
    rc = scan.to <= scan.from ? 0 : cache_scan(cache, file, &scan, err);
    pthread_mutex_lock(&cache->lock);
    if (!rc)
        file->size = file->own && st.st_size != (off_t)cache->own_at ? 0 : (uint64_t)st.st_size;
    pthread_mutex_unlock(&cache->lock);
    cache_tell_damage(cache, file, &damage);
    return rc == LAM_E_CORRUPT || rc == LAM_E_NOT_FOUND ? 0 : rc;
}

static int note_file(struct lam_cache *cache, const char *name, struct lam_error *err)
{
    struct cache_file_id id;
    struct cache_file *file;
    uint32_t number;
    int rc = 0;

    if (!cache_parse_file_name(name, &id))
        return 0;
    pthread_mutex_lock(&cache->lock);
    if ((file = cache_file_at(cache, id, &number)) || !(rc = cache_file_add(cache, id, &number, err)))
        cache->files[number]->seen = true;
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

static bool index_known(const struct lam_cache *cache, const char *name)
{
    for (uint32_t i = 0; i < cache->index_count; i++)
        if (!strcmp(cache->indexes[i]->name, name))
            return true;
    return false;
}

static bool listed(const struct lam_names *names, const char *name)
{
    size_t lo = 0, hi = names->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(names->names[mid], name);

        if (!order)
            return true;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* LAM_E_NOT_FOUND: an index went while it was read: list again. */
static int take_names(struct lam_cache *cache, const struct lam_names *names, struct lam_error *err)
{
    for (uint32_t i = 0; i < cache->file_count; i++)
        cache->files[i]->seen = false;
    for (size_t i = 0; i < names->count; i++) {
        int rc = note_file(cache, names->names[i], err);

        if (rc)
            return rc;
    }
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->names[i];
        int rc = !cache_is_index_name(name) || index_known(cache, name) ? 0 : cache_adopt_index(cache, name, err);

        if (rc == LAM_E_CORRUPT) /* a shortcut that leads nowhere: the files are read instead */
            cache_log(cache, "passed by: %s", err->text);
        else if (rc)
            return rc;
    }
    pthread_mutex_lock(&cache->lock);
    for (uint32_t i = 0; i < cache->file_count; i++)
        cache->files[i]->gone = !cache->files[i]->seen && !cache->files[i]->own;
    for (uint32_t i = cache->index_count; i-- > 0;)
        if (!listed(names, cache->indexes[i]->name))
            cache_drop_index(cache, i);
    cache_cover(cache);
    cache_close_idle(cache);
    pthread_mutex_unlock(&cache->lock);
    return 0;
}

static bool may_have_grown(struct lam_cache *cache, uint32_t number)
{
    const struct cache_file *file = cache->files[number];
    bool answer;

    pthread_mutex_lock(&cache->lock);
    answer = !file->gone && (!file->size || (!file->own && !(file->sealed && file->read == file->covered)));
    pthread_mutex_unlock(&cache->lock);
    return answer;
}

static bool memory_is_full(struct lam_cache *cache)
{
    bool answer;

    pthread_mutex_lock(&cache->lock);
    answer = cache->keys.count >= cache->keys.max;
    pthread_mutex_unlock(&cache->lock);
    return answer;
}

int cache_look(struct lam_cache *cache, struct lam_error *err)
{
    struct lam_names names;
    struct lam_error mine;
    int rc = LAM_E_NOT_FOUND;

    err = err ? err : &mine;
    for (int tries = 0; rc == LAM_E_NOT_FOUND && tries < LISTINGS; tries++) {
        if ((rc = lam_fs_list(cache->options.fs, cache->folder, &names, err)))
            return rc == LAM_E_NOT_FOUND ? 0 : rc; /* nobody has put anything yet */
        rc = take_names(cache, &names, err);
        lam_names_release(&names);
    }
    for (uint32_t i = 0; i < cache->file_count && !rc; i++)
        if (may_have_grown(cache, i) && (rc = read_on(cache, i, err)) && memory_is_full(cache)) {
            if (!cache->full_told)
                cache_log(cache, "answers of other processes are passed by: their keys are more than fit into memory, and no index can be written: %s", err->text);
            cache->full_told = true;
            rc = 0;
        }
    cache->looked_us = lam_mono_us(cache->options.clock);
    return rc;
}
