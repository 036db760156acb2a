/* The client against everything that endpoints do wrong: each request ends once, as answered, as an error with its reason, or for later. */
#include "llm_kit.h"

#include <time.h>

#define HTML "<html><body>Bad gateway</body></html>"
#define OVERFLOW_LLAMACPP                                                                                                                              \
    "{\"error\":{\"code\":400,\"message\":\"request (9031 tokens) exceeds the available context size (2048 tokens), try increasing it\","            \
    "\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9031,\"n_ctx\":2048}}"
#define OVERFLOW_COMMAS "{\"error\":{\"message\":\"This model's maximum context length is 131,072 tokens. However, your messages resulted in 140_001, 5 of them images.\"}}"
#define OVERFLOW_OPENAI                                                                                                                                \
    "{\"error\":{\"message\":\"This model's maximum context length is 4097 tokens. However, you requested 5000 tokens (4700 in the messages, 300 in the completion). "      \
    "Please reduce the length of the messages or completion (max_tokens).\",\"type\":\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}"

#define DELTA(text) "data: {\"id\":\"c-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

#define PAGE 65536
static char page[PAGE]; /* of letters: 1,600 of them are 100 MB */

struct fault_case {
    const char *name;
    struct llm_reply reply;
    enum lam_llm_outcome outcome;
    int status;
    const char *reason; /* a part of it */
    uint32_t context, prompt_tokens;
};

