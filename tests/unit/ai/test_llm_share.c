/*
 * An endpoint's limits over ranks, in simulated time: ranks with their own flow control, a coordinator with its book, and messages between them that
 * come late, in any order, or never. What the ranks send together is held against the limits at each single request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "openai/flow.h"
#include "openai/share.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define STEP_US 20000
#define RANKS 8
#define SENDS 65536

static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(random_state >> 11) + 0.5) * 0x1p-53;
}

static void seed(void)
{
    random_state = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)random_state);
}

/* ---- the world ---- */

struct message {
    int64_t due_us;
    size_t rank;
    bool to_rank;
    struct lam_llm_demand demand;
    struct lam_llm_share share;
};

struct sent {
    int64_t at_us, end_us;
    size_t rank;
    uint64_t reserved, counts; /* counts: in tokens, by now */
    bool open;
};

struct rank {
    struct lam_llm_flow flow;
    unsigned backlog, sent;
    uint64_t tokens;      /* of a request */
    int64_t told_us, heard_us;
    struct lam_llm_demand told;
};

struct world {
    struct lam_llm_limits limits;
    size_t size;
    struct rank ranks[RANKS];
    struct lam_llm_book *book;
    struct message messages[1024];
    size_t message_count;
    struct sent sends[SENDS];
    size_t send_count, minute_first, open_first, open;
    uint64_t minute_tokens;
    int64_t now_us, looked_us;
    int64_t delay_us;     /* of a message: up to so much */
    int64_t latency_us;
    double lost, used;    /* part of the messages; used: of the tokens that were reserved, at the least */
    double unseen;        /* part of the requests: no answer in time, though the server may have counted all of it */
};

static struct world *world_new(struct lam_llm_limits limits, size_t size)
{
    struct world *world = calloc(1, sizeof *world);
    struct lam_error err;

    world->limits = limits;
    world->size = size;
    world->now_us = SECOND;
    world->delay_us = 2000;
    world->latency_us = 300000;
    world->used = 1;
    if (lam_llm_book_new(&world->book, &limits, size, &err))
        fail_msg("%s", err.text);
    for (size_t r = 0; r < size; r++) {
        struct lam_llm_share share;

        lam_llm_share_even(&limits, r, size, &share);
        lam_llm_flow_init(&world->ranks[r].flow, &share, 1000, world->now_us);
        world->ranks[r].tokens = 100;
    }
    return world;
}

static void world_free(struct world *world)
{
    lam_llm_book_free(world->book);
    free(world);
}

static void post(struct world *world, const struct message *message)
{
    if (uniform() < world->lost)
        return;
    assert_true(world->message_count < sizeof world->messages / sizeof *world->messages);
    world->messages[world->message_count] = *message;
    world->messages[world->message_count++].due_us = world->now_us + (int64_t)(uniform() * (double)world->delay_us);
}

/* As the application does it: an answer to who asked, and to who is silent and has too much. */
static void answer(struct world *world, size_t rank, bool asked)
{
    struct message message = {.rank = rank, .to_rank = true};

    world->ranks[rank].heard_us = world->now_us;
    if (!lam_llm_book_share(world->book, rank, &message.share) && !asked)
        return;
    post(world, &message);
}

static void deliver(struct world *world, const struct message *message)
{
    if (message->to_rank) {
        lam_llm_flow_set_share(&world->ranks[message->rank].flow, &message->share, world->now_us);
        return;
    }
    lam_llm_book_hear(world->book, message->rank, &message->demand);
    answer(world, message->rank, true);
    if (world->now_us - world->looked_us < LAM_LLM_TELL_US)
        return;
    world->looked_us = world->now_us;
    for (size_t r = 0; r < world->size; r++)
        if (world->now_us - world->ranks[r].heard_us >= LAM_LLM_SILENT_US)
            answer(world, r, false);
}

static void deliver_all(struct world *world)
{
    for (size_t i = 0; i < world->message_count;) {
        struct message message = world->messages[i];

        if (message.due_us > world->now_us) {
            i++;
            continue;
        }
        world->messages[i] = world->messages[--world->message_count];
        deliver(world, &message);
    }
}

static void tell(struct world *world, size_t r)
{
    struct rank *rank = &world->ranks[r];
    struct message message = {.rank = r};

    if (world->now_us - rank->told_us < LAM_LLM_TELL_US)
        return;
    rank->told_us = world->now_us;
    lam_llm_flow_demand(&rank->flow, rank->backlog, world->now_us, &message.demand);
    if (!lam_llm_demand_is_news(&rank->told, &message.demand))
        return;
    rank->told = message.demand;
    post(world, &message);
}

