#include "features.h"

#include <math.h>
#include <stdlib.h>

#include "fmath.h"
#include "vector.h"

void lam_features_init(struct lam_features *features) { *features = (struct lam_features){0}; }

void lam_features_release(struct lam_features *features)
{
    free(features->hashes);
    free(features->found);
    free(features->values);
    lam_features_init(features);
}

static uint64_t pair(uint64_t a, uint64_t b)
{
    a = (a ^ (b << 23 | b >> 41)) * 0x9e3779b97f4a7c15u;
    return a ^ a >> 29;
}

/* No English stop word and no single letter. */
static bool counts(const struct lam_term *term)
{
    return !(term->lex && term->lex->langs & 1) && (term->fold_len >= 2 || term->flags & LAM_TOKEN_SIGN);
}

static int room(struct lam_features *features, size_t most, struct lam_error *err)
{
    uint64_t *grown;

    if (most <= features->cap)
        return 0;
    if (!(grown = realloc(features->hashes, most * sizeof *grown)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu features", most);
    features->hashes = grown;
    features->cap = most;
    return 0;
}

int lam_features_read(struct lam_features *features, const struct lam_tokens *tokens, struct lam_error *err)
{
    size_t most = tokens->count < LAM_FEATURE_TOKENS ? tokens->count : LAM_FEATURE_TOKENS;
    uint64_t last = 0;
    int rc = room(features, 2 * most, err);

    if (rc)
        return rc;
    features->count = 0;
    for (size_t i = 0; i < most; i++) {
        const struct lam_term *term = &tokens->terms[tokens->tokens[i].term];

        if (!counts(term))
            continue;
        features->hashes[features->count++] = term->hash;
        if (last)
            features->hashes[features->count++] = pair(last, term->hash);
        last = term->hash;
    }
    return 0;
}

static int prepare(struct lam_features *features, size_t most, uint32_t feature_count, struct lam_error *err)
{
    if (feature_count > features->value_cap) {
        free(features->values);
        features->value_cap = 0;
        if (!(features->values = calloc(feature_count, sizeof *features->values)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u features", feature_count);
        features->value_cap = feature_count;
    }
    if (most > features->found_cap) {
        uint32_t *grown = realloc(features->found, most * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu features", most);
        features->found = grown;
        features->found_cap = most;
    }
    features->found_count = 0;
    return 0;
}

static void count_feature(struct lam_features *features, uint32_t feature, float count)
{
    if (features->values[feature] == 0)
        features->found[features->found_count++] = feature;
    features->values[feature] += count;
}

int lam_features_weigh(struct lam_features *features, const struct lam_tokens *tokens, const struct lam_builtin_model *model,
                       struct lam_error *err)
{
    size_t most = tokens->count < LAM_FEATURE_TOKENS ? tokens->count : LAM_FEATURE_TOKENS;
    uint64_t last = 0;
    double norm = 0;
    int rc;

    if ((rc = prepare(features, tokens->term_count + most, model->feature_count, err)) || (rc = room(features, tokens->term_count, err)))
        return rc;
    for (size_t i = 0; i < tokens->term_count; i++) {
        const struct lam_term *term = &tokens->terms[i];
        uint32_t feature;

        features->hashes[i] = counts(term) ? term->hash : 0; /* beside each other for the pairs */
        if (!features->hashes[i] || term->first >= LAM_FEATURE_TOKENS)
            continue;
        feature = term->word ? term->word->feature - 1u : lam_builtin_model_find(model, term->hash);
        if (feature < model->feature_count)
            count_feature(features, feature, (float)term->count);
    }
    for (size_t i = 0; i < most; i++) {
        uint64_t hash = features->hashes[tokens->tokens[i].term];
        uint32_t feature;

        if (!hash)
            continue;
        if (last && (feature = lam_builtin_model_find(model, pair(last, hash))) != UINT32_MAX)
            count_feature(features, feature, 1);
        last = hash;
    }
    features->count = 0; /* hashes is not what lam_features_read left any more */
    for (size_t i = 0; i < features->found_count; i++) {
        float *value = &features->values[features->found[i]];

        *value = (float)((1 + lam_log_count((uint32_t)*value)) * model->idf[features->found[i]]);
        norm += (double)*value * *value;
    }
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (size_t i = 0; i < features->found_count; i++)
        features->values[features->found[i]] = (float)(features->values[features->found[i]] * norm);
    return 0;
}

void lam_features_forget(struct lam_features *features)
{
    for (size_t i = 0; i < features->found_count; i++)
        features->values[features->found[i]] = 0;
    features->found_count = 0;
}

void lam_features_score(const struct lam_features *features, const struct lam_builtin_model *model, double *scores)
{
    uint32_t labels = model->label_count;

    for (uint32_t k = 0; k < labels; k++)
        scores[k] = model->bias[k];
    for (size_t i = 0; i < features->found_count; i++) {
        const float *weights = &model->weights[(size_t)features->found[i] * labels];

        lam_add_scaled(scores, weights, features->values[features->found[i]], labels);
    }
    for (uint32_t k = 0; k < labels; k++)
        scores[k] /= model->temperature;
}
