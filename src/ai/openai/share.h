/*
 * One limit for all ranks: what an endpoint allows (requests at once, requests and tokens a minute) is dealt out to the ranks by what each of
 * them could use. Pure state machines over plain data: the ranks' demands go to the coordinator as messages, their shares come back as messages.
 *
 *     rank         demand {what it has spent, what waits, the number of the share it has} ──> coordinator
 *     coordinator  book: hear(rank, demand), share(rank)                                  ──> rank: share {its part, a number}
 *
 * Together the ranks never spend more than the limit, however late messages are, and if they are lost. A rank with the share `part` that has
 * spent `spent` during the last minute can have spent no more than max(part, spent) at any later moment, until it has a larger part: that much it
 * holds. What all hold is never more than the limit, since
 *
 *     - a part counts from when it is sent; a smaller one counts when the rank says that it has it, and what it had spent until then goes on
 *       counting as it grows old
 *     - a larger part is sent only where what the others hold leaves room for it
 *     - a rank that has not said that it has its share is told the same one again, so that no more than two can be on their way
 *     - until the first word a rank has an even part, which lam_llm_share_even tells both sides
 *
 * Tokens are estimated before a request and counted after it; one that had more than was estimated is beyond what this can promise.
 */
#ifndef LAMINA_AI_OPENAI_SHARE_H
#define LAMINA_AI_OPENAI_SHARE_H

#include <lamina/error.h>

#include <stdbool.h>
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
    uint64_t requests;    /* sent ever */
    uint64_t request_tokens;  /* of the request that is next: a smaller part would be of no use. 0: not known */
    uint32_t pause_ms;    /* the endpoint told this rank, not another one, to wait so long */
    uint32_t refused;     /* 1: the endpoint refuses all requests */
    uint32_t number;      /* of a share that the rank had when all this was counted, or before */
};

struct lam_llm_share {
    struct lam_llm_limits limits; /* the rank's part: 0 is nothing */
    struct lam_llm_limits whole;  /* the endpoint's: a budget of 0 is none */
    uint32_t pause_ms;            /* the longest that any rank was told to wait */
    uint32_t number;              /* 0, the even one; each other one has a higher number than the one before */
};

/* How often a rank says a word to the coordinator, where it has news; who says nothing for longer than the second will not ask by itself. */
#define LAM_LLM_TELL_US 200000
#define LAM_LLM_SILENT_US (3 * LAM_LLM_TELL_US)

/* Is a demand worth a word after the one that was told last? As long as that one had work, always: the answer has the rank count anew. */
bool lam_llm_demand_is_news(const struct lam_llm_demand *told, const struct lam_llm_demand *demand);

/* The part of rank `rank` of `size` before the first word. Parts add up to the limits. */
void lam_llm_share_even(const struct lam_llm_limits *limits, size_t rank, size_t size, struct lam_llm_share *share);

/* The coordinator's book of one endpoint. */
struct lam_llm_book;

/* All of `size` ranks have their even parts. LAM_E_MEMORY. */
int lam_llm_book_new(struct lam_llm_book **book, const struct lam_llm_limits *limits, size_t size, struct lam_error *err);
void lam_llm_book_free(struct lam_llm_book *book); /* NULL-safe */

/* The word of a rank. One from before a share that it has confirmed is passed by. */
void lam_llm_book_hear(struct lam_llm_book *book, size_t rank, const struct lam_llm_demand *demand);

/*
 * What a rank is to have now. Nobody gets more than it wants while another wants more (max-min fairness, over what was spent and what waits), but
 * first each rank with work gets enough for one request, as far as it goes: those whose last one is the longest ago first (of requests at once, who has
 * had none for longest). What nobody
 * wants is spread evenly, so that a rank whose work begins need not wait. True: it is not the share that the rank has.
 */
bool lam_llm_book_share(struct lam_llm_book *book, size_t rank, struct lam_llm_share *share);

#endif
