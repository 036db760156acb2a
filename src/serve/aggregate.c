#include "aggregate_spec.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "json_row.h"
#include "model/agg.h"

#define KEY_MAX ((size_t)1 << 20) /* of one group's values */

/*
 * A group's key is its values as the JSON object that is shown: {"category":"billing"}. Its aggregates are the count of its rows,
 * then one for each metric.
 */
struct lam_aggregation {
    const struct lam_aggregate *spec;
    struct lam_field_reader *reader;
    struct lam_agg_groups *groups;
    struct lam_agg **only; /* of the one group where nothing is grouped by; NULL */
    struct lam_buf key;
    uint64_t rows;
};

static enum lam_agg_kind kind_of(const struct lam_metric *metric)
{
    switch (metric->op) {
    case LAM_METRIC_SUM:
    case LAM_METRIC_AVG:
        return LAM_AGG_SUM;
    case LAM_METRIC_MIN:
        return LAM_AGG_MIN;
    case LAM_METRIC_MAX:
        return LAM_AGG_MAX;
    default:
        return LAM_AGG_COUNT;
    }
}

struct lam_aggregation *lam_aggregation_new(const struct lam_aggregate *aggregate)
{
    struct lam_aggregation *aggregation = calloc(1, sizeof *aggregation);
    enum lam_agg_kind kinds[1 + LAM_AGGREGATE_MAX_METRICS] = {LAM_AGG_COUNT};

    if (!aggregation)
        return NULL;
    for (size_t i = 0; i < aggregate->metric_count; i++)
        kinds[1 + i] = kind_of(&aggregate->metrics[i]);
    aggregation->spec = aggregate;
    lam_buf_init(&aggregation->key, KEY_MAX);
    aggregation->reader = lam_field_reader_new();
    aggregation->groups = lam_agg_groups_new(kinds, 1 + aggregate->metric_count, LAM_AGGREGATE_MAX_GROUPS, LAM_AGGREGATE_MAX_BYTES);
    if (aggregation->reader && aggregation->groups &&
        (aggregate->group_by_count || !lam_agg_groups_at(aggregation->groups, LAM_SV("{}"), &aggregation->only, NULL)))
        return aggregation;
    lam_aggregation_free(aggregation);
    return NULL;
}

void lam_aggregation_free(struct lam_aggregation *aggregation)
{
    if (!aggregation)
        return;
    lam_field_reader_free(aggregation->reader);
    lam_agg_groups_free(aggregation->groups);
    lam_buf_release(&aggregation->key);
    free(aggregation);
}

uint64_t lam_aggregation_rows(const struct lam_aggregation *aggregation) { return aggregation->rows; }

static int add_value(struct lam_buf *out, enum lam_field_kind kind, const struct lam_rule_value *value, struct lam_error *err)
{
    if (kind == LAM_FIELD_TIME)
        return lam_json_add_time(out, value->number.i64, err);
    if (kind == LAM_FIELD_FLOAT)
        return lam_json_add_float(out, (float)value->number.d, err);
    switch (value->type) {
    case LAM_JSON_STRING:
        return lam_buf_add_json(out, value->text, err);
    case LAM_JSON_NUMBER:
        return lam_number_add(out, &value->number, err);
    case LAM_JSON_BOOL:
        return lam_buf_addf(out, err, value->boolean ? "true" : "false");
    case LAM_JSON_ARRAY:
    case LAM_JSON_OBJECT:
        return lam_json_add_raw(out, lam_json_raw(value->json, value->at), "null", err);
    default:
        return lam_buf_add(out, "null", 4, err);
    }
}

static int build_key(struct lam_aggregation *aggregation, struct lam_error *err)
{
    struct lam_buf *key = &aggregation->key;
    int rc = lam_buf_add(key, "{", 1, err);

    for (size_t i = 0; i < aggregation->spec->group_by_count && !rc; i++) {
        const struct lam_group_field *group = &aggregation->spec->group_by[i];
        struct lam_rule_value value;
        bool there = lam_field_get(aggregation->reader, group->field, &value);

        if ((i && (rc = lam_buf_add(key, ",", 1, err))) || (rc = lam_buf_add_json(key, group->field, err)) ||
            (rc = lam_buf_add(key, ":", 1, err)))
            return rc;
        rc = there ? add_value(key, group->kind, &value, err) : lam_buf_add(key, "null", 4, err);
    }
    return rc ? rc : lam_buf_add(key, "}", 1, err);
}

static int find_group(struct lam_aggregation *aggregation, struct lam_agg ***aggs, struct lam_error *err)
{
    int rc;

    if ((*aggs = aggregation->only))
        return 0;
    lam_buf_clear(&aggregation->key);
    rc = build_key(aggregation, err);
    if (!rc)
        rc = lam_agg_groups_at(aggregation->groups, lam_buf_sv(&aggregation->key), aggs, err);
    return rc == LAM_E_LIMIT ? LAM_PASS(err, rc, "group by something coarser, or filter") : rc;
}

static bool is_finite(const struct lam_number *number) { return number->kind != LAM_NUMBER_DOUBLE || isfinite(number->d); }

static void add_metric(struct lam_aggregation *aggregation, const struct lam_metric *metric, struct lam_agg *agg)
{
    const struct lam_agg_ops *ops = lam_agg_ops(kind_of(metric));
    struct lam_rule_value value;

    if (metric->op == LAM_METRIC_COUNT_ROWS)
        ops->add(agg, NULL);
    else if (!lam_field_get(aggregation->reader, metric->field, &value))
        return;
    else if (metric->op == LAM_METRIC_COUNT_FIELD)
        ops->add(agg, NULL);
    else if (value.type == LAM_JSON_NUMBER && is_finite(&value.number))
        ops->add(agg, &value.number);
}

