/*
 * The coordinator of a batch run: a state machine over claims and outcomes.
 *
 *     BEGIN ─begin→ STARTED by all → READ ─list, claims→ (again?) → FLUSH → FLUSHED by all → TRAIN ─sample, train→ PLAN ─plan→ PREPARED by all
 *       → RESOLVE ─claims→ PUBLISH ─publish→ END to all → ENDED by all → DONE
 *
 * A failure anywhere goes to END at once with its error.
 */
#include "batch_parts.h"

#include "base/ring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define LISTER_NAP_US 1000 /* of a lister that found the ring full */
#define RANGES_MAX ((size_t)1 << 20)
#define RANGE_BYTES_MAX ((size_t)256 << 20) /* of their payloads */

struct lam_batch_coordinator {
    struct lam_batch *batch;
    enum lam_batch_state state;
    struct lam_claims *splits, *ranges;
    struct lam_claim_host *split_host, *range_host;
    struct lam_batch_lister lister;
    struct lam_pool *lister_pool;
    struct lam_batch_emitted held; /* taken from the ring, not yet in the table */
    bool listing, listed, sampled, cancel, ending, told;
    uint64_t next_id;
    int waiting; /* ranks whose word is missing */
    uint16_t telling; /* what is in bytes for all of them, as this message; 0: nothing is */
    int told_ranks;   /* of them */
    struct lam_work list_work;    /* on the lister's thread: listing, training */
    struct lam_work storage_work; /* one at a time */
    bool storage_busy;
    int list_rc, storage_rc;
    struct lam_error list_err, storage_err, outcome;
    struct lam_buf bytes; /* of begin or plan */
};

static void wake(struct lam_batch_coordinator *c) { lam_wake_signal(c->batch->options.wake); }

static void fail(struct lam_batch_coordinator *c, const struct lam_error *err)
{
    if (!c->outcome.code)
        c->outcome = *err;
    wake(c);
}

static int batch_ranks(const struct lam_batch *batch) { return batch->options.roles.count[LAM_ROLE_BATCH]; }

static int tell(struct lam_batch_coordinator *c, uint16_t type, struct lam_sv bytes, struct lam_error *err)
{
    const struct lam_batch_options *options = &c->batch->options;

    for (int i = 0; i < batch_ranks(c->batch); i++) {
        int rc = lam_comm_send(options->comm, lam_roles_rank(&options->roles, LAM_ROLE_BATCH, i), type, bytes, err);

        if (rc)
            return rc == LAM_PENDING ? LAM_FAIL(err, LAM_E_IO, "a batch rank takes no messages") : rc;
    }
    c->waiting = batch_ranks(c->batch);
    return 0;
}

/*
 * What begin or plan made goes to all. A plan may fill an outbox by itself, and fits only where nothing else waits in it: who has no room gets it with a later step.
 * The answers are waited for from the beginning.
 */
static int tell_bytes(struct lam_batch_coordinator *c, struct lam_error *err)
{
    const struct lam_batch_options *options = &c->batch->options;

    if (!c->telling)
        return 0;
    for (; c->told_ranks < batch_ranks(c->batch); c->told_ranks++) {
        int rc = lam_comm_send(options->comm, lam_roles_rank(&options->roles, LAM_ROLE_BATCH, c->told_ranks), c->telling, lam_buf_sv(&c->bytes), err);

        if (rc)
            return rc == LAM_PENDING ? 0 : rc;
    }
    c->telling = 0;
    lam_buf_release(&c->bytes); /* a plan is large */
    return 0;
}

/* --- jobs on other threads --- */

static struct lam_batch_coordinator *of_storage(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_batch_coordinator, storage_work)); }
static struct lam_batch_coordinator *of_list(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_batch_coordinator, list_work)); }

