/* Evaluation: figures against values that were worked out by hand, and against a plain recomputation over random answers in two orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eval.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-6)

struct answer {
    const char *truth, *said;
    double confidence;
};

static struct lam_eval *count(const struct answer *answers, size_t n, struct lam_eval_result *result)
{
    struct lam_eval *eval;
    struct lam_error err;

    assert_int_equal(lam_eval_new(&eval, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(lam_eval_add(eval, lam_sv_of(answers[i].truth), lam_sv_of(answers[i].said), answers[i].confidence, &err), 0);
    assert_int_equal(lam_eval_finish(eval, result, &err), 0);
    return eval;
}

static const struct answer ten[] = {
    {"a", "a", 0.95}, {"a", "a", 0.95}, {"a", "b", 0.55}, {"a", "", 0.99}, /* without an answer, confidence says nothing */
    {"b", "b", 0.75}, {"b", "b", 0.75}, {"b", "a", 0.75},
    {"c", "a", 0.15}, {"c", "b", 0.15}, {"c", "x", 0.35}, /* x is nobody's label */
};

static void figures_are_those_worked_out_by_hand(void **state)
{
    struct lam_eval_result r;
    struct lam_eval *eval = count(ten, 10, &r);

    (void)state;
    assert_int_equal(r.records, 10);
    assert_int_equal(r.answered, 9);
    assert_int_equal(r.right, 4);
    NEAR(r.accuracy, 0.4);
    NEAR(r.accuracy_answered, 4.0 / 9);
    assert_int_equal(r.label_count, 4); /* a b c x */
    assert_string_equal(r.labels[3].name.ptr, "x");
    NEAR(r.labels[0].precision, 2.0 / 4);
    NEAR(r.labels[0].recall, 2.0 / 4);
    NEAR(r.labels[1].precision, 2.0 / 4);
    NEAR(r.labels[1].recall, 2.0 / 3);
    NEAR(r.labels[2].f1, 0);
    NEAR(r.macro_f1, (0.5 + 4.0 / 7 + 0) / 3); /* x is no truth, and is not in the mean */
    lam_eval_free(eval);
}

static void calibration_is_the_mean_gap_of_the_bins(void **state)
{
    struct lam_eval_result r;
    struct lam_eval *eval = count(ten, 10, &r);

    (void)state;
    assert_int_equal(r.bins[1].records, 2); /* 0.15: none right */
    assert_int_equal(r.bins[3].records, 1); /* 0.35: wrong */
    assert_int_equal(r.bins[5].records, 1); /* 0.55: wrong */
    assert_int_equal(r.bins[7].records, 3); /* 0.75: two of three */
    assert_int_equal(r.bins[9].records, 2); /* 0.95: both */
    NEAR(r.calibration_error, (2 * 0.15 + 0.35 + 0.55 + 3 * (0.75 - 2.0 / 3) + 2 * 0.05) / 9);
    lam_eval_free(eval);
}

static void coverage_takes_the_surest_first_and_shares_out_ties(void **state)
{
    struct lam_eval_result r;
    struct lam_eval *eval = count(ten, 10, &r);

    (void)state;
    assert_int_equal(r.shares[0].records, 5); /* two of 0.95, three of 0.75 */
    NEAR(r.shares[0].accuracy, 4.0 / 5);
    NEAR(r.shares[0].confidence, 0.75);
    NEAR(r.shares[1].accuracy, 4.0 / 8);
    NEAR(r.shares[1].confidence, 0.15);
    NEAR(r.shares[3].accuracy, 0.4);
    NEAR(r.shares[3].confidence, 0); /* the last one has no answer */
    lam_eval_free(eval);
    eval = count((const struct answer[]){{"a", "a", 0.5}, {"a", "b", 0.5}, {"a", "a", 0.5}, {"a", "b", 0.5}}, 4, &r);
    NEAR(r.shares[0].accuracy, 0.5); /* two of four that are equally sure, of which half are right */
    lam_eval_free(eval);
}

static void confusion_has_every_pair_that_occurs_by_name(void **state)
{
    static const struct lam_eval_cell expected[] = {
        {{"a", 1}, {"", 0}, 1}, {{"a", 1}, {"a", 1}, 2}, {{"a", 1}, {"b", 1}, 1}, {{"b", 1}, {"a", 1}, 1},
        {{"b", 1}, {"b", 1}, 2}, {{"c", 1}, {"a", 1}, 1}, {{"c", 1}, {"b", 1}, 1}, {{"c", 1}, {"x", 1}, 1},
    };
    struct lam_eval_result r;
    struct lam_eval *eval = count(ten, 10, &r);

    (void)state;
    assert_int_equal(r.cell_count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_true(lam_sv_eq(r.cells[i].truth, expected[i].truth));
        assert_true(lam_sv_eq(r.cells[i].answer, expected[i].answer));
        assert_int_equal(r.cells[i].records, expected[i].records);
    }
    lam_eval_free(eval);
}

static void nothing_and_confidences_that_are_none_are_no_nan(void **state)
{
    struct lam_eval_result r;
    struct lam_eval *eval = count(NULL, 0, &r);

    (void)state;
    NEAR(r.accuracy + r.macro_f1 + r.calibration_error + r.shares[0].accuracy, 0);
    lam_eval_free(eval);
    eval = count((const struct answer[]){{"a", "a", NAN}, {"a", "a", -3}, {"a", "a", 7}, {"a", "a", 1}}, 4, &r);
    assert_int_equal(r.bins[0].records, 3);
    assert_int_equal(r.bins[9].records, 1);
    NEAR(r.accuracy, 1);
    lam_eval_free(eval);
}

static char *json_of(const struct lam_eval_result *result)
{
    struct lam_error err;
    struct lam_buf out;

    lam_buf_init(&out, 1 << 20);
    assert_int_equal(lam_eval_json(result, &out, &err), 0);
    assert_int_equal(lam_eval_text(result, &out, &err), 0);
    assert_int_equal(lam_buf_add(&out, "", 1, &err), 0);
    return out.ptr;
}

static void the_order_of_records_does_not_show(void **state)
{
    static const char *const names[] = {"one", "two", "three", "four", ""};
    struct answer answers[2000];
    struct lam_eval_result r, other;
    struct lam_eval *eval, *again;
    unsigned seed = (unsigned)time(NULL);
    size_t right = 0;
    char *a, *b;

    (void)state;
    print_message("seed %u\n", seed);
    for (size_t i = 0; i < 2000; i++) {
        answers[i] = (struct answer){names[rand_r(&seed) % 4], names[rand_r(&seed) % 5], (rand_r(&seed) % 1000) / 999.0};
        right += !strcmp(answers[i].truth, answers[i].said);
    }
    eval = count(answers, 2000, &r);
    assert_int_equal(r.right, right);
    a = json_of(&r);
    for (size_t i = 0; i < 1000; i++) {
        struct answer swapped = answers[i];

        answers[i] = answers[1999 - i];
        answers[1999 - i] = swapped;
    }
    again = count(answers, 2000, &other);
    b = json_of(&other);
    assert_string_equal(a, b);
    free(a);
    free(b);
    lam_eval_free(eval);
    lam_eval_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_worked_out_by_hand),
        cmocka_unit_test(calibration_is_the_mean_gap_of_the_bins),
        cmocka_unit_test(coverage_takes_the_surest_first_and_shares_out_ties),
        cmocka_unit_test(confusion_has_every_pair_that_occurs_by_name),
        cmocka_unit_test(nothing_and_confidences_that_are_none_are_no_nan),
        cmocka_unit_test(the_order_of_records_does_not_show),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
