/*
 * `lamina stop`, seen from the job that is to stop: rank 0 looks once a second for runs/<run>/stop of the terms that this process holds, and then stops as
 * by a signal.
 */
#ifndef LAMINA_APP_STOP_WATCH_H
#define LAMINA_APP_STOP_WATCH_H

#include "engine.h"
#include "process/work.h"

struct lam_stop_watch {
    struct lam_work work;
    struct lam_engine *engine;
    bool busy, found; /* main thread */
    bool seen;        /* storage thread, until the job is done */
    int64_t next_us;
};

/* Main thread of rank 0, once a turn; the watch is all zero at first, and must live until the storage thread is quiet. */
void lam_stop_watch_step(struct lam_stop_watch *watch, struct lam_engine *engine);

#endif
