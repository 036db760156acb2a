/* What a store remembers of a job: which change is refused, which makes a new view, and which is free. */
#include "jobs.h"

#include "nearest.h"

static void the_order_and_the_writing_of_a_job_change_no_part(void **state)
{
    struct lam_job *a = good("{'name': 't', 'store': '/s', 'dataset': {'kind': 'upsert', 'key': '/id', 'text': '/t',"
                             " 'order_by': 'position'},"
                             " 'sources': [{'type': 'files', 'path': 'a'}, {'type': 'files', 'path': 'b'}],"
                             " 'batch': {'split': '8 MiB'}}",
                             NULL);
    struct lam_job *b =
        good("{'batch': {'split': 8388608},"
             " 'sources': [{'path': 'b', 'type': 'files', 'key': ['/id']}, {'path': 'a', 'type': 'files', 'key': ['/id']}],"
             " 'dataset': {'order_by': 'position', 'text': ['/t']}, 'store': {'path': '/s'}, 'name': 't'}",
             NULL);

    (void)state;
    assert_sv(a->identity, "{\"dataset\":{\"kind\":\"upsert\",\"order_by\":\"position\"},\"sources\":{\"files:a\":{"
                           "\"key\":[\"/id\"]},\"files:b\":{\"key\":[\"/id\"]}}}");
    assert_sv(b->identity, a->identity.ptr);
    assert_sv(b->analysis, a->analysis.ptr);
    assert_true(lam_digest_eq(a->identity_digest, b->identity_digest));
    assert_true(lam_digest_eq(a->analysis_digest, b->analysis_digest));
    lam_job_free(a);
    lam_job_free(b);
}

enum { FREE = 0, IDENTITY = 1, ANALYSIS = 2 };

static void each_field_belongs_to_the_part_that_it_should(void **state)
{
    static const struct {
        const char *set;
        int parts;
    } cases[] = {
        {"name=other", FREE},
        {"store=elsewhere", FREE},
        {"roles.speed=3", FREE},
        {"serve.listen=127.0.0.1:1", FREE},
        {"batch.split=4 MiB", FREE},
        {"batch.workers=7", FREE},
        {"fast.analyzer=builtin", FREE},
        {"stream.brokers=kafka:9092", FREE},
        {"stream.analyze_when=null", FREE},
        {"quarantine.max=0.5", FREE},
        {"dataset.late=accept", FREE},
        {"dataset.tombstones=1 day", FREE},
        {"sources.0.on_missing=delete", FREE},
        {"sources.0.bronze=copy", FREE},
        {"$schema=x", FREE},
        {"dataset.kind=append", IDENTITY},
        {"dataset.key=/other", IDENTITY},
        {"dataset.event_time=/other", IDENTITY},
        {"dataset.order_by=position", IDENTITY},
        {"dataset.order_by=/lsn", IDENTITY},
        {"dataset.deleted=/gone", IDENTITY},
        {"sources.0.key=/other", IDENTITY},
        {"stream.event_time=/other", IDENTITY},
        {"dataset.text=/other", ANALYSIS},
        {"sources.0.text=/other", ANALYSIS},
        {"sources.0.format=jsonl", ANALYSIS},
        {"sources.0.csv.header=no", ANALYSIS},
        {"tasks.embed.dim=64", ANALYSIS},
        {"tasks.language={}", ANALYSIS},
        {"tasks.entities=null", ANALYSIS},
        {"tasks.classify.labels.third=words", ANALYSIS},
        {"tasks.classify.labels.billing=others", ANALYSIS},
        {"limits.record=2 MiB", ANALYSIS},
        {"dataset.max_skew=1", ANALYSIS},
    };
    struct lam_job *stored = good(FULL, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_job *job = good(FULL, SETS(cases[i].set));
        struct lam_job_change change;
        int rc = lam_job_compare(job, stored->identity, stored->analysis, &change, &err);
        int parts = (change.identity ? IDENTITY : 0) | (change.analysis ? ANALYSIS : 0);

        if (parts != cases[i].parts)
            fail_msg("%s changes %d, not %d", cases[i].set, parts, cases[i].parts);
        assert_int_equal(rc, parts & IDENTITY ? LAM_E_INVALID : 0);
        assert_int_equal(lam_digest_eq(job->identity_digest, stored->identity_digest), !(parts & IDENTITY));
        assert_int_equal(lam_digest_eq(job->analysis_digest, stored->analysis_digest), !(parts & ANALYSIS));
        assert_int_equal(change.analysis_fields[0] != '\0', change.analysis);
        assert_string_equal(change.sources_added, "");
        assert_string_equal(change.sources_gone, "");
        lam_job_free(job);
    }
    lam_job_free(stored);
}

