/* Cutoffs: what is covered, by life, partition and offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cutoff.h"
#include "order.h"

static bool covers(const struct lam_cutoff *cutoff, uint32_t source, uint32_t life, uint32_t partition, uint64_t offset)
{
    struct lam_position pos = {.source = source, .life = life, .offset = offset};

    lam_position_set_partition(&pos, partition);
    return lam_cutoff_covers(cutoff, &pos);
}

static void a_stream_is_covered_below_the_next_offset_of_its_life(void **state)
{
    struct lam_cutoff cutoff, copy;

    (void)state;
    lam_cutoff_init(&cutoff);
    assert_int_equal(lam_cutoff_set_partition(&cutoff, 2, 3, 7, 100, NULL), 0);
    assert_int_equal(lam_cutoff_set_partition(&cutoff, 2, 3, 1, 5, NULL), 0);
    assert_int_equal(lam_cutoff_set_partition(&cutoff, 2, 3, 7, 101, NULL), 0);
    assert_int_equal(lam_cutoff_copy(&copy, &cutoff, NULL), 0);
    lam_cutoff_release(&cutoff);
    assert_true(covers(&copy, 2, 3, 7, 100));
    assert_false(covers(&copy, 2, 3, 7, 101));
    assert_true(covers(&copy, 2, 3, 1, 4));
    assert_false(covers(&copy, 2, 3, 2, 0)); /* a partition that it does not name */
    assert_true(covers(&copy, 2, 2, 9, UINT64_MAX)); /* an older life */
    assert_false(covers(&copy, 2, 4, 7, 0));
    assert_false(covers(&copy, 1, 1, 7, 0));
    assert_int_equal(lam_cutoff_next(&copy, 2, 3, 7), 101);
    assert_int_equal(lam_cutoff_next(&copy, 2, 4, 7), 0);
    assert_true(lam_cutoff_next(&copy, 2, 1, 7) == UINT64_MAX);
    lam_cutoff_release(&copy);
}

static void a_corpus_is_covered_up_to_its_last_complete_scan(void **state)
{
    struct lam_cutoff cutoff;

    (void)state;
    lam_cutoff_init(&cutoff);
    assert_int_equal(lam_cutoff_set_corpus(&cutoff, 9, 2, NULL), 0);
    assert_int_equal(lam_cutoff_set_corpus(&cutoff, 4, 1, NULL), 0);
    assert_true(covers(&cutoff, 9, 2, 0, UINT64_MAX));
    assert_true(covers(&cutoff, 9, 1, 0, 0));
    assert_false(covers(&cutoff, 9, 3, 0, 0));
    assert_int_equal(cutoff.sources[0].source, 4);
    assert_null(lam_cutoff_source(&cutoff, 5));
    lam_cutoff_release(&cutoff);
}

static void a_new_life_forgets_the_partitions_of_the_old_one(void **state)
{
    struct lam_cutoff cutoff;

    (void)state;
    lam_cutoff_init(&cutoff);
    assert_int_equal(lam_cutoff_set_partition(&cutoff, 1, 1, 0, 50, NULL), 0);
    assert_int_equal(lam_cutoff_set_partition(&cutoff, 1, 2, 1, 3, NULL), 0);
    assert_int_equal(lam_cutoff_source(&cutoff, 1)->count, 1);
    assert_false(covers(&cutoff, 1, 2, 0, 0));
    assert_true(covers(&cutoff, 1, 1, 0, 99));
    lam_cutoff_release(&cutoff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_covered_below_the_next_offset_of_its_life),
        cmocka_unit_test(a_corpus_is_covered_up_to_its_last_complete_scan),
        cmocka_unit_test(a_new_life_forgets_the_partitions_of_the_old_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
