/* Requests: questions of the ready queues become bodies, alone or packed, within the context and the limits of the run. */
#include "own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema.h"

#define TRIAL_MAX ((size_t)16 << 20) /* bytes of a body without a record */

void lam_request_free(struct lam_openai_request *request)
{
    if (!request)
        return;
    free(request->body);
    free(request);
}

/* --- limits --- */

/* Any thread. */
static void pass_by(struct lam_openai *o, struct lam_spent expected) { lam_spending_leave_out(&o->spending, expected, &o->job->deep, o->options.log, "llm", "request"); }

/* Reserves what the request is expected to take, where the limits of the run have room for it. */
static enum lam_spending_leave reserve(struct lam_openai *o, struct lam_openai_request *request, uint64_t in, uint64_t out)
{
    enum lam_job_endpoint_kind kind = lam_ask_embeds(o, request->ask) ? LAM_JOB_EMBEDDINGS : LAM_JOB_CHAT;
    struct lam_spent expected = lam_spent_at_most(&o->job->deep, kind, request->tier, in, out);
    enum lam_spending_leave leave = lam_spending_ask(&o->spending, expected);

    if (leave == LAM_SPENDING_YES)
        request->reserved = expected;
    else if (leave == LAM_SPENDING_NEVER && request->count == 1)
        pass_by(o, expected);
    return leave;
}

/* Its reservation is given back, once. */
void lam_request_settle(struct lam_openai *o, struct lam_openai_request *request, uint64_t tokens, double cost)
{
    lam_spending_settle(&o->spending, request->reserved, (struct lam_spent){tokens, cost});
    request->reserved = (struct lam_spent){0};
}

bool lam_openai_reserve(struct lam_openai *o, unsigned tier, uint64_t in, uint64_t out)
{
    struct lam_spent expected = lam_spent_at_most(&o->job->deep, LAM_JOB_CHAT, tier, in, out);
    enum lam_spending_leave leave = lam_spending_await(&o->spending, expected);

    if (leave == LAM_SPENDING_NEVER)
        pass_by(o, expected);
    return leave == LAM_SPENDING_YES;
}

void lam_openai_spent(struct lam_openai *o, unsigned tier, const struct lam_openai_usage *reserved, const struct lam_openai_usage *used, size_t endpoint)
{
    double cost = lam_endpoint_cost(&o->job->deep.endpoints[endpoint], (double)used->tokens_in, (double)used->tokens_out);
    struct lam_openai_usage paid = *used;

    lam_spending_settle(&o->spending, lam_spent_at_most(&o->job->deep, LAM_JOB_CHAT, tier, reserved->tokens_in, reserved->tokens_out),
                        (struct lam_spent){used->tokens_in + used->tokens_out, cost});
    paid.cost = cost;
    pthread_mutex_lock(&o->lock);
    lam_openai_usage_add(&o->others, &paid);
    lam_openai_usage_add(&o->others_at[endpoint], &paid);
    pthread_mutex_unlock(&o->lock);
}

/* --- bodies --- */

static const char *note_of(const struct lam_question *question) { return !question->cut ? "" : question->mapped ? "long: its beginning, and summaries of its parts" : "long: only its beginning and its end are shown"; }

/* {"role":"user","content":…} of the documents. */
static int write_documents(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err)
{
    size_t id = 0;
    int rc = 0;

    lam_buf_clear(&o->scratch);
    for (const struct lam_question *question = request->questions; !rc && question; question = question->next)
        rc = lam_llm_prompt_document(question->title, question->text, note_of(question), request->packed ? ++id : 0, &o->scratch, err);
    if (rc || (rc = lam_buf_addf(out, err, "{\"role\":\"user\",\"content\":")) || (rc = lam_buf_add_json(out, lam_buf_sv(&o->scratch), err)))
        return rc;
    return lam_buf_addf(out, err, "}");
}

/* What was answered before, and what was wrong with it. */
static int write_repair(struct lam_openai *o, const struct lam_question *question, struct lam_buf *out, struct lam_error *err)
{
    static const char *const fills[] = {"error", NULL};
    struct lam_sv error = lam_sv_of(question->error);
    int rc;

    lam_buf_clear(&o->scratch);
    if ((rc = lam_llm_prompt_fill(lam_llm_prompt_text(o->prompts, LAM_PROMPT_REPAIR), fills, &error, &o->scratch, err)))
        return rc;
    if (question->bad && *question->bad &&
        ((rc = lam_buf_addf(out, err, ",{\"role\":\"assistant\",\"content\":")) || (rc = lam_buf_add_json(out, lam_sv_of(question->bad), err)) ||
         (rc = lam_buf_addf(out, err, "}"))))
        return rc;
    if ((rc = lam_buf_addf(out, err, ",{\"role\":\"user\",\"content\":")) || (rc = lam_buf_add_json(out, lam_buf_sv(&o->scratch), err)))
        return rc;
    return lam_buf_addf(out, err, "}");
}

