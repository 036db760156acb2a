#include "client_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum option_state *lam_llm_option_state(struct endpoint *endpoint, const char *name)
{
    static _Thread_local enum option_state plain;
    unsigned i = 0;

    while (i < endpoint->option_count && strcmp(endpoint->option_names[i], name))
        i++;
    if (i == KNOWN_OPTIONS) { /* more names than any run uses: the rest is sent as it is */
        plain = OPTION_PLAIN;
        return &plain;
    }
    if (i == endpoint->option_count)
        endpoint->option_names[endpoint->option_count++] = name;
    return &endpoint->option_states[i];
}

static int add_text(struct lam_buf *buf, const char *text) { return lam_buf_add(buf, text, strlen(text), NULL); }

static int add_option(struct lam_buf *buf, const char *name, struct lam_sv value)
{
    int rc = add_text(buf, ",\"");

    rc = rc ? rc : add_text(buf, name);
    rc = rc ? rc : add_text(buf, "\":");
    return rc ? rc : lam_buf_add_sv(buf, value, NULL);
}

/* Without include_usage nobody would know the tokens; some servers know streams and not that. */
static int add_stream(struct attempt *attempt, struct endpoint *endpoint)
{
    int rc;

    if (*lam_llm_option_state(endpoint, "stream") == OPTION_DROPPED)
        return 0;
    attempt->sent[SENT_STREAM] = "stream";
    rc = add_option(&attempt->body, "stream", LAM_SV("true"));
    if (rc || *lam_llm_option_state(endpoint, "stream_options") == OPTION_DROPPED)
        return rc;
    attempt->sent[SENT_STREAM_OPTIONS] = "stream_options";
    return add_option(&attempt->body, "stream_options", LAM_SV("{\"include_usage\":true}"));
}

/* {"model":"…","option":value,…,<the request's members>} */
static int compose(struct attempt *attempt, const struct job *job, struct endpoint *endpoint)
{
    struct lam_buf *buf = &attempt->body;
    int rc;

    lam_buf_clear(buf);
    attempt->dropped = 0;
    memset(attempt->sent, 0, sizeof attempt->sent);
    rc = add_text(buf, "{\"model\":");
    rc = rc ? rc : lam_buf_add_json(buf, lam_sv_of(endpoint->model), NULL);
    for (size_t i = 0; i < job->request.option_count; i++) {
        const struct lam_llm_option *option = &job->options[i];
        enum option_state state = *lam_llm_option_state(endpoint, option->name);

        attempt->sent[i] = state == OPTION_DROPPED ? NULL : state == OPTION_INSTEAD ? option->instead : option->name;
        if (!attempt->sent[i]) {
            attempt->dropped |= 1u << i;
            continue;
        }
        rc = rc ? rc : add_option(buf, attempt->sent[i], option->value);
    }
    if (endpoint->stream && job->request.kind == LAM_LLM_CHAT)
        rc = rc ? rc : add_stream(attempt, endpoint);
    rc = rc ? rc : add_text(buf, ",");
    rc = rc ? rc : lam_buf_add_sv(buf, attempt->trial ? job->request.trial : job->request.body, NULL);
    return rc ? rc : add_text(buf, "}");
}

static struct attempt *attempt_new(struct lam_llm_client *client)
{
    struct attempt *attempt = client->free_attempts;

    if (attempt) {
        client->free_attempts = attempt->next;
    } else if ((attempt = calloc(1, sizeof *attempt))) {
        lam_buf_init(&attempt->body, 2 * BODY_MAX);
        lam_buf_init(&attempt->wire.answer, client->options.max_answer);
    }
    return attempt;
}

void lam_llm_attempt_free(struct lam_llm_client *client, struct attempt *attempt)
{
    if (attempt->body.cap > KEEP_BYTES)
        lam_buf_release(&attempt->body);
    if (attempt->wire.answer.cap > KEEP_BYTES)
        lam_buf_release(&attempt->wire.answer);
    attempt->next = client->free_attempts;
    client->free_attempts = attempt;
}

