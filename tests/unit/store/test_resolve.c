/* Resolving, against a model that keeps every position it ever saw and looks at all of them again each time. */
#include "segment_fixture.h"

#include "base/clock.h"
#include "resolve.h"

#define MAX_RUNS 64
#define MAX_ROWS 20000

/* --- the model --- */

struct seen {
    struct lam_row row; /* with the answer that stands */
};

struct model {
    struct seen *rows; /* one a position */
    size_t count;
};

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

struct run {
    struct lam_segment_entry entry, mask;
    bool masked;
};

struct world {
    char *root;
    uint64_t seed;
    uint32_t bits;
    unsigned names;
    struct run *runs; /* oldest first */
    size_t run_count;
    struct model model;
    struct lam_arena arena;
    struct lam_count_deltas counts;
    uint64_t next_offset;
    uint32_t keys;
    size_t rewrites, further, unchanged; /* what happened, so that a test knows it saw everything */
};

static int next_name(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err)
{
    struct world *world = arg;

    (void)kind, (void)err;
    snprintf(path, LAM_SEGMENT_PATH, "%llx-%u.h5", (unsigned long long)world->seed, world->names++);
    return 0;
}

static void open_world(struct world *world, char *root, uint64_t seed)
{
    *world = (struct world){.root = root, .seed = seed, .keys = 1 + (uint32_t)below(&seed, 40), .bits = (uint32_t)below(&seed, 4)};
    world->runs = calloc(MAX_RUNS * 16, sizeof *world->runs);
    world->model.rows = calloc(MAX_ROWS, sizeof *world->model.rows);
    lam_arena_init(&world->arena, (size_t)256 << 20);
}

static void close_world(struct world *world)
{
    free(world->runs);
    free(world->model.rows);
    lam_arena_release(&world->arena);
    lam_count_deltas_release(&world->counts);
}

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

static void open_run(struct world *world, const struct run *run, struct lam_merge_input *input, struct lam_map **mask_map)
{
    struct lam_error err = {0};

    *input = (struct lam_merge_input){0};
    *mask_map = NULL;
    assert_ok(lam_map_open(&lam_fs_system, world->root, &run->entry, &input->map, &err));
    if (!run->masked)
        return;
    assert_string_equal(run->mask.masked, run->entry.path);
    assert_ok(lam_map_open(&lam_fs_system, world->root, &run->mask, mask_map, &err));
    assert_ok(lam_mask_bits(*mask_map, run->entry.path, run->entry.rows, &input->mask, &err));
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

/* --- single cases, with rows given as key, value, offset --- */

struct plain {
    const char *key;
    int64_t value;
    uint64_t offset;
    uint8_t op;
};

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
        rows[i].rec.op = plain[i].op;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_and_counts_are_those_of_the_model),
        cmocka_unit_test(a_late_version_is_counted_and_nothing_is_written),
        cmocka_unit_test(a_delete_wins_as_a_version_and_loses_as_one),
        cmocka_unit_test(a_position_that_was_overridden_before_is_not_counted_again),
        cmocka_unit_test(half_of_the_rows_masked_makes_one_run_of_all),
        cmocka_unit_test(more_runs_than_allowed_become_one),
        cmocka_unit_test(a_run_beyond_the_range_is_refused_unless_all_is_rewritten),
        cmocka_unit_test(a_write_that_fails_leaves_no_file),
        cmocka_unit_test(rules_mask_what_they_name_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
