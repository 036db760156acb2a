/* Recording and replay: what one transport wrote down another one answers, the same bytes, in the order of the latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ai/openai/recording.h"
#include "scratch.h"

enum { ATTEMPTS = 8 };

/* --- a transport that answers from a list --- */

struct script {
    enum lam_llm_transport_code code;
    int status;
    const char *answer;
    size_t len;
    int64_t latency_us, retry_after_ms;
};

struct lam_llm_transport {
    struct lam_llm_sink sink;
    const struct script *next;
    struct lam_llm_attempt *open[ATTEMPTS];
    int count;
};

static int script_open(const struct lam_llm_transport_init *init, struct lam_llm_transport **transport, struct lam_error *err)
{
    (void)err;
    *transport = calloc(1, sizeof **transport);
    (*transport)->sink = init->sink;
    (*transport)->next = init->arg;
    return 0;
}

static int script_start(struct lam_llm_transport *t, struct lam_llm_attempt *attempt, struct lam_error *err)
{
    (void)err;
    t->open[t->count++] = attempt;
    return 0;
}

static void script_cancel(struct lam_llm_transport *t, struct lam_llm_attempt *attempt)
{
    for (int i = 0; i < t->count; i++)
        if (t->open[i] == attempt)
            t->open[i] = t->open[--t->count];
}

static int script_run(struct lam_llm_transport *t, int64_t until_us, struct lam_error *err)
{
    (void)until_us;
    for (int i = 0; i < t->count; i++, t->next++) {
        struct lam_llm_attempt *attempt = t->open[i];

        attempt->code = t->next->code;
        attempt->status = t->next->status;
        attempt->started_us = 0;
        attempt->ended_us = t->next->latency_us;
        lam_llm_headers_init(&attempt->headers);
        if (t->next->retry_after_ms)
            attempt->headers.retry_after_ms = t->next->retry_after_ms;
        lam_buf_clear(&attempt->answer);
        assert_int_equal(lam_buf_add(&attempt->answer, t->next->answer, t->next->len, err), 0);
        t->sink.done(t->sink.arg, attempt);
    }
    t->count = 0;
    return 0;
}

static void script_close(struct lam_llm_transport *t) { free(t); }

static const struct lam_llm_transport_ops scripted = {"scripted", script_open, script_start, script_cancel, script_run, script_close};

/* --- a client that does nothing but ask --- */

struct asker {
    const struct lam_llm_transport_ops *ops;
    struct lam_llm_transport *transport;
    struct lam_llm_options options;
    struct lam_wake wake;
    struct lam_llm_attempt attempts[ATTEMPTS];
    int started, done, order[ATTEMPTS];
};

static void on_done(void *arg, struct lam_llm_attempt *attempt)
{
    struct asker *asker = arg;

    asker->order[asker->done++] = (int)(attempt - asker->attempts);
}

static int open_asker(struct asker *asker, const struct lam_llm_transport_ops *ops, void *arg, struct lam_error *err)
{
    struct lam_llm_transport_init init = {.options = &asker->options, .wake = &asker->wake, .sink = {on_done, asker}, .arg = arg};

    memset(asker, 0, sizeof *asker);
    asker->ops = ops;
    asker->options.clock = &lam_clock_system;
    assert_int_equal(lam_wake_init(&asker->wake, err), 0);
    return ops->open(&init, &asker->transport, err);
}

static void ask(struct asker *asker, const char *body)
{
    struct lam_llm_attempt *attempt = &asker->attempts[asker->started++];
    struct lam_error err;

    *attempt = (struct lam_llm_attempt){.kind = LAM_LLM_CHAT, .url = "http://host/v1/chat/completions", .body = lam_sv_of(body), .timeout_ms = 60000};
    lam_buf_init(&attempt->answer, 1 << 20);
    assert_int_equal(asker->ops->start(asker->transport, attempt, &err), 0);
}

static void finish(struct asker *asker, int until)
{
    struct lam_error err;

    while (asker->done < until)
        assert_int_equal(asker->ops->run(asker->transport, INT64_MAX, &err), 0);
}

static void close_asker(struct asker *asker)
{
    if (asker->transport)
        asker->ops->close(asker->transport);
    for (int i = 0; i < asker->started; i++)
        lam_buf_release(&asker->attempts[i].answer);
    lam_wake_release(&asker->wake);
}

static void expect(const struct asker *asker, int n, enum lam_llm_transport_code code, int status, const char *answer, size_t len)
{
    const struct lam_llm_attempt *attempt = &asker->attempts[n];

    assert_int_equal(attempt->code, code);
    assert_int_equal(attempt->status, status);
    assert_int_equal(attempt->answer.len, len);
    if (len)
        assert_memory_equal(attempt->answer.ptr, answer, len);
    assert_true(attempt->ended_us >= attempt->started_us);
}

