#include "lookup.h"

#include "base/hash.h"
#include "view_part.h"

#define CHOOSE (LAM_ROWS_SORT | LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_LAYER) | LAM_COLUMN(LAM_ROWS_DEPTH))

/* The newest version so far: in a map (a reference to it is held), or in memory. */
struct best {
    struct lam_map *map;
    const struct lam_segment_entry *segment;
    uint64_t row;
    const struct lam_row *memory;
    struct lam_sv order;
};

int64_t lam_lookup_map(const struct lam_map *map, const uint8_t *mask, uint64_t hash, struct lam_sv key)
{
    const uint64_t *hashes = lam_map_u64(map, LAM_ROWS_HASH);
    uint64_t row = lam_rows_lower(map, hash);
    int64_t best = -1;

    if (row < lam_map_rows(map))
        lam_map_prefetch(map, LAM_ROWS_SORT, row);
    for (; row < lam_map_rows(map) && hashes[row] == hash; row++)
        if (!lam_mask_test(mask, row) && lam_sv_eq(lam_map_string(map, LAM_ROWS_KEY, row), key) &&
            (best < 0 || lam_sv_cmp(lam_map_string(map, LAM_ROWS_ORDER, row), lam_map_string(map, LAM_ROWS_ORDER, (uint64_t)best)) > 0))
            best = (int64_t)row;
    return best;
}

static void load(const struct best *best, struct lam_row *row)
{
    if (best->memory)
        *row = *best->memory;
    else
        lam_rows_get(best->map, best->row, CHOOSE, row);
}

/* Takes a candidate where it beats what there is. */
static void offer(struct best *best, struct best candidate)
{
    bool none = !best->map && !best->memory;
    int order = none ? 1 : lam_sv_cmp(candidate.order, best->order);
    struct lam_row row, other;

    if (order == 0) {
        load(&candidate, &row);
        load(best, &other);
        order = -lam_row_answer_cmp(&row, &other);
    }
    if (order <= 0)
        return;
    lam_map_unref(best->map);
    *best = candidate;
    if (best->map)
        lam_map_ref(best->map);
}

static void offer_row(struct best *best, struct lam_map *map, const struct lam_segment_entry *segment, uint64_t row)
{
    offer(best, (struct best){.map = map, .segment = segment, .row = row, .order = lam_map_string(map, LAM_ROWS_ORDER, row)});
}

static struct lam_position position(const struct lam_map *map, uint64_t i)
{
    struct lam_row row;

    lam_rows_get(map, i, LAM_ROWS_POSITION, &row);
    return row.rec.pos;
}

static int look_in_runs(struct lam_view *view, uint64_t hash, struct lam_sv key, struct best *best, struct lam_error *err)
{
    size_t count;
    const struct lam_view_part *runs = lam_view_runs(view, view->spec.range_bits ? (uint32_t)(hash >> (64 - view->spec.range_bits)) : 0,
                                                     &count);
    int rc = 0;

    while (!rc && count > 0 && !best->map) { /* the one row that is not masked is the newest */
        const struct lam_view_part *part = &runs[--count];
        struct lam_view_open open;
        int64_t row;

        if (hash < part->segment->min_hash || hash > part->segment->max_hash)
            continue;
        if ((rc = lam_view_part_open(view, part, CHOOSE, &open, err)))
            break;
        if ((row = lam_lookup_map(open.map, open.mask, hash, key)) >= 0)
            offer_row(best, open.map, part->segment, (uint64_t)row);
        lam_view_part_close(&open);
    }
    return rc;
}

/* Any rows, in any order: all that matter are looked at. */
static int look_in_part(struct lam_view *view, const struct lam_view_part *part, bool speed, uint64_t hash, struct lam_sv key,
                        struct best *best, struct lam_error *err)
{
    bool check = speed && !view->spec.upsert && view->spec.covered;
    struct lam_view_open open;
    const uint64_t *hashes;
    uint64_t row;
    int rc;

    if (hash < part->segment->min_hash || hash > part->segment->max_hash)
        return 0;
    if ((rc = lam_view_part_open(view, part, CHOOSE | (check ? LAM_ROWS_POSITION : 0), &open, err)))
        return rc;
    hashes = lam_map_u64(open.map, LAM_ROWS_HASH);
    for (row = speed ? lam_rows_lower(open.map, hash) : 0; row < lam_map_rows(open.map); row++) {
        if (hashes[row] != hash) {
            if (speed) /* sorted: there is no more */
                break;
            continue;
        }
        if (lam_mask_test(open.mask, row) || !lam_sv_eq(lam_map_string(open.map, LAM_ROWS_KEY, row), key))
            continue;
        if (check) {
            struct lam_position pos = position(open.map, row);

            if (lam_view_covers(view, &pos))
                continue;
        }
        offer_row(best, open.map, part->segment, row);
    }
    lam_view_part_close(&open);
    return 0;
}

static void look_in_tail(struct lam_view *view, const struct lam_tail *tail, uint64_t hash, struct lam_sv key, struct best *best)
{
    size_t low = 0, high = tail->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tail->rows[middle]->rec.hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < tail->count && tail->rows[low]->rec.hash == hash; low++)
        if (lam_sv_eq(tail->rows[low]->rec.key, key) && !lam_view_covers(view, &tail->rows[low]->rec.pos))
            offer(best, (struct best){.memory = tail->rows[low], .order = tail->rows[low]->rec.order});
}

int lam_view_lookup(struct lam_view *view, struct lam_sv key, const struct lam_tail *tail, uint64_t columns, struct lam_found *found,
                    struct lam_error *err)
{
    uint64_t hash = lam_hash64(key.ptr, key.len);
    struct best best = {0};
    int rc = 0;

    *found = (struct lam_found){0};
    if (view->spec.upsert)
        rc = look_in_runs(view, hash, key, &best, err);
    for (size_t i = 0; !rc && !view->spec.upsert && i < view->spec.part_count; i++)
        rc = look_in_part(view, &view->spec.parts[i], false, hash, key, &best, err);
    for (size_t i = 0; !rc && i < view->spec.speed_count; i++)
        rc = look_in_part(view, &view->spec.speed[i], true, hash, key, &best, err);
    if (!rc && tail)
        look_in_tail(view, tail, hash, key, &best);
    if (!rc && best.map && !(rc = lam_map_need(best.map, columns, err))) {
        lam_map_prefetch(best.map, columns, best.row);
        lam_rows_get(best.map, best.row, columns, &found->row);
        found->map = lam_map_ref(best.map);
        found->segment = best.segment;
    } else if (!rc && best.memory) {
        found->row = *best.memory;
    } else if (!rc) {
        found->none = true;
        rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "no record has the key '%.*s'", (int)(key.len < 100 ? key.len : 100), key.len ? key.ptr : "");
    }
    lam_map_unref(best.map);
    return rc;
}

void lam_found_release(struct lam_found *found)
{
    lam_map_unref(found->map);
    *found = (struct lam_found){0};
}
