#include "llm_basis.h"

#include <stdio.h>

#include "model/json.h"

#define LATENCY_S 2.0     /* where no request was ever seen */
#define GOES_ON 0.5       /* from a model's step of a cascade to the next, where no view tells */
#define REPORT_MAX ((size_t)64 << 20)

static double number_in(const struct lam_json *json, uint32_t at, const char *pointer)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_find(json, at, lam_sv_of(pointer)), &number) ? lam_number_as_double(&number) : 0;
}

static double number_at(const struct lam_json *json, const char *pointer) { return number_in(json, LAM_JSON_ROOT, pointer); }

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

static void learn_cascade(const struct lam_json *json, const struct lam_job_deep *deep, struct lam_llm_basis *basis)
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

/* What an agent took on average, if its view's were all done: those that wait may have taken something, too. */
static void learn_agents(const struct lam_json *json, struct lam_llm_basis *basis)
{
    double asked = number_at(json, "/llm/agent/answered") + number_at(json, "/llm/agent/gave_up") - number_at(json, "/llm/agent/from_cache");
    struct lam_json_iter task = lam_json_iter(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/llm/tasks")));

    if (asked < 1 || number_at(json, "/llm/agent/pending") > 0)
        return;
    while (lam_json_next(&task))
        if (lam_sv_eq(lam_json_string(json, lam_json_field(json, task.value, LAM_SV("task"))), LAM_SV("agent"))) {
            basis->agent = (struct lam_openai_need){number_in(json, task.value, "/requests") / asked, number_in(json, task.value, "/tokens_in") / asked,
                                                    number_in(json, task.value, "/tokens_out") / asked, 0};
            basis->agent_from = "as in the last view";
        }
}

/* From the report of the run that published the view. */
static void learn(const struct lam_engine *engine, struct lam_llm_basis *basis)
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
        if (engine->job->deep.agent)
            learn_agents(json, basis);
    }
    lam_buf_release(&text);
    lam_json_free(json);
    lam_state_unref(state);
}

struct lam_llm_basis lam_llm_basis(const struct lam_engine *engine)
{
    struct lam_llm_basis basis = {.latency_s = engine->estimate_latency_s, .latency_from = "as told", .goes_on_from = "assumed", .agent_from = "assumed"};

    for (size_t i = 0; i < LAM_JOB_CASCADE_MAX; i++)
        basis.goes_on[i] = GOES_ON;
    if (basis.latency_s <= 0) {
        basis.latency_s = LATENCY_S;
        basis.latency_from = "assumed";
    }
    learn(engine, &basis);
    return basis;
}