static const struct fault_case cases[] = {
    {"reset", {.fault = LLM_RESET}, LAM_LLM_LATER, 0, "connection ended within the answer", 0, 0},
    {"closed", {.fault = LLM_CLOSE}, LAM_LLM_LATER, 0, "connection ended within the answer", 0, 0},
    {"stall before the first byte", {.fault = LLM_STALL, .at = 0}, LAM_LLM_LATER, 0, "no whole answer in time", 0, 0},
    {"stall within the headers", {.fault = LLM_STALL, .at = 20}, LAM_LLM_LATER, 0, "no whole answer in time: nothing for", 0, 0},
    {"stall within the body", {.fault = LLM_STALL, .at = 150}, LAM_LLM_LATER, 200, "no whole answer in time: nothing for", 0, 0},
    {"drips too slowly", {.fault = LLM_DRIP, .drip_us = 20000}, LAM_LLM_LATER, 200, "no whole answer in time", 0, 0},
    {"drips", {.fault = LLM_DRIP, .drip_us = 100}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"a page", {.content_type = "text/html", .body = HTML}, LAM_LLM_LATER, 200, "something instead of JSON: <html>", 0, 0},
    {"nothing", {.body = ""}, LAM_LLM_LATER, 200, "with nothing instead of JSON", 0, 0},
    {"blanks", {.body = "  \n"}, LAM_LLM_LATER, 200, "instead of JSON", 0, 0},
    {"JSON under a wrong name", {.content_type = "text/plain"}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"no name at all", {.content_type = ""}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"half a document", {.body = "{\"choices\": ["}, LAM_LLM_LATER, 200, "something instead of JSON: {\"choices\": [", 0, 0},
    {"invalid UTF-8", {.body = "{\"choices\": [{\"message\":{\"content\":\"\xff\xfe\"}}]}"}, LAM_LLM_LATER, 200, "instead of JSON", 0, 0},
    {"a number", {.body = "7"}, LAM_LLM_LATER, 200, "instead of JSON: 7", 0, 0},
    {"no choices", {.body = "{\"id\":\"x\"}"}, LAM_LLM_LATER, 200, "status 200 with no choices: {\"id\":\"x\"}", 0, 0},
    {"an empty list of choices", {.body = "{\"choices\":[],\"error\":null}"}, LAM_LLM_LATER, 200, "no choices", 0, 0},
    {"a choice without a message", {.body = "{\"choices\":[{\"message\":null}]}"}, LAM_LLM_LATER, 200, "no choices", 0, 0},
    {"vectors in place of a message", {.body = "{\"data\":[{\"embedding\":[1]}]}"}, LAM_LLM_LATER, 200, "no choices", 0, 0},
    {"an error as a success", {.body = "{\"error\":{\"message\":\"Upstream overloaded\",\"code\":502}}"}, LAM_LLM_LATER, 200, "status 200 with an error: Upstream overloaded", 0, 0},
    {"an error beside choices", {.body = "{\"choices\":[{\"message\":{\"content\":\"\"}}],\"error\":\"engine died\"}"}, LAM_LLM_LATER, 200, "an error: engine died", 0, 0},
    {"a limit as a success", {.body = "{\"error\":{\"message\":\"slow down\",\"code\":429}}"}, LAM_LLM_LATER, 200, "still limited after many attempts: status 200 with an error: slow down", 0, 0},
    {"too long as a success", {.body = OVERFLOW_LLAMACPP}, LAM_LLM_TOO_LONG, 200, "exceeds", 2048, 9031},
    {"no error beside choices", {.body = "{\"error\":null,\"choices\":[{\"message\":{\"content\":\"\"}}]}"}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"null content is the caller's to judge", {.body = "{\"choices\":[{\"message\":{\"content\":null}}]}"}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"chunked", {.chunked = true}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"closes behind the answer", {.close_after = true}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"100 MB", {.body = page, .body_len = PAGE, .repeat = 1600}, LAM_LLM_LATER, 200, "larger than the limit", 0, 0},
    {"100 MB, chunked", {.body = page, .body_len = PAGE, .repeat = 1600, .chunked = true}, LAM_LLM_LATER, 200, "larger than the limit", 0, 0},
    {"another host", {.status = 307, .headers = "Location: http://example.org/v1/chat/completions\r\n"}, LAM_LLM_REFUSED, 307, "another host", 0, 0},
    {"another scheme", {.status = 308, .headers = "Location: https://127.0.0.1/v1/\r\n"}, LAM_LLM_REFUSED, 308, "another host", 0, 0},
    {"in circles", {.status = 307, .headers = "Location: /v1/round\r\n"}, LAM_LLM_REFUSED, 307, "redirected again and again, the last time to http://127.0.0.1:", 0, 0},
    {"a redirect to nowhere", {.status = 302}, LAM_LLM_LATER, 302, "status 302", 0, 0},
    {"401", {.status = 401, .body = "{\"error\":{\"message\":\"Incorrect API key\",\"code\":\"invalid_api_key\"}}"}, LAM_LLM_REFUSED, 401, "Incorrect API key; check the endpoint's key_env", 0, 0},
    {"402", {.status = 402, .body = "{\"error\":\"Payment required\"}"}, LAM_LLM_REFUSED, 402, "Payment required; check the account", 0, 0},
    {"403", {.status = 403, .body = "{\"error\":\"no\"}"}, LAM_LLM_LATER, 403, "status 403: no", 0, 0},
    {"403 of the key", {.status = 403, .body = "{\"error\":\"This API key has expired\"}"}, LAM_LLM_REFUSED, 403, "has expired", 0, 0},
    {"404", {.status = 404, .body = "{\"error\":{\"message\":\"The model does not exist\"}}"}, LAM_LLM_REFUSED, 404, "check the endpoint's url and model", 0, 0},
    {"501", {.status = 501, .body = "{\"error\":{\"code\":501,\"message\":\"This server does not support embeddings\",\"type\":\"not_supported_error\"}}"}, LAM_LLM_REFUSED, 501, "does not support", 0, 0},
    {"400", {.status = 400, .body = "{\"error\":{\"message\":\"bad\\nrole\"}}"}, LAM_LLM_LATER, 400, "status 400: bad role", 0, 0},
    {"400 without a word", {.status = 400, .body = " "}, LAM_LLM_LATER, 400, "(no text)", 0, 0},
    {"413", {.status = 413, .content_type = "text/html", .body = HTML}, LAM_LLM_TOO_LONG, 413, "Bad gateway", 0, 0},
    {"context, llama.cpp", {.status = 400, .body = OVERFLOW_LLAMACPP}, LAM_LLM_TOO_LONG, 400, "exceeds", 2048, 9031},
    {"context, OpenAI", {.status = 400, .body = OVERFLOW_OPENAI}, LAM_LLM_TOO_LONG, 400, "maximum context", 4097, 5000},
    {"context, with commas", {.status = 400, .body = OVERFLOW_COMMAS}, LAM_LLM_TOO_LONG, 400, "maximum context", 131072, 140001},
    {"too much for a batch", {.status = 500, .body = "{\"error\":{\"message\":\"input is too large to process. increase the physical batch size\"}}"}, LAM_LLM_TOO_LONG, 500, "too large", 0, 0},
    {"500", {.status = 500, .content_type = "text/plain", .body = "Internal Server Error"}, LAM_LLM_LATER, 500, "Internal Server Error", 0, 0},
    {"500 that says not to retry", {.status = 500, .headers = "x-should-retry: false\r\n"}, LAM_LLM_LATER, 500, "status 500", 0, 0},
    {"502", {.status = 502, .content_type = "text/html", .body = HTML}, LAM_LLM_LATER, 502, "Bad gateway", 0, 0},
    {"408", {.status = 408}, LAM_LLM_LATER, 408, "status 408", 0, 0},
    {"429 for ever", {.status = 429, .headers = "retry-after-ms: 20\r\n"}, LAM_LLM_LATER, 429, "still limited", 0, 0},
    {"429 that says not to retry", {.status = 429, .headers = "X-Should-Retry: FALSE\r\n"}, LAM_LLM_LATER, 429, "status 429", 0, 0},
    {"429 for an hour", {.status = 429, .headers = "Retry-After: 3600\r\n"}, LAM_LLM_LATER, 429, "it asks to wait 3600 s, longer than deep.patience: status 429", 0, 0},
    {"a stream", {.content_type = "text/event-stream", .body = DELTA("a") FINISH "data: [DONE]\n\n"}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"a stream without its last line", {.content_type = "text/event-stream", .body = DELTA("a") FINISH}, LAM_LLM_ANSWERED, 200, "", 0, 0},
    {"a stream that ends early", {.content_type = "text/event-stream", .body = DELTA("a")}, LAM_LLM_LATER, 0, "before it was whole", 0, 0},
    {"a stream that is none", {.content_type = "text/event-stream", .body = "data: hello\n\n"}, LAM_LLM_LATER, 0, "is no JSON", 0, 0},
    {"an error in a stream", {.content_type = "text/event-stream", .body = DELTA("a") "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"}, LAM_LLM_LATER, 500, "out of memory", 0, 0},
    {"no HTTP", {.fault = LLM_CUT, .at = 4}, LAM_LLM_LATER, 0, "", 0, 0},
};

