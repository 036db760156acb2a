/*
 * What a run would cost: every question that the cache does not answer is counted, and none is asked. Tokens are estimates by script and by what answers
 * usually have; money is by the endpoints' prices and weights. Whether a model's step of a cascade sends a record on to the next is not known before it is asked:
 * what those steps would take stands apart.
 */
#include "own.h"

#define EMBEDDINGS_TOGETHER 32.0
#define SUMMARY_TOKENS 35u /* of a sentence */

static void add(struct lam_openai_need *sum, double requests, double in, double out, double cost)
{
    sum->requests += requests;
    sum->tokens_in += in;
    sum->tokens_out += out;
    sum->cost += cost;
}

/* Part of a request that is the question's. */
static double share_of(const struct lam_openai *o, const struct lam_question *question, uint32_t tier)
{
    if (lam_ask_embeds(o, question->ask))
        return 1 / EMBEDDINGS_TOGETHER;
    if (o->job->deep.request_mode != LAM_JOB_PACKED || question->mapped)
        return 1;
    return lam_pack_share(o, question, tier);
}

/* Parts of a long document, each summarised first; returns the tokens of text that the question itself then has. */
static uint32_t add_parts(struct lam_openai *o, const struct lam_question *question, uint32_t tier, struct lam_openai_need *need)
{
    const struct lam_ask *part = &o->asks.items[o->asks.part];
    struct lam_question of_part = {.ask = (uint32_t)o->asks.part, .tier = tier, .doc = question->doc};
    uint32_t room = lam_question_room(o, question), part_room = lam_question_room(o, &of_part);
    uint32_t parts = (question->guess + part_room - 1) / part_room;
    uint32_t summaries = parts * (o->job->tasks.sentences + 2) * SUMMARY_TOKENS;
    double in = lam_token_correct(&o->tokens[tier], question->guess + parts * part->guess[0]), out = (double)parts * part->expected_tokens;

    add(need, parts, in, out, lam_expected_cost(&o->job->deep, LAM_JOB_CHAT, tier, in, out));
    return room / 4 + summaries < room ? room / 4 + summaries : room;
}

static void add_need(struct lam_openai *o, const struct lam_question *question, uint32_t tier, struct lam_openai_need *need)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    bool embeds = lam_ask_embeds(o, question->ask);
    double share = share_of(o, question, tier), in;
    uint32_t text = question->mapped ? add_parts(o, question, tier, need) : question->guess;

    in = lam_token_correct(embeds ? &o->embed_tokens : &o->tokens[tier], (uint32_t)(ask->guess[share < 1] * share) + text);
    add(need, share, in, ask->expected_tokens,
        lam_expected_cost(&o->job->deep, embeds ? LAM_JOB_EMBEDDINGS : LAM_JOB_CHAT, tier, in, ask->expected_tokens));
}

int lam_question_estimate(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    struct lam_openai_estimate *estimate = &question->doc->sub->estimate;
    int rc = 0;

    add_need(o, question, question->tier, &estimate->sure);
    if (o->asks.items[question->ask].tasks & LAM_TASK_CLASSIFY && o->job->deep.cascade_count)
        for (uint32_t tier = question->tier + 1; tier < o->job->deep.tiers; tier++)
            add_need(o, question, tier, &estimate->later[tier]);
    if (question->granted) /* whoever has the same text hears that it is there, and counts it as a repeat */
        rc = o->options.leave_done(o->options.arg, question->key, true, err);
    question->granted = false;
    lam_question_pending(o, question);
    return rc;
}
