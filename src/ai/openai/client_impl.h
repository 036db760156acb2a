/*
 * The client's insides, shared by client*.c and by nobody else. All but what is marked belongs to the I/O thread.
 *
 *     client.c       open, close, submit, cancel, counters: the callers' side
 *     client_loop.c  the I/O thread: what comes in, who sends next, hedges, what waited too long
 *     client_send.c  a body put together and sent
 *     client_end.c   an attempt's end: answer, retry, or the reason why not
 *     client_trial.c is it the endpoint that refuses, or are they the requests?
 *     client_steady.c does the endpoint fail others as well?
 *     client_tools.c endpoints that do not take the tool protocol
 */
#ifndef LAMINA_AI_OPENAI_CLIENT_IMPL_H
#define LAMINA_AI_OPENAI_CLIENT_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/ring.h"
#include "client.h"
#include "flow.h"
#include "queue.h"
#include "transport.h"
#include "verdict.h"

#define SENT_STREAM LAM_LLM_OPTIONS        /* places of our own options behind the request's */
#define SENT_STREAM_OPTIONS (LAM_LLM_OPTIONS + 1)
#define SENT_OPTIONS (LAM_LLM_OPTIONS + 2)
#define KNOWN_OPTIONS 32          /* names that a run uses */
#define KEEP_BYTES ((size_t)256 << 10) /* a buffer that grew beyond goes back to the system after use */
#define BODY_MAX ((size_t)256 << 20)
#define LAM_LLM_WHY 96            /* bytes of why a request is left for later */
#define LEFTS 12                  /* such reasons that are told apart */
#define URLS_MAX 16               /* of an endpoint, with those that redirects led to */

struct job;

/* One HTTP request of a job. */
struct attempt {
    struct lam_llm_attempt wire; /* first: the transport hands it back */
    struct job *job;
    struct lam_buf body;
    uint64_t number;             /* of the client's: who was sent later has a higher one */
    uint64_t tokens;             /* reserved */
    bool probe, hedge;
    bool trial;                  /* not the job's own body: client_trial.c */
    const char *sent[SENT_OPTIONS]; /* names of options as sent; NULL: left out */
    uint32_t dropped;
    struct attempt *next, *prev; /* among the endpoint's in flight, oldest first; next alone among the free ones */
};

/* A request that was taken. */
struct job {
    struct lam_llm_wait wait; /* first: the queue hands it back */
    struct lam_llm_request request; /* body and options point behind the job */
    struct lam_llm_option options[LAM_LLM_OPTIONS];
    uint32_t slot, generation;
    struct attempt *attempts[2]; /* in flight: [1] only beside [0] */
    unsigned attempt_count, transport_errors, rate_limits, errors, reshaped, redirects, doubts;
    bool hedged;
    int64_t submitted_us;
    /* an endpoint that has answered what was sent after this many is all right: the request is not. 0: nothing is held against either */
    uint64_t acquits, acquits_blamed;
    uint64_t row;                /* of doubts, that it was counted in */
    struct firsts *first;        /* that it was counted in; NULL: none yet */
    bool first_failed;
    const char *url;             /* where the next attempt goes, if it is to url_endpoint; NULL: to the endpoint's */
    size_t url_endpoint;
    char body[];
};

struct url {
    struct url *next;
    char text[];
};

/* What an endpoint says to one request after another, without an answer to any in between: is it the endpoint, or the requests? */
struct doubt {
    uint64_t row, likeness; /* row: its number; likeness: of what the endpoint says */
    unsigned count, enough; /* different requests that heard it; so many would settle it */
    int64_t since_us;
};

/* How the last requests fared when they were asked for the first time: one that fails again and again is counted once. */
struct firsts {
    unsigned asked, failed;
};

/* One request about a harmless text, in place of one that was refused. */
struct trial {
    struct job *job; /* that goes out so; NULL: none */
    unsigned count;  /* since one was answered */
};

/* Requests that were left for later, by the reason; the last place is for all others. */
struct left {
    char why[LAM_LLM_WHY];
    uint64_t count;
};

enum option_state { OPTION_PLAIN, OPTION_INSTEAD, OPTION_DROPPED };
enum tools_state { TOOLS_UNTRIED, TOOLS_TAKEN, TOOLS_REFUSED };