/* The claim itself: the minute that ends now, over all ranks. */
static void check(struct world *world)
{
    while (world->minute_first < world->send_count && world->now_us - world->sends[world->minute_first].at_us >= MINUTE)
        world->minute_tokens -= world->sends[world->minute_first++].counts;
    if (world->open > world->limits.concurrency)
        fail_msg("%.2f s: %zu requests at once", (double)world->now_us / 1e6, world->open);
    if (world->limits.requests_per_minute && world->send_count - world->minute_first > world->limits.requests_per_minute)
        fail_msg("%.2f s: %zu requests in a minute", (double)world->now_us / 1e6, world->send_count - world->minute_first);
    if (world->limits.tokens_per_minute && world->minute_tokens > world->limits.tokens_per_minute && world->send_count - world->minute_first > 1)
        fail_msg("%.2f s: %llu tokens in a minute", (double)world->now_us / 1e6, (unsigned long long)world->minute_tokens);
}

static void send_one(struct world *world, size_t r)
{
    struct rank *rank = &world->ranks[r];
    struct sent *sent = &world->sends[world->send_count++];

    assert_true(world->send_count < SENDS);
    *sent = (struct sent){world->now_us, world->now_us + (int64_t)((0.5 + uniform()) * (double)world->latency_us), r, rank->tokens, rank->tokens, true};
    lam_llm_flow_sent(&rank->flow, rank->tokens, world->now_us);
    rank->backlog--;
    rank->sent++;
    world->open++;
    world->minute_tokens += rank->tokens;
    check(world);
}

static void end_one(struct world *world, struct sent *sent)
{
    struct lam_llm_end end = {.result = LAM_LLM_R_ANSWERED, .sent_us = sent->at_us, .tokens_reserved = sent->reserved};

    if (uniform() < world->unseen) {
        end.result = LAM_LLM_R_TRANSPORT;
        end.unseen = true;
    } else {
        end.tokens_used = (uint64_t)((double)sent->reserved * (world->used + (1 - world->used) * uniform()));
    }
    lam_llm_flow_ended(&world->ranks[sent->rank].flow, &end, world->now_us);
    sent->open = false;
    world->open--;
    if (end.tokens_used && world->now_us - sent->at_us < MINUTE) {
        world->minute_tokens -= sent->counts - end.tokens_used;
        sent->counts = end.tokens_used;
    }
}

static void turn(struct world *world)
{
    world->now_us += STEP_US;
    deliver_all(world);
    check(world);
    for (size_t i = world->open_first; i < world->send_count; i++)
        if (world->sends[i].open && world->sends[i].end_us <= world->now_us)
            end_one(world, &world->sends[i]);
    while (world->open_first < world->send_count && !world->sends[world->open_first].open)
        world->open_first++;
    for (size_t r = 0; r < world->size; r++) {
        struct rank *rank = &world->ranks[r];

        while (rank->backlog && lam_llm_flow_ready_us(&rank->flow, rank->tokens, world->now_us) <= world->now_us)
            send_one(world, r);
        tell(world, r);
    }
}

static void live(struct world *world, int64_t us)
{
    for (int64_t until_us = world->now_us + us; world->now_us < until_us;)
        turn(world);
}

/* ---- never more than the limit ---- */

/* Work comes and goes, requests change in size, messages take up to seconds and get lost. */
static void test_no_minute_over_all_ranks_sees_more_than_the_limit(void **state)
{
    (void)state;
    seed();
    for (int round = 0; round < 24; round++) {
        struct lam_llm_limits limits = {.concurrency = 1 + (uint32_t)(uniform() * 60), .requests_per_minute = 1 + (uint32_t)(uniform() * 300),
                                        .tokens_per_minute = 500 + (uint64_t)(uniform() * 60000)};
        struct world *world = world_new(limits, 2 + (size_t)(uniform() * (RANKS - 1)));

        world->delay_us = (int64_t)(uniform() * 3e6);
        world->lost = round % 2 ? uniform() * 0.5 : 0;
        world->latency_us = (int64_t)(50000 + uniform() * 5e6);
        world->used = uniform();
        world->unseen = round % 3 ? uniform() * 0.6 : 0;
        while (world->now_us < 300 * SECOND) {
            for (size_t r = 0; r < world->size; r++) {
                if (uniform() < 0.02)
                    world->ranks[r].backlog = uniform() < 0.4 ? 0 : (unsigned)(uniform() * 200);
                if (uniform() < 0.02)
                    world->ranks[r].tokens = 1 + (uint64_t)(uniform() * 2000);
            }
            live(world, SECOND / 4);
        }
        world_free(world);
    }
}

