/*
 * Rows in segments: silver, speed, staged rows and runs share one layout (LAM_LAYOUT_ROWS).
 *
 * Sorted segments (speed, staged upsert rows, runs) are in the order (hash, key, order); append silver stays in order of arrival.
 * Which one it is follows from the entry's kind and the dataset; nothing in the file depends on it.
 */
#ifndef LAMINA_STORE_ROWS_H
#define LAMINA_STORE_ROWS_H

#include <lamina/block.h>

#include "map.h"
#include "segment.h"

/* Where a segment goes. All borrowed. */
struct lam_target {
    const struct lam_fs *fs;
    const char *root; /* the store's folder */
    const char *path; /* below it */
    enum lam_segment_kind kind;
};

/* What a row's order compares, and nothing else: enough for every merge. */
#define LAM_ROWS_SORT (LAM_COLUMN(LAM_ROWS_HASH) | LAM_COLUMN(LAM_ROWS_KEY) | LAM_COLUMN(LAM_ROWS_ORDER))
#define LAM_ROWS_POSITION \
    (LAM_COLUMN(LAM_ROWS_SOURCE) | LAM_COLUMN(LAM_ROWS_LIFE) | LAM_COLUMN(LAM_ROWS_PARTITION) | LAM_COLUMN(LAM_ROWS_OFFSET))

/* (hash, key, order): <0, 0, >0. */
int lam_row_cmp(const struct lam_row *a, const struct lam_row *b);

/*
 * At equal order: which answer stands? One that is there before one that is pending, then lam_better_answer. <0: a, >0: b, 0: neither is
 * better.
 */
int lam_row_answer_cmp(const struct lam_row *a, const struct lam_row *b);

/* Sorts pointers by lam_row_cmp, the better answer first among equals; stable besides. LAM_E_MEMORY. */
int lam_rows_sort(const struct lam_row **rows, size_t count, struct lam_error *err);

/*
 * Writes all rows of blocks, in their order or (sorted) in that of lam_row_cmp, as one segment. dim is the dataset's: an embedding of another
 * length is left out, and counted in *foreign (may be NULL). Fills the entry, which was initialised, ranges of hash and time included.
 * Any thread.
 */
int lam_rows_write(const struct lam_target *target, struct lam_block *const *blocks, size_t block_count, uint32_t dim, bool sorted,
                   struct lam_segment_entry *entry, uint64_t *foreign, struct lam_error *err);

/* The same for rows that lie anywhere. */
int lam_rows_write_array(const struct lam_target *target, const struct lam_row *const *rows, size_t count, uint32_t dim,
                         struct lam_segment_entry *entry,
                         uint64_t *foreign, struct lam_error *err);

/* Row `row` of map `input`: what a segment is to be made of. */
struct lam_pick {
    uint32_t input, row;
};

/* What is copied, all borrowed: picks[i], or rows[i] where there is one (answered since; it has the same key). */
struct lam_rows_copied {
    struct lam_map *const *maps;
    size_t map_count;
    const struct lam_pick *picks;
    const struct lam_row *const *rows; /* NULL: none */
    size_t count;
    uint32_t dim;       /* the dataset's */
    size_t check_first; /* below map_count: copies that are made at the same time begin to check maps at different ones */
};

/*
 * Writes picked rows of several maps, in the order of picks, as one segment, in memory that does not grow with them. All columns of the maps are
 * checked. LAM_E_LIMIT: a map of 2^32 rows or more. The segment is complete: lam_segment_finish makes it durable and public, lam_segment_free ends
 * it; both may be left to another thread. entry has the ranges of hash and time. Embeddings of another length are left out, and counted in foreign.
 */
int lam_rows_copy_put(const struct lam_target *target, const struct lam_rows_copied *what, struct lam_segment **segment, struct lam_segment_entry *entry,
                      uint64_t *foreign, struct lam_error *err);

/* The same with lam_segment_finish. foreign may be NULL. */
int lam_rows_copy(const struct lam_target *target, const struct lam_rows_copied *what, struct lam_segment_entry *entry, uint64_t *foreign,
                  struct lam_error *err);

/*
 * Row i of a map, as views into it: valid while the map is held. Only the columns of the set are filled (lam_map_need was asked for
 * them), the others are as in an empty row: NAN sentiment, no embedding.
 */
void lam_rows_get(const struct lam_map *map, uint64_t i, uint64_t columns, struct lam_row *row);

/*
 * Keeps row i of a map as it was changed since (lam_rows_get, then answered): what is not the map's own is copied into the spill. *kept lives with both, and is
 * whole in its columns, which is all that lam_rows_copy_put looks at. All columns were needed.
 */
struct lam_spill;
int lam_rows_spill(struct lam_spill *spill, const struct lam_row *row, const struct lam_map *map, uint64_t i, const struct lam_row **kept,
                   struct lam_error *err);

/* Are these rows the same but for the time they were processed? All columns were needed in both maps. */
bool lam_rows_same(const struct lam_map *a, uint64_t i, const struct lam_map *b, uint64_t j);

/* First row of a sorted map whose hash is not below hash (upper: that is above it). LAM_ROWS_HASH was needed. */
uint64_t lam_rows_lower(const struct lam_map *map, uint64_t hash);
uint64_t lam_rows_upper(const struct lam_map *map, uint64_t hash);

#endif
