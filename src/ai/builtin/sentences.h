/*
 * Sentences of a text (not of its title): runs of tokens with the bytes they span, punctuation at the end included.
 *
 * A sentence ends at . ! ? … and their like in other scripts, followed by a blank or a quote; at an empty line; before a list item;
 * and at a line break after a short line, which is a heading. A full stop does not end one after an abbreviation or an initial,
 * inside of a number, and before a lower-case letter.
 */
#ifndef LAMINA_AI_SENTENCES_H
#define LAMINA_AI_SENTENCES_H

#include "tokens.h"

#define LAM_SENTENCES_MAX 4096 /* the rest of the text belongs to none */

struct lam_sentence {
    uint32_t first, last; /* tokens, last excluded */
    uint32_t start, end;  /* bytes of the text, no blanks at either end */
    uint8_t bang;         /* exclamation marks at its end, at most 3 */
    uint8_t heading;      /* ended without punctuation */
};

struct lam_sentences {
    struct lam_sentence *items;
    size_t count, cap;
};

void lam_sentences_init(struct lam_sentences *sentences);
void lam_sentences_release(struct lam_sentences *sentences);
int lam_sentences_split(struct lam_sentences *sentences, const struct lam_tokens *tokens, struct lam_error *err);

#endif
