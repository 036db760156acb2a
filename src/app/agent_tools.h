/*
 * The tools of agents (ai/agent/agent.h) over the store: get_record, query, aggregate, related, and the job's own HTTP tools.
 *
 * They read what is published when they are called: the view before the one that the run makes. Several agents call them at once.
 */
#ifndef LAMINA_APP_AGENT_TOOLS_H
#define LAMINA_APP_AGENT_TOOLS_H

#include "ai/agent/agent.h"
#include "engine.h"

struct lam_agent_tools;

/* For the job's deep.agent. LAM_E_INVALID: a key's environment variable that is not set. Both are borrowed. */
int lam_agent_tools_new(struct lam_agent_tools **tools, struct lam_engine *engine, const struct lam_job_agent *agent, struct lam_error *err);
void lam_agent_tools_free(struct lam_agent_tools *tools); /* NULL-safe; no agent is at work */

const struct lam_agent_tool *lam_agent_tools_list(const struct lam_agent_tools *tools, size_t *count);

/* The calls that are under way end soon. Any thread. */
void lam_agent_tools_stop(struct lam_agent_tools *tools);

#endif
