/*
 * Flow control of one endpoint: may another request go out now, and if not, when?
 *
 *     concurrency   a limit that grows while answers come and falls on 429/503, and on latency that grows with it
 *     pauses        Retry-After, exhausted x-ratelimit-*, back-off where a limited endpoint says nothing
 *     budgets       requests and tokens in any minute
 *     breaker       breaker.h
 *
 * A pure state machine: events and the time come in, answers come out; no clock is read, nothing is sent, no memory is allocated. One
 * thread. All times are monotonic microseconds.
 *
 * Concurrency. On 429/503 the limit is multiplied by 0.7, once for all that was sent before it fell (AIMD: Chiu and Jain, 1989). But servers that
 * queue without bound never answer 429, and there latency has to tell, as in TCP Vegas (Brakmo and Peterson, 1995) and Netflix's
 * concurrency-limits. Both compare with the least latency seen, which misjudges inference servers: batching makes each answer slower and
 * all together faster. So this controller asks what a change of the limit has bought: with latency W at concurrency n, the elasticity
 *
 *     e = ln(W(n) / W(m)) / ln(n / m)        0: W did not change, throughput n/W grew with n;   1: W grew with n, throughput did not
 *
 * between the present limit and the next lower or higher one that was measured lately. Near 1 the additional requests only stand in line,
 * and the limit goes down; below 1/2 it goes up. W is the geometric mean over a window of as many answers as there are requests in flight,
 * all sent since the limit changed: one straggler in a hundred at 30 times the median moves it by 3 %.
 *
 * Slow start does not wait for whole windows: the limit doubles when the first quarter of a window's answers has come and is not later than
 * the first quarter was before. In a line without bound the first ones have all that stood there before them, so a full server is seen one
 * doubling later than by whole windows, or two where all latencies are equal. What a look takes for a line is measured by whole windows before
 * it is believed.
 */
#ifndef LAMINA_AI_OPENAI_FLOW_H
#define LAMINA_AI_OPENAI_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker.h"
#include "headers.h"
#include "share.h"

#define LAM_LLM_FLOW_SLOTS 256 /* of a budget's minute */
#define LAM_LLM_FLOW_POINTS 48 /* measured concurrencies: each √2 times the one before */
#define LAM_LLM_FLOW_BINS 128  /* of latencies: each 1.15 times the one before, from 1 ms */

/* What was spent in any minute: a ring of slots that covers a little more than one. */
struct lam_llm_budget {
    uint64_t slots[LAM_LLM_FLOW_SLOTS];
    uint64_t sum, limit, whole; /* limit: this rank's part of the whole. whole 0: there is none */
    int64_t slot; /* number of the newest one */
};

struct lam_llm_flow {
    /* limit */
    double limit;              /* as this endpoint can take it; max, of this rank's share, may be less */
    uint32_t max, start, open;
    bool slow_start;
    int64_t epoch_us;          /* when the limit changed last: windows count what was sent since */
    double log_sum, open_sum;
    uint32_t samples, probe_wait;
    bool reached;              /* the limit was reached in this window */
    bool leapt;                /* in slow start: the window's first answers are to be looked at */
    double look_open, look_log; /* concurrency and mean log latency of such answers the last time; 0: none yet */
    struct {
        double log_latency;
        int64_t at_us;
        bool known;
    } points[LAM_LLM_FLOW_POINTS];

    /* rate limits */
    int64_t limited_us;        /* when the limit fell for 429/503 */
    bool success_since;
    unsigned limited_rounds;   /* in a row without a success: the back-off's exponent */
    int64_t refusing_from_us, refusing_to_us; /* sending of the first and end of the last of those 429 and 503 since which nothing else came */
    int64_t paused_until_us;   /* as this rank was told by the endpoint */
    int64_t others_until_us;   /* as other ranks were told: never passed on, or a pause would come back to its origin and grow for ever */
    struct lam_llm_budget requests, tokens;
    uint64_t sent;             /* requests */
    uint64_t next_tokens;      /* of the request that was asked about last */
    uint32_t share_number;

