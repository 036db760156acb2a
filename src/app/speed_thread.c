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
#include "speed_position.h"

#include "cli.h"
#include "model/order.h"
#include "process/refine.h"
#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define POLL_MAX 512
#define POLL_MS 50
#define POLL_AGENTS_MS 5 /* while agents are at work: how late one that is done is noticed */
#define BLOCK_ROWS (POLL_MAX + 1)
#define BLOCK_BYTES ((size_t)1 << 30)
#define OUTPUT_COMMIT_US 1000000
#define FLUSH_MS 10000
#define COMMIT_STEP_MS 100
#define FULL_NAP_US 20000
#define WATCH_US 1000000 /* the most that one look adds to a thread's silence */
#define JOIN_NS 100000000

struct lam_speed_thread {
    struct lam_engine *engine;
    const struct lam_speed_setup *setup;
    struct lam_tail_log *tail;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    atomic_uint_least64_t turns; /* a thread whose number stands still does nothing */
    uint64_t seen_turns;         /* these three are the main thread's, of lam_speed_thread_watch */
    int64_t watched_us, silent_us;
    atomic_int state; /* LAM_PENDING, 0, LAM_END, or the error's code */
    struct lam_error err;
    pthread_mutex_t lock; /* guards stats */
    struct lam_speed_stats stats;

    /* the thread's own */
    struct lam_kafka *kafka;
    struct lam_speed_sender *sender;
    struct lam_tools *tools;
    struct lam_block *fresh, *again; /* rows to be kept; rows of which only the output is owed */
    struct lam_tail_message *messages;
    struct lam_tail_range *reached;
    struct lam_speed_agents *agents; /* NULL: none are asked */
    bool wants[BLOCK_ROWS], wants_again[BLOCK_ROWS], owes[BLOCK_ROWS]; /* by row of fresh, of again: the rule asks for an agent; of fresh: it is owed one, in the tail */
    struct lam_speed_positions *positions;
    struct lam_speed_note *last; /* by start: the last record that was answered; offset -1: none */
    bool *ended; /* by start: the partition is read to its end */
    bool *heard; /* by start: the broker has given a message of it, or said that there is none: it is being read */
    size_t silent; /* partitions that are not heard */
    int64_t next_output_us;
    uint64_t answered_before;
};

static size_t index_of(const struct lam_speed_thread *t, uint32_t partition)
{
    size_t i = 0;

    while (i < t->setup->start_count && t->setup->starts[i].partition != partition)
        i++;
    return i;
}

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
    if (!rc && !(rc = lam_kafka_open(&t->kafka, &kafka, &t->err)) && !(rc = lam_speed_sender_open(&t->sender, t->engine, t->setup, &t->turns, &t->err)))
        rc = lam_tools_new(&t->tools, t->engine, LAM_LAYER_SPEED, LAM_DEPTH_FAST, &t->err);
    if (!rc) {
        lam_speed_sender_warm(t->sender); /* before the first event */
        rc = lam_kafka_assign(t->kafka, starts, t->setup->start_count, &t->err);
    }
    t->fresh = lam_block_new(BLOCK_ROWS, BLOCK_BYTES);
    t->again = lam_block_new(BLOCK_ROWS, BLOCK_BYTES);
    t->messages = calloc(BLOCK_ROWS, sizeof *t->messages);
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

/* --- one batch of messages --- */

static int refine(struct lam_speed_thread *t, const struct lam_kafka_event *event, bool archived, size_t *count)
{
    const struct lam_engine *engine = t->engine;
    struct lam_refiner *refiner = lam_tools_refiner(t->tools);
    struct lam_block *block = archived ? t->again : t->fresh;
    size_t rows = lam_block_rows(block);
    char place[LAM_PLACE_MAX];
    struct lam_raw raw = {.pos = {.source = t->setup->source, .life = t->setup->life, .offset = (uint64_t)event->offset}, .arrival_us = lam_wall_us(engine->clock),
                          .mtime_us = LAM_TIME_NONE, .message_us = event->timestamp_us, .bytes = event->value, .has_key = event->has_key,
                          .null_value = event->null_value, .key = event->key};
    int rc;

    lam_position_set_partition(&raw.pos, event->partition);
    lam_raw_of_message(&raw, lam_engine_extract(engine, engine->job->source_count), engine->job->stream->topic, place);
    if ((rc = lam_refiner_add(refiner, &raw, block, &t->err)))
        return rc;
    if (lam_block_rows(block) > rows) {
        struct lam_record *rec = &lam_block_row(block, rows)->rec;

        if (t->setup->other_analysis)
            rec->flags |= LAM_ROW_OTHER_ANALYSIS;
        if (rec->op != LAM_OP_DELETE && lam_rule_holds(engine->job->stream->analyze_when, lam_refiner_json(refiner), rec))
            rec->flags |= LAM_ROW_ESCALATED;
        (archived ? t->wants_again : t->wants)[rows] = lam_speed_agents_asks(t->agents, rec, lam_refiner_json(refiner));
    }
    if (!archived)
        t->messages[(*count)++] = (struct lam_tail_message){.pos = raw.pos, .arrival_us = raw.arrival_us, .timestamp_us = event->timestamp_us, .has_key = event->has_key,
                                                            .has_raw = !event->null_value, .key = event->key, .raw = event->value, .headers = event->headers};
    return 0;
}

