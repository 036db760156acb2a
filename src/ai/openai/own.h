/*
 * What the files of the openai analyzer share: inside of analyzer.c, question.c, request.c, respond.c and embed.c only. One thread, unless a member says
 * otherwise.
 */
#ifndef LAMINA_AI_OPENAI_OWN_H
#define LAMINA_AI_OPENAI_OWN_H

#include <pthread.h>

#include "analyzer.h"
#include "answer.h"
#include "ask.h"
#include "pack_size.h"
#include "spending.h"

struct lam_openai_sub;

/* A row under analysis. */
struct lam_openai_doc {
    struct lam_openai_sub *sub;
    struct lam_row *row;
    struct lam_sv title, text; /* as models may see them: the row's, or masked */
    char *masked;           /* what they point into then */
    size_t index;           /* in its block */
    unsigned left;          /* questions without an end */
    bool pending, rejected;
    bool cut;               /* some question about it did not show all of it */
    struct lam_buf asks, steps; /* JSON, for the trace: what each question and each step of the cascade said */
    struct lam_sv category; /* that the step before gave; in the block */
    uint32_t tokens, version;
    char *reason, *raw;     /* why it is rejected */
};

/* A block under analysis. */
struct lam_openai_sub {
    struct lam_openai_sub *next;
    void *ticket;
    struct lam_block *block;
    struct lam_openai_doc *docs;
    size_t count, started, left;
    struct lam_openai_estimate estimate;
};

/* A document that is longer than the context, and is summarised part by part first. */
struct lam_openai_map {
    size_t count, left;     /* parts; those without an end */
    char **summaries;
    bool pending;
    char *rejected;         /* why */
};

/* One ask about one document. */
struct lam_question {
    struct lam_question *next;    /* in a queue, or in its request */
    struct lam_question *waiters; /* the same question of other documents */
    struct lam_question *chain;   /* in the table of what is under way */
    struct lam_openai_doc *doc;
    uint32_t ask, tier;
    struct lam_digest key;
    struct lam_sv title, text;    /* as asked */
    char *owned;                  /* text, where it is not the row's */
    size_t seen;                  /* bytes of the row's text that are in it */
    bool cut, listed;
    bool mapped;                  /* its text is too long: parts first */
    struct lam_openai_map *map;   /* while they are asked */
    struct lam_question *parent;  /* of a part: the question whose map it serves */
    size_t index;
    bool granted;                 /* this rank has leave to ask it, and will say how it ended */
    uint64_t token;               /* while it waits for leave */
    uint32_t guess;               /* tokens of title and text */
    uint32_t avoid;               /* endpoints that could not answer it */
    uint32_t slow;                /* endpoints where a pack with it took too long: rather not there */
    uint32_t halved;              /* the most documents that it may be packed with after a pack failed; 0: any number */
    unsigned repairs, requests;
    char *bad;                    /* its last answer, which was wrong */
    char error[200];              /* why */
    uint32_t tokens_in, tokens_out;
    double cost;
};

struct lam_question_queue {
    struct lam_question *first, **end;
    size_t count;
    uint64_t guess; /* sum */
};

/* One request to the client, and what came back: filled by the client's thread. */
struct lam_openai_request {
    struct lam_openai_request *next;
    struct lam_openai *openai;
    struct lam_question *questions;
    size_t count;
    uint32_t ask, tier, guess;
    struct lam_spent reserved;
    bool packed, answered, timed_out;
    enum lam_llm_outcome outcome;
    size_t endpoint;
    uint32_t dropped, context, prompt_tokens;
    unsigned attempts;
    int64_t latency_us;
    char *body;
    size_t body_len;
    char reason[LAM_LLM_REASON];
};

#define LAM_FLIGHT_BUCKETS 65536u

/* Answers that the cache has flushed, on their way to whoever waits for them on other ranks. The cache's thread may outlive the analyzer with them. */
struct lam_openai_flushed {
    struct lam_openai_flushed *next;
    struct lam_openai_flushes *list;
    struct lam_digest key;
    bool durable;
};

struct lam_openai_flushes {
    pthread_mutex_t lock; /* guards the rest */
    struct lam_openai_flushed *first;
    size_t refs;          /* the analyzer, and each that is not flushed */
    struct lam_wake *wake;
};

