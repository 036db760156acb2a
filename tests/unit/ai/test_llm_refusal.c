/*
 * Is it the request, or the endpoint? What refuses all requests ends as refused, soon and with what the server said; what refuses a document costs that
 * document alone. And endpoints that never say no, but not now, for ever.
 */
#include "llm_kit.h"

#include <limits.h>

#include "openai/flow.h"

#define SECOND INT64_C(1000000)

#define UNKNOWN_MODEL                                                                                                                                      \
    "{\"error\":{\"message\":\"/chat/completions: Invalid model name passed in model=small. Call `/v1/models` to view available models for your key.\","        \
    "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"400\"}}"
#define BLOCKED "{\"error\":{\"message\":\"Blocked by content firewall\"}}"
#define NO_DB "{\"error\":{\"message\":\"No connected db.\",\"type\":\"no_db_connection\",\"param\":null,\"code\":\"400\"}}"

struct script {
    unsigned bad;              /* requests 0 … bad - 1 of the test are answered so, UINT_MAX: all */
    struct llm_reply reply;
    const char *bodies[2];     /* in turns; NULL: reply's */
    int64_t good_us;
    atomic_uint bad_count;
};

static void play(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct script *script = arg;

    if (kit_number(request) >= script->bad) {
        reply->delay_us = script->good_us;
        return;
    }
    *reply = script->reply;
    if (script->bodies[0])
        reply->body = script->bodies[atomic_load(&script->bad_count) % 2];
    atomic_fetch_add(&script->bad_count, 1);
}

/* What waits most of the time is begun together, each with a server of its own, and then waited for. */
static struct kit *begin(struct script *script, unsigned count, unsigned concurrency)
{
    struct kit *kit = kit_new(play, script);

    kit->endpoints[0].limits.concurrency = concurrency;
    kit_open(kit);
    kit_send(kit, count);
    return kit;
}

static struct kit *run(struct script *script, unsigned count, unsigned concurrency)
{
    struct kit *kit = begin(script, count, concurrency);

    kit_wait(kit);
    return kit;
}

/* ---- the endpoint ---- */

static void test_what_all_requests_hear_is_the_endpoints_no(void **state)
{
    static const struct {
        int status;
        const char *body, *word;
    } cases[] = {{400, UNKNOWN_MODEL, "Invalid model name passed in model=small"}, {400, NO_DB, "No connected db."}, {403, "{\"error\":\"This key has reached its spending limit\"}", "spending limit"},
                 {400, "{\"error\":{\"message\":\"?\",\"code\":\"model_not_found\"}}", "?"}, {422, "{\"detail\":\"Input should be 'large'\",\"param\":\"model\"}", "Input should be"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned concurrency = 1; concurrency <= 16; concurrency += 15) {
            struct script script = {.bad = UINT_MAX, .reply = {.status = cases[i].status, .body = cases[i].body, .delay_us = 2000}};
            struct kit *kit = run(&script, 200, concurrency);

            assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 200);
            for (int n = 0; n < 200; n++)
                assert_non_null(strstr(kit->results[n].reason, cases[i].word));
            assert_true(atomic_load(&script.bad_count) <= 2 * concurrency); /* none is sent once it is clear */
            kit_free(kit);
        }
}

/* No word of model or key, and another id in each answer: more of them have to hear it. */
static void test_the_same_words_to_all_are_a_no_as_well(void **state)
{
    struct script script = {.bad = UINT_MAX, .reply = {.status = 400}, .bodies = {"{\"error\":\"temperature must be 1 (request 17)\"}", "{\"error\":\"temperature must be 1 (request 4711)\"}"}};
    struct kit *kit = run(&script, 100, 4);

    (void)state;
    assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 100);
    assert_non_null(strstr(kit->results[99].reason, "temperature must be 1"));
    assert_true(atomic_load(&script.bad_count) <= 30);
    kit_free(kit);
}

