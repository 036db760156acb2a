/*
 * Rows of the view that are still owed an answer: each batch asks for them again, and only for them. They travel as any other rows do, as pieces; what
 * was answered takes the place of the row that was not, for it has the same position.
 */
#include "batch_job.h"
#include "batch_estimate.h"

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

int lam_batch_list_pending(struct lam_batch_job *batch, struct lam_batch_lister *lister, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc = 0;

    if (!batch->llm || batch->rebuild || batch->state->totals.pending <= 0 || batch->engine->job->dataset.kind != LAM_JOB_UPSERT)
        return 0;
    for (size_t at = 0; !rc && (segment = lam_state_next(batch->state, LAM_SEGMENT_RUN, &at));) {
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
