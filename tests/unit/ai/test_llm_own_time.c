/* A request that has a time of its own: it ends with it, whatever its server does, and costs the endpoint nothing. */
#include "llm_kit.h"

#define LONG_US INT64_C(30000000)

/* Requests with an odd number are slow. */
static void play(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    if (kit_number(request) % 2)
        reply->delay_us = LONG_US;
}

static void test_it_ends_with_its_time(void **state)
{
    struct lam_llm_request hurried = {.tokens = 10, .max_tokens = 20, .time_ms = 200};
    struct kit *kit = kit_new(play, NULL);
    struct llm_server_counts counts;

    (void)state;
    kit->options.attempt_timeout_ms = kit->options.deadline_ms = 120000;
    kit_open(kit);
    for (int i = 0; i < 8; i++)
        assert_int_equal(kit_send_as(kit, &hurried, NULL), 0);
    kit_wait(kit);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(kit->results[i].outcome, i % 2 ? LAM_LLM_LATER : LAM_LLM_ANSWERED);
        assert_int_equal(kit->results[i].timed_out, i % 2);
    }
    llm_server_counts(kit->servers[0], &counts);
    assert_int_equal(counts.requests, 8); /* none is sent again */
    kit_free(kit);
}

/* 500 to what comes first. */
static void fail_once(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    if (!request->number)
        *reply = (struct llm_reply){.status = 500, .body = "{\"error\":\"busy\"}"};
}

static void test_what_fails_before_is_sent_again_within_it(void **state)
{
    struct lam_llm_request request = {.tokens = 10, .max_tokens = 20, .time_ms = 60000};
    struct kit *kit = kit_new(fail_once, NULL);

    (void)state;
    kit_open(kit);
    assert_int_equal(kit_send_as(kit, &request, NULL), 0);
    kit_wait(kit);
    assert_int_equal(kit->results[0].outcome, LAM_LLM_ANSWERED);
    assert_int_equal(kit->results[0].attempts, 2);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_ends_with_its_time),
        cmocka_unit_test(test_what_fails_before_is_sent_again_within_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
