/*
 * Filters: which rows a query is about.
 *
 *     { "field": "category", "eq": "billing" }                              a condition; several operators in one object must all hold
 *     { "field": "/revision", "ge": 2, "lt": 10 }
 *     { "all": [ … ] }   { "any": [ … ] }   { "not": { … } }
 *
 * Operators: eq, ne, lt, le, gt, ge (a scalar), in (array of scalars), exists (boolean), contains, prefix (text, by bytes),
 * longer (number of characters). A field that a row does not have, or has as another kind of value, satisfies only ne, and exists: false.
 * null is written as null: {"eq": null} holds where the field is null or absent. Fields: value.h.
 *
 * The same conditions as query parameters: category=billing, /revision.ge=2, language.in=en,de, key.prefix=INC-; all of them must
 * hold. A parameter is text: it is compared as a number or a truth value where the row has one.
 *
 * A filter is immutable once parsed and may be used by many threads, each with its own value reader.
 */
#ifndef LAMINA_SERVE_FILTER_H
#define LAMINA_SERVE_FILTER_H

#include "value.h"

#define LAM_FILTER_MAX_DEPTH 16
#define LAM_FILTER_MAX_NODES 256   /* conditions and combinations */
#define LAM_FILTER_MAX_VALUES 4096 /* in all lists of a filter together */

struct lam_filter;

/* An empty filter: every row matches. NULL: out of memory. */
struct lam_filter *lam_filter_new(void);
void lam_filter_free(struct lam_filter *filter);

/*
 * Adds what the JSON text says; all that is added must hold. Errors are LAM_E_INVALID and LAM_E_LIMIT and begin with the JSON
 * pointer of the place. at is that of the text itself within its request ("" or "/filter").
 */
int lam_filter_add_json(struct lam_filter *filter, struct lam_sv json, const char *at, struct lam_error *err);

struct json_t; /* jansson's */
int lam_filter_add_parsed(struct lam_filter *filter, const struct json_t *json, const char *at, struct lam_error *err);

/* Adds one condition from a decoded query parameter: "category", "billing" or "/revision.ge", "2". */
int lam_filter_add_param(struct lam_filter *filter, struct lam_sv name, struct lam_sv value, struct lam_error *err);

bool lam_filter_is_empty(const struct lam_filter *filter);

/* Does the reader's row match? Fails only where the row cannot be read. */
int lam_filter_match(const struct lam_filter *filter, struct lam_value_reader *reader, bool *match, struct lam_error *err);

#endif
