#include "client_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "mask.h"
#include "sse.h"

#define RESHAPED_MAX (2 * LAM_LLM_OPTIONS) /* each option once under each name */
#define DOUBTS_ENOUGH 8     /* requests that hear the same from an endpoint, and nobody is answered in between */
#define BLAMED_ENOUGH 2     /* the same where it speaks of the model, the key or the account, and has answered nothing yet */
#define JSON_KEEP ((size_t)4 << 20) /* bytes of an answer whose parser is kept */
#define TIME_SLACK_US INT64_C(5000) /* timeouts are in milliseconds */
#define USAGE_ROOM 1024u    /* of an estimate that is too low */
#define DOUBTS_MAX 3        /* times that a request is asked again, to see what becomes of others */

/* ---- taking attempts down ---- */

static void unlink_attempt(struct endpoint *endpoint, struct attempt *attempt)
{
    *(attempt->prev ? &attempt->prev->next : &endpoint->first) = attempt->next;
    *(attempt->next ? &attempt->next->prev : &endpoint->last) = attempt->prev;
}

/* Did it come to no end here, and perhaps to one there? */
static bool is_unseen(const struct lam_llm_attempt *wire) { return wire->code == LAM_LLM_T_CUT || wire->code == LAM_LLM_T_TIMEOUT || wire->code == LAM_LLM_T_TOO_LARGE; }

/* Tells flow control, and takes the attempt off its job. */
static void account(struct lam_llm_client *client, struct attempt *attempt, enum lam_llm_result result, uint64_t tokens_used)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    struct job *job = attempt->job;
    struct lam_llm_end end = {.result = result,
                              .probe = attempt->probe,
                              .hedge = attempt->hedge,
                              .sent_us = attempt->wire.started_us,
                              .tokens_reserved = attempt->tokens,
                              .tokens_used = tokens_used,
                              .unseen = is_unseen(&attempt->wire),
                              .headers = attempt->wire.status ? &attempt->wire.headers : NULL,
                              .jitter = lam_llm_random(client)};

    unlink_attempt(endpoint, attempt);
    job->attempts[job->attempts[1] == attempt] = NULL;
    if (!job->attempts[0] && job->attempts[1]) {
        job->attempts[0] = job->attempts[1];
        job->attempts[1] = NULL;
    }
    if (!lam_llm_flow_ended(&endpoint->flow, &end, client->now_us))
        return;
    if (endpoint->flow.breaker.state == LAM_LLM_CLOSED)
        lam_log_info(client->options.log, "ai", "%s answers again", endpoint->base);
    else
        lam_log_warn(client->options.log, "ai", "%s is given a rest after failures in a row: %s", endpoint->base, endpoint->problem);
}

/* Its server may have worked on it, and counted. */
static void count_unseen(struct lam_llm_client *client, const struct attempt *attempt)
{
    COUNT(&client->endpoints[attempt->wire.endpoint], unseen, 1);
    COUNT(&client->endpoints[attempt->wire.endpoint], unseen_tokens, attempt->job->request.tokens);
}

/* What came cannot be taken, and is likely to be paid. Returns the tokens that its server counts; 0: it does not say. */
static uint64_t count_lost(struct lam_llm_client *client, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    const struct lam_llm_request *request = &attempt->job->request;
    uint64_t most = LAM_LLM_USAGE_FACTOR * ((uint64_t)request->tokens + request->max_tokens + USAGE_ROOM), in = verdict->lost_in, out = verdict->lost_out;
    bool told = (in || out) && in <= most && out <= most;

    if (told) {
        COUNT(endpoint, lost, 1);
        COUNT(endpoint, lost_in, in);
        COUNT(endpoint, lost_out, out);
    } else {
        in = request->tokens;
        out = 0;
        if (!is_unseen(&attempt->wire)) /* else it is counted so already */
            count_unseen(client, attempt);
    }
    if (client->options.lost)
        client->options.lost(client->options.lost_arg, attempt->wire.endpoint, in, out, told);
    return told ? in + out : 0;
}

