/* Lookups: where an answer stands, and its bytes. */
#include "own.h"

#include <errno.h>
#include <fcntl.h>

bool cache_find(struct lam_cache *cache, const struct lam_digest *digest, struct cache_key *found)
{
    const struct cache_key *key = cache_keys_find(&cache->keys, digest);
    bool any = key && !cache->files[key->file]->gone;

    if (any)
        *found = *key;
    for (uint32_t i = 0; i < cache->index_count; i++) {
        const struct cache_index *index = cache->indexes[i];
        struct cache_key mine;
        uint32_t number;

        if (!cache_index_find(index, digest, &mine) || (number = index->files[mine.file]) == CACHE_NO_FILE || cache->files[number]->gone)
            continue;
        mine.file = number;
        if (!any || mine.time > found->time)
            *found = mine;
        any = true;
    }
    return any;
}

void cache_close_idle(struct lam_cache *cache)
{
    const struct lam_fs *fs = cache->options.fs;

    while (cache->open_count) {
        struct cache_file *oldest = NULL;

        for (uint32_t i = 0; i < cache->file_count; i++) {
            struct cache_file *file = cache->files[i];

            if (file->fd >= 0 && !file->users && (file->gone || cache->open_count > cache->options.max_open) && (!oldest || file->used < oldest->used))
                oldest = file;
        }
        if (!oldest)
            return;
        fs->ops->close(fs->arg, oldest->fd);
        oldest->fd = -1;
        cache->open_count--;
    }
}

/* The file's descriptor, held until unpin; lock is held, and given back while the file is opened. */
static int pin(struct lam_cache *cache, struct cache_file *file)
{
    const struct lam_fs *fs = cache->options.fs;
    char name[CACHE_NAME], path[LAM_PATH_MAX];
    int fd;

    if (file->fd < 0) {
        cache_file_name(name, file->id);
        if (lam_path_join(path, cache->folder, name, NULL))
            return -ENAMETOOLONG;
        pthread_mutex_unlock(&cache->lock);
        fd = fs->ops->open(fs->arg, path, O_RDONLY, 0);
        pthread_mutex_lock(&cache->lock);
        if (fd < 0)
            return fd;
        if (file->fd >= 0) { /* another thread was first */
            fs->ops->close(fs->arg, fd);
        } else {
            file->fd = fd;
            cache->open_count++;
        }
    }
    file->users++;
    file->used = ++cache->uses;
    cache_close_idle(cache);
    return file->fd;
}

static void unpin(struct lam_cache *cache, struct cache_file *file)
{
    file->users--;
    if (cache->open_count > cache->options.max_open || file->gone)
        cache_close_idle(cache);
}

/* The entry at a place, if it is what the key says: LAM_E_NOT_FOUND where it is not. Its value is appended to value. */
static int read_entry(struct lam_cache *cache, int fd, const struct cache_key *key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    const struct lam_fs *fs = cache->options.fs;
    size_t len = CACHE_ENTRY_HEADER + (size_t)key->len, have = 0, need;
    struct lam_cache_entry entry;
    int rc;

    if (key->len > LAM_CACHE_VALUE_MAX)
        return LAM_E_NOT_FOUND;
    if ((rc = lam_buf_reserve(value, len, err)))
        return rc;
    while (have < len) {
        ssize_t n = fs->ops->pread(fs->arg, fd, value->ptr + value->len + have, len - have, (off_t)(key->offset + have));

        if (n <= 0)
            return LAM_E_NOT_FOUND;
        have += (size_t)n;
    }
    if (cache_read_entry((const unsigned char *)value->ptr + value->len, len, &entry, &need) || need != len || !lam_digest_eq(entry.key, key->digest))
        return LAM_E_NOT_FOUND;
    memmove(value->ptr + value->len, entry.value.ptr, entry.value.len);
    value->len += entry.value.len;
    if (meta)
        *meta = entry.meta;
    return 0;
}

static bool too_old(const struct lam_cache *cache, uint32_t time)
{
    return cache->options.max_age_us > 0 && (int64_t)time * 1000000 + cache->options.max_age_us < lam_wall_us(cache->options.clock);
}

/* LAM_PENDING: its file is not there any more, which a look at the folder will explain. */
static int get_once(struct lam_cache *cache, const struct lam_digest *digest, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    struct cache_damage damage = {0};
    struct lam_cache_meta mine;
    struct cache_file *file;
    struct cache_key key;
    int rc = LAM_E_NOT_FOUND, fd;

    pthread_mutex_lock(&cache->lock);
    if (!cache_find(cache, digest, &key) || too_old(cache, key.time)) {
        pthread_mutex_unlock(&cache->lock);
        return LAM_E_NOT_FOUND;
    }
    file = cache->files[key.file];
    if ((fd = pin(cache, file)) >= 0) {
        pthread_mutex_unlock(&cache->lock);
        rc = read_entry(cache, fd, &key, value, &mine, err);
        pthread_mutex_lock(&cache->lock);
        unpin(cache, file);
    }
    if (rc == LAM_E_NOT_FOUND && fd != -ENOENT) {
        cache->counts.unreadable++;
        damage = (struct cache_damage){fd >= 0, CACHE_ENTRY_HEADER + (uint64_t)key.len, key.offset};
    }
    if (!rc) {
        cache->counts.hits++;
        cache->counts.saved_in += mine.tokens_in;
        cache->counts.saved_out += mine.tokens_out;
        if (meta)
            *meta = mine;
    }
    pthread_mutex_unlock(&cache->lock);
    cache_tell_damage(cache, file, &damage);
    return fd == -ENOENT ? LAM_PENDING : rc;
}

/* Looks at the folder, when it is time for it. now: in any case, waiting for who looks already; else that one's look will do. */
static int look_again(struct lam_cache *cache, bool now, struct lam_error *err)
{
    int rc = 0;

    if (now)
        pthread_mutex_lock(&cache->upkeep);
    else if (cache->options.refresh_us < 0 || pthread_mutex_trylock(&cache->upkeep))
        return LAM_PENDING;
    if (!now && cache->looked_us && lam_mono_us(cache->options.clock) - cache->looked_us < cache->options.refresh_us)
        rc = LAM_PENDING;
    else
        rc = cache_look(cache, err);
    pthread_mutex_unlock(&cache->upkeep);
    return rc;
}

static int get(struct lam_cache *cache, const struct lam_digest *digest, bool fresh, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    int rc = get_once(cache, digest, value, meta, err);

    if ((rc == LAM_PENDING || rc == LAM_E_NOT_FOUND) && !look_again(cache, fresh || rc == LAM_PENDING, NULL))
        rc = get_once(cache, digest, value, meta, err);
    if (rc == LAM_PENDING || rc == LAM_E_NOT_FOUND) {
        pthread_mutex_lock(&cache->lock);
        cache->counts.misses++;
        pthread_mutex_unlock(&cache->lock);
        rc = LAM_E_NOT_FOUND;
    }
    return rc;
}

int lam_cache_get(struct lam_cache *cache, struct lam_digest key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    return get(cache, &key, false, value, meta, err);
}

int lam_cache_get_fresh(struct lam_cache *cache, struct lam_digest key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    return get(cache, &key, true, value, meta, err);
}

int lam_cache_refresh(struct lam_cache *cache, struct lam_error *err)
{
    return look_again(cache, true, err);
}
