#include "runes.h"

#include <stdbool.h>
#include <stddef.h>

struct range {
    uint32_t first, last;
    uint8_t kind, script;
};

/* Ascending; what lies between is LAM_RUNE_OTHER. */
static const struct range ranges[] = {
    {0x85, 0x85, LAM_RUNE_SPACE, 0},
    {0xa0, 0xa0, LAM_RUNE_SPACE, 0},
    {0xaa, 0xaa, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xad, 0xad, LAM_RUNE_INNER, 0},
    {0xb5, 0xb5, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0xba, 0xba, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xc0, 0xd6, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xd8, 0xf6, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xf8, 0x2af, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0x300, 0x36f, LAM_RUNE_LETTER, 0}, /* combining marks */
    {0x370, 0x373, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0x376, 0x377, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0x386, 0x386, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0x388, 0x3ff, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0x400, 0x481, LAM_RUNE_LETTER, LAM_SCRIPT_CYRILLIC},
    {0x483, 0x52f, LAM_RUNE_LETTER, LAM_SCRIPT_CYRILLIC},
    {0x531, 0x556, LAM_RUNE_LETTER, LAM_SCRIPT_ARMENIAN},
    {0x561, 0x587, LAM_RUNE_LETTER, LAM_SCRIPT_ARMENIAN},
    {0x591, 0x5bd, LAM_RUNE_LETTER, LAM_SCRIPT_HEBREW},
    {0x5bf, 0x5bf, LAM_RUNE_LETTER, LAM_SCRIPT_HEBREW},
    {0x5c1, 0x5c2, LAM_RUNE_LETTER, LAM_SCRIPT_HEBREW},
    {0x5d0, 0x5f4, LAM_RUNE_LETTER, LAM_SCRIPT_HEBREW},
    {0x610, 0x61a, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0x620, 0x669, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0x66e, 0x6d3, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0x6d5, 0x6fc, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0x750, 0x77f, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0x900, 0x963, LAM_RUNE_LETTER, LAM_SCRIPT_DEVANAGARI},
    {0x966, 0x97f, LAM_RUNE_LETTER, LAM_SCRIPT_DEVANAGARI},
    {0x980, 0x9ff, LAM_RUNE_LETTER, LAM_SCRIPT_BENGALI},
    {0xa00, 0xa7f, LAM_RUNE_LETTER, LAM_SCRIPT_GURMUKHI},
    {0xa80, 0xaff, LAM_RUNE_LETTER, LAM_SCRIPT_GUJARATI},
    {0xb00, 0xb7f, LAM_RUNE_LETTER, LAM_SCRIPT_ORIYA},
    {0xb80, 0xbff, LAM_RUNE_LETTER, LAM_SCRIPT_TAMIL},
    {0xc00, 0xc7f, LAM_RUNE_LETTER, LAM_SCRIPT_TELUGU},
    {0xc80, 0xcff, LAM_RUNE_LETTER, LAM_SCRIPT_KANNADA},
    {0xd00, 0xd7f, LAM_RUNE_LETTER, LAM_SCRIPT_MALAYALAM},
    {0xd80, 0xdf3, LAM_RUNE_LETTER, LAM_SCRIPT_SINHALA},
    {0xe01, 0xe3a, LAM_RUNE_LETTER, LAM_SCRIPT_THAI},
    {0xe40, 0xe4e, LAM_RUNE_LETTER, LAM_SCRIPT_THAI},
    {0xe50, 0xe59, LAM_RUNE_LETTER, LAM_SCRIPT_THAI},
    {0xe81, 0xedf, LAM_RUNE_LETTER, LAM_SCRIPT_LAO},
    {0xf00, 0xf0a, LAM_RUNE_LETTER, LAM_SCRIPT_TIBETAN},
    {0xf18, 0xfbc, LAM_RUNE_LETTER, LAM_SCRIPT_TIBETAN},
    {0x1000, 0x1049, LAM_RUNE_LETTER, LAM_SCRIPT_MYANMAR},
    {0x1050, 0x109f, LAM_RUNE_LETTER, LAM_SCRIPT_MYANMAR},
    {0x10a0, 0x10fa, LAM_RUNE_LETTER, LAM_SCRIPT_GEORGIAN},
    {0x10fc, 0x10ff, LAM_RUNE_LETTER, LAM_SCRIPT_GEORGIAN},
    {0x1100, 0x11ff, LAM_RUNE_LETTER, LAM_SCRIPT_HANGUL},
    {0x1200, 0x135a, LAM_RUNE_LETTER, LAM_SCRIPT_ETHIOPIC},
    {0x1780, 0x17d3, LAM_RUNE_LETTER, LAM_SCRIPT_KHMER},
    {0x1c90, 0x1cbf, LAM_RUNE_LETTER, LAM_SCRIPT_GEORGIAN},
    {0x1e00, 0x1eff, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0x1f00, 0x1ffe, LAM_RUNE_LETTER, LAM_SCRIPT_GREEK},
    {0x2000, 0x200a, LAM_RUNE_SPACE, 0},
    {0x200b, 0x200f, LAM_RUNE_INNER, 0},
    {0x2028, 0x2029, LAM_RUNE_SPACE, 0},
    {0x202a, 0x202e, LAM_RUNE_INNER, 0},
    {0x202f, 0x202f, LAM_RUNE_SPACE, 0},
    {0x205f, 0x205f, LAM_RUNE_SPACE, 0},
    {0x2060, 0x2069, LAM_RUNE_INNER, 0},
    {0x2600, 0x27bf, LAM_RUNE_EMOJI, 0},
    {0x2b50, 0x2b55, LAM_RUNE_EMOJI, 0},
    {0x2c60, 0x2c7f, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0x3000, 0x3000, LAM_RUNE_SPACE, 0},
    {0x3005, 0x3007, LAM_RUNE_SIGN, LAM_SCRIPT_HAN},
    {0x3041, 0x3096, LAM_RUNE_SIGN, LAM_SCRIPT_KANA},
    {0x3099, 0x309f, LAM_RUNE_SIGN, LAM_SCRIPT_KANA},
    {0x30a1, 0x30fa, LAM_RUNE_SIGN, LAM_SCRIPT_KANA},
    {0x30fc, 0x30ff, LAM_RUNE_SIGN, LAM_SCRIPT_KANA},
    {0x3130, 0x318e, LAM_RUNE_LETTER, LAM_SCRIPT_HANGUL},
    {0x3400, 0x4dbf, LAM_RUNE_SIGN, LAM_SCRIPT_HAN},
    {0x4e00, 0x9fff, LAM_RUNE_SIGN, LAM_SCRIPT_HAN},
    {0xa640, 0xa69f, LAM_RUNE_LETTER, LAM_SCRIPT_CYRILLIC},
    {0xac00, 0xd7a3, LAM_RUNE_LETTER, LAM_SCRIPT_HANGUL},
    {0xf900, 0xfaff, LAM_RUNE_SIGN, LAM_SCRIPT_HAN},
    {0xfb1d, 0xfb4f, LAM_RUNE_LETTER, LAM_SCRIPT_HEBREW},
    {0xfb50, 0xfdfb, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0xfe00, 0xfe0f, LAM_RUNE_INNER, 0},
    {0xfe70, 0xfefc, LAM_RUNE_LETTER, LAM_SCRIPT_ARABIC},
    {0xfeff, 0xfeff, LAM_RUNE_INNER, 0},
    {0xff10, 0xff19, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xff21, 0xff3a, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xff41, 0xff5a, LAM_RUNE_LETTER, LAM_SCRIPT_LATIN},
    {0xff66, 0xff9f, LAM_RUNE_SIGN, LAM_SCRIPT_KANA},
    {0x1f1e6, 0x1f3fa, LAM_RUNE_EMOJI, 0},
    {0x1f3fb, 0x1f3ff, LAM_RUNE_INNER, 0}, /* skin tones */
    {0x1f400, 0x1faff, LAM_RUNE_EMOJI, 0},
    {0x20000, 0x3134f, LAM_RUNE_SIGN, LAM_SCRIPT_HAN},
    {0xe0000, 0xe007f, LAM_RUNE_INNER, 0},
};

