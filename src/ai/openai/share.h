/*
 * One limit for all ranks: what an endpoint allows (requests at once, requests and tokens a minute) is split over the ranks by what each of them
 * could use. Pure functions over plain data: the ranks' demands go to the coordinator as messages, the shares come back as messages.
 *
 * A rank without a share yet uses an even one: lam_llm_share_even.
 */
#ifndef LAMINA_AI_OPENAI_SHARE_H
#define LAMINA_AI_OPENAI_SHARE_H

#include <stddef.h>
#include <stdint.h>

/* Of an endpoint, or of a rank's part of it. A budget of 0: none is set. */
struct lam_llm_limits {
    uint32_t concurrency;          /* requests at once */
    uint32_t requests_per_minute;
    uint64_t tokens_per_minute;    /* of prompts and answers together */
};

/* One rank, one endpoint: plain bytes for a message. */
struct lam_llm_demand {
    uint32_t open;        /* in flight there */
    uint32_t waiting;     /* could go out there now */
    uint32_t wanted;      /* requests at once that its flow control would use: at most open + waiting */
    uint32_t minute_requests; /* sent during the last minute */
    uint64_t minute_tokens;
    uint32_t pause_ms;    /* the endpoint told this rank, not another one, to wait so long */
    uint32_t refused;     /* 1: the endpoint refuses all requests */
};

struct lam_llm_share {
    struct lam_llm_limits limits; /* a concurrency of 0: none at all (a budget of 0 is none here too, where the endpoint has one) */
    uint32_t has_requests_budget, has_tokens_budget; /* 1: the endpoint has one, and limits says this rank's part */
    uint32_t pause_ms;            /* the longest that any rank was told to wait */
};

/* The part of rank `rank` of `size` when nothing is known of the demands. Parts add up to the limits. */
void lam_llm_share_even(const struct lam_llm_limits *limits, size_t rank, size_t size, struct lam_llm_share *share);

/*
 * Splits by demand: nobody gets more than it wants while another wants more (max-min fairness); what nobody wants is spread evenly, so
 * that a rank whose work begins need not wait for the next split. Parts add up to the limits. demands and shares have `size` elements.
 */
void lam_llm_share_split(const struct lam_llm_limits *limits, const struct lam_llm_demand *demands, size_t size, struct lam_llm_share *shares);

#endif
