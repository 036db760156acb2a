/* Resolving, case by case: late versions, deletes, masks, rewrites, writes that fail; and the masks of append datasets. */
#include "resolve_fixture.h"

/* --- single cases, with rows given as key, value, offset --- */

struct plain {
    const char *key;
    int64_t value;
    uint64_t offset;
    uint8_t op; /* OWED besides: it was staged without an answer; GONE: no model has one */
};

#define OWED 0x80
#define GONE 0x40

static void write_plain(struct world *world, const struct plain *plain, size_t count, uint32_t bits, struct run *run)
{
    const struct lam_row **list = calloc(count + 1, sizeof *list);
    struct lam_row *rows = calloc(count + 1, sizeof *rows);
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {&lam_fs_system, world->root, path, LAM_SEGMENT_RUN};
    struct lam_error err = {0};

    *run = (struct run){0};
    next_name(world, LAM_SEGMENT_RUN, path, &err);
    for (size_t i = 0; i < count; i++) {
        rows[i] = make_row(&world->arena, lam_sv_of(plain[i].key), plain[i].value, 1, 1, 0, plain[i].offset);
        rows[i].rec.op = plain[i].op & ~(OWED | GONE);
        if (plain[i].op & OWED)
            rows[i].rec.flags |= LAM_ROW_PENDING;
        if (plain[i].op & GONE)
            rows[i].rec.flags |= LAM_ROW_REJECTED;
        list[i] = &rows[i];
    }
    assert_ok(lam_rows_sort(list, count, &err));
    lam_segment_entry_init(&run->entry);
    assert_ok(lam_rows_write_array(&target, list, count, 0, &run->entry, NULL, &err));
    run->entry.range_bits = bits;
    free(list);
    free(rows);
}

/* Stages rows on top of world->runs, in one range, and replaces these by the result. */
static struct lam_count_delta step(struct world *world, const struct plain *plain, size_t count, uint32_t max_runs)
{
    struct lam_merge_input runs[MAX_RUNS], staged = {0};
    struct lam_map *mask_maps[MAX_RUNS];
    struct lam_resolve_spec spec = {.staged = &staged, .staged_count = 1, .runs = runs, .run_count = world->run_count,
                                    .max_runs = max_runs};
    struct lam_resolve_result result;
    struct lam_count_delta delta = {0};
    struct lam_resolve *resolve;
    struct lam_error err = {0};
    struct run rows;

    write_plain(world, plain, count, 0, &rows);
    assert_ok(lam_map_open(&lam_fs_system, world->root, &rows.entry, &staged.map, &err));
    for (size_t i = 0; i < world->run_count; i++)
        open_run(world, &world->runs[i], &runs[i], &mask_maps[i]);
    assert_ok(lam_resolve_plan(&spec, &resolve, &err));
    if (lam_resolve_counts(resolve)->count)
        delta = lam_resolve_counts(resolve)->items[0];
    assert_ok(lam_resolve_write(resolve, &lam_fs_system, world->root, next_name, world, &result, &err));
    for (size_t i = 0; i < world->run_count; i++) {
        lam_map_unref(runs[i].map);
        lam_map_unref(mask_maps[i]);
    }
    lam_map_unref(staged.map);
    world->rewrites += result.rewritten;
    if (result.rewritten)
        world->run_count = 0;
    for (size_t i = 0; i < result.mask_count; i++) {
        world->runs[result.masks[i].run].mask = result.masks[i].entry;
        world->runs[result.masks[i].run].masked = true;
    }
    if (result.has_run)
        world->runs[world->run_count++] = (struct run){.entry = result.run};
    lam_resolve_result_release(&result);
    lam_resolve_free(resolve);
    return delta;
}

#define assert_delta(delta, live_, superseded_, deleted_)                                                                                                      \
    do {                                                                                                                                                       \
        struct lam_count_delta delta_ = (delta);                                                                                                               \
                                                                                                                                                               \
        assert_int_equal(delta_.live, live_);                                                                                                                  \
        assert_int_equal(delta_.superseded, superseded_);                                                                                                      \
        assert_int_equal(delta_.deleted, deleted_);                                                                                                            \
    } while (0)

static void a_late_version_is_counted_and_nothing_is_written(void **state)
{
    struct world world;

    open_world(&world, *state, 1);
    assert_delta(step(&world, (struct plain[]){{"a", 5, 1, 0}, {"b", 5, 2, 0}, {"c", 5, 3, 0}}, 3, 8), 3, 0, 0);
    assert_int_equal(world.run_count, 1);
    assert_delta(step(&world, (struct plain[]){{"b", 4, 9, 0}}, 1, 8), 0, 1, 0);
    assert_int_equal(world.run_count, 1);
    assert_false(world.runs[0].masked);
    close_world(&world);
}

