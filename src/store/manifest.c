#include "manifest.h"

#define EACH_ROW(statement)                                                                                                                                    \
    for (size_t i = 0; !rc && i < count; i++) {                                                                                                                \
        const struct lam_manifest_row *row = &rows[i];                                                                                                         \
                                                                                                                                                               \
        statement;                                                                                                                                             \
    }

static int put_all(struct lam_segment *segment, const struct lam_manifest_row *rows, size_t count, struct lam_error *err)
{
    int rc = 0;

    EACH_ROW(rc = lam_segment_put_string(segment, LAM_MANIFEST_PATH, row->path, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_PARTITION, row->partition, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_SIZE, &row->size, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_MTIME_NS, &row->mtime_ns, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_DIGEST, row->digest.bytes, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_ENDED, &(uint8_t){row->ended}, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_ROWS, &row->rows, 1, err))
    EACH_ROW(rc = lam_segment_put(segment, LAM_MANIFEST_LIFE, &row->life, 1, err))
    EACH_ROW(rc = lam_segment_put_string(segment, LAM_MANIFEST_MEDIA, row->media, err))
    return rc;
}

int lam_manifest_write(const struct lam_target *target, const struct lam_manifest_row *rows, size_t count, struct lam_segment_entry *entry,
                       struct lam_error *err)
{
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_MANIFEST,
                                    .rows = count};
    struct lam_segment *segment;
    int rc = 0;

    EACH_ROW({
        spec.bytes[LAM_MANIFEST_PATH] += row->path.len;
        spec.bytes[LAM_MANIFEST_MEDIA] += row->media.len;
        if (i > 0 && lam_sv_cmp(rows[i - 1].path, row->path) >= 0)
            rc = LAM_FAIL(err, LAM_E_INVALID, "manifest %s: %.*s is out of order", target->path, LAM_SV_ARG(row->path));
    })
    if (rc || (rc = lam_segment_new(target->fs, &spec, &segment, err)))
        return rc;
    if (!(rc = put_all(segment, rows, count, err)))
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

void lam_manifest_get(const struct lam_map *map, uint64_t i, struct lam_manifest_row *row)
{
    row->path = lam_map_string(map, LAM_MANIFEST_PATH, i);
    memcpy(row->partition, lam_map_bytes16(map, LAM_MANIFEST_PARTITION, i), sizeof row->partition);
    row->size = lam_map_u64(map, LAM_MANIFEST_SIZE)[i];
    row->mtime_ns = lam_map_i64(map, LAM_MANIFEST_MTIME_NS)[i];
    memcpy(row->digest.bytes, lam_map_bytes16(map, LAM_MANIFEST_DIGEST, i), sizeof row->digest.bytes);
    row->ended = lam_map_u8(map, LAM_MANIFEST_ENDED)[i];
    row->rows = lam_map_u64(map, LAM_MANIFEST_ROWS)[i];
    row->life = lam_map_u32(map, LAM_MANIFEST_LIFE)[i];
    row->media = lam_map_string(map, LAM_MANIFEST_MEDIA, i);
}

int lam_manifest_find(const struct lam_map *map, struct lam_sv path, struct lam_manifest_row *row)
{
    uint64_t low = 0, high = lam_map_rows(map);

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = lam_sv_cmp(lam_map_string(map, LAM_MANIFEST_PATH, middle), path);

        if (order == 0) {
            lam_manifest_get(map, middle, row);
            return 0;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return LAM_E_NOT_FOUND;
}