static void withdraw(struct lam_llm_client *client, struct attempt *attempt)
{
    client->ops->cancel(client->transport, &attempt->wire);
    attempt->wire.status = 0;
    COUNT(&client->endpoints[attempt->wire.endpoint], cancelled, 1);
    count_unseen(client, attempt);
    account(client, attempt, LAM_LLM_R_FORGOTTEN, 0);
    lam_llm_attempt_free(client, attempt);
}

/* ---- the end of a job ---- */

static void call_back(struct lam_llm_client *client, struct job *job, struct lam_llm_response *response)
{
    uint32_t slot = job->slot;

    lam_llm_trial_over(client, job);
    response->attempts = job->attempt_count;
    response->hedged = job->hedged;
    response->total_us = client->now_us - job->submitted_us;
    while (job->attempts[0]) /* the loser of two, or what is cancelled */
        withdraw(client, job->attempts[0]);
    client->jobs[slot] = NULL;
    lam_ring_push(client->slots, &slot); /* before the callback, which may want it */
    atomic_fetch_sub(&client->busy, 1);
    job->request.done(job->request.arg, response);
    free(job);
    atomic_fetch_sub(&client->open, 1);
}

void lam_llm_finish(struct lam_llm_client *client, struct job *job, enum lam_llm_outcome outcome, size_t endpoint, const char *reason)
{
    call_back(client, job, &(struct lam_llm_response){.outcome = outcome, .endpoint = endpoint, .reason = reason});
}

void lam_llm_finish_without_tools(struct lam_llm_client *client, struct job *job, size_t endpoint)
{
    call_back(client, job, &(struct lam_llm_response){.outcome = LAM_LLM_REJECTED, .endpoint = endpoint, .reason = "the endpoint does not take tools", .no_tools = true});
}

/* With what the server said last: status, body, numbers. */
static void finish_with(struct lam_llm_client *client, struct job *job, enum lam_llm_outcome outcome, const struct attempt *attempt,
                        const struct lam_llm_verdict *verdict, const char *why)
{
    bool whole = attempt->wire.code == LAM_LLM_T_OK || attempt->wire.code == LAM_LLM_T_TOO_LARGE;
    char reason[LAM_LLM_REASON];

    if (outcome == LAM_LLM_LATER && *why)
        lam_llm_left(client, attempt->wire.endpoint, why, verdict->what, 1);
    snprintf(reason, sizeof reason, "%s%s%.300s", why, *why ? ": " : "", verdict->what);
    call_back(client, job, &(struct lam_llm_response){.outcome = outcome,
                                                      .status = whole ? attempt->wire.status : 0,
                                                      .body = whole ? lam_buf_sv(&attempt->wire.answer) : LAM_SV(""),
                                                      .endpoint = attempt->wire.endpoint,
                                                      .dropped = attempt->dropped,
                                                      .context = outcome == LAM_LLM_TOO_LONG ? verdict->problem.context : 0,
                                                      .prompt_tokens = outcome == LAM_LLM_TOO_LONG ? verdict->problem.prompt_tokens : 0,
                                                      .timed_out = attempt->wire.code == LAM_LLM_T_TIMEOUT,
                                                      .no_tools = verdict->action == LAM_LLM_A_WITHOUT_TOOLS,
                                                      .latency_us = attempt->wire.ended_us - attempt->wire.started_us,
                                                      .reason = outcome == LAM_LLM_ANSWERED ? "" : reason});
}

void lam_llm_leave_for_later(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, const char *why)
{
    finish_with(client, job, LAM_LLM_LATER, attempt, verdict, why);
}

/* ---- once more ---- */

void lam_llm_ask_again(struct lam_llm_client *client, struct job *job, int64_t wait_us)
{
    struct lane *lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);

    lam_llm_queue_again(&lane->queue, &job->wait, client->now_us + wait_us);
}

