/* Conditions on a record's fields (model/rules.h): checked and put together here, evaluated by whoever has records. */
#include <string.h>

#include "nearest.h"
#include "shape.h"

#define FIELD_PATTERN "^(\\$text|\\$key|(/([^~/]|~[01])*)+)$"
#define FIELD_EXPECTED "a JSON pointer such as \"/priority\", or \"$text\" or \"$key\""

#define DEPTH_MAX 8 /* of those that people write; model/rules.h evaluates deeper ones */
#define RULES_MAX 200
#define VALUES_MAX 1000

enum operand { SCALAR, ORDERED, SCALARS, LENGTH, BOOLEAN };

static const struct condition {
    const char *name;
    enum lam_rule_op op;
    enum operand operand;
    const char *expected;
} conditions[] = {
    {"eq", LAM_RULE_EQ, SCALAR, "a string, a number, true, false or null"},
    {"ne", LAM_RULE_NE, SCALAR, "a string, a number, true, false or null"},
    {"lt", LAM_RULE_LT, ORDERED, "a number or a string"},
    {"le", LAM_RULE_LE, ORDERED, "a number or a string"},
    {"gt", LAM_RULE_GT, ORDERED, "a number or a string"},
    {"ge", LAM_RULE_GE, ORDERED, "a number or a string"},
    {"in", LAM_RULE_IN, SCALARS, "a list of strings, numbers, true, false or null"},
    {"contains", LAM_RULE_CONTAINS, SCALAR, "a string, a number, true, false or null"},
    {"longer", LAM_RULE_LONGER, LENGTH, "a number of characters"},
    {"exists", LAM_RULE_EXISTS, BOOLEAN, "true or false"},
};
#define CONDITIONS (sizeof conditions / sizeof *conditions)

static const struct condition *find_condition(const char *name)
{
    for (size_t i = 0; i < CONDITIONS; i++)
        if (!strcmp(conditions[i].name, name))
            return &conditions[i];
    return NULL;
}

static bool is_scalar(json_t *value) { return !json_is_object(value) && !json_is_array(value); }

static bool are_scalars(json_t *list)
{
    json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
        if (!is_scalar(value))
            return false;
    return json_array_size(list) >= 1 && json_array_size(list) <= VALUES_MAX;
}

static bool fits(enum operand operand, json_t *value)
{
    switch (operand) {
    case SCALAR:
        return is_scalar(value);
    case ORDERED:
        return json_is_number(value) || json_is_string(value);
    case SCALARS:
        return json_is_array(value) && are_scalars(value);
    case LENGTH:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    default:
        return json_is_boolean(value);
    }
}

static void unknown_condition(struct lam_checker *checker, const char *name, const char *pointer)
{
    static const char *const more[] = {"field", "any", "all", "not"};
    const char *best = NULL;
    double distance = 0;

    for (size_t i = 0; i < CONDITIONS; i++)
        lam_nearest_try(name, conditions[i].name, &best, &distance);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        lam_nearest_try(name, more[i], &best, &distance);
    if (best)
        lam_problem_add(checker, pointer, "unknown condition; did you mean \"%s\"?", best);
    else
        lam_problem_add(checker, pointer, "unknown condition; known are eq, ne, lt, le, gt, ge, in, contains, longer, exists");
}

static void check_conditions(struct lam_checker *checker, json_t *value, const char *pointer)
{
    const char *field = json_string_value(json_object_get(value, "field")), *name;
    char below[LAM_POINTER_MAX];
    size_t count = 0;
    json_t *operand;

    lam_pointer_join(below, pointer, "field");
    if (!field)
        lam_problem_add(checker, pointer,
                        "expected a rule: {\"any\": […]}, {\"all\": […]}, {\"not\": …}, or {\"field\": \"/name\", "
                        "\"eq\": …}");
    else if (strlen(field) > 1000 || !lam_pattern_match(FIELD_PATTERN, field))
        lam_problem_expected(checker, below, json_object_get(value, "field"), "%s", FIELD_EXPECTED);
    json_object_foreach(value, name, operand) {
        const struct condition *condition = find_condition(name);

        lam_pointer_join(below, pointer, name);
        if (!strcmp(name, "field"))
            continue;
        if (!condition)
            unknown_condition(checker, name, below);
        else if (!fits(condition->operand, operand))
            lam_problem_expected(checker, below, operand, "%s", condition->expected);
        count++;
    }
    if (field && !count)
        lam_problem_add(checker, pointer,
                        "the rule says nothing about its field; known are eq, ne, lt, le, gt, ge, in, contains, "
                        "longer, exists");
}

