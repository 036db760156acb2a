/*
 * Vectors from an embeddings endpoint: several texts a request, by count and by tokens; float or base64, sorted by index, of unit length, of the job's
 * dimension. The cache keeps one as base64 of little-endian floats.
 */
#include "own.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "recording.h"

#define TEXTS_MAX 32u
#define TOKENS_MAX 8192u /* of one request: servers work on so many at once */

/* Takes texts off the queue. NULL: out of memory. */
struct lam_openai_request *lam_embed_gather(struct lam_openai *o, uint32_t ask, struct lam_error *err)
{
    struct lam_openai_request *request = calloc(1, sizeof *request);
    struct lam_question_queue *queue = &o->ready[ask][0];
    struct lam_question **end;
    uint64_t tokens = 0;

    if (!request) {
        LAM_FAIL(err, LAM_E_MEMORY, "no memory for a request");
        return NULL;
    }
    request->openai = o;
    request->ask = ask;
    end = &request->questions;
    while (queue->first && request->count < TEXTS_MAX && (!request->count || (tokens + queue->first->guess <= TOKENS_MAX && !queue->first->halved && !request->questions->halved))) {
        struct lam_question *question = lam_question_pop(queue);

        tokens += question->guess;
        *end = question;
        end = &question->next;
        request->count++;
    }
    request->packed = request->count > 1;
    return request;
}

int lam_embed_write(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "\"input\":[");

    for (const struct lam_question *question = request->questions; !rc && question; question = question->next) {
        lam_buf_clear(&o->scratch);
        if ((question->title.len && ((rc = lam_buf_add_sv(&o->scratch, question->title, err)) || (rc = lam_buf_add(&o->scratch, "\n\n", 2, err)))) ||
            (rc = lam_buf_add_sv(&o->scratch, question->text, err)) || (question != request->questions && (rc = lam_buf_add(out, ",", 1, err))))
            break;
        rc = lam_buf_add_json(out, lam_buf_sv(&o->scratch), err);
    }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

/* The vector of one answer as floats in out, either form. */
static int read_vector(const struct lam_json *json, uint32_t at, struct lam_buf *out, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    struct lam_number number;
    int rc = 0;

    lam_buf_clear(out);
    if (lam_json_type(json, at) == LAM_JSON_STRING)
        return lam_base64_undo(lam_json_string(json, at), out, err);
    if (lam_json_type(json, at) != LAM_JSON_ARRAY)
        return LAM_FAIL(err, LAM_E_INVALID, "an embedding is neither numbers nor base64");
    while (!rc && lam_json_next(&iter)) {
        float value;

        if (!lam_json_number(json, iter.value, &number))
            return LAM_FAIL(err, LAM_E_INVALID, "an embedding holds what is no number");
        value = (float)lam_number_as_double(&number);
        rc = lam_buf_add(out, &value, sizeof value, err);
    }
    return rc;
}

/* To unit length; false: it has none, or is not finite. */
static bool normalise(float *vector, size_t dim)
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

static int keep_one(struct lam_openai *o, const struct lam_openai_request *request, struct lam_question *question, const struct lam_llm_reply *reply, struct lam_buf *vector,
                    struct lam_error *err)
{
    int rc;

    lam_buf_clear(&o->scratch3);
    if ((rc = lam_buf_addf(&o->scratch3, err, "{\"embedding\":")) || (rc = lam_base64_add(&o->scratch3, lam_buf_sv(vector), err)) || (rc = lam_buf_addf(&o->scratch3, err, "}"))) {
        lam_question_pending(o, question);
        return rc;
    }
    return lam_request_accept(o, request, question, reply, lam_buf_sv(&o->scratch3), NAN, err);
}

/* The vector at `at` is the answer to the request's first question. One of another length is the job's fault where none had the right one, else that text's. */
static int take_one(struct lam_openai *o, struct lam_openai_request *request, const struct lam_llm_reply *reply, const struct lam_json *json, uint32_t at, struct lam_buf *vector,
                    struct lam_error *err)
{
    uint32_t dim = o->job->tasks.dim;
    struct lam_question *question;
    struct lam_error why;
    int rc = read_vector(json, at, vector, &why);
    size_t found = vector->len / sizeof(float);

