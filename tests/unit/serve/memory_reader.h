/*
 * A reader over arrays of rows in memory: the double of the store's. A dataset is immutable once published; publishing another one
 * is what a new view is. It can be told to load, to fail, to be slow.
 */
#ifndef LAMINA_TEST_MEMORY_READER_H
#define LAMINA_TEST_MEMORY_READER_H

#include <lamina/reader.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "model/order.h"

struct memory_dataset {
    struct lam_arena arena;
    struct lam_hit *hits;
    size_t count;
    bool append;
    uint64_t view, commit;
    atomic_uint references;
};

struct memory_reader {
    pthread_mutex_t lock; /* guards current */
    struct memory_dataset *current; /* NULL: loading */
    atomic_uint pins;               /* taken so far */
    atomic_int held;                /* not released yet */
    atomic_int conflicts;           /* so many reads find their segments removed */
    atomic_int failure;             /* what reads fail with; 0 */
    atomic_uint delay_us;           /* before each row */
};

struct lam_snapshot {
    struct memory_reader *reader;
    struct memory_dataset *dataset;
};

static inline struct memory_dataset *memory_dataset_new(size_t max_rows, bool append, uint64_t view)
{
    struct memory_dataset *dataset = calloc(1, sizeof *dataset);

    lam_arena_init(&dataset->arena, (size_t)1 << 30);
    dataset->hits = calloc(max_rows ? max_rows : 1, sizeof *dataset->hits);
    dataset->append = append;
    dataset->view = view;
    dataset->commit = 10 * view;
    atomic_init(&dataset->references, 1);
    return dataset;
}

static inline void memory_dataset_unref(struct memory_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub(&dataset->references, 1) > 1)
        return;
    lam_arena_release(&dataset->arena);
    free(dataset->hits);
    free(dataset);
}

/* Copies the text into the dataset. */
static inline struct lam_sv memory_text(struct memory_dataset *dataset, const char *text)
{
    return lam_arena_copy(&dataset->arena, lam_sv_of(text));
}

/* A row to be filled further. Rows have different keys, and come in the order in which they are added until memory_dataset_sort. */
static inline struct lam_hit *memory_add(struct memory_dataset *dataset, struct lam_sv key, const char *category, const char *metadata)
{
    struct lam_hit *hit = &dataset->hits[dataset->count];
    struct lam_record *rec = &hit->row.rec;

    rec->key = lam_arena_copy(&dataset->arena, key);
    rec->hash = lam_hash64(key.ptr, key.len);
    rec->pos = (struct lam_position){.source = 0, .life = 1, .offset = dataset->count};
    rec->event_time_us = rec->arrival_us = LAM_TIME_NONE;
    rec->metadata = memory_text(dataset, metadata);
    hit->row.enr = (struct lam_enrichment){.category = memory_text(dataset, category),
                                           .confidence = 0.9f,
                                           .sentiment = NAN,
                                           .analyzer = LAM_SV("builtin"),
                                           .processed_us = LAM_TIME_NONE};
    hit->view = dataset->view;
    hit->place = dataset->count++;
    hit->source = LAM_SV("docs");
    return hit;
}

static inline int by_hash_and_key(const void *a, const void *b)
{
    const struct lam_record *left = &((const struct lam_hit *)a)->row.rec, *right = &((const struct lam_hit *)b)->row.rec;

    return left->hash != right->hash ? (left->hash > right->hash) - (left->hash < right->hash) : lam_sv_cmp(left->key, right->key);
}

static inline void memory_dataset_sort(struct memory_dataset *dataset)
{
    qsort(dataset->hits, dataset->count, sizeof *dataset->hits, by_hash_and_key);
}

/* Takes the dataset over: later pins see it. */
static inline void memory_publish(struct memory_reader *reader, struct memory_dataset *dataset)
{
    struct memory_dataset *old;

    if (dataset && !dataset->append)
        memory_dataset_sort(dataset);
    pthread_mutex_lock(&reader->lock);
    old = reader->current;
    reader->current = dataset;
    pthread_mutex_unlock(&reader->lock);
    memory_dataset_unref(old);
}

static int memory_ready(void *arg, struct lam_error *err)
{
    struct memory_reader *reader = arg;
    bool ready;

    pthread_mutex_lock(&reader->lock);
    ready = reader->current;
    pthread_mutex_unlock(&reader->lock);
    return ready ? 0 : LAM_FAIL(err, LAM_PENDING, "the first view is not there yet");
}

static int memory_pin(void *arg, unsigned timeout_ms, struct lam_snapshot **snapshot, struct lam_error *err)
{
    struct memory_reader *reader = arg;
    struct lam_snapshot *made = malloc(sizeof *made);

    (void)timeout_ms;
    pthread_mutex_lock(&reader->lock);
    *made = (struct lam_snapshot){reader, reader->current};
    if (made->dataset)
        atomic_fetch_add(&made->dataset->references, 1);
    pthread_mutex_unlock(&reader->lock);
    if (!made->dataset) {
        free(made);
        return LAM_FAIL(err, LAM_PENDING, "the first view is not there yet");
    }
    atomic_fetch_add(&reader->pins, 1);
    atomic_fetch_add(&reader->held, 1);
    *snapshot = made;
    return 0;
}

