/* What folding and checkpoints need of a state's inside. */
#ifndef LAMINA_STORE_STATE_OWN_H
#define LAMINA_STORE_STATE_OWN_H

#include "state.h"

/* A life that only this slot refers to, copied where it is shared. NULL: no memory, and the slot is as it was. */
struct lam_state_life *lam_life_own(struct lam_state_life **slot);
void lam_life_unref(struct lam_state_life *life);

#endif
