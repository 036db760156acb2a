#include "speed_sender.h"

#include "base/utf8.h"
#include "model/order.h"
#include "redact_reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_TRIES 600 /* of 100 ms: the producer's own time-out comes first */
#define FLUSH_STEP_MS 500
#define WARM_MS 5000
#define ALONE_TRIES 2   /* after the first one, in the company of others */
#define ALONE_TAG UINT64_MAX
#define VALUE_MAX_BYTES ((size_t)64 << 20)
#define LINE_MAX_BYTES ((size_t)256 << 20)
#define KEY_SHOWN 200 /* bytes of it, in a log line */

/* An output that was refused, and is to be sent again by itself. */
struct refused {
    struct refused *next;
    uint64_t tag;
    char *topic, *reason;
    bool null_value, unmade;  /* unmade: too large, or of something that cannot be read: there is no value to keep */
    struct lam_sv key, value; /* bytes behind the struct */
    int tries;
};

struct lam_speed_sender {
    struct lam_engine *engine;
    const struct lam_speed_setup *setup;
    struct lam_producer *producer;
    struct lam_speed_signs *signs;
    struct lam_buf value;
    struct refused *first, **last;
    struct lam_redactor *redactor; /* of what goes out; NULL: all of it */
    int alone_rc;             /* of the one that is sent by itself; LAM_PENDING: no report yet */
    struct lam_error failure; /* code 0: none; of an output that must not be given up */
    uint64_t undelivered;
    int file;                 /* -1: nothing was given up yet */
    off_t file_len;
    bool file_dirty;
};

static uint64_t tag_of(const struct lam_row *row) { return (uint64_t)lam_position_partition(&row->rec.pos) << 48 | (row->rec.pos.offset & (((uint64_t)1 << 48) - 1)); }

/* For what it is, and so for good: the same bytes are refused again. All else is about the broker, the topic or a right, which somebody can mend. */
static bool is_refused(int rc) { return rc == LAM_E_LIMIT || rc == LAM_E_CORRUPT; }

static int keep_refused(struct lam_speed_sender *sender, const struct lam_report *report, struct lam_error *err)
{
    size_t topic_len = strlen(report->topic) + 1, reason_len = strlen(report->reason) + 1;
    struct refused *refused = malloc(sizeof *refused + topic_len + reason_len + report->key.len + report->value.len);
    char *bytes = (char *)(refused + 1);

    if (!refused)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an output that was refused");
    *refused = (struct refused){.tag = report->tag, .null_value = report->null_value, .topic = bytes, .reason = bytes + topic_len};
    memcpy(refused->topic, report->topic, topic_len);
    memcpy(refused->reason, report->reason, reason_len);
    bytes += topic_len + reason_len;
    refused->key = lam_sv(bytes, report->key.len);
    memcpy(bytes, report->key.ptr, report->key.len);
    refused->value = lam_sv(bytes + report->key.len, report->value.len);
    memcpy(bytes + report->key.len, report->value.ptr, report->value.len);
    *sender->last = refused;
    sender->last = &refused->next;
    return 0;
}

/* Within poll, send and settle. */
static void on_report(void *arg, const struct lam_report *report)
{
    struct lam_speed_sender *sender = arg;
    struct lam_error err;

    if (report->tag == ALONE_TAG) {
        sender->alone_rc = report->rc;
        return;
    }
    if (!report->rc || sender->failure.code)
        return;
    if (!is_refused(report->rc))
        LAM_FAIL(&sender->failure, report->rc == LAM_E_TIMEOUT ? LAM_E_IO : report->rc, "an output to %s was not delivered: %s", report->topic, report->reason);
    else if (keep_refused(sender, report, &err))
        sender->failure = err;
}

int lam_speed_sender_open(struct lam_speed_sender **out, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_speed_signs *signs,
                          struct lam_error *err)
{
    struct lam_speed_sender *sender = calloc(1, sizeof *sender);
    struct lam_producer_options options = {.brokers = setup->brokers, .on_report = on_report, .arg = sender, .log = &engine->log};
    struct lam_kafka_prop *props = NULL;
    int rc;

    *out = sender;
    if (!sender)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for outputs");
    sender->engine = engine;
    sender->setup = setup;
    sender->signs = signs;
    sender->last = &sender->first;
    sender->file = -1;
    lam_buf_init(&sender->value, VALUE_MAX_BYTES);
    if ((rc = lam_speed_props(engine->job, &props, &options.prop_count, err)))
        return rc;
    options.props = props;
    rc = lam_producer_open(&sender->producer, &options, err);
    free(props);
    return rc ? rc : lam_redactor_of_job(engine, &sender->redactor, err);
}

void lam_speed_sender_warm(struct lam_speed_sender *sender)
{
    char (*topics)[LAM_SPEED_TOPIC];
    const char **names;
    struct lam_error err;
    size_t count;

    if (lam_speed_topics(sender->engine->job, &topics, &count, &err))
        return;
    if ((names = calloc(count, sizeof *names))) {
        for (size_t i = 0; i < count; i++)
            names[i] = topics[i];
        if (lam_producer_warm(sender->producer, names, count, WARM_MS, &err))
            lam_log_debug(&sender->engine->log, "speed", "%s", err.text);
    }
    free(names);
    free(topics);
    atomic_fetch_add(&sender->signs->turns, 1);
}

