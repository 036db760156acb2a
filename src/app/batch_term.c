/*
 * A run's term: how it is taken, and the counter that says that its holder lives. A run after another in one process takes the next term before it
 * lets go of the last one's counter, so that nobody who waits for the layer's end finds it free in between.
 */
#include "batch_job.h"

#include "pulse.h"

int lam_batch_take_term(struct lam_batch_job *batch, const struct lam_state **state, struct lam_error *err)
{
    struct lam_engine *engine = batch->engine;
    struct lam_term_options options = {.layers = 1u << LAM_TERM_BATCH, .take_over = engine->take_over_term && !batch->holds};
    struct lam_pulse *pulse;
    int rc;

    if ((!batch->untaken && (rc = lam_random_id(batch->run, err))) || (rc = lam_holder_self(&options.holder, engine->job->name, batch->run, err)))
        return rc;
    if (batch->holds) /* a run that was taken over meanwhile is a newcomer like any other */
        options.own = batch->term;
    if ((rc = lam_pulse_start(&pulse, engine, batch->run, "batch", err)))
        return rc;
    if ((rc = lam_term_take(engine->commits, &options, &batch->term, state, err))) {
        lam_pulse_stop(pulse);
        batch->untaken = rc == LAM_E_EXISTS;
        return rc;
    }
    lam_pulse_stop(batch->pulse);
    batch->pulse = pulse;
    batch->holds = true;
    batch->untaken = false;
    return 0;
}

void lam_batch_leave_term(struct lam_batch_job *batch)
{
    lam_pulse_stop(batch->pulse);
    batch->pulse = NULL;
}
