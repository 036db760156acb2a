#include "dict.h"

#include <stdlib.h>

#include "hash.h"

#define FIRST_SLOTS 16
#define FIRST_KEYS 256

/* Linear probing; a removal shifts what follows back, so that there are no tombstones. */
struct lam_dict_slot {
    uint64_t hash, value;
    size_t offset; /* of the key in keys */
    uint32_t len;
    bool used;
};

void lam_dict_init(struct lam_dict *map, size_t max_count, size_t max_bytes) { *map = (struct lam_dict){.max_count = max_count, .max_bytes = max_bytes}; }

void lam_dict_release(struct lam_dict *map)
{
    free(map->slots);
    free(map->keys);
    lam_dict_init(map, map->max_count, map->max_bytes);
}

void lam_dict_clear(struct lam_dict *map)
{
    if (map->slot_count)
        memset(map->slots, 0, map->slot_count * sizeof *map->slots);
    map->count = map->keys_len = map->keys_dead = 0;
}

/* The slot of key, or the free one where it would stand. There is always one free. */
static struct lam_dict_slot *slot_of(const struct lam_dict *map, uint64_t hash, struct lam_sv key)
{
    size_t i = hash & (map->slot_count - 1);

    for (;; i = (i + 1) & (map->slot_count - 1)) {
        struct lam_dict_slot *slot = &map->slots[i];

        if (!slot->used || (slot->hash == hash && lam_sv_eq(key, lam_sv(map->keys + slot->offset, slot->len))))
            return slot;
    }
}

uint64_t *lam_dict_find(const struct lam_dict *map, struct lam_sv key)
{
    struct lam_dict_slot *slot;

    if (!map->count)
        return NULL;
    slot = slot_of(map, lam_hash64(key.ptr, key.len), key);
    return slot->used ? &slot->value : NULL;
}

static int grow_slots(struct lam_dict *map, struct lam_error *err)
{
    size_t count = map->slot_count ? 2 * map->slot_count : FIRST_SLOTS;
    struct lam_dict_slot *slots = calloc(count, sizeof *slots);

    if (!slots)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a map of %zu slots", count);
    for (size_t i = 0; i < map->slot_count; i++) {
        size_t to = map->slots[i].hash & (count - 1);

        if (!map->slots[i].used)
            continue;
        while (slots[to].used)
            to = (to + 1) & (count - 1);
        slots[to] = map->slots[i];
    }
    free(map->slots);
    map->slots = slots;
    map->slot_count = count;
    return 0;
}

/* Room for len more bytes of keys in a buffer without those of removed entries. */
static int grow_keys(struct lam_dict *map, size_t len, struct lam_error *err)
{
    size_t live = map->keys_len - map->keys_dead, cap = map->keys_cap ? map->keys_cap : FIRST_KEYS, at = 0;
    char *keys;

    if (len > map->max_bytes - live)
        return LAM_FAIL(err, LAM_E_LIMIT, "the keys of a map exceed %zu bytes", map->max_bytes);
    while (cap - live < len || cap < live + live / 2) /* room to spare: else a full one would be copied at each removal and addition */
        cap *= 2;
    if (cap > map->max_bytes)
        cap = map->max_bytes;
    if (!(keys = malloc(cap)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu bytes of keys", cap);
    for (size_t i = 0; i < map->slot_count; i++) {
        struct lam_dict_slot *slot = &map->slots[i];

        if (!slot->used)
            continue;
        if (slot->len)
            memcpy(keys + at, map->keys + slot->offset, slot->len);
        slot->offset = at;
        at += slot->len;
    }
    free(map->keys);
    map->keys = keys;
    map->keys_len = at;
    map->keys_cap = cap;
    map->keys_dead = 0;
    return 0;
}

int lam_dict_add(struct lam_dict *map, struct lam_sv key, uint64_t **value, bool *added, struct lam_error *err)
{
    uint64_t hash = lam_hash64(key.ptr, key.len);
    struct lam_dict_slot *slot = map->count ? slot_of(map, hash, key) : NULL;
    int rc;

    if (added)
        *added = false;
    if (slot && slot->used) {
        *value = &slot->value;
        return 0;
    }
    if (map->count >= map->max_count)
        return LAM_FAIL(err, LAM_E_LIMIT, "a map holds no more than %zu entries", map->max_count);
    if (key.len > UINT32_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "a key of %zu bytes", key.len);
    if ((!map->keys || key.len > map->keys_cap - map->keys_len) && (rc = grow_keys(map, key.len, err)))
        return rc;
    if ((map->count + 1) * 4 > map->slot_count * 3 && (rc = grow_slots(map, err)))
        return rc;
    slot = slot_of(map, hash, key);
    *slot = (struct lam_dict_slot){.hash = hash, .offset = map->keys_len, .len = (uint32_t)key.len, .used = true};
    if (key.len)
        memcpy(map->keys + map->keys_len, key.ptr, key.len);
    map->keys_len += key.len;
    map->count++;
    if (added)
        *added = true;
    *value = &slot->value;
    return 0;
}

bool lam_dict_remove(struct lam_dict *map, struct lam_sv key)
{
    size_t mask = map->slot_count - 1, hole, i;
    struct lam_dict_slot *slot;

    if (!map->count)
        return false;
    slot = slot_of(map, lam_hash64(key.ptr, key.len), key);
    if (!slot->used)
        return false;
    map->keys_dead += slot->len;
    map->count--;
    for (hole = i = (size_t)(slot - map->slots);;) {
        i = (i + 1) & mask;
        if (!map->slots[i].used)
            break;
        if (((i - map->slots[i].hash) & mask) >= ((i - hole) & mask)) { /* its probing began at the hole or before */
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].used = false;
    return true;
}

bool lam_dict_next(const struct lam_dict *map, size_t *cursor, struct lam_sv *key, uint64_t *value)
{
    for (; *cursor < map->slot_count; ++*cursor) {
        const struct lam_dict_slot *slot = &map->slots[*cursor];

        if (!slot->used)
            continue;
        if (key)
            *key = lam_sv(map->keys + slot->offset, slot->len);
        if (value)
            *value = slot->value;
        ++*cursor;
        return true;
    }
    return false;
}
