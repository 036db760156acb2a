/*
 * What a run changes in the counts, by source and life. Each distinct position enters them once: rows when they are resolved (append: when their piece
 * is planned), what was quarantined or filtered with its piece. One thread.
 */
#ifndef LAMINA_APP_BATCH_TALLY_H
#define LAMINA_APP_BATCH_TALLY_H

#include "store/piece.h"
#include "store/resolve.h"
#include "store/state.h"

struct lam_batch_tally {
    struct lam_life_counts *items; /* sorted by lam_batch_tally_sort alone */
    size_t count;
};

int lam_batch_tally_add(struct lam_batch_tally *tally, uint32_t source, uint32_t life, const struct lam_counts *more, struct lam_error *err);
int lam_batch_tally_delta(struct lam_batch_tally *tally, const struct lam_count_delta *delta, struct lam_error *err);
int lam_batch_tally_piece(struct lam_batch_tally *tally, const struct lam_piece *piece, bool append, struct lam_error *err);

/* A view that is made anew counts from nothing: takes off what the state has. */
int lam_batch_tally_forget(struct lam_batch_tally *tally, const struct lam_state *state, struct lam_error *err);

void lam_batch_tally_sort(struct lam_batch_tally *tally); /* by source and life */
void lam_batch_tally_release(struct lam_batch_tally *tally);

#endif
