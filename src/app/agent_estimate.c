#include "agent_estimate.h"

#include "ai/openai/spending.h"

static int add_row(struct lam_agent_setup *setup, const struct lam_job_deep *deep, const struct lam_row *row, struct lam_arena *masked, struct lam_agent_need *need,
                   struct lam_error *err)
{
    struct lam_agent_expected expected;
    struct lam_agent_task task;
    double in, out;
    bool kept;
    int rc;

    if ((rc = lam_agent_setup_task(setup, row, masked, &task, err)) || (rc = lam_agents_expect(setup->agents, &task, &kept, &expected, err)))
        return rc;
    in = (double)expected.used.in;
    out = (double)expected.used.out;
    need->records++;
    need->hits += kept;
    need->asked += expected.steps > 0;
    need->need.requests += expected.steps;
    need->need.tokens_in += in;
    need->need.tokens_out += out;
    need->need.cost += lam_expected_cost(deep, LAM_JOB_CHAT, setup->agent->tier, in, out);
    return 0;
}

int lam_agent_estimate(struct lam_agent_setup *setup, const struct lam_job_deep *deep, struct lam_block *block, struct lam_agent_need *need, struct lam_error *err)
{
    struct lam_arena masked;
    int rc = 0;

    lam_arena_init(&masked, LAM_AGENT_MASKED_MAX);
    for (size_t i = 0; !rc && i < lam_block_rows(block); i++) {
        const struct lam_row *row = lam_block_row(block, i);

        if (!(row->rec.flags & LAM_ROW_NO_TEXT) && lam_agent_setup_asks(setup, &row->rec, NULL)) /* pending or not: nobody is asked, and in a run it has its answers by then */
            rc = add_row(setup, deep, row, &masked, need, err);
    }
    lam_arena_release(&masked);
    return rc;
}
