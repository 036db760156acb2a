/* The main-thread side of a speed rank: rolls, answers questions about its tail, lets go. Inside of speed_*.c only. */
#ifndef LAMINA_APP_SPEED_RANK_H
#define LAMINA_APP_SPEED_RANK_H

#include "speed_parts.h"

/* llm: for agents, borrowed; NULL: none are asked. */
int lam_speed_rank_open(struct lam_speed_rank **rank, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err);
void lam_speed_rank_close(struct lam_speed_rank *rank); /* NULL-safe */

/* LAM_PENDING while it consumes; 0: not begun, or over. Errors go to rank 0. */
int lam_speed_rank_step(struct lam_speed_rank *rank);

/*
 * One message to rank 0. False: the outbox is full. What must arrive is sent again at the next step; what is stale by then (statistics, answers with a
 * deadline) is not.
 */
bool lam_speed_rank_send(struct lam_engine *engine, uint16_t type, struct lam_sv bytes);

#endif
