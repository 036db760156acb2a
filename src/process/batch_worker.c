/*
 * A worker of a batch run: claims splits, reads them on its threads, groups what was accepted, stages groups, resolves ranges.
 *
 *     batch_task.c    reading: tasks and the pieces that they emit
 *     batch_analysis.c  accepted pieces whose answers come from elsewhere
 *     batch_group.c   accepted pieces on their way to a staged segment
 *     batch_range.c   ranges of the view
 *
 * The main thread owns everything here but what a reading thread meets (batch_task.c).
 */
#include "worker_parts.h"

#include <stdlib.h>

#define RANGES_OPEN 2 /* a worker: one waits for the disk while the next is resolved */

void lam_batch_worker_report(struct lam_batch_worker *w, uint16_t type, const struct lam_error *outcome)
{
    struct lam_error err;

    if (lam_batch_send_outcome(w->batch, 0, type, outcome, &err) && !w->outcome.code)
        w->outcome = err;
}

void lam_batch_worker_fail(struct lam_batch_worker *w, const struct lam_error *err)
{
    if (!w->failed && !w->ending) {
        w->failed = true;
        lam_batch_worker_report(w, MSG_FAILED, err);
    }
}

/* Pieces from the ring are offered, in order. Where the outbox is full they wait here. */
static int offer_pieces(struct lam_batch_worker *w, struct lam_error *err)
{
    struct lam_batch_offer_item item;

    while (lam_ring_pop(w->ring, &item)) {
        struct lam_batch_offer *offer = calloc(1, sizeof *offer);

        if (!offer) {
            lam_batch_piece_free(w, item.piece);
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an offer");
        }
        offer->item = item;
        *w->offered_end = offer;
        w->offered_end = &offer->next;
    }
    for (struct lam_batch_offer *offer = w->offered; offer && !w->ending; offer = offer->next) {
        int rc;

        if (offer->sent)
            continue;
        rc = lam_claimer_offer(w->splits, offer->item.task->split, offer->item.task->attempt, offer->item.number, offer->item.last,
                               lam_buf_sv(&offer->item.piece->note), err);
        if (rc)
            return rc == LAM_PENDING ? 0 : rc;
        offer->sent = true;
    }
    return 0;
}

static struct lam_batch_offer *pop_offer(struct lam_batch_worker *w)
{
    struct lam_batch_offer *offer = w->offered;

    w->offered = offer->next;
    if (!w->offered)
        w->offered_end = &w->offered;
    return offer;
}

static int take_verdicts(struct lam_batch_worker *w, struct lam_error *err)
{
    struct lam_verdict verdict;

    while (w->offered && w->offered->sent && !lam_claimer_verdict(w->splits, &verdict)) {
        struct lam_batch_offer *offer = pop_offer(w);
        int rc = 0;

        lam_batch_task_tell(offer->item.task, false);
        if (verdict.accepted && !w->ending)
            rc = lam_batch_analysis_add(w, offer->item.piece, err);
        else
            lam_batch_piece_free(w, offer->item.piece);
        free(offer);
        if (rc)
            return rc;
    }
    return 0;
}

/* Tasks whose thread is done and whose pieces all have their verdict end here. */
static void retire_tasks(struct lam_batch_worker *w)
{
    struct lam_batch_task **link = &w->tasks;
    struct lam_error err;

    while (*link) {
        struct lam_batch_task *task = *link;

        if (!task->finished || (task->open && !w->ending)) {
            link = &task->next;
            continue;
        }
        *link = task->next;
        if (task->rc && task->rc != LAM_E_CANCELLED && !w->ending) {
            if (lam_error_class(task->rc) == LAM_CLASS_STOP)
                lam_batch_worker_fail(w, &task->err);
            else
                lam_claimer_fail(w->splits, task->split, task->attempt, &task->err, &err);
        }
        lam_batch_task_free(task);
    }
}

static int ask_splits(struct lam_batch_worker *w, struct lam_error *err)
{
    const struct lam_batch_options *o = lam_batch_worker_options(w);
    struct lam_claim claim;
    unsigned busy;
    int rc;

    while (!(rc = lam_claimer_next(w->splits, &claim)))
        if ((rc = lam_batch_task_start(w, &claim, err)))
            return rc;
    if (rc == LAM_END)
        w->splits_ended = true;
    busy = w->reading + lam_claimer_asked(w->splits);
    if (!w->splits_ended && busy < o->workers + 1 && atomic_load(&w->bytes) < o->max_bytes)
        return lam_claimer_ask(w->splits, o->workers + 1 - busy, err);
    return 0;
}

