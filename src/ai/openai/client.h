/*
 * The client of language-model servers: hundreds to thousands of HTTP requests in flight, on one I/O thread that it owns.
 *
 *     any thread: submit ──> ring ──> I/O thread: queue ──> flow (flow.h) ──> transport (transport.h) ──> server
 *     I/O thread: callback <── outcome: answered, or why not <── retries, hedges, budgets
 *
 * What it takes off its callers: endpoints with weights and health, concurrency that follows what each endpoint can take, Retry-After, budgets a
 * minute, retries, hedging, a circuit breaker, deadlines, option fields that a server does not know, and answers that hold no answer: an error sent as a
 * success, half a document, no choices. What it leaves to them: what the model said. Whatever its message holds is LAM_LLM_ANSWERED here; who wants another
 * one submits again, with the endpoint that failed in `avoid`.
 *
 * Each request that was taken ends in exactly one callback, whatever happens; lam_llm_client_close makes it happen for those under way.
 *
 * Secrets: a key is read from its environment variable at open, and from then on lives in one header line; no log, error or answer holds it, also where a server
 * repeats it (mask.h).
 */
#ifndef LAMINA_AI_OPENAI_CLIENT_H
#define LAMINA_AI_OPENAI_CLIENT_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/clock.h"
#include "base/log.h"
#include "share.h"

#define LAM_LLM_ENDPOINTS 16 /* of a job */
#define LAM_LLM_OPTIONS 12   /* of a request */
#define LAM_LLM_REASON 400   /* bytes of a reason, NUL included */
#define LAM_LLM_MODEL 304    /* bytes of a model's name, NUL included */

enum lam_llm_kind { LAM_LLM_CHAT, LAM_LLM_EMBEDDINGS, LAM_LLM_KINDS };

/* Where requests go. Plain data of the job; strings are borrowed during lam_llm_client_open only. Zero: the default that stands beside. */
struct lam_llm_endpoint {
    const char *url;     /* base, such as "https://api.example.com/v1"; /chat/completions and /embeddings are added to it */
    const char *model;   /* the "model" of each body */
    const char *key_env; /* name of the environment variable with the bearer token; NULL or "": none is sent */
    uint32_t kinds;      /* 1 << enum lam_llm_kind, or-ed. 0: all */
    unsigned tier;       /* step of the cascade: only requests of this tier come here */
    double weight;       /* share of the requests of its tier, as far as it can take them. 0: 1 */
    struct lam_llm_limits limits; /* of all ranks together, see share.h. A maximum of 0: 64 requests at once; no budget */
    unsigned start;      /* requests at once before anything is known. 0: 16, or the maximum where that is less */
    bool stream;         /* chat answers come in pieces, put together here: a cancelled request then ends at servers that would go on */
    double price_in, price_out; /* money per million tokens: kept for the caller, not used here */
};

struct lam_llm_transport_ops;

struct lam_llm_options {
    const struct lam_llm_endpoint *endpoints;
    size_t endpoint_count;       /* 1 … LAM_LLM_ENDPOINTS */
    size_t max_open;             /* requests taken and not called back; beyond: LAM_PENDING */
    size_t max_answer;           /* bytes of an answer's body; longer ones are broken off */
    unsigned attempt_timeout_ms; /* from sending to the whole answer */
    unsigned connect_timeout_ms;
    unsigned stall_timeout_ms;   /* without a byte after the first of an answer */
    unsigned deadline_ms;        /* of a request, from its first sending on, retries included */
    unsigned give_up_ms;         /* how long requests wait while no endpoint of their tier is usable */
    unsigned transport_retries;  /* refused, reset, cut off, timed out, 408, 409, 502 … */
    unsigned rate_retries;       /* 429 and 503 */
    unsigned error_retries;      /* 500, which some servers answer to what will never work */
    double hedge_budget;         /* hedges as a part of the requests; 0: never */
    double hedge_factor;         /* of the endpoint's 95th percentile: what is slower is sent again */
    unsigned hedge_min_ms;       /* nothing younger is sent again */
    const char *user_agent;
    const char *ca_file;         /* certificates to trust instead of the system's; NULL: what CURL_CA_BUNDLE or SSL_CERT_FILE names, else those */
    uint64_t seed;               /* of jitter; 0: from the clock */
    const struct lam_clock *clock;
    const struct lam_log *log;

