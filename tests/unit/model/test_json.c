/* JSON: what is read is what was written, what is wrong is refused with its byte, and nothing depends on the bytes around it. */
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct lam_json *json;
static struct lam_error err;

static int setup(void **state)
{
    (void)state;
    json = lam_json_new(1 << 20, 64);
    return json ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lam_json_free(json);
    return 0;
}

/* From a buffer without a byte to spare, so that the sanitizer sees any read beyond it. */
static int parse(struct lam_sv text)
{
    char *exact = malloc(text.len ? text.len : 1);
    int rc;

    memcpy(exact, text.ptr, text.len);
    rc = lam_json_parse(json, lam_sv(exact, text.len), &err);
    free(exact);
    return rc;
}

static void parse_ok(const char *text) { assert_int_equal(parse(lam_sv_of(text)), 0); }

static void assert_sv(struct lam_sv got, const char *want)
{
    if (got.len != strlen(want) || memcmp(got.ptr, want, got.len))
        fail_msg("got '%.*s', want '%s'", LAM_SV_ARG(got), want);
}

static uint32_t at(const char *pointer) { return lam_json_find(json, LAM_JSON_ROOT, lam_sv_of(pointer)); }

static void a_scalar_keeps_the_text_it_was_written_with(void **state)
{
    (void)state;
    parse_ok(" {\"a\": 1.0 , \"b\":-0,\"c\":1e3\t,\"d\":12345678901234567890,\"e\":true,\"f\":null,\"g\":\"x\\u0041\\n\"}\n");
    assert_sv(lam_json_raw(json, at("/a")), "1.0");
    assert_sv(lam_json_raw(json, at("/b")), "-0");
    assert_sv(lam_json_raw(json, at("/c")), "1e3");
    assert_sv(lam_json_raw(json, at("/d")), "12345678901234567890");
    assert_sv(lam_json_raw(json, at("/e")), "true");
    assert_sv(lam_json_raw(json, at("/f")), "null");
    assert_sv(lam_json_raw(json, at("/g")), "\"x\\u0041\\n\"");
    assert_sv(lam_json_string(json, at("/g")), "xA\n");
    assert_sv(lam_json_raw(json, LAM_JSON_ROOT),
              "{\"a\": 1.0 , \"b\":-0,\"c\":1e3\t,\"d\":12345678901234567890,\"e\":true,\"f\":null,\"g\":\"x\\u0041\\n\"}");
}

static void numbers_have_their_kind(void **state)
{
    struct lam_number number;

    (void)state;
    parse_ok("[9223372036854775807,-9223372036854775808,9223372036854775808,1.5,1.0]");
    assert_true(lam_json_number(json, at("/0"), &number));
    assert_int_equal(number.kind, LAM_NUMBER_I64);
    assert_true(number.i64 == INT64_MAX);
    assert_true(lam_json_number(json, at("/1"), &number));
    assert_true(number.kind == LAM_NUMBER_I64 && number.i64 == INT64_MIN);
    assert_true(lam_json_number(json, at("/2"), &number));
    assert_true(number.kind == LAM_NUMBER_U64 && number.u64 == (uint64_t)INT64_MAX + 1);
    assert_true(lam_json_number(json, at("/3"), &number));
    assert_true(number.kind == LAM_NUMBER_DOUBLE && number.d == 1.5);
    assert_true(lam_json_number(json, at("/4"), &number));
    assert_int_equal(number.kind, LAM_NUMBER_DOUBLE);
    assert_false(lam_json_number(json, LAM_JSON_ROOT, &number));
}

static void numbers_beyond_64_bits_are_json(void **state)
{
    struct lam_number number;

    (void)state;
    parse_ok("{\"id\":123456789012345678901234567890,\"big\":1e400,\"small\":7,\"half\":0.5,\"text\":\"-1 "
             "123456789012345678901234567890\"}");
    assert_sv(lam_json_raw(json, at("/id")), "123456789012345678901234567890");
    assert_true(lam_json_number(json, at("/id"), &number));
    assert_true(number.kind == LAM_NUMBER_DOUBLE && number.d == 123456789012345678901234567890.0);
    assert_true(lam_json_number(json, at("/big"), &number) && number.d > 1e308);
    assert_true(lam_json_number(json, at("/small"), &number));
    assert_true(number.kind == LAM_NUMBER_I64 && number.i64 == 7);
    assert_true(lam_json_number(json, at("/half"), &number) && number.d == 0.5);
    assert_sv(lam_json_string(json, at("/text")), "-1 123456789012345678901234567890");
    assert_int_equal(parse(LAM_SV("[123456789012345678901234567890, 01]")), LAM_E_INVALID);
    assert_int_equal(parse(LAM_SV("[123456789012345678901234567890x]")), LAM_E_INVALID);
}

