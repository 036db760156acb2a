/* Filters from JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "config/nearest.h"
#include "filter_tree.h"

#define AT_MAX 512

/* A place in the request, as a JSON pointer. */
struct at {
    char text[AT_MAX];
};

static struct at below(const struct at *at, const char *name)
{
    struct at deeper;
    int len = snprintf(deeper.text, sizeof deeper.text, "%s/", at->text);
    size_t used = len < AT_MAX ? (size_t)len : AT_MAX - 1;

    for (; *name && used + 3 < AT_MAX; name++)
        if (*name == '~' || *name == '/') {
            deeper.text[used++] = '~';
            deeper.text[used++] = *name == '~' ? '0' : '1';
        } else {
            deeper.text[used++] = *name;
        }
    deeper.text[used] = '\0';
    return deeper;
}

static struct at below_index(const struct at *at, size_t i)
{
    char name[24];

    snprintf(name, sizeof name, "%zu", i);
    return below(at, name);
}

static int placed(int rc, const struct at *at, struct lam_error *err)
{
    return rc ? LAM_PASS(err, rc, "%s", *at->text ? at->text : "/") : 0;
}

static int read_time(json_t *json, int64_t *time_us, struct lam_error *err)
{
    if (json_is_string(json))
        return lam_time_parse(lam_sv(json_string_value(json), json_string_length(json)), time_us, err);
    if (!json_is_integer(json))
        return LAM_FAIL(err, LAM_E_INVALID, "expected a time such as \"2026-11-22T19:48:51Z\"");
    if (json_integer_value(json) <= -LAM_TIME_INTEGER_MAX || json_integer_value(json) >= LAM_TIME_INTEGER_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "%" JSON_INTEGER_FORMAT " is no time", json_integer_value(json));
    *time_us = lam_time_of_integer(json_integer_value(json));
    return 0;
}

static struct lam_number read_number(json_t *json)
{
    return json_is_integer(json) ? lam_number_int(json_integer_value(json)) : lam_number_double(json_real_value(json));
}

/* A scalar, as the kind of field wants it. */
static int read_value(struct lam_filter *filter, enum lam_field_kind kind, json_t *json, struct lam_rule_value *value,
                      struct lam_error *err)
{
    struct lam_sv text;
    int64_t time_us;
    int rc;

    if (json_is_null(json)) {
        *value = (struct lam_rule_value){.type = LAM_JSON_NULL};
        return 0;
    }
    if (kind == LAM_FIELD_TIME) {
        if ((rc = read_time(json, &time_us, err)))
            return rc;
        *value = lam_rule_value_number(lam_number_int(time_us));
        return 0;
    }
    if (json_is_string(json) && (kind == LAM_FIELD_TEXT || kind == LAM_FIELD_ANY)) {
        if ((rc = lam_filter_copy(filter, lam_sv(json_string_value(json), json_string_length(json)), &text, err)))
            return rc;
        *value = lam_rule_value_string(text);
        return 0;
    }
    if (json_is_number(json) && kind == LAM_FIELD_FLOAT) {
        *value = lam_rule_value_number(lam_number_double((float)json_number_value(json)));
        return 0;
    }
    if (json_is_number(json) && (kind == LAM_FIELD_NUMBER || kind == LAM_FIELD_ANY)) {
        *value = lam_rule_value_number(read_number(json));
        return 0;
    }
    if (json_is_boolean(json) && (kind == LAM_FIELD_BOOL || kind == LAM_FIELD_ANY)) {
        *value = lam_rule_value_bool(json_is_true(json));
        return 0;
    }
    return LAM_FAIL(err, LAM_E_INVALID, "expected %s", kind == LAM_FIELD_TEXT ? "a string" : kind == LAM_FIELD_BOOL ? "true or false"
                                                     : kind == LAM_FIELD_ANY  ? "a string, a number, true, false or null" : "a number");
}

static int read_list(struct lam_filter *filter, enum lam_field_kind kind, json_t *json, struct lam_rule_value **values, const struct at *at,
                     struct lam_error *err)
{
    size_t count = json_array_size(json);
    int rc;