    /*
     * An answer came that cannot be taken and is likely to be paid: with the tokens that its server counts (told), else those of the prompt as estimated, and 0. It is in the
     * counters lost or unseen, and its request goes on. On the I/O thread: must not block. NULL: nobody is told.
     */
    void (*lost)(void *arg, size_t endpoint, uint64_t in, uint64_t out, bool told);
    void *lost_arg;

    /* Who carries the requests: NULL is HTTP over libcurl. Recording and replay come in here (transport.h). */
    const struct lam_llm_transport_ops *transport;
    void *transport_arg;
};

/* The defaults, no endpoints, the system's clock, a log to nowhere. */
void lam_llm_options_init(struct lam_llm_options *options);

/*
 * A field of a request's body that a server may not know. One that answers 400 and names it is asked again without it, and no later request
 * to that endpoint has it (`dropped` tells). With `instead`, the field is tried under that name first: max_tokens, max_completion_tokens.
 */
struct lam_llm_option {
    const char *name;    /* static storage: "response_format", "logprobs", "seed", "dimensions", "encoding_format", … */
    const char *instead; /* static storage, or NULL */
    struct lam_sv value; /* JSON */
};

struct lam_llm_response;

/* On the I/O thread, once a request. response and all in it is valid during the call. It may submit, and must not block or close. */
typedef void lam_llm_done(void *arg, const struct lam_llm_response *response);

struct lam_llm_request {
    enum lam_llm_kind kind;
    /*
     * The body's members that every server knows, without braces and without "model": "messages":[…],"temperature":0. The client writes
     * {"model":"…", these, the options that the endpoint takes}. Copied by submit.
     */
    struct lam_sv body;
    const struct lam_llm_option *options; /* at most LAM_LLM_OPTIONS; copied by submit */
    size_t option_count;
    uint32_t tokens;      /* estimated, of the prompt */
    uint32_t max_tokens;  /* of the answer; counted against the budget until the answer tells its usage */
    uint64_t prefix;      /* requests with the same constant first part have the same number: they go out together. 0: none */
    unsigned tier;
    uint32_t avoid;       /* 1 << endpoint, or-ed: not there, unless there is nowhere else */
    struct lam_sv trial;  /* a body as this one about a text that nobody could mind; borrowed until the client is closed. Sent once in place of one that was refused
                             like all before it, to tell whether the endpoint refuses everything. Empty: it is taken to */
    bool divisible;       /* one that took too long is not sent again: the caller asks for less at once */
    unsigned time_ms;     /* from its first sending to the whole answer, where that is less than deadline_ms; one that took it all is not sent again. 0: none */
    bool tools;           /* its body speaks the tool protocol, which an endpoint may not know: see no_tools */
    lam_llm_done *done;
    void *arg;
};

enum lam_llm_outcome {
    LAM_LLM_ANSWERED,  /* status 2xx, with a message of the model, or vectors */
    LAM_LLM_TOO_LONG,  /* more than the model's context or the server's body limit; context tells, where the server did */
    LAM_LLM_REJECTED,  /* this request will never work there: a 4xx, a failure or no answer that stays while others are answered */
    LAM_LLM_LATER,     /* not now: endpoints down, limits, deadline. The next run may ask again */
    LAM_LLM_REFUSED,   /* no request of this kind will be answered: a bad key, no such model or path, redirected to another host */
    LAM_LLM_CANCELLED  /* by lam_llm_client_cancel or close */
};

struct lam_llm_response {
    enum lam_llm_outcome outcome;
    int status;            /* of the last HTTP answer; 0: there was none */
    struct lam_sv body;    /* of the last HTTP answer; of an error possibly no JSON */
    size_t endpoint;       /* which one answered last */
    uint32_t dropped;      /* 1 << i: options[i] was left out, because this endpoint does not know it */
    uint32_t context;      /* LAM_LLM_TOO_LONG: tokens that the model takes; 0: not told */
    uint32_t prompt_tokens; /* LAM_LLM_TOO_LONG: tokens that the request had; 0: not told */
    unsigned attempts;     /* HTTP requests made for it, hedges included */
    bool hedged;           /* it was sent twice at once; the first answer won */
    bool timed_out;        /* LAM_LLM_LATER: there was no whole answer in time */
    bool no_tools;         /* LAM_LLM_REJECTED: no endpoint that could be asked takes the tool protocol. Another form may be answered */
    int64_t latency_us;    /* of the attempt that was answered */
    int64_t total_us;      /* since submit */
    const char *reason;    /* one line for the log and the quarantine: what happened, where, what to do; "" when answered */
};