static void storage_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_coordinator *c = of_storage(work);
    const struct lam_batch_options *o = &c->batch->options;

    (void)worker;
    lam_buf_clear(&c->bytes);
    if (c->state == LAM_BATCH_BEGIN)
        c->storage_rc = o->ops->begin(o->arg, &c->bytes, &c->storage_err);
    else if (c->state == LAM_BATCH_TRAIN)
        c->storage_rc = o->ops->sample(o->arg, &c->storage_err);
    else if (c->state == LAM_BATCH_PLAN)
        c->storage_rc = o->ops->plan(o->arg, &c->lister, &c->bytes, &c->storage_err);
    else
        c->storage_rc = o->ops->publish(o->arg, &c->storage_err);
}

static void end_run(struct lam_batch_coordinator *c);

static void storage_done(struct lam_work *work)
{
    struct lam_batch_coordinator *c = of_storage(work);
    struct lam_error err;
    int rc = c->storage_rc;

    c->storage_busy = false;
    wake(c);
    if (rc && rc != LAM_END) {
        fail(c, &c->storage_err);
        return;
    }
    if (c->ending || c->outcome.code)
        return;
    if (c->state == LAM_BATCH_TRAIN) {
        c->sampled = !rc;
        return;
    }
    if (rc == LAM_END || c->state == LAM_BATCH_PUBLISH) /* begin or plan said: there is nothing to do */
        end_run(c);
    else {
        c->telling = c->state == LAM_BATCH_BEGIN ? MSG_START : MSG_PREPARE;
        c->told_ranks = 0;
        c->waiting = batch_ranks(c->batch);
        if (tell_bytes(c, &err))
            fail(c, &err);
    }
    if (c->state == LAM_BATCH_PLAN)
        c->listed = true;
}

static int storage_start(struct lam_batch_coordinator *c, enum lam_batch_state state, struct lam_error *err)
{
    c->state = state;
    c->storage_work = (struct lam_work){storage_run, storage_done};
    c->storage_busy = true;
    if (lam_work_submit(c->batch->options.storage, &c->storage_work))
        return 0;
    c->storage_busy = false;
    return LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
}

static void list_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_coordinator *c = of_list(work);
    const struct lam_batch_options *o = &c->batch->options;

    (void)worker;
    c->list_rc = c->state == LAM_BATCH_TRAIN ? o->ops->train(o->arg, &c->lister, &c->list_err) : o->ops->list(o->arg, &c->lister, &c->list_err);
}

static void list_done(struct lam_work *work)
{
    struct lam_batch_coordinator *c = of_list(work);

    c->listing = false;
    if (c->list_rc && !c->ending)
        fail(c, &c->list_err);
    wake(c);
}

static int list_start(struct lam_batch_coordinator *c, struct lam_error *err)
{
    c->list_work = (struct lam_work){list_run, list_done};
    c->listing = true;
    if (lam_work_submit(c->lister_pool, &c->list_work))
        return 0;
    c->listing = false;
    return LAM_FAIL(err, LAM_E_LIMIT, "the lister has too many jobs");
}

int lam_batch_emit(struct lam_batch_lister *lister, uint64_t size, struct lam_sv payload, struct lam_error *err)
{
    struct lam_batch_emitted item = {.size = size, .bytes = malloc(payload.len ? payload.len : 1), .len = payload.len};

    if (!item.bytes)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a split");
    memcpy(item.bytes, payload.ptr, payload.len);
    while (!lam_ring_push(lister->ring, &item)) {
        if (atomic_load(&lister->cancelled)) {
            free(item.bytes);
            return LAM_FAIL(err, LAM_E_CANCELLED, "the run ends");
        }
        usleep(LISTER_NAP_US); /* the table is full: the workers set the pace */
    }
    lam_wake_signal(lister->batch->options.wake);
    return atomic_load(&lister->cancelled) ? LAM_FAIL(err, LAM_E_CANCELLED, "the run ends") : 0;
}

bool lam_batch_cancelled(const struct lam_batch_lister *lister) { return atomic_load(&lister->cancelled); }

