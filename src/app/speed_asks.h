/*
 * Questions of serving threads for the tail of the speed ranks, which no thread but the main one may put to other ranks.
 *
 *     serving thread: fetch ── waits ──────────────────────────────────────────────> rows
 *     main thread:          └─ send ── ASK to every speed rank ── ANSWER ── take ─┘
 *
 * Rank 0; inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_ASKS_H
#define LAMINA_APP_SPEED_ASKS_H

#include "speed_coordinator.h"

#include <pthread.h>

struct lam_speed_ask;

struct lam_speed_asks {
    struct lam_engine *engine;
    pthread_mutex_t lock; /* guards all below, and what the asks hold */
    pthread_cond_t answered;
    struct lam_speed_ask *first;
    uint64_t next_id;
    bool over;            /* the layer has ended */
    uint64_t over_commit; /* and all that it consumed stands in this commit */
};

void lam_speed_asks_init(struct lam_speed_asks *asks, struct lam_engine *engine);
void lam_speed_asks_release(struct lam_speed_asks *asks);

/* Puts what was asked since the last call to the ranks. Main thread. */
int lam_speed_asks_send(struct lam_speed_asks *asks, struct lam_error *err);

/* A rank's ANSWER. Main thread. */
void lam_speed_asks_take(struct lam_speed_asks *asks, struct lam_sv bytes);

/* The layer has ended: who waits is let go. */
void lam_speed_asks_end(struct lam_speed_asks *asks, uint64_t commit);

/* struct lam_tail_source's fetch; arg: the asks. LAM_E_CONFLICT: the layer has ended, and a newer commit has what its tail had. Any serving thread. */
int lam_speed_asks_fetch(void *arg, uint64_t commit, struct lam_sv key, int64_t deadline_us, struct lam_block **block, struct lam_buf *speed,
                         struct lam_error *err);

#endif
