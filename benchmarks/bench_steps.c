/*
 * Microseconds a record by step, on one core, as the batch layer does them: JSON lines with texts of 2 KB, all tasks, an upsert dataset.
 *
 *     read      split to lines, with the digest of each MiB            lam_files_next
 *     parse     JSON, key, time, order, text, into a block              lam_refiner_add
 *     analyse   all tasks of the built-in analyzer                      lam_refiner_analyze
 *     write     staged segment: sort, columns, CRC, HDF5                lam_rows_write
 *     resolve   view: merge by key, and the run                         lam_resolve_plan, lam_resolve_write
 *
 * CPU time, so that others on the machine are not in it; beside it wall time, in which the disk is. The best of three turns.
 *
 *     bench_steps [RECORDS] [FOLDER]        20000, /tmp
 */
#include "bench.h"

#include <sys/stat.h>

#include "../tests/support/scratch.h"
#include "ai/builtin/builtin.h"
#include "base/arena.h"
#include "process/refine.h"
#include "source/files.h"
#include "source/scan.h"
#include "source/split.h"
#include "store/resolve.h"

#define TEXT 2048
#define DIM 256
#define TURNS 3
#define TEXT_OF(literal) {(literal), sizeof(literal) - 1} /* in a constant, where LAM_SV may not stand */

enum step { READ, PARSE, ANALYSE, WRITE, RESOLVE, STEPS };

static const char *const step_names[STEPS] = {"read", "parse", "analyse", "write", "resolve"};

static const struct lam_label labels[] = {{TEXT_OF("billing"), TEXT_OF("invoice, charged, refund, payment, card, price, bill")},
                                          {TEXT_OF("outage"), TEXT_OF("service down, outage, error, timeout, unreachable, slow, server")},
                                          {TEXT_OF("account"), TEXT_OF("log in, password, account, user, owner, profile, locked")},
                                          {TEXT_OF("bug"), TEXT_OF("bug, crash, wrong, broken, fails since the update, missing, twice")}};
static const struct lam_tasks tasks = {.wanted = 127, .labels = labels, .label_count = 4, .sentences = 2, .max_keywords = 8, .dim = DIM};

struct timer {
    double cpu_us, wall_us;
};

static struct timer timer_start(void) { return (struct timer){bench_cpu_us(), bench_us()}; }

/* Keeps the turn with the least CPU time. */
static void timer_stop(struct timer timer, struct timer *best)
{
    timer.cpu_us = bench_cpu_us() - timer.cpu_us;
    timer.wall_us = bench_us() - timer.wall_us;
    if (best->cpu_us == 0 || timer.cpu_us < best->cpu_us)
        *best = timer;
}

static void write_corpus(const char *path, size_t records)
{
    FILE *file = fopen(path, "w");
    uint64_t seed = 1;

    if (!file)
        bench_die(path, "cannot be written");
    for (size_t i = 0; i < records; i++) {
        char text[TEXT + 64];
        size_t len = bench_text(text, TEXT, &seed);

        fprintf(file, "{\"id\":\"doc-%zu\",\"updated_at\":\"2026-01-01T00:00:00Z\",\"title\":\"Ticket %zu\",\"text\":\"%.*s\"}\n", i % (records - records / 10), i, (int)len, text);
    }
    if (fclose(file))
        bench_die(path, "cannot be written");
}

static int open_analyzer(void *arg, struct lam_analyzer **analyzer, struct lam_error *err) { return (void)arg, lam_analyzer_builtin.open(&tasks, analyzer, err); }

/* Reads the whole file; with items, copies what it gives into it. */
static size_t read_file(const struct lam_files_options *options, const struct lam_split *split, struct lam_item *items, struct lam_arena *arena)
{
    struct lam_files_result result;
    struct lam_files *files;
    struct lam_item item;
    struct lam_error err;
    size_t count = 0;
    int rc;

    BENCH_OK(lam_files_open(&files, options, split, &err));
    while (!(rc = lam_files_next(files, &item, &err))) {
        if (items) {
            items[count] = item;
            items[count].bytes = items[count].raw = lam_arena_copy(arena, item.bytes);
        }
        count++;
    }
    if (rc != LAM_END || lam_files_finish(files, &result, &err))
        bench_die("read", err.text);
    lam_files_close(files);
    return count;
}

static void parse_all(struct lam_refiner *refiner, const struct lam_item *items, size_t count, struct lam_block *block)
{
    static const struct lam_sv key = TEXT_OF("/id"), text = TEXT_OF("/text");
    const struct lam_extract settings = {.key = &key, .key_count = 1, .text = &text, .text_count = 1, .event_time = TEXT_OF("/updated_at"),
                                         .order_by = LAM_ORDER_TIME, .max_skew_us = -1};
    struct lam_raw raw = {.settings = &settings, .pos = {.source = 1, .life = 1}, .path = LAM_SV("corpus.jsonl"), .name = LAM_SV("corpus.jsonl"),
                          .place = LAM_SV("corpus.jsonl"), .mtime_us = INT64_MIN, .message_us = INT64_MIN, .media_type = "application/json"};
    struct lam_error err;

    for (size_t i = 0; i < count; i++) {
        raw.pos.offset = items[i].offset;
        raw.bytes = raw.raw = items[i].bytes;
        BENCH_OK(lam_refiner_add(refiner, &raw, block, &err));
    }
    if (lam_block_rows(block) != count)
        bench_die("parse", "records were rejected");
}

