#include "model.h"

#include <stdlib.h>

#include "base/hash.h"
#include "builtin.h"

#define MAGIC "LAMBLT1\n"
#define FORMAT 1
#define HEAD 48

static size_t bytes_of(uint64_t labels, uint64_t features, uint64_t names_len)
{
    return HEAD + names_len + 8 * features + 4 * features + 4 * labels + 4 * features * labels + 4;
}

static bool fits(uint64_t labels, uint64_t features, uint64_t names_len)
{
    return labels <= LAM_BUILTIN_LABELS_MAX && features <= LAM_BUILTIN_MODEL_MAX / 16 && names_len <= LAM_BUILTIN_MODEL_MAX &&
           bytes_of(labels, features, names_len) <= LAM_BUILTIN_MODEL_MAX;
}

int lam_builtin_model_new(uint32_t label_count, uint32_t feature_count, size_t names_len, struct lam_builtin_model **model,
                          struct lam_error *err)
{
    struct lam_builtin_model *made;
    size_t slots = 64;

    *model = NULL;
    if (!fits(label_count, feature_count, names_len))
        return LAM_FAIL(err, LAM_E_LIMIT, "a model of %u labels and %u features is larger than %zu bytes", label_count, feature_count,
                        LAM_BUILTIN_MODEL_MAX);
    while (slots < 2 * (size_t)feature_count)
        slots *= 2;
    if (!(made = calloc(1, sizeof *made)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model");
    made->label_count = label_count;
    made->feature_count = feature_count;
    made->names_len = names_len;
    made->mask = slots - 1;
    made->labels = calloc(label_count + 1u, sizeof *made->labels);
    made->hashes = calloc(feature_count + 1u, sizeof *made->hashes);
    made->idf = calloc(feature_count + 1u, sizeof *made->idf);
    made->bias = calloc(label_count + 1u, sizeof *made->bias);
    made->weights = calloc((size_t)feature_count * label_count + 1, sizeof *made->weights);
    made->names = calloc(names_len + 1, 1);
    made->slots = calloc(slots, sizeof *made->slots);
    if (!made->labels || !made->hashes || !made->idf || !made->bias || !made->weights || !made->names || !made->slots) {
        lam_builtin_model_free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model of %u labels and %u features", label_count, feature_count);
    }
    *model = made;
    return 0;
}

void lam_builtin_model_free(struct lam_builtin_model *model)
{
    if (!model)
        return;
    free(model->labels);
    free(model->hashes);
    free(model->idf);
    free(model->bias);
    free(model->weights);
    free(model->names);
    free(model->slots);
    free(model);
}

void lam_builtin_model_index(struct lam_builtin_model *model)
{
    for (uint32_t i = 0; i < model->feature_count; i++) {
        size_t at = model->hashes[i] & model->mask;

        while (model->slots[at])
            at = (at + 1) & model->mask;
        model->slots[at] = i + 1;
    }
}

uint32_t lam_builtin_model_find(const struct lam_builtin_model *model, uint64_t hash)
{
    for (size_t at = hash & model->mask; model->slots[at]; at = (at + 1) & model->mask)
        if (model->hashes[model->slots[at] - 1] == hash)
            return model->slots[at] - 1;
    return UINT32_MAX;
}

uint64_t lam_builtin_tasks_digest(const struct lam_tasks *tasks)
{
    uint64_t digest = 0x6c616d696e61u + tasks->label_count;

    for (size_t i = 0; i < tasks->label_count; i++) {
        uint64_t parts[3] = {digest, lam_hash64(tasks->labels[i].name.ptr, tasks->labels[i].name.len),
                             lam_hash64(tasks->labels[i].description.ptr, tasks->labels[i].description.len)};
        unsigned char bytes[24];

        for (int k = 0; k < 24; k++) /* little-endian, wherever this runs */
            bytes[k] = (unsigned char)(parts[k / 8] >> 8 * (k % 8));
        digest = lam_hash64(bytes, sizeof bytes);
    }
    return digest;
}

/* Little-endian numbers, by bytes: the same file on every platform. */

static int put32(struct lam_buf *buf, uint32_t value, struct lam_error *err)
{
    unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8), (unsigned char)(value >> 16),
                              (unsigned char)(value >> 24)};

    return lam_buf_add(buf, bytes, 4, err);
}

static int put64(struct lam_buf *buf, uint64_t value, struct lam_error *err)
{
    int rc = put32(buf, (uint32_t)value, err);

    return rc ? rc : put32(buf, (uint32_t)(value >> 32), err);
}

