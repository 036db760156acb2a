/* Buffers and arenas: stated limits hold, a refusal changes nothing, JSON strings are well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "buf.h"

static void a_buffer_holds_exactly_its_maximum(void **state)
{
    struct lam_error err;
    struct lam_buf buf;

    (void)state;
    lam_buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(lam_buf_add(&buf, "0123456789", 10, &err), 0);
    assert_int_equal(lam_buf_add(&buf, "x", 1, &err), LAM_E_LIMIT);
    assert_int_equal(buf.len, 1000);
    assert_int_equal(lam_buf_add(&buf, NULL, 0, &err), 0);
    assert_true(buf.cap <= 1000);
    lam_buf_clear(&buf);
    assert_int_equal(lam_buf_add_sv(&buf, LAM_SV("again"), &err), 0);
    assert_true(lam_sv_eq(lam_buf_sv(&buf), LAM_SV("again")));
    lam_buf_release(&buf);
    assert_int_equal(buf.max, 1000);
}

static void formatted_text_is_added_whole_or_not_at_all(void **state)
{
    struct lam_error err;
    struct lam_buf buf;

    (void)state;
    lam_buf_init(&buf, 16);
    assert_int_equal(lam_buf_addf(&buf, &err, "view %d", 42), 0);
    assert_int_equal(lam_buf_addf(&buf, &err, "%s", "far too long for it"), LAM_E_LIMIT);
    assert_true(lam_sv_eq(lam_buf_sv(&buf), LAM_SV("view 42")));
    lam_buf_release(&buf);
}

static void assert_json(struct lam_sv text, const char *want)
{
    struct lam_buf buf;

    lam_buf_init(&buf, 4096);
    assert_int_equal(lam_buf_add_json(&buf, text, NULL), 0);
    if (!lam_sv_eq(lam_buf_sv(&buf), lam_sv_of(want)))
        fail_msg("got %.*s, not %s", LAM_SV_ARG(lam_buf_sv(&buf)), want);
    lam_buf_release(&buf);
}

static void json_strings_are_escaped_and_bad_bytes_replaced(void **state)
{
    (void)state;
    assert_json(lam_sv(NULL, 0), "\"\"");
    assert_json(LAM_SV("plain"), "\"plain\"");
    assert_json(LAM_SV("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_json(LAM_SV("\n\r\t\b\f"), "\"\\n\\r\\t\\u0008\\u000c\"");
    assert_json(lam_sv("\0\x1f\x7f", 3), "\"\\u0000\\u001f\x7f\"");
    assert_json(LAM_SV("Grüße \xf0\x9f\x98\x80"), "\"Grüße \xf0\x9f\x98\x80\"");
    assert_json(LAM_SV("a\xff\xe4\xb8z"), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void json_beyond_the_limit_is_refused(void **state)
{
    struct lam_buf buf;

    (void)state;
    for (size_t max = 0; max < 8; max++) {
        lam_buf_init(&buf, max);
        assert_int_equal(lam_buf_add_json(&buf, LAM_SV("\n12345"), NULL), LAM_E_LIMIT);
        lam_buf_release(&buf);
    }
}

static void an_arena_hands_out_aligned_memory_that_does_not_move_until_it_is_full(void **state)
{
    struct lam_arena arena;
    char *ptrs[600];
    size_t count = 0;

    (void)state;
    lam_arena_init(&arena, 300000);
    while (count < 600 && (ptrs[count] = lam_arena_alloc(&arena, 777))) {
        assert_int_equal((uintptr_t)ptrs[count] % 16, 0);
        memset(ptrs[count], (int)count, 777);
        count++;
    }
    assert_true(count > 300 && count < 600);
    assert_true(arena.held <= 300000);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 777; k += 97)
            assert_int_equal((unsigned char)ptrs[i][k], i & 0xff);
    assert_null(lam_arena_alloc(&arena, 300000));
    lam_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    for (size_t i = 0; i < count; i++) /* what it held before fits again, without new memory */
        assert_non_null(lam_arena_alloc(&arena, 777));
    lam_arena_release(&arena);
}

static void copies_of_views_live_in_the_arena(void **state)
{
    struct lam_arena arena;
    char text[] = "text";
    struct lam_sv copy;

    (void)state;
    lam_arena_init(&arena, 1000);
    copy = lam_arena_copy(&arena, lam_sv(text, 4));
    text[0] = 'x';
    assert_true(lam_sv_eq(copy, LAM_SV("text")));
    copy = lam_arena_copy(&arena, lam_sv(NULL, 0));
    assert_non_null(copy.ptr);
    assert_int_equal(copy.len, 0);
    copy = lam_arena_copy(&arena, lam_sv(text, 5000));
    assert_null(copy.ptr);
    lam_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_holds_exactly_its_maximum),
        cmocka_unit_test(formatted_text_is_added_whole_or_not_at_all),
        cmocka_unit_test(json_strings_are_escaped_and_bad_bytes_replaced),
        cmocka_unit_test(json_beyond_the_limit_is_refused),
        cmocka_unit_test(an_arena_hands_out_aligned_memory_that_does_not_move_until_it_is_full),
        cmocka_unit_test(copies_of_views_live_in_the_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
