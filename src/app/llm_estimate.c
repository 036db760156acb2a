/* What a run would ask of models, for people and as JSON; how long it would take; and what of it rests on which assumption. */
#include "batch_estimate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "ai/openai/spending.h"
#include "llm_basis.h"

static void add(struct lam_openai_need *sum, const struct lam_openai_need *more, double share)
{
    sum->requests += share * more->requests;
    sum->tokens_in += share * more->tokens_in;
    sum->tokens_out += share * more->tokens_out;
    sum->cost += share * more->cost;
}

/* Of all steps: errors of the steps add up, as if one were the cause of the other's. Agents are in all but tasks. */
struct need_of_all {
    struct lam_openai_need tasks, tasks_error, need, error, tiers[LAM_JOB_CASCADE_MAX], least, most; /* least, most: no record goes on, each does */
    struct lam_openai_need agents, agents_error;
    double steps;                       /* of an agent */
    double most_tokens, most_cost;      /* of agents: what their limits allow */
    double seconds, agents_seconds;
    bool by_limit;
};

/* Agents take as much each as in the view, where that tells. */
static struct lam_openai_need of_agents(const struct lam_job_deep *deep, const struct lam_agent_need *agents, const struct lam_llm_basis *basis)
{
    struct lam_openai_need need = {0};

    if (basis->agent.requests <= 0)
        return agents->need;
    add(&need, &basis->agent, agents->asked);
    need.cost = lam_expected_cost(deep, LAM_JOB_CHAT, deep->agent->tier, need.tokens_in, need.tokens_out);
    return need;
}

static void add_agents(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, struct need_of_all *all)
{
    const struct lam_job_agent *agent = deep->agent;
    double tokens, out;

    if (!agent)
        return;
    all->agents = of_agents(deep, &sums->total.agents, basis);
    all->agents_error = of_agents(deep, &sums->error.agents, basis);
    all->steps = sums->total.agents.asked > 0 ? all->agents.requests / sums->total.agents.asked : 0;
    add(&all->need, &all->agents, 1);
    add(&all->error, &all->agents_error, 1);
    add(&all->least, &all->agents, 1);
    add(&all->most, &all->agents, 1);
    add(&all->tiers[agent->tier], &all->agents, 1);
    tokens = (double)agent->tokens;
    out = (double)agent->steps * agent->answer_tokens;
    out = out < tokens ? out : tokens;
    all->most_tokens = sums->total.agents.asked * tokens;
    all->most_cost = lam_expected_cost(deep, LAM_JOB_CHAT, agent->tier, tokens, 0);
    if (lam_expected_cost(deep, LAM_JOB_CHAT, agent->tier, tokens - out, out) > all->most_cost)
        all->most_cost = lam_expected_cost(deep, LAM_JOB_CHAT, agent->tier, tokens - out, out);
    all->most_cost *= sums->total.agents.asked;
}

static void add_up(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total.models, *error = &sums->error.models;
    double share = 1;

    *all = (struct need_of_all){.tasks = total->sure, .tasks_error = error->sure, .tiers = {total->sure}, .least = total->sure, .most = total->sure};
    for (uint32_t t = 1; t < deep->tiers; t++) {
        share *= basis->goes_on[t - 1];
        add(&all->tiers[t], &total->later[t], share);
        add(&all->tasks, &total->later[t], share);
        add(&all->tasks_error, &error->later[t], share);
        add(&all->most, &total->later[t], 1);
    }
    all->need = all->tasks;
    all->error = all->tasks_error;
    add_agents(deep, sums, basis, all);
}

