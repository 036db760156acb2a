/* The tail: compared with a naive list under random steps; and what queries see while the speed thread appends and chunks are rolled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tail.h"

enum { PARTITIONS = 3, STEPS = 4000 };

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static struct lam_tail_chunk *close_and_take(struct lam_tail_log *tail)
{
    lam_tail_close(tail);
    return lam_tail_take(tail, 0, 0);
}

static struct lam_position position(uint32_t partition, uint64_t offset)
{
    struct lam_position pos = {.source = 1, .life = 1, .offset = offset};

    pos.partition[15] = (uint8_t)partition;
    return pos;
}

/* Appends count messages of a partition from offset on, each with a row, every seventh with a reject instead. Its bytes say its offset. */
static void append(struct lam_tail_log *tail, uint32_t partition, uint64_t offset, size_t count, uint64_t reached)
{
    struct lam_tail_range range = {.partition = partition, .end = reached};
    struct lam_block *block = lam_block_new(64, 1 << 16);
    struct lam_tail_message messages[32];
    char raw[32][32];
    struct lam_error err;

    assert_non_null(block);
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(raw[i], sizeof raw[i], "%" PRIu32 ":%" PRIu64, partition, offset + i);

        messages[i] = (struct lam_tail_message){.pos = position(partition, offset + i), .arrival_us = (int64_t)(1000 + offset + i), .has_raw = true,
                                                .raw = lam_sv(raw[i], (size_t)len), .has_key = true, .key = lam_sv(raw[i], 1)};
        if ((offset + i) % 7 == 6)
            assert_int_equal(lam_block_add_reject(block, &(struct lam_reject){.pos = messages[i].pos, .reason = LAM_SV("bad"), .raw = messages[i].raw}, &err), 0);
        else
            assert_int_equal(lam_block_add_row(block, &(struct lam_row){.rec = {.pos = messages[i].pos, .key = messages[i].raw, .text = messages[i].raw}}, &err), 0);
    }
    assert_int_equal(lam_tail_append(tail, &(struct lam_tail_batch){messages, count, block, NULL, &range, 1, 0}, NULL, &err), 0);
    memset(raw, 'x', sizeof raw); /* what was lent is copied */
    lam_block_free(block);
}

/* --- the model: a list of all positions, each with the chunk that it is in --- */

struct item {
    uint32_t partition;
    uint64_t offset;
    size_t chunk;
};

struct model {
    struct item *items;
    size_t count;
    uint64_t archived[STEPS]; /* of a chunk: 0 not yet, UINT64_MAX taken, or a commit */
    bool freed[STEPS];
    uint64_t next[PARTITIONS], reached[PARTITIONS];
    size_t chunk;             /* the open one */
};

static bool is_row(const struct item *item) { return item->offset % 7 != 6; }

struct visit {
    const struct model *model;
    uint64_t commit;
    size_t at; /* next item that may come */
};

static int check_row(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct visit *visit = arg;
    const struct item *item;
    char key[32];

    (void)err;
    for (;; visit->at++) {
        assert_true(visit->at < visit->model->count);
        item = &visit->model->items[visit->at];
        if (is_row(item) && visit->model->archived[item->chunk] - 1 >= visit->commit && !visit->model->freed[item->chunk]) /* 0 - 1 is never below */
            break;
    }
    snprintf(key, sizeof key, "%" PRIu32 ":%" PRIu64, item->partition, item->offset);
    assert_true(lam_sv_eq(row->rec.key, lam_sv_of(key)));
    assert_int_equal(row->rec.pos.offset, item->offset);
    assert_int_equal(row->rec.pos.partition[15], item->partition);
    visit->at++;
    return 0;
}

/* Exactly the rows that no commit up to `commit` archived, in their order. */
static void check_visit(struct lam_tail_log *tail, const struct model *model, uint64_t commit)
{
    struct visit visit = {model, commit, 0};
    struct lam_error err;

    assert_int_equal(lam_tail_visit(tail, commit, check_row, &visit, &err), 0);
    for (; visit.at < model->count; visit.at++) {
        const struct item *item = &model->items[visit.at];

        if (is_row(item) && model->archived[item->chunk] - 1 >= commit && !model->freed[item->chunk])
            fail_msg("%" PRIu32 ":%" PRIu64 " was not visited at commit %" PRIu64, item->partition, item->offset, commit);
    }
}

