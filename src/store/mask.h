/*
 * Masks: which rows of a segment newer rows override. A mask is a small segment (LAM_LAYOUT_MASK) with a bit a row; a segment has at
 * most one in force, a new one replaces it and has all its bits.
 */
#ifndef LAMINA_STORE_MASK_H
#define LAMINA_STORE_MASK_H

#include "rows.h"

/* A mask in memory, being made. */
struct lam_mask {
    uint8_t *bits; /* lam_mask_bytes(rows); NULL: none is set */
    uint64_t rows;
    uint64_t set;  /* how many are */
};

static inline uint64_t lam_mask_bytes(uint64_t rows) { return (rows + 7) / 8; }
static inline bool lam_mask_test(const uint8_t *bits, uint64_t row) { return bits && bits[row / 8] >> (row % 8) & 1; }

/* An empty mask, or a copy of bits (may be NULL). LAM_E_MEMORY. */
int lam_mask_init(struct lam_mask *mask, uint64_t rows, const uint8_t *bits, struct lam_error *err);
void lam_mask_release(struct lam_mask *mask);

/* Sets a bit: was it clear? */
bool lam_mask_set(struct lam_mask *mask, uint64_t row);

/* Bits set among the first rows. bits may be NULL. */
uint64_t lam_mask_count(const uint8_t *bits, uint64_t rows);

/* Writes mask as that of the segment with this path. Any thread. */
int lam_mask_write(const struct lam_target *target, const struct lam_mask *mask, const char *segment, struct lam_segment_entry *entry,
                   struct lam_error *err);

/* The bits of a mapped mask, checked to be of this segment and of this many rows: LAM_E_CORRUPT where they are not. */
int lam_mask_bits(struct lam_map *map, const char *segment, uint64_t rows, const uint8_t **bits, struct lam_error *err);

#endif
