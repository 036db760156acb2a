/* Files of the batch API: what goes out has our key, what comes back in any known form becomes an answer in the cache. */
#include "cache_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "ai/openai/batch_file.h"

#define KEY "00112233445566778899aabbccddeeff"
#define DIM 4 /* of vectors */
#define BODY(content, finish)                                                                                                                                  \
    "{\"model\":\"m-1\",\"choices\":[{\"index\":0,\"finish_reason\":\"" finish "\",\"message\":{\"role\":\"assistant\",\"content\":\"" content "\"}}],"         \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":7}}"

/* What an embeddings endpoint says: data, and one line of a file with it. 3, 4, 0, 0 has the length 5. */
#define VECTORS(data) "{\"object\":\"list\",\"data\":[" data "],\"model\":\"v-1\",\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}"
#define VECTOR_LINE(data) "{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":" VECTORS(data) "},\"error\":null}\n"
#define UNIT "mpkZP83MTD8AAAAAAAAAAA==" /* 0.6, 0.8, 0, 0 */
#define VECTOR_VALUE "{\"answer\":{\"embedding\":\"" UNIT "\"},\"trace\":{\"model\":\"v-1\",\"tokens_in\":9,\"tokens_out\":0,\"batch\":true}}"

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
    if (lam_batch_import(cache, &(struct lam_batch_source){.path = path, .dim = DIM}, counts, &err))
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

    assert_int_equal(lam_batch_writer_open(&writer, NULL, path, LAM_BATCH_CHAT_URL, &err), 0);
    assert_int_equal(lam_batch_writer_add(writer, the_key(), LAM_SV("{}"), &err), 0);
    assert_null(scratch_read(path, NULL));
    lam_batch_writer_free(writer);
    assert_null(scratch_read(path, NULL));
    assert_int_equal(lam_batch_writer_open(&writer, NULL, path, LAM_BATCH_CHAT_URL, &err), 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(lam_batch_writer_add(writer, key_of((uint64_t)i), LAM_SV("{\"model\":\"m\"}"), &err), 0);
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
        {VECTOR_LINE("{\"index\":0,\"embedding\":[3,4.0,0,-0.0e3]}"), "{\"answer\":{\"embedding\":\"mpkZP83MTD8AAAAAAAAAgA==\"},\"trace\":{\"model\":\"v-1\",\"tokens_in\":9,\"tokens_out\":0,\"batch\":true}}"},
        {VECTOR_LINE("{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AABAQAAAgEAAAAAAAAAAAA==\"}"), VECTOR_VALUE},
        {"{\"custom_id\":\"" KEY "\",\"response\":" VECTORS("{\"embedding\":[3,4,0,0]}") "}", VECTOR_VALUE}, /* the body itself, without an index */
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

static void a_batch_takes_a_key_once(void **state)
{
    const char *path = strdup(scratch_join(*state, "requests.jsonl"));
    struct lam_batch_writer *writer;
    struct lam_error err;
    unsigned lines = 0;
    char *text;

    assert_int_equal(lam_batch_writer_open(&writer, NULL, path, LAM_BATCH_EMBEDDINGS_URL, &err), 0);
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(lam_batch_writer_add(writer, key_of(i % 1000), LAM_SV("{\"model\":\"v\"}"), &err), 0);
    assert_int_equal(lam_batch_writer_count(writer), 1000);
    assert_string_equal(lam_batch_writer_path(writer), path);
    assert_int_equal(lam_batch_writer_finish(writer, &err), 0);
    lam_batch_writer_free(writer);
    assert_non_null(text = scratch_read(path, NULL));
    for (const char *at = text; (at = strstr(at, "\"url\":\"/v1/embeddings\"")); at++)
        lines++;
    assert_int_equal(lines, 1000);
    free(text);
    free((char *)path);
}

static void what_is_not_one_vector_of_the_dimension_is_not_taken(void **state)
{
    static const struct {
        const char *line, *why;
    } cases[] = {
        {VECTOR_LINE("{\"index\":0,\"embedding\":[3,4,0]}"), "an embedding has 3 dimensions, and tasks.embed.dim is 4"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":\"AABAQAAAgEA=\"}"), "an embedding has 2 dimensions"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":\"AABAQAA=\"}"), "no floats"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":\"AABAQ*AA\"}"), "no base64"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":[0,0,0,0]}"), "no length"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":[1e39,0,0,0]}"), "no length"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":[1,null,0,0]}"), "no number"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":[]}"), "0 dimensions"},
        {VECTOR_LINE("{\"index\":0}"), "neither numbers nor base64"},
        {VECTOR_LINE("{\"index\":1,\"embedding\":[3,4,0,0]}"), "not one vector"},
        {VECTOR_LINE("{\"index\":-1,\"embedding\":[3,4,0,0]}"), "not one vector"},
        {VECTOR_LINE("{\"index\":0,\"embedding\":[3,4,0,0]},{\"index\":0,\"embedding\":[3,4,0,0]}"), "not one vector"},
        {VECTOR_LINE(""), "not one vector"},
        {"{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":{\"data\":7}}}\n", "not one vector"},
        {"{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":400,\"body\":{\"error\":{\"message\":\"no dimensions here\"}}}}\n", "status 400"},
        {"{\"custom_id\":\"" KEY "\",\"response\":{\"status_code\":200,\"body\":{\"data\":[{\"index\":0,\"embedding\":[3,4", "line 1: "},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_batch_counts counts;
        char *value = imported(*state, cases[i].line, &counts);

        if (counts.lines != 1 || counts.taken || counts.failed + counts.unusable != 1 || !strstr(counts.first, cases[i].why) || *value)
            fail_msg("%s: %s, and the cache has \"%s\"", cases[i].line, counts.first, value);
        free(value);
    }
}

