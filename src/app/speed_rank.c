#include "speed_rank.h"

#include "speed_agents.h"

#include <stdlib.h>

#include "model/wire.h"

#define ROLLS_MAX 2 /* being written, or written and not committed yet: more would only make more of the tail unfree */
#define STATS_US 500000
#define LOOK_US 2000000
#define PART_BYTES ((size_t)4 << 20)    /* of an answer, from which on the next row stands in another message */
#define PART_MAX ((size_t)48 << 20)     /* of one message: a row is never divided */
#define ANSWERS_MAX ((size_t)512 << 20) /* of answers that are not sent yet */

struct roll {
    struct lam_work work;
    struct lam_speed_rank *rank;
    struct roll *next;
    uint64_t number;
    struct lam_tail_chunk *chunk;
    struct lam_buf note;
    bool written, sent;
    int rc;
    struct lam_error err;
};

struct lam_speed_rank {
    struct lam_engine *engine;
    struct lam_speed_setup setup;
    struct lam_tail_log *tail;
    struct lam_speed_thread *thread;
    struct lam_speed_agents *agents; /* the thread's; NULL: none are asked */
    struct lam_namer namer; /* storage thread */
    struct roll *rolls;     /* not committed yet, oldest first */
    uint64_t next_roll;
    unsigned open_rolls;
    bool running, told, stopping, failed, failure_sent;
    struct lam_error failure;
    int64_t next_stats_us, next_look_us;
    struct lam_work look_work;
    bool looking;
    struct part *parts; /* of answers, not sent yet */
    size_t part_bytes;
};

/* False: the outbox to rank 0 is full. What must arrive is sent again at the next step; what is stale by then (statistics, answers with a deadline) is not. */
static bool send(struct lam_speed_rank *rank, uint16_t type, struct lam_sv bytes)
{
    struct lam_error err;
    int rc = lam_comm_send(rank->engine->comm, 0, type, bytes, &err);

    if (rc && rc != LAM_PENDING)
        lam_log_error(&rank->engine->log, "speed", "%s", err.text);
    return rc != LAM_PENDING;
}

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

static void roll_run(struct lam_work *work, unsigned worker)
{
    struct roll *roll = (struct roll *)work;
    struct lam_engine *engine = roll->rank->engine;
    struct lam_error err;

    (void)worker;
    if (engine->rank > 0 && !lam_commitlog_refresh(engine->commits, &err)) /* rank 0 knows what is committed; here it is looked for: a new model */
        lam_engine_share(engine);
    roll->rc = lam_speed_roll(engine, &roll->rank->setup, &roll->rank->namer, roll->number, roll->chunk, &roll->note, &roll->err);
}

static void roll_done(struct lam_work *work)
{
    struct roll *roll = (struct roll *)work;

    roll->written = true;
    if (roll->rc)
        fail(roll->rank, &roll->err);
    lam_wake_signal(&roll->rank->engine->wake);
}

/* In the order of rolling, which is that of the log. */
static void send_rolls(struct lam_speed_rank *rank)
{
    for (struct roll *roll = rank->rolls; roll && roll->written && !roll->rc; roll = roll->next)
        if (!roll->sent && !(roll->sent = send(rank, MSG_SPEED_ROLLED, lam_buf_sv(&roll->note))))
            return;
}

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
    struct roll *roll, **link;
    struct lam_error err;

    if (rank->open_rolls >= ROLLS_MAX || rank->failed || !(chunk = take_chunk(rank)))
        return;
    if (!(roll = calloc(1, sizeof *roll))) {
        LAM_FAIL(&err, LAM_E_MEMORY, "no memory to roll the tail");
        fail(rank, &err);
        return;
    }
    roll->work = (struct lam_work){roll_run, roll_done};
    roll->rank = rank;
    roll->number = ++rank->next_roll;
    lam_buf_init(&roll->note, LAM_COMM_MESSAGE_MAX);
    roll->chunk = chunk;
    if (!lam_work_submit(rank->engine->storage, &roll->work)) {
        lam_buf_release(&roll->note);
        free(roll);
        LAM_FAIL(&err, LAM_E_LIMIT, "the storage thread has too many jobs");
        fail(rank, &err);
        return;
    }
    for (link = &rank->rolls; *link; link = &(*link)->next)
        ;
    *link = roll;
    rank->open_rolls++;
}

