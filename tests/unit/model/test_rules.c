/* Rules: what each comparison says of values that are there, of another kind, null, and absent. */
#include "rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lam_json *json;

static int setup(void **state)
{
    (void)state;
    json = lam_json_new(10000, 40);
    return json ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lam_json_free(json);
    return 0;
}

#define S(literal) {.type = LAM_JSON_STRING, .text = {literal, sizeof(literal) - 1}}
#define N(n) {.type = LAM_JSON_NUMBER, .number = {.kind = LAM_NUMBER_DOUBLE, .d = n}}
#define I(n) {.type = LAM_JSON_NUMBER, .number = {.kind = LAM_NUMBER_I64, .i64 = n}}
#define B(truth) {.type = LAM_JSON_BOOL, .boolean = truth}
#define NIL {.type = LAM_JSON_NULL}

static bool says(const char *record, enum lam_rule_op op, struct lam_rule_value value)
{
    const struct lam_rule rule = {.op = op, .field = LAM_SV("/f"), .values = &value, .value_count = 1};

    assert_int_equal(lam_json_parse(json, lam_sv_of(record), NULL), 0);
    return lam_rule_eval_json(&rule, json);
}

static void equality_is_of_json_values(void **state)
{
    static const struct {
        const char *record;
        struct lam_rule_value value;
        bool equal;
    } cases[] = {
        {"{\"f\":\"high\"}", S("high"), true},
        {"{\"f\":\"High\"}", S("high"), false},
        {"{\"f\":1}", N(1.0), true},
        {"{\"f\":1.0}", I(1), true},
        {"{\"f\":\"1\"}", I(1), false},
        {"{\"f\":true}", B(true), true},
        {"{\"f\":1}", B(true), false},
        {"{\"f\":null}", NIL, true},
        {"{}", NIL, false},
        {"{\"f\":[1]}", I(1), false},
        {"{\"f\":{}}", NIL, false},
        {"{\"f\":\"\"}", S(""), true},
        {"{\"f\":9007199254740993}", N(9007199254740992.0), false},
        {"{\"f\":\"\\u0068igh\"}", S("high"), true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (says(cases[i].record, LAM_RULE_EQ, cases[i].value) != cases[i].equal ||
            says(cases[i].record, LAM_RULE_NE, cases[i].value) == cases[i].equal)
            fail_msg("case %zu: %s", i, cases[i].record);
    }
}

static void order_is_of_two_numbers_or_two_strings(void **state)
{
    (void)state;
    assert_true(says("{\"f\":2}", LAM_RULE_LT, (struct lam_rule_value)N(2.5)));
    assert_true(says("{\"f\":2.5}", LAM_RULE_LE, (struct lam_rule_value)N(2.5)));
    assert_false(says("{\"f\":2.5}", LAM_RULE_LT, (struct lam_rule_value)N(2.5)));
    assert_true(says("{\"f\":3}", LAM_RULE_GT, (struct lam_rule_value)N(2.5)));
    assert_true(says("{\"f\":3}", LAM_RULE_GE, (struct lam_rule_value)I(3)));
    assert_true(says("{\"f\":\"2026-01-02\"}", LAM_RULE_GE, (struct lam_rule_value)S("2026-01-01")));
    assert_true(says("{\"f\":\"a\"}", LAM_RULE_LT, (struct lam_rule_value)S("ab")));
    static const enum lam_rule_op ops[] = {LAM_RULE_LT, LAM_RULE_LE, LAM_RULE_GT, LAM_RULE_GE};
    for (int i = 0; i < 4; i++) {
        assert_false(says("{\"f\":\"3\"}", ops[i], (struct lam_rule_value)I(3)));
        assert_false(says("{\"f\":null}", ops[i], (struct lam_rule_value)I(3)));
        assert_false(says("{}", ops[i], (struct lam_rule_value)I(3)));
        assert_false(says("{\"f\":true}", ops[i], (struct lam_rule_value)B(true)));
    }
}

static void existence_length_and_content(void **state)
{
    (void)state;
    assert_true(says("{\"f\":0}", LAM_RULE_EXISTS, (struct lam_rule_value)B(true)));
    assert_false(says("{\"f\":null}", LAM_RULE_EXISTS, (struct lam_rule_value)B(true)));
    assert_true(says("{\"f\":null}", LAM_RULE_EXISTS, (struct lam_rule_value)B(false)));
    assert_true(says("{}", LAM_RULE_EXISTS, (struct lam_rule_value)B(false)));
    assert_true(says("{\"f\":\"\xc3\xa4\xc3\xb6\xc3\xbc!\"}", LAM_RULE_LONGER, (struct lam_rule_value)I(3))); /* characters, not bytes */
    assert_false(says("{\"f\":\"\xc3\xa4\xc3\xb6\xc3\xbc\"}", LAM_RULE_LONGER, (struct lam_rule_value)I(3)));
    assert_true(says("{\"f\":[1,[2,3],4]}", LAM_RULE_LONGER, (struct lam_rule_value)I(2)));
    assert_false(says("{\"f\":12345}", LAM_RULE_LONGER, (struct lam_rule_value)I(2)));
    assert_true(says("{\"f\":\"server down\"}", LAM_RULE_CONTAINS, (struct lam_rule_value)S("down")));
    assert_false(says("{\"f\":\"server up\"}", LAM_RULE_CONTAINS, (struct lam_rule_value)S("down")));
    assert_true(says("{\"f\":[\"a\",2.0]}", LAM_RULE_CONTAINS, (struct lam_rule_value)I(2)));
    assert_false(says("{\"f\":[\"ab\"]}", LAM_RULE_CONTAINS, (struct lam_rule_value)S("a")));
}

static void a_list_means_one_of_it(void **state)
{
    const struct lam_rule_value values[] = {S("de"), NIL, I(7)};
    const struct lam_rule rule = {.op = LAM_RULE_IN, .field = LAM_SV("/f"), .values = values, .value_count = 3},
                          none = {.op = LAM_RULE_IN, .field = LAM_SV("/f")};
    static const struct {
        const char *record;
        bool in;
    } cases[] = {{"{\"f\":\"de\"}", true}, {"{\"f\":7.0}", true}, {"{\"f\":null}", true}, {"{\"f\":\"fr\"}", false}, {"{}", false}};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(lam_json_parse(json, lam_sv_of(cases[i].record), NULL), 0);
        assert_int_equal(lam_rule_eval_json(&rule, json), cases[i].in);
        assert_false(lam_rule_eval_json(&none, json));
    }
}

