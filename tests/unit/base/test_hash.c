/* Hashes: the published values, for what stands on disk uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"

static void crc32c_is_castagnolis(void **state)
{
    unsigned char bytes[32];

    (void)state;
    assert_int_equal(lam_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(lam_crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes); /* RFC 3720, B.4 */
    assert_int_equal(lam_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(lam_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(lam_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
}

static void crc32c_of_parts_is_that_of_the_whole(void **state)
{
    char bytes[1000];
    uint32_t whole;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 + i / 7);
    whole = lam_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13)
        assert_int_equal(lam_crc32c(lam_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

static void xxh3_has_its_published_values_for_no_bytes(void **state)
{
    char hex[LAM_DIGEST_HEX];

    (void)state;
    assert_true(lam_hash64("", 0) == 0x2d06800538d394c2u);
    lam_digest_hex(lam_hash128("", 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_true(lam_hash64("a", 1) != lam_hash64("b", 1));
}

static void a_digest_reads_back_from_its_hex(void **state)
{
    struct lam_digest digest = lam_hash128("path/to/file", 12), back;
    char hex[LAM_DIGEST_HEX];

    (void)state;
    lam_digest_hex(digest, hex);
    assert_int_equal(strlen(hex), 32);
    assert_true(lam_digest_parse(lam_sv_of(hex), &back));
    assert_true(lam_digest_eq(digest, back));
    assert_false(lam_digest_parse(lam_sv(hex, 31), &back));
    hex[5] = 'G';
    assert_false(lam_digest_parse(lam_sv_of(hex), &back));
    hex[5] = 'A'; /* written in small letters only */
    assert_false(lam_digest_parse(lam_sv_of(hex), &back));
}

static void a_digest_of_parts_is_that_of_the_whole(void **state)
{
    struct lam_hash_state *hash = lam_hash_new();
    char bytes[5000];

    (void)state;
    assert_non_null(hash);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 17 + i / 5);
    for (size_t step = 1; step < sizeof bytes; step = step * 3 + 1) {
        lam_hash_reset(hash);
        for (size_t at = 0; at < sizeof bytes; at += step)
            lam_hash_add(hash, bytes + at, sizeof bytes - at < step ? sizeof bytes - at : step);
        assert_true(lam_digest_eq(lam_hash_end(hash), lam_hash128(bytes, sizeof bytes)));
    }
    lam_hash_free(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_is_castagnolis),
        cmocka_unit_test(crc32c_of_parts_is_that_of_the_whole),
        cmocka_unit_test(xxh3_has_its_published_values_for_no_bytes),
        cmocka_unit_test(a_digest_reads_back_from_its_hex),
        cmocka_unit_test(a_digest_of_parts_is_that_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