    if (rc == LAM_E_MEMORY) {
        *err = why;
        return rc;
    }
    if (!rc && vector->len % sizeof(float))
        rc = LAM_FAIL(&why, LAM_E_INVALID, "an embedding in base64 is no floats");
    if (!rc && found != dim && !o->vectors_fit)
        return LAM_FAIL(err, LAM_E_INVALID, "%s answers with vectors of %zu dimensions, and tasks.embed.dim is %" PRIu32 ": one of them has to change",
                        o->job->deep.endpoints[request->endpoint].url, found, dim);
    if (!rc && found != dim)
        rc = LAM_FAIL(&why, LAM_E_INVALID, "an embedding has %zu dimensions, and others %" PRIu32, found, dim);
    o->vectors_fit |= !rc;
    if (!rc && !normalise((float *)(void *)vector->ptr, dim))
        rc = LAM_FAIL(&why, LAM_E_INVALID, "an embedding has no length");
    question = lam_request_take_first(request);
    if (!rc)
        return keep_one(o, request, question, reply, vector, err);
    lam_question_wrong(o, question, request->endpoint, lam_json_raw(json, at), why.text);
    return 0;
}

/* Where the vector of text i stands, by index; false: one is missing, or told twice. */
static bool sort_vectors(const struct lam_json *json, size_t count, uint32_t *by_index)
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

int lam_embed_take(struct lam_openai *o, struct lam_openai_request *request, struct lam_llm_reply *reply, struct lam_error *err)
{
    struct lam_json *json = lam_json_new(request->body_len + 1, 16);
    uint32_t *by_index = calloc(request->count, sizeof *by_index);
    struct lam_buf vector;
    size_t at = 0;
    int rc = json && by_index ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for vectors");

    lam_buf_init(&vector, (size_t)1 << 20);
    *reply = (struct lam_llm_reply){0};
    if (rc || (rc = lam_json_parse(json, lam_sv(request->body, request->body_len), err)) == LAM_E_MEMORY)
        goto cleanup;
    if (!rc) {
        reply->model = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model")));
        reply->tokens_in = lam_llm_count(json, "/usage/prompt_tokens");
    }
    lam_request_account(o, request, reply); /* paid, whatever it holds */
    if (rc || !sort_vectors(json, request->count, by_index)) {
        rc = 0;
        lam_request_wrong(o, request, "the answer has not one vector for each text");
        goto cleanup;
    }
    while (!rc && request->questions)
        rc = take_one(o, request, reply, json, by_index[at++], &vector, err);
cleanup:
    lam_buf_release(&vector);
    lam_json_free(json);
    free(by_index);
    return rc;
}

/* "openai-<dim>/<model>": vectors of two models have nothing in common. */
static struct lam_sv space_of(struct lam_openai *o, struct lam_block *block, struct lam_error *err)
{
    const struct lam_job_deep *deep = &o->job->deep;
    const char *model = "";
    struct lam_buf name;
    struct lam_sv kept = {0};

    for (size_t i = deep->endpoint_count; i-- > 0;)
        if (deep->endpoints[i].kind == LAM_JOB_EMBEDDINGS)
            model = deep->endpoints[i].model;
    lam_buf_init(&name, 1024);
    if (!lam_buf_addf(&name, err, "openai-%" PRIu32 "/%s", o->job->tasks.dim, model))
        kept = lam_block_keep(block, lam_buf_sv(&name));
    lam_buf_release(&name);
    return kept;
}

int lam_embed_apply(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    uint32_t dim = o->job->tasks.dim;
    struct lam_sv space;
    struct lam_buf bytes;
    float *kept;
    int rc;

    lam_buf_init(&bytes, (size_t)1 << 20);
    rc = lam_base64_undo(lam_json_string(o->value, lam_json_find(o->value, LAM_JSON_ROOT, LAM_SV("/answer/embedding"))), &bytes, err);
    if (!rc && bytes.len != dim * sizeof *kept)
        rc = LAM_FAIL(err, LAM_E_INVALID, "a kept vector of %zu bytes", bytes.len);
    if (!rc && (!(space = space_of(o, question->doc->sub->block, err)).ptr || !(kept = lam_block_alloc(question->doc->sub->block, bytes.len))))
        rc = LAM_FAIL(err, LAM_E_LIMIT, "the block is full");
    if (!rc) {
        memcpy(kept, bytes.ptr, bytes.len);
        question->doc->row->enr.embedding = kept;
        question->doc->row->enr.dim = dim;
        question->doc->row->enr.space = space;
    }
    lam_buf_release(&bytes);
    return rc;
}
