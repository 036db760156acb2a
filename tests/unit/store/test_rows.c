/* Rows in segments: what goes in comes out, sorted where asked for, and copies are exact. */
#include "segment_fixture.h"

#define DIM 16

static struct lam_target target_of(void **state,
                                   const char *path) { return (struct lam_target){&lam_fs_system, *state, path, LAM_SEGMENT_RUN}; }

static struct lam_block *random_block(uint64_t *seed, size_t rows, uint32_t dim)
{
    struct lam_block *block = lam_block_new(rows + 1, (size_t)64 << 20);
    struct lam_arena arena;
    struct lam_error err = {0};

    lam_arena_init(&arena, (size_t)64 << 20);
    for (size_t i = 0; i < rows; i++) {
        struct lam_row row = random_row(&arena, seed, dim);

        assert_ok(lam_block_add_row(block, &row, &err));
    }
    lam_arena_release(&arena);
    return block;
}

static struct lam_map *open_all(void **state, const struct lam_segment_entry *entry)
{
    struct lam_error err = {0};
    struct lam_map *map;

    assert_ok(lam_map_open(&lam_fs_system, *state, entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    return map;
}

static void rows_come_back_as_they_were_in_their_order(void **state)
{
    uint64_t seed = first_seed();
    struct lam_error err = {0};

    for (size_t rows = 0; rows < 40; rows += 1 + below(&seed, 6)) {
        struct lam_block *blocks[2] = {random_block(&seed, rows, DIM), random_block(&seed, 3, DIM)};
        char path[32];
        struct lam_target target = target_of(state, path);
        struct lam_segment_entry entry;
        struct lam_map *map;

        snprintf(path, sizeof path, "r%zu.h5", rows);
        lam_segment_entry_init(&entry);
        assert_ok(lam_rows_write(&target, blocks, 2, DIM, false, &entry, NULL, &err));
        assert_int_equal(entry.rows, rows + 3);
        assert_int_equal(entry.dim, DIM);
        assert_ok(lam_segment_check(&lam_fs_system, *state, &entry, &err));
        map = open_all(state, &entry);
        for (size_t i = 0; i < rows + 3; i++) {
            struct lam_row got;

            lam_rows_get(map, i, LAM_COLUMNS_ALL, &got);
            assert_rows_equal(&got, i < rows ? lam_block_row(blocks[0], i) : lam_block_row(blocks[1], i - rows));
            assert_true(got.rec.hash >= entry.min_hash && got.rec.hash <= entry.max_hash);
            assert_true(got.rec.event_time_us >= entry.min_time_us && got.rec.event_time_us <= entry.max_time_us);
        }
        lam_map_unref(map);
        lam_segment_entry_release(&entry);
        lam_block_free(blocks[0]);
        lam_block_free(blocks[1]);
    }
}

static void sorted_rows_are_in_order_of_hash_key_and_order(void **state)
{
    uint64_t seed = first_seed();
    struct lam_error err = {0};
    struct lam_block *block = random_block(&seed, 500, 0);
    struct lam_target target = target_of(state, "sorted.h5");
    struct lam_segment_entry entry;
    struct lam_map *map;
    struct lam_row row, last = {0};

    for (size_t i = 0; i < 250; i++) { /* keys twice, and versions twice */
        struct lam_row *a = lam_block_row(block, i), *b = lam_block_row(block, 499 - i);

        b->rec.key = a->rec.key;
        b->rec.hash = a->rec.hash;
        if (i % 3 == 0)
            b->rec.order = a->rec.order;
    }
    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_write(&target, &block, 1, 0, true, &entry, NULL, &err));
    map = open_all(state, &entry);
    for (size_t i = 0; i < 500; i++) {
        lam_rows_get(map, i, LAM_COLUMNS_ALL, &row);
        if (i > 0) {
            int order = lam_row_cmp(&last, &row);

            assert_true(order < 0 || (order == 0 && lam_row_answer_cmp(&last, &row) <= 0));
        }
        last = row;
        assert_true(lam_rows_lower(map, row.rec.hash) <= i && lam_rows_upper(map, row.rec.hash) > i);
    }
    lam_map_unref(map);
    lam_segment_entry_release(&entry);
    lam_block_free(block);
}

static void searching_finds_the_first_and_last_of_any_hash(void **state)
{
    uint64_t seed = first_seed();
    struct lam_error err = {0};

    for (int round = 0; round < 30; round++) {
        size_t rows = below(&seed, 60);
        uint64_t spread = round % 3 == 0 ? 10 : round % 3 == 1 ? 1000 : UINT64_MAX;
        struct lam_block *block = random_block(&seed, rows, 0);
        char path[32];
        struct lam_target target = target_of(state, path);
        struct lam_segment_entry entry;
        struct lam_map *map;
        const uint64_t *hashes;

        snprintf(path, sizeof path, "s%d.h5", round);
        for (size_t i = 0; i < rows; i++)
            lam_block_row(block, i)->rec.hash = below(&seed, 8) ? below(&seed, spread) : UINT64_MAX * below(&seed, 2);
        lam_segment_entry_init(&entry);
        assert_ok(lam_rows_write(&target, &block, 1, 0, true, &entry, NULL, &err));
        map = open_all(state, &entry);
        hashes = lam_map_u64(map, LAM_ROWS_HASH);
        for (int i = 0; i < 200; i++) {
            uint64_t hash = rows && below(&seed, 2) ? hashes[below(&seed, rows)] + below(&seed, 3) - 1 : below(&seed, spread);
            uint64_t lower = 0, upper = 0;

            while (lower < rows && hashes[lower] < hash)
                lower++;
            while (upper < rows && hashes[upper] <= hash)
                upper++;
            assert_int_equal(lam_rows_lower(map, hash), lower);
            assert_int_equal(lam_rows_upper(map, hash), upper);
        }
        lam_map_unref(map);
        lam_segment_entry_release(&entry);
        lam_block_free(block);
    }
}

static void embeddings_of_another_length_are_left_out_and_counted(void **state)
{
    uint64_t seed = first_seed(), foreign, expected = 0;
    struct lam_error err = {0};
    struct lam_block *blocks[2] = {random_block(&seed, 20, DIM), random_block(&seed, 20, DIM / 2)};
    struct lam_target target = target_of(state, "foreign.h5");
    struct lam_segment_entry entry;
    struct lam_map *map;

    for (size_t i = 0; i < 20; i++)
        expected += lam_block_row(blocks[1], i)->enr.embedding != NULL;
    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_write(&target, blocks, 2, DIM, false, &entry, &foreign, &err));
    assert_int_equal(foreign, expected);
    map = open_all(state, &entry);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(lam_map_vector(map, LAM_ROWS_EMBEDDING, i) != NULL, i < 20 && lam_block_row(blocks[0], i)->enr.embedding);
    lam_map_unref(map);
    lam_segment_entry_release(&entry);
    lam_block_free(blocks[0]);
    lam_block_free(blocks[1]);
}

