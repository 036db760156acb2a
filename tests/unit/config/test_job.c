/* A job file is understood as it was meant, or every mistake in it is told. */
#include "jobs.h"

static void the_job_of_the_architecture_is_understood(void **state)
{
    struct lam_job *job = good(FULL, NULL);
    const struct lam_rule *rule = job->stream->analyze_when;

    (void)state;
    assert_string_equal(job->name, "tickets");
    assert_string_equal(job->store.path, "/home/me/jobs/out/tickets");
    assert_int_equal(job->dataset.kind, LAM_JOB_UPSERT);
    assert_int_equal(job->dataset.order_by, LAM_ORDER_TIME);
    assert_int_equal(job->source_count, 1);
    assert_string_equal(job->sources[0].name, "files:data/**");
    assert_string_equal(job->sources[0].path, "/home/me/jobs/data/**");
    assert_string_equal(job->sources[0].root, "/home/me/jobs/data");
    assert_string_equal(job->sources[0].pattern, "**");
    assert_int_equal(job->sources[0].map.key.count, 2);
    assert_sv(job->sources[0].map.key.items[1], "$path");
    assert_sv(job->sources[0].map.event_time, "/created_at");
    assert_string_equal(job->stream->name, "stream:incoming_events");
    assert_true(job->stream->local);
    assert_int_equal(job->stream->map.text.count, 2);
    assert_int_equal(job->stream->kafka_count, 1);
    assert_string_equal(job->stream->kafka[0].name, "security.protocol");
    assert_string_equal(job->stream->kafka[0].value, "ssl");
    assert_null(job->stream->kafka[0].env);
    assert_int_equal(rule->op, LAM_RULE_ANY);
    assert_int_equal(rule->child_count, 3);
    assert_int_equal(rule->children[0].op, LAM_RULE_EQ);
    assert_sv(rule->children[0].field, "/priority");
    assert_sv(rule->children[0].values[0].text, "high");
    assert_true(rule->children[1].values[0].boolean);
    assert_int_equal(rule->children[2].values[0].number.i64, 500);
    assert_int_equal(job->tasks.wanted, LAM_TASK_CLASSIFY | LAM_TASK_ENTITIES | LAM_TASK_SUMMARIZE | LAM_TASK_SENTIMENT | LAM_TASK_EMBED);
    assert_int_equal(job->tasks.label_count, 2);
    assert_sv(job->tasks.labels[0].name, "billing");
    assert_sv(job->tasks.labels[1].description, "service down, errors");
    assert_int_equal(job->tasks.sentences, 3);
    assert_int_equal(job->batch.every_records, 100000);
    assert_int_equal(job->batch.every_us, INT64_C(3600000000));
    assert_int_equal(job->fast.analyzer, LAM_JOB_STUDENT);
    assert_string_equal(job->serve.host, "127.0.0.1");
    assert_int_equal(job->serve.port, 8080);
    lam_job_free(job);
}

static void what_is_not_said_has_the_documented_default(void **state)
{
    struct lam_job *job = good(SMALL, NULL);

    (void)state;
    assert_null(job->stream);
    assert_int_equal(job->roles.serve, 1);
    assert_int_equal(job->roles.speed, 0);
    assert_int_equal(job->dataset.kind, LAM_JOB_UPSERT);
    assert_int_equal(job->dataset.order_by, LAM_ORDER_POSITION);
    assert_int_equal(job->dataset.tombstones_us, INT64_C(30) * 86400 * 1000000);
    assert_int_equal(job->batch.split, 8 << 20);
    assert_int_equal(job->store.visibility_us, 90000000);
    assert_int_equal(job->store.grace_us, 600000000);
    assert_int_equal(job->commit_interval_us, 5000000);
    assert_int_equal(job->sources[0].on_missing, LAM_JOB_MISSING_KEEP);
    assert_int_equal(job->sources[0].bronze, LAM_JOB_BRONZE_REFERENCE);
    assert_int_equal(job->sources[0].map.key.count, 0);
    assert_int_equal(job->sources[0].csv.delimiter, 0);
    assert_int_equal(job->tasks.wanted, 0);
    assert_null(job->serve.token_env);
    lam_job_free(job);
}

