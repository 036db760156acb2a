/* Masks: bits come back, belong to one segment, and are counted. */
#include "segment_fixture.h"

#include "mask.h"

static void bits_come_back_and_are_counted(void **state)
{
    static const uint64_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 1000};
    uint64_t seed = first_seed();

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint64_t rows = sizes[s], set = 0;
        char path[32];
        struct lam_target target = {&lam_fs_system, *state, path, LAM_SEGMENT_MASK};
        struct lam_error err = {0};
        struct lam_segment_entry entry;
        struct lam_mask mask, again;
        struct lam_map *map;
        const uint8_t *bits;

        snprintf(path, sizeof path, "m%zu.h5", s);
        assert_ok(lam_mask_init(&mask, rows, NULL, &err));
        for (uint64_t i = 0; i < rows; i++)
            if (below(&seed, 3) == 0) {
                assert_true(lam_mask_set(&mask, i));
                assert_false(lam_mask_set(&mask, i));
                set++;
            }
        assert_int_equal(mask.set, set);
        assert_int_equal(lam_mask_count(mask.bits, rows), set);
        lam_segment_entry_init(&entry);
        assert_ok(lam_mask_write(&target, &mask, "silver/other.h5", &entry, &err));
        assert_string_equal(entry.masked, "silver/other.h5");
        assert_int_equal(entry.rows, rows);
        assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
        assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
        assert_ok(lam_mask_bits(map, "silver/other.h5", rows, &bits, &err));
        for (uint64_t i = 0; i < rows; i++)
            assert_int_equal(lam_mask_test(bits, i), lam_mask_test(mask.bits, i));
        assert_ok(lam_mask_init(&again, rows, bits, &err));
        assert_int_equal(again.set, set);
        lam_mask_release(&again);
        lam_mask_release(&mask);
        lam_map_unref(map);
    }
}

static void a_mask_of_another_segment_is_refused(void **state)
{
    struct lam_target target = {&lam_fs_system, *state, "of-one.h5", LAM_SEGMENT_MASK};
    struct lam_error err = {0};
    struct lam_segment_entry entry;
    struct lam_mask mask;
    struct lam_map *map;
    const uint8_t *bits;

    assert_ok(lam_mask_init(&mask, 20, NULL, &err));
    lam_segment_entry_init(&entry);
    assert_ok(lam_mask_write(&target, &mask, "silver/one.h5", &entry, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_mask_bits(map, "silver/one.h5", 20, &bits, &err));
    assert_int_equal(lam_mask_bits(map, "silver/two.h5", 20, &bits, &err), LAM_E_CORRUPT);
    assert_int_equal(lam_mask_bits(map, "silver/one.h5", 21, &bits, &err), LAM_E_CORRUPT);
    assert_null(bits);
    lam_map_unref(map);
    lam_mask_release(&mask);
}

static void no_bits_mean_that_nothing_is_masked(void **state)
{
    (void)state;
    assert_false(lam_mask_test(NULL, 5));
    assert_int_equal(lam_mask_count(NULL, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_come_back_and_are_counted),
        cmocka_unit_test(a_mask_of_another_segment_is_refused),
        cmocka_unit_test(no_bits_mean_that_nothing_is_masked),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
