/* The client against servers that behave: every request once, in the right order, within the limits, over the right endpoint. */
#include "llm_kit.h"

static void test_every_request_is_answered_once(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);
    struct lam_llm_counters counters;

    (void)state;
    kit->options.max_open = KIT_REQUESTS;
    kit_open(kit);
    kit_send(kit, 2000);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 2000);
    assert_non_null(strstr(kit->results[7].body, "\"choices\""));
    assert_string_equal(kit->results[7].reason, "");
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_int_equal(counters.requests, 2000);
    assert_int_equal(counters.answered, 2000);
    assert_true(counters.connections <= 64);
    kit_free(kit);
}

struct sender {
    pthread_t thread;
    struct kit *kit;
    unsigned first, count;
};

static void *send_many(void *arg)
{
    struct sender *sender = arg;
    struct lam_error err;

    for (unsigned i = sender->first; i < sender->first + sender->count; i++) {
        struct kit_result *result = &sender->kit->results[i];
        struct lam_llm_request request = {.body = LAM_SV("\"messages\":[]"), .done = kit_done, .arg = result};
        uint64_t id;
        int rc;

        memcpy(result->body, &sender->kit, sizeof sender->kit);
        while ((rc = lam_llm_client_submit(sender->kit->client, &request, &id, &err)) == LAM_PENDING)
            usleep(100);
        if (rc)
            abort();
        if (i % 7 == 0)
            lam_llm_client_cancel(sender->kit->client, id);
    }
    return NULL;
}

static void test_many_threads_send_and_cancel(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);
    struct sender senders[4];

    (void)state;
    kit->options.max_open = 50;
    kit_open(kit);
    for (unsigned i = 0; i < 4; i++) {
        senders[i] = (struct sender){.kit = kit, .first = i * 300, .count = 300};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(senders[i].thread, NULL);
    kit->sent = 1200;
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED) + kit_count(kit, LAM_LLM_CANCELLED), 1200);
    assert_true(kit_count(kit, LAM_LLM_ANSWERED) >= 1200 - 4 * 43);
    kit_free(kit);
}

static void test_more_than_the_bound_is_refused_for_now(void **state)
{
    struct llm_reply reply = {.delay_us = 200000};
    struct kit *kit = kit_new(kit_same, &reply);

    (void)state;
    kit->options.max_open = 10;
    kit_open(kit);
    kit_send(kit, 10);
    assert_int_equal(kit_send_as(kit, NULL, NULL), LAM_PENDING);
    kit_wait(kit);
    assert_int_equal(kit_send_as(kit, NULL, NULL), 0);
    kit_wait(kit);
    kit_free(kit);
}

static void test_concurrency_stays_within_its_limit(void **state)
{
    struct llm_reply reply = {.delay_us = 20000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct llm_server_counts counts;

    (void)state;
    kit->endpoints[0].limits.concurrency = 7;
    kit_open(kit);
    kit_send(kit, 100);
    kit_wait(kit);
    llm_server_counts(kit->servers[0], &counts);
    assert_in_range(counts.open_max, 2, 7); /* 7 on a machine with time for it */
    assert_in_range(counts.connections, 2, 7);
    kit_free(kit);
}

static void test_cancelled_requests_leave_the_server(void **state)
{
    struct llm_reply reply = {.delay_us = 30000000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct llm_server_counts counts;
    uint64_t id;

    (void)state;
    kit_open(kit);
    assert_int_equal(kit_send_as(kit, NULL, &id), 0);
    kit_send(kit, 9);
    do {
        usleep(1000);
        llm_server_counts(kit->servers[0], &counts);
    } while (counts.open < 10);
    lam_llm_client_cancel(kit->client, id);
    while (!atomic_load(&kit->results[0].calls))
        usleep(1000);
    assert_int_equal(kit->results[0].outcome, LAM_LLM_CANCELLED);
    while (llm_server_counts(kit->servers[0], &counts), counts.aborted < 1)
        usleep(1000);
    lam_llm_client_cancel(kit->client, id); /* names nothing any more */
    lam_llm_client_cancel_all(kit->client);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_CANCELLED), 10);
    kit_free(kit);
}

