#include "language.h"

#define TOKENS_MAX 2000 /* of the text: more evidence changes no answer */

static const char *const codes[LAM_LANGUAGES] = {"en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "no", "fi", "pl", "cs", "sk",
                                                 "hu", "ro", "hr", "sl", "lt", "lv", "et", "tr", "id", "vi", "ca", "ru", "uk", "bg",
                                                 "sr", "ar", "fa", "ur", "hi", "mr", "el", "he", "hy", "bn", "pa", "gu", "or", "ta",
                                                 "te", "kn", "ml", "si", "th", "lo", "bo", "my", "ka", "am", "km", "ko", "ja", "zh"};

/* A script that stands for one language; -1: for several. */
static const int8_t by_script[LAM_SCRIPTS] = {[LAM_SCRIPT_NONE] = -1,
                                              [LAM_SCRIPT_LATIN] = -1,
                                              [LAM_SCRIPT_GREEK] = LAM_LANG_EL,
                                              [LAM_SCRIPT_CYRILLIC] = -1,
                                              [LAM_SCRIPT_ARMENIAN] = LAM_LANG_HY,
                                              [LAM_SCRIPT_HEBREW] = LAM_LANG_HE,
                                              [LAM_SCRIPT_ARABIC] = -1,
                                              [LAM_SCRIPT_DEVANAGARI] = -1,
                                              [LAM_SCRIPT_BENGALI] = LAM_LANG_BN,
                                              [LAM_SCRIPT_GURMUKHI] = LAM_LANG_PA,
                                              [LAM_SCRIPT_GUJARATI] = LAM_LANG_GU,
                                              [LAM_SCRIPT_ORIYA] = LAM_LANG_OR,
                                              [LAM_SCRIPT_TAMIL] = LAM_LANG_TA,
                                              [LAM_SCRIPT_TELUGU] = LAM_LANG_TE,
                                              [LAM_SCRIPT_KANNADA] = LAM_LANG_KN,
                                              [LAM_SCRIPT_MALAYALAM] = LAM_LANG_ML,
                                              [LAM_SCRIPT_SINHALA] = LAM_LANG_SI,
                                              [LAM_SCRIPT_THAI] = LAM_LANG_TH,
                                              [LAM_SCRIPT_LAO] = LAM_LANG_LO,
                                              [LAM_SCRIPT_TIBETAN] = LAM_LANG_BO,
                                              [LAM_SCRIPT_MYANMAR] = LAM_LANG_MY,
                                              [LAM_SCRIPT_GEORGIAN] = LAM_LANG_KA,
                                              [LAM_SCRIPT_ETHIOPIC] = LAM_LANG_AM,
                                              [LAM_SCRIPT_KHMER] = LAM_LANG_KM,
                                              [LAM_SCRIPT_HANGUL] = LAM_LANG_KO,
                                              [LAM_SCRIPT_KANA] = LAM_LANG_JA,
                                              [LAM_SCRIPT_HAN] = LAM_LANG_ZH};

#define L(language) ((uint64_t)1 << LAM_LANG_##language)
#define LATIN_LANGS (L(RU) - 1) /* the enum begins with them */
#define CYRILLIC_LANGS (L(RU) | L(UK) | L(BG) | L(SR))
#define ARABIC_LANGS (L(AR) | L(FA) | L(UR))
#define DEVANAGARI_LANGS (L(HI) | L(MR))

