/* `deep` and `tasks.custom` beyond the table of fields: what they mean together, and what of them is analysis. */
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_DEPTH 12
#define SCHEMA_NODES 500

static const char *text_of(json_t *object, const char *name) { return json_string_value(json_object_get(object, name)); }

/* --- a schema of the user's own: only what the client checks itself, for servers do not enforce the rest --- */

static bool known_type(json_t *type)
{
    static const char *const types[] = {"object", "array", "string", "number", "integer", "boolean", "null", NULL};

    for (const char *const *one = types; json_is_string(type) && *one; one++)
        if (!strcmp(*one, json_string_value(type)))
            return true;
    return false;
}

static bool strings_only(json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one) if (!json_is_string(one)) return false;
    return json_is_array(list);
}

static void check_schema(struct lam_checker *checker, json_t *schema, const char *pointer, int depth, unsigned *nodes);

static void check_keyword(struct lam_checker *checker, const char *name, json_t *value, const char *pointer, int depth, unsigned *nodes)
{
    static const char *const counts[] = {"minLength", "maxLength", "minItems", "maxItems", NULL};
    char below[LAM_POINTER_MAX];
    const char *property;
    json_t *member;

    for (const char *const *count = counts; *count; count++)
        if (!strcmp(name, *count)) {
            if (!json_is_integer(value) || json_integer_value(value) < 0)
                lam_problem_expected(checker, pointer, value, "a count");
            return;
        }
    if (!strcmp(name, "type")) {
        if (!known_type(value))
            lam_problem_expected(checker, pointer, value, "one of object, array, string, number, integer, boolean, null");
    } else if (!strcmp(name, "properties")) {
        if (!json_is_object(value))
            lam_problem_expected(checker, pointer, value, "an object");
        json_object_foreach(value, property, member) {
            lam_pointer_join(below, pointer, property);
            check_schema(checker, member, below, depth + 1, nodes);
        }
    } else if (!strcmp(name, "items")) {
        check_schema(checker, value, pointer, depth + 1, nodes);
    } else if (!strcmp(name, "required")) {
        if (!strings_only(value))
            lam_problem_expected(checker, pointer, value, "a list of names");
    } else if (!strcmp(name, "enum")) {
        if (!json_is_array(value) || !json_array_size(value))
            lam_problem_expected(checker, pointer, value, "a list of values");
    } else if (!strcmp(name, "additionalProperties")) {
        if (!json_is_boolean(value))
            lam_problem_expected(checker, pointer, value, "true or false");
    } else if (!strcmp(name, "minimum") || !strcmp(name, "maximum")) {
        if (!json_is_number(value))
            lam_problem_expected(checker, pointer, value, "a number");
    } else if (!strcmp(name, "description") || !strcmp(name, "title")) {
        if (!json_is_string(value))
            lam_problem_expected(checker, pointer, value, "text");
    } else {
        lam_problem_add(checker, pointer, "is no keyword that answers are checked for here; leave it out");
    }
}

static void check_schema(struct lam_checker *checker, json_t *schema, const char *pointer, int depth, unsigned *nodes)
{
    char below[LAM_POINTER_MAX];
    const char *name;
    json_t *value;

    if (!json_is_object(schema)) {
        lam_problem_expected(checker, pointer, schema, "a JSON Schema, an object");
        return;
    }
    if (depth > SCHEMA_DEPTH || ++*nodes > SCHEMA_NODES) {
        lam_problem_add(checker, pointer, "the schema is too large: at most %d deep and %d parts", SCHEMA_DEPTH, SCHEMA_NODES);
        return;
    }
    json_object_foreach(schema, name, value) {
        lam_pointer_join(below, pointer, name);
        check_keyword(checker, name, value, below, depth, nodes);
    }
}

