/* The body of POST /v1/aggregate. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregate_spec.h"

#define NAMES_MAX ((size_t)256 << 10)

static int copy(struct lam_aggregate *aggregate, struct lam_sv text, struct lam_sv *out, struct lam_error *err)
{
    *out = lam_arena_copy(&aggregate->arena, text);
    return out->ptr ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "names of more than %zu bytes", NAMES_MAX);
}

static struct lam_sv text_of(json_t *json) { return lam_sv(json_string_value(json), json_string_length(json)); }

/* The first member that is none of names. */
static const char *stranger(json_t *object, const char *const names[])
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value) {
        size_t i = 0;

        while (names[i] && strcmp(names[i], name))
            i++;
        if (!names[i])
            return name;
    }
    return NULL;
}

static int read_op(json_t *json, struct lam_metric *metric, struct lam_error *err)
{
    static const char *const words[] = {"count", "sum", "min", "max", "avg"};
    static const int ops[] = {LAM_METRIC_COUNT_ROWS, LAM_METRIC_SUM, LAM_METRIC_MIN, LAM_METRIC_MAX, LAM_METRIC_AVG};

    for (size_t i = 0; json_is_string(json) && i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], json_string_value(json))) {
            metric->op = ops[i];
            return 0;
        }
    return LAM_FAIL(err, LAM_E_INVALID, "expected an op: count, sum, min, max or avg");
}

static int read_field(struct lam_aggregate *aggregate, json_t *json, struct lam_sv *field, enum lam_field_kind *kind, struct lam_error *err)
{
    int rc;

    if (!json_is_string(json))
        return LAM_FAIL(err, LAM_E_INVALID, "expected the name of a field, or a JSON pointer such as \"/revision\"");
    if ((rc = lam_field_check(text_of(json), kind, &aggregate->wants, err)))
        return rc;
    return copy(aggregate, text_of(json), field, err);
}

static int check_kind(const struct lam_metric *metric, struct lam_error *err)
{
    bool number = metric->kind == LAM_FIELD_NUMBER || metric->kind == LAM_FIELD_FLOAT || metric->kind == LAM_FIELD_ANY;
    bool best = metric->op == LAM_METRIC_MIN || metric->op == LAM_METRIC_MAX;

    if (metric->op == LAM_METRIC_COUNT_FIELD || number || (best && metric->kind == LAM_FIELD_TIME))
        return 0;
    return LAM_FAIL(err, LAM_E_INVALID, "\"%.*s\" is no number%s", LAM_SV_ARG(metric->field), best ? " and no time" : "");
}

static int name_metric(struct lam_aggregate *aggregate, struct lam_metric *metric, json_t *as, const char *op, struct lam_error *err)
{
    char name[1100];

    if (as && (!json_is_string(as) || !json_string_length(as) || json_string_length(as) > 256))
        return LAM_FAIL(err, LAM_E_INVALID, "expected a name of 1 to 256 bytes");
    snprintf(name, sizeof name, metric->field.len ? "%s(%.*s)" : "%s", op, LAM_SV_ARG(metric->field));
    return copy(aggregate, as ? text_of(as) : lam_sv_of(name), &metric->name, err);
}

static int read_metric(struct lam_aggregate *aggregate, json_t *json, size_t i, struct lam_error *err)
{
    static const char *const names[] = {"op", "field", "as", NULL};
    struct lam_metric *metric = &aggregate->metrics[i];
    json_t *op = json_object_get(json, "op"), *field = json_object_get(json, "field");
    const char *other = stranger(json, names);
    int rc;

    if (!json_is_object(json))
        return LAM_FAIL(err, LAM_E_INVALID, "/metrics/%zu: expected a metric such as {\"op\": \"sum\", \"field\": \"/revision\"}", i);
    if (other)
        return LAM_FAIL(err, LAM_E_INVALID, "/metrics/%zu/%.64s: unknown member; known are op, field, as", i, other);
    if ((rc = read_op(op, metric, err)))
        return LAM_PASS(err, rc, "/metrics/%zu/op", i);
    if (!field && metric->op != LAM_METRIC_COUNT_ROWS)
        return LAM_FAIL(err, LAM_E_INVALID, "/metrics/%zu: %s needs a field", i, json_string_value(op));
    if (field) {
        metric->op = metric->op == LAM_METRIC_COUNT_ROWS ? LAM_METRIC_COUNT_FIELD : metric->op;
        if ((rc = read_field(aggregate, field, &metric->field, &metric->kind, err)) || (rc = check_kind(metric, err)))
            return LAM_PASS(err, rc, "/metrics/%zu/field", i);
    }
    if ((rc = name_metric(aggregate, metric, json_object_get(json, "as"), json_string_value(op), err)))
        return LAM_PASS(err, rc, "/metrics/%zu/as", i);
    for (size_t j = 0; j < i; j++)
        if (lam_sv_eq(aggregate->metrics[j].name, metric->name))
            return LAM_FAIL(err, LAM_E_INVALID, "/metrics/%zu: a second metric named \"%.*s\"", i, LAM_SV_ARG(metric->name));
    aggregate->metric_count = i + 1;
    return 0;
}