void lam_speed_sender_close(struct lam_speed_sender *sender)
{
    if (!sender)
        return;
    lam_producer_close(sender->producer);
    while (sender->first) {
        struct refused *refused = sender->first;

        sender->first = refused->next;
        free(refused);
    }
    if (sender->file >= 0)
        sender->engine->fs->ops->close(sender->engine->fs->arg, sender->file);
    lam_redactor_free(sender->redactor);
    lam_buf_release(&sender->value);
    free(sender);
}

/* --- what is given up --- */

static int open_file(struct lam_speed_sender *sender, struct lam_error *err)
{
    const struct lam_engine *engine = sender->engine;
    char path[LAM_PATH_MAX], name[LAM_RUN_ID + 64];

    if (sender->file >= 0)
        return 0;
    snprintf(name, sizeof name, "runs/%s/undelivered-%d.jsonl", sender->setup->run, engine->rank);
    if (lam_path_join(path, engine->job->store.path, name, err))
        return err->code;
    sender->file = engine->fs->ops->open(engine->fs->arg, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    return sender->file < 0 ? LAM_FAIL(err, LAM_E_IO, "create %s: %s", path, strerror(-sender->file)) : 0;
}

/* {position, topic, reason, key, value}. Without whole: neither key nor value, for which there is no room. */
static int write_line(struct lam_buf *line, const struct lam_speed_setup *setup, const struct refused *refused, bool whole, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(line, err,
                           "{\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"partition\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"topic\":\"%s\",\"reason\":",
                           setup->source, setup->life, refused->tag >> 48, refused->tag & (((uint64_t)1 << 48) - 1), refused->topic)) ||
        (rc = lam_buf_add_json(line, lam_sv_of(refused->reason), err)))
        return rc;
    if (whole && ((rc = lam_buf_addf(line, err, ",\"key\":")) || (rc = lam_buf_add_json(line, refused->key, err))))
        return rc;
    if (whole && !refused->unmade &&
        ((rc = lam_buf_addf(line, err, ",\"value\":")) ||
         (rc = refused->null_value ? lam_buf_addf(line, err, "null") : lam_buf_add_sv(line, refused->value, err))))
        return rc;
    return lam_buf_add(line, "}\n", 2, err);
}

static void say_given_up(const struct lam_speed_sender *sender, const struct refused *refused)
{
    struct lam_sv shown = lam_utf8_cut(refused->key, KEY_SHOWN);
    char size[64];

    if (refused->unmade)
        snprintf(size, sizeof size, "an output that could not be made");
    else
        snprintf(size, sizeof size, "an output of %zu bytes", refused->value.len);
    lam_log_warn(&sender->engine->log, "speed", "%s to %s, key %.*s%s, is given up after %d %s: %s; record at partition %" PRIu64 ", offset %" PRIu64, size,
                 refused->topic, LAM_SV_ARG(shown), shown.len < refused->key.len ? "…" : "", refused->tries, refused->tries == 1 ? "try" : "tries", refused->reason,
                 refused->tag >> 48, refused->tag & (((uint64_t)1 << 48) - 1));
}

static int give_up(struct lam_speed_sender *sender, const struct refused *refused, struct lam_error *err)
{
    struct lam_buf line;
    int rc = open_file(sender, err);

    lam_buf_init(&line, LINE_MAX_BYTES);
    if (!rc && (rc = write_line(&line, sender->setup, refused, true, err)) == LAM_E_LIMIT) {
        lam_buf_clear(&line);
        rc = write_line(&line, sender->setup, refused, false, err);
    }
    if (!rc && !(rc = lam_fs_write_at(sender->engine->fs, sender->file, line.ptr, line.len, sender->file_len, err))) {
        sender->file_len += (off_t)line.len;
        sender->file_dirty = true;
        sender->undelivered++;
        say_given_up(sender, refused);
    }
    lam_buf_release(&line);
    return rc;
}

/* Before the position moves past what is in it. */
static int sync_file(struct lam_speed_sender *sender, struct lam_error *err)
{
    int rc = sender->file_dirty ? sender->engine->fs->ops->fsync(sender->engine->fs->arg, sender->file) : 0;

    sender->file_dirty = sender->file_dirty && rc;
    return rc ? LAM_FAIL(err, LAM_E_IO, "sync the outputs that were given up: %s", strerror(-rc)) : 0;
}

/* --- sending --- */

static int queue(struct lam_speed_sender *sender, const struct lam_message *message, struct lam_error *err)
{
    int rc;

    for (int i = 0; (rc = lam_producer_send(sender->producer, message, err)) == LAM_PENDING && i < QUEUE_TRIES && !atomic_load(&sender->signs->abandoned); i++) {
        lam_producer_poll(sender->producer, 100);
        atomic_fetch_add(&sender->signs->turns, 1);
    }
    return rc == LAM_PENDING ? LAM_FAIL(err, LAM_E_TIMEOUT, "outputs are not taken by the broker for %d s", QUEUE_TRIES / 10) : rc;
}

