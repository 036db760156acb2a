/* Rank 0 of the speed layer: how it begins and ends, and what it tells its ranks meanwhile. */
#include "speed_asks.h"
#include "speed_commits.h"
#include "term_wait.h"

#include <stdlib.h>

#define KEEP_US 1000000

struct lam_speed_coordinator {
    struct lam_engine *engine;
    struct lam_store_reader *reader;
    struct lam_speed_begun begun;
    bool running, beginning, until_end, stopping, stop_sent;
    struct lam_term_wait term_wait;
    int started, ended; /* ranks */
    struct lam_work begin_work, replay_work;
    int begin_rc, replay_rc;
    struct lam_error begin_err, replay_err, failure;
    bool replay_busy, replaying; /* is asked for; it runs, and the main thread may look at it */
    struct lam_speed_commits commits;
    struct lam_speed_asks asks;
    uint64_t kept_after; /* the commit after which the ranks were told what to keep */
    int64_t next_keep_us;
    struct lam_speed_stats *stats; /* one a speed rank */
};

static int speed_ranks(const struct lam_speed_coordinator *c) { return c->engine->roles.count[LAM_ROLE_SPEED]; }
static int rank_of(const struct lam_speed_coordinator *c, int i) { return lam_roles_rank(&c->engine->roles, LAM_ROLE_SPEED, i); }

static void fail(struct lam_speed_coordinator *c, const struct lam_error *err)
{
    if (!c->failure.code)
        c->failure = *err;
    lam_wake_signal(&c->engine->wake);
}

int lam_speed_tell(struct lam_engine *engine, int rank, uint16_t type, const void *bytes, size_t len, struct lam_error *err)
{
    int rc = lam_comm_send(engine->comm, rank, type, lam_sv(bytes, len), err);

    return rc == LAM_PENDING ? LAM_FAIL(err, LAM_E_IO, "speed rank %d takes no messages", rank) : rc;
}

static void tell(struct lam_speed_coordinator *c, int rank, uint16_t type, const void *bytes, size_t len)
{
    struct lam_error err;

    if (lam_speed_tell(c->engine, rank, type, bytes, len, &err))
        fail(c, &err);
}

/* --- begin --- */

static struct lam_speed_coordinator *of_begin(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, begin_work)); }
static struct lam_speed_coordinator *of_replay(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, replay_work)); }

static void begin_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_coordinator *c = of_begin(work);

    (void)worker;
    c->begin_rc = lam_speed_begin_storage(c->engine, &c->begun, &c->begin_err);
}

/* Partitions are dealt to the speed ranks in turn. */
static int send_starts(struct lam_speed_coordinator *c, struct lam_error *err)
{
    struct lam_speed_setup part = c->begun.setup;
    struct lam_buf json;
    int rc = 0;

    lam_buf_init(&json, LAM_COMM_MESSAGE_MAX);
    part.starts = calloc(c->begun.setup.start_count + 1, sizeof *part.starts);
    if (!part.starts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for partitions");
    for (int r = 0; !rc && r < speed_ranks(c); r++) {
        part.start_count = 0;
        for (size_t i = (size_t)r; i < c->begun.setup.start_count; i += (size_t)speed_ranks(c))
            part.starts[part.start_count++] = c->begun.setup.starts[i];
        lam_buf_clear(&json);
        if (!(rc = lam_speed_setup_write(&part, &json, err)))
            tell(c, rank_of(c, r), MSG_SPEED_START, json.ptr, json.len);
    }
    free(part.starts);
    lam_buf_release(&json);
    return rc;
}

static void begin_done(struct lam_work *work)
{
    struct lam_speed_coordinator *c = of_begin(work);
    struct lam_error err;

    if (lam_term_wait_takes(&c->term_wait, c->engine, c->begin_rc, &c->begin_err))
        return;
    c->beginning = false;
    if (c->begin_rc)
        fail(c, &c->begin_err);
    else if (send_starts(c, &err))
        fail(c, &err);
}

static int begin(struct lam_speed_coordinator *c, struct lam_error *err)
{
    c->begin_work = (struct lam_work){begin_run, begin_done};
    return lam_work_submit(c->engine->storage, &c->begin_work) ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
}

static void replay_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_coordinator *c = of_replay(work);

    (void)worker;
    c->replay_rc = lam_speed_replay_storage(c->engine, &c->begun, &c->replay_err);
}