static const struct range *find_range(uint32_t rune)
{
    size_t low = 0, high = sizeof ranges / sizeof *ranges;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (rune > ranges[mid].last)
            low = mid + 1;
        else if (rune < ranges[mid].first)
            high = mid;
        else
            return &ranges[mid];
    }
    return NULL;
}

/* Pairs where the upper letter is even, or odd, and the lower one follows it. */
static bool even_upper(uint32_t r)
{
    return (r >= 0x100 && r <= 0x137) || (r >= 0x14a && r <= 0x177) || (r >= 0x1de && r <= 0x1ef) || (r >= 0x1f8 && r <= 0x21f) ||
           (r >= 0x222 && r <= 0x233) || (r >= 0x460 && r <= 0x481) || (r >= 0x48a && r <= 0x4bf) || (r >= 0x4d0 && r <= 0x52f) ||
           (r >= 0x1e00 && r <= 0x1e95) || (r >= 0x1ea0 && r <= 0x1eff);
}

static bool odd_upper(uint32_t r)
{
    return (r >= 0x139 && r <= 0x148) || (r >= 0x179 && r <= 0x17e) || (r >= 0x1cd && r <= 0x1dc) || (r >= 0x4c1 && r <= 0x4ce);
}

static uint32_t fold(uint32_t r)
{
    if ((r >= 0xc0 && r <= 0xde && r != 0xd7) || (r >= 0x391 && r <= 0x3ab) || (r >= 0x410 && r <= 0x42f))
        return r + 0x20;
    switch (r) {
    case 0x130: return 'i';
    case 0x131: return r;
    case 0x178: return 0xff;
    case 0x386: return 0x3ac;
    case 0x38c: return 0x3cc;
    case 0x38e: return 0x3cd;
    case 0x38f: return 0x3ce;
    case 0x3c2: return 0x3c3; /* final sigma */
    case 0x1e9e: return 0xdf;
    case 0x2019: return '\'';
    }
    if (even_upper(r))
        return r | 1;
    if (odd_upper(r))
        return r + (r & 1);
    if (r >= 0x388 && r <= 0x38a)
        return r + 37;
    if (r >= 0x400 && r <= 0x40f)
        return r + 0x50;
    if (r >= 0x531 && r <= 0x556)
        return r + 48;
    if (r >= 0xff10 && r <= 0xff19)
        return r - 0xff10 + '0';
    if (r >= 0xff21 && r <= 0xff3a)
        return r - 0xff21 + 'a';
    if (r >= 0xff41 && r <= 0xff5a)
        return r - 0xff41 + 'a';
    return r;
}

struct lam_rune lam_rune_of(uint32_t rune)
{
    const struct range *range = find_range(rune);
    struct lam_rune of = {.fold = fold(rune)};

    if (range) {
        of.kind = range->kind;
        of.script = range->script;
        of.upper = of.fold != rune && of.kind == LAM_RUNE_LETTER && rune != 0x3c2;
    }
    return of;
}
