/*
 * A worker of a batch run: claims splits, reads them on its threads, groups what was accepted, stages groups, resolves ranges.
 *
 * The main thread owns everything here. A reading thread meets it at two places: the ring of emitted pieces, and its task's mutex, under which it
 * waits for verdicts.
 */
#include "batch_parts.h"

#include "base/ring.h"

#include <pthread.h>
#include <stdlib.h>

struct lam_batch_task {
    struct lam_work work; /* first: what the pool gives back */
    struct lam_batch_worker *worker;
    struct lam_batch_task *next;
    uint64_t split;
    uint32_t attempt, first_piece, emitted;
    struct lam_buf payload;
    int rc;
    struct lam_error err;
    bool finished; /* its thread is done with it */
    pthread_mutex_t lock; /* guards open and unwanted */
    pthread_cond_t changed;
    unsigned open; /* pieces without verdict */
    bool unwanted;
};

/* A piece from a reading thread to the main one. */
struct emitted {
    struct lam_batch_task *task;
    struct lam_batch_piece *piece;
    uint32_t number;
    bool last;
};

struct offered {
    struct emitted item;
    struct offered *next;
    bool sent;
};

struct group {
    struct lam_work work;
    struct lam_batch_worker *worker;
    struct lam_batch_piece **pieces;
    size_t count, cap;
    uint64_t bytes;
    int rc;
    struct lam_error err;
};

struct range {
    struct lam_work work;
    struct lam_batch_worker *worker;
    uint64_t split;
    uint32_t attempt;
    struct lam_buf payload, note;
    void *made;
    bool written;
    int rc;
    struct lam_error err;
};

struct lam_batch_worker {
    struct lam_batch *batch;
    struct lam_claimer *splits, *ranges;
    struct lam_pool *pool;
    struct lam_ring *ring; /* of struct emitted */
    struct lam_batch_task *tasks;
    struct offered *offered, **offered_end; /* in order of the offers: verdicts come in it */
    struct group *group;
    atomic_uint_fast64_t bytes; /* of all blocks that live */
    unsigned reading, resolving, staging;
    bool running, splits_ended, ranges_open, ranges_ended, seal, flush, ending, failed;
    struct lam_work control; /* start and prepare, on the storage thread */
    uint16_t control_type;
    struct lam_buf control_bytes;
    bool control_busy;
    int control_rc;
    struct lam_error control_err, outcome;
};

static const struct lam_batch_options *options(const struct lam_batch_worker *w) { return &w->batch->options; }

static void report(struct lam_batch_worker *w, uint16_t type, const struct lam_error *outcome)
{
    struct lam_error err;

    if (lam_batch_send_outcome(w->batch, 0, type, outcome, &err) && !w->outcome.code)
        w->outcome = err;
}

/* Something here went wrong for good: the coordinator ends the run for all. */
static void fail(struct lam_batch_worker *w, const struct lam_error *err)
{
    if (!w->failed && !w->ending) {
        w->failed = true;
        report(w, MSG_FAILED, err);
    }
}

static uint64_t block_bytes(const struct lam_block *block)
{
    return lam_block_bytes(block) + lam_block_rows(block) * sizeof(struct lam_row) + lam_block_rejects(block) * sizeof(struct lam_reject) +
           lam_block_copies(block) * sizeof(struct lam_copy);
}

/* Of a piece that is in no sum: any thread. */
static void free_uncounted(struct lam_batch_piece *piece)
{
    lam_block_free(piece->block);
    lam_buf_release(&piece->note);
    free(piece);
}

/* Main thread. */
static void free_piece(struct lam_batch_worker *w, struct lam_batch_piece *piece)
{
    if (!piece)
        return;
    if (piece->block)
        atomic_fetch_sub(&w->bytes, block_bytes(piece->block));
    free_uncounted(piece);
    for (struct lam_batch_task *task = w->tasks; task; task = task->next) { /* one may wait for these bytes */
        pthread_mutex_lock(&task->lock);
        pthread_cond_signal(&task->changed);
        pthread_mutex_unlock(&task->lock);
    }
}

