/*
 * Rules: conditions on a record's fields, as they stand in a job (`stream.analyze_when`). Parsed and limited here, evaluated
 * by whoever has records.
 *
 *     { "any": [ { "field": "/priority", "eq": "high" }, { "not": { "field": "/amount", "ge": 10, "lt": 20 } } ] }
 *
 * A rule with several conditions on its field means all of them and is parsed to LAM_RULE_ALL. What a comparison means:
 * a missing field, or a value of another type than the rule's, makes every comparison false but `ne`, which is the opposite of
 * `eq`. Numbers compare as numbers, strings by their bytes.
 */
#ifndef LAMINA_CONFIG_RULE_H
#define LAMINA_CONFIG_RULE_H

#include <lamina/sv.h>

#define LAM_RULE_DEPTH 8
#define LAM_RULE_COUNT 200
#define LAM_RULE_VALUES 1000 /* of one `in` */

enum lam_rule_op {
    LAM_RULE_ANY,      /* rules */
    LAM_RULE_ALL,      /* rules */
    LAM_RULE_NOT,      /* rules[0] */
    LAM_RULE_EQ,       /* values[0]: string, number, boolean or null */
    LAM_RULE_NE,
    LAM_RULE_LT,       /* values[0]: number or string, and the three after it */
    LAM_RULE_LE,
    LAM_RULE_GT,
    LAM_RULE_GE,
    LAM_RULE_IN,       /* values: equal to one of them */
    LAM_RULE_CONTAINS, /* values[0]: a string; the field is a string that has it */
    LAM_RULE_LONGER,   /* more characters (strings) or elements (arrays) than length */
    LAM_RULE_EXISTS    /* exists: the field is there and not null; or, when false, it is not */
};

enum lam_value_type { LAM_VALUE_NULL, LAM_VALUE_BOOL, LAM_VALUE_INT, LAM_VALUE_DOUBLE, LAM_VALUE_STRING };

struct lam_value {
    enum lam_value_type type;
    bool boolean;
    int64_t integer;
    double number; /* of LAM_VALUE_INT too, rounded */
    struct lam_sv string;
};

struct lam_rule {
    enum lam_rule_op op;
    const struct lam_rule *rules; /* any, all, not */
    size_t rule_count;
    struct lam_sv field;          /* JSON pointer, or $text (the record's text), $key */
    const struct lam_value *values;
    size_t value_count;
    uint64_t length;
    bool exists;
};

#endif