static void check_several(struct lam_checker *checker, json_t *list, const char *pointer, int depth)
{
    json_t *one;
    size_t i;

    if (!json_array_size(list)) {
        lam_problem_expected(checker, pointer, list, "a list of rules");
        return;
    }
    json_array_foreach(list, i, one) {
        char below[LAM_POINTER_MAX], index[24];

        snprintf(index, sizeof index, "%zu", i);
        lam_pointer_join(below, pointer, index);
        json_decref(lam_rule_check(checker, one, below, depth + 1));
    }
}

json_t *lam_rule_check(struct lam_checker *checker, json_t *value, const char *pointer, int depth)
{
    static const char *const groups[] = {"any", "all", "not"};
    uint32_t before = checker->problems->total;

    if (depth > DEPTH_MAX) {
        lam_problem_add(checker, pointer, "rules are nested deeper than %d", DEPTH_MAX);
        return NULL;
    }
    if (checker->rules++ == RULES_MAX)
        lam_problem_add(checker, pointer, "more than %d rules", RULES_MAX);
    if (checker->rules > RULES_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        json_t *inside = json_object_get(value, groups[i]);
        char below[LAM_POINTER_MAX];

        if (!inside)
            continue;
        lam_pointer_join(below, pointer, groups[i]);
        if (json_object_size(value) > 1)
            lam_problem_add(checker, pointer,
                            "\"%s\" stands alone in a rule; put the other conditions into a rule of their own",
                            groups[i]);
        if (!strcmp(groups[i], "not"))
            json_decref(lam_rule_check(checker, inside, below, depth + 1));
        else
            check_several(checker, inside, below, depth);
        return checker->problems->total == before ? json_incref(value) : NULL;
    }
    if (json_is_object(value))
        check_conditions(checker, value, pointer);
    else
        lam_problem_expected(checker, pointer, value, "a rule");
    return checker->problems->total == before ? json_incref(value) : NULL;
}

static int fill_value(struct lam_arena *arena, json_t *json, struct lam_rule_value *value)
{
    struct lam_sv text = lam_sv(json_string_value(json), json_string_length(json));

    switch (json_typeof(json)) {
    case JSON_STRING:
        text.ptr = lam_arena_string(arena, text.ptr, text.len);
        *value = lam_rule_value_string(text);
        return text.ptr ? 0 : LAM_E_MEMORY;
    case JSON_INTEGER:
        *value = lam_rule_value_number(lam_number_int(json_integer_value(json)));
        return 0;
    case JSON_REAL:
        *value = lam_rule_value_number(lam_number_double(json_real_value(json)));
        return 0;
    case JSON_NULL:
        *value = (struct lam_rule_value){.type = LAM_JSON_NULL};
        return 0;
    default:
        *value = lam_rule_value_bool(json_is_true(json));
        return 0;
    }
}

static int fill_rule(struct lam_arena *arena, json_t *json, struct lam_rule *rule);

static int fill_several(struct lam_arena *arena, json_t *list, struct lam_rule *rule)
{
    size_t count = json_array_size(list);
    struct lam_rule *rules = lam_arena_alloc(arena, count * sizeof *rules);

    if (!rules)
        return LAM_E_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (fill_rule(arena, json_array_get(list, i), &rules[i]))
            return LAM_E_MEMORY;
    rule->children = rules;
    rule->child_count = count;
    return 0;
}

static int fill_condition(struct lam_arena *arena, const struct condition *condition, struct lam_sv field,
                          json_t *operand, struct lam_rule *rule)
{
    size_t count = condition->operand == SCALARS ? json_array_size(operand) : 1;
    struct lam_rule_value *values;

    *rule = (struct lam_rule){.op = condition->op, .field = field};
    values = lam_arena_alloc(arena, count * sizeof *values);
    if (!values)
        return LAM_E_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (fill_value(arena, condition->operand == SCALARS ? json_array_get(operand, i) : operand, &values[i]))
            return LAM_E_MEMORY;
    rule->values = values;
    rule->value_count = count;
    return 0;
}

