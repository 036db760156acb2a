#include "rejects.h"

/* Calls STATEMENT for each reject of all blocks, while rc is 0. */
#define EACH_REJECT(statement)                                                                                                                                 \
    for (size_t b = 0; !rc && b < block_count; b++)                                                                                                            \
        for (size_t i = 0, n = lam_block_rejects(blocks[b]); !rc && i < n; i++) {                                                                              \
            const struct lam_reject *reject = lam_block_reject(blocks[b], i);                                                                                  \
                                                                                                                                                               \
            statement;                                                                                                                                         \
        }

static int put_all(struct lam_segment *segment, struct lam_block *const *blocks, size_t block_count, struct lam_error *err)
{
    int rc = 0;

    EACH_REJECT(rc = lam_segment_put(segment, LAM_POS_SOURCE, &reject->pos.source, 1, err))
    EACH_REJECT(rc = lam_segment_put(segment, LAM_POS_LIFE, &reject->pos.life, 1, err))
    EACH_REJECT(rc = lam_segment_put(segment, LAM_POS_PARTITION, reject->pos.partition, 1, err))
    EACH_REJECT(rc = lam_segment_put(segment, LAM_POS_OFFSET, &reject->pos.offset, 1, err))
    EACH_REJECT(rc = lam_segment_put(segment, LAM_REJECTS_KIND, &reject->kind, 1, err))
    EACH_REJECT(rc = lam_segment_put(segment, LAM_REJECTS_ARRIVAL, &reject->arrival_us, 1, err))
    EACH_REJECT(rc = lam_segment_put_string(segment, LAM_REJECTS_PLACE, reject->place, err))
    EACH_REJECT(rc = lam_segment_put_string(segment, LAM_REJECTS_REASON, reject->reason, err))
    EACH_REJECT(rc = lam_segment_put_string(segment, LAM_REJECTS_RAW, reject->raw, err))
    return rc;
}

int lam_rejects_write(const struct lam_target *target, struct lam_block *const *blocks, size_t block_count,
                      struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_REJECTS};
    struct lam_segment *segment;
    int rc = 0;

    EACH_REJECT({
        spec.rows++;
        spec.bytes[LAM_REJECTS_PLACE] += reject->place.len;
        spec.bytes[LAM_REJECTS_REASON] += reject->reason.len;
        spec.bytes[LAM_REJECTS_RAW] += reject->raw.len;
    })
    if ((rc = lam_segment_new(target->fs, &spec, &segment, err)))
        return rc;
    if (!(rc = put_all(segment, blocks, block_count, err)))
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

void lam_rejects_get(const struct lam_map *map, uint64_t i, struct lam_reject *reject)
{
    reject->pos.source = lam_map_u32(map, LAM_POS_SOURCE)[i];
    reject->pos.life = lam_map_u32(map, LAM_POS_LIFE)[i];
    memcpy(reject->pos.partition, lam_map_bytes16(map, LAM_POS_PARTITION, i), sizeof reject->pos.partition);
    reject->pos.offset = lam_map_u64(map, LAM_POS_OFFSET)[i];
    reject->kind = lam_map_u8(map, LAM_REJECTS_KIND)[i];
    reject->arrival_us = lam_map_i64(map, LAM_REJECTS_ARRIVAL)[i];
    reject->place = lam_map_string(map, LAM_REJECTS_PLACE, i);
    reject->reason = lam_map_string(map, LAM_REJECTS_REASON, i);
    reject->raw = lam_map_string(map, LAM_REJECTS_RAW, i);
}
