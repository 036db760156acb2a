/* What an aggregate asks for, as both its parser and its computation see it. Private to aggregate*.c. */
#ifndef LAMINA_SERVE_AGGREGATE_SPEC_H
#define LAMINA_SERVE_AGGREGATE_SPEC_H

#include "aggregate.h"
#include "base/arena.h"

struct lam_metric {
    enum { LAM_METRIC_COUNT_ROWS, LAM_METRIC_COUNT_FIELD, LAM_METRIC_SUM, LAM_METRIC_MIN, LAM_METRIC_MAX, LAM_METRIC_AVG } op;
    struct lam_sv field, name;
    enum lam_field_kind kind;
};

struct lam_group_field {
    struct lam_sv field;
    enum lam_field_kind kind;
};

struct lam_aggregate {
    struct lam_arena arena;
    struct lam_metric metrics[LAM_AGGREGATE_MAX_METRICS];
    size_t metric_count;
    struct lam_group_field group_by[LAM_AGGREGATE_MAX_GROUP_BY];
    size_t group_by_count;
    struct lam_filter *filter;
    size_t limit;
    uint32_t wants;
};

#endif
