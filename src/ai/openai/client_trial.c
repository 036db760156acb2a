/*
 * The trial of an endpoint that refuses one request after another: is it the endpoint, or are they all requests that it may refuse? Records that come
 * first may well be alike, and all of a kind that a server's policy forbids. So before it is said of an endpoint that it refuses everything, one of the
 * requests goes out in the same form about a text that nobody could mind (lam_llm_request.trial).
 *
 *     answered           the endpoint is all right: those that were refused are asked about again, and are rejected, each for itself
 *     refused as well    the endpoint refuses everything, if it has answered nothing yet or speaks of its setup; else nobody knows, and it is asked another day
 *     anything else      is seen to as ever: later, at another endpoint, in another form
 */
#include "client_impl.h"

#include "answer.h"
#include "token_estimate.h"

/* Of an endpoint and kind, one after the other, that were not answered. Each that is acquits the endpoint of as many refusals as were alike before it. */
#define TRIALS_MAX 3

bool lam_llm_try(struct lam_llm_client *client, struct job *job, size_t e)
{
    struct endpoint *endpoint = &client->endpoints[e];
    struct trial *trial = &endpoint->trials[job->request.kind];

    if (trial->job || !job->request.trial.len || trial->count >= TRIALS_MAX)
        return false;
    trial->job = job;
    trial->count++;
    job->wait.avoid = ~(1u << e); /* nowhere else, if it can be helped */
    return true;
}

bool lam_llm_is_trial(const struct lam_llm_client *client, const struct job *job, size_t e) { return client->endpoints[e].trials[job->request.kind].job == job; }

void lam_llm_trial_over(struct lam_llm_client *client, struct job *job)
{
    for (size_t e = 0; e < client->endpoint_count; e++)
        if (lam_llm_is_trial(client, job, e))
            client->endpoints[e].trials[job->request.kind].job = NULL;
    job->wait.avoid = job->request.avoid;
}

/* What the server counted, or what it must have been. */
static void count(struct lam_llm_client *client, const struct attempt *attempt)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    struct lam_sv answer = lam_buf_sv(&attempt->wire.answer);
    struct lam_error err;
    uint64_t in = 0, out = 0, most = LAM_LLM_USAGE_FACTOR * (uint64_t)attempt->tokens;

    if (!lam_json_parse(client->json, answer, &err)) {
        in = lam_llm_count(client->json, "/usage/prompt_tokens");
        out = lam_llm_count(client->json, "/usage/completion_tokens");
    }
    if (!in || in > most || out > most) { /* as no endpoint can have counted */
        in = lam_token_guess(lam_buf_sv(&attempt->body));
        out = attempt->job->request.kind == LAM_LLM_CHAT ? lam_token_guess(answer) / 2 : 0;
    }
    COUNT(endpoint, trials, 1);
    COUNT(endpoint, trial_in, in);
    COUNT(endpoint, trial_out, out);
}

enum lam_llm_trial lam_llm_tried(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    const struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];

    switch (verdict->action) {
    case LAM_LLM_A_ANSWER:
        count(client, attempt);
        if (atomic_load(&endpoint->seen.trials) == 1)
            lam_log_warn(client->options.log, "ai", "%s (model %s) refuses one request after another, and answers one about a harmless text: it is the records that it refuses",
                         endpoint->base, endpoint->model);
        client->endpoints[attempt->wire.endpoint].trials[job->request.kind].count = 0;
        lam_llm_trial_over(client, job);
        return LAM_LLM_TRIAL_ANSWERED;
    case LAM_LLM_A_DOUBT:
    case LAM_LLM_A_REFUSE:
    case LAM_LLM_A_TOO_LONG:
        lam_llm_trial_over(client, job);
        return LAM_LLM_TRIAL_REFUSED;
    default:
        return LAM_LLM_TRIAL_OPEN;
    }
}