static void each_line_that_is_not_taken_is_told_with_its_file_up_to_a_number(void **state)
{
    const char *root = *state, *path = strdup(scratch_join(root, "in.jsonl")), *log_path = strdup(scratch_join(root, "log"));
    struct lam_log log = {.fd = open(log_path, O_CREAT | O_WRONLY, 0600), .level = LAM_LOG_WARN};
    struct lam_batch_source source = {.path = path, .dim = DIM, .log = &log};
    struct lam_cache *cache = open_cache(root, NULL);
    struct lam_batch_counts counts;
    struct lam_error err;
    char text[8000] = VECTOR_LINE("{\"index\":0,\"embedding\":[3,4,0,0]}"), *told;
    unsigned lines = 0;

    for (int i = 0; i < 25; i++)
        strcat(text, VECTOR_LINE("{\"index\":0,\"embedding\":[0]}"));
    scratch_write(path, text, strlen(text));
    assert_int_equal(lam_batch_import(cache, &source, &counts, &err), 0);
    assert_int_equal(counts.taken, 1);
    assert_int_equal(counts.unusable, 25);
    close(log.fd);
    told = scratch_read(log_path, NULL);
    for (const char *at = told; (at = strstr(at, "in.jsonl, line ")); at++)
        lines++;
    assert_int_equal(lines, 20);
    assert_non_null(strstr(told, "in.jsonl, line 2: an embedding has 1 dimensions"));
    assert_non_null(strstr(told, "others that are not taken are counted"));
    free(told);
    lam_cache_close(cache);
    free((char *)path);
    free((char *)log_path);
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
    static const struct {
        const char *value;
        bool batch; /* as the batch API's answer */
        uint32_t tokens_in, tokens_out;
    } cases[] = {
        {"{\"answer\":{\"t\":\"\xc3\xa9\\n\"},\"trace\":{\"model\":\"m\",\"tokens_in\":3,\"tokens_out\":4,\"batch\":true}}", false, 3, 4},
        {"\x01\x02 no JSON", false, 3, 4},
        {"{\"answer\":{\"t\":\"\xc3\xa9\\n\"},\"trace\":{\"model\":\"m\",\"tokens_in\":3,\"tokens_out\":4,\"batch\":true}}", true, 3, 4},
        {"{\"answer\":{\"t\":\"x\",\"embedding\":\"AABAQA==\"},\"trace\":{\"model\":\"m\",\"tokens_in\":3,\"tokens_out\":4,\"batch\":true}}", true, 3, 4}, /* a chat model's own word */
        {VECTOR_VALUE, false, 9, 0},
        {VECTOR_VALUE, true, 9, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_sv value = lam_sv_of(cases[i].value);
        struct lam_cache_meta meta = {7 * SECOND, cases[i].tokens_in, cases[i].tokens_out};
        struct copy copy = {.json = lam_json_new(1 << 20, 64), .batch = cases[i].batch};
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
        if (cases[i].batch)
            assert_non_null(strstr(copy.out.ptr, cases[i].tokens_out ? "\"object\":\"chat.completion\"" : "\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":\"" UNIT "\"}]"));
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
        CASE(a_batch_takes_a_key_once),
        CASE(what_is_no_answer_is_counted_and_told),
        CASE(what_is_not_one_vector_of_the_dimension_is_not_taken),
        CASE(each_line_that_is_not_taken_is_told_with_its_file_up_to_a_number),
        cmocka_unit_test(what_is_exported_can_be_imported),
    };

    return cmocka_run_group_tests_name("batch_file", tests, NULL, NULL);
}
