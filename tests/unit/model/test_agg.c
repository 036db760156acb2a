/* Aggregates: what is added decides the result, never order, partition or the way it was merged. */
#include "agg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static const enum lam_agg_kind all_kinds[] = {LAM_AGG_COUNT, LAM_AGG_SUM, LAM_AGG_MIN, LAM_AGG_MAX};

static void text_of(const struct lam_agg *agg, char *text, size_t cap)
{
    struct lam_buf buf;

    lam_buf_init(&buf, cap - 1);
    assert_int_equal(lam_agg_add_text(&buf, agg, NULL), 0);
    memcpy(text, buf.ptr, buf.len);
    text[buf.len] = '\0';
    lam_buf_release(&buf);
}

static void assert_agg(enum lam_agg_kind kind, const struct lam_number *numbers, size_t count, const char *want)
{
    struct lam_agg agg;
    char text[64];

    lam_agg_ops(kind)->init(&agg);
    for (size_t i = 0; i < count; i++)
        lam_agg_ops(kind)->add(&agg, &numbers[i]);
    text_of(&agg, text, sizeof text);
    assert_string_equal(text, want);
}

static void each_kind_says_what_it_saw(void **state)
{
    const struct lam_number numbers[] = {lam_number_int(3), lam_number_double(2.5), lam_number_int(-7)};

    (void)state;
    assert_agg(LAM_AGG_COUNT, numbers, 3, "3");
    assert_agg(LAM_AGG_SUM, numbers, 3, "-1.5");
    assert_agg(LAM_AGG_MIN, numbers, 3, "-7");
    assert_agg(LAM_AGG_MAX, numbers, 3, "3");
    assert_agg(LAM_AGG_COUNT, NULL, 0, "0");
    assert_agg(LAM_AGG_SUM, NULL, 0, "0");
    assert_agg(LAM_AGG_MIN, NULL, 0, "null");
}

static void a_row_without_a_value_is_only_counted(void **state)
{
    struct lam_agg aggs[4];

    (void)state;
    for (int k = 0; k < 4; k++) {
        lam_agg_ops(all_kinds[k])->init(&aggs[k]);
        lam_agg_ops(all_kinds[k])->add(&aggs[k], NULL);
        assert_int_equal(aggs[k].count, k == 0);
    }
}

static void equal_numbers_of_different_kind_have_one_best(void **state)
{
    const struct lam_number one_way[] = {lam_number_int(1), lam_number_double(1.0)},
                            other_way[] = {lam_number_double(1.0), lam_number_int(1)};
    const struct lam_number zeros[] = {lam_number_double(-0.0), lam_number_double(0.0)},
                            sorez[] = {lam_number_double(0.0), lam_number_double(-0.0)};

    (void)state;
    for (int k = 2; k < 4; k++) {
        assert_agg(all_kinds[k], one_way, 2, "1");
        assert_agg(all_kinds[k], other_way, 2, "1");
        assert_agg(all_kinds[k], zeros, 2, "0.0");
        assert_agg(all_kinds[k], sorez, 2, "0.0");
    }
}

static struct lam_number any_number(void)
{
    switch (random() % 4) {
    case 0:
        return lam_number_double((double)(random() % 1000 - 500) / 8);
    case 1:
        return (struct lam_number){.kind = LAM_NUMBER_U64, .u64 = (uint64_t)INT64_MAX + 1 + (uint64_t)random()};
    case 2:
        return lam_number_double(ldexp((double)random() - 1e9, (int)(random() % 200) - 100));
    default:
        return lam_number_int(random() % 40 - 20);
    }
}

static const char *const keys[] = {"billing", "outage", "", "refund", "a\tb"};

static void groups_merge_to_the_same_bits(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 50; round++) {
        struct lam_agg_groups *once = lam_agg_groups_new(all_kinds, 4, 100, 1 << 20), *parts[4];

        for (int p = 0; p < 4; p++)
            parts[p] = lam_agg_groups_new(all_kinds, 4, 100, 1 << 20);
        for (int i = 0; i < 300; i++) {
            struct lam_number number = any_number();
            struct lam_sv key = lam_sv_of(keys[random() % 5]);
            struct lam_agg **aggs;

            assert_int_equal(lam_agg_groups_at(once, key, &aggs, NULL), 0);
            for (int k = 0; k < 4; k++)
                lam_agg_ops(all_kinds[k])->add(aggs[k], &number);
            assert_int_equal(lam_agg_groups_at(parts[random() % 4], key, &aggs, NULL), 0);
            for (int k = 0; k < 4; k++)
                lam_agg_ops(all_kinds[k])->add(aggs[k], &number);
        }
        for (int p = 3; p > 0; p--)
            assert_int_equal(lam_agg_groups_merge(parts[(size_t)random() % (size_t)p], parts[p], NULL), 0);
        lam_agg_groups_sort(once);
        lam_agg_groups_sort(parts[0]);
        assert_int_equal(lam_agg_groups_count(once), lam_agg_groups_count(parts[0]));
        for (size_t g = 0; g < lam_agg_groups_count(once); g++) {
            struct lam_agg **a, **b;
            char text_a[64], text_b[64];

            assert_true(lam_sv_eq(lam_agg_groups_get(once, g, &a), lam_agg_groups_get(parts[0], g, &b)));
            for (int k = 0; k < 4; k++) {
                text_of(a[k], text_a, sizeof text_a);
                text_of(b[k], text_b, sizeof text_b);
                assert_string_equal(text_a, text_b);
            }
        }
        for (int p = 0; p < 4; p++)
            lam_agg_groups_free(parts[p]);
        lam_agg_groups_free(once);
    }
}

