#include "rows.h"
#include "rows_field.h"

#define CHUNK ((size_t)256) /* rows of a column that are copied at once */

/* What is copied: rows[i] where there is one, else row picks[i].row of its map. */
struct copy {
    struct lam_map *const *maps;
    const struct lam_pick *picks;
    const struct lam_row *const *rows; /* NULL: there are none */
};

static const struct lam_row *row_at(const struct copy *copy, size_t i) { return copy->rows ? copy->rows[i] : NULL; }

static struct lam_sv string_at(const struct copy *copy, uint32_t column, size_t i)
{
    const struct lam_row *row = row_at(copy, i);

    return row ? *lam_rows_string(row, column) : lam_map_string(copy->maps[copy->picks[i].input], column, copy->picks[i].row);
}

static uint64_t string_len(const struct copy *copy, uint32_t column, size_t i)
{
    const struct lam_pick *pick = &copy->picks[i];
    const struct lam_row *row = row_at(copy, i);

    return row ? lam_rows_string(row, column)->len : lam_map_string_bytes(copy->maps[pick->input], column, pick->row, (uint64_t)pick->row + 1);
}

/* The vector to be written; NULL: none, or one of another length, which is counted. */
static const float *vector_at(const struct copy *copy, uint32_t column, size_t i, uint32_t dim, uint64_t *foreign)
{
    const struct lam_row *row = row_at(copy, i);
    const struct lam_map *map = copy->maps[copy->picks[i].input];
    const float *vector = row ? row->enr.embedding : lam_map_vector(map, column, copy->picks[i].row);
    bool fits = vector && (row ? row->enr.dim : lam_map_dim(map)) == dim;

    *foreign += vector && !fits;
    return fits ? vector : NULL;
}

static int copy_fixed(struct lam_segment *segment, uint32_t column, size_t size, const struct copy *copy, size_t first, size_t count,
                      struct lam_error *err)
{
    char values[CHUNK * 16];

    for (size_t i = 0; i < count; i++) {
        const struct lam_pick *pick = &copy->picks[first + i];
        const struct lam_row *row = row_at(copy, first + i);

        memcpy(values + i * size,
               row ? (const char *)row + lam_rows_field[column] : (const char *)lam_map_values(copy->maps[pick->input], column) + pick->row * size, size);
    }
    return lam_segment_put(segment, column, values, count, err);
}

static int copy_column(struct lam_segment *segment, uint32_t column, const struct copy *copy, size_t first, size_t count, uint32_t dim,
                       uint64_t *foreign, struct lam_error *err)
{
    enum lam_column_type type = lam_layout(LAM_LAYOUT_ROWS)->columns[column].type;
    struct lam_sv strings[CHUNK];
    int rc = 0;

    if (type == LAM_COL_STRING) {
        for (size_t i = 0; i < count; i++)
            strings[i] = string_at(copy, column, first + i);
        return lam_segment_put_strings(segment, column, strings, count, err);
    }
    if (type == LAM_COL_VECTOR) {
        for (size_t i = first; !rc && i < first + count; i++)
            rc = lam_segment_put_vector(segment, column, vector_at(copy, column, i, dim, foreign), err);
        return rc;
    }
    return copy_fixed(segment, column, lam_column_size(type), copy, first, count, err);
}

/* Columns of all maps are checked, from another map on for each caller: those that copy ranges at the same time share the work. */
static int check_maps(struct lam_map *const *maps, size_t count, size_t first, struct lam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct lam_map *map = maps[(first + i) % count];
        int rc = lam_map_need(map, LAM_COLUMNS_ALL, err);

        if (rc)
            return rc;
        if (lam_map_rows(map) > UINT32_MAX)
            return LAM_FAIL(err, LAM_E_LIMIT, "segment %s has more than 2^32 rows", lam_map_path(map));
    }
    return 0;
}

static void declare(const struct copy *copy, size_t count, struct lam_segment_spec *spec, struct lam_segment_entry *entry)
{
    const struct lam_layout *layout = lam_layout(LAM_LAYOUT_ROWS);

    for (uint32_t column = 0; column < LAM_ROWS_COLUMNS; column++)
        for (size_t i = 0; layout->columns[column].type == LAM_COL_STRING && i < count; i++)
            spec->bytes[column] += string_len(copy, column, i);
    for (size_t i = 0; i < count; i++) {
        const struct lam_map *map = copy->maps[copy->picks[i].input];

        lam_segment_entry_see(entry, lam_map_u64(map, LAM_ROWS_HASH)[copy->picks[i].row], lam_map_i64(map, LAM_ROWS_EVENT_TIME)[copy->picks[i].row]);
    }
}

int lam_rows_copy_put(const struct lam_target *target, const struct lam_rows_copied *what, struct lam_segment **out, struct lam_segment_entry *entry,
                      uint64_t *foreign, struct lam_error *err)
{
    const struct copy copy = {what->maps, what->picks, what->rows};
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_ROWS,
                                    .rows = what->count, .dim = what->dim};
    int rc = check_maps(what->maps, what->map_count, what->check_first, err);

    *out = NULL;
    *foreign = 0;
    if (rc)
        return rc;
    declare(&copy, what->count, &spec, entry);
    if ((rc = lam_segment_new(target->fs, &spec, out, err)))
        return rc;
    for (uint32_t column = 0; !rc && column < LAM_ROWS_COLUMNS; column++) /* one after the other: the maps have them like that, too */
        for (size_t i = 0; !rc && i < what->count; i += CHUNK)
            rc = copy_column(*out, column, &copy, i, what->count - i < CHUNK ? what->count - i : CHUNK, what->dim, foreign, err);
    if (rc || (rc = lam_segment_complete(*out, err))) {
        lam_segment_free(*out);
        *out = NULL;
    }
    return rc;
}

int lam_rows_copy(const struct lam_target *target, const struct lam_rows_copied *what, struct lam_segment_entry *entry, uint64_t *foreign,
                  struct lam_error *err)
{
    struct lam_segment *segment;
    uint64_t left_out;
    int rc = lam_rows_copy_put(target, what, &segment, entry, foreign ? foreign : &left_out, err);

    if (!rc)
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}
