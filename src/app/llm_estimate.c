/* What a run would ask of models, for people and as JSON; how long it would take; and what of it rests on which assumption. */
#include "batch_estimate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "model/json.h"

#define LATENCY_S 2.0     /* where no request was ever seen */
#define GOES_ON 0.5       /* from a model's step of a cascade to the next, where no view tells */
#define REPORT_MAX ((size_t)64 << 20)

/* What is taken for granted, and from where. */
struct basis {
    double latency_s, goes_on[LAM_JOB_CASCADE_MAX]; /* goes_on[t]: of what model t is asked about, the share that model t + 1 is, too */
    const char *latency_from, *goes_on_from;
};

static double number_at(const struct lam_json *json, const char *pointer)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_find(json, LAM_JSON_ROOT, lam_sv_of(pointer)), &number) ? lam_number_as_double(&number) : 0;
}

/* Records that the view's run decided in step i of this cascade; -1: it had another one. */
static double decided(const struct lam_json *json, const struct lam_job_deep *deep, size_t i)
{
    char pointer[64];

    snprintf(pointer, sizeof pointer, "/llm/cascade/%zu/model", i);
    if (!lam_sv_eq(lam_json_string(json, lam_json_find(json, LAM_JSON_ROOT, lam_sv_of(pointer))), lam_sv_of(deep->cascade[i].model)))
        return -1;
    snprintf(pointer, sizeof pointer, "/llm/cascade/%zu/decided", i);
    return number_at(json, pointer);
}

static void learn_cascade(const struct lam_json *json, const struct lam_job_deep *deep, struct basis *basis)
{
    size_t models = deep->tiers, first = deep->cascade_count - models;
    double beyond = 0, sum = 0, at[LAM_JOB_CASCADE_MAX] = {0};

    for (size_t t = 0; t < models; t++)
        if ((at[t] = decided(json, deep, first + t)) < 0)
            return;
    for (size_t t = 0; t < models; t++)
        sum += at[t];
    if (sum <= 0) /* nobody was asked */
        return;
    for (size_t t = models; t-- > 0; beyond += at[t])
        basis->goes_on[t] = beyond + at[t] > 0 ? beyond / (beyond + at[t]) : GOES_ON;
    basis->goes_on_from = "the last view";
}

/* From the report of the run that published the view. */
static void learn(const struct lam_engine *engine, struct basis *basis)
{
    const struct lam_state *state = lam_engine_state((struct lam_engine *)(uintptr_t)engine);
    struct lam_json *json = lam_json_new(REPORT_MAX, 64);
    char path[LAM_PATH_MAX];
    struct lam_buf text;
    struct lam_error err;

    lam_buf_init(&text, REPORT_MAX);
    if (json && state && state->view.run[0] && snprintf(path, sizeof path, "%s/runs/%s/report.json", engine->job->store.path, state->view.run) < (int)sizeof path &&
        !lam_fs_read_all(engine->fs, path, &text, &err) && !lam_json_parse(json, lam_buf_sv(&text), &err)) {
        if (number_at(json, "/llm/latency_s") > 0 && engine->estimate_latency_s <= 0) {
            basis->latency_s = number_at(json, "/llm/latency_s");
            basis->latency_from = "as in the last view";
        }
        if (engine->job->deep.cascade_count)
            learn_cascade(json, &engine->job->deep, basis);
    }
    lam_buf_release(&text);
    lam_json_free(json);
    lam_state_unref(state);
}

static struct basis basis_of(const struct lam_engine *engine)
{
    struct basis basis = {.latency_s = engine->estimate_latency_s, .latency_from = "as told", .goes_on_from = "assumed"};

    for (size_t i = 0; i < LAM_JOB_CASCADE_MAX; i++)
        basis.goes_on[i] = GOES_ON;
    if (basis.latency_s <= 0) {
        basis.latency_s = LATENCY_S;
        basis.latency_from = "assumed";
    }
    learn(engine, &basis);
    return basis;
}

static void add(struct lam_openai_need *sum, const struct lam_openai_need *more, double share)
{
    sum->requests += share * more->requests;
    sum->tokens_in += share * more->tokens_in;
    sum->tokens_out += share * more->tokens_out;
    sum->cost += share * more->cost;
}

/* Of all steps: errors of the steps add up, as if one were the cause of the other's. */
struct need_of_all {
    struct lam_openai_need need, error, tiers[LAM_JOB_CASCADE_MAX], least, most; /* least, most: no record goes on, each does */
};

