/*
 * Agents at work: records wait in a queue, a fixed number of threads takes each through its loop (agent.h) over the client of the model servers.
 *
 *     owner: lam_agents_submit ──> queue ──> a thread: request, answer, tool, request, … ──> lam_agents_poll :owner
 *
 * What agents came to is kept (kept.h), and looked for before anything is asked.
 *
 * A loop blocks its thread while a model thinks or a tool looks something up; so there are as many threads as agents may work at once, and they cost nothing while
 * they wait. The owner's thread never blocks here, but in close.
 */
#ifndef LAMINA_AI_AGENTS_H
#define LAMINA_AI_AGENTS_H

#include "base/wake.h"
#include "kept.h"

#define LAM_AGENTS_PARALLEL_MAX 256

struct lam_agents_options {
    struct lam_agent_options agent; /* of each; its tools are called by several threads at once */
    struct lam_llm_client *client;
    unsigned tier;      /* of the client's endpoints: who thinks */
    unsigned parallel;  /* threads: 1 … LAM_AGENTS_PARALLEL_MAX */
    size_t max_open;    /* records submitted and not polled */
    struct lam_wake *wake; /* NULL: the owner looks by itself */
    struct lam_cache *cache; /* NULL: nothing is kept */
    struct lam_sv model;   /* who thinks: the name that answers are kept under */
    /*
     * Leave to spend, before each request, first: of its agent. False, and the agent ends as LATER. Every reservation is followed by one call of spent, with what it came to (0
     * where nothing was answered) and whom it was paid to. Any thread, many at once. NULL: there is no limit, and nobody counts.
     */
    bool (*reserve)(void *arg, struct lam_agent_usage most, bool first);
    void (*spent)(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint);
    void *arg;
};

enum lam_agent_outcome {
    LAM_AGENT_ANSWERED,
    LAM_AGENT_GAVE_UP, /* a limit, or a model that cannot hold the form: the trail says which */
    LAM_AGENT_LATER,   /* endpoints down or a budget used up: the next run may ask again */
    LAM_AGENT_REFUSED  /* no request will be answered: err says why */
};

/* One record's. key, title and text are the caller's and stay until it is polled; so does the task itself. */
struct lam_agent_task {
    struct lam_sv key, title, text;
    struct lam_digest record; /* of all that makes it this record and no other: what it comes to is kept under it */
    void *arg; /* the caller's */
    /* after poll: */
    enum lam_agent_outcome outcome;
    bool found;                   /* it was kept already: nothing was asked */
    struct lam_buf result, trail; /* JSON; the caller releases them */
    struct lam_agent_usage used;  /* what it took, now or when it was asked */
    struct lam_agent_usage doubted; /* tokens that a server counted and that cannot be: used has estimates in their place. Zeroes: there were none */
    bool broken;                  /* LATER for neither a server nor a limit: err says why */
    bool unkept;                  /* what it came to is not known to be durable: shown all the same, it may be paid for again. err says why */
    struct lam_error err;
    struct lam_agents *agents;   /* while it is open */
    struct lam_agent_task *next;
};

struct lam_agents;

/* LAM_E_INVALID: tools or schemas that are none. All of options is borrowed as long as it is open. */
int lam_agents_open(struct lam_agents **agents, const struct lam_agents_options *options, struct lam_error *err);

/*
 * Stops those at work (their outcome is LATER), waits for their threads, and forgets what was not polled. A server, a tool or a disk that hangs is waited for a
 * second or two. NULL-safe.
 */
void lam_agents_close(struct lam_agents *agents);

/* False: max_open records are open. Owner. */
bool lam_agents_submit(struct lam_agents *agents, struct lam_agent_task *task);

/* One that is done, or NULL. Owner. */
struct lam_agent_task *lam_agents_poll(struct lam_agents *agents);

/*
 * In place of submit: what an agent would take for this record, of which nobody is asked. *kept: what it came to is known already, and it takes nothing.
 * The task stays as it is. Any thread.
 */
int lam_agents_expect(const struct lam_agents *agents, const struct lam_agent_task *task, bool *kept, struct lam_agent_expected *expected,
                      struct lam_error *err);

size_t lam_agents_open_tasks(const struct lam_agents *agents);

/* All that is open ends as LATER, soon. Any thread. */
void lam_agents_cancel(struct lam_agents *agents);

#endif
