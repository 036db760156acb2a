/*
 * Rules: a condition over a record's fields, as a tree. The same form decides what is escalated (analyze_when) and filters queries.
 *
 *     { "any": [ { "field": "/priority", "eq": "high" },
 *                { "all": [ { "field": "/text", "longer": 500 }, { "not": { "field": "/lang", "in": ["de", "fr"] } } ] } ] }
 *
 *     any, all     of no conditions: false, true
 *     eq, ne       JSON values; numbers by value (1 equals 1.0), strings by bytes, others by kind. null equals null only
 *     lt le gt ge  two numbers, or two strings by their bytes; anything else is false
 *     in           equals one of the list
 *     exists       true: the field is there and not null; false: it is not, or null
 *     longer       a string of more characters, an array of more elements than the number
 *     contains     a string with this substring, an array with an element equal to this
 *
 * A field that is absent makes every test false but `ne` and `exists: false`: what is not there is not equal.
 * A field is a JSON pointer into the record as it came ("/priority"), or whatever else the caller's resolver knows.
 */
#ifndef LAMINA_MODEL_RULES_H
#define LAMINA_MODEL_RULES_H

#include <lamina/record.h>

#include "json.h"

enum lam_rule_op {
    LAM_RULE_ANY, LAM_RULE_ALL, LAM_RULE_NOT, /* with children; NOT has one */
    LAM_RULE_EQ, LAM_RULE_NE, LAM_RULE_LT, LAM_RULE_LE, LAM_RULE_GT, LAM_RULE_GE,
    LAM_RULE_IN,       /* values */
    LAM_RULE_EXISTS,   /* values[0] is the boolean */
    LAM_RULE_LONGER,   /* values[0] is the number */
    LAM_RULE_CONTAINS
};

/* A value as rules compare it. Containers can only be counted and searched, so they stay in the document they are in. */
struct lam_rule_value {
    enum lam_json_type type;
    bool boolean;
    struct lam_number number;
    struct lam_sv text;          /* of a string */
    const struct lam_json *json; /* of an array or object in a document, with its value; else NULL */
    uint32_t at;
};

/* One node. Plain data, owned by whoever built it (the job's arena); a tree is immutable and any thread may read it. */
struct lam_rule {
    enum lam_rule_op op;
    struct lam_sv field;
    const struct lam_rule *children;
    size_t child_count;
    const struct lam_rule_value *values;
    size_t value_count;
};

#define LAM_RULE_DEPTH 32 /* deepest tree that is evaluated; config refuses deeper ones */

/* Finds a field: true with *value filled, or false where it is absent. */
struct lam_rule_source {
    bool (*get)(void *arg, struct lam_sv field, struct lam_rule_value *value);
    void *arg;
};

/* Any thread. A NULL rule is false. */
bool lam_rule_eval(const struct lam_rule *rule, const struct lam_rule_source *source);

/*
 * The same for a record: $key and $text are its own, any other field is a pointer into json, which is what the record came as, or its metadata.
 * A document that could not be parsed has no fields.
 */
bool lam_rule_holds(const struct lam_rule *rule, const struct lam_json *json, const struct lam_record *rec);

/* Over a parsed document: fields are JSON pointers. */
bool lam_rule_eval_json(const struct lam_rule *rule, const struct lam_json *json);

/* A value of a document; LAM_JSON_ABSENT for LAM_JSON_NONE. */
struct lam_rule_value lam_rule_value_json(const struct lam_json *json, uint32_t at);
static inline struct lam_rule_value lam_rule_value_string(struct lam_sv text)
{
    return (struct lam_rule_value){.type = LAM_JSON_STRING, .text = text};
}
static inline struct lam_rule_value lam_rule_value_number(struct lam_number number)
{
    return (struct lam_rule_value){.type = LAM_JSON_NUMBER, .number = number};
}
static inline struct lam_rule_value lam_rule_value_bool(bool value)
{
    return (struct lam_rule_value){.type = LAM_JSON_BOOL, .boolean = value};
}

/* The op that a word of the job file names ("eq", "longer"); -1 where it names none. */
int lam_rule_op_of(struct lam_sv word);

#endif
