/*
 * A circuit breaker: after failures in a row nothing is sent for a while, then one request tries whether the endpoint is back.
 *
 *     closed ──failures──> open ──time──> half open: one probe ──success──> closed
 *                            ^──────────── failure, twice the time ──┘
 *
 * A pure state machine: time comes in, no clock is read, nothing is sent.
 */
#ifndef LAMINA_AI_OPENAI_BREAKER_H
#define LAMINA_AI_OPENAI_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum lam_llm_breaker_state { LAM_LLM_CLOSED, LAM_LLM_OPEN, LAM_LLM_HALF_OPEN };

struct lam_llm_breaker {
    enum lam_llm_breaker_state state;
    unsigned failures;      /* in a row */
    unsigned trips;         /* in a row: the next wait is 2^trips as long */
    bool probing;           /* half open and the probe is under way */
    int64_t opened_us;      /* when it tripped last: what was sent before tells nothing new */
    int64_t retry_us;       /* open: until then */
    int64_t down_since_us;  /* not closed: since when */
};

void lam_llm_breaker_init(struct lam_llm_breaker *breaker);

/* May a request go out? Open turns half open by time. INT64_MAX: not before an outcome; otherwise the time from when on, ≤ now_us: yes. */
int64_t lam_llm_breaker_ready_us(struct lam_llm_breaker *breaker, int64_t now_us);

/* A request went out. True: it is the probe. */
bool lam_llm_breaker_sent(struct lam_llm_breaker *breaker);

/* How one ended that was sent at sent_us. jitter: 0..1. True: the breaker changed between closed and not. */
bool lam_llm_breaker_success(struct lam_llm_breaker *breaker, bool probe);
bool lam_llm_breaker_failure(struct lam_llm_breaker *breaker, bool probe, int64_t sent_us, int64_t now_us, double jitter);

/* The probe was cancelled: somebody else may try. */
void lam_llm_breaker_forgotten(struct lam_llm_breaker *breaker, bool probe);

#endif
