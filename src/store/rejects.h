/*
 * Rejects in segments (LAM_LAYOUT_REJECTS): positions that are quarantined or filtered out, with where, why, and the raw bytes.
 */
#ifndef LAMINA_STORE_REJECTS_H
#define LAMINA_STORE_REJECTS_H

#include "rows.h"

/* Writes the rejects of all blocks, in their order. Any thread. */
int lam_rejects_write(const struct lam_target *target, struct lam_block *const *blocks, size_t block_count,
                      struct lam_segment_entry *entry, struct lam_error *err);

/* Reject i as views into the map, all columns of which were needed. */
void lam_rejects_get(const struct lam_map *map, uint64_t i, struct lam_reject *reject);

#endif
