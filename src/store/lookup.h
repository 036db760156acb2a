/*
 * Lookup by key: the newest version of one key over runs, speed segments and tail.
 *
 * In each sorted segment the hash column is searched by interpolation, a few steps for uniform hashes; runs are asked newest first until
 * the one row that is not masked is found. In an append dataset segments are not sorted: the hash columns are searched from end to end, and the
 * newest row of the key is the answer.
 */
#ifndef LAMINA_STORE_LOOKUP_H
#define LAMINA_STORE_LOOKUP_H

#include "view.h"

/* A row and what holds its bytes: the map (NULL: the row is from the tail). */
struct lam_found {
    struct lam_row row;
    struct lam_map *map;
    const struct lam_segment_entry *segment; /* that it stands in; NULL: the tail's */
    bool none; /* after LAM_E_NOT_FOUND: there is no version of this key. Else it was a file that is gone */
};

/*
 * Fills found with the columns of the set; its row may be a delete. LAM_E_NOT_FOUND: no version of this key. Release with lam_found_release. Any thread.
 */
int lam_view_lookup(struct lam_view *view, struct lam_sv key, const struct lam_tail *tail, uint64_t columns, struct lam_found *found,
                    struct lam_error *err);
void lam_found_release(struct lam_found *found);

/*
 * Row of the newest version of (hash, key) in one sorted map that its mask does not hide; -1: none. Sort columns were needed.
 */
int64_t lam_lookup_map(const struct lam_map *map, const uint8_t *mask, uint64_t hash, struct lam_sv key);

#endif
