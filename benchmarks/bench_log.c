/*
 * Opening a log: of about 1,000 commits, and of 100,000, with the same state behind both (a speed layer that moves four archive positions, adds a
 * segment and removes the one of 20 commits before). Half a hundred commits lie behind the newest checkpoint of both. The logs are made
 * through a file layer that does not sync; they are opened through the real one, in turns.
 *
 *     bench_log [MANY] [ROUNDS] [FOLDER]        100000, 101, /tmp
 */
#include "bench.h"

#include "../tests/support/scratch.h"
#include "store/log.h"

#define KEPT 20
#define BEHIND 50 /* commits behind a checkpoint */

static int no_fsync(void *arg, int fd) { return (void)arg, (void)fd, 0; }

static void commit_and_release(struct lam_commitlog *log, struct lam_commit *commit, uint64_t *number)
{
    struct lam_error err;

    BENCH_OK(lam_commitlog_commit(log, commit, number, &err));
    lam_commit_release(commit);
}

static uint64_t begin(struct lam_commitlog *log)
{
    struct lam_holder holder = {.host = "node", .pid = 1, .started = 2, .boot = "boot", .pid_namespace = 3, .job = "bench", .run = "0123456789abcdef0123456789abcdef"};
    struct lam_commit commit;
    struct lam_error err;
    uint64_t term;

    lam_commit_init(&commit, 0);
    BENCH_OK(lam_commit_term(&commit, 1u << LAM_TERM_SPEED, &holder, &err));
    commit_and_release(log, &commit, &term);
    lam_commit_init(&commit, term);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, term);
    BENCH_OK(lam_commit_source(&commit, "events", &err) || lam_commit_life(&commit, "events", "topic", &err));
    commit_and_release(log, &commit, NULL);
    return term;
}

static void add_commit(struct lam_commitlog *log, uint64_t term, uint64_t i)
{
    struct lam_archived partitions[4];
    struct lam_segment_entry entry;
    struct lam_commit commit;
    struct lam_error err;
    char old[LAM_SEGMENT_PATH];

    lam_segment_entry_init(&entry);
    snprintf(entry.path, sizeof entry.path, "speed/%08" PRIu64 ".h5", i);
    entry.kind = LAM_SEGMENT_SPEED;
    entry.layout = 1;
    entry.rows = 10;
    entry.bytes = 4096;
    for (uint32_t p = 0; p < 4; p++)
        partitions[p] = (struct lam_archived){.partition = p, .next = 10 * (i + 1)};
    lam_commit_init(&commit, lam_commitlog_peek(log)->number);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, term);
    BENCH_OK(lam_commit_archive(&commit, 1, 1, partitions, 4, NULL, &err) || lam_commit_add(&commit, &entry, &err));
    if (i >= KEPT) {
        snprintf(old, sizeof old, "speed/%08" PRIu64 ".h5", i - KEPT);
        BENCH_OK(lam_commit_remove(&commit, old, &err));
    }
    commit_and_release(log, &commit, NULL);
}

static void make_log(const char *root, uint64_t commits)
{
    struct lam_fs_ops ops = *lam_fs_system.ops;
    struct lam_fs fs = {&ops, lam_fs_system.arg};
    struct lam_commitlog_options options = {.fs = &fs};
    struct lam_commitlog *log;
    struct lam_error err;
    double start = bench_us();
    uint64_t term;

    ops.fsync = no_fsync;
    BENCH_OK(lam_commitlog_open(&log, root, &options, &err));
    term = begin(log);
    for (uint64_t i = 0; lam_commitlog_peek(log)->number < commits; i++)
        add_commit(log, term, i);
    lam_commitlog_close(log);
    printf("%" PRIu64 " commits made in %.1f s, %.0f us each without sync\n", commits, (bench_us() - start) / 1e6, (bench_us() - start) / (double)commits);
}

static double open_log(const char *root, uint64_t expected)
{
    struct lam_commitlog *log;
    struct lam_error err;
    double before = bench_us();

    BENCH_OK(lam_commitlog_open(&log, root, NULL, &err));
    before = bench_us() - before;
    if (lam_commitlog_peek(log)->number != expected || lam_commitlog_peek(log)->segment_count != KEPT)
        bench_die("open", "not the state that was written");
    lam_commitlog_close(log);
    return before;
}

int main(int argc, char **argv)
{
    uint64_t many = (argc > 1 ? strtoull(argv[1], NULL, 10) : 100000) + BEHIND, few = 1000 + BEHIND;
    size_t rounds = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 101;
    double *of_few = bench_alloc(rounds * sizeof *of_few), *of_many = bench_alloc(rounds * sizeof *of_many), a, b;
    char root_few[SCRATCH_PATH], root_many[SCRATCH_PATH];

    setenv("TMPDIR", argc > 3 ? argv[3] : "/tmp", 1);
    scratch_make(root_few);
    scratch_make(root_many);
    make_log(root_few, few);
    make_log(root_many, many);
    for (size_t i = 0; i < rounds; i++) {
        of_few[i] = open_log(root_few, few);
        of_many[i] = open_log(root_many, many);
    }
    a = bench_quantile(of_few, rounds, 0.1);
    b = bench_quantile(of_many, rounds, 0.1);
    printf("opened, p10 / median / p90: %" PRIu64 " commits %.2f / %.2f / %.2f ms; %" PRIu64 " commits %.2f / %.2f / %.2f ms\n", few, a / 1e3,
           bench_quantile(of_few, rounds, 0.5) / 1e3, bench_quantile(of_few, rounds, 0.9) / 1e3, many, b / 1e3, bench_quantile(of_many, rounds, 0.5) / 1e3,
           bench_quantile(of_many, rounds, 0.9) / 1e3);
    /* p10: what it costs when nobody takes the core meanwhile */
    printf("RESULT open_log_ratio %.2f target 1 within noise (p10; of medians %.2f; p90 to p10 of the short log %.2f)\n", b / a,
           bench_quantile(of_many, rounds, 0.5) / bench_quantile(of_few, rounds, 0.5), bench_quantile(of_few, rounds, 0.9) / a);
    scratch_remove(root_few);
    scratch_remove(root_many);
    free(of_few);
    free(of_many);
    return 0;
}
