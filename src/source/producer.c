#include "producer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "props.h"

#define DEFAULT_BYTES ((size_t)32 << 20)
#define DEFAULT_TIMEOUT_MS 120000
#define MESSAGES_MAX 1000000 /* in the queue; the bytes are the limit that counts */

struct lam_producer {
    struct lam_kafka_noise noise; /* first: librdkafka's callbacks get the handle as this */
    rd_kafka_t *rk;
    rd_kafka_topic_t **warm; /* held: a topic without one who holds it is forgotten until the first message */
    size_t warm_count;
    void (*on_report)(void *arg, const struct lam_report *report);
    void *arg;
    atomic_uint_least64_t sent, delivered, failed, bytes;
    atomic_bool fatal;
    uint64_t flushed_failed;   /* failed, as of the last flush */
    char first_failure[200];   /* since the last flush */
    char fatal_text[200];
};

static int code_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 0;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return LAM_E_TIMEOUT;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        return LAM_E_LIMIT;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return LAM_E_CORRUPT;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return LAM_E_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return LAM_E_INVALID;
    default:
        return LAM_E_IO;
    }
}

/* Runs within lam_producer_poll and lam_producer_flush. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct lam_producer *producer = opaque;
    struct lam_report report = {.tag = (uint64_t)(uintptr_t)message->_private,
                                .rc = code_of(message->err),
                                .partition = (uint32_t)message->partition,
                                .offset = message->err ? -1 : message->offset,
                                .reason = message->err ? rd_kafka_err2str(message->err) : "",
                                .topic = rd_kafka_topic_name(message->rkt),
                                .null_value = message->payload == NULL,
                                .key = lam_sv(message->key ? message->key : "", message->key_len),
                                .value = lam_sv(message->payload ? message->payload : "", message->len)};

    (void)rk;
    if (!message->err) {
        atomic_fetch_add(&producer->delivered, 1);
    } else {
        if (atomic_fetch_add(&producer->failed, 1) == producer->flushed_failed)
            snprintf(producer->first_failure, sizeof producer->first_failure, "%s: %s", rd_kafka_topic_name(message->rkt), report.reason);
        lam_noise_add(&producer->noise, "a message was not delivered", report.reason);
    }
    if (producer->on_report)
        producer->on_report(producer->arg, &report);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct lam_producer *producer = opaque;

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(rk, producer->fatal_text, sizeof producer->fatal_text);
        atomic_store(&producer->fatal, true);
    } else {
        lam_noise_add(&producer->noise, rd_kafka_err2name(code), reason);
    }
}

/* Of one message with its key and headers, as the job has it: rounded up. */
static size_t message_max_kbytes(const rd_kafka_conf_t *conf)
{
    char value[32] = "";
    size_t size = sizeof value;

    return rd_kafka_conf_get(conf, "message.max.bytes", value, &size) ? 0 : (size_t)strtoull(value, NULL, 10) / 1024 + 1;
}

static int configure(rd_kafka_conf_t *conf, struct lam_producer *producer, const struct lam_producer_options *options,
                     struct lam_error *err)
{
    size_t kbytes = (options->max_bytes ? options->max_bytes : DEFAULT_BYTES) / 1024;
    const struct lam_kafka_prop own[] = {
        {"bootstrap.servers", options->brokers}, {"client.id", "lamina"},
        {"enable.idempotence", "true"},          {"acks", "all"},
        {"partitioner", "murmur2_random"},       {"socket.timeout.ms", "10000"},
        {"reconnect.backoff.max.ms", "1000"},
    };
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof own / sizeof *own; i++)
        rc = lam_props_set(conf, own[i].name, own[i].value, err);
    if (!rc)
        rc = lam_props_set_int(conf, "queue.buffering.max.kbytes",
                               kbytes < 1024 ? 1024 : (long long)(kbytes < 2000000 ? kbytes : 2000000), err);
    if (!rc)
        rc = lam_props_set_int(conf, "queue.buffering.max.messages", MESSAGES_MAX, err);
    if (!rc)
        rc = lam_props_set_int(conf, "linger.ms", options->linger_ms > 0 ? options->linger_ms : 5, err);
    if (!rc)
        rc = lam_props_set_int(conf, "message.timeout.ms",
                               options->message_timeout_ms > 0 ? options->message_timeout_ms : DEFAULT_TIMEOUT_MS, err);
    if (!rc)
        rc = lam_props_apply(conf, options->props, options->prop_count, err);
    if (!rc && message_max_kbytes(conf) > kbytes) /* what the queue can never hold would be "full" for ever */
        rc = lam_props_set_int(conf, "queue.buffering.max.kbytes", message_max_kbytes(conf), err);
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, lam_props_log);
    return rc;
}