static int ask_ranges(struct lam_batch_worker *w, struct lam_error *err)
{
    struct lam_verdict verdict;
    struct lam_claim claim;
    unsigned busy, most;
    int rc;

    while (!lam_claimer_verdict(w->ranges, &verdict))
        ; /* a range that another attempt wrote first: its files are nobody's, and gc takes them */
    while (!(rc = lam_claimer_next(w->ranges, &claim)))
        if ((rc = lam_batch_range_start(w, &claim, err)))
            return rc;
    if (rc == LAM_END)
        w->ranges_ended = true;
    busy = w->resolving + lam_claimer_asked(w->ranges);
    most = RANGES_OPEN * lam_batch_worker_options(w)->workers;
    return !w->ranges_ended && busy < most ? lam_claimer_ask(w->ranges, most - busy, err) : 0;
}

static void drop_everything(struct lam_batch_worker *w)
{
    for (struct lam_batch_task *task = w->tasks; task; task = task->next)
        lam_batch_task_tell(task, true);
    while (w->offered) {
        struct lam_batch_offer *offer = pop_offer(w);

        lam_batch_piece_free(w, offer->item.piece);
        free(offer);
    }
    lam_batch_analysis_drop(w);
    lam_batch_group_free(w->group);
    w->group = NULL;
}

/* --- control: what the storage thread does when a phase begins, and in the end --- */

static struct lam_batch_worker *of_control(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_batch_worker, control)); }

static void control_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_worker *w = of_control(work);
    const struct lam_batch_options *o = lam_batch_worker_options(w);

    (void)worker;
    w->control_rc = 0;
    if (w->control_type == MSG_START)
        w->control_rc = o->ops->start(o->arg, lam_buf_sv(&w->control_bytes), &w->control_err);
    else if (w->control_type == MSG_PREPARE)
        w->control_rc = o->ops->prepare(o->arg, lam_buf_sv(&w->control_bytes), &w->control_err);
    else
        o->ops->end(o->arg);
}

static void finish_run(struct lam_batch_worker *w)
{
    lam_claimer_close(w->splits);
    lam_claimer_close(w->ranges);
    w->splits = w->ranges = NULL;
    w->running = false;
    lam_block_spares_drop(w->spares);
    lam_batch_worker_report(w, MSG_ENDED, NULL);
}

static void control_done(struct lam_work *work)
{
    struct lam_batch_worker *w = of_control(work);

    w->control_busy = false;
    lam_buf_release(&w->control_bytes);
    if (w->control_type == MSG_END)
        finish_run(w);
    else
        lam_batch_worker_report(w, w->control_type == MSG_START ? MSG_STARTED : MSG_PREPARED, w->control_rc ? &w->control_err : NULL);
    lam_wake_signal(lam_batch_worker_options(w)->wake);
}

static bool control_submit(struct lam_batch_worker *w, uint16_t type)
{
    w->control = (struct lam_work){control_run, control_done};
    w->control_type = type;
    w->control_busy = lam_work_submit(lam_batch_worker_options(w)->storage, &w->control);
    return w->control_busy;
}

int lam_batch_worker_step(struct lam_batch *batch, struct lam_error *err)
{
    struct lam_batch_worker *w = batch->worker;
    struct lam_error failed;
    int rc = 0;

    lam_work_reap(w->pool);
    if (!w->running) {
        rc = w->outcome.code;
        if (rc)
            *err = w->outcome;
        w->outcome = (struct lam_error){.rank = -1};
        return rc;
    }
    rc = offer_pieces(w, &failed);
    if (w->ending)
        drop_everything(w);
    else {
        if (!rc && w->splits)
            rc = take_verdicts(w, &failed);
        if (w->seal) { /* all verdicts of the splits before it came before it */
            w->seal = false;
            w->epoch++;
            lam_batch_group_close(w);
        }
        if (!rc && w->splits && !w->splits_ended && !w->control_busy && !w->failed)
            rc = ask_splits(w, &failed);
        if (!rc && w->ranges && !w->ranges_ended && !w->control_busy && !w->failed)
            rc = ask_ranges(w, &failed);
    }
    retire_tasks(w);
    if (!rc)
        rc = lam_batch_analysis_step(w, &failed);
    if (rc)
        lam_batch_worker_fail(w, &failed);
    if (w->flush && !w->tasks && !w->offered && !lam_batch_analysis_busy(w)) {
        lam_batch_group_close(w);
        if (!w->staging) {
            w->flush = false;
            lam_block_spares_drop(w->spares);
            lam_batch_worker_report(w, MSG_FLUSHED, NULL);
        }
    }
    if (w->ending && !w->tasks && !w->offered && !lam_batch_analysis_busy(w) && !w->staging && !w->resolving && !w->control_busy)
        control_submit(w, MSG_END); /* where the storage thread is full, the next step does */
    return LAM_PENDING;
}

