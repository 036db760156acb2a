/* The total order of versions: memcmp of the bytes says what a comparison of the values says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "order.h"

static uint64_t seed;

static uint64_t dice(uint64_t sides)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return sides ? z % sides : z;
}

static int sign(int n) { return (n > 0) - (n < 0); }

static int cmp_bytes(const struct lam_buf *a, const struct lam_buf *b) { return sign(lam_sv_cmp(lam_buf_sv(a), lam_buf_sv(b))); }

static int numbers(const char *a, const char *b)
{
    struct lam_buf x, y;
    int order;

    lam_buf_init(&x, 1000);
    lam_buf_init(&y, 1000);
    assert_int_equal(lam_order_add_number(&x, lam_sv_of(a), NULL), 0);
    assert_int_equal(lam_order_add_number(&y, lam_sv_of(b), NULL), 0);
    assert_int_equal(x.len, y.len);
    order = cmp_bytes(&x, &y);
    lam_buf_release(&x);
    lam_buf_release(&y);
    return order;
}

static void integers_of_64_bits_are_ordered_exactly(void **state)
{
    (void)state;
    seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 100000; i++) {
        int shift = (int)dice(64);
        int64_t a = (int64_t)dice(0) >> shift, b = dice(3) ? (int64_t)((uint64_t)a + dice(5) - 2) : (int64_t)dice(0) >> dice(64);
        char x[32], y[32];

        snprintf(x, sizeof x, "%" PRId64, a);
        snprintf(y, sizeof y, "%" PRId64, b);
        if (numbers(x, y) != (a > b) - (a < b))
            fail_msg("%s and %s", x, y);
    }
    assert_int_equal(numbers("9223372036854775807", "9223372036854775806"), 1);
    assert_int_equal(numbers("-9223372036854775808", "-9223372036854775807"), -1);
    assert_int_equal(numbers("9007199254740993", "9007199254740992"), 1);
}

static void unsigned_integers_beyond_are_ordered_exactly_too(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        uint64_t a = dice(0) | (uint64_t)1 << 63, b = dice(3) ? a + dice(5) - 2 : dice(0);
        char x[32], y[32];

        snprintf(x, sizeof x, "%" PRIu64, a);
        snprintf(y, sizeof y, "%" PRIu64, b);
        if (numbers(x, y) != (a > b) - (a < b))
            fail_msg("%s and %s", x, y);
    }
    assert_int_equal(numbers("18446744073709551615", "18446744073709551614"), 1);
    assert_int_equal(numbers("18446744073709551616", "18446744073709551615"), 1);
    assert_int_equal(numbers("9223372036854775808", "9223372036854775807"), 1);
}

static void doubles_are_ordered_as_numbers_and_equal_ones_are_equal(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        double a = ldexp((double)(int64_t)dice(0), (int)dice(400) - 200),
               b = dice(2) ? nextafter(a, dice(2) ? INFINITY : -INFINITY) : -a / 3;
        char x[64], y[64];

        snprintf(x, sizeof x, "%.17g", a);
        snprintf(y, sizeof y, "%.17g", b);
        if (!strpbrk(x, ".e") || !strpbrk(y, ".e"))
            continue; /* integers are the test above */
        if (numbers(x, y) != (a > b) - (a < b))
            fail_msg("%s and %s", x, y);
    }
    assert_int_equal(numbers("-0.0", "0"), 0);
    assert_int_equal(numbers("1e2", "100"), 0);
    assert_int_equal(numbers("100.0", "100"), 0);
    assert_int_equal(numbers("0.1", "-0.1"), 1);
    assert_int_equal(numbers("-1e300", "-1e299"), -1);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const texts[] = {"", "x", "1x", "1 2", " 1", "nan", "inf", "-inf", "1e999", "0x10", "--1", "1e", "-"};
    struct lam_buf buf;

    (void)state;
    lam_buf_init(&buf, 1000);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (lam_order_add_number(&buf, lam_sv_of(texts[i]), NULL) != LAM_E_INVALID || buf.len)
            fail_msg("'%s' was taken", texts[i]);
    assert_int_equal(lam_order_add_number(&buf, LAM_SV("1\0002"), NULL), LAM_E_INVALID);
    lam_buf_release(&buf);
}

