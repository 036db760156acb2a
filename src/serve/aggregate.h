/*
 * Aggregates over the winning rows of one snapshot.
 *
 *     { "metrics":  [ {"op": "count"}, {"op": "sum", "field": "/revision"}, {"op": "max", "field": "event_time", "as": "latest"} ],
 *       "group_by": [ "category" ], "filter": { … }, "limit": 20 }
 *
 * Ops: count (with a field: the rows that have one), sum, min, max, avg. Sums are exact: integers as integers of any size, doubles
 * rounded once at the end, so that no order of rows shows. min and max take numbers and times, sum and avg finite numbers; rows with
 * anything else there, or nothing, are counted as skipped. avg is the rounded sum divided by the number of values.
 *
 * Groups are sorted by count, largest first, then by their values as JSON text. Their number is bounded: more is LAM_E_LIMIT.
 *
 *     "rows": 40, "groups_total": 3,
 *     "groups": [ { "by": {"category": "billing"}, "count": 23, "metrics": {"count": 23, "sum(/revision)": 61, "latest": "2026-…Z"},
 *                   "skipped": {"sum(/revision)": 2} }, … ]
 */
#ifndef LAMINA_SERVE_AGGREGATE_H
#define LAMINA_SERVE_AGGREGATE_H

#include "filter.h"

#define LAM_AGGREGATE_MAX_METRICS 32
#define LAM_AGGREGATE_MAX_GROUP_BY 8
#define LAM_AGGREGATE_MAX_GROUPS 10000
#define LAM_AGGREGATE_MAX_BYTES ((size_t)64 << 20) /* of all groups */

/* What was asked: immutable once parsed, any thread. */
struct lam_aggregate;

/* Parses a request body; unknown members are errors. Errors are LAM_E_INVALID or LAM_E_LIMIT and begin with a JSON pointer. */
int lam_aggregate_parse(struct lam_sv json, struct lam_aggregate **aggregate, struct lam_error *err);
void lam_aggregate_free(struct lam_aggregate *aggregate);

/* What computing reads: enum lam_want. */
uint32_t lam_aggregate_wants(const struct lam_aggregate *aggregate);

/* Narrows it further, with query parameters. Before it is used. */
struct lam_filter *lam_aggregate_filter(struct lam_aggregate *aggregate);

/* One computation: rows are added in any order, parts of several threads are merged, then the answer is written. One thread at a time. */
struct lam_aggregation;

struct lam_aggregation *lam_aggregation_new(const struct lam_aggregate *aggregate); /* borrowed, outlives it. NULL: out of memory */
void lam_aggregation_free(struct lam_aggregation *aggregation);

/* Adds the row if the filter lets it through. LAM_E_LIMIT: too many groups. */
int lam_aggregation_add(struct lam_aggregation *aggregation, const struct lam_hit *hit, struct lam_error *err);

/* Rows that the filter let through so far. */
uint64_t lam_aggregation_rows(const struct lam_aggregation *aggregation);

/* Adds all of part, which was made for the same aggregate. */
int lam_aggregation_merge(struct lam_aggregation *aggregation, struct lam_aggregation *part, struct lam_error *err);

/* Writes the members of the answer, as above, without braces around them. */
int lam_aggregation_write(struct lam_aggregation *aggregation, struct lam_buf *out, struct lam_error *err);

#endif