/* After a failure: at once where another endpoint can take it, else after a while, if that is within its deadline. */
static void retry(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, unsigned tries)
{
    size_t e = attempt->wire.endpoint;
    struct lane *lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);
    uint32_t others = lam_llm_lane_usable(client, lane) & ~(1u << e) & ~job->request.avoid;
    int64_t wait_us = lam_llm_backoff_us(tries, lam_llm_random(client)), told_ms = attempt->wire.status && attempt->wire.headers.retry_after_ms > 0 ? attempt->wire.headers.retry_after_ms : 0;
    char why[LAM_LLM_WHY];

    job->wait.avoid = job->request.avoid | 1u << e;
    if (told_ms * 1000 > wait_us) /* a 0, and a date in the past, would be no wait at all */
        wait_us = told_ms * 1000;
    if (others && tries < client->endpoint_count)
        wait_us = 0; /* one round over all of them, then slowly */
    if (lam_llm_lane_hopeless(client, lane)) {
        finish_with(client, job, LAM_LLM_LATER, attempt, verdict, lam_llm_hopeless(client, e, job->request.kind, why) ? why : "no endpoint answers");
        return;
    }
    if (client->now_us + wait_us >= job->wait.deadline_us) {
        finish_with(client, job, LAM_LLM_LATER, attempt, verdict, "its deadline is sooner than the next attempt");
        return;
    }
    COUNT(&client->endpoints[e], retries, 1);
    lam_llm_ask_again(client, job, wait_us);
}

/* It may only have asked for more than can be answered in time: in an attempt's, or in its own. */
static bool is_too_much(const struct job *job, const struct lam_llm_attempt *wire)
{
    bool used_up = job->request.time_ms && wire->ended_us + TIME_SLACK_US >= job->wait.deadline_us;

    return wire->code == LAM_LLM_T_TIMEOUT && (job->request.divisible || used_up);
}

static void retry_transport(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    if (is_too_much(job, &attempt->wire))
        finish_with(client, job, LAM_LLM_LATER, attempt, verdict, "");
    else if (job->transport_errors++ < client->options.transport_retries)
        retry(client, job, attempt, verdict, job->transport_errors - 1);
    else
        finish_with(client, job, LAM_LLM_LATER, attempt, verdict, "given up after several attempts");
}

static void retry_rate(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    if (job->rate_limits++ < client->options.rate_retries)
        retry(client, job, attempt, verdict, job->rate_limits - 1);
    else
        finish_with(client, job, LAM_LLM_LATER, attempt, verdict, "still limited after many attempts");
}

/* From now on answers to others count as its acquittal: to those that were sent later than this one, or, where they have to prove more, than now. */
static void suspect(const struct lam_llm_client *client, struct job *job, const struct attempt *attempt)
{
    if (job->acquits)
        return;
    job->acquits = attempt->number;
    job->acquits_blamed = client->sent_number;
}

/*
 * A 500 that stays is the request's own fault if the endpoint answers others meanwhile, and hardly ever fails one of them; if it answers nobody, it is the
 * endpoint's, and the request may come again another day.
 */
static void retry_error(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    const struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];

    suspect(client, job, attempt);
    if (job->errors++ < client->options.error_retries)
        retry(client, job, attempt, verdict, job->errors - 1);
    else if (endpoint->answered_number[job->request.kind] <= job->acquits)
        lam_llm_leave_for_later(client, job, attempt, verdict, "given up after several attempts");
    else if (lam_llm_is_steady(endpoint, job))
        finish_with(client, job, LAM_LLM_REJECTED, attempt, verdict, "fails while others are answered");
    else
        lam_llm_leave_for_later(client, job, attempt, verdict, "fails again and again, as too many others do at first");
}

static void without_option(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    static const struct lam_llm_option own[] = {{.name = "stream"}, {.name = "stream_options"}};
    const struct lam_llm_option *option = verdict->option < LAM_LLM_OPTIONS ? &job->options[verdict->option] : &own[verdict->option - LAM_LLM_OPTIONS];
    enum option_state *state = lam_llm_option_state(endpoint, option->name);
    const char *sent = attempt->sent[verdict->option], *now = *state == OPTION_PLAIN ? option->name : *state == OPTION_INSTEAD ? option->instead : NULL;

    if (job->reshaped++ >= RESHAPED_MAX) {
        finish_with(client, job, LAM_LLM_REJECTED, attempt, verdict, "refused in every form");
        return;
    }
    if (now && !strcmp(now, sent)) { /* else another request has found out already */
        *state = *state == OPTION_PLAIN && option->instead ? OPTION_INSTEAD : OPTION_DROPPED;
        if (*state == OPTION_DROPPED)
            COUNT(endpoint, dropped, 1);
        lam_log_warn(client->options.log, "ai", "%s does not take \"%s\": from now on %s%s (%s)", endpoint->base, sent,
                     *state == OPTION_INSTEAD ? "with " : "without it", *state == OPTION_INSTEAD ? option->instead : "", verdict->what);
    }
    lam_llm_ask_again(client, job, 0);
}

