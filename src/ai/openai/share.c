#include "share.h"

#include <string.h>

/* Rank r's part of what is dealt out evenly: the first ranks get one more. */
static uint64_t even(uint64_t total, size_t rank, size_t size) { return total / size + (rank < total % size); }

void lam_llm_share_even(const struct lam_llm_limits *limits, size_t rank, size_t size, struct lam_llm_share *share)
{
    *share = (struct lam_llm_share){
        .limits = {(uint32_t)even(limits->concurrency, rank, size), (uint32_t)even(limits->requests_per_minute, rank, size), even(limits->tokens_per_minute, rank, size)},
        .has_requests_budget = limits->requests_per_minute != 0,
        .has_tokens_budget = limits->tokens_per_minute != 0,
    };
}

/*
 * Max-min: the ranks that want less than an even part of what is left get what they want, until nobody does; the others share the rest.
 * At most one round a rank, and ranks are few. wants and gets have `size` elements; bit by bit the same on every machine: integers only.
 */
static void max_min(uint64_t total, const uint64_t *wants, size_t size, uint64_t *gets)
{
    size_t open = size;

    for (size_t r = 0; r < size; r++)
        gets[r] = UINT64_MAX; /* undecided */
    for (size_t decided = 1; decided && open;) {
        uint64_t fair = total / open;

        decided = 0;
        for (size_t r = 0; r < size; r++) {
            if (gets[r] != UINT64_MAX || wants[r] > fair)
                continue;
            gets[r] = wants[r];
            total -= wants[r];
            decided++;
        }
        open -= decided;
    }
    for (size_t r = 0, i = 0; r < size; r++)
        if (gets[r] == UINT64_MAX)
            gets[r] = even(total, i++, open);
    if (open == 0) /* all are content: what is left lies ready, evenly */
        for (size_t r = 0; r < size; r++)
            gets[r] += even(total, r, size);
}

/* Ranks in chunks of no bound would need memory: beyond this many, demands are not looked at and all is dealt out evenly. */
#define RANKS 4096

static uint64_t busy_requests(const struct lam_llm_demand *demand)
{
    return demand->refused ? 0 : (uint64_t)demand->open + demand->waiting;
}

void lam_llm_share_split(const struct lam_llm_limits *limits, const struct lam_llm_demand *demands, size_t size, struct lam_llm_share *shares)
{
    static _Thread_local uint64_t wants[RANKS], gets[RANKS]; /* 64 KiB would be much for a stack of a worker */
    uint32_t pause_ms = 0;

    for (size_t r = 0; r < size; r++) {
        lam_llm_share_even(limits, r, size, &shares[r]);
        pause_ms = demands[r].pause_ms > pause_ms ? demands[r].pause_ms : pause_ms;
    }
    for (size_t r = 0; r < size; r++)
        shares[r].pause_ms = pause_ms;
    if (size > RANKS)
        return;
    for (size_t r = 0; r < size; r++)
        wants[r] = demands[r].refused ? 0 : demands[r].wanted;
    max_min(limits->concurrency, wants, size, gets);
    for (size_t r = 0; r < size; r++)
        shares[r].limits.concurrency = (uint32_t)gets[r];

    /* Budgets: a rank wants what it has under way or waiting, a minute of it being no more than the whole budget. */
    for (size_t r = 0; r < size; r++)
        wants[r] = busy_requests(&demands[r]) < limits->requests_per_minute ? busy_requests(&demands[r]) : limits->requests_per_minute;
    max_min(limits->requests_per_minute, wants, size, gets);
    for (size_t r = 0; r < size; r++)
        shares[r].limits.requests_per_minute = (uint32_t)gets[r];
    for (size_t r = 0; r < size; r++) {
        uint64_t each = demands[r].minute_requests ? demands[r].minute_tokens / demands[r].minute_requests : 0;
        uint64_t want = busy_requests(&demands[r]) * (each ? each : 1000); /* before the first answer: a page a request */

        wants[r] = want < limits->tokens_per_minute ? want : limits->tokens_per_minute;
    }
    max_min(limits->tokens_per_minute, wants, size, gets);
    for (size_t r = 0; r < size; r++)
        shares[r].limits.tokens_per_minute = gets[r];
}
