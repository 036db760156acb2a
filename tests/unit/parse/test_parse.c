#include "parse_support.h"

#include <pthread.h>

static void text_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_parses("text/plain", "Hello\r\n  é\n", "", "Hello\r\n  é\n", "");
    assert_parses("text/plain; charset=utf-8", "\xef\xbb\xbfx", "", "x", "");
    assert_parses("TEXT/PLAIN", "", "", "", "");
}

static void json_is_passed_on_for_its_fields(void **state)
{
    (void)state;
    assert_parses("application/json", "{\"a\":\"text\"}", "", "", "");
    assert_refused("application/json", LAM_SV("{\"a\":\"\xff\"}"), LAM_E_INVALID, "not UTF-8");
}

static void what_is_not_utf8_is_refused_by_its_first_byte(void **state)
{
    (void)state;
    assert_refused("text/plain", LAM_SV("gr\xfc\xdf"), LAM_E_INVALID, "is not UTF-8: 0xfc at byte 2; other encodings are not yet read");
    assert_refused("text/html", LAM_SV("<p>\xc3"), LAM_E_INVALID, "0xc3 at byte 3");
    assert_refused("text/plain", LAM_SV("a\0b"), LAM_E_INVALID, "is binary: a NUL at byte 1");
    assert_refused("text/markdown", LAM_SV("\xed\xa0\x80"), LAM_E_INVALID, "not UTF-8");
    assert_refused("text/rtf", LAM_SV("x"), LAM_E_INVALID, "is of type text/rtf, not yet read");
    assert_refused(NULL, LAM_SV("%PDF-1.4"), LAM_E_INVALID, "is a PDF, not yet read");
}

static void documents_beyond_the_limits_are_refused(void **state)
{
    struct lam_parse_limits limits = {.max_bytes = 10, .max_markup = 5, .max_depth = 2, .max_tree = 100000, .max_structure = 1};
    struct lam_parser *parser = lam_parser_new(&limits);
    struct lam_parsed parsed;
    struct lam_error err = {0};

    (void)state;
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.txt"), NULL, LAM_SV("0123456789"), &parsed, &err), 0);
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.txt"), NULL, LAM_SV("01234567890"), &parsed, &err), LAM_E_LIMIT);
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.md"), NULL, LAM_SV("012345"), &parsed, &err), LAM_E_LIMIT);
    lam_parser_free(parser);
    limits.max_markup = limits.max_bytes = 1000;
    parser = lam_parser_new(&limits);
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.html"), NULL, LAM_SV("<b><i>x</i></b><b><i>y"), &parsed, &err), 0);
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.html"), NULL, LAM_SV("<b><i><u>x"), &parsed, &err), LAM_E_LIMIT);
    assert_int_equal(lam_parser_parse(parser, LAM_SV("a.html"), NULL, LAM_SV("<h1>a</h1><h1>b</h1>"), &parsed, &err), 0);
    assert_sv("structure", parsed.structure, "{\"headings\":[{\"level\":1,\"offset\":0,\"text\":\"a\"}],\"links\":[]}");
    assert_sv("text", parsed.text, "a\n\nb");
    lam_parser_free(parser);
}

static void a_parser_is_used_again_and_again(void **state)
{
    struct lam_parser *parser = lam_parser_new(NULL);
    struct lam_parsed parsed;
    struct lam_error err = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(lam_parser_parse(parser, LAM_SV("a.md"), "", LAM_SV("# One\n\n[l](h)"), &parsed, &err), 0);
        assert_sv("title", parsed.title, "One");
        assert_string_equal(parsed.media_type, "text/markdown");
        assert_int_equal(lam_parser_parse(parser, LAM_SV("a.html"), "", LAM_SV("<p>two"), &parsed, &err), 0);
        assert_sv("title", parsed.title, "");
        assert_sv("structure", parsed.structure, "");
        assert_sv("text", parsed.text, "two");
    }
    lam_parser_free(parser);
    lam_parser_free(NULL);
}

#define THREADS 4

static void *parse_many(void *arg)
{
    struct lam_parser *parser = lam_parser_new(NULL);
    struct lam_parsed parsed;
    struct lam_error err;
    size_t wrong = 0;

    for (int i = 0; i < 300; i++) {
        wrong += lam_parser_parse(parser, LAM_SV("a.md"), NULL, LAM_SV("# One\n\n| a | b |\n|---|---|\n| *1* | 2 |\n\n~~x~~ [l](h)"), &parsed, &err) != 0 ||
                 !lam_sv_eq(parsed.text, LAM_SV("One\n\na b\n1 2\n\n~~x~~ l"));
        wrong += lam_parser_parse(parser, LAM_SV("a.html"), NULL, LAM_SV("<h1>H</h1><p>x &amp; y"), &parsed, &err) != 0 ||
                 !lam_sv_eq(parsed.text, LAM_SV("H\n\nx & y"));
    }
    lam_parser_free(parser);
    *(size_t *)arg = wrong;
    return NULL;
}

static void parsers_of_several_threads_share_nothing(void **state)
{
    pthread_t threads[THREADS];
    size_t wrong[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_many, &wrong[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_taken_as_it_is),
        cmocka_unit_test(json_is_passed_on_for_its_fields),
        cmocka_unit_test(what_is_not_utf8_is_refused_by_its_first_byte),
        cmocka_unit_test(documents_beyond_the_limits_are_refused),
        cmocka_unit_test(a_parser_is_used_again_and_again),
        cmocka_unit_test(parsers_of_several_threads_share_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