static void a_rejected_row_leaves_the_view_if_it_is_pending_there_and_is_counted_once(void **state)
{
    struct lam_count_delta delta;
    struct world world;

    open_world(&world, *state, 12);
    assert_delta(step(&world, (struct plain[]){{"a", 5, 1, OWED}, {"b", 5, 2, OWED}, {"c", 5, 3, 0}, {"d", 5, 4, OWED}, {"e", 5, 5, 0}}, 5, 8), 5, 0, 0);
    delta = step(&world, (struct plain[]){{"a", 5, 1, GONE}, /* it goes, and nothing comes */
                                          {"b", 5, 2, GONE}, {"b", 6, 9, 0}, /* it goes, and a newer one comes */
                                          {"c", 5, 3, GONE}, /* it was answered meanwhile */
                                          {"d", 5, 4, GONE}, {"d", 5, 4, 0}, /* and so was this one */
                                          {"f", 5, 6, GONE}}, 7, 8); /* it is not there */
    assert_delta(delta, -1, 0, 0);
    assert_int_equal(delta.quarantined, 2);
    assert_int_equal(delta.pending, -3);
    assert_true(world.runs[0].masked);
    assert_delta(step(&world, (struct plain[]){{"a", 5, 1, GONE}, {"b", 5, 2, GONE}}, 2, 8), 0, 0, 0); /* told again */
    delta = step(&world, (struct plain[]){{"a", 6, 10, OWED}}, 1, 8);
    assert_delta(delta, 1, 0, 0);
    assert_int_equal(world.rewrites, 0);
    delta = step(&world, (struct plain[]){{"a", 6, 10, GONE}}, 1, 8); /* masks alone are written */
    assert_delta(delta, -1, 0, 0);
    assert_int_equal(delta.quarantined, 1);
    assert_int_equal(world.rewrites, 0);
    assert_true(world.runs[world.run_count - 1].masked);
    close_world(&world);
}

static void a_delete_wins_as_a_version_and_loses_as_one(void **state)
{
    struct world world;

    open_world(&world, *state, 2);
    assert_delta(step(&world, (struct plain[]){{"a", 5, 1, 0}, {"b", 5, 2, 0}, {"c", 5, 3, 0}, {"d", 5, 4, 0}}, 4, 8), 4, 0, 0);
    assert_delta(step(&world, (struct plain[]){{"a", 6, 5, LAM_OP_DELETE}}, 1, 8), -1, 1, 1);
    assert_delta(step(&world, (struct plain[]){{"a", 4, 6, 0}}, 1, 8), 0, 1, 0); /* late: stays deleted */
    assert_delta(step(&world, (struct plain[]){{"a", 7, 7, 0}}, 1, 8), 1, 1, -1);
    assert_delta(step(&world, (struct plain[]){{"e", 7, 8, LAM_OP_DELETE}}, 1, 8), 0, 0, 1); /* of what never was */
    close_world(&world);
}

static void a_position_that_was_overridden_before_is_not_counted_again(void **state)
{
    struct world world;

    open_world(&world, *state, 3);
    step(&world, (struct plain[]){{"a", 1, 1, 0}, {"b", 1, 2, 0}, {"c", 1, 3, 0}, {"d", 1, 4, 0}}, 4, 8);
    step(&world, (struct plain[]){{"a", 2, 5, 0}}, 1, 8);
    assert_int_equal(world.run_count, 2);
    assert_delta(step(&world, (struct plain[]){{"a", 1, 1, 0}}, 1, 8), 0, 0, 0);
    assert_int_equal(world.run_count, 2);
    close_world(&world);
}

static void half_of_the_rows_masked_makes_one_run_of_all(void **state)
{
    struct world world;

    open_world(&world, *state, 4);
    step(&world, (struct plain[]){{"a", 1, 1, 0}, {"b", 1, 2, 0}, {"c", 1, 3, 0}, {"d", 1, 4, 0}}, 4, 8);
    step(&world, (struct plain[]){{"a", 2, 5, 0}, {"b", 2, 6, 0}}, 2, 8); /* 2 of 6 masked */
    assert_int_equal(world.run_count, 2);
    assert_true(world.runs[0].masked);
    assert_false(world.runs[1].masked);
    assert_int_equal(world.rewrites, 0);
    step(&world, (struct plain[]){{"a", 3, 7, 0}}, 1, 8); /* 3 of 7 */
    assert_int_equal(world.run_count, 3);
    step(&world, (struct plain[]){{"a", 4, 8, 0}}, 1, 8); /* 4 of 8 */
    assert_int_equal(world.rewrites, 1);
    assert_int_equal(world.run_count, 1);
    assert_int_equal(world.runs[0].entry.rows, 4);
    close_world(&world);
}

