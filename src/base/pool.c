#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

struct job {
    lam_job_fn run;
    void *arg;
};

struct worker {
    struct lam_pool *pool;
    pthread_t thread;
    unsigned number;
};

struct lam_pool {
    struct lam_ring *queue, *finished; /* of struct job, of void *: neither can be full, open is at most max_jobs */
    struct lam_wake *wake;
    size_t open, max_jobs; /* the owner's */
    unsigned threads;
    pthread_mutex_t lock;  /* guards stop, and that no worker goes to sleep between a look at the queue and the push */
    pthread_cond_t work;
    bool stop;
    struct worker workers[];
};

static bool next_job(struct lam_pool *pool, struct job *job)
{
    bool got;

    if (lam_ring_pop(pool->queue, job))
        return true;
    pthread_mutex_lock(&pool->lock);
    while (!(got = lam_ring_pop(pool->queue, job)) && !pool->stop)
        pthread_cond_wait(&pool->work, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return got;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct lam_pool *pool = worker->pool;
    struct job job;

    while (next_job(pool, &job)) {
        job.run(job.arg, worker->number);
        lam_ring_push(pool->finished, &job.arg);
        if (pool->wake)
            lam_wake_signal(pool->wake);
    }
    return NULL;
}

/* Joins the first count workers and frees all. */
static void stop(struct lam_pool *pool, unsigned count)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    lam_ring_free(pool->queue);
    lam_ring_free(pool->finished);
    free(pool);
}

int lam_pool_new(struct lam_pool **out, const char *name, unsigned threads, size_t max_jobs, struct lam_wake *wake, struct lam_error *err)
{
    struct lam_pool *pool = calloc(1, sizeof *pool + threads * sizeof *pool->workers);
    sigset_t all, before;
    int failed = 0;
    unsigned i;

    *out = NULL;
    if (pool) {
        pool->queue = lam_ring_new(sizeof(struct job), max_jobs);
        pool->finished = lam_ring_new(sizeof(void *), max_jobs);
    }
    if (!pool || !pool->queue || !pool->finished) {
        if (pool)
            lam_ring_free(pool->queue);
        free(pool);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u threads with %zu jobs", threads, max_jobs);
    }
    pool->wake = wake;
    pool->max_jobs = max_jobs;
    pool->threads = threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; i < threads && !failed; i++) {
        char text[16];

        pool->workers[i].pool = pool;
        pool->workers[i].number = i;
        failed = pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]);
        if (!failed) {
            snprintf(text, sizeof text, "%.11s-%u", name, i % 1000);
            pthread_setname_np(pool->workers[i].thread, text);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        stop(pool, i - 1);
        return LAM_FAIL(err, LAM_E_MEMORY, "thread %u of %u: %s", i, threads, strerror(failed));
    }
    *out = pool;
    return 0;
}

void lam_pool_free(struct lam_pool *pool)
{
    if (pool)
        stop(pool, pool->threads);
}

bool lam_pool_submit(struct lam_pool *pool, lam_job_fn run, void *arg)
{
    struct job job = {run, arg};

    if (pool->open >= pool->max_jobs || !lam_ring_push(pool->queue, &job))
        return false;
    pool->open++;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return true;
}

bool lam_pool_take(struct lam_pool *pool, void **arg)
{
    if (!lam_ring_pop(pool->finished, arg))
        return false;
    pool->open--;
    return true;
}

size_t lam_pool_open_jobs(const struct lam_pool *pool) { return pool->open; }
unsigned lam_pool_threads(const struct lam_pool *pool) { return pool->threads; }
