/* Extraction: key, time, order, text and op of a record are what the settings say, and a rejected one says why. */
#include "extract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"

#define ARRIVAL INT64_C(1767225600000000) /* 2026-01-01 */

static struct lam_json *json;
static struct lam_extractor extractor;
static struct lam_record rec;
static struct lam_error err;

static int setup(void **state)
{
    (void)state;
    json = lam_json_new(1 << 20, 40);
    lam_extractor_init(&extractor, 1000);
    return json ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lam_extractor_release(&extractor);
    lam_json_free(json);
    return 0;
}

static struct lam_extract_input event(const char *text)
{
    struct lam_extract_input input = {.pos = {.source = 2, .life = 1, .offset = 77},
                                      .arrival_us = ARRIVAL,
                                      .mtime_us = LAM_TIME_NONE,
                                      .message_us = LAM_TIME_NONE};

    lam_position_set_partition(&input.pos, 3);
    if (text) {
        assert_int_equal(lam_json_parse(json, lam_sv_of(text), NULL), 0);
        input.json = json;
    } else {
        input.null_value = true;
    }
    return input;
}

static const struct lam_sv keys[] = {{"/id", 3}, {"$key", 4}}, texts[] = {{"/subject", 8}, {"/body", 5}, {"/tags", 5}};
static const struct lam_extract upsert = {.key = keys,
                                          .key_count = 2,
                                          .text = texts,
                                          .text_count = 3,
                                          .event_time = {"/at", 3},
                                          .order_by = LAM_ORDER_TIME,
                                          .deleted = {"/gone", 5},
                                          .max_skew_us = 3600000000};

static int extract(const struct lam_extract *settings, const struct lam_extract_input *input)
{
    return lam_extract_record(&extractor, settings, input, &rec, &err);
}

static void assert_sv(struct lam_sv got, const char *want)
{
    if (!lam_sv_eq(got, lam_sv_of(want)))
        fail_msg("got '%.*s', want '%s'", LAM_SV_ARG(got), want);
}

static void a_record_has_what_the_settings_ask_for(void **state)
{
    struct lam_extract_input input = event("{\"id\":\"a-1\",\"at\":\"2026-01-01T00:30:00Z\",\"subject\":\"Hello\","
                                           "\"body\":\"two\\nlines\",\"tags\":[\"x\",7,null,[1]],\"n\":1}");
    struct lam_buf order;

    (void)state;
    assert_int_equal(extract(&upsert, &input), 0);
    assert_sv(rec.key, "a-1");
    assert_true(rec.hash == lam_hash64("a-1", 3));
    assert_true(rec.event_time_us == ARRIVAL + 1800000000);
    assert_sv(rec.text, "Hello\n\ntwo\nlines\n\nx\n7");
    assert_sv(rec.metadata, "{\"id\":\"a-1\",\"at\":\"2026-01-01T00:30:00Z\",\"subject\":\"Hello\",\"body\":"
                            "\"two\\nlines\",\"tags\":[\"x\",7,null,[1]],\"n\":1}");
    assert_int_equal(rec.op, LAM_OP_UPSERT);
    assert_int_equal(rec.flags, 0);
    assert_int_equal(rec.pos.offset, 77);
    lam_buf_init(&order, 200);
    lam_order_add_time(&order, ARRIVAL + 1800000000, NULL);
    lam_order_add_position(&order, &input.pos, lam_sv(NULL, 0), NULL);
    assert_true(lam_sv_eq(rec.order, lam_buf_sv(&order)));
    lam_buf_release(&order);
}

