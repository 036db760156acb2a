#include "embed.h"

#include <math.h>

#include "fmath.h"

#define UNIT 256          /* fixed point of the weights */
#define STOP_WEIGHT 0.05
#define WEAK_WEIGHT 0.4   /* numbers, and words that say little in any text */
#define GRAM_WEIGHT 0.7
#define UNKNOWN_WEIGHT 0.12 /* of a word that next to no document of the corpus has: it meets nobody, and is noise to all */
#define COMMON 1.06         /* a known word weighs this less RARER times its share of the largest idf */
#define RARER 0.42
#define GRAM 4
#define COUNT_MAX 4096    /* of one term */
#define TERMS_MAX 4096    /* distinct words; with COUNT_MAX this keeps the sums within 31 bits for any dim */
#define SIGNS_MAX 65536

static uint64_t scramble(uint64_t x) /* the finaliser of SplitMix64 */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* As many dimensions of the feature, each with its sign, from 16 bits of the hash each. */
static inline void spread(int32_t *sums, uint32_t dim, uint64_t hash, int count, int32_t weight)
{
    for (int i = 0; i < count; i++, hash >>= 16) {
        uint32_t at = (uint32_t)(hash & 0x7fff) * dim >> 15;
        int32_t sign = -(int32_t)(hash >> 15 & 1); /* 0 or -1 */

        sums[at] += (weight ^ sign) - sign;
    }
}

static void add_grams(const struct lam_tokens *tokens, const struct lam_term *term, int32_t weight, uint32_t dim, int32_t *sums)
{
    unsigned char word[LAM_WORD_MAX + 16] = {0};
    size_t len = term->fold_len < LAM_WORD_MAX + 4 ? term->fold_len : LAM_WORD_MAX + 4;

    word[0] = '<';
    memcpy(word + 1, tokens->folds + term->fold, len);
    word[len + 1] = '>';
    for (size_t i = 0; i + GRAM <= len + 2; i++) {
        uint64_t gram = (uint64_t)word[i] << 24 | (uint64_t)word[i + 1] << 16 | (uint64_t)word[i + 2] << 8 | word[i + 3];

        spread(sums, dim, gram * 0xbf58476d1ce4e5b9u >> 32, 2, weight); /* the upper half of a product is hash enough */
    }
}

/*
 * Of idf as it is used for search this is the opposite half: there are few dimensions, each rare word is noise in all of them, and
 * what two near texts share is mostly not rare (measured: docs/analyzers.md).
 */
static double weigh(const struct lam_term *term, enum lam_language language, double rarer)
{
    double weight = rarer == 0 ? 1 : term->word ? COMMON - rarer * (double)term->word->idf : UNKNOWN_WEIGHT;

    if (term->lex && (term->lex->langs >> language & 1))
        return STOP_WEIGHT * weight;
    return term->flags & LAM_TOKEN_DIGIT || (term->lex && term->lex->flags & LAM_LEX_FILLER) ? WEAK_WEIGHT * weight : weight;
}

bool lam_embed(const struct lam_tokens *tokens, enum lam_language language, uint32_t dim, int32_t *sums, float *embedding)
{
    size_t terms = tokens->term_count < TERMS_MAX ? tokens->term_count : TERMS_MAX;
    double norm = 0, rarer = tokens->corpus && tokens->corpus->count ? RARER / (double)tokens->corpus->idf_max : 0; /* 0: no corpus */

    memset(sums, 0, dim * sizeof *sums);
    for (size_t i = 0; i < terms; i++) {
        const struct lam_term *term = &tokens->terms[i];
        bool stop = term->lex && (term->lex->langs >> language & 1);
        double weight = UNIT * weigh(term, language, rarer) * (1 + lam_log_count(term->count < COUNT_MAX ? term->count : COUNT_MAX));

        spread(sums, dim, scramble(term->hash), 4, (int32_t)(weight + 0.5));
        if (!stop && term->fold_len >= GRAM && !(term->flags & (LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI)))
            add_grams(tokens, term, (int32_t)(weight * GRAM_WEIGHT + 0.5), dim, sums);
    }
    for (size_t i = tokens->title_count; i + 1 < tokens->count && i < SIGNS_MAX; i++) /* ideographs are words by twos */
        if (tokens->tokens[i].flags & tokens->tokens[i + 1].flags & LAM_TOKEN_SIGN && !tokens->tokens[i + 1].gap)
            spread(sums, dim, scramble(tokens->terms[tokens->tokens[i].term].hash * 31 + tokens->terms[tokens->tokens[i + 1].term].hash),
                   4, UNIT);
    for (uint32_t i = 0; i < dim; i++)
        norm += (double)sums[i] * sums[i];
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (uint32_t i = 0; i < dim; i++)
        embedding[i] = (float)(sums[i] * norm);
    return norm > 0;
}
