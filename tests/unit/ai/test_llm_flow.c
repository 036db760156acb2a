/*
 * Flow control in simulated time: against servers of known capacity, with limits that say so and limits that do not. Also what it is made of: the
 * breaker, the budgets, the queue.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "openai/flow.h"
#include "openai/queue.h"

#define SECOND INT64_C(1000000)

static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(random_state >> 11) + 0.5) * 0x1p-53;
}

static double lognormal(double sigma) { return exp(sigma * sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform())); }

/* ---- a simulated server ---- */

/*
 * Requests are worked on `slots` at a time and wait in line without bound (refuse_above: until so many are there, the rest gets 429). A batching
 * server has no slots: work takes base + per_open × the number that are there.
 */
struct world {
    struct lam_llm_flow flow;
    unsigned slots, refuse_above;
    bool refuse_all;
    double base_us, per_open_us, sigma;
    int64_t now_us;
    struct {
        int64_t sent_us, end_us;
        bool limited;
    } open[4096];
    unsigned open_count;
    double *free_at; /* of slots */
    uint64_t answered, limited, sent, count; /* count: it ends with so many; 0: without end */
    double open_sum;
};

static void world_init(struct world *world, uint32_t max, uint32_t start)
{
    struct lam_llm_share share = {.limits = {.concurrency = max}};

    memset(world, 0, sizeof *world);
    world->now_us = SECOND;
    world->base_us = 200000;
    world->sigma = 0.4;
    lam_llm_flow_init(&world->flow, &share, start, world->now_us);
}

static int64_t work_us(struct world *world, double *slots)
{
    double work = (world->base_us + world->per_open_us * world->open_count) * lognormal(world->sigma);
    unsigned best = 0;

    if (uniform() < 0.01)
        work *= 30;
    if (!world->slots)
        return world->now_us + (int64_t)work;
    for (unsigned i = 1; i < world->slots; i++)
        if (slots[i] < slots[best])
            best = i;
    slots[best] = fmax(slots[best], (double)world->now_us) + work;
    return (int64_t)slots[best];
}

/* Requests without end for so many seconds. */
static void live(struct world *world, double *slots, int64_t seconds)
{
    int64_t until_us = world->now_us + seconds * SECOND;

    world->answered = world->limited = 0;
    world->open_sum = 0;
    while (world->now_us < until_us) {
        bool more = !world->count || world->sent < world->count;
        int64_t at_us = more ? lam_llm_flow_ready_us(&world->flow, 100, world->now_us) : INT64_MAX;
        unsigned next = 0;

        if (!more && !world->open_count)
            return;

        if (at_us <= world->now_us) {
            bool limited = world->refuse_all || (world->refuse_above && world->open_count >= world->refuse_above);

            assert_true(world->open_count < 4096);
            lam_llm_flow_sent(&world->flow, 100, world->now_us);
            world->sent++;
            world->open[world->open_count].sent_us = world->now_us;
            world->open[world->open_count].limited = limited;
            world->open[world->open_count++].end_us = limited ? world->now_us + 5000 : work_us(world, slots);
            continue;
        }
        for (unsigned i = 1; i < world->open_count; i++)
            if (world->open[i].end_us < world->open[next].end_us)
                next = i;
        if (!world->open_count || world->open[next].end_us > at_us) {
            world->now_us = at_us;
            continue;
        }
        {
            struct lam_llm_end end = {.result = world->open[next].limited ? LAM_LLM_R_LIMITED : LAM_LLM_R_ANSWERED, .sent_us = world->open[next].sent_us, .jitter = 0.5};

            world->open_sum += (double)world->open_count * (double)(world->open[next].end_us - world->now_us);
            world->now_us = world->open[next].end_us;
            world->open[next] = world->open[--world->open_count];
            *(end.result == LAM_LLM_R_LIMITED ? &world->limited : &world->answered) += 1;
            lam_llm_flow_ended(&world->flow, &end, world->now_us);
        }
    }
}

