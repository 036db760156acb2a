/* Queries over a reader: keys, pages, aggregates, status; what goes wrong under them. */
#include "memory_reader.h"
#include "query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

struct world {
    struct memory_reader memory;
    struct lam_reader reader;
    struct lam_query_limits limits;
};

static struct memory_dataset *make_rows(int count, bool append, uint64_t view)
{
    struct memory_dataset *dataset = memory_dataset_new((size_t)count, append, view);

    for (int i = 0; i < count; i++) {
        char key[64], metadata[64];

        snprintf(key, sizeof key, "doc/%d", i);
        snprintf(metadata, sizeof metadata, "{\"revision\": %d}", i);
        memory_add(dataset, lam_sv_of(key), i % 3 ? "billing" : "outage", metadata);
    }
    return dataset;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->reader = memory_reader_init(&world->memory);
    world->limits = (struct lam_query_limits){LAM_QUERY_TIMEOUT_MS, NULL, &lam_clock_system};
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    assert_int_equal(atomic_load(&world->memory.held), 0); /* every snapshot was released */
    memory_reader_release(&world->memory);
    free(world);
    return 0;
}

static int run_text(struct world *world, const struct lam_query *query, size_t max, char **text,
                    struct lam_query_info *info, struct lam_error *err)
{
    struct lam_buf out;
    int rc;

    lam_buf_init(&out, max);
    rc = lam_query_run(query, &world->reader, &world->limits, &out, info, err);
    if (rc)
        assert_int_equal(out.len, 0);
    else
        assert_int_equal(lam_buf_add(&out, "", 1, NULL), 0);
    *text = rc ? NULL : out.ptr;
    if (rc)
        lam_buf_release(&out);
    return rc;
}

static json_t *run_json(struct world *world, const struct lam_query *query)
{
    struct lam_error err;
    json_t *json;
    char *text;

    if (run_text(world, query, LAM_QUERY_ANSWER_MAX, &text, NULL, &err))
        fail_msg("%s", err.text);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

static int get_key(struct world *world, const char *key, char **text, struct lam_error *err)
{
    struct lam_query query;
    int rc;

    assert_int_equal(lam_query_init(&query, LAM_QUERY_KEY, NULL), 0);
    assert_int_equal(lam_query_set_key(&query, lam_sv_of(key), NULL), 0);
    rc = run_text(world, &query, LAM_QUERY_ANSWER_MAX, text, NULL, err);
    lam_query_release(&query);
    return rc;
}

static void a_key_is_found_or_not(void **state)
{
    struct world *world = *state;
    struct lam_error err;
    char *text;

    memory_publish(&world->memory, make_rows(10, false, 4));
    assert_int_equal(get_key(world, "doc/7", &text, &err), 0);
    assert_non_null(strstr(text,
                           "\"as_of\":{\"store\":\"tickets\",\"view\":4,\"commit\":40,\"committed_at\":\"2023-11-14T22:"
                           "13:20Z\",\"cutoff\":{\"docs\":{\"scan\":1}},"
                           "\"speed\":null,\"pinned_at\":\"2023-11-14T22:13:21Z\"},\"record\":{\"key\":\"doc/7\""));
    free(text);
    assert_int_equal(get_key(world, "doc/70", &text, &err), LAM_E_NOT_FOUND);
    assert_string_equal(err.text, "no record with the key \"doc/70\"");
}

/* Walks all pages; each row must come exactly once. Between pages the caller may publish other datasets. */
static unsigned walk(struct world *world, size_t limit, const char *name, const char *value, unsigned seen[],
                     size_t max_answer, bool republish)
{
    char cursor[LAM_CURSOR_TEXT] = "";
    unsigned pages = 0;

    do {
        struct lam_query_info info;
        struct lam_query query;
        struct lam_error err;
        json_t *json, *record;
        char *text;
        size_t i;

        assert_int_equal(lam_query_init(&query, LAM_QUERY_LIST, NULL), 0);
        query.limit = limit;
        if (*name)
            assert_int_equal(lam_query_param(&query, lam_sv_of(name), lam_sv_of(value), NULL), 0);
        if (*cursor)
            assert_int_equal(lam_query_param(&query, LAM_SV("cursor"), lam_sv_of(cursor), NULL), 0);
        if (run_text(world, &query, max_answer, &text, &info, &err))
            fail_msg("%s", err.text);
        json = json_loads(text, 0, NULL);
        assert_true(json_array_size(json_object_get(json, "records")) <= limit);
        json_array_foreach(json_object_get(json, "records"), i, record)
            seen[json_integer_value(json_object_get(json_object_get(record, "metadata"), "revision"))]++;
        if (info.next_cursor[0])
            assert_string_equal(json_string_value(json_object_get(json, "next_cursor")), info.next_cursor);
        else
            assert_true(json_is_null(json_object_get(json, "next_cursor")));
        strcpy(cursor, info.next_cursor);
        json_decref(json);
        free(text);
        lam_query_release(&query);
        if (republish)
            memory_publish(&world->memory, make_rows(997, false, pages + 2));
        assert_true(++pages < 2000);
    } while (*cursor);
    return pages;
}

static void pages_show_every_row_once(void **state)
{
    static const size_t limits[] = {1, 7, 100, 997, 998, 10000};
    struct world *world = *state;

    for (int append = 0; append < 2; append++) {
        memory_publish(&world->memory, make_rows(997, append, 1));
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            unsigned seen[997] = {0}, pages = walk(world, limits[i], "", "", seen, LAM_QUERY_ANSWER_MAX, false);

            for (int row = 0; row < 997; row++)
                assert_int_equal(seen[row], 1);
            assert_int_equal(pages, (997 + limits[i] - 1) / limits[i]); /* no empty page at the end */
        }
    }
}

