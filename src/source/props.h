/*
 * What every librdkafka handle of the engine shares: how its properties are set, how its logs and errors reach ours. Inside source only.
 */
#ifndef LAMINA_SOURCE_PROPS_H
#define LAMINA_SOURCE_PROPS_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "kafka.h"

/* Sets the engine's own property; a failure is our bug or an older librdkafka: LAM_E_INVALID. */
int lam_props_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lam_error *err);
int lam_props_set_int(rd_kafka_conf_t *conf, const char *name, long long value, struct lam_error *err);

/*
 * Sets the job's: LAM_E_INVALID where one is refused (with the reason), unknown, or has a bad value. A secret's value
 * is never in the text.
 */
int lam_props_apply(rd_kafka_conf_t *conf, const struct lam_kafka_prop *props, size_t count, struct lam_error *err);

/* Transient errors: the first is logged, then one line in 10 s with the number that came in between. Not thread-safe. */
struct lam_kafka_noise {
    const struct lam_log *_Atomic log; /* NULL: nothing is logged */
    const char *who;           /* "consumer of docs": owned by the handle */
    int64_t logged_us;         /* monotonic; 0: never */
    uint64_t since, total;
    char last[200];            /* the newest one's text: the reason behind a time-out */
};

void lam_noise_add(struct lam_kafka_noise *noise, const char *what, const char *reason);

/*
 * librdkafka's own log lines (any thread of its): errors as warnings, the rest for debugging. conf's opaque must begin
 * with a struct lam_kafka_noise.
 */
void lam_props_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);

/*
 * Closes (a consumer) and destroys rk within LAM_KAFKA_CLOSE_MS. librdkafka's own destruction can wait for ever: 2.0
 * does where a topic was deleted under a reader (its issue 3470). False: it was not done by then. It goes on in a
 * thread of its own, and what rk's opaque points to must stay allocated.
 */
bool lam_kafka_destroy(rd_kafka_t *rk, struct lam_kafka_noise *noise);

#define LAM_KAFKA_CLOSE_MS 5000

#endif
