#include <stdlib.h>

#include "rows.h"
#include "rows_field.h"

#define CHUNK ((size_t)256) /* rows whose columns are put in turn: they stay in the processor's cache meanwhile */

static int put_fixed(struct lam_segment *segment, uint32_t column, size_t size, const struct lam_row *const *rows, size_t count,
                     struct lam_error *err)
{
    char values[CHUNK * 16];

    for (size_t i = 0; i < count; i++)
        memcpy(values + i * size, (const char *)rows[i] + lam_rows_field[column], size);
    return lam_segment_put(segment, column, values, count, err);
}

static int put_column(struct lam_segment *segment, uint32_t column, const struct lam_row *const *rows, size_t count, uint32_t dim,
                      struct lam_error *err)
{
    enum lam_column_type type = lam_layout(LAM_LAYOUT_ROWS)->columns[column].type;
    struct lam_sv strings[CHUNK];
    int rc = 0;

    if (type == LAM_COL_STRING) {
        for (size_t i = 0; i < count; i++)
            strings[i] = *lam_rows_string(rows[i], column);
        return lam_segment_put_strings(segment, column, strings, count, err);
    }
    if (type == LAM_COL_VECTOR) {
        for (size_t i = 0; !rc && i < count; i++)
            rc = lam_segment_put_vector(segment, column, rows[i]->enr.dim == dim ? rows[i]->enr.embedding : NULL, err);
        return rc;
    }
    return put_fixed(segment, column, lam_column_size(type), rows, count, err);
}

int lam_rows_write_array(const struct lam_target *target, const struct lam_row *const *rows, size_t count, uint32_t dim,
                         struct lam_segment_entry *entry,
                         uint64_t *foreign, struct lam_error *err)
{
    const struct lam_layout *layout = lam_layout(LAM_LAYOUT_ROWS);
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_ROWS,
                                    .rows = count, .dim = dim};
    struct lam_segment *segment;
    uint64_t left_out = 0;
    int rc;

    for (size_t i = 0; i < count; i++) {
        for (uint32_t column = 0; column < LAM_ROWS_COLUMNS; column++)
            if (layout->columns[column].type == LAM_COL_STRING)
                spec.bytes[column] += lam_rows_string(rows[i], column)->len;
        lam_segment_entry_see(entry, rows[i]->rec.hash, rows[i]->rec.event_time_us);
        left_out += rows[i]->enr.embedding && rows[i]->enr.dim != dim;
    }
    if (foreign)
        *foreign = left_out;
    if ((rc = lam_segment_new(target->fs, &spec, &segment, err)))
        return rc;
    for (size_t i = 0; !rc && i < count; i += CHUNK)
        for (uint32_t column = 0; !rc && column < LAM_ROWS_COLUMNS; column++)
            rc = put_column(segment, column, rows + i, count - i < CHUNK ? count - i : CHUNK, dim, err);
    if (!rc)
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

int lam_rows_write(const struct lam_target *target, struct lam_block *const *blocks, size_t block_count, uint32_t dim, bool sorted,
                   struct lam_segment_entry *entry, uint64_t *foreign, struct lam_error *err)
{
    const struct lam_row **rows;
    size_t count = 0, at = 0;
    int rc = 0;

    for (size_t b = 0; b < block_count; b++)
        count += lam_block_rows(blocks[b]);
    if (!(rows = malloc((count + 1) * sizeof *rows)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to write %zu rows to %s", count, target->path);
    for (size_t b = 0; b < block_count; b++)
        for (size_t i = 0, n = lam_block_rows(blocks[b]); i < n; i++)
            rows[at++] = lam_block_row(blocks[b], i);
    if (sorted)
        rc = lam_rows_sort(rows, count, err);
    if (!rc)
        rc = lam_rows_write_array(target, rows, count, dim, entry, foreign, err);
    free(rows);
    return rc;
}
