#include "keys.h"

#include <stdlib.h>

#define FIRST_SLOTS 1024 /* a power of two */

void cache_keys_init(struct cache_keys *keys, size_t max) { *keys = (struct cache_keys){.max = max}; }

void cache_keys_release(struct cache_keys *keys)
{
    free(keys->slots);
    *keys = (struct cache_keys){.max = keys->max};
}

/* Keys are hashes already: their first bytes are as good as any. */
static size_t slot_of(const struct lam_digest *digest, size_t slot_count)
{
    uint64_t first;

    memcpy(&first, digest->bytes + 8, sizeof first);
    return (size_t)first & (slot_count - 1);
}

static struct cache_key *place(const struct cache_keys *keys, const struct lam_digest *digest)
{
    size_t at = slot_of(digest, keys->slot_count);

    while (keys->slots[at].offset && !lam_digest_eq(keys->slots[at].digest, *digest))
        at = (at + 1) & (keys->slot_count - 1);
    return &keys->slots[at];
}

const struct cache_key *cache_keys_find(const struct cache_keys *keys, const struct lam_digest *digest)
{
    const struct cache_key *key = keys->count ? place(keys, digest) : NULL;

    return key && key->offset ? key : NULL;
}

static int grow(struct cache_keys *keys)
{
    size_t slot_count = keys->slot_count ? 2 * keys->slot_count : FIRST_SLOTS;
    struct cache_keys grown = {calloc(slot_count, sizeof *grown.slots), slot_count, keys->count, keys->max};

    if (!grown.slots)
        return LAM_E_MEMORY;
    for (size_t i = 0; i < keys->slot_count; i++)
        if (keys->slots[i].offset)
            *place(&grown, &keys->slots[i].digest) = keys->slots[i];
    free(keys->slots);
    *keys = grown;
    return 0;
}

int cache_keys_put(struct cache_keys *keys, const struct cache_key *key)
{
    struct cache_key *slot;

    if (2 * (keys->count + 1) > keys->slot_count && keys->count < keys->max && grow(keys))
        return LAM_E_MEMORY;
    if (!keys->slot_count)
        return LAM_E_LIMIT;
    slot = place(keys, &key->digest);
    if (!slot->offset && keys->count >= keys->max)
        return LAM_E_LIMIT;
    if (slot->offset && slot->time > key->time)
        return 0;
    keys->count += !slot->offset;
    *slot = *key;
    return 0;
}

void cache_keys_sift(struct cache_keys *keys, bool (*keep)(void *arg, const struct cache_key *key), void *arg)
{
    struct cache_key *slots = keys->slots;
    size_t slot_count = keys->slot_count;
    struct cache_keys left = {calloc(slot_count ? slot_count : 1, sizeof *slots), slot_count, 0, keys->max};

    if (!left.slots) /* they stay, and are found here before any index: only memory is lost */
        return;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].offset && keep(arg, &slots[i])) {
            *place(&left, &slots[i].digest) = slots[i];
            left.count++;
        }
    free(slots);
    *keys = left;
}

static int ascending(const void *a, const void *b)
{
    const struct cache_key *x = a, *y = b;

    return memcmp(x->digest.bytes, y->digest.bytes, sizeof x->digest.bytes);
}

int cache_keys_sorted(const struct cache_keys *keys, uint32_t file, struct cache_key **sorted, size_t *count)
{
    *count = 0;
    if (!(*sorted = malloc((keys->count ? keys->count : 1) * sizeof **sorted)))
        return LAM_E_MEMORY;
    for (size_t i = 0; i < keys->slot_count; i++)
        if (keys->slots[i].offset && (file == UINT32_MAX || keys->slots[i].file == file))
            (*sorted)[(*count)++] = keys->slots[i];
    qsort(*sorted, *count, sizeof **sorted, ascending);
    return 0;
}
