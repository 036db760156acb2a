/* An endpoint that answers everybody with a success that is none: no record is its victim, in whichever form they are asked about, and nothing is counted that was not. */
#include "openai_kit.h"

#define CLASSIFY "\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}}"
#define CHAT "\"patience\":1,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"price_in\":1,\"price_out\":1}]"
#define PACKED "\"request_mode\":\"packed\"," CHAT
#define VECTORS "\"patience\":1,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\"},{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\"}]"

enum { ROWS = 20 };

/* Analyzers with a server and rows of their own, all at work at the same time: each waits for its patience, and so they wait together. */
struct sick {
    struct openai_kit *kit;
    struct lam_block *block;
    bool open;
};

static void begin(struct sick *sick, llm_choose *choose, void *arg, const char *tasks, const char *deep, uint32_t dim, unsigned rows)
{
    sick->kit = kit_begin(choose, arg, tasks, deep, dim, NULL);
    sick->block = kit_rows(rows, "text %u", 1 << 20);
    sick->open = true;
    assert_int_equal(lam_openai_submit(sick->kit->openai, sick->block, sick->block, &err), 0);
    lam_openai_drain(sick->kit->openai, true);
}

static void run_all(struct sick *sick, size_t count)
{
    void *ticket;
    int rc;

    for (size_t open = count; open;)
        for (size_t i = 0; i < count; i++) {
            if (!sick[i].open || (rc = lam_openai_poll(sick[i].kit->openai, &ticket, &err)) == LAM_PENDING) {
                lam_wake_wait(&sick[i].kit->wake, 1000);
                continue;
            }
            assert_int_equal(rc, 0);
            sick[i].open = false;
            open--;
        }
}

/* Returns how many requests there were. */
static uint64_t end(struct sick *sick)
{
    lam_block_free(sick->block);
    return kit_end(sick->kit);
}

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
    struct sick sick[9];

    (void)state;
    for (size_t i = 0; i < 9; i++)
        begin(&sick[i], choose, bodies[i % 3], forms[i / 3].tasks, forms[i / 3].deep, forms[i / 3].dim, ROWS);
    run_all(sick, 9);
    for (size_t i = 0; i < 9; i++) {
        struct lam_openai_stats stats = kit_stats(sick[i].kit->openai);

        if (sick[i].kit->rejected || kit_pending(sick[i].block) != ROWS)
            fail_msg("form %zu, body %zu: %u rejected, %u pending: %s", i / 3, i % 3, sick[i].kit->rejected, kit_pending(sick[i].block), sick[i].kit->reason);
        for (size_t e = 0; e < LAM_LLM_ENDPOINTS; e++)
            assert_int_equal(stats.endpoints[e].requests + stats.endpoints[e].tokens_in + stats.endpoints[e].tokens_out, 0);
        assert_true(end(&sick[i]) > 0);
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

    struct llm_reply replies[sizeof cases / sizeof *cases];
    struct sick sick[sizeof cases / sizeof *cases];

    (void)state;
    memset(page, ' ', sizeof page);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        replies[i] = cases[i].reply;
        begin(&sick[i], choose_reply, &replies[i], CLASSIFY, CHAT, 0, 2);
    }
    run_all(sick, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_openai_stats stats = kit_stats(sick[i].kit->openai);
        uint64_t spent = lam_openai_spending(sick[i].kit->openai)->spent.tokens, requests = end(&sick[i]);

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