static void committed(struct lam_speed_rank *rank, struct lam_sv bytes)
{
    struct lam_speed_committed message;

    if (bytes.len != sizeof message)
        return;
    memcpy(&message, bytes.ptr, sizeof message);
    while (rank->rolls && rank->rolls->number <= message.roll && rank->rolls->written) {
        struct roll *roll = rank->rolls;

        rank->rolls = roll->next;
        rank->open_rolls--;
        lam_tail_archived(rank->tail, roll->chunk, message.commit);
        lam_buf_release(&roll->note);
        free(roll);
    }
}

/* --- questions --- */

/*
 * ASK: id u64, commit u64, has_key u64, key. ANSWER, one or more: id u64, code i64, more u64 (another one follows), ranges u64, {partition u64, next u64}…, one
 * wire frame. Ranges stand in the first.
 */
struct part {
    struct part *next;
    struct lam_buf bytes;
};

enum { ID, CODE, MORE, RANGES, HEAD };

/* An answer in the making: rows go into the part at its end. */
struct asked {
    uint64_t id;
    struct lam_sv key; /* ptr NULL: all rows */
    struct lam_wire wire;
    struct part *first, **end;
    struct lam_buf *open; /* bytes of the last part */
    size_t bytes;
};

static void free_parts(struct part *part)
{
    struct part *next;

    for (; part; part = next) {
        next = part->next;
        lam_buf_release(&part->bytes);
        free(part);
    }
}

static int begin_part(struct asked *asked, const struct lam_tail_range *ranges, size_t count, struct lam_error *err)
{
    const uint64_t head[HEAD] = {[ID] = asked->id, [RANGES] = count};
    struct part *part = calloc(1, sizeof *part);
    int rc;

    if (!part)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an answer");
    lam_buf_init(&part->bytes, PART_MAX);
    *asked->end = part;
    asked->end = &part->next;
    asked->open = &part->bytes;
    rc = lam_buf_add(asked->open, head, sizeof head, err);
    for (size_t i = 0; !rc && i < count; i++)
        rc = lam_buf_add(asked->open, (uint64_t[]){ranges[i].partition, ranges[i].end}, 2 * sizeof(uint64_t), err);
    return rc ? rc : lam_wire_begin(&asked->wire, asked->open, err);
}

static int end_part(struct asked *asked, bool more, struct lam_error *err)
{
    const uint64_t value = more;
    int rc = lam_wire_end(&asked->wire, err);

    memcpy(asked->open->ptr + MORE * sizeof value, &value, sizeof value);
    asked->bytes += asked->open->len;
    return rc;
}

static int add_row(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct asked *asked = arg;
    int rc = 0;

    if (asked->key.ptr && !lam_sv_eq(asked->key, row->rec.key))
        return 0;
    if (asked->open->len >= PART_BYTES && !(rc = end_part(asked, true, err)))
        rc = begin_part(asked, NULL, 0, err);
    if (!rc && asked->bytes > ANSWERS_MAX)
        rc = LAM_FAIL(err, LAM_E_LIMIT, "an answer of more than %zu bytes", ANSWERS_MAX);
    return rc ? rc : lam_wire_add_row(&asked->wire, row, err);
}