static void add_up(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct basis *basis, struct need_of_all *all)
{
    double share = 1;

    *all = (struct need_of_all){.need = sums->total.sure, .error = sums->error.sure, .tiers = {sums->total.sure}, .least = sums->total.sure, .most = sums->total.sure};
    for (uint32_t t = 1; t < deep->tiers; t++) {
        share *= basis->goes_on[t - 1];
        add(&all->tiers[t], &sums->total.later[t], share);
        add(&all->need, &sums->total.later[t], share);
        add(&all->error, &sums->error.later[t], share);
        add(&all->most, &sums->total.later[t], 1);
    }
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

static double seconds_of_all(const struct lam_job_deep *deep, const struct need_of_all *all, const struct basis *basis, bool *by_limit)
{
    double most = 0;

    *by_limit = false;
    for (uint32_t t = 0; t < deep->tiers; t++) { /* steps work side by side */
        bool limited;
        double seconds = seconds_of(deep, t, &all->tiers[t], basis->latency_s, &limited);

        if (seconds > most) {
            most = seconds;
            *by_limit = limited;
        }
    }
    return most;
}

static uint64_t whole(double value) { return value > 0 ? (uint64_t)ceil(value - 1e-6) : 0; }

static void print_need(const char *name, const struct lam_openai_need *need)
{
    printf("\"%s\":{\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cost\":%.6f},", name, whole(need->requests), whole(need->tokens_in),
           whole(need->tokens_out), need->cost);
}

static void print_json(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total;
    bool by_limit;
    double seconds = seconds_of_all(deep, all, basis, &by_limit);

    printf("{\"records\":%" PRIu64 ",\"questions\":%" PRIu64 ",\"repeats\":%" PRIu64 ",\"cache_hits\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"tokens_in\":%" PRIu64
           ",\"tokens_out\":%" PRIu64 ",\"cost\":%.6f,",
           whole(total->records), whole(total->questions), whole(total->repeats), whole(total->hits), whole(all->need.requests), whole(all->need.tokens_in),
           whole(all->need.tokens_out), all->need.cost);
    print_need("error", &all->error);
    print_need("least", &all->least);
    print_need("most", &all->most);
    printf("\"seconds\":%.3f,\"by_limit\":%s,\"latency_s\":%.3f,\"latency_from\":\"%s\",\"decided_without\":%" PRIu64 ",", seconds, by_limit ? "true" : "false", basis->latency_s,
           basis->latency_from, whole(total->decided));
    if (deep->tiers > 1) {
        printf("\"goes_on\":[");
        for (uint32_t t = 0; t + 1 < deep->tiers; t++)
            printf("%s%.4f", t ? "," : "", basis->goes_on[t]);
        printf("],\"goes_on_from\":\"%s\",", basis->goes_on_from);
    }
    printf("\"sample\":{\"exact\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"of_bytes\":%" PRIu64 "}}\n", sums->exact ? "true" : "false", whole(sums->sampled), sums->bytes,
           sums->all_bytes);
}

/* "1,234 ± 56" */
static void print_figure(const char *name, double value, double error, bool exact, const char *end)
{
    printf("%s%" PRIu64, name, whole(value));
    if (!exact)
        printf(" ± %" PRIu64, whole(error));
    printf("%s", end);
}

static void print_cascade(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total;

    if (deep->cascade_count > deep->tiers)
        printf("The built-in analyzer decides %" PRIu64 " of %" PRIu64 " records itself, as measured.\n", whole(total->decided), whole(total->decided + total->records));
    if (deep->tiers < 2)
        return;
    for (uint32_t t = 0; t + 1 < deep->tiers; t++)
        printf("%s%.0f %% of what %s is asked about", t ? "; " : "", 100 * basis->goes_on[t], deep->cascade[deep->cascade_count - deep->tiers + t].model);
    printf(" go on to the next model (%s). Where none does it is %" PRIu64 " requests and costs %.4f, where each does %" PRIu64 " and %.4f.\n", basis->goes_on_from,
           whole(all->least.requests), all->least.cost, whole(all->most.requests), all->most.cost);
}

static void print_text(const struct lam_job_deep *deep, const struct lam_estimate_sums *sums, const struct basis *basis, const struct need_of_all *all)
{
    const struct lam_openai_estimate *total = &sums->total;
    bool by_limit, exact = sums->exact;
    double seconds = seconds_of_all(deep, all, basis, &by_limit);

    if (!exact)
        printf("From a sample of %" PRIu64 " of about %" PRIu64 " records, %.1f of %.1f MiB, spread over all sources; ± is one standard error.\n", whole(sums->sampled),
               whole(total->records), (double)sums->bytes / (1 << 20), (double)sums->all_bytes / (1 << 20));
    print_figure("", total->records, sums->error.records, exact, " records wait for models. Of their ");
    printf("%" PRIu64 " questions %" PRIu64 " are about texts that occur before%s; the cache answers %" PRIu64 ".\n", whole(total->questions), whole(total->repeats),
           exact ? "" : " in the sample (in all of it more may)", whole(total->hits));
    print_figure("", all->need.requests, all->error.requests, exact, " requests, about ");
    print_figure("", all->need.tokens_in, all->error.tokens_in, exact, " tokens in and ");
    print_figure("", all->need.tokens_out, all->error.tokens_out, exact, " out, ");
    if (exact)
        printf("cost %.4f.\n", all->need.cost);
    else
        printf("cost %.4f ± %.4f.\n", all->need.cost, all->error.cost);
    print_cascade(deep, sums, basis, all);
    if (by_limit)
        printf("The endpoints' limits a minute make it last %.1f minutes.\n", seconds / 60);
    else
        printf("With all slots of the endpoints full, and %.2f s a request (%s): %.0f s.\n", basis->latency_s, basis->latency_from, seconds);
}

void lam_llm_job_print_estimate(const struct lam_engine *engine, const struct lam_estimate_sums *sums, bool json)
{
    const struct lam_job_deep *deep = &engine->job->deep;
    struct need_of_all all;
    struct basis basis;

    if (!sums) {
        printf(json ? "{\"records\":0,\"requests\":0,\"tokens_in\":0,\"tokens_out\":0,\"cost\":0}\n" : "No model is asked: the built-in analyzer answers, at no cost.\n");
        return;
    }
    basis = basis_of(engine);
    add_up(deep, sums, &basis, &all);
    (json ? print_json : print_text)(deep, sums, &basis, &all);
}