static void check_stats(struct lam_tail_log *tail, const struct model *model)
{
    struct lam_tail_stats stats = lam_tail_stats(tail);
    struct lam_tail_range ranges[PARTITIONS];
    size_t rows = 0, rejects = 0, open = 0, live[PARTITIONS] = {0}, count;
    int64_t oldest = INT64_MAX;

    for (size_t i = 0; i < model->count; i++) {
        const struct item *item = &model->items[i];

        if (model->archived[item->chunk] == 0 || model->archived[item->chunk] == UINT64_MAX) {
            rows += is_row(item);
            rejects += !is_row(item);
        }
        if (item->chunk == model->chunk) {
            if (open++ == 0)
                oldest = (int64_t)(1000 + item->offset);
        }
        live[item->partition] += !model->freed[item->chunk];
    }
    assert_int_equal(stats.rows, rows);
    assert_int_equal(stats.rejects, rejects);
    assert_int_equal(stats.open_count, open);
    assert_int_equal(stats.oldest_us, oldest);
    count = lam_tail_reached(tail, ranges, PARTITIONS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ranges[i].end, model->reached[ranges[i].partition]);
    for (uint32_t p = 0; p < PARTITIONS; p++) { /* every partition with something here is told */
        bool told = false;

        for (size_t i = 0; i < count; i++)
            told = told || ranges[i].partition == p;
        assert_true(told || live[p] == 0);
    }
}

/* A taken chunk holds what was appended since the one before: messages, witness, ranges. */
static void check_chunk(struct lam_tail_chunk *chunk, const struct model *model, size_t number)
{
    size_t count, range_count, at = 0;
    const struct lam_tail_message *messages = lam_tail_chunk_messages(chunk, &count);
    const struct lam_tail_range *ranges = lam_tail_chunk_ranges(chunk, &range_count);

    for (size_t i = 0; i < model->count; i++) {
        char raw[32];

        if (model->items[i].chunk != number)
            continue;
        assert_true(at < count);
        snprintf(raw, sizeof raw, "%" PRIu32 ":%" PRIu64, model->items[i].partition, model->items[i].offset);
        assert_true(lam_sv_eq(messages[at].raw, lam_sv_of(raw)));
        assert_int_equal(messages[at++].pos.offset, model->items[i].offset);
    }
    assert_int_equal(at, count);
    for (size_t r = 0; r < range_count; r++) {
        uint64_t first = UINT64_MAX, last = 0;

        for (size_t i = 0; i < count; i++)
            if (messages[i].pos.partition[15] == ranges[r].partition) {
                first = messages[i].pos.offset < first ? messages[i].pos.offset : first;
                last = messages[i].pos.offset;
            }
        assert_int_equal(ranges[r].begin, first);
        assert_int_equal(ranges[r].last.pos.offset, last);
        assert_true(ranges[r].end > last);
    }
}

static void random_steps_equal_a_naive_list(void **state)
{
    uint64_t seed = (uint64_t)time(NULL) | 1, commit = 1;
    struct model *model = calloc(1, sizeof *model);
    struct lam_tail_chunk *taken[STEPS];
    size_t taken_number[STEPS], taken_count = 0, taken_done = 0;
    struct lam_tail_log *tail;
    struct lam_error err;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    assert_non_null(model);
    assert_non_null(model->items = calloc((size_t)STEPS * 32, sizeof *model->items));
    assert_int_equal(lam_tail_log_new(&tail, &err), 0);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = next(&seed) % 10;

        if (what < 5) {
            uint32_t partition = (uint32_t)(next(&seed) % PARTITIONS);
            size_t count = 1 + next(&seed) % 20;
            uint64_t gap = next(&seed) % 3; /* control records: offsets without a message */

            model->next[partition] += next(&seed) % 2;
            append(tail, partition, model->next[partition], count, model->next[partition] + count + gap);
            for (size_t i = 0; i < count; i++)
                model->items[model->count++] = (struct item){partition, model->next[partition] + i, model->chunk};
            model->reached[partition] = model->next[partition] + count + gap;
            model->next[partition] += count + gap;
        } else if (what < 7) {
            bool any = model->count && model->items[model->count - 1].chunk == model->chunk;
            struct lam_tail_chunk *chunk = close_and_take(tail);

            assert_int_equal(chunk != NULL, any);
            if (chunk) {
                check_chunk(chunk, model, model->chunk);
                model->archived[model->chunk] = UINT64_MAX;
                taken[taken_count] = chunk;
                taken_number[taken_count++] = model->chunk++;
            }
        } else if (what < 8 && taken_done < taken_count) { /* in order, as rolls are committed */
            commit += 1 + next(&seed) % 3;
            lam_tail_archived(tail, taken[taken_done], commit);
            model->archived[taken_number[taken_done++]] = commit;
        } else if (what < 9) {
            uint64_t kept = next(&seed) % (commit + 2);

            lam_tail_let_go(tail, kept);
            for (size_t i = 0; i < taken_done; i++)
                model->freed[taken_number[i]] |= model->archived[taken_number[i]] <= kept;
        } else if (step % 20 == 0) {
            check_visit(tail, model, commit); /* the newest */
            check_visit(tail, model, next(&seed) % (commit + 1));
        }
        if (step % 50 == 0)
            check_stats(tail, model);
    }
    check_visit(tail, model, commit);
    check_visit(tail, model, 0);
    lam_tail_log_free(tail);
    free(model->items);
    free(model);
}

