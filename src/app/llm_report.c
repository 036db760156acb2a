/* What models did in a run, for report.json, for people, and for the line of progress. */
#include "llm_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ai/openai/spending.h"

static int add_usage(struct lam_buf *json, const char *kind, const char *name, const char *model, const struct lam_openai_usage *usage, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(json, err, "%s{\"%s\":", json->ptr[json->len - 1] == '[' ? "" : ",", kind)) || (rc = lam_buf_add_json(json, lam_sv_of(name), err)) ||
        (model && ((rc = lam_buf_addf(json, err, ",\"model\":")) || (rc = lam_buf_add_json(json, lam_sv_of(model), err)))))
        return rc;
    return lam_buf_addf(json, err,
                        ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cached_in\":%" PRIu64 ",\"estimated\":%" PRIu64 ",\"cost\":%.6f}",
                        usage->requests, usage->tokens_in, usage->tokens_out, usage->cached, usage->estimated, usage->cost);
}

static void add_up(struct lam_openai_usage *sum, const struct lam_openai_stats *stats, size_t asks)
{
    *sum = stats->others;
    lam_openai_usage_add(sum, &stats->trials);
    for (size_t i = 0; i < asks; i++)
        lam_openai_usage_add(sum, &stats->asks[i]);
}

/* What no answer came of. */
static int add_unseen(struct lam_buf *json, const struct lam_openai_usage *unseen, struct lam_error *err)
{
    return lam_buf_addf(json, err, ",\"unseen\":{\"requests\":%" PRIu64 ",\"estimated_in\":%" PRIu64 ",\"estimated_out\":%" PRIu64 ",\"estimated_cost\":%.6f}",
                        unseen->requests, unseen->tokens_in, unseen->tokens_out, unseen->cost);
}

/* What the last model would have taken for the records that steps before it decided. */
struct saved {
    uint64_t records;
    double requests, tokens, cost;
    const char *basis;
};

/* What a request about one document takes: as the last model's requests did, else as those of the last one before it that was asked, at the last one's price. */
static bool one_document(const struct lam_job_deep *deep, const struct lam_openai_stats *stats, struct saved *saved)
{
    uint32_t last = deep->tiers - 1, tier = last;
    const struct lam_openai_usage *usage;
    double asked;

    while (tier > 0 && !stats->asked[tier])
        tier--;
    if (!stats->asked[tier])
        return false;
    usage = &stats->tiers[tier];
    asked = (double)stats->asked[tier];
    saved->requests = (double)usage->requests / asked;
    saved->tokens = (double)(usage->tokens_in + usage->tokens_out) / asked;
    saved->cost = (tier == last ? usage->cost : lam_expected_cost(deep, LAM_JOB_CHAT, last, (double)usage->tokens_in, (double)usage->tokens_out)) / asked;
    saved->basis = tier == last ? "what the last model took for each document in this run" : "tokens of a model before it, at the last one's price";
    return true;
}

static bool cascade_saved(const struct lam_llm_job *llm, const struct lam_openai_stats *stats, struct saved *saved)
{
    const struct lam_job *job = lam_llm_job_engine(llm)->job;
    size_t asks = 0;

    *saved = (struct saved){0};
    for (size_t i = 0; i + 1 < job->deep.cascade_count; i++)
        saved->records += stats->steps[i];
    if (!saved->records || !one_document(&job->deep, stats, saved))
        return false;
    for (size_t i = 0; i < lam_openai_ask_count(lam_llm_job_openai(llm)); i++)
        asks += stats->asks[i].requests && strcmp(lam_openai_ask_name(lam_llm_job_openai(llm), i), "embed") != 0 && strcmp(lam_openai_ask_name(lam_llm_job_openai(llm), i), "part") != 0;
    saved->requests *= (double)(saved->records * asks);
    saved->tokens *= (double)(saved->records * asks);
    saved->cost *= (double)(saved->records * asks);
    return true;
}