/* Seconds that the models of a step take, with all slots full, or as their limits a minute have it; whichever is more. */
static double seconds_of(const struct lam_job_deep *deep, uint32_t tier, const struct lam_openai_need *need, double latency_s, bool *by_limit)
{
    double slots = 0, rpm = 0, tpm = 0, seconds, limited = 0;
    bool all_rpm = true, all_tpm = true;

    for (size_t i = 0; i < deep->endpoint_count; i++) {
        const struct lam_job_endpoint *endpoint = &deep->endpoints[i];

        if (endpoint->tier != tier || (endpoint->kind != LAM_JOB_CHAT && need->tokens_out > 0))
            continue;
        slots += endpoint->concurrency;
        rpm += endpoint->rpm;
        tpm += (double)endpoint->tpm;
        all_rpm &= endpoint->rpm != 0;
        all_tpm &= endpoint->tpm != 0;
    }
    if (all_rpm && rpm > 0)
        limited = 60 * need->requests / rpm;
    if (all_tpm && tpm > 0 && 60 * (need->tokens_in + need->tokens_out) / tpm > limited)
        limited = 60 * (need->tokens_in + need->tokens_out) / tpm;
    seconds = slots > 0 ? ceil(need->requests) * latency_s / slots : 0;
    if (seconds > 0 && seconds < latency_s)
        seconds = latency_s;
    *by_limit = limited > seconds;
    return *by_limit ? limited : seconds;
}

static double slots_of(const struct lam_job_deep *deep, uint32_t tier)
{
    double slots = 0;

    for (size_t i = 0; i < deep->endpoint_count; i++)
        slots += deep->endpoints[i].tier == tier && deep->endpoints[i].kind == LAM_JOB_CHAT ? deep->endpoints[i].concurrency : 0;
    return slots;
}

/* Steps of one agent wait for one another, and so many agents work at once. */
static double seconds_of_agents(const struct lam_job_deep *deep, const struct need_of_all *all, double at_once, double latency_s)
{
    double slots = slots_of(deep, deep->agent->tier), seconds;

    at_once = slots > 0 && slots < at_once ? slots : at_once;
    seconds = all->agents.requests * latency_s / at_once;
    return all->agents.requests > 0 && seconds < all->steps * latency_s ? all->steps * latency_s : seconds;
}

static double agents_at_once(const struct lam_engine *engine) { return (double)engine->job->deep.agent->parallel * engine->roles.count[LAM_ROLE_BATCH]; }

/* Steps work side by side, and agents beside them: what takes longest takes all that time. */
static void add_seconds(const struct lam_engine *engine, const struct lam_llm_basis *basis, struct need_of_all *all)
{
    const struct lam_job_deep *deep = &engine->job->deep;

    for (uint32_t t = 0; t < deep->tiers; t++) {
        bool limited;
        double seconds = seconds_of(deep, t, &all->tiers[t], basis->latency_s, &limited);

        if (seconds > all->seconds) {
            all->seconds = seconds;
            all->by_limit = limited;
        }
    }
    if (!deep->agent)
        return;
    all->agents_seconds = seconds_of_agents(deep, all, agents_at_once(engine), basis->latency_s);
    if (all->agents_seconds > all->seconds) {
        all->seconds = all->agents_seconds;
        all->by_limit = false;
    }
}

static uint64_t whole(double value) { return value > 0 ? (uint64_t)ceil(value - 1e-6) : 0; }

/* --- as JSON --- */

static void print_need(const char *name, const struct lam_openai_need *need)
{
    printf("\"%s\":{\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cost\":%.6f},", name, whole(need->requests), whole(need->tokens_in),
           whole(need->tokens_out), need->cost);
}

static void print_json_agents(const struct lam_agent_need *agents, const struct lam_llm_basis *basis, const struct need_of_all *all)
{
    printf("\"agents\":{\"records\":%" PRIu64 ",\"cache_hits\":%" PRIu64 ",\"asked\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64
           ",\"cost\":%.6f,\"steps\":%.2f,\"from\":\"%s\",\"most_tokens\":%" PRIu64 ",\"most_cost\":%.6f,\"seconds\":%.3f},",
           whole(agents->records), whole(agents->hits), whole(agents->asked), whole(all->agents.requests), whole(all->agents.tokens_in), whole(all->agents.tokens_out),
           all->agents.cost, all->steps, basis->agent_from, whole(all->most_tokens), all->most_cost, all->agents_seconds);
}

