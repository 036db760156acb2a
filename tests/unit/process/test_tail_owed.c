/* Rows of the tail that are owed an answer: when their chunk may be rolled, what becomes of a late answer, and what queries see meanwhile. */
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

enum { BATCH = 4 };

static struct lam_tail_log *new_tail(void)
{
    struct lam_tail_log *tail;
    struct lam_error err;

    assert_int_equal(lam_tail_log_new(&tail, &err), 0);
    return tail;
}

/* BATCH rows from offset on, of which owed says who is owed something: pending, and without an answer. */
static struct lam_tail_place append_at(struct lam_tail_log *tail, int64_t now_us, uint64_t offset, const bool owed[BATCH])
{
    struct lam_tail_range reached = {.end = offset + BATCH};
    struct lam_tail_message messages[BATCH];
    struct lam_block *block = lam_block_new(BATCH, 1 << 12);
    struct lam_tail_place first;
    struct lam_error err;

    assert_non_null(block);
    for (size_t i = 0; i < BATCH; i++) {
        struct lam_row row = {.rec = {.pos = {.source = 1, .life = 1, .offset = offset + i}, .key = LAM_SV("k"), .flags = owed[i] ? LAM_ROW_PENDING : 0}};

        messages[i] = (struct lam_tail_message){.pos = row.rec.pos, .arrival_us = 1, .has_raw = true, .raw = LAM_SV("raw")};
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    }
    assert_int_equal(lam_tail_append(tail, &(struct lam_tail_batch){messages, BATCH, block, owed, &reached, 1, now_us}, &first, &err), 0);
    lam_block_free(block);
    return first;
}

static struct lam_tail_place append(struct lam_tail_log *tail, uint64_t offset, const bool owed[BATCH]) { return append_at(tail, 0, offset, owed); }

static struct lam_tail_chunk *close_and_take(struct lam_tail_log *tail, int64_t now_us, int64_t patience_us)
{
    lam_tail_close(tail);
    return lam_tail_take(tail, now_us, patience_us);
}

static struct lam_tail_place place(struct lam_tail_place first, size_t i) { return (struct lam_tail_place){first.chunk, first.row + i}; }

static int settle(struct lam_tail_log *tail, struct lam_tail_place at, const char *answer)
{
    struct lam_row row = {.enr = {.custom = lam_sv_of(answer), .trace = LAM_SV("{\"agent\":{}}"), .tokens = 7}};
    struct lam_error err;

    return lam_tail_settle(tail, at, &row, &err);
}

struct seen {
    size_t rows, pending, answered, wrong;
};

static int look(void *arg, const struct lam_row *row, struct lam_error *err)
{
    struct seen *seen = arg;
    bool pending = row->rec.flags & LAM_ROW_PENDING, answered = row->enr.custom.len;

    (void)err;
    seen->rows++;
    seen->pending += pending;
    seen->answered += answered;
    seen->wrong += (pending && answered) || (answered && (row->enr.tokens != 7 || row->enr.trace.len != strlen("{\"agent\":{}}")));
    return 0;
}

static struct seen seen(struct lam_tail_log *tail)
{
    struct seen seen = {0};
    struct lam_error err;

    assert_int_equal(lam_tail_visit(tail, 0, look, &seen, &err), 0);
    assert_int_equal(seen.wrong, 0);
    return seen;
}

