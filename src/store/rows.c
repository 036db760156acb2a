#include "rows.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "model/order.h"
#include "rows_field.h"

#define R(field) offsetof(struct lam_row, rec.field)
#define E(field) offsetof(struct lam_row, enr.field)

const size_t lam_rows_field[LAM_ROWS_COLUMNS] = {
    [LAM_ROWS_SOURCE] = R(pos.source),
    [LAM_ROWS_LIFE] = R(pos.life),
    [LAM_ROWS_PARTITION] = R(pos.partition),
    [LAM_ROWS_OFFSET] = R(pos.offset),
    [LAM_ROWS_HASH] = R(hash),
    [LAM_ROWS_KEY] = R(key),
    [LAM_ROWS_ORDER] = R(order),
    [LAM_ROWS_EVENT_TIME] = R(event_time_us),
    [LAM_ROWS_ARRIVAL] = R(arrival_us),
    [LAM_ROWS_OP] = R(op),
    [LAM_ROWS_FLAGS] = R(flags),
    [LAM_ROWS_MEDIA_TYPE] = R(media_type),
    [LAM_ROWS_TITLE] = R(title),
    [LAM_ROWS_TEXT] = R(text),
    [LAM_ROWS_STRUCTURE] = R(structure),
    [LAM_ROWS_METADATA] = R(metadata),
    [LAM_ROWS_CATEGORY] = E(category),
    [LAM_ROWS_CONFIDENCE] = E(confidence),
    [LAM_ROWS_SENTIMENT] = E(sentiment),
    [LAM_ROWS_ENTITIES] = E(entities),
    [LAM_ROWS_SUMMARY] = E(summary),
    [LAM_ROWS_LANGUAGE] = E(language),
    [LAM_ROWS_KEYWORDS] = E(keywords),
    [LAM_ROWS_EMBEDDING] = E(embedding),
    [LAM_ROWS_LAYER] = E(layer),
    [LAM_ROWS_DEPTH] = E(depth),
    [LAM_ROWS_ANALYZER] = E(analyzer),
    [LAM_ROWS_MODEL] = E(model),
    [LAM_ROWS_PROMPT] = E(prompt),
    [LAM_ROWS_TOKENS] = E(tokens),
    [LAM_ROWS_PROCESSED_AT] = E(processed_us),
    [LAM_ROWS_CUSTOM] = E(custom),
    [LAM_ROWS_TRACE] = E(trace),
    [LAM_ROWS_SPACE] = E(space),
};

int lam_row_cmp(const struct lam_row *a, const struct lam_row *b)
{
    int order;

    if (a->rec.hash != b->rec.hash)
        return a->rec.hash < b->rec.hash ? -1 : 1;
    if ((order = lam_sv_cmp(a->rec.key, b->rec.key)))
        return order;
    return lam_sv_cmp(a->rec.order, b->rec.order);
}

int lam_row_answer_cmp(const struct lam_row *a, const struct lam_row *b)
{
    bool pending_a = a->rec.flags & LAM_ROW_PENDING, pending_b = b->rec.flags & LAM_ROW_PENDING;

    if (pending_a != pending_b)
        return pending_a ? 1 : -1;
    if (lam_better_answer(a, b))
        return -1;
    return lam_better_answer(b, a);
}

/* A row with its hash beside it: most comparisons end there, and need not touch the row, which is rarely in the processor's cache. */
struct sortable {
    uint64_t hash;
    const struct lam_row *row;
};

static bool after(const struct sortable *a, const struct sortable *b)
{
    int order;

    if (a->hash != b->hash)
        return a->hash > b->hash;
    order = lam_row_cmp(a->row, b->row);
    return (order ? order : lam_row_answer_cmp(a->row, b->row)) > 0;
}

/* Merge sort: stable, and unlike qsort_r with memory that can be refused politely. spare: half of the items. */
static void merge_sort(struct sortable *items, struct sortable *spare, size_t count)
{
    size_t half = count / 2, i = 0, j = half, out = 0;

    if (count < 2)
        return;
    merge_sort(items, spare, half);
    merge_sort(items + half, spare, count - half);
    memcpy(spare, items, half * sizeof *items);
    while (i < half && j < count)
        items[out++] = after(&spare[i], &items[j]) ? items[j++] : spare[i++];
    memcpy(items + out, spare + i, (half - i) * sizeof *items);
}

