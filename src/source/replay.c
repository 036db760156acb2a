/*
 * The thread reads lines and sends them; reports come back on the same thread. What others see stands under one lock: for each
 * partition the lines that are sent and not archived, oldest first.
 *
 *     partition 2:   [ line 7, offset 3 ] [ line 9, offset 4 ] [ line 15, not delivered ]      held = their bytes
 *                      ^ lam_replay_archived takes these off as the archive moves on
 */
#include "replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/json.h"
#include "replay_line.h"

#include "broker.h"
#include "producer.h"

#define OVERHEAD 150        /* bytes of a message at the broker beyond key and value: a batch of its own at worst */
#define STEP_MS 20          /* how soon a stop, or room, is noticed */
#define STOP_FLUSH_MS 300
#define WARM_MS 2000
#define REPORTS_S 5         /* a cursor waits for reports: as a rule for milliseconds */
#define BEHIND_US 1000000   /* further behind than this the plan starts anew: no burst after a pause */
#define NOT_DELIVERED (-1)

struct pending {
    uint64_t line, begin; /* number of the line, from 1; the byte where it begins */
    int64_t offset;       /* NOT_DELIVERED */
    size_t bytes;
};

struct lane {
    struct pending *ring;
    size_t first, count, cap; /* cap is a power of two */
    size_t reported;          /* of count, from the oldest: reports come in the order of sending */
    size_t held;              /* bytes */
    uint64_t archived_line, archived_next, end;
};

struct lam_replay {
    pthread_t thread;
    atomic_bool stop;
    struct lam_replay_options options; /* its strings are owned copies */
    char *strings;
    FILE *file;
    struct lam_producer *producer;
    struct lam_json *json;
    struct lam_buf key;
    uint64_t start_line, start_byte;
    uint64_t *skip; /* for each partition: lines up to this one were archived in earlier lives */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed; /* a report came, or none will */
    bool ended;
    struct lane *lanes;
    uint64_t next_line, next_byte; /* read up to here: the line before next_byte is in a lane, or was skipped */
    struct lam_replay_progress progress;
    struct lam_error failure;
};

static struct pending *at(const struct lane *lane, size_t i) { return &lane->ring[(lane->first + i) & (lane->cap - 1)]; }

static int push(struct lane *lane, struct pending pending, struct lam_error *err)
{
    if (lane->count == lane->cap) {
        size_t cap = lane->cap ? 2 * lane->cap : 256;
        struct pending *ring = malloc(cap * sizeof *ring);

        if (!ring)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu lines that are not archived", cap);
        for (size_t i = 0; i < lane->count; i++)
            ring[i] = *at(lane, i);
        free(lane->ring);
        lane->ring = ring;
        lane->cap = cap;
        lane->first = 0;
    }
    lane->count++;
    *at(lane, lane->count - 1) = pending;
    lane->held += pending.bytes;
    return 0;
}

static void fail(struct lam_replay *replay, const struct lam_error *err)
{
    pthread_mutex_lock(&replay->lock);
    if (!replay->progress.rc) {
        replay->failure = *err;
        replay->progress.rc = err->code;
    }
    pthread_cond_broadcast(&replay->changed);
    pthread_mutex_unlock(&replay->lock);
}

/* Takes off what is archived. A line can be archived before its report is in: then it goes when that comes. */
static void forget_archived(struct lam_replay *replay, struct lane *lane)
{
    while (lane->reported && (uint64_t)at(lane, 0)->offset < lane->archived_next) {
        lane->held -= at(lane, 0)->bytes;
        lane->archived_line = at(lane, 0)->line;
        lane->first = (lane->first + 1) & (lane->cap - 1);
        lane->count--;
        lane->reported--;
        replay->progress.archived++;
    }
}

/* Runs within lam_producer_poll, on the thread. */
static void on_report(void *arg, const struct lam_report *report)
{
    struct lam_replay *replay = arg;
    struct lam_error err;
    struct lane *lane;

    if (report->rc) {
        LAM_FAIL(&err, report->rc, "replay of %s: line %llu: %s", replay->options.path, (unsigned long long)report->tag, report->reason);
        fail(replay, &err);
        return;
    }
    pthread_mutex_lock(&replay->lock);
    lane = &replay->lanes[report->partition];
    at(lane, lane->reported++)->offset = report->offset;
    lane->end = (uint64_t)report->offset + 1;
    replay->progress.delivered++;
    forget_archived(replay, lane);
    pthread_cond_broadcast(&replay->changed);
    pthread_mutex_unlock(&replay->lock);
}

