/*
 * Lookup by key, without HTTP, in an upsert view of a million records: 8 ranges, in each a run, and a newer one with a tenth of the keys, so that masks
 * have their part. All columns of the row are filled, and one byte of its text is read. Keys at random, so that nothing of a row is in the
 * processor's cache.
 *
 *     bench_lookup [RECORDS] [LOOKUPS] [FOLDER]        1000000, 1000000, /tmp
 */
#include "bench.h"

#include "../tests/support/scratch.h"
#include "base/arena.h"
#include "store/lookup.h"
#include "store/mask.h"

#define BITS 3
#define RANGES (1u << BITS)

static struct lam_sv key_of(char text[32], uint64_t i) { return lam_sv(text, (size_t)snprintf(text, 32, "customer/%" PRIu64, i)); }

/* Rows of a range, of every step-th key: sorted, in arena. */
static size_t make_rows(struct lam_arena *arena, uint64_t records, uint32_t range, uint64_t step, const struct lam_row **rows)
{
    uint64_t seed = range;
    size_t count = 0;
    struct lam_error err;

    for (uint64_t i = 0; i < records; i += step) {
        char key[32], text[320];
        struct lam_sv sv = key_of(key, i);
        uint64_t hash = lam_hash64(sv.ptr, sv.len);
        struct lam_row *row;

        if (hash >> (64 - BITS) != range)
            continue;
        if (!(row = lam_arena_alloc(arena, sizeof *row)))
            bench_die("arena", "no memory");
        *row = (struct lam_row){.rec = {.pos = {1, 1, {0}, i}, .hash = hash, .key = lam_arena_copy(arena, sv), .event_time_us = (int64_t)i}};
        row->rec.order = lam_arena_copy(arena, step > 1 ? LAM_SV("2") : LAM_SV("1"));
        row->rec.text = lam_arena_copy(arena, lam_sv(text, bench_text(text, 256, &seed)));
        row->rec.metadata = LAM_SV("{}");
        row->enr.category = LAM_SV("billing");
        rows[count++] = row;
    }
    BENCH_OK(lam_rows_sort(rows, count, &err));
    return count;
}

static void write_run(const char *root, const char *name, uint32_t range, const struct lam_row *const *rows, size_t count, struct lam_segment_entry *entry)
{
    struct lam_target target = {&lam_fs_system, root, name, LAM_SEGMENT_RUN};
    struct lam_error err;

    lam_segment_entry_init(entry);
    BENCH_OK(lam_rows_write_array(&target, rows, count, 0, entry, NULL, &err));
    entry->range_bits = BITS;
    entry->range = range;
}

/* entries: run, mask of it, newer run. Keys that are multiples of 10 stand in both. */
static void make_range(const char *root, uint64_t records, uint32_t range, struct lam_segment_entry entries[3])
{
    const struct lam_row **rows = bench_alloc((records + 1) * sizeof *rows);
    struct lam_arena arena;
    struct lam_error err;
    struct lam_mask mask;
    char name[32];
    size_t count;

    lam_arena_init(&arena, (size_t)8 << 30);
    count = make_rows(&arena, records, range, 1, rows);
    snprintf(name, sizeof name, "old-%u.h5", (unsigned)range);
    write_run(root, name, range, rows, count, &entries[0]);
    BENCH_OK(lam_mask_init(&mask, count, NULL, &err));
    for (size_t i = 0; i < count; i++)
        if (rows[i]->rec.pos.offset % 10 == 0)
            lam_mask_set(&mask, i);
    snprintf(name, sizeof name, "mask-%u.h5", (unsigned)range);
    lam_segment_entry_init(&entries[1]);
    BENCH_OK(lam_mask_write(&(struct lam_target){&lam_fs_system, root, name, LAM_SEGMENT_MASK}, &mask, entries[0].path, &entries[1], &err));
    lam_mask_release(&mask);
    count = make_rows(&arena, records, range, 10, rows);
    snprintf(name, sizeof name, "new-%u.h5", (unsigned)range);
    write_run(root, name, range, rows, count, &entries[2]);
    lam_arena_release(&arena);
    free(rows);
}

