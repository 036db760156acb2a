#include "recording.h"

#include <stddef.h>
#include <stdlib.h>

static const char *const code_names[] = {"ok", "resolve", "connect", "tls", "cut", "timeout", "too_large", "other"};

const char *lam_llm_transport_code_name(enum lam_llm_transport_code code) { return code_names[code <= LAM_LLM_T_OTHER ? code : LAM_LLM_T_OTHER]; }

enum lam_llm_transport_code lam_llm_transport_code_of(struct lam_sv name)
{
    for (int code = LAM_LLM_T_OK; code < LAM_LLM_T_OTHER; code++)
        if (lam_sv_eq(name, lam_sv_of(code_names[code])))
            return (enum lam_llm_transport_code)code;
    return LAM_LLM_T_OTHER;
}

#define FIELD(member) {#member, offsetof(struct lam_llm_headers, member)}

const struct lam_llm_header_field lam_llm_header_fields[LAM_LLM_HEADER_FIELDS] = {
    FIELD(retry_after_ms),   FIELD(limit_requests), FIELD(remaining_requests), FIELD(reset_requests_ms),
    FIELD(limit_tokens),     FIELD(remaining_tokens), FIELD(reset_tokens_ms),
};

/*
 * A value's digest is that of its type and text, or of its parts' digests; an object's fields are added up, so that their order is nothing.
 * Depth is bounded by the parser.
 */
static struct lam_digest digest_of(const struct lam_json *json, uint32_t at, struct lam_sv name)
{
    enum lam_json_type type = lam_json_type(json, at);
    struct lam_sv text = type == LAM_JSON_STRING ? lam_json_string(json, at) : lam_json_raw(json, at);
    struct lam_digest parts[3] = {lam_hash128(name.ptr, name.len)};
    struct lam_json_iter iter = lam_json_iter(json, at);
    uint64_t sums[2] = {0, 0}, chain[4];

    parts[2].bytes[0] = (uint8_t)type;
    if (type != LAM_JSON_OBJECT && type != LAM_JSON_ARRAY) {
        parts[1] = lam_hash128(text.ptr, text.len);
        return lam_hash128(parts, sizeof parts);
    }
    while (lam_json_next(&iter)) {
        struct lam_digest member = digest_of(json, iter.value, iter.object ? iter.name : LAM_SV(""));

        memcpy(chain, member.bytes, 16);
        if (iter.object) {
            sums[0] += chain[0];
            sums[1] += chain[1];
            continue;
        }
        chain[2] = sums[0];
        chain[3] = sums[1];
        member = lam_hash128(chain, sizeof chain);
        memcpy(sums, member.bytes, 16);
    }
    memcpy(parts[1].bytes, sums, 16);
    return lam_hash128(parts, sizeof parts);
}

int lam_llm_request_digest(struct lam_json *json, struct lam_sv body, struct lam_digest *digest, struct lam_error *err)
{
    int rc = lam_json_parse(json, body, err);

    if (rc)
        return rc;
    *digest = digest_of(json, LAM_JSON_ROOT, LAM_SV(""));
    return 0;
}

/* A field that holds JSON: as it is, or as text. */
static struct lam_sv json_field(const struct lam_json *json, struct lam_sv name)
{
    uint32_t at = lam_json_field(json, LAM_JSON_ROOT, name);

    return lam_json_type(json, at) == LAM_JSON_STRING ? lam_json_string(json, at) : lam_json_raw(json, at);
}

static double number_field(const struct lam_json *json, struct lam_sv name, double fallback)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_field(json, LAM_JSON_ROOT, name), &number) ? lam_number_as_double(&number) : fallback;
}

static void read_headers(const struct lam_json *json, struct lam_llm_headers *headers)
{
    uint32_t at = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("headers"));
    struct lam_number number;

    lam_llm_headers_init(headers);
    for (size_t i = 0; i < LAM_LLM_HEADER_FIELDS; i++)
        if (lam_json_number(json, lam_json_field(json, at, lam_sv_of(lam_llm_header_fields[i].name)), &number)) {
            double value = lam_number_as_double(&number);
            int64_t whole = value > -1e15 && value < 1e15 ? (int64_t)value : LAM_LLM_HEADER_NONE;

            memcpy((char *)headers + lam_llm_header_fields[i].offset, &whole, sizeof whole);
        }
    if (lam_json_number(json, lam_json_field(json, at, LAM_SV("should_retry")), &number))
        headers->should_retry = lam_number_as_double(&number) != 0;
}

int lam_recorded_parse(struct lam_json *json, struct lam_sv line, struct lam_recorded *recorded, struct lam_error *err)
{
    struct lam_sv failure, base64;
    double status, seconds;
    int rc = lam_json_parse(json, line, err);

    if (rc)
        return rc;
    if (lam_json_type(json, LAM_JSON_ROOT) != LAM_JSON_OBJECT)
        return LAM_FAIL(err, LAM_E_INVALID, "not an object");
    seconds = number_field(json, LAM_SV("seconds"), 0);
    status = number_field(json, LAM_SV("status"), 200);
    failure = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("failure")));
    base64 = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("answer_base64")));
    *recorded = (struct lam_recorded){.request = json_field(json, LAM_SV("request")),
                                      .model = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model"))),
                                      .contains = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("contains"))),
                                      .seconds = seconds,
                                      .code = failure.len ? lam_llm_transport_code_of(failure) : LAM_LLM_T_OK,
                                      .status = status >= 0 && status < 1000 ? (int)status : -1,
                                      .answer = base64.len ? base64 : json_field(json, LAM_SV("answer")),
                                      .base64 = base64.len > 0};
    read_headers(json, &recorded->headers);
    if (!recorded->request.len && !recorded->contains.len)
        return LAM_FAIL(err, LAM_E_INVALID, "neither a request nor a text that it contains");
    if (recorded->status < 0 || !(seconds >= 0 && seconds < 1e6))
        return LAM_FAIL(err, LAM_E_INVALID, "an impossible status or latency");
    return 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int lam_base64_add(struct lam_buf *buf, struct lam_sv bytes, struct lam_error *err)
{
    int rc = lam_buf_reserve(buf, bytes.len / 3 * 4 + 6, err);
    char *out;

    if (rc)
        return rc;
    out = buf->ptr + buf->len;
    *out++ = '"';
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t word = (uint32_t)(uint8_t)bytes.ptr[i] << 16 | (left > 1 ? (uint32_t)(uint8_t)bytes.ptr[i + 1] << 8 : 0) | (left > 2 ? (uint8_t)bytes.ptr[i + 2] : 0);

        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        *out++ = left > 1 ? alphabet[word >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[word & 63] : '=';
    }
    *out++ = '"';
    buf->len = (size_t)(out - buf->ptr);
    return 0;
}

int lam_base64_undo(struct lam_sv text, struct lam_buf *out, struct lam_error *err)
{
    size_t before = out->len;
    uint32_t word = 0;
    int rc = lam_buf_reserve(out, text.len / 4 * 3, err);

    if (rc)
        return rc;
    if (text.len % 4)
        return LAM_FAIL(err, LAM_E_INVALID, "no base64: %zu characters", text.len);
    while (text.len && text.ptr[text.len - 1] == '=' && text.len % 4 != 2)
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;

        if (!at) {
            out->len = before;
            return LAM_FAIL(err, LAM_E_INVALID, "no base64: character %zu", i);
        }
        word = word << 6 | (uint32_t)(at - alphabet);
        if (i % 4)
            out->ptr[out->len++] = (char)(word >> (6 - 2 * (i % 4)));
    }
    return 0;
}
