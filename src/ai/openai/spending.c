#include "spending.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct lam_spent plus(struct lam_spent a, struct lam_spent b) { return (struct lam_spent){a.tokens + b.tokens, a.cost + b.cost}; }

/* Never below nothing: money is in doubles. */
static struct lam_spent minus(struct lam_spent a, struct lam_spent b)
{
    return (struct lam_spent){a.tokens > b.tokens ? a.tokens - b.tokens : 0, a.cost > b.cost ? a.cost - b.cost : 0};
}

void lam_spending_init(struct lam_spending *s, uint64_t max_tokens, double max_cost)
{
    *s = (struct lam_spending){.whole = {max_tokens, max_cost}, .most = {max_tokens, max_cost}, .given = {max_tokens, max_cost}};
    pthread_mutex_init(&s->lock, NULL);
}

struct lam_spent lam_spending_part(const struct lam_job_deep *deep, unsigned ranks) { return (struct lam_spent){deep->max_tokens / ranks, deep->max_cost / ranks}; }

void lam_spending_init_part(struct lam_spending *s, const struct lam_job_deep *deep, unsigned ranks)
{
    lam_spending_init(s, deep->max_tokens, deep->max_cost);
    s->most = s->given = lam_spending_part(deep, ranks);
}

void lam_spending_release(struct lam_spending *s) { pthread_mutex_destroy(&s->lock); }

void lam_spending_begin(struct lam_spending *s)
{
    pthread_mutex_lock(&s->lock);
    s->spent = s->need = s->too_much = (struct lam_spent){0};
    s->waits = s->over = s->closed = false;
    s->reached = s->too_much_for = LAM_LIMIT_NONE;
    pthread_mutex_unlock(&s->lock);
}

/* The limit of `of` that expected would pass, beside what is taken of it. Locked. */
static enum lam_limit passes(const struct lam_spending *s, struct lam_spent of, struct lam_spent taken, struct lam_spent expected)
{
    if (s->whole.tokens && taken.tokens + expected.tokens > of.tokens)
        return LAM_LIMIT_TOKENS;
    return s->whole.cost > 0 && taken.cost + expected.cost > of.cost ? LAM_LIMIT_COST : LAM_LIMIT_NONE;
}

/* Locked. */
static enum lam_limit reserve(struct lam_spending *s, struct lam_spent expected)
{
    enum lam_limit limit = passes(s, s->most, plus(s->spent, s->reserved), expected);

    if (limit == LAM_LIMIT_NONE)
        s->reserved = plus(s->reserved, expected);
    return limit;
}

/* The limit that it would pass alone: all that this rank can ever have is less. Locked. */
static enum lam_limit passes_alone(const struct lam_spending *s, struct lam_spent expected)
{
    return passes(s, s->shared ? s->whole : s->most, (struct lam_spent){0}, expected);
}

/* It does not fit now. Locked. */
static enum lam_spending_leave wait_for(struct lam_spending *s, struct lam_spent expected, enum lam_limit limit)
{
    if (!s->closed && passes_alone(s, expected) != LAM_LIMIT_NONE)
        return LAM_SPENDING_NEVER;
    if (!s->closed && s->reached == LAM_LIMIT_NONE && !s->over && (s->shared || s->reserved.tokens)) {
        s->turn += !s->waits;
        s->need = expected;
        s->waits = true;
        return LAM_SPENDING_WAIT;
    }
    if (s->reached == LAM_LIMIT_NONE && !s->closed)
        s->reached = limit;
    return LAM_SPENDING_NO;
}

enum lam_spending_leave lam_spending_ask(struct lam_spending *s, struct lam_spent expected)
{
    enum lam_spending_leave leave = LAM_SPENDING_YES;
    enum lam_limit limit;

    pthread_mutex_lock(&s->lock);
    if ((limit = reserve(s, expected)) != LAM_LIMIT_NONE)
        leave = wait_for(s, expected, limit);
    pthread_mutex_unlock(&s->lock);
    return leave;
}

enum lam_spending_leave lam_spending_await(struct lam_spending *s, struct lam_spent expected)
{
    static const struct timespec moment = {.tv_nsec = 20000000};
    enum lam_spending_leave leave;

