/*
 * Shortcuts: indexes made from the keys in memory, and merged where many of a size have come together, so that a lookup asks few of
 * them however many there are:
 *
 *     level 0: up to 4,096 keys, level 1: up to 16,384, …; MERGE_AT of one level become one of a higher
 */
#include "own.h"

#include <fcntl.h>
#include <stdlib.h>

#define LEVEL_KEYS 4096u
#define MERGE_AT 8u

/* What of a file an index covers; of several spans of one file those that touch become one. */
static int by_file(const void *a, const void *b)
{
    const struct cache_span *x = a, *y = b;
    int order = cache_file_cmp(x->id, y->id);

    return order ? order : (x->from > y->from) - (x->from < y->from);
}

static uint32_t join_spans(struct cache_span *spans, uint32_t count)
{
    uint32_t joined = 0;

    qsort(spans, count, sizeof *spans, by_file);
    for (uint32_t i = 0; i < count; i++) {
        struct cache_span *last = joined ? &spans[joined - 1] : NULL;

        if (!last || cache_file_cmp(last->id, spans[i].id) || spans[i].from > last->to) {
            spans[joined++] = spans[i];
            continue;
        }
        if (spans[i].to > last->to) {
            last->to = spans[i].to;
            last->sealed = spans[i].sealed;
        }
        last->entries += spans[i].entries;
        if (spans[i].newest > last->newest)
            last->newest = spans[i].newest;
    }
    return joined;
}

static uint32_t find_span(const struct cache_span *spans, uint32_t count, struct cache_file_id id)
{
    for (uint32_t lo = 0, hi = count; lo < hi;) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = cache_file_cmp(spans[mid].id, id);

        if (!order)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return CACHE_NO_FILE;
}

void cache_drop_index(struct lam_cache *cache, uint32_t at)
{
    cache_index_close(cache->indexes[at]);
    cache->indexes[at] = cache->indexes[--cache->index_count];
}

static bool cover_once(struct lam_cache *cache)
{
    bool more = false;

    for (uint32_t i = 0; i < cache->index_count; i++)
        for (uint32_t j = 0; j < cache->indexes[i]->span_count; j++) {
            const struct cache_span *span = &cache->indexes[i]->spans[j];
            uint32_t number = cache->indexes[i]->files[j];
            struct cache_file *file = number == CACHE_NO_FILE ? NULL : cache->files[number];

            if (!file || span->from > file->covered || span->to <= file->covered)
                continue;
            file->covered = span->to;
            file->covered_entries += span->entries;
            file->sealed = file->sealed || span->sealed;
            if (span->newest > file->newest)
                file->newest = span->newest;
            more = true;
        }
    return more;
}

static bool still_needed(void *arg, const struct cache_key *key)
{
    const struct lam_cache *cache = arg;

    return key->offset >= cache->files[key->file]->covered && !cache->files[key->file]->gone;
}

void cache_cover(struct lam_cache *cache)
{
    for (uint32_t i = 0; i < cache->file_count; i++) {
        cache->files[i]->covered_was = cache->files[i]->covered;
        cache->files[i]->covered = CACHE_FILE_HEADER;
        cache->files[i]->covered_entries = 0;
    }
    while (cover_once(cache))
        ;
    for (uint32_t i = 0; i < cache->file_count; i++) {
        struct cache_file *file = cache->files[i];

        if (file->covered > file->read || file->covered < file->covered_was) { /* others were further; or a shortcut is gone: read that part again */
            file->size = file->covered < file->covered_was ? 0 : file->size;
            file->read = file->covered;
            file->entries = file->covered_entries;
        }
    }
    if (cache->keys.count)
        cache_keys_sift(&cache->keys, still_needed, cache);
}

