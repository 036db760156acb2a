#include "model.h"

#include <stdlib.h>

#include "builtin.h"
#include "model_bytes.h"

#define HEAD 24
#define FEATURES_MAX (((uint32_t)1 << 24) - 2) /* slots and words have 24 bits for one */

static uint64_t bytes_of(uint64_t labels, uint64_t features, uint64_t names_len)
{
    return HEAD + names_len + 8 * features + 4 * features + 4 * labels + 4 * features * labels + 8 * labels;
}

static bool fits(uint64_t labels, uint64_t features, uint64_t names_len)
{
    return labels && labels <= LAM_BUILTIN_LABELS_MAX && features <= FEATURES_MAX && names_len <= LAM_BUILTIN_MODEL_MAX &&
           bytes_of(labels, features, names_len) <= LAM_BUILTIN_MODEL_MAX;
}

int lam_builtin_classifier_new(struct lam_builtin_model *model, uint32_t label_count, uint32_t feature_count, size_t names_len,
                               struct lam_error *err)
{
    size_t slots = 64;

    if (!fits(label_count, feature_count, names_len))
        return LAM_FAIL(err, LAM_E_LIMIT, "a model of %u labels and %u features is larger than %zu bytes", label_count, feature_count,
                        LAM_BUILTIN_MODEL_MAX);
    while (slots < 2 * (size_t)feature_count)
        slots *= 2;
    model->label_count = label_count;
    model->feature_count = feature_count;
    model->names_len = names_len;
    model->mask = slots - 1;
    model->temperature = 1;
    model->labels = calloc(label_count, sizeof *model->labels);
    model->hashes = calloc(feature_count + 1u, sizeof *model->hashes);
    model->idf = calloc(feature_count + 1u, sizeof *model->idf);
    model->bias = calloc(label_count, sizeof *model->bias);
    model->weights = calloc((size_t)feature_count * label_count + 1, sizeof *model->weights);
    model->matched = calloc(label_count, sizeof *model->matched);
    model->given = calloc(label_count, sizeof *model->given);
    model->names = calloc(names_len + 1, 1);
    model->slots = calloc(slots, sizeof *model->slots);
    if (model->labels && model->hashes && model->idf && model->bias && model->weights && model->matched && model->given && model->names &&
        model->slots)
        return 0;
    lam_builtin_classifier_release(model);
    return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model of %u labels and %u features", label_count, feature_count);
}

void lam_builtin_classifier_release(struct lam_builtin_model *model)
{
    free(model->labels);
    free(model->hashes);
    free(model->idf);
    free(model->bias);
    free(model->weights);
    free(model->matched);
    free(model->given);
    free(model->names);
    free(model->slots);
    model->labels = NULL;
    model->hashes = NULL;
    model->idf = model->bias = model->weights = NULL;
    model->matched = model->given = model->slots = NULL;
    model->names = NULL;
    model->label_count = model->feature_count = 0;
    model->names_len = 0;
}

void lam_builtin_classifier_index(struct lam_builtin_model *model)
{
    for (uint32_t i = 0; i < model->feature_count; i++) {
        size_t at = model->hashes[i] & model->mask;

        while (model->slots[at])
            at = (at + 1) & model->mask;
        model->slots[at] = lam_builtin_feature_tag(model->hashes[i]) | (i + 1);
    }
}

static int put_counts(struct lam_buf *buf, const uint32_t *counts, size_t count, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = lam_put32(buf, counts[i], err);
    return rc;
}

int lam_builtin_classifier_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err)
{
    int rc;

    if ((rc = lam_put32(buf, model->label_count, err)) || (rc = lam_put32(buf, model->feature_count, err)) ||
        (rc = lam_put32(buf, (uint32_t)model->names_len, err)) || (rc = lam_put_float(buf, model->temperature, err)) ||
        (rc = lam_put_float(buf, model->mix, err)) || (rc = lam_put32(buf, 0, err)) ||
        (rc = lam_buf_add(buf, model->names, model->names_len, err)) ||
        (rc = lam_buf_reserve(buf, 12 * (size_t)model->feature_count, err)))
        return rc;
    for (uint32_t i = 0; i < model->feature_count; i++)
        if ((rc = lam_put64(buf, model->hashes[i], err)))
            return rc;
    if ((rc = lam_put_floats(buf, model->idf, model->feature_count, err)) ||
        (rc = lam_put_floats(buf, model->bias, model->label_count, err)) ||
        (rc = lam_put_floats(buf, model->weights, (size_t)model->feature_count * model->label_count, err)) ||
        (rc = put_counts(buf, model->matched, model->label_count, err)))
        return rc;
    return put_counts(buf, model->given, model->label_count, err);
}

static bool read_names(struct lam_builtin_model *model)
{
    size_t at = 0;

    for (uint32_t i = 0; i < model->label_count; i++) {
        const char *end = memchr(model->names + at, 0, model->names_len - at);

        if (!end || end == model->names + at)
            return false;
        model->labels[i] = lam_sv(model->names + at, (size_t)(end - model->names) - at);
        at = (size_t)(end - model->names) + 1;
    }
    return at == model->names_len;
}

static bool fill(struct lam_builtin_model *model, struct lam_sv bytes)
{
    size_t features = model->feature_count, labels = model->label_count;
    const char *p = bytes.ptr + HEAD;
    float head[2];

    memcpy(model->names, p, model->names_len);
    p += model->names_len;
    if (!lam_get_hashes(p, model->hashes, features) || !read_names(model) || !lam_get_floats(p + 8 * features, model->idf, features) ||
        !lam_get_floats(p + 12 * features, model->bias, labels) ||
        !lam_get_floats(p + 12 * features + 4 * labels, model->weights, features * labels) || !lam_get_floats(bytes.ptr + 12, head, 2))
        return false;
    p += 12 * features + 4 * labels + 4 * features * labels;
    for (size_t k = 0; k < labels; k++) {
        model->matched[k] = lam_get32(p + 4 * k);
        model->given[k] = lam_get32(p + 4 * (labels + k));
    }
    model->temperature = head[0];
    model->mix = head[1];
    return head[0] >= 0.01f && head[0] <= 100 && head[1] >= 0 && head[1] <= 1 && lam_get32(bytes.ptr + 20) == 0;
}

int lam_builtin_classifier_read(struct lam_builtin_model *model, struct lam_sv bytes, struct lam_error *err)
{
    uint32_t labels, features, names_len;
    int rc;

    if (bytes.len < HEAD)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a classifier of %zu bytes", bytes.len);
    labels = lam_get32(bytes.ptr);
    features = lam_get32(bytes.ptr + 4);
    names_len = lam_get32(bytes.ptr + 8);
    if (!fits(labels, features, names_len) || bytes_of(labels, features, names_len) != bytes.len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a classifier of %u labels and %u features does not fit its %zu bytes", labels, features,
                        bytes.len);
    if ((rc = lam_builtin_classifier_new(model, labels, features, names_len, err)))
        return rc;
    if (!fill(model, bytes))
        return LAM_FAIL(err, LAM_E_CORRUPT, "the classifier's tables are not what training writes");
    lam_builtin_classifier_index(model);
    return 0;
}
