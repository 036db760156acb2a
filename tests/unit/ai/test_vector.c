/* The versions with and without vectors give the same bits, whatever the length and the place. */
#include "ai_test.h"

#include <time.h>

#include "builtin/scan.h"
#include "builtin/vector.h"

#define MOST 700

static uint64_t seed;

static uint32_t next(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static void scans_are_equal(void **state)
{
    char bytes[MOST + 32], one[MOST], two[MOST];
    struct lam_scan_bits a[MOST / 64 + 2], b[MOST / 64 + 2];

    (void)state;
    for (int round = 0; round < 4000; round++) {
        size_t len = next() % MOST, at = next() % 32;

        for (size_t i = 0; i < len + 32; i++) /* all bytes, then mostly the borders of the classes */
            bytes[i] = (char)(round % 2 ? next() : (uint32_t) "@AZ[`az{/09: \x80\xff"[next() % 15]);
        memset(a, 0xa5, sizeof a);
        memset(b, 0x5a, sizeof b);
        lam_scan(bytes + at, len, one, a);
        lam_scan_portable(bytes + at, len, two, b);
        assert_memory_equal(one, two, len);
        assert_memory_equal(a, b, lam_scan_entries(len) * sizeof *a);
    }
}

static void what_a_scan_tells_is_true(void **state)
{
    struct lam_scan_bits bits[4];
    char all[128], folded[128];

    (void)state;
    for (int c = 0; c < 128; c++)
        all[c] = (char)c;
    lam_scan(all, sizeof all, folded, bits);
    for (unsigned c = 0; c < 128; c++) {
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';

        assert_int_equal(folded[c], upper ? c + 32 : c);
        assert_int_equal(bits[c / 64].word >> c % 64 & 1, upper || lower || digit);
        assert_int_equal(bits[c / 64].upper >> c % 64 & 1, upper);
        assert_int_equal(bits[c / 64].digit >> c % 64 & 1, digit);
    }
    assert_true(bits[2].word == 0 && bits[3].word == 0);
}

static void sums_are_equal(void **state)
{
    double one[MOST], two[MOST];
    float values[MOST + 4] = {0}, few[MOST + 4], same[MOST + 4];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t len = next() % MOST, at = next() % 4;
        double factor = ((double)next() - 1e9) / 7e7;

        for (size_t i = 0; i < MOST; i++) {
            one[i] = two[i] = ((double)next() - 1e9) / 3e5;
            values[i] = ((float)next() - 1e9f) / 9e3f;
        }
        lam_add_scaled(one, values + at, factor, len);
        lam_add_scaled_portable(two, values + at, factor, len);
        assert_memory_equal(one, two, sizeof one);
        memcpy(few, values, sizeof few);
        memcpy(same, values, sizeof same);
        lam_add_rounded(few + at, one, factor, len);
        lam_add_rounded_portable(same + at, one, factor, len);
        assert_memory_equal(few, same, sizeof few);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scans_are_equal), cmocka_unit_test(what_a_scan_tells_is_true),
                                       cmocka_unit_test(sums_are_equal)};

    seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
