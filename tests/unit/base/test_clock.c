/* Times: what is read, what is refused, and that writing and reading are inverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <time.h>

#include <cmocka.h>

#include "clock.h"

#define SECOND INT64_C(1000000)

static void assert_time(const char *text, int64_t want)
{
    int64_t got = 7;
    struct lam_error err;

    if (lam_time_parse(lam_sv_of(text), &got, &err) || got != want)
        fail_msg("'%s' read as %" PRId64 ", not %" PRId64, text, got, want);
}

static void iso_8601_with_fractions_and_offsets(void **state)
{
    (void)state;
    assert_time("1970-01-01", 0);
    assert_time("1970-01-01T00:00:00Z", 0);
    assert_time("2019-09-08", 1567900800 * SECOND);
    assert_time("2019/9/8", 1567900800 * SECOND);
    assert_time("2019-09-08 12:34", 1567946040 * SECOND);
    assert_time("2019-09-08T12:34:56.5Z", 1567946096 * SECOND + 500000);
    assert_time("2019-09-08T12:34:56.123456789Z", 1567946096 * SECOND + 123456);
    assert_time("2019-09-08T12:34:56,25", 1567946096 * SECOND + 250000);
    assert_time("2019-09-08T12:34:56+02:00", (1567946096 - 7200) * SECOND);
    assert_time("2019-09-08T12:34:56 -0530", (1567946096 + 19800) * SECOND);
    assert_time("2019-09-08t12:34:56z", 1567946096 * SECOND);
    assert_time("1969-12-31T23:59:59.75Z", -250000);
    assert_time("2024-02-29", 1709164800 * SECOND);
}

static void numbers_are_told_apart_by_their_size(void **state)
{
    (void)state;
    assert_time("1567946096", 1567946096 * SECOND);
    assert_time("1567946096123", 1567946096 * SECOND + 123000);
    assert_time("1567946096123456", 1567946096 * SECOND + 123456);
    assert_time("156794609612345678", 156794609612345);
    assert_time("-86400", -86400 * SECOND);
}

static void what_is_no_time_is_refused_and_changes_nothing(void **state)
{
    static const char *const texts[] = {"",          "2019",           "2019-13-01",          "2019-02-30",          "2019-04-31",       "2019-09-08T25:00",
                                        "2019-09-08T12:60", "2019-09-08T12:34:56X", "2019-09-08x", "next week", "2019-09/08", "12:34", "-", "2019-09-08T",
                                        "2019-00-10", "2019-01-00", "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t got = 7;
        struct lam_error err;

        if (lam_time_parse(lam_sv_of(texts[i]), &got, &err) != LAM_E_INVALID || got != 7)
            fail_msg("'%s' was read as %" PRId64, texts[i], got);
    }
}

static void what_is_written_reads_back(void **state)
{
    uint64_t seed = (uint64_t)time(NULL);
    char text[LAM_TIME_TEXT];

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t r = (seed + i) * 0x9e3779b97f4a7c15u;
        int64_t want, got = 0;

        r ^= r >> 29;
        want = (int64_t)(r % (4000000000u * (uint64_t)SECOND)) - 1000000000 * SECOND; /* 1938 … 2065 */
        if (i % 2)
            want -= want % SECOND;
        lam_time_format(want, text);
        if (lam_time_parse(lam_sv_of(text), &got, NULL) || got != want)
            fail_msg("seed %" PRIu64 ": %" PRId64 " was written as %s, and read as %" PRId64, seed, want, text, got);
    }
    lam_time_format(LAM_TIME_NONE, text);
    assert_string_equal(text, "none");
    lam_time_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    lam_time_format(1567946096 * SECOND, text);
    assert_string_equal(text, "2019-09-08T12:34:56Z");
}

static void monotonic_time_does_not_go_back(void **state)
{
    int64_t before = lam_mono_us(&lam_clock_system);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t now = lam_mono_us(&lam_clock_system);

        assert_true(now >= before);
        before = now;
    }
    assert_true(lam_wall_us(&lam_clock_system) > 1700000000 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_8601_with_fractions_and_offsets),
        cmocka_unit_test(numbers_are_told_apart_by_their_size),
        cmocka_unit_test(what_is_no_time_is_refused_and_changes_nothing),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(monotonic_time_does_not_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
