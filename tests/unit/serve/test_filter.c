/* Filters: what they mean, as JSON and as parameters; what they refuse, and how they say so. */
#include "filter.h"
#include "memory_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    struct memory_dataset *dataset;
    struct lam_field_reader *reader;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct lam_hit *hit;

    world->dataset = memory_dataset_new(8, false, 3);
    world->reader = lam_field_reader_new();
    hit = memory_add(world->dataset, LAM_SV("INC-7"), "billing",
                     "{\"revision\": 7, \"big\": 9007199254740993, \"ratio\": 0.5, \"name\": \"Ann\\u00e9\", \"ok\": "
                     "true, \"none\": null, \"tags\": [\"a\", 2],"
                     " \"a/b\": {\"~c\": \"deep\"}, \"text7\": \"7\"}");
    hit->row.rec.text = LAM_SV("the card was charged twice");
    hit->row.rec.event_time_us = INT64_C(1700000000000000); /* 2023-11-14T22:13:20Z */
    hit->row.enr.language = LAM_SV("en");
    hit->row.enr.sentiment = -0.25f;
    memory_add(world->dataset, LAM_SV("bare"), "", "");
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    lam_field_reader_free(world->reader);
    memory_dataset_unref(world->dataset);
    free(world);
    return 0;
}

/* Bit i: row i matches. */
static unsigned match(struct world *world, struct lam_filter *filter)
{
    unsigned bits = 0;

    for (size_t i = 0; i < world->dataset->count; i++) {
        lam_field_reader_row(world->reader, &world->dataset->hits[i]);
        if (lam_filter_match(filter, world->reader))
            bits |= 1u << i;
        assert_int_equal(lam_field_reader_check(world->reader, NULL), 0);
    }
    return bits;
}

static unsigned match_json(struct world *world, const char *json)
{
    struct lam_filter *filter = lam_filter_new();
    struct lam_error err;
    unsigned bits;

    if (lam_filter_add_json(filter, lam_sv_of(json), "", &err))
        fail_msg("%s: %s", json, err.text);
    bits = match(world, filter);
    lam_filter_free(filter);
    return bits;
}

static unsigned match_param(struct world *world, const char *name, const char *value)
{
    struct lam_filter *filter = lam_filter_new();
    struct lam_error err;
    unsigned bits;

    if (lam_filter_add_param(filter, lam_sv_of(name), lam_sv_of(value), &err))
        fail_msg("%s=%s: %s", name, value, err.text);
    bits = match(world, filter);
    lam_filter_free(filter);
    return bits;
}

