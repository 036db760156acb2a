#include "rules.h"

static const struct lam_sv words[] = {
    [LAM_RULE_ANY] = {"any", 3},
    [LAM_RULE_ALL] = {"all", 3},
    [LAM_RULE_NOT] = {"not", 3},
    [LAM_RULE_EQ] = {"eq", 2},
    [LAM_RULE_NE] = {"ne", 2},
    [LAM_RULE_LT] = {"lt", 2},
    [LAM_RULE_LE] = {"le", 2},
    [LAM_RULE_GT] = {"gt", 2},
    [LAM_RULE_GE] = {"ge", 2},
    [LAM_RULE_IN] = {"in", 2},
    [LAM_RULE_EXISTS] = {"exists", 6},
    [LAM_RULE_LONGER] = {"longer", 6},
    [LAM_RULE_CONTAINS] = {"contains", 8},
};

int lam_rule_op_of(struct lam_sv word)
{
    for (int op = 0; op < (int)(sizeof words / sizeof *words); op++)
        if (lam_sv_eq(words[op], word))
            return op;
    return -1;
}

struct lam_rule_value lam_rule_value_json(const struct lam_json *json, uint32_t at)
{
    struct lam_rule_value value = {.type = lam_json_type(json, at)};

    switch (value.type) {
    case LAM_JSON_BOOL:
        value.boolean = lam_json_bool(json, at);
        break;
    case LAM_JSON_NUMBER:
        lam_json_number(json, at, &value.number);
        break;
    case LAM_JSON_STRING:
        value.text = lam_json_string(json, at);
        break;
    case LAM_JSON_ARRAY:
    case LAM_JSON_OBJECT:
        value.json = json;
        value.at = at;
        break;
    default:
        break;
    }
    return value;
}

static bool equal(const struct lam_rule_value *a, const struct lam_rule_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case LAM_JSON_NULL:
        return true;
    case LAM_JSON_BOOL:
        return a->boolean == b->boolean;
    case LAM_JSON_NUMBER:
        return lam_number_cmp(&a->number, &b->number) == 0;
    case LAM_JSON_STRING:
        return lam_sv_eq(a->text, b->text);
    default:
        return false; /* containers equal nothing */
    }
}

/* False: they have no order. */
static bool compare(const struct lam_rule_value *a, const struct lam_rule_value *b, int *order)
{
    if (a->type != b->type)
        return false;
    if (a->type == LAM_JSON_NUMBER)
        *order = lam_number_cmp(&a->number, &b->number);
    else if (a->type == LAM_JSON_STRING)
        *order = lam_sv_cmp(a->text, b->text);
    else
        return false;
    return true;
}

static uint64_t length(const struct lam_rule_value *value)
{
    uint64_t count = 0;

    if (value->type == LAM_JSON_STRING) {
        for (size_t i = 0; i < value->text.len; i++)
            count += ((unsigned char)value->text.ptr[i] & 0xc0) != 0x80;
    } else if (value->type == LAM_JSON_ARRAY) {
        struct lam_json_iter iter = lam_json_iter(value->json, value->at);

        while (lam_json_next(&iter))
            count++;
    }
    return count;
}

static bool longer(const struct lam_rule_value *value, const struct lam_rule_value *than)
{
    struct lam_number n = {.kind = LAM_NUMBER_U64, .u64 = length(value)};

    return (value->type == LAM_JSON_STRING || value->type == LAM_JSON_ARRAY) && than->type == LAM_JSON_NUMBER &&
           lam_number_cmp(&n, &than->number) > 0;
}

static bool contains(const struct lam_rule_value *value, const struct lam_rule_value *part)
{
    if (value->type == LAM_JSON_STRING)
        return part->type == LAM_JSON_STRING &&
               (part->text.len == 0 || memmem(value->text.ptr, value->text.len, part->text.ptr, part->text.len));
    if (value->type == LAM_JSON_ARRAY) {
        struct lam_json_iter iter = lam_json_iter(value->json, value->at);

        while (lam_json_next(&iter)) {
            struct lam_rule_value element = lam_rule_value_json(value->json, iter.value);

            if (equal(&element, part))
                return true;
        }
    }
    return false;
}

