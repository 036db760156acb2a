/*
 * What an agent is expected to take, before anybody is asked: its first request is the real one, and each step after it adds what a model usually says and a tool
 * usually tells. How many steps it takes nobody knows beforehand: a few, as long as its limits allow them.
 */
#include "agent_own.h"

#define ANSWER_TOKENS 60u  /* of a step: a tool and its arguments, or a short answer */
#define RESULT_TOKENS 300u /* of what a tool tells: a record of some hundred words */
#define TOKEN_BYTES 4u     /* of text, about: what a limit in bytes may have in tokens */

static uint32_t least(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

/* The steps that fit, with the same rule that ends an agent (lam_agent_request). */
static void add_steps(const struct lam_agent_options *o, uint32_t first, struct lam_agent_expected *expected)
{
    uint32_t answer = least(ANSWER_TOKENS, o->answer_tokens), told = least(RESULT_TOKENS, 1 + o->limits.result / TOKEN_BYTES);
    unsigned steps = least(LAM_AGENT_STEPS_EXPECTED, o->limits.steps);

    for (uint64_t in = first; expected->steps < steps && expected->used.in + expected->used.out + in + o->answer_tokens <= o->limits.tokens; in += answer + told) {
        expected->steps++;
        expected->used.in += in;
        expected->used.out += answer;
    }
}

int lam_agent_expect(const struct lam_agent_options *options, struct lam_sv key, struct lam_sv title, struct lam_sv text, struct lam_agent_expected *expected,
                     struct lam_error *err)
{
    struct lam_llm_request request;
    struct lam_agent *agent;
    int rc = lam_agent_new(&agent, options, key, title, text, err);

    *expected = (struct lam_agent_expected){0};
    if (rc)
        return rc;
    if (!(rc = lam_agent_request(agent, &request, err)))
        add_steps(options, request.tokens, expected);
    lam_agent_free(agent);
    return rc == LAM_E_LIMIT ? 0 : rc; /* too long for a request, or for its limit of tokens: nobody is asked */
}
