/*
 * Filters: which rows a query is about; rules (model/rules.h) over a row's fields (field.h).
 *
 *     { "field": "category", "eq": "billing" }                              several tests in one object must all hold
 *     { "field": "/revision", "ge": 2, "lt": 10 }
 *     { "all": [ … ] }   { "any": [ … ] }   { "not": { … } }
 *
 * Tests: eq, ne, lt, le, gt, ge, in (array), exists (boolean), contains, prefix (text), longer (number). They mean what they mean
 * in a job's analyze_when; texts that a time field is compared with are times. null with eq and ne of a named field: not known.
 *
 * The same as query parameters, all of which must hold: category=billing, /revision.ge=2, language.in=en,de, key.prefix=INC-,
 * summary.exists=false. A parameter is text; where the row has a number or a truth value, it is compared as one.
 *
 * A filter is immutable once built and may be used by many threads, each with its own field reader.
 */
#ifndef LAMINA_SERVE_FILTER_H
#define LAMINA_SERVE_FILTER_H

#include "field.h"

#define LAM_FILTER_MAX_DEPTH 16
#define LAM_FILTER_MAX_NODES 512           /* tests and combinations */
#define LAM_FILTER_MAX_VALUES 4096         /* in all lists of a filter together */
#define LAM_FILTER_MAX_BYTES ((size_t)4 << 20) /* of names, values and tree */

struct lam_filter;

/* An empty filter: every row matches. NULL: out of memory. */
struct lam_filter *lam_filter_new(void);
void lam_filter_free(struct lam_filter *filter);

/*
 * Adds what the JSON text says; all that is added must hold. Errors are LAM_E_INVALID and LAM_E_LIMIT and begin with the JSON
 * pointer of the place. at is that of the text itself within its request ("" or "/filter"). After a failure the filter is of no use.
 */
int lam_filter_add_json(struct lam_filter *filter, struct lam_sv json, const char *at, struct lam_error *err);

struct json_t; /* jansson's */
int lam_filter_add_parsed(struct lam_filter *filter, struct json_t *json, const char *at, struct lam_error *err);

/* Adds one test from a decoded query parameter: "category", "billing" or "/revision.ge", "2". */
int lam_filter_add_param(struct lam_filter *filter, struct lam_sv name, struct lam_sv value, struct lam_error *err);

bool lam_filter_is_empty(const struct lam_filter *filter);

/* What matching reads: enum lam_want. */
uint32_t lam_filter_wants(const struct lam_filter *filter);

/* Does the reader's row match? */
bool lam_filter_match(const struct lam_filter *filter, struct lam_field_reader *reader);

#endif