static int write_body(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    int rc;

    if ((rc = lam_buf_addf(out, err, "\"messages\":[{\"role\":\"system\",\"content\":")) || (rc = lam_buf_add_sv(out, lam_buf_sv(&ask->system[request->packed]), err)) ||
        (rc = lam_buf_addf(out, err, "},")) || (rc = write_documents(o, request, out, err)))
        return rc;
    if (!request->packed && request->questions->repairs && (rc = write_repair(o, request->questions, out, err)))
        return rc;
    return lam_buf_addf(out, err, "]");
}

/* Nobody's policy forbids it, and it is in no record. */
#define HARMLESS LAM_SV("The sun rose at six, and the train left on time.")

int lam_request_write_trials(struct lam_openai *o, struct lam_error *err)
{
    struct lam_question question = {.title = LAM_SV(""), .text = HARMLESS};
    int rc = 0;

    for (uint32_t ask = 0; !rc && ask < o->asks.count; ask++)
        for (int packed = 0; !rc && packed < 2; packed++) {
            struct lam_openai_request request = {.openai = o, .questions = &question, .count = 1, .ask = ask, .packed = packed};

            lam_buf_init(&o->trials[ask][packed], TRIAL_MAX);
            rc = lam_ask_embeds(o, ask) ? lam_embed_write(o, &request, &o->trials[ask][packed], err) : write_body(o, &request, &o->trials[ask][packed], err);
        }
    return rc;
}

/* --- sending --- */

/* On the client's thread: what came back is copied, and left for the main one. */
static void on_done(void *arg, const struct lam_llm_response *response)
{
    struct lam_openai_request *request = arg;
    struct lam_openai *o = request->openai;

    request->outcome = response->outcome;
    request->endpoint = response->endpoint;
    request->dropped = response->dropped;
    request->context = response->context;
    request->prompt_tokens = response->prompt_tokens;
    request->attempts = response->attempts;
    request->latency_us = response->latency_us;
    request->timed_out = response->timed_out;
    snprintf(request->reason, sizeof request->reason, "%s", response->reason ? response->reason : "");
    if (response->body.len && (request->body = malloc(response->body.len))) {
        memcpy(request->body, response->body.ptr, response->body.len);
        request->body_len = response->body.len;
    } else if (response->body.len && response->outcome == LAM_LLM_ANSWERED) {
        request->outcome = LAM_LLM_LATER;
        snprintf(request->reason, sizeof request->reason, "no memory for an answer");
    }
    request->answered = true;
    request->next = NULL;
    pthread_mutex_lock(&o->lock);
    *o->inbox_end = request;
    o->inbox_end = &request->next;
    pthread_mutex_unlock(&o->lock);
    if (o->options.wake)
        lam_wake_signal(o->options.wake);
}

static int submit(struct lam_openai *o, const struct lam_llm_request *llm, struct lam_error *err)
{
    int rc = lam_llm_client_submit(o->client, llm, NULL, err);

    if (!rc)
        o->open_requests++;
    return rc;
}

static int send_embeddings(struct lam_openai *o, const struct lam_openai_request *request, struct lam_llm_request *llm, struct lam_error *err)
{
    char dim[16];
    struct lam_llm_option options[2] = {{.name = "encoding_format", .value = LAM_SV("\"base64\"")}, {.name = "dimensions"}};
    int rc = lam_embed_write(o, request, &o->scratch2, err);

    if (rc)
        return rc;
    snprintf(dim, sizeof dim, "%" PRIu32, o->job->tasks.dim);
    options[1].value = lam_sv_of(dim);
    llm->kind = LAM_LLM_EMBEDDINGS;
    llm->body = lam_buf_sv(&o->scratch2);
    llm->max_tokens = 0;
    llm->prefix = 0;
    llm->options = options;
    llm->option_count = 2;
    return submit(o, llm, err);
}

