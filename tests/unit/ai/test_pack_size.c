/* How many documents go into one request: against servers that can answer about so many at once, or about none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "openai/pack_size.h"

#define TIMEOUT INT64_C(120000000)

/* Asks about so many documents in all a server that can answer about `able` at once; the packs that failed. */
static unsigned ask(struct lam_pack_size *size, uint32_t documents, uint32_t able, unsigned *requests)
{
    unsigned failed = 0;

    for (*requests = 0; documents; ++*requests) {
        uint32_t most = lam_pack_most(size, TIMEOUT), asked = most < documents ? most : documents;

        if (asked <= able) {
            lam_pack_answered(size, asked, asked, 50 * asked, 10000 * asked);
            documents -= asked;
        } else {
            lam_pack_failed(size, asked, 0);
            failed++;
        }
    }
    return failed;
}

static void it_grows_while_all_is_answered(void **state)
{
    struct lam_pack_size size = {0};
    unsigned requests, failed = ask(&size, 10000, 1000, &requests);

    (void)state;
    assert_int_equal(failed, 0);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), LAM_PACK_MAX);
    assert_true(requests < 10000 / LAM_PACK_MAX + 6);
}

static void it_stays_about_what_a_model_can(void **state)
{
    static const uint32_t able[] = {2, 5, 11, 30};

    (void)state;
    for (size_t i = 0; i < sizeof able / sizeof *able; i++) {
        struct lam_pack_size size = {0};
        unsigned requests, failed = ask(&size, 10000, able[i], &requests);

        print_message("able to %u: %u requests, %u failed\n", (unsigned)able[i], requests, failed);
        assert_true(failed <= 12);
        assert_true(requests <= 13 * 10000 / 10 / able[i] + 30);
    }
}

static void a_model_that_can_none_is_hardly_asked_packed_any_more(void **state)
{
    struct lam_pack_size size = {0};
    unsigned requests, failed = ask(&size, 20000, 1, &requests);

    (void)state;
    assert_true(failed <= 12); /* the first ones, and then fewer and fewer trials */
    assert_int_equal(requests, 20000 + failed);
}

static void what_was_sent_before_a_failure_does_not_count_again(void **state)
{
    struct lam_pack_size size = {0};

    (void)state;
    for (int i = 0; i < 50; i++) /* all under way at once */
        lam_pack_failed(&size, 8, 0);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 4);
}

static void an_answer_that_misses_much_is_a_failure_and_one_that_misses_little_is_not(void **state)
{
    struct lam_pack_size size = {0};

    (void)state;
    lam_pack_answered(&size, 8, 6, 400, 1000);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 8);
    lam_pack_answered(&size, 8, 5, 400, 1000);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 4);
}

static void room_for_answers_follows_what_they_have(void **state)
{
    struct lam_pack_size size = {0};

    (void)state;
    assert_int_equal(lam_pack_answer(&size, 100, 1000), 201);
    assert_int_equal(lam_pack_answer(&size, 100, 150), 150);
    lam_pack_answered(&size, 4, 4, 4 * 80, 1000);
    assert_int_equal(lam_pack_answer(&size, 100, 1000), 101);
    lam_pack_failed(&size, 4, 4 * 400); /* cut off at so many: it would have had more */
    assert_int_equal(lam_pack_answer(&size, 100, 1000), 751);
    assert_int_equal(lam_pack_answer(&size, 100, 500), 500);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 8); /* more room may do */
    lam_pack_failed(&size, 8, 8 * 400);
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 4); /* it did not */
    for (int i = 0; i < 200; i++)
        lam_pack_answered(&size, 4, 4, 4 * 80, 1000);
    assert_in_range(lam_pack_answer(&size, 100, 1000), 100, 102);
}

static void a_pack_is_answered_in_half_of_the_time_allowed(void **state)
{
    struct lam_pack_size size = {0};

    (void)state;
    lam_pack_answered(&size, 8, 8, 400, 8 * INT64_C(10000000)); /* ten seconds each */
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 6);
    lam_pack_answered(&size, 6, 6, 300, 6 * INT64_C(100000000));
    assert_int_equal(lam_pack_most(&size, TIMEOUT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_while_all_is_answered),
        cmocka_unit_test(it_stays_about_what_a_model_can),
        cmocka_unit_test(a_model_that_can_none_is_hardly_asked_packed_any_more),
        cmocka_unit_test(what_was_sent_before_a_failure_does_not_count_again),
        cmocka_unit_test(an_answer_that_misses_much_is_a_failure_and_one_that_misses_little_is_not),
        cmocka_unit_test(room_for_answers_follows_what_they_have),
        cmocka_unit_test(a_pack_is_answered_in_half_of_the_time_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
