/*
 * The batch layer of a verb that makes one batch run (batch, eval): from the job to the outcome, --wait included. What becomes of the outcome is the verb's.
 *
 * Main thread.
 */
#ifndef LAMINA_APP_BATCH_VERB_H
#define LAMINA_APP_BATCH_VERB_H

#include "batch_job.h"
#include "cmd_frame.h"
#include "term_wait.h"

struct lam_batch_verb {
    struct lam_frame *frame;
    struct lam_batch_job job;
    struct lam_batch *batch;
    struct lam_term_wait wait;
};

/* All ranks. After a failure: release all the same. */
int lam_batch_verb_open(struct lam_batch_verb *verb, struct lam_frame *frame, bool retrain, struct lam_error *err);
void lam_batch_verb_release(struct lam_batch_verb *verb); /* of zeroes too */

/* Once a turn, all ranks, also before the run has begun and after it is over: what lam_batch_step says. What else goes wrong is the session's failure. */
int lam_batch_verb_step(struct lam_batch_verb *verb, struct lam_error *err);

/*
 * Rank 0, from when the run was begun until it is over, with what step said: shows progress, and begins again where it waits for another job's end. LAM_PENDING: it
 * goes on; 0: over; LAM_E_CANCELLED: stopped; else why it failed.
 */
int lam_batch_verb_outcome(struct lam_batch_verb *verb, int rc, struct lam_error *err);

#endif