/* Once, 83 requests went out within two seconds: what one rank no longer wanted, but had spent, was given to the other. */
static void test_a_spends_its_part_and_goes_idle_while_b_waits(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 64, .requests_per_minute = 60};
    struct world *world = world_new(limits, 2);
    struct rank *a = &world->ranks[0], *b = &world->ranks[1];

    (void)state;
    a->backlog = 30;
    b->backlog = 100;
    live(world, 2 * SECOND);
    assert_int_equal(a->sent, 30);
    assert_int_equal(b->sent, 30);
    live(world, 57 * SECOND);
    assert_int_equal(b->sent, 30); /* though it has asked for a minute */
    live(world, 6 * SECOND);
    assert_true(b->sent >= 80); /* what both had spent has grown old, and is all b's */
    live(world, 60 * SECOND);
    assert_int_equal(b->sent, 100);
    world_free(world);
}

/* ---- and nearly all of it ---- */

static void test_what_an_idle_rank_has_goes_to_the_one_that_works(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 64, .requests_per_minute = 60, .tokens_per_minute = 6000};
    struct world *world = world_new(limits, 5);

    (void)state;
    world->ranks[3].backlog = 1000;
    live(world, 3 * SECOND);
    assert_int_equal(world->ranks[3].sent, 60); /* at once: nobody else had spent anything */
    world->ranks[1].backlog = 1000; /* comes later, and has its half with the next minute */
    live(world, 117 * SECOND);
    assert_in_range(world->ranks[1].sent, 25, 35);
    assert_in_range(world->ranks[3].sent, 85, 95);
    world_free(world);
}

static void test_busy_ranks_use_all_of_the_limit(void **state)
{
    (void)state;
    seed();
    for (size_t size = 2; size <= RANKS; size += 2) {
        struct lam_llm_limits limits = {.concurrency = 200, .requests_per_minute = 240, .tokens_per_minute = 24000};
        struct world *world = world_new(limits, size);

        world->delay_us = 100000;
        for (size_t r = 0; r < size; r++)
            world->ranks[r].backlog = 100000;
        for (int i = 0; i < 600; i++) { /* all but one have none now and then */
            for (size_t r = 1; r < size; r++)
                if (uniform() < 0.1)
                    world->ranks[r].backlog = world->ranks[r].backlog ? 0 : 100000;
            live(world, SECOND);
        }
        if (world->send_count < 240 * 10 * 0.93)
            fail_msg("%zu ranks: %zu of %d requests", size, world->send_count, 240 * 10);
        world_free(world);
    }
}

/* Eight ranks, two requests a minute: a part of each would be of no use to anyone. */
static void test_who_waits_longest_comes_first_where_not_all_can(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 64, .tokens_per_minute = 10000};
    struct world *world = world_new(limits, 8);

    (void)state;
    for (size_t r = 0; r < 8; r++) {
        world->ranks[r].backlog = 1000;
        world->ranks[r].tokens = 4000;
    }
    live(world, 600 * SECOND);
    assert_true(world->send_count >= 18);
    for (size_t r = 0; r < 8; r++)
        assert_in_range(world->ranks[r].sent, 2, 3);
    world_free(world);
}

static void test_fewer_requests_a_minute_than_ranks(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 64, .requests_per_minute = 3};
    struct world *world = world_new(limits, 5);

    (void)state;
    for (size_t r = 0; r < 5; r++)
        world->ranks[r].backlog = 1000;
    live(world, 600 * SECOND);
    assert_true(world->send_count >= 26); /* a part that changes hands does so a second late */
    for (size_t r = 0; r < 5; r++)
        assert_true(world->ranks[r].sent >= 4); /* who is first in one minute may be in the next, but nobody goes without for two */
    world_free(world);
}

