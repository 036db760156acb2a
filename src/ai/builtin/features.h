/* Features of the trained classifier: words and pairs of words, stop words left out, as hashes. */
#ifndef LAMINA_AI_FEATURES_H
#define LAMINA_AI_FEATURES_H

#include "model.h"
#include "tokens.h"

#define LAM_FEATURE_TOKENS 20000 /* of a text: what follows changes no category */

struct lam_features {
    uint64_t *hashes; /* of one text, in order, with repetitions: word, word, pair, word, pair … */
    size_t count, cap;
    uint32_t *found;  /* indexes of the model's features in the text, in order of first occurrence */
    float *values;    /* [feature_count]: 0 but for those found */
    size_t found_count, found_cap, value_cap;
};

void lam_features_init(struct lam_features *features);
void lam_features_release(struct lam_features *features);

/* Fills hashes: what training counts. */
int lam_features_read(struct lam_features *features, const struct lam_tokens *tokens, struct lam_error *err);

/* Fills found and values with tf-idf of unit length. lam_features_forget makes values 0 again. */
int lam_features_weigh(struct lam_features *features, const struct lam_tokens *tokens, const struct lam_builtin_model *model,
                       struct lam_error *err);
void lam_features_forget(struct lam_features *features);

/* scores[label_count]: the model's linear answer, divided by its temperature. */
void lam_features_score(const struct lam_features *features, const struct lam_builtin_model *model, double *scores);

#endif
