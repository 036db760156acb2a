#include "rows.h"
#include "rows_field.h"

#include "base/spill.h"

/* A string that the lent row has in the same place is the map's. */
static int keep_string(struct lam_spill *spill, struct lam_row *copy, const struct lam_row *lent, uint32_t column, struct lam_error *err)
{
    struct lam_sv *string = (struct lam_sv *)(uintptr_t)lam_rows_string(copy, column);

    return string->len && string->ptr != lam_rows_string(lent, column)->ptr ? lam_spill_copy(spill, *string, string, err) : 0;
}

int lam_rows_spill(struct lam_spill *spill, const struct lam_row *row, const struct lam_map *map, uint64_t i, const struct lam_row **kept, struct lam_error *err)
{
    const struct lam_layout *layout = lam_layout(LAM_LAYOUT_ROWS);
    struct lam_row lent, *copy;
    void *room;
    int rc = lam_spill_room(spill, sizeof *copy, &room, err);

    if (rc)
        return rc;
    copy = room;
    *copy = *row;
    lam_rows_get(map, i, LAM_COLUMNS_ALL, &lent);
    for (uint32_t column = 0; !rc && column < LAM_ROWS_COLUMNS; column++)
        if (layout->columns[column].type == LAM_COL_STRING)
            rc = keep_string(spill, copy, &lent, column, err);
    if (!rc && copy->enr.embedding && copy->enr.embedding != lent.enr.embedding && !(rc = lam_spill_room(spill, copy->enr.dim * sizeof(float), &room, err))) {
        memcpy(room, copy->enr.embedding, copy->enr.dim * sizeof(float));
        copy->enr.embedding = room;
    }
    *kept = copy;
    return rc;
}