    while ((leave = lam_spending_ask(s, expected)) == LAM_SPENDING_WAIT)
        nanosleep(&moment, NULL);
    return leave;
}

bool lam_spending_waits(struct lam_spending *s)
{
    bool waits;

    pthread_mutex_lock(&s->lock);
    waits = s->waits;
    pthread_mutex_unlock(&s->lock);
    return waits;
}

void lam_spending_close(struct lam_spending *s)
{
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    s->waits = false;
    pthread_mutex_unlock(&s->lock);
}

/* --- parts that are shared --- */

void lam_spending_set_shared(struct lam_spending *s)
{
    pthread_mutex_lock(&s->lock);
    s->shared = true;
    pthread_mutex_unlock(&s->lock);
}

void lam_spending_tell(struct lam_spending *s, struct lam_spending_word *word)
{
    memset(word, 0, sizeof *word); /* its padding is compared */
    pthread_mutex_lock(&s->lock);
    word->given = s->given;
    word->returned = s->returned;
    word->used = plus(s->spent, s->reserved);
    word->under_way = s->reserved.tokens > 0;
    if (s->waits) {
        word->need = s->need;
        word->turn = s->turn;
    }
    pthread_mutex_unlock(&s->lock);
}

/* All that a rank without work has left; half of it, where it may need the rest. Of one that waits all: alone it is not enough. Locked. */
static void give_back(struct lam_spending *s, bool idle)
{
    struct lam_spent spare = minus(s->most, plus(s->spent, s->reserved));

    if (!idle && !s->waits) {
        spare.tokens -= spare.tokens > s->whole.tokens / 64 ? spare.tokens / 2 : 0;
        spare.cost /= spare.cost > s->whole.cost / 64 ? 2 : 1;
    }
    s->returned = plus(s->returned, spare);
    s->most = minus(s->most, spare);
}

void lam_spending_hear(struct lam_spending *s, const struct lam_spending_share *share, bool idle)
{
    pthread_mutex_lock(&s->lock);
    if (share->given.tokens > s->given.tokens || share->given.cost > s->given.cost) {
        s->most = plus(s->most, minus(share->given, s->given));
        s->given = share->given;
        s->waits = false;
    } else if (share->over && s->waits && share->over == s->turn) {
        s->over = true;
        s->waits = false;
    } else if (share->wanted) {
        give_back(s, idle);
    }
    pthread_mutex_unlock(&s->lock);
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
    if (reserved.tokens || reserved.cost > 0) /* there may be room now */
        s->waits = false;
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

bool lam_spending_pass_by(struct lam_spending *s, struct lam_spent expected)
{
    bool first;

    pthread_mutex_lock(&s->lock);
    first = s->too_much_for == LAM_LIMIT_NONE;
    if (first || expected.tokens > s->too_much.tokens) {
        s->too_much_for = passes_alone(s, expected);
        s->too_much = expected;
    }
    pthread_mutex_unlock(&s->lock);
    return first;
}

enum lam_limit lam_spending_too_much(struct lam_spending *s, struct lam_spent *most)
{
    enum lam_limit limit;

    pthread_mutex_lock(&s->lock);
    limit = s->too_much_for;
    *most = s->too_much;
    pthread_mutex_unlock(&s->lock);
    return limit;
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

void lam_spending_leave_out(struct lam_spending *s, struct lam_spent expected, const struct lam_job_deep *deep, const struct lam_log *log, const char *area, const char *what)
{
    struct lam_spent most;
    char limit[64];
    bool part;

    if (!lam_spending_pass_by(s, expected))
        return;
    lam_limit_text(lam_spending_too_much(s, &most), deep, limit, sizeof limit);
    pthread_mutex_lock(&s->lock);
    part = !s->shared && (s->most.tokens < s->whole.tokens || s->most.cost < s->whole.cost);
    pthread_mutex_unlock(&s->lock);
    lam_log_warn(log, area, "one %s takes about %" PRIu64 " tokens and %.6f, and %s%s is less: its record stays pending; others like it are not told of", what, most.tokens, most.cost,
                 part ? "a rank's part of " : "", limit);
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