/* --- the tables --- */

static void on_accepted(void *arg, uint64_t split, uint32_t piece, bool last, int rank, struct lam_sv note)
{
    struct lam_batch_coordinator *c = arg;

    (void)split, (void)piece, (void)last;
    c->batch->options.ops->accepted(c->batch->options.arg, rank, note);
    wake(c);
}

static void on_failed(void *arg, uint64_t split, int rank, const struct lam_error *why)
{
    struct lam_batch_coordinator *c = arg;
    struct lam_error err;

    (void)rank;
    if (c->batch->options.ops->failed(c->batch->options.arg, split, why, &err))
        fail(c, &err);
    wake(c);
}

static void on_range(void *arg, uint64_t split, uint32_t piece, bool last, int rank, struct lam_sv note)
{
    struct lam_batch_coordinator *c = arg;

    (void)split, (void)piece, (void)last;
    c->batch->options.ops->resolved(c->batch->options.arg, rank, note);
    wake(c);
}

static void on_range_failed(void *arg, uint64_t split, int rank, const struct lam_error *why)
{
    (void)split, (void)rank;
    fail(arg, why); /* a range cannot be left out of a view */
}

static void close_tables(struct lam_batch_coordinator *c)
{
    lam_claim_host_close(c->split_host);
    lam_claim_host_close(c->range_host);
    lam_claims_free(c->splits);
    lam_claims_free(c->ranges);
    c->split_host = c->range_host = NULL;
    c->splits = c->ranges = NULL;
}