    if (!json_is_array(json) || !count)
        return placed(LAM_FAIL(err, LAM_E_INVALID, "expected a list of values"), at, err);
    if (!(*values = lam_filter_values(filter, count, err)))
        return placed(LAM_E_LIMIT, at, err);
    for (size_t i = 0; i < count; i++) {
        struct at place = below_index(at, i);

        rc = read_value(filter, kind, json_array_get(json, i), &(*values)[i], err);
        if (!rc && kind != LAM_FIELD_ANY && (*values)[i].type == LAM_JSON_NULL)
            rc = LAM_FAIL(err, LAM_E_INVALID, "null stands alone, with eq or ne");
        if (rc)
            return placed(rc, &place, err);
    }
    return 0;
}

/* Of one value: what this test wants besides. */
static int check_operand(int test, enum lam_field_kind kind, json_t *json, struct lam_error *err)
{
    switch (test) {
    case LAM_RULE_EXISTS:
        return json_is_boolean(json) ? 0 : LAM_FAIL(err, LAM_E_INVALID, "expected true or false");
    case LAM_RULE_LONGER:
        return json_is_integer(json) && json_integer_value(json) >= 0 ? 0 : LAM_FAIL(err, LAM_E_INVALID, "expected a number of characters");
    case LAM_TEST_PREFIX:
        return json_string_length(json) ? 0 : LAM_FAIL(err, LAM_E_INVALID, "expected a string that is not empty");
    case LAM_RULE_CONTAINS:
        return !json_is_null(json) ? 0 : LAM_FAIL(err, LAM_E_INVALID, "expected a value to look for");
    case LAM_RULE_EQ:
    case LAM_RULE_NE:
        return 0;
    default:
        if (json_is_number(json) || json_is_string(json) || kind == LAM_FIELD_BOOL)
            return 0;
        return LAM_FAIL(err, LAM_E_INVALID, "expected a number or a string");
    }
}

static int add_test(struct lam_filter *filter, struct lam_sv field, enum lam_field_kind kind, const char *name,
                    json_t *json, const struct at *at, struct lam_rule *rule, struct lam_error *err)
{
    struct lam_rule_value *values = NULL;
    struct at place = below(at, name);
    int test = lam_test_of(lam_sv_of(name));
    size_t count = test == LAM_RULE_IN ? json_array_size(json) : 1;
    int rc;

    if (test < 0)
        return placed(LAM_FAIL(err, LAM_E_INVALID, "unknown test; known are " LAM_TEST_NAMES), &place, err);
    if ((rc = lam_test_fits(test, kind, field, err)))
        return placed(rc, &place, err);
    if (test == LAM_RULE_IN) {
        if ((rc = read_list(filter, kind, json, &values, &place, err)))
            return rc;
    } else {
        enum lam_field_kind wanted = test == LAM_RULE_EXISTS ? LAM_FIELD_BOOL : test == LAM_RULE_LONGER ? LAM_FIELD_NUMBER : kind;

        if ((rc = check_operand(test, kind, json, err)))
            return placed(rc, &place, err);
        if (!(values = lam_filter_values(filter, 1, err)))
            return placed(LAM_E_LIMIT, &place, err);
        if ((rc = read_value(filter, wanted, json, values, err)))
            return placed(rc, &place, err);
    }
    return placed(lam_filter_make(filter, field, kind, test, values, count, rule, err), &place, err);
}

static int add_tests(struct lam_filter *filter, json_t *json, const struct at *at, struct lam_rule *rule, struct lam_error *err)
{
    json_t *name = json_object_get(json, "field"), *operand;
    struct at place = below(at, "field");
    size_t count = json_object_size(json) - 1, i = 0;
    struct lam_rule *rules = rule;
    enum lam_field_kind kind;
    struct lam_sv field;
    const char *word;
    int rc;

    if (!json_is_string(name))
        return placed(LAM_FAIL(err, LAM_E_INVALID, "expected the name of a field, or a JSON pointer such as \"/revision\""), &place, err);
    if ((rc = lam_field_check(lam_sv(json_string_value(name), json_string_length(name)), &kind, &filter->wants, err)) ||
        (rc = lam_filter_copy(filter, lam_sv(json_string_value(name), json_string_length(name)), &field, err)))
        return placed(rc, &place, err);
    if (!count)
        return placed(LAM_FAIL(err, LAM_E_INVALID, "nothing is said about the field; known tests are " LAM_TEST_NAMES), at, err);
    if (count > 1) {
        if (!(rules = lam_filter_rules(filter, count, err)))
            return placed(LAM_E_LIMIT, at, err);
        *rule = (struct lam_rule){.op = LAM_RULE_ALL, .children = rules, .child_count = count};
    }
    json_object_foreach(json, word, operand)
        if (strcmp(word, "field") && (rc = add_test(filter, field, kind, word, operand, at, &rules[i++], err)))
            return rc;
    return 0;
}

