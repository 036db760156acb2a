/* What models did in a run, for report.json, for people, and for the line of progress. */
#include "llm_job.h"

#include <inttypes.h>
#include <stdio.h>

static int add_usage(struct lam_buf *json, const char *kind, const char *name, const struct lam_openai_usage *usage, bool first, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(json, err, "%s{\"%s\":", first ? "" : ",", kind)) || (rc = lam_buf_add_json(json, lam_sv_of(name), err)))
        return rc;
    return lam_buf_addf(json, err, ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cached_in\":%" PRIu64 ",\"cost\":%.6f}",
                        usage->requests, usage->tokens_in, usage->tokens_out, usage->cached, usage->cost);
}

static void add_more(struct lam_openai_usage *sum, const struct lam_openai_usage *more)
{
    sum->requests += more->requests;
    sum->tokens_in += more->tokens_in;
    sum->tokens_out += more->tokens_out;
    sum->cached += more->cached;
    sum->cost += more->cost;
}

static void add_up(struct lam_openai_usage *sum, const struct lam_openai_stats *stats, size_t asks)
{
    *sum = stats->others;
    add_more(sum, &stats->trials);
    for (size_t i = 0; i < asks; i++)
        add_more(sum, &stats->asks[i]);
}

/* What no answer came of. */
static int add_unseen(struct lam_buf *json, const struct lam_openai_usage *unseen, struct lam_error *err)
{
    return lam_buf_addf(json, err, ",\"unseen\":{\"requests\":%" PRIu64 ",\"estimated_in\":%" PRIu64 ",\"estimated_out\":%" PRIu64 ",\"estimated_cost\":%.6f}",
                        unseen->requests, unseen->tokens_in, unseen->tokens_out, unseen->cost);
}

static int add_parts(const struct lam_llm_job *llm, const struct lam_openai_stats *stats, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_job_deep *deep = &lam_llm_job_engine(llm)->job->deep;
    const struct lam_openai *openai = lam_llm_job_openai(llm);
    int rc = lam_buf_addf(json, err, ",\"tasks\":[");

    for (size_t i = 0; !rc && i < lam_openai_ask_count(openai); i++)
        rc = add_usage(json, "task", lam_openai_ask_name(openai, i), &stats->asks[i], i == 0, err);
    if (!rc && deep->agent)
        rc = add_usage(json, "task", "agent", &stats->others, lam_openai_ask_count(openai) == 0, err);
    if (!rc && stats->trials.requests)
        rc = add_usage(json, "task", "trial", &stats->trials, lam_openai_ask_count(openai) == 0 && !deep->agent, err);
    if (!rc)
        rc = lam_buf_addf(json, err, "],\"endpoints\":[");
    for (size_t i = 0; !rc && i < deep->endpoint_count; i++)
        rc = add_usage(json, "url", deep->endpoints[i].url, &stats->endpoints[i], i == 0, err);
    if (!rc)
        rc = lam_buf_addf(json, err, "],\"cascade\":[");
    for (size_t i = 0; !rc && i < deep->cascade_count; i++)
        if (!(rc = lam_buf_addf(json, err, "%s{\"model\":", i ? "," : "")) && !(rc = lam_buf_add_json(json, lam_sv_of(deep->cascade[i].model), err)))
            rc = lam_buf_addf(json, err, ",\"decided\":%" PRIu64 "}", stats->steps[i]);
    return rc ? rc : lam_buf_addf(json, err, "]");
}

int lam_llm_job_report(const struct lam_llm_job *llm, struct lam_buf *json, struct lam_error *err)
{
    struct lam_openai_stats stats;
    struct lam_openai_usage sum;
    struct lam_agent_stats agents;
    uint64_t timed; /* requests whose latency is known: not those of agents, nor trials */
    int rc;

    if (!llm)
        return 0;
    lam_llm_job_stats(llm, &stats);
    add_up(&sum, &stats, LAM_OPENAI_ASKS);
    timed = sum.requests - stats.others.requests - stats.trials.requests;
    rc = lam_buf_addf(json, err,
                      ",\"llm\":{\"rows\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"requests\":%" PRIu64
                      ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cached_in\":%" PRIu64 ",\"cost\":%.6f,\"cache_hits\":%" PRIu64
                      ",\"shared\":%" PRIu64 ",\"saved_in\":%" PRIu64 ",\"saved_out\":%" PRIu64 ",\"repairs\":%" PRIu64 ",\"moved\":%" PRIu64
                      ",\"splits\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"estimate_error\":%.4f,\"latency_s\":%.3f,\"limit\":",
                      stats.rows, stats.answered, stats.pending, stats.rejected, sum.requests, sum.tokens_in, sum.tokens_out, sum.cached, sum.cost, stats.hits,
                      stats.shared, stats.saved_in, stats.saved_out, stats.repairs, stats.moved, stats.splits, stats.cut,
                      stats.estimates ? stats.estimate_error / (double)stats.estimates : 0.0, timed ? stats.latency_s / (double)timed : 0.0);
    if (rc || (rc = lam_buf_add_json(json, lam_sv_of(lam_llm_job_limit(llm)), err)) || (rc = add_unseen(json, &stats.unseen, err)) ||
        (rc = add_parts(llm, &stats, json, err)))
        return rc;
    lam_llm_job_agents(llm, &agents);
    return lam_buf_addf(json, err,
                        ",\"agent\":{\"records\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"gave_up\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"from_cache\":%" PRIu64
                        ",\"tokens\":%" PRIu64 "}}",
                        agents.records, agents.answered, agents.gave_up, agents.later, agents.found, agents.tokens);
}

