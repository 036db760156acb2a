/* Scan manifests: sorted by path, and every path is found. */
#include "segment_fixture.h"

#include "manifest.h"

static void every_path_is_found_and_no_other(void **state)
{
    enum { ROWS = 200 };
    uint64_t seed = first_seed();
    struct lam_target target = {&lam_fs_system, *state, "manifest.h5", LAM_SEGMENT_MANIFEST};
    struct lam_error err = {0};
    struct lam_manifest_row *rows = calloc(ROWS, sizeof *rows), got;
    struct lam_segment_entry entry;
    struct lam_arena arena;
    struct lam_map *map;

    lam_arena_init(&arena, (size_t)16 << 20);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = (struct lam_manifest_row){.path = text_of(&arena, "folder/file %03zu.txt", i), .size = random64(&seed),
                                            .mtime_ns = (int64_t)random64(&seed),
                                            .ended = below(&seed, 2), .rows = below(&seed, 1000), .life = (uint32_t)below(&seed, 9),
                                                .media = random_text(&arena, &seed, 12)};
        memcpy(rows[i].partition, lam_hash128(rows[i].path.ptr, rows[i].path.len).bytes, 16);
        rows[i].digest = lam_hash128(&i, sizeof i);
    }
    lam_segment_entry_init(&entry);
    assert_ok(lam_manifest_write(&target, rows, ROWS, &entry, &err));
    assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(lam_manifest_find(map, rows[i].path, &got), 0);
        assert_sv_equal(got.path, rows[i].path);
        assert_memory_equal(got.partition, rows[i].partition, 16);
        assert_true(got.size == rows[i].size && got.mtime_ns == rows[i].mtime_ns && got.rows == rows[i].rows);
        assert_true(lam_digest_eq(got.digest, rows[i].digest));
        assert_int_equal(got.ended, rows[i].ended);
        assert_int_equal(got.life, rows[i].life);
        assert_sv_equal(got.media, rows[i].media);
    }
    assert_int_equal(lam_manifest_find(map, LAM_SV("folder/file 1"), &got), LAM_E_NOT_FOUND);
    assert_int_equal(lam_manifest_find(map, LAM_SV(""), &got), LAM_E_NOT_FOUND);
    assert_int_equal(lam_manifest_find(map, LAM_SV("z"), &got), LAM_E_NOT_FOUND);
    lam_map_unref(map);

    target.path = "unsorted.h5";
    rows[5].path = rows[6].path;
    assert_int_equal(lam_manifest_write(&target, rows, ROWS, &entry, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "out of order"));
    lam_arena_release(&arena);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_is_found_and_no_other),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
