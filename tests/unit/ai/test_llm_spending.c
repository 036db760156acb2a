/* What a run may spend: never passed by reservations, whatever many threads do at once, given back to the last coin, and no end for the others where one takes too much. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/spending.h"

enum { THREADS = 8, TURNS = 20000 };

static void what_is_reserved_counts_until_it_is_known_what_was_spent(void **state)
{
    struct lam_spending spending;

    (void)state;
    lam_spending_init(&spending, 1000, 0.5);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){600, 0.1}), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){401, 0.1}), LAM_SPENDING_WAIT);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    lam_spending_settle(&spending, (struct lam_spent){600, 0.1}, (struct lam_spent){600, 0.1});
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){401, 0.1}), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){100, 0.45}), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS); /* the first one stays */
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){400, 0.05}), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){100, 0.1}), LAM_SPENDING_NO); /* nobody waits once it is reached */
    assert_int_equal(lam_spending_reserved(&spending).tokens, 400);
    lam_spending_settle(&spending, (struct lam_spent){400, 0.05}, (struct lam_spent){0, 0});
    assert_int_equal(lam_spending_reserved(&spending).tokens, 0);
    assert_true(lam_spending_reserved(&spending).cost <= 0);
    lam_spending_begin(&spending);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){1, 0.3}), LAM_SPENDING_YES);
    lam_spending_settle(&spending, (struct lam_spent){1, 0.3}, (struct lam_spent){1, 0.3});
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){1, 0.3}), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_COST);
    lam_spending_release(&spending);
    lam_spending_init(&spending, 0, 0);
    assert_int_equal(lam_spending_ask(&spending, (struct lam_spent){UINT64_MAX / 2, 1e9}), LAM_SPENDING_YES); /* no limit */
    lam_spending_release(&spending);
}

/* Nobody knows beforehand which endpoint it will be: the one of another kind or tier it is not. */
static void an_expected_cost_is_by_the_weights_of_those_that_could_answer(void **state)
{
    const struct lam_job_endpoint endpoints[] = {{.kind = LAM_JOB_CHAT, .weight = 1, .price_in = 2, .price_out = 10},
                                                 {.kind = LAM_JOB_CHAT, .weight = 3, .price_in = 4, .price_out = 20},
                                                 {.kind = LAM_JOB_CHAT, .weight = 9, .tier = 1, .price_in = 50},
                                                 {.kind = LAM_JOB_EMBEDDINGS, .weight = 9, .price_in = 90}};
    const struct lam_job_deep deep = {.endpoints = endpoints, .endpoint_count = 4};

    (void)state;
    assert_float_equal(lam_endpoint_cost(&endpoints[0], 1e6, 5e5), 7, 1e-9);
    assert_float_equal(lam_expected_cost(&deep, LAM_JOB_CHAT, 0, 1e6, 0), (2 + 3 * 4) / 4.0, 1e-9);
    assert_float_equal(lam_expected_cost(&deep, LAM_JOB_CHAT, 0, 0, 1e6), (10 + 3 * 20) / 4.0, 1e-9);
    assert_float_equal(lam_expected_cost(&deep, LAM_JOB_CHAT, 1, 1e6, 1e6), 50, 1e-9);
    assert_float_equal(lam_expected_cost(&deep, LAM_JOB_CHAT, 2, 1e6, 1e6), 0, 1e-9); /* nobody */
    assert_float_equal(lam_spent_at_most(&deep, LAM_JOB_CHAT, 0, 1000000, 0).cost, 4, 1e-9);
}

struct spender {
    struct lam_spending *spending;
    unsigned seed;
    uint64_t spent;
};

static void *spend(void *arg)
{
    struct spender *spender = arg;

    for (int i = 0; i < TURNS; i++) {
        uint64_t most = 1 + (uint64_t)rand_r(&spender->seed) % 100, used = most / 2;
        struct lam_spent reserved = {most, (double)most / 1e6};

        if (lam_spending_await(spender->spending, reserved) != LAM_SPENDING_YES)
            continue;
        lam_spending_settle(spender->spending, reserved, (struct lam_spent){used, (double)used / 1e6});
        spender->spent += used;
    }
    return NULL;
}

