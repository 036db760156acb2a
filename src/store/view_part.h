/* Inside of a view, shared by scans and lookups. */
#ifndef LAMINA_STORE_VIEW_PART_H
#define LAMINA_STORE_VIEW_PART_H

#include "view.h"

struct lam_view {
    struct lam_map_cache *cache;
    struct lam_view_spec spec; /* its arrays are owned */
};

/* A part that is open: references to its map and to that of its mask. */
struct lam_view_open {
    struct lam_map *map, *mask_map;
    const uint8_t *mask;
};

/* Opens a part and checks the columns of the set. LAM_E_CORRUPT, LAM_E_NOT_FOUND name the file. */
int lam_view_part_open(struct lam_view *view, const struct lam_view_part *part, uint64_t columns, struct lam_view_open *open,
                       struct lam_error *err);
void lam_view_part_close(struct lam_view_open *open);

/* The runs of a range: *count of them, oldest first. */
const struct lam_view_part *lam_view_runs(const struct lam_view *view, uint32_t range, size_t *count);

/* Is a row of speed or tail the view's already? Only in append datasets. */
static inline bool lam_view_covers(const struct lam_view *view, const struct lam_position *pos)
{
    return !view->spec.upsert && view->spec.covered && view->spec.covered(view->spec.covered_arg, pos);
}

#endif
