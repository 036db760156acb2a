#include "client_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_US INT64_C(100000)       /* hedges, deadlines, timeouts, numbers to show: what may be late by so much, or twice where nothing else happens */
#define LATE "no endpoint took it again before its deadline"
#define SOON_US INT64_C(5000000)      /* an endpoint that pauses for less is worth waiting for */

struct lane *lam_llm_lane_of(struct lam_llm_client *client, unsigned tier, enum lam_llm_kind kind)
{
    for (size_t i = 0; i < client->lane_count; i++)
        if (client->lanes[i].tier == tier && client->lanes[i].kind == kind)
            return &client->lanes[i];
    return NULL;
}

uint32_t lam_llm_lane_usable(const struct lam_llm_client *client, const struct lane *lane)
{
    uint32_t usable = 0;

    for (size_t e = 0; e < client->endpoint_count; e++) {
        const struct lam_llm_flow *flow = &client->endpoints[e].flow;

        if (lane->members >> e & 1 && flow->max && flow->breaker.state == LAM_LLM_CLOSED && lam_llm_flow_paused_until_us(flow) < client->now_us + SOON_US)
            usable |= 1u << e;
    }
    return usable;
}

/* ---- what comes in ---- */

static struct job *take_submitted(struct lam_llm_client *client)
{
    struct job *job;
    struct lane *lane;

    if (!lam_ring_pop(client->submitted, &job))
        return NULL;
    client->jobs[job->slot] = job;
    lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);
    lam_llm_queue_put(&lane->queue, &job->wait);
    return job;
}

static void end_job(struct lam_llm_client *client, struct job *job, enum lam_llm_outcome outcome, size_t endpoint, const char *reason)
{
    lam_llm_queue_remove(&lam_llm_lane_of(client, job->request.tier, job->request.kind)->queue, &job->wait);
    lam_llm_finish(client, job, outcome, endpoint, reason);
}

static void cancel_jobs(struct lam_llm_client *client, bool all)
{
    for (size_t slot = 0; slot < client->options.max_open; slot++) {
        struct job *job = client->jobs[slot];

        if (job && (all || atomic_load(&client->cancels[slot]) == job->generation))
            end_job(client, job, LAM_LLM_CANCELLED, 0, "cancelled");
    }
}

static void take_shares(struct lam_llm_client *client)
{
    pthread_mutex_lock(&client->lock);
    for (size_t e = 0; e < client->endpoint_count; e++) {
        if (client->share_new[e])
            lam_llm_flow_set_share(&client->endpoints[e].flow, &client->shares[e], client->now_us);
        client->share_new[e] = false;
    }
    pthread_mutex_unlock(&client->lock);
    client->tick_us = client->now_us; /* the coordinator waits to hear that it has come */
}

static void take_drain(struct lam_llm_client *client)
{
    bool draining = atomic_load(&client->drain);

    if (draining == client->draining)
        return;
    client->draining = draining;
    for (size_t i = 0; i < client->lane_count; i++)
        lam_llm_queue_drain(&client->lanes[i].queue, draining);
    for (size_t e = 0; e < client->endpoint_count; e++)
        lam_llm_flow_forget(&client->endpoints[e].flow, client->now_us);
}

static void take_all(struct lam_llm_client *client)
{
    while (take_submitted(client))
        ;
    if (atomic_exchange(&client->cancel_all, false))
        cancel_jobs(client, true);
    if (atomic_exchange(&client->cancel_some, false))
        cancel_jobs(client, false);
    if (atomic_exchange(&client->news, false))
        take_shares(client);
    take_drain(client);
}

/* ---- who sends next ---- */

static struct job *job_of(struct lam_llm_wait *wait) { return (struct job *)(void *)wait; }

static uint64_t tokens_of(const struct job *job) { return (uint64_t)job->request.tokens + job->request.max_tokens; }

/*
 * The endpoint whose turn it is by weight among those that can take a request now, and the request. Otherwise when to ask again.
 * Stride scheduling: each request moves an endpoint on by 1 / weight, and the one that is furthest behind is next.
 */
static struct job *choose(struct lam_llm_client *client, struct lane *lane, uint32_t usable, size_t *chosen, int64_t *again_us)
{
    struct job *best = NULL;

