#include "ai_test.h"
#include "builtin/fmath.h"

static void exp_and_log_are_near_those_of_the_library(void **state)
{
    (void)state;
    for (double x = -700; x <= 700; x += 0.37)
        assert_true(fabs(lam_exp(x) - exp(x)) <= 1e-13 * exp(x));
    for (double x = 1e-300; x < 1e300; x *= 3.7)
        assert_true(fabs(lam_log(x) - log(x)) <= 1e-13 * (1 + fabs(log(x))));
    assert_true(lam_log(1) == 0 && lam_exp(0) == 1);
}

static void odd_arguments_give_numbers(void **state)
{
    (void)state;
    assert_true(lam_exp(-1e9) == 0 && lam_exp(NAN) == 0 && lam_exp(1e9) < INFINITY);
    assert_true(lam_log(0) == 0 && lam_log(-1) == 0 && lam_log(NAN) == 0 && lam_log(INFINITY) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exp_and_log_are_near_those_of_the_library),
                                       cmocka_unit_test(odd_arguments_give_numbers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
