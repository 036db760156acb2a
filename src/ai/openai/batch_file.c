#include "batch_file.h"

#include <inttypes.h>

#include "embedding.h"
#include "recording.h"

/* JSON on one line: a line break can only stand between its tokens. */
static int add_flat(struct lam_buf *out, struct lam_sv json, struct lam_error *err)
{
    size_t from = out->len;
    int rc = lam_buf_add_sv(out, json, err);

    for (size_t i = from; !rc && i < out->len; i++)
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
            out->ptr[i] = ' ';
    return rc;
}

int lam_batch_request_add(struct lam_buf *out, struct lam_digest key, const char *url, struct lam_sv body, struct lam_error *err)
{
    char hex[LAM_DIGEST_HEX];
    int rc;

    lam_digest_hex(key, hex);
    if ((rc = lam_buf_addf(out, err, "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":\"%s\",\"body\":", hex, url)) || (rc = add_flat(out, body, err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

static uint64_t whole_number(const struct lam_json *json, uint32_t at, uint64_t max)
{
    struct lam_number number;

    if (!lam_json_number(json, at, &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0)
        return 0;
    return (uint64_t)number.i64 > max ? max : (uint64_t)number.i64;
}

static int parse_own(const struct lam_json *json, struct lam_batch_line *parsed, struct lam_error *err)
{
    uint32_t value = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("value")), base64 = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("value_base64"));

    parsed->own = true;
    parsed->base64 = value == LAM_JSON_NONE;
    parsed->value = parsed->base64 ? lam_json_string(json, base64) : lam_json_raw(json, value);
    parsed->meta.time_us = (int64_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("time")), INT64_MAX);
    parsed->meta.tokens_in = (uint32_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("tokens_in")), UINT32_MAX);
    parsed->meta.tokens_out = (uint32_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("tokens_out")), UINT32_MAX);
    return value == LAM_JSON_NONE && lam_json_type(json, base64) != LAM_JSON_STRING ? LAM_FAIL(err, LAM_E_INVALID, "a key without a value") : 0;
}

static bool has(const struct lam_json *json, uint32_t at, const char *field) { return lam_json_field(json, at, lam_sv_of(field)) != LAM_JSON_NONE; }

static void parse_answer(const struct lam_json *json, struct lam_batch_line *parsed)
{
    uint32_t response = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("response")), body = lam_json_field(json, response, LAM_SV("body"));
    uint32_t error = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("error")), status = lam_json_field(json, response, LAM_SV("status_code"));

    parsed->status = status == LAM_JSON_NONE ? 200 : (int)whole_number(json, status, 999);
    if (body == LAM_JSON_NONE && (has(json, response, "choices") || has(json, response, "data")))
        body = response;
    parsed->vectors = has(json, body, "data") && !has(json, body, "choices");
    if (lam_json_type(json, body) == LAM_JSON_OBJECT)
        parsed->body = lam_json_raw(json, body);
    if (error != LAM_JSON_NONE && lam_json_type(json, error) != LAM_JSON_NULL)
        parsed->problem = lam_json_raw(json, error);
}

int lam_batch_line_parse(struct lam_json *json, struct lam_sv line, struct lam_batch_line *parsed, struct lam_error *err)
{
    uint32_t own, custom;
    int rc = lam_json_parse(json, line, err);

    if (rc)
        return rc == LAM_E_LIMIT ? (err->code = LAM_E_INVALID) : rc;
    *parsed = (struct lam_batch_line){0};
    own = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("key"));
    custom = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("custom_id"));
    if (!lam_digest_parse(lam_json_string(json, custom != LAM_JSON_NONE ? custom : own), &parsed->key))
        return LAM_FAIL(err, LAM_E_INVALID, "its custom_id or key is not of 32 hex digits: not an answer to a question of ours");
    if (custom == LAM_JSON_NONE)
        return parse_own(json, parsed, err);
    parse_answer(json, parsed);
    return 0;
}

/* What every value has behind its answer. */
static int add_trace(struct lam_buf *value, struct lam_sv model, const struct lam_cache_meta *meta, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(value, err, ",\"trace\":{\"model\":")) || (rc = lam_buf_add_json(value, model, err)))
        return rc;
    return lam_buf_addf(value, err, ",\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32 ",\"batch\":true}}", meta->tokens_in, meta->tokens_out);
}

int lam_batch_value(struct lam_llm_reader *reader, struct lam_sv body, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    struct lam_llm_reply reply;
    size_t before = value->len;
    int rc;

    if ((rc = lam_llm_reader_chat(reader, body, &reply, err)))
        return rc;
    if (reply.finish != LAM_LLM_STOP)
        return LAM_FAIL(err, LAM_E_INVALID, "the answer was %s", reply.finish == LAM_LLM_LENGTH ? "cut at its limit of tokens" : "withheld by a filter");
    if ((rc = lam_llm_reader_content(reader, reply.content, err)))
        return rc;
    *meta = (struct lam_cache_meta){.tokens_in = reply.tokens_in, .tokens_out = reply.tokens_out};
    if ((rc = lam_buf_addf(value, err, "{\"answer\":")) || (rc = add_flat(value, lam_json_raw(lam_llm_reader_answer(reader), LAM_JSON_ROOT), err)) ||
        (rc = add_trace(value, reply.model, meta, err)))
        value->len = before;
    return rc;
}

