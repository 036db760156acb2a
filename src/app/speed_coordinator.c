/*
 * Rank 0 of the speed layer: one committer, at most one commit in commit_interval, whatever the number of ranks; and the questions of
 * the serving threads, which no thread but the main one may put to other ranks.
 */
#include "speed_coordinator.h"

#include "model/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FETCH_ROWS ((size_t)1 << 22)
#define FETCH_BYTES ((size_t)4 << 30)
#define KEEP_US 1000000
#define ALIVE_US 2000000

/* A roll that waits for its commit. */
struct rolled {
    struct rolled *next;
    int rank;
    uint64_t number;
    json_t *note;
};

/* A question of a serving thread; it waits on `answered` under the coordinator's lock. */
struct ask {
    struct ask *next;
    uint64_t id, commit;
    struct lam_sv key;
    bool sent;
    int missing; /* ranks that have not answered */
    int code;
    int silent;  /* one of those that have not */
    struct lam_buf frames, speed;
};

struct lam_speed_coordinator {
    struct lam_engine *engine;
    struct lam_store_reader *reader;
    struct lam_speed_begun begun;
    bool running, beginning, until_end, stopping, stop_sent, over;
    int started, ended; /* ranks */
    struct lam_work begin_work, replay_work, commit_work, alive_work;
    int begin_rc, replay_rc, commit_rc;
    struct lam_error begin_err, replay_err, commit_err, failure;
    bool replay_busy, replaying; /* is asked for; it runs, and the main thread may look at it */
    struct rolled *queue, *committing;
    bool commit_busy, alive_busy;
    uint64_t commit_number, committed; /* storage thread: of the newest commit; main thread: what it was when that job was done */
    uint64_t archived, over_commit;
    int64_t next_commit_us, next_keep_us, next_alive_us;
    uint64_t committed_records;
    struct lam_speed_stats *stats; /* one a speed rank */
    pthread_mutex_t lock;    /* guards asks and their contents */
    pthread_cond_t answered;
    struct ask *asks;
    uint64_t next_ask;
};

static int speed_ranks(const struct lam_speed_coordinator *c) { return c->engine->roles.count[LAM_ROLE_SPEED]; }
static int rank_of(const struct lam_speed_coordinator *c, int i) { return lam_roles_rank(&c->engine->roles, LAM_ROLE_SPEED, i); }

static void fail(struct lam_speed_coordinator *c, const struct lam_error *err)
{
    if (!c->failure.code)
        c->failure = *err;
    lam_wake_signal(&c->engine->wake);
}

static void tell(struct lam_speed_coordinator *c, int rank, uint16_t type, const void *bytes, size_t len)
{
    struct lam_error err;
    int rc = lam_comm_send(c->engine->comm, rank, type, lam_sv(bytes, len), &err);

    if (rc == LAM_PENDING)
        rc = LAM_FAIL(&err, LAM_E_IO, "speed rank %d takes no messages", rank);
    if (rc)
        fail(c, &err);
}

/* --- begin --- */

static struct lam_speed_coordinator *of_begin(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, begin_work)); }
static struct lam_speed_coordinator *of_replay(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, replay_work)); }
static struct lam_speed_coordinator *of_commit(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, commit_work)); }
static struct lam_speed_coordinator *of_alive(struct lam_work *work) { return (void *)((char *)work - offsetof(struct lam_speed_coordinator, alive_work)); }

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

    c->beginning = false;
    if (c->begin_rc)
        fail(c, &c->begin_err);
    else if (send_starts(c, &err))
        fail(c, &err);
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

static void replay_if_due(struct lam_speed_coordinator *c)
{
    if (!c->engine->job->stream->replay || c->replay_busy || c->stopping || c->started < speed_ranks(c))
        return;
    c->replay_work = (struct lam_work){replay_run, replay_done};
    c->replay_busy = lam_work_submit(c->engine->storage, &c->replay_work);
    if (!c->replay_busy)
        LAM_FAIL(&c->failure, LAM_E_LIMIT, "the storage thread has too many jobs");
}

/* --- commits --- */

