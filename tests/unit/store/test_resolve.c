/* Resolving, against a model that keeps every position it ever saw and looks at all of them again each time. */
#include "resolve_fixture.h"

/* --- the model --- */

static bool same_answer(const struct lam_row *a, const struct lam_row *b)
{
    return a->rec.flags == b->rec.flags && a->enr.layer == b->enr.layer && a->enr.depth == b->enr.depth && a->enr.model == b->enr.model &&
           lam_sv_eq(a->enr.summary, b->enr.summary);
}

static struct lam_row *model_find(struct model *model, const struct lam_row *row)
{
    for (size_t i = 0; i < model->count; i++)
        if (!lam_position_cmp(&model->rows[i].row.rec.pos, &row->rec.pos))
            return &model->rows[i].row;
    return NULL;
}

static const struct lam_row *model_winner(const struct model *model, struct lam_sv key)
{
    const struct lam_row *best = NULL;

    for (size_t i = 0; i < model->count; i++) {
        const struct lam_row *row = &model->rows[i].row;

        if (lam_sv_eq(row->rec.key, key) && (!best || lam_sv_cmp(row->rec.order, best->rec.order) > 0))
            best = row;
    }
    return best;
}

/* All rows of one round; of several answers for one position only the best meets the view. */
static void model_take(struct model *model, const struct lam_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct lam_row *best = &rows[i];
        struct lam_row *known;
        bool first = true;

        for (size_t j = 0; j < count; j++) {
            int order;

            if (lam_position_cmp(&rows[j].rec.pos, &rows[i].rec.pos))
                continue;
            if (j < i)
                first = false;
            order = lam_row_answer_cmp(&rows[j], best);
            if (order < 0 || (order == 0 && rows[j].enr.processed_us > best->enr.processed_us))
                best = &rows[j];
        }
        if (!first)
            continue;
        known = model_find(model, best);
        if (!known) {
            assert_true(model->count < MAX_ROWS);
            model->rows[model->count++].row = *best;
        } else if (model_winner(model, best->rec.key) == known && lam_row_answer_cmp(best, known) <= 0 && !same_answer(best, known)) {
            *known = *best; /* the row that it had when this round began may have lost by now: then its answer does not matter */
        }
    }
}

static void model_counts(const struct model *model, struct lam_count_deltas *counts)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct lam_row *row = &model->rows[i].row;
        struct lam_count_delta *delta = lam_count_deltas_at(counts, row->rec.pos.source, row->rec.pos.life);

        if (model_winner(model, row->rec.key) != row) {
            delta->superseded++;
        } else if (row->rec.op == LAM_OP_DELETE) {
            delta->deleted++;
        } else {
            delta->live++;
            delta->pending += (row->rec.flags & LAM_ROW_PENDING) != 0;
        }
    }
}

/* --- the store --- */

static struct lam_row new_row(struct world *world)
{
    uint64_t *seed = &world->seed;
    struct lam_row row = make_row(&world->arena, text_of(&world->arena, "key %u", (unsigned)below(seed, world->keys)),
                                  (int64_t)below(seed, 50), (uint32_t)below(seed, 2),
                                  (uint32_t)below(seed, 2), (uint32_t)below(seed, 2), world->next_offset++);

    row.rec.op = below(seed, 5) == 0 ? LAM_OP_DELETE : LAM_OP_UPSERT;
    return row;
}

static void answer(struct world *world, struct lam_row *row)
{
    uint64_t *seed = &world->seed;

    row->rec.flags = (below(seed, 4) ? 0 : LAM_ROW_PENDING) | (below(seed, 6) ? 0 : LAM_ROW_ESCALATED);
    row->enr.layer = (uint8_t)below(seed, 2);
    row->enr.depth = (uint8_t)below(seed, 2);
    row->enr.model = (uint32_t)below(seed, 3);
    row->enr.processed_us = (int64_t)random64(seed);
    row->enr.summary = text_of(&world->arena, "summary %u", (unsigned)below(seed, 3));
}

/* New versions, late ones, other answers for what the view has, and the very same row again. */
static size_t make_rows(struct world *world, struct lam_row *rows, size_t max)
{
    uint64_t *seed = &world->seed;
    size_t count = below(seed, 8) ? below(seed, max) + 1 : 0, old = world->model.count;

    for (size_t i = 0; i < count; i++) {
        unsigned kind = (unsigned)below(seed, 10);
        const struct lam_row *winner = old &&
            kind < 4 ? model_winner(&world->model, world->model.rows[below(seed, old)].row.rec.key) : NULL;

        if (winner) { /* answered again */
            rows[i] = *winner;
            if (kind < 3)
                answer(world, &rows[i]);
            else
                rows[i].enr.processed_us++;
        } else if (i > 0 && kind == 4) { /* in two groups */
            rows[i] = rows[below(seed, i)];
        } else if (i > 0 && kind == 5) {
            rows[i] = rows[below(seed, i)];
            answer(world, &rows[i]);
        } else {
            rows[i] = new_row(world);
            answer(world, &rows[i]);
        }
    }
    return count;
}