static void tests_mean_what_they_say(void **state)
{
    static const struct {
        const char *json;
        unsigned rows;
    } cases[] = {
        {"{\"field\": \"category\", \"eq\": \"billing\"}", 1},
        {"{\"field\": \"category\", \"ne\": \"billing\"}", 2},
        {"{\"field\": \"category\", \"eq\": null}", 2},
        {"{\"field\": \"category\", \"ne\": null}", 1},
        {"{\"field\": \"category\", \"exists\": false}", 2},
        {"{\"field\": \"key\", \"prefix\": \"INC-\"}", 1},
        {"{\"field\": \"key\", \"in\": [\"bare\", \"INC-7\"]}", 3},
        {"{\"field\": \"text\", \"contains\": \"charged\"}", 1},
        {"{\"field\": \"text\", \"longer\": 25}", 1},
        {"{\"field\": \"text\", \"longer\": 26}", 0},
        {"{\"field\": \"confidence\", \"eq\": 0.9}", 1},
        {"{\"field\": \"confidence\", \"gt\": 0.9}", 0},
        {"{\"field\": \"sentiment\", \"lt\": 0}", 1},
        {"{\"field\": \"event_time\", \"ge\": \"2023-11-14T22:13:20Z\"}", 1},
        {"{\"field\": \"event_time\", \"gt\": \"2023-11-14T23:13:20+01:00\"}", 0},
        {"{\"field\": \"event_time\", \"ge\": \"2023-11-14\", \"lt\": \"2023-11-15\"}", 1},
        {"{\"field\": \"source\", \"eq\": \"docs\"}", 3},
        {"{\"field\": \"layer\", \"eq\": \"batch\"}", 3},
        {"{\"field\": \"pending\", \"eq\": false}", 3},
        {"{\"field\": \"view\", \"eq\": 3}", 3},
        {"{\"field\": \"/revision\", \"eq\": 7}", 1},
        {"{\"field\": \"/revision\", \"eq\": 7.0}", 1},
        {"{\"field\": \"/revision\", \"eq\": \"7\"}", 0},
        {"{\"field\": \"/revision\", \"ne\": 7}", 2},
        {"{\"field\": \"/revision\", \"gt\": 6, \"lt\": 8}", 1},
        {"{\"field\": \"/big\", \"eq\": 9007199254740993}", 1},
        {"{\"field\": \"/big\", \"eq\": 9007199254740992}", 0},
        {"{\"field\": \"/name\", \"eq\": \"Ann\xc3\xa9\"}", 1},
        {"{\"field\": \"/name\", \"longer\": 3}", 1},
        {"{\"field\": \"/name\", \"prefix\": \"Ann\xc3\xa9\"}", 1},
        {"{\"field\": \"/ok\", \"eq\": true}", 1},
        {"{\"field\": \"/none\", \"eq\": null}", 1},
        {"{\"field\": \"/none\", \"exists\": false}", 3},
        {"{\"field\": \"/tags\", \"contains\": 2}", 1},
        {"{\"field\": \"/a~1b/~0c\", \"eq\": \"deep\"}", 1},
        {"{\"field\": \"/absent\", \"lt\": 1}", 0},
        {"{\"any\": [{\"field\": \"/revision\", \"eq\": 7}, {\"field\": \"key\", \"eq\": \"bare\"}]}", 3},
        {"{\"all\": [{\"field\": \"/revision\", \"eq\": 7}, {\"field\": \"key\", \"eq\": \"bare\"}]}", 0},
        {"{\"not\": {\"field\": \"/revision\", \"eq\": 7}}", 2},
        {"{\"any\": []}", 0},
        {"{\"all\": []}", 3},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (match_json(*state, cases[i].json) != cases[i].rows)
            fail_msg("%s: rows %u, not %u", cases[i].json, match_json(*state, cases[i].json), cases[i].rows);
}

static void parameters_mean_the_same(void **state)
{
    static const struct {
        const char *name, *value;
        unsigned rows;
    } cases[] = {
        {"category", "billing", 1},
        {"category.ne", "billing", 2},
        {"key.prefix", "INC-", 1},
        {"key.in", "bare,INC-7", 3},
        {"language.in", "en,de", 1},
        {"confidence.ge", "0.9", 1},
        {"/revision", "7", 1},
        {"/revision.ge", "7", 1},
        {"/revision.lt", "7", 0},
        {"/revision.ne", "7", 2},
        {"/text7", "7", 1},
        {"/ok", "true", 1},
        {"/ok.ne", "true", 2},
        {"/revision.in", "1,7", 1},
        {"summary.exists", "false", 3},
        {"/absent.exists", "false", 3},
        {"event_time.lt", "2024-01-01", 1},
        {"pending", "false", 3},
        {"text.contains", "card", 1},
        {"/tags.contains", "2", 1},
        {"/tags.contains", "a", 1},
        {"text.longer", "25", 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (match_param(*state, cases[i].name, cases[i].value) != cases[i].rows)
            fail_msg("%s=%s: rows %u", cases[i].name, cases[i].value, match_param(*state, cases[i].name, cases[i].value));
}

static void all_that_is_added_must_hold(void **state)
{
    struct lam_filter *filter = lam_filter_new();

    assert_true(lam_filter_is_empty(filter));
    assert_int_equal(match(*state, filter), 3);
    assert_int_equal(lam_filter_add_param(filter, LAM_SV("source"), LAM_SV("docs"), NULL), 0);
    assert_int_equal(match(*state, filter), 3);
    assert_int_equal(lam_filter_wants(filter), 0);
    assert_int_equal(lam_filter_add_json(filter, LAM_SV("{\"field\": \"/revision\", \"exists\": true}"), "", NULL), 0);
    assert_int_equal(match(*state, filter), 1);
    assert_int_equal(lam_filter_wants(filter), LAM_WANT_METADATA);
    lam_filter_free(filter);
}

static void mistakes_are_told_with_their_place(void **state)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "/filter: no JSON at byte"},
        {"[]", "/filter: expected a condition"},
        {"{}", "/filter: expected a condition"},
        {"{\"field\": \"categry\", \"eq\": 1}", "/filter/field: unknown field \"categry\"; did you mean \"category\""},
        {"{\"field\": \"revision\", \"eq\": 1}", "a JSON pointer: \"/revision\""},
        {"{\"field\": 1, \"eq\": 1}", "/filter/field: expected the name"},
        {"{\"field\": \"/a~2\", \"eq\": 1}", "/filter/field: \"/a~2\" is no JSON pointer"},
        {"{\"field\": \"category\"}", "/filter: nothing is said"},
        {"{\"field\": \"category\", \"is\": 1}", "/filter/is: unknown test"},
        {"{\"field\": \"category\", \"eq\": 1}", "/filter/eq: expected a string"},
        {"{\"field\": \"category\", \"in\": []}", "/filter/in: expected a list"},
        {"{\"field\": \"category\", \"in\": [\"a\", 1]}", "/filter/in/1: expected a string"},
        {"{\"field\": \"category\", \"lt\": null}", "/filter/lt: expected a number or a string"},
        {"{\"field\": \"category\", \"prefix\": \"\"}", "/filter/prefix: expected a string that is not empty"},
        {"{\"field\": \"confidence\", \"prefix\": \"0\"}", "/filter/prefix: contains, prefix and longer are for texts"},
        {"{\"field\": \"pending\", \"lt\": true}", "/filter/lt: lt, le, gt and ge need an order"},
        {"{\"field\": \"event_time\", \"lt\": \"yesterday\"}", "/filter/lt: "},
        {"{\"field\": \"/a\", \"eq\": {}}", "/filter/eq: expected a string, a number"},
        {"{\"field\": \"/a\", \"longer\": -1}", "/filter/longer: expected a number of characters"},
        {"{\"field\": \"/a\", \"exists\": 1}", "/filter/exists: expected true or false"},
        {"{\"any\": [{\"all\": [{\"not\": {\"field\": \"x\", \"eq\": 1}}]}]}", "/filter/any/0/all/0/not/field: unknown field"},
        {"{\"any\": {}}", "/filter/any: expected a list of conditions"},
        {"{\"any\": [], \"all\": []}", "/filter: \"any\" stands alone"},
        {"{\"field\": \"/a\", \"eq\": 1, \"eq\": 2}", "duplicate"},
        {"{\"field\": \"/a\", \"eq\": 99999999999999999999}", "too big integer"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_filter *filter = lam_filter_new();
        struct lam_error err = {0};

        assert_int_equal(lam_filter_add_json(filter, lam_sv_of(cases[i].json), "/filter", &err), LAM_E_INVALID);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: \"%s\" says nothing of \"%s\"", cases[i].json, err.text, cases[i].says);
        lam_filter_free(filter);
    }
}