    struct lam_llm_breaker breaker;

    /* latencies, for hedging and the report: decayed by half each 4096 */
    uint32_t bins[LAM_LLM_FLOW_BINS];
    uint32_t bin_sum;
    double hedge_credit;
};

enum lam_llm_result {
    LAM_LLM_R_ANSWERED,   /* 2xx */
    LAM_LLM_R_LIMITED,    /* 429, 503 */
    LAM_LLM_R_ERROR,      /* other 5xx */
    LAM_LLM_R_TRANSPORT,
    LAM_LLM_R_CLIENT,     /* 4xx: the server lives, the request was bad */
    LAM_LLM_R_FORGOTTEN   /* cancelled */
};

void lam_llm_flow_init(struct lam_llm_flow *flow, const struct lam_llm_share *share, uint32_t start, int64_t now_us);

/* The mix of requests changes (the largest first): latencies measured before tell nothing about those to come. */
void lam_llm_flow_forget(struct lam_llm_flow *flow, int64_t now_us);

/* A share of the endpoint's limits. Of one that is older than what it has, only the pause counts. */
void lam_llm_flow_set_share(struct lam_llm_flow *flow, const struct lam_llm_share *share, int64_t now_us);

/* What this rank has spent and could use; waiting: requests that could go out there. */
void lam_llm_flow_demand(struct lam_llm_flow *flow, uint32_t waiting, int64_t now_us, struct lam_llm_demand *demand);

/* How many requests may be open now. */
static inline double lam_llm_flow_limit(const struct lam_llm_flow *flow) { return flow->limit < flow->max ? flow->limit : flow->max; }

/* ≤ now_us: a request of that many tokens may go out. Otherwise when to ask again; INT64_MAX: when one has ended. */
int64_t lam_llm_flow_ready_us(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us);

/* For how long it has answered nothing but 429 and 503. What was said before a long silence is forgotten. */
int64_t lam_llm_flow_refusing_us(const struct lam_llm_flow *flow);

/* Nothing goes out before. */
static inline int64_t lam_llm_flow_paused_until_us(const struct lam_llm_flow *flow)
{
    return flow->paused_until_us > flow->others_until_us ? flow->paused_until_us : flow->others_until_us;
}

/* It went out. True: it is the breaker's probe. */
bool lam_llm_flow_sent(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us);

struct lam_llm_end {
    enum lam_llm_result result;
    bool probe, hedge;
    int64_t sent_us;
    uint64_t tokens_reserved, tokens_used; /* used 0: not told */
    bool unseen;                           /* the server may have worked on it to its end: what was reserved counts */
    const struct lam_llm_headers *headers; /* NULL: no HTTP answer */
    double jitter;                         /* 0..1 */
};

/* It ended. True: the breaker opened or closed. */
bool lam_llm_flow_ended(struct lam_llm_flow *flow, const struct lam_llm_end *end, int64_t now_us);

/* After how long a request is late enough to be sent again; INT64_MAX: too little is known. factor: of the 95th percentile. */
int64_t lam_llm_flow_hedge_after_us(const struct lam_llm_flow *flow, double factor);

/* Is there room for a hedge? Never at the limit, during a pause, after a recent 429, or beyond the budget (a part of the requests sent). */
bool lam_llm_flow_may_hedge(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us);
void lam_llm_flow_hedged(struct lam_llm_flow *flow);

/* Each request that goes out earns `budget` of a hedge. */
void lam_llm_flow_earn(struct lam_llm_flow *flow, double budget);

/* Of latencies; -1: none yet. */
int64_t lam_llm_flow_quantile_us(const struct lam_llm_flow *flow, double at);

/* min(0.5·2^n, 8) seconds less 0–25 %, as openai-python waits. */
int64_t lam_llm_backoff_us(unsigned n, double jitter);

#endif