void lam_replay_archived(struct lam_replay *replay, uint32_t partition, uint64_t next_offset)
{
    pthread_mutex_lock(&replay->lock);
    if (partition < replay->options.partitions && next_offset > replay->lanes[partition].archived_next) {
        replay->lanes[partition].archived_next = next_offset;
        forget_archived(replay, &replay->lanes[partition]);
    }
    pthread_mutex_unlock(&replay->lock);
}

/* A record can be read before its report is in. Whether a line lies below next is known once a report beyond it came, or none is owed. */
static bool is_known(const struct lane *lane, uint64_t next) { return lane->reported == lane->count || lane->end >= next; }

static int wait_for_reports(struct lam_replay *replay, const uint64_t *next_offsets, struct lam_error *err)
{
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += REPORTS_S;
    for (uint32_t p = 0; p < replay->options.partitions; p++)
        while (!is_known(&replay->lanes[p], next_offsets[p]) && !replay->ended && !replay->progress.rc)
            if (pthread_cond_timedwait(&replay->changed, &replay->lock, &deadline) == ETIMEDOUT)
                return LAM_FAIL(err, LAM_E_TIMEOUT, "replay of %s: reports of partition %u are owed for %d s",
                                replay->options.path, p, REPORTS_S);
    return 0;
}

int lam_replay_cursor(struct lam_replay *replay, const uint64_t *next_offsets, struct lam_buf *out, struct lam_error *err)
{
    uint64_t byte, line;
    int rc;

    pthread_mutex_lock(&replay->lock);
    rc = wait_for_reports(replay, next_offsets, err);
    byte = replay->next_byte;
    line = replay->next_line;
    if (!rc)
        rc = lam_buf_add(out, "{\"lines\":[", 10, err);
    for (uint32_t p = 0; !rc && p < replay->options.partitions; p++) {
        const struct lane *lane = &replay->lanes[p];
        uint64_t archived = lane->archived_line;
        size_t i = 0;

        for (; i < lane->reported && (uint64_t)at(lane, i)->offset < next_offsets[p]; i++)
            archived = at(lane, i)->line;
        if (i < lane->count && at(lane, i)->begin < byte) {
            byte = at(lane, i)->begin;
            line = at(lane, i)->line;
        }
        rc = lam_buf_addf(out, err, "%s%llu", p ? "," : "", (unsigned long long)archived);
    }
    pthread_mutex_unlock(&replay->lock);
    return rc ? rc : lam_buf_addf(out, err, "],\"line\":%llu,\"byte\":%llu}", (unsigned long long)line, (unsigned long long)byte);
}

struct lam_replay_progress lam_replay_progress(struct lam_replay *replay)
{
    struct lam_replay_progress progress;

    pthread_mutex_lock(&replay->lock);
    progress = replay->progress;
    pthread_mutex_unlock(&replay->lock);
    return progress;
}

void lam_replay_error(struct lam_replay *replay, struct lam_error *err)
{
    pthread_mutex_lock(&replay->lock);
    *err = replay->failure;
    pthread_mutex_unlock(&replay->lock);
}

uint64_t lam_replay_end(struct lam_replay *replay, uint32_t partition)
{
    uint64_t end = 0;

    pthread_mutex_lock(&replay->lock);
    if (partition < replay->options.partitions)
        end = replay->lanes[partition].end;
    pthread_mutex_unlock(&replay->lock);
    return end;
}

/* --- the thread --- */

static bool stopped(struct lam_replay *replay)
{
    return atomic_load(&replay->stop) || lam_replay_progress(replay).rc;
}

/* Serves reports until the partition has room for bytes. False: stopped. */
static bool wait_for_room(struct lam_replay *replay, uint32_t partition, size_t bytes)
{
    for (;;) {
        bool room;

        pthread_mutex_lock(&replay->lock);
        room = replay->lanes[partition].held == 0 || replay->options.keep == SIZE_MAX ||
               replay->lanes[partition].held + bytes <= replay->options.keep;
        replay->progress.held = !room;
        pthread_mutex_unlock(&replay->lock);
        if (room || stopped(replay))
            return room && !stopped(replay);
        lam_producer_poll(replay->producer, STEP_MS);
    }
}

/* Waits for the line's time. due_us moves on by one line. */
static bool wait_for_time(struct lam_replay *replay, double *due_us)
{
    double now = (double)lam_mono_us(&lam_clock_system);

    lam_producer_poll(replay->producer, 0);
    if (replay->options.rate <= 0)
        return !stopped(replay);
    if (now - *due_us > BEHIND_US)
        *due_us = now;
    while (now < *due_us && !stopped(replay)) {
        double left_ms = (*due_us - now) / 1000;

        lam_producer_poll(replay->producer, left_ms < 1 ? 1 : left_ms < STEP_MS ? (int)left_ms : STEP_MS);
        now = (double)lam_mono_us(&lam_clock_system);
    }
    *due_us += 1e6 / replay->options.rate;
    return !stopped(replay);
}