#define CASES (sizeof cases / sizeof *cases)

static void check_case(const struct fault_case *fault, const struct kit *kit)
{
    for (int k = 0; k < 2; k++) {
        const struct kit_result *result = &kit->results[k];

        if (result->outcome != fault->outcome || (result->status != fault->status && result->status != 0) || !strstr(result->reason, fault->reason) ||
            (k == 0 && (result->context != fault->context || result->prompt_tokens != fault->prompt_tokens)))
            fail_msg("%s: outcome %d, status %d, context %u of %u, \"%s\"", fault->name, result->outcome, result->status, result->prompt_tokens, result->context, result->reason);
    }
}

/* All at the same time, each with a server of its own: most of it is waiting. */
static void test_each_fault_ends_as_it_should(void **state)
{
    static struct llm_reply replies[CASES];
    static struct kit *kits[CASES];

    (void)state;
    memset(page, 'a', PAGE);
    page[0] = '{';
    for (size_t i = 0; i < CASES; i++) {
        replies[i] = cases[i].reply;
        kits[i] = kit_new(kit_same, &replies[i]);
        kits[i]->options.attempt_timeout_ms = 3000;
        kits[i]->options.stall_timeout_ms = 1000;
        kits[i]->options.deadline_ms = 60000;
        kit_open(kits[i]);
        kit_send(kits[i], 2);
    }
    for (size_t i = 0; i < CASES; i++) {
        kit_wait(kits[i]);
        check_case(&cases[i], kits[i]);
        kit_free(kits[i]);
    }
}

enum { CUTS = 38, CUT_EVERY = 9 };

/* Cut after every so many bytes, with an end or a reset: never an answer, never a hang. */
static void test_a_cut_at_any_byte_is_no_answer(void **state)
{
    static struct llm_reply replies[CUTS];
    static struct kit *kits[CUTS];

    (void)state;
    for (size_t i = 0; i < CUTS; i++) {
        size_t at = i * CUT_EVERY;

        replies[i] = (struct llm_reply){.fault = at % 2 ? LLM_CUT : LLM_CUT_RESET, .at = at, .chunked = at % 3 == 0};
        kits[i] = kit_new(kit_same, &replies[i]);
        kits[i]->options.transport_retries = 0;
        kit_open(kits[i]);
        kit_send(kits[i], 3);
    }
    for (size_t i = 0; i < CUTS; i++) {
        kit_wait(kits[i]);
        if (kit_count(kits[i], LAM_LLM_LATER) != 3)
            fail_msg("cut after %zu bytes: outcome %d, \"%s\"", i * CUT_EVERY, kits[i]->results[0].outcome, kits[i]->results[0].reason);
        kit_free(kits[i]);
    }
}

