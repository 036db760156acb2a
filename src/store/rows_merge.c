#include "rows_merge.h"

#include <stdlib.h>

#define MAX_INPUTS ((size_t)1 << 20)

bool lam_merge_masked(const struct lam_merge_input *input, uint64_t row) { return lam_mask_test(input->mask, row); }

void lam_merge_get(const struct lam_merge_input *input, uint64_t row, uint64_t columns, struct lam_row *out)
{
    if (input->map)
        lam_rows_get(input->map, row, columns, out);
    else
        *out = *input->rows[row];
}

static bool before(const struct lam_merge_cursor *a, const struct lam_merge_cursor *b)
{
    int order;

    if (a->hash != b->hash)
        return a->hash < b->hash;
    if ((order = lam_sv_cmp(a->key, b->key)) || (order = lam_sv_cmp(a->order, b->order)))
        return order < 0;
    return a->input < b->input;
}

static void sift_down(struct lam_merge *merge, uint32_t i)
{
    struct lam_merge_cursor cursor = merge->heap[i];

    for (uint32_t child; (child = 2 * i + 1) < merge->count; i = child) {
        if (child + 1 < merge->count && before(&merge->heap[child + 1], &merge->heap[child]))
            child++;
        if (!before(&merge->heap[child], &cursor))
            break;
        merge->heap[i] = merge->heap[child];
    }
    merge->heap[i] = cursor;
}

/* Loads the row that the cursor stands on, or the next one that is not masked. false: there is none. */
static bool load(const struct lam_merge *merge, struct lam_merge_cursor *cursor)
{
    const struct lam_merge_input *input = &merge->inputs[cursor->input];

    if (!merge->with_masked)
        while (cursor->row < cursor->end && lam_merge_masked(input, cursor->row))
            cursor->row++;
    if (cursor->row >= cursor->end)
        return false;
    if (input->map) {
        cursor->hash = lam_map_u64(input->map, LAM_ROWS_HASH)[cursor->row];
        cursor->key = lam_map_string(input->map, LAM_ROWS_KEY, cursor->row);
        cursor->order = lam_map_string(input->map, LAM_ROWS_ORDER, cursor->row);
    } else {
        const struct lam_record *rec = &input->rows[cursor->row]->rec;

        cursor->hash = rec->hash;
        cursor->key = rec->key;
        cursor->order = rec->order;
    }
    return true;
}

/* Index of the first of sorted rows in memory whose hash is at least (upper: more than) hash. */
static size_t search(const struct lam_merge_input *input, uint64_t hash, bool upper)
{
    size_t low = 0, high = input->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at = input->rows[middle]->rec.hash;

        if (upper ? at <= hash : at < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int lam_merge_init(struct lam_merge *merge, const struct lam_merge_input *inputs, size_t count, uint64_t first, uint64_t last,
                   bool with_masked, struct lam_error *err)
{
    *merge = (struct lam_merge){.inputs = inputs, .with_masked = with_masked};
    if (count > MAX_INPUTS)
        return LAM_FAIL(err, LAM_E_LIMIT, "%zu segments cannot be merged at once, at most %zu", count, MAX_INPUTS);
    if (!(merge->heap = malloc((count + 1) * sizeof *merge->heap)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to merge %zu segments", count);
    for (size_t i = 0; i < count; i++) {
        const struct lam_merge_input *input = &inputs[i];
        struct lam_merge_cursor cursor = {.input = (uint32_t)i};
        int rc = input->map ? lam_map_need(input->map, LAM_ROWS_SORT, err) : 0;

        if (rc) {
            lam_merge_release(merge);
            return rc;
        }
        cursor.row = input->map ? lam_rows_lower(input->map, first) : search(input, first, false);
        cursor.end = input->map ? lam_rows_upper(input->map, last) : search(input, last, true);
        if (load(merge, &cursor))
            merge->heap[merge->count++] = cursor;
    }
    for (uint32_t i = merge->count / 2; i-- > 0;)
        sift_down(merge, i);
    return 0;
}

void lam_merge_release(struct lam_merge *merge)
{
    free(merge->heap);
    *merge = (struct lam_merge){0};
}

void lam_merge_next(struct lam_merge *merge)
{
    merge->heap[0].row++;
    if (!load(merge, &merge->heap[0]) && --merge->count > 0)
        merge->heap[0] = merge->heap[merge->count];
    if (merge->count > 1)
        sift_down(merge, 0);
}
