/*
 * Embeddings without a model: words and their runs of four letters are features; each is hashed to a few of the dimensions with a
 * sign (a sparse random projection: Achlioptas 2003, Weinberger et al. 2009), summed, and the sum made unit length. Near texts share
 * words and parts of words; it knows nothing of meaning. Where the tokens have a corpus, its idf weighs the words, and the space is
 * another one. Sums are integers, so that no order shows.
 */
#ifndef LAMINA_AI_EMBED_H
#define LAMINA_AI_EMBED_H

#include "language.h"

/* Stop words of language weigh next to nothing. Fills dim values; false (and all 0) where the text has no word. sums: scratch of dim. */
bool lam_embed(const struct lam_tokens *tokens, enum lam_language language, uint32_t dim, int32_t *sums, float *embedding);

#endif
