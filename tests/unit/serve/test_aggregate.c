/* Aggregates against a naive computation; parts of any cut merge to the same bytes. */
#include "aggregate.h"
#include "memory_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#define ROWS 3000
#define GROUPS 7

static struct lam_aggregate *parse(const char *json)
{
    struct lam_aggregate *aggregate = NULL;
    struct lam_error err;

    if (lam_aggregate_parse(lam_sv_of(json), &aggregate, &err))
        fail_msg("%s: %s", json, err.text);
    return aggregate;
}

static char *written(struct lam_aggregation *aggregation)
{
    struct lam_buf out;

    lam_buf_init(&out, 1 << 24);
    assert_int_equal(lam_buf_addf(&out, NULL, "{"), 0);
    assert_int_equal(lam_aggregation_write(aggregation, &out, NULL), 0);
    assert_int_equal(lam_buf_addf(&out, NULL, "}%c", 0), 0);
    return out.ptr;
}

static char *compute(const struct lam_aggregate *aggregate, const struct memory_dataset *dataset)
{
    struct lam_aggregation *aggregation = lam_aggregation_new(aggregate);
    char *text;

    for (size_t i = 0; i < dataset->count; i++)
        assert_int_equal(lam_aggregation_add(aggregation, &dataset->hits[i], NULL), 0);
    text = written(aggregation);
    lam_aggregation_free(aggregation);
    return text;
}

struct naive {
    int64_t count, sum, skipped, min, max;
};

static struct memory_dataset *random_rows(struct naive naive[GROUPS])
{
    unsigned seed = (unsigned)time(NULL);
    struct memory_dataset *dataset = memory_dataset_new(ROWS, false, 1);

    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < ROWS; i++) {
        long group = random() % GROUPS * (random() % GROUPS) / GROUPS, revision = random() % 2000 - 1000;
        struct naive *one = &naive[group];
        char key[32], category[32], metadata[96];
        bool number = random() % 5 > 0;

        snprintf(key, sizeof key, "k%d", i);
        snprintf(category, sizeof category, "c%ld", group);
        snprintf(metadata, sizeof metadata, number ? "{\"revision\": %ld}" : "{\"revision\": \"%ld\"}", revision);
        memory_add(dataset, lam_sv_of(key), category, metadata);
        one->count++;
        if (!number) {
            one->skipped++;
            continue;
        }
        if (one->count - one->skipped == 1 || revision < one->min)
            one->min = revision;
        if (one->count - one->skipped == 1 || revision > one->max)
            one->max = revision;
        one->sum += revision;
    }
    return dataset;
}

static void groups_are_what_adding_up_by_hand_gives(void **state)
{
    struct naive naive[GROUPS] = {0};
    struct memory_dataset *dataset = random_rows(naive);
    struct lam_aggregate *aggregate = parse("{\"metrics\": [{\"op\": \"count\"}, {\"op\": \"sum\", \"field\": "
                                            "\"/revision\"}, {\"op\": \"min\", \"field\": \"/revision\"},"
                                            " {\"op\": \"max\", \"field\": \"/revision\"}, {\"op\": \"avg\", "
                                            "\"field\": \"/revision\", \"as\": \"mean\"}],"
                                            " \"group_by\": [\"category\"]}");
    char *text = compute(aggregate, dataset);
    json_t *answer = json_loads(text, 0, NULL), *group;
    int64_t before = INT64_MAX, seen = 0;
    size_t i;

    (void)state;
    assert_int_equal(lam_aggregate_wants(aggregate), LAM_WANT_ANSWERS | LAM_WANT_METADATA);
    assert_int_equal(json_integer_value(json_object_get(answer, "rows")), ROWS);
    json_array_foreach(json_object_get(answer, "groups"), i, group)
    {
        const char *category = json_string_value(json_object_get(json_object_get(group, "by"), "category"));
        const struct naive *one = &naive[category[1] - '0'];
        json_t *metrics = json_object_get(group, "metrics");
        int64_t count = json_integer_value(json_object_get(group, "count"));

        assert_int_equal(count, one->count);
        assert_int_equal(json_integer_value(json_object_get(metrics, "count")), one->count);
        assert_int_equal(json_integer_value(json_object_get(metrics, "sum(/revision)")), one->sum);
        if (one->count > one->skipped) {
            assert_int_equal(json_integer_value(json_object_get(metrics, "min(/revision)")), one->min);
            assert_int_equal(json_integer_value(json_object_get(metrics, "max(/revision)")), one->max);
            assert_true(json_number_value(json_object_get(metrics, "mean")) == (double)one->sum / (double)(one->count - one->skipped));
        }
        assert_int_equal(json_integer_value(json_object_get(json_object_get(group, "skipped"), "sum(/revision)")), one->skipped);
        assert_true(count <= before);
        before = count;
        seen += count;
    }
    assert_int_equal(seen, ROWS);
    json_decref(answer);
    free(text);
    lam_aggregate_free(aggregate);
    memory_dataset_unref(dataset);
}

