/* A row as JSON: valid whatever the row holds, on one line, and what was put in comes out. */
#include "json_row.h"
#include "memory_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

static char *write_row(const struct lam_hit *hit, unsigned flags)
{
    struct lam_buf out;

    lam_buf_init(&out, 1 << 24);
    assert_int_equal(lam_json_row_add(&out, hit, flags, NULL), 0);
    assert_null(memchr(out.ptr, '\n', out.len));
    assert_int_equal(lam_buf_add(&out, "", 1, NULL), 0);
    return out.ptr;
}

static json_t *parse_row(const struct lam_hit *hit, unsigned flags)
{
    char *text = write_row(hit, flags);
    json_error_t where;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);

    if (!json)
        fail_msg("%s: %s", where.text, text);
    free(text);
    return json;
}

static void a_full_row_is_exactly_this(void **state)
{
    static const float embedding[] = {0.1f, -0.25f, 1.0f};
    struct lam_hit hit = {.view = 2, .source = LAM_SV("docs")};
    char *text;

    (void)state;
    hit.row.rec = (struct lam_record){
        .pos = {.source = 3, .life = 1, .partition = {0x5f, 0x0c, [15] = 0xab}, .offset = 77},
        .key = LAM_SV("INC-7"),
        .event_time_us = INT64_C(1700000000000000),
        .arrival_us = INT64_C(1700000000250000),
        .flags = LAM_ROW_PENDING | LAM_ROW_ESCALATED,
        .media_type = LAM_SV("text/plain"),
        .title = LAM_SV("T"),
        .text = LAM_SV("a\n\"b\""),
        .structure = LAM_SV("{\"headings\":[]}"),
        .metadata = LAM_SV("{\n \"a\": 1\r\n}")};
    hit.row.enr = (struct lam_enrichment){.category = LAM_SV("outage"),
                                          .confidence = 0.93f,
                                          .sentiment = -0.4f,
                                          .entities = LAM_SV("[]"),
                                          .summary = LAM_SV("s"),
                                          .language = LAM_SV("en"),
                                          .keywords = LAM_SV("[\"k\"]"),
                                          .embedding = embedding,
                                          .dim = 3,
                                          .layer = LAM_LAYER_BATCH,
                                          .depth = LAM_DEPTH_DEEP,
                                          .analyzer = LAM_SV("builtin"),
                                          .model = 1,
                                          .prompt = 2,
                                          .tokens = 3,
                                          .processed_us = INT64_C(1700000001000000)};
    text = write_row(&hit, LAM_JSON_ROW_EMBEDDING);
    assert_string_equal(text, "{\"key\":\"INC-7\",\"source\":\"docs\",\"layer\":\"batch\",\"view\":2,\"position\":{"
                              "\"source\":3,\"life\":1,\"partition\":"
                              "\"5f0c00000000000000000000000000ab\",\"offset\":77},\"event_time\":\"2023-11-14T22:13:"
                              "20Z\",\"arrival\":\"2023-11-14T22:13:20.250000Z\","
                              "\"media_type\":\"text/"
                              "plain\",\"title\":\"T\",\"text\":\"a\\n\\\"b\\\"\",\"structure\":{\"headings\":[]},"
                              "\"metadata\":{  \"a\": 1  },"
                              "\"pending\":true,\"enrichment\":{\"category\":\"outage\",\"confidence\":0.93,"
                              "\"sentiment\":-0.4,\"language\":\"en\",\"summary\":\"s\","
                              "\"keywords\":[\"k\"],\"entities\":[],\"embedding\":[0.1,-0.25,1]},\"provenance\":{"
                              "\"layer\":\"batch\",\"depth\":\"deep\","
                              "\"analyzer\":\"builtin\",\"model\":1,\"prompt\":2,\"tokens\":3,\"escalated\":true,"
                              "\"processed_at\":\"2023-11-14T22:13:21Z\"}}");
    free(text);
}

static void what_is_not_known_is_null(void **state)
{
    struct lam_hit hit = {.row.rec = {.key = LAM_SV("k"), .event_time_us = LAM_TIME_NONE, .arrival_us = LAM_TIME_NONE},
                          .row.enr = {.sentiment = NAN, .confidence = NAN, .layer = LAM_LAYER_SPEED, .processed_us = LAM_TIME_NONE}};
    static const char *const nulls[] = {"source", "view", "event_time", "arrival", "media_type", "title", "text", "structure", "metadata"};
    static const char *const answers[] = {"category", "confidence", "sentiment", "language", "summary", "keywords", "entities"};
    json_t *json = parse_row(&hit, 0);

    (void)state;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        assert_true(json_is_null(json_object_get(json, nulls[i])));
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_true(json_is_null(json_object_get(json_object_get(json, "enrichment"), answers[i])));
    assert_string_equal(json_string_value(json_object_get(json, "layer")), "speed");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "position"), "partition")), 0);
    assert_null(json_object_get(json_object_get(json, "enrichment"), "embedding"));
    json_decref(json);
}

/* Any bytes in any text: it stays JSON; those that are UTF-8 come back the same. */
static void all_bytes_are_escaped(void **state)
{
    char key[256], text[] = "tab\t nul\0 quote\" slash\\ del\x7f e\xc3\xa9 emoji\xf0\x9f\x98\x80 bell\a";
    struct lam_hit hit = {.row.rec = {.key = {key, sizeof key},
                                      .text = {text, sizeof text - 1},
                                      .event_time_us = LAM_TIME_NONE,
                                      .arrival_us = LAM_TIME_NONE}};
    json_t *json, *got;

    (void)state;
    for (int i = 0; i < 256; i++)
        key[i] = (char)i;
    json = parse_row(&hit, 0);
    got = json_object_get(json, "text");
    assert_int_equal(json_string_length(got), sizeof text - 1);
    assert_memory_equal(json_string_value(got), text, sizeof text - 1);
    json_decref(json);
}

static void floats_read_back_the_same(void **state)
{
    unsigned seed = (unsigned)lam_wall_us(&lam_clock_system);

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)random() << 8 ^ (uint32_t)random();
        struct lam_buf out;
        float value;

        memcpy(&value, &bits, 4);
        lam_buf_init(&out, 64);
        assert_int_equal(lam_json_add_float(&out, value, NULL), 0);
        lam_buf_add(&out, "", 1, NULL);
        if (isfinite(value))
            assert_true(strtof(out.ptr, NULL) == value);
        else
            assert_string_equal(out.ptr, "null");
        lam_buf_release(&out);
    }
}

static void a_full_buffer_is_told(void **state)
{
    struct lam_hit hit = {.row.rec = {.key = LAM_SV("k"),
                                      .text = LAM_SV("some text"),
                                      .event_time_us = LAM_TIME_NONE,
                                      .arrival_us = LAM_TIME_NONE}};
    char *whole = write_row(&hit, 0);
    size_t len = strlen(whole);

    (void)state;
    for (size_t max = 0; max < len; max += 7) {
        struct lam_buf out;

        lam_buf_init(&out, max);
        assert_int_equal(lam_json_row_add(&out, &hit, 0, NULL), LAM_E_LIMIT);
        assert_true(out.len <= max);
        lam_buf_release(&out);
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_row_is_exactly_this), cmocka_unit_test(what_is_not_known_is_null), cmocka_unit_test(all_bytes_are_escaped),
        cmocka_unit_test(floats_read_back_the_same),  cmocka_unit_test(a_full_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
