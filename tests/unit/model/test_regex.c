/* The user's expressions: what is found, what is refused, and that no expression takes more than linear time. */
#include "regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lam_regex *compiled(const char *text)
{
    struct lam_regex *regex;
    struct lam_error err;

    assert_int_equal(lam_regex_new(lam_sv_of(text), &regex, &err), 0);
    return regex;
}

static void refused(const char *text, const char *why)
{
    struct lam_regex *regex = (struct lam_regex *)1;
    struct lam_error err;

    assert_int_equal(lam_regex_new(lam_sv_of(text), &regex, &err), LAM_E_INVALID);
    assert_null(regex);
    assert_non_null(strstr(err.text, why));
}

static void matches_are_found_one_after_the_other(void **state)
{
    struct lam_regex *regex = compiled("\\b[A-Z]{2}-[0-9]{4}\\b");
    struct lam_sv text = LAM_SV("AB-1234, XAB-1234 and CD-9999.");
    size_t start, end;

    (void)state;
    assert_true(lam_regex_find(regex, text, 0, &start, &end));
    assert_int_equal(start, 0);
    assert_int_equal(end, 7);
    assert_true(lam_regex_find(regex, text, end, &start, &end)); /* "\b" sees the X before */
    assert_int_equal(start, 22);
    assert_int_equal(end, 29);
    assert_false(lam_regex_find(regex, text, end, &start, &end));
    assert_false(lam_regex_find(regex, text, text.len + 1, &start, &end));
    assert_false(lam_regex_find(regex, lam_sv(NULL, 0), 0, &start, &end));
    lam_regex_free(regex);
}

static void what_cannot_serve_is_refused(void **state)
{
    char *longer = malloc(LAM_REGEX_TEXT_MAX + 2);

    (void)state;
    refused("", "1 to 512 bytes");
    refused("(", "missing");
    refused("a*", "matches nothing");
    refused("(a)\\1", "not a regular expression");
    refused("(?=x)y", "not a regular expression");
    refused("((a{100}){100}){100}", "not a regular expression");
    memset(longer, 'a', LAM_REGEX_TEXT_MAX + 1);
    longer[LAM_REGEX_TEXT_MAX + 1] = '\0';
    refused(longer, "1 to 512 bytes");
    free(longer);
    lam_regex_free(NULL);
}

/* A backtracking matcher would need 2^n steps: the test would not end. */
static void hostile_expressions_end(void **state)
{
    static const char *const hostile[] = {"(a+)+$x", "(a|aa)+b", "(a?){30}a{30}b", "(.*a){20}b"};
    char *text = malloc(1 << 20);
    size_t start, end;

    (void)state;
    memset(text, 'a', 1 << 20);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct lam_regex *regex = compiled(hostile[i]);

        assert_false(lam_regex_find(regex, lam_sv(text, 1 << 20), 0, &start, &end));
        lam_regex_free(regex);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(matches_are_found_one_after_the_other), cmocka_unit_test(what_cannot_serve_is_refused),
                                       cmocka_unit_test(hostile_expressions_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
