/* Wire frames: what goes in comes out, damage of any byte is seen, and a full block keeps what it had. */
#include "wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct lam_buf buf;

static int setup(void **state)
{
    (void)state;
    srandom((unsigned)time(NULL));
    lam_buf_init(&buf, 1 << 22);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lam_buf_release(&buf);
    return 0;
}

static char pool[5000];
static float floats[64];

static struct lam_sv any_sv(void) { return lam_sv(pool + random() % 1000, (size_t)random() % (random() % 5 ? 40 : 4000)); }
static uint64_t any_u64(void) { return (uint64_t)random() << 40 ^ (uint64_t)random() << 20 ^ (uint64_t)random(); }

static struct lam_row any_row(void)
{
    struct lam_row row = {
        .rec = {.pos = {.source = (uint32_t)random(), .life = (uint32_t)random(), .offset = any_u64()},
                .key = any_sv(),
                .order = any_sv(),
                .hash = any_u64(),
                .event_time_us = (int64_t)any_u64(),
                .arrival_us = INT64_MIN,
                .op = (uint8_t)(random() & 1),
                .flags = (uint32_t)random(),
                .media_type = any_sv(),
                .title = any_sv(),
                .text = any_sv(),
                .structure = any_sv(),
                .metadata = any_sv()},
        .enr = {.category = any_sv(),
                .confidence = 0.25f,
                .sentiment = NAN,
                .entities = any_sv(),
                .summary = any_sv(),
                .language = any_sv(),
                .keywords = any_sv(),
                .layer = (uint8_t)(random() & 1),
                .depth = (uint8_t)(random() & 1),
                .analyzer = any_sv(),
                .model = (uint32_t)random(),
                .prompt = (uint32_t)random(),
                .tokens = (uint32_t)random(),
                .processed_us = (int64_t)any_u64()}};

    for (size_t i = 0; i < sizeof row.rec.pos.partition; i++)
        row.rec.pos.partition[i] = (uint8_t)random();
    if (random() & 1) {
        row.enr.embedding = floats;
        row.enr.dim = (uint32_t)random() % 64;
    }
    return row;
}

static void fill(struct lam_block *block, int rows, int rejects)
{
    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (char)random();
    for (int i = 0; i < 64; i++)
        floats[i] = (float)random() / 3;
    for (int i = 0; i < rows; i++) {
        struct lam_row row = any_row();

        assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    }
    for (int i = 0; i < rejects; i++) {
        struct lam_reject reject = {.pos = {.offset = any_u64()},
                                    .kind = (uint8_t)(random() & 1),
                                    .arrival_us = (int64_t)any_u64(),
                                    .place = any_sv(),
                                    .reason = any_sv(),
                                    .raw = any_sv()};

        assert_int_equal(lam_block_add_reject(block, &reject, NULL), 0);
    }
}

static struct lam_block *fresh(void)
{
    struct lam_block *block = lam_block_new(100, 4 << 20);

    assert_non_null(block);
    return block;
}

/* Frames are a function of their rows, so two blocks are equal where their frames are. */
static void assert_same(struct lam_block *a, struct lam_block *b)
{
    struct lam_buf other;

    lam_buf_init(&other, 1 << 22);
    lam_buf_clear(&buf);
    assert_int_equal(lam_wire_add_block(&buf, a, NULL), 0);
    assert_int_equal(lam_wire_add_block(&other, b, NULL), 0);
    assert_true(lam_sv_eq(lam_buf_sv(&buf), lam_buf_sv(&other)));
    lam_buf_release(&other);
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct lam_block *in = fresh(), *out = fresh();

        fill(in, (int)(random() % 20), (int)(random() % 5));
        lam_buf_clear(&buf);
        assert_int_equal(lam_wire_add_block(&buf, in, NULL), 0);
        assert_int_equal(lam_wire_decode(lam_buf_sv(&buf), out, NULL), 0);
        assert_int_equal(lam_block_rows(in), lam_block_rows(out));
        assert_int_equal(lam_block_rejects(in), lam_block_rejects(out));
        for (size_t i = 0; i < lam_block_rows(in); i++) {
            const struct lam_row *a = lam_block_row(in, i), *b = lam_block_row(out, i);

            assert_memory_equal(&a->rec.pos, &b->rec.pos, sizeof a->rec.pos);
            assert_true(lam_sv_eq(a->rec.key, b->rec.key) && lam_sv_eq(a->rec.metadata, b->rec.metadata) &&
                        lam_sv_eq(a->enr.analyzer, b->enr.analyzer));
            assert_true(a->rec.event_time_us == b->rec.event_time_us && b->rec.arrival_us == INT64_MIN && a->rec.flags == b->rec.flags);
            assert_true(isnan(b->enr.sentiment) && b->enr.confidence == 0.25f && a->enr.tokens == b->enr.tokens);
            assert_true(!a->enr.embedding == !b->enr.embedding && a->enr.dim == b->enr.dim);
            if (a->enr.embedding)
                assert_memory_equal(a->enr.embedding, b->enr.embedding, a->enr.dim * sizeof(float));
        }
        assert_same(in, out);
        lam_block_free(in);
        lam_block_free(out);
    }
}