static void a_chunk_waits_until_all_is_settled(void **state)
{
    struct lam_tail_log *tail = new_tail();
    struct lam_tail_place first = append_at(tail, 100, 0, (bool[]){true, false, true, false});
    struct lam_tail_chunk *chunk;
    struct lam_error err;

    (void)state;
    assert_int_equal(seen(tail).rows, 4);
    assert_int_equal(seen(tail).pending, 2);
    assert_null(close_and_take(tail, 100, 50));
    assert_true(lam_tail_stats(tail).closed);
    assert_true(lam_tail_stats(tail).stuck);
    assert_true(lam_tail_waits(tail, place(first, 0)));
    assert_int_equal(settle(tail, place(first, 0), "{\"agent\":1}"), 0);
    assert_null(lam_tail_take(tail, 149, 50));
    assert_int_equal(lam_tail_settle(tail, place(first, 2), NULL, &err), 0); /* nothing comes: it stays as it is */
    assert_int_equal(seen(tail).pending, 1);
    assert_int_equal(seen(tail).answered, 1);
    assert_false(lam_tail_stats(tail).stuck);
    assert_non_null(chunk = lam_tail_take(tail, 149, 50));
    assert_true(lam_sv_eq(lam_block_row(lam_tail_chunk_block(chunk), 0)->enr.custom, LAM_SV("{\"agent\":1}")));
    assert_false(lam_tail_stats(tail).closed);
    lam_tail_log_free(tail);
}

static void patience_ends_and_what_comes_then_is_late(void **state)
{
    struct lam_tail_log *tail = new_tail();
    struct lam_tail_place first = append_at(tail, 1000, 0, (bool[]){true, true, false, false});
    struct lam_tail_chunk *chunk;

    (void)state;
    assert_null(close_and_take(tail, 1000, 50));
    assert_int_equal(settle(tail, place(first, 1), "{}"), 0);
    assert_null(lam_tail_take(tail, 1049, 50));
    assert_non_null(chunk = lam_tail_take(tail, 1050, 50));
    assert_false(lam_tail_waits(tail, place(first, 0)));
    assert_int_equal(settle(tail, place(first, 0), "{}"), LAM_END); /* the storage thread reads it by now */
    assert_true(lam_block_row(lam_tail_chunk_block(chunk), 0)->rec.flags & LAM_ROW_PENDING);
    lam_tail_archived(tail, chunk, 5);
    lam_tail_let_go(tail, 5);
    assert_int_equal(settle(tail, place(first, 0), "{}"), LAM_END); /* and now it is gone */
    first = append(tail, 4, (bool[]){true, false, false, false});
    assert_int_equal(settle(tail, place((struct lam_tail_place){first.chunk - 1, 0}, 0), "{}"), LAM_END);
    assert_int_equal(seen(tail).pending, 1);
    lam_tail_log_free(tail);
}

/* Not from when its chunk was closed, and not from a row that has its answer. */
static void patience_begins_when_the_first_row_that_waits_came(void **state)
{
    struct lam_tail_log *tail = new_tail();
    struct lam_tail_place first = append_at(tail, 1000, 0, (bool[]){true, false, false, false});

    (void)state;
    append_at(tail, 1040, 4, (bool[]){false, true, false, false});
    assert_null(close_and_take(tail, 1049, 50));
    assert_non_null(lam_tail_take(tail, 1050, 50));
    first = append_at(tail, 2000, 8, (bool[]){true, false, false, false});
    assert_int_equal(settle(tail, place(first, 0), "{}"), 0);
    append_at(tail, 2030, 12, (bool[]){true, false, false, false});
    assert_null(close_and_take(tail, 2079, 50));
    assert_non_null(lam_tail_take(tail, 2080, 50));
    lam_tail_log_free(tail);
}

static void later_chunks_wait_behind(void **state)
{
    struct lam_tail_log *tail = new_tail();
    struct lam_tail_place first = append(tail, 0, (bool[]){true, false, false, false}), later;
    struct lam_tail_chunk *chunk;
    size_t count;

    (void)state;
    assert_null(close_and_take(tail, 0, 50));
    for (uint64_t i = 1; i < 4; i++) { /* each of them closed, and none taken */
        later = append_at(tail, 10, BATCH * i, (bool[]){false, i == 2, false, false});
        assert_int_equal(later.chunk, first.chunk + i);
        assert_null(close_and_take(tail, 10, 50));
    }
    assert_int_equal(settle(tail, place(first, 0), "{}"), 0);
    for (uint64_t i = 0; i < 2; i++) {
        assert_non_null(chunk = lam_tail_take(tail, 10, 50));
        assert_int_equal(lam_tail_chunk_messages(chunk, &count)->pos.offset, BATCH * i);
        assert_int_equal(count, BATCH);
    }
    assert_null(lam_tail_take(tail, 59, 50));
    assert_true(lam_tail_stats(tail).stuck);
    assert_non_null(lam_tail_take(tail, 60, 50));
    assert_non_null(lam_tail_take(tail, 60, 50));
    assert_null(close_and_take(tail, 60, 50));
    lam_tail_log_free(tail);
}

