#include "arena.h"

#include <stdlib.h>

#define CHUNK ((size_t)64 << 10) /* doubles with the arena, so that a large block is a handful of chunks */
#define ALIGN ((size_t)16)

struct lam_arena_chunk {
    struct lam_arena_chunk *next;
    size_t len, used;
    _Alignas(16) char bytes[];
};

size_t lam_arena_aligned(size_t len) { return (len + ALIGN - 1) & ~(ALIGN - 1); }

void lam_arena_init(struct lam_arena *arena, size_t max) { *arena = (struct lam_arena){.max = max}; }

void lam_arena_release(struct lam_arena *arena)
{
    struct lam_arena_chunk *chunk = arena->first, *next;

    for (; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *arena = (struct lam_arena){.max = arena->max};
}

void lam_arena_reset(struct lam_arena *arena)
{
    for (struct lam_arena_chunk *chunk = arena->first; chunk; chunk = chunk->next)
        chunk->used = 0;
    arena->current = arena->first;
    arena->used = 0;
}

static struct lam_arena_chunk *add_chunk(struct lam_arena *arena, size_t want)
{
    struct lam_arena_chunk *chunk = malloc(sizeof *chunk + want), **link = &arena->first;

    if (!chunk)
        return NULL;
    *chunk = (struct lam_arena_chunk){.len = want};
    arena->held += want;
    while (*link)
        link = &(*link)->next;
    *link = chunk;
    return chunk;
}

static struct lam_arena_chunk *grow(struct lam_arena *arena, size_t len)
{
    size_t want = arena->held > CHUNK ? arena->held : CHUNK;

    if (want < len)
        want = len;
    if (want > arena->max - arena->held)
        want = arena->max - arena->held;
    return want < len ? NULL : add_chunk(arena, want);
}

bool lam_arena_reserve(struct lam_arena *arena, size_t len)
{
    return len == 0 || (len <= arena->max && add_chunk(arena, len));
}

void *lam_arena_alloc(struct lam_arena *arena, size_t len)
{
    struct lam_arena_chunk *chunk = arena->current ? arena->current : arena->first;
    void *ptr;

    len = lam_arena_aligned(len);
    while (chunk && chunk->len - chunk->used < len)
        chunk = chunk->next;
    if (!chunk && !(chunk = grow(arena, len)))
        return NULL;
    arena->current = chunk;
    ptr = chunk->bytes + chunk->used;
    chunk->used += len;
    arena->used += len;
    return ptr;
}

struct lam_sv lam_arena_copy(struct lam_arena *arena, struct lam_sv sv)
{
    char *ptr;

    if (sv.len == 0)
        return lam_sv("", 0);
    ptr = lam_arena_alloc(arena, sv.len);
    if (!ptr)
        return lam_sv(NULL, 0);
    memcpy(ptr, sv.ptr, sv.len);
    return lam_sv(ptr, sv.len);
}
