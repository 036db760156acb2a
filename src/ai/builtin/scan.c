#include "scan.h"

#include <stdbool.h>
#include <string.h>

static void scan_bytes(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits)
{
    *bits = (struct lam_scan_bits){0};
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';

        folded[i] = (char)(upper ? c + 32 : c);
        bits->word |= (uint64_t)(upper || lower || digit) << i;
        bits->upper |= (uint64_t)upper << i;
        bits->digit |= (uint64_t)digit << i;
    }
}

void lam_scan_portable(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits)
{
    size_t i = 0;

    for (; i + 64 <= len; i += 64)
        scan_bytes(bytes + i, 64, folded + i, bits++);
    scan_bytes(bytes + i, len - i, folded + i, bits++);
    *bits = (struct lam_scan_bits){0};
}

#if defined __x86_64__

#include <immintrin.h>

/* Bytes from first to first + count - 1, as all ones; moved so that one signed comparison tells. */
__attribute__((target("avx2"))) static inline __m256i between(__m256i bytes, char first, int count)
{
    return _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(-128 + count)), _mm256_add_epi8(bytes, _mm256_set1_epi8((char)(-128 - first))));
}

__attribute__((target("avx2"))) static inline void scan_half(const char *bytes, char *folded, struct lam_scan_bits *bits, int shift)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)bytes);
    __m256i upper = between(v, 'A', 26), lower = between(v, 'a', 26), digit = between(v, '0', 10);
    __m256i word = _mm256_or_si256(_mm256_or_si256(upper, lower), digit);

    _mm256_storeu_si256((__m256i *)folded, _mm256_or_si256(v, _mm256_and_si256(upper, _mm256_set1_epi8(32))));
    bits->word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(word) << shift;
    bits->upper |= (uint64_t)(uint32_t)_mm256_movemask_epi8(upper) << shift;
    bits->digit |= (uint64_t)(uint32_t)_mm256_movemask_epi8(digit) << shift;
}

__attribute__((target("avx2"))) static void scan_avx2(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits)
{
    size_t i = 0;

    for (; i + 64 <= len; i += 64, bits++) {
        *bits = (struct lam_scan_bits){0};
        scan_half(bytes + i, folded + i, bits, 0);
        scan_half(bytes + i + 32, folded + i + 32, bits, 32);
    }
    scan_bytes(bytes + i, len - i, folded + i, bits++);
    *bits = (struct lam_scan_bits){0};
}

void lam_scan(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits)
{
    if (__builtin_cpu_supports("avx2"))
        scan_avx2(bytes, len, folded, bits);
    else
        lam_scan_portable(bytes, len, folded, bits);
}

#else

void lam_scan(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits) { lam_scan_portable(bytes, len, folded, bits); }

#endif
