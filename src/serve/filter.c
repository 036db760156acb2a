#include "filter_tree.h"

#include <stdlib.h>

struct lam_filter *lam_filter_new(void)
{
    struct lam_filter *filter = calloc(1, sizeof *filter);

    if (!filter)
        return NULL;
    lam_arena_init(&filter->arena, LAM_FILTER_MAX_BYTES);
    filter->all = (struct lam_rule){.op = LAM_RULE_ALL, .children = filter->tops};
    return filter;
}

void lam_filter_free(struct lam_filter *filter)
{
    if (!filter)
        return;
    lam_arena_release(&filter->arena);
    free(filter);
}

bool lam_filter_is_empty(const struct lam_filter *filter) { return filter->all.child_count == 0; }

uint32_t lam_filter_wants(const struct lam_filter *filter) { return filter->wants; }

bool lam_filter_match(const struct lam_filter *filter, struct lam_field_reader *reader)
{
    const struct lam_rule_source source = {lam_field_get, reader};

    return lam_filter_is_empty(filter) || lam_rule_eval(&filter->all, &source);
}

int lam_test_of(struct lam_sv word)
{
    int op = lam_sv_eq(word, LAM_SV("prefix")) ? (int)LAM_TEST_PREFIX : lam_rule_op_of(word);

    return op == LAM_RULE_ANY || op == LAM_RULE_ALL || op == LAM_RULE_NOT ? -1 : op;
}

static int full(struct lam_error *err)
{
    return LAM_FAIL(err, LAM_E_LIMIT, "the filter is too long: more than %zu bytes", LAM_FILTER_MAX_BYTES);
}

static int count_nodes(struct lam_filter *filter, size_t count, struct lam_error *err)
{
    if (count > LAM_FILTER_MAX_NODES - filter->nodes)
        return LAM_FAIL(err, LAM_E_LIMIT, "the filter has more than %d tests", LAM_FILTER_MAX_NODES);
    filter->nodes += count;
    return 0;
}

struct lam_rule *lam_filter_rules(struct lam_filter *filter, size_t count, struct lam_error *err)
{
    struct lam_rule *rules;

    if (count_nodes(filter, count, err))
        return NULL;
    rules = lam_arena_alloc(&filter->arena, (count ? count : 1) * sizeof *rules);
    if (!rules) {
        full(err);
        return NULL;
    }
    memset(rules, 0, count * sizeof *rules);
    return rules;
}

struct lam_rule_value *lam_filter_values(struct lam_filter *filter, size_t count, struct lam_error *err)
{
    struct lam_rule_value *values;

    if (count > LAM_FILTER_MAX_VALUES - filter->values) {
        LAM_FAIL(err, LAM_E_LIMIT, "the filter has more than %d values", LAM_FILTER_MAX_VALUES);
        return NULL;
    }
    filter->values += count;
    values = lam_arena_alloc(&filter->arena, (count ? count : 1) * sizeof *values);
    if (!values)
        full(err);
    return values;
}

int lam_filter_copy(struct lam_filter *filter, struct lam_sv text, struct lam_sv *copy, struct lam_error *err)
{
    *copy = lam_arena_copy(&filter->arena, text);
    return copy->ptr ? 0 : full(err);
}

struct lam_rule *lam_filter_top(struct lam_filter *filter, struct lam_error *err)
{
    if (count_nodes(filter, 1, err))
        return NULL;
    return &filter->tops[filter->all.child_count++]; /* never more tops than nodes */
}

int lam_test_fits(int test, enum lam_field_kind kind, struct lam_sv field, struct lam_error *err)
{
    bool text = kind == LAM_FIELD_TEXT || kind == LAM_FIELD_ANY;

    if (!text && (test == LAM_RULE_CONTAINS || test == (int)LAM_TEST_PREFIX || test == LAM_RULE_LONGER))
        return LAM_FAIL(err, LAM_E_INVALID, "contains, prefix and longer are for texts, which \"%.*s\" is not", LAM_SV_ARG(field));
    if (kind == LAM_FIELD_BOOL && (test == LAM_RULE_LT || test == LAM_RULE_LE || test == LAM_RULE_GT || test == LAM_RULE_GE))
        return LAM_FAIL(err, LAM_E_INVALID, "lt, le, gt and ge need an order, which \"%.*s\" has not", LAM_SV_ARG(field));
    return 0;
}

/*
 * The texts with a prefix lie from it to the least text above all of them: the prefix with its last byte raised, which
 * UTF-8 leaves room for.
 */
static int make_prefix(struct lam_filter *filter, struct lam_sv field, const struct lam_rule_value *values,
                       struct lam_rule *rule, struct lam_error *err)
{
    struct lam_rule *ends = lam_filter_rules(filter, 2, err);
    struct lam_rule_value *above = ends ? lam_filter_values(filter, 1, err) : NULL;
    char *bytes = above ? lam_arena_alloc(&filter->arena, values->text.len) : NULL;

    if (!above)
        return LAM_E_LIMIT;
    if (!bytes)
        return full(err);
    memcpy(bytes, values->text.ptr, values->text.len);
    if ((unsigned char)bytes[values->text.len - 1] == 0xff)
        return LAM_FAIL(err, LAM_E_INVALID, "the prefix is no UTF-8");
    bytes[values->text.len - 1] = (char)((unsigned char)bytes[values->text.len - 1] + 1);
    *above = lam_rule_value_string(lam_sv(bytes, values->text.len));
    ends[0] = (struct lam_rule){.op = LAM_RULE_GE, .field = field, .values = values, .value_count = 1};
    ends[1] = (struct lam_rule){.op = LAM_RULE_LT, .field = field, .values = above, .value_count = 1};
    *rule = (struct lam_rule){.op = LAM_RULE_ALL, .children = ends, .child_count = 2};
    return 0;
}

/* What a named field does not know is absent: null means that. */
static int make_known(struct lam_filter *filter, struct lam_sv field, bool known, struct lam_rule *rule, struct lam_error *err)
{
    struct lam_rule_value *value = lam_filter_values(filter, 1, err);

    if (!value)
        return LAM_E_LIMIT;
    *value = lam_rule_value_bool(known);
    *rule = (struct lam_rule){.op = LAM_RULE_EXISTS, .field = field, .values = value, .value_count = 1};
    return 0;
}

int lam_filter_make(struct lam_filter *filter, struct lam_sv field, enum lam_field_kind kind, int test, const struct lam_rule_value *values,
                    size_t count, struct lam_rule *rule, struct lam_error *err)
{
    if (test == (int)LAM_TEST_PREFIX)
        return make_prefix(filter, field, values, rule, err);
    if (kind != LAM_FIELD_ANY && count == 1 && values->type == LAM_JSON_NULL)
        return make_known(filter, field, test == LAM_RULE_NE, rule, err);
    *rule = (struct lam_rule){.op = (enum lam_rule_op)test, .field = field, .values = values, .value_count = count};
    return 0;
}
