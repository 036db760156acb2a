/* What the parts of the speed thread share: speed_thread.c (its life), speed_take.c (one batch of messages), speed_delivered.c (the output position). */
#ifndef LAMINA_APP_SPEED_THREAD_OWN_H
#define LAMINA_APP_SPEED_THREAD_OWN_H

#include "speed_position.h"
#include "speed_sender.h"

#include "reader.h"

#define LAM_SPEED_POLL_MAX 512
#define LAM_SPEED_BLOCK_ROWS (LAM_SPEED_POLL_MAX + 1)

struct lam_speed_thread {
    struct lam_engine *engine;
    const struct lam_speed_setup *setup;
    struct lam_tail_log *tail;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    struct lam_speed_signs signs;
    uint64_t seen_turns;         /* these three are the main thread's, of lam_speed_thread_watch */
    int64_t watched_us, silent_us;
    atomic_int state; /* LAM_PENDING, 0, LAM_END, or the error's code */
    struct lam_error err;
    pthread_mutex_t lock; /* guards stats */
    struct lam_speed_stats stats;

    /* the thread's own */
    struct lam_kafka *kafka;
    struct lam_speed_sender *sender;
    struct lam_tools *tools;
    struct lam_block *fresh, *again; /* rows to be kept; rows of which only the output is owed */
    struct lam_tail_message *messages;
    struct lam_tail_range *reached;
    struct lam_speed_agents *agents; /* NULL: none are asked */
    bool wants[LAM_SPEED_BLOCK_ROWS], wants_again[LAM_SPEED_BLOCK_ROWS], owes[LAM_SPEED_BLOCK_ROWS]; /* by row of fresh, of again: the rule asks for an agent; of fresh: it is owed one, in the tail */
    struct lam_speed_positions *positions;
    struct lam_speed_note *last; /* by start: the last record that was answered; offset -1: none */
    bool *ended; /* by start: the partition is read to its end */
    bool *heard; /* by start: the broker has given a message of it, or said that there is none: it is being read */
    size_t silent; /* partitions that are not heard */
    int64_t next_output_us;
    uint64_t answered_before;
};

/* Where a partition stands in the setup; start_count: nowhere. */
static inline size_t lam_speed_start_of(const struct lam_speed_thread *t, uint32_t partition)
{
    size_t i = 0;

    while (i < t->setup->start_count && t->setup->starts[i].partition != partition)
        i++;
    return i;
}

/* Answers what was polled, sends the outputs that are due and appends the rows to the tail. On an error t->err says which. */
int lam_speed_take(struct lam_speed_thread *t, const struct lam_kafka_event *events, size_t event_count);

/* Commits the output position, unless the commit before is still under way. LAM_PENDING: it is. On another error t->err says which. */
int lam_speed_delivered(struct lam_speed_thread *t);

/* The last of a run: waits for the broker's answer. */
int lam_speed_delivered_last(struct lam_speed_thread *t);

#endif
