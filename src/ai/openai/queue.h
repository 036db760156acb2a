/*
 * Requests that wait for an endpoint, in the order in which they shall go out:
 *
 *     1. those to be asked again whose time has come, oldest first
 *     2. new ones, by groups of the same prefix: a group goes on until it is empty or has had its turn, then the one that waits longest
 *     3. while draining, new ones by size, the largest first: the last request to begin is then a short one
 *
 * Elements are part of their owners; nothing is copied. One thread.
 */
#ifndef LAMINA_AI_OPENAI_QUEUE_H
#define LAMINA_AI_OPENAI_QUEUE_H

#include <lamina/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAM_LLM_QUEUE_GROUPS 64 /* prefixes beyond share groups */

struct lam_llm_wait {
    struct lam_llm_wait *next, *prev;
    struct lam_llm_list *list;  /* that it is in; NULL: it waits for a time, or does not wait */
    size_t heap_at;             /* 1 …: its place among those that wait for a time; 0: not there */
    uint64_t order;             /* given by put */
    int64_t at_us;              /* not before */
    int64_t deadline_us;        /* INT64_MAX: none yet */
    uint64_t prefix;
    uint64_t size;              /* of the work, in tokens */
    uint32_t avoid;             /* 1 << endpoint: not there, if another one is usable */
};

struct lam_llm_list {
    struct lam_llm_wait *first, *last;
};

struct lam_llm_queue {
    struct lam_llm_list groups[LAM_LLM_QUEUE_GROUPS], again, by_size;
    struct lam_llm_wait **heap; /* 1 … heap_len */
    size_t heap_len, cap, count;
    uint64_t order;
    unsigned turn, turn_left;
    bool draining;
};

/* Room for cap elements. */
int lam_llm_queue_init(struct lam_llm_queue *queue, size_t cap, struct lam_error *err);
void lam_llm_queue_release(struct lam_llm_queue *queue);

/* A new one; one to be asked again, at at_us. */
void lam_llm_queue_put(struct lam_llm_queue *queue, struct lam_llm_wait *wait);
void lam_llm_queue_again(struct lam_llm_queue *queue, struct lam_llm_wait *wait, int64_t at_us);
void lam_llm_queue_remove(struct lam_llm_queue *queue, struct lam_llm_wait *wait);

/* Those whose time has come stand in line again. Returns when the next one's comes; INT64_MAX: none waits for a time. */
int64_t lam_llm_queue_turn(struct lam_llm_queue *queue, int64_t now_us);

/* What shall go to this endpoint next; it stays in the queue until it is removed. usable: 1 << endpoint, or-ed. NULL: nothing. */
struct lam_llm_wait *lam_llm_queue_next(struct lam_llm_queue *queue, unsigned endpoint, uint32_t usable);

/* One of those that wait in line for an endpoint and have passed their deadline; any one at all. NULL: none. */
struct lam_llm_wait *lam_llm_queue_expired(struct lam_llm_queue *queue, int64_t now_us);
struct lam_llm_wait *lam_llm_queue_any(struct lam_llm_queue *queue);

void lam_llm_queue_drain(struct lam_llm_queue *queue, bool draining);

#endif
