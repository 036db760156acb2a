/* What an estimate takes for granted, and from where: the report of the run that published the view tells more than a guess. */
#ifndef LAMINA_APP_LLM_BASIS_H
#define LAMINA_APP_LLM_BASIS_H

#include "ai/openai/analyzer.h"
#include "engine.h"

struct lam_llm_basis {
    double latency_s, goes_on[LAM_JOB_CASCADE_MAX]; /* goes_on[t]: of what model t is asked about, the share that model t + 1 is, too */
    struct lam_openai_need agent;                   /* what an agent took for a record; no requests: not known */
    const char *latency_from, *goes_on_from, *agent_from;
};

struct lam_llm_basis lam_llm_basis(const struct lam_engine *engine);

#endif