/* The bytes that go out, in sender->value. LAM_E_LIMIT: they are more than VALUE_MAX_BYTES. */
static int make_value(struct lam_speed_sender *sender, const struct lam_row *row, struct lam_error *err)
{
    struct lam_row shown;
    int rc;

    lam_buf_clear(&sender->value);
    if (row->rec.op == LAM_OP_DELETE)
        return 0;
    if (sender->redactor && (rc = lam_redact_row(sender->redactor, row, &shown, err)))
        return rc;
    return lam_speed_value(sender->redactor ? &shown : row, &sender->value, err);
}

int lam_speed_sender_send(struct lam_speed_sender *sender, const struct lam_row *row, struct lam_error *err)
{
    char topic[LAM_SPEED_TOPIC];
    struct lam_message message = {.topic = topic, .partition = -1, .has_key = true, .key = row->rec.key, .timestamp_us = LAM_TIME_NONE, .tag = tag_of(row),
                                  .null_value = row->rec.op == LAM_OP_DELETE};
    struct refused refused = {.tag = message.tag, .topic = topic, .null_value = message.null_value, .key = message.key, .tries = 1};
    int rc;

    lam_speed_topic(sender->engine->job, row, topic, sizeof topic);
    rc = make_value(sender, row, err);
    refused.unmade = rc != 0;
    if (!rc) {
        message.value = refused.value = lam_buf_sv(&sender->value);
        rc = queue(sender, &message, err);
    }
    if (rc && is_refused(rc)) { /* here, or by librdkafka itself: larger than message.max.bytes */
        char reason[LAM_ERROR_TEXT];

        snprintf(reason, sizeof reason, "%s", err->text);
        refused.reason = reason;
        rc = give_up(sender, &refused, err);
    }
    return rc;
}

void lam_speed_sender_poll(struct lam_speed_sender *sender) { lam_producer_poll(sender->producer, 0); }

bool lam_speed_sender_idle(const struct lam_speed_sender *sender)
{
    struct lam_producer_stats stats = lam_producer_stats(sender->producer);

    return stats.sent == stats.delivered + stats.failed;
}

/* Everything that is queued has its report; refusals and failures are on_report's. */
static int flush(struct lam_speed_sender *sender, int timeout_ms, struct lam_error *err)
{
    int rc, step_ms;

    do { /* in steps: who waits for a broker does not hang */
        step_ms = timeout_ms < FLUSH_STEP_MS ? timeout_ms : FLUSH_STEP_MS;
        timeout_ms -= step_ms;
        rc = lam_producer_flush(sender->producer, step_ms, err);
        atomic_fetch_add(&sender->signs->turns, 1);
    } while (rc == LAM_E_TIMEOUT && timeout_ms > 0 && !sender->failure.code && !atomic_load(&sender->signs->abandoned));
    if (sender->failure.code) {
        *err = sender->failure;
        return err->code;
    }
    return rc == LAM_E_IO ? 0 : rc;
}

/* The oldest of the refused, by itself. 0: delivered, or given up. */
static int send_alone(struct lam_speed_sender *sender, int timeout_ms, struct lam_error *err)
{
    struct refused *refused = sender->first;
    const struct lam_message message = {.topic = refused->topic, .partition = -1, .has_key = true, .key = refused->key, .null_value = refused->null_value,
                                        .value = refused->value, .timestamp_us = LAM_TIME_NONE, .tag = ALONE_TAG};
    int rc = LAM_E_LIMIT;

    for (int i = 0; i < ALONE_TRIES && is_refused(rc); i++) {
        sender->alone_rc = LAM_PENDING;
        if ((rc = queue(sender, &message, err)) || (rc = flush(sender, timeout_ms, err)))
            return rc;
        rc = sender->alone_rc;
    }
    if (rc && !is_refused(rc))
        return LAM_FAIL(err, rc, "an output to %s was not delivered: %s", refused->topic, lam_error_name(rc));
    refused->tries = 1 + ALONE_TRIES;
    if (rc && (rc = give_up(sender, refused, err)))
        return rc;
    sender->first = refused->next;
    if (!sender->first)
        sender->last = &sender->first;
    free(refused);
    return 0;
}

int lam_speed_sender_settle(struct lam_speed_sender *sender, int timeout_ms, struct lam_error *err)
{
    int rc = flush(sender, timeout_ms, err);

    while (!rc && sender->first)
        rc = send_alone(sender, timeout_ms, err);
    return rc ? rc : sync_file(sender, err);
}

void lam_speed_sender_stats(const struct lam_speed_sender *sender, struct lam_speed_stats *stats)
{
    struct lam_producer_stats produced = lam_producer_stats(sender->producer);

    stats->produced = produced.sent;
    stats->delivered = produced.delivered;
    stats->undelivered = sender->undelivered;
}