/* --- reading threads --- */

struct lam_block *lam_batch_block(struct lam_batch_task *task, size_t max_rows, size_t max_bytes)
{
    return (void)task, lam_block_new(max_rows, max_bytes);
}

uint32_t lam_batch_first_piece(const struct lam_batch_task *task) { return task->first_piece; }

int lam_batch_piece_emit(struct lam_batch_task *task, struct lam_block *block, struct lam_sv note, bool last, struct lam_error *err)
{
    struct lam_batch_worker *w = task->worker;
    struct emitted item = {.task = task, .number = task->first_piece + task->emitted, .last = last, .piece = calloc(1, sizeof *item.piece)};
    bool unwanted;
    int rc;

    if (!item.piece) {
        lam_block_free(block);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a piece");
    }
    item.piece->block = block;
    lam_buf_init(&item.piece->note, LAM_BATCH_NOTE_MAX);
    pthread_mutex_lock(&task->lock);
    /* Above max_bytes something is being staged, for an open group has a third of it at most: bytes are freed, and free_piece wakes. */
    while ((task->open >= LAM_BATCH_PIECES_OPEN || atomic_load(&w->bytes) >= options(w)->max_bytes) && !task->unwanted)
        pthread_cond_wait(&task->changed, &task->lock);
    unwanted = task->unwanted;
    task->open += !unwanted;
    pthread_mutex_unlock(&task->lock);
    rc = unwanted ? LAM_FAIL(err, LAM_E_CANCELLED, "nobody waits for this split any more") : lam_buf_add_sv(&item.piece->note, note, err);
    if (!rc) {
        atomic_fetch_add(&w->bytes, block_bytes(block));
        if (!lam_ring_push(w->ring, &item)) { /* its size is that of all pieces that may be open */
            atomic_fetch_sub(&w->bytes, block_bytes(block));
            rc = LAM_FAIL(err, LAM_E_LIMIT, "the ring of pieces is full");
        }
    }
    if (rc) {
        free_uncounted(item.piece);
        return rc;
    }
    task->emitted++;
    lam_wake_signal(options(w)->wake);
    return 0;
}

static void task_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_task *task = (struct lam_batch_task *)work;
    const struct lam_batch_options *o = options(task->worker);

    task->rc = o->ops->read(o->arg, worker, task, lam_buf_sv(&task->payload), &task->err);
}

static void task_done(struct lam_work *work)
{
    struct lam_batch_task *task = (struct lam_batch_task *)work;

    task->finished = true;
    task->worker->reading--;
    lam_wake_signal(options(task->worker)->wake);
}

static void task_free(struct lam_batch_task *task)
{
    lam_buf_release(&task->payload);
    pthread_cond_destroy(&task->changed);
    pthread_mutex_destroy(&task->lock);
    free(task);
}

static int task_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err)
{
    struct lam_batch_task *task = calloc(1, sizeof *task);
    int rc;

    if (!task)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a task");
    pthread_mutex_init(&task->lock, NULL);
    pthread_cond_init(&task->changed, NULL);
    lam_buf_init(&task->payload, LAM_COMM_MESSAGE_MAX);
    task->work = (struct lam_work){task_run, task_done};
    task->worker = w;
    task->split = claim->split;
    task->attempt = claim->attempt;
    task->first_piece = claim->piece;
    if ((rc = lam_buf_add_sv(&task->payload, claim->payload, err)) || !lam_work_submit(w->pool, &task->work)) {
        task_free(task);
        return rc ? rc : LAM_FAIL(err, LAM_E_LIMIT, "too many tasks");
    }
    task->next = w->tasks;
    w->tasks = task;
    w->reading++;
    return 0;
}

