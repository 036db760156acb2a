/* A store of runs and masks for tests of resolving, with the rows of a model where a test keeps one. */
#ifndef LAMINA_TESTS_RESOLVE_FIXTURE_H
#define LAMINA_TESTS_RESOLVE_FIXTURE_H

#include "segment_fixture.h"

#include "base/clock.h"
#include "resolve.h"

#define MAX_RUNS 64
#define MAX_ROWS 20000

struct seen {
    struct lam_row row; /* with the answer that stands */
};

struct model {
    struct seen *rows; /* one a position */
    size_t count;
};

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

#endif