/* Letters that a few languages have: each counts for these. */
static const struct {
    uint16_t rune;
    uint64_t langs;
} letters[] = {{0xdf, L(DE)},
               {0xe9, L(FR) | L(ES) | L(PT) | L(HU) | L(CS) | L(SK)},
               {0xe0, L(FR) | L(IT) | L(PT) | L(CA) | L(VI)},
               {0xe4, L(DE) | L(SV) | L(FI) | L(SK) | L(ET)},
               {0xf6, L(DE) | L(SV) | L(FI) | L(TR) | L(HU) | L(ET)},
               {0xfc, L(DE) | L(TR) | L(HU) | L(ET)},
               {0xe5, L(SV) | L(DA) | L(NO)},
               {0xe6, L(DA) | L(NO)},
               {0xf8, L(DA) | L(NO)},
               {0xf1, L(ES)},
               {0xe3, L(PT) | L(VI)},
               {0xf5, L(PT) | L(ET) | L(VI)},
               {0xe7, L(FR) | L(PT) | L(TR) | L(CA)},
               {0xea, L(FR) | L(PT) | L(VI)},
               {0xe8, L(FR) | L(IT) | L(CA)},
               {0xf9, L(IT) | L(FR)},
               {0xf2, L(IT) | L(CA)},
               {0xec, L(IT)},
               {0xe2, L(RO) | L(FR) | L(PT) | L(VI)},
               {0xee, L(RO) | L(FR)},
               {0xfb, L(FR)},
               {0x153, L(FR)},
               {0xfd, L(CS) | L(SK)},
               {0x103, L(RO) | L(VI)},
               {0x105, L(PL) | L(LT)},
               {0x107, L(PL) | L(HR)},
               {0x10d, L(CS) | L(SK) | L(HR) | L(SL) | L(LT) | L(LV)},
               {0x10f, L(CS) | L(SK)},
               {0x111, L(HR) | L(VI)},
               {0x119, L(PL) | L(LT)},
               {0x117, L(LT)},
               {0x11b, L(CS)},
               {0x113, L(LV)},
               {0x11f, L(TR)},
               {0x12b, L(LV)},
               {0x12f, L(LT)},
               {0x131, L(TR)},
               {0x13c, L(LV)},
               {0x13e, L(SK)},
               {0x142, L(PL)},
               {0x144, L(PL)},
               {0x146, L(LV)},
               {0x148, L(CS) | L(SK)},
               {0x151, L(HU)},
               {0x171, L(HU)},
               {0x159, L(CS)},
               {0x15b, L(PL)},
               {0x15f, L(TR) | L(RO)},
               {0x161, L(CS) | L(SK) | L(HR) | L(SL) | L(LT) | L(LV) | L(ET)},
               {0x163, L(RO)},
               {0x165, L(CS) | L(SK)},
               {0x16b, L(LT) | L(LV)},
               {0x16f, L(CS)},
               {0x173, L(LT)},
               {0x17a, L(PL)},
               {0x17c, L(PL)},
               {0x17e, L(CS) | L(SK) | L(HR) | L(SL) | L(LT) | L(LV)},
               {0xf4, L(SK) | L(FR) | L(PT) | L(VI)},
               {0x101, L(LV)},
               {0x44b, L(RU)},
               {0x44d, L(RU)},
               {0x451, L(RU)},
               {0x456, L(UK)},
               {0x457, L(UK)},
               {0x454, L(UK)},
               {0x491, L(UK)},
               {0x44a, L(BG)},
               {0x449, L(RU) | L(UK) | L(BG)},
               {0x458, L(SR)},
               {0x459, L(SR)},
               {0x45a, L(SR)},
               {0x452, L(SR)},
               {0x45b, L(SR)},
               {0x45f, L(SR)},
               {0x67e, L(FA) | L(UR)},
               {0x686, L(FA) | L(UR)},
               {0x6af, L(FA) | L(UR)},
               {0x6cc, L(FA) | L(UR)},
               {0x6a9, L(FA) | L(UR)},
               {0x679, L(UR)},
               {0x688, L(UR)},
               {0x691, L(UR)},
               {0x6ba, L(UR)},
               {0x6d2, L(UR)},
               {0x6c1, L(UR)},
               {0x629, L(AR)},
               {0x643, L(AR)},
               {0x64a, L(AR)},
               {0x649, L(AR)},
               {0x625, L(AR)}};

const char *lam_language_code(enum lam_language language) { return codes[language]; }

static uint64_t languages_of(int script)
{
    switch (script) {
    case LAM_SCRIPT_LATIN: return LATIN_LANGS;
    case LAM_SCRIPT_CYRILLIC: return CYRILLIC_LANGS;
    case LAM_SCRIPT_ARABIC: return ARABIC_LANGS;
    case LAM_SCRIPT_DEVANAGARI: return DEVANAGARI_LANGS;
    }
    return 0;
}

