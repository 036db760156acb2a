#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "answer.h"
#include "model/json.h"

static const char *transport_text(enum lam_llm_transport_code code)
{
    switch (code) {
    case LAM_LLM_T_RESOLVE:
        return "no address for the host";
    case LAM_LLM_T_CONNECT:
        return "no connection";
    case LAM_LLM_T_TLS:
        return "TLS failed";
    case LAM_LLM_T_CUT:
        return "the connection ended within the answer";
    case LAM_LLM_T_TIMEOUT:
        return "no whole answer in time";
    case LAM_LLM_T_TOO_LARGE:
        return "the answer is larger than the limit";
    default:
        return "the request could not be made";
    }
}

static void broken(struct lam_llm_verdict *verdict, const struct lam_llm_attempt *attempt)
{
    bool untrusted = attempt->code == LAM_LLM_T_TLS && strstr(attempt->detail, "certificate");

    verdict->lost = attempt->code == LAM_LLM_T_TOO_LARGE && attempt->status / 100 == 2;
    verdict->action = attempt->code == LAM_LLM_T_TOO_LARGE ? LAM_LLM_A_AGAIN_ERROR : LAM_LLM_A_AGAIN_TRANSPORT;
    verdict->result = attempt->code == LAM_LLM_T_TOO_LARGE ? LAM_LLM_R_ERROR : LAM_LLM_R_TRANSPORT;
    snprintf(verdict->what, sizeof verdict->what, "%s%s%s%s", transport_text(attempt->code), *attempt->detail ? ": " : "", attempt->detail,
             untrusted ? "; deep.ca_file can name the certificates to trust" : "");
}

/* A string with text, or a container with a member. */
static bool is_filled(const struct lam_json *json, uint32_t at)
{
    struct lam_json_iter members = lam_json_iter(json, at);

    return lam_json_string(json, at).len || lam_json_next(&members);
}

/* Some servers send one that says nothing beside all their answers: "", {}, null. */
static bool is_error(const struct lam_json *json) { return is_filled(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("error"))); }

/* The model ended before there was anything to say, or was kept from it. */
static bool is_stopped(const struct lam_json *json, uint32_t choice)
{
    struct lam_sv finish = lam_json_string(json, lam_json_field(json, choice, LAM_SV("finish_reason")));

    return lam_sv_eq(finish, LAM_SV("length")) || lam_sv_eq(finish, LAM_SV("content_filter"));
}

/* A message, or the reason why there is none. Where an error stands beside it, a message that says something. */
static bool is_choice(const struct lam_json *json)
{
    uint32_t choice = lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/choices/0")), message = lam_json_field(json, choice, LAM_SV("message"));

    if (is_stopped(json, choice))
        return true;
    if (lam_json_type(json, message) != LAM_JSON_OBJECT)
        return false;
    return !is_error(json) || is_filled(json, lam_json_field(json, message, LAM_SV("content"))) || is_filled(json, lam_json_field(json, message, LAM_SV("tool_calls"))) ||
           is_filled(json, lam_json_field(json, message, LAM_SV("refusal")));
}

