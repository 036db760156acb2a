/*
 * What endpoints allow, shared by the ranks of a job: each says what it has spent and could use, rank 0 keeps the books (ai/openai/share.h) and
 * answers with its share. All ranks have a part, whatever their role: agents ask from several layers.
 *
 * A rank speaks while it has work, until nothing of its last minute is left, and when it has a new share. To one that is silent rank 0 speaks
 * itself, where others want what it holds. Main thread.
 */
#ifndef LAMINA_APP_LLM_SHARE_H
#define LAMINA_APP_LLM_SHARE_H

#include "ai/openai/client.h"
#include "engine.h"

struct lam_llm_shares;

/* The client has its even parts from here on. One rank: NULL, there is nothing to share. */
int lam_llm_shares_open(struct lam_llm_shares **shares, struct lam_engine *engine, struct lam_llm_client *client, struct lam_error *err);
void lam_llm_shares_close(struct lam_llm_shares *shares); /* before the client; NULL-safe */

/* Each turn of the main loop: a word to rank 0, where one is due. NULL-safe. */
void lam_llm_shares_step(struct lam_llm_shares *shares);

#endif