static void test_close_calls_back_all_that_is_open(void **state)
{
    struct llm_reply reply = {.delay_us = 30000000};
    struct kit *kit = kit_new(kit_same, &reply);

    (void)state;
    kit_open(kit);
    kit_send(kit, 200); /* some in flight, some waiting, some not even taken up */
    lam_llm_client_close(kit->client);
    assert_int_equal(atomic_load(&kit->done), 200);
    assert_int_equal(kit_count(kit, LAM_LLM_CANCELLED), 200);
    kit->client = NULL;
    kit_free(kit);
}

/* ---- order ---- */

struct order {
    atomic_uint count;
    unsigned numbers[64];
    atomic_bool hold;
};

static void note_order(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct order *order = arg;

    order->numbers[atomic_fetch_add(&order->count, 1)] = kit_number(request);
    reply->delay_us = atomic_load(&order->count) == 1 ? 1000000 : 0; /* while the first one is under way, all others come in */
}

static void test_same_prefixes_go_out_together(void **state)
{
    struct order order = {0};
    struct kit *kit = kit_new(note_order, &order);
    static const unsigned expected[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};

    (void)state;
    kit->endpoints[0].limits.concurrency = 1;
    kit_open(kit);
    for (unsigned i = 0; i < 10; i++)
        kit_send_as(kit, &(struct lam_llm_request){.prefix = i % 2 + 1, .tokens = 1}, NULL);
    kit_wait(kit);
    assert_memory_equal(order.numbers, expected, sizeof expected);
    kit_free(kit);
}

static void test_the_largest_go_first_when_no_more_come(void **state)
{
    struct order order = {0};
    struct kit *kit = kit_new(note_order, &order);
    static const unsigned expected[] = {0, 5, 4, 3, 2, 1};

    (void)state;
    kit->endpoints[0].limits.concurrency = 1;
    kit_open(kit);
    for (unsigned i = 0; i < 6; i++)
        kit_send_as(kit, &(struct lam_llm_request){.max_tokens = 100 * i}, NULL);
    while (!atomic_load(&order.count))
        usleep(1000);
    lam_llm_client_drain(kit->client, true);
    kit_wait(kit);
    assert_memory_equal(order.numbers, expected, sizeof expected);
    kit_free(kit);
}

/* ---- several endpoints ---- */

/* Where both have room: a full one takes nothing, whatever its weight. */
static void test_weights_divide_the_work(void **state)
{
    struct llm_reply reply = {.delay_us = 100000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct llm_server_counts counts[2];

    (void)state;
    kit->endpoints[0].limits.concurrency = kit->endpoints[0].start = 400;
    kit_add(kit, kit_same, &reply);
    kit->endpoints[1].weight = 3;
    kit_open(kit);
    kit_send(kit, 400);
    kit_wait(kit);
    for (int i = 0; i < 2; i++)
        llm_server_counts(kit->servers[i], &counts[i]);
    assert_int_equal(counts[0].requests, 100);
    assert_int_equal(counts[1].requests, 300);
    kit_free(kit);
}

static void test_steps_and_kinds_have_their_endpoints(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);
    struct lam_error err;

    (void)state;
    kit->endpoints[0].kinds = 1 << LAM_LLM_CHAT;
    kit_add(kit, NULL, NULL);
    kit->endpoints[1].tier = 1;
    kit->endpoints[1].kinds = 1 << LAM_LLM_EMBEDDINGS;
    kit_open(kit);
    for (unsigned i = 0; i < 20; i++)
        kit_send_as(kit, &(struct lam_llm_request){.tier = i % 2, .kind = i % 2 ? LAM_LLM_EMBEDDINGS : LAM_LLM_CHAT}, NULL);
    kit_wait(kit);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(kit->results[i].endpoint, i % 2);
        assert_non_null(strstr(kit->results[i].body, i % 2 ? "\"embedding\"" : "\"choices\""));
    }
    assert_int_equal(lam_llm_client_submit(kit->client, &(struct lam_llm_request){.tier = 1, .body = LAM_SV("x")}, NULL, &err), LAM_E_INVALID);
    assert_int_equal(lam_llm_client_submit(kit->client, &(struct lam_llm_request){.tier = 2, .body = LAM_SV("x")}, NULL, &err), LAM_E_INVALID);
    kit_free(kit);
}

