/*
 * Agents in the speed layer: a record that the rule of deep.agent names is answered by the fast path as all others are, is queryable at once, and is owed an
 * agent's word. Its output waits for that; nothing else does.
 *
 *     owe ── row in the tail, pending ──> waiting ──> agents (ai/agent/agents.h) ──> the row has its answer (tail.h), its output goes out with it
 *                                          │                └ its chunk was rolled meanwhile: the cache and the output have it, and the next view
 *                                          └ its chunk was rolled before an agent was free: passed on to the batch layer, the output goes out without it
 *
 * Whoever is stopped with agents at work leaves their rows owed: the next run consumes them again, and what was answered meanwhile stands in the cache.
 *
 * One thread, the speed thread, but where it says otherwise. Inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_AGENTS_H
#define LAMINA_APP_SPEED_AGENTS_H

#include "llm_job.h"
#include "speed_sender.h"

struct lam_speed_agents;

/* *agents is NULL where the job asks for none in this layer. llm is borrowed: whose client asks, and whose cache keeps. Main thread. */
int lam_speed_agents_open(struct lam_speed_agents **agents, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err);
void lam_speed_agents_close(struct lam_speed_agents *agents); /* NULL-safe; the speed thread has ended */

/* Does the job's rule ask for an agent? json is what the record came as. NULL-safe, as all that follows. */
bool lam_speed_agents_asks(struct lam_speed_agents *agents, const struct lam_record *rec, const struct lam_json *json);

/*
 * Row i of the block is owed an agent: it is pending from now on, and says so in its trail. output: its output is owed too, and is sent with the answer. What
 * was owed begins with lam_speed_agents_appended: first is the place in the tail of the block's first row; NULL: the block does not go there.
 */
int lam_speed_agents_owe(struct lam_speed_agents *agents, struct lam_block *block, size_t i, bool output, struct lam_error *err);
void lam_speed_agents_appended(struct lam_speed_agents *agents, const struct lam_tail_place *first);

/* Takes in what is done, sends its outputs, and begins what there is room for. Never waits for an agent. */
int lam_speed_agents_step(struct lam_speed_agents *agents, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err);

/* Is nobody owed anything? */
bool lam_speed_agents_idle(const struct lam_speed_agents *agents);

/* Do the tail and the rows that wait beside it take as much memory as the job allows? Then nothing is consumed, and no chunk waits for agents. Any thread. */
bool lam_speed_agents_full(const struct lam_speed_agents *agents, const struct lam_job_stream *stream, struct lam_tail_log *tail);

/* Each record whose output waits for its agent. */
void lam_speed_agents_held(const struct lam_speed_agents *agents, void (*visit)(void *arg, const struct lam_record *rec), void *arg);

/* All at work end soon, and nothing begins any more. */
void lam_speed_agents_stop(struct lam_speed_agents *agents);

void lam_speed_agents_stats(struct lam_speed_agents *agents, struct lam_speed_agents_stats *stats);

#endif