static void a_key_is_a_strings_text_or_a_scalar_as_written(void **state)
{
    static const struct {
        const char *text, *key;
    } cases[] = {
        {"{\"id\":\"a\\u00e9\"}", "a\xc3\xa9"},
        {"{\"id\":1.0}", "1.0"},
        {"{\"id\":1e3}", "1e3"},
        {"{\"id\":123456789012345678901234567890}", "123456789012345678901234567890"},
        {"{\"id\":true}", "true"},
        {"{\"id\":null}", "mk"},
        {"{\"id\":\"\"}", "mk"},
        {"{}", "mk"},
        {"[1]", "mk"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_extract_input input = event(cases[i].text);

        input.has_key = true;
        input.message_key = LAM_SV("mk");
        assert_int_equal(extract(&upsert, &input), 0);
        assert_sv(rec.key, cases[i].key);
    }
}

static void a_record_without_a_key_is_rejected_or_keyed_by_its_position(void **state)
{
    struct lam_extract_input input = event("{\"body\":\"x\"}");
    struct lam_extract append = upsert;

    (void)state;
    assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "no key: none of /id, $key is there");
    append.append = true;
    assert_int_equal(extract(&append, &input), 0);
    assert_sv(rec.key, "@2.1.3.77");
    input.path = LAM_SV("a/b.jsonl");
    memset(input.pos.partition, 0xab, 16);
    assert_int_equal(extract(&append, &input), 0);
    assert_sv(rec.key, "@2.1.abababababababababababababababab.77");
    input = event("{\"id\":{\"a\":1}}");
    assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "the key /id is not a string or another scalar");
}

static void deletes_are_null_values_and_the_field_that_says_so(void **state)
{
    struct lam_extract_input input = event(NULL);
    struct lam_extract append = upsert;

    (void)state;
    input.has_key = true;
    input.message_key = LAM_SV("mk");
    input.message_us = ARRIVAL - 5;
    assert_int_equal(extract(&upsert, &input), 0);
    assert_int_equal(rec.op, LAM_OP_DELETE);
    assert_true(rec.event_time_us == ARRIVAL - 5); /* its own: it has no fields */
    assert_int_equal(rec.flags, LAM_ROW_NO_TEXT);
    assert_int_equal(rec.metadata.len, 0);
    append.append = true;
    assert_int_equal(extract(&append, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "a delete in an append dataset");
    input.has_key = false;
    assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "no key: a message without a value has only $key, dataset.key is /id, $key");
    input = event("{\"id\":\"a\",\"gone\":true,\"body\":\"bye\"}");
    assert_int_equal(extract(&upsert, &input), 0);
    assert_int_equal(rec.op, LAM_OP_DELETE);
    input = event("{\"id\":\"a\",\"gone\":\"true\"}");
    assert_int_equal(extract(&upsert, &input), 0);
    assert_int_equal(rec.op, LAM_OP_UPSERT);
}

static void times_are_read_bounded_and_missing_ones_are_flagged(void **state)
{
    static const struct {
        const char *at;
        int64_t time_us;
    } good[] = {{"\"2025-12-31\"", ARRIVAL - INT64_C(86400000000)},
                {"1767225600", ARRIVAL},
                {"1767225600000", ARRIVAL},
                {"1767225600.25", ARRIVAL + 250000},
                {"0", 0},
                {"7", 7000000},
                {"-1234", INT64_C(-1234000000)},
                {"999999999999999999", INT64_C(999999999999999)},
                {"\"1767225600\"", ARRIVAL},
                {"\"2026-01-01T01:00:00Z\"", ARRIVAL + INT64_C(3600000000)}};
    static const char *const missing[] = {"{\"id\":1}", "{\"id\":1,\"at\":null}", "{\"id\":1,\"at\":\"\"}"},
                             *const bad[] = {"\"soon\"", "true", "[1]", "1e300", "\"2019\"", "1000000000000000000", "18446744073709551615"};
    struct lam_extract_input input;
    char text[100];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "{\"id\":1,\"at\":%s}", good[i].at);
        input = event(text);
        assert_int_equal(extract(&upsert, &input), 0);
        assert_true(rec.event_time_us == good[i].time_us);
    }
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        input = event(missing[i]);
        assert_int_equal(extract(&upsert, &input), 0);
        assert_true(rec.event_time_us == LAM_TIME_NONE);
        assert_true(rec.flags & LAM_ROW_NO_ORDER);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "{\"id\":1,\"at\":%s}", bad[i]);
        input = event(text);
        assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
        assert_memory_equal(err.text, "event time /at: ", 16);
    }
    input = event("{\"id\":1,\"at\":\"2026-01-01T01:00:00.000001Z\"}");
    assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "event time 2026-01-01T01:00:00.000001Z lies more than max_skew after its arrival at "
                                  "2026-01-01T00:00:00Z");
    struct lam_extract boundless = upsert;
    boundless.max_skew_us = -1;
    assert_int_equal(extract(&boundless, &input), 0);
}