static void trees_combine(void **state)
{
    const struct lam_rule_value one = I(1);
    const struct lam_rule yes = {.op = LAM_RULE_EQ, .field = LAM_SV("/f"), .values = &one, .value_count = 1};
    const struct lam_rule no = {.op = LAM_RULE_GT, .field = LAM_SV("/f"), .values = &one, .value_count = 1};
    const struct lam_rule both[] = {yes, no};
    const struct lam_rule any = {.op = LAM_RULE_ANY, .children = both, .child_count = 2},
                          all = {.op = LAM_RULE_ALL, .children = both, .child_count = 2};
    const struct lam_rule not_all = {.op = LAM_RULE_NOT, .children = &all, .child_count = 1};
    const struct lam_rule nothing = {.op = LAM_RULE_ANY}, everything = {.op = LAM_RULE_ALL};

    (void)state;
    assert_int_equal(lam_json_parse(json, LAM_SV("{\"f\":1}"), NULL), 0);
    assert_true(lam_rule_eval_json(&any, json));
    assert_false(lam_rule_eval_json(&all, json));
    assert_true(lam_rule_eval_json(&not_all, json));
    assert_false(lam_rule_eval_json(&nothing, json));
    assert_true(lam_rule_eval_json(&everything, json));
    assert_false(lam_rule_eval_json(NULL, json));
}

static void words_name_operations(void **state)
{
    (void)state;
    assert_int_equal(lam_rule_op_of(LAM_SV("any")), LAM_RULE_ANY);
    assert_int_equal(lam_rule_op_of(LAM_SV("longer")), LAM_RULE_LONGER);
    assert_int_equal(lam_rule_op_of(LAM_SV("contains")), LAM_RULE_CONTAINS);
    assert_int_equal(lam_rule_op_of(LAM_SV("equals")), -1);
}

static void a_record_has_its_key_and_text_besides_its_fields(void **state)
{
    struct lam_rule_value wanted = lam_rule_value_string(LAM_SV("k7"));
    struct lam_rule rule = {.op = LAM_RULE_EQ, .field = LAM_SV("$key"), .values = &wanted, .value_count = 1};
    struct lam_record rec = {.key = LAM_SV("k7"), .text = LAM_SV("k8")};
    struct lam_error failure;

    (void)state;
    assert_int_equal(lam_json_parse(json, LAM_SV("{\"id\":\"k7\",\"$key\":\"other\"}"), &failure), 0);
    assert_true(lam_rule_holds(&rule, json, &rec));
    rule.field = LAM_SV("$text");
    assert_false(lam_rule_holds(&rule, json, &rec));
    rule.field = LAM_SV("/id");
    assert_true(lam_rule_holds(&rule, json, &rec));
    rule.field = LAM_SV("/none");
    assert_false(lam_rule_holds(&rule, json, &rec));
    assert_false(lam_rule_holds(NULL, json, &rec));
    assert_int_equal(lam_json_parse(json, LAM_SV("no JSON"), &failure), LAM_E_INVALID);
    rule.field = LAM_SV("/id");
    assert_false(lam_rule_holds(&rule, json, &rec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_of_json_values),
        cmocka_unit_test(order_is_of_two_numbers_or_two_strings),
        cmocka_unit_test(existence_length_and_content),
        cmocka_unit_test(a_list_means_one_of_it),
        cmocka_unit_test(trees_combine),
        cmocka_unit_test(words_name_operations),
        cmocka_unit_test(a_record_has_its_key_and_text_besides_its_fields),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
