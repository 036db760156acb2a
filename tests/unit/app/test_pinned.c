/*
 * A roll under a pinned query: what the query pinned stays its answer, while the tail is rolled, committed and let go of, and more comes in. And what is pinned after it
 * sees each row once, whichever place it stands in by then.
 *
 * The parts are the real ones: tail, roll, commits, reader. The test is the ranks' main loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "model/order.h"
#include "process/work.h"
#include "scratch.h"
#include "speed_commits.h"
#include "store/term.h"
#include "store_reader.h"

#define PARTITION 2
#define ROWS_MAX 4096

static const char job_text[] = "{\"name\":\"t\",\"store\":\"%s\",\"dataset\":{\"kind\":\"upsert\",\"key\":\"/id\",\"order_by\":\"position\"},"
                               "\"stream\":{\"name\":\"events\",\"brokers\":\"local\",\"topic\":\"in\",\"partitions\":4}}";

struct world {
    char folder[SCRATCH_PATH];
    struct lam_job *job;
    struct lam_engine engine;
    struct lam_speed_begun begun;
    struct lam_speed_commits commits;
    struct lam_namer namer;
    struct lam_tail_log *tail;
    struct lam_store_reader *reader;
    uint64_t offset, rolls, committed; /* next message; rolls made; the newest commit's number */
    unsigned fetches;
};

static struct world world;
static struct lam_error err;

#define OK(call)                   \
    do {                           \
        if (call)                  \
            fail_msg("%s", err.text); \
    } while (0)

/* In the program this goes to a speed rank. */
int __wrap_lam_speed_tell(struct lam_engine *engine, int rank, uint16_t type, const void *bytes, size_t len, struct lam_error *why);

int __wrap_lam_speed_tell(struct lam_engine *engine, int rank, uint16_t type, const void *bytes, size_t len, struct lam_error *why)
{
    struct lam_speed_committed message;

    (void)engine, (void)rank, (void)why;
    assert_int_equal(type, MSG_SPEED_COMMITTED);
    assert_int_equal(len, sizeof message);
    memcpy(&message, bytes, sizeof message);
    world.committed = message.commit;
    return 0;
}

/* --- the tail as the reader fetches it: what speed_rank.c answers --- */

static int add_row(void *arg, const struct lam_row *row, struct lam_error *why)
{
    return lam_block_add_row(arg, row, why);
}

static int fetch(void *arg, uint64_t commit, struct lam_sv key, int64_t deadline_us, struct lam_block **block, struct lam_buf *speed, struct lam_error *why)
{
    struct lam_tail_range ranges[8];
    size_t count = lam_tail_reached(world.tail, ranges, 8);
    int rc;

    (void)arg, (void)key, (void)deadline_us;
    world.fetches++;
    if (!(*block = lam_block_new(ROWS_MAX, (size_t)64 << 20)))
        return LAM_FAIL(why, LAM_E_MEMORY, "no memory");
    if ((rc = lam_buf_addf(speed, why, "\"events\":{")))
        return rc;
    for (size_t i = 0; i < count && !rc; i++)
        rc = lam_buf_addf(speed, why, "%s\"%" PRIu32 "\":%" PRIu64, i ? "," : "", ranges[i].partition, ranges[i].end);
    if (rc || (rc = lam_buf_addf(speed, why, "}")))
        return rc;
    return lam_tail_visit(world.tail, commit, add_row, *block, why);
}

/* --- set-up --- */

static void begin_life(void)
{
    struct lam_term_options options = {.layers = 1u << LAM_TERM_SPEED};
    const struct lam_state *state;
    struct lam_commit commit;

    OK(lam_random_id(world.begun.setup.run, &err));
    OK(lam_holder_self(&options.holder, "t", world.begun.setup.run, &err));
    OK(lam_term_take(world.engine.commits, &options, &world.begun.term, &state, &err));
    lam_state_unref(state);
    lam_commit_init(&commit, lam_commitlog_peek(world.engine.commits)->number);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, world.begun.term);
    OK(lam_commit_source(&commit, "events", &err));
    OK(lam_commit_life(&commit, "events", "one", &err));
    OK(lam_commitlog_commit(world.engine.commits, &commit, NULL, &err));
    lam_commit_release(&commit);
    lam_engine_share(&world.engine);
    world.begun.setup.source = world.begun.setup.life = 1;
    world.begun.setup.starts = calloc(4, sizeof *world.begun.setup.starts);
    world.begun.setup.start_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        world.begun.setup.starts[i] = (struct lam_speed_start){.partition = i, .output = -1};
    memcpy(world.namer.run, world.begun.setup.run, LAM_RUN_ID);
}

