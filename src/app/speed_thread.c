/*
 * The speed thread: consumes its partitions, answers every message, routes the answers, and appends to the tail.
 *
 *     poll ── refine (parse, extract, fast path) ── rules ── produce ── append to the tail: visible, and the clock of its latency stops
 *                                                       └ an agent is asked for: its output comes later (speed_agents.h)
 *
 * A run starts at the lower of two positions. Messages below the archive position were archived by a run before, and only their outputs are owed; those below
 * the output position were answered by it, and are only archived. At-least-once: the group's offsets are committed when all before them is delivered, but for
 * what waits for agents: that stands in the note beside them.
 */
#include "speed_thread_own.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 50
#define POLL_AGENTS_MS 5 /* while agents are at work: how late one that is done is noticed */
#define BLOCK_BYTES ((size_t)1 << 30)
#define OUTPUT_COMMIT_US 1000000
#define FULL_NAP_US 20000
#define WATCH_US 1000000 /* the most that one look adds to a thread's silence */
#define JOIN_NS 100000000

static int open_all(struct lam_speed_thread *t)
{
    const struct lam_job *job = t->engine->job;
    struct lam_kafka_options kafka = {.brokers = t->setup->brokers, .topic = job->stream->topic, .log = &t->engine->log,
                                      .fetch_wait_ms = job->stream->local ? LAM_BROKER_WAIT_MS : 0};
    struct lam_kafka_offset *starts = calloc(t->setup->start_count + 1, sizeof *starts);
    struct lam_kafka_prop *props = NULL;
    char group[512];
    int rc = starts ? lam_speed_props(job, &props, &kafka.prop_count, &t->err) : LAM_FAIL(&t->err, LAM_E_MEMORY, "no memory for partitions");

    snprintf(group, sizeof group, "lamina-%s", job->name);
    kafka.group = group;
    kafka.props = props;
    for (size_t i = 0; !rc && i < t->setup->start_count; i++) {
        const struct lam_speed_start *start = &t->setup->starts[i];

        starts[i] = (struct lam_kafka_offset){start->partition, start->output >= 0 && start->output < start->archive ? start->output : start->archive};
        if (start->held_count && start->held[0] < starts[i].offset)
            starts[i].offset = start->held[0];
    }
    if (!rc && !(rc = lam_kafka_open(&t->kafka, &kafka, &t->err)) && !(rc = lam_speed_sender_open(&t->sender, t->engine, t->setup, &t->signs, &t->err)))
        rc = lam_tools_new(&t->tools, t->engine, LAM_LAYER_SPEED, LAM_DEPTH_FAST, &t->err);
    if (!rc) {
        lam_speed_sender_warm(t->sender); /* before the first event */
        rc = lam_kafka_assign(t->kafka, starts, t->setup->start_count, &t->err);
    }
    t->fresh = lam_block_new(LAM_SPEED_BLOCK_ROWS, BLOCK_BYTES);
    t->again = lam_block_new(LAM_SPEED_BLOCK_ROWS, BLOCK_BYTES);
    t->messages = calloc(LAM_SPEED_BLOCK_ROWS, sizeof *t->messages);
    t->reached = calloc(t->setup->start_count + 1, sizeof *t->reached);
    t->last = calloc(t->setup->start_count + 1, sizeof *t->last);
    t->ended = calloc(t->setup->start_count + 1, sizeof *t->ended);
    t->heard = calloc(t->setup->start_count + 1, sizeof *t->heard);
    t->positions = lam_speed_positions_new(t->setup->start_count);
    t->silent = t->setup->start_count;
    for (size_t i = 0; t->last && i < t->setup->start_count; i++)
        t->last[i].offset = -1;
    if (!rc && (!t->fresh || !t->again || !t->messages || !t->reached || !t->last || !t->ended || !t->heard || !t->positions))
        rc = LAM_FAIL(&t->err, LAM_E_MEMORY, "no memory for the speed layer");
    free(starts);
    free(props);
    return rc;
}

static void close_all(struct lam_speed_thread *t)
{
    lam_speed_sender_close(t->sender);
    lam_kafka_close(t->kafka);
    lam_tools_free(t->tools);
    lam_block_free(t->fresh);
    lam_block_free(t->again);
    free(t->messages);
    free(t->reached);
    free(t->last);
    free(t->ended);
    free(t->heard);
    lam_speed_positions_free(t->positions);
}

static void share_stats(struct lam_speed_thread *t)
{
    bool idle = lam_speed_agents_idle(t->agents) && lam_speed_sender_idle(t->sender); /* else something is still owed */
    struct lam_speed_agents_stats agents;
    uint64_t at_end = 0;

    for (size_t i = 0; i < t->setup->start_count && idle; i++)
        at_end += t->ended[i];
    lam_speed_agents_stats(t->agents, &agents);
    pthread_mutex_lock(&t->lock);
    t->stats.agents = agents;
    lam_speed_sender_stats(t->sender, &t->stats);
    t->stats.at_end = at_end;
    t->stats.answered_before = t->answered_before;
    pthread_mutex_unlock(&t->lock);
}

/* Assigned is not read yet: a consumer finds its leaders and offsets first, a second or so; what is replayed before that would wait. */
static void say_consuming(struct lam_speed_thread *t)
{
    if (!t->silent && atomic_load(&t->state) == LAM_PENDING) {
        atomic_store(&t->state, 0);
        lam_wake_signal(&t->engine->wake);
    }
}

