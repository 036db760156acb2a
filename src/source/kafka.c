#include "kafka.h"

#include <stdio.h>
#include <stdlib.h>

#include "kafka_handle.h"
#include "props.h"

#define DEFAULT_BYTES ((size_t)16 << 20)
#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_WAIT_MS 100
#define HEADERS_MAX ((size_t)64 << 20) /* of the messages of one poll, as JSON */
#define POLL_MAX 4096
#define RETRY_US 100000
#define LOOK_MS 1000

static int left_ms(int64_t deadline_us)
{
    int64_t left = (deadline_us - lam_kafka_now_us()) / 1000;

    return left > 0 ? (int)left : 0;
}

/* --- open and close --- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct lam_kafka *kafka = opaque;
    char text[300];

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(rk, text, sizeof text);
        if (!kafka->failure.code)
            LAM_FAIL(&kafka->failure, LAM_E_IO, "%s: librdkafka gives up: %s", kafka->who, text);
        return;
    }
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        kafka->suspect = true;
    lam_noise_add(&kafka->noise, rd_kafka_err2name(code), reason);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct lam_kafka *kafka = opaque;

    (void)rk, (void)offsets;
    if (code && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
        lam_noise_add(&kafka->noise, "offsets of the group were not committed", rd_kafka_err2str(code));
}

static int configure(rd_kafka_conf_t *conf, struct lam_kafka *kafka, const struct lam_kafka_options *options, struct lam_error *err)
{
    size_t kbytes = (options->max_bytes ? options->max_bytes : DEFAULT_BYTES) / 1024;
    const struct lam_kafka_prop own[] = {
        {"bootstrap.servers", options->brokers}, {"group.id", options->group}, {"client.id", "lamina"},
        {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"}, {"isolation.level", "read_committed"},
        {"socket.timeout.ms", "10000"},       /* a hanging broker is noticed after this, not after a minute */
        {"reconnect.backoff.max.ms", "1000"}, /* and one that came back within this */
    };
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof own / sizeof *own; i++)
        rc = lam_props_set(conf, own[i].name, own[i].value, err);
    if (!rc)
        rc = lam_props_set_int(conf, "queued.max.messages.kbytes",
                               kbytes < 1024 ? 1024 : (long long)(kbytes < 2000000 ? kbytes : 2000000), err);
    if (!rc)
        rc = lam_props_set_int(conf, "fetch.wait.max.ms", options->fetch_wait_ms > 0 ? options->fetch_wait_ms : DEFAULT_WAIT_MS, err);
    if (!rc)
        rc = lam_props_apply(conf, options->props, options->prop_count, err);
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    rd_kafka_conf_set_log_cb(conf, lam_props_log);
    return rc;
}

int lam_kafka_no_answer(struct lam_kafka *kafka, const char *what, rd_kafka_resp_err_t code, struct lam_error *err)
{
    rd_kafka_poll(kafka->rk, 0); /* the reason behind a time-out comes by on_error */
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return LAM_FAIL(err, LAM_E_TIMEOUT, "%s: %s: no broker of %s answered in %d ms%s%s", kafka->who, what,
                        kafka->brokers, kafka->timeout_ms, kafka->noise.last[0] ? ": " : "", kafka->noise.last);
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "%s: %s: there is no topic %s, or no such partition of it, on %s",
                        kafka->who, what, kafka->topic, kafka->brokers);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return LAM_FAIL(err, LAM_E_INVALID, "%s: %s: %s", kafka->who, what, rd_kafka_err2str(code));
    return LAM_FAIL(err, LAM_E_IO, "%s: %s: %s", kafka->who, what, rd_kafka_err2str(code));
}

/* One look at the topic. *again: the answer may differ in a moment, as it does while a topic is being made. */
static rd_kafka_resp_err_t look(struct lam_kafka *kafka, int timeout_ms, uint32_t *partitions, bool *again)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->rk, 0, kafka->rkt, &metadata, timeout_ms > 0 ? timeout_ms : 1);

    *again = false;
    *partitions = 0;
    if (code)
        return code;
    if (metadata->topic_cnt == 1) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[0];

        code = topic->err;
        *again = code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || (!code && topic->partition_cnt == 0);
        *partitions = (uint32_t)topic->partition_cnt;
        for (int i = 0; !code && i < topic->partition_cnt; i++)
            *again = *again || topic->partitions[i].leader < 0;
    }
    rd_kafka_metadata_destroy(metadata);
    return code ? code : *partitions ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

