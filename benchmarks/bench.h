/* What the benchmarks share: clocks, medians, a folder to write in, and the end of the program where something fails. */
#ifndef LAMINA_BENCHMARKS_BENCH_H
#define LAMINA_BENCHMARKS_BENCH_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lamina/block.h>

#include "base/hash.h"

/* For calls that fill an err of the caller. */
#define BENCH_OK(expression)                                                                                                                          \
    do {                                                                                                                                              \
        if (expression)                                                                                                                               \
            bench_die(#expression, err.text);                                                                                                         \
    } while (0)

static inline _Noreturn void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline double bench_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Of this process: what others take of the cores is not in it. */
static inline double bench_cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static inline int bench_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts values; at: 0.5 is the median. */
static inline double bench_quantile(double *values, size_t count, double at)
{
    qsort(values, count, sizeof *values, bench_by_size);
    return values[(size_t)(at * (double)(count - 1))];
}

static inline uint64_t bench_random(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline void *bench_alloc(size_t len)
{
    void *ptr = calloc(1, len);

    if (!ptr)
        bench_die("malloc", "no memory");
    return ptr;
}

/* About len bytes of prose: words of a small vocabulary, a date, an amount and an address here and there. */
static inline size_t bench_text(char *out, size_t len, uint64_t *seed)
{
    static const char *const words[] = {"the",     "service", "invoice", "was",     "charged", "twice",   "and",    "our",      "password", "does",   "not",    "work",
                                        "since",   "update",  "please",  "refund",  "account", "server",  "error",  "timeout",  "customer", "great",  "support", "slow",
                                        "payment", "login",   "again",   "version", "missing", "feature", "report", "yesterday", "happy",    "broken", "answer", "team"};
    size_t used = 0;
    unsigned in_sentence = 0;

    while (used + 40 < len) {
        uint64_t r = bench_random(seed);

        if (r % 60 == 0)
            used += (size_t)sprintf(out + used, "2026-%02u-%02u", (unsigned)(r >> 8) % 12 + 1, (unsigned)(r >> 16) % 28 + 1);
        else if (r % 60 == 1)
            used += (size_t)sprintf(out + used, "$%u.%02u", (unsigned)(r >> 8) % 1000, (unsigned)(r >> 24) % 100);
        else if (r % 60 == 2)
            used += (size_t)sprintf(out + used, "user%u@example.org", (unsigned)(r >> 8) % 1000);
        else
            used += (size_t)sprintf(out + used, "%s", words[(r >> 8) % (sizeof words / sizeof *words)]);
        if (++in_sentence > 8 + (r >> 32) % 8) {
            out[used++] = '.';
            in_sentence = 0;
        }
        out[used++] = ' ';
    }
    return used;
}

#endif