static int put_floats(struct lam_buf *buf, const float *values, size_t count, struct lam_error *err)
{
    int rc = lam_buf_reserve(buf, 4 * count, err);

    for (size_t i = 0; i < count && !rc; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], 4);
        rc = put32(buf, bits, err);
    }
    return rc;
}

int lam_builtin_model_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err)
{
    size_t begun = buf->len;
    const float head[2] = {model->temperature, model->mix};
    int rc;

    if ((rc = lam_buf_add(buf, MAGIC, 8, err)) || (rc = put32(buf, FORMAT, err)) || (rc = put32(buf, model->label_count, err)) ||
        (rc = put32(buf, model->feature_count, err)) || (rc = put32(buf, (uint32_t)model->names_len, err)) ||
        (rc = put64(buf, model->tasks_digest, err)) || (rc = put_floats(buf, head, 2, err)) ||
        (rc = put32(buf, model->document_count, err)) || (rc = put32(buf, 0, err)) ||
        (rc = lam_buf_add(buf, model->names, model->names_len, err)))
        return rc;
    for (uint32_t i = 0; i < model->feature_count; i++)
        if ((rc = put64(buf, model->hashes[i], err)))
            return rc;
    if ((rc = put_floats(buf, model->idf, model->feature_count, err)) || (rc = put_floats(buf, model->bias, model->label_count, err)) ||
        (rc = put_floats(buf, model->weights, (size_t)model->feature_count * model->label_count, err)))
        return rc;
    return put32(buf, lam_crc32c(0, buf->ptr + begun, buf->len - begun), err);
}

static uint32_t get32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get64(const char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

/* Floats that are numbers within bounds: a damaged or hostile one would make every answer NaN. */
static bool get_floats(const char *p, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = get32(p + 4 * i);

        memcpy(&values[i], &bits, 4);
        if (!(values[i] > -1e6f && values[i] < 1e6f))
            return false;
    }
    return true;
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
    const char *p = bytes.ptr + HEAD;
    size_t features = model->feature_count;
    float head[2];

    memcpy(model->names, p, model->names_len);
    p += model->names_len;
    for (size_t i = 0; i < features; i++) {
        model->hashes[i] = get64(p + 8 * i);
        if (i && model->hashes[i] <= model->hashes[i - 1])
            return false;
    }
    p += 8 * features;
    if (!read_names(model) || !get_floats(p, model->idf, features) || !get_floats(p + 4 * features, model->bias, model->label_count) ||
        !get_floats(p + 4 * (features + model->label_count), model->weights, features * model->label_count) ||
        !get_floats(bytes.ptr + 32, head, 2))
        return false;
    model->temperature = head[0];
    model->mix = head[1];
    return head[0] >= 0.01f && head[0] <= 100 && head[1] >= 0 && head[1] <= 1;
}

int lam_builtin_model_read(struct lam_sv bytes, struct lam_builtin_model **model, struct lam_error *err)
{
    uint32_t labels, features, names_len;
    int rc;

    *model = NULL;
    if (bytes.len < HEAD + 4 || memcmp(bytes.ptr, MAGIC, 8))
        return LAM_FAIL(err, LAM_E_CORRUPT, "not a model of the built-in analyzer");
    if (get32(bytes.ptr + 8) != FORMAT)
        return LAM_FAIL(err, LAM_E_CORRUPT, "model format %u: this program reads %d", get32(bytes.ptr + 8), FORMAT);
    labels = get32(bytes.ptr + 12);
    features = get32(bytes.ptr + 16);
    names_len = get32(bytes.ptr + 20);
    if (!labels || !fits(labels, features, names_len) || bytes_of(labels, features, names_len) != bytes.len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "model of %u labels and %u features does not fit its %zu bytes", labels, features, bytes.len);
    if (get32(bytes.ptr + bytes.len - 4) != lam_crc32c(0, bytes.ptr, bytes.len - 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "checksum of the model is wrong");
    if ((rc = lam_builtin_model_new(labels, features, names_len, model, err)))
        return rc;
    (*model)->tasks_digest = get64(bytes.ptr + 24);
    (*model)->document_count = get32(bytes.ptr + 40);
    if (!fill(*model, bytes)) {
        lam_builtin_model_free(*model);
        *model = NULL;
        return LAM_FAIL(err, LAM_E_CORRUPT, "the model's tables are not what training writes");
    }
    lam_builtin_model_index(*model);
    return 0;
}