static int add_entries(struct lam_commit *commit, const json_t *entries, uint64_t *records, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < json_array_size(entries); i++) {
        struct lam_segment_entry entry;
        char *text = json_dumps(json_array_get(entries, i), JSON_COMPACT);

        rc = text ? lam_segment_entry_read(lam_sv_of(text), &entry, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");
        free(text);
        if (rc)
            return rc;
        *records += entry.kind == LAM_SEGMENT_BRONZE_STREAM ? entry.rows : 0;
        rc = lam_commit_add(commit, &entry, err);
        lam_segment_entry_release(&entry);
    }
    return rc;
}

static void add_archived(struct lam_archived *archived, uint32_t *count, const json_t *item)
{
    uint32_t partition = (uint32_t)json_integer_value(json_array_get(item, 0)), at = 0;

    while (at < *count && archived[at].partition != partition)
        at++;
    if (at == *count)
        ++*count;
    archived[at] = (struct lam_archived){.partition = partition, .next = (uint64_t)json_integer_value(json_array_get(item, 1)), .has_witness = true,
                                         .witness = {(uint64_t)json_integer_value(json_array_get(item, 2)), json_integer_value(json_array_get(item, 3)),
                                                     (uint32_t)json_integer_value(json_array_get(item, 4))}};
}

static int by_partition(const void *a, const void *b)
{
    const struct lam_archived *x = a, *y = b;

    return (x->partition > y->partition) - (x->partition < y->partition);
}

/* The replayer's cursor for the archive as this commit leaves it. */
static int make_cursor(struct lam_speed_coordinator *c, const struct lam_archived *archived, uint32_t count, struct lam_buf *cursor, struct lam_error *err)
{
    const struct lam_state *state = lam_commitlog_peek(c->engine->commits);
    size_t partitions = c->begun.setup.start_count;
    uint64_t *next = calloc(partitions + 1, sizeof *next);
    int rc;

    if (!next)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cursor");
    for (size_t i = 0; i < partitions; i++) {
        const struct lam_archived *before = lam_state_archived(state, c->begun.setup.source, c->begun.setup.life, (uint32_t)i);

        next[i] = before ? before->next : (uint64_t)c->begun.setup.starts[i].archive;
    }
    for (uint32_t i = 0; i < count; i++)
        if (archived[i].partition < partitions)
            next[archived[i].partition] = archived[i].next;
    rc = lam_replay_cursor(c->begun.replay, next, cursor, err);
    if (!rc)
        rc = lam_buf_add(cursor, "", 1, err);
    free(next);
    return rc;
}

static int commit_rolls(struct lam_speed_coordinator *c, struct lam_error *err)
{
    struct lam_archived *archived = calloc(c->begun.setup.start_count + 1, sizeof *archived);
    struct lam_commit commit;
    struct lam_buf cursor;
    uint64_t records = 0;
    uint32_t count = 0;
    int rc = archived ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a commit");

    lam_buf_init(&cursor, LAM_COMMIT_TEXT);
    lam_commit_init(&commit, lam_commitlog_peek(c->engine->commits)->number);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, c->begun.term);
    for (struct rolled *rolled = c->committing; rolled && !rc; rolled = rolled->next) {
        const json_t *list = json_object_get(rolled->note, "archive");

        rc = add_entries(&commit, json_object_get(rolled->note, "entries"), &records, err);
        for (size_t i = 0; !rc && i < json_array_size(list); i++)
            add_archived(archived, &count, json_array_get(list, i));
    }
    qsort(archived, count, sizeof *archived, by_partition);
    if (!rc && c->begun.replay)
        rc = make_cursor(c, archived, count, &cursor, err);
    if (!rc)
        rc = lam_commit_archive(&commit, c->begun.setup.source, c->begun.setup.life, archived, count, c->begun.replay ? cursor.ptr : NULL, err);
    if (!rc && !(rc = lam_commitlog_commit(c->engine->commits, &commit, &c->commit_number, err))) {
        lam_engine_share(c->engine);
        c->committed_records = records;
        for (uint32_t i = 0; c->begun.replay && i < count; i++)
            lam_replay_archived(c->begun.replay, archived[i].partition, archived[i].next);
    }
    lam_commit_release(&commit);
    lam_buf_release(&cursor);
    free(archived);
    return rc;
}

