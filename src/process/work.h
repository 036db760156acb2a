/*
 * Work: a job for a pool whose end comes back to the main thread by itself. The first member of whatever a module hands to a
 * pool; the main loop takes finished jobs and calls their done, without knowing whose they are.
 */
#ifndef LAMINA_PROCESS_WORK_H
#define LAMINA_PROCESS_WORK_H

#include "base/pool.h"

struct lam_work {
    void (*run)(struct lam_work *work, unsigned worker); /* on a thread of the pool */
    void (*done)(struct lam_work *work);                 /* on the main thread; work may be freed in it */
};

/* False: the pool is full, come again. Main thread. */
bool lam_work_submit(struct lam_pool *pool, struct lam_work *work);

/* Calls done for every job of this pool that is finished; whether there was one. Main thread. */
bool lam_work_reap(struct lam_pool *pool);

#endif
