/* What came back: judged, repaired, moved to another endpoint, split, or put into the cache and the rows. */
#include "own.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>


#define REPAIRS_MAX 1
#define BAD_MAX ((size_t)16 << 10) /* bytes of a wrong answer that are kept */

struct lam_question *lam_request_take_first(struct lam_openai_request *request)
{
    struct lam_question *question = request->questions;

    if (question) {
        request->questions = question->next;
        question->next = NULL;
    }
    return question;
}

/* --- answers that are none --- */

/* Endpoints that could answer this tier. */
static uint32_t tier_endpoints(const struct lam_openai *o, uint32_t tier, bool embeds)
{
    enum lam_job_endpoint_kind kind = embeds ? LAM_JOB_EMBEDDINGS : LAM_JOB_CHAT;

    uint32_t found = 0;

    for (size_t i = 0; i < o->job->deep.endpoint_count; i++)
        if (o->job->deep.endpoints[i].kind == kind && o->job->deep.endpoints[i].tier == tier)
            found |= 1u << i;
    return found;
}

/* The next endpoint, or the quarantine. */
static void move_on(struct lam_openai *o, struct lam_question *question, size_t endpoint, const char *reason)
{
    char text[LAM_ERROR_TEXT];

    question->avoid |= 1u << endpoint;
    if (tier_endpoints(o, question->tier, lam_ask_embeds(o, question->ask)) & ~question->avoid) {
        question->repairs = 0;
        o->stats.moved++;
        lam_question_push(o, question);
        return;
    }
    snprintf(text, sizeof text, "no model gave a usable answer (%u requests): %s", question->requests, reason);
    lam_question_reject(o, question, text);
}

void lam_question_wrong(struct lam_openai *o, struct lam_question *question, size_t endpoint, struct lam_sv answer, const char *why)
{
    snprintf(question->error, sizeof question->error, "%.*s", (int)sizeof question->error - 1, why);
    free(question->bad);
    answer.len = answer.len < BAD_MAX ? answer.len : BAD_MAX;
    question->bad = answer.len ? strndup(answer.ptr, answer.len) : NULL;
    if (question->repairs < REPAIRS_MAX) {
        question->repairs++;
        o->stats.repairs++;
        lam_question_push(o, question);
        return;
    }
    move_on(o, question, endpoint, question->error);
}

static void wrong_request(struct lam_openai *o, struct lam_openai_request *request, struct lam_sv answer, const char *why)
{
    if (request->packed)
        lam_pack_split(o, request, 0);
    else
        lam_question_wrong(o, lam_request_take_first(request), request->endpoint, answer, why);
}

void lam_request_wrong(struct lam_openai *o, struct lam_openai_request *request, const char *why) { wrong_request(o, request, lam_sv(NULL, 0), why); }

/* --- answers --- */

/* Read as it will be read from the cache, before it goes there: what could not be is a bad answer now, and no failure of every run to come. */
int lam_request_accept(struct lam_openai *o, const struct lam_openai_request *request, struct lam_question *question, const struct lam_llm_reply *reply, struct lam_sv raw,
                       double certainty, struct lam_error *err)
{
    struct lam_sv model = reply->model.len ? reply->model : lam_sv_of("unknown");
    struct lam_cache_meta meta = {.tokens_in = question->tokens_in, .tokens_out = question->tokens_out};
    int rc;

    lam_buf_clear(&o->scratch);
    if (!(rc = lam_question_value(o, question, raw, certainty, model, &o->scratch, err)) && (rc = lam_question_read(o, question, lam_buf_sv(&o->scratch), err)) == LAM_E_INVALID) {
        lam_question_wrong(o, question, request->endpoint, raw, err->text);
        return 0;
    }
    if (rc) {
        lam_question_pending(o, question);
        return rc;
    }
    lam_leave_keep(o, question, lam_buf_sv(&o->scratch), &meta);
    return lam_question_deliver(o, question, lam_buf_sv(&o->scratch), err);
}

static int take_single(struct lam_openai *o, struct lam_openai_request *request, const struct lam_llm_reply *reply, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    const struct lam_json *answer = lam_llm_reader_answer(o->reader);
    struct lam_error why;
    double certainty;

    if (lam_llm_reader_fit(o->reader, reply->content, ask->check, &why)) {
        if (why.code == LAM_E_MEMORY) {
            *err = why;
            return why.code;
        }
        lam_question_wrong(o, lam_request_take_first(request), request->endpoint, reply->content, why.text);
        return 0;
    }
    lam_pack_answered(&o->packs[request->ask][request->tier], 1, 1, reply->tokens_out, request->latency_us);
    certainty = reply->logprobs && ask->tasks & LAM_TASK_CLASSIFY ? lam_llm_reader_certainty(o->reader, reply, "category") : NAN;
    return lam_request_accept(o, request, lam_request_take_first(request), reply, lam_json_raw(answer, LAM_JSON_ROOT), certainty, err);
}

