/* Fields with names of the user's own: labels, patterns, and librdkafka's properties. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "model/kafka_props.h"
#include "model/regex.h"

#define LABEL_MAX 100
#define DESCRIPTION_MAX 10000
#define KAFKA_MAX 200
#define PATTERNS_MAX 32
#define PATTERN_NAME "^[a-z][a-z0-9_]{0,39}$"

/* librdkafka takes text: numbers and booleans are written as it reads them. A new reference; NULL: no scalar. */
static json_t *property_text(json_t *value)
{
    char *text;
    json_t *made;

    if (json_is_string(value))
        return json_incref(value);
    if (json_is_boolean(value))
        return json_string(json_is_true(value) ? "true" : "false");
    if (!json_is_number(value))
        return NULL;
    text = json_dumps(value, JSON_ENCODE_ANY);
    made = json_string(text);
    free(text);
    return made;
}

static bool is_env(json_t *value)
{
    const char *env = json_string_value(json_object_get(value, "env"));

    return env && json_object_size(value) == 1 && strlen(env) <= 200 && lam_pattern_match("^[A-Za-z_][A-Za-z0-9_]*$", env);
}

static json_t *check_property(struct lam_checker *checker, const char *name, json_t *value, const char *pointer)
{
    const char *refused = lam_kafka_prop_refused(lam_sv_of(name));
    json_t *text = property_text(value);

    if (refused) {
        lam_problem_add(checker, pointer, "the engine sets this property itself: %s", refused);
        goto refuse;
    }
    if (text && lam_kafka_prop_secret(lam_sv_of(name))) {
        lam_problem_add(checker, pointer,
                        "a secret may not stand in a job file; name the environment variable that holds it: {\"env\": "
                        "\"KAFKA_SECRET\"}");
        goto refuse;
    }
    if (text)
        return text;
    if (is_env(value))
        return json_incref(value);
    lam_problem_expected(checker, pointer, value, "a string, a number, true, false, or {\"env\": \"NAME\"}");
refuse:
    json_decref(text);
    return NULL;
}

json_t *lam_kafka_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *made, *member;
    const char *name;

    (void)field;
    if (!json_is_object(value) || json_object_size(value) > KAFKA_MAX) {
        lam_problem_expected(checker, pointer, value, "an object with at most %d properties of librdkafka", KAFKA_MAX);
        return NULL;
    }
    made = json_object();
    json_object_foreach(value, name, member) {
        char below[LAM_POINTER_MAX];
        json_t *checked;

        lam_pointer_join(below, pointer, name);
        checked = check_property(checker, name, member, below);
        if (checked)
            lam_json_put(checker, made, name, checked);
    }
    return made;
}

json_t *lam_kafka_schema(const struct lam_field *field)
{
    json_t *env = json_pack("{s:s, s:{s:{s:s, s:s}}, s:[s], s:b}", "type", "object", "properties", "env", "type", "string", "pattern",
                            "^[A-Za-z_][A-Za-z0-9_]*$", "required", "env", "additionalProperties", 0);

    (void)field;
    return json_pack("{s:s, s:i, s:{s:[{s:[s,s,s]}, o]}}", "type", "object", "maxProperties", KAFKA_MAX,
                     "additionalProperties", "anyOf", "type", "string", "number", "boolean", env);
}

json_t *lam_labels_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *description;
    const char *name;
    uint32_t before = checker->problems->total;

    if (!json_is_object(value) || (double)json_object_size(value) < field->min || (double)json_object_size(value) > field->max) {
        lam_problem_expected(checker, pointer, value, "an object of %g to %g labels, each with words that describe it",
                             field->min, field->max);
        return NULL;
    }
    json_object_foreach(value, name, description) {
        char below[LAM_POINTER_MAX];

        lam_pointer_join(below, pointer, name);
        if (strlen(name) > LABEL_MAX || !lam_pattern_match("^[^\001-\037\177]+$", name))
            lam_problem_add(checker, below, "a label's name has 1 to %d bytes, none of them a control character", LABEL_MAX);
        if (!json_is_string(description) || json_string_length(description) > DESCRIPTION_MAX)
            lam_problem_expected(checker, below, description, "text that describes the label, of at most %d bytes", DESCRIPTION_MAX);
    }
    return checker->problems->total == before ? json_incref(value) : NULL;
}

json_t *lam_labels_schema(const struct lam_field *field)
{
    return json_pack("{s:s, s:i, s:i, s:{s:s, s:i, s:i}, s:{s:s, s:i}}", "type", "object", "minProperties",
                     (int)field->min, "maxProperties", (int)field->max, "propertyNames", "pattern",
                     "^[^\001-\037\177]+$", "minLength", 1, "maxLength", LABEL_MAX, "additionalProperties", "type",
                     "string", "maxLength", DESCRIPTION_MAX);
}

json_t *lam_patterns_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    uint32_t before = checker->problems->total;
    json_t *expression;
    const char *name;

    (void)field;
    if (!json_is_object(value) || json_object_size(value) > PATTERNS_MAX) {
        lam_problem_expected(checker, pointer, value, "an object of at most %d patterns, each a regular expression", PATTERNS_MAX);
        return NULL;
    }
    json_object_foreach(value, name, expression) {
        struct lam_regex *regex = NULL;
        char below[LAM_POINTER_MAX];
        struct lam_error err;

        lam_pointer_join(below, pointer, name);
        if (!lam_pattern_match(PATTERN_NAME, name))
            lam_problem_add(checker, below, "a pattern's name is made of a-z, 0-9 and _, a letter first, at most 40 of them");
        if (!json_is_string(expression))
            lam_problem_expected(checker, below, expression, "a regular expression");
        else if (lam_regex_new(lam_sv(json_string_value(expression), json_string_length(expression)), &regex, &err))
            lam_problem_add(checker, below, "%s", err.text);
        lam_regex_free(regex);
    }
    return checker->problems->total == before ? json_incref(value) : NULL;
}

json_t *lam_patterns_schema(const struct lam_field *field)
{
    (void)field;
    return json_pack("{s:s, s:i, s:{s:s}, s:{s:s, s:i, s:i}}", "type", "object", "maxProperties", PATTERNS_MAX, "propertyNames", "pattern",
                     PATTERN_NAME, "additionalProperties", "type", "string", "minLength", 1, "maxLength", LAM_REGEX_TEXT_MAX);
}