static int add_rule(struct lam_filter *filter, json_t *json, const struct at *at, unsigned depth, struct lam_rule *rule,
                    struct lam_error *err);

static int add_several(struct lam_filter *filter, json_t *list, const struct at *at, unsigned depth,
                       enum lam_rule_op op, struct lam_rule *rule, struct lam_error *err)
{
    size_t count = op == LAM_RULE_NOT ? 1 : json_array_size(list);
    struct lam_rule *rules;
    int rc;

    if (op != LAM_RULE_NOT && !json_is_array(list))
        return placed(LAM_FAIL(err, LAM_E_INVALID, "expected a list of conditions"), at, err);
    if (!(rules = lam_filter_rules(filter, count, err)))
        return placed(LAM_E_LIMIT, at, err);
    *rule = (struct lam_rule){.op = op, .children = rules, .child_count = count};
    for (size_t i = 0; i < count; i++) {
        struct at place = op == LAM_RULE_NOT ? *at : below_index(at, i);

        if ((rc = add_rule(filter, op == LAM_RULE_NOT ? list : json_array_get(list, i), &place, depth + 1, &rules[i], err)))
            return rc;
    }
    return 0;
}

static int add_rule(struct lam_filter *filter, json_t *json, const struct at *at, unsigned depth, struct lam_rule *rule,
                    struct lam_error *err)
{
    static const char *const words[] = {"any", "all", "not"};
    static const enum lam_rule_op ops[] = {LAM_RULE_ANY, LAM_RULE_ALL, LAM_RULE_NOT};

    if (depth > LAM_FILTER_MAX_DEPTH)
        return placed(LAM_FAIL(err, LAM_E_LIMIT, "conditions are nested deeper than %d", LAM_FILTER_MAX_DEPTH), at, err);
    for (size_t i = 0; i < 3; i++) {
        json_t *inside = json_object_get(json, words[i]);
        struct at place;

        if (!inside)
            continue;
        if (json_object_size(json) > 1)
            return placed(LAM_FAIL(err, LAM_E_INVALID,
                                   "\"%s\" stands alone: put other conditions into an object of their own", words[i]),
                          at, err);
        place = below(at, words[i]);
        return add_several(filter, inside, &place, depth, ops[i], rule, err);
    }
    if (!json_is_object(json) || !json_object_size(json))
        return placed(LAM_FAIL(err, LAM_E_INVALID,
                               "expected a condition: {\"field\": \"category\", \"eq\": \"billing\"}, {\"all\": […]}, "
                               "{\"any\": […]}, {\"not\": …}"),
                      at, err);
    return add_tests(filter, json, at, rule, err);
}

int lam_filter_add_parsed(struct lam_filter *filter, struct json_t *json, const char *at, struct lam_error *err)
{
    struct lam_rule *top = lam_filter_top(filter, err);
    struct at place;

    snprintf(place.text, sizeof place.text, "%s", at);
    return top ? add_rule(filter, json, &place, 1, top, err) : placed(LAM_E_LIMIT, &place, err);
}

int lam_filter_add_json(struct lam_filter *filter, struct lam_sv json, const char *at, struct lam_error *err)
{
    json_error_t where;
    json_t *parsed = json_loadb(json.len ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    int rc;

    if (!parsed)
        return LAM_FAIL(err, LAM_E_INVALID, "%s: no JSON at byte %d: %s", *at ? at : "/", where.position, where.text);
    rc = lam_filter_add_parsed(filter, parsed, at, err);
    json_decref(parsed);
    return rc;
}