static void filtered_pages_show_the_matching_rows_once(void **state)
{
    struct world *world = *state;
    unsigned seen[997] = {0};

    memory_publish(&world->memory, make_rows(997, false, 1));
    walk(world, 10, "category", "outage", seen, LAM_QUERY_ANSWER_MAX, false);
    for (int row = 0; row < 997; row++)
        assert_int_equal(seen[row], row % 3 == 0);
}

static void a_cursor_holds_from_one_view_to_the_next(void **state)
{
    struct world *world = *state;
    unsigned seen[997] = {0};

    memory_publish(&world->memory, make_rows(997, false, 1));
    walk(world, 50, "", "", seen, LAM_QUERY_ANSWER_MAX, true);
    for (int row = 0; row < 997; row++)
        assert_int_equal(seen[row], 1);
}

static void a_long_page_ends_early(void **state)
{
    struct world *world = *state;
    unsigned seen[997] = {0};

    memory_publish(&world->memory, make_rows(997, false, 1));
    assert_true(walk(world, 997, "", "", seen, 20000, false) > 20);
    for (int row = 0; row < 997; row++)
        assert_int_equal(seen[row], 1);
}

static void a_page_that_takes_long_ends_early(void **state)
{
    struct world *world = *state;
    struct lam_query_info info;
    struct lam_query query;
    struct lam_error err;
    char *text;

    memory_publish(&world->memory, make_rows(997, false, 1));
    atomic_store(&world->memory.delay_us, 1000);
    world->limits.timeout_ms = 300;
    assert_int_equal(lam_query_init(&query, LAM_QUERY_LIST, NULL), 0);
    assert_int_equal(lam_query_param(&query, LAM_SV("category"), LAM_SV("nothing has it"), NULL), 0);
    /* On a machine that stands still for longer the whole query may time out instead; both end it. */
    if (!run_text(world, &query, LAM_QUERY_ANSWER_MAX, &text, &info, &err)) {
        assert_true(info.next_cursor[0] != '\0');
        assert_int_equal(info.rows, 0);
        free(text);
    } else {
        assert_int_equal(err.code, LAM_E_TIMEOUT);
    }
    lam_query_release(&query);
}