/* Is the output of this offset due? A run before may have delivered it and died before the archive was there. */
static bool is_due_at(const struct lam_speed_start *start, int64_t offset)
{
    size_t i = 0;

    while (i < start->held_count && start->held[i] != offset)
        i++;
    return i < start->held_count || start->output < 0 || offset >= start->output;
}

static bool is_due(const struct lam_speed_thread *t, const struct lam_record *rec)
{
    size_t p = index_of(t, lam_position_partition(&rec->pos));

    return p == t->setup->start_count || is_due_at(&t->setup->starts[p], (int64_t)rec->pos.offset);
}

/* Its agent's word is owed, and with it its output where that is due. */
static int owe_agent(struct lam_speed_thread *t, struct lam_block *block, size_t i, bool due)
{
    t->owes[i] = block == t->fresh;
    return t->owes[i] || due ? lam_speed_agents_owe(t->agents, block, i, due, &t->err) : 0;
}

static int answer(struct lam_speed_thread *t, struct lam_block *block)
{
    const bool *wants = block == t->fresh ? t->wants : t->wants_again;
    int rc = lam_tools_follow(t->tools, &t->err);

    if (!rc)
        rc = lam_refiner_analyze(lam_tools_refiner(t->tools), block, 0, &t->err);
    for (size_t i = 0; !rc && i < lam_block_rows(block); i++) {
        struct lam_row *row = lam_block_row(block, i);

        if (row->rec.flags & LAM_ROW_ESCALATED) /* the deep analyzer is the built-in one as well: it has just answered */
            row->enr.depth = LAM_DEPTH_DEEP;
        bool due = is_due(t, &row->rec);

        t->owes[i] = false;
        t->answered_before += !due;
        if (wants[i] && !(row->rec.flags & LAM_ROW_NO_TEXT))
            rc = owe_agent(t, block, i, due);
        else if (due)
            rc = lam_speed_sender_send(t->sender, row, &t->err);
    }
    return rc;
}

/* Into the tail; who is owed an agent there is found by place. */
static int append(struct lam_speed_thread *t, size_t count)
{
    const struct lam_tail_batch batch = {.messages = t->messages, .count = count, .block = t->fresh, .owed = t->owes, .reached = t->reached,
                                         .reached_count = t->setup->start_count, .now_us = lam_mono_us(t->engine->clock)};
    struct lam_tail_place first;
    int rc = lam_tail_append(t->tail, &batch, &first, &t->err);

    if (!rc)
        lam_speed_agents_appended(t->agents, &first);
    return rc;
}

static void measure(struct lam_speed_thread *t, size_t count)
{
    int64_t now = lam_wall_us(t->engine->clock);

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < count; i++) {
        int64_t late = t->messages[i].timestamp_us == LAM_TIME_NONE ? 0 : now - t->messages[i].timestamp_us;
        unsigned bucket = 0;

        while (bucket + 1 < LAM_SPEED_BUCKETS && late >= (int64_t)1 << bucket)
            bucket++;
        t->stats.latency[bucket]++;
    }
    t->stats.consumed += count + lam_block_rows(t->again);
    t->stats.answered += lam_block_rows(t->fresh);
    t->stats.rejected += lam_block_rejects(t->fresh);
    for (size_t i = 0; i < lam_block_rows(t->fresh); i++)
        t->stats.escalated += (lam_block_row(t->fresh, i)->rec.flags & LAM_ROW_ESCALATED) != 0;
    pthread_mutex_unlock(&t->lock);
}

/* One crc a partition and poll. */
static void note_last(struct lam_speed_thread *t, const struct lam_kafka_event *events, size_t event_count)
{
    for (size_t i = event_count; i-- > 0;) {
        size_t p = index_of(t, events[i].partition);

        if (events[i].kind != LAM_KAFKA_MESSAGE || p == t->setup->start_count || t->last[p].offset >= events[i].offset)
            continue;
        t->last[p] = (struct lam_speed_note){events[i].offset, events[i].timestamp_us == LAM_TIME_NONE ? -1 : events[i].timestamp_us / 1000,
                                             lam_witness_crc(events[i].key, events[i].value)};
    }
}

