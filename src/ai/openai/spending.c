#include "spending.h"

#include <inttypes.h>
#include <stdio.h>

void lam_spending_init(struct lam_spending *s, uint64_t max_tokens, double max_cost)
{
    *s = (struct lam_spending){.most = {max_tokens, max_cost}};
    pthread_mutex_init(&s->lock, NULL);
}

void lam_spending_init_part(struct lam_spending *s, const struct lam_job_deep *deep, unsigned ranks)
{
    lam_spending_init(s, deep->max_tokens ? deep->max_tokens / ranks + (deep->max_tokens < ranks) : 0, deep->max_cost / ranks); /* a part of 0 would be no limit */
}

void lam_spending_release(struct lam_spending *s) { pthread_mutex_destroy(&s->lock); }

void lam_spending_begin(struct lam_spending *s)
{
    pthread_mutex_lock(&s->lock);
    s->spent = (struct lam_spent){0};
    s->reached = LAM_LIMIT_NONE;
    pthread_mutex_unlock(&s->lock);
}

bool lam_spending_reserve(struct lam_spending *s, struct lam_spent expected)
{
    enum lam_limit limit = LAM_LIMIT_NONE;

    pthread_mutex_lock(&s->lock);
    if (s->most.tokens && s->spent.tokens + s->reserved.tokens + expected.tokens > s->most.tokens)
        limit = LAM_LIMIT_TOKENS;
    else if (s->most.cost > 0 && s->spent.cost + s->reserved.cost + expected.cost > s->most.cost)
        limit = LAM_LIMIT_COST;
    if (limit == LAM_LIMIT_NONE) {
        s->reserved.tokens += expected.tokens;
        s->reserved.cost += expected.cost;
    } else if (s->reached == LAM_LIMIT_NONE) {
        s->reached = limit;
    }
    pthread_mutex_unlock(&s->lock);
    return limit == LAM_LIMIT_NONE;
}

void lam_spending_settle(struct lam_spending *s, struct lam_spent reserved, struct lam_spent spent)
{
    pthread_mutex_lock(&s->lock);
    s->reserved.tokens -= reserved.tokens;
    s->reserved.cost -= reserved.cost;
    if (!s->reserved.tokens || s->reserved.cost < 1e-12) /* what adding and taking away has left */
        s->reserved.cost = 0;
    s->spent.tokens += spent.tokens;
    s->spent.cost += spent.cost;
    pthread_mutex_unlock(&s->lock);
}

enum lam_limit lam_spending_reached(struct lam_spending *s)
{
    enum lam_limit reached;

    pthread_mutex_lock(&s->lock);
    reached = s->reached;
    pthread_mutex_unlock(&s->lock);
    return reached;
}

struct lam_spent lam_spending_reserved(struct lam_spending *s)
{
    struct lam_spent reserved;

    pthread_mutex_lock(&s->lock);
    reserved = s->reserved;
    pthread_mutex_unlock(&s->lock);
    return reserved;
}

void lam_limit_text(enum lam_limit limit, const struct lam_job_deep *deep, char *text, size_t size)
{
    switch (limit) {
    case LAM_LIMIT_TOKENS:
        snprintf(text, size, "deep.max_tokens (%" PRIu64 ")", deep->max_tokens);
        return;
    case LAM_LIMIT_COST:
        snprintf(text, size, "deep.max_cost (%g)", deep->max_cost);
        return;
    case LAM_LIMIT_NONE:
        break;
    }
    text[0] = '\0';
}

double lam_endpoint_cost(const struct lam_job_endpoint *endpoint, double in, double out) { return (in * endpoint->price_in + out * endpoint->price_out) / 1e6; }

double lam_expected_cost(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, double in, double out)
{
    double sum = 0, weights = 0;

    for (size_t i = 0; i < deep->endpoint_count; i++) {
        const struct lam_job_endpoint *endpoint = &deep->endpoints[i];

        if (endpoint->kind != kind || endpoint->tier != tier)
            continue;
        sum += endpoint->weight * lam_endpoint_cost(endpoint, in, out);
        weights += endpoint->weight;
    }
    return weights > 0 ? sum / weights : 0;
}

struct lam_spent lam_spent_at_most(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, uint64_t in, uint64_t out)
{
    struct lam_spent most = {.tokens = in + out};

    for (size_t i = 0; i < deep->endpoint_count; i++) {
        double cost = lam_endpoint_cost(&deep->endpoints[i], (double)in, (double)out);

        if (deep->endpoints[i].kind == kind && deep->endpoints[i].tier == tier && cost > most.cost)
            most.cost = cost;
    }
    return most;
}
