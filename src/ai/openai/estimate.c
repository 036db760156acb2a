/*
 * What a run would cost: every question that the cache does not answer is counted, and none is asked. Tokens are estimates by script and by what answers
 * usually have; money is that of the first step of a cascade, at the endpoints' prices by their weights.
 */
#include "own.h"

static double price(const struct lam_openai *o, uint32_t tier, double in, double out)
{
    double sum = 0, weights = 0;

    for (size_t i = 0; i < o->job->deep.endpoint_count; i++) {
        const struct lam_job_endpoint *endpoint = &o->job->deep.endpoints[i];

        if (endpoint->kind != LAM_JOB_CHAT || endpoint->tier != tier)
            continue;
        sum += endpoint->weight * (in * endpoint->price_in + out * endpoint->price_out) / 1e6;
        weights += endpoint->weight;
    }
    return weights > 0 ? sum / weights : 0;
}

void lam_question_estimate(struct lam_openai *o, struct lam_question *question)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    struct lam_openai_usage *usage = &o->stats.asks[question->ask];
    double share = 1; /* of a request that is the question's */
    uint32_t room, size, in;

    if (lam_ask_embeds(o, question->ask)) {
        share = 1.0 / 32;
    } else if (o->job->deep.request_mode == LAM_JOB_PACKED) {
        room = lam_pack_room(o, question->ask, question->tier);
        size = lam_pack_part(o, question);
        share = room && size < room ? (double)size / room : 1;
        share = share < 1.0 / 64 ? 1.0 / 64 : share;
    }
    in = lam_token_correct(&o->tokens[question->tier], (uint32_t)(ask->guess[share < 1] * share) + question->guess);
    o->estimated[question->ask] += share;
    usage->requests = (uint64_t)(o->estimated[question->ask] + 0.999);
    usage->tokens_in += in;
    usage->tokens_out += ask->expected_tokens;
    usage->cost += price(o, question->tier, in, ask->expected_tokens);
    lam_question_pending(o, question);
}