int lam_rows_sort(const struct lam_row **rows, size_t count, struct lam_error *err)
{
    struct sortable *items = malloc((count + count / 2 + 1) * sizeof *items);

    if (!items)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort %zu rows", count);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct sortable){rows[i]->rec.hash, rows[i]};
    merge_sort(items, items + count, count);
    for (size_t i = 0; i < count; i++)
        rows[i] = items[i].row;
    free(items);
    return 0;
}

void lam_rows_get(const struct lam_map *map, uint64_t i, uint64_t columns, struct lam_row *row)
{
    const struct lam_layout *layout = lam_map_layout(map);

    *row = (struct lam_row){.rec = {.event_time_us = LAM_TIME_NONE, .arrival_us = LAM_TIME_NONE}, .enr = {.sentiment = NAN}};
    for (uint32_t column = 0; column < LAM_ROWS_COLUMNS; column++) {
        enum lam_column_type type = layout->columns[column].type;
        char *field = (char *)row + lam_rows_field[column];

        if (!(columns & LAM_COLUMN(column)))
            continue;
        switch (type) {
        case LAM_COL_STRING:
            *(struct lam_sv *)field = lam_map_string(map, column, i);
            break;
        case LAM_COL_VECTOR:
            row->enr.embedding = lam_map_vector(map, column, i);
            row->enr.dim = row->enr.embedding ? lam_map_dim(map) : 0;
            break;
        case LAM_COL_U8:
            *field = (char)lam_map_u8(map, column)[i];
            break;
        case LAM_COL_U32:
        case LAM_COL_F32:
            memcpy(field, (const char *)lam_map_values(map, column) + 4 * i, 4);
            break;
        case LAM_COL_BYTES16:
            memcpy(field, lam_map_bytes16(map, column, i), 16);
            break;
        default:
            memcpy(field, (const char *)lam_map_values(map, column) + 8 * i, 8);
            break;
        }
    }
}

static bool same_vector(const struct lam_map *a, uint64_t i, const struct lam_map *b, uint64_t j)
{
    const float *p = lam_map_vector(a, LAM_ROWS_EMBEDDING, i), *q = lam_map_vector(b, LAM_ROWS_EMBEDDING, j);

    if (!p || !q)
        return p == q;
    return lam_map_dim(a) == lam_map_dim(b) && !memcmp(p, q, lam_map_dim(a) * sizeof *p);
}

bool lam_rows_same(const struct lam_map *a, uint64_t i, const struct lam_map *b, uint64_t j)
{
    const struct lam_layout *layout = lam_map_layout(a);

    for (uint32_t column = 0; column < LAM_ROWS_COLUMNS; column++) {
        enum lam_column_type type = layout->columns[column].type;
        size_t size = lam_column_size(type);

        if (column == LAM_ROWS_PROCESSED_AT)
            continue;
        if (type == LAM_COL_STRING ? !lam_sv_eq(lam_map_string(a, column, i), lam_map_string(b, column, j))
            : type == LAM_COL_VECTOR ? !same_vector(a, i, b, j)
                                     : memcmp((const char *)lam_map_values(a, column) + i * size,
                                              (const char *)lam_map_values(b, column) + j * size, size) != 0)
            return false;
    }
    return true;
}

/* First row from low on whose hash is at least (upper: more than) hash. Hashes are spread evenly, so that guessing takes a few steps. */
static uint64_t search(const uint64_t *hashes, uint64_t rows, uint64_t hash, bool upper)
{
    uint64_t low = 0, high = rows; /* all below low are before, all from high on are not */

    for (int step = 0; low < high; step++) {
        uint64_t middle = low + (high - low) / 2;

        if (step < 8 && high - low > 8) {
            uint64_t first = hashes[low], last = hashes[high - 1];

            if (hash <= first)
                middle = low;
            else if (hash >= last)
                middle = high - 1;
            else
                middle = low + (uint64_t)((double)(hash - first) / (double)(last - first) * (double)(high - 1 - low));
            if (middle >= high)
                middle = high - 1;
        }
        if (upper ? hashes[middle] <= hash : hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t lam_rows_lower(const struct lam_map *map,
                        uint64_t hash) { return search(lam_map_u64(map, LAM_ROWS_HASH), lam_map_rows(map), hash, false); }
uint64_t lam_rows_upper(const struct lam_map *map,
                        uint64_t hash) { return search(lam_map_u64(map, LAM_ROWS_HASH), lam_map_rows(map), hash, true); }