static int collect(struct lam_speed_rank *rank, uint64_t commit, struct asked *asked, struct lam_error *err)
{
    struct lam_tail_range ranges[256];
    size_t count = rank->tail ? lam_tail_reached(rank->tail, ranges, sizeof ranges / sizeof *ranges) : 0;
    int rc = begin_part(asked, ranges, count, err);

    if (!rc && rank->tail)
        rc = lam_tail_visit(rank->tail, commit, add_row, asked, err);
    return rc ? rc : end_part(asked, false, err);
}

/* As much as the outbox takes; the rest at the next step. */
static void send_parts(struct lam_speed_rank *rank)
{
    while (rank->parts && send(rank, MSG_SPEED_ANSWER, lam_buf_sv(&rank->parts->bytes))) {
        struct part *part = rank->parts;

        rank->parts = part->next;
        rank->part_bytes -= part->bytes.len;
        lam_buf_release(&part->bytes);
        free(part);
    }
}

static void answer(struct lam_speed_rank *rank, struct lam_sv bytes)
{
    uint64_t head[3];
    struct asked asked = {.bytes = rank->part_bytes};
    struct part **end = &rank->parts;
    struct lam_error err;
    int rc;

    if (bytes.len < sizeof head)
        return;
    memcpy(head, bytes.ptr, sizeof head);
    asked.id = head[0];
    asked.end = &asked.first;
    if (head[2])
        asked.key = lam_sv(bytes.ptr + sizeof head, bytes.len - sizeof head);
    if ((rc = collect(rank, head[1], &asked, &err))) {
        const uint64_t refusal[HEAD] = {[ID] = asked.id, [CODE] = (uint64_t)(int64_t)rc};

        lam_log_warn(&rank->engine->log, "speed", "a query was refused: %s", err.text);
        free_parts(asked.first);
        send(rank, MSG_SPEED_ANSWER, lam_sv((const char *)refusal, sizeof refusal));
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = asked.first;
    rank->part_bytes = asked.bytes;
    send_parts(rank);
}

/* --- the rest --- */

static void start(struct lam_speed_rank *rank, struct lam_sv bytes)
{
    struct lam_error err;
    int rc = lam_speed_setup_read(bytes, &rank->setup, &err);

    if (!rc)
        rc = lam_tail_log_new(&rank->tail, &err);
    rank->namer = (struct lam_namer){.rank = rank->engine->rank, .next = 1u << 30}; /* apart from the batch layer's names of the same rank */
    memcpy(rank->namer.run, rank->setup.run, LAM_RUN_ID);
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
        committed(rank, bytes);
        break;
    case MSG_SPEED_KEEP:
        if (bytes.len == sizeof kept && rank->tail) {
            memcpy(&kept, bytes.ptr, sizeof kept);
            lam_tail_let_go(rank->tail, kept);
        }
        break;
    case MSG_SPEED_ASK:
        answer(rank, bytes);
        break;
    case MSG_SPEED_STOP:
        rank->stopping = true;
        lam_speed_thread_stop(rank->thread);
        break;
    default:
        break;
    }
}

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
    send_rolls(rank);
    send_parts(rank);
    send_stats(rank);
    look(rank);
    if (rank->stopping && state != 0 && state != LAM_PENDING && !rank->open_rolls && is_rolled(rank)) {
        rank->running = !send(rank, MSG_SPEED_ENDED, lam_sv(NULL, 0));
        return rank->running ? LAM_PENDING : 0;
    }
    return LAM_PENDING;
}

int lam_speed_rank_open(struct lam_speed_rank **out, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err)
{
    struct lam_speed_rank *rank = calloc(1, sizeof *rank);
    int rc;

    *out = rank;
    if (!rank)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a speed rank");
    rank->engine = engine;
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
    while (rank->rolls) {
        struct roll *roll = rank->rolls;

        rank->rolls = roll->next;
        lam_buf_release(&roll->note);
        free(roll);
    }
    free_parts(rank->parts);
    lam_tail_log_free(rank->tail);
    lam_speed_setup_release(&rank->setup);
    free(rank);
}
