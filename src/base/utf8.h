/* UTF-8: the one place that knows its rules (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
#ifndef LAMINA_BASE_UTF8_H
#define LAMINA_BASE_UTF8_H

#include <lamina/sv.h>
#include <stdint.h>

/* The bytes of the well-formed character at ptr, 1 to 4; 0 where there is none. */
size_t lam_utf8_len(const char *ptr, size_t len);

/* As lam_utf8_len, and *rune is the code point. */
size_t lam_utf8_decode(const char *ptr, size_t len, uint32_t *rune);

/* The bytes of a code point, 1 to 4. Inline: analyzers write words letter by letter. */
static inline size_t lam_utf8_encode(uint32_t rune, char out[4])
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xc0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xe0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

/* Offset of the first byte that is not well-formed UTF-8; sv.len where all is. */
size_t lam_utf8_valid(struct lam_sv sv);

/* The longest prefix of at most max bytes that does not cut a character. sv is well-formed. */
struct lam_sv lam_utf8_cut(struct lam_sv sv, size_t max);

#endif