static void an_empty_tail_has_nothing_to_roll(void **state)
{
    struct lam_tail_range range = {.partition = 1, .end = 5};
    struct lam_block *block = lam_block_new(1, 64);
    struct lam_tail_log *tail;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_tail_log_new(&tail, &err), 0);
    assert_null(close_and_take(tail));
    assert_int_equal(lam_tail_append(tail, &(struct lam_tail_batch){NULL, 0, block, NULL, &range, 1, 0}, NULL, &err), 0);
    assert_null(close_and_take(tail)); /* control records alone are no chunk */
    lam_tail_let_go(tail, UINT64_MAX - 1);
    append(tail, 1, 5, 3, 8); /* one of them is a reject */
    assert_int_equal(lam_tail_stats(tail).rows, 2);
    assert_int_equal(lam_tail_stats(tail).rejects, 1);
    lam_block_free(block);
    lam_tail_log_free(tail);
}

static int stop_at_three(void *arg, const struct lam_row *row, struct lam_error *err)
{
    (void)row;
    (void)err;
    return ++*(int *)arg == 3 ? LAM_E_CANCELLED : 0;
}

static void a_visit_ends_with_what_its_visitor_says(void **state)
{
    struct lam_tail_log *tail;
    struct lam_error err;
    int count = 0;

    (void)state;
    assert_int_equal(lam_tail_log_new(&tail, &err), 0);
    append(tail, 0, 0, 5, 5);
    close_and_take(tail);
    append(tail, 0, 7, 5, 12);
    assert_int_equal(lam_tail_visit(tail, 0, stop_at_three, &count, &err), LAM_E_CANCELLED);
    assert_int_equal(count, 3);
    lam_tail_log_free(tail);
}

/* --- threads: one appends, this one rolls and lets go, others pin a commit and count --- */

enum { APPENDS = 3000, BATCH = 8 };

struct shared {
    struct lam_tail_log *tail;
    atomic_uint_fast64_t commit;           /* newest commit */
    atomic_uint_fast64_t below[APPENDS + 2]; /* rows that commits up to this one archived */
    atomic_uint_fast64_t appended;         /* rows, before the append that adds more begins */
    atomic_bool done;
};

static void *append_all(void *arg)
{
    struct shared *shared = arg;

    for (uint64_t i = 0; i < APPENDS; i++) {
        append(shared->tail, 0, 7 * i, 6, 7 * i + 6); /* six rows, no reject */
        atomic_store(&shared->appended, 6 * (i + 1));
    }
    return NULL;
}

struct seen {
    uint64_t rows, last;
};

static int count_row(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct seen *seen = arg;

    (void)err;
    if (seen->rows && row->rec.pos.offset <= seen->last)
        return LAM_E_CORRUPT;
    seen->last = row->rec.pos.offset;
    seen->rows++;
    return 0;
}

/* Archived by the pinned commit, and seen in the tail: together never less than what was appended before, and whole appends only. */
static void *query(void *arg)
{
    struct shared *shared = arg;
    uintptr_t failures = 0;

    while (!atomic_load(&shared->done)) {
        uint64_t appended = atomic_load(&shared->appended), commit = atomic_load(&shared->commit), below = atomic_load(&shared->below[commit]);
        struct seen seen = {0};
        struct lam_error err;

        failures += lam_tail_visit(shared->tail, commit, count_row, &seen, &err) != 0;
        failures += below + seen.rows < appended || seen.rows % 6 != 0;
        lam_tail_stats(shared->tail);
    }
    return (void *)failures;
}

static void a_pinned_commit_and_the_tail_cover_all_rows_while_chunks_roll(void **state)
{
    struct shared *shared = calloc(1, sizeof *shared);
    pthread_t writer, readers[2];
    struct lam_error err;
    uint64_t rows = 0;
    void *failures;

    (void)state;
    assert_non_null(shared);
    assert_int_equal(lam_tail_log_new(&shared->tail, &err), 0);
    assert_int_equal(pthread_create(&writer, NULL, append_all, shared), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, query, shared), 0);
    while (rows < 6 * APPENDS) {
        struct lam_tail_chunk *chunk = close_and_take(shared->tail);
        uint64_t commit = atomic_load(&shared->commit) + 1;

        if (!chunk)
            continue;
        rows += lam_block_rows(lam_tail_chunk_block(chunk));
        atomic_store(&shared->below[commit], rows);
        lam_tail_archived(shared->tail, chunk, commit); /* the tail knows it before anybody can pin it */
        atomic_store(&shared->commit, commit);
    }
    atomic_store(&shared->done, true);
    pthread_join(writer, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i], &failures);
        assert_int_equal((uintptr_t)failures, 0);
    }
    lam_tail_let_go(shared->tail, atomic_load(&shared->commit));
    assert_int_equal(lam_tail_stats(shared->tail).bytes, 0);
    lam_tail_log_free(shared->tail);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_equal_a_naive_list),
        cmocka_unit_test(an_empty_tail_has_nothing_to_roll),
        cmocka_unit_test(a_visit_ends_with_what_its_visitor_says),
        cmocka_unit_test(a_pinned_commit_and_the_tail_cover_all_rows_while_chunks_roll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