struct endpoint {
    char *base;
    const char *home[LAM_LLM_KINDS], *urls[LAM_LLM_KINDS]; /* texts of all_urls: as the job has it, and where it has moved to */
    struct url *all_urls;       /* kept: transports' handles may still point at one that a redirect has replaced */
    unsigned url_count;
    char model[LAM_LLM_MODEL];
    uint32_t kinds;
    unsigned tier;
    bool stream;
    double weight, pass;        /* pass: of stride scheduling */
    struct lam_llm_flow flow;
    struct attempt *first, *last; /* in flight */
    bool refused;
    struct left lefts[LEFTS];
    struct doubt doubts[LAM_LLM_KINDS];
    struct trial trials[LAM_LLM_KINDS];
    struct firsts firsts;
    int64_t too_long_us; /* when something divisible, or with a time of its own, took too long for the first time since an answer; 0: nothing has */
    uint64_t answered_number[LAM_LLM_KINDS]; /* of the attempt that was sent last of those that were answered; 0: none was */
    char problem[LAM_LLM_REASON]; /* the last one, for those who wait in vain */
    const char *option_names[KNOWN_OPTIONS];
    enum option_state option_states[KNOWN_OPTIONS];
    unsigned option_count;
    enum tools_state tools;

    /* Any thread reads. */
    struct {
        _Atomic uint64_t requests, answered, rate_limited, server_errors, client_errors, transport_errors, retries, hedges, hedges_won, cancelled, unseen,
            unseen_tokens, lost, lost_in, lost_out, trials, trial_in, trial_out, bytes_out, bytes_in, connections, minute_tokens, request_tokens;
        _Atomic uint32_t open, limit, p50_ms, p95_ms, dropped, waiting, wanted, minute_requests, pause_ms, refused, share_number;
        _Atomic int health;
    } seen;
};

/* Requests of one tier and kind wait together. */
struct lane {
    unsigned tier;
    enum lam_llm_kind kind;
    uint32_t members; /* 1 << endpoint */
    double now;       /* of stride scheduling */
    struct lam_llm_queue queue;
};

struct lam_llm_client {
    struct lam_llm_options options; /* strings in it are not ours: not to be read after open */
    struct endpoint endpoints[LAM_LLM_ENDPOINTS];
    char *authorization[LAM_LLM_ENDPOINTS];
    struct lane lanes[LAM_LLM_ENDPOINTS * LAM_LLM_KINDS];
    size_t endpoint_count, lane_count;
    const struct lam_llm_transport_ops *ops;
    struct lam_llm_transport *transport;
    struct lam_json *json;
    struct lam_buf joined;      /* a streamed answer put together */
    struct job **jobs;          /* by slot */
    struct attempt *free_attempts;
    uint64_t random, sent_number, rows; /* sent_number: of the last attempt; rows: of doubts, so far */
    int64_t now_us, tick_us;
    bool draining;
    pthread_t thread;

    /* Between the callers and the I/O thread. */
    struct lam_wake wake;
    struct lam_ring *submitted, *slots;
    uint32_t *generations;      /* of a slot: written by whoever holds the slot */
    _Atomic uint32_t *cancels;  /* of a slot: the generation to cancel */
    _Atomic bool cancel_some, cancel_all, drain, news, stop;
    _Atomic size_t open;
    _Atomic size_t busy;        /* requests without an end: open, but told before the callback */
    pthread_mutex_t lock;       /* guards shares and share_new */
    struct lam_llm_share shares[LAM_LLM_ENDPOINTS];
    bool share_new[LAM_LLM_ENDPOINTS];
};

#define COUNT(endpoint, what, n) atomic_fetch_add_explicit(&(endpoint)->seen.what, (n), memory_order_relaxed)
#define SHOW(endpoint, what, n) atomic_store_explicit(&(endpoint)->seen.what, (n), memory_order_relaxed)

/* 0..1 */
double lam_llm_random(struct lam_llm_client *client);

/* client.c: a text that lives as long as the client, the same one for the same text; NULL: no memory, or URLS_MAX are kept. */
const char *lam_llm_url_keep(struct endpoint *endpoint, const char *text);

