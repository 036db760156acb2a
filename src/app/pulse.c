#include "pulse.h"

#include <stdlib.h>
#include <time.h>

struct lam_pulse {
    struct lam_alive alive;
    struct lam_engine *engine;
    const char *area;
    bool still; /* the main loop was found hanging, and that was said */
    pthread_t thread;
    pthread_mutex_t lock; /* guards ending */
    pthread_cond_t changed;
    bool ending;
};

static bool main_loop_hangs(struct lam_pulse *pulse)
{
    int64_t turned = atomic_load(&pulse->engine->turned_us), silent = lam_mono_us(pulse->engine->clock) - turned;
    bool hangs = turned && silent > pulse->engine->job->deadline_us;

    if (hangs && !pulse->still)
        lam_log_error(&pulse->engine->log, pulse->area, "the main loop has not turned for %.1f s: another job may take this layer over", (double)silent / 1e6);
    pulse->still = hangs;
    return hangs;
}

static void *pulse_run(void *arg)
{
    struct lam_pulse *pulse = arg;
    struct lam_error err;

    pthread_mutex_lock(&pulse->lock);
    while (!pulse->ending) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LAM_ALIVE_RAISE_US / 1000000;
        while (!pulse->ending && !pthread_cond_timedwait(&pulse->changed, &pulse->lock, &until))
            ;
        pthread_mutex_unlock(&pulse->lock);
        if (!main_loop_hangs(pulse) && lam_alive_raise(&pulse->alive, &err))
            lam_log_warn(&pulse->engine->log, pulse->area, "%s", err.text);
        pthread_mutex_lock(&pulse->lock);
    }
    pthread_mutex_unlock(&pulse->lock);
    return NULL;
}

int lam_pulse_start(struct lam_pulse **out, struct lam_engine *engine, const char *run, const char *area, struct lam_error *err)
{
    struct lam_pulse *pulse = calloc(1, sizeof *pulse);
    pthread_condattr_t attributes;
    int rc;

    *out = NULL;
    if (!pulse)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a thread");
    if ((rc = lam_alive_start(&pulse->alive, engine->fs, engine->job->store.path, run, err))) {
        free(pulse);
        return rc;
    }
    pulse->engine = engine;
    pulse->area = area;
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
        return LAM_FAIL(err, LAM_E_MEMORY, "the thread that says that the job is alive cannot be started");
    }
    *out = pulse;
    return 0;
}

void lam_pulse_stop(struct lam_pulse *pulse)
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
