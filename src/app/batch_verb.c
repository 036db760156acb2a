#include "batch_verb.h"

#include "batch_estimate.h"

int lam_batch_verb_open(struct lam_batch_verb *verb, struct lam_frame *frame, bool retrain, struct lam_error *err)
{
    struct lam_batch_options options;
    int rc;

    verb->frame = frame;
    if ((rc = lam_batch_job_init(&verb->job, &frame->session.engine, err)))
        return rc;
    verb->job.retrain = retrain;
    options = lam_batch_job_options(&verb->job);
    return lam_batch_open(&verb->batch, &options, err);
}

void lam_batch_verb_release(struct lam_batch_verb *verb)
{
    lam_batch_close(verb->batch);
    lam_batch_job_release(&verb->job);
}

int lam_batch_verb_step(struct lam_batch_verb *verb, struct lam_error *err)
{
    struct lam_session *session = &verb->frame->session;
    struct lam_error mine;

    if (session->engine.rank == 0 && lam_session_stopping(session))
        lam_batch_cancel(verb->batch);
    if ((lam_llm_job_step(verb->job.llm, &mine) || lam_batch_estimate_step(&verb->job, &mine)) && !session->failure.code)
        session->failure = mine;
    return lam_batch_step(verb->batch, err);
}

/* Another job has the term, and this one waits for its end. */
static int outcome_of_waiting(struct lam_batch_verb *verb, struct lam_error *err)
{
    struct lam_session *session = &verb->frame->session;
    int rc = 0;

    if (lam_session_stopping(session))
        rc = LAM_FAIL(err, LAM_E_CANCELLED, "stopped while the batch layer waited for another job to end");
    else if (lam_term_wait_due(&verb->wait, &session->engine))
        rc = lam_batch_run(verb->batch, err);
    return rc ? rc : LAM_PENDING;
}

int lam_batch_verb_outcome(struct lam_batch_verb *verb, int rc, struct lam_error *err)
{
    if (lam_term_wait_on(&verb->wait))
        return outcome_of_waiting(verb, err);
    lam_progress_batch(&verb->frame->progress, verb->batch, &verb->job);
    return rc != LAM_PENDING && lam_term_wait_takes(&verb->wait, &verb->frame->session.engine, rc, err) ? LAM_PENDING : rc;
}
