/*
 * Asks: the kinds of questions that a job has about each text. In `combined` and `packed` mode it is one, about all tasks; in `per_task` one for each.
 * Made once and then immutable: prompts, schemas and cache scopes stand here, ready to be put together with a document.
 */
#ifndef LAMINA_AI_OPENAI_ASK_H
#define LAMINA_AI_OPENAI_ASK_H

#include "ai/cache.h"
#include "base/buf.h"
#include "config/job.h"
#include "model/json.h"
#include "prompt.h"
#include "token_estimate.h"

#define LAM_ASKS_MAX 9 /* seven tasks, parts of long documents, embeddings */

struct lam_ask {
    const char *name;         /* "combined", a task's name, "part" */
    uint32_t tasks;           /* enum lam_task, or-ed; 0: a part of a long document */
    struct lam_buf system[2]; /* JSON string with its quotes: for one document, for several */
    uint32_t guess[2];        /* tokens of it and of what frames a chat, uncorrected */
    uint64_t prefix[2];
    struct lam_buf schema;    /* of one document's answer */
    struct lam_buf format;    /* response_format for it */
    struct lam_json *check;   /* the schema, parsed */
    uint32_t version;         /* of the prompt */
    char digest[LAM_DIGEST_HEX]; /* of prompt and schema */
    uint32_t answer_tokens;   /* that an answer may have */
    uint32_t expected_tokens; /* that an answer usually has: for estimates and packs */
    struct lam_cache_scope scope[LAM_JOB_CASCADE_MAX]; /* by tier */
};

struct lam_asks {
    struct lam_ask items[LAM_ASKS_MAX];
    size_t count;
    size_t part; /* index of the one for parts of long documents; SIZE_MAX: summaries are not asked for */
};

int lam_asks_open(const struct lam_job *job, const struct lam_llm_prompts *prompts, struct lam_asks *asks, struct lam_error *err);
void lam_asks_release(struct lam_asks *asks);

/* The models of a tier, as the cache names them: each once, in the order of their names, joined by "|". */
int lam_asks_models(const struct lam_job *job, uint32_t tier, enum lam_job_endpoint_kind kind, struct lam_buf *out, struct lam_error *err);

/* Tokens that the smallest endpoint of the tier takes in one request, answer included. */
uint32_t lam_asks_context(const struct lam_job *job, uint32_t tier, enum lam_job_endpoint_kind kind);

#endif