static void many_at_once_never_pass_a_limit(void **state)
{
    struct spender spenders[THREADS];
    struct lam_spending spending;
    pthread_t threads[THREADS];
    uint64_t spent = 0;

    (void)state;
    lam_spending_init(&spending, 1000000, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        spenders[i] = (struct spender){.spending = &spending, .seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, spend, &spenders[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        spent += spenders[i].spent;
    }
    assert_true(spent <= 1000000);
    assert_true(spent > 1000000 - 100); /* what is lost is less than one takes */
    assert_int_equal(spending.spent.tokens, spent);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS);
    assert_int_equal(lam_spending_reserved(&spending).tokens, 0);
    lam_spending_release(&spending);
}

/* Alone: what is under way may take less than was reserved. */
static void who_can_wait_is_told_no_only_once_nothing_more_can_come(void **state)
{
    const struct lam_spent most = {600, 0}, used = {300, 0};
    struct lam_spending spending;

    (void)state;
    lam_spending_init(&spending, 1000, 0);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_WAIT);
    assert_true(lam_spending_waits(&spending));
    lam_spending_settle(&spending, most, used);
    assert_false(lam_spending_waits(&spending));
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_YES);
    lam_spending_settle(&spending, most, most);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS);
    lam_spending_release(&spending);
}

static void one_that_is_too_much_alone_ends_nothing_for_the_others(void **state)
{
    const struct lam_spent more = {1001, 0}, most = {1500, 0}, some = {400, 0};
    struct lam_spending spending;
    struct lam_spent told;

    (void)state;
    lam_spending_init(&spending, 1000, 0);
    assert_int_equal(lam_spending_ask(&spending, some), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_ask(&spending, more), LAM_SPENDING_NEVER); /* not even when what is under way has settled */
    assert_false(lam_spending_waits(&spending));
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    assert_int_equal(lam_spending_too_much(&spending, &told), LAM_LIMIT_NONE); /* it may do in parts */
    assert_true(lam_spending_pass_by(&spending, more));
    assert_false(lam_spending_pass_by(&spending, most));
    assert_false(lam_spending_pass_by(&spending, more));
    assert_int_equal(lam_spending_too_much(&spending, &told), LAM_LIMIT_TOKENS);
    assert_int_equal(told.tokens, 1500);
    assert_int_equal(lam_spending_ask(&spending, some), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    lam_spending_begin(&spending);
    assert_int_equal(lam_spending_too_much(&spending, &told), LAM_LIMIT_NONE);
    lam_spending_close(&spending);
    assert_int_equal(lam_spending_ask(&spending, more), LAM_SPENDING_NO);
    lam_spending_release(&spending);
}

/* Of parts that are not shared: what the whole limit would do for is too much for a rank, and no end for what its part does for. */
static void one_that_is_more_than_the_part_of_a_rank_is_passed_by_there(void **state)
{
    const struct lam_job_deep deep = {.max_tokens = 1000, .max_cost = 1};
    const struct lam_spent more = {501, 0}, dear = {100, 0.6}, some = {400, 0.2};
    struct lam_spending spending;
    struct lam_spent told;

    (void)state;
    lam_spending_init_part(&spending, &deep, 2);
    assert_int_equal(lam_spending_await(&spending, more), LAM_SPENDING_NEVER);
    assert_true(lam_spending_pass_by(&spending, more));
    assert_int_equal(lam_spending_too_much(&spending, &told), LAM_LIMIT_TOKENS);
    assert_int_equal(told.tokens, 501);
    assert_int_equal(lam_spending_await(&spending, dear), LAM_SPENDING_NEVER);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    assert_int_equal(lam_spending_await(&spending, some), LAM_SPENDING_YES);
    lam_spending_settle(&spending, some, some);
    assert_int_equal(lam_spending_await(&spending, some), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS);
    lam_spending_release(&spending);
    lam_spending_init_part(&spending, &deep, 2);
    lam_spending_set_shared(&spending);
    assert_int_equal(lam_spending_ask(&spending, more), LAM_SPENDING_WAIT); /* for another rank's part */
    lam_spending_release(&spending);
}

struct waiter {
    struct lam_spending *spending;
    struct lam_spent most;
    enum lam_spending_leave leave;
};

static void *await_leave(void *arg)
{
    struct waiter *waiter = arg;

    waiter->leave = lam_spending_await(waiter->spending, waiter->most);
    return NULL;
}

static void who_waits_goes_on_when_others_have_settled_and_ends_with_the_run(void **state)
{
    const struct lam_spent most = {600, 0}, used = {300, 0};
    struct lam_spending spending;
    struct waiter waiter = {.spending = &spending, .most = most};
    pthread_t thread;

    (void)state;
    lam_spending_init(&spending, 1000, 0);
    assert_int_equal(lam_spending_await(&spending, most), LAM_SPENDING_YES);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(pthread_create(&thread, NULL, await_leave, &waiter), 0);
        while (!lam_spending_waits(&spending))
            sched_yield();
        if (turn == 0)
            lam_spending_settle(&spending, most, used);
        else
            lam_spending_close(&spending);
        pthread_join(thread, NULL);
        assert_int_equal(waiter.leave, turn == 0 ? LAM_SPENDING_YES : LAM_SPENDING_NO);
    }
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_NONE);
    lam_spending_release(&spending);
}