static void print_json(const struct lam_engine *engine, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total.models;
    const struct lam_job_deep *deep = &engine->job->deep;

    printf("{\"records\":%" PRIu64 ",\"questions\":%" PRIu64 ",\"repeats\":%" PRIu64 ",\"cache_hits\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64
           ",\"tokens_out\":%" PRIu64 ",\"cost\":%.6f,",
           whole(total->records), whole(total->questions), whole(total->repeats), whole(total->hits), whole(all->need.requests), whole(all->need.tokens_in),
           whole(all->need.tokens_out), all->need.cost);
    print_need("error", &all->error);
    print_need("least", &all->least);
    print_need("most", &all->most);
    if (deep->agent)
        print_json_agents(&sums->total.agents, basis, all);
    printf("\"seconds\":%.3f,\"by_limit\":%s,\"latency_s\":%.3f,\"latency_from\":\"%s\",\"decided_without\":%" PRIu64 ",", all->seconds, all->by_limit ? "true" : "false",
           basis->latency_s, basis->latency_from, whole(total->decided));
    if (deep->tiers > 1) {
        printf("\"goes_on\":[");
        for (uint32_t t = 0; t + 1 < deep->tiers; t++)
            printf("%s%.4f", t ? "," : "", basis->goes_on[t]);
        printf("],\"goes_on_from\":\"%s\",", basis->goes_on_from);
    }
    printf("\"sample\":{\"exact\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"of_bytes\":%" PRIu64 "}}\n", sums->exact ? "true" : "false", whole(sums->sampled), sums->bytes,
           sums->all_bytes);
}

/* --- for people --- */

/* "1,234 ± 56" */
static void print_figure(const char *name, double value, double error, bool exact, const char *end)
{
    printf("%s%" PRIu64, name, whole(value));
    if (!exact)
        printf(" ± %" PRIu64, whole(error));
    printf("%s", end);
}

static bool has_prices(const struct lam_job_deep *deep)
{
    for (size_t i = 0; i < deep->endpoint_count; i++)
        if (deep->endpoints[i].price_in > 0 || deep->endpoints[i].price_out > 0)
            return true;
    return false;
}

/* "12 requests, about 3,400 tokens in and 56 out, cost 0.0789." */
static void print_sum(const char *name, const struct lam_job_deep *deep, const struct lam_openai_need *need, const struct lam_openai_need *error, bool exact)
{
    print_figure(name, need->requests, error->requests, exact, " requests, about ");
    print_figure("", need->tokens_in, error->tokens_in, exact, " tokens in and ");
    print_figure("", need->tokens_out, error->tokens_out, exact, " out, ");
    if (!has_prices(deep))
        printf("cost unknown: no endpoint has a price.\n");
    else if (exact)
        printf("cost %.4f.\n", need->cost);
    else
        printf("cost %.4f ± %.4f.\n", need->cost, error->cost);
}

static void print_cascade(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total.models;

    if (deep->cascade_count > deep->tiers)
        printf("The built-in analyzer decides %" PRIu64 " of %" PRIu64 " records itself, as measured.\n", whole(total->decided), whole(total->decided + total->records));
    if (deep->tiers < 2)
        return;
    for (uint32_t t = 0; t + 1 < deep->tiers; t++)
        printf("%s%.0f %% of what %s is asked about", t ? "; " : "", 100 * basis->goes_on[t], deep->cascade[deep->cascade_count - deep->tiers + t].model);
    printf(" go on to the next model (%s). Where none does it is %" PRIu64 " requests and costs %.4f, where each does %" PRIu64 " and %.4f%s.\n", basis->goes_on_from,
           whole(all->least.requests), all->least.cost, whole(all->most.requests), all->most.cost, deep->agent ? ", agents included" : "");
}

