/* A random view with speed segments and a tail, and the same as a plain list of rows that can be counted. */
#ifndef LAMINA_TESTS_VIEW_FIXTURE_H
#define LAMINA_TESTS_VIEW_FIXTURE_H

#include "lookup.h"
#include "resolve.h"
#include "segment_fixture.h"

enum { LAYERED_RUNS = 40, LAYERED_ROWS = 400, LAYERED_TAIL = 30, LAYERED_SPEED = 3 };

struct layered {
    char *root;
    uint64_t seed;
    bool upsert;
    uint32_t bits, keys;
    struct lam_arena arena;
    struct lam_segment_entry entries[3 * LAYERED_RUNS]; /* what parts and speed point to */
    size_t entry_count;
    struct lam_view_part parts[LAYERED_RUNS], speed[LAYERED_SPEED];
    size_t part_count, speed_count;
    struct lam_row rows[LAYERED_ROWS]; /* all that is not masked, the tail at the end */
    bool from_view[LAYERED_ROWS];
    size_t row_count;
    const struct lam_row *tail[LAYERED_TAIL];
    size_t tail_count;
    uint64_t next_offset, cutoff; /* append: offsets below the cutoff are covered */
    struct lam_map_cache *cache;
    struct lam_view *view;
};

static inline bool layered_covered(void *arg, const struct lam_position *pos) { return pos->offset < ((struct layered *)arg)->cutoff; }

static inline struct lam_row layered_row(struct layered *layered, const char *name, uint64_t key, bool view)
{
    uint64_t *seed = &layered->seed;
    struct lam_row row = make_row(&layered->arena, text_of(&layered->arena, "%s %u", name, (unsigned)key), (int64_t)below(seed, 20), 1, 1,
                                  0, layered->next_offset++);

    row.rec.op = layered->upsert && below(seed, 5) == 0 ? LAM_OP_DELETE : LAM_OP_UPSERT;
    row.rec.text = random_text(&layered->arena, seed, 30);
    row.enr.layer = view ? LAM_LAYER_BATCH : LAM_LAYER_SPEED;
    row.enr.depth = (uint8_t)below(seed, 2);
    row.enr.model = (uint32_t)below(seed, 100);
    return row;
}

/* A file that no other is named like. */
static inline void layered_path(char *path, size_t size, const char *kind)
{
    static unsigned count;

    snprintf(path, size, "%s-%u.h5", kind, count++);
}

static inline const struct lam_segment_entry *layered_write(struct layered *layered, const struct lam_row **rows, size_t count,
                                                            bool sorted, uint32_t range)
{
    struct lam_segment_entry *entry = &layered->entries[layered->entry_count++];
    char path[64];
    struct lam_target target = {&lam_fs_system, layered->root, path, LAM_SEGMENT_RUN};
    struct lam_error err = {0};

    layered_path(path, sizeof path, "run");
    lam_segment_entry_init(entry);
    if (sorted)
        assert_ok(lam_rows_sort(rows, count, &err));
    assert_ok(lam_rows_write_array(&target, rows, count, 0, entry, NULL, &err));
    entry->range_bits = layered->bits;
    entry->range = range;
    return entry;
}

/* One part with some rows that are masked and some that are kept. */
static inline struct lam_view_part layered_part(struct layered *layered, struct lam_row *rows, size_t count, size_t kept, uint32_t range)
{
    const struct lam_row **list = calloc(count + 1, sizeof *list);
    struct lam_view_part part = {0};
    struct lam_mask mask;
    struct lam_error err = {0};

    for (size_t i = 0; i < count; i++)
        list[i] = &rows[i];
    part.segment = layered_write(layered, list, count, layered->upsert, range);
    assert_ok(lam_mask_init(&mask, count, NULL, &err));
    for (size_t i = 0; i < count; i++)
        if ((size_t)(list[i] - rows) >= kept)
            lam_mask_set(&mask, i);
    if (mask.set) {
        struct lam_segment_entry *entry = &layered->entries[layered->entry_count++];
        char path[64];
        struct lam_target target = {&lam_fs_system, layered->root, path, LAM_SEGMENT_MASK};

        layered_path(path, sizeof path, "mask");
        lam_segment_entry_init(entry);
        assert_ok(lam_mask_write(&target, &mask, part.segment->path, entry, &err));
        part.mask = entry;
    }
    lam_mask_release(&mask);
    free(list);
    return part;
}

static inline void layered_keep(struct layered *layered, const struct lam_row *row, bool view)
{
    assert_true(layered->row_count < LAYERED_ROWS);
    layered->from_view[layered->row_count] = view;
    layered->rows[layered->row_count++] = *row;
}