static void picked_rows_are_copied_exactly(void **state)
{
    enum { ROWS = 3000, PICKS = 5000 };
    uint64_t seed = first_seed(), foreign;
    struct lam_error err = {0};
    struct lam_segment_entry entries[2], entry;
    struct lam_map *maps[2], *copy;
    struct lam_pick *picks = calloc(PICKS, sizeof *picks);
    struct lam_target target = target_of(state, "copy.h5");

    for (int i = 0; i < 2; i++) {
        struct lam_block *block = random_block(&seed, ROWS, DIM);
        struct lam_target one = target_of(state, i ? "a.h5" : "b.h5");

        lam_segment_entry_init(&entries[i]);
        assert_ok(lam_rows_write(&one, &block, 1, DIM, false, &entries[i], NULL, &err));
        maps[i] = open_all(state, &entries[i]);
        lam_block_free(block);
    }
    for (size_t i = 0; i < PICKS; i++)
        picks[i] = (struct lam_pick){(uint32_t)below(&seed, 2), (uint32_t)below(&seed, ROWS)};
    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_copy(&target, &(struct lam_rows_copied){maps, 2, picks, NULL, PICKS, DIM, 1}, &entry, &foreign, &err));
    assert_int_equal(foreign, 0);
    copy = open_all(state, &entry);
    assert_int_equal(lam_map_rows(copy), PICKS);
    for (size_t i = 0; i < PICKS; i++) {
        struct lam_row a, b;

        lam_rows_get(copy, i, LAM_COLUMNS_ALL, &a);
        lam_rows_get(maps[picks[i].input], picks[i].row, LAM_COLUMNS_ALL, &b);
        assert_rows_equal(&a, &b);
        assert_true(lam_rows_same(copy, i, maps[picks[i].input], picks[i].row));
    }
    lam_map_unref(copy);
    lam_map_unref(maps[0]);
    lam_map_unref(maps[1]);
    free(picks);
}

static void only_the_columns_asked_for_are_filled(void **state)
{
    uint64_t seed = first_seed();
    struct lam_error err = {0};
    struct lam_block *block = random_block(&seed, 5, DIM);
    struct lam_target target = target_of(state, "some.h5");
    struct lam_segment_entry entry;
    struct lam_map *map;
    struct lam_row row;

    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_write(&target, &block, 1, DIM, false, &entry, NULL, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMN(LAM_ROWS_KEY), &err));
    lam_rows_get(map, 2, LAM_COLUMN(LAM_ROWS_KEY), &row);
    assert_sv_equal(row.rec.key, lam_block_row(block, 2)->rec.key);
    assert_int_equal(row.rec.text.len, 0);
    assert_true(isnan(row.enr.sentiment));
    assert_null(row.enr.embedding);
    assert_true(row.rec.event_time_us == LAM_TIME_NONE);
    lam_map_unref(map);
    lam_block_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were_in_their_order),
        cmocka_unit_test(sorted_rows_are_in_order_of_hash_key_and_order),
        cmocka_unit_test(searching_finds_the_first_and_last_of_any_hash),
        cmocka_unit_test(embeddings_of_another_length_are_left_out_and_counted),
        cmocka_unit_test(picked_rows_are_copied_exactly),
        cmocka_unit_test(only_the_columns_asked_for_are_filled),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