static void more_runs_than_allowed_become_one(void **state)
{
    struct world world;
    const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

    open_world(&world, *state, 5);
    for (uint64_t i = 0; i < 8; i++) {
        step(&world, (struct plain[]){{keys[i], 1, i, 0}}, 1, 0);
        assert_int_equal(world.run_count, i + 1);
    }
    step(&world, (struct plain[]){{keys[8], 1, 8, 0}}, 1, 0);
    assert_int_equal(world.run_count, 1);
    assert_int_equal(world.runs[0].entry.rows, 9);
    close_world(&world);
}

static void a_run_beyond_the_range_is_refused_unless_all_is_rewritten(void **state)
{
    struct world world;
    struct lam_merge_input run = {0};
    struct lam_resolve_spec spec = {.runs = &run, .run_count = 1, .range_bits = 1, .range = 0};
    struct lam_resolve *resolve;
    struct lam_error err = {0};

    open_world(&world, *state, 6);
    write_plain(&world, (struct plain[]){{"a", 1, 1, 0}, {"b", 1, 2, 0}, {"c", 1, 3, 0}, {"d", 1, 4, 0}, {"e", 1, 5, 0}, {"f", 1, 6, 0}},
                6, 0, &world.runs[0]);
    assert_ok(lam_map_open(&lam_fs_system, world.root, &world.runs[0].entry, &run.map, &err));
    assert_int_equal(lam_resolve_plan(&spec, &resolve, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "reaches beyond range 0 of 1 bits"));
    spec.rewrite = true;
    assert_ok(lam_resolve_plan(&spec, &resolve, &err));
    assert_true(lam_resolve_changes(resolve));
    assert_int_equal(lam_resolve_counts(resolve)->count, 0);
    lam_resolve_free(resolve);
    spec.range = 2;
    assert_int_equal(lam_resolve_plan(&spec, &resolve, &err), LAM_E_INVALID);
    lam_map_unref(run.map);
    close_world(&world);
}

static void a_write_that_fails_leaves_no_file(void **state)
{
    struct world world;
    struct lam_merge_input runs[2] = {0}, staged = {0};
    struct lam_resolve_spec spec = {.runs = runs, .run_count = 2, .staged = &staged, .staged_count = 1};
    struct lam_resolve_result result;
    struct lam_resolve *resolve;
    struct lam_error err = {0};
    struct faulty_fs faulty;
    struct run run[3];
    uint64_t calls;
    size_t files;

    open_world(&world, *state, 7);
    faulty_fs_init(&faulty, &lam_fs_system);
    write_plain(&world, (struct plain[]){{"a", 1, 1, 0}, {"b", 1, 2, 0}, {"c", 1, 3, 0}}, 3, 0, &run[0]);
    write_plain(&world, (struct plain[]){{"d", 1, 4, 0}, {"e", 1, 5, 0}, {"f", 1, 6, 0}}, 3, 0, &run[1]);
    write_plain(&world, (struct plain[]){{"a", 2, 7, 0}, {"d", 2, 8, 0}}, 2, 0, &run[2]);
    assert_ok(lam_map_open(&lam_fs_system, world.root, &run[0].entry, &runs[0].map, &err));
    assert_ok(lam_map_open(&lam_fs_system, world.root, &run[1].entry, &runs[1].map, &err));
    assert_ok(lam_map_open(&lam_fs_system, world.root, &run[2].entry, &staged.map, &err));
    assert_ok(lam_resolve_plan(&spec, &resolve, &err));
    files = files_in(world.root);
    assert_ok(lam_resolve_write(resolve, &faulty.fs, world.root, next_name, &world, &result, &err));
    assert_true(result.has_run && result.mask_count == 2);
    lam_resolve_result_release(&result);
    assert_int_equal(files_in(world.root), files + 3);
    files += 3;
    calls = faulty.total;
    for (uint64_t i = 1; i <= calls; i++) {
        int rc;

        faulty_fs_spoil(&faulty, FAULTY_ANY, i, i % 2 ? FAULTY_FAIL : FAULTY_DONE_FAIL, EIO);
        rc = lam_resolve_write(resolve, &faulty.fs, world.root, next_name, &world, &result, &err);
        if (rc == 0) { /* the close of a folder, after its sync */
            files += 3;
            lam_resolve_result_release(&result);
        } else {
            assert_int_equal(rc, LAM_E_IO);
            assert_non_null(strstr(err.text, world.root));
        }
        assert_int_equal(files_in(world.root), files);
    }
    lam_resolve_free(resolve);
    for (int i = 0; i < 2; i++)
        lam_map_unref(runs[i].map);
    lam_map_unref(staged.map);
    close_world(&world);
}