int lam_aggregation_add(struct lam_aggregation *aggregation, const struct lam_hit *hit, struct lam_error *err)
{
    const struct lam_aggregate *spec = aggregation->spec;
    struct lam_agg **aggs;
    int rc;

    lam_field_reader_row(aggregation->reader, hit);
    if (!lam_filter_match(spec->filter, aggregation->reader))
        return lam_field_reader_check(aggregation->reader, err);
    if ((rc = find_group(aggregation, &aggs, err)))
        return rc;
    lam_agg_ops(LAM_AGG_COUNT)->add(aggs[0], NULL);
    for (size_t i = 0; i < spec->metric_count; i++)
        add_metric(aggregation, &spec->metrics[i], aggs[1 + i]);
    aggregation->rows++;
    return lam_field_reader_check(aggregation->reader, err);
}

int lam_aggregation_merge(struct lam_aggregation *aggregation, struct lam_aggregation *part, struct lam_error *err)
{
    aggregation->rows += part->rows;
    return lam_agg_groups_merge(aggregation->groups, part->groups, err);
}

struct ranked {
    struct lam_sv key;
    struct lam_agg **aggs;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    uint64_t x = left->aggs[0]->count, y = right->aggs[0]->count;

    return x != y ? (x < y) - (x > y) : lam_sv_cmp(left->key, right->key);
}

static int write_metric(const struct lam_metric *metric, const struct lam_agg *agg, struct lam_buf *out, struct lam_error *err)
{
    bool best = metric->op == LAM_METRIC_MIN || metric->op == LAM_METRIC_MAX;

    if (metric->op == LAM_METRIC_AVG)
        return agg->count ? lam_json_add_double(out, lam_exact_double(&agg->sum) / (double)agg->count, err)
                          : lam_buf_add(out, "null", 4, err);
    if (best && agg->count && metric->kind == LAM_FIELD_TIME)
        return lam_json_add_time(out, agg->best.i64, err);
    if (best && agg->count && metric->kind == LAM_FIELD_FLOAT)
        return lam_json_add_float(out, (float)agg->best.d, err);
    return lam_agg_add_text(out, agg, err);
}

/* What a metric left out; a count of rows leaves out nothing. */
static uint64_t skipped(const struct lam_metric *metric, const struct lam_agg *agg, uint64_t rows)
{
    return metric->op == LAM_METRIC_COUNT_ROWS || metric->op == LAM_METRIC_COUNT_FIELD ? 0 : rows - agg->count;
}

static int write_skipped(const struct lam_aggregate *spec, struct lam_agg **aggs, struct lam_buf *out, struct lam_error *err)
{
    bool any = false;
    int rc = 0;

    for (size_t i = 0; i < spec->metric_count && !rc; i++) {
        uint64_t count = skipped(&spec->metrics[i], aggs[1 + i], aggs[0]->count);

        if (!count)
            continue;
        if ((rc = lam_buf_addf(out, err, any ? "," : ",\"skipped\":{")) || (rc = lam_buf_add_json(out, spec->metrics[i].name, err)))
            return rc;
        rc = lam_buf_addf(out, err, ":%" PRIu64, count);
        any = true;
    }
    return rc || !any ? rc : lam_buf_add(out, "}", 1, err);
}

static int write_group(const struct lam_aggregate *spec, const struct ranked *group, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"by\":")) || (rc = lam_buf_add_sv(out, group->key, err)) ||
        (rc = lam_buf_addf(out, err, ",\"count\":%" PRIu64 ",\"metrics\":{", group->aggs[0]->count)))
        return rc;
    for (size_t i = 0; i < spec->metric_count; i++)
        if ((i && (rc = lam_buf_add(out, ",", 1, err))) || (rc = lam_buf_add_json(out, spec->metrics[i].name, err)) ||
            (rc = lam_buf_add(out, ":", 1, err)) || (rc = write_metric(&spec->metrics[i], group->aggs[1 + i], out, err)))
            return rc;
    if ((rc = lam_buf_add(out, "}", 1, err)) || (rc = write_skipped(spec, group->aggs, out, err)))
        return rc;
    return lam_buf_add(out, "}", 1, err);
}

int lam_aggregation_write(struct lam_aggregation *aggregation, struct lam_buf *out, struct lam_error *err)
{
    size_t count = lam_agg_groups_count(aggregation->groups);
    struct ranked *groups = malloc((count ? count : 1) * sizeof *groups);
    int rc;

    if (!groups)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort %zu groups", count);
    for (size_t i = 0; i < count; i++)
        groups[i].key = lam_agg_groups_get(aggregation->groups, i, &groups[i].aggs);
    qsort(groups, count, sizeof *groups, by_count);
    rc = lam_buf_addf(out, err, "\"rows\":%" PRIu64 ",\"groups_total\":%zu,\"groups\":[", aggregation->rows, count);
    for (size_t i = 0; i < count && i < aggregation->spec->limit && !rc; i++)
        if (!(rc = i ? lam_buf_add(out, ",", 1, err) : 0))
            rc = write_group(aggregation->spec, &groups[i], out, err);
    free(groups);
    return rc ? rc : lam_buf_add(out, "]", 1, err);
}
