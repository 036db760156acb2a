/* Agreement: all ranks hold the same outcome, whoever fails, comes late, or is silent. */
#include "world.h"

#include <stdio.h>

static int agree_with(const struct lam_error *outcome, int64_t timeout_ms, struct lam_error *err)
{
    struct lam_agree agree;

    assert_int_equal(lam_comm_agree_start(&agree, world, outcome, timeout_ms, err), 0);
    return agreed(&agree, err);
}

static void success_of_all_is_success(void **state)
{
    struct lam_error err = {0}, fine = {0};

    (void)state;
    assert_int_equal(agree_with(NULL, LIMIT_MS, &err), 0);
    assert_int_equal(agree_with(&fine, LIMIT_MS, &err), 0);
}

static void one_failure_is_everybodys_and_names_its_rank(void **state)
{
    char want[64];

    (void)state;
    for (int guilty = 0; guilty < size; guilty++) {
        struct lam_error own, err;

        LAM_FAIL(&own, LAM_E_FENCED, "fenced by %s", "another job");
        assert_int_equal(agree_with(rank == guilty ? &own : NULL, LIMIT_MS, &err), LAM_E_FENCED);
        assert_int_equal(err.code, LAM_E_FENCED);
        assert_int_equal(err.rank, guilty);
        if (size == 1)
            snprintf(want, sizeof want, "fenced by another job");
        else
            snprintf(want, sizeof want, "rank %d: fenced by another job", guilty);
        assert_string_equal(err.text, want);
    }
}

/* Every rank fails; the last one alone in a way that stops the job. */
static void the_worst_counts_and_among_equals_the_lowest_rank(void **state)
{
    struct lam_error own, err;
    int last = size - 1;

    (void)state;
    LAM_FAIL(&own, rank == last ? LAM_E_MEMORY : LAM_E_IO, "rank %d had a problem", rank);
    assert_int_equal(agree_with(&own, LIMIT_MS, &err), LAM_E_MEMORY);
    assert_int_equal(err.rank, last);
    LAM_FAIL(&own, LAM_E_IO, "disk of %d", rank);
    assert_int_equal(agree_with(&own, LIMIT_MS, &err), LAM_E_IO);
    assert_int_equal(err.rank, 0);
    assert_non_null(strstr(err.text, "disk of 0"));
    if (size == 3)
        assert_non_null(strstr(err.text, "(and ranks 1, 2)"));
}

static void several_may_be_open_and_do_not_mix(void **state)
{
    enum { OPEN = 20 };
    struct lam_agree open[OPEN];
    struct lam_error err;

    (void)state;
    for (int i = 0; i < OPEN; i++) {
        struct lam_error own;

        LAM_FAIL(&own, LAM_E_INVALID, "number %d", i);
        assert_int_equal(lam_comm_agree_start(&open[i], world, i % 3 == 0 && rank == i % size ? &own : NULL, LIMIT_MS, &err), 0);
    }
    for (int i = OPEN - 1; i >= 0; i--) { /* asked for in another order than started */
        char want[32];

        snprintf(want, sizeof want, "number %d", i);
        assert_int_equal(agreed(&open[i], &err), i % 3 ? 0 : LAM_E_INVALID);
        if (i % 3 == 0) {
            assert_int_equal(err.rank, i % size);
            assert_non_null(strstr(err.text, want));
        }
        assert_int_equal(lam_comm_agree_test(&open[i], &err), i % 3 ? 0 : LAM_E_INVALID); /* asking again changes nothing */
    }
}

static void a_silent_rank_is_named_to_all_and_to_itself_when_it_comes(void **state)
{
    int last = size - 1;
    struct lam_error own, err;
    char want[32];

    (void)state;
    if (size == 1)
        return;
    meet();
    if (rank == last)
        sleep_ms(3500);
    LAM_FAIL(&own, LAM_E_IO, "no space");
    assert_int_equal(agree_with(rank == 0 ? &own : NULL, 1500, &err), LAM_E_TIMEOUT); /* the others vote within it on a busy machine too */
    snprintf(want, sizeof want, "rank %d gave no sign", last);
    assert_non_null(strstr(err.text, want));
    assert_non_null(strstr(err.text, "rank 0: no space")); /* what is known besides is not lost */
    assert_int_equal(err.rank, last);
    meet(); /* and the next agreement is not mixed up with the late vote */
    assert_int_equal(agree_with(NULL, LIMIT_MS, &err), 0);
}

static void a_silent_rank_0_keeps_nobody_waiting(void **state)
{
    struct lam_error err;

    (void)state;
    if (size == 1)
        return;
    meet();
    if (rank == 0) {
        sleep_ms(4000);
        assert_int_equal(agree_with(NULL, LIMIT_MS, &err), 0); /* all votes were there */
    } else {
        assert_int_equal(agree_with(NULL, 100, &err), LAM_E_TIMEOUT);
        assert_int_equal(err.rank, 0);
        assert_non_null(strstr(err.text, "rank 0"));
    }
    meet();
}

static void an_error_text_of_any_length_survives(void **state)
{
    struct lam_error own, err;
    char text[2 * LAM_ERROR_TEXT];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    LAM_FAIL(&own, LAM_E_LIMIT, "%s", text);
    assert_int_equal(agree_with(&own, LIMIT_MS, &err), LAM_E_LIMIT);
    assert_int_equal(strlen(err.text), LAM_ERROR_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_of_all_is_success),
        cmocka_unit_test(one_failure_is_everybodys_and_names_its_rank),
        cmocka_unit_test(the_worst_counts_and_among_equals_the_lowest_rank),
        cmocka_unit_test(several_may_be_open_and_do_not_mix),
        cmocka_unit_test(a_silent_rank_is_named_to_all_and_to_itself_when_it_comes),
        cmocka_unit_test(a_silent_rank_0_keeps_nobody_waiting),
        cmocka_unit_test(an_error_text_of_any_length_survives),
    };

    return world_run("agree", tests, sizeof tests / sizeof *tests);
}