static void a_refusal_names_what_differs(void **state)
{
    struct lam_job *stored = good(FULL, NULL), *job = good(FULL, SETS("dataset.kind=append", "sources.0.key=/nr"));
    struct lam_job_change change;

    (void)state;
    assert_int_equal(lam_job_compare(job, stored->identity, stored->analysis, &change, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "/dataset/kind is \"upsert\" in the store and \"append\" in the job"));
    assert_non_null(strstr(err.text, "/sources/files:data~1**/key is [\"/id\",\"$path\"] in the store and [\"/nr\"] in the job"));
    lam_job_free(job);
    job = good(FULL, SETS("tasks.embed.dim=64", "tasks.language={}"));
    assert_int_equal(lam_job_compare(job, stored->identity, stored->analysis, &change, &err), 0);
    assert_string_equal(change.analysis_fields, "/tasks/embed/dim, /tasks/language");
    assert_int_equal(lam_job_compare(job, LAM_SV("{"), stored->analysis, &change, &err), LAM_E_CORRUPT);
    lam_job_free(job);
    lam_job_free(stored);
}

static void sources_come_and_go_without_touching_the_others(void **state)
{
    struct lam_job *stored = good(FULL, NULL);
    struct lam_job *job = good(FULL, SETS("sources.1={'type': 'files', 'path': 'more', 'text': '/other'}", "stream=null", "roles.speed=0"));
    struct lam_job_change change;

    (void)state;
    assert_int_equal(lam_job_compare(job, stored->identity, stored->analysis, &change, &err), 0);
    assert_false(change.identity);
    assert_false(change.analysis);
    assert_string_equal(change.sources_added, "files:more");
    assert_string_equal(change.sources_gone, "stream:incoming_events");
    lam_job_free(job);
    lam_job_free(stored);
}

static void a_whole_job_read_again_is_the_same_job(void **state)
{
    (void)state;
    for (const char *const *text = SETS(SMALL, FULL); *text; text++) {
        struct lam_job *first = good(*text, NULL), *again;

        assert_int_equal(lam_job_parse(first->full, "full", "/home/me/jobs", NULL, 0, &again, &problems, &err), 0);
        assert_sv(again->full, first->full.ptr);
        assert_sv(again->identity, first->identity.ptr);
        assert_sv(again->analysis, first->analysis.ptr);
        assert_sv(again->rest, first->rest.ptr);
        lam_job_free(again);
        lam_job_free(first);
    }
}

static void the_nearest_word_is_near(void **state)
{
    const char *best = NULL;
    double distance = 0;

    (void)state;
    assert_true(lam_word_distance("roles", "roles") == 0);
    assert_true(lam_word_distance("rolse", "roles") == 1);
    assert_true(lam_word_distance("", "abc") == 3);
    assert_true(lam_word_distance("kitten", "sitting") == 3);
    assert_true(lam_word_distance("Roles", "roles") == 0.5);
    lam_nearest_try("xyz", "roles", &best, &distance);
    assert_null(best);
    lam_nearest_try("batc", "fetch", &best, &distance);
    lam_nearest_try("batc", "batch", &best, &distance);
    lam_nearest_try("batc", "match", &best, &distance);
    assert_string_equal(best, "batch");
}

static void the_schema_is_json_and_knows_every_field_of_a_whole_job(void **state)
{
    struct lam_buf out;
    struct lam_job *job = good(FULL, NULL);

    (void)state;
    lam_buf_init(&out, 1 << 20);
    assert_int_equal(lam_job_schema(&out, &err), 0);
    assert_int_equal(lam_buf_add(&out, "", 1, &err), 0);
    assert_non_null(strstr(out.ptr, "https://json-schema.org/draft/2020-12/schema"));
    for (const char *const *name =
             SETS("order_by", "max_skew", "on_missing", "analyze_when", "labels", "commit_interval", "token_env");
         *name; name++) {
        char quoted[64];

        snprintf(quoted, sizeof quoted, "\"%s\": {", *name);
        assert_non_null(strstr(out.ptr, quoted));
    }
    lam_buf_release(&out);
    lam_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_and_the_writing_of_a_job_change_no_part),
        cmocka_unit_test(each_field_belongs_to_the_part_that_it_should),
        cmocka_unit_test(a_refusal_names_what_differs),
        cmocka_unit_test(sources_come_and_go_without_touching_the_others),
        cmocka_unit_test(a_whole_job_read_again_is_the_same_job),
        cmocka_unit_test(the_nearest_word_is_near),
        cmocka_unit_test(the_schema_is_json_and_knows_every_field_of_a_whole_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
