/*
 * Reading a Kafka topic: partitions are assigned, never subscribed, and each is read from a given offset on, gaplessly.
 *
 *     open ── cluster id, partition count ── watermarks, witnesses ── assign{partition, offset} ── poll … poll ── commit ── close
 *
 * Rules that everything here serves:
 *   - Nothing is jumped. An offset that the broker no longer has (retention, DeleteRecords), or does not have yet, is LAM_E_NOT_FOUND
 *     that names partition, offset wanted and offsets there are (lam_kafka_gap has the numbers). Gaps *between* records are normal:
 *     compaction, control records.
 *   - The end of a partition is an event, so that a reader can stop there; its offset counts control records.
 *   - read_committed: records of aborted transactions are never seen.
 *   - Offsets are committed only when the caller says so, and only for outputs: what was archived stands in the commit log.
 *   - Memory is bounded by max_bytes of prefetched messages, plus one fetch: stop polling, and fetching stops soon.
 *   - A broker that is away is no error: librdkafka reconnects by itself, and it is logged at most every 10 s.
 *
 * All calls of one handle from one thread. librdkafka's own threads do the network.
 */
#ifndef LAMINA_SOURCE_KAFKA_H
#define LAMINA_SOURCE_KAFKA_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/log.h"

#define LAM_KAFKA_BEGINNING (-2) /* as an offset: the oldest that there is */
#define LAM_KAFKA_NO_OFFSET (-1) /* nothing was committed */

struct lam_kafka_prop {
    const char *name, *value; /* librdkafka's */
};

struct lam_kafka_options {
    const char *brokers, *topic;
    const char *group;                  /* where offsets of outputs are committed; needed even where none are */
    const struct lam_kafka_prop *props; /* of the job; engine-owned ones are refused (model/kafka_props.h) */
    size_t prop_count;
    size_t max_bytes;                   /* of prefetched messages; 0: 16 MiB */
    int timeout_ms;                     /* of each question to a broker; 0: 10 s */
    int fetch_wait_ms;                  /* how long the broker may hold back an answer for which there is nothing yet; 0: 100 */
    const struct lam_log *log;          /* borrowed; NULL: nothing is logged */
};

struct lam_kafka;

/*
 * Connects and looks at the topic. LAM_E_NOT_FOUND: there is no such topic; LAM_E_TIMEOUT: no broker answers; LAM_E_INVALID: a
 * property is refused, unknown, or has a bad value; LAM_E_IO. All strings of options are copied.
 */
int lam_kafka_open(struct lam_kafka **kafka, const struct lam_kafka_options *options, struct lam_error *err);

/* NULL-safe. Leaves no offset behind that was not committed. */
void lam_kafka_close(struct lam_kafka *kafka);

/* "" where the broker tells none. For the local broker use lam_broker_id: librdkafka's mock repeats its ids. */
const char *lam_kafka_cluster_id(const struct lam_kafka *kafka);
uint32_t lam_kafka_partitions(const struct lam_kafka *kafka);

/* Asks again how many partitions the topic has: it may have been given more. */
int lam_kafka_refresh(struct lam_kafka *kafka, struct lam_error *err);

/* First offset there is, and next offset to be written. Blocks up to timeout_ms. */
int lam_kafka_watermarks(struct lam_kafka *kafka, uint32_t partition, int64_t *low, int64_t *high, struct lam_error *err);

/* retention.ms of the topic; INT64_MAX where it keeps for ever, LAM_E_NOT_FOUND where the broker does not tell (the local one). */
int lam_kafka_retention_ms(struct lam_kafka *kafka, int64_t *retention_ms, struct lam_error *err);

/* --- witnesses: is this still the topic that was archived? --- */

enum lam_witness_state {
    LAM_WITNESS_FOUND = 1, /* timestamp and crc are those of the record at the offset */
    LAM_WITNESS_GONE,      /* retention or compaction took the record */
    LAM_WITNESS_BEYOND     /* the partition, or the topic, ends below the offset */
};

struct lam_kafka_witness {
    uint32_t partition;
    int64_t offset;         /* in: which record */
    enum lam_witness_state state; /* out, with the rest */
    int64_t timestamp_us;
    uint32_t crc;           /* crc32c of the key's bytes, then the value's */
};