    for (size_t e = 0; e < client->endpoint_count; e++) {
        struct endpoint *endpoint = &client->endpoints[e];
        struct lam_llm_wait *wait;
        int64_t at_us;

        if (!(lane->members >> e & 1) || lam_llm_doubted(endpoint, lane->kind) || (best && endpoint->pass >= client->endpoints[*chosen].pass) ||
            endpoint->flow.open + 1 > lam_llm_flow_limit(&endpoint->flow)) /* mostly: full */
            continue;
        if (!(wait = lam_llm_queue_next(&lane->queue, (unsigned)e, usable)))
            continue;
        at_us = lam_llm_flow_ready_us(&endpoint->flow, tokens_of(job_of(wait)), client->now_us);
        if (at_us > client->now_us) {
            if (at_us < *again_us)
                *again_us = at_us;
            continue;
        }
        best = job_of(wait);
        *chosen = e;
    }
    return best;
}

/* Sends what can be sent. Returns when more could be, if nothing ends before. */
static int64_t dispatch(struct lam_llm_client *client, struct lane *lane)
{
    int64_t again_us = INT64_MAX, at_us = lam_llm_queue_turn(&lane->queue, client->now_us);
    uint32_t usable = lam_llm_lane_usable(client, lane);
    struct job *job;
    size_t e = 0;

    while (lane->queue.count && (job = choose(client, lane, usable, &e, &again_us))) {
        struct endpoint *endpoint = &client->endpoints[e];

        lam_llm_queue_remove(&lane->queue, &job->wait);
        if (job->wait.deadline_us <= client->now_us) {
            lam_llm_left(client, e, LATE, endpoint->problem, 1);
            lam_llm_finish(client, job, LAM_LLM_LATER, e, endpoint->problem);
            continue;
        }
        if (endpoint->pass < lane->now) /* who was away has no claim to what it missed */
            endpoint->pass = lane->now;
        lane->now = endpoint->pass;
        endpoint->pass += 1 / endpoint->weight;
        lam_llm_send(client, job, e, false);
        again_us = INT64_MAX;
    }
    return again_us < at_us ? again_us : at_us;
}

/* ---- a second try beside the first ---- */

/* Another endpoint if one has room, else the same: another connection may reach another replica. */
static bool hedge_target(struct lam_llm_client *client, const struct attempt *attempt, size_t *target)
{
    const struct lane *lane = lam_llm_lane_of(client, attempt->job->request.tier, attempt->job->request.kind);
    size_t own = attempt->wire.endpoint;

    for (size_t i = 1; i <= client->endpoint_count; i++) {
        size_t e = (own + i) % client->endpoint_count;

        if (lane->members >> e & 1 && !(attempt->job->request.avoid >> e & 1) && lam_llm_flow_may_hedge(&client->endpoints[e].flow, attempt->tokens, client->now_us)) {
            *target = e;
            return true;
        }
    }
    return false;
}

static void hedge(struct lam_llm_client *client, struct endpoint *endpoint)
{
    int64_t after_us = lam_llm_flow_hedge_after_us(&endpoint->flow, client->options.hedge_factor), least_us = (int64_t)client->options.hedge_min_ms * 1000;
    size_t target;

    if (after_us == INT64_MAX)
        return;
    after_us = after_us > least_us ? after_us : least_us;
    for (struct attempt *attempt = endpoint->first, *next; attempt && client->now_us - attempt->wire.started_us >= after_us; attempt = next) {
        next = attempt->next;
        if (attempt->job->hedged)
            continue;
        if (!hedge_target(client, attempt, &target))
            return;
        lam_llm_flow_hedged(&client->endpoints[target].flow);
        COUNT(&client->endpoints[target], hedges, 1);
        lam_llm_send(client, attempt->job, target, true);
    }
}

/* ---- what waited too long ---- */