/* One lookup; how long it took. */
static double look(struct lam_view *view, uint64_t number, bool there, uint64_t columns)
{
    struct lam_found found;
    struct lam_error err;
    char key[32];
    struct lam_sv sv = key_of(key, number);
    double before = bench_us();
    int rc = lam_view_lookup(view, sv, NULL, columns, &found, &err);
    volatile char first = !rc && found.row.rec.text.len ? found.row.rec.text.ptr[0] : 0;

    (void)first;
    lam_found_release(&found);
    before = bench_us() - before;
    if ((rc == 0) != there)
        bench_die("lookup", there ? "a key that is there was not found" : "a key that is not there was found");
    return before;
}

static double bench(struct lam_view *view, uint64_t records, size_t lookups, bool there, uint64_t columns, const char *what)
{
    double *us = bench_alloc(lookups * sizeof *us), cpu = bench_cpu_us(), wall = bench_us(), p50;
    uint64_t seed = 7;

    for (size_t i = 0; i < lookups; i++)
        us[i] = look(view, bench_random(&seed) % records + (there ? 0 : records), there, columns);
    cpu = (bench_cpu_us() - cpu) / (double)lookups; /* the loop around it included: the key's text and two looks at the clock */
    wall = (bench_us() - wall) / (double)lookups;
    p50 = bench_quantile(us, lookups, 0.5);
    printf("%-44s p50 %.2f us   p99 %.2f us   mean %.2f us of CPU, %.2f us in all\n", what, p50, bench_quantile(us, lookups, 0.99), cpu, wall);
    free(us);
    return cpu;
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    size_t lookups = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 1000000;
    static struct lam_segment_entry entries[RANGES][3];
    struct lam_view_part parts[2 * RANGES];
    struct lam_view_spec spec = {.upsert = true, .range_bits = BITS, .parts = parts, .part_count = 2 * RANGES};
    struct lam_map_cache *cache;
    struct lam_view *view;
    struct lam_error err;
    char root[SCRATCH_PATH];
    double start, all;

    setenv("TMPDIR", argc > 3 ? argv[3] : "/tmp", 1);
    scratch_make(root);
    for (uint32_t range = 0; range < RANGES; range++) {
        make_range(root, records, range, entries[range]);
        parts[2 * range] = (struct lam_view_part){&entries[range][0], &entries[range][1]};
        parts[2 * range + 1] = (struct lam_view_part){&entries[range][2], NULL};
    }
    cache = lam_map_cache_new(&lam_fs_system, root, 64);
    BENCH_OK(lam_view_new(cache, &spec, &view, &err));
    start = bench_us();
    for (uint64_t i = 0; i < 1000; i++)
        look(view, i, true, LAM_COLUMNS_ALL);
    printf("view of %" PRIu64 " records; the first 1,000 lookups, which open and check the segments: %.0f ms\n", records, (bench_us() - start) / 1e3);
    all = bench(view, records, lookups, true, LAM_COLUMNS_ALL, "a key that is there, all columns");
    bench(view, records, lookups, true, LAM_ROWS_SORT | LAM_COLUMN(LAM_ROWS_CATEGORY), "a key that is there, its category alone");
    bench(view, records, lookups, false, LAM_COLUMNS_ALL, "a key that is not there");
    printf("RESULT lookup %.2f us target < 5 us (mean of CPU time, all columns)\n", all);
    lam_view_free(view);
    lam_map_cache_free(cache);
    for (uint32_t range = 0; range < RANGES; range++)
        for (size_t i = 0; i < 3; i++)
            lam_segment_entry_release(&entries[range][i]);
    scratch_remove(root);
    return 0;
}