static void memory_as_of(struct lam_snapshot *snapshot, struct lam_as_of *as_of)
{
    *as_of = (struct lam_as_of){.store = LAM_SV("tickets"),
                                .view = snapshot->dataset->view,
                                .commit = snapshot->dataset->commit,
                                .cutoff = LAM_SV("{\"docs\":{\"scan\":1}}"),
                                .committed_us = INT64_C(1700000000000000),
                                .pinned_us = INT64_C(1700000001000000),
                                .append = snapshot->dataset->append};
}

static int memory_fails(struct lam_snapshot *snapshot, struct lam_error *err)
{
    int failure = atomic_load(&snapshot->reader->failure);

    if (atomic_load(&snapshot->reader->conflicts) > 0 && atomic_fetch_sub(&snapshot->reader->conflicts, 1) > 0)
        return LAM_FAIL(err, LAM_E_CONFLICT, "segment silver/1.h5 was removed");
    return failure ? LAM_FAIL(err, failure, "segment silver/1.h5: dataset text_bytes: checksum differs") : 0;
}

static int memory_get(struct lam_snapshot *snapshot, struct lam_sv key, uint32_t wants, lam_visit *visit,
                      void *visit_arg, struct lam_error *err)
{
    struct memory_dataset *dataset = snapshot->dataset;
    struct lam_hit wanted = {0};
    struct lam_hit *hit = NULL;
    int rc = memory_fails(snapshot, err);

    (void)wants;
    if (rc)
        return rc;
    wanted.row.rec.key = key;
    wanted.row.rec.hash = lam_hash64(key.ptr, key.len);
    if (!dataset->append)
        hit = bsearch(&wanted, dataset->hits, dataset->count, sizeof wanted, by_hash_and_key);
    for (size_t i = dataset->count; dataset->append && !hit && i-- > 0;)
        if (lam_sv_eq(dataset->hits[i].row.rec.key, key))
            hit = &dataset->hits[i];
    return hit ? visit(visit_arg, hit, err) : LAM_FAIL(err, LAM_E_NOT_FOUND, "no such key");
}

static int memory_scan(struct lam_snapshot *snapshot, const struct lam_cursor *from, uint32_t wants, lam_visit *visit,
                       void *visit_arg, struct lam_error *err)
{
    struct memory_dataset *dataset = snapshot->dataset;
    struct lam_hit behind = {0};
    int rc = memory_fails(snapshot, err);

    (void)wants;
    if (from) {
        behind.row.rec.key = from->key;
        behind.row.rec.hash = from->hash;
    }
    for (size_t i = 0; i < dataset->count && !rc; i++) {
        unsigned delay_us = atomic_load(&snapshot->reader->delay_us);

        if (from && (dataset->append ? dataset->hits[i].place <= from->place : by_hash_and_key(&dataset->hits[i], &behind) <= 0))
            continue;
        if (delay_us)
            usleep(delay_us);
        rc = visit(visit_arg, &dataset->hits[i], err);
    }
    return rc;
}

static int memory_stats(struct lam_snapshot *snapshot, struct lam_reader_stats *stats, struct lam_error *err)
{
    static const struct lam_source_count sources[] = {{{"docs \"x\"\n", 9}, 0, 1, 40, 31, 4, 1, 3, 1, 2, 0},
                                                      {{"events", 6}, 1, 1, 1000, 900, 100, 0, 0, 0, 0, 0}};
    static const struct lam_category_count categories[] = {{{"billing", 7}, 20}, {{NULL, 0}, 3}};

    (void)err;
    stats->sources = sources;
    stats->source_count = 2;
    stats->categories = categories;
    stats->category_count = 2;
    stats->view_rows = snapshot->dataset->count;
    stats->lag_records = 12;
    stats->events_per_s = 1234.5;
    stats->agents = (struct lam_agent_counts){.records = 9, .answered = 4, .gave_up = 2, .pending = 1, .open = 2, .from_cache = 3, .tokens = 1200, .cost = 0.25};
    return 0;
}

static void memory_release(struct lam_snapshot *snapshot)
{
    if (!snapshot)
        return;
    atomic_fetch_sub(&snapshot->reader->held, 1);
    memory_dataset_unref(snapshot->dataset);
    free(snapshot);
}

static const struct lam_reader_ops memory_reader_ops = {memory_ready, memory_pin,   memory_as_of,  memory_get,
                                                        memory_scan,  memory_stats, memory_release};

static inline struct lam_reader memory_reader_init(struct memory_reader *reader)
{
    memset(reader, 0, sizeof *reader);
    pthread_mutex_init(&reader->lock, NULL);
    return (struct lam_reader){&memory_reader_ops, reader};
}

static inline void memory_reader_release(struct memory_reader *reader)
{
    memory_publish(reader, NULL);
    pthread_mutex_destroy(&reader->lock);
}

#endif