static void link_attempt(struct endpoint *endpoint, struct attempt *attempt)
{
    attempt->next = NULL;
    attempt->prev = endpoint->last;
    *(endpoint->last ? &endpoint->last->next : &endpoint->first) = attempt;
    endpoint->last = attempt;
}

/* At most the time that the request has left, and the attempt's own. */
static unsigned timeout_of(const struct lam_llm_client *client, const struct job *job)
{
    int64_t left_ms = (job->wait.deadline_us - client->now_us) / 1000;

    return left_ms < 1 ? 1 : left_ms < client->options.attempt_timeout_ms ? (unsigned)left_ms : client->options.attempt_timeout_ms;
}

static int64_t deadline_of(const struct lam_llm_client *client, const struct lam_llm_request *request)
{
    unsigned ms = client->options.deadline_ms;

    return client->now_us + (int64_t)(request->time_ms && request->time_ms < ms ? request->time_ms : ms) * 1000;
}

static void fill(struct lam_llm_client *client, struct attempt *attempt, struct job *job, size_t e, bool hedge)
{
    attempt->job = job;
    attempt->hedge = hedge;
    attempt->number = ++client->sent_number;
    attempt->tokens = (uint64_t)job->request.tokens + job->request.max_tokens;
    attempt->wire.endpoint = e;
    attempt->wire.kind = job->request.kind;
    attempt->wire.url = job->url && job->url_endpoint == e ? job->url : client->endpoints[e].urls[job->request.kind];
    attempt->wire.body = lam_buf_sv(&attempt->body);
    attempt->wire.timeout_ms = timeout_of(client, job);
    attempt->wire.owner = attempt;
    lam_buf_clear(&attempt->wire.answer);
}

/* To an endpoint that does not take the tool protocol, as others found out: where it may be taken is not free, or nowhere. */
static void end_unsent(struct lam_llm_client *client, struct job *job, size_t e)
{
    struct lane *lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);

    if (!(job->wait.avoid >> e & 1) && lam_llm_tools_elsewhere(client, job, e, ""))
        lam_llm_queue_again(&lane->queue, &job->wait, client->now_us);
    else
        lam_llm_finish_without_tools(client, job, e);
}

void lam_llm_send(struct lam_llm_client *client, struct job *job, size_t e, bool hedge)
{
    struct endpoint *endpoint = &client->endpoints[e];
    struct attempt *attempt;
    struct lam_error err;

    if (job->request.tools && endpoint->tools == TOOLS_REFUSED) {
        if (!hedge)
            end_unsent(client, job, e);
        return;
    }
    attempt = attempt_new(client);
    if (job->wait.deadline_us == INT64_MAX)
        job->wait.deadline_us = deadline_of(client, &job->request);
    if (attempt)
        attempt->trial = !hedge && lam_llm_is_trial(client, job, e);
    if (!attempt || compose(attempt, job, endpoint)) {
        if (attempt)
            lam_llm_attempt_free(client, attempt);
        if (!hedge) {
            lam_llm_left(client, e, "no memory for the request's body", "", 1);
            lam_llm_finish(client, job, LAM_LLM_LATER, e, "no memory for the request's body");
        }
        return;
    }
    fill(client, attempt, job, e, hedge);
    job->attempts[hedge] = attempt;
    job->attempt_count++;
    job->hedged |= hedge;
    attempt->probe = lam_llm_flow_sent(&endpoint->flow, attempt->tokens, client->now_us);
    lam_llm_flow_earn(&endpoint->flow, client->options.hedge_budget);
    link_attempt(endpoint, attempt);
    COUNT(endpoint, requests, 1);
    COUNT(endpoint, bytes_out, attempt->body.len);
    if (client->ops->start(client->transport, &attempt->wire, &err) == 0)
        return;
    attempt->wire.code = LAM_LLM_T_OTHER;
    attempt->wire.status = 0;
    attempt->wire.started_us = attempt->wire.ended_us = client->now_us;
    lam_llm_headers_init(&attempt->wire.headers);
    snprintf(attempt->wire.detail, sizeof attempt->wire.detail, "%.150s", err.text);
    lam_llm_ended(client, &attempt->wire);
}