static int read_metrics(struct lam_aggregate *aggregate, json_t *json, struct lam_error *err)
{
    int rc;

    if (!json) {
        aggregate->metrics[0] = (struct lam_metric){.op = LAM_METRIC_COUNT_ROWS, .name = LAM_SV("count")};
        aggregate->metric_count = 1;
        return 0;
    }
    if (!json_is_array(json) || !json_array_size(json))
        return LAM_FAIL(err, LAM_E_INVALID, "/metrics: expected a list of metrics");
    if (json_array_size(json) > LAM_AGGREGATE_MAX_METRICS)
        return LAM_FAIL(err, LAM_E_LIMIT, "/metrics: more than %d metrics", LAM_AGGREGATE_MAX_METRICS);
    for (size_t i = 0; i < json_array_size(json); i++)
        if ((rc = read_metric(aggregate, json_array_get(json, i), i, err)))
            return rc;
    return 0;
}

static int read_group_by(struct lam_aggregate *aggregate, json_t *json, struct lam_error *err)
{
    int rc;

    if (!json)
        return 0;
    if (!json_is_array(json))
        return LAM_FAIL(err, LAM_E_INVALID, "/group_by: expected a list of fields");
    if (json_array_size(json) > LAM_AGGREGATE_MAX_GROUP_BY)
        return LAM_FAIL(err, LAM_E_LIMIT, "/group_by: more than %d fields", LAM_AGGREGATE_MAX_GROUP_BY);
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct lam_group_field *group = &aggregate->group_by[i];

        if ((rc = read_field(aggregate, json_array_get(json, i), &group->field, &group->kind, err)))
            return LAM_PASS(err, rc, "/group_by/%zu", i);
        for (size_t j = 0; j < i; j++)
            if (lam_sv_eq(aggregate->group_by[j].field, group->field))
                return LAM_FAIL(err, LAM_E_INVALID, "/group_by/%zu: \"%.*s\" stands here twice", i, LAM_SV_ARG(group->field));
        aggregate->group_by_count = i + 1;
    }
    return 0;
}

static int read_limit(struct lam_aggregate *aggregate, json_t *json, struct lam_error *err)
{
    aggregate->limit = LAM_AGGREGATE_MAX_GROUPS;
    if (!json)
        return 0;
    if (!json_is_integer(json) || json_integer_value(json) < 1 || json_integer_value(json) > LAM_AGGREGATE_MAX_GROUPS)
        return LAM_FAIL(err, LAM_E_INVALID, "/limit: expected a number of groups from 1 to %d", LAM_AGGREGATE_MAX_GROUPS);
    aggregate->limit = (size_t)json_integer_value(json);
    return 0;
}

static int read_all(struct lam_aggregate *aggregate, json_t *json, struct lam_error *err)
{
    static const char *const names[] = {"metrics", "group_by", "filter", "limit", NULL};
    json_t *filter = json_object_get(json, "filter");
    const char *other = stranger(json, names);
    int rc;

    if (!json_is_object(json))
        return LAM_FAIL(err, LAM_E_INVALID, "/: expected an object with metrics, group_by, filter, limit");
    if (other)
        return LAM_FAIL(err, LAM_E_INVALID, "/%.64s: unknown member; known are metrics, group_by, filter, limit", other);
    if ((rc = read_metrics(aggregate, json_object_get(json, "metrics"), err)) ||
        (rc = read_group_by(aggregate, json_object_get(json, "group_by"), err)) ||
        (rc = read_limit(aggregate, json_object_get(json, "limit"), err)))
        return rc;
    return filter ? lam_filter_add_parsed(aggregate->filter, filter, "/filter", err) : 0;
}

int lam_aggregate_parse(struct lam_sv json, struct lam_aggregate **aggregate, struct lam_error *err)
{
    json_error_t where;
    json_t *parsed = json_loadb(json.len ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    struct lam_aggregate *made;
    int rc;

    if (!parsed)
        return LAM_FAIL(err, LAM_E_INVALID, "/: no JSON at byte %d: %s", where.position, where.text);
    made = calloc(1, sizeof *made);
    if (made) {
        lam_arena_init(&made->arena, NAMES_MAX);
        made->filter = lam_filter_new();
    }
    rc = made && made->filter ? read_all(made, parsed, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a query");
    json_decref(parsed);
    if (rc)
        lam_aggregate_free(made);
    else
        *aggregate = made;
    return rc;
}

void lam_aggregate_free(struct lam_aggregate *aggregate)
{
    if (!aggregate)
        return;
    lam_filter_free(aggregate->filter);
    lam_arena_release(&aggregate->arena);
    free(aggregate);
}

struct lam_filter *lam_aggregate_filter(struct lam_aggregate *aggregate) { return aggregate->filter; }

uint32_t lam_aggregate_wants(const struct lam_aggregate *aggregate) { return aggregate->wants | lam_filter_wants(aggregate->filter); }
