/*
 * Agents in a batch run: records that the rule of deep.agent names, once their other answers are there, go through an agent before their piece is staged.
 *
 *     answered piece ──> rule ──> agents (ai/agent/agents.h) ──> row: custom "agent", trace "agent" ──> piece
 *
 * An agent that gave up leaves its trail and no answer; one that could not work now leaves its row LAM_ROW_PENDING, its trail so far in it, and the next batch asks again. Main thread.
 */
#ifndef LAMINA_APP_AGENT_JOB_H
#define LAMINA_APP_AGENT_JOB_H

#include "agent_estimate.h"
#include "ai/openai/analyzer.h"
#include "process/batch.h"

struct lam_agent_job;

/* *job is NULL where the job has no deep.agent. openai, whose client and limits they share, and cache are borrowed and outlive it. */
int lam_agent_job_open(struct lam_agent_job **job, struct lam_engine *engine, struct lam_openai *openai, struct lam_cache *cache, struct lam_error *err);
void lam_agent_job_close(struct lam_agent_job *job); /* NULL-safe; what is under way is dropped, its pieces stay the caller's */

/* Takes a piece. LAM_END: no record of it is asked about. job may be NULL. */
int lam_agent_job_submit(struct lam_agent_job *job, struct lam_batch_piece *piece, struct lam_error *err);

/* In place of submit: adds what agents would take for a piece's records. job may be NULL. */
int lam_agent_job_estimate(struct lam_agent_job *job, const struct lam_batch_piece *piece, struct lam_agent_need *need, struct lam_error *err);

/* A piece whose agents are all done; LAM_PENDING: none yet; LAM_END: none is out; any other error ends the run. job may be NULL. */
int lam_agent_job_poll(struct lam_agent_job *job, struct lam_batch_piece **piece, struct lam_error *err);

/* What is under way ends soon, its rows pending. job may be NULL. */
void lam_agent_job_cancel(struct lam_agent_job *job);

void lam_agent_job_stats(const struct lam_agent_job *job, struct lam_agent_stats *stats); /* all zero for NULL */

#endif
