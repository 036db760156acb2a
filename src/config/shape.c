#include "shape.h"

#include <assert.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "nearest.h"

#define STRING_MAX 4000 /* characters, where a field says nothing else */

void lam_pointer_join(char out[LAM_POINTER_MAX], const char *pointer, const char *name)
{
    size_t len = 0;

    for (; *pointer && len < LAM_POINTER_MAX - 1; pointer++)
        out[len++] = *pointer;
    if (len < LAM_POINTER_MAX - 1)
        out[len++] = '/';
    for (; *name && len < LAM_POINTER_MAX - 2; name++) {
        if (*name == '~' || *name == '/') {
            out[len++] = '~';
            out[len++] = *name == '~' ? '0' : '1';
        } else {
            out[len++] = *name;
        }
    }
    out[len] = '\0';
}

static const char *set_of(const struct lam_checker *checker, const char *pointer)
{
    for (size_t i = checker->set_count; i-- > 0;) {
        size_t len = strlen(checker->sets[i].pointer);

        if (len && !strncmp(checker->sets[i].pointer, pointer, len) && (pointer[len] == '\0' || pointer[len] == '/'))
            return checker->sets[i].text;
    }
    return NULL;
}

/* Both end on a whole character, so that they can stand in JSON. */
static void cut(char *text)
{
    text[lam_utf8_valid(lam_sv_of(text))] = '\0';
}

void lam_problem_add(struct lam_checker *checker, const char *pointer, const char *fmt, ...)
{
    struct lam_problems *problems = checker->problems;
    struct lam_problem *problem;
    const char *set = set_of(checker, pointer);
    va_list ap;

    problems->total++;
    if (problems->count == LAM_PROBLEMS_MAX)
        return;
    problem = &problems->items[problems->count++];
    snprintf(problem->pointer, sizeof problem->pointer, "%s", pointer);
    va_start(ap, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, ap);
    va_end(ap);
    if (set) {
        size_t len = strlen(problem->text);

        snprintf(problem->text + len, sizeof problem->text - len, " (from --set %s)", set);
    }
    cut(problem->pointer);
    cut(problem->text);
}

static void describe(json_t *found, char text[100])
{
    switch (json_typeof(found)) {
    case JSON_OBJECT:
        snprintf(text, 100, "%s", json_object_size(found) ? "an object" : "an empty object");
        break;
    case JSON_ARRAY:
        snprintf(text, 100, "%s", json_array_size(found) ? "a list" : "an empty list");
        break;
    case JSON_STRING:
        snprintf(text, 100, json_string_length(found) > 60 ? "\"%.60s…\"" : "\"%s\"", json_string_value(found));
        break;
    case JSON_INTEGER:
        snprintf(text, 100, "%" JSON_INTEGER_FORMAT, json_integer_value(found));
        break;
    case JSON_REAL:
        snprintf(text, 100, "%.12g", json_real_value(found));
        break;
    default:
        snprintf(text, 100, "%s", json_is_null(found) ? "null" : json_is_true(found) ? "true" : "false");
    }
    cut(text);
}

void lam_problem_expected(struct lam_checker *checker, const char *pointer, json_t *found, const char *fmt, ...)
{
    char expected[384], text[100];
    va_list ap;

    describe(found, text);
    va_start(ap, fmt);
    vsnprintf(expected, sizeof expected, fmt, ap);
    va_end(ap);
    lam_problem_add(checker, pointer, "expected %s; found %s", expected, text);
}

bool lam_pattern_match(const char *pattern, const char *text)
{
    regex_t regex;
    int rc = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);

    if (rc == REG_ESPACE)
        return false;
    assert(rc == 0);
    rc = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    return rc == 0;
}

const struct lam_field *lam_shape_find(const struct lam_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->count; i++)
        if (!strcmp(shape->fields[i].name, name))
            return &shape->fields[i];
    return NULL;
}

void lam_json_put(struct lam_checker *checker, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value))
        checker->memory = true;
}

/* A number as it is written: without a fraction, an integer. */
static json_t *number(double value)
{
    return value == floor(value) && fabs(value) < 9e15 ? json_integer((json_int_t)value) : json_real(value);
}