static int add_cascade(const struct lam_llm_job *llm, const struct lam_openai_stats *stats, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_job_deep *deep = &lam_llm_job_engine(llm)->job->deep;
    int rc = lam_buf_addf(json, err, "],\"cascade\":[");
    struct saved saved;

    for (size_t i = 0; !rc && i < deep->cascade_count; i++)
        if (!(rc = lam_buf_addf(json, err, "%s{\"model\":", i ? "," : "")) && !(rc = lam_buf_add_json(json, lam_sv_of(deep->cascade[i].model), err)))
            rc = lam_buf_addf(json, err, ",\"decided\":%" PRIu64 "}", stats->steps[i]);
    if (rc || (rc = lam_buf_addf(json, err, "]")) || !cascade_saved(llm, stats, &saved))
        return rc;
    return lam_buf_addf(json, err, ",\"cascade_saved\":{\"records\":%" PRIu64 ",\"requests\":%.0f,\"tokens\":%.0f,\"cost\":%.6f,\"basis\":\"%s\"}", saved.records, saved.requests,
                        saved.tokens, saved.cost, saved.basis);
}

/* Parts of long documents are told where there were some. */
static bool has_row(const struct lam_openai *openai, const struct lam_openai_stats *stats, size_t ask)
{
    return stats->asks[ask].requests || strcmp(lam_openai_ask_name(openai, ask), "part") != 0;
}

