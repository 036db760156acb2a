/*
 * --wait: a layer whose term is held by a job that lives is tried again, once a second, until that has ended. Waiting is rank 0's main loop's, never the
 * storage thread's, which the other layers of the job need.
 */
#ifndef LAMINA_APP_TERM_WAIT_H
#define LAMINA_APP_TERM_WAIT_H

#include "engine.h"

struct lam_term_wait {
    int64_t again_us; /* monotonic; 0: nothing to try again */
    bool said;
};

/* The layer did not begin, by rc and err. True: its term is held, and it is to be tried again; the first time that is said. */
bool lam_term_wait_takes(struct lam_term_wait *wait, const struct lam_engine *engine, int rc, const struct lam_error *err);

/* Waiting, due or not. */
bool lam_term_wait_on(const struct lam_term_wait *wait);

/* Is it time to try again? Says so once a try. */
bool lam_term_wait_due(struct lam_term_wait *wait, const struct lam_engine *engine);

#endif