struct lam_openai {
    struct lam_openai_options options;
    const struct lam_job *job;
    struct lam_llm_prompts *prompts;
    struct lam_asks asks;
    struct lam_buf trials[LAM_ASKS_MAX][2]; /* bodies about a harmless text: alone, packed */
    struct lam_llm_client *client;
    struct lam_llm_reader *reader;
    struct lam_json *value;         /* what the cache gave */
    struct lam_buf scratch, scratch2, scratch3;
    struct lam_token_estimate tokens[LAM_JOB_CASCADE_MAX]; /* by tier */
    uint32_t context[LAM_JOB_CASCADE_MAX];         /* by tier; lowered by what servers say */
    struct lam_token_estimate embed_tokens; /* the same two of the endpoints for embeddings, which have one tier */
    uint32_t embed_context;
    uint32_t fitted[LAM_LLM_ENDPOINTS]; /* tokens of the longest prompt that each has answered, as it counted them */
    bool builtin_first;             /* step 0 of the cascade */

    struct lam_openai_sub *subs, **subs_end; /* with rows not started */
    struct lam_openai_sub *done, **done_end;
    size_t under_way;               /* submissions */
    struct lam_question_queue ready[LAM_ASKS_MAX][LAM_JOB_CASCADE_MAX];
    struct lam_question **flight;   /* LAM_FLIGHT_BUCKETS: asked, or waiting to be */
    struct lam_question **asking;   /* LAM_FLIGHT_BUCKETS, by token: waiting for leave */
    size_t asking_count;
    uint64_t last_token;
    struct lam_openai_flushes *flushes;
    size_t open_requests, open_by_tier[LAM_JOB_CASCADE_MAX]; /* the latter without embeddings */
    struct lam_pack_size packs[LAM_ASKS_MAX][LAM_JOB_CASCADE_MAX];
    int64_t packing_since_us;       /* since when questions wait for a fuller pack; 0: none do */
    bool draining, cancelled, estimating;
    bool vectors_fit;               /* a vector had the job's dimension */
    bool usage_doubted;             /* a server counted what cannot be, or nothing; it was said */
    struct lam_error failed;        /* code 0: nothing */
    struct lam_spending spending;
    char limit[64];                 /* its limit in words, once it was asked for */
    struct lam_openai_estimate estimated; /* of the ticket that poll gave last */
    struct lam_openai_stats stats;
    struct lam_openai_usage unseen_before[LAM_LLM_ENDPOINTS]; /* this run: requests and tokens_in */
    struct lam_openai_usage lost_before[LAM_LLM_ENDPOINTS];
    struct lam_openai_usage trials_before[LAM_LLM_ENDPOINTS]; /* the same of trials, with tokens_out */

    pthread_mutex_t lock;           /* guards the rest */
    struct lam_openai_request *inbox, **inbox_end;
    struct lam_openai_usage others, others_at[LAM_LLM_ENDPOINTS]; /* who spend by lam_openai_reserve */
};

/* question.c */
int lam_question_start_doc(struct lam_openai *o, struct lam_openai_doc *doc, struct lam_error *err);
/* Into o->value; LAM_E_INVALID: it is none. */
int lam_question_read(struct lam_openai *o, const struct lam_question *question, struct lam_sv value, struct lam_error *err);
/* What stands there; to its waiters too; frees, with an error too. */
int lam_question_deliver(struct lam_openai *o, struct lam_question *question, struct lam_sv value, struct lam_error *err);
void lam_question_pending(struct lam_openai *o, struct lam_question *question);
void lam_question_reject(struct lam_openai *o, struct lam_question *question, const char *reason);
int lam_question_value(struct lam_openai *o, const struct lam_question *question, struct lam_sv answer, double certainty, struct lam_sv model,
                       struct lam_buf *out, struct lam_error *err);
int lam_question_shorten(struct lam_openai *o, struct lam_question *question, uint32_t tokens, struct lam_error *err);
void lam_question_push(struct lam_openai *o, struct lam_question *question);
struct lam_question *lam_question_pop(struct lam_question_queue *queue);

/* leave.c: may this rank ask? */
int lam_leave_open(struct lam_openai *o, struct lam_error *err);
void lam_leave_close(struct lam_openai *o);
int lam_leave_ask(struct lam_openai *o, struct lam_question *question, struct lam_error *err);
/* Into the cache; told when flushed. */
void lam_leave_keep(struct lam_openai *o, struct lam_question *question, struct lam_sv value, const struct lam_cache_meta *meta);
void lam_leave_end(struct lam_openai *o, struct lam_question *question); /* it ended without an answer, where it was not kept */
int lam_leave_step(struct lam_openai *o, struct lam_error *err);
void lam_leave_drop(struct lam_openai *o);
int lam_question_again(struct lam_openai *o, struct lam_question *question, struct lam_error *err); /* question.c: the cache once more, then leave */

