/* Endpoints that are sick in ways that look like something else: what they say is no record's fault, ends no run, and the log has a word of it. */
#include "llm_kit.h"

#include <limits.h>
#include <sys/mman.h>

#define PAGE 65536
static char page[PAGE]; /* of letters: 400 of them are too many */

/* One record that hears an error each time, and others that are answered: then, and only then, it is the record. */
struct sick {
    const struct llm_reply *reply;
    unsigned bad; /* requests that hear it: those below */
};

static void sick(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct sick *script = arg;

    if (kit_number(request) < script->bad)
        *reply = *script->reply;
    else
        reply->delay_us = 50000;
}

static void test_an_endpoint_that_fails_with_200_costs_no_record(void **state)
{
    static const struct llm_reply replies[] = {{.body = "{\"error\":{\"message\":\"Upstream overloaded\",\"code\":\"overloaded\"}}"}, {.body = "{\"choices\": [tru"}, {.body = "{\"id\":\"x\"}"},
                                               {.body = page, .body_len = PAGE, .repeat = 400}};

    (void)state;
    memset(page, 'a', PAGE);
    page[0] = '{';
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct sick all = {.reply = &replies[i], .bad = UINT_MAX}, one = {.reply = &replies[i], .bad = 1};
        struct kit *kit = kit_new(sick, &all);

        kit->endpoints[0].limits.concurrency = 4;
        kit->options.give_up_ms = 1500;
        kit_open(kit);
        kit_send(kit, 20);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_LATER), 20);
        kit_free(kit);
        kit = kit_new(sick, &one);
        kit->endpoints[0].limits.concurrency = 2;
        kit_open(kit);
        kit_send(kit, 40);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 39);
        assert_int_equal(kit->results[0].outcome, LAM_LLM_REJECTED);
        assert_non_null(strstr(kit->results[0].reason, "while others are answered"));
        kit_free(kit);
    }
}

static unsigned count_lines(int fd, const char *part)
{
    static char text[1 << 20];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    unsigned count = 0;

    text[len > 0 ? len : 0] = '\0';
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void fail_some(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    const unsigned *every = arg;

    reply->status = kit_number(request) % *every == *every / 2 ? 500 : 200;
}

/* Of what fails now and then some requests always fail: they may be the next ones to be answered. Where one in twenty fails, it is those. */
static void test_an_endpoint_that_fails_many_costs_no_record(void **state)
{
    unsigned every[] = {4, 20};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kit *kit = kit_new(fail_some, &every[i]);
        struct lam_log log = {.fd = memfd_create("log", 0), .level = LAM_LOG_WARN};

        kit->options.log = &log;
        kit->endpoints[0].limits.concurrency = 1; /* in their order: four that are asked again are no outage */
        kit_open(kit);
        for (int turn = 0; turn < 3; turn++) {
            kit_send(kit, 4 * every[i]);
            kit_wait(kit);
        }
        assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 12 * every[i] - 12);
        assert_int_equal(kit_count(kit, i ? LAM_LLM_REJECTED : LAM_LLM_LATER), 12);
        assert_int_equal(count_lines(log.fd, "as too many others do at first: status 500") > 0, i == 0);
        close(log.fd);
        kit_free(kit);
    }
}

