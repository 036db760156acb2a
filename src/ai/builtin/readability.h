/*
 * Readability: Flesch's reading ease for English (Flesch 1948; syllables are estimated from the letters), LIX for other languages
 * whose words have blanks between them (Björnsson 1968). Nothing for texts of a few words, and for scripts without words.
 */
#ifndef LAMINA_AI_READABILITY_H
#define LAMINA_AI_READABILITY_H

#include "language.h"
#include "sentences.h"

struct lam_readability {
    const char *measure; /* "flesch": 0 hard to 100 easy, some beyond; "lix": 20 easy to 60 hard. NULL: none */
    int tenths;          /* the score, in tenths */
};

struct lam_readability lam_readability_of(const struct lam_tokens *tokens, const struct lam_sentences *sentences, bool english);

/* Syllables of a folded English word, at least 1. */
uint32_t lam_syllables(struct lam_sv word);

#endif