int lam_producer_open(struct lam_producer **result, const struct lam_producer_options *options, struct lam_error *err)
{
    struct lam_producer *producer = calloc(1, sizeof *producer);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[300];
    int rc;

    *result = NULL;
    if (!producer) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a producer");
        goto failed;
    }
    atomic_init(&producer->noise.log, options->log);
    producer->noise.who = "producer";
    producer->on_report = options->on_report;
    producer->arg = options->arg;
    if ((rc = configure(conf, producer, options, err)))
        goto failed;
    if (!(producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why))) {
        rc = LAM_FAIL(err, LAM_E_INVALID, "producer: %s", why);
        goto failed;
    }
    *result = producer;
    return 0;
failed:
    rd_kafka_conf_destroy(conf);
    free(producer);
    return rc;
}

static void let_go(struct lam_producer *producer)
{
    for (size_t i = 0; i < producer->warm_count; i++)
        rd_kafka_topic_destroy(producer->warm[i]);
    free(producer->warm);
    producer->warm = NULL;
    producer->warm_count = 0;
}

/* The first topic of the answer that has no partitions, or why there is no answer. */
static rd_kafka_resp_err_t ask_of_known_topics(struct lam_producer *producer, int timeout_ms, char *topic, size_t cap)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(producer->rk, 0, NULL, &metadata, timeout_ms);

    topic[0] = '\0';
    if (code)
        return code;
    for (int i = 0; !code && i < metadata->topic_cnt; i++) {
        code = metadata->topics[i].err;
        snprintf(topic, cap, "%s", metadata->topics[i].topic);
    }
    rd_kafka_metadata_destroy(metadata);
    return code;
}

int lam_producer_warm(struct lam_producer *producer, const char *const *topics, size_t count, int timeout_ms, struct lam_error *err)
{
    rd_kafka_topic_t **warm = calloc(count + 1, sizeof *warm);
    rd_kafka_resp_err_t code = 0;
    size_t made = 0;
    char topic[256];
    int rc = warm ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for topics");

    for (; !rc && made < count; made++)
        if (!(warm[made] = rd_kafka_topic_new(producer->rk, topics[made], NULL))) { /* a second one of this name would be the same */
            rc = LAM_FAIL(err, LAM_E_INVALID, "producer of %s: %s", topics[made], rd_kafka_err2str(rd_kafka_last_error()));
            break;
        }
    let_go(producer);
    producer->warm = warm;
    producer->warm_count = made;
    if (!rc && count && (code = ask_of_known_topics(producer, timeout_ms, topic, sizeof topic)))
        rc = LAM_FAIL(err, code_of(code), "producer of %s: its partitions: %s", topic[0] ? topic : topics[0], rd_kafka_err2str(code));
    return rc;
}

void lam_producer_close(struct lam_producer *producer)
{
    if (!producer)
        return;
    producer->on_report = NULL;
    let_go(producer);
    rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    if (lam_kafka_destroy(producer->rk, &producer->noise))
        free(producer);
}