static void test_a_server_without_bounds_gets_the_maximum(void **state)
{
    struct world world;
    double slots[1];

    (void)state;
    world_init(&world, 1000, 0);
    assert_int_equal((int)world.flow.limit, 16);
    live(&world, slots, 10);
    assert_true(world.flow.limit > 500);
    live(&world, slots, 60);
    assert_true(world.flow.limit > 950);
}

static void test_a_server_that_queues_without_bound_is_kept_full_but_not_flooded(void **state)
{
    static const unsigned capacities[] = {2, 4, 16, 64, 200};
    double slots[256];

    (void)state;
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        struct world world;
        double ideal, open;

        world_init(&world, 1000, 0);
        world.slots = capacities[i];
        memset(slots, 0, sizeof slots);
        live(&world, slots, 400);
        live(&world, slots, 400);
        ideal = 400.0 * SECOND / (world.base_us * exp(0.08) * 1.29) * capacities[i]; /* mean of the lognormal, and of the stragglers */
        open = world.open_sum / (400.0 * SECOND);
        print_message("capacity %u: throughput %.2f of the ideal, %.1f open\n", capacities[i], (double)world.answered / ideal, open);
        assert_true((double)world.answered > 0.85 * ideal);
        assert_true(open < 3.0 * capacities[i] + 16); /* without latency in the loop: 1000 */
    }
}

static void test_a_batching_server_is_not_mistaken_for_a_queue(void **state)
{
    struct world world;
    double slots[1];

    (void)state;
    world_init(&world, 256, 0);
    world.per_open_us = 1000; /* 256 at once take twice as long as one: still 100 times the throughput of one */
    live(&world, slots, 300);
    live(&world, slots, 100);
    assert_true(world.open_sum / (100.0 * SECOND) > 180);
}

/* Seconds that so many requests take a server without bounds, at 400 ms each. The same latencies for the same seed. */
static double finish_s(uint32_t at_once, uint32_t start, uint64_t count, uint64_t seed)
{
    struct world world;
    double slots[1];

    world_init(&world, at_once, start);
    world.base_us = 400000;
    world.count = count;
    random_state = seed;
    live(&world, slots, 10000);
    assert_int_equal(world.answered, count);
    return (double)(world.now_us - SECOND) / SECOND;
}

/*
 * A start that doubled whatever happened, once in the mean latency, would cost 0.4, 1.2 and 2.0 s: W (log2(C / 16) - (1 - 16 / C) / ln 2) at
 * C at once. Windows that are waited for cost 1.1, 2.5 and 4.0.
 */
static void test_to_find_the_limit_costs_no_more_than_doubling_takes(void **state)
{
    static const struct {
        uint32_t at_once;
        double most_s;
    } cases[] = {{64, 0.5}, {256, 1.2}, {1000, 2.0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t at_once = cases[i].at_once;
        double lost_s = 0;

        for (uint64_t seed = 1; seed <= 10; seed++)
            lost_s += (finish_s(at_once, 0, 20 * at_once, seed) - finish_s(at_once, at_once, 20 * at_once, seed)) / 10;
        print_message("%u at once: %.2f s\n", at_once, lost_s);
        assert_true(lost_s < cases[i].most_s);
    }
}

/* The highest limit on the way: a line is seen one doubling late at most. Works alike with latencies that spread much. */
static void test_the_start_does_not_flood_a_line(void **state)
{
    static const unsigned capacities[] = {4, 16, 32, 100, 300};
    static const double sigmas[] = {0.4, 1};
    double slots[512];

    (void)state;
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities * 2; i++) {
        unsigned capacity = capacities[i / 2];
        double most = 0;

        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct world world;

            world_init(&world, 4000, 0);
            world.slots = capacity;
            world.sigma = sigmas[i % 2];
            memset(slots, 0, sizeof slots);
            random_state = seed;
            for (int second = 0; second < 20; second++) {
                live(&world, slots, 1);
                most = fmax(most, lam_llm_flow_limit(&world.flow));
            }
        }
        print_message("capacity %u, sigma %.1f: up to %.0f\n", capacity, sigmas[i % 2], most);
        assert_true(most <= fmax(64, 4.0 * capacity));
    }
}