/* Upsert: keys dealt over ranges and runs, each once unmasked, and masked in other runs of its range. Append: segments of anything. */
static inline void layered_make_parts(struct layered *layered)
{
    uint64_t *seed = &layered->seed;
    size_t runs = below(seed, 4);

    for (uint32_t range = 0; range < (layered->upsert ? 1u << layered->bits : 1); range++)
        for (size_t run = 0; run < runs; run++) {
            struct lam_row rows[LAYERED_ROWS];
            size_t count = 0, kept;

            for (uint64_t key = 0; key < layered->keys; key++) {
                struct lam_row row = layered_row(layered, "key", key, true);

                if (layered->upsert ? key % runs == run && (layered->bits == 0 || row.rec.hash >> (64 - layered->bits) == range) &&
                    key % 7 : below(seed, 3) == 0)
                    rows[count++] = row;
            }
            kept = count;
            for (size_t i = 0; i < kept; i++)
                layered_keep(layered, &rows[i], true);
            for (uint64_t key = 0; key < layered->keys; key++) {
                struct lam_row row = layered_row(layered, "key", key, true);

                if ((!layered->upsert || (key % runs != run && (layered->bits == 0 || row.rec.hash >> (64 - layered->bits) == range))) &&
                    below(seed, 2))
                    rows[count++] = row;
            }
            layered->parts[layered->part_count++] = layered_part(layered, rows, count, kept, range);
        }
}

static inline void layered_make_newer(struct layered *layered)
{
    uint64_t *seed = &layered->seed;

    layered->cutoff = layered->next_offset;
    if (!layered->upsert && below(seed, 2))
        layered->cutoff += 20; /* some of speed and tail are the view's already */
    for (size_t s = below(seed, LAYERED_SPEED + 1); s > 0; s--) {
        struct lam_row rows[40];
        const struct lam_row *list[40];
        size_t count = below(seed, 40);

        for (size_t i = 0; i < count; i++) {
            rows[i] = layered_row(layered, below(seed, 3) ? "key" : "new", below(seed, layered->keys), false);
            if (layered->upsert && layered->row_count && below(seed, 4) == 0) { /* the same version as the view has, answered otherwise */
                size_t at = below(seed, layered->row_count);

                rows[i] = layered->rows[at];
                rows[i].enr.layer = LAM_LAYER_SPEED;
                rows[i].enr.model += 1000;
            }
            list[i] = &rows[i];
        }
        for (size_t i = 0; i < count; i++)
            layered_keep(layered, &rows[i], false);
        layered->speed[layered->speed_count++].segment = layered_write(layered, list, count, true, 0);
    }
    layered->tail_count = below(seed, LAYERED_TAIL);
    for (size_t i = 0; i < layered->tail_count; i++) {
        struct lam_row row = layered_row(layered, below(seed, 3) ? "key" : "tail", below(seed, layered->keys), false);

        layered_keep(layered, &row, false);
        layered->tail[i] = &layered->rows[layered->row_count - 1];
    }
    assert_int_equal(lam_rows_sort(layered->tail, layered->tail_count, NULL), 0);
}

static inline void layered_open(struct layered *layered, char *root, uint64_t seed, bool upsert)
{
    struct lam_view_spec spec = {.upsert = upsert, .covered = layered_covered, .covered_arg = layered};
    struct lam_error err = {0};

    *layered = (struct layered){.root = root, .seed = seed, .upsert = upsert};
    layered->bits = (uint32_t)below(&layered->seed, 4);
    layered->keys = 1 + (uint32_t)below(&layered->seed, 30);
    lam_arena_init(&layered->arena, (size_t)64 << 20);
    layered_make_parts(layered);
    layered_make_newer(layered);
    layered->cache = lam_map_cache_new(&lam_fs_system, root, 1 + below(&layered->seed, 20));
    spec.range_bits = layered->bits;
    spec.parts = layered->parts;
    spec.part_count = layered->part_count;
    spec.speed = layered->speed;
    spec.speed_count = layered->speed_count;
    assert_ok(lam_view_new(layered->cache, &spec, &layered->view, &err));
}

static inline void layered_close(struct layered *layered)
{
    lam_view_free(layered->view);
    lam_map_cache_free(layered->cache);
    for (size_t i = 0; i < layered->entry_count; i++)
        lam_segment_entry_release(&layered->entries[i]);
    lam_arena_release(&layered->arena);
}

static inline struct lam_tail layered_tail(const struct layered *layered) { return (struct lam_tail){layered->tail, layered->tail_count}; }

/* Does row i count at all? */
static inline bool layered_counts(const struct layered *layered, size_t i)
{
    return layered->upsert || layered->from_view[i] || layered->rows[i].rec.pos.offset >= layered->cutoff;
}

/* The newest version of a key by looking at all of them; NULL: there is none. */
static inline const struct lam_row *layered_newest(const struct layered *layered, struct lam_sv key)
{
    const struct lam_row *best = NULL;

    for (size_t i = 0; i < layered->row_count; i++) {
        const struct lam_row *row = &layered->rows[i];
        int order;

        if (!layered_counts(layered, i) || !lam_sv_eq(row->rec.key, key))
            continue;
        order = best ? lam_sv_cmp(row->rec.order, best->rec.order) : 1;
        if (order > 0 || (order == 0 && lam_row_answer_cmp(row, best) < 0))
            best = row;
    }
    return best;
}

#endif
