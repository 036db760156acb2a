/*
 * What an attempt's end means: for its request, and for the endpoint's flow control. Pure functions: the whole policy of statuses stands here.
 *
 *     2xx with a message, vectors  answered; without a message, where the model was stopped, as well
 *     other 2xx, or too large    as the 5xx that it is: an error sent as a success, half a document, a page
 *     408 409, transport         once more, counted as transport errors
 *     429 503                    once more, counted as rate limits
 *     other 5xx                  once more, a few times: some servers answer 500 to what will never work
 *     400 422 naming an option   once more without it
 *     413, context overflow      too long: the caller's to cut
 *     401 404 405 407 410 501 before any answer, 402   refused: every later request would fail as well
 *     401 407 after one          once more, as transport errors: the key was good
 *     3xx                        once more at that path of the same host
 *     other 4xx                  in doubt: of the request, or of the endpoint (client_end.c)
 *
 * x-should-retry overrides what is retried and what is not.
 */
#ifndef LAMINA_AI_OPENAI_VERDICT_H
#define LAMINA_AI_OPENAI_VERDICT_H

#include "flow.h"
#include "problem.h"
#include "transport.h"

enum lam_llm_action {
    LAM_LLM_A_ANSWER,
    LAM_LLM_A_AGAIN_TRANSPORT,
    LAM_LLM_A_AGAIN_RATE,
    LAM_LLM_A_AGAIN_ERROR,
    LAM_LLM_A_WITHOUT_OPTION, /* `option` tells which */
    LAM_LLM_A_WITHOUT_TOOLS,  /* the caller's to find (client_tools.c) */
    LAM_LLM_A_REDIRECT,       /* headers.location tells where to; the caller judges it with lam_llm_same_host */
    LAM_LLM_A_TOO_LONG,
    LAM_LLM_A_LATER,
    LAM_LLM_A_DOUBT,          /* rejected, refused or later: what becomes of others will tell */
    LAM_LLM_A_REFUSE
};

struct lam_llm_verdict {
    enum lam_llm_action action;
    enum lam_llm_result result; /* for flow control */
    unsigned option;
    struct lam_llm_problem problem; /* filled for statuses of 400 and above */
    bool lost;                  /* 2xx, and no answer, but the server has worked on it: it is likely to be paid */
    uint32_t lost_in, lost_out; /* its tokens as the server counts them; zeroes: not told */
    char what[LAM_LLM_REASON];  /* one line: what happened, with what the server said */
};

/* What was sent, and to whom. */
struct lam_llm_context {
    const char *model;
    bool answered_before;          /* this endpoint answered a request of this kind in this run */
    const char *const *options;    /* names of the options in the body as they were sent; NULL: that one was not */
    unsigned option_count;
};

void lam_llm_judge(struct lam_llm_verdict *verdict, const struct lam_llm_attempt *attempt, const struct lam_llm_context *context, struct lam_json *json);

/*
 * Writes where a redirect leads into out: the same scheme, host and port as url, or a path. False: another host (or another scheme), or it
 * does not fit.
 */
bool lam_llm_same_host(const char *url, const char *location, char *out, size_t cap);

#endif
