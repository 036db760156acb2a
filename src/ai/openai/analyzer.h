/*
 * The `openai` analyzer: rows are answered by language models behind OpenAI-compatible endpoints.
 *
 *     submit ──> each row: questions (ask.h) ──> cache? ──> under way already? ──> request, packed or alone ──> client (client.h)
 *     poll   <── row answered, pending or rejected <── answer checked, put into the cache <── answer.h
 *
 * submit and poll never wait: thousands of rows are under way at once. An answer that breaks its schema is asked for once more, with what was wrong
 * with it; then the next endpoint; then the next step of the cascade; then its row is rejected with the raw answer. What cannot be had now (endpoints
 * down, a limit of the run reached) leaves its row LAM_ROW_PENDING. So each row that was submitted comes back, in one of three states.
 *
 * One thread calls everything here (the main loop); requests are carried by the client's thread. Answers are a function of text, tasks, prompts and model as
 * far as the model is; of two equal texts one is asked.
 */
#ifndef LAMINA_AI_OPENAI_ANALYZER_H
#define LAMINA_AI_OPENAI_ANALYZER_H

#include <lamina/analyzer.h>

#include "base/wake.h"
#include "ai/cache.h"
#include "ai/redact/redact.h"
#include "client.h"
#include "config/job.h"
#include "model/json.h"
#include "spending.h"

struct lam_openai;

struct lam_openai_options {
    const struct lam_job *job;   /* outlives it, as all here does */
    struct lam_cache *cache;     /* NULL: none */
    struct lam_redactor *redactor; /* masks what is sent; NULL: all is sent as it is */
    const struct lam_log *log;
    const struct lam_clock *clock;
    struct lam_wake *wake;       /* signalled when poll has something to do */
    unsigned size;               /* ranks that analyse: each has its part of the job's limits. What endpoints allow is shared by lam_llm_client_set_share */
    bool asks_nobody;            /* the variables of keys need not be set */
    bool shared_limits;          /* parts of max_cost and max_tokens go to who needs them: lam_openai_spending */
    const struct lam_llm_transport_ops *transport; /* NULL: live */
    void *transport_arg;

    /*
     * Single flight over the ranks (ai/cache/flight_comm.h); NULL: this rank asks for itself. ask_leave ends in lam_openai_heard with its token; leave_done
     * says that the answer is in the cache, or that there is none.
     */
    int (*ask_leave)(void *arg, struct lam_digest key, uint64_t token, struct lam_error *err);
    int (*leave_done)(void *arg, struct lam_digest key, bool flushed, struct lam_error *err);

    /* In place of asking: each question's whole request, with the key that its answer has in the cache; its row stays pending. NULL: models are asked. */
    int (*write_request)(void *arg, enum lam_job_endpoint_kind kind, struct lam_digest key, struct lam_sv body, struct lam_error *err);

    /* A row that no model answers as it should: the row is to leave its block for the quarantine. Within poll. */
    void (*reject)(void *arg, void *ticket, size_t row, struct lam_sv reason, struct lam_sv raw);
    void *arg;
};

/* LAM_E_INVALID: an endpoint, a key's variable, or a template. Starts the client's thread. */
int lam_openai_open(struct lam_openai **openai, const struct lam_openai_options *options, struct lam_error *err);
void lam_openai_close(struct lam_openai *openai); /* NULL-safe; what is under way is dropped */

/* What of the job's tasks models answer; the rest is the built-in analyzer's, before rows come here. */
uint32_t lam_openai_tasks(const struct lam_job *job);

/*
 * Takes the rows of a block that are flagged LAM_ROW_PENDING; block and rows stay where they are until poll returned ticket. With a cascade that begins
 * with builtin, a pending row's category and confidence are that step's.
 */
int lam_openai_submit(struct lam_openai *openai, struct lam_block *block, void *ticket, struct lam_error *err);

/*
 * One step; a ticket that is done, LAM_PENDING: none is, LAM_END: none is under way. Any other error ends the run: an endpoint refuses all
 * requests, or memory is out.
 */
int lam_openai_poll(struct lam_openai *openai, void **ticket, struct lam_error *err);

/* Each turn of the main loop, also while nothing is under way: tells other ranks which answers are durable by now. */
int lam_openai_step(struct lam_openai *openai, struct lam_error *err);

/* What became of ask_leave: this rank is to ask (true), or another one has, and the answer is in the cache. */
void lam_openai_heard(struct lam_openai *openai, uint64_t token, bool granted);

/* No more rows come for now: what waits to be packed goes out as it is. */
void lam_openai_drain(struct lam_openai *openai, bool draining);

/* A run begins: counters and limits start anew. Nothing is under way. */
void lam_openai_begin(struct lam_openai *openai);

/*
 * From now on nothing is asked: what the questions would take that the cache does not answer is told by lam_openai_estimated, and their rows stay pending. With
 * ask_leave, whose word is then given once for each key, equal texts count once.
 */