/* librdkafka's headers of a message; NULL where it has none. */
static rd_kafka_headers_t *headers_of(const struct lam_message *message)
{
    rd_kafka_headers_t *headers = message->header_count ? rd_kafka_headers_new(message->header_count) : NULL;

    for (size_t i = 0; headers && i < message->header_count; i++) {
        const struct lam_header *header = &message->headers[i];

        rd_kafka_header_add(headers, header->name.ptr, (ssize_t)header->name.len, header->value.ptr, (ssize_t)header->value.len);
    }
    return headers;
}

int lam_producer_send(struct lam_producer *producer, const struct lam_message *message, struct lam_error *err)
{
    rd_kafka_headers_t *headers = headers_of(message);
    const char *key = message->key.ptr ? message->key.ptr : "", *value = message->value.ptr ? message->value.ptr : "";
    int64_t timestamp_ms = message->timestamp_us == LAM_TIME_NONE ? 0 : message->timestamp_us / 1000;
    rd_kafka_resp_err_t code;

    code = rd_kafka_producev(producer->rk, RD_KAFKA_V_TOPIC(message->topic),
                             RD_KAFKA_V_PARTITION(message->partition < 0 ? RD_KAFKA_PARTITION_UA : message->partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(message->has_key ? key : NULL, message->has_key ? message->key.len : 0),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)(message->null_value ? NULL : value),
                                              message->null_value ? 0 : message->value.len),
                             RD_KAFKA_V_TIMESTAMP(timestamp_ms > 0 ? timestamp_ms : 0), RD_KAFKA_V_HEADERS(headers),
                             RD_KAFKA_V_OPAQUE((void *)(uintptr_t)message->tag), RD_KAFKA_V_END);
    if (!code) {
        atomic_fetch_add(&producer->sent, 1);
        atomic_fetch_add(&producer->bytes, message->key.len + message->value.len);
        return 0;
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return LAM_PENDING;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        return LAM_FAIL(err, LAM_E_IO, "producer of %s: librdkafka gave up: %s", message->topic,
                        atomic_load(&producer->fatal) ? producer->fatal_text : rd_kafka_err2str(code));
    return LAM_FAIL(err, code_of(code), "producer of %s: %s", message->topic, rd_kafka_err2str(code));
}

int lam_producer_poll(struct lam_producer *producer, int timeout_ms) { return rd_kafka_poll(producer->rk, timeout_ms); }

int lam_producer_flush(struct lam_producer *producer, int timeout_ms, struct lam_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_flush(producer->rk, timeout_ms);
    struct lam_producer_stats stats = lam_producer_stats(producer);
    uint64_t failed = stats.failed - producer->flushed_failed, open = stats.sent - stats.delivered - stats.failed;

    if (code && open)
        return LAM_FAIL(err, LAM_E_TIMEOUT, "producer: %llu messages are not delivered after %d ms%s%s",
                        (unsigned long long)open, timeout_ms, producer->noise.last[0] ? ": " : "",
                        producer->noise.last);
    producer->flushed_failed = stats.failed;
    if (failed)
        return LAM_FAIL(err, LAM_E_IO, "producer: %llu messages were not delivered; the first: %s",
                        (unsigned long long)failed, producer->first_failure);
    return 0;
}

struct lam_producer_stats lam_producer_stats(const struct lam_producer *producer)
{
    struct lam_producer_stats stats;

    stats.delivered = atomic_load(&producer->delivered); /* before sent, so that what is in flight is never negative */
    stats.failed = atomic_load(&producer->failed);
    stats.sent = atomic_load(&producer->sent);
    stats.bytes = atomic_load(&producer->bytes);
    return stats;
}

uint32_t lam_producer_partition(struct lam_sv key, uint32_t count)
{
    return (uint32_t)rd_kafka_msg_partitioner_murmur2(NULL, key.ptr ? key.ptr : "", key.len, (int32_t)count, NULL, NULL);
}
