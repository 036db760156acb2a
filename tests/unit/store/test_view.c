/* Scans of a view with speed segments and a tail on top, against looking at every row. */
#include "view_fixture.h"

struct visit {
    struct layered *layered;
    size_t count, stop_at;
    bool deletes, seen[LAYERED_ROWS];
    struct lam_row last;
};

static int visit_upsert(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct visit *visit = arg;
    const struct lam_row *newest = layered_newest(visit->layered, row->rec.key);

    (void)err;
    assert_non_null(newest);
    assert_rows_equal(row, newest);
    assert_true(visit->deletes || row->rec.op == LAM_OP_UPSERT);
    if (visit->count > 0)
        assert_true(visit->last.rec.hash < row->rec.hash ||
                    (visit->last.rec.hash == row->rec.hash && lam_sv_cmp(visit->last.rec.key, row->rec.key) < 0));
    visit->last = *newest;
    visit->count++;
    return 0;
}

static void an_upsert_scan_gives_the_newest_version_of_each_key_in_order(void **state)
{
    uint64_t seed = first_seed();

    for (uint64_t i = 0; i < 60; i++) {
        struct layered layered;
        struct visit visit = {.layered = &layered, .deletes = i % 2};
        struct lam_view_scan scan = {.columns = LAM_COLUMNS_ALL, .deletes = i % 2};
        struct lam_error err = {0};
        size_t expected = 0;

        layered_open(&layered, *state, seed + i, true);
        scan.tail = layered_tail(&layered);
        assert_int_equal(lam_view_ranges(layered.view), (size_t)1 << layered.bits);
        for (size_t range = 0; range < lam_view_ranges(layered.view); range++)
            assert_ok(lam_view_scan(layered.view, range, &scan, visit_upsert, &visit, &err));
        for (size_t r = 0; r < layered.row_count; r++) {
            const struct lam_row *row = &layered.rows[r];

            expected += layered_newest(&layered, row->rec.key) == row && (visit.deletes || row->rec.op == LAM_OP_UPSERT);
        }
        assert_int_equal(visit.count, expected);
        layered_close(&layered);
    }
}

static int visit_append(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct visit *visit = arg;

    (void)err;
    for (size_t i = 0; i < visit->layered->row_count; i++)
        if (!visit->seen[i] && !lam_position_cmp(&visit->layered->rows[i].rec.pos, &row->rec.pos)) {
            assert_true(layered_counts(visit->layered, i));
            assert_rows_equal(row, &visit->layered->rows[i]);
            visit->seen[i] = true;
            visit->count++;
            return 0;
        }
    fail_msg("a row that is nowhere, or twice");
    return 0;
}

static void an_append_scan_gives_every_row_that_is_neither_masked_nor_covered_once(void **state)
{
    uint64_t seed = first_seed();

    for (uint64_t i = 0; i < 40; i++) {
        struct layered layered;
        struct visit visit = {.layered = &layered};
        struct lam_view_scan scan = {.columns = LAM_COLUMNS_ALL};
        struct lam_error err = {0};
        size_t expected = 0;

        layered_open(&layered, *state, seed + i, false);
        scan.tail = layered_tail(&layered);
        assert_int_equal(lam_view_ranges(layered.view), 1);
        assert_ok(lam_view_scan(layered.view, 0, &scan, visit_append, &visit, &err));
        for (size_t r = 0; r < layered.row_count; r++)
            expected += layered_counts(&layered, r);
        assert_int_equal(visit.count, expected);
        layered_close(&layered);
    }
}

static int visit_some(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct visit *visit = arg;

    assert_int_equal(row->rec.text.len, 0); /* was not asked for */
    if (++visit->count == visit->stop_at)
        return LAM_END;
    return visit->count == 4 ? LAM_FAIL(err, LAM_E_CANCELLED, "enough") : 0;
}

static void a_visitor_can_end_a_scan(void **state)
{
    struct layered layered = {0};
    struct visit visit = {.stop_at = 2};
    struct lam_view_scan scan = {.columns = LAM_COLUMN(LAM_ROWS_KEY)};
    struct lam_error err = {0};

    for (uint64_t seed = 1; layered.part_count == 0 || layered.bits || layered.keys < 10; seed++) {
        if (layered.root)
            layered_close(&layered);
        layered_open(&layered, *state, seed, true);
    }
    scan.deletes = true;
    assert_ok(lam_view_scan(layered.view, 0, &scan, visit_some, &visit, &err));
    assert_int_equal(visit.count, 2);
    visit = (struct visit){.stop_at = 100};
    assert_int_equal(lam_view_scan(layered.view, 0, &scan, visit_some, &visit, &err), LAM_E_CANCELLED);
    assert_int_equal(lam_view_scan(layered.view, 1, &scan, visit_some, &visit, &err), LAM_E_INVALID);
    layered_close(&layered);
}

static void a_missing_segment_is_told_apart_from_a_damaged_one(void **state)
{
    struct layered layered = {0};
    struct visit visit = {.layered = &layered, .deletes = true};
    struct lam_view_scan scan = {.columns = LAM_COLUMNS_ALL, .deletes = true};
    struct lam_error err = {0};
    char path[LAM_PATH_MAX];
    int rc = 0;

    for (uint64_t seed = 1000; layered.part_count == 0 || layered.parts[0].segment->rows < 3; seed++) {
        if (layered.root)
            layered_close(&layered);
        layered_open(&layered, *state, seed, true);
    }
    snprintf(path, sizeof path, "%s/%s", (char *)*state, layered.parts[0].segment->path);
    layered.entries[0].datasets[3].crc32c ^= 1;
    for (size_t range = 0; !rc && range < lam_view_ranges(layered.view); range++)
        rc = lam_view_scan(layered.view, range, &scan, visit_upsert, &visit, &err);
    assert_int_equal(rc, LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, layered.parts[0].segment->path));
    lam_map_cache_drop(layered.cache, layered.parts[0].segment->path);
    assert_int_equal(unlink(path), 0);
    rc = 0;
    visit.count = 0;
    for (size_t range = 0; !rc && range < lam_view_ranges(layered.view); range++)
        rc = lam_view_scan(layered.view, range, &scan, visit_upsert, &visit, &err);
    assert_int_equal(rc, LAM_E_NOT_FOUND);
    layered_close(&layered);
}

static void a_run_of_other_ranges_is_refused(void **state)
{
    struct lam_segment_entry entry;
    struct lam_view_part part = {&entry, NULL};
    struct lam_view_spec spec = {.upsert = true, .range_bits = 3, .parts = &part, .part_count = 1};
    struct lam_error err = {0};
    struct lam_view *view;

    (void)state;
    lam_segment_entry_init(&entry);
    entry.range_bits = 2;
    assert_int_equal(lam_view_new(NULL, &spec, &view, &err), LAM_E_INVALID);
    assert_null(view);
    lam_view_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upsert_scan_gives_the_newest_version_of_each_key_in_order),
        cmocka_unit_test(an_append_scan_gives_every_row_that_is_neither_masked_nor_covered_once),
        cmocka_unit_test(a_visitor_can_end_a_scan),
        cmocka_unit_test(a_missing_segment_is_told_apart_from_a_damaged_one),
        cmocka_unit_test(a_run_of_other_ranges_is_refused),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
