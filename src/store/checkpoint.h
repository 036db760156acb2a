/*
 * Checkpoints: a state as bytes, so that a reader folds at most the tail of the log. A pure function of the commits: whoever writes one
 * for the same number writes the same bytes. Their layout stands at the top of checkpoint.c.
 */
#ifndef LAMINA_STORE_CHECKPOINT_H
#define LAMINA_STORE_CHECKPOINT_H

#include "state.h"

#define LAM_CHECKPOINT_FORMAT 1
#define LAM_CHECKPOINT_HEADER 64               /* bytes: enough to know number and log_from */
#define LAM_CHECKPOINT_BYTES ((size_t)1 << 30) /* none is larger */

/* Adds the checkpoint of a state whose number is a multiple of LAM_CHECKPOINT_EVERY. */
int lam_checkpoint_write(const struct lam_state *state, struct lam_buf *out, struct lam_error *err);

/* What the first LAM_CHECKPOINT_HEADER bytes say. LAM_E_CORRUPT; LAM_E_INVALID: a newer program's. */
int lam_checkpoint_head(struct lam_sv bytes, uint64_t *number, uint64_t *log_from, struct lam_error *err);

/* Reads hostile bytes into a new state with one reference. LAM_E_CORRUPT, LAM_E_INVALID, LAM_E_MEMORY. */
int lam_checkpoint_read(struct lam_sv bytes, struct lam_state **state, struct lam_error *err);

#endif
