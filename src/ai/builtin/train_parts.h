/*
 * The parts of training: the words of the corpus; the sample as rows of features, and the softmax that learns from some of them.
 * For train.c alone.
 */
#ifndef LAMINA_AI_TRAIN_PARTS_H
#define LAMINA_AI_TRAIN_PARTS_H

#include "classify.h"
#include "features.h"
#include "train.h"

/* Reads the documents once and makes the corpus: its words, their idf, the sides that they take. Empty where no word is worth keeping. */
int lam_training_corpus(const struct lam_builtin_doc *docs, size_t count, const struct lam_builtin_training *options,
                        struct lam_corpus *corpus, struct lam_error *err);

/* The sample: tf-idf rows of unit length over the model's features, and what the descriptions say of each. */
struct lam_training_set {
    size_t count;         /* documents used */
    uint32_t label_count;
    size_t *starts;       /* [count + 1] into columns and values */
    uint32_t *columns;
    float *values;
    size_t entry_count, entry_cap;
    float *prior;         /* [count][label_count], sum 1 where matched */
    float *strength;      /* [count]: how much the descriptions' best label is ahead; 0: nothing matched */
    int32_t *given;       /* [count]: known labels, -1 */
    uint8_t *named;       /* [features]: a word of some label's name or description, or a pair with one */
};

/* What one pass over a sample costs, in multiplications: a softmax of a document costs about as much as 16 of its features. */
static inline uint64_t lam_training_work(size_t entries, size_t documents, uint32_t labels)
{
    return ((uint64_t)entries + 16 * (uint64_t)documents) * labels;
}

/*
 * Reads the documents twice: once for the features (those of at least two or three documents, at most max_features), once for the rows.
 * model gets its classifier, with hashes, idf and names, weights 0.
 */
int lam_training_set_build(struct lam_training_set *set, const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count,
                           const struct lam_builtin_training *options, struct lam_builtin_model *model, struct lam_error *err);
void lam_training_set_release(struct lam_training_set *set);

/* One example: a document that stands for a label, with a weight. */
struct lam_example {
    uint32_t doc, label;
    float weight;
};

/* Learns model's weights and bias from scratch by stochastic gradient descent, in an order that seed fixes. */
int lam_softmax_learn(const struct lam_training_set *set, struct lam_example *examples, size_t count, uint64_t seed,
                      const struct lam_builtin_training *options, struct lam_builtin_model *model, struct lam_error *err);

/* The linear answer for a document, not divided by the temperature; without_named: as if the labels' words were not in it. */
void lam_softmax_score(const struct lam_training_set *set, const struct lam_builtin_model *model, size_t doc, bool without_named,
                       double *scores);

#endif
