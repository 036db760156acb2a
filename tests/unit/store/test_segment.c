/* Writing segments: whole or nothing, whatever fails; what was declared, and no more. */
#include "segment_fixture.h"

#define BIG ((size_t)20 << 20) /* more than two slabs */

static struct lam_segment_spec spec_of(void **state, const char *path, uint32_t layout, uint64_t rows)
{
    return (struct lam_segment_spec){.root = *state, .path = path, .kind = LAM_SEGMENT_QUARANTINE, .layout = layout, .rows = rows};
}

/* A rejects segment of two rows. */
static int write_two(const struct lam_fs *fs, struct lam_segment_spec spec, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_segment *segment;
    int rc;

    spec.rows = 2;
    spec.bytes[LAM_REJECTS_REASON] = 5;
    if ((rc = lam_segment_new(fs, &spec, &segment, err)))
        return rc;
    if (!(rc = lam_segment_put(segment, LAM_POS_SOURCE, (uint32_t[]){1, 2}, 2, err)) &&
        !(rc = lam_segment_put(segment, LAM_POS_OFFSET, (uint64_t[]){7, 8}, 2, err)) &&
        !(rc = lam_segment_put_string(segment, LAM_REJECTS_REASON, LAM_SV("one"), err)) &&
        !(rc = lam_segment_put_string(segment, LAM_REJECTS_REASON, LAM_SV("no"), err)))
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

static void columns_that_are_not_put_are_empty(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_map *map;

    lam_segment_entry_init(&entry);
    assert_ok(write_two(&lam_fs_system, spec_of(state, "two.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    assert_string_equal(entry.path, "two.h5");
    assert_int_equal(entry.kind, LAM_SEGMENT_QUARANTINE);
    assert_int_equal(entry.rows, 2);
    assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    assert_int_equal(lam_map_u32(map, LAM_POS_SOURCE)[1], 2);
    assert_int_equal(lam_map_u32(map, LAM_POS_LIFE)[1], 0);
    assert_int_equal(lam_map_bytes16(map, LAM_POS_PARTITION, 1)[15], 0);
    assert_int_equal(lam_map_u64(map, LAM_POS_OFFSET)[0], 7);
    assert_sv_equal(lam_map_string(map, LAM_REJECTS_REASON, 0), LAM_SV("one"));
    assert_sv_equal(lam_map_string(map, LAM_REJECTS_REASON, 1), LAM_SV("no"));
    assert_int_equal(lam_map_string(map, LAM_REJECTS_RAW, 1).len, 0);
    lam_map_unref(map);
}

static void datasets_lie_on_multiples_of_64_bytes(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};

    lam_segment_entry_init(&entry);
    assert_ok(write_two(&lam_fs_system, spec_of(state, "aligned.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    for (uint32_t i = 0; i < entry.dataset_count; i++)
        assert_int_equal(entry.datasets[i].offset % 64, 0);
}

static void a_segment_without_rows_is_a_segment(void **state)
{
    for (uint32_t layout = LAM_LAYOUT_ROWS; layout <= LAM_LAYOUT_MASK; layout++) {
        char path[32];
        struct lam_segment_spec spec = spec_of(state, path, layout, 0);
        struct lam_segment_entry entry;
        struct lam_error err = {0};
        struct lam_segment *segment;
        struct lam_map *map;

        snprintf(path, sizeof path, "empty%u.h5", layout);
        spec.dim = 16;
        lam_segment_entry_init(&entry);
        assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
        assert_ok(lam_segment_finish(segment, &entry, &err));
        lam_segment_free(segment);
        assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
        assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
        assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
        assert_int_equal(lam_map_rows(map), 0);
        lam_map_unref(map);
    }
}

static void values_larger_than_a_slab_pass(void **state)
{
    char *big = malloc(BIG);
    struct lam_segment_spec spec = spec_of(state, "big.h5", LAM_LAYOUT_REJECTS, 3);
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_segment *segment;
    struct lam_map *map;

    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 31 >> 7);
    spec.bytes[LAM_REJECTS_RAW] = BIG + 3 + BIG / 2;
    lam_segment_entry_init(&entry);
    assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
    assert_ok(lam_segment_put_string(segment, LAM_REJECTS_RAW, LAM_SV("abc"), &err));
    assert_ok(lam_segment_put_string(segment, LAM_REJECTS_RAW, lam_sv(big, BIG), &err));
    assert_ok(lam_segment_put_string(segment, LAM_REJECTS_RAW, lam_sv(big, BIG / 2), &err));
    assert_ok(lam_segment_finish(segment, &entry, &err));
    lam_segment_free(segment);
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    assert_sv_equal(lam_map_string(map, LAM_REJECTS_RAW, 0), LAM_SV("abc"));
    assert_sv_equal(lam_map_string(map, LAM_REJECTS_RAW, 1), lam_sv(big, BIG));
    assert_sv_equal(lam_map_string(map, LAM_REJECTS_RAW, 2), lam_sv(big, BIG / 2));
    lam_map_unref(map);
    free(big);
}

static void what_does_not_fit_the_declaration_is_refused(void **state)
{
    struct lam_segment_spec spec = spec_of(state, "wrong.h5", LAM_LAYOUT_REJECTS, 2);
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_segment *segment;
    size_t files = files_in(*state);

    spec.bytes[LAM_REJECTS_REASON] = 3;
    lam_segment_entry_init(&entry);

    assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
    assert_int_equal(lam_segment_put(segment, LAM_POS_SOURCE, (uint32_t[]){1, 2, 3}, 3, &err), LAM_E_INVALID);
    assert_int_equal(lam_segment_finish(segment, &entry, &err), LAM_E_INVALID);
    lam_segment_free(segment);

    assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
    assert_ok(lam_segment_put(segment, LAM_POS_LIFE, (uint32_t[]){1}, 1, &err));
    assert_int_equal(lam_segment_finish(segment, &entry, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "dataset life ends after 4 of the 8 bytes"));
    lam_segment_free(segment);

    assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
    assert_ok(lam_segment_put_string(segment, LAM_REJECTS_REASON, LAM_SV("ab"), &err));
    assert_int_equal(lam_segment_put_string(segment, LAM_REJECTS_REASON, LAM_SV("cd"), &err), LAM_E_INVALID);
    lam_segment_free(segment);

    spec.layout = 99;
    assert_int_equal(lam_segment_new(&lam_fs_system, &spec, &segment, &err), LAM_E_INVALID);
    assert_int_equal(files_in(*state), files);
}

static void a_path_that_is_taken_is_refused(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};

    lam_segment_entry_init(&entry);
    assert_ok(write_two(&lam_fs_system, spec_of(state, "taken.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    assert_int_equal(write_two(&lam_fs_system, spec_of(state, "taken.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err), LAM_E_EXISTS);
    assert_non_null(strstr(err.text, "taken.h5"));
}

static void each_call_that_fails_leaves_nothing_and_is_named(void **state)
{
    static const enum faulty_mode modes[] = {FAULTY_FAIL, FAULTY_DONE_FAIL};
    static const int errors[] = {EIO, ENOSPC};
    struct faulty_fs faulty;
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    size_t files;
    uint64_t calls;

    lam_segment_entry_init(&entry);
    faulty_fs_init(&faulty, &lam_fs_system);
    assert_ok(write_two(&faulty.fs, spec_of(state, "counted.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    calls = faulty.total;
    assert_true(calls > 8);
    files = files_in(*state);
    for (uint64_t i = 1; i <= calls; i++)
        for (size_t m = 0; m < 2; m++)
            for (size_t e = 0; e < 2; e++) {
                int rc;

                faulty_fs_spoil(&faulty, FAULTY_ANY, i, modes[m], errors[e]);
                err = (struct lam_error){0};
                rc = write_two(&faulty.fs, spec_of(state, "faulty.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err);
                assert_true(faulty.hit);
                if (rc == 0) {
                    assert_int_equal(i, calls); /* only the close of the folder, after its sync */
                    assert_int_equal(unlink(scratch_join(*state, "faulty.h5")), 0);
                } else {
                    assert_int_equal(rc, LAM_E_IO);
                    assert_non_null(strstr(err.text, (char *)*state));
                    assert_non_null(strstr(err.text, strerror(errors[e])));
                }
                assert_int_equal(files_in(*state), files);
            }
    faulty_fs_mend(&faulty);
    assert_ok(write_two(&faulty.fs, spec_of(state, "after.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
}

/* What a crash leaves is nothing under the name, or all of it; a temporary file may stay, and is swept. */
static void a_crash_at_any_call_leaves_nothing_or_all(void **state)
{
    static const enum faulty_mode modes[] = {FAULTY_CRASH, FAULTY_DONE_CRASH, FAULTY_TEAR_CRASH};
    struct faulty_fs faulty;
    struct lam_segment_entry entry, whole;
    struct lam_error err = {0};
    uint64_t calls;
    size_t seen = 0;

    lam_segment_entry_init(&entry);
    faulty_fs_init(&faulty, &lam_fs_system);
    assert_ok(write_two(&faulty.fs, spec_of(state, "crash.h5", LAM_LAYOUT_REJECTS, 2), &whole, &err));
    calls = faulty.total;
    assert_int_equal(unlink(scratch_join(*state, "crash.h5")), 0);
    for (uint64_t i = 1; i <= calls; i++)
        for (size_t m = 0; m < 3; m++) {
            faulty_fs_init(&faulty, &lam_fs_system);
            faulty_fs_spoil(&faulty, FAULTY_ANY, i, modes[m], EIO);
            write_two(&faulty.fs, spec_of(state, "crash.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err);
            if (is_there(*state, "crash.h5")) { /* equal bytes every time: the entry is that of the first one */
                assert_ok(lam_segment_check(&lam_fs_system, *state, &whole, &err));
                assert_int_equal(unlink(scratch_join(*state, "crash.h5")), 0);
                seen++;
            }
        }
    assert_true(seen > 0);
}

static void a_segment_that_is_given_up_leaves_nothing(void **state)
{
    struct lam_segment_spec spec = spec_of(state, "given-up.h5", LAM_LAYOUT_REJECTS, 2);
    struct lam_error err = {0};
    struct lam_segment *segment;
    size_t files = files_in(*state);

    assert_ok(lam_segment_new(&lam_fs_system, &spec, &segment, &err));
    assert_int_equal(files_in(*state), files + 1);
    lam_segment_free(segment);
    assert_int_equal(files_in(*state), files);
    lam_segment_free(NULL);
}

static void a_check_names_what_differs(void **state)
{
    struct lam_segment_entry entry, other;
    struct lam_error err = {0};

    lam_segment_entry_init(&entry);
    assert_ok(write_two(&lam_fs_system, spec_of(state, "checked.h5", LAM_LAYOUT_REJECTS, 2), &entry, &err));
    other = entry;
    other.rows = 3;
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "attribute rows is 2"));
    other = entry;
    other.kind = LAM_SEGMENT_SPEED;
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "expected 'speed'"));
    other = entry;
    other.datasets[1].offset += 64;
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "dataset life"));
    other = entry;
    other.bytes++;
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_CORRUPT);
    strcpy(other.path, "nowhere.h5");
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_NOT_FOUND);
    other = entry;
    other.layout = 99;
    assert_int_equal(lam_segment_check(&lam_fs_system, *state, &other, &err), LAM_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_that_are_not_put_are_empty),
        cmocka_unit_test(datasets_lie_on_multiples_of_64_bytes),
        cmocka_unit_test(a_segment_without_rows_is_a_segment),
        cmocka_unit_test(values_larger_than_a_slab_pass),
        cmocka_unit_test(what_does_not_fit_the_declaration_is_refused),
        cmocka_unit_test(a_path_that_is_taken_is_refused),
        cmocka_unit_test(each_call_that_fails_leaves_nothing_and_is_named),
        cmocka_unit_test(a_crash_at_any_call_leaves_nothing_or_all),
        cmocka_unit_test(a_segment_that_is_given_up_leaves_nothing),
        cmocka_unit_test(a_check_names_what_differs),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
