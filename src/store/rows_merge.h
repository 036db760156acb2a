/*
 * Merging sorted rows: a cursor over many sorted inputs at once, in the order (hash, key, order), an earlier input first among equals.
 * It holds one small cursor an input, whatever the number of rows. Rank-local, one thread.
 */
#ifndef LAMINA_STORE_ROWS_MERGE_H
#define LAMINA_STORE_ROWS_MERGE_H

#include "mask.h"

/* A sorted map with the bits of its mask (NULL: none), or, where map is NULL, count sorted rows in memory. */
struct lam_merge_input {
    struct lam_map *map;
    const uint8_t *mask;
    const struct lam_row *const *rows;
    size_t count;
};

struct lam_merge_cursor {
    uint64_t hash;
    struct lam_sv key, order;
    uint64_t row, end;
    uint32_t input;
};

struct lam_merge {
    const struct lam_merge_input *inputs; /* borrowed */
    struct lam_merge_cursor *heap;
    uint32_t count;   /* of live cursors */
    bool with_masked; /* masked rows are given too */
};

/* A cursor over the rows with first <= hash <= last. inputs stay where they are. Checks the sort columns of each map. */
int lam_merge_init(struct lam_merge *merge, const struct lam_merge_input *inputs, size_t count, uint64_t first, uint64_t last,
                   bool with_masked, struct lam_error *err);
void lam_merge_release(struct lam_merge *merge);

/* The current row; NULL at the end. Valid until lam_merge_next. */
static inline const struct lam_merge_cursor *lam_merge_at(const struct lam_merge *merge) { return merge->count ? &merge->heap[0] : NULL; }
void lam_merge_next(struct lam_merge *merge);

/* Row `row` of an input, as lam_rows_get (all of it where the input lies in memory). */
void lam_merge_get(const struct lam_merge_input *input, uint64_t row, uint64_t columns, struct lam_row *out);
bool lam_merge_masked(const struct lam_merge_input *input, uint64_t row);

#endif
