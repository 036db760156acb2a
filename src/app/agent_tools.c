#include "agent_tools.h"

#include <stdlib.h>

#include "ai/agent/http_tool.h"
#include "related.h"
#include "serve/json_row.h"
#include "serve/query.h"
#include "redact_reader.h"
#include "store_reader.h"

#define TIMEOUT_MS 20000
#define ANSWER_MAX ((size_t)4 << 20) /* before it is cut to the agent's limit */
#define BUILT_IN 4
#define LIMIT_DEFAULT 5

#define TESTS                                                                                                                                            \
    "\"tests\":{\"type\":\"array\",\"maxItems\":8,\"description\":\"conditions that all must hold\",\"items\":{\"type\":\"object\",\"properties\":"         \
    "{\"field\":{\"type\":\"string\",\"maxLength\":100,\"description\":\"category, language, sentiment, source, event_time, text, title, or a pointer into "   \
    "the record's metadata such as /name\"},\"test\":{\"type\":\"string\",\"enum\":[\"eq\",\"ne\",\"lt\",\"le\",\"gt\",\"ge\",\"contains\",\"prefix\"]},"      \
    "\"value\":{\"type\":\"string\",\"maxLength\":200}},\"required\":[\"field\",\"test\",\"value\"],\"additionalProperties\":false}}"
#define LIMIT "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":20}"

struct lam_agent_tools {
    struct lam_store_reader *store;
    struct lam_redact_reader *redact; /* agents see what the server shows */
    struct lam_reader reader;
    const struct lam_clock *clock;
    atomic_bool stop;
    struct lam_agent_tool list[BUILT_IN + LAM_JOB_AGENT_HTTP_MAX];
    struct lam_http_tool *http[LAM_JOB_AGENT_HTTP_MAX];
    size_t http_count;
};

static struct lam_sv string_of(const struct lam_json *json, uint32_t at, const char *name) { return lam_json_string(json, lam_json_field(json, at, lam_sv_of(name))); }

static size_t limit_of(const struct lam_json *json, uint32_t at)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_field(json, at, LAM_SV("limit")), &number) ? (size_t)lam_number_as_double(&number) : LIMIT_DEFAULT;
}

/* As much of an answer as the agent may have. */
static int hand_over(struct lam_sv answer, struct lam_buf *out, struct lam_error *err)
{
    size_t room = out->max - out->len;
    int rc = lam_buf_add(out, answer.ptr, answer.len < room ? answer.len : room, err);

    return rc || answer.len <= room ? rc : LAM_FAIL(err, LAM_E_LIMIT, "the result has %zu bytes", answer.len);
}

/* --- over the view --- */

/* {"as_of":{…},…: its first member takes more tokens than a small result, and says nothing about any record. */
static struct lam_sv without_as_of(struct lam_buf *answer)
{
    static const char first[] = "{\"as_of\":";
    size_t at = sizeof first - 1;
    bool in_string = false;
    int depth = 0;

    if (answer->len <= at || memcmp(answer->ptr, first, at))
        return lam_buf_sv(answer);
    do {
        char c = answer->ptr[at];

        if (in_string && c == '\\')
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (c == '{') - (c == '}');
    } while (++at < answer->len && depth);
    if (at >= answer->len || answer->ptr[at] != ',')
        return lam_buf_sv(answer);
    answer->ptr[at] = '{';
    return lam_sv(answer->ptr + at, answer->len - at);
}

/* A tool's time, or what the agent has left. */
static unsigned timeout_of(unsigned left_ms) { return left_ms < TIMEOUT_MS ? left_ms : TIMEOUT_MS; }

static int run_query(struct lam_agent_tools *tools, const struct lam_query *query, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    struct lam_query_limits limits = {.timeout_ms = timeout_of(left_ms), .stop = &tools->stop, .clock = tools->clock};
    struct lam_buf answer;
    int rc;

    lam_buf_init(&answer, ANSWER_MAX);
    if (!(rc = lam_query_run(query, &tools->reader, &limits, &answer, NULL, err)))
        rc = hand_over(without_as_of(&answer), out, err);
    else if (rc == LAM_PENDING)
        rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "nothing is published yet");
    lam_buf_release(&answer);
    return rc;
}

/* Each test is a parameter: {"field":"category","test":"eq","value":"x"} is category.eq=x. */
static int add_tests(struct lam_query *query, const struct lam_json *json, uint32_t arguments, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, lam_json_field(json, arguments, LAM_SV("tests")));
    struct lam_buf name;
    int rc = 0;

    lam_buf_init(&name, 1000);
    while (!rc && lam_json_next(&iter)) {
        lam_buf_clear(&name);
        if (!(rc = lam_buf_add_sv(&name, string_of(json, iter.value, "field"), err)) && !(rc = lam_buf_add(&name, ".", 1, err)) &&
            !(rc = lam_buf_add_sv(&name, string_of(json, iter.value, "test"), err)))
            rc = lam_query_param(query, lam_buf_sv(&name), string_of(json, iter.value, "value"), err);
    }
    lam_buf_release(&name);
    return rc;
}

static int get_record(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    struct lam_query query;
    int rc = lam_query_init(&query, LAM_QUERY_KEY, err);

    if (!rc && !(rc = lam_query_set_key(&query, string_of(json, arguments, "key"), err)))
        rc = run_query(arg, &query, left_ms, out, err);
    lam_query_release(&query);
    return rc;
}

static int list_records(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    struct lam_query query;
    int rc = lam_query_init(&query, LAM_QUERY_LIST, err);

    query.limit = limit_of(json, arguments);
    query.flags = LAM_JSON_ROW_NO_TEXT;
    if (!rc && !(rc = add_tests(&query, json, arguments, err)))
        rc = run_query(arg, &query, left_ms, out, err);
    lam_query_release(&query);
    return rc;
}

