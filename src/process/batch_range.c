/* Ranges: a claimed range is resolved on a pool thread, then written on the storage thread, then offered. */
#include "worker_parts.h"

#include <stdlib.h>

static void range_free(struct lam_batch_range *range)
{
    lam_buf_release(&range->payload);
    lam_buf_release(&range->note);
    free(range);
}

static void range_write(struct lam_work *work, unsigned worker)
{
    struct lam_batch_range *range = (struct lam_batch_range *)work;
    const struct lam_batch_options *o = lam_batch_worker_options(range->worker);

    (void)worker;
    range->rc = o->ops->write(o->arg, range->made, &range->note, &range->err);
    range->made = NULL;
}

static void range_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_range *range = (struct lam_batch_range *)work;
    const struct lam_batch_options *o = lam_batch_worker_options(range->worker);

    range->rc = o->ops->resolve(o->arg, worker, lam_buf_sv(&range->payload), &range->made, &range->err);
}

static void range_done(struct lam_work *work)
{
    struct lam_batch_range *range = (struct lam_batch_range *)work;
    struct lam_batch_worker *w = range->worker;
    struct lam_error err;

    lam_wake_signal(lam_batch_worker_options(w)->wake);
    if (!range->rc && !range->written) { /* made on a reading thread: now the storage thread writes it */
        range->written = true;
        range->work.run = range_write;
        if (lam_work_submit(lam_batch_worker_options(w)->storage, &range->work))
            return;
        lam_batch_worker_options(w)->ops->discard(lam_batch_worker_options(w)->arg, range->made);
        range->rc = LAM_FAIL(&range->err, LAM_E_LIMIT, "the storage thread has too many jobs");
    }
    if (!range->rc)
        range->rc = lam_claimer_offer(w->ranges, range->split, range->attempt, 0, true, lam_buf_sv(&range->note), &range->err);
    if (range->rc == LAM_PENDING)
        LAM_FAIL(&range->err, LAM_E_IO, "the coordinator takes no offers");
    if (range->rc && !w->ending)
        lam_claimer_fail(w->ranges, range->split, range->attempt, &range->err, &err);
    w->resolving--;
    range_free(range);
}

int lam_batch_range_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err)
{
    struct lam_batch_range *range = calloc(1, sizeof *range);
    int rc;

    if (!range)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a range");
    lam_buf_init(&range->payload, LAM_COMM_MESSAGE_MAX);
    lam_buf_init(&range->note, LAM_CLAIM_NOTE_MAX);
    range->work = (struct lam_work){range_run, range_done};
    range->worker = w;
    range->split = claim->split;
    range->attempt = claim->attempt;
    if ((rc = lam_buf_add_sv(&range->payload, claim->payload, err)) || !lam_work_submit(w->pool, &range->work)) {
        range_free(range);
        return rc ? rc : LAM_FAIL(err, LAM_E_LIMIT, "too many tasks");
    }
    w->resolving++;
    return 0;
}
