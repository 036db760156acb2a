/* deep and tasks.custom: what a job says of models. */
#include "jobs.h"

#define ENDPOINTS "{'url': 'http://a:1/v1', 'model': 'cheap', 'price_in': 0.1}, {'url': 'https://b/v1', 'model': 'strong', 'key_env': 'KEY', 'price_in': 2.5}"
#define MODELS                                                                                                                                       \
    "{'name': 't', 'store': '/out/t', 'sources': [{'type': 'files', 'path': 'data/**'}],"                                                            \
    " 'tasks': {'classify': {'labels': {'a': 'x', 'b': 'y'}}, 'custom': {'prompt': 'Who?', 'schema': {'type': 'object', 'properties':"               \
    " {'who': {'type': 'string', 'maxLength': 9}}, 'required': ['who']}}},"                                                                          \
    " 'deep': {'analyzer': 'openai', 'endpoints': [" ENDPOINTS "]}}"

static void what_is_said_of_endpoints_is_in_the_struct(void **state)
{
    struct lam_job *job = good(MODELS, SETS("deep.record=rec.jsonl", "deep.timeout=5 s", "deep.cache.size=1 GiB", "deep.cascade=['builtin', 'cheap', 'strong']",
                                            "deep.replay=old.jsonl", "deep.request_mode=packed", "deep.prompts=words", "deep.ca_file=own.pem"));

    (void)state;
    assert_int_equal(job->deep.analyzer, LAM_JOB_DEEP_OPENAI);
    assert_int_equal(job->deep.endpoint_count, 2);
    assert_string_equal(job->deep.endpoints[1].url, "https://b/v1");
    assert_string_equal(job->deep.endpoints[1].key_env, "KEY");
    assert_true(job->deep.endpoints[1].price_in > 2.49 && job->deep.endpoints[1].price_in < 2.51);
    assert_int_equal(job->deep.endpoints[0].concurrency, 64);
    assert_int_equal(job->deep.endpoints[0].context, 8192);
    assert_int_equal(job->deep.endpoints[0].tier, 0);
    assert_int_equal(job->deep.endpoints[1].tier, 1);
    assert_int_equal(job->deep.tiers, 2);
    assert_int_equal(job->deep.request_mode, LAM_JOB_PACKED);
    assert_int_equal(job->deep.token_budget, 100000);
    assert_int_equal(job->deep.timeout_us, 5000000);
    assert_int_equal(job->deep.cache.size, 1 << 30);
    assert_int_equal(job->deep.cascade_count, 3);
    assert_string_equal(job->deep.record, "/home/me/jobs/rec.jsonl");
    assert_string_equal(job->deep.replay->path, "/home/me/jobs/old.jsonl");
    assert_string_equal(job->deep.prompts, "/home/me/jobs/words");
    assert_string_equal(job->deep.ca_file, "/home/me/jobs/own.pem");
    assert_true(job->tasks.wanted & LAM_TASK_CUSTOM);
    assert_sv(job->tasks.custom_prompt, "Who?");
    assert_non_null(strstr(job->tasks.custom_schema.ptr, "\"maxLength\":9"));
    lam_job_free(job);
}

static void models_steps_and_questions_are_analysis_and_the_way_to_them_is_free(void **state)
{
    static const struct {
        const char *set;
        bool analysis;
    } cases[] = {
        {"deep.endpoints.0.url=http://elsewhere/v1", false},
        {"deep.endpoints.0.concurrency=3", false},
        {"deep.endpoints.1.price_out=3", false},
        {"deep.endpoints.1.key_env=OTHER", false},
        {"deep.endpoints=[{'url': 'http://x', 'model': 'strong'}, {'url': 'http://y', 'model': 'cheap'}, {'url': 'http://z', 'model': 'cheap'}]", false},
        {"deep.request_mode=packed", false},
        {"deep.token_budget=5000", false},
        {"deep.max_cost=1", false},
        {"deep.timeout=1", false},
        {"deep.cache.age=1 day", false},
        {"deep.record=r", false},
        {"deep.replay=r", false},
        {"deep.ca_file=own.pem", false},
        {"deep.endpoints.0.model=other", true},
        {"deep.cascade=['cheap', 'strong']", true},
        {"deep.prompts=words", true},
        {"tasks.custom.prompt=When?", true},
        {"tasks.custom.schema={'type': 'object'}", true},
        {"tasks.custom=null", true},
    };
    struct lam_job *stored = good(MODELS, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_job *job = good(MODELS, SETS(cases[i].set));
        struct lam_job_change change;

        assert_int_equal(lam_job_compare(job, stored->identity, stored->analysis, &change, &err), 0);
        if (change.analysis != cases[i].analysis)
            fail_msg("%s changes the analysis: %d (%s)", cases[i].set, change.analysis, change.analysis_fields);
        lam_job_free(job);
    }
    assert_non_null(strstr(stored->rest.ptr, "http://a:1/v1"));
    assert_null(strstr(stored->analysis.ptr, "http://a:1/v1"));
    lam_job_free(stored);
}