/* Does it hold what was asked for: a message of the model, or vectors? What they are worth is the caller's to judge. */
static bool is_envelope(const struct lam_json *json, enum lam_llm_kind kind)
{
    if (kind == LAM_LLM_CHAT)
        return is_choice(json);
    return lam_json_type(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/data/0"))) == LAM_JSON_OBJECT;
}

/* The longest name that the server mentions: it may quote max_completion_tokens where max_tokens is part of the sentence. */
static bool find_option(struct lam_llm_verdict *verdict, const struct lam_llm_context *context)
{
    size_t best = 0;
    bool found = false;

    for (unsigned i = 0; i < context->option_count; i++) {
        const char *name = context->options[i];
        size_t score = name ? strlen(name) : 0;

        if (!name || !lam_llm_problem_names(&verdict->problem, name))
            continue;
        if (!strncmp(verdict->problem.param, name, strlen(name)))
            score += 1000; /* `param` is meant to say it */
        if (score > best) {
            best = score;
            verdict->option = i;
            found = true;
        }
    }
    return found;
}

static void of_4xx(struct lam_llm_verdict *verdict, int status, const struct lam_llm_context *context)
{
    verdict->result = LAM_LLM_R_CLIENT;
    if ((status == 401 || status == 407) && context->answered_before) { /* the same key was good: a proxy that lost its base, a key that is being replaced */
        verdict->action = LAM_LLM_A_AGAIN_TRANSPORT;
        verdict->result = LAM_LLM_R_ERROR;
    } else if (status == 401 || status == 402 || status == 407) {
        verdict->action = LAM_LLM_A_REFUSE;
    } else if (status == 408 || status == 409 || status == 425) {
        verdict->action = LAM_LLM_A_AGAIN_TRANSPORT;
    } else if (status == 429) {
        verdict->action = LAM_LLM_A_AGAIN_RATE;
        verdict->result = LAM_LLM_R_LIMITED;
    } else if (status == 413 || verdict->problem.too_long) {
        verdict->action = LAM_LLM_A_TOO_LONG;
    } else if ((status == 400 || status == 422) && find_option(verdict, context)) {
        verdict->action = LAM_LLM_A_WITHOUT_OPTION;
    } else if ((status == 404 || status == 405 || status == 410) && !context->answered_before) {
        verdict->action = LAM_LLM_A_REFUSE;
    } else {
        verdict->action = LAM_LLM_A_DOUBT;
    }
}

static void of_5xx(struct lam_llm_verdict *verdict, int status, const struct lam_llm_context *context)
{
    verdict->result = LAM_LLM_R_ERROR;
    verdict->action = LAM_LLM_A_AGAIN_ERROR;
    if (verdict->problem.too_long) { /* llama.cpp on embeddings */
        verdict->action = LAM_LLM_A_TOO_LONG;
        verdict->result = LAM_LLM_R_CLIENT;
    } else if (status == 501 && !context->answered_before) {
        verdict->action = LAM_LLM_A_REFUSE;
        verdict->result = LAM_LLM_R_CLIENT;
    } else if (status == 503) {
        verdict->action = LAM_LLM_A_AGAIN_RATE;
        verdict->result = LAM_LLM_R_LIMITED;
    } else if (status == 502 || status == 504) {
        verdict->action = LAM_LLM_A_AGAIN_TRANSPORT; /* a proxy's word for it */
    }
}

/*
 * 2xx without an answer: a page of a proxy, an error that travels as a success, half a document. It is the endpoint's as a 5xx is, and what an error gives
 * as its code is taken for its status where that means a failure of the server.
 */
static void no_answer(struct lam_llm_verdict *verdict, const struct lam_llm_attempt *attempt, struct lam_json *json, const struct lam_llm_context *context)
{
    struct lam_sv body = lam_buf_sv(&attempt->answer);
    struct lam_error err;
    const char *instead;
    long code;

    if (lam_json_parse(json, body, &err) || lam_json_type(json, LAM_JSON_ROOT) != LAM_JSON_OBJECT)
        instead = body.len ? "something instead of JSON" : "nothing instead of JSON";
    else if (is_error(json))
        instead = "an error";
    else
        instead = attempt->kind == LAM_LLM_CHAT ? "no choices" : "no vectors";
    verdict->lost_in = lam_llm_count(json, "/usage/prompt_tokens");
    verdict->lost_out = lam_llm_count(json, "/usage/completion_tokens");
    verdict->lost = verdict->lost_in || verdict->lost_out || (body.len && !is_error(json)); /* an error is as free as a 5xx, unless it says otherwise */
    lam_llm_problem_read(&verdict->problem, json, body);
    code = strtol(verdict->problem.code, NULL, 10);
    if (code == 429) {
        verdict->action = LAM_LLM_A_AGAIN_RATE;
        verdict->result = LAM_LLM_R_LIMITED;
    } else {
        of_5xx(verdict, code == 502 || code == 503 || code == 504 ? (int)code : 500, context);
    }
    snprintf(verdict->what, sizeof verdict->what, "status %d with %s: %.200s", attempt->status, instead, verdict->problem.message);
}

/*
 * x-should-retry: a server that knows better than its status. "No" from one that is busy or out of reach means not now; from one that failed it may
 * mean this request, which what becomes of others tells.
 */
static void overridden(struct lam_llm_verdict *verdict, int should_retry)
{
    if (should_retry == 0 && (verdict->action == LAM_LLM_A_AGAIN_RATE || verdict->action == LAM_LLM_A_AGAIN_TRANSPORT))
        verdict->action = LAM_LLM_A_LATER;
    else if (should_retry == 0 && verdict->action == LAM_LLM_A_AGAIN_ERROR)
        verdict->action = LAM_LLM_A_DOUBT;
    else if (should_retry == 1 && verdict->action == LAM_LLM_A_DOUBT)
        verdict->action = LAM_LLM_A_AGAIN_ERROR;
}

static const char *hint(const struct lam_llm_verdict *verdict, int status)
{
    if (verdict->action != LAM_LLM_A_REFUSE)
        return "";
    if (status == 402)
        return "; check the account that the endpoint's key belongs to";
    if (status == 401 || status == 407)
        return "; check the endpoint's key_env and what the key may do";
    return "; check the endpoint's url and model";
}

void lam_llm_judge(struct lam_llm_verdict *verdict, const struct lam_llm_attempt *attempt, const struct lam_llm_context *context, struct lam_json *json)
{
    int status = attempt->status;
    struct lam_error err;

    verdict->what[0] = '\0';
    verdict->option = 0;
    verdict->lost = false;
    verdict->lost_in = verdict->lost_out = 0;
    verdict->problem.message[0] = '\0';
    verdict->problem.context = verdict->problem.prompt_tokens = 0;
    if (attempt->code != LAM_LLM_T_OK) {
        broken(verdict, attempt);
        return;
    }
    if (status >= 200 && status < 300) {
        if (lam_json_parse(json, lam_buf_sv(&attempt->answer), &err) || !is_envelope(json, attempt->kind)) {
            no_answer(verdict, attempt, json, context);
            return;
        }
        verdict->action = LAM_LLM_A_ANSWER;
        verdict->result = LAM_LLM_R_ANSWERED;
        return;
    }
    lam_llm_problem_read(&verdict->problem, json, lam_buf_sv(&attempt->answer));
    if (status >= 500) {
        of_5xx(verdict, status, context);
    } else if (status >= 400) {
        of_4xx(verdict, status, context);
    } else {
        verdict->action = *attempt->headers.location ? LAM_LLM_A_REDIRECT : LAM_LLM_A_DOUBT;
        verdict->result = LAM_LLM_R_CLIENT;
    }
    overridden(verdict, attempt->headers.should_retry);
    snprintf(verdict->what, sizeof verdict->what, "status %d: %s%s", status, *verdict->problem.message ? verdict->problem.message : "(no text)", hint(verdict, status));
}

bool lam_llm_same_host(const char *url, const char *location, char *out, size_t cap)
{
    const char *host = strstr(url, "://"), *path;
    size_t origin;
    int len;

    if (!host)
        return false;
    path = strchr(host + 3, '/');
    origin = path ? (size_t)(path - url) : strlen(url);
    if (location[0] == '/' && location[1] != '/' && location[1] != '\\') {
        len = snprintf(out, cap, "%.*s%s", (int)origin, url, location);
        return len > 0 && (size_t)len < cap;
    }
    if (strncasecmp(location, url, origin) || location[origin] != '/')
        return false;
    len = snprintf(out, cap, "%s", location);
    return len > 0 && (size_t)len < cap;
}
