/*
 * A bounded queue of fixed-size items between threads. Any thread may push, any may pop; items leave in the order in which they
 * entered. Full and empty are ordinary results: a ring never grows and never waits. Who wants to sleep until there is something
 * pairs it with a wake (wake.h): push, then signal.
 *
 * Lock-free: each cell has a sequence number that says whose turn it is (Vyukov's bounded queue).
 */
#ifndef LAMINA_BASE_RING_H
#define LAMINA_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct lam_ring;

/* A ring of count items (rounded up to a power of two, at least 2) of item_len bytes each. NULL: out of memory. */
struct lam_ring *lam_ring_new(size_t item_len, size_t count);

/* No thread may use it any more; items still inside are forgotten. NULL is fine. */
void lam_ring_free(struct lam_ring *ring);

/* Copies item_len bytes in; false: full. Any thread. */
bool lam_ring_push(struct lam_ring *ring, const void *item);

/* Copies the oldest item out; false: empty. Any thread. */
bool lam_ring_pop(struct lam_ring *ring, void *item);

/* How many items are inside, more or less, while others push and pop. */
size_t lam_ring_count(const struct lam_ring *ring);

/* How many fit. */
size_t lam_ring_cap(const struct lam_ring *ring);

#endif
