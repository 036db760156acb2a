/* What the tokens need to know of a code point: its kind, its script, its lower case. Tables by range, no locale. */
#ifndef LAMINA_AI_RUNES_H
#define LAMINA_AI_RUNES_H

#include <stdint.h>

enum lam_rune_kind {
    LAM_RUNE_OTHER,   /* punctuation, symbols, controls */
    LAM_RUNE_SPACE,
    LAM_RUNE_LETTER,  /* and digits and marks: part of a word */
    LAM_RUNE_SIGN,    /* a word by itself: ideographs, kana */
    LAM_RUNE_EMOJI,   /* a token by itself that is no word */
    LAM_RUNE_INNER    /* joiners and soft hyphens: inside of words, not kept */
};

enum lam_script {
    LAM_SCRIPT_NONE,
    LAM_SCRIPT_LATIN,
    LAM_SCRIPT_GREEK,
    LAM_SCRIPT_CYRILLIC,
    LAM_SCRIPT_ARMENIAN,
    LAM_SCRIPT_HEBREW,
    LAM_SCRIPT_ARABIC,
    LAM_SCRIPT_DEVANAGARI,
    LAM_SCRIPT_BENGALI,
    LAM_SCRIPT_GURMUKHI,
    LAM_SCRIPT_GUJARATI,
    LAM_SCRIPT_ORIYA,
    LAM_SCRIPT_TAMIL,
    LAM_SCRIPT_TELUGU,
    LAM_SCRIPT_KANNADA,
    LAM_SCRIPT_MALAYALAM,
    LAM_SCRIPT_SINHALA,
    LAM_SCRIPT_THAI,
    LAM_SCRIPT_LAO,
    LAM_SCRIPT_TIBETAN,
    LAM_SCRIPT_MYANMAR,
    LAM_SCRIPT_GEORGIAN,
    LAM_SCRIPT_ETHIOPIC,
    LAM_SCRIPT_KHMER,
    LAM_SCRIPT_HANGUL,
    LAM_SCRIPT_KANA,
    LAM_SCRIPT_HAN,
    LAM_SCRIPTS
};

struct lam_rune {
    uint8_t kind;   /* enum lam_rune_kind */
    uint8_t script; /* enum lam_script */
    uint8_t upper;  /* is an upper-case letter */
    uint32_t fold;  /* its lower case; full-width forms become ASCII, U+2019 an apostrophe */
};

/* For code points from U+0080 on; ASCII has a table in tokens.c. */
struct lam_rune lam_rune_of(uint32_t rune);

#endif