int lam_kafka_refresh(struct lam_kafka *kafka, struct lam_error *err)
{
    int64_t deadline = lam_kafka_now_us() + (int64_t)kafka->timeout_ms * 1000;
    rd_kafka_resp_err_t code;
    uint32_t partitions;
    int64_t *more;
    bool again;

    while (((code = look(kafka, left_ms(deadline), &partitions, &again)) || again) && again && lam_kafka_now_us() < deadline)
        rd_kafka_poll(kafka->rk, (int)(RETRY_US / 1000));
    if (code)
        return lam_kafka_no_answer(kafka, "its metadata", code, err);
    if (partitions > kafka->partitions) {
        if (!(more = realloc(kafka->next, partitions * sizeof *more)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u partitions", partitions);
        for (uint32_t i = kafka->partitions; i < partitions; i++)
            more[i] = LAM_KAFKA_NO_OFFSET;
        kafka->next = more;
    }
    kafka->partitions = partitions;
    return 0;
}

int lam_kafka_open(struct lam_kafka **result, const struct lam_kafka_options *options, struct lam_error *err)
{
    struct lam_kafka *kafka = calloc(1, sizeof *kafka);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[300];
    int rc;

    *result = NULL;
    if (!kafka || !(kafka->brokers = strdup(options->brokers)) || !(kafka->topic = strdup(options->topic))) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a consumer of %s", options->topic);
        goto failed;
    }
    snprintf(kafka->who, sizeof kafka->who, "consumer of %s", options->topic);
    atomic_init(&kafka->noise.log, options->log);
    kafka->noise.who = kafka->who;
    kafka->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    lam_buf_init(&kafka->headers, HEADERS_MAX);
    if ((rc = configure(conf, kafka, options, err)))
        goto failed;
    if (!(kafka->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why))) {
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s: %s", kafka->who, why);
        goto failed;
    }
    conf = NULL; /* the handle's now */
    if (!(kafka->queue = rd_kafka_queue_get_consumer(kafka->rk)) || !(kafka->commits = rd_kafka_queue_new(kafka->rk)) || !(kafka->rkt = rd_kafka_topic_new(kafka->rk, options->topic, NULL))) {
        rc = LAM_FAIL(err, LAM_E_IO, "%s: %s", kafka->who, rd_kafka_err2str(rd_kafka_last_error()));
        goto failed;
    }
    if ((rc = lam_kafka_refresh(kafka, err)))
        goto failed;
    kafka->cluster_id = rd_kafka_clusterid(kafka->rk, 1000);
    *result = kafka;
    return 0;
failed:
    if (conf)
        rd_kafka_conf_destroy(conf);
    lam_kafka_close(kafka);
    return rc;
}

static void drop_messages(struct lam_kafka *kafka)
{
    for (size_t i = 0; i < kafka->message_count; i++)
        rd_kafka_message_destroy(kafka->messages[i]);
    kafka->message_count = 0;
    lam_buf_clear(&kafka->headers);
}

void lam_kafka_close(struct lam_kafka *kafka)
{
    if (!kafka)
        return;
    drop_messages(kafka);
    if (kafka->cluster_id)
        rd_kafka_mem_free(kafka->rk, kafka->cluster_id);
    if (kafka->queue)
        rd_kafka_queue_io_event_enable(kafka->queue, -1, NULL, 0);
    if (kafka->queue)
        rd_kafka_queue_destroy(kafka->queue);
    if (kafka->commits)
        rd_kafka_queue_destroy(kafka->commits);
    if (kafka->rkt)
        rd_kafka_topic_destroy(kafka->rkt);
    if (kafka->rk && !lam_kafka_destroy(kafka->rk, &kafka->noise))
        return; /* its threads still know the handle: better a leak than a crash */
    lam_buf_release(&kafka->headers);
    free(kafka->messages);
    free(kafka->events);
    free(kafka->next);
    free(kafka->brokers);
    free(kafka->topic);
    free(kafka);
}

const char *lam_kafka_cluster_id(const struct lam_kafka *kafka) { return kafka->cluster_id ? kafka->cluster_id : ""; }
uint32_t lam_kafka_partitions(const struct lam_kafka *kafka) { return kafka->partitions; }
struct lam_kafka_stats lam_kafka_stats(const struct lam_kafka *kafka)
{
    struct lam_kafka_stats stats = kafka->stats;

    stats.errors = kafka->noise.total;
    return stats;
}

int lam_kafka_watermarks(struct lam_kafka *kafka, uint32_t partition, int64_t *low, int64_t *high, struct lam_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(kafka->rk, kafka->topic, (int32_t)partition, low, high, kafka->timeout_ms);

    return code ? lam_kafka_no_answer(kafka, "first and last offset", code, err) : 0;
}

/* --- reading --- */

