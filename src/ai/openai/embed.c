/*
 * Vectors from an embeddings endpoint: several texts a request, by count and by tokens; float or base64, sorted by index, of unit length, of the job's
 * dimension. The cache keeps one as base64 of little-endian floats.
 */
#include "own.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "embedding.h"

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

static int keep_one(struct lam_openai *o, const struct lam_openai_request *request, struct lam_question *question, const struct lam_llm_reply *reply, struct lam_buf *vector,
                    struct lam_error *err)
{
    int rc;

    lam_buf_clear(&o->scratch3);
    if ((rc = lam_embedding_add(&o->scratch3, lam_buf_sv(vector), err))) {
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
    int rc = lam_embedding_read(json, at, vector, &why);
    size_t found = vector->len / sizeof(float);

    if (rc == LAM_E_MEMORY) {
        *err = why;
        return rc;
    }
    if (!rc && found != dim && !o->vectors_fit)
        return LAM_FAIL(err, LAM_E_INVALID, "%s answers with vectors of %zu dimensions, and tasks.embed.dim is %" PRIu32 ": one of them has to change",
                        o->job->deep.endpoints[request->endpoint].url, found, dim);
    if (!rc && found != dim)
        rc = LAM_FAIL(&why, LAM_E_INVALID, "an embedding has %zu dimensions, and others %" PRIu32, found, dim);
    o->vectors_fit |= !rc;
    if (!rc && !lam_embedding_normalise((float *)(void *)vector->ptr, dim))
        rc = LAM_FAIL(&why, LAM_E_INVALID, "an embedding has no length");
    question = lam_request_take_first(request);
    if (!rc)
        return keep_one(o, request, question, reply, vector, err);
    lam_question_wrong(o, question, request->endpoint, lam_json_raw(json, at), why.text);
    return 0;
}

int lam_embed_take(struct lam_openai *o, struct lam_openai_request *request, struct lam_llm_reply *reply, struct lam_error *err)
{
    struct lam_json *json = lam_json_new(request->body_len + 1, 16);
    uint32_t *by_index = calloc(request->count, sizeof *by_index);
    struct lam_buf vector;
    size_t at = 0;
    int rc = json && by_index ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for vectors");

    lam_buf_init(&vector, LAM_EMBEDDING_BYTES);
    *reply = (struct lam_llm_reply){0};
    if (rc || (rc = lam_json_parse(json, lam_sv(request->body, request->body_len), err)) == LAM_E_MEMORY)
        goto cleanup;
    if (!rc) {
        reply->model = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model")));
        reply->tokens_in = lam_llm_count(json, "/usage/prompt_tokens");
    }
    lam_request_account(o, request, reply); /* paid, whatever it holds */
    if (rc || !lam_embeddings_find(json, request->count, by_index)) {
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

/* The vector of the value that stands in o->value, as floats. LAM_E_INVALID: it has none that can be the job's. */
static int kept_vector(const struct lam_openai *o, struct lam_buf *floats, struct lam_error *err)
{
    uint32_t at = lam_json_find(o->value, LAM_JSON_ROOT, LAM_SV("/answer/embedding"));
    int rc = lam_embedding_read(o->value, at, floats, err);

    if (!rc && floats->len != o->job->tasks.dim * sizeof(float))
        rc = LAM_FAIL(err, LAM_E_INVALID, "a kept vector of %zu bytes", floats->len);
    return rc;
}

int lam_embed_check(const struct lam_openai *o, struct lam_error *err)
{
    struct lam_buf floats;
    int rc;

    lam_buf_init(&floats, LAM_EMBEDDING_BYTES);
    if (!(rc = kept_vector(o, &floats, err)) && !lam_embedding_normalise((float *)(void *)floats.ptr, o->job->tasks.dim))
        rc = LAM_FAIL(err, LAM_E_INVALID, "a kept vector without a length");
    lam_buf_release(&floats);
    return rc;
}

int lam_embed_apply(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    uint32_t dim = o->job->tasks.dim;
    struct lam_sv space;
    struct lam_buf bytes;
    float *kept;
    int rc;

    lam_buf_init(&bytes, LAM_EMBEDDING_BYTES);
    rc = kept_vector(o, &bytes, err);
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