/* A verdict for one piece of task, or (gone) the end of all interest in it. */
static void task_tell(struct lam_batch_task *task, bool gone)
{
    pthread_mutex_lock(&task->lock);
    if (gone)
        task->unwanted = true;
    else if (task->open > 0)
        task->open--;
    pthread_cond_signal(&task->changed);
    pthread_mutex_unlock(&task->lock);
}

/* --- groups --- */

static void group_free(struct group *group)
{
    if (!group)
        return;
    for (size_t i = 0; i < group->count; i++)
        free_piece(group->worker, group->pieces[i]);
    free(group->pieces);
    free(group);
}

static void group_run(struct lam_work *work, unsigned worker)
{
    struct group *group = (struct group *)work;
    const struct lam_batch_options *o = options(group->worker);

    (void)worker;
    group->rc = o->ops->stage(o->arg, group->pieces, group->count, &group->err);
}

static void group_done(struct lam_work *work)
{
    struct group *group = (struct group *)work;
    struct lam_batch_worker *w = group->worker;

    w->staging--;
    if (group->rc)
        fail(w, &group->err);
    group_free(group);
    lam_wake_signal(options(w)->wake);
}

static void group_close(struct lam_batch_worker *w)
{
    struct group *group = w->group;
    struct lam_error err;

    if (!group)
        return;
    w->group = NULL;
    group->work = (struct lam_work){group_run, group_done};
    w->staging++;
    if (!lam_work_submit(options(w)->storage, &group->work)) {
        w->staging--;
        group_free(group);
        LAM_FAIL(&err, LAM_E_LIMIT, "the storage thread has too many jobs");
        fail(w, &err);
    }
}

