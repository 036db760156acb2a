#include <stdlib.h>

#include "resolve.h"

#define NEEDED (LAM_ROWS_POSITION | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS))

static int cmp(const struct lam_mask_rule *rule, uint32_t source, const uint8_t partition[16])
{
    if (rule->source != source)
        return rule->source < source ? -1 : 1;
    return memcmp(rule->partition, partition, 16);
}

/* Rules for what was never counted come first among those of a partition: that is a fact about the row, whoever else names it. */
static int by_partition(const void *a, const void *b)
{
    const struct lam_mask_rule *p = a, *q = b;
    int order = cmp(p, q->source, q->partition);

    return order ? order : (int)q->uncounted - (int)p->uncounted;
}

/* First rule of this partition. */
static size_t find(const struct lam_mask_rule *rules, size_t count, uint32_t source, const uint8_t partition[16])
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cmp(&rules[middle], source, partition) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int count_masked(struct lam_count_deltas *deltas, uint32_t source, uint32_t life, uint8_t op, uint32_t flags, struct lam_error *err)
{
    struct lam_count_delta *delta = lam_count_deltas_at(deltas, source, life);

    if (!delta)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the counts of %zu lives", deltas->count);
    delta->superseded++;
    if (op == LAM_OP_DELETE) {
        delta->deleted--;
    } else {
        delta->live--;
        delta->pending -= (flags & LAM_ROW_PENDING) != 0;
        delta->unavailable -= (flags & LAM_ROW_UNAVAILABLE) != 0;
    }
    return 0;
}

int lam_resolve_mask(struct lam_map *map, struct lam_mask_rule *rules, size_t count, struct lam_mask *mask,
                     struct lam_count_deltas *deltas, struct lam_error *err)
{
    const uint32_t *sources, *lives;
    const uint64_t *offsets;
    int rc;

    if (lam_map_layout(map)->number != LAM_LAYOUT_ROWS || mask->rows != lam_map_rows(map))
        return LAM_FAIL(err, LAM_E_INVALID, "segment %s has no rows for a mask of %llu", lam_map_path(map), (unsigned long long)mask->rows);
    if ((rc = lam_map_need(map, NEEDED, err)))
        return rc;
    if (count)
        qsort(rules, count, sizeof *rules, by_partition);
    sources = lam_map_u32(map, LAM_ROWS_SOURCE);
    lives = lam_map_u32(map, LAM_ROWS_LIFE);
    offsets = lam_map_u64(map, LAM_ROWS_OFFSET);
    for (uint64_t row = 0; row < lam_map_rows(map); row++) {
        const uint8_t *partition = lam_map_bytes16(map, LAM_ROWS_PARTITION, row);

        for (size_t i = find(rules, count, sources[row], partition); i < count && !cmp(&rules[i], sources[row], partition); i++) {
            const struct lam_mask_rule *rule = &rules[i];

            if (lives[row] < rule->life_first || lives[row] >= rule->life_end || offsets[row] < rule->offset_first ||
                offsets[row] >= rule->offset_end ||
                !lam_mask_set(mask, row))
                continue;
            if (!rule->uncounted && (rc = count_masked(deltas, sources[row], lives[row], lam_map_u8(map, LAM_ROWS_OP)[row],
                                                       lam_map_u32(map, LAM_ROWS_FLAGS)[row], err)))
                return rc;
        }
    }
    return 0;
}
