/*
 * An arena: many small allocations that end together. Memory comes in chunks and is kept by lam_arena_reset, so that a
 * block's arena costs malloc only until it has its size. A full arena (max reached) answers NULL: an ordinary result, the
 * back-pressure of whoever fills the block. Not thread-safe. No pointer moves while the arena lives.
 */
#ifndef LAMINA_BASE_ARENA_H
#define LAMINA_BASE_ARENA_H

#include <lamina/sv.h>
#include <stdbool.h>

struct lam_arena_chunk;

struct lam_arena {
    struct lam_arena_chunk *first, *current;
    size_t used; /* bytes handed out since the last reset */
    size_t held; /* bytes of all chunks */
    size_t max;  /* upper bound of held; one allocation is never larger */
};

void lam_arena_init(struct lam_arena *arena, size_t max);
void lam_arena_release(struct lam_arena *arena);

/* Room for allocations of len bytes in all (each as lam_arena_aligned has it) in one chunk of just that size. False: full or out of memory. An empty arena. */
bool lam_arena_reserve(struct lam_arena *arena, size_t len);

/* All allocations end; the chunks stay. */
void lam_arena_reset(struct lam_arena *arena);

/* What an allocation of len bytes takes. */
size_t lam_arena_aligned(size_t len);

/* len bytes aligned to 16, uninitialised; NULL when full or out of memory. */
void *lam_arena_alloc(struct lam_arena *arena, size_t len);

/* A copy of sv; ptr is NULL when full. An empty view is copied without memory: ptr "" and len 0. */
struct lam_sv lam_arena_copy(struct lam_arena *arena, struct lam_sv sv);

#endif