void lam_openai_estimate(struct lam_openai *openai);

/* All that is under way ends as pending, soon. */
void lam_openai_cancel(struct lam_openai *openai);

/* --- what it would cost --- */

/* In parts of requests and tokens: what blocks need adds up, and samples of them extrapolate. */
struct lam_openai_need {
    double requests, tokens_in, tokens_out, cost;
};

/* Doubles alone. */
struct lam_openai_estimate {
    double records, decided;         /* about which a model is to be asked; of which builtin as the first step is sure */
    double questions, repeats, hits; /* all of them; of texts that occurred before; that the cache answers */
    struct lam_openai_need sure;     /* of the others */
    /* beside that: of a cascade's models from the second on, if each record went on to it of which that is not known */
    struct lam_openai_need later[LAM_JOB_CASCADE_MAX];
};

/* Of the ticket that poll gave last. */
void lam_openai_estimated(const struct lam_openai *openai, struct lam_openai_estimate *estimate);

/* --- what it cost --- */

#define LAM_OPENAI_ASKS 9

struct lam_openai_usage {
    uint64_t requests, tokens_in, tokens_out;
    uint64_t cached;    /* of tokens_in, by the server's own word */
    uint64_t estimated; /* of tokens_in and tokens_out: of answers without a count that can be believed */
    double cost;
};

/* Plain data, so that ranks can send it and add it up. */
struct lam_openai_stats {
    struct lam_openai_usage asks[LAM_OPENAI_ASKS]; /* by question: see lam_openai_ask_name */
    struct lam_openai_usage others;   /* agents: what lam_openai_spent was told */
    struct lam_openai_usage trials;   /* about a harmless text, where an endpoint refused one record after another; in no limit of the run */
    struct lam_openai_usage endpoints[LAM_LLM_ENDPOINTS]; /* of all three */
    struct lam_openai_usage tiers[LAM_JOB_CASCADE_MAX];   /* of asks, those to chat models, by step among the models */
    uint64_t asked[LAM_JOB_CASCADE_MAX];                  /* documents in the requests of each */
    uint64_t rows, answered, pending, rejected;
    uint64_t hits, shared;            /* questions answered from the cache; by another's answer that was under way */
    uint64_t saved_in, saved_out;     /* tokens that the cache saved */
    uint64_t repairs, moved, splits, cut; /* asked again with the error; at another endpoint; packs that were halved; documents not seen whole */
    uint64_t steps[LAM_JOB_CASCADE_MAX]; /* rows that each step of the cascade decided */
    uint64_t refused_by_limit;        /* questions not asked because of max_cost or max_tokens */
    uint64_t estimates;
    double estimate_error;            /* sum of relative errors of token estimates */
    double latency_s;                 /* sum, of the requests that were answered */
    /* requests whose answer was never seen: cancelled, timed out, cut off, the slower one of two. Estimates; in no other sum */
    struct lam_openai_usage unseen;
    uint64_t reserved_tokens;         /* of requests under way */
    double reserved_cost;
};

void lam_openai_stats(struct lam_openai *openai, struct lam_openai_stats *stats);
/*
 * Others who send requests by its client spend from the same limits. Leave to send one, with what it may take at most; false: it would pass a limit of the run.
 * Each is followed by spent, with the same reserved, and used: what was paid, and to which endpoint; all zero where nothing was answered. Any thread.
 */
bool lam_openai_reserve(struct lam_openai *openai, unsigned tier, uint64_t tokens_in, uint64_t tokens_out);
void lam_openai_spent(struct lam_openai *openai, unsigned tier, const struct lam_openai_usage *reserved, const struct lam_openai_usage *used, size_t endpoint);

void lam_openai_usage_add(struct lam_openai_usage *sum, const struct lam_openai_usage *more);

/* Of LAM_LLM_ENDPOINTS: each added to its own, and all of them together. */
void lam_openai_usages_add(struct lam_openai_usage *sums, const struct lam_openai_usage *more);
struct lam_openai_usage lam_openai_usages_total(const struct lam_openai_usage *used);
void lam_openai_stats_add(struct lam_openai_stats *sum, const struct lam_openai_stats *more);
size_t lam_openai_ask_count(const struct lam_openai *openai);
const char *lam_openai_ask_name(const struct lam_openai *openai, size_t ask);

/* What is asked: system is a JSON string, schema JSON; digest is of both. Lives with the analyzer. */
struct lam_openai_prompt {
    const char *digest;
    uint32_t version;
    struct lam_sv system, schema;
};
struct lam_openai_prompt lam_openai_prompt(const struct lam_openai *openai, size_t ask);
struct lam_llm_client *lam_openai_client(struct lam_openai *openai);

struct lam_spending *lam_openai_spending(struct lam_openai *openai);

/* "" or which limit was reached: "deep.max_cost (5)". */
const char *lam_openai_limit(struct lam_openai *openai);

#endif
