/*
 * What endpoints were asked and what it took, for /metrics: the main thread puts in the sums of all ranks, threads of the HTTP server read them.
 *
 * A series is named by the endpoint's model, its host and the layer that asked; never by the whole URL, whose path and query may hold what is nobody's business. Endpoints that
 * are the same by these are one series.
 */
#ifndef LAMINA_APP_LLM_METRICS_H
#define LAMINA_APP_LLM_METRICS_H

#include <pthread.h>

#include "ai/openai/analyzer.h"
#include "base/buf.h"

struct lam_llm_metrics {
    const struct lam_job *job;
    pthread_mutex_t lock; /* guards the rest */
    struct lam_openai_usage batch[LAM_LLM_ENDPOINTS], speed[LAM_LLM_ENDPOINTS];
};

void lam_llm_metrics_init(struct lam_llm_metrics *metrics, const struct lam_job *job); /* the job is borrowed */
void lam_llm_metrics_release(struct lam_llm_metrics *metrics);

/* By the job's endpoints, since this process began: what batch and speed layer took. Any thread. */
void lam_llm_metrics_set(struct lam_llm_metrics *metrics, const struct lam_openai_usage *batch, const struct lam_openai_usage *speed);

/* Adds the families; nothing where the job asks no models. Any thread. */
int lam_llm_metrics_write(struct lam_llm_metrics *metrics, struct lam_buf *out, struct lam_error *err);

#endif
