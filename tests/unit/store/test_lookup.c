/* Lookups over runs, speed segments and tail, against looking at every row. */
#include "view_fixture.h"

static void look(struct layered *layered, struct lam_sv key)
{
    struct lam_tail tail = layered_tail(layered);
    const struct lam_row *newest = layered_newest(layered, key);
    struct lam_error err = {0};
    struct lam_found found;
    int rc = lam_view_lookup(layered->view, key, &tail, LAM_COLUMNS_ALL, &found, &err);

    if (!newest) {
        assert_int_equal(rc, LAM_E_NOT_FOUND);
    } else {
        assert_ok(rc);
        assert_rows_equal(&found.row, newest);
    }
    lam_found_release(&found);
}

static void the_newest_version_of_every_key_is_found(void **state)
{
    static const char *const names[] = {"key", "new", "tail", "nobody"};
    uint64_t seed = first_seed();

    for (uint64_t i = 0; i < 100; i++) {
        struct layered layered;

        layered_open(&layered, *state, seed + i, i % 3 > 0);
        for (size_t n = 0; n < 4; n++)
            for (uint64_t key = 0; key < layered.keys; key++)
                look(&layered, text_of(&layered.arena, "%s %u", names[n], (unsigned)key));
        look(&layered, lam_sv("", 0));
        layered_close(&layered);
    }
}

static void without_a_view_only_what_is_newer_is_found(void **state)
{
    struct lam_map_cache *cache = lam_map_cache_new(&lam_fs_system, *state, 4);
    struct lam_view_spec spec = {.upsert = true};
    struct lam_arena arena;
    struct lam_view *view;
    struct lam_error err = {0};
    struct lam_found found;
    struct lam_row row;
    const struct lam_row *rows = &row;
    struct lam_tail tail = {&rows, 1};

    lam_arena_init(&arena, 1 << 20);
    row = make_row(&arena, LAM_SV("a"), 1, 1, 1, 1, 1);
    assert_ok(lam_view_new(cache, &spec, &view, &err));
    assert_int_equal(lam_view_lookup(view, LAM_SV("a"), NULL, LAM_COLUMNS_ALL, &found, &err), LAM_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'a'"));
    assert_ok(lam_view_lookup(view, LAM_SV("a"), &tail, LAM_COLUMNS_ALL, &found, &err));
    assert_null(found.map);
    lam_found_release(&found);
    lam_view_free(view);
    lam_map_cache_free(cache);
    lam_arena_release(&arena);
}

/* Two keys with one hash: the segment is made so, for no two short texts collide. */
static void keys_with_the_same_hash_are_told_apart(void **state)
{
    struct lam_target target = {&lam_fs_system, *state, "same-hash.h5", LAM_SEGMENT_RUN};
    struct lam_arena arena;
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_row rows[6];
    const struct lam_row *list[6];
    struct lam_map *map;

    lam_arena_init(&arena, 1 << 20);
    for (unsigned i = 0; i < 6; i++) {
        rows[i] = make_row(&arena, text_of(&arena, "%c", 'a' + i % 3), i, 1, 1, 1, i);
        rows[i].rec.hash = 5;
        list[i] = &rows[i];
    }
    assert_ok(lam_rows_sort(list, 6, &err));
    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_write_array(&target, list, 6, 0, &entry, NULL, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_ROWS_SORT, &err));
    for (int i = 0; i < 3; i++) {
        int64_t row = lam_lookup_map(map, NULL, 5, lam_sv((char[]){(char)('a' + i)}, 1));

        assert_int_equal(row, 2 * i + 1); /* the newer one */
        assert_int_equal(lam_lookup_map(map, (uint8_t[]){(uint8_t)(1u << row)}, 5, lam_sv((char[]){(char)('a' + i)}, 1)), 2 * i);
    }
    assert_int_equal(lam_lookup_map(map, NULL, 5, LAM_SV("d")), -1);
    assert_int_equal(lam_lookup_map(map, NULL, 6, LAM_SV("a")), -1);
    assert_int_equal(lam_lookup_map(map, NULL, 4, LAM_SV("a")), -1);
    lam_map_unref(map);
    lam_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_version_of_every_key_is_found),
        cmocka_unit_test(without_a_view_only_what_is_newer_is_found),
        cmocka_unit_test(keys_with_the_same_hash_are_told_apart),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
