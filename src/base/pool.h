/*
 * A fixed number of worker threads with a bounded queue of jobs. The thread that owns the pool submits jobs and takes finished
 * ones; a job that ends is put down for it, and its wake is signalled, so that it can sleep on one thing.
 *
 *     owner: lam_pool_submit ──> queue ──> workers run job ──> finished ──> wake, lam_pool_take :owner
 *
 * Jobs that were submitted and not yet taken count against max_jobs; so neither queue nor list of finished jobs can overflow,
 * and a full pool is the back-pressure. One thread makes a pool that runs jobs in their order, one at a time (the storage thread).
 */
#ifndef LAMINA_BASE_POOL_H
#define LAMINA_BASE_POOL_H

#include <lamina/error.h>
#include <stdbool.h>
#include <stddef.h>

#include "wake.h"

struct lam_pool;

/* What a worker runs: its outcome goes into what arg points to. worker: 0 … threads-1, for state that each worker has of its own. */
typedef void (*lam_job_fn)(void *arg, unsigned worker);

/*
 * Starts the threads, named "<name>-<worker>" (at most 15 bytes). wake is borrowed, may be NULL, and outlives the pool.
 * Signals are blocked in workers: they go to the main thread.
 */
int lam_pool_new(struct lam_pool **pool, const char *name, unsigned threads, size_t max_jobs, struct lam_wake *wake, struct lam_error *err);

/* Lets the workers finish all that was submitted, ends them, and forgets what was not taken. NULL is fine. Blocks. Owner only. */
void lam_pool_free(struct lam_pool *pool);

/* Queues a job; false: max_jobs are submitted and not taken. Owner only. */
bool lam_pool_submit(struct lam_pool *pool, lam_job_fn run, void *arg);

/* The arg of a job that is finished, in order of finishing; false: none is. Owner only. */
bool lam_pool_take(struct lam_pool *pool, void **arg);

/* Jobs submitted and not taken. Owner only. */
size_t lam_pool_open_jobs(const struct lam_pool *pool);
unsigned lam_pool_threads(const struct lam_pool *pool);

#endif
