#include "props.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/kafka_props.h"

#define QUIET_US 10000000

int lam_props_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lam_error *err)
{
    char why[300];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return 0;
    return LAM_FAIL(err, LAM_E_INVALID, "librdkafka %s: %s", rd_kafka_version_str(), why);
}

int lam_props_set_int(rd_kafka_conf_t *conf, const char *name, long long value, struct lam_error *err)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", value);
    return lam_props_set(conf, name, text, err);
}

int lam_props_apply(rd_kafka_conf_t *conf, const struct lam_kafka_prop *props, size_t count, struct lam_error *err)
{
    char why[300];

    for (size_t i = 0; i < count; i++) {
        struct lam_sv name = lam_sv_of(props[i].name);
        const char *reason = lam_kafka_prop_refused(name);
        rd_kafka_conf_res_t res;

        if (reason)
            return LAM_FAIL(err, LAM_E_INVALID, "the property %s is the engine's: %s", props[i].name, reason);
        res = rd_kafka_conf_set(conf, props[i].name, props[i].value, why, sizeof why);
        if (res == RD_KAFKA_CONF_UNKNOWN)
            return LAM_FAIL(err, LAM_E_INVALID, "librdkafka %s knows no property %s", rd_kafka_version_str(), props[i].name);
        if (res != RD_KAFKA_CONF_OK)
            return LAM_FAIL(err, LAM_E_INVALID, "the property %s: %s", props[i].name,
                            lam_kafka_prop_secret(name) ? "librdkafka refuses its value" : why);
    }
    return 0;
}

void lam_noise_add(struct lam_kafka_noise *noise, const char *what, const char *reason)
{
    int64_t now = lam_mono_us(&lam_clock_system);

    noise->total++;
    noise->since++;
    if (!noise->last[0] || strcmp(what, "_ALL_BROKERS_DOWN")) /* which only repeats that they are down, not why */
        snprintf(noise->last, sizeof noise->last, "%s", reason);
    if (!atomic_load(&noise->log) || (noise->logged_us && now - noise->logged_us < QUIET_US))
        return;
    lam_log_warn(atomic_load(&noise->log), "source", "%s: %s: %s (%llu such in the last while; it is tried again)",
                 noise->who, what, reason, (unsigned long long)noise->since);
    noise->logged_us = now;
    noise->since = 0;
}

void lam_props_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct lam_kafka_noise *noise = rd_kafka_opaque(rk);
    const struct lam_log *log = noise ? atomic_load(&noise->log) : NULL;

    if (log) /* what matters comes as an error too, and is counted there */
        lam_log_debug(log, "source", "%s: librdkafka %d %s: %s", noise->who, level, facility, text);
}

/* Shared by who waits and who destroys; the last one frees it. */
struct farewell {
    rd_kafka_t *rk;
    pthread_mutex_t lock; /* guards done and users */
    pthread_cond_t changed;
    bool done;
    int users;
};

static void leave(struct farewell *farewell)
{
    int users;

    pthread_mutex_lock(&farewell->lock);
    users = --farewell->users;
    pthread_mutex_unlock(&farewell->lock);
    if (users)
        return;
    pthread_cond_destroy(&farewell->changed);
    pthread_mutex_destroy(&farewell->lock);
    free(farewell);
}

static void *destroy(void *arg)
{
    struct farewell *farewell = arg;

    if (rd_kafka_type(farewell->rk) == RD_KAFKA_CONSUMER)
        rd_kafka_consumer_close(farewell->rk);
    rd_kafka_destroy(farewell->rk);
    pthread_mutex_lock(&farewell->lock);
    farewell->done = true;
    pthread_cond_signal(&farewell->changed);
    pthread_mutex_unlock(&farewell->lock);
    leave(farewell);
    return NULL;
}

/* On CLOCK_MONOTONIC, as the condition was made. */
static bool wait_until_done(struct farewell *farewell)
{
    struct timespec deadline;
    bool done;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += LAM_KAFKA_CLOSE_MS / 1000;
    pthread_mutex_lock(&farewell->lock);
    while (!farewell->done && pthread_cond_timedwait(&farewell->changed, &farewell->lock, &deadline) != ETIMEDOUT)
        ;
    done = farewell->done;
    pthread_mutex_unlock(&farewell->lock);
    return done;
}

bool lam_kafka_destroy(rd_kafka_t *rk, struct lam_kafka_noise *noise)
{
    struct farewell *farewell = calloc(1, sizeof *farewell);
    pthread_condattr_t attr;
    pthread_t thread;
    bool done = false;

    if (!farewell)
        return false; /* no memory to wait with: leave librdkafka as it is */
    *farewell = (struct farewell){.rk = rk, .lock = PTHREAD_MUTEX_INITIALIZER, .users = 2};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&farewell->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&thread, NULL, destroy, farewell)) {
        farewell->users = 1;
    } else {
        pthread_detach(thread);
        done = wait_until_done(farewell);
    }
    leave(farewell);
    if (!done && atomic_load(&noise->log))
        lam_log_warn(atomic_load(&noise->log), "source", "%s: librdkafka does not end within %d ms; it is left behind",
                     noise->who, LAM_KAFKA_CLOSE_MS);
    if (!done)
        atomic_store(&noise->log, NULL);
    return done;
}
