/* Groups of aggregates: keys and states in an arena, an open-addressed table of indexes beside it. */
#include "agg.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"

#define KINDS_MAX 64
#define FIRST_SLOTS 64

struct group {
    struct lam_sv key;
    uint64_t hash;
    struct lam_agg **aggs;
};

struct lam_agg_groups {
    struct lam_arena arena;
    enum lam_agg_kind kinds[KINDS_MAX];
    size_t kind_count, max_groups, count, cap, slot_count;
    struct group *groups;
    uint32_t *slots; /* index of a group plus 1; 0: free */
};

struct lam_agg_groups *lam_agg_groups_new(const enum lam_agg_kind *kinds, size_t kind_count, size_t max_groups, size_t max_bytes)
{
    struct lam_agg_groups *groups = kind_count <= KINDS_MAX ? calloc(1, sizeof *groups) : NULL;

    if (!groups)
        return NULL;
    memcpy(groups->kinds, kinds, kind_count * sizeof *kinds);
    groups->kind_count = kind_count;
    groups->max_groups = max_groups < UINT32_MAX / 4 ? max_groups : UINT32_MAX / 4;
    lam_arena_init(&groups->arena, max_bytes);
    return groups;
}

void lam_agg_groups_free(struct lam_agg_groups *groups)
{
    if (!groups)
        return;
    lam_arena_release(&groups->arena);
    free(groups->groups);
    free(groups->slots);
    free(groups);
}

static uint32_t *slot_of(const struct lam_agg_groups *groups, struct lam_sv key, uint64_t hash)
{
    size_t i = hash & (groups->slot_count - 1);

    for (;; i = (i + 1) & (groups->slot_count - 1)) {
        const struct group *group = groups->slots[i] ? &groups->groups[groups->slots[i] - 1] : NULL;

        if (!group || (group->hash == hash && lam_sv_eq(group->key, key)))
            return &groups->slots[i];
    }
}

static void fill_slots(struct lam_agg_groups *groups)
{
    memset(groups->slots, 0, groups->slot_count * sizeof *groups->slots);
    for (size_t i = 0; i < groups->count; i++)
        *slot_of(groups, groups->groups[i].key, groups->groups[i].hash) = (uint32_t)i + 1;
}

/* Room for one group more: the table stays at most half full. */
static int grow(struct lam_agg_groups *groups, struct lam_error *err)
{
    size_t slots = groups->slot_count ? groups->slot_count : FIRST_SLOTS;
    struct group *more;
    uint32_t *table;

    if (groups->count >= groups->max_groups)
        return LAM_FAIL(err, LAM_E_LIMIT, "more than %zu groups", groups->max_groups);
    while (slots < 2 * (groups->count + 1))
        slots *= 2;
    if (slots != groups->slot_count) {
        if (!(table = malloc(slots * sizeof *table)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu groups", groups->count + 1);
        free(groups->slots);
        groups->slots = table;
        groups->slot_count = slots;
        fill_slots(groups);
    }
    if (groups->count == groups->cap) {
        size_t cap = groups->cap ? 2 * groups->cap : FIRST_SLOTS / 2;

        if (!(more = realloc(groups->groups, cap * sizeof *more)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu groups", groups->count + 1);
        groups->groups = more;
        groups->cap = cap;
    }
    return 0;
}

/* One allocation a group: key, pointers and states, so that a full arena leaves nothing half made. */
static int fill_group(struct lam_agg_groups *groups, struct group *group, struct lam_sv key, struct lam_error *err)
{
    size_t bytes = groups->kind_count * sizeof(struct lam_agg *);
    char *at;

    for (size_t i = 0; i < groups->kind_count; i++)
        bytes = ((bytes + 15) & ~(size_t)15) + lam_agg_ops(groups->kinds[i])->size;
    if (!(at = lam_arena_alloc(&groups->arena, bytes + key.len)))
        return LAM_FAIL(err, LAM_E_LIMIT, "groups beyond %zu bytes", groups->arena.max);
    group->aggs = (struct lam_agg **)(void *)at;
    bytes = groups->kind_count * sizeof(struct lam_agg *);
    for (size_t i = 0; i < groups->kind_count; i++) {
        bytes = (bytes + 15) & ~(size_t)15;
        group->aggs[i] = (struct lam_agg *)(void *)(at + bytes);
        lam_agg_ops(groups->kinds[i])->init(group->aggs[i]);
        bytes += lam_agg_ops(groups->kinds[i])->size;
    }
    if (key.len)
        memcpy(at + bytes, key.ptr, key.len);
    group->key = lam_sv(at + bytes, key.len);
    return 0;
}

int lam_agg_groups_at(struct lam_agg_groups *groups, struct lam_sv key, struct lam_agg ***aggs, struct lam_error *err)
{
    uint64_t hash = lam_hash64(key.ptr, key.len);
    uint32_t *slot = groups->slot_count ? slot_of(groups, key, hash) : NULL;
    struct group *group;
    int rc;

    if (!slot || !*slot) {
        if ((rc = grow(groups, err)))
            return rc;
        group = &groups->groups[groups->count];
        group->hash = hash;
        if ((rc = fill_group(groups, group, key, err)))
            return rc;
        slot = slot_of(groups, key, hash);
        *slot = (uint32_t)++groups->count;
    }
    *aggs = groups->groups[*slot - 1].aggs;
    return 0;
}

int lam_agg_groups_merge(struct lam_agg_groups *groups, struct lam_agg_groups *other, struct lam_error *err)
{
    for (size_t i = 0; i < other->count; i++) {
        struct lam_agg **aggs;
        int rc = lam_agg_groups_at(groups, other->groups[i].key, &aggs, err);

        if (rc)
            return rc;
        for (size_t k = 0; k < groups->kind_count; k++)
            lam_agg_ops(groups->kinds[k])->merge(aggs[k], other->groups[i].aggs[k]);
    }
    return 0;
}

size_t lam_agg_groups_count(const struct lam_agg_groups *groups) { return groups->count; }

static int by_key(const void *a, const void *b) { return lam_sv_cmp(((const struct group *)a)->key, ((const struct group *)b)->key); }

void lam_agg_groups_sort(struct lam_agg_groups *groups)
{
    if (groups->count == 0)
        return;
    qsort(groups->groups, groups->count, sizeof *groups->groups, by_key);
    fill_slots(groups);
}

struct lam_sv lam_agg_groups_get(const struct lam_agg_groups *groups, size_t i, struct lam_agg ***aggs)
{
    *aggs = groups->groups[i].aggs;
    return groups->groups[i].key;
}
