/* What an answer cost: the server's counts where they can be, else estimates, which are counted as such. */
#include "own.h"

#include <inttypes.h>
#include <math.h>

/* Counts that are far beyond any context would use up a limit at once: as if they were not told. */
static void doubt_usage(struct lam_openai *o, const struct lam_openai_request *request, struct lam_llm_reply *reply)
{
    bool embeds = lam_ask_embeds(o, request->ask);
    uint64_t most = (uint64_t)lam_asks_context(o->job, embeds ? 0 : request->tier, embeds ? LAM_JOB_EMBEDDINGS : LAM_JOB_CHAT) + o->asks.items[request->ask].answer_tokens + request->guess;

    most *= LAM_LLM_USAGE_FACTOR;
    if (reply->tokens_in <= most && reply->tokens_out <= most)
        return;
    if (!o->usage_doubted)
        lam_log_warn(o->options.log, "llm", "%s counts %" PRIu32 " tokens in and %" PRIu32 " out for one request: estimates take the place of what cannot be",
                     o->job->deep.endpoints[request->endpoint].url, reply->tokens_in, reply->tokens_out);
    o->usage_doubted = true;
    reply->tokens_in = reply->tokens_in > most ? 0 : reply->tokens_in;
    reply->tokens_out = reply->tokens_out > most ? 0 : reply->tokens_out;
    reply->cached = reply->tokens_in ? reply->cached : 0;
}

/* Of an answer whose tokens nobody told: one that was cut off had all that it may have. */
static uint32_t guess_answer(struct lam_openai *o, const struct lam_openai_request *request, const struct lam_llm_reply *reply, const struct lam_token_estimate *tokens)
{
    if (reply->finish == LAM_LLM_LENGTH)
        return request->packed ? lam_pack_answer_tokens(o, request) : o->asks.items[request->ask].answer_tokens;
    return reply->content.len ? lam_token_correct(tokens, lam_token_guess(reply->content)) : 0;
}

/* The tokens of an answer; what the server does not tell, or cannot mean, is estimated. */
static struct lam_openai_usage usage_of(struct lam_openai *o, const struct lam_openai_request *request, struct lam_llm_reply *reply, const struct lam_token_estimate *tokens)
{
    struct lam_openai_usage usage = {.requests = 1};

    doubt_usage(o, request, reply);
    usage.tokens_in = reply->tokens_in ? reply->tokens_in : lam_token_correct(tokens, request->guess);
    usage.tokens_out = reply->tokens_out ? reply->tokens_out : guess_answer(o, request, reply, tokens);
    usage.estimated = (reply->tokens_in ? 0 : usage.tokens_in) + (reply->tokens_out ? 0 : usage.tokens_out);
    usage.cached = reply->cached;
    if (usage.estimated && !o->usage_doubted) {
        lam_log_warn(o->options.log, "llm", "%s does not say how many tokens a request had: the report has estimates, and says how many they are",
                     o->job->deep.endpoints[request->endpoint].url);
        o->usage_doubted = true;
    }
    usage.cost = lam_endpoint_cost(&o->job->deep.endpoints[request->endpoint], (double)usage.tokens_in, (double)usage.tokens_out);
    return usage;
}

/* How far the estimate was off, and what endpoint and estimate learn from the count. */
static void learn(struct lam_openai *o, const struct lam_openai_request *request, uint32_t counted, struct lam_token_estimate *tokens)
{
    if (!counted)
        return;
    o->stats.estimates++;
    o->stats.estimate_error += fabs((double)lam_token_correct(tokens, request->guess) - counted) / counted;
    lam_token_learn(tokens, request->guess, counted);
    if (counted > o->fitted[request->endpoint])
        o->fitted[request->endpoint] = counted;
}

/* Each document of a pack has its part by its size. */
void lam_request_account(struct lam_openai *o, struct lam_openai_request *request, struct lam_llm_reply *reply)
{
    struct lam_token_estimate *tokens = lam_ask_embeds(o, request->ask) ? &o->embed_tokens : &o->tokens[request->tier];
    struct lam_openai_usage usage = usage_of(o, request, reply, tokens);
    double sum = 0;

    lam_request_settle(o, request, usage.tokens_in + usage.tokens_out, usage.cost);
    o->stats.latency_s += (double)request->latency_us / 1e6;
    lam_openai_usage_add(&o->stats.asks[request->ask], &usage);
    lam_openai_usage_add(&o->stats.endpoints[request->endpoint], &usage);
    if (!lam_ask_embeds(o, request->ask)) {
        lam_openai_usage_add(&o->stats.tiers[request->tier], &usage);
        o->stats.asked[request->tier] += o->asks.items[request->ask].tasks ? request->count : 0; /* parts of a long document are of its cost */
    }
    learn(o, request, reply->tokens_in, tokens);
    for (struct lam_question *question = request->questions; question; question = question->next)
        sum += question->guess + 1;
    for (struct lam_question *question = request->questions; question; question = question->next) {
        double part = (question->guess + 1) / sum;

        question->requests++;
        question->tokens_in += (uint32_t)lround((double)usage.tokens_in * part);
        question->tokens_out += (uint32_t)lround((double)usage.tokens_out * part);
        question->cost += usage.cost * part;
    }
}