static void replay_done(struct lam_work *work)
{
    struct lam_speed_coordinator *c = of_replay(work);

    if (c->replay_rc)
        fail(c, &c->replay_err);
    else
        c->replaying = true;
}

/* A replay that failed never ends by itself. */
static void watch_replay(struct lam_speed_coordinator *c)
{
    struct lam_error err;

    if (!c->replaying || !lam_replay_progress(c->begun.replay).rc)
        return;
    lam_replay_error(c->begun.replay, &err);
    fail(c, &err);
}

static void replay_if_due(struct lam_speed_coordinator *c)
{
    watch_replay(c);
    if (!c->engine->job->stream->replay || c->replay_busy || c->stopping || c->started < speed_ranks(c))
        return;
    c->replay_work = (struct lam_work){replay_run, replay_done};
    c->replay_busy = lam_work_submit(c->engine->storage, &c->replay_work);
    if (!c->replay_busy)
        LAM_FAIL(&c->failure, LAM_E_LIMIT, "the storage thread has too many jobs");
}

/* --- messages --- */

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_speed_coordinator *c = arg;
    struct lam_error err;
    int index = lam_roles_index(&c->engine->roles, LAM_ROLE_SPEED, src);

    lam_wake_signal(&c->engine->wake);
    switch (type) {
    case MSG_SPEED_STARTED:
        c->started++;
        break;
    case MSG_SPEED_ROLLED:
        if (lam_speed_commits_take(&c->commits, src, bytes, &err))
            fail(c, &err);
        break;
    case MSG_SPEED_ANSWER:
        lam_speed_asks_take(&c->asks, bytes);
        break;
    case MSG_SPEED_STATS:
        if (index < 0 || bytes.len != sizeof *c->stats)
            break;
        memcpy(&c->stats[index], bytes.ptr, bytes.len);
        if (c->engine->ranks)
            c->engine->ranks[src].events = c->stats[index].consumed;
        break;
    case MSG_SPEED_ENDED:
        c->ended++;
        break;
    case MSG_SPEED_FAILED:
        if (bytes.len == sizeof err) {
            memcpy(&err, bytes.ptr, sizeof err);
            err.where = NULL;
            err.text[sizeof err.text - 1] = '\0';
            fail(c, &err);
        }
        break;
    default:
        break;
    }
}

/* --- steps --- */

static void tick(struct lam_speed_coordinator *c)
{
    int64_t now = lam_mono_us(c->engine->clock);

    if (now >= c->next_keep_us || c->kept_after != c->commits.committed) {
        uint64_t kept = c->reader ? lam_store_reader_oldest(c->reader) : c->commits.committed;

        c->next_keep_us = now + KEEP_US;
        c->kept_after = c->commits.committed;
        for (int r = 0; r < speed_ranks(c); r++)
            tell(c, rank_of(c, r), MSG_SPEED_KEEP, &kept, sizeof kept);
    }
}

int lam_speed_coordinator_step(struct lam_speed_coordinator *c, struct lam_error *err)
{
    if (!c->running)
        return 0;
    if (c->commits.failure.code && !c->failure.code)
        c->failure = c->commits.failure;
    if (c->failure.code) {
        *err = c->failure;
        return c->failure.code;
    }
    if (c->beginning && lam_term_wait_on(&c->term_wait) && c->stopping)
        return LAM_FAIL(err, LAM_E_CANCELLED, "stopped while the speed layer waited for another job to end");
    if (c->beginning)
        return lam_term_wait_due(&c->term_wait, c->engine) && begin(c, err) ? err->code : LAM_PENDING;
    replay_if_due(c);
    if (lam_speed_asks_send(&c->asks, &c->failure))
        return *err = c->failure, c->failure.code;
    lam_speed_commits_step(&c->commits, c->stopping);
    tick(c);
    if (c->stopping && !c->stop_sent) {
        c->stop_sent = true;
        for (int r = 0; r < speed_ranks(c); r++)
            tell(c, rank_of(c, r), MSG_SPEED_STOP, "", 0);
    }
    if (c->stop_sent && c->ended == speed_ranks(c) && lam_speed_commits_idle(&c->commits) && !(c->replay_busy && !c->replaying)) {
        lam_speed_asks_end(&c->asks, c->commits.committed);
        c->running = false;
        return 0;
    }
    return LAM_PENDING;
}

