#include <stdlib.h>

#include "resolve.h"

struct lam_count_delta *lam_count_deltas_at(struct lam_count_deltas *deltas, uint32_t source, uint32_t life)
{
    size_t low = 0, high = deltas->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct lam_count_delta *item = &deltas->items[middle];

        if (item->source == source && item->life == life)
            return item;
        if (item->source < source || (item->source == source && item->life < life))
            low = middle + 1;
        else
            high = middle;
    }
    if (deltas->count == deltas->cap) {
        size_t cap = deltas->cap ? 2 * deltas->cap : 8;
        struct lam_count_delta *items = realloc(deltas->items, cap * sizeof *items);

        if (!items)
            return NULL;
        deltas->items = items;
        deltas->cap = cap;
    }
    memmove(deltas->items + low + 1, deltas->items + low, (deltas->count - low) * sizeof *deltas->items);
    deltas->count++;
    deltas->items[low] = (struct lam_count_delta){.source = source, .life = life};
    return &deltas->items[low];
}

int lam_count_deltas_add(struct lam_count_deltas *deltas, const struct lam_count_deltas *more, struct lam_error *err)
{
    for (size_t i = 0; i < more->count; i++) {
        const struct lam_count_delta *from = &more->items[i];
        struct lam_count_delta *to = lam_count_deltas_at(deltas, from->source, from->life);

        if (!to)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the counts of %zu lives", deltas->count);
        to->live += from->live;
        to->superseded += from->superseded;
        to->deleted += from->deleted;
        to->pending += from->pending;
        to->quarantined += from->quarantined;
        to->unavailable += from->unavailable;
    }
    return 0;
}

void lam_count_deltas_release(struct lam_count_deltas *deltas)
{
    free(deltas->items);
    *deltas = (struct lam_count_deltas){0};
}