/* Opens an index and says which files its spans are; with lock held, as the table is. */
static int take_index(struct lam_cache *cache, struct cache_index *index, struct lam_error *err)
{
    if (cache->index_count == cache->index_cap) {
        uint32_t cap = cache->index_cap ? 2 * cache->index_cap : 16;
        struct cache_index **grown = realloc(cache->indexes, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an index of the cache");
        cache->indexes = grown;
        cache->index_cap = cap;
    }
    for (uint32_t i = 0; i < index->span_count; i++) {
        uint32_t number;
        const struct cache_file *file = cache_file_at(cache, index->spans[i].id, &number);

        index->files[i] = file && !file->gone ? number : CACHE_NO_FILE;
    }
    cache->indexes[cache->index_count++] = index;
    return 0;
}

int cache_adopt_index(struct lam_cache *cache, const char *name, struct lam_error *err)
{
    struct cache_index *index;
    int rc = cache_index_open(cache->options.fs, cache->folder, name, &index, err);

    if (rc)
        return rc;
    pthread_mutex_lock(&cache->lock);
    if ((rc = take_index(cache, index, err)))
        cache_index_close(index);
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

/* The keys of memory that are to be written, their file numbers turned into spans. */
struct draft {
    struct cache_key *keys;
    size_t count;
    struct cache_span *spans;
    uint32_t span_count;
};

static void draft_release(struct draft *draft)
{
    free(draft->keys);
    free(draft->spans);
}

static int draft_make(struct lam_cache *cache, uint32_t file, struct draft *draft)
{
    uint32_t *span_of = calloc(cache->file_count + 1u, sizeof *span_of);
    size_t kept = 0;
    int rc = LAM_E_MEMORY;

    *draft = (struct draft){.spans = calloc(cache->file_count + 1u, sizeof *draft->spans)};
    if (!span_of || !draft->spans || (rc = cache_keys_sorted(&cache->keys, file, &draft->keys, &draft->count)))
        goto cleanup;
    for (uint32_t i = 0; i < cache->file_count; i++) {
        const struct cache_file *f = cache->files[i];

        span_of[i] = CACHE_NO_FILE;
        if ((file != CACHE_NO_FILE && file != i) || f->gone || f->read == f->covered)
            continue;
        span_of[i] = draft->span_count;
        draft->spans[draft->span_count++] =
            (struct cache_span){f->id, f->sealed, f->covered, f->read, f->entries - f->covered_entries, f->newest};
    }
    for (size_t i = 0; i < draft->count; i++) {
        uint32_t span = span_of[draft->keys[i].file];

        if (span == CACHE_NO_FILE) /* removed, and not yet sifted out */
            continue;
        draft->keys[kept] = draft->keys[i];
        draft->keys[kept++].file = span;
    }
    draft->count = kept;

cleanup:
    free(span_of);
    return rc;
}

int cache_index_keys(struct lam_cache *cache, uint32_t file, struct lam_error *err)
{
    struct cache_index_writer writer = {.fd = -1};
    struct draft draft;
    int rc;

    pthread_mutex_lock(&cache->lock);
    rc = draft_make(cache, file, &draft);
    pthread_mutex_unlock(&cache->lock);
    if (rc) {
        LAM_FAIL(err, rc, "no memory for an index of the cache");
        goto cleanup;
    }
    if (!draft.span_count)
        goto cleanup;
    rc = cache_index_begin(&writer, cache->options.fs, cache->folder, draft.spans, draft.span_count, err);
    for (size_t i = 0; i < draft.count && !rc; i++)
        rc = cache_index_add(&writer, &draft.keys[i], err);
    if (rc || (rc = cache_index_finish(&writer, err)) || (rc = cache_adopt_index(cache, writer.name, err)))
        goto cleanup;
    pthread_mutex_lock(&cache->lock);
    cache_cover(cache);
    pthread_mutex_unlock(&cache->lock);

cleanup:
    cache_index_release(&writer);
    draft_release(&draft);
    return rc;
}

static unsigned level_of(const struct cache_index *index)
{
    unsigned level = 0;

    for (uint64_t keys = LEVEL_KEYS; keys < index->count; keys *= 4)
        level++;
    return level;
}

/* Marks what to merge: all, or the lowest level that is full with those below it. How many. */
static uint32_t choose(const struct lam_cache *cache, bool all, bool *chosen)
{
    uint32_t levels[32] = {0}, picked = 0;
    unsigned full = 0;

    for (uint32_t i = 0; i < cache->index_count; i++)
        levels[level_of(cache->indexes[i])]++;
    while (full < 32 && levels[full] < MERGE_AT)
        full++;
    for (uint32_t i = 0; i < cache->index_count; i++) {
        chosen[i] = all || (full < 32 && level_of(cache->indexes[i]) <= full);
        picked += chosen[i];
    }
    return picked;
}

struct merge {
    struct cache_index **inputs;
    uint64_t *at;         /* the next key of each */
    uint32_t **span_of;   /* of each input's span, the output's; CACHE_NO_FILE: its file is gone */
    uint32_t count;
    struct cache_span *spans;
    uint32_t span_count;
};

static void merge_release(struct merge *merge)
{
    for (uint32_t i = 0; merge->span_of && i < merge->count; i++)
        free(merge->span_of[i]);
    free(merge->span_of);
    free(merge->inputs);
    free(merge->at);
    free(merge->spans);
}

static int merge_begin(struct lam_cache *cache, const bool *chosen, uint32_t count, struct merge *merge)
{
    uint32_t spans = 0;

    *merge = (struct merge){.inputs = calloc(count, sizeof *merge->inputs), .at = calloc(count, sizeof *merge->at), .span_of = calloc(count, sizeof *merge->span_of)};
    if (!merge->inputs || !merge->at || !merge->span_of)
        return LAM_E_MEMORY;
    for (uint32_t i = 0; i < cache->index_count; i++)
        if (chosen[i]) {
            merge->inputs[merge->count++] = cache->indexes[i];
            spans += cache->indexes[i]->span_count;
        }
    if (!(merge->spans = calloc(spans + 1u, sizeof *merge->spans)))
        return LAM_E_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < merge->inputs[i]->span_count; j++)
            if (merge->inputs[i]->files[j] != CACHE_NO_FILE && !cache->files[merge->inputs[i]->files[j]]->gone)
                merge->spans[merge->span_count++] = merge->inputs[i]->spans[j];
    merge->span_count = join_spans(merge->spans, merge->span_count);
    for (uint32_t i = 0; i < count; i++) {
        if (!(merge->span_of[i] = calloc(merge->inputs[i]->span_count + 1u, sizeof **merge->span_of)))
            return LAM_E_MEMORY;
        for (uint32_t j = 0; j < merge->inputs[i]->span_count; j++)
            merge->span_of[i][j] = find_span(merge->spans, merge->span_count, merge->inputs[i]->spans[j].id);
    }
    return 0;
}

/* The next key of all inputs, the newest where several have it; false: that was all. */
static bool merge_next(struct merge *merge, struct cache_key *key)
{
    const unsigned char *lowest = NULL;
    bool found = false;

    for (uint32_t i = 0; i < merge->count; i++) {
        const unsigned char *at = merge->inputs[i]->keys + merge->at[i] * CACHE_KEY_BYTES;

        if (merge->at[i] < merge->inputs[i]->count && (!lowest || memcmp(at, lowest, 16) < 0))
            lowest = at;
    }
    key->file = CACHE_NO_FILE;
    for (uint32_t i = 0; lowest && i < merge->count; i++) {
        const unsigned char *at = merge->inputs[i]->keys + merge->at[i] * CACHE_KEY_BYTES;
        struct cache_key mine;

        if (merge->at[i] == merge->inputs[i]->count || memcmp(at, lowest, 16))
            continue;
        merge->at[i]++;
        mine = cache_read_key(at);
        mine.file = mine.file < merge->inputs[i]->span_count ? merge->span_of[i][mine.file] : CACHE_NO_FILE;
        if (mine.file != CACHE_NO_FILE && (!found || mine.time > key->time)) {
            *key = mine;
            found = true;
        }
    }
    return lowest != NULL;
}

/* The merged index stands: its inputs go, from the table and from the folder. name NULL: nothing was left to write. */
static int replace_inputs(struct lam_cache *cache, const struct merge *merge, const char *name, struct lam_error *err)
{
    struct cache_index *made = NULL;
    int rc = name ? cache_index_open(cache->options.fs, cache->folder, name, &made, err) : 0;

    if (rc)
        return rc;
    for (uint32_t i = 0; i < merge->count; i++) {
        char path[LAM_PATH_MAX];

        if (!lam_path_join(path, cache->folder, merge->inputs[i]->name, NULL))
            cache->options.fs->ops->unlink(cache->options.fs->arg, path); /* one that stays is a shortcut too many */
    }
    pthread_mutex_lock(&cache->lock);
    for (uint32_t i = 0; i < merge->count; i++)
        for (uint32_t j = 0; j < cache->index_count; j++)
            if (cache->indexes[j] == merge->inputs[i]) {
                cache_drop_index(cache, j);
                break;
            }
    if (made && (rc = take_index(cache, made, err)))
        cache_index_close(made);
    cache_cover(cache);
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

/* Indexes whose keys were damaged go; what they covered is read again at the next look. */
static bool drop_damaged(struct lam_cache *cache, const bool *chosen)
{
    bool dropped = false;

    for (uint32_t i = cache->index_count; i-- > 0;) {
        char path[LAM_PATH_MAX];

        if (!chosen[i] || cache_index_holds(cache->indexes[i]))
            continue;
        cache_log(cache, "%s is damaged and made anew", cache->indexes[i]->name);
        if (!lam_path_join(path, cache->folder, cache->indexes[i]->name, NULL))
            cache->options.fs->ops->unlink(cache->options.fs->arg, path);
        pthread_mutex_lock(&cache->lock);
        cache_drop_index(cache, i);
        cache_cover(cache);
        pthread_mutex_unlock(&cache->lock);
        dropped = true;
    }
    return dropped;
}

static int merge_chosen(struct lam_cache *cache, bool all, struct lam_error *err)
{
    struct cache_index_writer writer = {.fd = -1};
    struct merge merge = {0};
    bool *chosen = calloc(cache->index_count + 1u, sizeof *chosen);
    struct cache_key key = {.file = 0};
    uint32_t count;
    int rc = 0;

    if (!chosen)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to merge indexes of the cache");
    if ((count = choose(cache, all, chosen)) < 2 && !(all && count))
        goto cleanup;
    if (drop_damaged(cache, chosen)) { /* with the next turn */
        rc = cache_look(cache, err);
        goto cleanup;
    }
    if ((rc = merge_begin(cache, chosen, count, &merge))) {
        LAM_FAIL(err, rc, "no memory to merge indexes of the cache");
        goto cleanup;
    }
    if (!merge.span_count) {
        rc = replace_inputs(cache, &merge, NULL, err);
        goto cleanup;
    }
    rc = cache_index_begin(&writer, cache->options.fs, cache->folder, merge.spans, merge.span_count, err);
    while (!rc && merge_next(&merge, &key))
        rc = key.file == CACHE_NO_FILE ? 0 : cache_index_add(&writer, &key, err);
    if (!rc && !(rc = cache_index_finish(&writer, err)))
        rc = replace_inputs(cache, &merge, writer.name, err);

cleanup:
    cache_index_release(&writer);
    merge_release(&merge);
    free(chosen);
    return rc;
}

/* One process at a time: else each of many ranks would write the same. Where a dead one holds it, the next one after an hour takes it. */
bool cache_take_turn(struct lam_cache *cache, const char *name, char path[LAM_PATH_MAX])
{
    const struct lam_fs *fs = cache->options.fs;
    struct stat st;
    int fd;

    if (lam_path_join(path, cache->folder, name, NULL))
        return false;
    if (!fs->ops->stat(fs->arg, path, &st) && st.st_mtime + CACHE_QUIET_S < lam_wall_us(cache->options.clock) / 1000000)
        fs->ops->unlink(fs->arg, path);
    if ((fd = fs->ops->open(fs->arg, path, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
        return false;
    fs->ops->close(fs->arg, fd);
    return true;
}

int cache_merge(struct lam_cache *cache, bool all, struct lam_error *err)
{
    bool *chosen = calloc(cache->index_count + 1u, sizeof *chosen);
    char path[LAM_PATH_MAX];
    uint32_t count;
    int rc;

    if (!chosen)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to merge indexes of the cache");
    count = choose(cache, all, chosen);
    free(chosen);
    if (!count || !cache_take_turn(cache, CACHE_MERGING, path))
        return 0;
    if (!(rc = cache_look(cache, err))) /* another has perhaps just done it */
        rc = merge_chosen(cache, all, err);
    cache->options.fs->ops->unlink(cache->options.fs->arg, path);
    return rc;
}