static bool in(const struct lam_rule *rule, const struct lam_rule_value *value)
{
    for (size_t i = 0; i < rule->value_count; i++)
        if (equal(value, &rule->values[i]))
            return true;
    return false;
}

static bool eval_field(const struct lam_rule *rule, const struct lam_rule_source *source)
{
    struct lam_rule_value value = {0};
    const struct lam_rule_value *wanted = rule->values;
    int order;

    if (rule->value_count == 0)
        return false; /* an empty `in`, or a tree that nobody checked */
    if (!source->get(source->arg, rule->field, &value))
        value.type = LAM_JSON_ABSENT;
    if (rule->op == LAM_RULE_EXISTS)
        return wanted->boolean == (value.type != LAM_JSON_ABSENT && value.type != LAM_JSON_NULL);
    if (rule->op == LAM_RULE_NE)
        return !equal(&value, wanted);
    if (value.type == LAM_JSON_ABSENT)
        return false;
    switch (rule->op) {
    case LAM_RULE_EQ:
        return equal(&value, wanted);
    case LAM_RULE_LT:
        return compare(&value, wanted, &order) && order < 0;
    case LAM_RULE_LE:
        return compare(&value, wanted, &order) && order <= 0;
    case LAM_RULE_GT:
        return compare(&value, wanted, &order) && order > 0;
    case LAM_RULE_GE:
        return compare(&value, wanted, &order) && order >= 0;
    case LAM_RULE_IN:
        return in(rule, &value);
    case LAM_RULE_LONGER:
        return longer(&value, wanted);
    case LAM_RULE_CONTAINS:
        return contains(&value, wanted);
    default:
        return false;
    }
}

static bool eval(const struct lam_rule *rule, const struct lam_rule_source *source, int depth)
{
    bool any = rule->op == LAM_RULE_ANY;

    if (rule->op != LAM_RULE_ANY && rule->op != LAM_RULE_ALL && rule->op != LAM_RULE_NOT)
        return eval_field(rule, source);
    if (depth == 0)
        return false;
    if (rule->op == LAM_RULE_NOT)
        return rule->child_count && !eval(rule->children, source, depth - 1);
    for (size_t i = 0; i < rule->child_count; i++)
        if (eval(&rule->children[i], source, depth - 1) == any)
            return any;
    return !any;
}

bool lam_rule_eval(const struct lam_rule *rule, const struct lam_rule_source *source) { return rule && eval(rule, source, LAM_RULE_DEPTH); }

static bool get_json(void *arg, struct lam_sv field, struct lam_rule_value *value)
{
    const struct lam_json *json = arg;

    *value = lam_rule_value_json(json, lam_json_find(json, LAM_JSON_ROOT, field));
    return value->type != LAM_JSON_ABSENT;
}

bool lam_rule_eval_json(const struct lam_rule *rule, const struct lam_json *json)
{
    const struct lam_rule_source source = {get_json, (void *)(uintptr_t)json};

    return lam_rule_eval(rule, &source);
}

/* --- over a record --- */

struct of_record {
    const struct lam_json *json;
    const struct lam_record *rec;
};

static bool record_field(void *arg, struct lam_sv field, struct lam_rule_value *value)
{
    const struct of_record *of = arg;

    if (lam_sv_eq(field, LAM_SV("$text")))
        *value = lam_rule_value_string(of->rec->text);
    else if (lam_sv_eq(field, LAM_SV("$key")))
        *value = lam_rule_value_string(of->rec->key);
    else
        return get_json((void *)(uintptr_t)of->json, field, value);
    return true;
}

bool lam_rule_holds(const struct lam_rule *rule, const struct lam_json *json, const struct lam_record *rec)
{
    struct of_record of = {json, rec};
    const struct lam_rule_source source = {record_field, &of};

    return lam_rule_eval(rule, &source);
}
