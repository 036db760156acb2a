/* Pieces: what is written comes back the same, and no bytes that are not one are taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "piece.h"

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static int read_text(const char *text, struct lam_piece *piece)
{
    struct lam_error err;

    return lam_piece_read(lam_sv_of(text), piece, &err);
}

static void same(const struct lam_piece *a, const struct lam_piece *b)
{
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->life, b->life);
    assert_int_equal(a->stream, b->stream);
    assert_true(lam_sv_eq(a->path, b->path));
    assert_true(a->begin == b->begin && a->end == b->end && a->size == b->size && a->mtime_ns == b->mtime_ns);
    assert_true(a->rows == b->rows && a->quarantined == b->quarantined && a->filtered == b->filtered && a->pending == b->pending && a->no_text == b->no_text && a->no_order == b->no_order);
    assert_true(a->last == b->last && a->ended == b->ended && a->first_block == b->first_block);
    assert_int_equal(a->block_count, b->block_count);
    assert_memory_equal(a->blocks, b->blocks, a->block_count * sizeof *a->blocks);
}

/* Writes, reads and compares; the text stays in json. */
static void there_and_back(const struct lam_piece *piece, struct lam_buf *json)
{
    struct lam_piece back;
    struct lam_error err;

    lam_buf_clear(json);
    assert_int_equal(lam_piece_write(piece, json, &err), 0);
    assert_int_equal(lam_piece_read(lam_buf_sv(json), &back, &err), 0);
    same(piece, &back);
    lam_piece_release(&back);
}

static void random_pieces_come_back_the_same(void **state)
{
    uint64_t seed = (uint64_t)time(NULL) | 1;
    struct lam_digest blocks[40];
    struct lam_buf json;
    char path[64];

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    lam_buf_init(&json, 1 << 20);
    for (int turn = 0; turn < 2000; turn++) {
        struct lam_piece piece = {.source = (uint32_t)next(&seed) | 1, .life = (uint32_t)next(&seed) | 1, .stream = next(&seed) & 1,
                                  .path = lam_sv(path, 1 + next(&seed) % sizeof path), .begin = next(&seed) >> 1, .end = next(&seed) & 1 ? UINT64_MAX : next(&seed) >> 1,
                                  .size = next(&seed) >> 1, .mtime_ns = (int64_t)next(&seed), .rows = next(&seed) >> 1, .quarantined = next(&seed) >> 40,
                                  .filtered = next(&seed) >> 40, .pending = next(&seed) >> 40, .no_text = next(&seed) >> 40, .no_order = next(&seed) >> 40, .last = next(&seed) & 1,
                                  .ended = next(&seed) & 1, .first_block = next(&seed) >> 20, .blocks = blocks, .block_count = next(&seed) % 40};

        for (size_t i = 0; i < piece.path.len; i++)
            path[i] = (char)(turn % 2 ? next(&seed) : 32 + next(&seed) % 90); /* any bytes, or what text is made of */
        for (size_t i = 0; i < sizeof blocks; i++)
            ((uint8_t *)blocks)[i] = (uint8_t)next(&seed);
        there_and_back(&piece, &json);
    }
    lam_buf_release(&json);
}

static void paths_of_all_kinds_come_back(void **state)
{
    static const struct lam_sv paths[] = {{"a", 1}, {"a\"b\\c\nd", 7}, {"\xff\xfe", 2}, {"a\0b", 3}, {"\xc3\xa4/\xe2\x82\xac", 6}, {"\xc3", 1}, {"dir/a.zip!/b", 12}};
    struct lam_buf json;

    (void)state;
    lam_buf_init(&json, 1 << 20);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct lam_piece piece = {.source = 1, .life = 1, .path = paths[i], .blocks = &(struct lam_digest){{0}}};

        there_and_back(&piece, &json);
        assert_int_equal(lam_utf8_valid(lam_buf_sv(&json)), json.len); /* JSON is UTF-8 whatever the path is */
    }
    lam_buf_release(&json);
}

#define FIELDS "\"life\":1,\"begin\":0,\"end\":9,\"size\":9,\"mtime\":1,\"rows\":1,\"quarantined\":0,\"filtered\":0,\"pending\":0,\"first_block\":0,\"blocks\":\"\""