static int group_add(struct lam_batch_worker *w, struct lam_batch_piece *piece, struct lam_error *err)
{
    const struct lam_batch_options *o = options(w);

    if (w->group && !o->ops->together(o->arg, lam_buf_sv(&piece->note), lam_buf_sv(&w->group->pieces[w->group->count - 1]->note)))
        group_close(w);
    if (!w->group && !(w->group = calloc(1, sizeof *w->group)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a group");
    w->group->worker = w;
    if (w->group->count == w->group->cap) {
        size_t cap = w->group->cap ? 2 * w->group->cap : 16;
        struct lam_batch_piece **grown = realloc(w->group->pieces, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a group");
        w->group->pieces = grown;
        w->group->cap = cap;
    }
    w->group->pieces[w->group->count++] = piece;
    w->group->bytes += block_bytes(piece->block);
    if (w->group->bytes >= o->group_bytes)
        group_close(w);
    return 0;
}

/* --- ranges --- */

static void range_free(struct range *range)
{
    lam_buf_release(&range->payload);
    lam_buf_release(&range->note);
    free(range);
}

static void range_write(struct lam_work *work, unsigned worker)
{
    struct range *range = (struct range *)work;
    const struct lam_batch_options *o = options(range->worker);

    (void)worker;
    range->rc = o->ops->write(o->arg, range->made, &range->note, &range->err);
    range->made = NULL;
}

static void range_run(struct lam_work *work, unsigned worker)
{
    struct range *range = (struct range *)work;
    const struct lam_batch_options *o = options(range->worker);

    (void)worker;
    range->rc = o->ops->resolve(o->arg, lam_buf_sv(&range->payload), &range->made, &range->err);
}

static void range_done(struct lam_work *work)
{
    struct range *range = (struct range *)work;
    struct lam_batch_worker *w = range->worker;
    struct lam_error err;

    lam_wake_signal(options(w)->wake);
    if (!range->rc && !range->written) { /* made on a reading thread: now the storage thread writes it */
        range->written = true;
        range->work.run = range_write;
        if (lam_work_submit(options(w)->storage, &range->work))
            return;
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

static int range_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err)
{
    struct range *range = calloc(1, sizeof *range);
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

/* --- the main thread's step --- */

/* Pieces from the ring are offered, in order. Where the outbox is full they wait here. */
static int offer_pieces(struct lam_batch_worker *w, struct lam_error *err)
{
    struct emitted item;

    while (lam_ring_pop(w->ring, &item)) {
        struct offered *offer = calloc(1, sizeof *offer);

        if (!offer) {
            free_piece(w, item.piece);
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an offer");
        }
        offer->item = item;
        *w->offered_end = offer;
        w->offered_end = &offer->next;
    }
    for (struct offered *offer = w->offered; offer && !w->ending; offer = offer->next) {
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

static struct offered *pop_offer(struct lam_batch_worker *w)
{
    struct offered *offer = w->offered;

    w->offered = offer->next;
    if (!w->offered)
        w->offered_end = &w->offered;
    return offer;
}

static int take_verdicts(struct lam_batch_worker *w, struct lam_error *err)
{
    struct lam_verdict verdict;

    while (w->offered && w->offered->sent && !lam_claimer_verdict(w->splits, &verdict)) {
        struct offered *offer = pop_offer(w);
        int rc = 0;

        task_tell(offer->item.task, false);
        if (verdict.accepted && !w->ending)
            rc = group_add(w, offer->item.piece, err);
        else
            free_piece(w, offer->item.piece);
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
                fail(w, &task->err);
            else
                lam_claimer_fail(w->splits, task->split, task->attempt, &task->err, &err);
        }
        task_free(task);
    }
}

static int ask_splits(struct lam_batch_worker *w, struct lam_error *err)
{
    const struct lam_batch_options *o = options(w);
    struct lam_claim claim;
    unsigned busy;
    int rc;

    while (!(rc = lam_claimer_next(w->splits, &claim)))
        if ((rc = task_start(w, &claim, err)))
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
    unsigned busy;
    int rc;

    while (!lam_claimer_verdict(w->ranges, &verdict))
        ; /* a range that another attempt wrote first: its files are nobody's, and gc takes them */
    while (!(rc = lam_claimer_next(w->ranges, &claim)))
        if ((rc = range_start(w, &claim, err)))
            return rc;
    if (rc == LAM_END)
        w->ranges_ended = true;
    busy = w->resolving + lam_claimer_asked(w->ranges);
    return !w->ranges_ended && busy < options(w)->workers ? lam_claimer_ask(w->ranges, options(w)->workers - busy, err) : 0;
}

static void drop_everything(struct lam_batch_worker *w)
{
    for (struct lam_batch_task *task = w->tasks; task; task = task->next)
        task_tell(task, true);
    while (w->offered) {
        struct offered *offer = pop_offer(w);

        free_piece(w, offer->item.piece);
        free(offer);
    }
    group_free(w->group);
    w->group = NULL;
}

static void finish_run(struct lam_batch_worker *w)
{
    lam_claimer_close(w->splits);
    lam_claimer_close(w->ranges);
    w->splits = w->ranges = NULL;
    w->running = false;
    report(w, MSG_ENDED, NULL);
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
            group_close(w);
        }
        if (!rc && w->splits && !w->splits_ended && !w->control_busy && !w->failed)
            rc = ask_splits(w, &failed);
        if (!rc && w->ranges && !w->ranges_ended && !w->control_busy && !w->failed)
            rc = ask_ranges(w, &failed);
    }
    retire_tasks(w);
    if (rc)
        fail(w, &failed);
    if (w->flush && !w->tasks && !w->offered) {
        group_close(w);
        if (!w->staging) {
            w->flush = false;
            report(w, MSG_FLUSHED, NULL);
        }
    }
    if (w->ending && !w->tasks && !w->offered && !w->staging && !w->resolving && !w->control_busy)
        finish_run(w);
    return LAM_PENDING;
}

/* --- messages --- */

static struct lam_batch_worker *of_control(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_batch_worker, control)); }

static void control_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_worker *w = of_control(work);
    const struct lam_batch_options *o = options(w);

    (void)worker;
    w->control_rc = w->control_type == MSG_START ? o->ops->start(o->arg, lam_buf_sv(&w->control_bytes), &w->control_err)
                                                 : o->ops->prepare(o->arg, lam_buf_sv(&w->control_bytes), &w->control_err);
}

static void control_done(struct lam_work *work)
{
    struct lam_batch_worker *w = of_control(work);

    w->control_busy = false;
    report(w, w->control_type == MSG_START ? MSG_STARTED : MSG_PREPARED, w->control_rc ? &w->control_err : NULL);
    lam_wake_signal(options(w)->wake);
}

/* start or prepare: the claimers of the phase are open before the coordinator hears that it is done. */
static int control_start(struct lam_batch_worker *w, uint16_t type, struct lam_sv bytes, struct lam_error *err)
{
    struct lam_comm *comm = options(w)->comm;
    int rc;

    if (type == MSG_START) {
        w->running = true;
        w->splits_ended = w->ranges_ended = w->seal = w->flush = w->ending = w->failed = false;
        w->outcome = (struct lam_error){.rank = -1};
        rc = lam_claimer_open(&w->splits, comm, CHANNEL_SPLITS, 0, err);
    } else {
        rc = lam_claimer_open(&w->ranges, comm, CHANNEL_RANGES, 0, err);
    }
    lam_buf_clear(&w->control_bytes);
    if (rc || (rc = lam_buf_add_sv(&w->control_bytes, bytes, err)))
        return rc;
    w->control = (struct lam_work){control_run, control_done};
    w->control_type = type;
    w->control_busy = true;
    if (lam_work_submit(options(w)->storage, &w->control))
        return 0;
    w->control_busy = false;
    return LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_batch_worker *w = arg;
    struct lam_error err;

    (void)src;
    lam_wake_signal(options(w)->wake);
    if (type == MSG_SEAL) {
        w->seal = true;
    } else if (type == MSG_FLUSH) {
        w->flush = true;
    } else if (type == MSG_END) {
        lam_batch_outcome(bytes, &w->outcome);
        w->ending = true;
        if (!w->running) /* it ended before it began here */
            report(w, MSG_ENDED, NULL);
        w->ending = w->running;
    } else if (control_start(w, type, bytes, &err)) {
        report(w, type == MSG_START ? MSG_STARTED : MSG_PREPARED, &err);
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
    lam_buf_init(&w->control_bytes, LAM_COMM_MESSAGE_MAX);
    /* tasks: those that are read and the one ahead, each with its open pieces */
    if (!(w->ring = lam_ring_new(sizeof(struct emitted), (workers + 2) * (LAM_BATCH_PIECES_OPEN + 1))))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a worker");
    if ((rc = lam_pool_new(&w->pool, "batch", workers, 4 * workers + 8, batch->options.wake, err)))
        return rc;
    return lam_comm_on(batch->options.comm, MSG_START, MSG_END, on_message, w, err);
}

void lam_batch_worker_close(struct lam_batch *batch)
{
    struct lam_batch_worker *w = batch->worker;
    struct emitted item;

    if (!w)
        return;
    for (struct lam_batch_task *task = w->tasks; task; task = task->next)
        task_tell(task, true);
    lam_pool_free(w->pool);
    while (w->ring && lam_ring_pop(w->ring, &item))
        free_piece(w, item.piece);
    drop_everything(w);
    while (w->tasks) {
        struct lam_batch_task *task = w->tasks;

        w->tasks = task->next;
        task_free(task);
    }
    lam_ring_free(w->ring);
    lam_claimer_close(w->splits);
    lam_claimer_close(w->ranges);
    lam_comm_off(batch->options.comm, MSG_START);
    lam_buf_release(&w->control_bytes);
    free(w);
    batch->worker = NULL;
}
