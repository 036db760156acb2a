/* What the parts of the speed layer share: inside of speed_*.c only. */
#ifndef LAMINA_APP_SPEED_PARTS_H
#define LAMINA_APP_SPEED_PARTS_H

#include "speed_job.h"

enum {
    MSG_SPEED_START = 0x0200, MSG_SPEED_COMMITTED, MSG_SPEED_KEEP, MSG_SPEED_ASK, MSG_SPEED_STOP, /* to speed ranks */
    MSG_SPEED_STARTED = 0x0210, MSG_SPEED_ROLLED, MSG_SPEED_ANSWER, MSG_SPEED_STATS, MSG_SPEED_ENDED, MSG_SPEED_FAILED /* to rank 0 */
};

struct lam_speed_committed {
    uint64_t roll, commit;
};

/* ASK: this, and the key. */
struct lam_speed_ask_head {
    uint64_t id, commit;
    uint64_t has_key; /* 0: all rows */
};

/* ANSWER, one or more: this, a struct lam_speed_next for each range, and one wire frame. */
struct lam_speed_answer_head {
    uint64_t id;
    int64_t code;
    uint64_t more;   /* another one follows */
    uint64_t ranges; /* they stand in the first */
};

struct lam_speed_next {
    uint64_t partition, next;
};

/* Where consuming starts, and what the rows say of their source. The same on every rank but for the partitions. */
struct lam_speed_setup {
    char run[LAM_RUN_ID];
    char brokers[1024];
    uint32_t source, life;
    bool other_analysis; /* than the store's: rows are marked */
    struct lam_speed_start *starts;
    size_t start_count;
};

/* The last record that was answered, beside the output position: as a witness is in the log. */
struct lam_speed_note {
    int64_t offset, timestamp_ms; /* -1: it has none */
    uint32_t crc;
};

/* --- speed_setup.c --- */

int lam_speed_setup_write(const struct lam_speed_setup *setup, struct lam_buf *json, struct lam_error *err);
int lam_speed_setup_read(struct lam_sv json, struct lam_speed_setup *setup, struct lam_error *err);
void lam_speed_setup_release(struct lam_speed_setup *setup);

/* The job's properties for librdkafka, secrets taken from the environment. *props is malloc'ed. */
int lam_speed_props(const struct lam_job *job, struct lam_kafka_prop **props, size_t *count, struct lam_error *err);

/* --- speed_thread.c: one thread a speed rank --- */

#define LAM_SPEED_HANG_DEADLINES 5

struct lam_speed_thread;
struct lam_speed_agents; /* speed_agents.h */

/* agents: of events that ask for one; the thread's own from here on, and outlives it. NULL: none are asked. */
int lam_speed_thread_start(struct lam_speed_thread **thread, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_tail_log *tail,
                           struct lam_speed_agents *agents, struct lam_error *err);

/* Asks it to end after what it has polled; joins it once it is done. */
void lam_speed_thread_stop(struct lam_speed_thread *thread);
void lam_speed_thread_free(struct lam_speed_thread *thread); /* NULL-safe; waits. For one that hangs nothing can be freed any more: the process ends with 1 */

/*
 * Main thread, again and again: LAM_E_TIMEOUT once the thread has done nothing for LAM_SPEED_HANG_DEADLINES of the job's deadline, of the time that this was
 * asked in: that of a process which was stopped does not count. Between two turns it may have 512 large messages to analyse.
 */
int lam_speed_thread_watch(struct lam_speed_thread *thread, struct lam_error *err);

/* LAM_PENDING: starting; 0: consuming, every partition was heard of; LAM_END: it has ended well; else its error. */
int lam_speed_thread_state(struct lam_speed_thread *thread, struct lam_error *err);
void lam_speed_thread_stats(struct lam_speed_thread *thread, struct lam_speed_stats *stats);

/* --- speed_roll.c: storage thread --- */

/* Writes a chunk: bronze, rows, rejects. note: the ROLLED message's JSON {"roll":n,"entries":[…],"archive":[[partition,next,offset,timestamp_ms,crc],…]}. */
int lam_speed_roll(struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_namer *namer, uint64_t roll, struct lam_tail_chunk *chunk,
                   struct lam_buf *note, struct lam_error *err);

/* --- speed_output.c --- */

#define LAM_SPEED_TOPIC 256 /* of Kafka's 249 */

/* The topic that a row goes to. */
void lam_speed_topic(const struct lam_job *job, const struct lam_row *row, char *topic, size_t cap);

/* All that the job's rows can go to, as far as its labels tell; some twice where the route names no category. *topics is malloc'ed. */
int lam_speed_topics(const struct lam_job *job, char (**topics)[LAM_SPEED_TOPIC], size_t *count, struct lam_error *err);

/* The record with "ai_analysis" and "processed_at". */
int lam_speed_value(const struct lam_row *row, struct lam_buf *json, struct lam_error *err);

#endif