static void a_part_that_is_not_used_goes_back_and_another_comes(void **state)
{
    const struct lam_job_deep deep = {.max_tokens = 1200};
    const struct lam_spent most = {500, 0};
    struct lam_spending_share share = {.wanted = 1};
    struct lam_spending_word word;
    struct lam_spending spending;

    (void)state;
    lam_spending_init_part(&spending, &deep, 3);
    lam_spending_set_shared(&spending);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_WAIT);
    lam_spending_tell(&spending, &word);
    assert_int_equal(word.given.tokens, 400);
    assert_int_equal(word.need.tokens, 500);
    share.given = word.given;
    lam_spending_hear(&spending, &share, false); /* what is too little alone */
    lam_spending_tell(&spending, &word);
    assert_int_equal(word.returned.tokens, 400);
    assert_int_equal(word.turn, 1);
    share = (struct lam_spending_share){.given = {900, 0}};
    lam_spending_hear(&spending, &share, false);
    lam_spending_hear(&spending, &share, false); /* told twice, given once */
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_YES);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_WAIT);
    share.over = 1;
    lam_spending_hear(&spending, &share, false); /* of a turn that is long over */
    assert_true(lam_spending_waits(&spending));
    share.over = 2;
    lam_spending_hear(&spending, &share, false);
    assert_int_equal(lam_spending_ask(&spending, most), LAM_SPENDING_NO);
    assert_int_equal(lam_spending_reached(&spending), LAM_LIMIT_TOKENS);
    lam_spending_settle(&spending, most, (struct lam_spent){400, 0});
    share = (struct lam_spending_share){.given = {900, 0}, .wanted = 1};
    lam_spending_hear(&spending, &share, true);
    lam_spending_tell(&spending, &word);
    assert_int_equal(word.given.tokens - word.returned.tokens, 400); /* what it has spent stays with it */
    lam_spending_release(&spending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_reserved_counts_until_it_is_known_what_was_spent),
        cmocka_unit_test(an_expected_cost_is_by_the_weights_of_those_that_could_answer),
        cmocka_unit_test(who_can_wait_is_told_no_only_once_nothing_more_can_come),
        cmocka_unit_test(one_that_is_too_much_alone_ends_nothing_for_the_others),
        cmocka_unit_test(one_that_is_more_than_the_part_of_a_rank_is_passed_by_there),
        cmocka_unit_test(who_waits_goes_on_when_others_have_settled_and_ends_with_the_run),
        cmocka_unit_test(a_part_that_is_not_used_goes_back_and_another_comes),
        cmocka_unit_test(many_at_once_never_pass_a_limit),
    };

    return cmocka_run_group_tests_name("spending", tests, NULL, NULL);
}