static void test_another_endpoint_takes_what_the_first_refuses(void **state)
{
    struct script script = {.bad = UINT_MAX, .reply = {.status = 400, .body = UNKNOWN_MODEL}};
    struct kit *kit = kit_new(play, &script);

    (void)state;
    kit_add(kit, NULL, NULL);
    kit_open(kit);
    kit_send(kit, 100);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 100);
    kit_free(kit);
}

/* ---- or the request ---- */

/* Even where the server quotes it, and it talks of models and keys, and is the first one: the others are slow, but answered. */
static void test_a_bad_document_stops_nothing(void **state)
{
    struct script script = {.bad = 1, .reply = {.status = 400, .body = "{\"error\":\"cannot read: 'Invalid model name, no api key'\"}"}, .good_us = 700000};
    struct kit *kits[] = {begin(&script, 3, 1), begin(&script, 40, 16)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kit *kit = kits[i];

        kit_wait(kit);
        assert_int_equal(kit_count(kit, LAM_LLM_REJECTED), 1);
        assert_int_equal(kit->results[0].outcome, LAM_LLM_REJECTED);
        assert_non_null(strstr(kit->results[0].reason, "cannot read"));
        assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), kit->sent - 1);
        kit_free(kit);
    }
}

static void test_several_bad_documents_stop_nothing(void **state)
{
    struct script script = {.bad = 20, .reply = {.status = 400, .body = "{\"error\":\"the text is empty\"}", .delay_us = 100000}, .good_us = 300000};
    struct kit *kit = run(&script, 60, 40); /* more than enough of them at once, but others are under way */

    (void)state;
    assert_int_equal(kit_count(kit, LAM_LLM_REJECTED), 20);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 40);
    kit_free(kit);
}

/* Nothing else is there to tell, so nobody knows whose fault it is: another day, neither the quarantine nor the end of the run. */
static void test_a_request_that_is_alone(void **state)
{
    static const struct llm_reply replies[] = {{.status = 400, .body = UNKNOWN_MODEL}, {.status = 400, .body = "{\"error\":\"the text is empty\"}"}, {.status = 403, .body = BLOCKED}};

    struct script scripts[sizeof replies / sizeof *replies];
    struct kit *kits[sizeof replies / sizeof *replies];

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        scripts[i] = (struct script){.bad = UINT_MAX, .reply = replies[i]};
        kits[i] = begin(&scripts[i], 1, 4);
    }
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        kit_wait(kits[i]);
        assert_int_equal(kits[i]->results[0].outcome, LAM_LLM_LATER);
        assert_true(kits[i]->results[0].attempts > 1);
        kit_free(kits[i]);
    }
}

/* Two that a firewall does not like, among hundreds and by themselves: documents, whatever a 403 means elsewhere. */
static void test_blocked_documents_stop_nothing(void **state)
{
    struct script many = {.bad = 2, .reply = {.status = 403, .body = BLOCKED}, .good_us = 5000}, few = {.bad = 2, .reply = {.status = 403, .body = BLOCKED}};
    struct kit *with_many = begin(&many, 300, 4), *alone = begin(&few, 2, 4);

    (void)state;
    kit_wait(with_many);
    assert_int_equal(kit_count(with_many, LAM_LLM_REJECTED), 2);
    assert_int_equal(kit_count(with_many, LAM_LLM_ANSWERED), 298);
    kit_free(with_many);
    kit_wait(alone);
    assert_int_equal(kit_count(alone, LAM_LLM_LATER), 2);
    kit_free(alone);
}

/* ---- a trial: one request about a harmless text ---- */

#define TRIAL 100000u
#define POLICY "{\"error\":{\"message\":\"The content violates our policy\",\"type\":\"invalid_request_error\"}}"

struct trial_script {
    unsigned bad;             /* requests 0 … bad - 1 are refused; UINT_MAX: all */
    struct llm_reply refusal;
    struct llm_reply trial;   /* status 0: answered */
    unsigned spoiled;         /* trials that are replied to so; others are answered */
    atomic_uint trials, refused;
};