static void commit_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_coordinator *c = of_commit(work);

    (void)worker;
    c->commit_rc = commit_rolls(c, &c->commit_err);
}

static void commit_done(struct lam_work *work)
{
    struct lam_speed_coordinator *c = of_commit(work);

    c->commit_busy = false;
    if (c->commit_rc)
        fail(c, &c->commit_err);
    else
        c->archived += c->committed_records;
    c->committed = c->commit_number;
    while (c->committing) {
        struct rolled *rolled = c->committing;
        struct lam_speed_committed message = {rolled->number, c->committed};

        c->committing = rolled->next;
        if (!c->commit_rc)
            tell(c, rolled->rank, MSG_SPEED_COMMITTED, &message, sizeof message);
        json_decref(rolled->note);
        free(rolled);
    }
    c->next_keep_us = 0;
    lam_wake_signal(&c->engine->wake);
}

static void commit_if_due(struct lam_speed_coordinator *c)
{
    int64_t now = lam_mono_us(c->engine->clock);

    if (!c->queue || c->commit_busy || c->failure.code || (now < c->next_commit_us && !c->stopping))
        return;
    c->next_commit_us = now + c->engine->job->commit_interval_us;
    c->committing = c->queue;
    c->queue = NULL;
    c->commit_work = (struct lam_work){commit_run, commit_done};
    c->commit_busy = lam_work_submit(c->engine->storage, &c->commit_work);
    if (!c->commit_busy)
        LAM_FAIL(&c->failure, LAM_E_LIMIT, "the storage thread has too many jobs");
}

/* --- messages --- */

static void queue_roll(struct lam_speed_coordinator *c, int src, struct lam_sv bytes)
{
    struct rolled *rolled = calloc(1, sizeof *rolled), **link;
    struct lam_error err;

    if (!rolled || !(rolled->note = json_loadb(bytes.ptr, bytes.len, 0, NULL))) {
        free(rolled);
        LAM_FAIL(&err, LAM_E_MEMORY, "rank %d rolled something that cannot be read", src);
        fail(c, &err);
        return;
    }
    rolled->rank = src;
    rolled->number = (uint64_t)json_integer_value(json_object_get(rolled->note, "roll"));
    for (link = &c->queue; *link; link = &(*link)->next)
        ;
    *link = rolled;
}

static struct ask *find_ask(struct lam_speed_coordinator *c, uint64_t id)
{
    struct ask *ask = c->asks;

    while (ask && ask->id != id)
        ask = ask->next;
    return ask;
}

static void take_answer(struct lam_speed_coordinator *c, struct lam_sv bytes)
{
    uint64_t head[3], pair[2];
    struct lam_error err;
    struct ask *ask;
    size_t at = sizeof head;

    if (bytes.len < sizeof head)
        return;
    memcpy(head, bytes.ptr, sizeof head);
    pthread_mutex_lock(&c->lock);
    if ((ask = find_ask(c, head[0]))) { /* else it has given up waiting */
        ask->missing--;
        if (head[1])
            ask->code = (int)(int64_t)head[1];
        for (uint64_t i = 0; i < head[2] && at + sizeof pair <= bytes.len && !ask->code; i++, at += sizeof pair) {
            memcpy(pair, bytes.ptr + at, sizeof pair);
            ask->code = lam_buf_addf(&ask->speed, &err, "%s\"%" PRIu64 "\":%" PRIu64, ask->speed.len ? "," : "", pair[0], pair[1]);
        }
        if (!ask->code)
            ask->code = lam_buf_add(&ask->frames, bytes.ptr + at, bytes.len - at, &err);
        if (ask->missing <= 0)
            pthread_cond_broadcast(&c->answered);
    }
    pthread_mutex_unlock(&c->lock);
}

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
        queue_roll(c, src, bytes);
        break;
    case MSG_SPEED_ANSWER:
        take_answer(c, bytes);
        break;
    case MSG_SPEED_STATS:
        if (index >= 0 && bytes.len == sizeof *c->stats)
            memcpy(&c->stats[index], bytes.ptr, bytes.len);
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

/* --- questions --- */