/* The script that most of the text is in. Two Latin letters weigh as much as one of a script whose letters are syllables. */
static int main_script(const struct lam_tokens *tokens, uint64_t *letter_count)
{
    const uint32_t *scripts = tokens->scripts;
    uint64_t most = 0;
    int best = LAM_SCRIPT_NONE;

    *letter_count = 0;
    for (int i = 1; i < LAM_SCRIPTS; i++) {
        uint64_t weight = (uint64_t)scripts[i] * (i == LAM_SCRIPT_HAN || i == LAM_SCRIPT_KANA || i == LAM_SCRIPT_HANGUL ? 2 : 1);

        *letter_count += scripts[i];
        if (weight > most) {
            most = weight;
            best = i;
        }
    }
    /* Japanese mixes kana with ideographs: one kana in ten letters is enough. */
    if (best == LAM_SCRIPT_HAN && (uint64_t)scripts[LAM_SCRIPT_KANA] * 10 > scripts[LAM_SCRIPT_HAN])
        best = LAM_SCRIPT_KANA;
    return best;
}

static void count_letters(const struct lam_tokens *tokens, uint64_t among, uint32_t score[LAM_LANGUAGES])
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        uint16_t rune = letters[i].rune, count;
        uint64_t langs = letters[i].langs & among;

        count = rune < 0x180 ? tokens->latin[rune - 0xc0] : rune < 0x500 ? tokens->cyrillic[rune - 0x400] : tokens->arabic[rune - 0x600];
        if (!count || !langs)
            continue;
        for (uint64_t left = langs; left; left &= left - 1) /* a letter of one language alone says the most */
            score[__builtin_ctzll(left)] += (uint32_t)count * 24 / (uint32_t)(2 + __builtin_popcountll(langs));
    }
}

/* 45 / n: a division less a word. */
static const uint8_t shares[LAM_LANGUAGES + 1] = {0, 45, 22, 15, 11, 9, 7, 6, 5, 5, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1};

/* Each stop word is worth 60, shared among the languages that use it, with a third of it for all: common words still count. */
static uint32_t count_words(const struct lam_tokens *tokens, uint64_t among, uint32_t score[LAM_LANGUAGES])
{
    uint32_t words = 0;
    size_t seen = 0;

    for (size_t i = 0; i < tokens->term_count && seen < TOKENS_MAX; i++) {
        const struct lam_term *term = &tokens->terms[i];
        uint64_t langs = term->lex ? term->lex->langs & among : 0;
        uint32_t count = term->count < 1000 ? term->count : 1000, worth;

        seen += count;
        words += term->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_EMOJI) ? 0 : count;
        if (!langs)
            continue;
        worth = count * (15 + shares[term->lex->lang_count]);
        for (; langs; langs &= langs - 1)
            score[__builtin_ctzll(langs)] += worth;
    }
    return words;
}

const char *lam_language_detect(const struct lam_tokens *tokens, enum lam_language *of)
{
    uint32_t score[LAM_LANGUAGES] = {0}, words, best = 0, second = 0;
    uint64_t letter_count, among;
    int script = main_script(tokens, &letter_count), found = -1;

    *of = LAM_LANG_EN;
    if (letter_count < 2)
        return NULL;
    if (by_script[script] >= 0) {
        *of = (enum lam_language)by_script[script];
        return codes[*of];
    }
    if (!(among = languages_of(script)))
        return NULL;
    words = count_words(tokens, among, score);
    count_letters(tokens, among, score);
    for (int i = 0; i < LAM_LANGUAGES; i++)
        if (score[i] > best) {
            second = best;
            best = score[i];
            found = i;
        } else if (score[i] > second) {
            second = score[i];
        }
    /* Below a stop word in fifty words the text is names and numbers; a tie says nothing. */
    if (found < 0 || best == second || (uint64_t)best * 50 < (uint64_t)words * 20)
        return NULL;
    *of = (enum lam_language)found;
    return codes[found];
}
