/*
 * What is staged for the view being made, as the coordinator looks into it; and rows that it stages itself: deletes of what is missing (batch_missing.c),
 * and what a full view carries over (batch_carry.c). Coordinator, storage thread, once all is planned.
 */
#ifndef LAMINA_APP_BATCH_STAGED_H
#define LAMINA_APP_BATCH_STAGED_H

#include "batch_job.h"

#define LAM_BATCH_STAGE_ROWS ((size_t)1 << 17)
#define LAM_BATCH_STAGE_BYTES ((size_t)128 << 20) /* of such a segment in memory */

/* The sorted rows of the plan, mapped, with what does not count masked. */
struct lam_batch_staged {
    struct lam_batch_mapped *items;
    size_t count;
};

/* Of what is planned by then. After a failure, too, it is closed. */
int lam_batch_staged_open(struct lam_batch_job *batch, struct lam_batch_staged *staged, struct lam_error *err);
void lam_batch_staged_close(struct lam_batch_staged *staged);

/* Has this scan the key, in whatever file of the record's source? (A renamed file has all of them.) */
bool lam_batch_staged_has(const struct lam_batch_staged *staged, const struct lam_record *rec);

/* Is there a version of the key that is as new, whoever said it? */
bool lam_batch_staged_beats(const struct lam_batch_staged *staged, const struct lam_record *rec);

/* The rows of the block become a segment of the plan, and the block is empty. Nothing where it has none. */
int lam_batch_stage_rows(struct lam_batch_job *batch, struct lam_block *block, struct lam_error *err);

/* Adds a row to the block, which becomes a segment first where it is full. */
int lam_batch_stage_row(struct lam_batch_job *batch, struct lam_block *block, const struct lam_row *row, struct lam_error *err);

/* The same as lam_batch_stage_rows for its rejects. */
int lam_batch_stage_rejects(struct lam_batch_job *batch, struct lam_block *block, struct lam_error *err);

/* Adds the delete of a row of the view to the block, which is staged where it is full. path: of its file; order: for the order value. */
int lam_batch_delete_row(struct lam_batch_job *batch, const struct lam_row *row, struct lam_sv path, struct lam_buf *order, struct lam_block *block,
                         struct lam_error *err);

#endif