static void test_429_bring_the_limit_down_and_it_comes_back(void **state)
{
    struct world world;
    double slots[1];

    (void)state;
    world_init(&world, 1000, 0);
    world.refuse_above = 40;
    live(&world, slots, 60);
    live(&world, slots, 200);
    print_message("%.1f open, %.3f limited\n", world.open_sum / (200.0 * SECOND), (double)world.limited / (double)world.answered);
    assert_in_range((int)(world.open_sum / (200.0 * SECOND)), 26, 44);
    assert_true((double)world.limited < 0.1 * (double)world.answered);
}

static void test_who_lets_nothing_through_is_asked_more_and_more_rarely(void **state)
{
    struct world world;
    double slots[1];

    (void)state;
    world_init(&world, 100, 0);
    world.refuse_all = true;
    live(&world, slots, 100);
    assert_int_equal(world.answered, 0);
    assert_in_range(world.limited, 40, 75); /* 16, 11, 7 … 1 at once, after 0, 0.5, 1, 2, 4, 8, 8 … s */
}

/* ---- Retry-After and what was left ---- */

static void end_with(struct lam_llm_flow *flow, enum lam_llm_result result, const char *line, int64_t sent_us, int64_t now_us)
{
    struct lam_llm_headers headers;
    struct lam_llm_end end = {.result = result, .sent_us = sent_us, .headers = &headers};
    char lines[256], *at, *save;

    lam_llm_headers_init(&headers);
    snprintf(lines, sizeof lines, "%s", line);
    for (at = strtok_r(lines, "|", &save); at; at = strtok_r(NULL, "|", &save))
        lam_llm_headers_add(&headers, lam_sv_of(at), 1763834701 * SECOND); /* Sat, 22 Nov 2025 18:05:01 GMT */
    lam_llm_flow_ended(flow, &end, now_us);
}

static void test_pauses_are_obeyed(void **state)
{
    static const struct {
        enum lam_llm_result result;
        const char *headers;
        int64_t wait_ms;
    } cases[] = {
        {LAM_LLM_R_LIMITED, "retry-after-ms: 1500|Retry-After: 60", 1500},
        {LAM_LLM_R_LIMITED, "Retry-After: 60|retry-after-ms: 1500", 1500},
        {LAM_LLM_R_LIMITED, "Retry-After: 2.5", 2500},
        {LAM_LLM_R_LIMITED, "Retry-After: Sat, 22 Nov 2025 18:05:31 GMT", 30000},
        {LAM_LLM_R_LIMITED, "Retry-After: Sat, 22 Nov 2025 18:04:31 GMT", 0},
        {LAM_LLM_R_LIMITED, "Retry-After: Saturday, 22-Nov-25 18:05:31 GMT", 30000},
        {LAM_LLM_R_LIMITED, "Retry-After: Sat Nov 22 18:05:31 2025", 30000},
        {LAM_LLM_R_LIMITED, "Retry-After: Sun Jan  4 18:05:31 1970", 0},
        {LAM_LLM_R_LIMITED, "Retry-After: Monday, 04-Jan-99 18:05:31 GMT", 0},
        {LAM_LLM_R_LIMITED, "x-ratelimit-limit-requests: 100|x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 3s", 3000},
        {LAM_LLM_R_LIMITED, "x-ratelimit-remaining-tokens: 0|x-ratelimit-reset-tokens: 6m0s", 360000},
        {LAM_LLM_R_LIMITED, "x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 3s|Retry-After: 1", 1000},
        {LAM_LLM_R_LIMITED, "x-ratelimit-remaining-requests: 2|x-ratelimit-reset-requests: 3s", 0},
        {LAM_LLM_R_LIMITED, "llm_provider-retry-after: 60", 60000},
        {LAM_LLM_R_LIMITED, "llm_provider-retry-after: 60|retry-after: 3", 3000},
        {LAM_LLM_R_LIMITED, "retry-after: soon", 0},
        {LAM_LLM_R_LIMITED, "retry-after: -5", 0},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-limit-requests: 3|x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 20s", 20000},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-limit-tokens: 300|x-ratelimit-remaining-tokens: 0|x-ratelimit-reset-tokens: 1m0.5s", 60500},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-limit-requests: 3|x-ratelimit-remaining-requests: 1|x-ratelimit-reset-requests: 20s", 0},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-limit-requests: -1|x-ratelimit-remaining-requests: -1|x-ratelimit-reset-requests: 6m0s", 0},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-limit-requests: 0|x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 0", 0},
        {LAM_LLM_R_ANSWERED, "x-ratelimit-remaining-requests: 0", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_llm_share share = {.limits = {.concurrency = 10}};
        struct lam_llm_flow flow;
        int64_t now_us = 5 * SECOND;

        lam_llm_flow_init(&flow, &share, 10, now_us);
        lam_llm_flow_sent(&flow, 0, now_us);
        end_with(&flow, cases[i].result, cases[i].headers, now_us, now_us);
        if (lam_llm_flow_ready_us(&flow, 0, now_us) != now_us + cases[i].wait_ms * 1000)
            fail_msg("%s: %lld", cases[i].headers, (long long)(lam_llm_flow_ready_us(&flow, 0, now_us) - now_us));
    }
}