/* Rows of splits that were dropped lie in the same segments, masked. */
struct staged {
    struct lam_segment_entry entry;
    struct lam_map *map;
    struct lam_mask mask;
};

static void stage(struct world *world, const struct lam_row *rows, size_t count, struct staged *staged)
{
    const struct lam_row **list = calloc(2 * count + 8, sizeof *list);
    struct lam_row *dropped = calloc(count + 8, sizeof *dropped);
    size_t drop_count = below(&world->seed, 4), at = 0;
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {&lam_fs_system, world->root, path, LAM_SEGMENT_RUN};
    struct lam_error err = {0};

    next_name(world, LAM_SEGMENT_RUN, path, &err);
    for (size_t i = 0; i < count; i++)
        list[at++] = &rows[i];
    for (size_t i = 0; i < drop_count; i++) {
        dropped[i] = new_row(world);
        dropped[i].rec.pos.source = 77;
        list[at++] = &dropped[i];
    }
    assert_ok(lam_rows_sort(list, at, &err));
    lam_segment_entry_init(&staged->entry);
    assert_ok(lam_rows_write_array(&target, list, at, 0, &staged->entry, NULL, &err));
    assert_ok(lam_map_open(&lam_fs_system, world->root, &staged->entry, &staged->map, &err));
    assert_ok(lam_mask_init(&staged->mask, at, NULL, &err));
    for (size_t i = 0; i < at; i++)
        if (list[i]->rec.pos.source == 77)
            lam_mask_set(&staged->mask, i);
    free(list);
    free(dropped);
}

/* Resolves one range of the view with `bits`, out of the given runs, and adds what comes out to `next`. */
static void resolve_range(struct world *world, uint32_t range, uint32_t bits, bool rewrite, struct staged *staged, size_t staged_count,
                          struct run *next, size_t *next_count)
{
    struct lam_merge_input runs[MAX_RUNS], inputs[8];
    struct lam_map *mask_maps[MAX_RUNS];
    const struct run *of[MAX_RUNS];
    struct lam_resolve_spec spec = {.staged = inputs, .staged_count = staged_count, .runs = runs, .range_bits = bits, .range = range,
                                    .rewrite = rewrite,
                                    .max_runs = 1 + (uint32_t)below(&world->seed, 5)};
    struct lam_resolve_result result;
    struct lam_resolve *resolve;
    struct lam_error err = {0};
    size_t kept = *next_count;

    for (size_t i = 0; i < world->run_count; i++)
        if (bits != world->bits || world->runs[i].entry.range == range) {
            assert_true(spec.run_count < MAX_RUNS);
            of[spec.run_count] = &world->runs[i];
            open_run(world, &world->runs[i], &runs[spec.run_count], &mask_maps[spec.run_count]);
            spec.run_count++;
        }
    for (size_t i = 0; i < staged_count; i++)
        inputs[i] = (struct lam_merge_input){.map = staged[i].map, .mask = staged[i].mask.bits};
    assert_ok(lam_resolve_plan(&spec, &resolve, &err));
    assert_ok(lam_count_deltas_add(&world->counts, lam_resolve_counts(resolve), &err));
    if (below(&world->seed, 2)) {
        assert_ok(lam_resolve_put(resolve, &lam_fs_system, world->root, next_name, world, &err));
        lam_resolve_forget(resolve);
    }
    assert_ok(lam_resolve_write(resolve, &lam_fs_system, world->root, next_name, world, &result, &err));
    assert_int_equal(lam_resolve_changes(resolve), result.has_run || result.rewritten);
    if (rewrite && spec.run_count)
        assert_true(result.rewritten);
    if (!lam_resolve_changes(resolve))
        assert_int_equal(result.mask_count, 0);
    world->rewrites += result.rewritten;
    world->further += result.has_run && !result.rewritten && spec.run_count;
    world->unchanged += !lam_resolve_changes(resolve) && staged_count;
    for (size_t i = 0; !result.rewritten && i < spec.run_count; i++)
        next[(*next_count)++] = *of[i];
    for (size_t i = 0; i < result.mask_count; i++) {
        next[kept + result.masks[i].run].mask = result.masks[i].entry;
        next[kept + result.masks[i].run].masked = true;
    }
    if (result.has_run) {
        assert_true(result.run.rows > 0);
        assert_int_equal(result.run.range_bits, bits);
        assert_int_equal(result.run.range, range);
        next[(*next_count)++] = (struct run){.entry = result.run};
    }
    if (spec.max_runs < *next_count - kept)
        assert_true(!lam_resolve_changes(resolve));
    lam_resolve_result_release(&result);
    lam_resolve_free(resolve);
    for (size_t i = 0; i < spec.run_count; i++) {
        lam_map_unref(runs[i].map);
        lam_map_unref(mask_maps[i]);
    }
}