static struct lam_sv random_text(char *bytes)
{
    static const char alphabet[] = {0, 1, 'a', 'b', (char)0xff, (char)0xfe};
    size_t len = (size_t)dice(6);

    for (size_t i = 0; i < len; i++)
        bytes[i] = alphabet[dice(sizeof alphabet)];
    return lam_sv(bytes, len);
}

/* A version as its parts, and the order of two by comparing one part after the other. */
struct version {
    int kind; /* 0 missing, 1 time, 3 string */
    int64_t time;
    char bytes[8], path_bytes[8];
    struct lam_sv text, path;
    struct lam_position pos;
};

static struct version random_version(bool stream)
{
    struct version v = {.kind = dice(4) == 0 ? 0 : 1,
                        .time = (int64_t)dice(5) - 2,
                        .pos = {.source = (uint32_t)dice(2), .life = (uint32_t)dice(2), .offset = dice(3)}};

    if (dice(20) == 0)
        v.time = dice(2) ? INT64_MAX : INT64_MIN + 1;
    if (stream)
        lam_position_set_partition(&v.pos, (uint32_t)(dice(2) ? dice(3) : UINT32_MAX));
    return v;
}

static int naive(const struct version *a, const struct version *b, bool stream)
{
    int order;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == 1 && a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->kind == 3 && (order = lam_sv_cmp(a->text, b->text)))
        return sign(order);
    if (a->pos.source != b->pos.source)
        return a->pos.source < b->pos.source ? -1 : 1;
    if (a->pos.life != b->pos.life)
        return a->pos.life < b->pos.life ? -1 : 1;
    if (!stream && (order = lam_sv_cmp(a->path, b->path)))
        return sign(order);
    if (stream && lam_position_partition(&a->pos) != lam_position_partition(&b->pos))
        return lam_position_partition(&a->pos) < lam_position_partition(&b->pos) ? -1 : 1;
    return (a->pos.offset > b->pos.offset) - (a->pos.offset < b->pos.offset);
}

static void build(struct lam_buf *buf, const struct version *v, bool stream)
{
    lam_buf_init(buf, 1000);
    if (v->kind == 0)
        assert_int_equal(lam_order_add_missing(buf, NULL), 0);
    else if (v->kind == 1)
        assert_int_equal(lam_order_add_time(buf, v->time, NULL), 0);
    else
        assert_int_equal(lam_order_add_string(buf, v->text, NULL), 0);
    assert_int_equal(lam_order_add_position(buf, &v->pos, stream ? lam_sv(NULL, 0) : v->path, NULL), 0);
}

static void random_versions_are_ordered_as_their_parts(void **state)
{
    static const char *const paths[] = {"a", "a/b", "a!", "ab", "\xc3\xbc", ""};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        bool stream = dice(2), text = dice(2);
        struct version a = random_version(stream), b = random_version(stream);
        struct lam_buf x, y;
        struct lam_sv value, want_value;
        enum lam_order_by by = text ? LAM_ORDER_FIELD : LAM_ORDER_TIME;

        a.path = lam_sv_of(paths[dice(6)]);
        b.path = lam_sv_of(paths[dice(6)]);
        if (text) {
            a.kind = a.kind ? 3 : 0;
            b.kind = b.kind ? 3 : 0;
            a.text = random_text(a.bytes);
            b.text = random_text(b.bytes);
        }
        build(&x, &a, stream);
        build(&y, &b, stream);
        if (cmp_bytes(&x, &y) != naive(&a, &b, stream))
            fail_msg("pair %d with seed %" PRIu64, i, seed);
        want_value = lam_sv(x.ptr, x.len - (stream ? 20 : 17 + a.path.len));
        assert_int_equal(lam_order_value(lam_buf_sv(&x), by, &value, NULL), 0);
        assert_true(lam_sv_eq(value, want_value)); /* the value part ends where the position begins */
        lam_buf_release(&x);
        lam_buf_release(&y);
    }
}