int lam_kafka_assign_raw(struct lam_kafka *kafka, const struct lam_kafka_offset *starts, size_t count, struct lam_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    rd_kafka_resp_err_t code;

    drop_messages(kafka);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, kafka->topic, (int32_t)starts[i].partition)->offset =
            starts[i].offset == LAM_KAFKA_BEGINNING ? RD_KAFKA_OFFSET_BEGINNING : starts[i].offset;
    code = rd_kafka_assign(kafka->rk, count ? list : NULL);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? lam_kafka_no_answer(kafka, "to be assigned partitions", code, err) : 0;
}

int lam_kafka_assign(struct lam_kafka *kafka, const struct lam_kafka_offset *starts, size_t count, struct lam_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (starts[i].partition >= kafka->partitions || (starts[i].offset < 0 && starts[i].offset != LAM_KAFKA_BEGINNING))
            return LAM_FAIL(err, LAM_E_INVALID, "%s: partition %u of %u from offset %lld on cannot be read", kafka->who,
                            starts[i].partition, kafka->partitions, (long long)starts[i].offset);
    for (size_t i = 0; i < count; i++)
        kafka->next[starts[i].partition] = starts[i].offset;
    kafka->failure.code = 0;
    kafka->has_gap = kafka->suspect = false;
    return lam_kafka_assign_raw(kafka, starts, count, err);
}

static void fail_by_gap(struct lam_kafka *kafka, uint32_t partition)
{
    struct lam_kafka_gap *gap = &kafka->gap;
    char there[80] = "which ones it has, it does not tell";
    int64_t low, high;

    *gap = (struct lam_kafka_gap){partition, kafka->next[partition], -1, -1};
    if (!rd_kafka_query_watermark_offsets(kafka->rk, kafka->topic, (int32_t)partition, &low, &high, kafka->timeout_ms)) {
        gap->low = low;
        gap->high = high;
        snprintf(there, sizeof there, "it has %lld to %lld", (long long)low, (long long)high - 1);
        if (low == high)
            snprintf(there, sizeof there, "it has none, and the next will be %lld", (long long)high);
    }
    kafka->has_gap = true;
    LAM_FAIL(&kafka->failure, LAM_E_NOT_FOUND,
             "%s: offset %lld of partition %u is wanted next, and the broker does not have it: %s", kafka->who,
             (long long)gap->wanted, partition, there);
}

/* An error that came in place of a message. */
static void take_error(struct lam_kafka *kafka, const rd_kafka_message_t *message)
{
    const char *reason = rd_kafka_message_errstr(message);

    if (kafka->failure.code)
        return;
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        if (message->partition >= 0 && (uint32_t)message->partition < kafka->partitions)
            fail_by_gap(kafka, (uint32_t)message->partition);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        kafka->suspect = true;
        lam_noise_add(&kafka->noise, rd_kafka_err2name(message->err), reason);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        LAM_FAIL(&kafka->failure, LAM_E_INVALID, "%s: the broker does not allow it: %s", kafka->who, reason);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        LAM_FAIL(&kafka->failure, LAM_E_IO, "%s: librdkafka gives up: %s", kafka->who, reason);
        break;
    default:
        lam_noise_add(&kafka->noise, rd_kafka_err2name(message->err), reason);
    }
}

/* "Unknown partition" is also said for a moment when a leader moves or a topic is young. */
static void look_for_topic(struct lam_kafka *kafka)
{
    rd_kafka_resp_err_t code;
    uint32_t partitions;
    bool again;

    if (kafka->failure.code || lam_kafka_now_us() < kafka->look_again_us)
        return;
    code = look(kafka, LOOK_MS, &partitions, &again);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        LAM_FAIL(&kafka->failure, LAM_E_NOT_FOUND, "%s: the topic was deleted while it was read", kafka->who);
    else if (!code && !again && partitions < kafka->partitions)
        LAM_FAIL(&kafka->failure, LAM_E_NOT_FOUND,
                 "%s: the topic was made anew while it was read, with %u partitions instead of %u", kafka->who,
                 partitions, kafka->partitions);
    else
        kafka->suspect = code || again;
    kafka->look_again_us = lam_kafka_now_us() + LOOK_MS * 1000;
}

