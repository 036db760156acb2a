#include "speed_rank.h"

#include "speed_agents.h"
#include "speed_answers.h"
#include "speed_rolls.h"

#include <stdlib.h>

#define STATS_US 500000
#define LOOK_US 2000000

struct lam_speed_rank {
    struct lam_engine *engine;
    struct lam_speed_setup setup;
    struct lam_tail_log *tail;
    struct lam_speed_thread *thread;
    struct lam_speed_agents *agents; /* the thread's; NULL: none are asked */
    struct lam_speed_rolls rolls;
    struct lam_speed_answers answers;
    bool running, told, stopping, failed, failure_sent;
    struct lam_error failure;
    int64_t next_stats_us, next_look_us;
    struct lam_work look_work;
    bool looking;
};

bool lam_speed_rank_send(struct lam_engine *engine, uint16_t type, struct lam_sv bytes)
{
    struct lam_error err;
    int rc = lam_comm_send(engine->comm, 0, type, bytes, &err);

    if (rc && rc != LAM_PENDING)
        lam_log_error(&engine->log, "speed", "%s", err.text);
    return rc != LAM_PENDING;
}

static bool send(const struct lam_speed_rank *rank, uint16_t type, struct lam_sv bytes) { return lam_speed_rank_send(rank->engine, type, bytes); }

static void fail(struct lam_speed_rank *rank, const struct lam_error *err)
{
    struct lam_error copy = *err;

    if (rank->failed)
        return;
    copy.rank = rank->engine->rank;
    copy.where = NULL;
    rank->failure = copy;
    rank->failed = true;
    rank->failure_sent = send(rank, MSG_SPEED_FAILED, lam_sv((const char *)&copy, sizeof copy));
}

/* --- rolling --- */

/* Is the open chunk to be closed? While an older one waits for its agents, only its size says so. */
static bool is_due(const struct lam_speed_rank *rank)
{
    const struct lam_job_stream *stream = rank->engine->job->stream;
    struct lam_tail_stats stats = lam_tail_stats(rank->tail);

    if (!stats.open_count)
        return false;
    if (stats.open_bytes >= stream->roll.bytes)
        return true;
    return !stats.closed && (rank->stopping || lam_speed_agents_full(rank->agents, stream, rank->tail) ||
                             lam_wall_us(rank->engine->clock) - stats.oldest_us >= stream->roll.period_us);
}

/* Does a stop leave nothing that the next run could consume again? */
static bool is_last_chance(const struct lam_speed_rank *rank)
{
    const struct lam_job_stream *stream = rank->engine->job->stream;

    return rank->stopping && stream->local && !stream->replay;
}

/* A chunk waits for the agents of its rows as long as one of them may take; then they are late. Where waiting would hold up the stream or lose rows, not at all. */
static int64_t patience(const struct lam_speed_rank *rank)
{
    const struct lam_job_agent *agent = rank->engine->job->deep.agent;

    return agent && !is_last_chance(rank) && !lam_speed_agents_full(rank->agents, rank->engine->job->stream, rank->tail) ? agent->time_us : 0;
}

static struct lam_tail_chunk *take_chunk(struct lam_speed_rank *rank)
{
    if (is_due(rank))
        lam_tail_close(rank->tail);
    return lam_tail_take(rank->tail, lam_mono_us(rank->engine->clock), patience(rank));
}

static void roll_one(struct lam_speed_rank *rank)
{
    struct lam_tail_chunk *chunk;
    struct lam_error err;

    if (rank->rolls.failure.code)
        fail(rank, &rank->rolls.failure);
    if (lam_speed_rolls_have_room(&rank->rolls) && !rank->failed && (chunk = take_chunk(rank)) && lam_speed_rolls_begin(&rank->rolls, chunk, &err))
        fail(rank, &err);
}

/* --- messages --- */

static void start(struct lam_speed_rank *rank, struct lam_sv bytes)
{
    struct lam_error err;
    int rc = lam_speed_setup_read(bytes, &rank->setup, &err);

    if (!rc)
        rc = lam_tail_log_new(&rank->tail, &err);
    if (!rc)
        lam_speed_rolls_init(&rank->rolls, rank->engine, &rank->setup, rank->tail);
    if (!rc)
        rc = lam_speed_thread_start(&rank->thread, rank->engine, &rank->setup, rank->tail, rank->agents, &err);
    rank->running = !rc;
    if (rc)
        fail(rank, &err);
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_speed_rank *rank = arg;
    uint64_t kept;

    (void)src;
    lam_wake_signal(&rank->engine->wake);
    switch (type) {
    case MSG_SPEED_START:
        start(rank, bytes);
        break;
    case MSG_SPEED_COMMITTED:
        lam_speed_rolls_committed(&rank->rolls, bytes);
        break;
    case MSG_SPEED_KEEP:
        if (bytes.len == sizeof kept && rank->tail) {
            memcpy(&kept, bytes.ptr, sizeof kept);
            lam_tail_let_go(rank->tail, kept);
        }
        break;
    case MSG_SPEED_ASK:
        lam_speed_answers_take(&rank->answers, rank->tail, bytes);
        break;
    case MSG_SPEED_STOP:
        rank->stopping = true;
        lam_speed_thread_stop(rank->thread);
        break;
    default:
        break;
    }
}