static void bad_parameters_are_refused(void **state)
{
    static const char *const cases[][3] = {
        {"categry", "x", "did you mean \"category\""},
        {"category.is", "x", "unknown test \"is\""},
        {"confidence.gt", "much", "confidence.gt: "},
        {"event_time.lt", "soon", "event_time.lt: "},
        {"pending", "maybe", "expected true or false"},
        {"pending.lt", "true", "need an order"},
        {"text.longer", "many", "text.longer: "},
        {"key.prefix", "", "expected a prefix"},
        {"", "x", "unknown field"},
        {"/a.exists", "1", "expected true or false"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_filter *filter = lam_filter_new();
        struct lam_error err = {0};

        assert_int_equal(lam_filter_add_param(filter, lam_sv_of(cases[i][0]), lam_sv_of(cases[i][1]), &err), LAM_E_INVALID);
        if (!strstr(err.text, cases[i][2]))
            fail_msg("%s=%s: \"%s\"", cases[i][0], cases[i][1], err.text);
        lam_filter_free(filter);
    }
}

static int add_nested(unsigned depth, struct lam_error *err)
{
    struct lam_filter *filter = lam_filter_new();
    struct lam_buf json;
    int rc;

    lam_buf_init(&json, 1 << 20);
    for (unsigned i = 1; i < depth; i++)
        lam_buf_addf(&json, NULL, "{\"not\":");
    lam_buf_addf(&json, NULL, "{\"field\":\"/a\",\"eq\":1}");
    for (unsigned i = 1; i < depth; i++)
        lam_buf_addf(&json, NULL, "}");
    rc = lam_filter_add_json(filter, lam_buf_sv(&json), "", err);
    lam_buf_release(&json);
    lam_filter_free(filter);
    return rc;
}

static void depth_and_number_have_limits(void **state)
{
    struct lam_filter *filter = lam_filter_new();
    struct lam_error err = {0};
    struct lam_buf list;
    int rc = 0;

    (void)state;
    assert_int_equal(add_nested(LAM_FILTER_MAX_DEPTH, &err), 0);
    assert_int_equal(add_nested(LAM_FILTER_MAX_DEPTH + 1, &err), LAM_E_LIMIT);
    assert_int_not_equal(add_nested(100000, &err), 0);
    for (int i = 0; i <= LAM_FILTER_MAX_NODES && !rc; i++)
        rc = lam_filter_add_param(filter, LAM_SV("category"), LAM_SV("x"), &err);
    assert_int_equal(rc, LAM_E_LIMIT);
    lam_filter_free(filter);

    filter = lam_filter_new();
    lam_buf_init(&list, 1 << 20);
    for (int i = 0; i <= LAM_FILTER_MAX_VALUES; i++)
        lam_buf_addf(&list, NULL, "%d,", i);
    assert_int_equal(lam_filter_add_param(filter, LAM_SV("key.in"), lam_buf_sv(&list), &err), LAM_E_LIMIT);
    lam_buf_release(&list);
    lam_filter_free(filter);
}

static void damaged_metadata_is_told(void **state)
{
    struct world *world = *state;
    struct lam_filter *filter = lam_filter_new();
    struct lam_error err;

    memory_add(world->dataset, LAM_SV("torn"), "", "{\"revision\": ");
    lam_filter_add_param(filter, LAM_SV("/revision"), LAM_SV("7"), NULL);
    lam_field_reader_row(world->reader, &world->dataset->hits[2]);
    assert_false(lam_filter_match(filter, world->reader));
    assert_int_equal(lam_field_reader_check(world->reader, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "\"torn\""));
    lam_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tests_mean_what_they_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parameters_mean_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_that_is_added_must_hold, set_up, tear_down),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(depth_and_number_have_limits),
        cmocka_unit_test_setup_teardown(damaged_metadata_is_told, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
