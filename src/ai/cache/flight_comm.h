/*
 * Single flight on the wire: every rank that asks models owns a part of the keys (flight.h), and asks the owner before it asks a model.
 *
 *     lam_flights_ask(key, token)  ──> owner ──> heard(token, GRANTED)   ask the model; then lam_flights_done(key, flushed)
 *                                            └─> heard(token, FLUSHED)   read the cache (lam_cache_get_fresh); none there: done(key, not flushed), and ask again
 *
 * Each ask is heard once: GRANTED, or FLUSHED, or first GRANTED and, if another one was faster, FLUSHED. Uses three types of message from
 * first_type on. Every one of them opens it before any asks (an agreement in between), and closes it when none will. Main thread.
 */
#ifndef LAMINA_AI_CACHE_FLIGHT_COMM_H
#define LAMINA_AI_CACHE_FLIGHT_COMM_H

#include "comm/comm.h"
#include "flight.h"

#define LAM_FLIGHTS_TYPES 3

struct lam_flights;

struct lam_flights_options {
    uint16_t first_type;
    int64_t deadline_us; /* of a grant: longer than any request with its retries takes; 0: 10 min */
    int first, owners;   /* ranks first … first + owners - 1 own the keys: those that open it. owners 0: all ranks */
    size_t max;          /* of those who hold or wait at one owner; 0: 65,536 */
    void (*heard)(void *arg, uint64_t token, enum lam_flight_word word); /* from lam_comm_poll; may ask and say done */
    void *arg;
};

int lam_flights_open(struct lam_flights **flights, struct lam_comm *comm, const struct lam_flights_options *options, struct lam_error *err);
void lam_flights_close(struct lam_flights *flights);

/* token is the caller's. What the outbox does not take at once is sent by step. LAM_E_MEMORY; LAM_E_IO as lam_comm_send. */
int lam_flights_ask(struct lam_flights *flights, struct lam_digest key, uint64_t token, struct lam_error *err);
int lam_flights_done(struct lam_flights *flights, struct lam_digest key, bool flushed, struct lam_error *err);

/* A rank was given up: its grants pass on. */
int lam_flights_lost(struct lam_flights *flights, int rank, struct lam_error *err);

/* Sends what waited, passes on grants that ran out. Each turn of the main loop; cheap. An error of a handler comes out here, too. */
int lam_flights_step(struct lam_flights *flights, struct lam_error *err);

#endif
