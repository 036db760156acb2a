/* Segments when memory is refused: each allocation of ours fails in turn (HDF5's are its own). */
#include <limits.h>

#include "failing_alloc.h"
#include "view_fixture.h"

/* What all cases work on: a block, a run of it, staged rows over it. */
struct things {
    char *root;
    struct lam_block *block;
    struct lam_segment_entry run, staged;
    struct lam_map *maps[2];
};

static int next_name(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err)
{
    static unsigned names;

    (void)arg, (void)kind, (void)err;
    snprintf(path, LAM_SEGMENT_PATH, "alloc-%u.h5", names++);
    return 0;
}

static int write_block(struct things *things, struct lam_segment_entry *entry, struct lam_error *err)
{
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {&lam_fs_system, things->root, path, LAM_SEGMENT_RUN};

    lam_segment_entry_init(entry);
    next_name(things, LAM_SEGMENT_RUN, path, err);
    return lam_rows_write(&target, &things->block, 1, 0, true, entry, NULL, err);
}

static void add_rows(struct things *things, int64_t value, uint64_t offset)
{
    struct lam_arena arena;

    lam_arena_init(&arena, 1 << 20);
    lam_block_clear(things->block);
    for (uint64_t i = 0; i < 20; i++) {
        struct lam_row row = make_row(&arena, text_of(&arena, "key %u", (unsigned)(value ? i / 5 : i)), value, (uint32_t)i, 1, 1,
                                      offset + i);

        assert_int_equal(lam_block_add_row(things->block, &row, NULL), 0);
    }
    lam_arena_release(&arena);
}

static void open_things(struct things *things, void **state)
{
    struct lam_error err = {0};

    *things = (struct things){.root = *state, .block = lam_block_new(100, 1 << 20)};
    add_rows(things, 0, 0);
    assert_ok(write_block(things, &things->run, &err));
    add_rows(things, 5, 100);
    assert_ok(write_block(things, &things->staged, &err));
    assert_ok(lam_map_open(&lam_fs_system, things->root, &things->run, &things->maps[0], &err));
    assert_ok(lam_map_open(&lam_fs_system, things->root, &things->staged, &things->maps[1], &err));
}

static int write_case(struct things *things, struct lam_error *err)
{
    struct lam_segment_entry entry;
    int rc = write_block(things, &entry, err);

    lam_segment_entry_release(&entry);
    return rc;
}

static int map_case(struct things *things, struct lam_error *err)
{
    struct lam_map *map;
    int rc = lam_map_open(&lam_fs_system, things->root, &things->run, &map, err);

    if (!rc)
        rc = lam_map_need(map, LAM_COLUMNS_ALL, err);
    lam_map_unref(map);
    return rc;
}

static int resolve_case(struct things *things, struct lam_error *err)
{
    struct lam_merge_input run = {.map = things->maps[0]}, staged = {.map = things->maps[1]};
    struct lam_resolve_spec spec = {.runs = &run, .run_count = 1, .staged = &staged, .staged_count = 1};
    struct lam_resolve_result result;
    struct lam_resolve *resolve;
    int rc = lam_resolve_plan(&spec, &resolve, err);

    if (!rc && !(rc = lam_resolve_write(resolve, &lam_fs_system, things->root, next_name, things, &result, err)))
        lam_resolve_result_release(&result);
    lam_resolve_free(resolve);
    return rc;
}

static int visit(void *arg, const struct lam_row *row, struct lam_error *err) { return (void)arg, (void)row, (void)err, 0; }

static int view_case(struct things *things, struct lam_error *err)
{
    struct lam_map_cache *cache = lam_map_cache_new(&lam_fs_system, things->root, 4);
    struct lam_view_part part = {&things->run, NULL}, speed = {&things->staged, NULL};
    struct lam_view_spec spec = {.upsert = true, .parts = &part, .part_count = 1, .speed = &speed, .speed_count = 1};
    struct lam_view_scan scan = {.columns = LAM_COLUMNS_ALL};
    struct lam_found found = {0};
    struct lam_view *view = NULL;
    int rc = cache ? lam_view_new(cache, &spec, &view, err) : LAM_FAIL(err, LAM_E_MEMORY, "no cache");

    if (!rc && !(rc = lam_view_scan(view, 0, &scan, visit, NULL, err)))
        rc = lam_view_lookup(view, LAM_SV("key 1"), NULL, LAM_COLUMNS_ALL, &found, err);
    lam_found_release(&found);
    lam_view_free(view);
    lam_map_cache_free(cache);
    return rc;
}

static void fail_each(void **state, int (*what)(struct things *, struct lam_error *), bool writes)
{
    struct things things;
    struct lam_error err = {0};
    long calls;
    size_t files;

    open_things(&things, state);
    failing_alloc_after(LONG_MAX);
    assert_ok(what(&things, &err));
    calls = LONG_MAX - failing_alloc_stop();
    assert_true(calls > 0);
    files = files_in(*state);
    for (long i = 0; i < calls; i++) {
        int rc;

        failing_alloc_after(i);
        rc = what(&things, &err);
        failing_alloc_stop();
        if (rc) {
            assert_int_equal(rc, LAM_E_MEMORY);
            assert_int_equal(files_in(*state), files);
        } else {
            assert_false(writes); /* a cache that keeps nothing works on */
        }
    }
    assert_ok(what(&things, &err));
    lam_map_unref(things.maps[0]);
    lam_map_unref(things.maps[1]);
    lam_segment_entry_release(&things.run);
    lam_segment_entry_release(&things.staged);
    lam_block_free(things.block);
}

static void writing_rows_leaves_nothing(void **state) { fail_each(state, write_case, true); }
static void mapping_says_so(void **state) { fail_each(state, map_case, true); }
static void resolving_leaves_nothing(void **state) { fail_each(state, resolve_case, true); }
static void a_view_says_so_or_does_without(void **state) { fail_each(state, view_case, false); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_rows_leaves_nothing),
        cmocka_unit_test(mapping_says_so),
        cmocka_unit_test(resolving_leaves_nothing),
        cmocka_unit_test(a_view_says_so_or_does_without),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
