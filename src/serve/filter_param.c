/* Filters from query parameters. */
#include "base/clock.h"
#include "filter_tree.h"

/* As many values as the text can be read as: the text itself, a number, a truth value. */
#define READINGS 3

static int read_any(struct lam_filter *filter, struct lam_sv text, struct lam_rule_value *values, size_t *count, struct lam_error *err)
{
    struct lam_number number;
    struct lam_sv copy;
    int rc = lam_filter_copy(filter, text, &copy, err);

    if (rc)
        return rc;
    values[(*count)++] = lam_rule_value_string(copy);
    if (!lam_number_parse(text, &number, NULL))
        values[(*count)++] = lam_rule_value_number(number);
    else if (lam_sv_eq(text, LAM_SV("true")) || lam_sv_eq(text, LAM_SV("false")))
        values[(*count)++] = lam_rule_value_bool(text.len == 4);
    return 0;
}

static int read_typed(struct lam_filter *filter, enum lam_field_kind kind, struct lam_sv text,
                      struct lam_rule_value *value, struct lam_error *err)
{
    struct lam_number number;
    struct lam_sv copy;
    int64_t time_us;
    int rc;

    switch (kind) {
    case LAM_FIELD_NUMBER:
    case LAM_FIELD_FLOAT:
        if ((rc = lam_number_parse(text, &number, err)))
            return rc;
        *value = lam_rule_value_number(kind == LAM_FIELD_FLOAT ? lam_number_double((float)lam_number_as_double(&number)) : number);
        return 0;
    case LAM_FIELD_TIME:
        if ((rc = lam_time_parse(text, &time_us, err)))
            return rc;
        *value = lam_rule_value_number(lam_number_int(time_us));
        return 0;
    case LAM_FIELD_BOOL:
        if (!lam_sv_eq(text, LAM_SV("true")) && !lam_sv_eq(text, LAM_SV("false")))
            return LAM_FAIL(err, LAM_E_INVALID, "expected true or false, not \"%.*s\"", LAM_SV_ARG(text));
        *value = lam_rule_value_bool(text.len == 4);
        return 0;
    default:
        if ((rc = lam_filter_copy(filter, text, &copy, err)))
            return rc;
        *value = lam_rule_value_string(copy);
        return 0;
    }
}

static int read_value(struct lam_filter *filter, enum lam_field_kind kind, struct lam_sv text, struct lam_rule_value *values, size_t *count,
                      struct lam_error *err)
{
    int rc;

    if (kind == LAM_FIELD_ANY)
        return read_any(filter, text, values, count, err);
    if (!(rc = read_typed(filter, kind, text, &values[*count], err)))
        ++*count;
    return rc;
}

/* eq, ne and in: is any reading of any of the texts there? */
static int add_equal(struct lam_filter *filter, struct lam_sv field, enum lam_field_kind kind, int test,
                     struct lam_sv text, struct lam_rule *rule, struct lam_error *err)
{
    struct lam_rule *inside = test == LAM_RULE_NE ? lam_filter_rules(filter, 1, err) : rule;
    struct lam_rule_value *values;
    size_t texts = 1, count = 0;
    int rc;

    for (size_t i = 0; test == LAM_RULE_IN && i < text.len; i++)
        texts += text.ptr[i] == ',';
    if (!inside || !(values = lam_filter_values(filter, texts * READINGS, err)))
        return LAM_E_LIMIT;
    for (;;) {
        const char *comma = test == LAM_RULE_IN && text.len ? memchr(text.ptr, ',', text.len) : NULL;
        struct lam_sv one = lam_sv(text.ptr, comma ? (size_t)(comma - text.ptr) : text.len);

        if ((rc = read_value(filter, kind, one, values, &count, err)))
            return rc;
        if (!comma)
            break;
        text = lam_sv(comma + 1, text.len - one.len - 1);
    }
    *inside = (struct lam_rule){.op = LAM_RULE_IN, .field = field, .values = values, .value_count = count};
    if (inside != rule)
        *rule = (struct lam_rule){.op = LAM_RULE_NOT, .children = inside, .child_count = 1};
    return 0;
}

/* All else: the test holds for one of the readings. */
static int add_other(struct lam_filter *filter, struct lam_sv field, enum lam_field_kind kind, int test,
                     struct lam_sv text, struct lam_rule *rule, struct lam_error *err)
{
    enum lam_field_kind wanted = test == LAM_RULE_EXISTS  ? LAM_FIELD_BOOL
                                 : test == LAM_RULE_LONGER ? LAM_FIELD_NUMBER
                                 : test == (int)LAM_TEST_PREFIX ? LAM_FIELD_TEXT : kind;
    struct lam_rule_value *values = lam_filter_values(filter, READINGS, err);
    struct lam_rule *rules;
    size_t count = 0;
    int rc;

    if (!values)
        return LAM_E_LIMIT;
    if ((rc = read_value(filter, wanted, text, values, &count, err)))
        return rc;
    if (test == (int)LAM_TEST_PREFIX && !text.len)
        return LAM_FAIL(err, LAM_E_INVALID, "expected a prefix");
    if (count == 1)
        return lam_filter_make(filter, field, kind, test, values, 1, rule, err);
    if (!(rules = lam_filter_rules(filter, count, err)))
        return LAM_E_LIMIT;
    for (size_t i = 0; i < count; i++)
        if ((rc = lam_filter_make(filter, field, kind, test, &values[i], 1, &rules[i], err)))
            return rc;
    *rule = (struct lam_rule){.op = LAM_RULE_ANY, .children = rules, .child_count = count};
    return 0;
}

/* "/revision.ge" is a field and a test; "/file.txt" is a field. */
static int split_name(struct lam_sv name, struct lam_sv *field, int *test, struct lam_error *err)
{
    const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;
    struct lam_sv word = dot ? lam_sv(dot + 1, (size_t)(name.ptr + name.len - dot - 1)) : (struct lam_sv){NULL, 0};

    *field = name;
    *test = dot ? lam_test_of(word) : -1;
    if (*test >= 0)
        field->len = (size_t)(dot - name.ptr);
    else if (dot && name.ptr[0] != '/')
        return LAM_FAIL(err, LAM_E_INVALID, "unknown test \"%.*s\"; known are " LAM_TEST_NAMES, LAM_SV_ARG(word));
    else
        *test = LAM_RULE_EQ;
    return 0;
}

int lam_filter_add_param(struct lam_filter *filter, struct lam_sv name, struct lam_sv value, struct lam_error *err)
{
    struct lam_rule *top = lam_filter_top(filter, err);
    enum lam_field_kind kind;
    struct lam_sv field, copy;
    int test, rc;

    if (!top)
        return LAM_E_LIMIT;
    if ((rc = split_name(name, &field, &test, err)) || (rc = lam_field_check(field, &kind, &filter->wants, err)) ||
        (rc = lam_test_fits(test, kind, field, err)) || (rc = lam_filter_copy(filter, field, &copy, err)))
        return rc;
    if (test == LAM_RULE_EQ || test == LAM_RULE_NE || test == LAM_RULE_IN)
        rc = add_equal(filter, copy, kind, test, value, top, err);
    else
        rc = add_other(filter, copy, kind, test, value, top, err);
    return rc ? LAM_PASS(err, rc, "%.*s", LAM_SV_ARG(name)) : 0;
}
