#include "bronze.h"

#define EACH_ROW(statement)                                                                                                                                    \
    for (size_t i = 0; !rc && i < count; i++) {                                                                                                                \
        const struct lam_bronze_row *row = &rows[i];                                                                                                           \
                                                                                                                                                               \
        statement;                                                                                                                                             \
    }

static int put_all(struct lam_segment *segment, const struct lam_bronze_row *rows, size_t count, struct lam_error *err)
{
    int rc = 0;

    EACH_ROW(rc = lam_segment_put(segment, LAM_POS_SOURCE, &row->pos.source, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_POS_LIFE, &row->pos.life, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_POS_PARTITION, row->pos.partition, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_POS_OFFSET, &row->pos.offset, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_BRONZE_ARRIVAL, &row->arrival_us, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_BRONZE_TIMESTAMP, &row->timestamp_us, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_BRONZE_HAS_KEY, &(uint8_t){row->has_key}, 1, err))
    EACH_ROW(rc = lam_segment_put_string(segment, LAM_BRONZE_KEY, row->key, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_BRONZE_HAS_RAW, &(uint8_t){row->has_raw}, 1, err))
    EACH_ROW(rc = lam_segment_put_string(segment, LAM_BRONZE_RAW, row->raw, err))
    EACH_ROW(rc = lam_segment_put_string(segment, LAM_BRONZE_HEADERS, row->headers, err))
    return rc;
}

int lam_bronze_write(const struct lam_target *target, const struct lam_bronze_row *rows, size_t count, struct lam_segment_entry *entry,
                     struct lam_error *err)
{
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_BRONZE,
                                    .rows = count};
    struct lam_segment *segment;
    int rc = 0;

    EACH_ROW({
        spec.bytes[LAM_BRONZE_KEY] += row->key.len;
        spec.bytes[LAM_BRONZE_RAW] += row->raw.len;
        spec.bytes[LAM_BRONZE_HEADERS] += row->headers.len;
    })
    if ((rc = lam_segment_new(target->fs, &spec, &segment, err)))
        return rc;
    if (!(rc = put_all(segment, rows, count, err)))
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

void lam_bronze_get(const struct lam_map *map, uint64_t i, struct lam_bronze_row *row)
{
    row->pos.source = lam_map_u32(map, LAM_POS_SOURCE)[i];
    row->pos.life = lam_map_u32(map, LAM_POS_LIFE)[i];
    memcpy(row->pos.partition, lam_map_bytes16(map, LAM_POS_PARTITION, i), sizeof row->pos.partition);
    row->pos.offset = lam_map_u64(map, LAM_POS_OFFSET)[i];
    row->arrival_us = lam_map_i64(map, LAM_BRONZE_ARRIVAL)[i];
    row->timestamp_us = lam_map_i64(map, LAM_BRONZE_TIMESTAMP)[i];
    row->has_key = lam_map_u8(map, LAM_BRONZE_HAS_KEY)[i];
    row->has_raw = lam_map_u8(map, LAM_BRONZE_HAS_RAW)[i];
    row->key = lam_map_string(map, LAM_BRONZE_KEY, i);
    row->raw = lam_map_string(map, LAM_BRONZE_RAW, i);
    row->headers = lam_map_string(map, LAM_BRONZE_HEADERS, i);
}