/* One that lets nothing through waits longer and longer, whatever it says of the time. */
static void test_a_word_of_no_wait_does_not_end_the_back_off(void **state)
{
    static const char *const words[] = {"Retry-After: 0", "Retry-After: Sat, 22 Nov 2025 18:04:31 GMT", "retry-after-ms: 10", ""};
    static const int64_t waits_ms[] = {0, 500, 1000, 2000, 4000, 8000, 8000};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct lam_llm_share share = {.limits = {.concurrency = 10}};
        struct lam_llm_flow flow;
        int64_t now_us = 5 * SECOND, at_us;

        lam_llm_flow_init(&flow, &share, 10, now_us);
        for (size_t round = 0; round < sizeof waits_ms / sizeof *waits_ms; round++) {
            lam_llm_flow_sent(&flow, 0, now_us);
            end_with(&flow, LAM_LLM_R_LIMITED, words[i], now_us, now_us + 1000);
            at_us = lam_llm_flow_ready_us(&flow, 0, now_us + 1000);
            assert_true(at_us - now_us >= waits_ms[round] * 1000);
            assert_true(at_us - now_us <= waits_ms[round] * 1000 + 11000);
            now_us = at_us;
        }
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"6m0s", 360000}, {"1s", 1000}, {"120ms", 120}, {"1h2m3.5s", 3723500}, {"7", 7000}, {"0.25", 250}, {"1d", 86400000}, {"99999999999999999999", 86400000},
                 {"", -1}, {"-1", -1}, {"s", -1}, {"1x", -1}, {"1s2", -1}, {"9999999999d", 86400000}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;

        lam_llm_duration_parse(lam_sv_of(cases[i].text), &ms);
        if (ms != cases[i].ms)
            fail_msg("\"%s\": %lld", cases[i].text, (long long)ms);
    }
}

/* ---- budgets: never more than the limit in any minute, and nearly all of it ---- */

static void test_no_minute_sees_more_than_its_budget(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 1000, .requests_per_minute = 100, .tokens_per_minute = 20000};
    struct lam_llm_share share = {.limits = limits, .whole = limits};
    struct lam_llm_flow flow;
    static int64_t times[4096];
    static uint64_t tokens[4096];
    unsigned count = 0;
    int64_t now_us = SECOND;
    uint64_t sum = 0;

    (void)state;
    random_state = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)random_state);
    lam_llm_flow_init(&flow, &share, 1000, now_us);
    while (now_us < 600 * SECOND) {
        uint64_t want = 50 + (uint64_t)(uniform() * 400);
        int64_t at_us = lam_llm_flow_ready_us(&flow, want, now_us);

        assert_true(at_us < INT64_MAX);
        if (at_us > now_us) {
            now_us = at_us;
            assert_true(lam_llm_flow_ready_us(&flow, want, now_us) <= now_us); /* what it says is so */
        }
        lam_llm_flow_sent(&flow, want, now_us);
        end_with(&flow, LAM_LLM_R_ANSWERED, "", now_us, now_us);
        times[count] = now_us;
        tokens[count++] = want;
        now_us += (int64_t)(uniform() * 100000);
    }
    for (unsigned i = 0, first = 0; i < count; i++) {
        sum += tokens[i];
        while (times[i] - times[first] >= 60 * SECOND)
            sum -= tokens[first++];
        assert_true(i - first + 1 <= 100);
        assert_true(sum <= 20000);
    }
    for (unsigned i = sum = 0; i < count; i++)
        sum += tokens[i];
    assert_true(sum > 20000 * 10 * 0.9);
}