static void test_nobody_there(void **state)
{
    static const struct {
        const char *url, *reason;
    } nobody[] = {{"https://127.0.0.1:%u/v1", "SSL"}, {"http://no-such-host.invalid:%u/v1", "no "}};

    struct kit *kits[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct kit *kit = kits[i] = kit_new(NULL, NULL);
        char url[64];

        kit->options.transport_retries = 0;
        kit->options.connect_timeout_ms = 2000;
        if (i < 2) {
            snprintf(url, sizeof url, nobody[i].url, llm_server_port(kit->servers[0]));
            kit->endpoints[0].url = url;
        } else {
            llm_server_die(kit->servers[0]); /* refused */
        }
        kit_open(kit);
        kit_send(kit, 2);
    }
    for (int i = 0; i < 3; i++) {
        struct kit *kit = kits[i];

        kit_wait(kit);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(kit->results[k].outcome, LAM_LLM_LATER);
            if (!strstr(kit->results[k].reason, i < 2 ? nobody[i].reason : "no connection"))
                fail_msg("\"%s\"", kit->results[k].reason);
        }
        kit_free(kit);
    }
}

static void test_a_server_that_dies_and_comes_back(void **state)
{
    struct llm_reply reply = {.delay_us = 20000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct lam_llm_counters counters;

    (void)state;
    kit->endpoints[0].limits.concurrency = 16;
    kit->options.transport_retries = 10;
    kit_open(kit);
    kit_send(kit, 300);
    while (atomic_load(&kit->done) < 50)
        usleep(1000);
    llm_server_die(kit->servers[0]);
    do {
        usleep(5000);
        lam_llm_client_counters(kit->client, 0, &counters);
    } while (counters.health != LAM_LLM_BROKEN);
    llm_server_return(kit->servers[0]);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 300);
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_int_equal(counters.health, LAM_LLM_HEALTHY);
    assert_true(counters.transport_errors <= 64); /* those in flight and the probes, not each of those that waited */
    kit_free(kit);
}

static void test_a_server_that_never_comes_back_is_given_up(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);

    (void)state;
    llm_server_die(kit->servers[0]);
    kit->options.give_up_ms = 1500;
    kit->endpoints[0].limits.concurrency = 8;
    kit_open(kit);
    kit_send(kit, 200);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_LATER), 200);
    for (int i = 0; i < 200; i++)
        assert_non_null(strstr(kit->results[i].reason, "no connection"));
    kit_free(kit);
}

static void test_where_one_is_dead_the_other_works(void **state)
{
    struct kit *kit = kit_new(NULL, NULL);

    (void)state;
    kit_add(kit, NULL, NULL);
    llm_server_die(kit->servers[0]);
    kit_open(kit);
    kit_send(kit, 300);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 300);
    kit_free(kit);
}

/* ---- 401: the first one ends all ---- */

static void test_a_refused_key_stops_all_requests(void **state)
{
    struct llm_reply reply = {.status = 401, .delay_us = 1000};
    struct kit *kit = kit_new(kit_same, &reply);
    struct llm_server_counts counts;

    (void)state;
    kit->endpoints[0].limits.concurrency = 4;
    kit_open(kit);
    kit_send(kit, 500);
    kit_wait(kit);
    kit_send(kit, 10); /* and later ones are not even sent */
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 510);
    assert_non_null(strstr(kit->results[509].reason, "401"));
    llm_server_counts(kit->servers[0], &counts);
    assert_true(counts.requests <= 4);
    kit_free(kit);
}

/* ---- options ---- */

struct seen_options {
    atomic_uint requests, with_format, with_old_name, with_new_name;
};

/* A server that knows neither response_format nor max_tokens. */
static void picky(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct seen_options *seen = arg;

    atomic_fetch_add(&seen->requests, 1);
    if (strstr(request->body, "\"max_tokens\"")) {
        atomic_fetch_add(&seen->with_old_name, 1);
        reply->status = 400;
        reply->body = "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.\",\"param\":\"max_tokens\"}}";
    } else if (strstr(request->body, "\"response_format\"")) {
        atomic_fetch_add(&seen->with_format, 1);
        reply->status = 422;
        reply->body = "{\"object\":\"error\",\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', 'response_format'), 'msg': 'Extra inputs are not permitted'}]\"}";
    } else if (strstr(request->body, "\"max_completion_tokens\":20") && strstr(request->body, "\"seed\":1")) {
        atomic_fetch_add(&seen->with_new_name, 1);
    }
}