static void any_cut_and_order_merges_to_the_same_bytes(void **state)
{
    struct memory_dataset *dataset = memory_dataset_new(ROWS, false, 1);
    struct lam_aggregate *aggregate = parse("{\"metrics\": [{\"op\": \"sum\", \"field\": \"/x\"}, {\"op\": \"avg\", "
                                            "\"field\": \"/x\"}, {\"op\": \"min\", \"field\": \"/x\"}],"
                                            " \"group_by\": [\"category\", \"/odd\"]}");
    unsigned seed = (unsigned)time(NULL);
    char *whole;

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < ROWS; i++) {
        char key[32], metadata[96];

        snprintf(key, sizeof key, "k%d", i);
        snprintf(metadata, sizeof metadata, "{\"x\": %ld.%lde%ld, \"odd\": %s}", random() % 100 - 50, random() % 1000,
                 random() % 60 - 30, i % 2 ? "true" : "false");
        memory_add(dataset, lam_sv_of(key), i % 3 ? "a" : "", metadata);
    }
    whole = compute(aggregate, dataset);
    for (int round = 0; round < 5; round++) {
        enum { PARTS = 4 };
        struct lam_aggregation *parts[PARTS];
        char *merged;

        for (int i = 0; i < PARTS; i++)
            parts[i] = lam_aggregation_new(aggregate);
        for (size_t i = dataset->count; i-- > 0;)
            assert_int_equal(lam_aggregation_add(parts[random() % PARTS], &dataset->hits[i], NULL), 0);
        for (int i = 1; i < PARTS; i++)
            assert_int_equal(lam_aggregation_merge(parts[0], parts[i], NULL), 0);
        merged = written(parts[0]);
        assert_string_equal(merged, whole);
        free(merged);
        for (int i = 0; i < PARTS; i++)
            lam_aggregation_free(parts[i]);
    }
    free(whole);
    lam_aggregate_free(aggregate);
    memory_dataset_unref(dataset);
}

static void assert_answer(struct memory_dataset *dataset, const char *request, const char *wanted)
{
    struct lam_aggregate *aggregate = parse(request);
    char *text = compute(aggregate, dataset);

    assert_string_equal(text, wanted);
    free(text);
    lam_aggregate_free(aggregate);
}

static void sums_are_exact(void **state)
{
    struct memory_dataset *dataset = memory_dataset_new(4, false, 1);

    (void)state;
    memory_add(dataset, LAM_SV("a"), "", "{\"i\": 9223372036854775807, \"d\": 1e100, \"f\": 0.1}");
    memory_add(dataset, LAM_SV("b"), "", "{\"i\": 9223372036854775807, \"d\": 1, \"f\": 0.2}");
    memory_add(dataset, LAM_SV("c"), "", "{\"i\": 2, \"d\": -1e100, \"f\": 1e999}");
    assert_answer(dataset,
                  "{\"metrics\": [{\"op\": \"sum\", \"field\": \"/i\"}, {\"op\": \"sum\", \"field\": \"/d\"}]}",
                  "{\"rows\":3,\"groups_total\":1,\"groups\":[{\"by\":{},\"count\":3,\"metrics\":{\"sum(/"
                  "i)\":18446744073709551616,\"sum(/d)\":1.0}}]}");
    assert_answer(dataset, "{\"metrics\": [{\"op\": \"max\", \"field\": \"/f\"}]}",
                  "{\"rows\":3,\"groups_total\":1,\"groups\":[{\"by\":{},\"count\":3,\"metrics\":{\"max(/"
                  "f)\":0.2},\"skipped\":{\"max(/f)\":1}}]}");
    memory_dataset_unref(dataset);
}

static void nothing_is_one_group_of_nothing(void **state)
{
    struct memory_dataset *dataset = memory_dataset_new(1, false, 1);

    (void)state;
    assert_answer(dataset, "{}", "{\"rows\":0,\"groups_total\":1,\"groups\":[{\"by\":{},\"count\":0,\"metrics\":{\"count\":0}}]}");
    assert_answer(dataset,
                  "{\"metrics\": [{\"op\": \"max\", \"field\": \"/a\"}, {\"op\": \"avg\", \"field\": \"/a\"}, {\"op\": "
                  "\"sum\", \"field\": \"/a\"}]}",
                  "{\"rows\":0,\"groups_total\":1,\"groups\":[{\"by\":{},\"count\":0,\"metrics\":{\"max(/"
                  "a)\":null,\"avg(/a)\":null,\"sum(/a)\":0}}]}");
    assert_answer(dataset, "{\"group_by\": [\"category\"]}", "{\"rows\":0,\"groups_total\":0,\"groups\":[]}");
    memory_dataset_unref(dataset);
}

