/*
 * Rows of the view that are still owed an answer: each batch asks for them again, and only for them. They travel as any other rows do, as pieces; what
 * was answered takes the place of the row that was not, for it has the same position: when ranges are resolved, or in an append dataset by a mask on what it was.
 * One that no model answers as it should leaves the view for the quarantine: by a row with LAM_ROW_REJECTED where ranges are resolved, by the mask alone in the other.
 */
#include "batch_job.h"
#include "batch_estimate.h"
#include "store/rejects.h"

#include <stdio.h>
#include <stdlib.h>

/* Rows of a run that the view shows and that wait. */
static int count_owed(struct lam_batch_job *batch, const struct lam_state_segment *segment, struct lam_batch_owed *owed, uint64_t *count, struct lam_error *err)
{
    int rc = lam_batch_owed_open(batch, segment, owed, err);

    *count = 0;
    for (uint64_t i = 0; !rc && i < lam_map_rows(owed->map); i++)
        *count += lam_batch_owed_at(owed, i);
    return rc;
}

int lam_batch_owed_open(struct lam_batch_job *batch, const struct lam_state_segment *segment, struct lam_batch_owed *owed, struct lam_error *err)
{
    int rc;

    *owed = (struct lam_batch_owed){0};
    if ((rc = lam_map_cache_get(batch->engine->maps, segment->entry, &owed->map, err)) ||
        (rc = lam_map_need(owed->map, LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_OP), err)) || !segment->mask)
        return rc;
    if ((rc = lam_map_cache_get(batch->engine->maps, segment->mask, &owed->mask, err)))
        return rc;
    return lam_mask_bits(owed->mask, segment->entry->path, segment->entry->rows, &owed->bits, err);
}

void lam_batch_owed_close(struct lam_batch_owed *owed)
{
    lam_map_unref(owed->map);
    lam_map_unref(owed->mask);
    *owed = (struct lam_batch_owed){0};
}

bool lam_batch_owed_at(const struct lam_batch_owed *owed, uint64_t row)
{
    if (lam_mask_test(owed->bits, row))
        return false;
    return lam_map_u32(owed->map, LAM_ROWS_FLAGS)[row] & LAM_ROW_PENDING && lam_map_u8(owed->map, LAM_ROWS_OP)[row] == LAM_OP_UPSERT;
}

/*
 * What a run that died staged of such rows is left: all of them are asked for again, and what it put into quarantine would stand there twice; nor does anything
 * resolve, in an append dataset, which of two answers is the newer one. Its answers are in the cache.
 */
static void drop_adopted(struct lam_batch_job *batch)
{
    for (size_t g = 0; g < batch->adopted.count; g++)
        for (size_t p = 0; p < batch->adopted.groups[g].piece_count; p++)
            if (batch->adopted.groups[g].pieces[p].again)
                batch->adopted.groups[g].pieces[p].mtime_ns = INT64_MIN; /* holds no more */
}

int lam_batch_list_pending(struct lam_batch_job *batch, struct lam_batch_lister *lister, struct lam_error *err)
{
    bool append = batch->engine->job->dataset.kind == LAM_JOB_APPEND;
    const struct lam_state_segment *segment;
    int rc = 0;

    drop_adopted(batch);
    if (!batch->llm || batch->rebuild || batch->state->totals.pending <= 0)
        return 0;
    for (size_t at = 0; !rc && (segment = lam_state_next(batch->state, append ? LAM_SEGMENT_SILVER : LAM_SEGMENT_RUN, &at));) {
        struct lam_batch_owed owed;
        struct lam_buf payload;
        uint64_t count;

        lam_buf_init(&payload, LAM_SEGMENT_PATH + 16);
        rc = count_owed(batch, segment, &owed, &count, err);
        lam_batch_owed_close(&owed);
        if (!rc && count && !(rc = lam_buf_addf(&payload, err, "P%s", segment->entry->path))) {
            batch->asks_again = true;
            rc = lam_batch_estimate_offer(batch, lister, LAM_ESTIMATE_PENDING, segment->entry->bytes * count / segment->entry->rows, lam_buf_sv(&payload), err);
        }
        lam_buf_release(&payload);
    }
    return rc;
}

/* --- append: in place of what they were --- */

int lam_batch_again_add(struct lam_batch_job *batch, const struct lam_piece *piece, struct lam_error *err)
{
    struct lam_batch_again *grown = realloc(batch->again, (batch->again_count + 1) * sizeof *grown);

    if (!grown)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    batch->again = grown;
    grown += batch->again_count++;
    *grown = (struct lam_batch_again){.first = piece->begin, .end = piece->end};
    snprintf(grown->path, sizeof grown->path, "%.*s", LAM_SV_ARG(piece->path));
    return 0;
}

void lam_batch_again_forget(struct lam_batch_job *batch)
{
    free(batch->again);
    batch->again = NULL;
    batch->again_count = 0;
}

bool lam_batch_again_in(const struct lam_batch_job *batch, const char *path)
{
    for (size_t i = 0; i < batch->again_count; i++)
        if (!strcmp(batch->again[i].path, path))
            return true;
    return false;
}

/* times: 1 or -1. */
static int add_row(struct lam_map *map, uint64_t row, int64_t times, struct lam_count_deltas *deltas, struct lam_error *err)
{
    uint32_t flags = lam_map_u32(map, LAM_ROWS_FLAGS)[row];
    struct lam_count_delta *delta = lam_count_deltas_at(deltas, lam_map_u32(map, LAM_ROWS_SOURCE)[row], lam_map_u32(map, LAM_ROWS_LIFE)[row]);

    if (!delta)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    delta->pending += flags & LAM_ROW_PENDING ? times : 0;
    delta->unavailable += flags & LAM_ROW_UNAVAILABLE ? times : 0;
    return 0;
}

#define COUNTED (LAM_COLUMN(LAM_ROWS_SOURCE) | LAM_COLUMN(LAM_ROWS_LIFE) | LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_OP))

int lam_batch_again_mask(const struct lam_batch_job *batch, struct lam_map *map, const uint8_t *bits, struct lam_mask *mask, struct lam_count_deltas *deltas,
                         struct lam_error *err)
{
    const struct lam_batch_owed owed = {.map = map, .bits = bits};
    int rc = lam_map_need(map, COUNTED, err);

    for (size_t i = 0; !rc && i < batch->again_count; i++) {
        const struct lam_batch_again *again = &batch->again[i];

        if (strcmp(again->path, lam_map_path(map)))
            continue;
        for (uint64_t row = again->first; !rc && row < again->end && row < lam_map_rows(map); row++)
            if (lam_batch_owed_at(&owed, row) && lam_mask_set(mask, row))
                rc = add_row(map, row, -1, deltas, err);
    }
    return rc;
}

int lam_batch_again_rejected(struct lam_map *map, struct lam_count_deltas *deltas, struct lam_error *err)
{
    int rc = lam_map_need(map, LAM_COLUMNS_ALL, err);

    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        struct lam_count_delta *delta;
        struct lam_reject reject;

        lam_rejects_get(map, i, &reject);
        if (!(delta = lam_count_deltas_at(deltas, reject.pos.source, reject.pos.life)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
        delta->live--;
        delta->quarantined++;
    }
    return rc;
}

int lam_batch_again_count(struct lam_map *map, struct lam_count_deltas *deltas, struct lam_error *err)
{
    int rc = lam_map_need(map, COUNTED, err);

    for (uint64_t row = 0; !rc && row < lam_map_rows(map); row++)
        rc = add_row(map, row, 1, deltas, err);
    return rc;
}