static void play_trial(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct trial_script *script = arg;
    bool trial = kit_number(request) == TRIAL;

    if (trial && atomic_fetch_add(&script->trials, 1) < script->spoiled && script->trial.status) {
        *reply = script->trial;
    } else if (!trial && kit_number(request) < script->bad) {
        *reply = script->refusal;
        atomic_fetch_add(&script->refused, 1);
    } else {
        reply->body = "{\"choices\":[{\"message\":{\"content\":\"{}\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":3,\"total_tokens\":24}}";
    }
}

static struct kit *begin_trial(struct trial_script *script, unsigned count, unsigned concurrency)
{
    const struct lam_llm_request request = {.tokens = 10, .max_tokens = 20, .trial = LAM_SV("\"messages\":[],\"n\":100000")};
    struct kit *kit = kit_new(play_trial, script);

    kit->endpoints[0].limits.concurrency = concurrency;
    kit_open(kit);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(kit_send_as(kit, &request, NULL), 0);
    return kit;
}

static void end_trial(struct kit *kit, struct lam_llm_counters *counters)
{
    kit_wait(kit);
    lam_llm_client_counters(kit->client, 0, counters);
}

static struct kit *run_trial(struct trial_script *script, unsigned count, unsigned concurrency, struct lam_llm_counters *counters)
{
    struct kit *kit = begin_trial(script, count, concurrency);

    end_trial(kit, counters);
    return kit;
}

/* The first records are all of a kind that a policy forbids, and hear the same: they are rejected, each for itself, and all others answered. */
static void test_records_that_are_refused_alike_at_the_beginning_end_no_run(void **state)
{
    static const struct llm_reply refusals[] = {{.status = 400, .body = POLICY}, {.status = 403, .body = BLOCKED}, {.status = 422, .body = "{\"detail\":\"cannot read: 'Invalid model name'\"}"}};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        for (unsigned concurrency = 1; concurrency <= 16; concurrency += 15) {
            struct trial_script script = {.bad = 40, .refusal = refusals[i]};
            struct lam_llm_counters counters;
            struct kit *kit = run_trial(&script, 100, concurrency, &counters);

            assert_int_equal(kit_count(kit, LAM_LLM_REJECTED), 40);
            assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 60);
            for (unsigned n = 0; n < 100; n++)
                assert_int_equal(kit->results[n].outcome, n < 40 ? LAM_LLM_REJECTED : LAM_LLM_ANSWERED);
            assert_true(counters.trials >= 1 && counters.trials <= 1 + 40 / 8); /* the first row may be of two */
            assert_int_equal(counters.trials, atomic_load(&script.trials));
            assert_int_equal(counters.trial_in, 21 * counters.trials);
            assert_int_equal(counters.trial_out, 3 * counters.trials);
            kit_free(kit);
        }
}

/* All of a corpus: rejected, not refused; and never asked more often than it takes to know. */
static void test_a_corpus_that_is_all_forbidden_is_rejected(void **state)
{
    struct trial_script script = {.bad = UINT_MAX, .refusal = {.status = 400, .body = POLICY}};
    struct lam_llm_counters counters;
    struct kit *kit;

    (void)state;
    script.bad = TRIAL;
    kit = run_trial(&script, 100, 4, &counters);
    assert_int_equal(kit_count(kit, LAM_LLM_REJECTED) + kit_count(kit, LAM_LLM_LATER), 100);
    assert_true(kit_count(kit, LAM_LLM_LATER) < 8); /* the last few are no row */
    assert_true(counters.trials <= 100 / 8);
    kit_free(kit);
}