static int consume(struct lam_speed_thread *t)
{
    bool paused = false;
    int rc = 0;

    while (!rc && !atomic_load(&t->stop)) {
        const struct lam_kafka_event *events;
        size_t count;
        bool full = lam_speed_agents_full(t->agents, t->engine->job->stream, t->tail);
        int wait_ms = lam_speed_agents_idle(t->agents) ? POLL_MS : POLL_AGENTS_MS;

        atomic_fetch_add(&t->signs.turns, 1);
        if (full != paused) {
            lam_kafka_pause(t->kafka, full);
            paused = full;
            lam_wake_signal(&t->engine->wake); /* roll at once */
        }
        if (full)
            usleep(FULL_NAP_US);
        if (!(rc = lam_kafka_poll(t->kafka, LAM_SPEED_POLL_MAX, wait_ms, &events, &count, &t->err)) && count)
            rc = lam_speed_take(t, events, count);
        if (!rc)
            rc = lam_speed_agents_step(t->agents, t->tail, t->sender, &t->err);
        lam_speed_sender_poll(t->sender);
        share_stats(t);
        say_consuming(t);
        if (!rc && lam_mono_us(t->engine->clock) >= t->next_output_us) {
            if ((rc = lam_speed_delivered(t)) != LAM_PENDING)
                t->next_output_us = lam_mono_us(t->engine->clock) + OUTPUT_COMMIT_US;
            rc = rc == LAM_PENDING ? 0 : rc;
        }
    }
    lam_speed_agents_stop(t->agents);
    if (!rc && !(rc = lam_speed_agents_step(t->agents, t->tail, t->sender, &t->err)) && !atomic_load(&t->signs.abandoned))
        rc = lam_speed_delivered_last(t);
    share_stats(t);
    return rc;
}

static void *run(void *arg)
{
    struct lam_speed_thread *t = arg;
    int rc = open_all(t);

    if (!rc)
        rc = consume(t);
    close_all(t);
    atomic_store(&t->state, rc ? rc : LAM_END);
    lam_wake_signal(&t->engine->wake);
    return NULL;
}

int lam_speed_thread_start(struct lam_speed_thread **out, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_tail_log *tail,
                           struct lam_speed_agents *agents, struct lam_error *err)
{
    struct lam_speed_thread *t = calloc(1, sizeof *t);

    *out = t;
    if (!t)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the speed thread");
    t->engine = engine;
    t->setup = setup;
    t->tail = tail;
    t->agents = agents;
    atomic_init(&t->state, LAM_PENDING);
    atomic_init(&t->signs.turns, 0);
    atomic_init(&t->signs.abandoned, false);
    pthread_mutex_init(&t->lock, NULL);
    if (pthread_create(&t->thread, NULL, run, t))
        return LAM_FAIL(err, LAM_E_MEMORY, "the speed thread cannot be started");
    t->started = true;
    return 0;
}

void lam_speed_thread_stop(struct lam_speed_thread *t)
{
    if (t)
        atomic_store(&t->stop, true);
}

int lam_speed_thread_state(struct lam_speed_thread *t, struct lam_error *err)
{
    int state = atomic_load(&t->state);

    if (state && state != LAM_PENDING && state != LAM_END)
        *err = t->err;
    return state;
}

void lam_speed_thread_stats(struct lam_speed_thread *t, struct lam_speed_stats *stats)
{
    pthread_mutex_lock(&t->lock);
    *stats = t->stats;
    pthread_mutex_unlock(&t->lock);
}

int lam_speed_thread_watch(struct lam_speed_thread *t, struct lam_error *err)
{
    int64_t now = lam_mono_us(t->engine->clock), since = now - t->watched_us, limit = LAM_SPEED_HANG_DEADLINES * t->engine->job->deadline_us;
    uint64_t turns = atomic_load(&t->signs.turns);
    int state = atomic_load(&t->state);

    t->silent_us = turns != t->seen_turns || (state && state != LAM_PENDING) ? 0 : t->silent_us + (since < WATCH_US ? since : WATCH_US);
    t->seen_turns = turns;
    t->watched_us = now;
    return t->silent_us < limit ? 0 : LAM_FAIL(err, LAM_E_TIMEOUT, "the thread that consumes has done nothing for %.1f s; the job ends, run it again to go on", (double)limit / 1e6);
}

/* Waits for its end, or until it is found hanging. */
static void join(struct lam_speed_thread *t)
{
    struct lam_error err;
    struct timespec until;

    for (;;) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += JOIN_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_timedjoin_np(t->thread, NULL, &until) != ETIMEDOUT)
            return;
        if (!lam_speed_thread_watch(t, &err))
            continue;
        lam_log_error(&t->engine->log, "speed", "%s", err.text); /* what it holds on to cannot be freed */
        _exit(LAM_EXIT_FAILED);
    }
}

void lam_speed_thread_free(struct lam_speed_thread *t)
{
    if (!t)
        return;
    atomic_store(&t->signs.abandoned, true); /* one that was stopped, and waited for, has ended */
    lam_speed_thread_stop(t);
    if (t->started)
        join(t);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