struct lam_llm_client;

/*
 * Reads keys, starts the I/O thread. LAM_E_INVALID: an endpoint's URL, a key's variable that is not set, a bound of 0. options and its
 * strings are borrowed during the call; clock, log and transport_arg outlive the client.
 */
int lam_llm_client_open(const struct lam_llm_options *options, struct lam_llm_client **client, struct lam_error *err);

/* Cancels what is open (each gets its callback), ends the thread, closes all connections. Blocks for that. NULL is fine. */
void lam_llm_client_close(struct lam_llm_client *client);

/*
 * Takes a request. *id, which may be NULL, names it for cancel. LAM_PENDING: max_open requests are open, nothing was taken; LAM_E_INVALID: no
 * endpoint of that tier and kind, too many options, or a body above 256 MiB; LAM_E_MEMORY. Any thread, never blocks.
 */
int lam_llm_client_submit(struct lam_llm_client *client, const struct lam_llm_request *request, uint64_t *id, struct lam_error *err);

/* The request, if it is still open, ends as LAM_LLM_CANCELLED soon, its connection closed. Any thread. */
void lam_llm_client_cancel(struct lam_llm_client *client, uint64_t id);

/* Cancels all that is open. Any thread. */
void lam_llm_client_cancel_all(struct lam_llm_client *client);

/*
 * A hint: no further requests come for now (true), so that the largest of the waiting ones go out first and the last one does not hold up
 * all; or they come again (false). Any thread.
 */
void lam_llm_client_drain(struct lam_llm_client *client, bool draining);

/* Requests taken and not called back. Any thread. */
size_t lam_llm_client_open_requests(const struct lam_llm_client *client);

enum lam_llm_health { LAM_LLM_HEALTHY, LAM_LLM_PAUSED, LAM_LLM_BROKEN, LAM_LLM_PROBING, LAM_LLM_OUT /* refuses all */ };

struct lam_llm_counters {
    uint64_t requests;        /* HTTP requests sent */
    uint64_t answered;        /* with 2xx */
    uint64_t rate_limited;    /* 429 and 503 */
    uint64_t server_errors;   /* 5xx but 503 */
    uint64_t client_errors;   /* 4xx but 429 */
    uint64_t transport_errors; /* refused, reset, timed out, cut off */
    uint64_t retries, hedges, hedges_won, cancelled;
    uint64_t unseen, unseen_tokens; /* requests that went out and whose answer was not awaited or came to no end; the tokens of their prompts, as estimated */
    uint64_t lost, lost_in, lost_out; /* answers that cannot be taken, and their tokens as their servers count them; of those who do not they are in unseen */
    uint64_t trials, trial_in, trial_out; /* of answered: about a harmless text (lam_llm_request.trial), and their tokens */
    uint64_t bytes_out, bytes_in; /* of bodies */
    uint64_t connections;     /* opened */
    uint32_t open, limit;     /* in flight, and what flow control allows at the moment */
    uint32_t latency_p50_ms, latency_p95_ms;
    int health;               /* enum lam_llm_health */
    uint32_t dropped;         /* option fields that it does not know */
};

/* Of one endpoint, a moment old. Any thread. */
void lam_llm_client_counters(const struct lam_llm_client *client, size_t endpoint, struct lam_llm_counters *counters);

/* What this rank has spent and could use of an endpoint, for the coordinator's book (share.h); and what it was granted. Any thread. */
void lam_llm_client_demand(const struct lam_llm_client *client, size_t endpoint, struct lam_llm_demand *demand);
void lam_llm_client_set_share(struct lam_llm_client *client, size_t endpoint, const struct lam_llm_share *share);

#endif
