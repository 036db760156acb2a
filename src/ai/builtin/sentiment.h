/*
 * Sentiment by word list, after VADER (Hutto and Gilbert 2014) with lists of our own: words carry valence, a negation among the three
 * words before turns it, intensifiers strengthen or weaken it, a word in capitals and exclamation marks strengthen, and what stands
 * before a "but" counts half, what follows one and a half. Words of the corpus that training found on one side (corpus.h) count
 * where no list knows them. The text's value is the mean of the sentences that say something.
 */
#ifndef LAMINA_AI_SENTIMENT_H
#define LAMINA_AI_SENTIMENT_H

#include "sentences.h"

/* What the words of one sentence say, -1..1; 0 where none carries any. */
double lam_sentiment_sentence(const struct lam_tokens *tokens, const struct lam_sentence *sentence);

/* -1..1; 0 where no word carries any. The title counts as a sentence. */
float lam_sentiment_score(const struct lam_tokens *tokens, const struct lam_sentences *sentences);

#endif