static void what_does_not_go_together_is_told(void **state)
{
    static const struct {
        const char *sets[4], *pointer, *text;
    } cases[] = {
        {{"deep.endpoints=[]"}, "/deep/endpoints", "at least one chat endpoint"},
        {{"deep.endpoints.0.url=ftp://host/v1"}, "/deep/endpoints/0/url", "a base URL such as"},
        {{"deep.endpoints.0.url=http://user@x/v1"}, "/deep/endpoints/0/url", "without a user"},
        {{"deep.cascade=['cheap', 'other']"}, "/deep/cascade/1", "no chat endpoint has the model \"other\""},
        {{"deep.cascade=['cheap', 'strong', 'builtin']"}, "/deep/cascade/2", "builtin can only be the first step"},
        {{"deep.cascade=['builtin', 'cheap']"}, "/deep/endpoints/1", "never be asked"},
        {{"deep.max_cost=5", "deep.endpoints.0.price_in=0"}, "/deep/endpoints/0/price_in", "without a price"},
        {{"deep.cascade=['cheap']"}, "/deep/cascade", "at least two steps"},
        {{"deep.cascade=['cheap', 'strong']", "tasks.classify=null"}, "/deep/cascade", "needs /tasks/classify"},
        {{"deep.analyzer=builtin"}, "/tasks/custom", "only a model answers it"},
        {{"tasks.custom.schema={'type': 'object', 'pattern': 'x'}"}, "/tasks/custom/schema/pattern", "no keyword"},
        {{"tasks.custom.schema={'type': 'object', 'properties': {'who': {'type': 'text'}}}"}, "/tasks/custom/schema/properties/who/type", "one of object"},
        {{"tasks.custom.schema={'type': 'array'}"}, "/tasks/custom/schema", "an answer is an object"},
        {{"deep.cascade=[{'model': 'cheap', 'accept': 2}, 'strong']"}, "/deep/cascade/0/accept", "a number from 0 to 1"},
        {{"deep.agent={'question': 'q', 'schema': {'type': 'object'}, 'model': 'other'}"}, "/deep/agent/model", "no chat endpoint has the model \"other\""},
        {{"deep.agent={'question': 'q', 'schema': {'type': 'object'}}", "tasks.custom=null", "deep.analyzer=builtin"}, "/deep/agent", "an agent needs a model"},
        {{"deep.agent={'question': 'q', 'schema': {'type': 'object'}, 'http': [{'name': 'query', 'description': 'd', 'url': 'http://x/', 'parameters': "
          "{'type': 'object'}}]}"},
         "/deep/agent/http/0/name",
         "a built-in tool"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool found = false;

        bad(MODELS, cases[i].sets);
        for (uint32_t p = 0; p < problems.count; p++)
            found |= !strcmp(problems.items[p].pointer, cases[i].pointer) && strstr(problems.items[p].text, cases[i].text);
        if (!found)
            fail_msg("case %zu: %s: %s", i, problems.items[0].pointer, problems.items[0].text);
    }
}

#define AGENT                                                                                                                                 \
    "deep.agent={'question': 'How many more?', 'schema': {'type': 'object', 'properties': {'more': {'type': 'integer'}}},"                     \
    " 'when': {'field': '/open', 'eq': true}, 'model': 'strong', 'steps': 4, 'http': [{'name': 'weather', 'description': 'The weather.',"       \
    " 'url': 'http://127.0.0.1:9/w', 'parameters': {'type': 'object'}}]}"

static void an_agent_is_asked_about_the_records_of_a_rule(void **state)
{
    static const struct {
        const char *set;
        bool analysis;
    } cases[] = {{"deep.agent.steps=9", false},          {"deep.agent.tokens=9000", false},
                 {"deep.agent.http=[]", false},          {"deep.agent.parallel=2", false},
                 {"deep.agent.question=Who?", true},     {"deep.agent.schema={'type': 'object'}", true},
                 {"deep.agent.when={'field': '/open', 'eq': false}", true}, {"deep.agent.model=cheap", true}, {"deep.agent=null", true}};
    struct lam_job *job = good(MODELS, SETS("deep.cascade=['cheap', 'strong']", AGENT)), *stored;

    (void)state;
    assert_sv(job->deep.agent->question, "How many more?");
    assert_non_null(strstr(job->deep.agent->schema.ptr, "\"integer\""));
    assert_non_null(job->deep.agent->when);
    assert_int_equal(job->deep.agent->tier, 1);
    assert_int_equal(job->deep.agent->steps, 4);
    assert_int_equal(job->deep.agent->time_us, 300000000);
    assert_int_equal(job->deep.agent->http_count, 1);
    assert_string_equal(job->deep.agent->http[0].name, "weather");
    assert_sv(job->deep.agent->http[0].parameters, "{\"type\":\"object\"}");
    lam_job_free(job);

    stored = good(MODELS, SETS(AGENT));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_job_change change;

        job = good(MODELS, SETS(AGENT, cases[i].set));
        assert_int_equal(lam_job_compare(job, stored->identity, stored->analysis, &change, &err), 0);
        if (change.analysis != cases[i].analysis)
            fail_msg("%s changes the analysis: %d (%s)", cases[i].set, change.analysis, change.analysis_fields);
        lam_job_free(job);
    }
    lam_job_free(stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_of_endpoints_is_in_the_struct),
        cmocka_unit_test(models_steps_and_questions_are_analysis_and_the_way_to_them_is_free),
        cmocka_unit_test(what_does_not_go_together_is_told),
        cmocka_unit_test(an_agent_is_asked_about_the_records_of_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