static int take(struct lam_speed_thread *t, const struct lam_kafka_event *events, size_t event_count)
{
    size_t count = 0;
    int rc = 0;

    lam_block_clear(t->fresh);
    lam_block_clear(t->again);
    for (size_t i = 0; !rc && i < event_count; i++) {
        size_t p = index_of(t, events[i].partition);

        if (p == t->setup->start_count)
            continue;
        t->silent -= !t->heard[p];
        t->heard[p] = true;
        t->ended[p] = events[i].kind == LAM_KAFKA_EOF;
        t->reached[p].partition = events[i].partition;
        t->reached[p].end = (uint64_t)events[i].offset + (events[i].kind == LAM_KAFKA_MESSAGE);
        if (events[i].kind == LAM_KAFKA_MESSAGE && (events[i].offset >= t->setup->starts[p].archive || is_due_at(&t->setup->starts[p], events[i].offset)))
            rc = refine(t, &events[i], events[i].offset < t->setup->starts[p].archive, &count);
    }
    if (!rc && !(rc = answer(t, t->again)))
        lam_speed_agents_appended(t->agents, NULL);
    if (!rc)
        rc = answer(t, t->fresh);
    if (!rc && count)
        rc = append(t, count);
    if (!rc) {
        note_last(t, events, event_count);
        measure(t, count);
        if (count)
            lam_wake_signal(&t->engine->wake);
    }
    return rc;
}

/* Has the last commit ended? Waits timeout_ms for it; where it failed, what it said is given again. */
static bool commit_ended(struct lam_speed_thread *t, int timeout_ms)
{
    struct lam_error err;
    int rc, step_ms;

    do { /* in steps: who waits for a broker does not hang */
        step_ms = timeout_ms < COMMIT_STEP_MS ? timeout_ms : COMMIT_STEP_MS;
        timeout_ms -= step_ms;
        rc = lam_kafka_commit_end(t->kafka, step_ms, &err);
        atomic_fetch_add(&t->turns, 1);
    } while (rc == LAM_PENDING && timeout_ms > 0);
    if (rc && rc != LAM_PENDING) {
        lam_log_warn(&t->engine->log, "speed", "output position: %s", err.text);
        lam_speed_positions_forget(t->positions);
    }
    return rc != LAM_PENDING;
}

/*
 * Moves the output position to what is delivered, or given up. A broker that does not answer only makes outputs come twice later; one that loses an output, or
 * does not allow it, ends the job, so that the position never passes it.
 */
static int commit_outputs(struct lam_speed_thread *t)
{
    struct lam_kafka_offset *offsets = calloc(t->setup->start_count + 1, sizeof *offsets);
    char (*notes)[LAM_KAFKA_NOTE] = calloc(t->setup->start_count + 1, sizeof *notes);
    size_t count = 0;
    struct lam_error err = {0};
    int rc = 0;

    if (offsets && notes)
        count = lam_speed_positions(t->positions, t->setup, t->reached, t->last, t->agents, offsets, notes);
    if (count && !(rc = lam_speed_sender_settle(t->sender, FLUSH_MS, &err)) &&
        lam_kafka_commit_begin(t->kafka, offsets, (const char (*)[LAM_KAFKA_NOTE])notes, count, &err))
        lam_log_warn(&t->engine->log, "speed", "output position: %s", err.text);
    if (count && (rc || err.code))
        lam_speed_positions_forget(t->positions);
    free(offsets);
    free(notes);
    if (!rc || rc == LAM_E_TIMEOUT)
        return 0;
    t->err = err;
    return rc;
}

/* The last of a run. */
static int commit_last_outputs(struct lam_speed_thread *t)
{
    int rc = commit_ended(t, FLUSH_MS) ? commit_outputs(t) : 0;

    if (!rc && !commit_ended(t, FLUSH_MS))
        lam_log_warn(&t->engine->log, "speed", "output position: the broker did not answer in %d s; the last outputs may come twice", FLUSH_MS / 1000);
    return rc;
}

static void share_stats(struct lam_speed_thread *t)
{
    struct lam_speed_agents_stats agents;
    uint64_t at_end = 0;

    for (size_t i = 0; i < t->setup->start_count && lam_speed_agents_idle(t->agents); i++)
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

        atomic_fetch_add(&t->turns, 1);
        if (full != paused) {
            lam_kafka_pause(t->kafka, full);
            paused = full;
            lam_wake_signal(&t->engine->wake); /* roll at once */
        }
        if (full)
            usleep(FULL_NAP_US);
        if (!(rc = lam_kafka_poll(t->kafka, POLL_MAX, wait_ms, &events, &count, &t->err)) && count)
            rc = take(t, events, count);
        if (!rc)
            rc = lam_speed_agents_step(t->agents, t->tail, t->sender, &t->err);
        lam_speed_sender_poll(t->sender);
        share_stats(t);
        say_consuming(t);
        if (!rc && lam_mono_us(t->engine->clock) >= t->next_output_us && commit_ended(t, 0)) {
            t->next_output_us = lam_mono_us(t->engine->clock) + OUTPUT_COMMIT_US;
            rc = commit_outputs(t);
        }
    }
    lam_speed_agents_stop(t->agents);
    if (!rc && !(rc = lam_speed_agents_step(t->agents, t->tail, t->sender, &t->err)))
        rc = commit_last_outputs(t);
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
    atomic_init(&t->turns, 0);
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
    uint64_t turns = atomic_load(&t->turns);
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
    lam_speed_thread_stop(t);
    if (t->started)
        join(t);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