static int add_parts(const struct lam_llm_job *llm, const struct lam_openai_stats *stats, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_job_deep *deep = &lam_llm_job_engine(llm)->job->deep;
    const struct lam_openai *openai = lam_llm_job_openai(llm);
    int rc = lam_buf_addf(json, err, ",\"tasks\":[");

    for (size_t i = 0; !rc && i < lam_openai_ask_count(openai); i++)
        if (has_row(openai, stats, i))
            rc = add_usage(json, "task", lam_openai_ask_name(openai, i), NULL, &stats->asks[i], err);
    if (!rc && deep->agent)
        rc = add_usage(json, "task", "agent", NULL, &stats->others, err);
    if (!rc && stats->trials.requests)
        rc = add_usage(json, "task", "trial", NULL, &stats->trials, err);
    if (!rc)
        rc = lam_buf_addf(json, err, "],\"endpoints\":[");
    for (size_t i = 0; !rc && i < deep->endpoint_count; i++)
        rc = add_usage(json, "url", deep->endpoints[i].url, deep->endpoints[i].model, &stats->endpoints[i], err);
    return rc ? rc : add_cascade(llm, stats, json, err);
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
                      ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cached_in\":%" PRIu64 ",\"estimated\":%" PRIu64 ",\"cost\":%.6f,\"cache_hits\":%" PRIu64
                      ",\"shared\":%" PRIu64 ",\"saved_in\":%" PRIu64 ",\"saved_out\":%" PRIu64 ",\"repairs\":%" PRIu64 ",\"moved\":%" PRIu64
                      ",\"splits\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"estimate_error\":%.4f,\"latency_s\":%.3f,\"limit\":",
                      stats.rows, stats.answered, stats.pending, stats.rejected, sum.requests, sum.tokens_in, sum.tokens_out, sum.cached, sum.estimated, sum.cost, stats.hits,
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

static void print_endpoint(const struct lam_job_endpoint *endpoint, const struct lam_openai_usage *usage)
{
    char name[400];
    size_t len = (size_t)snprintf(name, sizeof name, "%s at %s", endpoint->model, endpoint->url);

    if (len > 40 && len < sizeof name) /* in a line of its own: the end of either may be what tells it from others */
        printf("  %s\n", name);
    print_usage(len > 40 ? "" : name, usage);
}

static void print_table(const struct lam_llm_job *llm, const struct lam_openai_stats *stats)
{
    const struct lam_job_deep *deep = &lam_llm_job_engine(llm)->job->deep;
    const struct lam_openai *openai = lam_llm_job_openai(llm);
    struct lam_openai_usage sum;

    add_up(&sum, stats, LAM_OPENAI_ASKS);
    printf("  %-40s %10s %12s %12s %12s %12s\n", "", "requests", "tokens in", "tokens out", "of in cached", "cost");
    for (size_t i = 0; i < lam_openai_ask_count(openai); i++)
        if (has_row(openai, stats, i))
            print_usage(lam_openai_ask_name(openai, i), &stats->asks[i]);
    if (deep->agent)
        print_usage("agent", &stats->others);
    if (stats->trials.requests)
        print_usage("trials of endpoints, a harmless text", &stats->trials);
    for (size_t i = 0; i < deep->endpoint_count; i++)
        print_endpoint(&deep->endpoints[i], &stats->endpoints[i]);
    print_usage("all", &sum);
    if (sum.estimated)
        printf("  of which %" PRIu64 " tokens are estimated: of answers without a count that can be believed\n", sum.estimated);
    if (stats->unseen.requests)
        print_usage("not in it: answers never seen, estimated", &stats->unseen);
}

static void print_cascade(const struct lam_llm_job *llm, const struct lam_openai_stats *stats)
{
    const struct lam_job_deep *deep = &lam_llm_job_engine(llm)->job->deep;
    struct saved saved;

    for (size_t i = 0; i < deep->cascade_count; i++)
        printf("  step %zu, %-32.32s %10" PRIu64 " records decided\n", i + 1, deep->cascade[i].model, stats->steps[i]);
    if (cascade_saved(llm, stats, &saved))
        printf("  the last model alone would have taken about %.0f requests, %.0f tokens and %.4f for the %" PRIu64 " records that were decided before it (%s)\n", saved.requests, saved.tokens,
               saved.cost, saved.records, saved.basis);
}

void lam_llm_job_print(const struct lam_llm_job *llm)
{
    struct lam_openai_stats stats;
    struct lam_agent_stats agents;

    if (!llm)
        return;
    lam_llm_job_stats(llm, &stats);
    if (!stats.rows)
        return;
    printf("Models: %" PRIu64 " records, %" PRIu64 " answered, %" PRIu64 " pending, %" PRIu64 " rejected; %" PRIu64 " answers from the cache saved %" PRIu64
           " tokens, %" PRIu64 " were shared by equal texts; %" PRIu64 " asked again, %" PRIu64 " moved, %" PRIu64 " packs split, %" PRIu64
           " documents cut; token estimates were off by %.0f %%.\n\n",
           stats.rows, stats.answered, stats.pending, stats.rejected, stats.hits, stats.saved_in + stats.saved_out, stats.shared, stats.repairs, stats.moved,
           stats.splits, stats.cut, stats.estimates ? 100 * stats.estimate_error / (double)stats.estimates : 0.0);
    print_table(llm, &stats);
    print_cascade(llm, &stats);
    lam_llm_job_agents(llm, &agents);
    if (agents.records)
        printf("  agents: %" PRIu64 " records, %" PRIu64 " answered, %" PRIu64 " gave up, %" PRIu64 " pending; %" PRIu64 " from the cache; %" PRIu64
               " tokens\n",
               agents.records, agents.answered, agents.gave_up, agents.later, agents.found, agents.tokens);
    printf("\n");
}

/* Of several endpoints each one's money, or its tokens where none has a price. */
static void add_endpoints(const struct lam_job_deep *deep, const struct lam_openai_stats *stats, bool money, char *text, size_t cap)
{
    size_t len = strlen(text);

    for (size_t i = 0; deep->endpoint_count > 1 && i < deep->endpoint_count && len < cap; i++) {
        const struct lam_openai_usage *usage = &stats->endpoints[i];
        char spent[32];

        if (money)
            snprintf(spent, sizeof spent, "%.4f", usage->cost);
        else
            snprintf(spent, sizeof spent, "%" PRIu64, usage->tokens_in + usage->tokens_out);
        len += (size_t)snprintf(text + len, cap - len, "%s%.24s %s%s", i ? ", " : " (", deep->endpoints[i].model, spent, i + 1 < deep->endpoint_count ? "" : ")");
    }
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
    if (!stats.rows)
        return;
    snprintf(text, cap, " | models: %" PRIu64 "/%" PRIu64 " records, %" PRIu64 " requests, %" PRIu64 " tokens, cost %.4f", stats.answered + stats.pending + stats.rejected, stats.rows,
             sum.requests, sum.tokens_in + sum.tokens_out, sum.cost);
    add_endpoints(&lam_llm_job_engine(llm)->job->deep, &stats, sum.cost > 0, text, cap);
}