/* The request means nothing without them: it goes to an endpoint that may take them, or back to its caller, who knows another form. */
static void without_tools(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    if (lam_llm_tools_elsewhere(client, job, attempt->wire.endpoint, verdict->what))
        lam_llm_ask_again(client, job, 0);
    else
        finish_with(client, job, LAM_LLM_REJECTED, attempt, verdict, "");
}

void lam_llm_refuse(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, const char *why)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    struct lane *lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);
    uint32_t kind = 1u << job->request.kind;

    memcpy(endpoint->problem, verdict->what, sizeof endpoint->problem);
    if (endpoint->kinds & kind) {
        lam_log_error(client->options.log, "ai", "%s (model %s) gets no more requests of this kind: %s", endpoint->base, endpoint->model, verdict->what);
        endpoint->kinds &= ~kind;
        endpoint->refused = !endpoint->kinds;
    }
    lane->members &= ~(1u << attempt->wire.endpoint);
    if (lane->members) {
        job->wait.avoid = job->request.avoid;
        lam_llm_ask_again(client, job, 0);
    } else {
        finish_with(client, job, LAM_LLM_REFUSED, attempt, verdict, why);
    }
}

/* Do its words speak of what all requests have in common? A path that was there and is gone does, whatever it says. */
static bool is_blamed(const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    int status = attempt->wire.status;

    return status == 404 || status == 405 || status == 410 || status == 501 || lam_llm_problem_blames_setup(&verdict->problem);
}

/* One more in the row of requests that hear the same. True: enough of them have, and none is under way that may yet be answered. */
static bool row_is_full(struct lam_llm_client *client, struct endpoint *endpoint, struct job *job, uint64_t likeness, bool blamed)
{
    struct doubt *doubt = &endpoint->doubts[job->request.kind];

    if (!doubt->count || doubt->likeness != likeness)
        *doubt = (struct doubt){.row = ++client->rows, .likeness = likeness, .since_us = client->now_us};
    doubt->count += job->row != doubt->row;
    job->row = doubt->row;
    doubt->enough = blamed && !endpoint->answered_number[job->request.kind] ? BLAMED_ENOUGH : DOUBTS_ENOUGH;
    return doubt->count >= doubt->enough && !endpoint->flow.open;
}

/* What all hear is the endpoint's no: it has answered nothing yet, or speaks of the setup. */
static bool is_endpoints(const struct endpoint *endpoint, const struct job *job, bool blamed) { return blamed || !endpoint->answered_number[job->request.kind]; }

/* For as long as answers take, so that one of those sent meanwhile may come. */
static int64_t doubt_wait_us(struct lam_llm_client *client, const struct endpoint *endpoint, const struct job *job)
{
    int64_t wait_us = lam_llm_backoff_us(job->doubts - 1, lam_llm_random(client)), answer_us = endpoint->flow.open ? lam_llm_flow_quantile_us(&endpoint->flow, 0.95) : 0;

    return wait_us > answer_us ? wait_us : answer_us;
}

/*
 * A 400 or 403 may be about a document, or about the model, the key, an account that has run dry, whatever all requests have in common: the first is one
 * record's quarantine, the second would be all records'. So the request waits a little and is asked again, and what becomes of others decides.
 *
 *     one that was sent later is answered   it was the request. Where the words speak of the setup: one that was sent after they were heard
 *     enough others hear the same           it is the endpoint, if it has answered nothing yet or the words speak of the setup; and if it refuses a harmless text, too
 *     neither                               nobody knows: later
 */