static void test_an_endpoint_that_refuses_a_harmless_text_too_refuses_all(void **state)
{
    static const struct llm_reply refusals[] = {{.status = 400, .body = UNKNOWN_MODEL}, {.status = 400, .body = NO_DB}, {.status = 403, .body = BLOCKED}};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        for (unsigned concurrency = 1; concurrency <= 16; concurrency += 15) {
            struct trial_script script = {.bad = UINT_MAX, .refusal = refusals[i], .trial = refusals[i], .spoiled = UINT_MAX};
            struct lam_llm_counters counters;
            struct kit *kit = run_trial(&script, 200, concurrency, &counters);

            assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 200);
            assert_int_equal(atomic_load(&script.trials), 1);
            assert_int_equal(counters.trials, 0); /* none was answered: none is paid */
            assert_true(atomic_load(&script.refused) <= 2 * concurrency + 16);
            kit_free(kit);
        }
}

/* A trial that comes to nothing: neither the end of the run nor a request for ever. One that is only limited is asked again. */
static void test_a_trial_that_tells_nothing(void **state)
{
    struct trial_script limited = {.bad = 20, .refusal = {.status = 400, .body = POLICY}, .trial = {.status = 429, .headers = "retry-after-ms: 50\r\n"}, .spoiled = 2};
    struct trial_script broken = {.bad = TRIAL, .refusal = {.status = 400, .body = POLICY}, .trial = {.status = 500, .body = "oops"}, .spoiled = UINT_MAX};
    struct lam_llm_counters counters;
    struct kit *at_limited = begin_trial(&limited, 40, 4), *at_broken = begin_trial(&broken, 40, 4);

    (void)state;
    end_trial(at_limited, &counters);
    assert_int_equal(kit_count(at_limited, LAM_LLM_REJECTED), 20);
    assert_int_equal(kit_count(at_limited, LAM_LLM_ANSWERED), 20);
    assert_true(atomic_load(&limited.trials) >= 3 && atomic_load(&limited.trials) <= 2 + 20 / 8);
    kit_free(at_limited);
    end_trial(at_broken, &counters);
    assert_int_equal(kit_count(at_broken, LAM_LLM_REJECTED) + kit_count(at_broken, LAM_LLM_ANSWERED), 0); /* nobody knows */
    assert_int_equal(counters.trials, 0);
    assert_true(atomic_load(&broken.trials) <= 3 * 4);
    kit_free(at_broken);
}

/* ---- an endpoint that has answered, and then takes nothing more ---- */

/* Answers so many, and says the same to all others from then on. */
static void turns(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct script *script = arg;

    reply->delay_us = 2000;
    if (request->number < script->bad)
        return;
    *reply = script->reply;
    atomic_fetch_add(&script->bad_count, 1);
}

static void test_money_that_runs_out_costs_no_record(void **state)
{
    static const struct llm_reply replies[] = {{.status = 402, .body = "{\"error\":\"Payment required\"}"}, {.status = 403, .body = "{\"error\":\"This key has reached its spending limit\"}"},
                                               {.status = 400, .body = "{\"error\":{\"message\":\"Your credit balance is too low to access the API\"}}"},
                                               {.status = 404, .body = "{\"error\":\"model 'small' not found, try pulling it first\"}"}};

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        for (unsigned concurrency = 1; concurrency <= 16; concurrency += 15) {
            struct script script = {.bad = 20, .reply = replies[i]};
            struct kit *kit = kit_new(turns, &script);

            kit->endpoints[0].limits.concurrency = concurrency;
            kit_open(kit);
            kit_send(kit, 200);
            kit_wait(kit);
            assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 20);
            assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 180);
            assert_true(atomic_load(&script.bad_count) <= 64);
            kit_free(kit);
        }
}

/* Words that tell nothing: neither the quarantine nor the end of the run, but not asked for ever either. */
static void test_an_endpoint_that_takes_nothing_more_is_given_up(void **state)
{
    struct script script = {.bad = 20, .reply = {.status = 400, .body = "{\"error\":\"bad request\"}"}};
    struct kit *kit = kit_new(turns, &script);

    (void)state;
    kit->options.give_up_ms = 1000;
    kit->endpoints[0].limits.concurrency = 4;
    kit_open(kit);
    kit_send(kit, 1000);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 20);
    assert_int_equal(kit_count(kit, LAM_LLM_LATER), 980);
    assert_non_null(strstr(kit->results[999].reason, "bad request"));
    kit_free(kit);
}