static const struct script answers[] = {
    {LAM_LLM_T_OK, 200, "{\"choices\":[\"\xc3\xa9 \\n\"]}\n", 21, 60000, 0},
    {LAM_LLM_T_OK, 429, "slow \"down\"", 11, 30000, 1500},
    {LAM_LLM_T_CUT, 0, "\xff\xfe\0\x01", 4, 10000, 0},
    {LAM_LLM_T_OK, 200, "the second answer", 17, 1000, 0},
};

static void record_all(const char *folder, const char *name)
{
    struct lam_llm_record_options options = {.folder = folder, .name = name, .inner = &scripted, .inner_arg = (void *)answers};
    struct asker asker;
    struct lam_error err;

    assert_int_equal(open_asker(&asker, &lam_llm_transport_record, &options, &err), 0);
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"one\"}],\"n\":1}");
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"two\"}]}");
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"three\"}]}");
    finish(&asker, 3);
    ask(&asker, "{\"n\":1,\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}"); /* the same once more */
    ask(&asker, "{}");
    asker.ops->cancel(asker.transport, &asker.attempts[4]);
    finish(&asker, 4);
    expect(&asker, 0, LAM_LLM_T_OK, 200, answers[0].answer, 21); /* it comes through as it was */
    close_asker(&asker);
}

static void what_was_recorded_is_answered_again(void **state)
{
    struct lam_llm_replay_options options = {.path = *state, .speed = 1};
    struct asker asker;
    struct lam_error err;

    record_all(*state, "rank-0");
    assert_int_equal(open_asker(&asker, &lam_llm_transport_replay, &options, &err), 0);
    ask(&asker, "{ \"messages\": [{\"content\": \"\\u006fne\", \"role\": \"user\"}],\n \"n\": 1, \"model\": \"m\" }"); /* written otherwise, saying the same */
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"two\"}]}");
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"three\"}]}");
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"four\"}]}");
    ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"two\"}]}");
    asker.ops->cancel(asker.transport, &asker.attempts[4]);
    finish(&asker, 4);
    assert_int_equal(asker.order[0], 3); /* not recorded: at once; then 10, 30 and 60 ms */
    assert_int_equal(asker.order[1], 2);
    assert_int_equal(asker.order[2], 1);
    assert_int_equal(asker.order[3], 0);
    expect(&asker, 0, LAM_LLM_T_OK, 200, answers[0].answer, 21);
    expect(&asker, 1, LAM_LLM_T_OK, 429, answers[1].answer, 11);
    assert_int_equal(asker.attempts[1].headers.retry_after_ms, 1500);
    expect(&asker, 2, LAM_LLM_T_CUT, 0, answers[2].answer, 4);
    assert_int_equal(asker.attempts[3].status, 400);
    ask(&asker, "{\"n\":1,\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}");
    finish(&asker, 5);
    expect(&asker, 5, LAM_LLM_T_OK, 200, answers[3].answer, 17); /* the second answer to the same question */
    ask(&asker, "{\"n\":1,\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}");
    finish(&asker, 6);
    expect(&asker, 6, LAM_LLM_T_OK, 200, answers[3].answer, 17); /* and the last one again and again */
    close_asker(&asker);
}

static void at_no_speed_answers_come_at_once_and_an_impatient_request_times_out(void **state)
{
    const char *file = scratch_join(*state, "a.jsonl");
    struct lam_llm_replay_options options = {.path = file, .speed = 0};
    struct asker asker;
    struct lam_error err;
    const char *lines = "{\"request\":{\"q\":1},\"seconds\":30,\"answer\":{\"a\":1}}\n"
                        "{\"request\":\"{\\\"q\\\":2}\",\"seconds\":30,\"status\":503,\"headers\":{\"should_retry\":1,\"remaining_requests\":7}}\n"
                        "{\"model\":\"m\",\"contains\":\"apple\",\"answer\":\"1\"}\n"
                        "{\"model\":\"m\",\"contains\":\"apple\",\"answer\":\"2\"}\n"
                        "{\"contains\":\"pear\",\"answer\":\"3\"}\n"
                        "{\"model\":\"m\",\"contains\":\"cut of";

    scratch_write(file, lines, strlen(lines));
    assert_int_equal(open_asker(&asker, &lam_llm_transport_replay, &options, &err), 0);
    ask(&asker, "{\"q\":1}");
    ask(&asker, "{\"q\":2}");
    finish(&asker, 2);
    expect(&asker, 0, LAM_LLM_T_OK, 200, "{\"a\":1}", 7);
    expect(&asker, 1, LAM_LLM_T_OK, 503, "", 0);
    assert_int_equal(asker.attempts[1].headers.should_retry, 1);
    assert_int_equal(asker.attempts[1].headers.remaining_requests, 7);
    for (int i = 0; i < 3; i++)
        ask(&asker, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"an apple a day\"}]}");
    ask(&asker, "{\"model\":\"x\",\"messages\":[{\"role\":\"system\",\"content\":\"apple\"},{\"role\":\"user\",\"content\":\"pears\"}]}");
    finish(&asker, 6);
    expect(&asker, 2, LAM_LLM_T_OK, 200, "1", 1);
    expect(&asker, 3, LAM_LLM_T_OK, 200, "2", 1);
    expect(&asker, 4, LAM_LLM_T_OK, 200, "2", 1);
    expect(&asker, 5, LAM_LLM_T_OK, 200, "3", 1);
    close_asker(&asker);

    options.speed = 1000;
    assert_int_equal(open_asker(&asker, &lam_llm_transport_replay, &options, &err), 0);
    ask(&asker, "{\"q\":1}");
    asker.attempts[0].timeout_ms = 60000;
    finish(&asker, 1);
    expect(&asker, 0, LAM_LLM_T_OK, 200, "{\"a\":1}", 7);
    close_asker(&asker);

    options.speed = 1;
    assert_int_equal(open_asker(&asker, &lam_llm_transport_replay, &options, &err), 0);
    asker.attempts[0] = (struct lam_llm_attempt){.url = "u", .body = LAM_SV("{\"q\":1}"), .timeout_ms = 5};
    lam_buf_init(&asker.attempts[0].answer, 1000);
    asker.started = 1;
    assert_int_equal(asker.ops->start(asker.transport, &asker.attempts[0], &err), 0);
    finish(&asker, 1);
    assert_int_equal(asker.attempts[0].code, LAM_LLM_T_TIMEOUT);
    close_asker(&asker);
}