/* Into the client. LAM_PENDING: it is full, nothing happened. */
static int send_request(struct lam_openai *o, struct lam_openai_request *request, uint32_t answer_tokens, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    char most[16];
    struct lam_llm_option options[4];
    struct lam_llm_request llm = {.kind = LAM_LLM_CHAT, .tokens = lam_token_correct(&o->tokens[request->tier], request->guess), .max_tokens = answer_tokens,
                                  .prefix = ask->prefix[request->packed], .tier = request->tier, .avoid = request->questions->avoid | request->questions->slow, .divisible = request->packed,
                                  .trial = lam_buf_sv(&o->trials[request->ask][request->packed]), .done = on_done,
                                  .arg = request};
    int rc;

    snprintf(most, sizeof most, "%" PRIu32, answer_tokens);
    lam_buf_clear(&o->scratch2);
    lam_buf_clear(&o->scratch3);
    if (lam_ask_embeds(o, request->ask))
        return send_embeddings(o, request, &llm, err);
    if ((rc = write_body(o, request, &o->scratch2, err)) || (request->packed && (rc = lam_pack_format(o, request, &o->scratch3, err))))
        return rc;
    llm.body = lam_buf_sv(&o->scratch2);
    options[0] = (struct lam_llm_option){.name = "response_format", .value = request->packed ? lam_buf_sv(&o->scratch3) : lam_buf_sv(&ask->format)};
    options[1] = (struct lam_llm_option){.name = "temperature", .value = LAM_SV("0")};
    options[2] = (struct lam_llm_option){.name = "max_completion_tokens", .instead = "max_tokens", .value = lam_sv_of(most)};
    options[3] = (struct lam_llm_option){.name = "logprobs", .value = LAM_SV("true")};
    llm.options = options;
    llm.option_count = ask->tasks & LAM_TASK_CLASSIFY && !request->packed ? 4 : 3;
    return submit(o, &llm, err);
}

static void put_back(struct lam_openai *o, struct lam_openai_request *request)
{
    struct lam_question_queue *queue = &o->ready[request->ask][request->tier];
    struct lam_question *last = request->questions;

    if (!last)
        return;
    for (struct lam_question *question = last; question; question = question->next) {
        queue->count++;
        queue->guess += question->guess;
        last = question;
    }
    if (!queue->first)
        queue->end = &last->next;
    last->next = queue->first;
    queue->first = request->questions;
}

static void give_up(struct lam_openai *o, struct lam_question *questions)
{
    while (questions) {
        struct lam_question *next = questions->next;

        questions->next = NULL;
        o->stats.refused_by_limit++;
        lam_question_pending(o, questions);
        questions = next;
    }
}

/* The limits have no room for it now, or never. Several that would be too much together may do in parts. */
static int not_now(struct lam_openai *o, struct lam_openai_request *request, enum lam_spending_leave leave)
{
    bool parts = leave == LAM_SPENDING_NEVER && request->count > 1;

    for (struct lam_question *question = request->questions; parts && question; question = question->next)
        question->halved = (uint32_t)request->count / 2;
    if (leave == LAM_SPENDING_WAIT || parts)
        put_back(o, request);
    else
        give_up(o, request->questions);
    lam_request_free(request);
    return leave == LAM_SPENDING_WAIT ? LAM_PENDING : 0;
}

/* Sends the request's questions or puts them back (LAM_PENDING); at a limit they stay pending. */
int lam_request_dispatch(struct lam_openai *o, struct lam_openai_request *request, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    const struct lam_token_estimate *tokens = lam_ask_embeds(o, request->ask) ? &o->embed_tokens : &o->tokens[request->tier];
    uint32_t prompt = ask->guess[request->packed];
    enum lam_spending_leave leave;
    int rc;

    for (const struct lam_question *question = request->questions; question; question = question->next)
        prompt += question->guess + LAM_DOCUMENT_MARKS + (question->repairs ? ask->expected_tokens : 0);
    request->guess = prompt;
    if ((leave = reserve(o, request, lam_token_correct(tokens, prompt), ask->expected_tokens * (uint32_t)request->count)) != LAM_SPENDING_YES)
        return not_now(o, request, leave);
    if ((rc = send_request(o, request, request->packed ? lam_pack_answer_tokens(o, request) : ask->answer_tokens, err))) {
        lam_request_settle(o, request, 0, 0);
        put_back(o, request);
        lam_request_free(request);
    } else if (!lam_ask_embeds(o, request->ask)) {
        o->open_by_tier[request->tier]++;
    }
    return rc;
}

