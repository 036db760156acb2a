/*
 * Pass 2 of a run that trained: rows were staged without answers, and are answered by the model that came of them.
 *
 * Upsert: while a range is resolved, and only those rows that are to be written to it; what is superseded is never answered. Append: every staged
 * segment is written anew with its answers, since nothing else is ever written of it. A run that ended in the midst of this is gone on with: what is
 * staged is never changed.
 */
#include "batch_job.h"

#include "base/spill.h"

#include <inttypes.h>
#include <stdlib.h>

#define ANSWERS_MAX ((size_t)1 << 32) /* bytes of a range's answers: ranges are made small enough (batch_plan.c) */
#define ANSWER_EVERY 64               /* rows that are answered together */

static bool is_ours(const struct lam_batch_job *batch) { return batch->engine->job->deep.analyzer == LAM_JOB_DEEP_BUILTIN; }

static int refiner_for(struct lam_batch_job *batch, unsigned worker, struct lam_refiner **refiner, struct lam_error *err)
{
    struct lam_tools *tools;
    int rc = lam_batch_tools(batch, worker, &tools, err);

    if (!rc && !(rc = lam_tools_use(tools, batch->trained, err)))
        *refiner = lam_tools_refiner(tools);
    return rc;
}

static int answer(void *arg, struct lam_block *block, size_t first, struct lam_error *err) { return lam_refiner_analyze(arg, block, first, err); }

