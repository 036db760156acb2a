/*
 * Writing to Kafka, at least once: an idempotent producer whose delivery reports are counted. Nothing is delivered
 * until its report says so.
 *
 *     send … send ── poll (reports) ── flush(deadline): all delivered, or why not ── then, and only then, the output position moves
 *
 * Idempotent: within one handle no retry doubles or reorders a message of a partition. acks=all. Keys are partitioned
 * as Java does (murmur2). send from any thread; poll and flush from one thread, which is the one that on_report is
 * called on.
 */
#ifndef LAMINA_SOURCE_PRODUCER_H
#define LAMINA_SOURCE_PRODUCER_H

#include "kafka.h"

struct lam_producer;

struct lam_header {
    struct lam_sv name, value; /* value.ptr NULL: null */
};

struct lam_message {
    const char *topic;
    int32_t partition;    /* -1: by the key, any for a message without one */
    bool has_key, null_value;
    struct lam_sv key, value;
    const struct lam_header *headers;
    size_t header_count;
    int64_t timestamp_us; /* LAM_TIME_NONE: now */
    uint64_t tag;         /* the caller's, comes back in the report */
};

/*
 * What became of one message. rc: 0, or LAM_E_TIMEOUT (never answered within message.timeout.ms), LAM_E_LIMIT (too
 * large, or in a batch that was), LAM_E_CORRUPT (a record that the broker does not take), LAM_E_NOT_FOUND (no topic), LAM_E_IO.
 */
struct lam_report {
    uint64_t tag;
    int rc;
    uint32_t partition;
    int64_t offset;     /* -1 where it was not written */
    const char *reason; /* this and what follows: during the call only */
    const char *topic;
    bool null_value;
    struct lam_sv key, value;
};

struct lam_producer_options {
    const char *brokers;
    const struct lam_kafka_prop *props;
    size_t prop_count;
    size_t max_bytes; /* of messages not delivered yet; 0: 32 MiB. At least message.max.bytes */
    int message_timeout_ms; /* 0: 120 s */
    int linger_ms;          /* 0: 5 */
    void (*on_report)(void *arg, const struct lam_report *report); /* NULL: only counted */
    void *arg;
    const struct lam_log *log;
};

int lam_producer_open(struct lam_producer **producer, const struct lam_producer_options *options, struct lam_error *err);

/*
 * Learns who leads the partitions of these topics, with one question. librdkafka does that by itself for a topic that it is given a message for, but only at
 * its next look, once a second: the first messages wait so long. A broker that makes topics at first use makes them now. They are held until the next call, or
 * close. LAM_E_NOT_FOUND, LAM_E_TIMEOUT: first messages wait all the same. Blocks up to timeout_ms.
 */
int lam_producer_warm(struct lam_producer *producer, const char *const *topics, size_t count, int timeout_ms, struct lam_error *err);

/* Throws away what is not delivered: flush first. NULL-safe. */
void lam_producer_close(struct lam_producer *producer);

/*
 * Copies the message and queues it. LAM_PENDING: the queue is full, poll and come again; LAM_E_LIMIT: larger than message.max.bytes;
 * LAM_E_INVALID: no such partition; LAM_E_IO: librdkafka's fatal error, and only a new handle helps.
 */
int lam_producer_send(struct lam_producer *producer, const struct lam_message *message, struct lam_error *err);

/* Serves reports, waiting up to timeout_ms for the first; the number served. */
int lam_producer_poll(struct lam_producer *producer, int timeout_ms);

/*
 * Waits until every message sent so far has its report. 0: all delivered. LAM_E_TIMEOUT: some have none yet (they stay queued).
 * LAM_E_IO: all have one, but some since the last flush failed; the text has the first reason and the number.
 */
int lam_producer_flush(struct lam_producer *producer, int timeout_ms, struct lam_error *err);

struct lam_producer_stats {
    uint64_t sent, delivered, failed, bytes; /* in flight = sent - delivered - failed */
};

/* Any thread. */
struct lam_producer_stats lam_producer_stats(const struct lam_producer *producer);

/* The partition of a key among count, as Java's default partitioner finds it. */
uint32_t lam_producer_partition(struct lam_sv key, uint32_t count);

#endif
