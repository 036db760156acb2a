/*
 * The lexicon: what the word lists say of a word, in one look-up for all tasks. Made once a handle from constant lists, then
 * read only. A word is known by its 64-bit hash alone; the lists are checked for collisions by a test.
 */
#ifndef LAMINA_AI_LEXICON_H
#define LAMINA_AI_LEXICON_H

#include <lamina/error.h>
#include <lamina/sv.h>

enum lam_lex_flag {
    LAM_LEX_STOP = 1,        /* an English stop word, or one of another language (langs says which) */
    LAM_LEX_NEGATION = 2,
    LAM_LEX_CONTRAST = 4,    /* but, however */
    LAM_LEX_ABBREVIATION = 8,/* a full stop after it does not end a sentence */
    LAM_LEX_MONTH = 16,      /* value: 1..12 */
    LAM_LEX_CURRENCY = 32,   /* value: index of enum lam_currency */
    LAM_LEX_SCALE = 64,      /* value: power of ten: thousand, million, billion */
    LAM_LEX_FILLER = 128,    /* no keyword: says little in any text */
    LAM_LEX_TIME = 256,      /* may begin a date that is told from now: yesterday, last, in, Monday */
    LAM_LEX_NUMBER = 512     /* one, two, twelve; a, an */
};

struct lam_lex {
    uint64_t hash;
    uint64_t langs;   /* bit l: a stop word of language l (language.h) */
    int8_t valence;   /* sentiment, in tenths: -40..40 */
    int8_t boost;     /* intensifier, in hundredths */
    uint8_t value;
    uint8_t month_weak;/* month that is also a common word (may, march, mar): only beside a number */
    uint8_t lang_count;/* of langs */
    uint16_t flags;
};

struct lam_lexicon {
    struct lam_lex *slots; /* hash 0: free */
    size_t mask;
    size_t count;
    uint64_t filter[1024]; /* a bit for each word: most words of a text are in no list, and need not look into slots for that */
};

int lam_lexicon_init(struct lam_lexicon *lexicon, struct lam_error *err);
void lam_lexicon_release(struct lam_lexicon *lexicon);

static inline const struct lam_lex *lam_lexicon_find(const struct lam_lexicon *lexicon, uint64_t hash)
{
    if (!(lexicon->filter[hash >> 54] >> (hash >> 48 & 63) & 1))
        return NULL;
    for (size_t i = hash & lexicon->mask; lexicon->slots[i].hash; i = (i + 1) & lexicon->mask)
        if (lexicon->slots[i].hash == hash)
            return &lexicon->slots[i];
    return NULL;
}

#endif
