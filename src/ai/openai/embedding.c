#include "embedding.h"

#include <math.h>

#include "recording.h"

bool lam_embeddings_find(const struct lam_json *json, size_t count, uint32_t *by_index)
{
    struct lam_json_iter iter = lam_json_iter(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("data")));
    struct lam_number number;
    size_t found = 0;

    for (; lam_json_next(&iter); found++) {
        size_t index = found; /* some servers leave it out */

        if (lam_json_number(json, lam_json_field(json, iter.value, LAM_SV("index")), &number))
            index = number.kind == LAM_NUMBER_I64 && number.i64 >= 0 ? (size_t)number.i64 : SIZE_MAX;
        if (index >= count || by_index[index])
            return false;
        by_index[index] = lam_json_field(json, iter.value, LAM_SV("embedding"));
    }
    return found == count;
}

static int read_numbers(const struct lam_json *json, uint32_t at, struct lam_buf *out, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    struct lam_number number;
    int rc = 0;

    while (!rc && lam_json_next(&iter)) {
        float value;

        if (!lam_json_number(json, iter.value, &number))
            return LAM_FAIL(err, LAM_E_INVALID, "an embedding holds what is no number");
        value = (float)lam_number_as_double(&number);
        rc = lam_buf_add(out, &value, sizeof value, err);
    }
    return rc;
}

int lam_embedding_read(const struct lam_json *json, uint32_t at, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    lam_buf_clear(out);
    if (lam_json_type(json, at) == LAM_JSON_ARRAY)
        return read_numbers(json, at, out, err);
    if (lam_json_type(json, at) != LAM_JSON_STRING)
        return LAM_FAIL(err, LAM_E_INVALID, "an embedding is neither numbers nor base64");
    if ((rc = lam_base64_undo(lam_json_string(json, at), out, err)))
        return rc;
    return out->len % sizeof(float) ? LAM_FAIL(err, LAM_E_INVALID, "an embedding in base64 is no floats") : 0;
}

bool lam_embedding_normalise(float *vector, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * vector[i];
    if (!(sum > 0) || !isfinite(sum))
        return false;
    sum = sqrt(sum);
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)(vector[i] / sum);
    return true;
}

int lam_embedding_add(struct lam_buf *out, struct lam_sv floats, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"embedding\":")) || (rc = lam_base64_add(out, floats, err)))
        return rc;
    return lam_buf_addf(out, err, "}");
}