static void print_agents(const struct lam_engine *engine, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, const struct need_of_all *all)
{
    const struct lam_agent_need *agents = &sums->total.agents;
    const struct lam_job_deep *deep = &engine->job->deep;

    print_figure("Agents: ", agents->records, sums->error.agents.records, sums->exact, " records ask for one; ");
    printf("the cache answers %" PRIu64 ".\n", whole(agents->hits));
    if (agents->asked <= 0)
        return;
    print_sum("  ", deep, &all->agents, &all->agents_error, sums->exact);
    if (basis->agent.requests > 0)
        printf("  That is %.1f steps and %.0f tokens each, as in the last view;", all->steps, basis->agent.tokens_in + basis->agent.tokens_out);
    else
        printf("  That is %.1f steps each, assumed: how often a model looks something up is not known before one has;", all->steps);
    printf(" limits allow %" PRIu64 " tokens each, in all %" PRIu64, deep->agent->tokens, whole(all->most_tokens));
    if (has_prices(deep))
        printf(" and cost %.4f", all->most_cost);
    printf(".\n  %.0f at once on %d rank%s, %.2f s a request (%s): %.0f s.\n", agents_at_once(engine), engine->roles.count[LAM_ROLE_BATCH],
           engine->roles.count[LAM_ROLE_BATCH] == 1 ? "" : "s together", basis->latency_s, basis->latency_from, all->agents_seconds);
    print_sum("All together ", deep, &all->need, &all->error, sums->exact);
}

/* A limit of the run that is less than what it would take. */
static void print_limits(const struct lam_job_deep *deep, const struct need_of_all *all)
{
    if (deep->max_cost > 0 && all->need.cost > deep->max_cost)
        printf("deep.max_cost (%g) is less: the run would end there, and the next one go on.\n", deep->max_cost);
    if (deep->max_tokens && all->need.tokens_in + all->need.tokens_out > (double)deep->max_tokens)
        printf("deep.max_tokens (%" PRIu64 ") is less: the run would end there, and the next one go on.\n", deep->max_tokens);
}

static void print_text(const struct lam_engine *engine, const struct lam_estimate_sums *sums, const struct lam_llm_basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total.models;
    const struct lam_job_deep *deep = &engine->job->deep;
    bool exact = sums->exact;

    if (!exact)
        printf("From a sample of %" PRIu64 " of about %" PRIu64 " records, %.1f of %.1f MiB, spread over all sources; ± is one standard error.\n", whole(sums->sampled),
               whole(total->records), (double)sums->bytes / (1 << 20), (double)sums->all_bytes / (1 << 20));
    print_figure("", total->records, sums->error.models.records, exact, " records wait for models. Of their ");
    printf("%" PRIu64 " questions %" PRIu64 " are about texts that occur before%s; the cache answers %" PRIu64 ".\n", whole(total->questions), whole(total->repeats),
           exact ? "" : " in the sample (in all of it more may, and then it takes less: a larger --sample tells)", whole(total->hits));
    print_sum("", deep, &all->tasks, &all->tasks_error, exact);
    print_cascade(deep, sums, basis, all);
    if (deep->agent)
        print_agents(engine, sums, basis, all);
    if (all->by_limit)
        printf("The endpoints' limits a minute make it last %.1f minutes.\n", all->seconds / 60);
    else
        printf("With all slots of the endpoints full, and %.2f s a request (%s): %.0f s.\n", basis->latency_s, basis->latency_from, all->seconds);
    print_limits(deep, all);
}

void lam_llm_job_print_estimate(const struct lam_engine *engine, const struct lam_estimate_sums *sums, bool json)
{
    struct lam_llm_basis basis;
    struct need_of_all all;

    if (!sums) {
        printf(json ? "{\"records\":0,\"requests\":0,\"tokens_in\":0,\"tokens_out\":0,\"cost\":0}\n" : "No model is asked: the built-in analyzer answers, at no cost.\n");
        return;
    }
    basis = lam_llm_basis(engine);
    add_up(&engine->job->deep, sums, &basis, &all);
    add_seconds(engine, &basis, &all);
    (json ? print_json : print_text)(engine, sums, &basis, &all);
}