size_t lam_text_characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static json_t *check_string(struct lam_checker *checker, const struct lam_field *field, json_t *value,
                            const char *pointer, double min, double max)
{
    const char *text = json_string_value(value);
    size_t count;

    if (!text) {
        lam_problem_expected(checker, pointer, value, "%s", field->expected ? field->expected : "a string");
        return NULL;
    }
    count = lam_text_characters(text);
    if ((double)count < min || (double)count > max) {
        lam_problem_expected(checker, pointer, value, "%g to %g characters", min, max);
        return NULL;
    }
    if (field->pattern && !lam_pattern_match(field->pattern, text)) {
        lam_problem_expected(checker, pointer, value, "%s", field->expected);
        return NULL;
    }
    return json_string(text);
}

static json_t *check_strings(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *list = json_array(), *one;
    size_t i;

    if (!json_is_array(value)) {
        one = check_string(checker, field, value, pointer, 0, STRING_MAX);
        if (one)
            json_array_append_new(list, one);
        return list;
    }
    if (json_array_size(value) < 1 || (double)json_array_size(value) > field->max)
        lam_problem_expected(checker, pointer, value, "1 to %g strings", field->max);
    json_array_foreach(value, i, one) {
        char below[LAM_POINTER_MAX], index[24];

        snprintf(index, sizeof index, "%zu", i);
        lam_pointer_join(below, pointer, index);
        json_array_append_new(list, check_string(checker, field, one, below, 0, STRING_MAX));
    }
    return list;
}

static json_t *check_choice(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    const char *text = json_string_value(value), *best = NULL;
    char known[256] = "";
    double distance = 0;

    for (const char *const *choice = field->choices; *choice; choice++) {
        size_t len = strlen(known);

        if (text && !strcmp(text, *choice))
            return json_string(text);
        if (text)
            lam_nearest_try(text, *choice, &best, &distance);
        snprintf(known + len, sizeof known - len, "%s\"%s\"", len ? ", " : "", *choice);
    }
    if (field->choices[1])
        lam_problem_expected(checker, pointer, value, "one of %s", known);
    else
        lam_problem_expected(checker, pointer, value, "%s", known);
    return NULL;
}

static const char *range(double min, double max, char text[80])
{
    if (max)
        snprintf(text, 80, "from %.15g to %.15g", min, max);
    else
        snprintf(text, 80, "of at least %.15g", min);
    return text;
}

static json_t *check_number(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    static const char *const what[] = {[LAM_KIND_INT] = "an integer %s",
                                       [LAM_KIND_NUMBER] = "a number %s",
                                       [LAM_KIND_SIZE] = "a size in bytes %s, or text such as \"8 MiB\"",
                                       [LAM_KIND_DURATION] = "a time in seconds %s, or text such as \"5 s\" or \"10 min\""};
    bool whole = field->kind == LAM_KIND_INT || field->kind == LAM_KIND_SIZE;
    const char *text = json_string_value(value);
    double found = json_number_value(value);
    bool good = json_is_number(value);
    char limits[80];

    if (text && field->kind == LAM_KIND_SIZE) {
        good = lam_size_parse(text, &found);
        found = floor(found);
    }
    if (text && field->kind == LAM_KIND_DURATION)
        good = lam_duration_parse(text, &found);
    if (good && found >= field->min && (!field->max || found <= field->max) && (!whole || found == floor(found)))
        return number(found);
    lam_problem_expected(checker, pointer, value, what[field->kind], range(field->min, field->max, limits));
    return NULL;
}

static json_t *check_list(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *list, *one;
    size_t i;

    if (!json_is_array(value) || (double)json_array_size(value) > field->max) {
        lam_problem_expected(checker, pointer, value, "a list of at most %g objects", field->max);
        return NULL;
    }
    list = json_array();
    json_array_foreach(value, i, one) {
        char below[LAM_POINTER_MAX], index[24];
        json_t *checked;

        snprintf(index, sizeof index, "%zu", i);
        lam_pointer_join(below, pointer, index);
        checked = lam_shape_check(checker, field->shape, one, below);
        if (checked && json_array_append_new(list, checked))
            checker->memory = true;
    }
    return list;
}