/* The crc of a witness for these bytes. */
uint32_t lam_witness_crc(struct lam_sv key, struct lam_sv value);

/* Reads one record of each named partition (each at most once). Before lam_kafka_assign only. Blocks up to timeout_ms. */
int lam_kafka_witnesses(struct lam_kafka *kafka, struct lam_kafka_witness *witnesses, size_t count, struct lam_error *err);

/* --- reading --- */

struct lam_kafka_offset {
    uint32_t partition;
    int64_t offset; /* the next one to read */
};

/* Reads these partitions from these offsets on, in place of what was assigned. None: reads nothing. */
int lam_kafka_assign(struct lam_kafka *kafka, const struct lam_kafka_offset *starts, size_t count, struct lam_error *err);

enum lam_kafka_kind {
    LAM_KAFKA_MESSAGE,
    LAM_KAFKA_EOF /* all below offset was read; comes again when more was read since */
};

struct lam_kafka_event {
    enum lam_kafka_kind kind;
    uint32_t partition;
    int64_t offset;
    int64_t timestamp_us;     /* LAM_TIME_NONE where the message has none */
    bool has_key, null_value; /* null_value: a tombstone */
    struct lam_sv key, value;
    struct lam_sv headers;    /* JSON: [["name","value"],["name",null],…] in their order; empty where there are none */
};

/*
 * Waits up to timeout_ms for messages (0: only looks), and gives at most max of them. *events is the handle's, with all
 * views in it, until the next poll or close. 0 with *count 0: nothing came. A failure (gap, topic deleted, not allowed
 * to read, librdkafka's fatal errors) is told after the events before it; then it stays.
 */
int lam_kafka_poll(struct lam_kafka *kafka, size_t max, int timeout_ms, const struct lam_kafka_event **events,
                   size_t *count, struct lam_error *err);

/* While paused, poll gives no messages, but serves what librdkafka needs served. */
void lam_kafka_pause(struct lam_kafka *kafka, bool paused);

/* An eventfd that gets 1 added whenever an empty queue got messages; -1: none. */
void lam_kafka_wake(struct lam_kafka *kafka, int fd);

struct lam_kafka_gap {
    uint32_t partition;
    int64_t wanted, low, high; /* high: next offset to be written; low and high -1 where the broker did not tell */
};

/* The gap that ended reading; false where there is none. */
bool lam_kafka_gap(const struct lam_kafka *kafka, struct lam_kafka_gap *gap);

/* --- offsets of the group: the output position of at-least-once outputs --- */

#define LAM_KAFKA_NOTE 1024 /* bytes of a note beside an offset, NUL included; brokers take 4096 as a rule */

/*
 * Commits next offsets and waits for the broker's answer, timeout_ms of the options at most. notes: NULL, or a text for each offset that the broker keeps
 * beside it. LAM_E_INVALID: another commit is under way.
 */
int lam_kafka_commit(struct lam_kafka *kafka, const struct lam_kafka_offset *offsets, const char (*notes)[LAM_KAFKA_NOTE], size_t count, struct lam_error *err);

/* The same without waiting; its end has to be asked for before the next may begin. */
int lam_kafka_commit_begin(struct lam_kafka *kafka, const struct lam_kafka_offset *offsets, const char (*notes)[LAM_KAFKA_NOTE], size_t count,
                           struct lam_error *err);

/* 0: none is under way, or it came through. LAM_PENDING: no answer within timeout_ms. Else why it failed; it is over then. */
int lam_kafka_commit_end(struct lam_kafka *kafka, int timeout_ms, struct lam_error *err);

/* Fills offsets[i].offset for offsets[i].partition: LAM_KAFKA_NO_OFFSET where nothing was committed. notes as above, filled in; a longer one is cut. */
int lam_kafka_committed(struct lam_kafka *kafka, struct lam_kafka_offset *offsets, char (*notes)[LAM_KAFKA_NOTE], size_t count, struct lam_error *err);

struct lam_kafka_stats {
    uint64_t messages, bytes; /* given out; bytes of keys and values */
    uint64_t errors;          /* transient ones, logged or not */
};

struct lam_kafka_stats lam_kafka_stats(const struct lam_kafka *kafka);

#endif
