/* Files of the batch API: what goes out has our key, what comes back in any known form becomes an answer in the cache. */
#include "cache_fixture.h"

#include "ai/openai/batch_file.h"

#define KEY "00112233445566778899aabbccddeeff"
#define BODY(content, finish)                                                                                                                                  \
    "{\"model\":\"m-1\",\"choices\":[{\"index\":0,\"finish_reason\":\"" finish "\",\"message\":{\"role\":\"assistant\",\"content\":\"" content "\"}}],"         \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":7}}"

static struct lam_digest the_key(void)
{
    struct lam_digest key;

    assert_true(lam_digest_parse(LAM_SV(KEY), &key));
    return key;
}

/* Imports text and gives the value that the cache has for the key then ("" for none); malloc. */
static char *imported(const char *root, const char *text, struct lam_batch_counts *counts)
{
    const char *path = scratch_join(root, "in.jsonl");
    struct lam_cache *cache = open_cache(root, NULL);
    struct lam_cache_meta meta;
    struct lam_error err;
    struct lam_buf value;
    char *copy;

    scratch_write(path, text, strlen(text));
    if (lam_batch_import(cache, NULL, path, counts, &err))
        fail_msg("%s", err.text);
    lam_buf_init(&value, 10000);
    lam_cache_get(cache, the_key(), &value, &meta, &err);
    copy = strndup(value.len ? value.ptr : "", value.len);
    lam_buf_release(&value);
    lam_cache_close(cache);
    return copy;
}

static void a_request_carries_the_key_on_one_line(void **state)
{
    struct lam_buf line;
    struct lam_error err;

    (void)state;
    lam_buf_init(&line, 1000);
    assert_int_equal(lam_batch_request_add(&line, the_key(), LAM_BATCH_CHAT_URL, LAM_SV("{\"model\":\n\"m\"}"), &err), 0);
    assert_int_equal(line.len, strlen("{\"custom_id\":\"" KEY "\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\": \"m\"}}\n"));
    assert_memory_equal(line.ptr, "{\"custom_id\":\"" KEY "\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\": \"m\"}}\n", line.len);
    lam_buf_release(&line);
}

static void the_file_of_requests_is_there_when_it_is_whole(void **state)
{
    const char *path = strdup(scratch_join(*state, "requests.jsonl"));
    struct lam_batch_writer *writer;
    struct lam_error err;
    char *text;

    assert_int_equal(lam_batch_writer_open(&writer, NULL, path, &err), 0);
    assert_int_equal(lam_batch_writer_add(writer, the_key(), LAM_BATCH_CHAT_URL, LAM_SV("{}"), &err), 0);
    assert_null(scratch_read(path, NULL));
    lam_batch_writer_free(writer);
    assert_null(scratch_read(path, NULL));
    assert_int_equal(lam_batch_writer_open(&writer, NULL, path, &err), 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(lam_batch_writer_add(writer, the_key(), LAM_BATCH_CHAT_URL, LAM_SV("{\"model\":\"m\"}"), &err), 0);
    assert_int_equal(lam_batch_writer_count(writer), 5000);
    assert_int_equal(lam_batch_writer_finish(writer, &err), 0);
    lam_batch_writer_free(writer);
    assert_non_null(text = scratch_read(path, NULL));
    assert_int_equal(strlen(text) % 5000, 0);
    free(text);
    free((char *)path);
}

static void answers_in_every_known_form_are_taken(void **state)
{
    static const struct {
        const char *line, *value;
    } cases[] = {
        {"{\"id\":\"b\",\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"request_id\":\"r\",\"body\":" BODY("{\\\"category\\\":\\\"a\\\"}", "stop") "},\"error\":null}\n",
         "{\"answer\":{\"category\":\"a\"},\"trace\":{\"model\":\"m-1\",\"tokens_in\":100,\"tokens_out\":7,\"batch\":true}}"},
        {"{\"custom_id\":\"" KEY "\",\"response\":" BODY("```json\\n{\\\"b\\\":\\n1}\\n```", "stop") "}", /* older vLLM, a fence, no line end */
         "{\"answer\":{\"b\": 1},\"trace\":{\"model\":\"m-1\",\"tokens_in\":100,\"tokens_out\":7,\"batch\":true}}"},
        {"{\"key\":\"" KEY "\",\"time\":5000000,\"tokens_in\":1,\"tokens_out\":2,\"value\":{\"x\": 1}}\r\n", "{\"x\": 1}"},
        {"{\"key\":\"" KEY "\",\"value_base64\":\"b3RoZXI=\"}\n", "other"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_batch_counts counts;
        void *root;
        char *value;

        scratch_setup(&root);
        value = imported(root, cases[i].line, &counts);
        assert_int_equal(counts.taken, 1);
        assert_string_equal(value, cases[i].value);
        free(value);
        scratch_teardown(&root);
    }
    (void)state;
}

static void what_is_no_answer_is_counted_and_told(void **state)
{
    struct lam_batch_counts counts;
    char *value = imported(*state,
                           "{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":429,\"body\":{\"error\":{}}},\"error\":{\"code\":\"rate\"}}\n"
                           "{\"custom_id\":\"" KEY "\",\"response\":null,\"error\":{\"code\":\"batch_expired\"}}\n"
                           "{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":" BODY("{\\\"a\\\":1}", "length") "}}\n"
                           "{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":" BODY("{\\\"a\\\":1}", "content_filter") "}}\n"
                           "{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":" BODY("I cannot", "stop") "}}\n"
                           "{\"custom_id\":\"somebody else's\",\"response\":{\"status_code\":200,\"body\":" BODY("{}", "stop") "}}\n"
                           "\n"
                           "{\"key\":\"" KEY "\"}\n"
                           "{not JSON\n",
                           &counts);

    assert_int_equal(counts.lines, 8);
    assert_int_equal(counts.taken, 0);
    assert_int_equal(counts.failed, 2);
    assert_int_equal(counts.unusable, 6);
    assert_non_null(strstr(counts.first, "line 1: status 429"));
    assert_string_equal(value, "");
    free(value);
}

