/*
 * A short title for a text that has none: its first line where that stands as a heading, else the sentence among the first few that
 * has most of what the text is about in the fewest words, cut at a comma or between words. It copies and invents nothing.
 */
#ifndef LAMINA_AI_TITLE_H
#define LAMINA_AI_TITLE_H

#include "language.h"
#include "sentences.h"

#include "base/buf.h"

#define LAM_TITLE_BYTES 96 /* at most, with the "…" of a cut */

/* Adds a title to out: one line of valid UTF-8; nothing where no sentence has a word that tells anything. */
int lam_title_make(const struct lam_tokens *tokens, const struct lam_sentences *sentences, enum lam_language language, struct lam_buf *out,
                   struct lam_error *err);

#endif