/* ---- not now, for ever ---- */

static void test_an_endpoint_that_only_says_not_now_is_given_up(void **state)
{
    static const struct llm_reply replies[] = {{.status = 429}, {.status = 503}, {.status = 429, .headers = "retry-after-ms: 100\r\n"}};

    struct llm_reply mine[sizeof replies / sizeof *replies];
    struct kit *kits[sizeof replies / sizeof *replies];

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        mine[i] = replies[i];
        kits[i] = kit_new(kit_same, &mine[i]);
        kits[i]->options.give_up_ms = 1000;
        kits[i]->options.rate_retries = 1000000; /* else the attempts would end it */
        kits[i]->endpoints[0].limits.concurrency = 4;
        kit_open(kits[i]);
        kit_send(kits[i], 50);
    }
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        kit_wait(kits[i]);
        assert_int_equal(kit_count(kits[i], LAM_LLM_LATER), 50);
        assert_non_null(strstr(kits[i]->results[49].reason, i == 1 ? "status 503" : "status 429"));
        kit_free(kits[i]);
    }
}

static void limit_it(struct lam_llm_flow *flow, int64_t sent_us, int64_t now_us)
{
    lam_llm_flow_sent(flow, 0, sent_us);
    lam_llm_flow_ended(flow, &(struct lam_llm_end){.result = LAM_LLM_R_LIMITED, .sent_us = sent_us}, now_us);
}

static void test_how_long_it_has_said_so(void **state)
{
    struct lam_llm_share share = {.limits = {.concurrency = 10}};
    struct lam_llm_flow flow;

    (void)state;
    lam_llm_flow_init(&flow, &share, 10, SECOND);
    assert_int_equal(lam_llm_flow_refusing_us(&flow), 0);
    for (int64_t at_s = 10; at_s <= 100; at_s += 10)
        limit_it(&flow, at_s * SECOND, (at_s + 1) * SECOND);
    assert_int_equal(lam_llm_flow_refusing_us(&flow), 91 * SECOND);
    limit_it(&flow, 300 * SECOND, 301 * SECOND); /* nobody asked in between: it may have been well for most of the time */
    assert_int_equal(lam_llm_flow_refusing_us(&flow), SECOND);
    limit_it(&flow, 310 * SECOND, 311 * SECOND);
    assert_int_equal(lam_llm_flow_refusing_us(&flow), 11 * SECOND);
    lam_llm_flow_sent(&flow, 0, 312 * SECOND);
    lam_llm_flow_ended(&flow, &(struct lam_llm_end){.result = LAM_LLM_R_ANSWERED, .sent_us = 312 * SECOND}, 313 * SECOND);
    assert_int_equal(lam_llm_flow_refusing_us(&flow), 0);
}

/* ---- redirects ---- */

#define PATHS 400

static struct {
    char headers[PATHS][64];
    atomic_uint next, beyond;
} moving;

/* Elsewhere each time; the first request is answered where it is. */
static void move(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    unsigned at;

    if (*(bool *)arg && request->number == 0)
        return;
    if (strstr(request->path, "/moved/"))
        atomic_fetch_add(&moving.beyond, 1);
    at = atomic_fetch_add(&moving.next, 1) % PATHS;
    snprintf(moving.headers[at], sizeof moving.headers[at], "Location: /v1/moved/%u\r\n", at);
    reply->status = 307;
    reply->headers = moving.headers[at];
}

static void test_addresses_that_change_with_each_redirect_are_not_collected(void **state)
{
    (void)state;
    for (int answered = 0; answered < 2; answered++) {
        bool first = answered;
        struct kit *kit = kit_new(move, &first);

        atomic_store(&moving.beyond, 0);
        kit->endpoints[0].limits.concurrency = 1;
        kit_open(kit);
        kit_send(kit, 60);
        kit_wait(kit);
        assert_int_equal(kit_count(kit, answered ? LAM_LLM_LATER : LAM_LLM_REFUSED), 60 - answered);
        assert_non_null(strstr(kit->results[59].reason, answered ? "redirected too often" : "status 307"));
        kit_free(kit);
        assert_true(atomic_load(&moving.beyond) <= (answered ? 60 + 16 : 4)); /* one request, followed three times; all, and the addresses that are kept */
    }
}