bool lam_llm_hopeless(const struct lam_llm_client *client, size_t e, enum lam_llm_kind kind, char why[LAM_LLM_WHY])
{
    int64_t give_up_us = (int64_t)client->options.give_up_ms * 1000;
    const struct endpoint *endpoint = &client->endpoints[e];
    const struct lam_llm_flow *flow = &endpoint->flow;
    const struct doubt *doubt = &endpoint->doubts[kind];
    int64_t pause_us = lam_llm_flow_paused_until_us(flow) - client->now_us;

    if (pause_us > give_up_us)
        snprintf(why, LAM_LLM_WHY, "it asks to wait %" PRId64 " s, longer than deep.patience", (pause_us + 500000) / 1000000);
    else if (flow->breaker.state != LAM_LLM_CLOSED && client->now_us - flow->breaker.down_since_us > give_up_us)
        snprintf(why, LAM_LLM_WHY, "it is down for longer than deep.patience");
    else if (lam_llm_flow_refusing_us(flow) > give_up_us)
        snprintf(why, LAM_LLM_WHY, "it has answered nothing but 429 and 503 for longer than deep.patience");
    else if (doubt->count && doubt->count >= doubt->enough && client->now_us - doubt->since_us > give_up_us)
        snprintf(why, LAM_LLM_WHY, "it has refused all requests for longer than deep.patience");
    else
        return false;
    return true;
}

bool lam_llm_lane_hopeless(const struct lam_llm_client *client, const struct lane *lane)
{
    char why[LAM_LLM_WHY];

    for (size_t e = 0; e < client->endpoint_count; e++)
        if (lane->members >> e & 1 && !lam_llm_hopeless(client, e, lane->kind, why))
            return false;
    return true;
}

/* Waits differ from one to the next; the reason does not. */
static bool are_alike(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "0123456789");
        b += strspn(b, "0123456789");
        if (*a != *b || !*a)
            return *a == *b;
    }
}

static unsigned digits_of(uint64_t count)
{
    unsigned digits = 0;

    for (; count; count /= 10)
        digits++;
    return digits;
}

void lam_llm_left(struct lam_llm_client *client, size_t e, const char *why, const char *what, uint64_t count)
{
    struct endpoint *endpoint = &client->endpoints[e];
    uint64_t before;
    size_t i = 0;

    while (i < LEFTS - 1 && endpoint->lefts[i].count && !are_alike(endpoint->lefts[i].why, why))
        i++;
    before = endpoint->lefts[i].count;
    endpoint->lefts[i].count += count;
    snprintf(endpoint->lefts[i].why, sizeof endpoint->lefts[i].why, "%s", why);
    if (digits_of(before) != digits_of(before + count))
        lam_log_warn(client->options.log, "ai", "%s (model %s): requests are left for later (%" PRIu64 " so far): %s: %s", endpoint->base, endpoint->model, before + count, why,
                     *what ? what : "no answer came");
}

/* No endpoint of the lane will take anything for a long time, or ever: what waits there ends, with the last word of one of them. */
static void give_up(struct lam_llm_client *client, struct lane *lane)
{
    enum lam_llm_outcome outcome = LAM_LLM_LATER;
    char reason[LAM_LLM_REASON], why[LAM_LLM_WHY] = "no endpoint accepts such requests";
    struct lam_llm_wait *wait;
    size_t last = client->endpoint_count;

    if (!lam_llm_lane_hopeless(client, lane))
        return;
    for (size_t e = 0; e < client->endpoint_count; e++) {
        const struct endpoint *endpoint = &client->endpoints[e];

        if (endpoint->tier == lane->tier && (last == client->endpoint_count || lane->members >> e & 1))
            last = e;
    }
    if (!lane->members)
        outcome = LAM_LLM_REFUSED;
    else if (lam_llm_hopeless(client, last, lane->kind, why))
        lam_llm_left(client, last, why, client->endpoints[last].problem, lane->queue.count);
    snprintf(reason, sizeof reason, "%s: %.290s", why, client->endpoints[last].problem);
    while ((wait = lam_llm_queue_any(&lane->queue)))
        end_job(client, job_of(wait), outcome, last, reason);
}

static void expire(struct lam_llm_client *client, struct lane *lane)
{
    struct lam_llm_wait *wait;
    size_t first = 0;

    while (first + 1 < client->endpoint_count && !(lane->members >> first & 1))
        first++;
    while ((wait = lam_llm_queue_expired(&lane->queue, client->now_us))) {
        lam_llm_left(client, first, LATE, client->endpoints[first].problem, 1);
        end_job(client, job_of(wait), LAM_LLM_LATER, first, LATE);
    }
}

/* ---- numbers to show ---- */

