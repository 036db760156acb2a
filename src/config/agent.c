/* What of `deep.agent` the tables cannot say: which model it is, which names are taken, the schemas as text. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "json_text.h"

static const char *const taken[] = {"answer", "get_record", "query", "aggregate", "related"};

static void check_names(struct lam_checker *checker, json_t *http)
{
    char pointer[LAM_POINTER_MAX];
    json_t *one, *earlier;
    size_t i, j;

    json_array_foreach(http, i, one) {
        snprintf(pointer, sizeof pointer, "/deep/agent/http/%zu/name", i);
        for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
            if (!strcmp(lam_json_text(one, "name"), taken[k]))
                lam_problem_add(checker, pointer, "\"%s\" is the name of a built-in tool", taken[k]);
        json_array_foreach(http, j, earlier) if (j < i && !strcmp(lam_json_text(earlier, "name"), lam_json_text(one, "name")))
            lam_problem_add(checker, pointer, "two tools have the name \"%.64s\"", lam_json_text(one, "name"));
    }
}

void lam_agent_check(struct lam_checker *checker, json_t *deep)
{
    json_t *agent = json_object_get(deep, "agent"), *one;
    const char *model = lam_json_text(agent, "model");
    bool found = false;
    size_t i;

    if (!agent)
        return;
    if (strcmp(lam_json_text(deep, "analyzer"), "openai"))
        lam_problem_add(checker, "/deep/agent", "an agent needs a model: set /deep/analyzer to \"openai\"");
    json_array_foreach(json_object_get(deep, "endpoints"), i, one)
        found |= !strcmp(lam_json_text(one, "kind"), "chat") && !strcmp(lam_json_text(one, "model"), model);
    if (*model && !found)
        lam_problem_add(checker, "/deep/agent/model", "no chat endpoint has the model \"%.100s\"", model);
    check_names(checker, json_object_get(agent, "http"));
}

static int fill_schema(struct lam_arena *arena, json_t *schema, struct lam_sv *out)
{
    char *text = json_dumps(schema, JSON_COMPACT);

    *out = lam_sv(text ? lam_arena_string(arena, text, strlen(text)) : NULL, text ? strlen(text) : 0);
    free(text);
    return out->ptr ? 0 : LAM_E_MEMORY;
}

int lam_agent_fill(struct lam_arena *arena, json_t *deep, struct lam_job *job)
{
    struct lam_job_agent *agent = job->deep.agent; /* ours until the job is handed out */
    json_t *json = json_object_get(deep, "agent"), *one;
    size_t i;

    if (!agent)
        return 0;
    for (i = 0; agent->model && i < job->deep.endpoint_count; i++)
        if (job->deep.endpoints[i].kind == LAM_JOB_CHAT && !strcmp(job->deep.endpoints[i].model, agent->model))
            agent->tier = job->deep.endpoints[i].tier;
    if (fill_schema(arena, json_object_get(json, "schema"), &agent->schema))
        return LAM_E_MEMORY;
    json_array_foreach(json_object_get(json, "http"), i, one)
        if (fill_schema(arena, json_object_get(one, "parameters"), &((struct lam_job_agent_http *)agent->http)[i].parameters))
            return LAM_E_MEMORY;
    return 0;
}
