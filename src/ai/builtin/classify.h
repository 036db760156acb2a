/*
 * Classification by the words of the label descriptions.
 *
 * The words of a label's name and description stand for it, with and without a plural s; a word of several labels counts for each
 * in parts. A text's score for a label is the sum over the words that occur, growing with the logarithm of their count; confidence is
 * a softmax of the scores. No word at all: no category, confidence 0.
 */
#ifndef LAMINA_AI_CLASSIFY_H
#define LAMINA_AI_CLASSIFY_H

#include <lamina/analyzer.h>

#include "features.h"
#include "tokens.h"

struct lam_label_word {
    uint64_t hash;
    uint32_t label;
    float weight;
};

struct lam_label_words {
    struct lam_label_word *items; /* by hash, then label */
    size_t count, cap;
    uint32_t *slots;              /* first item of a hash, + 1 */
    size_t mask;
    uint32_t label_count;
};

/*
 * Reads the labels. LAM_E_INVALID: a label without a name, a name twice, or too many. scratch is used for their words; its lexicon
 * tells the stop words, which stand for nothing.
 */
int lam_label_words_init(struct lam_label_words *words, const struct lam_label *labels, size_t count, struct lam_tokens *scratch,
                         struct lam_error *err);
void lam_label_words_release(struct lam_label_words *words);

/* The first item with this hash, or NULL; more follow while the hash is the same and below items + count. */
const struct lam_label_word *lam_label_words_find(const struct lam_label_words *words, uint64_t hash);

/* Adds to scores[label_count] what the text's words say; returns how many of them stand for some label. */
size_t lam_label_scores(const struct lam_label_words *words, const struct lam_tokens *tokens, double *scores);

/* Makes probabilities of the scores. */
void lam_label_softmax(double *scores, size_t count, double sharpness);

/*
 * What the descriptions say when a corpus was seen: the tf-idf of their words in the text (features weighed by model), as shares
 * that sum to 1. Returns the sum before; 0: no word matched, and prior is all 0.
 */
double lam_label_prior(const struct lam_label_words *words, const struct lam_tokens *tokens, const struct lam_features *features,
                       const struct lam_builtin_model *model, double *prior);

/* The best label and its probability. UINT32_MAX: no word matched. scores: scratch of label_count. */
uint32_t lam_label_classify(const struct lam_label_words *words, const struct lam_tokens *tokens, double *scores, float *confidence);

#endif
