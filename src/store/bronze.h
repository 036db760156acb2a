/*
 * Bronze segments (LAM_LAYOUT_BRONZE): what arrived, byte for byte, by position. Streams always; corpora where bronze is `copy`.
 */
#ifndef LAMINA_STORE_BRONZE_H
#define LAMINA_STORE_BRONZE_H

#include "rows.h"

struct lam_bronze_row {
    struct lam_position pos;
    int64_t arrival_us;
    int64_t timestamp_us;  /* the broker's; LAM_TIME_NONE where there is none */
    bool has_key, has_raw; /* a message without key; one without value (a tombstone): not the same as an empty one */
    struct lam_sv key, raw;
    struct lam_sv headers; /* JSON object; empty where there are none */
};

/* Writes rows in their order. Any thread. */
int lam_bronze_write(const struct lam_target *target, const struct lam_bronze_row *rows, size_t count, struct lam_segment_entry *entry,
                     struct lam_error *err);

/* Row i as views into the map, all columns of which were needed. */
void lam_bronze_get(const struct lam_map *map, uint64_t i, struct lam_bronze_row *row);

#endif