static int send_line(struct lam_replay *replay, const struct lam_replay_line *line, uint32_t partition, uint64_t number,
                     uint64_t begin, uint64_t end, struct lam_error *err)
{
    struct lam_message message = {.topic = replay->options.topic,
                                  .partition = (int32_t)partition,
                                  .has_key = line->has_key,
                                  .null_value = line->deleted,
                                  .key = line->key,
                                  .value = line->value,
                                  .timestamp_us = line->time_us,
                                  .tag = number};
    struct pending pending = {number, begin, NOT_DELIVERED, OVERHEAD + line->key.len + (line->deleted ? 0 : line->value.len)};
    int rc;

    pthread_mutex_lock(&replay->lock); /* first into the lane: its report may come at once */
    if (!(rc = push(&replay->lanes[partition], pending, err))) {
        replay->next_line = number + 1;
        replay->next_byte = end;
        replay->progress.sent++;
    }
    pthread_mutex_unlock(&replay->lock);
    while (!rc && (rc = lam_producer_send(replay->producer, &message, err)) == LAM_PENDING) {
        if (stopped(replay))
            return LAM_FAIL(err, LAM_E_CANCELLED, "stopped");
        lam_producer_poll(replay->producer, STEP_MS);
        rc = 0;
    }
    return rc ? LAM_PASS(err, rc, "replay of %s: line %llu", replay->options.path, (unsigned long long)number) : 0;
}

static int play_line(struct lam_replay *replay, struct lam_sv text, uint64_t number, uint64_t begin, uint64_t end,
                     double *due_us, struct lam_error *err)
{
    struct lam_replay_line line;
    uint32_t partition;
    int rc;

    if ((rc = lam_replay_line_read(&replay->options, replay->json, &replay->key, text, &line, err)))
        return rc;
    partition = line.has_key ? lam_producer_partition(line.key, replay->options.partitions)
                             : (uint32_t)(number % replay->options.partitions);
    if (number <= replay->skip[partition]) {
        pthread_mutex_lock(&replay->lock);
        replay->next_line = number + 1;
        replay->next_byte = end;
        replay->progress.resumed++;
        pthread_mutex_unlock(&replay->lock);
        return 0;
    }
    if (!wait_for_time(replay, due_us) || !wait_for_room(replay, partition, OVERHEAD + line.key.len + line.value.len))
        return LAM_FAIL(err, LAM_E_CANCELLED, "stopped");
    return send_line(replay, &line, partition, number, begin, end, err);
}

static int play(struct lam_replay *replay, struct lam_error *err)
{
    uint64_t number = replay->start_line, begin = replay->start_byte;
    double due_us = (double)lam_mono_us(&lam_clock_system);
    char *bytes = NULL;
    size_t cap = 0;
    ssize_t len;
    int rc = 0;

    while (!rc && (len = getline(&bytes, &cap, replay->file)) > 0) {
        struct lam_sv text = lam_replay_line_trim(lam_sv(bytes, (size_t)len));

        if (text.len)
            rc = play_line(replay, text, number++, begin, begin + (uint64_t)len, &due_us, err);
        begin += (uint64_t)len;
    }
    if (!rc && ferror(replay->file))
        rc = LAM_FAIL(err, LAM_E_IO, "read %s: %s", replay->options.path, strerror(errno));
    free(bytes);
    return rc;
}

static void *run(void *arg)
{
    struct lam_replay *replay = arg;
    struct lam_error err;
    uint64_t total;
    int rc;

    pthread_setname_np(pthread_self(), "lam-replay");
    lam_producer_warm(replay->producer, &replay->options.topic, 1, WARM_MS, NULL); /* before the first line's time: else it waits for a second */
    if (!(rc = lam_replay_count(replay->options.path, &total, &err))) {
        pthread_mutex_lock(&replay->lock);
        replay->progress.total = total;
        pthread_mutex_unlock(&replay->lock);
        rc = play(replay, &err);
    }
    while (!rc && !stopped(replay)) { /* the last reports */
        struct lam_producer_stats stats = lam_producer_stats(replay->producer);

        if (stats.delivered == stats.sent)
            break;
        lam_producer_poll(replay->producer, STEP_MS);
    }
    if (rc && rc != LAM_E_CANCELLED)
        fail(replay, &err);
    pthread_mutex_lock(&replay->lock);
    replay->ended = true;
    pthread_cond_broadcast(&replay->changed);
    replay->progress.held = false;
    replay->progress.done = !rc && !replay->progress.rc && replay->progress.delivered == replay->progress.sent &&
                            !atomic_load(&replay->stop);
    pthread_mutex_unlock(&replay->lock);
    return NULL;
}

