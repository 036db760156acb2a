/* The hash map against an array that is searched from the start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dict.h"

enum { KEYS = 700 };

/* Keys of all lengths, the empty one too, some with a NUL. */
static struct lam_sv key_of(int i, char text[64])
{
    int len = i == 0 ? 0 : snprintf(text, 64, "%d%c%.*s", i, i % 3 ? '/' : 0, i % 40, "0123456789012345678901234567890123456789");

    return lam_sv(text, (size_t)len);
}

static uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void it_does_what_an_array_does_whatever_is_added_and_removed(void **state)
{
    uint64_t first = (uint64_t)time(NULL), seed = first;
    static uint64_t value[KEYS];
    static bool there[KEYS];
    struct lam_dict map;
    size_t count = 0;
    char text[64];

    (void)state;
    lam_dict_init(&map, KEYS, 100000);
    for (int step = 0; step < 200000; step++) {
        int i = (int)(random_next(&seed) % KEYS);
        struct lam_sv key = key_of(i, text);
        uint64_t *at, what = random_next(&seed);
        bool added;

        switch (what % 4) {
        case 0:
            if (lam_dict_remove(&map, key) != there[i])
                fail_msg("seed %" PRIu64 ", step %d", first, step);
            count -= there[i];
            there[i] = false;
            break;
        case 1:
            at = lam_dict_find(&map, key);
            if ((at != NULL) != there[i] || (at && *at != value[i]))
                fail_msg("seed %" PRIu64 ", step %d", first, step);
            break;
        default:
            assert_int_equal(lam_dict_add(&map, key, &at, &added, NULL), 0);
            if (added == there[i] || *at != (added ? 0 : value[i]))
                fail_msg("seed %" PRIu64 ", step %d", first, step);
            value[i] = *at = what;
            count += added;
            there[i] = true;
        }
        assert_int_equal(map.count, count);
    }
    for (int i = 0; i < KEYS; i++) {
        uint64_t *at = lam_dict_find(&map, key_of(i, text));

        assert_true((at != NULL) == there[i]);
    }
    lam_dict_release(&map);
}

static void iteration_visits_each_entry_once(void **state)
{
    bool seen[KEYS] = {0};
    struct lam_dict map;
    uint64_t *at, value;
    struct lam_sv key;
    size_t cursor = 0, count = 0;
    char text[64];

    (void)state;
    lam_dict_init(&map, KEYS, 100000);
    assert_false(lam_dict_next(&map, &cursor, &key, &value));
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(lam_dict_add(&map, key_of(i, text), &at, NULL, NULL), 0);
        *at = (uint64_t)i;
    }
    for (cursor = 0; lam_dict_next(&map, &cursor, &key, &value); count++) {
        assert_true(value < KEYS && !seen[value]);
        assert_true(lam_sv_eq(key, key_of((int)value, text)));
        seen[value] = true;
    }
    assert_int_equal(count, KEYS);
    lam_dict_clear(&map);
    cursor = 0;
    assert_false(lam_dict_next(&map, &cursor, NULL, NULL));
    assert_null(lam_dict_find(&map, LAM_SV("1/")));
    lam_dict_release(&map);
}

static void its_limits_hold_and_a_refusal_changes_nothing(void **state)
{
    struct lam_error err;
    struct lam_dict map;
    uint64_t *at;
    bool added;

    (void)state;
    lam_dict_init(&map, 3, 1000);
    assert_int_equal(lam_dict_add(&map, LAM_SV("a"), &at, &added, &err), 0);
    assert_int_equal(lam_dict_add(&map, LAM_SV("b"), &at, &added, &err), 0);
    assert_int_equal(lam_dict_add(&map, LAM_SV(""), &at, &added, &err), 0);
    assert_int_equal(lam_dict_add(&map, LAM_SV("d"), &at, &added, &err), LAM_E_LIMIT);
    assert_int_equal(lam_dict_add(&map, LAM_SV("b"), &at, &added, &err), 0); /* it is there */
    assert_false(added);
    assert_int_equal(map.count, 3);
    lam_dict_release(&map);

    lam_dict_init(&map, 100, 10);
    assert_int_equal(lam_dict_add(&map, LAM_SV("12345678"), &at, &added, &err), 0);
    assert_int_equal(lam_dict_add(&map, LAM_SV("abc"), &at, &added, &err), LAM_E_LIMIT);
    assert_int_equal(map.count, 1);
    assert_true(lam_dict_remove(&map, LAM_SV("12345678")));
    assert_int_equal(lam_dict_add(&map, LAM_SV("abc"), &at, &added, &err), 0); /* bytes of removed keys come back */
    assert_non_null(lam_dict_find(&map, LAM_SV("abc")));
    lam_dict_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_does_what_an_array_does_whatever_is_added_and_removed),
        cmocka_unit_test(iteration_visits_each_entry_once),
        cmocka_unit_test(its_limits_hold_and_a_refusal_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
