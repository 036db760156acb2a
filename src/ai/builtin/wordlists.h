/* The constant word lists, as words parted by blanks; lexicon.c reads them once a handle. All written for this project. */
#ifndef LAMINA_AI_WORDLISTS_H
#define LAMINA_AI_WORDLISTS_H

#include <stdint.h>

struct lam_words {
    int value; /* what it is depends on the list */
    const char *words;
};

/* value: enum lam_language. Each list ends with words NULL. */
extern const struct lam_words lam_words_stop_latin[];
extern const struct lam_words lam_words_stop_other[];

/* value: valence in tenths. */
extern const struct lam_words lam_words_sentiment[];

/* value: hundredths that an intensifier adds, negative for what weakens. */
extern const struct lam_words lam_words_boost[];

/* value: enum lam_lex_flag; words that need nothing but the flag. */
extern const struct lam_words lam_words_flags[];

/* value: 1..12, and 100 more where the word is common otherwise. */
extern const struct lam_words lam_words_months[];

/* value: enum lam_currency, and power of ten. */
extern const struct lam_words lam_words_currencies[];
extern const struct lam_words lam_words_scales[];

/* value: enum lam_name_flag; "_" joins the words of a phrase. */
extern const struct lam_words lam_words_names[];

#endif