int lam_speed_coordinator_open(struct lam_speed_coordinator **out, struct lam_engine *engine, struct lam_error *err)
{
    struct lam_speed_coordinator *c = calloc(1, sizeof *c);

    *out = c;
    if (!c || !(c->stats = calloc((size_t)engine->roles.count[LAM_ROLE_SPEED] + 1, sizeof *c->stats)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the speed layer");
    c->engine = engine;
    lam_speed_asks_init(&c->asks, engine);
    lam_speed_commits_init(&c->commits, engine, &c->begun);
    return lam_comm_on(engine->comm, MSG_SPEED_STARTED, MSG_SPEED_FAILED, on_message, c, err);
}

void lam_speed_coordinator_close(struct lam_speed_coordinator *c)
{
    if (!c)
        return;
    lam_comm_off(c->engine->comm, MSG_SPEED_STARTED);
    lam_speed_begun_release(&c->begun);
    lam_speed_commits_release(&c->commits);
    lam_speed_asks_release(&c->asks);
    free(c->stats);
    free(c);
}

/* --- the outside of the layer --- */

int lam_speed_begin(struct lam_speed_job *speed, struct lam_store_reader *reader, bool until_end, struct lam_error *err)
{
    struct lam_speed_coordinator *c = speed->coordinator;

    c->reader = reader;
    c->until_end = until_end;
    c->running = c->beginning = true;
    return begin(c, err);
}

void lam_speed_stop(struct lam_speed_job *speed)
{
    if (speed->coordinator)
        speed->coordinator->stopping = true;
}

struct lam_speed_stats lam_speed_stats(const struct lam_speed_job *speed)
{
    struct lam_speed_stats sum = {0};
    const struct lam_speed_coordinator *c = speed->coordinator;

    for (int r = 0; c && r < speed_ranks(c); r++) {
        const struct lam_speed_stats *s = &c->stats[r];

        sum.consumed += s->consumed;
        sum.answered += s->answered;
        sum.rejected += s->rejected;
        sum.escalated += s->escalated;
        sum.produced += s->produced;
        sum.delivered += s->delivered;
        sum.answered_before += s->answered_before;
        sum.undelivered += s->undelivered;
        lam_agent_stats_add(&sum.agents.done, &s->agents.done);
        sum.agents.open += s->agents.open;
        sum.agents.passed += s->agents.passed;
        sum.agents.late += s->agents.late;
        lam_openai_usages_add(sum.agents.used, s->agents.used);
        if (!sum.agents.limit[0])
            memcpy(sum.agents.limit, s->agents.limit, sizeof sum.agents.limit);
        sum.tail_rows += s->tail_rows;
        sum.tail_bytes += s->tail_bytes;
        sum.at_end += s->at_end;
        for (int b = 0; b < LAM_SPEED_BUCKETS; b++)
            sum.latency[b] += s->latency[b];
    }
    return sum;
}

bool lam_speed_replay(const struct lam_speed_job *speed, struct lam_replay_progress *progress)
{
    if (!speed->coordinator || !speed->coordinator->replaying)
        return false;
    *progress = lam_replay_progress(speed->coordinator->begun.replay);
    return true;
}

bool lam_speed_at_end(const struct lam_speed_job *speed)
{
    const struct lam_speed_coordinator *c = speed->coordinator;
    struct lam_replay_progress replay;

    if (!c || c->beginning)
        return false;
    if (lam_speed_replay(speed, &replay))
        return !lam_speed_stats(speed).agents.open && replay.done && replay.archived >= replay.delivered && replay.archived + replay.resumed >= replay.total;
    if (c->engine->job->stream->replay)
        return false;
    return c->until_end && c->started == speed_ranks(c) && lam_speed_stats(speed).at_end == c->begun.setup.start_count;
}

uint64_t lam_speed_archived(const struct lam_speed_job *speed) { return speed->coordinator ? speed->coordinator->commits.archived : 0; }

struct lam_tail_source lam_speed_tail(struct lam_speed_job *speed) { return (struct lam_tail_source){lam_speed_asks_fetch, &speed->coordinator->asks}; }
