/*
 * What a run may spend on models, shared by its ranks: each begins with an even part; what one does not use goes to another that waits (ai/openai/spending.h).
 *
 *     rank     word {what it was given, gave back, used, needs}  ──> rank 0
 *     rank 0   share {what it was given by now; others want some; nothing is left}  ──> rank
 *
 * What is given is never more than the limits less what ranks still hold, as far as they have said so: late words make ranks wait, and never let them pass a limit. The limit is reached
 * for a rank once nobody has anything to give back and nothing is under way. Main thread.
 */
#ifndef LAMINA_APP_LLM_PURSE_H
#define LAMINA_APP_LLM_PURSE_H

#include "ai/openai/spending.h"
#include "engine.h"

struct lam_llm_purse;

/* Must spending of this rank be told to share? Several ranks with the batch role, and a limit. */
bool lam_llm_purse_needed(const struct lam_engine *engine);

/* NULL where it is not needed. */
int lam_llm_purse_open(struct lam_llm_purse **purse, struct lam_engine *engine, struct lam_spending *spending, struct lam_error *err);
void lam_llm_purse_close(struct lam_llm_purse *purse); /* before the spending; NULL-safe */

/* Each turn of the main loop: a word to rank 0, where one is due. idle: this rank has no records to ask about. NULL-safe. */
void lam_llm_purse_step(struct lam_llm_purse *purse, bool idle);

#endif