/* {"field", "ge", "lt"}: all of its conditions; one condition is itself the rule. */
static int fill_conditions(struct lam_arena *arena, json_t *json, struct lam_rule *rule)
{
    size_t count = json_object_size(json) - 1, i = 0;
    struct lam_rule *rules = rule;
    json_t *field = json_object_get(json, "field"), *operand;
    struct lam_sv name = {lam_arena_string(arena, json_string_value(field), json_string_length(field)), json_string_length(field)};
    const char *key;

    if (!name.ptr)
        return LAM_E_MEMORY;
    if (count > 1) {
        rules = lam_arena_alloc(arena, count * sizeof *rules);
        if (!rules)
            return LAM_E_MEMORY;
        *rule = (struct lam_rule){.op = LAM_RULE_ALL, .children = rules, .child_count = count};
    }
    json_object_foreach(json, key, operand)
        if (strcmp(key, "field") && fill_condition(arena, find_condition(key), name, operand, &rules[i++]))
            return LAM_E_MEMORY;
    return 0;
}

static int fill_rule(struct lam_arena *arena, json_t *json, struct lam_rule *rule)
{
    json_t *inside;
    struct lam_rule *one;

    memset(rule, 0, sizeof *rule);
    if ((inside = json_object_get(json, "any")) || (inside = json_object_get(json, "all"))) {
        rule->op = json_object_get(json, "any") ? LAM_RULE_ANY : LAM_RULE_ALL;
        return fill_several(arena, inside, rule);
    }
    if ((inside = json_object_get(json, "not"))) {
        one = lam_rule_fill(arena, inside);
        rule->op = LAM_RULE_NOT;
        rule->children = one;
        rule->child_count = 1;
        return one ? 0 : LAM_E_MEMORY;
    }
    return fill_conditions(arena, json, rule);
}

struct lam_rule *lam_rule_fill(struct lam_arena *arena, json_t *checked)
{
    struct lam_rule *rule = lam_arena_alloc(arena, sizeof *rule);

    return rule && !fill_rule(arena, checked, rule) ? rule : NULL;
}

json_t *lam_rule_schema(void)
{
    return json_loads(
        "{\"description\": \"A condition on a record's fields; several conditions on one field must all hold.\", \"type\": \"object\","
        " \"oneOf\": ["
        "  {\"properties\": {\"any\": {\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/rule\"}}},"
        "   \"required\": [\"any\"], \"additionalProperties\": false},"
        "  {\"properties\": {\"all\": {\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/rule\"}}},"
        "   \"required\": [\"all\"], \"additionalProperties\": false},"
        "  {\"properties\": {\"not\": {\"$ref\": \"#/$defs/rule\"}}, \"required\": [\"not\"], \"additionalProperties\": false},"
        "  {\"properties\": {"
        "    \"field\": {\"type\": \"string\", \"maxLength\": 1000, \"pattern\": \"^(\\\\$text|\\\\$key|(/([^~/]|~[01])*)+)$\","
        "                \"description\": \"A JSON pointer, or $text (the text that is analysed) or $key.\"},"
        "    \"eq\": {\"$ref\": \"#/$defs/scalar\"}, \"ne\": {\"$ref\": \"#/$defs/scalar\"},"
        "    \"lt\": {\"type\": [\"number\", \"string\"]}, \"le\": {\"type\": [\"number\", \"string\"]},"
        "    \"gt\": {\"type\": [\"number\", \"string\"]}, \"ge\": {\"type\": [\"number\", \"string\"]},"
        "    \"in\": {\"type\": \"array\", \"minItems\": 1, \"maxItems\": 1000, \"items\": {\"$ref\": \"#/$defs/scalar\"}},"
        "    \"contains\": {\"$ref\": \"#/$defs/scalar\"},"
        "    \"longer\": {\"type\": \"integer\", \"minimum\": 0, \"description\": \"More characters, or elements, than this.\"},"
        "    \"exists\": {\"type\": \"boolean\"}},"
        "   \"required\": [\"field\"], \"minProperties\": 2, \"additionalProperties\": false}]}",
        0, NULL);
}