static int open_tables(struct lam_batch_coordinator *c, struct lam_error *err)
{
    struct lam_comm *comm = c->batch->options.comm;
    const struct lam_claim_events split_events = {on_accepted, on_failed, c}, range_events = {on_range, on_range_failed, c};
    const struct lam_claims_options ranges = {.max_open = c->batch->options.max_ranges ? c->batch->options.max_ranges : RANGES_MAX, .max_bytes = RANGE_BYTES_MAX};
    int rc;

    close_tables(c);
    if (!(c->splits = lam_claims_new(NULL)) || !(c->ranges = lam_claims_new(&ranges)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tables of claims");
    if ((rc = lam_claim_host_open(&c->split_host, comm, CHANNEL_SPLITS, c->splits, &split_events, err)))
        return rc;
    return lam_claim_host_open(&c->range_host, comm, CHANNEL_RANGES, c->ranges, &range_events, err);
}

/* Moves what was listed into its table, as far as it takes it. True: all is in. */
static bool take_listed(struct lam_batch_coordinator *c, struct lam_claims *claims)
{
    struct lam_error err;

    for (;;) {
        int rc;

        if (!c->held.bytes && !lam_ring_pop(c->lister.ring, &c->held))
            return true;
        rc = lam_claims_add(claims, c->next_id, c->held.size, lam_sv(c->held.bytes, c->held.len), &err);
        if (rc == LAM_PENDING)
            return false;
        free(c->held.bytes);
        c->held.bytes = NULL;
        c->next_id++;
        if (rc) {
            fail(c, &err);
            return false;
        }
    }
}

/* --- messages --- */

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_batch_coordinator *c = arg;
    struct lam_error outcome = {0};

    (void)src;
    if (lam_batch_outcome(bytes, &outcome) && type != MSG_ENDED)
        fail(c, &outcome);
    if (c->ending ? type == MSG_ENDED : type != MSG_FAILED && type != MSG_ENDED) /* late words of a phase that was cut short count nothing */
        c->waiting--;
    wake(c);
}

static void drop_listed(struct lam_batch_coordinator *c)
{
    free(c->held.bytes);
    c->held.bytes = NULL;
    while (lam_ring_pop(c->lister.ring, &c->held))
        free(c->held.bytes);
    c->held.bytes = NULL;
}

/* The outcome is known: all workers are told, once, and the run is over when they have answered and our own threads are quiet. */
static void end_run(struct lam_batch_coordinator *c)
{
    struct lam_error copy = c->outcome, err;

    if (c->ending)
        return;
    c->ending = true;
    atomic_store(&c->lister.cancelled, true);
    copy.where = NULL;
    if (tell(c, MSG_END, lam_sv((const char *)&copy, sizeof copy), &err)) {
        fail(c, &err);
        c->waiting = 0; /* the world is broken: the main loop's own checks end the job */
    }
}

static int step_read(struct lam_batch_coordinator *c, struct lam_error *err)
{
    const struct lam_batch_options *o = &c->batch->options;
    bool all = take_listed(c, c->splits);
    int rc = lam_claim_host_step(c->split_host, err);

    if (rc || c->listing || !all)
        return rc;
    if (!c->listed) {
        struct lam_claims_progress progress = lam_claims_progress(c->splits);

        if (progress.accepted + progress.failed < progress.added)
            return 0;
        if (o->ops->again(o->arg)) { /* files changed while they were read: list them again, and let no group hold two readings of one */
            rc = tell(c, MSG_SEAL, lam_sv(NULL, 0), err);
            c->waiting = 0; /* nobody answers: it comes before any new claim */
            return rc ? rc : list_start(c, err);
        }
        c->listed = true;
        lam_claims_finish(c->splits);
        return lam_claim_host_step(c->split_host, err);
    }
    if (!lam_claims_ended(c->splits))
        return 0;
    c->state = LAM_BATCH_FLUSH;
    c->listed = false;
    return tell(c, MSG_FLUSH, lam_sv(NULL, 0), err);
}

static int step_train(struct lam_batch_coordinator *c, struct lam_error *err)
{
    if (c->storage_busy || c->listing)
        return 0;
    if (!c->sampled)
        return storage_start(c, LAM_BATCH_PLAN, err);
    c->sampled = false;
    return list_start(c, err);
}

static int step_resolve(struct lam_batch_coordinator *c, struct lam_error *err)
{
    int rc;

    if (!take_listed(c, c->ranges))
        return lam_claim_host_step(c->range_host, err);
    lam_claims_finish(c->ranges);
    rc = lam_claim_host_step(c->range_host, err);
    if (rc || !lam_claims_ended(c->ranges))
        return rc;
    return storage_start(c, LAM_BATCH_PUBLISH, err);
}

static int step_state(struct lam_batch_coordinator *c, struct lam_error *err)
{
    switch (c->state) {
    case LAM_BATCH_BEGIN:
        if (c->storage_busy || c->waiting > 0)
            return 0;
        c->state = LAM_BATCH_READ;
        return list_start(c, err);
    case LAM_BATCH_READ:
        return step_read(c, err);
    case LAM_BATCH_FLUSH:
        return c->waiting > 0 ? 0 : storage_start(c, LAM_BATCH_TRAIN, err);
    case LAM_BATCH_TRAIN:
        return step_train(c, err);
    case LAM_BATCH_PLAN:
        if (!take_listed(c, c->ranges)) /* nobody claims one before all are known: a table that is full now stays so, and plan would wait for ever */
            return c->outcome.code ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "a view of more than %" PRIu64 " ranges cannot be planned", lam_claims_progress(c->ranges).added);
        if (c->storage_busy || c->waiting > 0)
            return 0;
        c->state = LAM_BATCH_RESOLVE;
        return step_resolve(c, err);
    case LAM_BATCH_RESOLVE:
        return step_resolve(c, err);
    default:
        return 0;
    }
}