static void sizes_and_durations_are_numbers_or_text_with_a_unit(void **state)
{
    static const struct {
        const char *set;
        uint64_t bytes;
    } sizes[] = {{"batch.split=16 MiB", 16 << 20}, {"batch.split=16777216", 16 << 20}, {"batch.split=0.5 MiB", 1 << 19},
                 {"batch.split=64KiB", 65536},     {"batch.split=1 MB", 1000000},      {"batch.split='8192 B'", 8192}};
    static const struct {
        const char *set;
        int64_t us;
    } times[] = {{"commit_interval=2", 2000000},     {"commit_interval=0.25", 250000},
                 {"commit_interval=2 s", 2000000},   {"commit_interval=1 min", 60000000},
                 {"commit_interval=500 ms", 500000}, {"commit_interval='1 hour'", INT64_C(3600000000)}};
    struct lam_job *job;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        job = good(SMALL, SETS(sizes[i].set));
        assert_int_equal(job->batch.split, sizes[i].bytes);
        lam_job_free(job);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        job = good(SMALL, SETS(times[i].set));
        assert_int_equal(job->commit_interval_us, times[i].us);
        lam_job_free(job);
    }
    for (const char *const *set =
             SETS("batch.split=8 MX", "batch.split=-1", "batch.split=1.5", "batch.split=MiB",
                  "commit_interval=1 fortnight", "commit_interval=-5 s", "batch.split=true", "batch.split=1e400");
         *set; set++) {
        bad(SMALL, SETS(*set));
        assert_non_null(strstr(problems.items[0].text, "expected"));
        assert_non_null(strstr(problems.items[0].text, *set)); /* it came from --set, and says so */
    }
}

static void unknown_fields_name_the_nearest_known_one(void **state)
{
    (void)state;
    bad("{'name': 't', 'stroe': '/o', 'store': '/out/t', 'sources': [{'type': 'files', 'path': 'd', 'formt': 'csv'}], "
        "'roles': {'wrokers': 1}, 'workers': 3, 'zzz': 1}",
        NULL);
    assert_int_equal(problems.total, 5);
    assert_problem(0, "/stroe", "unknown field; did you mean \"store\"?");
    assert_problem(1, "/workers", "unknown field here; did you mean /batch/workers?");
    assert_problem(2, "/zzz", "unknown field; known here: $schema, name, store");
    assert_problem(3, "/roles/wrokers", "did you mean");
    assert_problem(4, "/sources/0/formt", "unknown field; did you mean \"format\"?");
    assert_string_equal(err.text, "jobs/t.json: /stroe: unknown field; did you mean \"store\"? (and 4 more)");
}

static void many_mistakes_are_told_at_once_and_all_are_counted(void **state)
{
    char text[4096] = "{'name': 't', 'store': '/o'";

    (void)state;
    for (int i = 0; i < 50; i++)
        sprintf(text + strlen(text), ", 'field%d': 1", i);
    strcat(text, "}");
    bad(text, NULL);
    assert_int_equal(problems.total, 50);
    assert_int_equal(problems.count, LAM_PROBLEMS_MAX);
}

