/*
 * What agents of a speed rank may spend and have spent: the limits of the run, its share of them, and the bill. Agents spend on threads of their own: any
 * thread but where it says otherwise. Inside of speed_agents.c only.
 */
#ifndef LAMINA_APP_SPEED_SPENDING_H
#define LAMINA_APP_SPEED_SPENDING_H

#include "agent_setup.h"
#include "speed_job.h"

#include <pthread.h>

struct lam_speed_spending {
    const struct lam_job_deep *deep;
    const struct lam_log *log;
    struct lam_spending limits;
    pthread_mutex_t lock; /* guards what was paid */
    struct lam_openai_usage used[LAM_LLM_ENDPOINTS];
};

/* Once, before any agent; release: none is at work any more. */
void lam_speed_spending_init(struct lam_speed_spending *spending, struct lam_engine *engine);
void lam_speed_spending_release(struct lam_speed_spending *spending);

/* Puts reserve and spent into the options of agents. */
void lam_speed_spending_watch(struct lam_speed_spending *spending, struct lam_agent_setup_options *options);

/* Who waits until others have settled waits no longer: the run ends. */
void lam_speed_spending_close(struct lam_speed_spending *spending);

/* Writes the name of the limit that is reached, once one is. */
bool lam_speed_spending_reached(struct lam_speed_spending *spending, char *limit, size_t cap);

/* Requests, tokens and their price: at each endpoint, and in all. */
void lam_speed_spending_bill(struct lam_speed_spending *spending, struct lam_speed_agents_stats *stats);

#endif