struct copy {
    struct lam_json *json;
    struct lam_buf out;
    bool batch;
};

static int export_one(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    struct copy *copy = arg;

    return (copy->batch ? lam_batch_export_answer : lam_batch_export_own)(copy->json, entry, &copy->out, err);
}

static void what_is_exported_can_be_imported(void **state)
{
    static const char *const values[] = {"{\"answer\":{\"t\":\"\xc3\xa9\\n\"},\"trace\":{\"model\":\"m\",\"tokens_in\":3,\"tokens_out\":4,\"batch\":true}}", "\x01\x02 no JSON"};

    for (int which = 0; which < 3; which++) { /* own lines of both values, then the first as a batch answer */
        struct lam_sv value = lam_sv_of(values[which % 2]);
        struct lam_cache_meta meta = {7 * SECOND, 3, 4};
        struct copy copy = {.json = lam_json_new(1 << 20, 64), .batch = which == 2};
        struct lam_batch_counts counts;
        struct lam_cache *cache;
        struct lam_error err;
        void *roots[2];
        char *back;

        scratch_setup(&roots[0]);
        scratch_setup(&roots[1]);
        lam_buf_init(&copy.out, 10000);
        cache = open_cache(roots[0], NULL);
        assert_int_equal(lam_cache_put(cache, the_key(), value, &meta, NULL, NULL, &err), 0);
        flush(cache);
        assert_int_equal(lam_cache_walk(cache, export_one, &copy, &err), 0);
        lam_cache_close(cache);
        assert_int_equal(lam_buf_add(&copy.out, "", 1, &err), 0);
        back = imported(roots[1], copy.out.ptr, &counts);
        assert_int_equal(counts.taken, 1);
        assert_string_equal(back, value.ptr);
        free(back);
        lam_buf_release(&copy.out);
        lam_json_free(copy.json);
        scratch_teardown(&roots[0]);
        scratch_teardown(&roots[1]);
    }
    (void)state;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_the_key_on_one_line),
        CASE(the_file_of_requests_is_there_when_it_is_whole),
        cmocka_unit_test(answers_in_every_known_form_are_taken),
        CASE(what_is_no_answer_is_counted_and_told),
        cmocka_unit_test(what_is_exported_can_be_imported),
    };

    return cmocka_run_group_tests_name("batch_file", tests, NULL, NULL);
}