static void doubt(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    bool blamed = is_blamed(attempt, verdict), full;

    if (job->request.divisible && !blamed) { /* its parts will tell */
        finish_with(client, job, LAM_LLM_REJECTED, attempt, verdict, "");
        return;
    }
    suspect(client, job, attempt);
    if (endpoint->answered_number[job->request.kind] > (blamed ? job->acquits_blamed : job->acquits)) {
        finish_with(client, job, LAM_LLM_REJECTED, attempt, verdict, "");
        return;
    }
    full = row_is_full(client, endpoint, job, lam_llm_problem_likeness(&verdict->problem), blamed);
    if (full && lam_llm_try(client, job, attempt->wire.endpoint))
        lam_llm_ask_again(client, job, 0);
    else if (full && is_endpoints(endpoint, job, blamed) && !endpoint->trials[job->request.kind].job)
        lam_llm_refuse(client, job, attempt, verdict, "all requests are refused alike");
    else if (job->doubts++ < DOUBTS_MAX || endpoint->flow.open) /* until its deadline */
        lam_llm_ask_again(client, job, doubt_wait_us(client, endpoint, job));
    else
        lam_llm_leave_for_later(client, job, attempt, verdict, "refused, and nothing that was sent later is answered");
}

/* ---- an attempt's end ---- */

static void count_end(struct endpoint *endpoint, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    COUNT(endpoint, bytes_in, attempt->wire.answer.len);
    if (attempt->wire.connected_anew)
        COUNT(endpoint, connections, 1);
    switch (verdict->result) {
    case LAM_LLM_R_ANSWERED:
        COUNT(endpoint, answered, 1);
        endpoint->too_long_us = 0;
        if (attempt->number > endpoint->answered_number[attempt->wire.kind])
            endpoint->answered_number[attempt->wire.kind] = attempt->number;
        endpoint->doubts[attempt->wire.kind].count = 0;
        break;
    case LAM_LLM_R_LIMITED:
        COUNT(endpoint, rate_limited, 1);
        break;
    case LAM_LLM_R_ERROR:
        COUNT(endpoint, server_errors, 1);
        break;
    case LAM_LLM_R_TRANSPORT:
        COUNT(endpoint, transport_errors, 1);
        break;
    case LAM_LLM_R_CLIENT:
        COUNT(endpoint, client_errors, 1);
        break;
    case LAM_LLM_R_FORGOTTEN:
        break;
    }
}

/* False: nothing is settled, and what came back is seen to as ever. */
static bool end_trial(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    switch (lam_llm_tried(client, job, attempt, verdict)) {
    case LAM_LLM_TRIAL_OPEN:
        return false;
    case LAM_LLM_TRIAL_REFUSED:
        if (is_endpoints(&client->endpoints[attempt->wire.endpoint], job, is_blamed(attempt, verdict)))
            lam_llm_refuse(client, job, attempt, verdict, "all requests are refused alike, and one about a harmless text as well");
        else
            lam_llm_leave_for_later(client, job, attempt, verdict, "refused, and so is a harmless text");
        return true;
    case LAM_LLM_TRIAL_ANSWERED:
        break;
    }
    if (!job->attempts[0]) /* else its other attempt is its own */
        lam_llm_ask_again(client, job, 0);
    return true;
}

