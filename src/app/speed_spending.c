#include "speed_spending.h"

void lam_speed_spending_init(struct lam_speed_spending *spending, struct lam_engine *engine)
{
    *spending = (struct lam_speed_spending){.deep = &engine->job->deep, .log = &engine->log};
    pthread_mutex_init(&spending->lock, NULL);
    lam_spending_init_part(&spending->limits, &engine->job->deep, (unsigned)engine->roles.count[LAM_ROLE_SPEED]);
}

void lam_speed_spending_release(struct lam_speed_spending *spending)
{
    lam_spending_release(&spending->limits);
    pthread_mutex_destroy(&spending->lock);
}

static struct lam_spent most_of(const struct lam_speed_spending *spending, struct lam_agent_usage most)
{
    return lam_spent_at_most(spending->deep, LAM_JOB_CHAT, spending->deep->agent->tier, most.in, most.out);
}

/* Once a limit is reached none begins, however little it would take; who is under way goes on where it can. */
static bool reserve(void *arg, struct lam_agent_usage most, bool first)
{
    struct lam_speed_spending *spending = arg;
    struct lam_spent expected = most_of(spending, most);
    enum lam_spending_leave leave;

    if (first && lam_spending_reached(&spending->limits) != LAM_LIMIT_NONE)
        return false;
    leave = lam_spending_await(&spending->limits, expected);
    if (leave == LAM_SPENDING_NEVER)
        lam_spending_leave_out(&spending->limits, expected, spending->deep, spending->log, "speed", "request of an agent");
    return leave == LAM_SPENDING_YES;
}

static void spent(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint)
{
    struct lam_speed_spending *spending = arg;
    double cost = lam_endpoint_cost(&spending->deep->endpoints[endpoint], used.in, used.out);
    struct lam_openai_usage paid = {.requests = used.in + used.out > 0, .tokens_in = used.in, .tokens_out = used.out, .cost = cost};

    lam_spending_settle(&spending->limits, most_of(spending, most), (struct lam_spent){used.in + used.out, cost});
    pthread_mutex_lock(&spending->lock);
    lam_openai_usage_add(&spending->used[endpoint], &paid);
    pthread_mutex_unlock(&spending->lock);
}

void lam_speed_spending_watch(struct lam_speed_spending *spending, struct lam_agent_setup_options *options)
{
    options->reserve = reserve;
    options->spent = spent;
    options->arg = spending;
}

void lam_speed_spending_close(struct lam_speed_spending *spending) { lam_spending_close(&spending->limits); }

bool lam_speed_spending_reached(struct lam_speed_spending *spending, char *limit, size_t cap)
{
    enum lam_limit reached = lam_spending_reached(&spending->limits);

    if (reached != LAM_LIMIT_NONE)
        lam_limit_text(reached, spending->deep, limit, cap);
    return reached != LAM_LIMIT_NONE;
}

void lam_speed_spending_bill(struct lam_speed_spending *spending, struct lam_speed_agents_stats *stats)
{
    struct lam_openai_usage sum;

    pthread_mutex_lock(&spending->lock);
    memcpy(stats->used, spending->used, sizeof stats->used);
    pthread_mutex_unlock(&spending->lock);
    sum = lam_openai_usages_total(stats->used);
    stats->done.tokens_in = sum.tokens_in;
    stats->done.tokens_out = sum.tokens_out;
    stats->done.tokens = sum.tokens_in + sum.tokens_out;
    stats->done.cost = sum.cost;
}