static void test_an_unknown_field_is_left_out_and_that_is_remembered(void **state)
{
    struct seen_options seen = {0};
    struct kit *kit = kit_new(picky, &seen);
    struct lam_llm_option options[] = {{"max_tokens", "max_completion_tokens", LAM_SV("20")},
                                       {"response_format", NULL, LAM_SV("{\"type\":\"json_schema\"}")},
                                       {"seed", NULL, LAM_SV("1")}};
    struct lam_llm_counters counters;

    (void)state;
    kit->endpoints[0].limits.concurrency = 1;
    kit_open(kit);
    for (int i = 0; i < 50; i++)
        assert_int_equal(kit_send_as(kit, &(struct lam_llm_request){.options = options, .option_count = 3}, NULL), 0);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(kit->results[i].dropped, 2);
    assert_int_equal(atomic_load(&seen.requests), 52);
    assert_int_equal(atomic_load(&seen.with_old_name), 1);
    assert_int_equal(atomic_load(&seen.with_format), 1);
    assert_int_equal(atomic_load(&seen.with_new_name), 50);
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_int_equal(counters.dropped, 1);
    kit_free(kit);
}

/* ---- rate limits ---- */

enum { LIMITED = 12, TIMES = 3 };

struct limiter {
    const char *headers;
    atomic_uint seen[LIMITED]; /* of each request: how often it was sent */
};

/* Request n is let through at its n % TIMES + 1st time: how long the test takes does not depend on who is first, for waits double each time. */
static void limiting(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct limiter *limiter = arg;
    unsigned n = kit_number(request) % LIMITED;

    if (atomic_fetch_add(&limiter->seen[n], 1) >= n % TIMES)
        return;
    reply->status = 429;
    reply->headers = limiter->headers;
}

static void test_rate_limits_lose_nothing(void **state)
{
    static const char *const headers[] = {"retry-after-ms: 30\r\n", "Retry-After: 0.03\r\n", "llm_provider-retry-after: 0.05\r\n", NULL};
    struct limiter limiters[sizeof headers / sizeof *headers] = {0};
    struct kit *kits[sizeof headers / sizeof *headers];

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        limiters[i].headers = headers[i];
        kits[i] = kit_new(limiting, &limiters[i]);
        kits[i]->options.rate_retries = 1000;
        kits[i]->endpoints[0].limits.concurrency = 8;
        kit_open(kits[i]);
        kit_send(kits[i], LIMITED);
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        kit_wait(kits[i]);
        assert_int_equal(kit_count(kits[i], LAM_LLM_ANSWERED), LIMITED);
        for (unsigned n = 0; n < LIMITED; n++) {
            assert_int_equal(atomic_load(&limiters[i].seen[n]), n % TIMES + 1); /* once after each 429, and never again after the answer */
            assert_int_equal(kits[i]->results[n].attempts, n % TIMES + 1);
        }
        kit_free(kits[i]);
    }
}

static void one_bad(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    reply->delay_us = 50000;
    if (kit_number(request) == 3)
        reply->status = 500;
}

static void test_a_500_that_stays_is_the_requests_own_fault(void **state)
{
    struct kit *kit = kit_new(one_bad, NULL);

    (void)state;
    kit->endpoints[0].limits.concurrency = 2;
    kit_open(kit);
    kit_send(kit, 40);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 39);
    assert_int_equal(kit->results[3].outcome, LAM_LLM_REJECTED);
    assert_non_null(strstr(kit->results[3].reason, "while others are answered"));
    kit_free(kit);
}

static void moved(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    atomic_uint *old = arg;

    if (strcmp(request->path, "/v1/chat/completions"))
        return;
    atomic_fetch_add(old, 1);
    reply->status = 308;
    reply->headers = "Location: /api/v2/chat\r\n";
}

static void test_a_redirect_on_the_same_host_is_followed_and_remembered(void **state)
{
    atomic_uint old = 0;
    struct kit *kit = kit_new(moved, &old);

    (void)state;
    kit->endpoints[0].limits.concurrency = 1;
    kit_open(kit);
    kit_send(kit, 20);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 20);
    assert_int_equal(atomic_load(&old), 1);
    kit_free(kit);
}

/* ---- all at once, at random ---- */

