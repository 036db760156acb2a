#include <stdlib.h>

#include "resolve.h"
#include "view.h"
#include "view_part.h"

/* What choosing between versions and answers takes. */
#define CHOOSE (LAM_ROWS_SORT | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_LAYER) | LAM_COLUMN(LAM_ROWS_DEPTH))

static int visit_row(const struct lam_view_scan *scan, const struct lam_row *row, lam_view_visit *visit, void *arg, struct lam_error *err)
{
    return row->rec.op == LAM_OP_DELETE && !scan->deletes ? 0 : visit(arg, row, err);
}

static void tell(const struct lam_view_scan *scan, const struct lam_segment_entry *segment, uint64_t row)
{
    if (scan->at)
        *scan->at = (struct lam_view_at){segment, row};
}

static int scan_part(struct lam_view *view, const struct lam_view_part *part, bool speed, const struct lam_view_scan *scan,
                     lam_view_visit *visit, void *arg, struct lam_error *err)
{
    bool check = speed && view->spec.covered;
    uint64_t columns = scan->columns | LAM_COLUMN(LAM_ROWS_OP) | (check ? LAM_ROWS_POSITION : 0);
    struct lam_view_open open;
    struct lam_row row;
    int rc = lam_view_part_open(view, part, columns, &open, err);

    if (rc)
        return rc;
    for (uint64_t i = 0; !rc && i < lam_map_rows(open.map); i++) {
        if (lam_mask_test(open.mask, i))
            continue;
        tell(scan, part->segment, i);
        lam_rows_get(open.map, i, columns, &row);
        if (!check || !lam_view_covers(view, &row.rec.pos))
            rc = visit_row(scan, &row, visit, arg, err);
    }
    lam_view_part_close(&open);
    return rc;
}

static int scan_append(struct lam_view *view, const struct lam_view_scan *scan, lam_view_visit *visit, void *arg, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = scan->from_part, parts = view->spec.part_count; !rc && i < parts + view->spec.speed_count; i++)
        rc = scan_part(view, i < parts ? &view->spec.parts[i] : &view->spec.speed[i - parts], i >= parts, scan, visit, arg, err);
    for (size_t i = 0; !rc && i < scan->tail.count; i++) {
        tell(scan, NULL, i);
        if (!lam_view_covers(view, &scan->tail.rows[i]->rec.pos))
            rc = visit_row(scan, scan->tail.rows[i], visit, arg, err);
    }
    return rc;
}

/* Is what the cursor stands on a newer version than best, or a better answer for the same? */
static bool is_better(const struct lam_merge_input *inputs, const struct lam_merge_cursor *at, const struct lam_merge_cursor *best)
{
    struct lam_row row, other;

    if (!lam_sv_eq(at->order, best->order))
        return true; /* the merge gives a key's versions in order */
    lam_merge_get(&inputs[at->input], at->row, CHOOSE, &row);
    lam_merge_get(&inputs[best->input], best->row, CHOOSE, &other);
    return lam_row_answer_cmp(&row, &other) < 0;
}

static int merge_range(struct lam_merge_input *inputs, const struct lam_segment_entry *const *entries, size_t count, uint64_t first,
                       uint64_t last, const struct lam_view_scan *scan, lam_view_visit *visit,
                       void *arg, struct lam_error *err)
{
    struct lam_merge merge;
    int rc = lam_merge_init(&merge, inputs, count, first, last, false, err);

    while (!rc && lam_merge_at(&merge)) {
        struct lam_merge_cursor best = *lam_merge_at(&merge);
        const struct lam_merge_cursor *at;
        struct lam_row row;

        for (lam_merge_next(&merge); (at = lam_merge_at(&merge)) && lam_sv_eq(at->key, best.key); lam_merge_next(&merge))
            if (is_better(inputs, at, &best))
                best = *at;
        tell(scan, entries[best.input], best.row);
        lam_merge_get(&inputs[best.input], best.row, scan->columns | LAM_COLUMN(LAM_ROWS_OP), &row);
        rc = visit_row(scan, &row, visit, arg, err);
    }
    lam_merge_release(&merge);
    return rc;
}

static int scan_upsert(struct lam_view *view, uint32_t range, const struct lam_view_scan *scan, lam_view_visit *visit, void *arg,
                       struct lam_error *err)
{
    size_t run_count, count = 0;
    const struct lam_view_part *runs = lam_view_runs(view, range, &run_count);
    struct lam_merge_input *inputs = calloc(run_count + view->spec.speed_count + 1, sizeof *inputs);
    struct lam_view_open *open = calloc(run_count + view->spec.speed_count + 1, sizeof *open);
    const struct lam_segment_entry **entries = calloc(run_count + view->spec.speed_count + 1, sizeof *entries);
    uint64_t first, last;
    int rc = 0;

    lam_range_hashes(view->spec.range_bits, range, &first, &last);
    if (first < scan->from_hash)
        first = scan->from_hash;
    if (!inputs || !open || !entries)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to scan %zu segments", run_count + view->spec.speed_count);
    for (size_t i = 0; !rc && i < run_count + view->spec.speed_count; i++) {
        const struct lam_view_part *part = i < run_count ? &runs[i] : &view->spec.speed[i - run_count];

        if (part->segment->min_hash > last || part->segment->max_hash < first)
            continue;
        if ((rc = lam_view_part_open(view, part, scan->columns | CHOOSE, &open[count], err)))
            break;
        inputs[count] = (struct lam_merge_input){.map = open[count].map, .mask = open[count].mask};
        entries[count++] = part->segment;
    }
    if (!rc && first <= last) {
        inputs[count] = (struct lam_merge_input){.rows = scan->tail.rows, .count = scan->tail.count};
        rc = merge_range(inputs, entries, count + 1, first, last, scan, visit, arg, err);
    }
    while (count > 0)
        lam_view_part_close(&open[--count]);
    free(entries);
    free(open);
    free(inputs);
    return rc;
}

int lam_view_scan(struct lam_view *view, size_t range, const struct lam_view_scan *scan, lam_view_visit *visit, void *arg,
                  struct lam_error *err)
{
    int rc;

    if (range >= lam_view_ranges(view))
        return LAM_FAIL(err, LAM_E_INVALID, "a view of %zu ranges has no range %zu", lam_view_ranges(view), range);
    rc = view->spec.upsert ? scan_upsert(view, (uint32_t)range, scan, visit, arg, err) : scan_append(view, scan, visit, arg, err);
    return rc == LAM_END ? 0 : rc;
}
