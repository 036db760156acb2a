/* An endpoint that answers everybody with a success that is none: no record is its victim, in whichever form they are asked about, and nothing is counted that was not. */
#include "openai_kit.h"

#define CLASSIFY "\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}}"
#define CHAT "\"patience\":1,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"price_in\":1,\"price_out\":1}]"
#define PACKED "\"request_mode\":\"packed\"," CHAT
#define VECTORS "\"patience\":1,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\"},{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\"}]"

enum { ROWS = 20 };

static void choose(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)request;
    reply->body = arg;
}

static void test_it_costs_no_record(void **state)
{
    static const struct {
        const char *tasks, *deep;
        uint32_t dim;
    } forms[] = {{CLASSIFY, CHAT, 0}, {CLASSIFY, PACKED, 0}, {"\"embed\":{\"dim\":16}", VECTORS, 0}};
    static char bodies[][100] = {"{\"error\":{\"message\":\"Upstream overloaded\",\"code\":502}}", "{\"choices\": [tru", "{\"id\":\"x\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
            struct openai_kit *kit = kit_begin(choose, bodies[k], forms[i].tasks, forms[i].deep, forms[i].dim, NULL);
            struct lam_block *block = kit_rows(ROWS, "text %u", 1 << 20);
            struct lam_openai_stats stats;

            assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
            stats = kit_stats(kit->openai);
            if (kit->rejected || kit_pending(block) != ROWS)
                fail_msg("form %zu, body %zu: %u rejected, %u pending: %s", i, k, kit->rejected, kit_pending(block), kit->reason);
            for (size_t e = 0; e < LAM_LLM_ENDPOINTS; e++)
                assert_int_equal(stats.endpoints[e].requests + stats.endpoints[e].tokens_in + stats.endpoints[e].tokens_out, 0);
            lam_block_free(block);
            assert_true(kit_end(kit) > 0);
        }
}

/* Every second answer is kept back by a filter, and has no message: it is those records that fail, and the others are answered. */
static void filter(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    reply->body = request->number % 2 ? "{\"choices\":[{\"index\":0,\"finish_reason\":\"content_filter\"}],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":1}}"
                                      : "{\"choices\":[{\"message\":{\"content\":\"{\\\"category\\\":\\\"good\\\",\\\"confidence\\\":9}\"},\"finish_reason\":\"stop\"}],"
                                        "\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":20}}";
}

static void test_a_filter_is_the_records_own(void **state)
{
    struct openai_kit *kit = kit_begin(filter, NULL, CLASSIFY, CHAT, 0, NULL);
    struct lam_block *block = kit_rows(ROWS, "text %u", 1 << 20);
    struct lam_openai_stats stats;

    (void)state;
    assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
    stats = kit_stats(kit->openai);
    assert_int_equal(kit->rejected, ROWS / 2);
    assert_non_null(strstr(kit->reason, "filter"));
    assert_int_equal(stats.answered, ROWS / 2);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.endpoints[0].tokens_in, ROWS * 200); /* all were paid */
    lam_block_free(block);
    kit_end(kit);
}

/* What was paid for and could not be used is told of, and counts against the limits. */
static void choose_reply(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)request;
    *reply = *(const struct llm_reply *)arg;
}

static void test_what_could_not_be_taken_is_paid(void **state)
{
#define USAGE "\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":20}"
    static char page[65536];
    const struct {
        struct llm_reply reply;
        bool lost, told;
    } cases[] = {{{.body = "{\"id\":\"x\"," USAGE "}"}, true, true},
                 {{.body = "{\"error\":{\"message\":\"failed at the end\"}," USAGE "}"}, true, true},
                 {{.body = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]," USAGE "}"}, true, true},
                 {{.body = "{\"id\":\"x\",\"usage\":{\"prompt_tokens\":4000000000,\"completion_tokens\":1}}"}, true, false},
                 {{.body = "{\"choices\": [tru"}, true, false},
                 {{.body = page, .body_len = sizeof page, .repeat = 600}, true, false},
                 {{.body = "{\"error\":{\"message\":\"overloaded\"}}"}, false, false},
                 {{.status = 500, .body = "{\"error\":{\"message\":\"overloaded\"}}"}, false, false}};

    (void)state;
    memset(page, ' ', sizeof page);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct llm_reply reply = cases[i].reply;
        struct openai_kit *kit = kit_begin(choose_reply, &reply, CLASSIFY, CHAT, 0, NULL);
        struct lam_block *block = kit_rows(2, "text %u", 1 << 20);
        struct lam_openai_stats stats;
        uint64_t spent, requests;

        assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
        stats = kit_stats(kit->openai);
        spent = lam_openai_spending(kit->openai)->spent.tokens;
        lam_block_free(block);
        requests = kit_end(kit);
        if (stats.unseen.requests != (cases[i].lost ? requests : 0) || spent != stats.unseen.tokens_in + stats.unseen.tokens_out)
            fail_msg("case %zu: %llu requests, %llu lost, %llu tokens spent", i, (unsigned long long)requests, (unsigned long long)stats.unseen.requests, (unsigned long long)spent);
        if (cases[i].told)
            assert_int_equal(spent, requests * 220);
        else
            assert_true(spent < requests * 100000);
        assert_int_equal(spent > 0, cases[i].lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_costs_no_record),
        cmocka_unit_test(test_a_filter_is_the_records_own),
        cmocka_unit_test(test_what_could_not_be_taken_is_paid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