int lam_batch_answer_range(struct lam_batch_job *batch, unsigned worker, struct lam_resolve *resolve, struct lam_block **block, struct lam_error *err)
{
    struct lam_refiner *refiner;
    int rc;

    *block = NULL;
    if (!is_ours(batch))
        return 0;
    if ((rc = refiner_for(batch, worker, &refiner, err)))
        return rc;
    if (!(*block = lam_block_new(UINT32_MAX, ANSWERS_MAX)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for answers");
    return lam_resolve_answer(resolve, *block, answer, refiner, err);
}

/* Rows come and go, some at a time; what is kept of them until their segment is written is in a spill, for there may be many more than ranges have. */
struct lam_batch_rewrite {
    struct lam_batch_job *batch;
    const struct lam_batch_mapped *input;
    struct lam_block *block;       /* the rows being answered */
    struct lam_spill *spill;       /* those that are: the thread's, until the segment is put */
    struct lam_pick *picks;        /* all rows, in their order */
    const struct lam_row **rows;   /* beside picks: the answered ones */
    struct lam_count_deltas counts;
    struct lam_segment *segment;   /* put, and not yet public */
    struct lam_segment_entry entry;
};

void lam_batch_rewrite_free(struct lam_batch_rewrite *rewrite)
{
    if (!rewrite)
        return;
    lam_segment_free(rewrite->segment);
    lam_segment_entry_release(&rewrite->entry);
    lam_block_free(rewrite->block);
    lam_count_deltas_release(&rewrite->counts);
    free(rewrite->picks);
    free(rewrite->rows);
    free(rewrite);
}

static bool is_owed(const struct lam_batch_rewrite *rewrite, uint64_t row)
{
    return lam_map_u32(rewrite->input->map, LAM_ROWS_FLAGS)[row] & LAM_ROW_PENDING;
}

/* What is answered and counts is no longer pending. */
static int count_answered(struct lam_batch_rewrite *rewrite, uint64_t i, const struct lam_row *row, struct lam_error *err)
{
    struct lam_count_delta *delta;

    if (row->rec.flags & LAM_ROW_PENDING || lam_mask_test(rewrite->input->mask.bits, i))
        return 0;
    if (!(delta = lam_count_deltas_at(&rewrite->counts, row->rec.pos.source, row->rec.pos.life)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    delta->pending--;
    return 0;
}

/* Answers the rows of the block, which are these of the map, and keeps them. */
static int answer_some(struct lam_batch_rewrite *rewrite, struct lam_refiner *refiner, const uint64_t *places, struct lam_error *err)
{
    int rc = lam_refiner_analyze(refiner, rewrite->block, 0, err);

    for (size_t k = 0; !rc && k < lam_block_rows(rewrite->block); k++) {
        const struct lam_row *row = lam_block_row(rewrite->block, k);

        if (!(rc = lam_rows_spill(rewrite->spill, row, rewrite->input->map, places[k], &rewrite->rows[places[k]], err)))
            rc = count_answered(rewrite, places[k], row, err);
    }
    lam_block_clear(rewrite->block);
    return rc;
}

static int answer_all(struct lam_batch_rewrite *rewrite, struct lam_refiner *refiner, struct lam_error *err)
{
    struct lam_map *map = rewrite->input->map;
    uint64_t places[ANSWER_EVERY];
    int rc = 0;

    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        struct lam_row row;

        rewrite->picks[i] = (struct lam_pick){0, (uint32_t)i};
        if (!is_owed(rewrite, i))
            continue;
        lam_rows_get(map, i, LAM_COLUMNS_ALL, &row);
        places[lam_block_rows(rewrite->block)] = i;
        if (!(rc = lam_block_lend_row(rewrite->block, &row, err)) && lam_block_rows(rewrite->block) == ANSWER_EVERY)
            rc = answer_some(rewrite, refiner, places, err);
    }
    return rc || !lam_block_rows(rewrite->block) ? rc : answer_some(rewrite, refiner, places, err);
}

/* Writes the bytes of the new segment, and lets go of the answers. */
static int put(struct lam_batch_rewrite *rewrite, struct lam_error *err)
{
    struct lam_batch_job *batch = rewrite->batch;
    const struct lam_rows_copied what = {.maps = &rewrite->input->map, .map_count = 1, .picks = rewrite->picks, .rows = rewrite->rows,
                                         .count = lam_map_rows(rewrite->input->map), .dim = batch->engine->job->tasks.dim};
    char path[LAM_SEGMENT_PATH];
    const struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, path, LAM_SEGMENT_SILVER};
    uint64_t foreign;
    int rc = lam_namer_next(&batch->namer, target.kind, path, err);

    if (!rc)
        rc = lam_rows_copy_put(&target, &what, &rewrite->segment, &rewrite->entry, &foreign, err);
    lam_block_free(rewrite->block);
    rewrite->block = NULL;
    return rc;
}

int lam_batch_rewrite_new(struct lam_batch_job *batch, unsigned worker, const struct lam_batch_mapped *input, struct lam_batch_rewrite **out,
                          struct lam_error *err)
{
    struct lam_batch_rewrite *rewrite = calloc(1, sizeof *rewrite);
    struct lam_refiner *refiner = NULL;
    int rc;

    *out = NULL;
    if (!rewrite)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a segment's answers");
    lam_segment_entry_init(&rewrite->entry);
    rewrite->batch = batch;
    rewrite->input = input;
    rewrite->block = lam_block_new(ANSWER_EVERY, ANSWERS_MAX);
    rewrite->picks = calloc(lam_map_rows(input->map) + 1, sizeof *rewrite->picks);
    rewrite->rows = calloc(lam_map_rows(input->map) + 1, sizeof *rewrite->rows);
    if (!rewrite->block || !rewrite->picks || !rewrite->rows)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a segment's answers");
    else if (!(rc = lam_map_need(input->map, LAM_COLUMNS_ALL, err)) && !(rc = refiner_for(batch, worker, &refiner, err)) &&
             !(rc = lam_batch_spill(batch, worker, &rewrite->spill, err)) && !(rc = answer_all(rewrite, refiner, err)))
        rc = put(rewrite, err);
    if (rc) {
        lam_batch_rewrite_free(rewrite);
        return LAM_PASS(err, rc, "answer %s", lam_map_path(input->map));
    }
    *out = rewrite;
    return 0;
}

/* {"segment":path,"entry":…,"counts":[…]} */
int lam_batch_rewrite_write(struct lam_batch_rewrite *rewrite, struct lam_buf *note, struct lam_error *err)
{
    int rc = lam_segment_finish(rewrite->segment, &rewrite->entry, err);

    memcpy(rewrite->entry.run, rewrite->batch->run, LAM_RUN_ID);
    if (!rc && !(rc = lam_buf_addf(note, err, "{\"segment\":\"%s\",\"entry\":", lam_map_path(rewrite->input->map))) &&
        !(rc = lam_segment_entry_write(&rewrite->entry, note, err)) && !(rc = lam_batch_write_counts(&rewrite->counts, note, err)))
        rc = lam_buf_addf(note, err, "}");
    return rc;
}