/* {"metrics":[{"op":…,"field":…}],"group_by":[…],"limit":20} */
static int write_aggregate(const struct lam_json *json, uint32_t arguments, struct lam_buf *body, struct lam_error *err)
{
    struct lam_sv field = string_of(json, arguments, "field"), group = string_of(json, arguments, "group_by");
    int rc;

    if ((rc = lam_buf_addf(body, err, "{\"metrics\":[{\"op\":")) || (rc = lam_buf_add_json(body, string_of(json, arguments, "op"), err)) ||
        (field.len && ((rc = lam_buf_addf(body, err, ",\"field\":")) || (rc = lam_buf_add_json(body, field, err)))) ||
        (rc = lam_buf_addf(body, err, "}],\"limit\":20")) ||
        (group.len && ((rc = lam_buf_addf(body, err, ",\"group_by\":[")) || (rc = lam_buf_add_json(body, group, err)) || (rc = lam_buf_add(body, "]", 1, err)))))
        return rc;
    return lam_buf_add(body, "}", 1, err);
}

static int aggregate(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    struct lam_query query;
    struct lam_buf body;
    int rc = lam_query_init(&query, LAM_QUERY_AGGREGATE, err);

    lam_buf_init(&body, 4096);
    if (!rc && !(rc = write_aggregate(json, arguments, &body, err)) && !(rc = lam_query_set_aggregate(&query, lam_buf_sv(&body), err)) &&
        !(rc = add_tests(&query, json, arguments, err)))
        rc = run_query(arg, &query, left_ms, out, err);
    lam_buf_release(&body);
    lam_query_release(&query);
    return rc;
}

static int related(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err)
{
    struct lam_agent_tools *tools = arg;
    struct lam_buf answer;
    int rc;

    lam_buf_init(&answer, ANSWER_MAX);
    if (!(rc = lam_related(&tools->reader, string_of(json, arguments, "key"), limit_of(json, arguments), timeout_of(left_ms), &tools->stop, &answer, err)))
        rc = hand_over(lam_buf_sv(&answer), out, err);
    lam_buf_release(&answer);
    return rc;
}

static const struct lam_agent_tool built_in[BUILT_IN] = {
    {"get_record", "One record by its key, with its text and what analysis found.",
     LAM_SV("{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"maxLength\":500}},\"required\":[\"key\"],\"additionalProperties\":false}"), get_record,
     NULL},
    {"query", "Records that hold all tests, without their text.",
     LAM_SV("{\"type\":\"object\",\"properties\":{" TESTS "," LIMIT "},\"required\":[\"tests\"],\"additionalProperties\":false}"), list_records, NULL},
    {"aggregate", "Counts records, or sums up a field of those that hold all tests; by group where one is named.",
     LAM_SV("{\"type\":\"object\",\"properties\":{\"op\":{\"type\":\"string\",\"enum\":[\"count\",\"sum\",\"min\",\"max\",\"avg\"]},\"field\":{\"type\":\"string\","
            "\"maxLength\":100},\"group_by\":{\"type\":\"string\",\"maxLength\":100}," TESTS "},\"required\":[\"op\"],\"additionalProperties\":false}"),
     aggregate, NULL},
    {"related", "The records whose texts are most like that of a record.",
     LAM_SV("{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"maxLength\":500}," LIMIT "},\"required\":[\"key\"],\"additionalProperties\":false}"),
     related, NULL},
};

/* --- a life --- */

int lam_agent_tools_new(struct lam_agent_tools **out, struct lam_engine *engine, const struct lam_job_agent *agent, struct lam_error *err)
{
    struct lam_agent_tools *tools = calloc(1, sizeof *tools);
    int rc;

    *out = NULL;
    if (!tools)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an agent's tools");
    tools->clock = engine->clock;
    atomic_init(&tools->stop, false);
    rc = lam_store_reader_new(&tools->store, engine, NULL, true, err);
    for (size_t i = 0; !rc && i < BUILT_IN; i++) {
        tools->list[i] = built_in[i];
        tools->list[i].arg = tools;
    }
    for (size_t i = 0; !rc && i < agent->http_count; i++) {
        const struct lam_job_agent_http *http = &agent->http[i];
        struct lam_http_tool_options options = {.url = http->url, .post = http->method == LAM_JOB_AGENT_POST, .key_env = http->key_env,
                                                .timeout_ms = (unsigned)(http->timeout_us / 1000), .stop = &tools->stop};

        if (!(rc = lam_http_tool_new(&tools->http[i], &options, err)))
            tools->http_count++;
        tools->list[BUILT_IN + i] = (struct lam_agent_tool){http->name, http->description, http->parameters, lam_http_tool_call, tools->http[i]};
    }
    if (!rc) {
        tools->reader = lam_store_reader(tools->store);
        rc = lam_redact_reader_new(&tools->redact, engine, &tools->reader, err);
    }
    if (rc) {
        lam_agent_tools_free(tools);
        return rc;
    }
    *out = tools;
    return 0;
}

void lam_agent_tools_free(struct lam_agent_tools *tools)
{
    if (!tools)
        return;
    for (size_t i = 0; i < tools->http_count; i++)
        lam_http_tool_free(tools->http[i]);
    lam_redact_reader_free(tools->redact);
    lam_store_reader_free(tools->store);
    free(tools);
}

const struct lam_agent_tool *lam_agent_tools_list(const struct lam_agent_tools *tools, size_t *count)
{
    *count = BUILT_IN + tools->http_count;
    return tools->list;
}

void lam_agent_tools_stop(struct lam_agent_tools *tools) { atomic_store(&tools->stop, true); }