/* Some servers say with each answer that there was no error, or have one thing to add; some leave the message out where the model was stopped. */
static void test_what_is_an_answer_whatever_stands_beside_it(void **state)
{
#define MESSAGE(content) "\"choices\":[{\"message\":{\"content\":" content "},\"finish_reason\":\"stop\"}]"
#define VECTOR "\"data\":[{\"index\":0,\"embedding\":[1]}]"
    static const struct {
        const char *body;
        enum lam_llm_kind kind;
        bool answer;
    } cases[] = {
        {"{" MESSAGE("\"yes\"") ",\"error\":\"\"}", LAM_LLM_CHAT, true},
        {"{" MESSAGE("\"yes\"") ",\"error\":{}}", LAM_LLM_CHAT, true},
        {"{\"error\":null," MESSAGE("\"yes\"") "}", LAM_LLM_CHAT, true},
        {"{" MESSAGE("\"\"") ",\"error\":{}}", LAM_LLM_CHAT, true},
        {"{" MESSAGE("\"yes\"") ",\"error\":{\"message\":\"slow today\"}}", LAM_LLM_CHAT, true},
        {"{" MESSAGE("\"\"") ",\"error\":{\"message\":\"overloaded\"}}", LAM_LLM_CHAT, false},
        {"{" MESSAGE("null") ",\"error\":\"overloaded\"}", LAM_LLM_CHAT, false},
        {"{" VECTOR ",\"error\":\"\"}", LAM_LLM_EMBEDDINGS, true},
        {"{" VECTOR ",\"error\":{}}", LAM_LLM_EMBEDDINGS, true},
        {"{\"error\":{}}", LAM_LLM_CHAT, false},
        {"{\"choices\":[{\"index\":0,\"finish_reason\":\"content_filter\"}]}", LAM_LLM_CHAT, true}, /* the record's own, without a message */
        {"{\"choices\":[{\"message\":null,\"finish_reason\":\"length\"}]}", LAM_LLM_CHAT, true},
        {"{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}", LAM_LLM_CHAT, false},
        {"{\"choices\":[{\"index\":0}]}", LAM_LLM_CHAT, false},
        {"{\"error\":\"\"}", LAM_LLM_EMBEDDINGS, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct lam_llm_request request = {.kind = cases[i].kind, .tokens = 10, .max_tokens = 20};
        struct llm_reply reply = {.body = cases[i].body};
        struct kit *kit = kit_new(kit_same, &reply);

        kit_open(kit);
        assert_int_equal(kit_send_as(kit, &request, NULL), 0);
        kit_wait(kit);
        if (kit->results[0].outcome != (cases[i].answer ? LAM_LLM_ANSWERED : LAM_LLM_LATER))
            fail_msg("%s: outcome %d, %s", cases[i].body, (int)kit->results[0].outcome, kit->results[0].reason);
        kit_free(kit);
    }
}

static void test_vectors_are_looked_for_where_they_were_asked_for(void **state)
{
    static const struct lam_llm_request embed = {.kind = LAM_LLM_EMBEDDINGS, .tokens = 10};
    static const struct {
        const char *body, *reason;
    } bad[] = {{"{\"error\":{\"message\":\"loading\"}}", "an error: loading"}, {"{\"data\":[]}", "no vectors"}, {"{\"choices\":[{\"message\":{}}]}", "no vectors"}};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct llm_reply reply = {.body = bad[i].body};
        struct kit *kit = kit_new(kit_same, &reply);

        kit_open(kit);
        assert_int_equal(kit_send_as(kit, &embed, NULL), 0);
        kit_wait(kit);
        assert_int_equal(kit->results[0].outcome, LAM_LLM_LATER);
        assert_non_null(strstr(kit->results[0].reason, bad[i].reason));
        kit_free(kit);
    }
}

/* A server that says when it can be asked again, and means nothing by it: its word is no leave to ask at once. */
static void test_a_wait_of_nothing_is_none(void **state)
{
    static const char *const headers[] = {"Retry-After: 0\r\n", "retry-after-ms: 0\r\n", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct llm_reply reply = {.status = 429, .headers = headers[i]};
        struct kit *kit = kit_new(kit_same, &reply);
        struct llm_server_counts counts;

        kit->options.rate_retries = 1000;
        kit->options.give_up_ms = 2000;
        kit_open(kit);
        kit_send(kit, 10);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_LATER), 10);
        llm_server_counts(kit->servers[0], &counts);
        assert_true(counts.requests <= 10 * 6); /* after 0.5, 1, 2 … s each, until it is given up: thousands without a wait */
        kit_free(kit);
    }
}

/* ---- a key that was good ---- */

struct base {
    unsigned first, last; /* requests that hear 401 */
};