/* Adds the message's headers to the buffer as JSON: what was added stays until the next poll. */
static int add_headers(struct lam_kafka *kafka, const rd_kafka_message_t *message, size_t *len, struct lam_error *err)
{
    struct lam_buf *buf = &kafka->headers;
    size_t before = buf->len, bytes;
    rd_kafka_headers_t *headers;
    const void *value;
    const char *name;
    int rc = 0;

    *len = 0;
    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (size_t i = 0; !rc && !rd_kafka_header_get_all(headers, i, &name, &value, &bytes); i++) {
        if ((rc = lam_buf_add(buf, i ? ",[" : "[[", 2, err)) || (rc = lam_buf_add_json(buf, lam_sv_of(name), err)) ||
            (rc = lam_buf_add(buf, ",", 1, err)))
            break;
        rc = value ? lam_buf_add_json(buf, lam_sv(value, bytes), err) : lam_buf_add(buf, "null", 4, err);
        if (!rc)
            rc = lam_buf_add(buf, "]", 1, err);
    }
    if (!rc && buf->len > before)
        rc = lam_buf_add(buf, "]", 1, err);
    *len = buf->len - before;
    return rc;
}

static int fill_event(struct lam_kafka *kafka, const rd_kafka_message_t *message, struct lam_kafka_event *event, struct lam_error *err)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms;

    *event = (struct lam_kafka_event){
        .kind = LAM_KAFKA_EOF, .partition = (uint32_t)message->partition, .offset = message->offset, .timestamp_us = LAM_TIME_NONE};
    if (message->err)
        return 0;
    timestamp_ms = rd_kafka_message_timestamp(message, &type);
    event->kind = LAM_KAFKA_MESSAGE;
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp_ms >= 0)
        event->timestamp_us = timestamp_ms * 1000;
    event->has_key = message->key != NULL;
    event->null_value = message->payload == NULL;
    event->key = lam_sv(message->key ? message->key : "", message->key_len);
    event->value = lam_sv(message->payload ? message->payload : "", message->len);
    kafka->next[event->partition] = message->offset + 1;
    kafka->stats.messages++;
    kafka->stats.bytes += message->key_len + message->len;
    return add_headers(kafka, message, &event->headers.len, err);
}

static int make_room(struct lam_kafka *kafka, size_t max, struct lam_error *err)
{
    if (max <= kafka->message_cap)
        return 0;
    free(kafka->messages);
    free(kafka->events);
    kafka->message_cap = 0;
    kafka->messages = malloc(max * sizeof *kafka->messages);
    kafka->events = malloc(max * sizeof *kafka->events);
    if (!kafka->messages || !kafka->events)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu messages", max);
    kafka->message_cap = max;
    return 0;
}

int lam_kafka_poll(struct lam_kafka *kafka, size_t max, int timeout_ms, const struct lam_kafka_event **events,
                   size_t *count, struct lam_error *err)
{
    size_t header = 0;
    ssize_t got;
    int rc;

    *count = 0;
    drop_messages(kafka);
    if (max > POLL_MAX)
        max = POLL_MAX;
    if ((rc = make_room(kafka, max, err)))
        return rc;
    rd_kafka_poll(kafka->rk, kafka->paused ? timeout_ms : 0); /* on_error, on_commit */
    if (kafka->suspect)
        look_for_topic(kafka);
    if (!kafka->failure.code && !kafka->paused) {
        /* A batch waits until it is full or its time is up: so the wait is for the first message alone, and the rest is what is there. */
        got = rd_kafka_consume_batch_queue(kafka->queue, timeout_ms, kafka->messages, 1);
        kafka->message_count = got > 0 ? (size_t)got : 0;
        if (got > 0 && max > 1 && (got = rd_kafka_consume_batch_queue(kafka->queue, 0, kafka->messages + 1, max - 1)) > 0)
            kafka->message_count += (size_t)got;
        for (size_t i = 0; i < kafka->message_count; i++) {
            if (kafka->messages[i]->err && kafka->messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
                take_error(kafka, kafka->messages[i]);
            else if (!kafka->failure.code && (rc = fill_event(kafka, kafka->messages[i], &kafka->events[(*count)++], &kafka->failure)))
                --*count; /* more headers than memory: nothing is given out behind them */
        }
    }
    for (size_t i = 0; i < *count; i++) { /* only now does the buffer stand still */
        kafka->events[i].headers.ptr = kafka->headers.ptr + header;
        header += kafka->events[i].headers.len;
    }
    *events = kafka->events;
    if (*count || !kafka->failure.code)
        return 0;
    if (err)
        *err = kafka->failure;
    return kafka->failure.code;
}

void lam_kafka_pause(struct lam_kafka *kafka, bool paused) { kafka->paused = paused; }

void lam_kafka_wake(struct lam_kafka *kafka, int fd)
{
    static const uint64_t one = 1;

    rd_kafka_queue_io_event_enable(kafka->queue, fd, &one, sizeof one);
}

bool lam_kafka_gap(const struct lam_kafka *kafka, struct lam_kafka_gap *gap)
{
    if (kafka->has_gap)
        *gap = kafka->gap;
    return kafka->has_gap;
}