static void test_another_endpoint_where_one_is_to_be_avoided(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);

    (void)state;
    kit_add(kit, NULL, NULL);
    kit_open(kit);
    for (unsigned i = 0; i < 20; i++)
        kit_send_as(kit, &(struct lam_llm_request){.avoid = 1}, NULL);
    kit_wait(kit);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(kit->results[i].endpoint, 1);
    kit_send_as(kit, &(struct lam_llm_request){.avoid = 3}, NULL); /* nowhere else: there after all */
    kit_wait(kit);
    assert_int_equal(kit->results[20].outcome, LAM_LLM_ANSWERED);
    kit_free(kit);
}

/* ---- hedging ---- */

static void one_straggler(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    reply->delay_us = request->number == 100 ? 60000000 : 2000;
}

static void test_a_straggler_is_asked_again_and_its_loser_cancelled(void **state)
{
    struct kit *kit = kit_new(one_straggler, NULL);
    struct llm_server_counts counts;
    struct lam_llm_counters counters;
    unsigned hedged = 0;

    (void)state;
    kit->options.hedge_budget = 0.02;
    kit->options.hedge_min_ms = 100;
    kit_open(kit);
    kit_send(kit, 200);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 200);
    for (unsigned i = 0; i < 200; i++)
        hedged += kit->results[i].hedged;
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_true(hedged >= 1 && hedged <= 5);
    assert_int_equal(counters.hedges, hedged);
    assert_true(counters.hedges_won >= 1);
    while (llm_server_counts(kit->servers[0], &counts), counts.aborted < 1) /* its connection was closed */
        usleep(1000);
    kit_free(kit);
}

static void test_a_full_server_sees_no_hedge(void **state)
{
    struct kit *kit = kit_new(one_straggler, NULL);
    struct lam_llm_counters counters;

    (void)state;
    kit->options.hedge_budget = 0.5;
    kit->options.hedge_min_ms = 0;
    kit->endpoints[0].limits.concurrency = 1;
    kit->options.attempt_timeout_ms = 1500;
    kit->options.transport_retries = 3;
    kit_open(kit);
    kit_send(kit, 120);
    kit_wait(kit);
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_int_equal(counters.hedges, 0);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 120); /* the straggler by a retry after its time was up */
    kit_free(kit);
}

/* ---- streams ---- */

#define EVENT(text) "data: {\"id\":\"c-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" text "}]}\r\n\r\n"

/* Knows streams, but not stream_options; other choices than the first are none of ours. */
static void stream_it(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    if (strstr(request->body, "\"stream_options\"")) {
        reply->status = 400;
        reply->body = "{\"error\":{\"message\":\"Unrecognized request argument supplied: stream_options\"}}";
    } else if (strstr(request->body, "\"stream\":true")) {
        reply->content_type = "text/event-stream; charset=utf-8";
        reply->chunked = true;
        reply->body = ": awake\r\n\r\n" EVENT("{\"role\":\"assistant\",\"content\":null}") EVENT("{\"content\":\"Hel\"}") EVENT("{\"content\":\"lo\\n\"}")
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}}]}\n\n" EVENT("{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\"}}]}")
            EVENT("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}]}") "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
            "data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\ndata: [DONE]\n\n";
    }
}

static void test_streamed_answers_are_put_together(void **state)
{
    atomic_uint requests = 0;
    struct kit *kit = kit_new(stream_it, &requests);

    (void)state;
    kit->endpoints[0].stream = true;
    kit->endpoints[0].limits.concurrency = 1;
    kit_open(kit);
    kit_send(kit, 5);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 5);
    assert_int_equal(atomic_load(&requests), 6);
    /* as much of it as the test keeps; whole, it has the finish_reason and the usage too */
    assert_non_null(strstr(kit->results[4].body, "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\\n\","
                                                 "\"tool_calls\":[{\"index\":0,\"type\":\"function\",\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}"));
    kit_free(kit);
}

/* ---- keys, proxies, shares ---- */

static atomic_uint with_key;

static void look_for_key(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    (void)reply;
    if (strstr(request->head, "Authorization: Bearer sk-secret-1\r\n"))
        atomic_fetch_add(&with_key, 1);
}

