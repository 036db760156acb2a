/*
 * The replayer: a thread that feeds a file of JSON lines into a topic at a set rate.
 *
 *     file ── line ── partition by key (murmur2; lines without a key in turn) ── waits for its time, and for room ── producer ── report
 *
 * It never runs further ahead of the archive than the broker keeps: of each partition at most `keep` bytes are produced and not archived;
 * the caller tells what is archived (lam_replay_archived), and the thread goes on. Every line is sent, JSON or not:
 * what is wrong with it is found where it is read.
 *
 * Resuming: a cursor is a small JSON text, {"byte":B,"line":N,"lines":[…]}: for each partition the last line of it that
 * is archived, and where in the file to start looking. It stands in the log with the archive position it belongs to. A
 * replayer that starts with it sends exactly the lines that were not archived, each once, whichever partitions were
 * ahead.
 */
#ifndef LAMINA_SOURCE_REPLAY_H
#define LAMINA_SOURCE_REPLAY_H

#include "base/buf.h"
#include "kafka.h"

struct lam_replay;

struct lam_replay_options {
    const char *path;           /* plain JSON lines; empty lines are skipped */
    const char *brokers, *topic;
    uint32_t partitions;        /* of the topic */
    const struct lam_kafka_prop *props;
    size_t prop_count;
    struct lam_sv key;          /* JSON pointers, empty: none. A line's message key: a string's text, or a scalar as written */
    struct lam_sv time;         /* of the message's timestamp; else the time of sending */
    struct lam_sv deleted;      /* true there: the message has no value (a tombstone) */
    double rate;                /* lines a second; 0: as fast as the broker takes them */
    size_t keep;                /* bytes of a partition not archived; 0: LAM_BROKER_KEEPS; SIZE_MAX: no limit (a real broker) */
    struct lam_sv cursor;       /* from lam_replay_cursor of an earlier life; empty: from the start */
    const struct lam_log *log;
};

/*
 * Opens the file, counts its lines and starts the thread. LAM_E_NOT_FOUND, LAM_E_IO, LAM_E_INVALID: a cursor that does
 * not fit file or partitions.
 */
int lam_replay_start(struct lam_replay **replay, const struct lam_replay_options *options, struct lam_error *err);

/* Stops the thread within a second or so, delivered or not, and frees. NULL-safe. */
void lam_replay_stop(struct lam_replay *replay);

/* All below next_offset of a partition is archived. Any thread; never blocks for long. */
void lam_replay_archived(struct lam_replay *replay, uint32_t partition, uint64_t next_offset);

/*
 * Adds the cursor that belongs to these archive positions, one next offset a partition (as many as partitions), which
 * never go back from one call to the next. It is for the commit that moves the archive there; lam_replay_archived,
 * after that commit, forgets what it no longer needs. A record can be read before the producer has heard that it was
 * written: then this waits for the report, milliseconds as a rule, 5 s at most (LAM_E_TIMEOUT: ask again). So not on a
 * thread that must not block.
 */
int lam_replay_cursor(struct lam_replay *replay, const uint64_t *next_offsets, struct lam_buf *out, struct lam_error *err);

struct lam_replay_progress {
    uint64_t total;     /* lines in the file that are not empty */
    uint64_t resumed;   /* of them archived by earlier lives: not sent */
    uint64_t sent, delivered, archived; /* in this life */
    bool done;          /* all sent and delivered */
    bool held;          /* waits for the archive */
    int rc;             /* a failure that ended the thread; its text by lam_replay_error */
};

/* Any thread. */
struct lam_replay_progress lam_replay_progress(struct lam_replay *replay);
void lam_replay_error(struct lam_replay *replay, struct lam_error *err);

/* The next offset after the last delivered line of a partition; 0 where none was. With done: what reading must reach. */
uint64_t lam_replay_end(struct lam_replay *replay, uint32_t partition);

#endif