json_t *lam_custom_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    uint32_t before = checker->problems->total;
    unsigned nodes = 0;

    (void)field;
    check_schema(checker, value, pointer, 0, &nodes);
    if (checker->problems->total != before)
        return NULL;
    if (!text_of(value, "type") || strcmp(text_of(value, "type"), "object")) {
        lam_problem_add(checker, pointer, "an answer is an object: \"type\": \"object\"");
        return NULL;
    }
    return json_incref(value);
}

json_t *lam_custom_schema(const struct lam_field *field) { return (void)field, json_pack("{s:s}", "type", "object"); }

/* --- what goes together --- */

static bool has_endpoint(json_t *endpoints, const char *model)
{
    json_t *one;
    size_t i;

    json_array_foreach(endpoints, i, one) if (!strcmp(text_of(one, "kind"), "chat") && !strcmp(text_of(one, "model"), model)) return true;
    return false;
}

static bool has_step(json_t *cascade, const char *model)
{
    json_t *one;
    size_t i;

    json_array_foreach(cascade, i, one) if (!strcmp(text_of(one, "model"), model)) return true;
    return false;
}

static void check_cascade(struct lam_checker *checker, json_t *deep)
{
    json_t *cascade = json_object_get(deep, "cascade"), *endpoints = json_object_get(deep, "endpoints"), *one, *earlier;
    char pointer[LAM_POINTER_MAX];
    size_t i, j;

    json_array_foreach(cascade, i, one) {
        const char *model = text_of(one, "model");

        snprintf(pointer, sizeof pointer, "/deep/cascade/%zu", i);
        json_array_foreach(cascade, j, earlier) if (j < i && !strcmp(text_of(earlier, "model"), model))
            lam_problem_add(checker, pointer, "\"%.100s\" is a step twice", model);
        if (!strcmp(model, "builtin") ? i > 0 : !has_endpoint(endpoints, model))
            lam_problem_add(checker, pointer, i && !strcmp(model, "builtin") ? "builtin can only be the first step%s" : "no chat endpoint has the model \"%.100s\"",
                            !strcmp(model, "builtin") ? "" : model);
    }
    json_array_foreach(endpoints, i, one) {
        snprintf(pointer, sizeof pointer, "/deep/endpoints/%zu", i);
        if (json_array_size(cascade) && !strcmp(text_of(one, "kind"), "chat") && !has_step(cascade, text_of(one, "model")))
            lam_problem_add(checker, pointer, "its model \"%.100s\" is no step of /deep/cascade, so it would never be asked", text_of(one, "model"));
    }
}

/* A limit of money that some endpoint's requests would never count against is none. */
static void check_prices(struct lam_checker *checker, json_t *deep)
{
    char pointer[LAM_POINTER_MAX];
    json_t *one;
    size_t i;

    if (!(json_number_value(json_object_get(deep, "max_cost")) > 0))
        return;
    json_array_foreach(json_object_get(deep, "endpoints"), i, one) {
        if (json_number_value(json_object_get(one, "price_in")) > 0 || json_number_value(json_object_get(one, "price_out")) > 0)
            continue;
        snprintf(pointer, sizeof pointer, "/deep/endpoints/%zu/price_in", i);
        lam_problem_add(checker, pointer, "without a price /deep/max_cost would not count what is asked here: give price_in or price_out (of an endpoint that is free: 0.000001), or limit by /deep/max_tokens");
    }
}

void lam_deep_check(struct lam_checker *checker, json_t *whole)
{
    json_t *deep = json_object_get(whole, "deep"), *tasks = json_object_get(whole, "tasks"), *endpoints = json_object_get(deep, "endpoints"), *one;
    bool chat = false;
    size_t i;

    lam_agent_check(checker, deep);
    if (strcmp(text_of(deep, "analyzer"), "openai")) {
        if (json_object_get(tasks, "custom"))
            lam_problem_add(checker, "/tasks/custom", "only a model answers it: set /deep/analyzer to \"openai\"");
        return;
    }
    json_array_foreach(endpoints, i, one) chat |= !strcmp(text_of(one, "kind"), "chat");
    if (!chat)
        lam_problem_add(checker, "/deep/endpoints", "the analyzer openai needs at least one chat endpoint: {\"url\": \"http://127.0.0.1:8000/v1\", \"model\": \"…\"}");
    if (json_array_size(json_object_get(deep, "cascade")) == 1)
        lam_problem_add(checker, "/deep/cascade", "a cascade has at least two steps");
    check_cascade(checker, deep);
    check_prices(checker, deep);
    if (json_array_size(json_object_get(deep, "cascade")) && !json_object_get(tasks, "classify"))
        lam_problem_add(checker, "/deep/cascade", "its steps are decided by the confidence of the category: it needs /tasks/classify");
}