static void act_on(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, struct lam_llm_verdict *verdict)
{
    job->url = NULL;
    if (lam_llm_asked_at_home(client, job, attempt, verdict) || (attempt->trial && end_trial(client, job, attempt, verdict)))
        return;
    switch (verdict->action) {
    case LAM_LLM_A_ANSWER:
        finish_with(client, job, LAM_LLM_ANSWERED, attempt, verdict, "");
        break;
    case LAM_LLM_A_AGAIN_TRANSPORT:
        retry_transport(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_AGAIN_RATE:
        retry_rate(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_AGAIN_ERROR:
        retry_error(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_WITHOUT_OPTION:
        without_option(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_WITHOUT_TOOLS:
        without_tools(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_REDIRECT:
        lam_llm_redirect(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_TOO_LONG:
        finish_with(client, job, LAM_LLM_TOO_LONG, attempt, verdict, "");
        break;
    case LAM_LLM_A_LATER:
        lam_llm_leave_for_later(client, job, attempt, verdict, "it says not to try again");
        break;
    case LAM_LLM_A_DOUBT:
        doubt(client, job, attempt, verdict);
        break;
    case LAM_LLM_A_REFUSE:
        lam_llm_refuse(client, job, attempt, verdict, "");
        break;
    }
}

/* A streamed answer becomes the whole one, or what its failure is like: a cut, or a status of 500 with the error as its body. */
static void unfold(struct lam_llm_client *client, struct lam_llm_attempt *wire)
{
    struct lam_buf whole;
    struct lam_error err;
    int rc;

    if (wire->code != LAM_LLM_T_OK || wire->status / 100 != 2 || !wire->headers.event_stream)
        return;
    lam_buf_clear(&client->joined);
    rc = lam_llm_sse_join(client->json, lam_buf_sv(&wire->answer), &client->joined, &err);
    if (rc && rc != LAM_E_INVALID) {
        wire->code = rc == LAM_E_LIMIT ? LAM_LLM_T_TOO_LARGE : LAM_LLM_T_CUT;
        snprintf(wire->detail, sizeof wire->detail, "%.150s", err.text);
        return;
    }
    if (rc)
        wire->status = 500;
    whole = client->joined;
    client->joined = wire->answer;
    wire->answer = whole;
    wire->answer.len = lam_llm_mask_answer(whole.ptr, whole.len, (const char *const *)client->authorization, client->endpoint_count); /* a key in pieces is whole now */
}

/*
 * That one took too long tells nothing of the endpoint, nor do others that went out before it was known. But if what is sent then takes too long as well,
 * and nothing is answered in between, the endpoint may hang.
 */
static bool too_much_again(struct endpoint *endpoint, const struct attempt *attempt)
{
    if (endpoint->too_long_us && attempt->wire.started_us >= endpoint->too_long_us)
        return true;
    if (!endpoint->too_long_us)
        endpoint->too_long_us = attempt->wire.ended_us;
    return false;
}

/* What a large answer made the parser need is many times its size. */
static void shed(struct lam_llm_client *client)
{
    struct lam_json *fresh = lam_json_new(client->options.max_answer, LAM_LLM_DEPTH);

    if (!fresh)
        return;
    lam_json_free(client->json);
    client->json = fresh;
}

void lam_llm_ended(void *arg, struct lam_llm_attempt *wire)
{
    struct lam_llm_client *client = arg;
    struct attempt *attempt = wire->owner;
    struct endpoint *endpoint = &client->endpoints[wire->endpoint];
    struct job *job = attempt->job;
    struct lam_llm_context context = {endpoint->model, endpoint->answered_number[wire->kind] != 0, attempt->sent, SENT_OPTIONS};
    struct lam_llm_verdict verdict;
    uint64_t tokens = 0;

    if (wire->ended_us > client->now_us)
        client->now_us = wire->ended_us;
    unfold(client, wire);
    lam_llm_judge(&verdict, wire, &context, client->json);
    if (wire->answer.len > JSON_KEEP)
        shed(client);
    if (verdict.action == LAM_LLM_A_ANSWER && job->request.tools)
        endpoint->tools = TOOLS_TAKEN;
    if (lam_llm_tools_refused(endpoint, job, wire, &verdict)) {
        verdict.action = LAM_LLM_A_WITHOUT_TOOLS;
        verdict.result = LAM_LLM_R_CLIENT;
    }
    if (is_too_much(job, wire))
        verdict.result = too_much_again(endpoint, attempt) ? LAM_LLM_R_TRANSPORT : LAM_LLM_R_FORGOTTEN;
    if (verdict.result != LAM_LLM_R_ANSWERED && verdict.action != LAM_LLM_A_REDIRECT && !endpoint->refused) /* why it was refused stays its last word */
        snprintf(endpoint->problem, sizeof endpoint->problem, "%s", verdict.what);
    count_end(endpoint, attempt, &verdict);
    lam_llm_count_first(endpoint, job, attempt, verdict.result);
    if (is_unseen(wire))
        count_unseen(client, attempt);
    if (verdict.lost)
        tokens = count_lost(client, attempt, &verdict);
    else if (verdict.result == LAM_LLM_R_ANSWERED)
        tokens = lam_llm_total_tokens(lam_buf_sv(&wire->answer));
    if (verdict.action == LAM_LLM_A_ANSWER && attempt->hedge)
        COUNT(endpoint, hedges_won, 1);
    account(client, attempt, verdict.result, tokens);
    if (verdict.action == LAM_LLM_A_ANSWER || !job->attempts[0]) /* else its other attempt decides */
        act_on(client, job, attempt, &verdict);
    lam_llm_attempt_free(client, attempt);
}
