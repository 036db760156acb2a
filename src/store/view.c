#include "view.h"

#include <stdlib.h>

#include "view_part.h"

static int copy_parts(const struct lam_view_part *parts, size_t count, const struct lam_view_part **copy, struct lam_error *err)
{
    struct lam_view_part *list = malloc((count + 1) * sizeof *list);

    if (!list)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a view of %zu segments", count);
    if (count)
        memcpy(list, parts, count * sizeof *list);
    *copy = list;
    return 0;
}

/* Sorts runs by range and keeps the order of those of one range: insertion where they are sorted already, as they are in the log's state. */
static int sort_runs(struct lam_view_part *parts, size_t count, uint32_t bits, struct lam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct lam_view_part part = parts[i];
        size_t low = 0, high = i;

        if (part.segment->range_bits != bits)
            return LAM_FAIL(err, LAM_E_INVALID, "run %s is of a view with %u range bits, not %u", part.segment->path,
                            part.segment->range_bits, bits);
        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (parts[middle].segment->range <= part.segment->range)
                low = middle + 1;
            else
                high = middle;
        }
        memmove(parts + low + 1, parts + low, (i - low) * sizeof *parts);
        parts[low] = part;
    }
    return 0;
}

int lam_view_new(struct lam_map_cache *cache, const struct lam_view_spec *spec, struct lam_view **out, struct lam_error *err)
{
    struct lam_view *view = calloc(1, sizeof *view);
    int rc;

    *out = NULL;
    if (!view)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a view");
    view->cache = cache;
    view->spec = *spec;
    view->spec.parts = view->spec.speed = NULL;
    if ((rc = copy_parts(spec->parts, spec->part_count, &view->spec.parts, err)) ||
        (rc = copy_parts(spec->speed, spec->speed_count, &view->spec.speed, err)) ||
        (spec->upsert && (rc = sort_runs((struct lam_view_part *)view->spec.parts, spec->part_count, spec->range_bits, err)))) {
        lam_view_free(view);
        return rc;
    }
    *out = view;
    return 0;
}

void lam_view_free(struct lam_view *view)
{
    if (!view)
        return;
    free((void *)view->spec.parts);
    free((void *)view->spec.speed);
    free(view);
}

size_t lam_view_ranges(const struct lam_view *view) { return view->spec.upsert ? (size_t)1 << view->spec.range_bits : 1; }

const struct lam_view_part *lam_view_runs(const struct lam_view *view, uint32_t range, size_t *count)
{
    size_t low = 0, high = view->spec.part_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (view->spec.parts[middle].segment->range < range)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < view->spec.part_count && view->spec.parts[high].segment->range == range; high++)
        ;
    *count = high - low;
    return view->spec.parts + low;
}

int lam_view_part_open(struct lam_view *view, const struct lam_view_part *part, uint64_t columns, struct lam_view_open *open,
                       struct lam_error *err)
{
    int rc;

    *open = (struct lam_view_open){0};
    if ((rc = lam_map_cache_get(view->cache, part->segment, &open->map, err)))
        return rc;
    if (lam_map_layout(open->map)->number != LAM_LAYOUT_ROWS)
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "segment %s is listed as rows and has layout %s", part->segment->path,
                      lam_map_layout(open->map)->name);
    if (!rc && part->mask && !(rc = lam_map_cache_get(view->cache, part->mask, &open->mask_map, err)))
        rc = lam_mask_bits(open->mask_map, part->segment->path, lam_map_rows(open->map), &open->mask, err);
    if (!rc)
        rc = lam_map_need(open->map, columns, err);
    if (rc)
        lam_view_part_close(open);
    return rc;
}

void lam_view_part_close(struct lam_view_open *open)
{
    lam_map_unref(open->map);
    lam_map_unref(open->mask_map);
    *open = (struct lam_view_open){0};
}
