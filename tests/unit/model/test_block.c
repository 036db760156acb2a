/* Blocks: rows and rejects are copied, limits hold, truncation forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lamina/block.h>

static void a_row_lives_on_when_what_it_came_from_is_gone(void **state)
{
    struct lam_block *block = lam_block_new(10, 10000);
    char key[] = "key", text[] = "some text", entities[] = "[]";
    float embedding[3] = {1, 2, 3};
    struct lam_row row = {.rec = {.key = {key, 3}, .text = {text, 9}, .event_time_us = 7, .flags = LAM_ROW_NO_ORDER},
                          .enr = {.entities = {entities, 2}, .embedding = embedding, .dim = 3, .confidence = 0.5f}};
    struct lam_row *got;

    (void)state;
    assert_non_null(block);
    assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    memset(key, 'x', 3);
    memset(text, 'x', 9);
    memset(entities, 'x', 2);
    memset(embedding, 0, sizeof embedding);
    got = lam_block_row(block, 0);
    assert_true(lam_sv_eq(got->rec.key, LAM_SV("key")));
    assert_true(lam_sv_eq(got->rec.text, LAM_SV("some text")));
    assert_true(lam_sv_eq(got->rec.title, LAM_SV("")));
    assert_true(lam_sv_eq(got->enr.entities, LAM_SV("[]")));
    assert_true(got->enr.embedding[2] == 3);
    assert_int_equal(got->rec.event_time_us, 7);
    assert_int_equal(got->rec.flags, LAM_ROW_NO_ORDER);
    lam_block_free(block);
    lam_block_free(NULL);
}

static void rejects_are_kept_beside_rows(void **state)
{
    struct lam_block *block = lam_block_new(10, 10000);
    struct lam_reject reject = {.kind = LAM_QUARANTINED, .place = LAM_SV("a.json"), .reason = LAM_SV("not JSON"), .raw = lam_sv("\0\1", 2)};

    (void)state;
    assert_int_equal(lam_block_add_reject(block, &reject, NULL), 0);
    assert_int_equal(lam_block_rejects(block), 1);
    assert_int_equal(lam_block_rows(block), 0);
    assert_true(lam_sv_eq(lam_block_reject(block, 0)->reason, LAM_SV("not JSON")));
    assert_true(lam_sv_eq(lam_block_reject(block, 0)->raw, lam_sv("\0\1", 2)));
    lam_block_free(block);
}

static void a_full_block_refuses_and_is_as_it_was(void **state)
{
    struct lam_block *few = lam_block_new(100, 1 << 20), *small = lam_block_new(1000, 5000);
    struct lam_row row = {.rec = {.key = LAM_SV("k"), .text = LAM_SV("0123456789012345678901234567890123456789")}};
    struct lam_reject reject = {.reason = LAM_SV("r")};
    struct lam_error err;
    size_t fit = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(lam_block_add_row(few, &row, &err), 0);
    assert_int_equal(lam_block_add_row(few, &row, &err), LAM_E_LIMIT);
    assert_int_equal(lam_block_add_reject(few, &reject, &err), 0); /* as many rejects fit besides */
    assert_int_equal(lam_block_rows(few), 100);
    while (lam_block_add_row(small, &row, &err) == 0)
        fit++;
    assert_int_equal(err.code, LAM_E_LIMIT);
    assert_int_equal(lam_block_rows(small), fit);
    assert_true(fit > 20 && fit < 200);
    for (size_t i = 0; i < fit; i++)
        assert_true(lam_sv_eq(lam_block_row(small, i)->rec.text, row.rec.text));
    assert_null(lam_block_alloc(small, 5000));
    lam_block_clear(small);
    assert_int_equal(lam_block_rows(small) + lam_block_bytes(small), 0);
    for (size_t i = 0; i < fit; i++)
        assert_int_equal(lam_block_add_row(small, &row, &err), 0);
    lam_block_free(few);
    lam_block_free(small);
}