/* --- the struct --- */

static uint32_t tier_of(const struct lam_job_deep *deep, const char *model)
{
    uint32_t tier = 0;

    for (size_t i = 0; i < deep->cascade_count; i++) {
        if (!strcmp(deep->cascade[i].model, model))
            return tier;
        tier += strcmp(deep->cascade[i].model, "builtin") != 0;
    }
    return 0;
}

int lam_deep_fill(struct lam_arena *arena, json_t *whole, struct lam_job *job)
{
    struct lam_job_endpoint *endpoints = (struct lam_job_endpoint *)job->deep.endpoints; /* ours until the job is handed out */
    json_t *schema = json_object_get(json_object_get(json_object_get(whole, "tasks"), "custom"), "schema");

    job->deep.tiers = 1;
    for (size_t i = 0; i < job->deep.endpoint_count; i++) {
        endpoints[i].tier = endpoints[i].kind == LAM_JOB_CHAT ? tier_of(&job->deep, endpoints[i].model) : 0;
        if (endpoints[i].tier >= job->deep.tiers)
            job->deep.tiers = endpoints[i].tier + 1;
    }
    if (lam_agent_fill(arena, json_object_get(whole, "deep"), job))
        return LAM_E_MEMORY;
    if (schema) {
        char *text = json_dumps(schema, JSON_COMPACT);

        job->tasks.custom_schema = lam_sv(text ? lam_arena_string(arena, text, strlen(text)) : NULL, text ? strlen(text) : 0);
        free(text);
        return job->tasks.custom_schema.ptr ? 0 : LAM_E_MEMORY;
    }
    return 0;
}

/* The models, each once, in the order of their names: moving or doubling an endpoint changes nothing. A new reference. */
static json_t *models(json_t *endpoints)
{
    json_t *seen = json_object(), *list = json_array(), *one;
    const char *name;
    size_t i;

    json_array_foreach(endpoints, i, one) {
        char text[400];

        snprintf(text, sizeof text, "%s:%s", text_of(one, "kind"), text_of(one, "model"));
        json_object_set_new(seen, text, json_true());
    }
    /* jansson's objects keep the order of insertion: a selection in order of names, over a handful of them */
    while (json_object_size(seen)) {
        const char *least = NULL;

        json_object_foreach(seen, name, one) if (!least || strcmp(name, least) < 0) least = name;
        json_array_append_new(list, json_string(least));
        json_object_del(seen, least);
    }
    json_decref(seen);
    return list;
}

int lam_deep_part(json_t *whole, json_t *to, bool analysis)
{
    json_t *deep = json_object_get(whole, "deep"), *into = json_object_get(to, "deep");
    int rc = 0;

    if (strcmp(text_of(deep, "analyzer"), "openai"))
        return 0;
    if (!into) {
        json_object_set_new(to, "deep", json_object());
        into = json_object_get(to, "deep");
    }
    if (analysis) {
        rc |= json_object_set_new(into, "models", models(json_object_get(deep, "endpoints")));
        if (json_array_size(json_object_get(deep, "cascade")))
            rc |= json_object_set(into, "cascade", json_object_get(deep, "cascade"));
    } else {
        rc |= json_object_set(into, "endpoints", json_object_get(deep, "endpoints"));
    }
    return rc;
}