static void groups_are_sorted_found_again_and_bounded(void **state)
{
    enum lam_agg_kind kind = LAM_AGG_COUNT;
    struct lam_agg_groups *groups = lam_agg_groups_new(&kind, 1, 1000, 1 << 20), *tiny = lam_agg_groups_new(&kind, 1, 1000, 4096);
    struct lam_agg **aggs;
    char key[16];
    int i, rc = 0;

    (void)state;
    for (i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", (i * 7) % 1000);
        assert_int_equal(lam_agg_groups_at(groups, lam_sv_of(key), &aggs, NULL), 0);
        aggs[0]->count = (uint64_t)((i * 7) % 1000);
    }
    assert_int_equal(lam_agg_groups_at(groups, LAM_SV("one more"), &aggs, NULL), LAM_E_LIMIT);
    lam_agg_groups_sort(groups);
    assert_true(lam_sv_eq(lam_agg_groups_get(groups, 1, &aggs), LAM_SV("k1")));
    for (i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(lam_agg_groups_at(groups, lam_sv_of(key), &aggs, NULL), 0);
        assert_int_equal(aggs[0]->count, i);
    }
    for (i = 0; i < 1000 && !rc; i++) {
        snprintf(key, sizeof key, "k%d", i);
        rc = lam_agg_groups_at(tiny, lam_sv_of(key), &aggs, NULL);
    }
    assert_int_equal(rc, LAM_E_LIMIT);
    assert_int_equal(lam_agg_groups_count(tiny), i - 1);
    lam_agg_groups_free(groups);
    lam_agg_groups_free(tiny);
}

static void an_aggregate_survives_the_wire_and_damage_is_seen(void **state)
{
    const struct lam_number numbers[] = {lam_number_int(3), lam_number_double(1e-3)};
    struct lam_buf buf;

    (void)state;
    lam_buf_init(&buf, 4096);
    for (int k = 0; k < 4; k++) {
        struct lam_agg agg, back;
        struct lam_sv bytes;
        char a[64], b[64];

        lam_buf_clear(&buf);
        lam_agg_ops(all_kinds[k])->init(&agg);
        for (int i = 0; i < 2; i++)
            lam_agg_ops(all_kinds[k])->add(&agg, &numbers[i]);
        assert_int_equal(lam_agg_encode(&buf, &agg, NULL), 0);
        for (size_t len = 0; len < buf.len; len++) {
            bytes = lam_sv(buf.ptr, len);
            assert_int_equal(lam_agg_decode(&bytes, &back, NULL), LAM_E_CORRUPT);
        }
        bytes = lam_buf_sv(&buf);
        assert_int_equal(lam_agg_decode(&bytes, &back, NULL), 0);
        assert_int_equal(back.count, 2);
        text_of(&agg, a, sizeof a);
        text_of(&back, b, sizeof b);
        assert_string_equal(a, b);
    }
    lam_buf_release(&buf);
}

static void numbers_compare_by_value(void **state)
{
    static const char *const rising[] = {"-1e400",
                                         "-18446744073709551616",
                                         "-9223372036854775808",
                                         "-1.5",
                                         "-1",
                                         "0",
                                         "0.5",
                                         "9007199254740992.0",
                                         "9007199254740993",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "1e400"};
    struct lam_number a, b;

    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++)
        for (size_t k = 0; k < sizeof rising / sizeof *rising; k++) {
            assert_int_equal(lam_number_parse(lam_sv_of(rising[i]), &a, NULL), 0);
            assert_int_equal(lam_number_parse(lam_sv_of(rising[k]), &b, NULL), 0);
            if (lam_number_cmp(&a, &b) != (i > k) - (i < k))
                fail_msg("%s against %s", rising[i], rising[k]);
        }
    static const char *const bad[] = {"", "-", "01", "1.", ".5", "1e", "1e+", "0x1", "1 ", " 1", "+1", "inf", "nan", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(lam_number_parse(lam_sv_of(bad[i]), &a, NULL), LAM_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_says_what_it_saw),
        cmocka_unit_test(a_row_without_a_value_is_only_counted),
        cmocka_unit_test(equal_numbers_of_different_kind_have_one_best),
        cmocka_unit_test(groups_merge_to_the_same_bits),
        cmocka_unit_test(groups_are_sorted_found_again_and_bounded),
        cmocka_unit_test(an_aggregate_survives_the_wire_and_damage_is_seen),
        cmocka_unit_test(numbers_compare_by_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