static void the_value_part_of_a_number_is_found_and_cut_bytes_are_told(void **state)
{
    struct lam_position pos = {.source = 1};
    struct lam_buf buf;
    struct lam_sv value;

    (void)state;
    lam_buf_init(&buf, 100);
    assert_int_equal(lam_order_add_number(&buf, LAM_SV("42.5"), NULL), 0);
    assert_int_equal(lam_order_add_position(&buf, &pos, LAM_SV("p"), NULL), 0);
    assert_int_equal(lam_order_value(lam_buf_sv(&buf), LAM_ORDER_FIELD, &value, NULL), 0);
    assert_int_equal(value.len, 17);
    assert_int_equal(lam_order_value(lam_sv(buf.ptr, 16), LAM_ORDER_FIELD, &value, NULL), LAM_E_CORRUPT);
    assert_int_equal(lam_order_value(lam_sv(NULL, 0), LAM_ORDER_FIELD, &value, NULL), LAM_E_CORRUPT);
    assert_int_equal(lam_order_value(LAM_SV("\7abc"), LAM_ORDER_FIELD, &value, NULL), LAM_E_CORRUPT);
    assert_int_equal(lam_order_value(LAM_SV("\3abc"), LAM_ORDER_FIELD, &value, NULL), LAM_E_CORRUPT);
    assert_int_equal(lam_order_value(lam_buf_sv(&buf), LAM_ORDER_POSITION, &value, NULL), 0);
    assert_int_equal(value.len, 0);
    lam_buf_release(&buf);
}

static void at_equal_order_the_better_founded_answer_wins(void **state)
{
    struct lam_row batch = {.enr = {.layer = LAM_LAYER_BATCH, .depth = LAM_DEPTH_FAST}},
                   fast = {.enr = {.layer = LAM_LAYER_SPEED, .depth = LAM_DEPTH_FAST}},
                   deep = {.enr = {.layer = LAM_LAYER_SPEED, .depth = LAM_DEPTH_DEEP}}, escalated = fast;

    (void)state;
    escalated.rec.flags = LAM_ROW_ESCALATED;
    assert_true(lam_better_answer(&batch, &deep) && !lam_better_answer(&deep, &batch));
    assert_true(lam_better_answer(&deep, &fast) && !lam_better_answer(&fast, &deep));
    assert_true(lam_better_answer(&escalated, &fast) && !lam_better_answer(&fast, &escalated));
    assert_false(lam_better_answer(&fast, &fast));
}

static void positions_keep_their_partition_and_differ_where_a_part_differs(void **state)
{
    struct lam_position a = {.source = 1, .life = 2, .offset = 3}, b;

    (void)state;
    lam_position_set_partition(&a, 0xdeadbeef);
    assert_int_equal(lam_position_partition(&a), 0xdeadbeef);
    b = a;
    assert_int_equal(lam_position_cmp(&a, &b), 0);
    b.offset++;
    assert_true(lam_position_cmp(&a, &b) < 0 && lam_position_cmp(&b, &a) > 0);
    b = a;
    b.partition[0] = 1;
    assert_true(lam_position_cmp(&a, &b) < 0);
    b = a;
    b.life = 1;
    assert_true(lam_position_cmp(&a, &b) > 0);
    b = a;
    b.source = 9;
    assert_true(lam_position_cmp(&a, &b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_64_bits_are_ordered_exactly),
        cmocka_unit_test(unsigned_integers_beyond_are_ordered_exactly_too),
        cmocka_unit_test(doubles_are_ordered_as_numbers_and_equal_ones_are_equal),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(random_versions_are_ordered_as_their_parts),
        cmocka_unit_test(the_value_part_of_a_number_is_found_and_cut_bytes_are_told),
        cmocka_unit_test(at_equal_order_the_better_founded_answer_wins),
        cmocka_unit_test(positions_keep_their_partition_and_differ_where_a_part_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
