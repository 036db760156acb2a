/* Bronze segments: raw bytes come back, and a missing key or value is not an empty one. */
#include "segment_fixture.h"

#include "bronze.h"

static void raw_bytes_come_back(void **state)
{
    enum { ROWS = 300 };
    uint64_t seed = first_seed();
    struct lam_target target = {&lam_fs_system, *state, "bronze.h5", LAM_SEGMENT_BRONZE_STREAM};
    struct lam_error err = {0};
    struct lam_bronze_row *rows = calloc(ROWS, sizeof *rows);
    struct lam_segment_entry entry;
    struct lam_arena arena;
    struct lam_map *map;

    lam_arena_init(&arena, (size_t)16 << 20);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = (struct lam_bronze_row){.pos = {1, 2, {0}, i}, .arrival_us = (int64_t)random64(&seed),
                                          .timestamp_us = (int64_t)random64(&seed),
                                          .has_key = below(&seed, 2), .has_raw = below(&seed, 4) > 0,
                                              .headers = random_text(&arena, &seed, 20)};
        lam_position_set_partition(&rows[i].pos, (uint32_t)below(&seed, 4));
        if (rows[i].has_key)
            rows[i].key = random_text(&arena, &seed, 10);
        if (rows[i].has_raw)
            rows[i].raw = random_text(&arena, &seed, 2000);
    }
    lam_segment_entry_init(&entry);
    assert_ok(lam_bronze_write(&target, rows, ROWS, &entry, &err));
    assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    for (size_t i = 0; i < ROWS; i++) {
        struct lam_bronze_row got;

        lam_bronze_get(map, i, &got);
        assert_int_equal(lam_position_cmp(&got.pos, &rows[i].pos), 0);
        assert_true(got.arrival_us == rows[i].arrival_us && got.timestamp_us == rows[i].timestamp_us);
        assert_int_equal(got.has_key, rows[i].has_key);
        assert_int_equal(got.has_raw, rows[i].has_raw);
        assert_sv_equal(got.key, rows[i].key);
        assert_sv_equal(got.raw, rows[i].raw);
        assert_sv_equal(got.headers, rows[i].headers);
    }
    lam_map_unref(map);
    lam_arena_release(&arena);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_bytes_come_back),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
