/*
 * Language models in a batch run: what the application adds to the openai analyzer (ai/openai/analyzer.h).
 *
 *     reading thread   lam_llm_job_defer: rows with text wait for their answer
 *     main thread      accepted piece ──> analyzer ──> rows answered, pending, or gone to the quarantine; the piece's note says so
 *     ranks            each tells the coordinator what it did; what endpoints allow is shared (llm_share.h)
 *
 * One for each process with a batch role whose job has deep.analyzer "openai".
 */
#ifndef LAMINA_APP_LLM_JOB_H
#define LAMINA_APP_LLM_JOB_H

#include "agent_job.h"
#include "ai/openai/analyzer.h"
#include "engine.h"
#include "process/batch.h"

struct lam_llm_job;

/* Doubles alone. */
struct lam_llm_need {
    struct lam_openai_estimate models; /* of the tasks */
    struct lam_agent_need agents;
};

/* Opens cache, client and analyzer; NULL where the job asks no models. Main thread; the cache's folder is the store's. */
int lam_llm_job_open(struct lam_llm_job **llm, struct lam_engine *engine, struct lam_error *err);
void lam_llm_job_close(struct lam_llm_job *llm); /* NULL-safe; nothing is out any more */

/* A run begins: counters and limits start anew. Main thread or storage thread, before the first piece. */
void lam_llm_job_begin(struct lam_llm_job *llm);

/* The tasks that the built-in analyzer answers before models are asked; 0: none. */
uint32_t lam_llm_job_builtin_tasks(const struct lam_job *job);

/* Rows from first on that have something to be asked about are LAM_ROW_PENDING, the others are not. Any thread. */
void lam_llm_job_defer(struct lam_block *block, size_t first);

/* Each turn of the main loop: what ranks tell one another about endpoints, and about answers that several of them want. llm may be NULL. */
int lam_llm_job_step(struct lam_llm_job *llm, struct lam_error *err);

/* All is analysed: the file of requests for the batch API, where one is written in place of asking, is made durable. llm may be NULL. Storage thread. */
int lam_llm_job_written(struct lam_llm_job *llm, struct lam_error *err);

/* As in struct lam_batch_ops. Main thread. */
int lam_llm_job_analyze(struct lam_llm_job *llm, struct lam_batch_piece *piece, struct lam_error *err);
int lam_llm_job_analyzed(struct lam_llm_job *llm, bool last, struct lam_batch_piece **piece, struct lam_error *err);
void lam_llm_job_drop(struct lam_llm_job *llm);

/* Of the piece that analyzed gave last: what it would have taken, in a run that asks nobody. */
void lam_llm_job_needed(const struct lam_llm_job *llm, struct lam_llm_need *need);

const struct lam_engine *lam_llm_job_engine(const struct lam_llm_job *llm);
struct lam_openai *lam_llm_job_openai(const struct lam_llm_job *llm);
struct lam_cache *lam_llm_job_cache(const struct lam_llm_job *llm);

/* Coordinator: what all ranks together did in this run, as they last said. */
void lam_llm_job_stats(const struct lam_llm_job *llm, struct lam_openai_stats *stats);

/* At each endpoint, in all runs of this process (llm may be NULL). */
void lam_llm_job_used(const struct lam_llm_job *llm, struct lam_openai_usage used[LAM_LLM_ENDPOINTS]);

/* The same of agents. */
void lam_llm_job_agents(const struct lam_llm_job *llm, struct lam_agent_stats *stats);

/* Coordinator (llm may be NULL): a model was asked in this run. */
bool lam_llm_job_asked(const struct lam_llm_job *llm);

/* Coordinator (llm may be NULL): "" or the limit that ended the asking, on whichever rank. */
const char *lam_llm_job_limit(const struct lam_llm_job *llm);

/* Coordinator (llm may be NULL): was a limit reached? What is to be said of it, and whether it is too small for a single request. */
bool lam_llm_job_over_limit(const struct lam_llm_job *llm, bool *too_small, char *text, size_t cap);

/* Adds ,"llm":{…} for report.json. */
int lam_llm_job_report(const struct lam_llm_job *llm, struct lam_buf *json, struct lam_error *err);

/* Prints the same for people; nothing where nothing was asked. */
void lam_llm_job_print(const struct lam_llm_job *llm);

/* " | llm: 12 answered, 3,400 tokens, 0.12" for the line of progress; "" where there is nothing to say. */
void lam_llm_job_progress(const struct lam_llm_job *llm, char *text, size_t cap);

#endif