static void wrong_values_say_what_was_expected_and_what_was_found(void **state)
{
    static const struct {
        const char *set, *pointer, *text;
    } cases[] = {
        {"name=a b", "/name", "a letter or digit first; found \"a b\""},
        {"dataset.kind=table", "/dataset/kind", "expected one of \"append\", \"upsert\"; found \"table\""},
        {"dataset.key=id", "/dataset/key", "expected a JSON pointer such as \"/id\", or \"$key\" or \"$path\"; found \"id\""},
        {"dataset.key=['/a', 5]", "/dataset/key/1", "found 5"},
        {"dataset.key=[]", "/dataset/key", "1 to 16 strings; found an empty list"},
        {"dataset.text=$path", "/dataset/text", "expected a JSON pointer such as \"/body\""},
        {"dataset.event_time=created", "/dataset/event_time", "or \"$mtime\"; found \"created\""},
        {"dataset.order_by=lsn", "/dataset/order_by", "\"position\", \"event_time\", or a JSON pointer"},
        {"roles.serve=2", "/roles/serve", "an integer from 0 to 1; found 2"},
        {"roles.speed=1.5", "/roles/speed", "an integer"},
        {"sources.0.format=pdf", "/sources/0/format", "one of \"auto\", \"text\""},
        {"sources.0.csv.delimiter=ab", "/sources/0/csv/delimiter", "one ASCII character"},
        {"sources={}", "/sources", "a list of at most 1000 objects; found an empty object"},
        {"quarantine.max=1.5", "/quarantine/max", "a number from 0 to 1; found 1.5"},
        {"serve.listen=8080", "/serve/listen", "an address and a port"},
        {"serve.listen=127.0.0.1:70000", "/serve/listen", "a port from 0 to 65535; found 70000"},
        {"serve.token_env=s3cret!", "/serve/token_env", "the name of an environment variable"},
        {"serve.keep=1", "/serve/keep", "expected true or false; found 1"},
        {"deep.analyzer=claude", "/deep/analyzer", "expected one of \"builtin\", \"openai\"; found \"claude\""},
        {"tasks.classify.labels={'one': 'x'}", "/tasks/classify/labels", "2 to 5000 labels"},
        {"tasks.classify.labels={'one': 'x', 'two': 5}", "/tasks/classify/labels/two", "text that describes the label"},
        {"tasks.classify.labels={'one': 'x', 'two': ' .'}", "/tasks/classify/labels/two", "words that describe the label"},
        {"tasks.classify.labels={'one': 'x', 'One': 'y'}", "/tasks/classify/labels/One", "in case alone"},
        {"tasks.classify={'labels': {'a': 'x', 'b': 'y'}, 'abstain_below': 1.5}", "/tasks/classify/abstain_below", "1"},
        {"tasks.classify={'labels': {'a': 'x', 'b': 'y'}, 'label_field': 'label'}", "/tasks/classify/label_field", "a JSON pointer"},
        {"tasks.classify={}", "/tasks/classify", "the field \"labels\" is missing"},
        {"tasks.entities=true", "/tasks/entities", "expected an object; found true"},
        {"tasks.entities={'patterns': {'a b': 'x'}}", "/tasks/entities/patterns/a b", "a-z, 0-9 and _"},
        {"tasks.entities={'patterns': {'a': '('}}", "/tasks/entities/patterns/a", "not a regular expression"},
        {"tasks.entities={'patterns': {'a': 'x*'}}", "/tasks/entities/patterns/a", "matches nothing"},
        {"tasks.entities={'patterns': {'a': 7}}", "/tasks/entities/patterns/a", "a regular expression; found 7"},
        {"tasks.entities={'country': 'de'}", "/tasks/entities/country", "two capitals"},
        {"tasks.redact={}", "/tasks/redact", "the field \"kinds\" is missing"},
        {"tasks.redact={'kinds': ['E-Mail']}", "/tasks/redact/kinds/0", "types of entities"},
        {"tasks.redact={'kinds': 'email', 'secret_env': 's3cret!'}", "/tasks/redact/secret_env", "the name of an environment variable"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad(SMALL, SETS(cases[i].set));
        assert_int_equal(problems.total, 1);
        assert_problem(0, cases[i].pointer, cases[i].text);
        assert_non_null(strstr(problems.items[0].text, "(from --set "));
    }
}

static void patterns_and_what_is_masked_are_understood(void **state)
{
    struct lam_job *job = good(SMALL, SETS("tasks.entities={'patterns': {'b': '[0-9]{4}', 'a': 'A-[0-9]+'}, 'country': 'DE'}",
                                           "tasks.redact={'kinds': ['email', 'a'], 'secret_env': 'KEY'}"));
    struct lam_job *other = good(SMALL, SETS("tasks.entities={'patterns': {'b': '[0-9]{4}', 'a': 'A-[0-9]+'}, 'country': 'DE'}"));

    (void)state;
    assert_int_equal(job->tasks.wanted, LAM_TASK_ENTITIES);
    assert_int_equal(job->tasks.pattern_count, 2);
    assert_sv(job->tasks.patterns[0].name, "a");
    assert_sv(job->tasks.patterns[1].expression, "[0-9]{4}");
    assert_sv(job->tasks.country, "DE");
    assert_int_equal(job->redact.kinds.count, 2);
    assert_sv(job->redact.kinds.items[1], "a");
    assert_string_equal(job->redact.secret_env, "KEY");
    assert_int_equal(other->redact.kinds.count, 0);
    assert_true(lam_digest_eq(job->analysis_digest, other->analysis_digest)); /* masking asks for no new view */
    lam_job_free(other);
    lam_job_free(job);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    bad("{}", NULL);
    assert_problem(0, "", "the field \"name\" is missing");
    assert_problem(1, "", "the field \"store\" is missing");
    bad("{'name': 't', 'store': 's', 'sources': [{}]}", NULL);
    assert_problem(0, "/sources/0", "the field \"type\" is missing");
    assert_problem(1, "/sources/0", "the field \"path\" is missing");
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    bad("{'name': 't',\n 'store': }", NULL);
    assert_int_equal(problems.total, 1);
    assert_problem(0, "", "line 2, column 11");
    bad("{'name': 't',\n 'roles': {'speed': 1, 'speed': 2}}", NULL);
    assert_problem(0, "", "line 2");
    assert_non_null(strstr(problems.items[0].text, "duplicate object key"));
    bad("[1]", NULL);
    assert_problem(0, "", "expected an object; found a list");
    bad("", NULL);
    bad("{'name': '\\u0000'}", NULL);
    bad("{'name': '\xff'}", NULL);
}

static void fields_have_to_fit_together(void **state)
{
    static const char stream[] = "stream={'brokers': 'local', 'topic': 't'}";
    char long_path[400] = "sources.0.path=";
    const struct {
        const char *sets[3];
        const char *pointer, *text;
    } cases[] = {
        {{"sources=[]"}, "", "there is nothing to read"},
        {{"roles.speed=2"}, "/roles/speed", "there is no /stream"},
        {{"serve.listen=0.0.0.0:80"}, "/serve/listen", "requests must bring a token"},
        {{"serve.listen=[::]:80"}, "/serve/listen", "requests must bring a token"},
        {{"serve.listen=example.org:80"}, "/serve/listen", "requests must bring a token"},
        {{"sources.1={'type': 'files', 'path': 'more'}"}, "/dataset", "with several sources \"order_by\" must say"},
        {{"sources.1={'type': 'files', 'path': 'data/**'}", "dataset.order_by=position"}, "/sources/1", "same name as /sources/0"},
        {{"sources.0.format=csv"}, "/sources/0", "need a key"},
        {{"sources.0.format=jsonl", "dataset.key=/id", "tasks.entities={}"}, "/sources/0", "nothing to analyse"},
        {{"sources.0.format=lines"}, "/sources/0", "need a key"},
        {{"dataset.order_by=event_time"}, "/sources/0", "this source has none"},
        {{stream, "dataset.order_by=position"}, "/stream", "need a key"},
        {{stream, "dataset.kind=append", "dataset.event_time=$mtime"}, "/stream", "messages have none"},
        {{stream, "dataset.kind=append", "stream.route_default=t"}, "/stream/topic", "the topic that is read"},
        {{stream, "dataset.kind=append", "stream.name=files:data/**"}, "/stream/name", "is the name of /sources/0 too"},
        {{"dataset.key=['$path', '/id']"}, "/dataset/key", "never looked at"},
        {{"limits.record=200 MiB"}, "/limits/record", "a quarter of /batch/memory"},
        {{long_path}, "/sources/0", "give the source a name of its own"},
        {{"batch.split=256 MiB"}, "/batch/split", "a quarter of /batch/memory"},
    };

    (void)state;
    memset(long_path + strlen(long_path), 'x', 350);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad(SMALL, SETS(cases[i].sets[0], cases[i].sets[1], cases[i].sets[1] ? cases[i].sets[2] : NULL));
        assert_int_equal(problems.total, 1);
        assert_problem(0, cases[i].pointer, cases[i].text);
    }
    lam_job_free(good(SMALL, SETS("serve.listen=0.0.0.0:80", "serve.token_env=TOKEN")));
    lam_job_free(good(SMALL, SETS("serve.listen=[::1]:0")));
    lam_job_free(good(SMALL, SETS("serve.listen=localhost:80")));
    lam_job_free(good(SMALL, SETS(stream, "dataset.kind=append")));
}

