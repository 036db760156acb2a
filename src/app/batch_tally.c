#include "batch_tally.h"

#include <stdlib.h>

static struct lam_counts *at(struct lam_batch_tally *tally, uint32_t source, uint32_t life)
{
    struct lam_life_counts *grown;

    for (size_t i = 0; i < tally->count; i++)
        if (tally->items[i].source == source && tally->items[i].life == life)
            return &tally->items[i].counts;
    if (!(grown = realloc(tally->items, (tally->count + 1) * sizeof *grown)))
        return NULL;
    tally->items = grown;
    tally->items[tally->count] = (struct lam_life_counts){.source = source, .life = life};
    return &tally->items[tally->count++].counts;
}

int lam_batch_tally_delta(struct lam_batch_tally *tally, const struct lam_count_delta *delta, struct lam_error *err)
{
    struct lam_counts *counts = at(tally, delta->source, delta->life);

    if (!counts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    counts->live += delta->live;
    counts->superseded += delta->superseded;
    counts->deleted += delta->deleted;
    counts->pending += delta->pending;
    counts->quarantined += delta->quarantined;
    counts->unavailable += delta->unavailable;
    counts->read += delta->live + delta->superseded + delta->deleted + delta->quarantined;
    return 0;
}

int lam_batch_tally_add(struct lam_batch_tally *tally, uint32_t source, uint32_t life, const struct lam_counts *more, struct lam_error *err)
{
    struct lam_counts *counts = at(tally, source, life);

    if (!counts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    lam_counts_add(counts, more);
    return 0;
}

int lam_batch_tally_piece(struct lam_batch_tally *tally, const struct lam_piece *piece, bool append, struct lam_error *err)
{
    struct lam_counts *counts = at(tally, piece->source, piece->life);

    if (!counts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    if (piece->again) /* rows of the view, and of any source: counted as they are resolved, or masked */
        return 0;
    counts->quarantined += (int64_t)piece->quarantined;
    counts->filtered += (int64_t)piece->filtered;
    counts->read += (int64_t)(piece->quarantined + piece->filtered);
    if (append) { /* rows are not resolved: all of them are live */
        counts->live += (int64_t)piece->rows;
        counts->pending += (int64_t)piece->pending;
        counts->read += (int64_t)piece->rows;
    }
    return 0;
}

int lam_batch_tally_forget(struct lam_batch_tally *tally, const struct lam_state *state, struct lam_error *err)
{
    for (uint32_t s = 1; s <= state->source_count; s++)
        for (uint32_t l = 0; l < state->sources[s - 1].life_count; l++) {
            const struct lam_state_life *life = state->sources[s - 1].lives[l];
            struct lam_counts *counts;

            if (!life->counts.read)
                continue;
            if (!(counts = at(tally, s, life->number)))
                return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
            lam_counts_add(counts, &(struct lam_counts){-life->counts.read,        -life->counts.live,     -life->counts.superseded, -life->counts.deleted,
                                                        -life->counts.quarantined, -life->counts.filtered, -life->counts.pending,    -life->counts.unavailable});
        }
    return 0;
}

static int by_life(const void *a, const void *b)
{
    const struct lam_life_counts *x = a, *y = b;

    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->life > y->life) - (x->life < y->life);
}

void lam_batch_tally_sort(struct lam_batch_tally *tally)
{
    if (tally->count)
        qsort(tally->items, tally->count, sizeof *tally->items, by_life);
}

void lam_batch_tally_release(struct lam_batch_tally *tally)
{
    free(tally->items);
    *tally = (struct lam_batch_tally){0};
}