static void order_values_sort_as_they_should(void **state)
{
    static const char *const rising[] = {"{\"id\":1}",
                                         "{\"id\":1,\"v\":-2.5}",
                                         "{\"id\":1,\"v\":2}",
                                         "{\"id\":1,\"v\":10}",
                                         "{\"id\":1,\"v\":9007199254740993}",
                                         "{\"id\":1,\"v\":\"a\"}",
                                         "{\"id\":1,\"v\":\"b\"}"};
    struct lam_extract settings = upsert;
    char before[100] = "";
    size_t before_len = 0;
    struct lam_extract_input input;

    (void)state;
    settings.order_by = LAM_ORDER_FIELD;
    settings.order_field = LAM_SV("/v");
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        input = event(rising[i]);
        assert_int_equal(extract(&settings, &input), 0);
        assert_int_equal(!!(rec.flags & LAM_ROW_NO_ORDER), i == 0);
        assert_true(lam_sv_cmp(lam_sv(before, before_len), rec.order) < 0);
        memcpy(before, rec.order.ptr, rec.order.len);
        before_len = rec.order.len;
    }
    input = event("{\"id\":1,\"v\":{}}");
    assert_int_equal(extract(&settings, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "the order value /v is not a string or a number");
}

static void a_document_is_keyed_by_its_path_and_has_its_own_text_and_time(void **state)
{
    const struct lam_sv path = LAM_SV("$path");
    const struct lam_extract settings = {.key = &path,
                                         .key_count = 1,
                                         .text = texts,
                                         .text_count = 3,
                                         .event_time = LAM_SV("$mtime"),
                                         .order_by = LAM_ORDER_POSITION,
                                         .max_skew_us = 0};
    struct lam_extract_input input = {.pos = {.source = 1},
                                      .path = LAM_SV("notes/a.md"),
                                      .arrival_us = ARRIVAL,
                                      .mtime_us = ARRIVAL - 7,
                                      .text = LAM_SV("The text."),
                                      .title = LAM_SV("A"),
                                      .media_type = LAM_SV("text/markdown"),
                                      .structure = LAM_SV("{}")};

    (void)state;
    assert_int_equal(extract(&settings, &input), 0);
    assert_sv(rec.key, "notes/a.md");
    assert_sv(rec.text, "The text.");
    assert_sv(rec.title, "A");
    assert_sv(rec.media_type, "text/markdown");
    assert_true(rec.event_time_us == ARRIVAL - 7);
    assert_int_equal(rec.metadata.len, 0);
}

static void limits_reject_and_do_not_stop(void **state)
{
    char *text = malloc(50000);
    struct lam_extract_input input;

    (void)state;
    snprintf(text, 50000, "{\"id\":\"%040000d\"}", 1);
    input = event(text);
    assert_int_equal(extract(&upsert, &input), LAM_E_LIMIT);
    snprintf(text, 50000, "{\"id\":1,\"body\":\"%02000d\"}", 1);
    input = event(text);
    assert_int_equal(extract(&upsert, &input), LAM_E_LIMIT);
    input = event("{\"id\":1,\"body\":\"fine\"}");
    assert_int_equal(extract(&upsert, &input), 0);
    assert_sv(rec.text, "fine");
    input.has_key = true;
    input.message_key = LAM_SV("\xff\xfe");
    input.json = NULL;
    assert_int_equal(extract(&upsert, &input), LAM_E_INVALID);
    assert_string_equal(err.text, "the key is not UTF-8");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_what_the_settings_ask_for),
        cmocka_unit_test(a_key_is_a_strings_text_or_a_scalar_as_written),
        cmocka_unit_test(a_record_without_a_key_is_rejected_or_keyed_by_its_position),
        cmocka_unit_test(deletes_are_null_values_and_the_field_that_says_so),
        cmocka_unit_test(times_are_read_bounded_and_missing_ones_are_flagged),
        cmocka_unit_test(order_values_sort_as_they_should),
        cmocka_unit_test(a_document_is_keyed_by_its_path_and_has_its_own_text_and_time),
        cmocka_unit_test(limits_reject_and_do_not_stop),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
