/*
 * A run's term: how it is taken, and the counter that says that its holder lives. A run after another in one process takes the next term before it
 * lets go of the last one's counter, so that nobody who waits for the layer's end finds it free in between.
 */
#include "batch_job.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Raises the counter for as long as the term is held. A thread of its own: the storage thread may write a view for longer than a newcomer watches. */
struct lam_batch_pulse {
    struct lam_alive alive;
    const struct lam_log *log;
    pthread_t thread;
    pthread_mutex_t lock; /* guards ending */
    pthread_cond_t changed;
    bool ending;
};

static void *pulse_run(void *arg)
{
    struct lam_batch_pulse *pulse = arg;
    struct lam_error err;

    pthread_mutex_lock(&pulse->lock);
    while (!pulse->ending) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LAM_ALIVE_RAISE_US / 1000000;
        while (!pulse->ending && !pthread_cond_timedwait(&pulse->changed, &pulse->lock, &until))
            ;
        pthread_mutex_unlock(&pulse->lock);
        if (lam_alive_raise(&pulse->alive, &err))
            lam_log_warn(pulse->log, "batch", "%s", err.text);
        pthread_mutex_lock(&pulse->lock);
    }
    pthread_mutex_unlock(&pulse->lock);
    return NULL;
}

static int pulse_start(const struct lam_batch_job *batch, struct lam_batch_pulse **out, struct lam_error *err)
{
    struct lam_batch_pulse *pulse = calloc(1, sizeof *pulse);
    pthread_condattr_t attributes;
    int rc;

    *out = NULL;
    if (!pulse)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a thread");
    if ((rc = lam_alive_start(&pulse->alive, batch->engine->fs, batch->engine->job->store.path, batch->run, err))) {
        free(pulse);
        return rc;
    }
    pulse->log = &batch->engine->log;
    pthread_mutex_init(&pulse->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pulse->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&pulse->thread, NULL, pulse_run, pulse)) {
        pthread_cond_destroy(&pulse->changed);
        pthread_mutex_destroy(&pulse->lock);
        lam_alive_stop(&pulse->alive);
        free(pulse);
        return LAM_FAIL(err, LAM_E_MEMORY, "the thread that says that the run is alive cannot be started");
    }
    *out = pulse;
    return 0;
}

/* Ends the thread and removes the counter. NULL-safe. */
static void pulse_stop(struct lam_batch_pulse *pulse)
{
    if (!pulse)
        return;
    pthread_mutex_lock(&pulse->lock);
    pulse->ending = true;
    pthread_cond_signal(&pulse->changed);
    pthread_mutex_unlock(&pulse->lock);
    pthread_join(pulse->thread, NULL);
    pthread_cond_destroy(&pulse->changed);
    pthread_mutex_destroy(&pulse->lock);
    lam_alive_stop(&pulse->alive);
    free(pulse);
}

int lam_batch_take_term(struct lam_batch_job *batch, const struct lam_state **state, struct lam_error *err)
{
    struct lam_engine *engine = batch->engine;
    struct lam_term_options options = {.layers = 1u << LAM_TERM_BATCH, .take_over = engine->take_over_term};
    struct lam_batch_pulse *pulse;
    int rc;

    if ((!batch->untaken && (rc = lam_random_id(batch->run, err))) || (rc = lam_holder_self(&options.holder, engine->job->name, batch->run, err)))
        return rc;
    if (batch->holds) /* a run that was fenced meanwhile is a newcomer like any other */
        options.take_over = lam_commitlog_peek(engine->commits)->terms[LAM_TERM_BATCH].number == batch->term;
    if ((rc = pulse_start(batch, &pulse, err)))
        return rc;
    if ((rc = lam_term_take(engine->commits, &options, &batch->term, state, err))) {
        pulse_stop(pulse);
        batch->untaken = rc == LAM_E_EXISTS;
        return rc;
    }
    pulse_stop(batch->pulse);
    batch->pulse = pulse;
    batch->holds = true;
    batch->untaken = false;
    return 0;
}

void lam_batch_leave_term(struct lam_batch_job *batch)
{
    pulse_stop(batch->pulse);
    batch->pulse = NULL;
}