static void frames_stand_behind_each_other_at_any_alignment(void **state)
{
    struct lam_block *in = fresh(), *out = fresh();
    struct lam_sv bytes, frame;
    int frames = 0;

    (void)state;
    fill(in, 3, 1);
    lam_buf_clear(&buf);
    for (int i = 0; i < 4; i++)
        assert_int_equal(lam_wire_add_block(&buf, in, NULL), 0);
    bytes = lam_buf_sv(&buf);
    while (lam_wire_next(&bytes, &frame, NULL) == 0) {
        assert_int_equal(lam_wire_decode(frame, out, NULL), 0);
        frames++;
    }
    assert_int_equal(frames, 4);
    assert_int_equal(lam_block_rows(out), 12);
    assert_int_equal(lam_wire_decode(lam_buf_sv(&buf), out, NULL), LAM_E_CORRUPT); /* one frame at a time */
    lam_block_free(in);
    lam_block_free(out);
}

static void damage_of_any_byte_is_seen(void **state)
{
    struct lam_block *in = fresh(), *out = fresh();

    (void)state;
    fill(in, 2, 1);
    lam_buf_clear(&buf);
    assert_int_equal(lam_wire_add_block(&buf, in, NULL), 0);
    for (size_t i = 0; i < buf.len; i++) {
        buf.ptr[i] ^= (char)(1 << random() % 8);
        assert_int_equal(lam_wire_decode(lam_buf_sv(&buf), out, NULL), LAM_E_CORRUPT);
        assert_int_equal(lam_block_rows(out) + lam_block_rejects(out), 0);
        lam_block_clear(out);
        assert_int_equal(lam_wire_add_block((lam_buf_clear(&buf), &buf), in, NULL), 0);
        assert_int_equal(lam_wire_decode(lam_sv(buf.ptr, i), out, NULL), LAM_E_CORRUPT);
    }
    lam_block_free(in);
    lam_block_free(out);
}

static void a_full_block_keeps_what_it_had(void **state)
{
    struct lam_block *in = fresh(), *out = lam_block_new(5, 1 << 20);

    (void)state;
    fill(in, 3, 0);
    lam_buf_clear(&buf);
    assert_int_equal(lam_wire_add_block(&buf, in, NULL), 0);
    assert_int_equal(lam_wire_decode(lam_buf_sv(&buf), out, NULL), 0);
    assert_int_equal(lam_wire_decode(lam_buf_sv(&buf), out, NULL), LAM_E_LIMIT);
    assert_int_equal(lam_block_rows(out), 3);
    assert_same(in, out);
    lam_block_free(in);
    lam_block_free(out);
}

static void a_full_buffer_ends_the_frame_and_not_the_rows(void **state)
{
    struct lam_block *in = fresh(), *out = fresh();
    struct lam_buf small;
    struct lam_wire wire;
    struct lam_error err;
    size_t sent = 0;

    (void)state;
    fill(in, 50, 0);
    while (sent < 50) {
        size_t before = sent;

        lam_buf_init(&small, 70000);
        assert_int_equal(lam_wire_begin(&wire, &small, &err), 0);
        while (sent < 50 && !lam_wire_add_row(&wire, lam_block_row(in, sent), &err))
            sent++;
        assert_true(sent == 50 || err.code == LAM_E_LIMIT);
        assert_true(sent > before);
        assert_int_equal(lam_wire_end(&wire, &err), 0); /* its crc had its room */
        assert_int_equal(lam_wire_decode(lam_buf_sv(&small), out, NULL), 0);
        lam_buf_release(&small);
    }
    assert_same(in, out);
    lam_block_free(in);
    lam_block_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(frames_stand_behind_each_other_at_any_alignment),
        cmocka_unit_test(damage_of_any_byte_is_seen),
        cmocka_unit_test(a_full_block_keeps_what_it_had),
        cmocka_unit_test(a_full_buffer_ends_the_frame_and_not_the_rows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
