/* Exact sums: the same bits in any order, over any partition, and the bits of Python's math.fsum. */
#include "exact_sum.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

struct vector {
    const char *name;
    const double *values;
    size_t count;
    double sum; /* math.fsum's */
};

#include "fsum_vectors.h" /* static const struct vector vectors[]; written by fsum_vectors.py */

#define VECTORS (sizeof vectors / sizeof *vectors)

static bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

static void sums_are_those_of_fsum(void **state)
{
    (void)state;
    for (size_t v = 0; v < VECTORS; v++) {
        struct lam_exact_sum sum;

        lam_exact_init(&sum);
        for (size_t i = 0; i < vectors[v].count; i++)
            lam_exact_add_double(&sum, vectors[v].values[i]);
        if (!same_bits(lam_exact_double(&sum), vectors[v].sum))
            fail_msg("%s: %a, fsum says %a", vectors[v].name, lam_exact_double(&sum), vectors[v].sum);
    }
}

static double any_double(void)
{
    uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
    double d;

    if (random() % 3 == 0)
        return (double)(random() % 2000000 - 1000000) / 100;
    memcpy(&d, &bits, sizeof d);
    return isfinite(d) ? ldexp(d, -8) : 1.0;
}

static struct lam_number any_number(void)
{
    if (random() % 3 == 0)
        return lam_number_int((int64_t)((uint64_t)random() << 33 ^ (uint64_t)random()));
    if (random() % 9 == 0)
        return (struct lam_number){.kind = LAM_NUMBER_U64, .u64 = UINT64_MAX - (uint64_t)random()};
    return lam_number_double(any_double());
}

static void order_and_partition_do_not_show(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct lam_buf buf;

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    lam_buf_init(&buf, 1 << 16);
    for (int round = 0; round < 300; round++) {
        struct lam_number numbers[200];
        struct lam_exact_sum once, parts[7];
        size_t count = (size_t)random() % 200 + 1;

        lam_exact_init(&once);
        for (int p = 0; p < 7; p++)
            lam_exact_init(&parts[p]);
        for (size_t i = 0; i < count; i++) {
            numbers[i] = any_number();
            lam_exact_add(&once, &numbers[i]);
        }
        for (size_t i = count; i-- > 0;) { /* a shuffle, each to any part */
            size_t k = (size_t)random() % (i + 1);

            lam_exact_add(&parts[random() % 7], &numbers[k]);
            numbers[k] = numbers[i];
        }
        for (int left = 6; left > 0; left--) {
            struct lam_exact_sum received;
            int to = (int)random() % left;
            struct lam_sv bytes;

            lam_buf_clear(&buf); /* each crosses a wire */
            assert_int_equal(lam_exact_encode(&buf, &parts[left], NULL), 0);
            bytes = lam_buf_sv(&buf);
            assert_int_equal(lam_exact_decode(&bytes, &received, NULL), 0);
            assert_int_equal(bytes.len, 0);
            lam_exact_merge(&parts[to], &received);
        }
        assert_true(same_bits(lam_exact_double(&once), lam_exact_double(&parts[0])));
        assert_int_equal(once.doubles, parts[0].doubles);
        assert_true(once.integer == parts[0].integer);
    }
    lam_buf_release(&buf);
}

static void assert_text(const struct lam_exact_sum *sum, const char *want)
{
    struct lam_buf buf;

    lam_buf_init(&buf, 100);
    assert_int_equal(lam_exact_add_text(&buf, sum, NULL), 0);
    if (!lam_sv_eq(lam_buf_sv(&buf), lam_sv_of(want)))
        fail_msg("got %.*s, want %s", LAM_SV_ARG(lam_buf_sv(&buf)), want);
    lam_buf_release(&buf);
}

static void integers_are_summed_in_full(void **state)
{
    struct lam_exact_sum sum;

    (void)state;
    lam_exact_init(&sum);
    assert_text(&sum, "0");
    for (int i = 0; i < 3; i++)
        lam_exact_add_int(&sum, INT64_MAX);
    assert_text(&sum, "27670116110564327421");
    for (int i = 0; i < 6; i++)
        lam_exact_add_int(&sum, INT64_MIN);
    assert_text(&sum, "-27670116110564327427");
    lam_exact_add_double(&sum, 0.5);
    assert_text(&sum, "-2.7670116110564327e+19");
}

static void integers_and_doubles_are_rounded_once(void **state)
{
    struct lam_exact_sum sum;

    (void)state;
    lam_exact_init(&sum);
    lam_exact_add_int(&sum, 9007199254740993); /* 2^53 + 1 is no double */
    lam_exact_add_double(&sum, -9007199254740992.0);
    assert_true(lam_exact_double(&sum) == 1.0);
    assert_text(&sum, "1.0");
}

static void infinities_and_nan_are_counted(void **state)
{
    struct lam_exact_sum sum, other;

    (void)state;
    lam_exact_init(&sum);
    lam_exact_add_double(&sum, INFINITY);
    lam_exact_add_double(&sum, -1e308);
    assert_true(lam_exact_double(&sum) == INFINITY);
    lam_exact_init(&other);
    lam_exact_add_double(&other, -INFINITY);
    lam_exact_merge(&sum, &other);
    assert_true(isnan(lam_exact_double(&sum)));
    assert_text(&sum, "null");
}

static void carries_are_settled_in_time(void **state)
{
    struct lam_exact_sum sum;

    (void)state;
    lam_exact_init(&sum);
    sum.pending = (UINT64_C(1) << 30) - 10;
    for (int i = 0; i < 4; i++)
        sum.limb[33 + i] = (int64_t)(UINT64_C(1) << 62) - (UINT64_C(1) << 36); /* as after 2^30 additions of the largest parts */
    for (int i = 0; i < 20; i++)
        lam_exact_add_double(&sum, 4294967295.0);
    assert_true(sum.pending < 20);
    for (int i = 0; i < 68; i++)
        assert_true(sum.limb[i] < (INT64_C(1) << 40));
}

static void a_damaged_sum_is_corrupt(void **state)
{
    struct lam_exact_sum sum;
    struct lam_buf buf;

    (void)state;
    lam_buf_init(&buf, 1000);
    lam_exact_init(&sum);
    lam_exact_add_double(&sum, 1e10);
    assert_int_equal(lam_exact_encode(&buf, &sum, NULL), 0);
    for (size_t len = 0; len < buf.len; len++) {
        struct lam_sv bytes = lam_sv(buf.ptr, len);

        assert_int_equal(lam_exact_decode(&bytes, &sum, NULL), LAM_E_CORRUPT);
    }
    buf.ptr[49] = 127; /* more limbs than there are */
    struct lam_sv bytes = lam_buf_sv(&buf);
    assert_int_equal(lam_exact_decode(&bytes, &sum, NULL), LAM_E_CORRUPT);
    lam_buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_fsum),         cmocka_unit_test(order_and_partition_do_not_show),
        cmocka_unit_test(integers_are_summed_in_full),    cmocka_unit_test(integers_and_doubles_are_rounded_once),
        cmocka_unit_test(infinities_and_nan_are_counted), cmocka_unit_test(carries_are_settled_in_time),
        cmocka_unit_test(a_damaged_sum_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