static void paths_are_relative_to_the_job_file(void **state)
{
    static const struct {
        const char *path, *root, *pattern, *full;
    } cases[] = {
        {"data", "/a[1]/jobs/data", NULL, "/a[1]/jobs/data"},
        {"./data//x.csv", "/a[1]/jobs/data/x.csv", NULL, "/a[1]/jobs/data/x.csv"},
        {"../in/./f", "/a[1]/in/f", NULL, "/a[1]/in/f"},
        {"../../../../f", "/f", NULL, "/f"},
        {"/usr/share/doc", "/usr/share/doc", NULL, "/usr/share/doc"},
        {"/", "/", NULL, "/"},
        {".", "/a[1]/jobs", NULL, "/a[1]/jobs"},
        {"*.md", "/a[1]/jobs", "*.md", "/a[1]/jobs/*.md"},
        {"/*", "/", "*", "/*"},
        {"d/../e/x?/**/*.md", "/a[1]/jobs/e", "x?/**/*.md", "/a[1]/jobs/e/x?/**/*.md"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_job *job;
        char set[100];

        snprintf(set, sizeof set, "sources.0.path=%s", cases[i].path);
        assert_int_equal(parse_in("/a[1]/jobs", SMALL, &job, SETS(set, "store=/elsewhere")),
                         !strcmp(cases[i].path, "/") ? LAM_E_INVALID : 0);
        if (!job)
            continue; /* all of / has the store in it */
        assert_string_equal(job->sources[0].root, cases[i].root);
        assert_string_equal(job->sources[0].path, cases[i].full);
        if (cases[i].pattern)
            assert_string_equal(job->sources[0].pattern, cases[i].pattern);
        else
            assert_null(job->sources[0].pattern);
        lam_job_free(job);
    }
    bad(SMALL, SETS("sources.0.path=a/*/../b"));
    assert_problem(0, "/sources/0/path", "may not follow a glob");
}

static void a_job_does_not_read_its_own_store(void **state)
{
    static const struct {
        const char *path, *store;
        bool fine;
    } cases[] = {
        {"data", "data", false},         {"data", "data/out", false},
        {"data", "data2", true},         {"data/**", "data/out/x", false},
        {"data/in", "data", false},      {"**/*.md", "out", false},
        {"*.md", "out", true},           {"*/*.md", "out", false},
        {"*/*.md", "out/deep/er", true}, {"in*/*.md", "out", true},
        {"*/*/*.md", "a/b", false},      {"/home/me/jobs", "out", false},
        {"/home/me/jobs", "/out", true}, {"data", "../jobs/data/o", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[100], store[100];
        struct lam_job *job;

        snprintf(path, sizeof path, "sources.0.path=%s", cases[i].path);
        snprintf(store, sizeof store, "store=%s", cases[i].store);
        if (cases[i].fine) {
            job = good(SMALL, SETS(path, store));
            lam_job_free(job);
        } else {
            bad(SMALL, SETS(path, store));
            assert_problem(0, "/sources/0/path", "lie in one another");
        }
    }
}

static void secrets_and_what_the_engine_sets_have_no_place_in_a_job(void **state)
{
    struct lam_job *job;

    (void)state;
    for (const char *const *name = SETS("enable.auto.commit", "auto.offset.reset", "enable.auto.offset.store",
                                        "enable.partition.eof", "group.instance.id", "transactional.id",
                                        "enable.idempotence", "isolation.level", "bootstrap.servers", "group.id");
         *name; name++) {
        char set[100], pointer[100];

        snprintf(set, sizeof set, "/stream/kafka/%s=x", *name);
        snprintf(pointer, sizeof pointer, "/stream/kafka/%s", *name);
        bad(FULL, SETS(set));
        assert_problem(0, pointer, "the engine sets this property itself: ");
    }
    bad(FULL, SETS("stream.kafka.sasl.password=hunter2"));
    assert_problem(0, "/stream/kafka/sasl.password", "a secret may not stand in a job file");
    bad(FULL, SETS("stream.kafka.sasl.password={'env': 'no good'}"));
    bad(FULL, SETS("stream.kafka.x=[1]"));
    job = good(FULL, SETS("stream.kafka.sasl.password={'env': 'KAFKA_PASSWORD'}", "stream.kafka.fetch.wait.max.ms=50",
                          "stream.kafka.socket.keepalive.enable=true"));
    assert_int_equal(job->stream->kafka_count, 4);
    for (size_t i = 0; i < job->stream->kafka_count; i++) {
        const struct lam_job_property *property = &job->stream->kafka[i];

        if (!strcmp(property->name, "sasl.password")) {
            assert_null(property->value);
            assert_string_equal(property->env, "KAFKA_PASSWORD");
        } else if (!strcmp(property->name, "fetch.wait.max.ms")) {
            assert_string_equal(property->value, "50");
        } else if (!strcmp(property->name, "socket.keepalive.enable")) {
            assert_string_equal(property->value, "true");
        }
    }
    lam_job_free(job);
}

static void several_conditions_on_a_field_must_all_hold(void **state)
{
    struct lam_job *job = good(FULL, SETS("stream.analyze_when={'not': {'field': '/n', 'ge': 1, 'lt': 2.5}}"));
    const struct lam_rule *rule = job->stream->analyze_when;

    (void)state;
    assert_int_equal(rule->op, LAM_RULE_NOT);
    assert_int_equal(rule->child_count, 1);
    assert_int_equal(rule->children[0].op, LAM_RULE_ALL);
    assert_int_equal(rule->children[0].child_count, 2);
    assert_int_equal(rule->children[0].children[0].op, LAM_RULE_GE);
    assert_int_equal(rule->children[0].children[0].values[0].number.i64, 1);
    assert_int_equal(rule->children[0].children[1].op, LAM_RULE_LT);
    assert_true(rule->children[0].children[1].values[0].number.d == 2.5);
    assert_sv(rule->children[0].children[1].field, "/n");
    lam_job_free(job);
    job = good(FULL, SETS("stream.analyze_when={'field': '$text', 'in': ['a', 1, null, true]}"));
    rule = job->stream->analyze_when;
    assert_int_equal(rule->op, LAM_RULE_IN);
    assert_int_equal(rule->value_count, 4);
    assert_int_equal(rule->values[2].type, LAM_JSON_NULL);
    lam_job_free(job);
}

static void a_rule_that_means_nothing_is_refused(void **state)
{
    static const struct {
        const char *rule, *pointer, *text;
    } cases[] = {
        {"{}", "", "expected a rule"},
        {"7", "", "expected a rule; found 7"},
        {"{'any': []}", "/any", "a list of rules; found an empty list"},
        {"{'any': [{'field': '/a', 'eq': 1}], 'all': []}", "", "stands alone"},
        {"{'field': '/a'}", "", "says nothing about its field"},
        {"{'field': 'a', 'eq': 1}", "/field", "a JSON pointer"},
        {"{'field': '/a', 'eqq': 1}", "/eqq", "did you mean \"eq\"?"},
        {"{'field': '/a', 'lt': true}", "/lt", "a number or a string"},
        {"{'field': '/a', 'in': []}", "/in", "a list of strings"},
        {"{'field': '/a', 'longer': -1}", "/longer", "a number of characters"},
        {"{'field': '/a', 'exists': 1}", "/exists", "true or false"},
        {"{'not': {'not': {'not': {'not': {'not': {'not': {'not': {'not': {'field': '/a', 'eq': 1}}}}}}}}}",
         "/not/not/not/not/not/not/not/not", "deeper than 8"},
    };
    char many[8000] = "stream.analyze_when={'any': [{'field': '/a', 'eq': 1}";

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char set[300], pointer[100];

        snprintf(set, sizeof set, "stream.analyze_when=%s", cases[i].rule);
        snprintf(pointer, sizeof pointer, "/stream/analyze_when%s", cases[i].pointer);
        bad(FULL, SETS(set));
        assert_problem(0, pointer, cases[i].text);
    }
    for (int i = 0; i < 250; i++)
        strcat(many, ",{'field':'/a','eq':1}");
    strcat(many, "]}");
    bad(FULL, SETS(many));
    assert_int_equal(problems.total, 1);
    assert_non_null(strstr(problems.items[0].text, "more than 200 rules"));
}

static void an_override_goes_where_its_path_says(void **state)
{
    struct lam_job *job;

    (void)state;
    job = good(SMALL, SETS("store.grace=1 h", "name=42", "dataset.key=['/a','/b']", "/sources/0/name=x/y",
                           "tasks.summarize.sentences=5", "batch.every.records=7"));
    assert_string_equal(job->store.path, "/out/t");
    assert_int_equal(job->store.grace_us, INT64_C(3600000000));
    assert_string_equal(job->name, "42");
    assert_int_equal(job->dataset.map.key.count, 2);
    assert_string_equal(job->sources[0].name, "x/y");
    assert_int_equal(job->tasks.sentences, 5);
    assert_int_equal(job->batch.every_records, 7);
    assert_int_equal(job->batch.every_us, 0); /* what is said replaces the default as a whole */
    lam_job_free(job);
    job = good(FULL, SETS("stream=null", "roles.speed=null", "sources.0.path=other", "dataset.order_by=null"));
    assert_null(job->stream);
    assert_int_equal(job->roles.speed, 0);
    assert_string_equal(job->sources[0].root, "/home/me/jobs/other");
    lam_job_free(job);
    job = good(SMALL, SETS("sources.1.type=files", "sources.1.path=more", "dataset.order_by=position"));
    assert_int_equal(job->source_count, 2);
    lam_job_free(job);
    job = good("{}", SETS("name=n", "store=s", "sources.0.type=files", "sources.0.path=p"));
    assert_string_equal(job->sources[0].name, "files:p");
    lam_job_free(job);
}

static void an_override_that_goes_nowhere_is_told(void **state)
{
    static const struct {
        const char *set, *pointer, *text;
    } cases[] = {
        {"rolse.speed=1", "/rolse", "did you mean \"roles\"? (from --set rolse.speed=1)"},
        {"name", "--set name", "expected FIELD=VALUE"},
        {"=5", "--set =5", "expected FIELD=VALUE"},
        {"name.x=1", "--set name.x=1", "/name is neither an object nor a list"},
        {"sources.3.path=x", "--set sources.3.path=x", "is no element of this list"},
        {"sources.x=1", "--set sources.x=1", "is no number"},
        {"sources.x.path=1", "--set sources.x.path=1", "is no element"},
        {"batch.split='a\xff'", "--set batch.split=\"a", "not UTF-8"},
        {"bat\xff.split=1", "--set bat", "not UTF-8"},
        {"stroe\xb1=1", "--set stroe", "not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad(SMALL, SETS(cases[i].set));
        assert_problem(0, cases[i].pointer, cases[i].text);
    }
}

static void a_file_that_cannot_be_read_is_no_job(void **state)
{
    char name[] = "/tmp/test_job.XXXXXX";
    int fd = mkstemp(name);
    struct lam_job *job;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, LAM_JOB_FILE_MAX + 1), 0);
    assert_int_equal(lam_job_load(name, NULL, 0, &job, &problems, &err), LAM_E_LIMIT);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lam_job_load(name, NULL, 0, &job, &problems, &err), LAM_E_INVALID);
    close(fd);
    unlink(name);
    assert_int_equal(lam_job_load(name, NULL, 0, &job, &problems, &err), LAM_E_NOT_FOUND);
    assert_non_null(strstr(err.text, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_job_of_the_architecture_is_understood),
        cmocka_unit_test(what_is_not_said_has_the_documented_default),
        cmocka_unit_test(sizes_and_durations_are_numbers_or_text_with_a_unit),
        cmocka_unit_test(unknown_fields_name_the_nearest_known_one),
        cmocka_unit_test(many_mistakes_are_told_at_once_and_all_are_counted),
        cmocka_unit_test(wrong_values_say_what_was_expected_and_what_was_found),
        cmocka_unit_test(patterns_and_what_is_masked_are_understood), cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(fields_have_to_fit_together),
        cmocka_unit_test(paths_are_relative_to_the_job_file),
        cmocka_unit_test(a_job_does_not_read_its_own_store),
        cmocka_unit_test(secrets_and_what_the_engine_sets_have_no_place_in_a_job),
        cmocka_unit_test(several_conditions_on_a_field_must_all_hold),
        cmocka_unit_test(a_rule_that_means_nothing_is_refused),
        cmocka_unit_test(an_override_goes_where_its_path_says),
        cmocka_unit_test(an_override_that_goes_nowhere_is_told),
        cmocka_unit_test(a_file_that_cannot_be_read_is_no_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
