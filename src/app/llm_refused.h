/*
 * Refused: rows that no model answers as it should, from when that is known until their piece is back, where they go to the quarantine.
 *
 * Main thread; inside of llm_job.c only.
 */
#ifndef LAMINA_APP_LLM_REFUSED_H
#define LAMINA_APP_LLM_REFUSED_H

#include "base/log.h"
#include "process/batch.h"
#include "store/piece.h"

struct lam_llm_refused_row;

/* All zero: none. */
struct lam_llm_refused {
    struct lam_llm_refused_row *first;
    bool told;   /* one line of the log tells what is wrong; the quarantine has them all */
    bool failed; /* there was no memory for one: what is taken then is not all */
};

void lam_llm_refused_release(struct lam_llm_refused *refused);

/* A row of the piece, which comes back in the same poll; with what the model said, or its beginning. */
void lam_llm_refused_add(struct lam_llm_refused *refused, const struct lam_log *log, void *piece, size_t row, struct lam_sv reason, struct lam_sv raw);

/*
 * Takes the refused rows of a piece out of its block and into its rejects, and forgets them. said: its note. Where ranges are resolved (upsert) a row of the view
 * stays, as the word that it is to go. LAM_E_MEMORY: also where there was none for a row that was added.
 */
int lam_llm_refused_take(struct lam_llm_refused *refused, struct lam_batch_piece *piece, const struct lam_piece *said, bool upsert, struct lam_error *err);

#endif