static void pointers_find_what_rfc_6901_says(void **state)
{
    (void)state;
    parse_ok("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" "
             "\":7,\"m~n\":8,\"\\u0061\\u0000\":9}");
    assert_int_equal(at(""), LAM_JSON_ROOT);
    assert_sv(lam_json_raw(json, at("/foo")), "[\"bar\",\"baz\"]");
    assert_sv(lam_json_string(json, at("/foo/0")), "bar");
    assert_sv(lam_json_raw(json, at("/")), "0");
    assert_sv(lam_json_raw(json, at("/a~1b")), "1");
    assert_sv(lam_json_raw(json, at("/i\\j")), "5");
    assert_sv(lam_json_raw(json, at("/k\"l")), "6");
    assert_sv(lam_json_raw(json, at("/ ")), "7");
    assert_sv(lam_json_raw(json, at("/m~0n")), "8");
    assert_sv(lam_json_raw(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/a\0"))), "9");
    static const char *const absent[] = {"foo",   "/foo/2", "/foo/00", "/foo/-", "/foo/x", "/foo/0/0",
                                         "/nope", "/m~n",   "/m~2n",   "/m~",    "//",     "/foo/99999999999"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_int_equal(at(absent[i]), LAM_JSON_NONE);
    assert_int_equal(lam_json_type(json, at("/nope/further")), LAM_JSON_ABSENT);
}

static void of_a_doubled_key_the_first_counts(void **state)
{
    (void)state;
    parse_ok("{\"a\":{\"x\":1},\"a\":{\"x\":2,\"y\":3}}");
    assert_sv(lam_json_raw(json, at("/a/x")), "1");
    assert_int_equal(at("/a/y"), LAM_JSON_NONE);
    assert_sv(lam_json_raw(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("a"))), "{\"x\":1}");
}

static void a_walk_visits_members_in_order(void **state)
{
    struct lam_json_iter iter;

    (void)state;
    parse_ok("{\"a\":[1,[2.5,{}],{\"q\":[]}],\"b\":{\"c\":[]},\"d\":-1}");
    iter = lam_json_iter(json, LAM_JSON_ROOT);
    assert_true(lam_json_next(&iter));
    assert_sv(iter.name, "a");
    assert_sv(lam_json_raw(json, iter.value), "[1,[2.5,{}],{\"q\":[]}]");
    assert_true(lam_json_next(&iter));
    assert_sv(iter.name, "b");
    assert_true(lam_json_next(&iter));
    assert_sv(iter.name, "d");
    assert_sv(lam_json_raw(json, iter.value), "-1");
    assert_false(lam_json_next(&iter));
    iter = lam_json_iter(json, at("/a"));
    for (int i = 0; i < 3; i++)
        assert_true(lam_json_next(&iter));
    assert_sv(lam_json_raw(json, iter.value), "{\"q\":[]}");
    assert_false(lam_json_next(&iter));
    iter = lam_json_iter(json, at("/d"));
    assert_false(lam_json_next(&iter));
    iter = lam_json_iter(json, LAM_JSON_NONE);
    assert_false(lam_json_next(&iter));
}

static void any_scalar_is_a_document(void **state)
{
    (void)state;
    parse_ok(" \"x\" ");
    assert_sv(lam_json_string(json, LAM_JSON_ROOT), "x");
    parse_ok("17");
    assert_sv(lam_json_raw(json, LAM_JSON_ROOT), "17");
    parse_ok("false");
    assert_int_equal(lam_json_type(json, LAM_JSON_ROOT), LAM_JSON_BOOL);
    parse_ok("123456789012345678901234567890");
    assert_sv(lam_json_raw(json, LAM_JSON_ROOT), "123456789012345678901234567890");
}

static void what_is_wrong_is_named_with_its_byte(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "no JSON at byte 0: the text ends where a value is expected"},
        {"{\"a\":1,}", "no JSON at byte 7: expected a field's name in double quotes"},
        {"[1,2", "no JSON at byte 4: expected ',' or ']'"},
        {"{\"a\" 1}", "no JSON at byte 5: expected ':'"},
        {"{\"a\":\"x\ny\"}", "no JSON at byte 7: a control character within a string must be escaped"},
        {"[\"a\\qb\"]", "no JSON at byte 4: no such escape"},
        {"[\"\\ud800\"]", "no JSON at byte 4: half of a surrogate pair"},
        {"[\"abc\xff\"]", "no JSON at byte 5: these bytes are not UTF-8"},
        {"[1] x", "no JSON at byte 4: expected nothing more"},
        {"[nul]", "no JSON at byte 1: expected a value: a string in double quotes, a number, true, false, null, [ or {"},
        {"[\"abc", "no JSON at byte 5: the text ends within a string"},
        {"\xef\xbb\xbf{}", "no JSON at byte 0: a byte order mark is no JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(lam_sv_of(cases[i].text)), LAM_E_INVALID);
        assert_string_equal(err.text, cases[i].want);
        assert_int_equal(lam_json_type(json, LAM_JSON_ROOT), LAM_JSON_ABSENT);
    }
}

static void limits_hold(void **state)
{
    struct lam_json *small = lam_json_new(10, 4);

    (void)state;
    assert_int_equal(lam_json_parse(small, lam_sv(NULL, 0), &err), LAM_E_INVALID); /* before the handle has any memory */
    assert_int_equal(lam_json_parse(small, LAM_SV("[1,2,3,4,5,6]"), &err), LAM_E_LIMIT);
    assert_string_equal(err.text, "JSON of 13 bytes, the limit is 10");
    assert_int_equal(lam_json_parse(small, LAM_SV("[[[[1]]]]"), &err), 0);
    assert_int_equal(lam_json_parse(small, LAM_SV("[[[[[]]]]]"), &err), LAM_E_LIMIT);
    assert_string_equal(err.text, "JSON is nested deeper than 4");
    lam_json_free(small);
}

static void a_handle_grows_and_is_used_again(void **state)
{
    size_t len = 900000;
    char *big = malloc(len);

    (void)state;
    memset(big, 'x', len);
    memcpy(big, "{\"k\":\"", 6);
    memcpy(big + len - 2, "\"}", 2);
    for (int i = 0; i < 3; i++) {
        parse_ok("{\"k\":1}");
        assert_int_equal(parse(lam_sv(big, len)), 0);
        assert_int_equal(lam_json_string(json, at("/k")).len, len - 8);
        assert_int_equal(parse(LAM_SV("{")), LAM_E_INVALID);
    }
    free(big);
}

/* Writes a random document, mostly valid, then breaks one byte of it now and then. */
static size_t scribble(char *out, size_t cap, int depth)
{
    static const char *const scalars[] = {"0",
                                          "-1",
                                          "1.5e3",
                                          "true",
                                          "false",
                                          "null",
                                          "\"\"",
                                          "\"a\\u00e9\"",
                                          "18446744073709551615",
                                          "1e999",
                                          "99999999999999999999999",
                                          "\"\xc3\xa9\"",
                                          " 7 "};
    size_t len = 0;
    int kind = depth ? rand() % 4 : 3, count = rand() % 4;

    if (kind > 1)
        return (size_t)snprintf(out, cap, "%s", scalars[(size_t)rand() % (sizeof scalars / sizeof *scalars)]);
    out[len++] = kind ? '{' : '[';
    for (int i = 0; i < count; i++) {
        if (i)
            out[len++] = ',';
        if (kind)
            len += (size_t)snprintf(out + len, cap - len, "\"k%d\":", rand() % 3);
        len += scribble(out + len, cap - len, depth - 1);
    }
    out[len++] = kind ? '}' : ']';
    return len;
}

static void the_fast_reader_and_the_plain_one_agree(void **state)
{
    unsigned seed = (unsigned)time(NULL), valid = 0;
    char text[8192];

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 20000; i++) {
        const char *what;
        size_t len = scribble(text, sizeof text, 4);
        bool fast, plain;

        for (int k = rand() % 3; k > 0; k--)
            text[(size_t)rand() % len] = "{}[],:\"\\ 01-e.tfn\n\x80\xc3"[rand() % 20];
        fast = parse(lam_sv(text, len)) == 0;
        plain = lam_json_locate(lam_sv(text, len), 64, &what) == len + 1;
        if (fast != plain)
            fail_msg("'%.*s': fast %d, plain %d (%s)", (int)len, text, fast, plain, plain ? "" : what);
        valid += fast;
    }
    assert_true(valid > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scalar_keeps_the_text_it_was_written_with),
        cmocka_unit_test(numbers_have_their_kind),
        cmocka_unit_test(numbers_beyond_64_bits_are_json),
        cmocka_unit_test(pointers_find_what_rfc_6901_says),
        cmocka_unit_test(of_a_doubled_key_the_first_counts),
        cmocka_unit_test(a_walk_visits_members_in_order),
        cmocka_unit_test(any_scalar_is_a_document),
        cmocka_unit_test(what_is_wrong_is_named_with_its_byte),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_handle_grows_and_is_used_again),
        cmocka_unit_test(the_fast_reader_and_the_plain_one_agree),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