static int set_up(void **state)
{
    struct lam_tail_source source = {fetch, NULL};
    char text[1024];

    (void)state;
    memset(&world, 0, sizeof world);
    scratch_make(world.folder);
    snprintf(text, sizeof text, job_text, world.folder);
    OK(lam_job_parse(lam_sv_of(text), "job.json", world.folder, NULL, 0, &world.job, NULL, &err));
    world.engine.log = (struct lam_log){.fd = 2, .rank = -1, .level = LAM_LOG_WARN};
    OK(lam_engine_open(&world.engine, world.job, NULL, NULL, &err));
    begin_life();
    lam_speed_commits_init(&world.commits, &world.engine, &world.begun);
    OK(lam_tail_log_new(&world.tail, &err));
    OK(lam_store_reader_new(&world.reader, &world.engine, &source, false, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lam_store_reader_free(world.reader);
    lam_tail_log_free(world.tail);
    lam_speed_commits_release(&world.commits);
    lam_engine_close(&world.engine);
    free(world.begun.setup.starts);
    lam_job_free(world.job);
    scratch_remove(world.folder);
    return 0;
}

/* --- what the ranks do --- */

/* count messages; keys repeat, so that newer versions win over older ones in all places. */
static void append(size_t count)
{
    struct lam_tail_message *messages = calloc(count, sizeof *messages);
    struct lam_block *block = lam_block_new(count, (size_t)16 << 20);
    struct lam_tail_range reached = {.partition = PARTITION, .end = world.offset + count};
    struct lam_buf order;
    char (*texts)[64] = calloc(count, sizeof *texts), (*keys)[16] = calloc(count, sizeof *keys);

    lam_buf_init(&order, 1024);
    for (size_t i = 0; i < count; i++) {
        struct lam_row row = {.rec = {.pos = {.source = 1, .life = 1, .offset = world.offset + i}, .event_time_us = LAM_TIME_NONE, .arrival_us = 1, .media_type = LAM_SV("application/json")},
                              .enr = {.layer = LAM_LAYER_SPEED}};

        lam_position_set_partition(&row.rec.pos, PARTITION);
        snprintf(keys[i], sizeof keys[i], "k%d", (int)((world.offset + i) % 17));
        snprintf(texts[i], sizeof texts[i], "{\"n\":%" PRIu64 "}", world.offset + i);
        lam_buf_clear(&order);
        OK(lam_order_add_position(&order, &row.rec.pos, lam_sv(NULL, 0), &err));
        row.rec.key = lam_sv_of(keys[i]);
        row.rec.order = lam_buf_sv(&order);
        row.rec.hash = lam_hash64(row.rec.key.ptr, row.rec.key.len);
        row.rec.metadata = lam_sv_of(texts[i]);
        OK(lam_block_add_row(block, &row, &err));
        messages[i] = (struct lam_tail_message){.pos = row.rec.pos, .arrival_us = 1, .timestamp_us = 1000, .has_raw = true, .raw = lam_sv_of(texts[i])};
    }
    OK(lam_tail_append(world.tail, &(struct lam_tail_batch){messages, count, block, NULL, &reached, 1, 0}, NULL, &err));
    world.offset += count;
    lam_block_free(block);
    lam_buf_release(&order);
    free(messages);
    free(texts);
    free(keys);
}

/* Writes the open chunk and commits it; the tail keeps it until it is let go of. */
static void roll(void)
{
    struct lam_tail_chunk *chunk;
    struct lam_buf note;

    lam_tail_close(world.tail);
    assert_non_null(chunk = lam_tail_take(world.tail, 0, 0));
    lam_buf_init(&note, LAM_COMM_MESSAGE_MAX);
    OK(lam_speed_roll(&world.engine, &world.begun.setup, &world.namer, ++world.rolls, chunk, &note, &err));
    OK(lam_speed_commits_take(&world.commits, 0, lam_buf_sv(&note), &err));
    lam_buf_release(&note);
    lam_speed_commits_step(&world.commits, true);
    lam_engine_quiesce(&world.engine);
    if (world.commits.failure.code)
        fail_msg("%s", world.commits.failure.text);
    lam_tail_archived(world.tail, chunk, world.committed);
}

/* As rank 0 does with the table of pins. */
static void let_go(void) { lam_tail_let_go(world.tail, lam_store_reader_oldest(world.reader)); }

/* --- what is asked --- */

struct seen {
    uint64_t rows, sum; /* sum of the winners' offsets: which version won, and how often */
};

static int see(void *arg, const struct lam_hit *hit, struct lam_error *why)
{
    struct seen *seen = arg;

    (void)why;
    seen->rows++;
    seen->sum += hit->row.rec.pos.offset;
    return 0;
}

/* The newest version of each of the 17 keys among the first count messages. */
static struct seen expected(uint64_t count)
{
    struct seen seen = {0};

    for (uint64_t i = count > 17 ? count - 17 : 0; i < count; i++) {
        seen.rows++;
        seen.sum += i;
    }
    return seen;
}

static struct lam_snapshot *pin(void)
{
    struct lam_reader reader = lam_store_reader(world.reader);
    struct lam_snapshot *snapshot;

    OK(reader.ops->pin(reader.arg, 60000, &snapshot, &err));
    return snapshot;
}

static void assert_sees(struct lam_snapshot *snapshot, uint64_t count)
{
    struct lam_reader reader = lam_store_reader(world.reader);
    struct seen seen = {0}, want = expected(count);

    OK(reader.ops->scan(snapshot, NULL, LAM_WANT_METADATA, see, &seen, &err));
    assert_int_equal(seen.rows, want.rows);
    assert_int_equal(seen.sum, want.sum);
}

static void release(struct lam_snapshot *snapshot) { lam_store_reader(world.reader).ops->release(snapshot); }

/* --- cases --- */

/* The query has pinned and not read yet: all that it will read was in memory then, and in no segment of its commit. */
static void a_roll_before_the_first_read(void **state)
{
    struct lam_snapshot *first;

    (void)state;
    append(40);
    first = pin();
    roll();
    let_go();
    append(5); /* newer versions of keys that it sees */
    assert_sees(first, 40);
    release(first);
}

static void a_roll_between_two_reads_of_one_query(void **state)
{
    struct lam_snapshot *first, *second;

    (void)state;
    append(40);
    first = pin();
    assert_sees(first, 40);
    roll();
    append(3);
    second = pin();
    let_go();
    roll();
    let_go();
    append(30);
    assert_sees(first, 40);
    assert_sees(second, 43);
    release(second);
    let_go();
    assert_sees(first, 40);
    release(first);
}

/* What nobody has pinned any more is freed; what is pinned from then on finds it in the segments. */
static void what_is_let_go_of_stands_in_the_segments(void **state)
{
    struct lam_snapshot *held, *after;

    (void)state;
    append(40);
    held = pin();
    roll();
    let_go();
    assert_true(lam_tail_stats(world.tail).bytes > 0);
    release(held);
    after = pin(); /* the reader has the new commit from here on */
    let_go();
    assert_int_equal(lam_tail_stats(world.tail).bytes, 0);
    assert_sees(after, 40);
    append(20);
    release(after);
    after = pin();
    assert_sees(after, 60);
    release(after);
}

/* Random steps; every query that is held answers as when it was pinned. */
static void any_order_of_steps(void **state)
{
    struct lam_snapshot *held[8] = {0};
    uint64_t counts[8], seed = (uint64_t)time(NULL);

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    srand((unsigned)seed);
    append(1);
    for (int step = 0; step < 400; step++) {
        int i = rand() % 8;

        switch (rand() % 5) {
        case 0:
            append(1 + (size_t)(rand() % 20));
            break;
        case 1:
            if (lam_tail_stats(world.tail).open_count)
                roll();
            break;
        case 2:
            let_go();
            break;
        case 3:
            if (held[i])
                assert_sees(held[i], counts[i]);
            break;
        default:
            if (held[i])
                release(held[i]);
            held[i] = pin();
            counts[i] = world.offset;
        }
    }
    for (int i = 0; i < 8; i++)
        if (held[i]) {
            assert_sees(held[i], counts[i]);
            release(held[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_roll_before_the_first_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_roll_between_two_reads_of_one_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_let_go_of_stands_in_the_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_order_of_steps, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
