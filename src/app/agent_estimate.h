/*
 * What agents would take in a batch run, record by record, for `--estimate`: those that the rule of deep.agent names, but for those whose answer is kept.
 * Nobody is asked.
 */
#ifndef LAMINA_APP_AGENT_ESTIMATE_H
#define LAMINA_APP_AGENT_ESTIMATE_H

#include "agent_setup.h"
#include "ai/openai/analyzer.h"

/* Doubles alone: what blocks need adds up, and samples of them extrapolate. */
struct lam_agent_need {
    double records, hits, asked;  /* that the rule names; of which the cache answers; about which somebody is to be asked. Others are beyond a limit at once */
    struct lam_openai_need need;  /* of asked: requests are steps, as many as are assumed where nobody knows better */
};

/* Adds what the rows of a block need, which have not been answered. */
int lam_agent_estimate(struct lam_agent_setup *setup, const struct lam_job_deep *deep, struct lam_block *block, struct lam_agent_need *need,
                       struct lam_error *err);

#endif