/* Requests at once: a slot changes hands. */
static void test_fewer_slots_than_ranks(void **state)
{
    (void)state;
    for (uint32_t slots = 1; slots <= 2; slots++)
        for (int64_t latency_us = 300000; latency_us <= 5 * SECOND; latency_us += 4700000) {
            struct lam_llm_limits limits = {.concurrency = slots};
            struct world *world = world_new(limits, 4);
            double all = 600e6 * slots / (double)latency_us;

            world->latency_us = latency_us;
            for (size_t r = 0; r < 4; r++)
                world->ranks[r].backlog = 100000;
            live(world, 600 * SECOND);
            print_message("%u slots, %.1f s: %u %u %u %u, of %.0f\n", slots, (double)latency_us / 1e6, world->ranks[0].sent, world->ranks[1].sent, world->ranks[2].sent, world->ranks[3].sent, all);
            assert_true((double)world->send_count >= 0.6 * all);
            for (size_t r = 0; r < 4; r++)
                assert_true((double)world->ranks[r].sent >= 0.15 * (double)world->send_count);
            world_free(world);
        }
}

/* A request beyond the whole budget goes out alone, as with one rank: check() lets one pass, and no second beside it. */
static void test_a_request_beyond_the_whole_budget_goes_out_alone(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 64, .tokens_per_minute = 1000};
    struct world *world = world_new(limits, 2);

    (void)state;
    for (size_t r = 0; r < 2; r++) {
        world->ranks[r].backlog = 10;
        world->ranks[r].tokens = 3000;
    }
    live(world, 300 * SECOND);
    assert_in_range(world->send_count, 4, 5);
    assert_true(world->ranks[0].sent >= 2 && world->ranks[1].sent >= 2);
    world_free(world);
}

/* ---- the book ---- */

static void test_parts_add_up_and_follow_demand(void **state)
{
    (void)state;
    seed();
    for (int round = 0; round < 500; round++) {
        struct lam_llm_limits limits = {(uint32_t)(uniform() * 100), (uint32_t)(uniform() * 1000), (uint64_t)(uniform() * 1e6)};
        size_t size = 1 + (size_t)(uniform() * RANKS);
        struct lam_llm_demand demands[RANKS] = {0};
        struct lam_llm_share shares[RANKS];
        uint64_t sums[3] = {0}, wanted = 0;
        struct lam_llm_book *book;
        struct lam_error err;

        assert_int_equal(lam_llm_book_new(&book, &limits, size, &err), 0);
        for (size_t r = 0; r < size; r++) {
            demands[r].waiting = uniform() < 0.5 ? 0 : (uint32_t)(uniform() * 1000);
            demands[r].wanted = (uint32_t)(uniform() * demands[r].waiting);
            demands[r].pause_ms = uniform() < 0.8 ? 0 : 1000 * (uint32_t)(r + 1);
            demands[r].refused = uniform() < 0.1;
            wanted += demands[r].refused ? 0 : demands[r].wanted;
        }
        for (int i = 0; i < 4; i++) /* what one gives up another has two words later */
            for (size_t r = 0; r < size; r++) {
                lam_llm_book_hear(book, r, &demands[r]);
                lam_llm_book_share(book, r, &shares[r]);
                demands[r].number = shares[r].number;
            }
        for (size_t r = 0; r < size; r++) {
            uint32_t want = demands[r].refused ? 0 : demands[r].wanted;

            sums[0] += shares[r].limits.concurrency;
            sums[1] += shares[r].limits.requests_per_minute;
            sums[2] += shares[r].limits.tokens_per_minute;
            assert_int_equal(shares[r].pause_ms, shares[0].pause_ms);
            assert_true(shares[r].pause_ms >= demands[r].pause_ms);
            if (wanted <= limits.concurrency) /* enough for all: everyone has what it wants */
                assert_true(shares[r].limits.concurrency >= want);
            else /* else nobody has more than it wants */
                assert_true(shares[r].limits.concurrency <= want);
        }
        assert_int_equal(sums[0], limits.concurrency);
        assert_int_equal(sums[1], limits.requests_per_minute);
        assert_int_equal(sums[2], limits.tokens_per_minute);
        lam_llm_book_free(book);
    }
}

static void test_even_parts_add_up(void **state)
{
    struct lam_llm_limits limits = {10, 0, 100};
    struct lam_llm_share share;
    unsigned sum = 0;

    (void)state;
    for (size_t r = 0; r < 3; r++) {
        lam_llm_share_even(&limits, r, 3, &share);
        sum += share.limits.concurrency;
        assert_int_equal(share.limits.requests_per_minute, 0);
        assert_int_equal(share.whole.requests_per_minute, 0);
        assert_int_equal(share.whole.tokens_per_minute, 100);
    }
    assert_int_equal(sum, 10);
}

