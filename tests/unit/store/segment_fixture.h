/* What the tests of segments share: random rows, and comparing them. */
#ifndef LAMINA_TESTS_SEGMENT_FIXTURE_H
#define LAMINA_TESTS_SEGMENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "faulty_fs.h"
#include "model/order.h"
#include "rows.h"
#include "scratch.h"

#define assert_ok(expression)                                                                                                                                  \
    do {                                                                                                                                                       \
        int rc_ = (expression);                                                                                                                                \
                                                                                                                                                               \
        if (rc_)                                                                                                                                               \
            fail_msg("%s: %s: %s", #expression, lam_error_name(rc_), err.text);                                                                                \
    } while (0)

static inline size_t files_in(const char *root)
{
    DIR *dir = opendir(root);
    size_t count = 0;
    struct dirent *entry;

    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline bool is_there(const char *root, const char *name) { return access(scratch_join(root, name), F_OK) == 0; }

/* --- random rows --- */

static inline uint64_t random64(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t below(uint64_t *seed, uint64_t n) { return random64(seed) % n; }

/* A seed that is printed, so that a failure can be had again: LAMINA_TEST_SEED. */
static inline uint64_t first_seed(void)
{
    const char *given = getenv("LAMINA_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

    print_message("LAMINA_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static inline struct lam_sv random_text(struct lam_arena *arena, uint64_t *seed, size_t max)
{
    size_t len = below(seed, 4) ? below(seed, max + 1) : 0;
    char *ptr = lam_arena_alloc(arena, len + 1);

    for (size_t i = 0; i < len; i++)
        ptr[i] = (char)below(seed, 256);
    return lam_sv(ptr, len);
}

static inline struct lam_sv text_of(struct lam_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline struct lam_sv text_of(struct lam_arena *arena, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return lam_arena_copy(arena, lam_sv_of(text));
}

/* A row of a stream with this key; the order is value, then position. */
static inline struct lam_row make_row(struct lam_arena *arena, struct lam_sv key, int64_t value, uint32_t source, uint32_t life,
                                      uint32_t partition, uint64_t offset)
{
    struct lam_row row = {.rec = {.pos = {source, life, {0}, offset}, .key = key, .hash = lam_hash64(key.ptr, key.len),
                                  .event_time_us = value}};
    struct lam_buf order;

    lam_position_set_partition(&row.rec.pos, partition);
    lam_buf_init(&order, 256);
    assert_int_equal(lam_order_add_time(&order, value, NULL), 0);
    assert_int_equal(lam_order_add_position(&order, &row.rec.pos, lam_sv(NULL, 0), NULL), 0);
    row.rec.order = lam_arena_copy(arena, lam_buf_sv(&order));
    lam_buf_release(&order);
    row.enr.sentiment = NAN;
    return row;
}

/* The same with every other field at random. */
static inline struct lam_row random_row(struct lam_arena *arena, uint64_t *seed, uint32_t dim)
{
    struct lam_row row = make_row(arena, random_text(arena, seed, 12), (int64_t)below(seed, 1000), (uint32_t)below(seed, 3),
                                  (uint32_t)below(seed, 3),
                                  (uint32_t)below(seed, 4), random64(seed));
    struct lam_sv *const texts[] = {&row.rec.media_type, &row.rec.title,    &row.rec.text,     &row.rec.structure, &row.rec.metadata,
                                    &row.enr.category,
                                    &row.enr.entities,   &row.enr.summary,  &row.enr.language, &row.enr.keywords,  &row.enr.analyzer,
                                    &row.enr.custom,     &row.enr.trace,    &row.enr.space};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = random_text(arena, seed, 40);
    row.rec.arrival_us = (int64_t)random64(seed);
    row.rec.op = (uint8_t)below(seed, 2);
    row.rec.flags = (uint32_t)random64(seed);
    row.enr.confidence = (float)below(seed, 100) / 100;
    row.enr.sentiment = below(seed, 3) ? (float)below(seed, 100) / 100 : NAN;
    row.enr.layer = (uint8_t)below(seed, 2);
    row.enr.depth = (uint8_t)below(seed, 2);
    row.enr.model = (uint32_t)random64(seed);
    row.enr.prompt = (uint32_t)random64(seed);
    row.enr.tokens = (uint32_t)random64(seed);
    row.enr.processed_us = (int64_t)random64(seed);
    if (dim && below(seed, 4)) {
        float *vector = lam_arena_alloc(arena, dim * sizeof *vector);

        for (uint32_t i = 0; i < dim; i++)
            vector[i] = (float)below(seed, 1000) / 1000;
        row.enr.embedding = vector;
        row.enr.dim = dim;
    }
    return row;
}

static inline void assert_sv_equal(struct lam_sv a, struct lam_sv b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static inline void assert_rows_equal(const struct lam_row *a, const struct lam_row *b)
{
    assert_int_equal(lam_position_cmp(&a->rec.pos, &b->rec.pos), 0);
    assert_sv_equal(a->rec.key, b->rec.key);
    assert_sv_equal(a->rec.order, b->rec.order);
    assert_true(a->rec.hash == b->rec.hash);
    assert_true(a->rec.event_time_us == b->rec.event_time_us);
    assert_true(a->rec.arrival_us == b->rec.arrival_us);
    assert_int_equal(a->rec.op, b->rec.op);
    assert_int_equal(a->rec.flags, b->rec.flags);
    assert_sv_equal(a->rec.media_type, b->rec.media_type);
    assert_sv_equal(a->rec.title, b->rec.title);
    assert_sv_equal(a->rec.text, b->rec.text);
    assert_sv_equal(a->rec.structure, b->rec.structure);
    assert_sv_equal(a->rec.metadata, b->rec.metadata);
    assert_sv_equal(a->enr.category, b->enr.category);
    assert_memory_equal(&a->enr.confidence, &b->enr.confidence, sizeof(float));
    assert_memory_equal(&a->enr.sentiment, &b->enr.sentiment, sizeof(float));
    assert_sv_equal(a->enr.entities, b->enr.entities);
    assert_sv_equal(a->enr.summary, b->enr.summary);
    assert_sv_equal(a->enr.language, b->enr.language);
    assert_sv_equal(a->enr.keywords, b->enr.keywords);
    assert_sv_equal(a->enr.custom, b->enr.custom);
    assert_sv_equal(a->enr.trace, b->enr.trace);
    assert_sv_equal(a->enr.space, b->enr.space);
    assert_int_equal(a->enr.dim, b->enr.dim);
    if (a->enr.dim)
        assert_memory_equal(a->enr.embedding, b->enr.embedding, a->enr.dim * sizeof(float));
    assert_int_equal(a->enr.layer, b->enr.layer);
    assert_int_equal(a->enr.depth, b->enr.depth);
    assert_sv_equal(a->enr.analyzer, b->enr.analyzer);
    assert_int_equal(a->enr.model, b->enr.model);
    assert_int_equal(a->enr.prompt, b->enr.prompt);
    assert_int_equal(a->enr.tokens, b->enr.tokens);
    assert_true(a->enr.processed_us == b->enr.processed_us);
}

#endif