static void test_unused_tokens_come_back_to_the_budget(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 10, .tokens_per_minute = 1000};
    struct lam_llm_share share = {.limits = limits, .whole = limits};
    struct lam_llm_end end = {.result = LAM_LLM_R_ANSWERED, .sent_us = SECOND, .tokens_reserved = 900, .tokens_used = 100};
    struct lam_llm_flow flow;

    (void)state;
    lam_llm_flow_init(&flow, &share, 10, SECOND);
    lam_llm_flow_sent(&flow, 900, SECOND);
    assert_true(lam_llm_flow_ready_us(&flow, 500, SECOND) > SECOND);
    lam_llm_flow_ended(&flow, &end, 2 * SECOND);
    assert_int_equal(lam_llm_flow_ready_us(&flow, 900, 2 * SECOND), 2 * SECOND);
    assert_true(lam_llm_flow_ready_us(&flow, 901, 2 * SECOND) > 2 * SECOND);
}

static void test_a_count_that_cannot_be_does_not_use_up_the_minute(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 10, .tokens_per_minute = 1000};
    struct lam_llm_share share = {.limits = limits, .whole = limits};
    struct lam_llm_end end = {.result = LAM_LLM_R_ANSWERED, .sent_us = SECOND, .tokens_reserved = 100, .tokens_used = 4000000001};
    struct lam_llm_flow flow;

    (void)state;
    lam_llm_flow_init(&flow, &share, 10, SECOND);
    lam_llm_flow_sent(&flow, 100, SECOND);
    lam_llm_flow_ended(&flow, &end, 2 * SECOND);
    assert_int_equal(lam_llm_flow_ready_us(&flow, 900, 2 * SECOND), 2 * SECOND); /* what was reserved counts */
    assert_true(lam_llm_flow_ready_us(&flow, 901, 2 * SECOND) > 2 * SECOND);
}

/* ---- the breaker ---- */

static void test_the_breaker_opens_probes_and_closes(void **state)
{
    struct lam_llm_breaker breaker;
    int64_t now_us = SECOND;

    (void)state;
    lam_llm_breaker_init(&breaker);
    for (int i = 0; i < 4; i++)
        assert_false(lam_llm_breaker_failure(&breaker, false, now_us, now_us, 0));
    assert_false(lam_llm_breaker_success(&breaker, false)); /* not in a row */
    for (int i = 0; i < 4; i++)
        assert_false(lam_llm_breaker_failure(&breaker, false, now_us, now_us, 0));
    assert_true(lam_llm_breaker_failure(&breaker, false, now_us, now_us, 0));
    assert_false(lam_llm_breaker_failure(&breaker, false, now_us, now_us, 0)); /* the rest of what was in flight */
    for (int64_t wait_s = 1; wait_s < 40; wait_s = wait_s < 16 ? 2 * wait_s : wait_s + 30) {
        int64_t expected_us = now_us + (wait_s < 30 ? wait_s : 30) * SECOND;

        assert_int_equal(lam_llm_breaker_ready_us(&breaker, now_us), expected_us);
        now_us = expected_us;
        assert_int_equal(lam_llm_breaker_ready_us(&breaker, now_us), now_us);
        assert_true(lam_llm_breaker_sent(&breaker));
        assert_int_equal(lam_llm_breaker_ready_us(&breaker, now_us), INT64_MAX); /* one probe at a time */
        assert_false(lam_llm_breaker_failure(&breaker, true, now_us, now_us, 0));
    }
    now_us = breaker.retry_us;
    lam_llm_breaker_ready_us(&breaker, now_us);
    assert_true(lam_llm_breaker_sent(&breaker));
    lam_llm_breaker_forgotten(&breaker, true); /* cancelled: another one may try */
    assert_int_equal(lam_llm_breaker_ready_us(&breaker, now_us), now_us);
    assert_true(lam_llm_breaker_sent(&breaker));
    assert_true(lam_llm_breaker_success(&breaker, true));
    assert_int_equal(lam_llm_breaker_ready_us(&breaker, now_us), now_us);
}

