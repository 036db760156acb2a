/*
 * Keywords: phrases of one to three content words between stop words and punctuation, after RAKE (Rose et al. 2010); a phrase's score is
 * what its words weigh (by count, and by idf where the tokens have a corpus), how often it occurs, and whether it stands in the title
 * or early. A phrase inside of a chosen one is left out.
 */
#ifndef LAMINA_AI_KEYWORDS_H
#define LAMINA_AI_KEYWORDS_H

#include "language.h"

#include "base/buf.h"

#define LAM_KEYWORDS_MAX 64

struct lam_keywords {
    struct lam_phrase *phrases; /* of one text */
    uint32_t *slots;
    double *weights;            /* by term */
    size_t phrase_cap, slot_cap, weight_cap;
};

void lam_keywords_init(struct lam_keywords *keywords);
void lam_keywords_release(struct lam_keywords *keywords);

/* Adds a JSON array of at most max phrases, best first, to json. */
int lam_keywords_find(struct lam_keywords *keywords, const struct lam_tokens *tokens, enum lam_language language, uint32_t max,
                      struct lam_buf *json, struct lam_error *err);

#endif