/* The one vector of a parsed body, of unit length, and of the job's dimension. */
static int read_vector(const struct lam_json *json, uint32_t dim, struct lam_buf *floats, struct lam_error *err)
{
    uint32_t at = LAM_JSON_NONE;
    size_t found;
    int rc;

    if (!lam_embeddings_find(json, 1, &at))
        return LAM_FAIL(err, LAM_E_INVALID, "the answer has not one vector for its text");
    if ((rc = lam_embedding_read(json, at, floats, err)))
        return rc;
    found = floats->len / sizeof(float);
    if (dim && found != dim)
        return LAM_FAIL(err, LAM_E_INVALID, "an embedding has %zu dimensions, and tasks.embed.dim is %" PRIu32, found, dim);
    return lam_embedding_normalise((float *)(void *)floats->ptr, found) ? 0 : LAM_FAIL(err, LAM_E_INVALID, "an embedding has no length");
}

int lam_batch_vector(struct lam_json *json, struct lam_sv body, uint32_t dim, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    size_t before = value->len;
    struct lam_buf floats;
    int rc = lam_json_parse(json, body, err);

    if (rc)
        return rc;
    lam_buf_init(&floats, LAM_EMBEDDING_BYTES);
    rc = read_vector(json, dim, &floats, err);
    *meta = (struct lam_cache_meta){.tokens_in = lam_llm_count(json, "/usage/prompt_tokens")};
    if (!rc && ((rc = lam_buf_addf(value, err, "{\"answer\":")) || (rc = lam_embedding_add(value, lam_buf_sv(&floats), err)) ||
                (rc = add_trace(value, lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model"))), meta, err))))
        value->len = before;
    lam_buf_release(&floats);
    return rc;
}

int lam_batch_export_own(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err)
{
    bool text = !lam_json_parse(json, entry->value, NULL);
    char hex[LAM_DIGEST_HEX];
    int rc;

    lam_digest_hex(entry->key, hex);
    if ((rc = lam_buf_addf(out, err, "{\"key\":\"%s\",\"time\":%" PRId64 ",\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32 ",\"value%s\":", hex, entry->meta.time_us,
                           entry->meta.tokens_in, entry->meta.tokens_out, text ? "" : "_base64")) ||
        (rc = text ? add_flat(out, entry->value, err) : lam_base64_add(out, entry->value, err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

/* An answer's body up to what is the answer. */
static int add_head(struct lam_buf *out, const struct lam_cache_entry *entry, const char *object, struct lam_sv model, struct lam_error *err)
{
    char hex[LAM_DIGEST_HEX];
    int rc;

    lam_digest_hex(entry->key, hex);
    if ((rc = lam_buf_addf(out, err,
                           "{\"id\":\"cache-%s\",\"custom_id\":\"%s\",\"response\":{\"status_code\":200,\"request_id\":\"cache-%s\",\"body\":{\"id\":\"cache-%s\","
                           "\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                           hex, hex, hex, hex, object, entry->meta.time_us / 1000000)))
        return rc;
    return lam_buf_add_json(out, model, err);
}

static int export_chat(const struct lam_cache_entry *entry, struct lam_sv answer, struct lam_sv model, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = add_head(out, entry, "chat.completion", model, err)) ||
        (rc = lam_buf_addf(out, err, ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":")) ||
        (rc = lam_buf_add_json(out, answer, err)))
        return rc;
    return lam_buf_addf(out, err, "}}],\"usage\":{\"prompt_tokens\":%" PRIu32 ",\"completion_tokens\":%" PRIu32 ",\"total_tokens\":%" PRIu64 "}}},\"error\":null}\n",
                        entry->meta.tokens_in, entry->meta.tokens_out, (uint64_t)entry->meta.tokens_in + entry->meta.tokens_out);
}

static int export_vector(const struct lam_cache_entry *entry, struct lam_sv base64, struct lam_sv model, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = add_head(out, entry, "list", model, err)) || (rc = lam_buf_addf(out, err, ",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":")) ||
        (rc = lam_buf_add_json(out, base64, err)))
        return rc;
    return lam_buf_addf(out, err, "}],\"usage\":{\"prompt_tokens\":%" PRIu32 ",\"total_tokens\":%" PRIu32 "}}},\"error\":null}\n", entry->meta.tokens_in, entry->meta.tokens_in);
}

int lam_batch_export_answer(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err)
{
    uint32_t answer, vector;
    struct lam_json_iter fields;
    struct lam_sv model;

    if (lam_json_parse(json, entry->value, NULL))
        return LAM_FAIL(err, LAM_E_INVALID, "not a model's answer");
    answer = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("answer"));
    if (lam_json_type(json, answer) != LAM_JSON_OBJECT)
        return LAM_FAIL(err, LAM_E_INVALID, "not a model's answer");
    vector = lam_json_field(json, answer, LAM_SV("embedding"));
    fields = lam_json_iter(json, answer);
    model = lam_json_string(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/trace/model")));
    if (lam_json_type(json, vector) == LAM_JSON_STRING && lam_json_next(&fields) && !lam_json_next(&fields)) /* beside others a model has made it up */
        return export_vector(entry, lam_json_string(json, vector), model, out, err);
    return export_chat(entry, lam_json_raw(json, answer), model, out, err);
}