/* client_loop.c */
void *lam_llm_client_loop(void *arg);
/* Endpoints of the lane that could take a request now or soon, 1 << endpoint. */
uint32_t lam_llm_lane_usable(const struct lam_llm_client *client, const struct lane *lane);
/* It will not for longer than requests may wait; why tells the reason. */
bool lam_llm_hopeless(const struct lam_llm_client *client, size_t endpoint, enum lam_llm_kind kind, char why[LAM_LLM_WHY]);
/* None of them will. */
bool lam_llm_lane_hopeless(const struct lam_llm_client *client, const struct lane *lane);
/* So many requests end as LAM_LLM_LATER, and their records are pending without a word: the log has the first of each reason, and then how many they are at 10, 100, … */
void lam_llm_left(struct lam_llm_client *client, size_t endpoint, const char *why, const char *what, uint64_t count);
struct lane *lam_llm_lane_of(struct lam_llm_client *client, unsigned tier, enum lam_llm_kind kind);

/* Enough has been said against the endpoint: nothing more goes there while one that is under way may yet be answered. */
static inline bool lam_llm_doubted(const struct endpoint *endpoint, enum lam_llm_kind kind)
{
    return endpoint->doubts[kind].count && endpoint->doubts[kind].count >= endpoint->doubts[kind].enough && endpoint->flow.open;
}

/* client_trial.c. try: the job is to go to this endpoint once more, as its trial; false: another one does already, or the endpoint has had all that it may have. */
enum lam_llm_trial { LAM_LLM_TRIAL_OPEN, LAM_LLM_TRIAL_ANSWERED, LAM_LLM_TRIAL_REFUSED };
bool lam_llm_try(struct lam_llm_client *client, struct job *job, size_t endpoint);
bool lam_llm_is_trial(const struct lam_llm_client *client, const struct job *job, size_t endpoint);
enum lam_llm_trial lam_llm_tried(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict);
void lam_llm_trial_over(struct lam_llm_client *client, struct job *job); /* it ends, or asks for itself again */

/* client_tools.c. refused: is it the tool protocol that this end of an attempt is about? Asked before the end is accounted for. */
bool lam_llm_tools_refused(const struct endpoint *endpoint, const struct job *job, const struct lam_llm_attempt *wire, const struct lam_llm_verdict *verdict);
/* An endpoint does not take it, now or as was known: the job goes to another that may, or false: there is none. */
bool lam_llm_tools_elsewhere(struct lam_llm_client *client, struct job *job, size_t endpoint, const char *what);

/* client_steady.c. count_first: an attempt of the job ended so; once for each job, however often it is asked again. */
void lam_llm_count_first(struct endpoint *endpoint, struct job *job, const struct attempt *attempt, enum lam_llm_result result);
/* Does it answer nearly all others? One that fails now and then fails some requests each time, and they are not to blame. */
bool lam_llm_is_steady(const struct endpoint *endpoint, const struct job *job);

/* client_send.c: sends job, which is in no queue, to an endpoint. What cannot be sent ends as any other attempt does. */
void lam_llm_send(struct lam_llm_client *client, struct job *job, size_t endpoint, bool hedge);
void lam_llm_attempt_free(struct lam_llm_client *client, struct attempt *attempt);
enum option_state *lam_llm_option_state(struct endpoint *endpoint, const char *name);

/* client_end.c */
void lam_llm_ended(void *client, struct lam_llm_attempt *attempt); /* of the sink */
/* Cancels what is in flight, calls back, frees the job, which is in no queue any more. */
void lam_llm_finish(struct lam_llm_client *client, struct job *job, enum lam_llm_outcome outcome, size_t endpoint, const char *reason);
/* The same, of one that no endpoint took because of its tools. */
void lam_llm_finish_without_tools(struct lam_llm_client *client, struct job *job, size_t endpoint);

/* ---- client_end.c: what becomes of a job whose attempt ended ---- */

/* Nobody knows whose fault it is, so the request may come again another day. */
void lam_llm_leave_for_later(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, const char *why);

/* Every request would hear the same. */
void lam_llm_refuse(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, const char *why);

void lam_llm_ask_again(struct lam_llm_client *client, struct job *job, int64_t wait_us);

/* ---- client_redirect.c ---- */

/* Only what moved for good is remembered. What else a server redirects (a page of its maintenance, a login) is followed by the one request that was. */
void lam_llm_redirect(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, struct lam_llm_verdict *verdict);

/* Where a redirect led is not what the job names: before what is said there counts, the endpoint's own address is asked. False: it was. */
bool lam_llm_asked_at_home(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict);

#endif