static void what_is_no_piece_is_refused(void **state)
{
    static const char *const good = "{\"source\":1,\"path\":\"a\"," FIELDS "}";
    static const char *const bad[] = {
        "", "{", "null", "[]", "{}", "7", "\"x\"",
        "{\"source\":0,\"path\":\"a\"," FIELDS "}",           /* sources begin with 1 */
        "{\"source\":-1,\"path\":\"a\"," FIELDS "}",
        "{\"source\":4294967296,\"path\":\"a\"," FIELDS "}",
        "{\"source\":1.0,\"path\":\"a\"," FIELDS "}",
        "{\"source\":\"1\",\"path\":\"a\"," FIELDS "}",
        "{\"source\":1," FIELDS "}",                          /* no path */
        "{\"source\":1,\"path\":7," FIELDS "}",
        "{\"source\":1,\"path_hex\":\"6\"," FIELDS "}",
        "{\"source\":1,\"path_hex\":\"6g\"," FIELDS "}",
        "{\"source\":1,\"path_hex\":\" 6\"," FIELDS "}",
        "{\"source\":1,\"path_hex\":\"-6\"," FIELDS "}",
        "{\"source\":1,\"path_hex\":\"0x\"," FIELDS "}",
        "{\"source\":1,\"path\":\"a\",\"path\":\"b\"," FIELDS "}",
        "{\"source\":1,\"path\":\"a\",\"life\":1,\"begin\":0,\"end\":9,\"size\":9,\"mtime\":1,\"rows\":-1,\"quarantined\":0,\"filtered\":0,\"pending\":0,"
        "\"first_block\":0,\"blocks\":\"\"}",
        "{\"source\":1,\"path\":\"a\",\"life\":1,\"begin\":0,\"end\":9,\"size\":9,\"mtime\":1,\"rows\":1,\"quarantined\":0,\"filtered\":0,\"pending\":0,"
        "\"first_block\":0,\"blocks\":\"0123\"}",
        "{\"source\":1,\"path\":\"a\",\"life\":1,\"begin\":0,\"end\":9,\"size\":9,\"mtime\":1,\"rows\":1,\"quarantined\":0,\"filtered\":0,\"pending\":0,"
        "\"first_block\":0,\"blocks\":\"0123456789abcdef0123456789abcdeX\"}",
        "{\"source\":1,\"path\":\"a\",\"life\":1,\"begin\":0,\"end\":9,\"size\":9,\"mtime\":1,\"rows\":1,\"quarantined\":0,\"filtered\":0,\"pending\":0,"
        "\"first_block\":0}",
    };
    struct lam_piece piece;

    (void)state;
    assert_int_equal(read_text(good, &piece), 0);
    lam_piece_release(&piece);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (read_text(bad[i], &piece) != LAM_E_CORRUPT)
            fail_msg("taken for a piece: %s", bad[i]);
}

static void changed_bytes_are_a_piece_or_refused(void **state)
{
    uint64_t seed = (uint64_t)time(NULL) | 1;
    struct lam_digest blocks[3] = {{{1}}, {{2}}, {{3}}};
    struct lam_piece piece = {.source = 3, .life = 2, .path = {"dir/a.jsonl", 11}, .end = 100, .size = 100, .mtime_ns = 5, .rows = 9, .blocks = blocks, .block_count = 3};
    struct lam_buf json, hurt;
    struct lam_error err;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    lam_buf_init(&json, 1 << 16);
    lam_buf_init(&hurt, 1 << 16);
    assert_int_equal(lam_piece_write(&piece, &json, &err), 0);
    for (int turn = 0; turn < 20000; turn++) {
        struct lam_piece back;
        int rc;

        lam_buf_clear(&hurt);
        assert_int_equal(lam_buf_add(&hurt, json.ptr, turn % 3 ? json.len : next(&seed) % json.len, &err), 0);
        for (uint64_t i = next(&seed) % 3; hurt.len && i > 0; i--)
            ((char *)(uintptr_t)hurt.ptr)[next(&seed) % hurt.len] = (char)next(&seed);
        rc = lam_piece_read(lam_buf_sv(&hurt), &back, &err);
        assert_true(rc == 0 || rc == LAM_E_CORRUPT);
        if (!rc) {
            assert_true(back.source > 0 && back.life > 0);
            lam_piece_release(&back);
        }
    }
    lam_buf_release(&json);
    lam_buf_release(&hurt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_pieces_come_back_the_same),
        cmocka_unit_test(paths_of_all_kinds_come_back),
        cmocka_unit_test(what_is_no_piece_is_refused),
        cmocka_unit_test(changed_bytes_are_a_piece_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
