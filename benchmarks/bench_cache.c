/*
 * The response cache: keys made from texts of 2 KB and their answers looked up, the second run of a corpus as the cache sees it; and how fast answers are
 * flushed, against plain writes with the same number of syncs.
 *
 *     bench_cache [ANSWERS] [FOLDER]        200000, /tmp
 */
#include "bench.h"

#include "../tests/support/scratch.h"
#include "ai/cache.h"

#define TEXT 2048
#define ANSWER 400
#define WRITERS 8 /* runs that filled it, so that there are several files and indexes */

static void put_all(const char *root, const char *texts, uint64_t from, uint64_t to, const struct lam_cache_scope *scope, struct lam_cache_counts *counts)
{
    struct lam_cache *cache;
    char value[ANSWER];
    struct lam_error err;
    int rc;

    BENCH_OK(lam_cache_open(&cache, root, NULL, &err));
    memset(value, 'v', sizeof value);
    for (uint64_t i = from; i < to; i++) {
        struct lam_cache_meta meta = {0, 500, 100};

        memcpy(value, &i, sizeof i);
        while ((rc = lam_cache_put(cache, lam_cache_key(scope, lam_sv(texts + i * TEXT, TEXT)), lam_sv(value, sizeof value), &meta, NULL, NULL, &err)) == LAM_PENDING)
            BENCH_OK(lam_cache_flush(cache, &err));
        if (rc)
            bench_die("put", err.text);
    }
    BENCH_OK(lam_cache_flush(cache, &err));
    lam_cache_counts(cache, counts);
    lam_cache_close(cache);
}

/* CPU of one lookup, hashing of its text included. */
static double look_up(struct lam_cache *cache, const char *texts, uint64_t answers, uint64_t lookups, const struct lam_cache_scope *scope, bool there)
{
    struct lam_buf value;
    uint64_t seed = 5;
    double cpu;

    lam_buf_init(&value, 1 << 20);
    cpu = bench_cpu_us();
    for (uint64_t i = 0; i < lookups; i++) {
        uint64_t n = bench_random(&seed) % answers;
        struct lam_digest key = lam_cache_key(scope, lam_sv(texts + n * TEXT, TEXT));
        int rc;

        lam_buf_clear(&value);
        rc = lam_cache_get(cache, key, &value, NULL, NULL);
        if ((rc == 0) != there || (there && memcmp(value.ptr, &n, sizeof n)))
            bench_die("get", there ? "an answer is missing, or another's" : "an answer to what was never asked");
    }
    cpu = (bench_cpu_us() - cpu) / (double)lookups;
    lam_buf_release(&value);
    return cpu;
}

/* As many bytes, written and synced as often, by nobody but write and fdatasync. */
static double plain_writes(const char *root, uint64_t bytes, uint64_t syncs)
{
    char *block = bench_alloc(bytes / syncs + 1);
    FILE *file = fopen(scratch_join(root, "plain"), "wb");
    double us = bench_us();

    if (!file)
        bench_die("plain", "cannot be written");
    for (uint64_t i = 0; i < syncs; i++)
        if (fwrite(block, 1, bytes / syncs, file) != bytes / syncs || fflush(file) || fdatasync(fileno(file)))
            bench_die("plain", "cannot be written");
    fclose(file);
    free(block);
    return bench_us() - us;
}

static void fill(const char *root, const char *texts, uint64_t answers, const struct lam_cache_scope *scope)
{
    double us = bench_us(), cpu = bench_cpu_us(), plain;
    uint64_t flushes = 0;

    for (uint64_t writer = 0; writer < WRITERS; writer++) {
        struct lam_cache_counts counts;

        put_all(root, texts, answers * writer / WRITERS, answers * (writer + 1) / WRITERS, scope, &counts);
        flushes += counts.flushes;
    }
    us = bench_us() - us;
    cpu = bench_cpu_us() - cpu;
    plain = plain_writes(root, answers * (ANSWER + 44), flushes);
    printf("flushed: %" PRIu64 " answers of %d bytes in %" PRIu64 " group commits: %.0f a second, %.1f us of CPU each (the key's hash included); plain writes with as many syncs take %.2f of that time\n",
           answers, ANSWER, flushes, (double)answers / us * 1e6, cpu / (double)answers, plain / us);
}

int main(int argc, char **argv)
{
    uint64_t answers = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000, seed = 1;
    struct lam_cache_scope scope = lam_cache_scope(LAM_SV("model"), LAM_SV("1"), LAM_SV("{}"), LAM_SV("")), other = lam_cache_scope(LAM_SV("model"), LAM_SV("2"), LAM_SV("{}"), LAM_SV(""));
    char root[SCRATCH_PATH], *texts = bench_alloc(answers * TEXT);
    struct lam_cache_counts counts;
    struct lam_cache *cache;
    struct lam_error err;
    double open, hit, miss;

    setenv("TMPDIR", argc > 2 ? argv[2] : "/tmp", 1);
    scratch_make(root);
    for (uint64_t i = 0; i < answers * TEXT; i += 8)
        memcpy(texts + i, &(uint64_t){bench_random(&seed)}, 8);
    fill(root, texts, answers, &scope);
    open = bench_cpu_us();
    BENCH_OK(lam_cache_open(&cache, root, NULL, &err));
    open = bench_cpu_us() - open;
    hit = look_up(cache, texts, answers, answers, &scope, true);
    miss = look_up(cache, texts, answers, answers, &other, false);
    lam_cache_counts(cache, &counts);
    printf("opened in %.0f us of CPU: %" PRIu64 " files, %" PRIu64 " indexes, %" PRIu64 " keys in memory\n", open, counts.files, counts.indexes, counts.keys_in_memory);
    printf("RESULT cache_found %.0f documents a second and core target 20000\n", 1e6 / hit);
    printf("found:   %.2f us of CPU, %.0f documents a second and core (texts of %d bytes hashed)\n", hit, 1e6 / hit, TEXT);
    printf("missing: %.2f us of CPU, %.0f a second and core\n", miss, 1e6 / miss);
    lam_cache_close(cache);
    scratch_remove(root);
    free(texts);
    return 0;
}
