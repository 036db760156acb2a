#include "problem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "model/json.h"

#define READ_MAX ((size_t)64 << 10) /* of a body that tells of an error */
#define USAGE_LOOK 1024

/* One line of at most cap - 1 bytes; other control characters than blanks go, too. */
static void set_text(char *out, size_t cap, struct lam_sv text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len && len + 1 < cap; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        out[len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    while (len && (out[len - 1] == ' ' || (text.len >= cap && (unsigned char)out[len - 1] >= 0x80)))
        len--; /* neither blanks nor half a character at the end */
    out[len] = '\0';
}

static void set_value(char *out, size_t cap, const struct lam_json *json, uint32_t at)
{
    switch (lam_json_type(json, at)) {
    case LAM_JSON_STRING:
        set_text(out, cap, lam_json_string(json, at));
        break;
    case LAM_JSON_NUMBER:
    case LAM_JSON_ARRAY:
    case LAM_JSON_OBJECT:
        set_text(out, cap, lam_json_raw(json, at));
        break;
    default:
        out[0] = '\0';
    }
}

static uint32_t set_number(const struct lam_json *json, uint32_t at)
{
    struct lam_sv raw = lam_json_raw(json, at);
    char text[24] = "";

    if (lam_json_type(json, at) == LAM_JSON_NUMBER && raw.len < sizeof text)
        memcpy(text, raw.ptr, raw.len);
    return (uint32_t)strtoul(text, NULL, 10);
}

/* Of exactly three digits, as behind a comma in 8,192? */
static bool is_group(const char *at)
{
    return isdigit((unsigned char)at[0]) && isdigit((unsigned char)at[1]) && isdigit((unsigned char)at[2]) && !isdigit((unsigned char)at[3]);
}

/* 8192, 8,192 or 8_192. */
static uint32_t read_number(const char *at)
{
    uint64_t number = 0;

    for (; isdigit((unsigned char)*at) && number <= UINT32_MAX; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if ((at[1] == ',' || at[1] == '_') && is_group(at + 2))
            at++;
    }
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* The number behind a phrase, as in "maximum context length is 4096 tokens"; 0: none. */
static uint32_t number_after(const char *message, const char *phrase)
{
    const char *at = strcasestr(message, phrase);

    if (!at)
        return 0;
    at += strlen(phrase);
    while (*at && !isdigit((unsigned char)*at) && *at != '.')
        at++;
    return read_number(at);
}

static bool says(const char *text, const char *const *phrases)
{
    for (; *phrases; phrases++)
        if (strcasestr(text, *phrases))
            return true;
    return false;
}

/* Phrases of OpenAI, vLLM, llama.cpp, Ollama, LiteLLM, Anthropic's gateway. */
static void look_for_length(struct lam_llm_problem *problem)
{
    static const char *const types[] = {"context_length_exceeded", "exceed_context_size", "context_window_exceeded", "request_too_large", "ContextWindowExceeded", NULL};
    static const char *const phrases[] = {"maximum context length", "context size", "context window", "too large to process", "prompt is too long",
                                          "exceeds the model's context", "longer than the maximum model length", "exceeds the context length",
                                          "maximum input length", "Request body too large", NULL};
    static const char *const limits[] = {"context length is", "context length of", "context size (", "context window of", "maximum model length of", "context size is", NULL};
    static const char *const lengths[] = {"you requested", "resulted in", "request (", "prompt contains at least", "prompt contains", NULL};

    problem->too_long = says(problem->type, types) || says(problem->code, types) || says(problem->message, types) || says(problem->message, phrases);
    if (!problem->too_long)
        return;
    for (size_t i = 0; limits[i] && !problem->context; i++)
        problem->context = number_after(problem->message, limits[i]);
    for (size_t i = 0; lengths[i] && !problem->prompt_tokens; i++)
        problem->prompt_tokens = number_after(problem->message, lengths[i]);
}

void lam_llm_problem_read(struct lam_llm_problem *problem, struct lam_json *json, struct lam_sv body)
{
    uint32_t error, message;

    *problem = (struct lam_llm_problem){.param = ""};
    if (body.len > READ_MAX || lam_json_parse(json, body, NULL) || lam_json_type(json, LAM_JSON_ROOT) != LAM_JSON_OBJECT) {
        set_text(problem->message, sizeof problem->message, body);
        look_for_length(problem);
        return;
    }
    error = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("error"));
    if (lam_json_type(json, error) != LAM_JSON_OBJECT && lam_json_type(json, error) != LAM_JSON_STRING)
        error = LAM_JSON_ROOT; /* older vLLM: {"object":"error","message":…} */
    message = lam_json_type(json, error) == LAM_JSON_STRING ? error : lam_json_field(json, error, LAM_SV("message"));
    if (message == LAM_JSON_NONE)
        message = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("detail")); /* FastAPI */
    set_value(problem->message, sizeof problem->message, json, message == LAM_JSON_NONE ? LAM_JSON_ROOT : message);
    set_value(problem->param, sizeof problem->param, json, lam_json_field(json, error, LAM_SV("param")));
    set_value(problem->type, sizeof problem->type, json, lam_json_field(json, error, LAM_SV("type")));
    set_value(problem->code, sizeof problem->code, json, lam_json_field(json, error, LAM_SV("code")));
    problem->context = set_number(json, lam_json_field(json, error, LAM_SV("n_ctx")));
    problem->prompt_tokens = set_number(json, lam_json_field(json, error, LAM_SV("n_prompt_tokens")));
    look_for_length(problem);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static bool names(const char *text, const char *field)
{
    size_t len = strlen(field);

    for (const char *at = strstr(text, field); at; at = strstr(at + 1, field))
        if ((at == text || !is_word(at[-1])) && !is_word(at[len]))
            return true;
    return false;
}

bool lam_llm_problem_names(const struct lam_llm_problem *problem, const char *field)
{
    return names(problem->param, field) || names(problem->message, field);
}

/* Of OpenAI, LiteLLM, vLLM, Ollama, OpenRouter. */
bool lam_llm_problem_blames_setup(const struct lam_llm_problem *problem)
{
    static const char *const codes[] = {"model_not_found", "invalid_model", "unknown_model", "unsupported_model", "model_not_supported", "invalid_api_key", "authentication_error",
                                        "auth_error", "no_db_connection", "permission_error", "insufficient_quota", "billing_error", NULL};
    static const char *const phrases[] = {"invalid model name", "model not found", "unknown model", "no such model", "not a valid model", "model does not exist",
                                          "you do not have access", "no connected db", "authentication error", "api key", "spending limit",
                                          "credit balance", "insufficient credit", "out of credit", "current quota", "quota exceeded", "exceeded your quota",
                                          "insufficient quota", "billing limit", "billing hard limit", "plan and billing", NULL};
    static const char *const gone[] = {"not found", "does not exist", "not loaded", "unloaded", NULL}; /* the name in between: model "small" not found */

    return !strcmp(problem->param, "model") || says(problem->type, codes) || says(problem->code, codes) || says(problem->message, phrases) ||
           (strcasestr(problem->message, "model") && says(problem->message, gone));
}

uint64_t lam_llm_problem_likeness(const struct lam_llm_problem *problem)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (const char *word = problem->message; *word;) {
        size_t len = 1, digits = isdigit((unsigned char)*word) != 0;

        for (; is_word(*word) && is_word(word[len]); len++)
            digits += isdigit((unsigned char)word[len]) != 0;
        for (size_t i = 0; !digits && i < len; i++)
            hash = (hash ^ (unsigned char)word[i]) * UINT64_C(1099511628211);
        word += len;
    }
    return hash;
}

static const char *find(struct lam_sv text) { return text.len ? memmem(text.ptr, text.len, "\"total_tokens\"", 14) : NULL; }

uint64_t lam_llm_total_tokens(struct lam_sv body)
{
    size_t look = body.len < USAGE_LOOK ? body.len : USAGE_LOOK;
    const char *at, *end;
    uint64_t tokens = 0;

    if (!look)
        return 0;
    end = body.ptr + body.len;
    at = find(lam_sv(end - look, look));
    if (!at && !(at = find(lam_sv(body.ptr, look))))
        return 0;
    for (at += 14; at < end && (*at == ' ' || *at == ':'); at++)
        ;
    for (; at < end && isdigit((unsigned char)*at) && tokens < UINT32_MAX; at++)
        tokens = tokens * 10 + (uint64_t)(*at - '0');
    return tokens;
}
