/* Building filters: what parsing from JSON and from parameters have in common. Private to filter*.c. */
#ifndef LAMINA_SERVE_FILTER_TREE_H
#define LAMINA_SERVE_FILTER_TREE_H

#include "base/arena.h"
#include "filter.h"

#define LAM_TEST_NAMES "eq, ne, lt, le, gt, ge, in, exists, contains, prefix, longer"

struct lam_filter {
    struct lam_arena arena;
    struct lam_rule all;                         /* its children are tops: all must hold */
    struct lam_rule tops[LAM_FILTER_MAX_NODES];
    uint32_t wants;
    size_t nodes, values;
};

/* Tests: those of rules, and prefix, which is made of two comparisons. */
enum lam_test { LAM_TEST_PREFIX = 1000 /* others: enum lam_rule_op */ };

/* -1: no such test. */
int lam_test_of(struct lam_sv word);

/* count rules or values that live as long as the filter, counted against its limits: NULL and LAM_E_LIMIT. */
struct lam_rule *lam_filter_rules(struct lam_filter *filter, size_t count, struct lam_error *err);
struct lam_rule_value *lam_filter_values(struct lam_filter *filter, size_t count, struct lam_error *err);
int lam_filter_copy(struct lam_filter *filter, struct lam_sv text, struct lam_sv *copy, struct lam_error *err);

/* The next rule that must hold, counted. */
struct lam_rule *lam_filter_top(struct lam_filter *filter, struct lam_error *err);

/* Is the test one for fields of this kind? LAM_E_INVALID says why not. */
int lam_test_fits(int test, enum lam_field_kind kind, struct lam_sv field, struct lam_error *err);

/*
 * Fills rule with one test of one field; values are the filter's, already of the field's kind. Of a test against null, and of prefix, it
 * makes the rules that say the same.
 */
int lam_filter_make(struct lam_filter *filter, struct lam_sv field, enum lam_field_kind kind, int test, const struct lam_rule_value *values,
                    size_t count, struct lam_rule *rule, struct lam_error *err);

#endif