/* A key too long for a cursor never ends a page. */
static void long_keys_do_not_break_paging(void **state)
{
    struct world *world = *state;
    struct memory_dataset *dataset = memory_dataset_new(40, false, 1);
    unsigned seen[997] = {0};

    for (int i = 0; i < 40; i++) {
        char *key = malloc(30000), metadata[64];
        size_t len = i % 4 ? 20 : 20000;

        memset(key, 'x', len);
        key[snprintf(key, len, "%d", i)] = 'x';
        snprintf(metadata, sizeof metadata, "{\"revision\": %d}", i);
        memory_add(dataset, lam_sv(key, len), "c", metadata);
        free(key);
    }
    memory_publish(&world->memory, dataset);
    walk(world, 40, "", "", seen, 200000, false);
    for (int row = 0; row < 40; row++)
        assert_int_equal(seen[row], 1);
}

static int run_with_cursor(struct world *world, struct lam_sv cursor, struct lam_error *err)
{
    struct lam_query query;
    char *text;
    int rc;

    assert_int_equal(lam_query_init(&query, LAM_QUERY_LIST, NULL), 0);
    rc = lam_query_param(&query, LAM_SV("cursor"), cursor, err);
    if (!rc && !(rc = run_text(world, &query, LAM_QUERY_ANSWER_MAX, &text, NULL, err)))
        free(text);
    lam_query_release(&query);
    return rc;
}

static void foreign_cursors_are_refused(void **state)
{
    struct world *world = *state;
    struct lam_query_info info;
    struct lam_query query;
    struct lam_error err;
    char *text, cut[LAM_CURSOR_TEXT], longer[8000];

    memory_publish(&world->memory, make_rows(10, false, 1));
    assert_int_equal(lam_query_init(&query, LAM_QUERY_LIST, NULL), 0);
    query.limit = 3;
    assert_int_equal(run_text(world, &query, LAM_QUERY_ANSWER_MAX, &text, &info, &err), 0);
    free(text);
    lam_query_release(&query);
    assert_int_equal(run_with_cursor(world, lam_sv_of(info.next_cursor), &err), 0);
    for (size_t i = 0; info.next_cursor[i]; i++) {
        strcpy(cut, info.next_cursor);
        cut[i] = cut[i] == 'A' ? 'B' : 'A';
        if (lam_sv_eq(lam_sv_of(cut), lam_sv_of(info.next_cursor)) || info.next_cursor[i + 1] == '\0')
            continue; /* the last digit has bits that stand for nothing */
        assert_int_equal(run_with_cursor(world, lam_sv_of(cut), &err), LAM_E_INVALID);
        assert_int_equal(run_with_cursor(world, lam_sv(info.next_cursor, i ? i : 1), &err), LAM_E_INVALID);
    }
    assert_int_equal(run_with_cursor(world, LAM_SV("no such thing!"), &err), LAM_E_INVALID);
    assert_int_equal(run_with_cursor(world, LAM_SV("a\0b"), &err), LAM_E_INVALID);
    memset(longer, 'A', sizeof longer);
    assert_int_equal(run_with_cursor(world, lam_sv(longer, sizeof longer), &err), LAM_E_INVALID);
    memory_publish(&world->memory, make_rows(10, true, 1));
    assert_int_equal(run_with_cursor(world, lam_sv_of(info.next_cursor), &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "another store"));
}

static void an_aggregate_is_answered_and_narrowed(void **state)
{
    struct world *world = *state;
    struct lam_query query;
    json_t *json;

    memory_publish(&world->memory, make_rows(9, false, 1));
    assert_int_equal(lam_query_init(&query, LAM_QUERY_AGGREGATE, NULL), 0);
    assert_int_equal(lam_query_set_aggregate(&query,
                                             LAM_SV("{\"metrics\": [{\"op\": \"sum\", \"field\": \"/revision\"}], "
                                                    "\"group_by\": [\"category\"]}"),
                                             NULL),
                     0);
    assert_int_equal(lam_query_param(&query, LAM_SV("/revision.gt"), LAM_SV("0"), NULL), 0);
    json = run_json(world, &query);
    assert_int_equal(json_integer_value(json_object_get(json, "rows")), 8);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "as_of"), "view")), 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(json_object_get(json,
                                                                                                         "groups"),
                                                                                         0),
                                                                          "by"),
                                                          "category")),
                        "billing");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(json_object_get(json, "groups"),
                                                                                       0),
                                                                        "metrics"),
                                                        "sum(/revision)")),
                     27);
    json_decref(json);
    lam_query_release(&query);
}