/* --- start and stop --- */

static int copy_strings(struct lam_replay *replay, const struct lam_replay_options *options, struct lam_error *err)
{
    const char *const texts[] = {options->path, options->brokers, options->topic};
    const struct lam_sv views[] = {options->key, options->time, options->deleted};
    const char **const to_texts[] = {&replay->options.path, &replay->options.brokers, &replay->options.topic};
    struct lam_sv *const to_views[] = {&replay->options.key, &replay->options.time, &replay->options.deleted};
    size_t len = 1;
    char *p;

    for (size_t i = 0; i < 3; i++)
        len += strlen(texts[i]) + 1 + views[i].len;
    if (!(p = replay->strings = malloc(len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the replay of %s", options->path);
    for (size_t i = 0; i < 3; i++) {
        *to_texts[i] = p;
        p = stpcpy(p, texts[i]) + 1;
        *to_views[i] = lam_sv(p, views[i].len);
        if (views[i].len)
            p = (char *)mempcpy(p, views[i].ptr, views[i].len);
    }
    return 0;
}

static int open_all(struct lam_replay *replay, const struct lam_replay_options *options, struct lam_error *err)
{
    const struct lam_producer_options producer = {.brokers = options->brokers, .props = options->props, .prop_count = options->prop_count,
                                                  .on_report = on_report, .arg = replay, .log = options->log};
    int rc;

    if (options->partitions == 0)
        return LAM_FAIL(err, LAM_E_INVALID, "replay of %s: a topic without partitions", options->path);
    if ((rc = copy_strings(replay, options, err)))
        return rc;
    replay->lanes = calloc(options->partitions, sizeof *replay->lanes);
    replay->skip = calloc(options->partitions, sizeof *replay->skip);
    replay->json = lam_json_new(LAM_JSON_MAX_LEN, 1000);
    if (!replay->lanes || !replay->skip || !replay->json)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the replay of %s", options->path);
    replay->start_line = 1;
    if (options->cursor.len && (rc = lam_replay_cursor_read(options->cursor, options->partitions, replay->skip,
                                                            &replay->start_line, &replay->start_byte, err)))
        return rc;
    if (!(replay->file = fopen(options->path, "re")))
        return LAM_FAIL(err, errno == ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "open %s: %s", options->path, strerror(errno));
    if ((rc = lam_replay_seek(replay->file, options->path, replay->start_byte, err)))
        return rc;
    replay->next_line = replay->start_line;
    replay->next_byte = replay->start_byte;
    replay->progress.resumed = replay->start_line - 1;
    for (uint32_t p = 0; p < options->partitions; p++)
        replay->lanes[p].archived_line = replay->skip[p];
    return lam_producer_open(&replay->producer, &producer, err);
}

static void release(struct lam_replay *replay)
{
    lam_producer_close(replay->producer);
    if (replay->file)
        fclose(replay->file);
    for (uint32_t p = 0; replay->lanes && p < replay->options.partitions; p++)
        free(replay->lanes[p].ring);
    free(replay->lanes);
    free(replay->skip);
    free(replay->strings);
    lam_json_free(replay->json);
    lam_buf_release(&replay->key);
    pthread_cond_destroy(&replay->changed);
    pthread_mutex_destroy(&replay->lock);
    free(replay);
}

int lam_replay_start(struct lam_replay **result, const struct lam_replay_options *options, struct lam_error *err)
{
    struct lam_replay *replay = calloc(1, sizeof *replay);
    pthread_condattr_t attr;
    int rc;

    *result = NULL;
    if (!replay)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the replay of %s", options->path);
    pthread_mutex_init(&replay->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&replay->changed, &attr);
    pthread_condattr_destroy(&attr);
    lam_buf_init(&replay->key, LAM_REPLAY_KEY_MAX);
    replay->options = *options;
    if (!replay->options.keep)
        replay->options.keep = LAM_BROKER_KEEPS;
    if ((rc = open_all(replay, options, err)) == 0 && (rc = pthread_create(&replay->thread, NULL, run, replay)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no thread for the replay of %s: %s", options->path, strerror(rc));
    if (rc) {
        release(replay);
        return rc;
    }
    *result = replay;
    return 0;
}

void lam_replay_stop(struct lam_replay *replay)
{
    if (!replay)
        return;
    atomic_store(&replay->stop, true);
    pthread_join(replay->thread, NULL);
    lam_producer_flush(replay->producer, STOP_FLUSH_MS, NULL);
    release(replay);
}