/* --- masks of append datasets --- */

static bool named_by(const struct lam_mask_rule *rule, const struct lam_position *pos)
{
    return rule->source == pos->source && !memcmp(rule->partition, pos->partition, 16) && pos->life >= rule->life_first &&
        pos->life < rule->life_end &&
           pos->offset >= rule->offset_first && pos->offset < rule->offset_end;
}

static void rules_mask_what_they_name_and_nothing_else(void **state)
{
    enum { ROWS = 400, RULES = 12 };
    struct world world;
    struct lam_row *rows = calloc(ROWS, sizeof *rows);
    const struct lam_row *list[ROWS];
    struct lam_error err = {0};
    struct lam_target target = {&lam_fs_system, *state, "append.h5", LAM_SEGMENT_SILVER};
    struct lam_segment_entry entry;
    struct lam_map *map;

    open_world(&world, *state, first_seed());
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = make_row(&world.arena, lam_sv("", 0), 0, (uint32_t)below(&world.seed, 2), (uint32_t)below(&world.seed, 4),
                           (uint32_t)below(&world.seed, 4),
                           below(&world.seed, 100));
        rows[i].rec.flags = below(&world.seed, 3) ? 0 : LAM_ROW_PENDING;
        list[i] = &rows[i];
    }
    lam_segment_entry_init(&entry);
    assert_ok(lam_rows_write_array(&target, list, ROWS, 0, &entry, NULL, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    for (int round = 0; round < 50; round++) {
        struct lam_mask_rule rules[RULES];
        struct lam_count_deltas got = {0}, want = {0};
        struct lam_mask before, mask;
        size_t count = below(&world.seed, RULES + 1);

        for (size_t i = 0; i < count; i++) {
            struct lam_position pos = {.source = (uint32_t)below(&world.seed, 2)};
            uint64_t first = below(&world.seed, 3) ? 0 : below(&world.seed, 100);

            lam_position_set_partition(&pos, (uint32_t)below(&world.seed, 4));
            rules[i] = (struct lam_mask_rule){.source = pos.source, .life_end = below(&world.seed, 5), .offset_first = first,
                                              .offset_end = first ? first + 30 : UINT64_MAX,
                                              .uncounted = below(&world.seed, 3) == 0};
            memcpy(rules[i].partition, pos.partition, 16);
        }
        assert_ok(lam_mask_init(&before, ROWS, NULL, &err));
        for (int i = 0; i < 50; i++)
            lam_mask_set(&before, below(&world.seed, ROWS));
        assert_ok(lam_mask_init(&mask, ROWS, before.bits, &err));
        assert_int_equal(mask.set, before.set);
        assert_ok(lam_resolve_mask(map, rules, count, &mask, &got, &err));
        for (size_t i = 0; i < ROWS; i++) {
            bool named = false, counted = true;

            for (size_t r = 0; r < count; r++)
                if (named_by(&rules[r], &rows[i].rec.pos)) {
                    named = true;
                    counted &= !rules[r].uncounted;
                }
            assert_int_equal(lam_mask_test(mask.bits, i), named || lam_mask_test(before.bits, i));
            if (named && counted && !lam_mask_test(before.bits, i)) {
                struct lam_count_delta *delta = lam_count_deltas_at(&want, rows[i].rec.pos.source, rows[i].rec.pos.life);

                delta->live--;
                delta->superseded++;
                delta->pending -= rows[i].rec.flags == LAM_ROW_PENDING;
            }
        }
        assert_int_equal(got.count, want.count);
        if (got.count)
            assert_memory_equal(got.items, want.items, got.count * sizeof *got.items);
        lam_count_deltas_release(&got);
        lam_count_deltas_release(&want);
        lam_mask_release(&before);
        lam_mask_release(&mask);
    }
    lam_map_unref(map);
    free(rows);
    close_world(&world);
}

/* Answers with the key in capitals; what begins with "b" it cannot answer. */
static int capitals(void *arg, struct lam_block *block, size_t first, struct lam_error *err)
{
    size_t *asked = arg;

    for (size_t i = first; i < lam_block_rows(block); i++, ++*asked) {
        struct lam_row *row = lam_block_row(block, i);
        char *text;

        assert_true(row->rec.flags & LAM_ROW_PENDING);
        if (row->rec.key.ptr[0] == 'b')
            continue;
        if (!(text = lam_block_alloc(block, 1)))
            return LAM_FAIL(err, LAM_E_LIMIT, "no room");
        *text = (char)(row->rec.key.ptr[0] - 'a' + 'A');
        row->enr.category = lam_sv(text, 1);
        row->rec.flags &= ~(uint32_t)LAM_ROW_PENDING;
    }
    return 0;
}

static void winners_that_are_owed_an_answer_get_it_before_they_are_written(void **state)
{
    static const struct plain rows[] = {{"a", 1, 1, OWED}, {"a", 2, 2, OWED}, {"b", 1, 3, OWED}, {"c", 1, 4, LAM_OP_DELETE | OWED}, {"d", 1, 5, 0}};
    struct lam_block *block = lam_block_new(100, 1 << 20);
    struct lam_merge_input staged = {0};
    struct lam_resolve_spec spec = {.staged = &staged, .staged_count = 1};
    struct lam_resolve_result result;
    struct lam_resolve *resolve;
    struct lam_error err = {0};
    struct lam_map *map;
    struct world world;
    struct run run;
    size_t asked = 0;

    open_world(&world, *state, 99);
    write_plain(&world, rows, 5, 0, &run);
    assert_ok(lam_map_open(&lam_fs_system, world.root, &run.entry, &staged.map, &err));
    assert_ok(lam_resolve_plan(&spec, &resolve, &err));
    assert_int_equal(lam_resolve_counts(resolve)->items[0].pending, 2); /* a and b */
    assert_ok(lam_resolve_answer(resolve, block, capitals, &asked, &err));
    assert_int_equal(asked, 3); /* not the version of a that lost, nor d, which has its answer */
    assert_int_equal(lam_resolve_counts(resolve)->items[0].pending, 1);
    assert_int_equal(lam_resolve_counts(resolve)->items[0].live, 3);
    assert_int_equal(lam_resolve_counts(resolve)->items[0].deleted, 1);
    assert_ok(lam_resolve_write(resolve, &lam_fs_system, world.root, next_name, &world, &result, &err));
    assert_ok(lam_map_open(&lam_fs_system, world.root, &result.run, &map, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    assert_int_equal(lam_map_rows(map), 4);
    for (uint64_t i = 0; i < 4; i++) {
        struct lam_row row;
        char key;

        lam_rows_get(map, i, LAM_COLUMNS_ALL, &row);
        key = row.rec.key.ptr[0];
        assert_int_equal(row.rec.flags & LAM_ROW_PENDING, key == 'b' ? LAM_ROW_PENDING : 0);
        if (key == 'a' || key == 'c')
            assert_int_equal(row.enr.category.ptr[0], key - 'a' + 'A');
        if (key == 'a')
            assert_int_equal(row.rec.pos.offset, 2);
    }
    lam_map_unref(map);
    lam_resolve_result_release(&result);
    lam_resolve_free(resolve);
    lam_map_unref(staged.map);
    lam_segment_entry_release(&run.entry);
    lam_block_free(block);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_version_is_counted_and_nothing_is_written),
        cmocka_unit_test(a_rejected_row_leaves_the_view_if_it_is_pending_there_and_is_counted_once),
        cmocka_unit_test(a_delete_wins_as_a_version_and_loses_as_one),
        cmocka_unit_test(a_position_that_was_overridden_before_is_not_counted_again),
        cmocka_unit_test(half_of_the_rows_masked_makes_one_run_of_all),
        cmocka_unit_test(more_runs_than_allowed_become_one),
        cmocka_unit_test(a_run_beyond_the_range_is_refused_unless_all_is_rewritten),
        cmocka_unit_test(a_write_that_fails_leaves_no_file),
        cmocka_unit_test(rules_mask_what_they_name_and_nothing_else),
        cmocka_unit_test(winners_that_are_owed_an_answer_get_it_before_they_are_written),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