/* --- threads: one appends and settles, this one rolls, others look --- */

enum { APPENDS = 2000, BEHIND = 20 };

struct shared {
    struct lam_tail_log *tail;
    atomic_uint_fast64_t late, settled;
    atomic_bool appended, done;
};

static void *work(void *arg)
{
    struct shared *shared = arg;
    struct lam_tail_place open[BEHIND];

    for (size_t i = 0; i < APPENDS + BEHIND; i++) {
        if (i >= BEHIND) {
            int rc = settle(shared->tail, open[i % BEHIND], "{\"agent\":{\"count\":3}}");

            atomic_fetch_add(rc ? &shared->late : &shared->settled, 1);
        }
        if (i < APPENDS)
            open[i % BEHIND] = place(append(shared->tail, BATCH * i, (bool[]){false, false, true, false}), 2);
    }
    atomic_store(&shared->appended, true);
    return NULL;
}

static void *watch(void *arg)
{
    struct shared *shared = arg;
    uintptr_t wrong = 0;

    while (!atomic_load(&shared->done)) {
        struct seen seen = {0};
        struct lam_error err;

        wrong += lam_tail_visit(shared->tail, 0, look, &seen, &err) != 0;
        wrong += seen.wrong;
        wrong += seen.rows % BATCH;
    }
    return (void *)wrong;
}

static void answers_come_while_chunks_roll_and_queries_look(void **state)
{
    struct shared shared = {.tail = new_tail()};
    uint64_t rows = 0, answered = 0, pending = 0, commit = 0, seed = (uint64_t)time(NULL) | 1;
    pthread_t worker, watchers[2];
    void *wrong;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    assert_int_equal(pthread_create(&worker, NULL, work, &shared), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&watchers[i], NULL, watch, &shared), 0);
    while (rows < BATCH * APPENDS) {
        struct lam_tail_chunk *chunk;
        int64_t patience;

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        patience = seed % 8 ? INT64_MAX : 0; /* now and then it cannot wait */
        if (!(chunk = close_and_take(shared.tail, 0, patience)))
            continue;
        for (size_t i = 0; i < lam_block_rows(lam_tail_chunk_block(chunk)); i++) { /* as the storage thread does: without a lock */
            const struct lam_row *row = lam_block_row(lam_tail_chunk_block(chunk), i);

            answered += row->enr.custom.len > 0;
            pending += (row->rec.flags & LAM_ROW_PENDING) != 0;
            rows++;
        }
        lam_tail_archived(shared.tail, chunk, ++commit);
        lam_tail_let_go(shared.tail, commit);
    }
    atomic_store(&shared.done, true);
    pthread_join(worker, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(watchers[i], &wrong);
        assert_int_equal((uintptr_t)wrong, 0);
    }
    assert_int_equal(answered + pending, APPENDS); /* each is one of both */
    assert_int_equal(answered, atomic_load(&shared.settled));
    assert_int_equal(pending, atomic_load(&shared.late));
    assert_false(lam_tail_stats(shared.tail).stuck);
    lam_tail_log_free(shared.tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_waits_until_all_is_settled),
        cmocka_unit_test(patience_ends_and_what_comes_then_is_late),
        cmocka_unit_test(patience_begins_when_the_first_row_that_waits_came),
        cmocka_unit_test(later_chunks_wait_behind),
        cmocka_unit_test(answers_come_while_chunks_roll_and_queries_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