static void a_lost_attempt_is_truncated_away(void **state)
{
    struct lam_block *block = lam_block_new(10, 10000);
    struct lam_row row = {.rec = {.key = LAM_SV("first")}};
    struct lam_reject reject = {.reason = LAM_SV("r")};

    (void)state;
    assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    row.rec.key = LAM_SV("second");
    assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    assert_int_equal(lam_block_add_reject(block, &reject, NULL), 0);
    lam_block_truncate(block, 1, 0);
    assert_int_equal(lam_block_rows(block), 1);
    assert_int_equal(lam_block_rejects(block), 0);
    lam_block_truncate(block, 5, 5); /* never grows */
    assert_int_equal(lam_block_rows(block), 1);
    row.rec.key = LAM_SV("third");
    assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    assert_true(lam_sv_eq(lam_block_row(block, 0)->rec.key, LAM_SV("first")));
    assert_true(lam_sv_eq(lam_block_row(block, 1)->rec.key, LAM_SV("third")));
    lam_block_free(block);
}

static void a_compact_copy_has_all_of_it_and_no_room_to_spare(void **state)
{
    struct lam_block *block = lam_block_new(1000, 1 << 20), *copy, *none = lam_block_new(10, 10000), *none_too;
    float embedding[3] = {1, 2, 3};
    const struct lam_row row = {.rec = {.key = LAM_SV("key"), .text = LAM_SV("some text, of which there is more than sixteen bytes"), .event_time_us = 7},
                                .enr = {.category = LAM_SV("borrowed"), .embedding = embedding, .dim = 3}};
    const struct lam_reject reject = {.kind = LAM_QUARANTINED, .place = LAM_SV("a.json"), .reason = LAM_SV("not JSON"), .raw = LAM_SV("{")};
    const struct lam_copy raw = {.arrival_us = 5, .raw = LAM_SV("raw bytes")};
    struct lam_row lent = row;

    (void)state;
    lent.rec.title = LAM_SV("lies elsewhere");
    assert_int_equal(lam_block_add_row(block, &row, NULL), 0);
    assert_int_equal(lam_block_lend_row(block, &lent, NULL), 0);
    assert_int_equal(lam_block_add_reject(block, &reject, NULL), 0);
    assert_int_equal(lam_block_add_copy(block, &raw, NULL), 0);
    assert_non_null(copy = lam_block_compact(block));
    assert_true(lam_block_held(copy) < 2000 && lam_block_held(block) > 20000);
    assert_ptr_not_equal(lam_block_row(copy, 1)->rec.title.ptr, lent.rec.title.ptr);
    lam_block_free(block);
    assert_int_equal(lam_block_rows(copy), 2);
    assert_int_equal(lam_block_rejects(copy), 1);
    assert_int_equal(lam_block_copies(copy), 1);
    assert_true(lam_sv_eq(lam_block_row(copy, 0)->rec.text, row.rec.text));
    assert_true(lam_sv_eq(lam_block_row(copy, 1)->rec.title, LAM_SV("lies elsewhere")));
    assert_true(lam_sv_eq(lam_block_row(copy, 1)->enr.category, LAM_SV("borrowed")));
    assert_true(lam_block_row(copy, 0)->enr.embedding[2] == 3);
    assert_int_equal(lam_block_row(copy, 0)->rec.event_time_us, 7);
    assert_true(lam_sv_eq(lam_block_reject(copy, 0)->reason, LAM_SV("not JSON")));
    assert_true(lam_sv_eq(lam_block_copy(copy, 0)->raw, LAM_SV("raw bytes")));
    assert_int_equal(lam_block_add_row(copy, &row, NULL), 0); /* it can grow like any other */
    assert_true(lam_sv_eq(lam_block_row(copy, 0)->rec.key, LAM_SV("key")));

    assert_non_null(none_too = lam_block_compact(none));
    assert_int_equal(lam_block_rows(none_too) + lam_block_held(none_too), 0);
    lam_block_free(copy);
    lam_block_free(none);
    lam_block_free(none_too);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_lives_on_when_what_it_came_from_is_gone),
        cmocka_unit_test(rejects_are_kept_beside_rows),
        cmocka_unit_test(a_full_block_refuses_and_is_as_it_was),
        cmocka_unit_test(a_lost_attempt_is_truncated_away),
        cmocka_unit_test(a_compact_copy_has_all_of_it_and_no_room_to_spare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