/* --- messages --- */

/* start or prepare: the claimers of the phase are open before the coordinator hears that it is done. */
static int control_start(struct lam_batch_worker *w, uint16_t type, struct lam_sv bytes, struct lam_error *err)
{
    struct lam_comm *comm = lam_batch_worker_options(w)->comm;
    int rc;

    if (type == MSG_START) {
        w->running = true;
        w->splits_ended = w->ranges_ended = w->seal = w->flush = w->ending = w->failed = false;
        w->dropped = false;
        w->outcome = (struct lam_error){.rank = -1};
        rc = lam_claimer_open(&w->splits, comm, CHANNEL_SPLITS, 0, err);
    } else {
        rc = lam_claimer_open(&w->ranges, comm, CHANNEL_RANGES, 0, err);
    }
    lam_buf_clear(&w->control_bytes);
    if (rc || (rc = lam_buf_add_sv(&w->control_bytes, bytes, err)))
        return rc;
    return control_submit(w, type) ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_batch_worker *w = arg;
    struct lam_error err;

    (void)src;
    lam_wake_signal(lam_batch_worker_options(w)->wake);
    if (type == MSG_SEAL) {
        w->seal = true;
    } else if (type == MSG_FLUSH) {
        w->flush = true;
    } else if (type == MSG_END) {
        lam_batch_outcome(bytes, &w->outcome);
        w->ending = true;
        if (!w->running) /* it ended before it began here */
            lam_batch_worker_report(w, MSG_ENDED, NULL);
        w->ending = w->running;
    } else if (control_start(w, type, bytes, &err)) {
        lam_batch_worker_report(w, type == MSG_START ? MSG_STARTED : MSG_PREPARED, &err);
    }
}

int lam_batch_worker_open(struct lam_batch *batch, struct lam_error *err)
{
    struct lam_batch_worker *w = batch->worker = calloc(1, sizeof *w);
    unsigned workers = batch->options.workers;
    int rc;

    if (!w)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a worker");
    w->batch = batch;
    w->offered_end = &w->offered;
    w->waiting_end = &w->waiting;
    lam_buf_init(&w->control_bytes, LAM_COMM_MESSAGE_MAX);
    /* tasks: those that are read and the one ahead, each with its open pieces */
    if (!(w->spares = lam_block_spares_new(batch->options.max_bytes)) ||
        !(w->ring = lam_ring_new(sizeof(struct lam_batch_offer_item), (workers + 2) * (LAM_BATCH_PIECES_OPEN + 1))))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a worker");
    if ((rc = lam_pool_new(&w->pool, "batch", workers, 4 * workers + 8, batch->options.wake, err)))
        return rc;
    return lam_comm_on(batch->options.comm, MSG_START, MSG_END, on_message, w, err);
}

void lam_batch_worker_close(struct lam_batch *batch)
{
    struct lam_batch_worker *w = batch->worker;
    struct lam_batch_offer_item item;

    if (!w)
        return;
    for (struct lam_batch_task *task = w->tasks; task; task = task->next)
        lam_batch_task_tell(task, true);
    lam_pool_free(w->pool);
    while (w->ring && lam_ring_pop(w->ring, &item))
        lam_batch_piece_free(w, item.piece);
    drop_everything(w);
    lam_batch_analysis_close(w);
    while (w->tasks) {
        struct lam_batch_task *task = w->tasks;

        w->tasks = task->next;
        lam_batch_task_free(task);
    }
    lam_ring_free(w->ring);
    lam_block_spares_free(w->spares);
    lam_claimer_close(w->splits);
    lam_claimer_close(w->ranges);
    lam_comm_off(batch->options.comm, MSG_START);
    lam_buf_release(&w->control_bytes);
    free(w);
    batch->worker = NULL;
}