/* ---- the queue, against a list that is sorted ---- */

static void test_the_queue_loses_nothing(void **state)
{
    static struct lam_llm_wait waits[500];
    struct lam_llm_queue queue;
    struct lam_error err;
    size_t inside = 0;

    (void)state;
    random_state = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)random_state);
    assert_int_equal(lam_llm_queue_init(&queue, 500, &err), 0);
    for (int64_t now_us = 0; now_us < 100000; now_us++) {
        struct lam_llm_wait *wait = &waits[(size_t)(uniform() * 500)];
        bool in = wait->list || wait->heap_at;

        if (!in && uniform() < 0.7) {
            *wait = (struct lam_llm_wait){.prefix = (uint64_t)(uniform() * 5), .size = (uint64_t)(uniform() * 100), .deadline_us = INT64_MAX, .avoid = uniform() < 0.1};
            if (uniform() < 0.5)
                lam_llm_queue_put(&queue, wait);
            else
                lam_llm_queue_again(&queue, wait, now_us + (int64_t)(uniform() * 100));
            inside++;
        } else if (in && uniform() < 0.3) {
            lam_llm_queue_remove(&queue, wait);
            inside--;
        } else if (uniform() < 0.6) {
            assert_true(lam_llm_queue_turn(&queue, now_us) > now_us);
            wait = lam_llm_queue_next(&queue, 1, 3);
            if (wait) {
                lam_llm_queue_remove(&queue, wait);
                inside--;
            }
        } else if (uniform() < 0.01) {
            lam_llm_queue_drain(&queue, uniform() < 0.5);
        }
        assert_int_equal(queue.count, inside);
    }
    while (lam_llm_queue_any(&queue)) {
        lam_llm_queue_remove(&queue, lam_llm_queue_any(&queue));
        inside--;
    }
    assert_int_equal(inside, 0);
    lam_llm_queue_release(&queue);
}

static int seed_random(void **state)
{
    (void)state;
    random_state = 20261122; /* the simulations: the same each time */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_server_without_bounds_gets_the_maximum, seed_random),
        cmocka_unit_test_setup(test_a_server_that_queues_without_bound_is_kept_full_but_not_flooded, seed_random),
        cmocka_unit_test_setup(test_to_find_the_limit_costs_no_more_than_doubling_takes, seed_random),
        cmocka_unit_test_setup(test_the_start_does_not_flood_a_line, seed_random),
        cmocka_unit_test_setup(test_a_batching_server_is_not_mistaken_for_a_queue, seed_random),
        cmocka_unit_test_setup(test_429_bring_the_limit_down_and_it_comes_back, seed_random),
        cmocka_unit_test_setup(test_who_lets_nothing_through_is_asked_more_and_more_rarely, seed_random),
        cmocka_unit_test(test_pauses_are_obeyed),
        cmocka_unit_test(test_a_word_of_no_wait_does_not_end_the_back_off),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_no_minute_sees_more_than_its_budget),
        cmocka_unit_test(test_unused_tokens_come_back_to_the_budget),
        cmocka_unit_test(test_a_count_that_cannot_be_does_not_use_up_the_minute),
        cmocka_unit_test(test_the_breaker_opens_probes_and_closes),
        cmocka_unit_test(test_the_queue_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
