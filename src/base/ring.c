#include "ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64 /* bytes of a cache line: pushers and poppers must not share one */

/*
 * A cell of turn t holds the item of turn t when its sequence is t + 1, is free for turn t when it is t, and free for the next
 * round when it is t + cap. Pushers and poppers take turns by compare-and-swap; the sequence hands the bytes over.
 */
struct cell {
    atomic_size_t sequence;
    _Alignas(16) char bytes[];
};

struct lam_ring {
    size_t item_len, cap, stride;
    char *cells;
    _Alignas(LINE) atomic_size_t head; /* the next turn to push */
    _Alignas(LINE) atomic_size_t tail; /* the next turn to pop */
};

static struct cell *cell_of(const struct lam_ring *ring, size_t turn) { return (struct cell *)(ring->cells + (turn & (ring->cap - 1)) * ring->stride); }

struct lam_ring *lam_ring_new(size_t item_len, size_t count)
{
    struct lam_ring *ring = aligned_alloc(LINE, sizeof *ring);
    size_t cap = 2;

    if (!ring)
        return NULL;
    while (cap < count)
        cap *= 2;
    memset(ring, 0, sizeof *ring);
    ring->item_len = item_len;
    ring->cap = cap;
    ring->stride = (sizeof(struct cell) + item_len + 15) & ~(size_t)15;
    ring->cells = cap <= SIZE_MAX / ring->stride ? aligned_alloc(16, cap * ring->stride) : NULL;
    if (!ring->cells) {
        free(ring);
        return NULL;
    }
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    for (size_t i = 0; i < cap; i++)
        atomic_init(&cell_of(ring, i)->sequence, i);
    return ring;
}

void lam_ring_free(struct lam_ring *ring)
{
    if (!ring)
        return;
    free(ring->cells);
    free(ring);
}

bool lam_ring_push(struct lam_ring *ring, const void *item)
{
    size_t turn = atomic_load_explicit(&ring->head, memory_order_relaxed);

    for (;;) {
        struct cell *cell = cell_of(ring, turn);
        intptr_t ahead = (intptr_t)(atomic_load_explicit(&cell->sequence, memory_order_acquire) - turn);

        if (ahead < 0)
            return false; /* still holds what was pushed a round ago */
        if (ahead > 0) {
            turn = atomic_load_explicit(&ring->head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&ring->head, &turn, turn + 1, memory_order_relaxed, memory_order_relaxed)) {
            memcpy(cell->bytes, item, ring->item_len);
            atomic_store_explicit(&cell->sequence, turn + 1, memory_order_release);
            return true;
        }
    }
}

bool lam_ring_pop(struct lam_ring *ring, void *item)
{
    size_t turn = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (;;) {
        struct cell *cell = cell_of(ring, turn);
        intptr_t ahead = (intptr_t)(atomic_load_explicit(&cell->sequence, memory_order_acquire) - (turn + 1));

        if (ahead < 0)
            return false; /* nothing pushed yet, or its pusher is still copying */
        if (ahead > 0) {
            turn = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&ring->tail, &turn, turn + 1, memory_order_relaxed, memory_order_relaxed)) {
            memcpy(item, cell->bytes, ring->item_len);
            atomic_store_explicit(&cell->sequence, turn + ring->cap, memory_order_release);
            return true;
        }
    }
}

size_t lam_ring_count(const struct lam_ring *ring)
{
    size_t tail = atomic_load(&ring->tail), head = atomic_load(&ring->head);

    return head - tail <= ring->cap ? head - tail : 0; /* tail may have been read long before head */
}

size_t lam_ring_cap(const struct lam_ring *ring) { return ring->cap; }