static int take_answer(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err)
{
    struct lam_llm_reply reply;
    struct lam_error why;
    int rc;

    if (lam_ask_embeds(o, request->ask))
        return lam_embed_take(o, request, &reply, err);
    rc = lam_llm_reader_chat(o->reader, lam_sv(request->body, request->body_len), &reply, &why);
    lam_request_account(o, request, &reply);
    if (rc == LAM_E_MEMORY) {
        *err = why;
        return rc;
    }
    if (rc)
        wrong_request(o, request, lam_sv(NULL, 0), why.text);
    else if (reply.finish != LAM_LLM_STOP && request->packed)
        lam_pack_split(o, request, reply.finish == LAM_LLM_LENGTH ? reply.tokens_out : 0);
    else if (reply.finish == LAM_LLM_LENGTH)
        wrong_request(o, request, lam_sv(NULL, 0), "it was longer than allowed and was cut off");
    else if (reply.finish == LAM_LLM_FILTERED)
        move_on(o, lam_request_take_first(request), request->endpoint, "the server withheld it (content filter)");
    else
        return request->packed ? lam_pack_take(o, request, &reply, err) : take_single(o, request, &reply, err);
    return 0;
}

/* A number in an error may be another one than it seems: a context that leaves no room for any document, or in which one had room already, is none. */
static bool is_context(const struct lam_openai *o, const struct lam_openai_request *request, const struct lam_token_estimate *tokens)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];

    return request->context > o->fitted[request->endpoint] && request->context > lam_token_correct(tokens, ask->guess[0]) + ask->answer_tokens;
}

/* More than the model takes: what is known of its context is remembered, and less is asked. */
static int too_long(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    bool embeds = lam_ask_embeds(o, request->ask);
    struct lam_token_estimate *tokens = embeds ? &o->embed_tokens : &o->tokens[request->tier];
    uint32_t *context = embeds ? &o->embed_context : &o->context[request->tier];
    struct lam_question *question;
    uint32_t taken, room, guess;
    int rc;

    if (request->prompt_tokens)
        lam_token_learn(tokens, request->guess, request->prompt_tokens);
    if (request->context < *context && is_context(o, request, tokens)) {
        lam_log_warn(o->options.log, "llm", "%s takes %" PRIu32 " tokens, not the %" PRIu32 " of deep.endpoints: documents are cut to that",
                     o->job->deep.endpoints[request->endpoint].url, request->context, *context);
        *context = request->context;
    }
    if (request->packed) {
        lam_pack_split(o, request, 0);
        return 0;
    }
    question = lam_request_take_first(request);
    question->requests++;
    taken = lam_token_correct(tokens, ask->guess[0]) + ask->answer_tokens;
    room = *context > taken ? *context - taken : 16;
    guess = tokens->factor > 0 ? (uint32_t)(room / tokens->factor) : room;
    if (guess >= question->guess)
        guess = question->guess - question->guess / 4;
    if (question->requests > 6 || guess < 16) {
        lam_question_reject(o, question, "the document does not fit the model's context, however it is cut");
        return 0;
    }
    if ((rc = lam_question_shorten(o, question, guess, err)))
        lam_question_pending(o, question);
    else
        lam_question_push(o, question);
    return rc;
}

int lam_request_respond(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err)
{
    struct lam_question *question;
    int rc = 0;

    o->open_requests--;
    if (!lam_ask_embeds(o, request->ask))
        o->open_by_tier[request->tier]--;
    switch (request->outcome) {
    case LAM_LLM_ANSWERED:
        rc = take_answer(o, request, err);
        break;
    case LAM_LLM_TOO_LONG:
        rc = too_long(o, request, err);
        break;
    case LAM_LLM_REJECTED:
        if (request->packed)
            lam_pack_split(o, request, 0);
        else if ((question = lam_request_take_first(request))) {
            question->requests++;
            move_on(o, question, request->endpoint, request->reason);
        }
        break;
    case LAM_LLM_REFUSED:
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s", request->reason);
        break;
    case LAM_LLM_LATER:
        if (request->packed && request->timed_out) {
            for (question = request->questions; question; question = question->next)
                question->slow |= 1u << request->endpoint;
            lam_pack_split(o, request, 0);
        }
        break;
    case LAM_LLM_CANCELLED:
        break;
    }
    while ((question = lam_request_take_first(request))) /* not now */
        lam_question_pending(o, question);
    lam_request_settle(o, request, 0, 0);
    lam_request_free(request);
    return rc;
}