static json_t *check_value(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    switch (field->kind) {
    case LAM_KIND_OBJECT:
        return lam_shape_check(checker, field->shape, value, pointer);
    case LAM_KIND_LIST:
        return check_list(checker, field, value, pointer);
    case LAM_KIND_STRING:
    case LAM_KIND_VIEW:
        return check_string(checker, field, value, pointer, field->min, field->max ? field->max : STRING_MAX);
    case LAM_KIND_STRINGS:
        return check_strings(checker, field, value, pointer);
    case LAM_KIND_CHOICE:
        return check_choice(checker, field, value, pointer);
    case LAM_KIND_BOOL:
        if (json_is_boolean(value))
            return json_boolean(json_is_true(value));
        lam_problem_expected(checker, pointer, value, "true or false");
        return NULL;
    case LAM_KIND_MAP:
        return field->check(checker, field, value, pointer);
    case LAM_KIND_RULE:
        return lam_rule_check(checker, value, pointer, 1);
    default:
        return check_number(checker, field, value, pointer);
    }
}

/* The field with the nearest name anywhere: someone may have put it into the wrong object. */
static void find_elsewhere(const struct lam_shape *shape, const char *name, const char *pointer,
                           char found[LAM_POINTER_MAX], double *distance)
{
    for (size_t i = 0; i < shape->count; i++) {
        const char *best = NULL;
        char below[LAM_POINTER_MAX];
        double near = 0;

        lam_pointer_join(below, pointer, shape->fields[i].name);
        lam_nearest_try(name, shape->fields[i].name, &best, &near);
        if (best && (!found[0] || near < *distance)) {
            snprintf(found, LAM_POINTER_MAX, "%s", below);
            *distance = near;
        }
        if (shape->fields[i].kind == LAM_KIND_OBJECT)
            find_elsewhere(shape->fields[i].shape, name, below, found, distance);
    }
}

static void unknown_field(struct lam_checker *checker, const struct lam_shape *shape, const char *name, const char *pointer)
{
    char below[LAM_POINTER_MAX], elsewhere[LAM_POINTER_MAX] = "", known[300] = "";
    const char *best = NULL;
    double distance = 0, further = 0;

    for (size_t i = 0; i < shape->count; i++) {
        size_t len = strlen(known);

        lam_nearest_try(name, shape->fields[i].name, &best, &distance);
        snprintf(known + len, sizeof known - len, "%s%s", len ? ", " : "", shape->fields[i].name);
    }
    lam_pointer_join(below, pointer, name);
    find_elsewhere(&lam_job_shape, name, "", elsewhere, &further);
    if (best && (!elsewhere[0] || distance <= further + 1))
        lam_problem_add(checker, below, "unknown field; did you mean \"%s\"?", best);
    else if (elsewhere[0])
        lam_problem_add(checker, below, "unknown field here; did you mean %s?", elsewhere);
    else if (shape->count)
        lam_problem_add(checker, below, "unknown field; known here: %s", known);
    else
        lam_problem_add(checker, below, "unknown field; there are none here");
}

json_t *lam_shape_check(struct lam_checker *checker, const struct lam_shape *shape, json_t *value, const char *pointer)
{
    json_t *given, *whole, *member;
    const char *name;

    if (json_is_object(value)) {
        given = json_incref(value);
    } else if (shape->shorthand && json_is_string(value)) {
        given = json_pack("{s:O}", shape->shorthand, value);
    } else {
        lam_problem_expected(checker, pointer, value, shape->shorthand ? "an object or a string" : "an object");
        return NULL;
    }
    whole = json_object();
    if (!given || !whole)
        checker->memory = true;
    json_object_foreach(given, name, member)
        if (!lam_shape_find(shape, name))
            unknown_field(checker, shape, name, pointer);
    for (size_t i = 0; i < shape->count; i++) {
        const struct lam_field *field = &shape->fields[i];
        uint32_t before = checker->problems->total;
        char below[LAM_POINTER_MAX];
        json_t *checked;

        member = json_incref(json_object_get(given, field->name));
        if (!member && field->flags & LAM_FIELD_REQUIRED)
            lam_problem_add(checker, pointer, "the field \"%s\" is missing", field->name);
        if (!member && field->def)
            member = json_loads(field->def, JSON_DECODE_ANY, NULL);
        if (!member)
            continue;
        lam_pointer_join(below, pointer, field->name);
        checked = check_value(checker, field, member, below);
        if (checked)
            lam_json_put(checker, whole, field->name, checked);
        else if (checker->problems->total == before)
            checker->memory = true;
        json_decref(member);
    }
    json_decref(given);
    return whole;
}