static void chaos(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    unsigned *seed = arg;

    (void)request;
    reply->delay_us = rand_r(seed) % 3000;
    switch (rand_r(seed) % 30) {
    case 0:
        reply->fault = LLM_RESET;
        break;
    case 1:
        reply->fault = LLM_CLOSE;
        break;
    case 2:
        reply->fault = LLM_CUT;
        reply->at = (size_t)(rand_r(seed) % 400);
        break;
    case 3:
        reply->fault = LLM_CUT_RESET;
        reply->at = (size_t)(rand_r(seed) % 400);
        break;
    case 4:
        reply->status = 429;
        reply->headers = "retry-after-ms: 5\r\n";
        break;
    case 5:
        reply->status = 500 + rand_r(seed) % 5;
        reply->headers = "retry-after-ms: 5\r\n";
        break;
    case 6:
        reply->fault = rand_r(seed) % 10 ? LLM_FINE : LLM_STALL;
        reply->at = (size_t)(rand_r(seed) % 400);
        break;
    case 7:
        reply->status = 400;
        break;
    case 8:
        reply->chunked = true;
        break;
    case 9:
        reply->close_after = true;
        break;
    case 10:
        reply->body = HTML;
        break;
    }
}

static void test_whatever_happens_each_request_ends_once(void **state)
{
    unsigned seed = (unsigned)time(NULL), seeds[2] = {seed, seed + 1};
    struct kit *kit = kit_new(chaos, &seeds[0]);

    (void)state;
    print_message("seed %u\n", seed);
    kit_add(kit, chaos, &seeds[1]);
    kit->options.attempt_timeout_ms = 1500;
    kit->options.hedge_budget = 0.1;
    kit->options.hedge_min_ms = 5;
    kit->options.max_open = KIT_REQUESTS;
    kit->options.seed = seed | 1;
    kit_open(kit);
    kit_send(kit, 1500);
    for (int i = 0; i < 20; i++) {
        usleep(2000);
        lam_llm_client_cancel(kit->client, (uint64_t)1 << 32 | (unsigned)(i * 37));
    }
    kit_wait(kit);
    assert_true(kit_count(kit, LAM_LLM_ANSWERED) > 750);
    kit_free(kit);
}

/* Who asks for several things at once is told at once, and asks for fewer; the endpoint is not taken for a broken one until that takes too long, too. */
static void test_what_can_be_divided_is_not_sent_again_when_it_takes_too_long(void **state)
{
    static const struct lam_llm_request divisible = {.tokens = 10, .max_tokens = 20, .divisible = true};
    struct llm_reply reply = {.fault = LLM_STALL, .at = 0};
    struct kit *kit = kit_new(kit_same, &reply);
    struct lam_llm_counters counters;

    (void)state;
    kit->options.attempt_timeout_ms = 300;
    kit->options.transport_retries = 5;
    kit->options.hedge_budget = 0;
    kit_open(kit);
    for (int i = 0; i < 20; i++)
        assert_int_equal(kit_send_as(kit, &divisible, NULL), 0);
    kit_wait(kit);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(kit->results[i].outcome, LAM_LLM_LATER);
        assert_int_equal(kit->results[i].attempts, 1);
        assert_true(kit->results[i].timed_out);
    }
    lam_llm_client_counters(kit->client, 0, &counters);
    assert_int_equal(counters.health, LAM_LLM_HEALTHY);
    for (int i = 0; i < 20; i++) /* now it asks for fewer, and that takes too long as well */
        assert_int_equal(kit_send_as(kit, &divisible, NULL), 0);
    for (int i = 0; i < 10000 && counters.health == LAM_LLM_HEALTHY; i++) {
        usleep(1000);
        lam_llm_client_counters(kit->client, 0, &counters);
    }
    assert_int_not_equal(counters.health, LAM_LLM_HEALTHY);
    kit_wait(kit);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fault_ends_as_it_should),
        cmocka_unit_test(test_a_cut_at_any_byte_is_no_answer),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_a_server_that_dies_and_comes_back),
        cmocka_unit_test(test_a_server_that_never_comes_back_is_given_up),
        cmocka_unit_test(test_where_one_is_dead_the_other_works),
        cmocka_unit_test(test_a_refused_key_stops_all_requests),
        cmocka_unit_test(test_an_unknown_field_is_left_out_and_that_is_remembered),
        cmocka_unit_test(test_rate_limits_lose_nothing),
        cmocka_unit_test(test_a_500_that_stays_is_the_requests_own_fault),
        cmocka_unit_test(test_a_redirect_on_the_same_host_is_followed_and_remembered),
        cmocka_unit_test(test_what_can_be_divided_is_not_sent_again_when_it_takes_too_long),
        cmocka_unit_test(test_whatever_happens_each_request_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