/* One request is sent to a page that is gone soon after: it is asked at home again, and the others never went there. */
static void to_maintenance(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    atomic_uint *there = arg;

    if (request->number == 20) {
        reply->status = 302;
        reply->headers = "Location: /maintenance\r\n";
    } else if (!strcmp(request->path, "/maintenance")) {
        atomic_fetch_add(there, 1);
        reply->status = 404;
        reply->body = "{\"error\":\"no such page\"}";
    }
}

static void test_a_passing_redirect_is_followed_once(void **state)
{
    atomic_uint there = 0;
    struct kit *kit = kit_new(to_maintenance, &there);

    (void)state;
    kit->endpoints[0].limits.concurrency = 4;
    kit_open(kit);
    kit_send(kit, 200);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 200);
    assert_int_equal(atomic_load(&there), 1);
    kit_free(kit);
}

/* It has moved for good, to where it is for a while only. */
static void there_and_back(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    if (!strcmp(request->path, "/v2/chat")) {
        reply->status = request->number > 40 ? 404 : 200;
    } else if (request->number < 30) {
        reply->status = 308;
        reply->headers = "Location: /v2/chat\r\n";
    }
}

static void test_who_has_moved_back_is_found(void **state)
{
    struct kit *kit = kit_new(there_and_back, NULL);

    (void)state;
    kit->endpoints[0].limits.concurrency = 4;
    kit_open(kit);
    kit_send(kit, 200);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_ANSWERED), 200);
    kit_free(kit);
}

static void test_an_address_that_is_too_long_is_refused_with_a_word(void **state)
{
    char headers[600] = "Location: /v1/";
    struct llm_reply reply = {.status = 308, .headers = headers};
    struct kit *kit;

    (void)state;
    memset(headers + strlen(headers), 'a', 500);
    strcat(headers, "\r\n");
    kit = kit_new(kit_same, &reply);
    kit_open(kit);
    kit_send(kit, 2);
    kit_wait(kit);
    assert_int_equal(kit_count(kit, LAM_LLM_REFUSED), 2);
    assert_non_null(strstr(kit->results[0].reason, "a very long address"));
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_all_requests_hear_is_the_endpoints_no),
        cmocka_unit_test(test_the_same_words_to_all_are_a_no_as_well),
        cmocka_unit_test(test_another_endpoint_takes_what_the_first_refuses),
        cmocka_unit_test(test_a_bad_document_stops_nothing),
        cmocka_unit_test(test_several_bad_documents_stop_nothing),
        cmocka_unit_test(test_a_request_that_is_alone),
        cmocka_unit_test(test_blocked_documents_stop_nothing),
        cmocka_unit_test(test_records_that_are_refused_alike_at_the_beginning_end_no_run),
        cmocka_unit_test(test_a_corpus_that_is_all_forbidden_is_rejected),
        cmocka_unit_test(test_an_endpoint_that_refuses_a_harmless_text_too_refuses_all),
        cmocka_unit_test(test_a_trial_that_tells_nothing),
        cmocka_unit_test(test_money_that_runs_out_costs_no_record),
        cmocka_unit_test(test_an_endpoint_that_takes_nothing_more_is_given_up),
        cmocka_unit_test(test_an_endpoint_that_only_says_not_now_is_given_up),
        cmocka_unit_test(test_how_long_it_has_said_so),
        cmocka_unit_test(test_addresses_that_change_with_each_redirect_are_not_collected),
        cmocka_unit_test(test_a_passing_redirect_is_followed_once),
        cmocka_unit_test(test_who_has_moved_back_is_found),
        cmocka_unit_test(test_an_address_that_is_too_long_is_refused_with_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