/* --- the step --- */

static void send_stats(struct lam_speed_rank *rank)
{
    int64_t now = lam_mono_us(rank->engine->clock);
    struct lam_speed_stats stats = {0};
    struct lam_tail_stats tail;
    struct lam_error err;

    if (now < rank->next_stats_us && !rank->stopping)
        return;
    rank->next_stats_us = now + STATS_US;
    if (lam_speed_thread_watch(rank->thread, &err))
        fail(rank, &err);
    lam_speed_thread_stats(rank->thread, &stats);
    tail = lam_tail_stats(rank->tail);
    stats.tail_rows = tail.rows;
    stats.tail_bytes = tail.bytes;
    send(rank, MSG_SPEED_STATS, lam_sv((const char *)&stats, sizeof stats));
}

static struct lam_speed_rank *of_look(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_rank, look_work)); }

static void look_run(struct lam_work *work, unsigned worker)
{
    struct lam_engine *engine = of_look(work)->engine;
    struct lam_error err;

    (void)worker;
    if (lam_commitlog_refresh(engine->commits, &err))
        lam_log_warn(&engine->log, "speed", "%s", err.text);
    else
        lam_engine_share(engine);
}

static void look_done(struct lam_work *work) { of_look(work)->looking = false; }

/* Agents look things up in what the log says: rank 0 knows that anyway, here it is looked for while they are at work. */
static void look(struct lam_speed_rank *rank)
{
    int64_t now = lam_mono_us(rank->engine->clock);
    struct lam_speed_stats stats;

    if (!rank->agents || rank->engine->rank == 0 || rank->looking || rank->stopping || now < rank->next_look_us)
        return;
    rank->next_look_us = now + LOOK_US;
    lam_speed_thread_stats(rank->thread, &stats);
    if (!stats.agents.open)
        return;
    rank->look_work = (struct lam_work){look_run, look_done};
    rank->looking = lam_work_submit(rank->engine->storage, &rank->look_work);
}

/* Can nothing more be rolled? What waits for agents that were stopped is consumed again by the next run. */
static bool is_rolled(const struct lam_speed_rank *rank)
{
    struct lam_tail_stats stats = lam_tail_stats(rank->tail);

    return rank->failed || (stats.stuck && patience(rank)) || !(stats.closed || stats.open_count);
}

int lam_speed_rank_step(struct lam_speed_rank *rank)
{
    struct lam_error err;
    int state;

    if (rank->failed && !rank->failure_sent)
        rank->failure_sent = send(rank, MSG_SPEED_FAILED, lam_sv((const char *)&rank->failure, sizeof rank->failure));
    if (!rank->running)
        return 0;
    state = lam_speed_thread_state(rank->thread, &err);
    if (state && state != LAM_PENDING && state != LAM_END)
        fail(rank, &err);
    if (state != LAM_PENDING && !rank->told && !rank->failed)
        rank->told = send(rank, MSG_SPEED_STARTED, lam_sv(NULL, 0));
    roll_one(rank);
    lam_speed_rolls_send(&rank->rolls);
    lam_speed_answers_send(&rank->answers);
    send_stats(rank);
    look(rank);
    if (rank->stopping && state != 0 && state != LAM_PENDING && !rank->rolls.count && is_rolled(rank)) {
        rank->running = !send(rank, MSG_SPEED_ENDED, lam_sv(NULL, 0));
        return rank->running ? LAM_PENDING : 0;
    }
    return LAM_PENDING;
}

/* --- a life --- */

int lam_speed_rank_open(struct lam_speed_rank **out, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err)
{
    struct lam_speed_rank *rank = calloc(1, sizeof *rank);
    int rc;

    *out = rank;
    if (!rank)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a speed rank");
    rank->engine = rank->answers.engine = engine;
    if ((rc = lam_speed_agents_open(&rank->agents, engine, llm, err)))
        return rc;
    return lam_comm_on(engine->comm, MSG_SPEED_START, MSG_SPEED_STOP, on_message, rank, err);
}

void lam_speed_rank_close(struct lam_speed_rank *rank)
{
    if (!rank)
        return;
    lam_comm_off(rank->engine->comm, MSG_SPEED_START);
    lam_speed_thread_free(rank->thread);
    lam_speed_agents_close(rank->agents);
    lam_speed_rolls_release(&rank->rolls);
    lam_speed_answers_release(&rank->answers);
    lam_tail_log_free(rank->tail);
    lam_speed_setup_release(&rank->setup);
    free(rank);
}