static void check_counts(struct world *world)
{
    struct lam_count_deltas expected = {0};

    model_counts(&world->model, &expected);
    for (size_t i = 0; i < world->counts.count; i++) {
        const struct lam_count_delta *got = &world->counts.items[i], *want = lam_count_deltas_at(&expected, got->source, got->life);

        assert_int_equal(got->live, want->live);
        assert_int_equal(got->superseded, want->superseded);
        assert_int_equal(got->deleted, want->deleted);
        assert_int_equal(got->pending, want->pending);
    }
    assert_int_equal(world->counts.count, expected.count);
    lam_count_deltas_release(&expected);
}

/* Each key has exactly one row that is not masked, the winner, and each run is sorted, of its range, without a key twice. */
static void check_view(struct world *world)
{
    size_t found = 0, winners = 0;

    for (size_t r = 0; r < world->run_count; r++) {
        struct lam_merge_input input;
        struct lam_map *mask_map;
        struct lam_error err = {0};
        struct lam_row row, last = {0};
        uint64_t first_hash, last_hash;

        open_run(world, &world->runs[r], &input, &mask_map);
        assert_ok(lam_map_need(input.map, LAM_COLUMNS_ALL, &err));
        lam_range_hashes(world->bits, world->runs[r].entry.range, &first_hash, &last_hash);
        for (uint64_t i = 0; i < lam_map_rows(input.map); i++) {
            const struct lam_row *winner;

            lam_rows_get(input.map, i, LAM_COLUMNS_ALL, &row);
            assert_true(row.rec.hash >= first_hash && row.rec.hash <= last_hash);
            assert_true(i == 0 || last.rec.hash < row.rec.hash ||
                        (last.rec.hash == row.rec.hash && lam_sv_cmp(last.rec.key, row.rec.key) < 0));
            last = row;
            if (lam_mask_test(input.mask, i))
                continue;
            found++;
            winner = model_winner(&world->model, row.rec.key);
            assert_non_null(winner);
            assert_int_equal(lam_position_cmp(&winner->rec.pos, &row.rec.pos), 0);
            assert_true(same_answer(winner, &row));
            assert_true(winner->enr.processed_us == row.enr.processed_us);
        }
        lam_map_unref(input.map);
        lam_map_unref(mask_map);
    }
    for (size_t i = 0; i < world->model.count; i++)
        winners += model_winner(&world->model, world->model.rows[i].row.rec.key) == &world->model.rows[i].row;
    assert_int_equal(found, winners);
}

static void run_round(struct world *world)
{
    enum { MOST = 60 };
    struct lam_row rows[MOST + 1], taken[MOST + 1];
    struct run *next = calloc(MAX_RUNS * 16, sizeof *next);
    size_t count = make_rows(world, rows, MOST), next_count = 0, staged_count = 0;
    uint32_t bits = below(&world->seed, 6) ? world->bits : (uint32_t)below(&world->seed, 4);
    bool rewrite = bits != world->bits || below(&world->seed, 10) == 0;
    struct staged staged[8];

    memcpy(taken, rows, sizeof taken);
    for (size_t done = 0; done < count;) {
        size_t part = staged_count == 7 ? count - done : 1 + below(&world->seed, count - done);

        stage(world, rows + done, part, &staged[staged_count++]);
        done += part;
    }
    for (uint32_t range = 0; range < 1u << bits; range++)
        resolve_range(world, range, bits, rewrite, staged, staged_count, next, &next_count);
    for (size_t i = 0; i < staged_count; i++) {
        lam_map_unref(staged[i].map);
        lam_mask_release(&staged[i].mask);
    }
    free(world->runs);
    world->runs = next;
    world->run_count = next_count;
    world->bits = bits;
    model_take(&world->model, taken, count);
    check_view(world);
    check_counts(world);
}

static void views_and_counts_are_those_of_the_model(void **state)
{
    uint64_t seed = first_seed();
    size_t rewrites = 0, further = 0, unchanged = 0;
    const char *rounds = getenv("LAMINA_TEST_ROUNDS");

    for (int i = 0, n = rounds ? atoi(rounds) : 30; i < n; i++) {
        struct world world;

        open_world(&world, *state, seed + (uint64_t)i);
        for (int round = 0; round < 8; round++)
            run_round(&world);
        rewrites += world.rewrites;
        further += world.further;
        unchanged += world.unchanged;
        close_world(&world);
    }
    assert_true(rewrites > 0 && further > 0 && unchanged > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_and_counts_are_those_of_the_model),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