/* A word that was overtaken must not bring back what its rank has given up since. */
static void test_an_old_word_and_an_old_share_change_nothing(void **state)
{
    struct lam_llm_limits limits = {.concurrency = 10, .requests_per_minute = 10};
    struct lam_llm_demand early = {0}, idle = {.minute_requests = 5}, busy = {.waiting = 100, .wanted = 100};
    struct lam_llm_share first, second, other;
    struct lam_llm_flow flow;
    struct lam_llm_book *book;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_llm_book_new(&book, &limits, 2, &err), 0);
    lam_llm_book_hear(book, 1, &busy);
    lam_llm_book_hear(book, 0, &early);
    assert_true(lam_llm_book_share(book, 0, &first));
    assert_int_equal(first.limits.requests_per_minute, 0);
    lam_llm_book_share(book, 1, &other);
    assert_int_equal(other.limits.requests_per_minute, 5); /* rank 0 may still send by its even part, and did before it had the other one */
    idle.number = first.number;
    lam_llm_book_hear(book, 0, &idle);
    lam_llm_book_hear(book, 0, &early); /* overtaken */
    lam_llm_book_share(book, 1, &other);
    assert_int_equal(other.limits.requests_per_minute, 5);
    idle.minute_requests = 0;
    lam_llm_book_hear(book, 0, &idle);
    lam_llm_book_share(book, 0, &second);
    assert_int_equal(second.limits.requests_per_minute, 0);
    lam_llm_book_share(book, 1, &other);
    assert_int_equal(other.limits.requests_per_minute, 10);

    lam_llm_share_even(&limits, 0, 2, &other);
    lam_llm_flow_init(&flow, &other, 10, SECOND);
    lam_llm_flow_set_share(&flow, &first, SECOND);
    lam_llm_flow_set_share(&flow, &other, SECOND); /* comes behind it */
    assert_true(lam_llm_flow_ready_us(&flow, 1, SECOND) > SECOND);
    lam_llm_book_free(book);
}

/* Reports and shares cross each other and are old when they arrive; a pause must end all the same, on all ranks. */
static void test_a_pause_is_for_all_ranks_and_ends(void **state)
{
    struct world *world = world_new((struct lam_llm_limits){.concurrency = 20}, 2);
    struct lam_llm_end end = {.result = LAM_LLM_R_LIMITED, .sent_us = world->now_us};
    struct lam_llm_headers headers;
    int64_t begin_us = world->now_us;

    (void)state;
    lam_llm_headers_init(&headers);
    headers.retry_after_ms = 5000;
    end.headers = &headers;
    lam_llm_flow_sent(&world->ranks[0].flow, 0, world->now_us);
    lam_llm_flow_ended(&world->ranks[0].flow, &end, world->now_us);
    world->ranks[0].backlog = 5;
    live(world, SECOND);
    world->ranks[1].backlog = 5;
    live(world, 2 * SECOND);
    assert_int_equal(world->ranks[1].sent, 0); /* the other one waits, too */
    while (world->ranks[0].sent + world->ranks[1].sent < 10)
        turn(world);
    assert_in_range(world->now_us - begin_us, 5 * SECOND, 7 * SECOND);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_minute_over_all_ranks_sees_more_than_the_limit),
        cmocka_unit_test(test_a_spends_its_part_and_goes_idle_while_b_waits),
        cmocka_unit_test(test_what_an_idle_rank_has_goes_to_the_one_that_works),
        cmocka_unit_test(test_busy_ranks_use_all_of_the_limit),
        cmocka_unit_test(test_who_waits_longest_comes_first_where_not_all_can),
        cmocka_unit_test(test_fewer_requests_a_minute_than_ranks),
        cmocka_unit_test(test_fewer_slots_than_ranks),
        cmocka_unit_test(test_a_request_beyond_the_whole_budget_goes_out_alone),
        cmocka_unit_test(test_parts_add_up_and_follow_demand),
        cmocka_unit_test(test_even_parts_add_up),
        cmocka_unit_test(test_an_old_word_and_an_old_share_change_nothing),
        cmocka_unit_test(test_a_pause_is_for_all_ranks_and_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