static void a_recording_is_bounded_and_goes_on_where_it_ended(void **state)
{
    struct lam_llm_record_options options = {.folder = *state, .name = "rank-3", .inner = &scripted, .file_bytes = 100, .files = 2};
    struct lam_names names;
    struct lam_error err;

    for (int round = 0; round < 3; round++) {
        struct asker asker;

        options.inner_arg = (void *)answers;
        assert_int_equal(open_asker(&asker, &lam_llm_transport_record, &options, &err), 0);
        for (int i = 0; i < 4; i++) {
            ask(&asker, "{\"model\":\"m\"}");
            finish(&asker, i + 1);
        }
        close_asker(&asker);
    }
    assert_int_equal(lam_fs_list(&lam_fs_system, *state, &names, &err), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "rank-3-000011.jsonl");
    assert_string_equal(names.names[1], "rank-3-000012.jsonl");
    lam_names_release(&names);
}

static void a_bad_line_is_told_with_its_place(void **state)
{
    static const char *const bad[] = {"{\"request\":{},\"answer\":1}\n{\"answer\":1}\n", "{}\n{\"request\":{},\"seconds\":-1}\n", "no JSON\n", "{\"request\":\"no JSON\"}\n",
                                      "{\"request\":{},\"status\":1000}\n", "[]\n"};
    struct lam_llm_replay_options options = {.path = scratch_join(*state, "bad.jsonl"), .speed = 1};
    char path[SCRATCH_PATH];
    struct lam_error err;

    snprintf(path, sizeof path, "%s", options.path);
    options.path = path;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct asker asker;

        scratch_write(path, bad[i], strlen(bad[i]));
        assert_int_equal(open_asker(&asker, &lam_llm_transport_replay, &options, &err), LAM_E_INVALID);
        assert_non_null(strstr(err.text, i == 0 ? "bad.jsonl, line 2" : "bad.jsonl, line 1"));
        close_asker(&asker);
    }
}

static void base64_is_undone(void **state)
{
    static const char bytes[] = "\x00\xff\x10\x80 any bytes";
    struct lam_buf text, back;
    struct lam_error err;

    (void)state;
    lam_buf_init(&text, 1000);
    lam_buf_init(&back, 1000);
    for (size_t len = 0; len < sizeof bytes; len++) {
        lam_buf_clear(&text);
        lam_buf_clear(&back);
        assert_int_equal(lam_base64_add(&text, lam_sv(bytes, len), &err), 0);
        assert_int_equal(lam_base64_undo(lam_sv(text.ptr + 1, text.len - 2), &back, &err), 0);
        assert_int_equal(back.len, len);
        if (len)
            assert_memory_equal(back.ptr, bytes, len);
    }
    assert_int_equal(lam_base64_undo(LAM_SV("AAA"), &back, &err), LAM_E_INVALID);
    assert_int_equal(lam_base64_undo(LAM_SV("A*AA"), &back, &err), LAM_E_INVALID);
    lam_buf_release(&text);
    lam_buf_release(&back);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_recorded_is_answered_again),
        CASE(at_no_speed_answers_come_at_once_and_an_impatient_request_times_out),
        CASE(a_recording_is_bounded_and_goes_on_where_it_ended),
        CASE(a_bad_line_is_told_with_its_place),
        cmocka_unit_test(base64_is_undone),
    };

    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
