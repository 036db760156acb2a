/*
 * `on_missing: delete`: what a scan did not find any more is deleted.
 *
 *     view's runs ── rows of files that vanished or changed ── keys that this scan has of the source ──> staged deletes
 *
 * A delete carries the order value of the row that it deletes and a position of this scan: source, the scan's number, the file's partition, and an offset
 * that no record has, 2^63 and above, from the key's hash: the same whatever the order in which the view is read. They are one more staged segment, or
 * several, and are resolved with all the others; so nothing of them counts before the view is published, and the next attempt makes them anew.
 */
#include "batch_staged.h"
#include "batch_table.h"

#include "base/dict.h"
#include "model/order.h"

#include <stdlib.h>

#define FILES_MAX ((size_t)64 << 20)
#define PATHS_MAX ((size_t)16 << 30)
#define COLUMNS (LAM_ROWS_SORT | LAM_ROWS_POSITION | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_EVENT_TIME))

struct missing {
    struct lam_batch_job *batch;
    struct lam_dict files; /* source and partition to index in paths */
    struct lam_sv *paths;  /* of the table of files */
    size_t count, cap;
    struct lam_batch_staged staged;
    struct lam_block *block;
    struct lam_buf order;
};

static struct lam_sv file_key(char key[20], uint32_t source, const uint8_t partition[16])
{
    memcpy(key, &source, 4);
    memcpy(key + 4, partition, 16);
    return lam_sv(key, 20);
}

static int collect(void *arg, uint32_t source, struct lam_sv path, struct lam_error *err)
{
    struct missing *missing = arg;
    struct lam_digest partition = lam_hash128(path.ptr, path.len);
    uint64_t *index;
    char key[20];
    bool added;
    int rc = lam_dict_add(&missing->files, file_key(key, source, partition.bytes), &index, &added, err);

    if (rc || !added)
        return rc;
    if (missing->count == missing->cap) {
        size_t cap = missing->cap ? 2 * missing->cap : 64;
        struct lam_sv *grown = realloc(missing->paths, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu files", cap);
        missing->paths = grown;
        missing->cap = cap;
    }
    *index = missing->count;
    missing->paths[missing->count++] = path;
    return 0;
}

static uint32_t life_of(const struct lam_batch_job *batch, uint32_t source)
{
    size_t i = lam_batch_source_at(batch, source);

    return i < batch->source_count ? batch->sources[i].life : 0;
}

int lam_batch_delete_row(struct lam_batch_job *batch, const struct lam_row *row, struct lam_sv path, struct lam_buf *order, struct lam_block *block,
                         struct lam_error *err)
{
    struct lam_row gone = {.enr = {.sentiment = __builtin_nanf(""), .layer = LAM_LAYER_BATCH, .depth = LAM_DEPTH_DEEP}};
    struct lam_sv value;
    int rc;

    gone.rec = (struct lam_record){.pos = row->rec.pos, .key = row->rec.key, .hash = row->rec.hash, .event_time_us = row->rec.event_time_us,
                                   .arrival_us = batch->arrival_us, .op = LAM_OP_DELETE, .flags = row->rec.flags & LAM_ROW_NO_ORDER};
    gone.rec.pos.life = life_of(batch, row->rec.pos.source);
    gone.rec.pos.offset = (uint64_t)1 << 63 | row->rec.hash >> 1;
    gone.enr.processed_us = batch->arrival_us;
    lam_buf_clear(order);
    if ((rc = lam_order_value(row->rec.order, batch->engine->job->dataset.order_by, &value, err)) || (rc = lam_buf_add_sv(order, value, err)) ||
        (rc = lam_order_add_position(order, &gone.rec.pos, path, err)))
        return rc;
    gone.rec.order = lam_buf_sv(order);
    return lam_batch_stage_row(batch, block, &gone, err);
}

static int visit_run(struct missing *missing, const struct lam_state_segment *segment, struct lam_error *err)
{
    struct lam_map_cache *maps = missing->batch->engine->maps;
    struct lam_map *map = NULL, *mask = NULL;
    const uint8_t *bits = NULL;
    int rc = lam_map_cache_get(maps, segment->entry, &map, err);

    if (!rc && segment->mask && !(rc = lam_map_cache_get(maps, segment->mask, &mask, err)))
        rc = lam_mask_bits(mask, segment->entry->path, segment->entry->rows, &bits, err);
    if (!rc)
        rc = lam_map_need(map, COLUMNS, err);
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        struct lam_row row;
        uint64_t *index;
        char key[20];

        if (lam_mask_test(bits, i) || lam_map_u8(map, LAM_ROWS_OP)[i] == LAM_OP_DELETE)
            continue;
        lam_rows_get(map, i, COLUMNS, &row);
        if ((index = lam_dict_find(&missing->files, file_key(key, row.rec.pos.source, row.rec.pos.partition))) && !lam_batch_staged_has(&missing->staged, &row.rec))
            rc = lam_batch_delete_row(missing->batch, &row, missing->paths[*index], &missing->order, missing->block, err);
    }
    lam_map_unref(map);
    lam_map_unref(mask);
    return rc;
}

int lam_batch_delete_missing(struct lam_batch_job *batch, struct lam_error *err)
{
    struct missing missing = {.batch = batch};
    const struct lam_state_segment *segment;
    int rc;

    if (batch->rebuild || batch->engine->job->dataset.kind != LAM_JOB_UPSERT)
        return 0;
    lam_dict_init(&missing.files, FILES_MAX, PATHS_MAX);
    lam_buf_init(&missing.order, LAM_BATCH_STAGE_BYTES);
    rc = lam_batch_missing(batch, collect, &missing, err);
    if (!rc && missing.count && !(missing.block = lam_block_new(LAM_BATCH_STAGE_ROWS, LAM_BATCH_STAGE_BYTES)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a block");
    if (!rc && missing.count)
        rc = lam_batch_staged_open(batch, &missing.staged, err);
    for (size_t at = 0; !rc && missing.count && (segment = lam_state_next(batch->state, LAM_SEGMENT_RUN, &at));)
        rc = visit_run(&missing, segment, err);
    if (!rc && missing.count)
        rc = lam_batch_stage_rows(batch, missing.block, err);
    lam_batch_staged_close(&missing.staged);
    free(missing.paths);
    lam_block_free(missing.block);
    lam_buf_release(&missing.order);
    lam_dict_release(&missing.files);
    return rc ? LAM_PASS(err, rc, "delete what is no longer there") : 0;
}