static void write_rows(const char *root, struct lam_block *block, struct lam_segment_entry *entry)
{
    struct lam_target target = {&lam_fs_system, root, "staged.h5", LAM_SEGMENT_RUN};
    struct lam_error err;

    unlink(scratch_join(root, "staged.h5"));
    lam_segment_entry_init(entry);
    BENCH_OK(lam_rows_write(&target, &block, 1, DIM, true, entry, NULL, &err));
}

static int name_run(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err)
{
    return (void)arg, (void)kind, (void)err, snprintf(path, LAM_SEGMENT_PATH, "run.h5"), 0;
}

static void resolve(const char *root, const struct lam_segment_entry *entry)
{
    struct lam_merge_input input = {0};
    struct lam_resolve_spec spec = {.staged = &input, .staged_count = 1, .dim = DIM};
    struct lam_resolve_result result = {0};
    struct lam_resolve *plan;
    struct lam_map *map;
    struct lam_error err;

    unlink(scratch_join(root, "run.h5"));
    BENCH_OK(lam_map_open(&lam_fs_system, root, entry, &map, &err));
    input.map = map;
    BENCH_OK(lam_resolve_plan(&spec, &plan, &err));
    BENCH_OK(lam_resolve_write(plan, &lam_fs_system, root, name_run, NULL, &result, &err));
    lam_resolve_result_release(&result);
    lam_resolve_free(plan);
    lam_map_unref(map);
}

static void print_table(const struct timer best[STEPS], size_t records)
{
    double cpu = 0, wall = 0;

    printf("%-10s %12s %12s\n", "step", "CPU us/rec", "wall us/rec");
    for (int step = 0; step < STEPS; step++) {
        printf("%-10s %12.2f %12.2f\n", step_names[step], best[step].cpu_us / (double)records, best[step].wall_us / (double)records);
        cpu += best[step].cpu_us;
        wall += best[step].wall_us;
    }
    printf("%-10s %12.2f %12.2f   %.0f records/s and core by CPU time\n", "all", cpu / (double)records, wall / (double)records, (double)records * 1e6 / cpu);
    for (int step = 0; step < STEPS; step++)
        printf("RESULT step_%s %.1f us a record (%.0f %% of the CPU time)\n", step_names[step], best[step].cpu_us / (double)records, 100 * best[step].cpu_us / cpu);
}

int main(int argc, char **argv)
{
    size_t records = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 20000;
    struct lam_refine_options refine = {.max_record = (size_t)16 << 20, .max_depth = 64, .max_raw = 65536, .tasks = &tasks, .layer = LAM_LAYER_BATCH,
                                        .depth = LAM_DEPTH_DEEP, .clock = &lam_clock_system, .open_analyzer = open_analyzer, .analyzer = &lam_analyzer_builtin};
    struct timer best[STEPS] = {{0, 0}}, timer;
    struct lam_item *items = bench_alloc(records * sizeof *items);
    struct lam_block *block = lam_block_new(records + 1, (size_t)4 << 30);
    struct lam_files_options options;
    struct lam_split split = {.format = LAM_FORMAT_JSONL, .path = LAM_SV("corpus.jsonl")};
    struct lam_refiner *refiner;
    char root[SCRATCH_PATH];
    struct lam_arena arena;
    struct lam_error err;
    struct stat st;

    setenv("TMPDIR", argc > 2 ? argv[2] : "/tmp", 1);
    scratch_make(root);
    write_corpus(scratch_join(root, "corpus.jsonl"), records);
    if (stat(scratch_join(root, "corpus.jsonl"), &st) || !block)
        bench_die("corpus.jsonl", "is not there, or no memory");
    lam_files_defaults(&options);
    options.root = root;
    split.end = split.size = (uint64_t)st.st_size;
    split.mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    lam_arena_init(&arena, (size_t)4 << 30);
    if (read_file(&options, &split, items, &arena) != records)
        bench_die("read", "not all records came");
    BENCH_OK(lam_refiner_new(&refiner, &refine, &err));
    for (int turn = 0; turn < TURNS; turn++) {
        struct lam_segment_entry entry;

        timer = timer_start();
        read_file(&options, &split, NULL, NULL);
        timer_stop(timer, &best[READ]);
        lam_block_clear(block);
        timer = timer_start();
        parse_all(refiner, items, records, block);
        timer_stop(timer, &best[PARSE]);
        timer = timer_start();
        BENCH_OK(lam_refiner_analyze(refiner, block, 0, &err));
        timer_stop(timer, &best[ANALYSE]);
        timer = timer_start();
        write_rows(root, block, &entry);
        timer_stop(timer, &best[WRITE]);
        timer = timer_start();
        resolve(root, &entry);
        timer_stop(timer, &best[RESOLVE]);
        lam_segment_entry_release(&entry);
    }
    printf("%zu records of about %d bytes of text, all tasks, embeddings of %d\n", records, TEXT, DIM);
    print_table(best, records);
    lam_refiner_free(refiner);
    lam_block_free(block);
    lam_arena_release(&arena);
    scratch_remove(root);
    free(items);
    return 0;
}