static void status_tells_counts_that_balance(void **state)
{
    struct world *world = *state;
    struct lam_query query;
    json_t *json, *counts;

    memory_publish(&world->memory, make_rows(9, false, 5));
    assert_int_equal(lam_query_init(&query, LAM_QUERY_STATUS, NULL), 0);
    json = run_json(world, &query);
    counts = json_object_get(json, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "read")), 1040);
    assert_true(json_is_true(json_object_get(counts, "balanced")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "rows"), "view")), 9);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "lag"), "records")), 12);
    assert_true(json_is_null(json_object_get(json_object_get(json, "lag"), "ms")));
    assert_true(json_is_null(json_object_get(json, "agreement")));
    assert_int_equal(json_array_size(json_object_get(json, "categories")), 2);
    assert_int_equal(lam_query_param(&query, LAM_SV("limit"), LAM_SV("1"), NULL), LAM_E_INVALID);
    json_decref(json);
    lam_query_release(&query);
}

static void removed_segments_are_met_by_pinning_anew(void **state)
{
    struct world *world = *state;
    struct lam_error err;
    char *text;

    memory_publish(&world->memory, make_rows(10, false, 1));
    atomic_store(&world->memory.conflicts, 2);
    assert_int_equal(get_key(world, "doc/7", &text, &err), 0);
    free(text);
    assert_int_equal(atomic_load(&world->memory.pins), 3);
    atomic_store(&world->memory.conflicts, 3);
    assert_int_equal(get_key(world, "doc/7", &text, &err), LAM_E_CONFLICT);
}

static void failures_leave_nothing_behind(void **state)
{
    atomic_bool stop;
    struct world *world = *state;
    struct lam_query query;
    struct lam_error err;
    char *text;

    assert_int_equal(get_key(world, "doc/7", &text, &err), LAM_PENDING);
    assert_non_null(strstr(err.text, "the first view is not there yet"));
    memory_publish(&world->memory, make_rows(500, false, 1));
    atomic_store(&world->memory.failure, LAM_E_CORRUPT);
    assert_int_equal(get_key(world, "doc/7", &text, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "silver/1.h5"));
    atomic_store(&world->memory.failure, 0);

    assert_int_equal(lam_query_init(&query, LAM_QUERY_AGGREGATE, NULL), 0);
    assert_int_equal(lam_query_set_aggregate(&query, LAM_SV("{}"), NULL), 0);
    atomic_init(&stop, true);
    world->limits.stop = &stop;
    assert_int_equal(run_text(world, &query, LAM_QUERY_ANSWER_MAX, &text, NULL, &err), LAM_E_CANCELLED);
    world->limits.stop = NULL;
    world->limits.timeout_ms = 1;
    atomic_store(&world->memory.delay_us, 1000);
    assert_int_equal(run_text(world, &query, LAM_QUERY_ANSWER_MAX, &text, NULL, &err), LAM_E_TIMEOUT);
    world->limits.timeout_ms = LAM_QUERY_TIMEOUT_MS;
    atomic_store(&world->memory.delay_us, 0);
    for (size_t max = 0; max < 200; max += 9)
        assert_int_equal(run_text(world, &query, max, &text, NULL, &err), LAM_E_LIMIT);
    lam_query_release(&query);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_key_is_found_or_not),
        CASE(pages_show_every_row_once),
        CASE(filtered_pages_show_the_matching_rows_once),
        CASE(a_cursor_holds_from_one_view_to_the_next),
        CASE(a_long_page_ends_early),
        CASE(a_page_that_takes_long_ends_early),
        CASE(long_keys_do_not_break_paging),
        CASE(foreign_cursors_are_refused),
        CASE(an_aggregate_is_answered_and_narrowed),
        CASE(status_tells_counts_that_balance),
        CASE(removed_segments_are_met_by_pinning_anew),
        CASE(failures_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
