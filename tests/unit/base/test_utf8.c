/* UTF-8 against a decoder written from the definition; string views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "utf8.h"

/* The longest well-formed character by RFC 3629's table, byte by byte. */
static size_t naive_len(const unsigned char *p, size_t len)
{
    static const struct {
        unsigned char from, to, from2, to2, more;
    } table[] = {{0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2},
                 {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3}};

    for (size_t i = 0; len && i < sizeof table / sizeof *table; i++) {
        if (p[0] < table[i].from || p[0] > table[i].to)
            continue;
        if (len < 1u + table[i].more || (table[i].more && (p[1] < table[i].from2 || p[1] > table[i].to2)))
            return 0;
        for (size_t k = 2; k <= table[i].more; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return 1u + table[i].more;
    }
    return 0;
}

static void every_pair_of_first_bytes_is_judged_by_the_table_of_the_rfc(void **state)
{
    static const unsigned char ends[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};

    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t c = 0; c < sizeof ends * sizeof ends; c++) {
                unsigned char bytes[4] = {(unsigned char)a, (unsigned char)b, ends[c / sizeof ends], ends[c % sizeof ends]};

                for (size_t len = 0; len <= 4; len++)
                    if (lam_utf8_len((const char *)bytes, len) != naive_len(bytes, len))
                        fail_msg("%02x %02x %02x %02x, %zu bytes", bytes[0], bytes[1], bytes[2], bytes[3], len);
            }
}

static void every_code_point_decodes_and_encodes_to_itself(void **state)
{
    (void)state;
    for (uint32_t rune = 0; rune <= 0x10ffff; rune++) {
        char text[4], bytes[4];
        size_t len = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
        uint32_t got = 0;

        for (size_t i = len - 1, rest = rune; i > 0; i--, rest >>= 6)
            text[i] = (char)(0x80 | (rest & 0x3f));
        text[0] = (char)(len == 1 ? rune : (0xf00u >> len & 0xff) | rune >> 6 * (len - 1));
        if (rune >= 0xd800 && rune <= 0xdfff) {
            assert_int_equal(lam_utf8_decode(text, len, &got), 0);
            continue;
        }
        assert_int_equal(lam_utf8_decode(text, len, &got), len);
        assert_int_equal(got, rune);
        assert_int_equal(lam_utf8_encode(rune, bytes), len);
        assert_memory_equal(bytes, text, len);
    }
}

static void the_first_bad_byte_is_found_wherever_it_stands(void **state)
{
    char text[64];

    (void)state;
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = (char)0xff;
        assert_int_equal(lam_utf8_valid(lam_sv(text, sizeof text)), at);
        assert_int_equal(lam_utf8_valid(lam_sv(text, at)), at);
    }
    assert_int_equal(lam_utf8_valid(LAM_SV("Grüße, 世界")), sizeof "Grüße, 世界" - 1);
    assert_int_equal(lam_utf8_valid(lam_sv(NULL, 0)), 0);
}

static void a_cut_never_splits_a_character(void **state)
{
    struct lam_sv text = LAM_SV("aü世\xf0\x9f\x98\x80z");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};

    (void)state;
    for (size_t max = 0; max < sizeof want / sizeof *want; max++)
        assert_int_equal(lam_utf8_cut(text, max).len, want[max]);
}

static void views_compare_by_bytes_and_a_prefix_comes_first(void **state)
{
    (void)state;
    assert_true(lam_sv_eq(lam_sv(NULL, 0), LAM_SV("")));
    assert_false(lam_sv_eq(LAM_SV("a"), LAM_SV("b")));
    assert_true(lam_sv_eq(lam_sv_of(NULL), LAM_SV("")));
    assert_true(lam_sv_cmp(LAM_SV("a"), LAM_SV("ab")) < 0);
    assert_true(lam_sv_cmp(LAM_SV("b"), LAM_SV("ab")) > 0);
    assert_true(lam_sv_cmp(LAM_SV("\xff"), LAM_SV("a")) > 0);
    assert_int_equal(lam_sv_cmp(lam_sv(NULL, 0), LAM_SV("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_first_bytes_is_judged_by_the_table_of_the_rfc),
        cmocka_unit_test(every_code_point_decodes_and_encodes_to_itself),
        cmocka_unit_test(the_first_bad_byte_is_found_wherever_it_stands),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(views_compare_by_bytes_and_a_prefix_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
