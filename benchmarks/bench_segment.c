/*
 * What a segment costs above its bytes: rows of 2 KB texts written as a segment (columns, CRCs, HDF5, sync, rename), against a plain write of
 * the very same bytes (1 MiB at a time, fsync, rename, fsync of the folder). In turns, so that what else the disk does meets both.
 *
 *     bench_segment [FOLDER] [ROUNDS] [MIB]        /tmp, 11, 64
 */
#include "bench.h"

#include <fcntl.h>

#include "../tests/support/scratch.h"
#include "base/arena.h"
#include "store/rows.h"

#define DIM 256
#define TEXT 2048
#define STEP ((size_t)1 << 20)

static const struct lam_row **make_rows(struct lam_arena *arena, size_t count)
{
    const struct lam_row **rows = bench_alloc(count * sizeof *rows);
    uint64_t seed = 1;

    for (size_t i = 0; i < count; i++) {
        struct lam_row *row = lam_arena_alloc(arena, sizeof *row);
        char key[32], text[TEXT + 64];
        float *vector = lam_arena_alloc(arena, DIM * sizeof *vector);

        if (!row || !vector)
            bench_die("arena", "no memory");
        *row = (struct lam_row){0};
        row->rec.key = lam_arena_copy(arena, lam_sv(key, (size_t)snprintf(key, sizeof key, "document-%zu", i)));
        row->rec.hash = lam_hash64(row->rec.key.ptr, row->rec.key.len);
        row->rec.order = lam_arena_copy(arena, lam_sv("12345678", 8));
        row->rec.text = lam_arena_copy(arena, lam_sv(text, bench_text(text, TEXT, &seed)));
        row->rec.metadata = lam_arena_copy(arena, lam_sv(text, 200));
        row->enr.category = LAM_SV("billing");
        row->enr.summary = lam_sv(row->rec.text.ptr, 160);
        row->enr.entities = lam_sv(row->rec.text.ptr, 120);
        row->enr.keywords = lam_sv(row->rec.text.ptr, 60);
        row->enr.language = LAM_SV("en");
        for (size_t d = 0; d < DIM; d++)
            vector[d] = (float)(bench_random(&seed) % 1000) / 1000;
        row->enr.embedding = vector;
        row->enr.dim = DIM;
        rows[i] = row;
    }
    return rows;
}

static double write_segment(const char *root, const struct lam_row *const *rows, size_t count, uint64_t *bytes)
{
    struct lam_target target = {&lam_fs_system, root, "segment.h5", LAM_SEGMENT_RUN};
    struct lam_segment_entry entry;
    struct lam_error err;
    double before;

    unlink(scratch_join(root, "segment.h5"));
    lam_segment_entry_init(&entry);
    before = bench_us();
    BENCH_OK(lam_rows_write_array(&target, rows, count, DIM, &entry, NULL, &err));
    before = bench_us() - before;
    *bytes = entry.bytes;
    lam_segment_entry_release(&entry);
    return before;
}

static double write_plain(const char *root, const char *bytes, size_t len)
{
    const char *tmp = scratch_join(root, "plain.tmp"), *path = scratch_join(root, "plain");
    double before;
    int fd, dir;

    unlink(path);
    before = bench_us();
    if ((fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) < 0)
        bench_die(tmp, "cannot be made");
    for (size_t at = 0; at < len; at += STEP) {
        size_t step = len - at < STEP ? len - at : STEP;

        if (pwrite(fd, bytes + at, step, (off_t)at) != (ssize_t)step)
            bench_die(tmp, "cannot be written");
    }
    if (fsync(fd) || close(fd) || rename(tmp, path) || (dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || fsync(dir) || close(dir))
        bench_die(path, "cannot be synced");
    return bench_us() - before;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    int rounds = argc > 2 ? atoi(argv[2]) : 11;
    size_t mib = argc > 3 ? (size_t)atoi(argv[3]) : 64, count = (mib << 20) / (TEXT + DIM * 4 + 800);
    double *segment = bench_alloc((size_t)rounds * sizeof *segment), *plain = bench_alloc((size_t)rounds * sizeof *plain);
    double *ratio = bench_alloc((size_t)rounds * sizeof *ratio), cpu = 0;
    char root[SCRATCH_PATH], *bytes;
    const struct lam_row **rows;
    struct lam_arena arena;
    uint64_t size = 0;
    size_t len;

    setenv("TMPDIR", folder, 1);
    scratch_make(root);
    lam_arena_init(&arena, (size_t)4 << 30);
    rows = make_rows(&arena, count);
    write_segment(root, rows, count, &size); /* the first one warms up, and tells the bytes */
    bytes = scratch_read(scratch_join(root, "segment.h5"), &len);
    write_plain(root, bytes, len);
    for (int i = 0; i < rounds; i++) {
        double before = bench_cpu_us();

        plain[i] = write_plain(root, bytes, len);
        cpu -= bench_cpu_us() - before;
        before = bench_cpu_us();
        segment[i] = write_segment(root, rows, count, &size);
        cpu += bench_cpu_us() - before;
        ratio[i] = plain[i] / segment[i];
    }
    printf("segment of %zu rows, %.1f MiB, in %s: %.1f ms; plain write and fsync: %.1f ms (medians of %d in turns); CPU beyond the plain write %.1f ms\n", count,
           (double)len / (1 << 20), folder, bench_quantile(segment, (size_t)rounds, 0.5) / 1e3, bench_quantile(plain, (size_t)rounds, 0.5) / 1e3, rounds,
           cpu / rounds / 1e3);
    printf("RESULT segment_of_plain %.1f %% target >= 90 %% (median of ratios %.1f %%)\n",
           100 * bench_quantile(plain, (size_t)rounds, 0.5) / bench_quantile(segment, (size_t)rounds, 0.5), 100 * bench_quantile(ratio, (size_t)rounds, 0.5));
    scratch_remove(root);
    free(bytes);
    free(rows);
    lam_arena_release(&arena);
    free(segment);
    free(plain);
    free(ratio);
    return 0;
}
