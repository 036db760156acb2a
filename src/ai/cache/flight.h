/*
 * Single flight: two ranks that want the same answer ask for it once. Each key has an owner, a rank that follows from the key; this is
 * the owner's table: pure logic, without messages, clocks or threads; flight_comm.h puts it on the wire.
 *
 *     ask ──> granted ──────────────done, flushed──────────> all who wait are told: it is in the cache
 *       └───> waits  <──┐                                        ^
 *                       └─ done, not flushed · the rank is lost · the deadline passed: the next one who waits is granted
 *
 * Keys that were flushed are remembered for a while: who asks late, having looked into the cache before the answer came, is told to look again.
 * A grant that ran out may still end well: the answer that comes first counts, and who was granted meanwhile is told as well.
 * So nobody waits for ever, and only a rank that is slow beyond the deadline can make a second request.
 */
#ifndef LAMINA_AI_CACHE_FLIGHT_H
#define LAMINA_AI_CACHE_FLIGHT_H

#include "base/hash.h"

enum lam_flight_word {
    LAM_FLIGHT_GRANTED, /* ask the model, put the answer, say done when it is flushed */
    LAM_FLIGHT_WAIT,    /* another one asks: you will be told */
    LAM_FLIGHT_FLUSHED  /* it is in the cache */
};

struct lam_flight;

/* What becomes of those who asked: token is what they gave. It must not call the table. */
typedef void (*lam_flight_tell_fn)(void *arg, int rank, uint64_t token, enum lam_flight_word word);

/*
 * deadline_us: of a grant. max: of those who hold or wait; beyond it all are granted, so that a full table costs requests and holds up nobody.
 * As many flushed keys are remembered, the newest.
 */
struct lam_flight *lam_flight_new(int64_t deadline_us, size_t max);
void lam_flight_free(struct lam_flight *flight); /* NULL-safe */

/* Any of the three; who waits is told later, GRANTED or FLUSHED. A rank may ask for a key several times. */
enum lam_flight_word lam_flight_ask(struct lam_flight *flight, struct lam_digest key, int rank, uint64_t token, int64_t now_us);

/* rank has flushed the answer, or has none to give: it could not get one, or did not find what it was told is flushed. */
void lam_flight_done(struct lam_flight *flight, struct lam_digest key, int rank, bool flushed, int64_t now_us, lam_flight_tell_fn tell, void *arg);

/* A rank is not there any more: what it held goes to the next, what it waited for is forgotten. */
void lam_flight_lost(struct lam_flight *flight, int rank, int64_t now_us, lam_flight_tell_fn tell, void *arg);

/* Grants whose deadline has passed. */
void lam_flight_expire(struct lam_flight *flight, int64_t now_us, lam_flight_tell_fn tell, void *arg);

/* When the next grant runs out; INT64_MAX: none. */
int64_t lam_flight_next_us(const struct lam_flight *flight);

size_t lam_flight_keys(const struct lam_flight *flight); /* that are held */
size_t lam_flight_open(const struct lam_flight *flight); /* who hold or wait */

/* The owner of a key among size ranks. */
int lam_flight_owner(struct lam_digest key, int size);

#endif
