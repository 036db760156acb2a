/* Where a column of LAM_LAYOUT_ROWS stands in struct lam_row: its field has the column's size, a struct lam_sv (STRING), or is the embedding. */
#ifndef LAMINA_STORE_ROWS_FIELD_H
#define LAMINA_STORE_ROWS_FIELD_H

#include <stddef.h>

#include <lamina/record.h>

#include "layout.h"

/* Bytes from the start of a row, by enum lam_rows_column. */
extern const size_t lam_rows_field[LAM_ROWS_COLUMNS];

static inline const struct lam_sv *lam_rows_string(const struct lam_row *row, uint32_t column)
{
    return (const struct lam_sv *)((const char *)row + lam_rows_field[column]);
}

#endif
