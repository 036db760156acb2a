/* The tool protocol, which an endpoint may not know: whatever it says then, the request comes back for another form, or goes where it is taken. */
#include "llm_kit.h"

#define MARK "with_tools" /* in the body of a request with tools; a field that no server names */

struct script {
    struct llm_reply refusal; /* of requests with tools, but for the first `good` of them */
    unsigned good;
    atomic_uint tools, others;
};

static void play(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct script *script = arg;

    if (!strstr(request->body, MARK)) {
        atomic_fetch_add(&script->others, 1);
        return;
    }
    if (atomic_fetch_add(&script->tools, 1) >= script->good)
        *reply = script->refusal;
}

static void send_tools(struct kit *kit, unsigned count)
{
    const struct lam_llm_option options[] = {{MARK, NULL, LAM_SV("[]")}, {"parallel_tool_calls", NULL, LAM_SV("false")}};
    struct lam_llm_request request = {.tokens = 10, .max_tokens = 20, .options = options, .option_count = 2, .tools = true};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(kit_send_as(kit, &request, NULL), 0);
    kit_wait(kit);
}

static void test_whatever_it_says_the_request_comes_back(void **state)
{
    static const struct llm_reply refusals[] = {
        {.status = 400, .body = "{\"error\":{\"message\":\"registry.ollama.ai/library/gemma:2b does not support tools\",\"type\":\"api_error\",\"param\":null,\"code\":null}}"},
        {.status = 400,
         .body = "{\"object\":\"error\",\"message\":\"\\\"auto\\\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set\",\"code\":400}"},
        {.status = 400, .body = "{\"object\":\"error\",\"message\":\"tool_choice = \\\"required\\\" is not supported!\",\"type\":\"BadRequestError\",\"code\":400}"},
        {.status = 500, .body = "{\"error\":{\"code\":500,\"message\":\"tools param requires --jinja flag\",\"type\":\"server_error\"}}"},
        {.status = 422, .body = "{\"detail\":[{\"loc\":[\"body\",\"tools\"],\"msg\":\"Extra inputs are not permitted\"}]}"},
        {.status = 404, .body = "{\"error\":{\"message\":\"No endpoints found that support tool use.\",\"code\":404}}"},
        {.status = 400, .body = "{\"error\":{\"message\":\"the body is not valid\"}}"},
        {.status = 501, .body = "not implemented"},
        {.status = 500, .body = "{\"error\":{\"message\":\"internal error\"}}"},
        {.body = "{\"error\":{\"message\":\"tools are not supported by this model\"}}"}};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct script script = {.refusal = refusals[i]};
        struct kit *kit = kit_new(play, &script);
        unsigned asked;

        kit_open(kit);
        send_tools(kit, 20); /* more than refuse an endpoint for good where they hear the same */
        assert_int_equal(kit_count(kit, LAM_LLM_REJECTED), 20);
        for (unsigned n = 0; n < 20; n++)
            assert_true(kit->results[n].no_tools);
        asked = atomic_load(&script.tools);
        send_tools(kit, 5);
        assert_int_equal(kit_count(kit, LAM_LLM_REJECTED), 25);
        assert_int_equal(atomic_load(&script.tools), asked); /* remembered: it is not asked again */
        kit_send(kit, 5);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 5); /* and takes all else as ever */
        kit_free(kit);
    }
}

static void test_an_endpoint_that_has_taken_them_speaks_of_something_else(void **state)
{
    struct script script = {.good = 1, .refusal = {.status = 500, .body = "{\"error\":{\"message\":\"the tools of the kernel failed\"}}"}};
    struct kit *kit = kit_new(play, &script);

    (void)state;
    kit_open(kit);
    send_tools(kit, 1);
    send_tools(kit, 1);
    assert_int_equal(kit->results[0].outcome, LAM_LLM_ANSWERED);
    assert_int_equal(kit->results[1].outcome, LAM_LLM_LATER);
    assert_false(kit->results[1].no_tools);
    kit_free(kit);
}

/* What says nothing of the request is no word on tools. */
static void test_a_limit_or_a_key_is_not_about_tools(void **state)
{
    static const struct {
        struct llm_reply reply;
        enum lam_llm_outcome outcome;
    } cases[] = {{{.status = 401, .body = "{\"error\":\"no key for tools\"}"}, LAM_LLM_REFUSED},
                 {{.status = 429, .headers = "Retry-After: 0\r\n", .body = "{\"error\":\"too many tools\"}"}, LAM_LLM_LATER},
                 {{.status = 413, .body = "{\"error\":\"the tools are too long\"}"}, LAM_LLM_TOO_LONG}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script script = {.refusal = cases[i].reply};
        struct kit *kit = kit_new(play, &script);

        kit->options.rate_retries = 0;
        kit_open(kit);
        send_tools(kit, 1);
        assert_int_equal(kit->results[0].outcome, cases[i].outcome);
        assert_false(kit->results[0].no_tools);
        kit_free(kit);
    }
}

static void test_another_endpoint_takes_them(void **state)
{
    struct script without = {.refusal = {.status = 400, .body = "{\"error\":\"does not support tools\"}"}}, with = {.good = UINT32_MAX};
    struct kit *kit = kit_new(play, &without);

    (void)state;
    kit_add(kit, play, &with);
    kit_open(kit);
    send_tools(kit, 30);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 30);
    assert_int_equal(atomic_load(&with.tools), 30);
    kit_send(kit, 30);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 60);
    assert_true(atomic_load(&without.others) > 5); /* all else goes to both */
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_it_says_the_request_comes_back),
        cmocka_unit_test(test_an_endpoint_that_has_taken_them_speaks_of_something_else),
        cmocka_unit_test(test_a_limit_or_a_key_is_not_about_tools),
        cmocka_unit_test(test_another_endpoint_takes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