static int health_of(const struct lam_llm_client *client, const struct endpoint *endpoint)
{
    if (endpoint->refused)
        return LAM_LLM_OUT;
    if (endpoint->flow.breaker.state != LAM_LLM_CLOSED)
        return endpoint->flow.breaker.state == LAM_LLM_OPEN ? LAM_LLM_BROKEN : LAM_LLM_PROBING;
    return lam_llm_flow_paused_until_us(&endpoint->flow) > client->now_us ? LAM_LLM_PAUSED : LAM_LLM_HEALTHY;
}

static uint32_t to_ms(int64_t us) { return us <= 0 ? 0 : us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000); }

static void show(struct lam_llm_client *client, struct endpoint *endpoint)
{
    struct lam_llm_flow *flow = &endpoint->flow;
    struct lam_llm_demand demand;
    uint32_t waiting = 0;
    size_t e = (size_t)(endpoint - client->endpoints);

    for (size_t i = 0; i < client->lane_count; i++)
        if (client->lanes[i].members >> e & 1)
            waiting += (uint32_t)client->lanes[i].queue.count;
    lam_llm_flow_demand(flow, waiting, client->now_us, &demand);
    SHOW(endpoint, open, demand.open);
    SHOW(endpoint, waiting, demand.waiting);
    SHOW(endpoint, wanted, demand.wanted);
    SHOW(endpoint, minute_requests, demand.minute_requests);
    SHOW(endpoint, minute_tokens, demand.minute_tokens);
    SHOW(endpoint, request_tokens, demand.request_tokens);
    SHOW(endpoint, pause_ms, demand.pause_ms);
    SHOW(endpoint, refused, endpoint->refused);
    atomic_store_explicit(&endpoint->seen.share_number, demand.number, memory_order_release); /* who sees it sees what was spent until then */
    SHOW(endpoint, limit, (uint32_t)lam_llm_flow_limit(flow));
    SHOW(endpoint, p50_ms, to_ms(lam_llm_flow_quantile_us(flow, 0.5)));
    SHOW(endpoint, p95_ms, to_ms(lam_llm_flow_quantile_us(flow, 0.95)));
    SHOW(endpoint, health, health_of(client, endpoint));
}

static void tick(struct lam_llm_client *client)
{
    client->tick_us = client->now_us + TICK_US;
    for (size_t i = 0; i < client->lane_count; i++) {
        if (!client->lanes[i].queue.count)
            continue;
        expire(client, &client->lanes[i]);
        give_up(client, &client->lanes[i]);
    }
    for (size_t e = 0; e < client->endpoint_count; e++) {
        if (client->options.hedge_budget > 0 && client->endpoints[e].first)
            hedge(client, &client->endpoints[e]);
        show(client, &client->endpoints[e]);
    }
}

/* ---- the thread ---- */

static void transport_failed(struct lam_llm_client *client, const struct lam_error *err)
{
    lam_log_error(client->options.log, "ai", "the transport of model requests failed: %s", err->text);
    for (size_t slot = 0; slot < client->options.max_open; slot++)
        if (client->jobs[slot])
            end_job(client, client->jobs[slot], LAM_LLM_LATER, 0, err->text);
}

/* One round. Returns when the next one is due. */
static int64_t turn(struct lam_llm_client *client)
{
    int64_t until_us = INT64_MAX;

    client->now_us = lam_mono_us(client->options.clock);
    take_all(client);
    for (size_t i = 0; i < client->lane_count; i++) {
        struct lane *lane = &client->lanes[i];
        int64_t at_us = lane->queue.count ? dispatch(client, lane) : INT64_MAX;

        until_us = at_us < until_us ? at_us : until_us;
    }
    if (client->now_us >= client->tick_us)
        tick(client);
    if (atomic_load_explicit(&client->open, memory_order_relaxed) && client->tick_us + TICK_US < until_us)
        until_us = client->tick_us + TICK_US; /* not at its time: mostly an answer wakes us soon after, and each wake-up finds cold caches */
    return until_us;
}

void *lam_llm_client_loop(void *arg)
{
    struct lam_llm_client *client = arg;
    struct lam_error err;

    while (!atomic_load(&client->stop)) {
        int64_t until_us = turn(client);

        if (client->ops->run(client->transport, until_us, &err))
            transport_failed(client, &err);
    }
    while (atomic_load(&client->open)) { /* a caller within submit may be about to hand over its last one */
        while (take_submitted(client))
            ;
        cancel_jobs(client, true);
    }
    return NULL;
}