int lam_batch_coordinator_step(struct lam_batch *batch, struct lam_error *err)
{
    struct lam_batch_coordinator *c = batch->coordinator;
    struct lam_error failed;

    lam_work_reap(c->lister_pool);
    if (c->state == LAM_BATCH_DONE) {
        if (c->told)
            return 0;
        c->told = true;
        if (c->outcome.code)
            return *err = c->outcome, c->outcome.code;
        return 0;
    }
    if (c->cancel && !c->outcome.code && !c->ending && c->state != LAM_BATCH_PUBLISH)
        LAM_FAIL(&c->outcome, LAM_E_CANCELLED, "stopped before view was published; run it again to go on");
    if (!c->ending && !c->outcome.code && (tell_bytes(c, &failed) || step_state(c, &failed)))
        fail(c, &failed);
    if (c->outcome.code)
        end_run(c);
    if (c->ending && c->waiting <= 0 && !c->storage_busy && !c->listing) {
        drop_listed(c);
        close_tables(c);
        lam_buf_release(&c->bytes);
        c->state = LAM_BATCH_DONE;
        wake(c);
        return lam_batch_coordinator_step(batch, err);
    }
    if (c->ending)
        drop_listed(c); /* a lister that waits for room sees that it is cancelled, or gets it */
    return LAM_PENDING;
}

int lam_batch_run(struct lam_batch *batch, struct lam_error *err)
{
    struct lam_batch_coordinator *c = batch->coordinator;
    int rc;

    if (!c || c->state != LAM_BATCH_DONE)
        return LAM_FAIL(err, LAM_E_EXISTS, "a batch run is under way");
    if ((rc = open_tables(c, err)))
        return rc;
    c->telling = 0;
    c->cancel = c->ending = c->told = c->listed = c->sampled = false;
    c->waiting = batch_ranks(batch); /* until START is sent, so that BEGIN does not pass by itself */
    c->next_id = 1;
    c->outcome = (struct lam_error){.rank = -1};
    atomic_store(&c->lister.cancelled, false);
    return storage_start(c, LAM_BATCH_BEGIN, err);
}

void lam_batch_cancel(struct lam_batch *batch)
{
    if (batch->coordinator && batch->coordinator->state != LAM_BATCH_DONE) {
        batch->coordinator->cancel = true;
        wake(batch->coordinator);
    }
}

int lam_batch_coordinator_open(struct lam_batch *batch, struct lam_error *err)
{
    struct lam_batch_coordinator *c = batch->coordinator = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a coordinator");
    c->batch = batch;
    c->state = LAM_BATCH_DONE;
    c->told = true;
    lam_buf_init(&c->bytes, LAM_COMM_MESSAGE_MAX);
    c->lister.batch = batch;
    if (!(c->lister.ring = lam_ring_new(sizeof(struct lam_batch_emitted), LAM_BATCH_LIST_RING)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a coordinator");
    if ((rc = lam_pool_new(&c->lister_pool, "list", 1, 4, batch->options.wake, err)))
        return rc;
    return lam_comm_on(batch->options.comm, MSG_STARTED, MSG_FAILED, on_message, c, err);
}

void lam_batch_coordinator_close(struct lam_batch *batch)
{
    struct lam_batch_coordinator *c = batch->coordinator;

    if (!c)
        return;
    atomic_store(&c->lister.cancelled, true);
    lam_pool_free(c->lister_pool);
    if (c->lister.ring)
        drop_listed(c);
    lam_ring_free(c->lister.ring);
    close_tables(c);
    lam_comm_off(batch->options.comm, MSG_STARTED);
    lam_buf_release(&c->bytes);
    free(c);
    batch->coordinator = NULL;
}

struct lam_batch_progress lam_batch_progress(const struct lam_batch *batch)
{
    const struct lam_batch_coordinator *c = batch->coordinator;
    struct lam_batch_progress progress = {.state = c ? c->state : LAM_BATCH_DONE};

    if (c && c->splits) {
        progress.splits = lam_claims_progress(c->splits);
        progress.ranges = lam_claims_progress(c->ranges);
        progress.listed = c->listed || c->state > LAM_BATCH_READ;
    }
    return progress;
}
