/*
 * Summary: the sentences that are most central to the text, in the order of the text.
 *
 * Centrality is continuous LexRank (Erkan and Radev 2004): sentences as vectors of content words, their cosines as a graph, and the
 * stationary distribution of a walk on it. Priors: the first sentences, words of the title, neither very short nor very long.
 * What a sentence says again counts against it (maximal marginal relevance: Carbonell and Goldstein 1998). Of texts with more than LAM_SUMMARY_GRAPH sentences
 * the most central by the mean vector enter the graph, so that work stays linear.
 */
#ifndef LAMINA_AI_SUMMARY_H
#define LAMINA_AI_SUMMARY_H

#include "language.h"
#include "sentences.h"

#include "base/buf.h"

#define LAM_SUMMARY_GRAPH 64
#define LAM_SUMMARY_SENTENCES 16  /* at most */
#define LAM_SUMMARY_SENTENCE 600  /* bytes of one: a longer one is cut and ends in "…" */

struct lam_summary {
    float *weights; /* by term: its weight in a text, or in one sentence */
    float *marks;
    size_t term_cap;
};

void lam_summary_init(struct lam_summary *summary);
void lam_summary_release(struct lam_summary *summary);

/*
 * Adds a summary of at most max sentences to out: valid UTF-8, blanks and line breaks made one blank. Headings are in it only where the
 * text has nothing else.
 */
int lam_summary_make(struct lam_summary *summary, const struct lam_tokens *tokens, const struct lam_sentences *sentences,
                     enum lam_language language, uint32_t max, struct lam_buf *out, struct lam_error *err);

#endif
