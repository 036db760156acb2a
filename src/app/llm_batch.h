/*
 * Files of the batch API (ai/openai/batch_file.h) in a run: answers come in before anything is asked, requests go out in place of being sent.
 *
 *     --write-requests F      F              all requests, where the job asks chat models alone, or for vectors alone
 *                             F.embeddings   those for vectors, where it asks for both: a batch is of one endpoint. A suffix of F stays at the end:
 *                                            night.jsonl, night.embeddings.jsonl
 *                             F.<rank>       of each rank but the first, and the same of the other one
 *     --read-responses F …    any number of files, each with answers of either kind
 */
#ifndef LAMINA_APP_LLM_BATCH_H
#define LAMINA_APP_LLM_BATCH_H

#include "ai/cache.h"
#include "base/hash.h"
#include "engine.h"

struct lam_llm_batch;

/* Where this rank's requests of a kind go. LAM_E_LIMIT: too long. */
int lam_llm_batch_path(char out[LAM_PATH_MAX], const char *path, bool embeddings, int rank, struct lam_error *err);

/* Takes the answers in (the first rank's work; the others begin when it has opened), and opens the files that the run writes: *batch is NULL where it writes none. */
int lam_llm_batch_open(struct lam_llm_batch **batch, const struct lam_engine *engine, struct lam_cache *cache, struct lam_error *err);

/* As lam_openai_options.write_request. Main thread. */
int lam_llm_batch_add(struct lam_llm_batch *batch, enum lam_job_endpoint_kind kind, struct lam_digest key, struct lam_sv body, struct lam_error *err);

/* All is analysed: the files are made durable and told of. Storage thread, once. NULL-safe. */
int lam_llm_batch_written(struct lam_llm_batch *batch, struct lam_error *err);

/* A run that came to no view has its requests written all the same, if there are any: one that failed before leaves the files that were there. NULL-safe. */
void lam_llm_batch_close(struct lam_llm_batch *batch);

#endif