static void print_usage(const char *name, const struct lam_openai_usage *usage)
{
    printf("  %-40.40s %10" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12.4f\n", name, usage->requests, usage->tokens_in, usage->tokens_out, usage->cached,
           usage->cost);
}

void lam_llm_job_print(const struct lam_llm_job *llm)
{
    struct lam_openai_stats stats;
    struct lam_openai_usage sum;
    struct lam_agent_stats agents;

    if (!llm)
        return;
    lam_llm_job_stats(llm, &stats);
    if (!stats.rows)
        return;
    add_up(&sum, &stats, LAM_OPENAI_ASKS);
    printf("Models: %" PRIu64 " records, %" PRIu64 " answered, %" PRIu64 " pending, %" PRIu64 " rejected; %" PRIu64 " answers from the cache saved %" PRIu64
           " tokens; %" PRIu64 " asked again, %" PRIu64 " moved, %" PRIu64 " packs split, %" PRIu64 " documents cut; token estimates were off by %.0f %%.\n\n",
           stats.rows, stats.answered, stats.pending, stats.rejected, stats.hits, stats.saved_in + stats.saved_out, stats.repairs, stats.moved, stats.splits,
           stats.cut, stats.estimates ? 100 * stats.estimate_error / (double)stats.estimates : 0.0);
    printf("  %-40s %10s %12s %12s %12s %12s\n", "", "requests", "tokens in", "tokens out", "of in cached", "cost");
    for (size_t i = 0; i < lam_openai_ask_count(lam_llm_job_openai(llm)); i++)
        print_usage(lam_openai_ask_name(lam_llm_job_openai(llm), i), &stats.asks[i]);
    if (lam_llm_job_engine(llm)->job->deep.agent)
        print_usage("agent", &stats.others);
    if (stats.trials.requests)
        print_usage("trials of endpoints, a harmless text", &stats.trials);
    for (size_t i = 0; i < lam_llm_job_engine(llm)->job->deep.endpoint_count; i++)
        print_usage(lam_llm_job_engine(llm)->job->deep.endpoints[i].url, &stats.endpoints[i]);
    print_usage("all", &sum);
    if (stats.unseen.requests)
        print_usage("not in it: answers never seen, estimated", &stats.unseen);
    for (size_t i = 0; i < lam_llm_job_engine(llm)->job->deep.cascade_count; i++)
        printf("  step %zu, %-32.32s %10" PRIu64 " records decided\n", i + 1, lam_llm_job_engine(llm)->job->deep.cascade[i].model, stats.steps[i]);
    lam_llm_job_agents(llm, &agents);
    if (agents.records)
        printf("  agents: %" PRIu64 " records, %" PRIu64 " answered, %" PRIu64 " gave up, %" PRIu64 " pending; %" PRIu64 " from the cache; %" PRIu64
               " tokens\n",
               agents.records, agents.answered, agents.gave_up, agents.later, agents.found, agents.tokens);
    printf("\n");
}

void lam_llm_job_progress(const struct lam_llm_job *llm, char *text, size_t cap)
{
    struct lam_openai_stats stats;
    struct lam_openai_usage sum;

    text[0] = '\0';
    if (!llm)
        return;
    lam_llm_job_stats(llm, &stats);
    add_up(&sum, &stats, LAM_OPENAI_ASKS);
    if (stats.rows)
        snprintf(text, cap, " | models: %" PRIu64 "/%" PRIu64 " records, %" PRIu64 " requests, %" PRIu64 " tokens, cost %.4f",
                 stats.answered + stats.pending + stats.rejected, stats.rows, sum.requests, sum.tokens_in + sum.tokens_out, sum.cost);
}