static void test_keys_come_from_the_environment_and_proxies_do_not(void **state)
{
    struct kit *kit = kit_new(look_for_key, NULL);
    struct lam_error err;

    (void)state;
    kit->endpoints[0].key_env = "LAMINA_TEST_LLM_KEY";
    unsetenv("LAMINA_TEST_LLM_KEY");
    assert_int_equal(lam_llm_client_open(&kit->options, &kit->client, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "LAMINA_TEST_LLM_KEY"));
    setenv("LAMINA_TEST_LLM_KEY", "sk-secret-1\r\nX-Evil: 1", 1);
    assert_int_equal(lam_llm_client_open(&kit->options, &kit->client, &err), LAM_E_INVALID);
    assert_null(strstr(err.text, "sk-secret"));
    setenv("LAMINA_TEST_LLM_KEY", "sk-secret-1", 1);
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    kit_open(kit);
    kit_send(kit, 5);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 5);
    assert_int_equal(atomic_load(&with_key), 5);
    unsetenv("http_proxy");
    kit_free(kit);
}

static void test_addresses_that_cannot_be_right_are_refused_at_open(void **state)
{
    static const char *const urls[] = {"", "localhost:8000/v1", "ftp://host/v1", "http://", "http://user:pass@host/v1", "http://host/a b"};
    struct kit *kit = kit_new(NULL, NULL);
    struct lam_error err;

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        kit->endpoints[0].url = urls[i];
        assert_int_equal(lam_llm_client_open(&kit->options, &kit->client, &err), LAM_E_INVALID);
        assert_null(strstr(err.text, "pass@"));
    }
    kit->options.endpoint_count = 0;
    assert_int_equal(lam_llm_client_open(&kit->options, &kit->client, &err), LAM_E_INVALID);
    kit_free(kit);
}

static void test_a_share_holds_and_is_followed(void **state)
{
    struct llm_reply reply = {.delay_us = 2000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct lam_llm_demand demand;
    struct llm_server_counts counts;
    struct lam_llm_share share = {.limits = {.concurrency = 0}};

    (void)state;
    kit_open(kit);
    lam_llm_client_set_share(kit->client, 0, &share);
    kit_send(kit, 100);
    do {
        usleep(1000);
        lam_llm_client_demand(kit->client, 0, &demand);
    } while (demand.wanted < 100); /* it says what it could use */
    llm_server_counts(kit->servers[0], &counts);
    assert_int_equal(counts.requests, 0);
    share.limits.concurrency = 3;
    lam_llm_client_set_share(kit->client, 0, &share);
    kit_wait(kit);
    llm_server_counts(kit->servers[0], &counts);
    assert_in_range(counts.open_max, 1, 3);
    lam_llm_client_demand(kit->client, 0, &demand);
    assert_int_equal(demand.open + demand.waiting + demand.wanted, 0); /* others may have it all, though nobody asks again */
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request_is_answered_once),
        cmocka_unit_test(test_many_threads_send_and_cancel),
        cmocka_unit_test(test_more_than_the_bound_is_refused_for_now),
        cmocka_unit_test(test_concurrency_stays_within_its_limit),
        cmocka_unit_test(test_cancelled_requests_leave_the_server),
        cmocka_unit_test(test_close_calls_back_all_that_is_open),
        cmocka_unit_test(test_same_prefixes_go_out_together),
        cmocka_unit_test(test_the_largest_go_first_when_no_more_come),
        cmocka_unit_test(test_weights_divide_the_work),
        cmocka_unit_test(test_steps_and_kinds_have_their_endpoints),
        cmocka_unit_test(test_another_endpoint_where_one_is_to_be_avoided),
        cmocka_unit_test(test_a_straggler_is_asked_again_and_its_loser_cancelled),
        cmocka_unit_test(test_a_full_server_sees_no_hedge),
        cmocka_unit_test(test_streamed_answers_are_put_together),
        cmocka_unit_test(test_keys_come_from_the_environment_and_proxies_do_not),
        cmocka_unit_test(test_addresses_that_cannot_be_right_are_refused_at_open),
        cmocka_unit_test(test_a_share_holds_and_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
