/* Errors: text grows outwards and is cut at its end; codes have names and classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lamina/error.h>

static void context_comes_in_front_and_the_code_stays(void **state)
{
    struct lam_error err;

    (void)state;
    assert_int_equal(LAM_FAIL(&err, LAM_E_IO, "disk %s", "full"), LAM_E_IO);
    assert_int_equal(LAM_PASS(&err, LAM_E_IO, "commit %d", 42), LAM_E_IO);
    assert_int_equal(err.code, LAM_E_IO);
    assert_int_equal(err.rank, -1);
    assert_string_equal(err.text, "commit 42: disk full");
    assert_non_null(strstr(err.where, "test_error.c:"));
}

static void who_wants_no_details_still_gets_the_code(void **state)
{
    (void)state;
    assert_int_equal(LAM_FAIL(NULL, LAM_E_FENCED, "by %d", 7), LAM_E_FENCED);
    assert_int_equal(LAM_PASS(NULL, LAM_E_FENCED, "open"), LAM_E_FENCED);
}

static void long_text_is_cut_at_its_end_and_the_outermost_context_survives(void **state)
{
    char text[2 * LAM_ERROR_TEXT];
    struct lam_error err;

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    LAM_FAIL(&err, LAM_E_IO, "%s", text);
    assert_int_equal(strlen(err.text), LAM_ERROR_TEXT - 1);
    LAM_PASS(&err, LAM_E_IO, "outer");
    assert_int_equal(strlen(err.text), LAM_ERROR_TEXT - 1);
    assert_int_equal(strncmp(err.text, "outer: xxx", 10), 0);
    for (size_t len = LAM_ERROR_TEXT - 4; len < LAM_ERROR_TEXT + 4; len++) { /* a context that fills it all, to the byte */
        LAM_FAIL(&err, LAM_E_IO, "inner");
        LAM_PASS(&err, LAM_E_IO, "%.*s", (int)len, text);
        assert_int_equal(strlen(err.text), LAM_ERROR_TEXT - 1);
    }
}

static void every_code_has_a_name_of_its_own_and_a_class(void **state)
{
    (void)state;
    for (int a = LAM_OK; a >= LAM_END; a--) {
        assert_string_not_equal(lam_error_name(a), "unknown");
        for (int b = LAM_OK; b > a; b--)
            assert_string_not_equal(lam_error_name(a), lam_error_name(b));
    }
    assert_string_equal(lam_error_name(LAM_END), "end");
    assert_string_equal(lam_error_name(LAM_E_NOT_FOUND), "not_found");
    assert_string_equal(lam_error_name(LAM_END - 1), "unknown");
    assert_string_equal(lam_error_name(1), "unknown");
    assert_int_equal(lam_error_class(LAM_PENDING), LAM_CLASS_NONE);
    assert_int_equal(lam_error_class(LAM_E_IO), LAM_CLASS_RETRY);
    assert_int_equal(lam_error_class(LAM_E_CORRUPT), LAM_CLASS_REJECT);
    assert_int_equal(lam_error_class(LAM_E_FENCED), LAM_CLASS_STOP);
    assert_int_equal(lam_error_class(-1000), LAM_CLASS_STOP); /* what nobody knows is not passed by */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_comes_in_front_and_the_code_stays),
        cmocka_unit_test(who_wants_no_details_still_gets_the_code),
        cmocka_unit_test(long_text_is_cut_at_its_end_and_the_outermost_context_survives),
        cmocka_unit_test(every_code_has_a_name_of_its_own_and_a_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