static void lose_base(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    const struct base *base = arg;

    reply->delay_us = 5000;
    if (request->number < base->first || request->number >= base->last)
        return;
    reply->status = 401;
    reply->body = "{\"error\":{\"message\":\"key database is not connected\"}}";
}

static void test_a_key_that_was_good_is_asked_with_again(void **state)
{
    struct base passing = {20, 22}, lasting = {20, UINT_MAX}, never = {0, UINT_MAX};
    struct kit *kit = kit_new(lose_base, &passing);

    (void)state;
    kit->endpoints[0].limits.concurrency = 2;
    kit->options.transport_retries = 5;
    kit_open(kit);
    kit_send(kit, 60);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 60);
    kit_free(kit);
    kit = kit_new(lose_base, &lasting);
    kit->endpoints[0].limits.concurrency = 2;
    kit->options.transport_retries = 5;
    kit->options.give_up_ms = 1000;
    kit_open(kit);
    kit_send(kit, 60);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 20);
    assert_int_equal(kit_count(kit, LAM_LLM_LATER), 40);
    assert_non_null(strstr(kit->results[59].reason, "key database is not connected"));
    kit_free(kit);
    kit = kit_new(lose_base, &never); /* one that never was */
    kit_open(kit);
    kit_send(kit, 60);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 60);
    kit_free(kit);
}

/* ---- what the log says of requests that are left for later ---- */

/* Each way into later has its line, and few of them however many the requests are. */
static void test_the_log_says_why_requests_are_left(void **state)
{
    static const struct {
        struct llm_reply reply;
        unsigned count;
        const char *why;
    } ways[] = {
        {{.status = 429, .headers = "Retry-After: 3600\r\n", .body = "{\"error\":\"tomorrow\"}"}, 30, "it asks to wait 3600 s, longer than deep.patience: status 429: tomorrow"},
        {{.status = 429, .body = "{\"error\":\"busy\"}"}, 1, "still limited after many attempts: status 429: busy"},
        {{.status = 500, .body = "{\"error\":\"boom\"}"}, 2, "given up after several attempts: status 500: boom"},
        {{.body = "{\"error\":{\"message\":\"Upstream overloaded\"}}"}, 2, "given up after several attempts: status 200 with an error: Upstream overloaded"},
        {{.status = 503, .headers = "Retry-After: 4\r\n"}, 1, "its deadline is sooner than the next attempt: status 503"},
        {{.fault = LLM_RESET}, 40, "it is down for longer than deep.patience: the connection ended"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct llm_reply reply = ways[i].reply;
        struct kit *kit = kit_new(kit_same, &reply);
        struct lam_log log = {.fd = memfd_create("log", 0), .level = LAM_LOG_WARN};

        kit->options.log = &log;
        kit->options.rate_retries = 1;
        kit->options.give_up_ms = i == 5 ? 1000 : 20000;
        kit->options.deadline_ms = i == 4 ? 2000 : 60000;
        kit->endpoints[0].limits.concurrency = 4;
        kit_open(kit);
        kit_send(kit, ways[i].count);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_LATER), ways[i].count);
        if (count_lines(log.fd, ways[i].why) < 1 || count_lines(log.fd, "left for later") > 4)
            fail_msg("%s: %u lines, %u of what is left", ways[i].why, count_lines(log.fd, ways[i].why), count_lines(log.fd, "left for later"));
        close(log.fd);
        kit_free(kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_endpoint_that_fails_with_200_costs_no_record),
        cmocka_unit_test(test_an_endpoint_that_fails_many_costs_no_record),
        cmocka_unit_test(test_what_is_an_answer_whatever_stands_beside_it),
        cmocka_unit_test(test_vectors_are_looked_for_where_they_were_asked_for),
        cmocka_unit_test(test_a_wait_of_nothing_is_none),
        cmocka_unit_test(test_a_key_that_was_good_is_asked_with_again),
        cmocka_unit_test(test_the_log_says_why_requests_are_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
