/*
 * A view as one query sees it: the view's segments with their masks, the speed segments on top, and rows that only live in memory (the tail).
 *
 * Made from the entries that a snapshot of the log lists; they are borrowed and outlive it. Nothing is opened before it is needed, through
 * a shared struct lam_map_cache, so that opening costs nothing and any number of views shares the maps. Immutable after that: any number of threads
 * may read one.
 *
 * Upsert: the newest version of a key wins, over runs (the one row that is not masked), speed segments and tail, by order, then by the better
 * answer. A delete is a version: lookups give it, scans leave it out unless asked for it.
 * Append: every row that is not masked counts; rows of speed segments and tail below the cutoff are the view's already, and `covered` says
 * which these are.
 */
#ifndef LAMINA_STORE_VIEW_H
#define LAMINA_STORE_VIEW_H

#include "rows_merge.h"

/* A segment of rows and the mask that is in force for it (NULL: none). */
struct lam_view_part {
    const struct lam_segment_entry *segment, *mask;
};

struct lam_view_spec {
    bool upsert;
    uint32_t range_bits; /* b: upsert ranges are the first b bits of the hash; 0 where there is no view yet */
    const struct lam_view_part *parts; /* the view's runs (each within one range) or segments */
    size_t part_count;
    const struct lam_view_part *speed; /* sorted segments; upsert and append */
    size_t speed_count;
    bool (*covered)(void *arg, const struct lam_position *pos); /* append: is it below the view's cutoff? NULL: none is */
    void *covered_arg;
};

/* The tail: rows sorted by lam_rows_sort, borrowed for the length of a call. */
struct lam_tail {
    const struct lam_row *const *rows;
    size_t count;
};

struct lam_view;

/* spec's arrays are copied, the entries in them are not. LAM_E_INVALID: a run that is not within one range. */
int lam_view_new(struct lam_map_cache *cache, const struct lam_view_spec *spec, struct lam_view **view, struct lam_error *err);
void lam_view_free(struct lam_view *view); /* NULL-safe */

/* Ranges that can be scanned one by one, in order of the hash: 2^b for upsert, 1 for append. */
size_t lam_view_ranges(const struct lam_view *view);

/* Takes one row; it is valid only until the call returns. Anything but 0 ends the scan with that code: LAM_END is success. */
typedef int lam_view_visit(void *arg, const struct lam_row *row, struct lam_error *err);

/* Where the row of a visit stands. */
struct lam_view_at {
    const struct lam_segment_entry *segment; /* NULL: it is the tail's */
    uint64_t row;                            /* of the segment, or of the tail's rows */
};

struct lam_view_scan {
    uint64_t columns;     /* what rows are filled with; only these columns are read and checked (and those that merging needs) */
    bool deletes;         /* winners that are deletes too */
    struct lam_tail tail; /* the whole tail: the scan takes what falls into the range */
    uint64_t from_hash;   /* upsert: hashes below it are passed by */
    size_t from_part;     /* append: so many of the parts, and of the speed segments behind them, are passed by */
    struct lam_view_at *at; /* filled before the row is read and visited, where it is not NULL */
};

/*
 * Visits all rows of one range: upsert in the order of (hash, key), one row a key; append segment by segment, then speed, then tail.
 * LAM_E_CORRUPT names the damaged segment, LAM_E_NOT_FOUND one that is gone (pin anew).
 */
int lam_view_scan(struct lam_view *view, size_t range, const struct lam_view_scan *scan, lam_view_visit *visit, void *arg,
                  struct lam_error *err);

#endif