static const char *model_of(const struct lam_openai *o, enum lam_job_endpoint_kind kind, uint32_t tier)
{
    const struct lam_job_deep *deep = &o->job->deep;

    for (size_t i = 0; i < deep->endpoint_count; i++)
        if (deep->endpoints[i].kind == kind && deep->endpoints[i].tier == tier)
            return deep->endpoints[i].model;
    return "";
}

/* A request without its model, and the options that it is sent with: there is nobody yet who could refuse one of them. */
static int write_fields(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[request->ask];
    int rc;

    if (lam_ask_embeds(o, request->ask))
        return (rc = lam_embed_write(o, request, out, err)) ? rc : lam_buf_addf(out, err, ",\"encoding_format\":\"base64\",\"dimensions\":%" PRIu32, o->job->tasks.dim);
    if ((rc = write_body(o, request, out, err)) || (rc = lam_buf_addf(out, err, ",\"response_format\":")) || (rc = lam_buf_add_sv(out, lam_buf_sv(&ask->format), err)))
        return rc;
    return lam_buf_addf(out, err, ",\"temperature\":0,\"max_completion_tokens\":%" PRIu32, ask->answer_tokens);
}

/* One question as a whole request, handed out in place of being sent: nobody is asked now. */
static int write_out(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err)
{
    enum lam_job_endpoint_kind kind = lam_ask_embeds(o, ask) ? LAM_JOB_EMBEDDINGS : LAM_JOB_CHAT;
    struct lam_openai_request request = {.openai = o, .ask = ask, .tier = tier, .count = 1, .questions = lam_question_pop(&o->ready[ask][tier])};
    struct lam_buf *body = &o->scratch2;
    int rc;

    lam_buf_clear(body);
    if (!(rc = lam_buf_addf(body, err, "{\"model\":")) && !(rc = lam_buf_add_json(body, lam_sv_of(model_of(o, kind, tier)), err)) && !(rc = lam_buf_addf(body, err, ",")) &&
        !(rc = write_fields(o, &request, body, err)) && !(rc = lam_buf_addf(body, err, "}")))
        rc = o->options.write_request(o->options.arg, kind, request.questions->key, lam_buf_sv(body), err);
    lam_question_pending(o, request.questions);
    return rc;
}

struct lam_openai_request *lam_request_new(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err)
{
    struct lam_openai_request *request = calloc(1, sizeof *request);

    if (!request) {
        LAM_FAIL(err, LAM_E_MEMORY, "no memory for a request");
        return NULL;
    }
    request->openai = o;
    request->ask = ask;
    request->tier = tier;
    return request;
}

static int pump_single(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err)
{
    struct lam_openai_request *request = lam_request_new(o, ask, tier, err);

    if (!request)
        return LAM_E_MEMORY;
    request->questions = lam_question_pop(&o->ready[ask][tier]);
    request->count = 1;
    return lam_request_dispatch(o, request, err);
}

static int pump_embed(struct lam_openai *o, uint32_t ask, struct lam_error *err)
{
    struct lam_openai_request *request = lam_embed_gather(o, ask, err);

    return request ? lam_request_dispatch(o, request, err) : LAM_E_MEMORY;
}

int lam_request_pump(struct lam_openai *o, struct lam_error *err)
{
    bool packed = o->job->deep.request_mode == LAM_JOB_PACKED, waiting = false;
    int64_t now = lam_mono_us(o->options.clock);
    int rc = 0;

    if (lam_spending_waits(&o->spending))
        return 0;
    for (uint32_t tier = o->job->deep.tiers; !rc && tier-- > 0;) /* what was begun ends first */
        for (uint32_t ask = 0; !rc && ask < o->asks.count; ask++)
            while (!rc && o->ready[ask][tier].count) {
                if (lam_spending_reached(&o->spending) != LAM_LIMIT_NONE) {
                    give_up(o, lam_question_pop(&o->ready[ask][tier]));
                } else if (o->options.write_request) {
                    rc = write_out(o, ask, tier, err);
                } else if (lam_ask_embeds(o, ask)) {
                    rc = pump_embed(o, ask, err);
                } else if (packed && o->asks.items[ask].tasks) {
                    if (lam_pack_waits(o, ask, tier, now)) {
                        waiting = true;
                        break;
                    }
                    rc = lam_pack_pump(o, ask, tier, err);
                } else {
                    rc = pump_single(o, ask, tier, err);
                }
            }
    if (!waiting)
        o->packing_since_us = 0;
    return rc == LAM_PENDING ? 0 : rc;
}
