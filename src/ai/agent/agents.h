/*
 * Agents at work: records wait in a queue, a fixed number of threads takes each through its loop (agent.h) over the client of the model servers.
 *
 *     owner: lam_agents_submit ──> queue ──> a thread: request, answer, tool, request, … ──> lam_agents_poll :owner
 *
 * A loop blocks its thread while a model thinks or a tool looks something up; so there are as many threads as agents may work at once, and they cost nothing while
 * they wait. The owner's thread never blocks here, but in close.
 */
#ifndef LAMINA_AI_AGENTS_H
#define LAMINA_AI_AGENTS_H

#include "agent.h"
#include "base/wake.h"

#define LAM_AGENTS_PARALLEL_MAX 256

struct lam_agents_options {
    struct lam_agent_options agent; /* of each; its tools are called by several threads at once */
    struct lam_llm_client *client;
    unsigned tier;      /* of the client's endpoints: who thinks */
    unsigned parallel;  /* threads: 1 … LAM_AGENTS_PARALLEL_MAX */
    size_t max_open;    /* records submitted and not polled */
    struct lam_wake *wake;
};

enum lam_agent_outcome {
    LAM_AGENT_ANSWERED,
    LAM_AGENT_GAVE_UP, /* a limit, or a model that cannot hold the form: the trail says which; asking again would end the same */
    LAM_AGENT_LATER,   /* endpoints down or a budget used up: the next run may ask again */
    LAM_AGENT_REFUSED  /* no request will be answered: err says why */
};

/* One record's. key, title and text are the caller's and stay until it is polled; so does the task itself. */
struct lam_agent_task {
    struct lam_sv key, title, text;
    void *arg; /* the caller's */
    /* after poll: */
    enum lam_agent_outcome outcome;
    struct lam_buf result, trail; /* JSON; the caller releases them */
    uint64_t tokens;
    struct lam_error err;
    struct lam_agents *agents; /* while it is open */
};

struct lam_agents;

/* LAM_E_INVALID: tools or schemas that are none. All of options is borrowed as long as it is open. */
int lam_agents_open(struct lam_agents **agents, const struct lam_agents_options *options, struct lam_error *err);

/* Stops those at work (their outcome is LATER), waits for their threads, and forgets what was not polled. NULL-safe. */
void lam_agents_close(struct lam_agents *agents);

/* False: max_open records are open. Owner. */
bool lam_agents_submit(struct lam_agents *agents, struct lam_agent_task *task);

/* One that is done, or NULL. Owner. */
struct lam_agent_task *lam_agents_poll(struct lam_agents *agents);

size_t lam_agents_open_tasks(const struct lam_agents *agents);

/* All that is open ends as LATER, soon. Any thread. */
void lam_agents_cancel(struct lam_agents *agents);

#endif
