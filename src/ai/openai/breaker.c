#include "breaker.h"

#define FAILURES 5                        /* one dropped connection, or a proxy that restarts, is no outage */
#define FIRST_WAIT_US INT64_C(1000000)
#define MAX_WAIT_US INT64_C(30000000)     /* an endpoint that is back is found within half a minute */

void lam_llm_breaker_init(struct lam_llm_breaker *breaker) { *breaker = (struct lam_llm_breaker){.opened_us = INT64_MIN}; }

int64_t lam_llm_breaker_ready_us(struct lam_llm_breaker *breaker, int64_t now_us)
{
    if (breaker->state == LAM_LLM_OPEN) {
        if (now_us < breaker->retry_us)
            return breaker->retry_us;
        breaker->state = LAM_LLM_HALF_OPEN;
        breaker->probing = false;
    }
    if (breaker->state == LAM_LLM_HALF_OPEN && breaker->probing)
        return INT64_MAX;
    return now_us;
}

bool lam_llm_breaker_sent(struct lam_llm_breaker *breaker)
{
    if (breaker->state != LAM_LLM_HALF_OPEN)
        return false;
    breaker->probing = true;
    return true;
}

bool lam_llm_breaker_success(struct lam_llm_breaker *breaker, bool probe)
{
    breaker->failures = 0;
    if (breaker->state == LAM_LLM_CLOSED)
        return false;
    /* A late answer to what was sent before the outage proves as much as the probe's. */
    (void)probe;
    breaker->state = LAM_LLM_CLOSED;
    breaker->probing = false;
    breaker->trips = 0;
    return true;
}

static void trip(struct lam_llm_breaker *breaker, int64_t now_us, double jitter)
{
    int64_t wait_us = FIRST_WAIT_US;

    for (unsigned i = 0; i < breaker->trips && wait_us < MAX_WAIT_US; i++)
        wait_us *= 2;
    if (wait_us > MAX_WAIT_US)
        wait_us = MAX_WAIT_US;
    wait_us -= (int64_t)((double)wait_us * 0.25 * jitter); /* so that the ranks' probes do not come together */
    breaker->state = LAM_LLM_OPEN;
    breaker->opened_us = now_us;
    breaker->retry_us = now_us + wait_us;
    breaker->trips++;
    breaker->probing = false;
}

bool lam_llm_breaker_failure(struct lam_llm_breaker *breaker, bool probe, int64_t sent_us, int64_t now_us, double jitter)
{
    if (breaker->state == LAM_LLM_CLOSED) {
        if (sent_us <= breaker->opened_us || ++breaker->failures < FAILURES)
            return false;
        breaker->down_since_us = now_us;
        trip(breaker, now_us, jitter);
        return true;
    }
    if (probe)
        trip(breaker, now_us, jitter);
    return false; /* others were sent before it tripped */
}

void lam_llm_breaker_forgotten(struct lam_llm_breaker *breaker, bool probe)
{
    if (probe)
        breaker->probing = false;
}