/* embed.c: vectors. The requests and answers of the ask whose task is LAM_TASK_EMBED. */
static inline bool lam_ask_embeds(const struct lam_openai *o, uint32_t ask) { return o->asks.items[ask].tasks == LAM_TASK_EMBED; }
struct lam_openai_request *lam_embed_gather(struct lam_openai *o, uint32_t ask, struct lam_error *err);
int lam_embed_write(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err);
int lam_embed_take(struct lam_openai *o, struct lam_openai_request *request, struct lam_llm_reply *reply, struct lam_error *err);
int lam_embed_check(const struct lam_openai *o, struct lam_error *err); /* of the value that stands in o->value: LAM_E_INVALID, it is no vector of the job's */
int lam_embed_apply(struct lam_openai *o, struct lam_question *question, struct lam_error *err); /* of the value that stands in o->value */

/* account.c: each answer, before it is looked at. Counts in reply that cannot be are made 0. */
void lam_request_account(struct lam_openai *o, struct lam_openai_request *request, struct lam_llm_reply *reply);

/* respond.c, for embed.c */
struct lam_question *lam_request_take_first(struct lam_openai_request *request);
void lam_request_wrong(struct lam_openai *o, struct lam_openai_request *request, const char *why); /* nothing of it can be used */
/* Once more, elsewhere, or the quarantine. */
void lam_question_wrong(struct lam_openai *o, struct lam_question *question, size_t endpoint, struct lam_sv answer, const char *why);
int lam_request_accept(struct lam_openai *o, const struct lam_openai_request *request, struct lam_question *question, const struct lam_llm_reply *reply,
                       struct lam_sv raw, double certainty, struct lam_error *err);

/* estimate.c: counts what the question would take, and leaves it pending. */
int lam_question_estimate(struct lam_openai *o, struct lam_question *question, struct lam_error *err);

/* long.c: map and reduce */
bool lam_long_maps(const struct lam_openai *o, const struct lam_question *question);
int lam_question_ready(struct lam_openai *o, struct lam_question *question, struct lam_error *err); /* to the queue; a long one's parts first */
void lam_long_free(struct lam_question *question);
int lam_long_take(struct lam_openai *o, struct lam_question *part, struct lam_error *err); /* of the value that stands in o->value */
void lam_long_end(struct lam_openai *o, struct lam_question *part, bool pending, const char *rejected);
uint32_t lam_question_room(const struct lam_openai *o, const struct lam_question *question);
size_t lam_question_cut_before(struct lam_sv text, size_t at);
int lam_question_ask(struct lam_openai *o, struct lam_question *question, struct lam_error *err);

/* request.c */
#define LAM_DOCUMENT_MARKS 14u /* tokens of a document's marks */
struct lam_openai_request *lam_request_new(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err);
/* LAM_PENDING: its questions are back in the queue. */
int lam_request_dispatch(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err);
int lam_request_pump(struct lam_openai *o, struct lam_error *err);
/* What goes out in place of a question where an endpoint refuses one after another (client.h). After asks. */
int lam_request_write_trials(struct lam_openai *o, struct lam_error *err);
void lam_request_free(struct lam_openai_request *request);
void lam_request_settle(struct lam_openai *o, struct lam_openai_request *request, uint64_t tokens, double cost);

/* pack.c: several documents in one request. */
uint32_t lam_pack_room(const struct lam_openai *o, uint32_t ask, uint32_t tier);
uint32_t lam_pack_part(const struct lam_openai *o, const struct lam_question *question);
/* Of a request, once packs have grown; 1: it goes alone. */
double lam_pack_share(const struct lam_openai *o, const struct lam_question *question, uint32_t tier);
bool lam_pack_waits(struct lam_openai *o, uint32_t ask, uint32_t tier, int64_t now);
int lam_pack_pump(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err);
uint32_t lam_pack_answer_tokens(const struct lam_openai *o, const struct lam_openai_request *request);
int lam_pack_format(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err);
int lam_pack_take(struct lam_openai *o, struct lam_openai_request *request, const struct lam_llm_reply *reply, struct lam_error *err);
/* cut_tokens: that its answer had when it was cut off; 0: it was not. */
void lam_pack_split(struct lam_openai *o, struct lam_openai_request *request, uint32_t cut_tokens);

/* respond.c */
int lam_request_respond(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err); /* frees it */

/* analyzer.c: a document has all its answers, or never will. */
void lam_openai_doc_end(struct lam_openai *o, struct lam_openai_doc *doc);

#endif
