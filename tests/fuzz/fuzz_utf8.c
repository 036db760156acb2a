/* The rules of UTF-8 against a decoder that is written from the table of RFC 3629, bit by bit. */
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t naive_len(const uint8_t *p, size_t len)
{
    uint32_t rune, least;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    n = p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    rune = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        rune = rune << 6 | (p[i] & 0x3f);
    }
    least = n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000;
    return rune >= least && rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff) ? n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_sv all = lam_sv((const char *)data, size);
    size_t i = 0, n;

    while (i < size && (n = naive_len(data + i, size - i)))
        i += n;
    if (lam_utf8_valid(all) != i)
        abort();
    for (size_t max = 0; max <= i && max < 40; max++) {
        struct lam_sv cut = lam_utf8_cut(lam_sv(all.ptr, i), max);

        if (cut.len > max || lam_utf8_valid(cut) != cut.len || (i > max && max - cut.len > 3))
            abort();
    }
    return 0;
}
