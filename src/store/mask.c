#include "mask.h"

#include <stdio.h>
#include <stdlib.h>

int lam_mask_init(struct lam_mask *mask, uint64_t rows, const uint8_t *bits, struct lam_error *err)
{
    *mask = (struct lam_mask){.rows = rows, .bits = calloc(1, lam_mask_bytes(rows) + 1)};
    if (!mask->bits)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a mask of %llu rows", (unsigned long long)rows);
    if (bits && rows) {
        memcpy(mask->bits, bits, lam_mask_bytes(rows));
        mask->set = lam_mask_count(bits, rows);
    }
    return 0;
}

void lam_mask_release(struct lam_mask *mask)
{
    free(mask->bits);
    *mask = (struct lam_mask){0};
}

bool lam_mask_set(struct lam_mask *mask, uint64_t row)
{
    if (lam_mask_test(mask->bits, row))
        return false;
    mask->bits[row / 8] |= (uint8_t)(1u << (row % 8));
    mask->set++;
    return true;
}

uint64_t lam_mask_count(const uint8_t *bits, uint64_t rows)
{
    uint64_t count = 0;

    if (!bits)
        return 0;
    for (uint64_t i = 0; i < rows / 8; i++)
        count += (uint64_t)__builtin_popcount(bits[i]);
    if (rows % 8)
        count += (uint64_t)__builtin_popcount(bits[rows / 8] & ((1u << (rows % 8)) - 1));
    return count;
}

int lam_mask_write(const struct lam_target *target, const struct lam_mask *mask, const char *masked, struct lam_segment_entry *entry,
                   struct lam_error *err)
{
    struct lam_segment_spec spec = {.root = target->root, .path = target->path, .kind = target->kind, .layout = LAM_LAYOUT_MASK,
                                    .rows = mask->rows};
    struct lam_segment *segment;
    int rc;

    spec.bytes[LAM_MASK_BITS] = lam_mask_bytes(mask->rows);
    spec.bytes[LAM_MASK_SEGMENT] = strlen(masked);
    if ((rc = lam_segment_new(target->fs, &spec, &segment, err)))
        return rc;
    if (!(rc = lam_segment_put_blob(segment, LAM_MASK_BITS, mask->bits, lam_mask_bytes(mask->rows), err)) &&
        !(rc = lam_segment_put_blob(segment, LAM_MASK_SEGMENT, masked, strlen(masked), err)))
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    if (!rc)
        snprintf(entry->masked, sizeof entry->masked, "%s", masked);
    return rc;
}

int lam_mask_bits(struct lam_map *map, const char *masked, uint64_t rows, const uint8_t **bits, struct lam_error *err)
{
    struct lam_sv blob, path;
    int rc;

    *bits = NULL;
    if (lam_map_layout(map)->number != LAM_LAYOUT_MASK)
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s is listed as the mask of %s, and is none", lam_map_path(map), masked);
    if ((rc = lam_map_need(map, LAM_COLUMNS_ALL, err)))
        return rc;
    blob = lam_map_blob(map, LAM_MASK_BITS);
    path = lam_map_blob(map, LAM_MASK_SEGMENT);
    if (lam_map_rows(map) != rows || blob.len != lam_mask_bytes(rows) || !lam_sv_eq(path, lam_sv_of(masked)))
        return LAM_FAIL(err, LAM_E_CORRUPT, "mask %s is for %llu rows of %.*s, not for the %llu rows of %s", lam_map_path(map),
                        (unsigned long long)lam_map_rows(map), LAM_SV_ARG(path), (unsigned long long)rows, masked);
    *bits = (const uint8_t *)blob.ptr;
    return 0;
}