static void times_filters_and_limits(void **state)
{
    struct memory_dataset *dataset = memory_dataset_new(4, false, 1);

    (void)state;
    memory_add(dataset, LAM_SV("a"), "x", "{}")->row.rec.event_time_us = INT64_C(1700000000000000);
    memory_add(dataset, LAM_SV("b"), "x", "{}")->row.rec.event_time_us = INT64_C(1700000001000000);
    memory_add(dataset, LAM_SV("c"), "y", "{}");
    memory_add(dataset, LAM_SV("d"), "say \"z\"", "{}");
    assert_answer(dataset,
                  "{\"metrics\": [{\"op\": \"max\", \"field\": \"event_time\", \"as\": \"latest\"}, {\"op\": "
                  "\"count\", \"field\": \"event_time\"}], \"filter\": {\"field\": \"category\", \"in\": [\"x\", "
                  "\"y\"]},"
                  " \"group_by\": [\"category\"], \"limit\": 1}",
                  "{\"rows\":3,\"groups_total\":2,\"groups\":[{\"by\":{\"category\":\"x\"},\"count\":2,\"metrics\":{"
                  "\"latest\":\"2023-11-14T22:13:21Z\",\"count(event_time)\":2}}]}");
    assert_answer(dataset,
                  "{\"group_by\": [\"category\", \"confidence\"], \"filter\": {\"field\": \"key\", \"eq\": \"d\"}}",
                  "{\"rows\":1,\"groups_total\":1,\"groups\":[{\"by\":{\"category\":\"say "
                  "\\\"z\\\"\",\"confidence\":0.9},\"count\":1,\"metrics\":{\"count\":1}}]}");
    memory_dataset_unref(dataset);
}

static void too_many_groups_are_refused(void **state)
{
    struct memory_dataset *dataset = memory_dataset_new(LAM_AGGREGATE_MAX_GROUPS + 1, false, 1);
    struct lam_aggregate *aggregate = parse("{\"group_by\": [\"key\"]}");
    struct lam_aggregation *aggregation = lam_aggregation_new(aggregate);
    struct lam_error err;

    (void)state;
    for (int i = 0; i <= LAM_AGGREGATE_MAX_GROUPS; i++) {
        char key[32];

        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(lam_aggregation_add(aggregation, memory_add(dataset, lam_sv_of(key), "", ""), &err),
                         i < LAM_AGGREGATE_MAX_GROUPS ? 0 : LAM_E_LIMIT);
    }
    assert_non_null(strstr(err.text, "more than 10000 groups"));
    lam_aggregation_free(aggregation);
    lam_aggregate_free(aggregate);
    memory_dataset_unref(dataset);
}

static void mistakes_are_told_with_their_place(void **state)
{
    static const char *const cases[][2] = {
        {"", "no JSON"},
        {"[]", "/: expected an object"},
        {"{\"metric\": []}", "/metric: unknown member"},
        {"{\"metrics\": []}", "/metrics: expected a list"},
        {"{\"metrics\": [1]}", "/metrics/0: expected a metric"},
        {"{\"metrics\": [{\"op\": \"median\", \"field\": \"/a\"}]}", "/metrics/0/op: expected an op"},
        {"{\"metrics\": [{\"op\": \"count\"}, {\"op\": \"sum\"}]}", "/metrics/1: sum needs a field"},
        {"{\"metrics\": [{\"op\": \"sum\", \"field\": \"category\"}]}", "/metrics/0/field: \"category\" is no number"},
        {"{\"metrics\": [{\"op\": \"sum\", \"field\": \"event_time\"}]}", "/metrics/0/field: \"event_time\" is no number"},
        {"{\"metrics\": [{\"op\": \"min\", \"field\": \"pending\"}]}", "is no number and no time"},
        {"{\"metrics\": [{\"op\": \"count\"}, {\"op\": \"count\"}]}", "/metrics/1: a second metric named \"count\""},
        {"{\"metrics\": [{\"op\": \"count\", \"as\": \"\"}]}", "/metrics/0/as: expected a name"},
        {"{\"metrics\": [{\"op\": \"count\", \"by\": 1}]}", "/metrics/0/by: unknown member"},
        {"{\"group_by\": \"category\"}", "/group_by: expected a list"},
        {"{\"group_by\": [\"category\", \"category\"]}", "/group_by/1: \"category\" stands here twice"},
        {"{\"group_by\": [\"kategory\"]}", "/group_by/0: unknown field"},
        {"{\"limit\": 0}", "/limit: expected a number"},
        {"{\"filter\": {\"field\": \"/a\", \"eq\": []}}", "/filter/eq: expected"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_aggregate *aggregate;
        struct lam_error err = {0};

        assert_int_equal(lam_aggregate_parse(lam_sv_of(cases[i][0]), &aggregate, &err), LAM_E_INVALID);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("%s: \"%s\"", cases[i][0], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_what_adding_up_by_hand_gives),
        cmocka_unit_test(any_cut_and_order_merges_to_the_same_bytes),
        cmocka_unit_test(sums_are_exact),
        cmocka_unit_test(nothing_is_one_group_of_nothing),
        cmocka_unit_test(times_filters_and_limits),
        cmocka_unit_test(too_many_groups_are_refused),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