static void send_asks(struct lam_speed_coordinator *c)
{
    pthread_mutex_lock(&c->lock);
    for (struct ask *ask = c->asks; ask; ask = ask->next) {
        uint64_t head[3] = {ask->id, ask->commit, ask->key.ptr != NULL};
        char *bytes;

        if (ask->sent || !(bytes = malloc(sizeof head + ask->key.len)))
            continue;
        ask->sent = true;
        memcpy(bytes, head, sizeof head);
        if (ask->key.len)
            memcpy(bytes + sizeof head, ask->key.ptr, ask->key.len);
        for (int r = 0; r < speed_ranks(c); r++)
            tell(c, rank_of(c, r), MSG_SPEED_ASK, bytes, sizeof head + ask->key.len);
        free(bytes);
    }
    pthread_mutex_unlock(&c->lock);
}

static void remove_ask(struct lam_speed_coordinator *c, struct ask *ask)
{
    struct ask **link = &c->asks;

    while (*link && *link != ask)
        link = &(*link)->next;
    if (*link)
        *link = ask->next;
}

static int decode_answer(struct lam_speed_coordinator *c, struct ask *ask, struct lam_block **block, struct lam_buf *speed, struct lam_error *err)
{
    struct lam_sv rest = lam_buf_sv(&ask->frames), frame;
    int rc = 0;

    if (!(*block = lam_block_new(FETCH_ROWS, FETCH_BYTES)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the tail's rows");
    while (!rc && !(rc = lam_wire_next(&rest, &frame, err)))
        rc = lam_wire_decode(frame, *block, err);
    rc = rc == LAM_END ? 0 : rc;
    if (!rc && !(rc = lam_buf_add_json(speed, lam_sv_of(c->engine->job->stream->name), err)))
        rc = lam_buf_addf(speed, err, ":{%.*s}", LAM_SV_ARG(lam_buf_sv(&ask->speed)));
    if (rc) {
        lam_block_free(*block);
        *block = NULL;
    }
    return rc;
}

/* Any serving thread. */
static int fetch(void *arg, uint64_t commit, struct lam_sv key, int64_t deadline_us, struct lam_block **block, struct lam_buf *speed, struct lam_error *err)
{
    struct lam_speed_coordinator *c = arg;
    struct ask ask = {.commit = commit, .key = key, .missing = speed_ranks(c)};
    struct timespec until;
    bool over;
    int rc = 0;

    *block = NULL;
    lam_buf_init(&ask.frames, (size_t)1 << 30);
    lam_buf_init(&ask.speed, (size_t)4 << 20);
    until = (struct timespec){deadline_us / 1000000, deadline_us % 1000000 * 1000};
    pthread_mutex_lock(&c->lock);
    ask.id = ++c->next_ask;
    ask.next = c->asks;
    c->asks = &ask;
    lam_wake_signal(&c->engine->wake);
    while (ask.missing > 0 && !rc && !c->over)
        rc = pthread_cond_timedwait(&c->answered, &c->lock, &until);
    remove_ask(c, &ask);
    over = c->over && commit >= c->over_commit; /* then all is archived, and there is no tail to ask for */
    pthread_mutex_unlock(&c->lock);
    if (ask.missing > 0 && !over && !rc)
        rc = LAM_FAIL(err, LAM_E_TIMEOUT, "the speed layer has ended since this query began: ask again");
    else if (ask.missing > 0 && !over)
        rc = LAM_FAIL(err, LAM_E_TIMEOUT, "%d of %d speed ranks did not answer in time", ask.missing, speed_ranks(c));
    else if (ask.code)
        rc = LAM_FAIL(err, ask.code, "a speed rank could not answer for its tail: %s", lam_error_name(ask.code));
    else
        rc = decode_answer(c, &ask, block, speed, err);
    lam_buf_release(&ask.frames);
    lam_buf_release(&ask.speed);
    return rc;
}

/* --- steps --- */

static void alive_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_coordinator *c = of_alive(work);
    struct lam_error err;

    (void)worker;
    if (lam_alive_raise(&c->begun.alive, &err))
        lam_log_warn(&c->engine->log, "speed", "%s", err.text);
}

static void alive_done(struct lam_work *work) { of_alive(work)->alive_busy = false; }

static void tick(struct lam_speed_coordinator *c)
{
    int64_t now = lam_mono_us(c->engine->clock);

    if (now >= c->next_keep_us) {
        uint64_t kept = c->reader ? lam_store_reader_oldest(c->reader) : c->committed;

        c->next_keep_us = now + KEEP_US;
        for (int r = 0; r < speed_ranks(c); r++)
            tell(c, rank_of(c, r), MSG_SPEED_KEEP, &kept, sizeof kept);
    }
    if (now >= c->next_alive_us && !c->alive_busy) {
        c->next_alive_us = now + ALIVE_US;
        c->alive_work = (struct lam_work){alive_run, alive_done};
        c->alive_busy = lam_work_submit(c->engine->storage, &c->alive_work);
    }
}

int lam_speed_coordinator_step(struct lam_speed_coordinator *c, struct lam_error *err)
{
    if (!c->running)
        return 0;
    if (c->failure.code) {
        *err = c->failure;
        return c->failure.code;
    }
    if (c->beginning)
        return LAM_PENDING;
    replay_if_due(c);
    send_asks(c);
    commit_if_due(c);
    tick(c);
    if (c->stopping && !c->stop_sent) {
        c->stop_sent = true;
        for (int r = 0; r < speed_ranks(c); r++)
            tell(c, rank_of(c, r), MSG_SPEED_STOP, "", 0);
    }
    if (c->stop_sent && c->ended == speed_ranks(c) && !c->queue && !c->commit_busy && !c->alive_busy && !(c->replay_busy && !c->replaying)) {
        pthread_mutex_lock(&c->lock);
        c->over = true;
        c->over_commit = c->committed;
        pthread_cond_broadcast(&c->answered);
        pthread_mutex_unlock(&c->lock);
        c->running = false;
        return 0;
    }
    return LAM_PENDING;
}

int lam_speed_coordinator_open(struct lam_speed_coordinator **out, struct lam_engine *engine, struct lam_error *err)
{
    struct lam_speed_coordinator *c = calloc(1, sizeof *c);
    pthread_condattr_t attributes;

    *out = c;
    if (!c || !(c->stats = calloc((size_t)engine->roles.count[LAM_ROLE_SPEED] + 1, sizeof *c->stats)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the speed layer");
    c->engine = engine;
    c->begun.alive.fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    return lam_comm_on(engine->comm, MSG_SPEED_STARTED, MSG_SPEED_FAILED, on_message, c, err);
}

static void free_rolls(struct rolled *rolled)
{
    struct rolled *next;

    for (; rolled; rolled = next) {
        next = rolled->next;
        json_decref(rolled->note);
        free(rolled);
    }
}

void lam_speed_coordinator_close(struct lam_speed_coordinator *c)
{
    if (!c)
        return;
    lam_comm_off(c->engine->comm, MSG_SPEED_STARTED);
    lam_speed_begun_release(&c->begun);
    free_rolls(c->committing);
    free_rolls(c->queue);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->answered);
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
    c->begin_work = (struct lam_work){begin_run, begin_done};
    return lam_work_submit(c->engine->storage, &c->begin_work) ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
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
        sum.failed += s->failed;
        sum.tail_rows += s->tail_rows;
        sum.tail_bytes += s->tail_bytes;
        sum.at_end += s->at_end;
        sum.rss_anon_kib = s->rss_anon_kib > sum.rss_anon_kib ? s->rss_anon_kib : sum.rss_anon_kib;
        sum.rss_shmem_kib = s->rss_shmem_kib > sum.rss_shmem_kib ? s->rss_shmem_kib : sum.rss_shmem_kib;
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
        return replay.done && replay.archived >= replay.delivered && replay.archived + replay.resumed >= replay.total;
    if (c->engine->job->stream->replay)
        return false;
    return c->until_end && c->started == speed_ranks(c) && lam_speed_stats(speed).at_end == c->begun.setup.start_count;
}

uint64_t lam_speed_archived(const struct lam_speed_job *speed) { return speed->coordinator ? speed->coordinator->archived : 0; }

struct lam_tail_source lam_speed_tail(struct lam_speed_job *speed) { return (struct lam_tail_source){fetch, speed->coordinator}; }
