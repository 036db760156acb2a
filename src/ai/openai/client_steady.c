#include "client_impl.h"

#define FIRSTS 128u         /* so many requests are remembered, and then half of them */
#define FIRSTS_STEADY 10u   /* one in so many may fail at an endpoint that counts as steady */

void lam_llm_count_first(struct endpoint *endpoint, struct job *job, const struct attempt *attempt, enum lam_llm_result result)
{
    struct firsts *firsts = &endpoint->firsts;
    bool failed = result == LAM_LLM_R_ERROR || result == LAM_LLM_R_TRANSPORT;

    if (job->first || attempt->trial || (!failed && result != LAM_LLM_R_ANSWERED))
        return;
    if (firsts->asked == FIRSTS)
        *firsts = (struct firsts){firsts->asked / 2, firsts->failed / 2};
    firsts->asked++;
    firsts->failed += failed;
    job->first = firsts;
    job->first_failed = failed;
}

bool lam_llm_is_steady(const struct endpoint *endpoint, const struct job *job)
{
    unsigned failed = endpoint->firsts.failed;

    if (job->first == &endpoint->firsts && job->first_failed && failed)
        failed--;
    return failed * FIRSTS_STEADY < endpoint->firsts.asked;
}
