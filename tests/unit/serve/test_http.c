/* The endpoints: what they answer, and how they refuse. */
#include "http_world.h"
#include "prometheus_text.h"

static char *offline(struct world *world, struct lam_query *query)
{
    const struct lam_query_limits limits = {LAM_QUERY_TIMEOUT_MS, NULL, &lam_clock_system};
    struct lam_buf out;

    lam_buf_init(&out, LAM_QUERY_ANSWER_MAX);
    assert_int_equal(lam_query_run(query, &world->config.reader, &limits, &out, NULL, NULL), 0);
    assert_int_equal(lam_buf_add(&out, "\n", 2, NULL), 0);
    lam_query_release(query);
    return out.ptr;
}

static void assert_same(struct world *world, struct answer *answer, struct lam_query *query)
{
    char *wanted = offline(world, query);

    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_header(answer, "Content-Type"), "application/json");
    assert_string_equal(answer->body, wanted);
    answer_free(answer);
    free(wanted);
}

static void answers_are_those_of_an_offline_query(void **state)
{
    static const char aggregate[] = "{\"metrics\": [{\"op\": \"sum\", \"field\": \"/revision\"}], \"group_by\": [\"category\"]}";
    struct world *world = world_start(state);
    struct lam_query query;

    memory_publish(&world->memory, make_rows(100, 2));
    lam_query_init(&query, LAM_QUERY_KEY, NULL);
    lam_query_set_key(&query, LAM_SV("doc/17"), NULL);
    assert_same(world, client_get(world->port, "/v1/records/doc/17"), &query);
    lam_query_init(&query, LAM_QUERY_KEY, NULL);
    lam_query_set_key(&query, LAM_SV("doc/17"), NULL);
    lam_query_param(&query, LAM_SV("embedding"), LAM_SV("true"), NULL);
    assert_same(world, client_get(world->port, "/v1/records/doc%2F17?embedding=true"), &query);
    lam_query_init(&query, LAM_QUERY_LIST, NULL);
    lam_query_param(&query, LAM_SV("category"), LAM_SV("outage"), NULL);
    lam_query_param(&query, LAM_SV("limit"), LAM_SV("5"), NULL);
    assert_same(world, client_get(world->port, "/v1/records?category=outage&limit=5"), &query);
    lam_query_init(&query, LAM_QUERY_AGGREGATE, NULL);
    lam_query_set_aggregate(&query, lam_sv_of(aggregate), NULL);
    assert_same(world, client_post(world->port, "/v1/aggregate", aggregate), &query);
    lam_query_init(&query, LAM_QUERY_STATUS, NULL);
    assert_same(world, client_get(world->port, "/v1/status"), &query);
}

static void keys_may_hold_anything(void **state)
{
    static const struct {
        struct lam_sv key;
        const char *target;
    } cases[] = {
        {{"a/b c", 5}, "/v1/records/a/b%20c"},        {{"a+b", 3}, "/v1/records/a+b"},          {{"100%", 4}, "/v1/records/100%25"},
        {{"x\0y", 3}, "/v1/records/x%00y"},           {{"\xc3\xa9", 2}, "/v1/records/%C3%a9"},  {{"q?x=1", 5}, "/v1/records/q%3Fx=1"},
        {{"../../etc/passwd", 16}, "/v1/records/../../etc/passwd"},
    };
    struct world *world = world_start(state);
    struct memory_dataset *dataset = make_rows(0, 1);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        memory_add(dataset, cases[i].key, "c", "");
    memory_publish(&world->memory, dataset);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer *answer = client_get(world->port, cases[i].target);
        json_t *json = json_loads(answer->body, JSON_ALLOW_NUL, NULL), *key = json_object_get(json_object_get(json, "record"), "key");

        if (answer->status != 200)
            fail_msg("%s: %u %s", cases[i].target, answer->status, answer->body);
        assert_int_equal(json_string_length(key), cases[i].key.len);
        assert_memory_equal(json_string_value(key), cases[i].key.ptr, cases[i].key.len);
        json_decref(json);
        answer_free(answer);
    }
    assert_problem(world, client_get(world->port, "/v1/records/a%2"), 400, "percent sign");
    assert_problem(world, client_get(world->port, "/v1/records/a%zz"), 400, "percent sign");
    assert_problem(world, client_get(world->port, "/v1/records?category=%"), 400, "percent sign");
    assert_problem(world, client_get(world->port, "/v1/records/none%22such"), 404, "no record with the key \"none\"such\"");
}

static void links_lead_through_all_pages(void **state)
{
    struct world *world = world_start(state);
    char target[16384] = "/v1/records?category.ne=x%20%26y&limit=30";
    unsigned pages = 0, rows = 0;

    memory_publish(&world->memory, make_rows(100, 1));
    while (*target) {
        struct answer *answer = client_get(world->port, target);
        const char *link = answer_header(answer, "Link");
        json_t *json = json_loads(answer->body, 0, NULL);

        assert_int_equal(answer->status, 200);
        rows += (unsigned)json_array_size(json_object_get(json, "records"));
        assert_int_equal(json_is_null(json_object_get(json, "next_cursor")), link == NULL);
        *target = '\0';
        if (link) {
            assert_non_null(strstr(link, ">; rel=\"next\""));
            snprintf(target, sizeof target, "%.*s", (int)strcspn(link + 1, ">"), link + 1);
        }
        json_decref(json);
        answer_free(answer);
        pages++;
    }
    assert_int_equal(rows, 100);
    assert_int_equal(pages, 4);
}

static void what_cannot_be_answered_is_told(void **state)
{
    struct world *world = world_start(state);
    struct answer *answer;
    char *deep;

    memory_publish(&world->memory, make_rows(10, 1));
    assert_problem(world, client_get(world->port, "/"), 404, "no such endpoint");
    assert_problem(world, client_get(world->port, "/v1/records/"), 404, "no such endpoint");
    assert_problem(world, client_get(world->port, "/v1/nothing?x=1"), 404, "no such endpoint");
    assert_problem(world, client_get(world->port, "/v1/records/no-such-key"), 404, "no-such-key");
    assert_problem(world, client_get(world->port, "/v1/records?categry=x"), 400, "did you mean \"category\"");
    assert_problem(world, client_get(world->port, "/v1/records?limit=0"), 400, "limit");
    assert_problem(world, client_get(world->port, "/v1/records?limit=1e3"), 400, "limit");
    assert_problem(world, client_get(world->port, "/v1/records?cursor=x"), 400, "cursor");
    assert_problem(world, client_get(world->port, "/v1/records?filter=%7B"), 400, "filter");
    assert_problem(world, client_get(world->port, "/v1/records?category=%ff"), 400, "UTF-8");
    assert_problem(world, client_get(world->port, "/v1/status?x=1"), 400, "unknown parameter");
    answer = client_request(world->port, "DELETE", "/v1/records/doc/1", "", "");
    assert_string_equal(answer_header(answer, "Allow"), "GET, HEAD");
    assert_problem(world, answer, 405, "method");
    answer = client_get(world->port, "/v1/aggregate");
    assert_string_equal(answer_header(answer, "Allow"), "POST");
    assert_problem(world, answer, 405, "method");
    assert_problem(world, client_request(world->port, "POST", "/v1/aggregate", "Content-Type: text/plain\r\n", "{}"),
                   415, "application/json");
    assert_problem(world, client_request(world->port, "POST", "/v1/aggregate", "", "{}"), 415, "application/json");
    assert_problem(world,
                   client_request(world->port, "POST", "/v1/aggregate",
                                  "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}"),
                   415, "Content-Encoding");
    assert_problem(world, client_post(world->port, "/v1/aggregate", "{\"metrics\": "), 400, "no JSON");
    assert_problem(world, client_post(world->port, "/v1/aggregate", "{\"group_by\": [\"kategory\"]}"), 400, "/group_by/0");

    deep = malloc(200001);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_problem(world, client_post(world->port, "/v1/aggregate", deep), 400, "JSON");
    for (int i = 0; i < 2000; i++) /* deep, but whole */
        memcpy(deep + 10 * i, "{\"not\":   ", 10);
    memset(deep + 20000, '1', 1);
    memset(deep + 20001, '}', 2000);
    deep[22001] = '\0';
    assert_problem(world, client_post(world->port, "/v1/aggregate", deep), 400, "unknown member");
    free(deep);
}

static void failures_of_the_store_are_told(void **state)
{
    struct world *world = *state;

    world->config.query_timeout_ms = 50;
    world_start(state);
    memory_publish(&world->memory, make_rows(500, 1));
    atomic_store(&world->memory.failure, LAM_E_CORRUPT);
    assert_problem(world, client_get(world->port, "/v1/records/doc/1"), 500, "silver/1.h5");
    atomic_store(&world->memory.failure, 0);
    atomic_store(&world->memory.conflicts, 100);
    assert_problem(world, client_get(world->port, "/v1/records/doc/1"), 503, "removed");
    atomic_store(&world->memory.conflicts, 0);
    atomic_store(&world->memory.delay_us, 1000);
    assert_problem(world, client_post(world->port, "/v1/aggregate", "{}"), 504, "narrow it");
    atomic_store(&world->memory.delay_us, 0);
    assert_int_equal(lam_http_failed(world->http), 3);
}

static void too_many_groups_are_unprocessable(void **state)
{
    struct world *world = world_start(state);

    memory_publish(&world->memory, make_rows(10001, 1));
    assert_problem(world, client_post(world->port, "/v1/aggregate", "{\"group_by\": [\"key\"]}"), 422, "more than 10000 groups");
}

static void bodies_have_a_limit(void **state)
{
    struct world *world = *state;
    char *body = calloc(1, 40001), *chunked = malloc(50000);
    struct answer *answer;
    int fd;

    world->config.max_body = 10000;
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    memset(body, ' ', 9998);
    strcpy(body + 9998, "{}");
    answer = client_post(world->port, "/v1/aggregate", body);
    assert_int_equal(answer->status, 200);
    answer_free(answer);
    memset(body, ' ', 40000);
    assert_problem(world, client_post(world->port, "/v1/aggregate", body), 413, "longer");

    snprintf(chunked, 50000,
             "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
             "chunked\r\n\r\n9c40\r\n%s\r\n0\r\n\r\n",
             body);
    fd = client_connect(world->port);
    assert_true(client_send(fd, chunked, strlen(chunked)));
    assert_problem(world, client_receive(fd, false), 413, "longer");
    close(fd);
    free(body);
    free(chunked);
}

static void head_is_get_without_a_body(void **state)
{
    struct world *world = world_start(state);
    struct answer *get, *head;

    memory_publish(&world->memory, make_rows(10, 1));
    get = client_get(world->port, "/v1/records/doc/1");
    head = client_request(world->port, "HEAD", "/v1/records/doc/1", "", "");
    assert_int_equal(head->status, 200);
    assert_int_equal(head->len, 0);
    assert_int_equal(strtoull(answer_header(head, "Content-Length"), NULL, 10), get->len);
    answer_free(get);
    answer_free(head);
}

static void it_is_ready_when_there_is_a_snapshot(void **state)
{
    struct world *world = world_start(state);
    struct answer *answer;

    assert_problem(world, client_get(world->port, "/readyz"), 503, "not there yet");
    answer = client_get(world->port, "/v1/status");
    assert_string_equal(answer_header(answer, "Retry-After"), "1");
    assert_problem(world, answer, 503, "not there yet");
    memory_publish(&world->memory, make_rows(1, 1));
    for (int i = 0; i < 2; i++) {
        answer = client_get(world->port, i ? "/healthz" : "/readyz");
        assert_int_equal(answer->status, 200);
        answer_free(answer);
    }
}

static void foreign_hosts_are_refused_on_loopback(void **state)
{
    static const char *const good[] = {"localhost", "LOCALHOST:8080", "127.0.0.1",   "127.0.0.1:1",
                                       "[::1]",     "[::1]:8080",     "lamina.test", "b.test:1"};
    static const char *const bad[] = {"evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "[::2]", "lamina.tes", "", "localhos"};
    struct world *world = *state;
    char headers[100];

    world->config.hosts = "lamina.test,b.test";
    world_start(state);
    memory_publish(&world->memory, make_rows(1, 1));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct answer *answer;

        snprintf(headers, sizeof headers, "Host: %s\r\n", good[i]);
        answer = client_request(world->port, "GET", "/v1/status", headers, "");
        if (answer->status != 200)
            fail_msg("%s: %s", good[i], answer->body);
        answer_free(answer);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, "Host: %s\r\n", bad[i]);
        assert_problem(world, client_request(world->port, "GET", "/v1/status", headers, ""), 403, "Host");
    }
}

static void a_token_is_asked_for(void **state)
{
    static const char *const bad[] = {"",
                                      "Authorization: Bearer \r\n",
                                      "Authorization: Bearer 0123456789abcdeX\r\n",
                                      "Authorization: Bearer 0123456789abcdef0\r\n",
                                      "Authorization: Bearer 0123456789abcde\r\n",
                                      "Authorization: Basic 0123456789abcdef\r\n",
                                      "Authorization: 0123456789abcdef\r\n"};
    struct world *world = *state;
    struct answer *answer;

    world->config.token = "0123456789abcdef";
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        answer = client_request(world->port, "GET", "/v1/records/doc/1", bad[i], "");
        assert_non_null(strstr(answer_header(answer, "WWW-Authenticate"), "Bearer"));
        assert_problem(world, answer, 401, "token");
    }
    answer = client_request(world->port, "GET", "/v1/records/doc/1", "Authorization: bearer 0123456789abcdef\r\n", "");
    assert_int_equal(answer->status, 200);
    answer_free(answer);
    assert_problem(world, client_get(world->port, "/metrics"), 401, "token");
    answer = client_get(world->port, "/readyz"); /* probes have none */
    assert_int_equal(answer->status, 200);
    answer_free(answer);
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[][2] = {{"8080", "an address and a port"},
                                         {"127.0.0.1:http", "no port"},
                                         {"127.0.0.1:65536", "no port"},
                                         {":80", "missing"},
                                         {"::1:80:", "no port"},
                                         {"no.such.host.invalid:80", "listen"},
                                         {"0.0.0.0:0", "needs a token"},
                                         {"[::]:0", "needs a token"}};
    struct world *world = *state;
    struct lam_http *second;
    struct lam_error err;
    char taken[64];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        world->config.listen = bad[i][0];
        assert_int_not_equal(lam_http_start(&world->config, &second, &err), 0);
        if (!strstr(err.text, bad[i][1]) && strcmp(bad[i][0], "[::]:0")) /* there may be no IPv6 */
            fail_msg("%s: %s", bad[i][0], err.text);
    }
    world->config.listen = "0.0.0.0:0";
    world->config.token = "short";
    assert_int_equal(lam_http_start(&world->config, &second, &err), LAM_E_INVALID);
    world->config.token = NULL;
    world->config.listen = "localhost:0";
    world_start(state);
    snprintf(taken, sizeof taken, "127.0.0.1:%u", world->port);
    world->config.listen = taken;
    assert_int_equal(lam_http_start(&world->config, &second, &err), LAM_E_IO);
    assert_non_null(strstr(err.text, taken));
    assert_non_null(strstr(lam_http_url(world->http), "http://localhost:"));
}

static void metrics_are_well_formed(void **state)
{
    static const char *const wanted[] = {"lamina_view 3\n",
                                         "lamina_commit 30\n",
                                         "lamina_ready 1\n",
                                         "lamina_records{state=\"live\"} 931\n",
                                         "lamina_rows{where=\"view\"} 10\n",
                                         "lamina_lag_records 12\n",
                                         "lamina_agent_records{state=\"open\"} 2\n",
                                         "lamina_agent_records_from_cache 3\n",
                                         "lamina_agent_cost 0.25\n",
                                         "lamina_http_requests_total{endpoint=\"record\",status=\"2xx\"} 1\n",
                                         "lamina_http_requests_total{endpoint=\"record\",status=\"4xx\"} 1\n",
                                         "lamina_query_errors_total{code=\"corrupt\"} 1\n",
                                         "lamina_query_duration_seconds_count{query=\"record\"} 3\n",
                                         "lamina_memory_bytes{kind=\"anon\"} ",
                                         "lamina_memory_bytes{kind=\"shmem\"} ",
                                         "lamina_uptime_seconds "};
    static const char *const targets[] = {"/v1/records/doc/1", "/v1/records/none", "/v1/records/doc/2"};
    struct world *world = world_start(state);
    struct answer *answer = client_get(world->port, "/metrics");
    const char *problem;

    assert_int_equal(answer->status, 200); /* while loading, too */
    assert_null(prometheus_check(answer->body));
    assert_non_null(strstr(answer->body, "lamina_ready 0\n"));
    answer_free(answer);
    memory_publish(&world->memory, make_rows(10, 3));
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&world->memory.failure, i == 2 ? LAM_E_CORRUPT : 0);
        answer_free(client_get(world->port, targets[i]));
    }
    atomic_store(&world->memory.failure, 0);
    assert_int_equal(lam_http_answered(world->http), 4);
    answer = client_get(world->port, "/metrics");
    assert_string_equal(answer_header(answer, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    if ((problem = prometheus_check(answer->body)))
        fail_msg("%s in:\n%s", problem, answer->body);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(answer->body, wanted[i]))
            fail_msg("no %s in:\n%s", wanted[i], answer->body);
    answer_free(answer);
}

static void the_description_names_every_endpoint(void **state)
{
    static const char *const paths[] = {"/v1/records/{key}", "/v1/records", "/v1/aggregate", "/v1/status",   "/livez",
                                        "/readyz",           "/healthz",    "/metrics",      "/openapi.json"};
    struct world *world = world_start(state);
    struct answer *answer = client_get(world->port, "/openapi.json");
    json_t *json = json_loads(answer->body, JSON_REJECT_DUPLICATES, NULL), *described = json_object_get(json, "paths"), *methods;
    const char *path, *method;
    json_t *operation;

    memory_publish(&world->memory, make_rows(1, 1));
    assert_non_null(json);
    assert_int_equal(json_object_size(described), sizeof paths / sizeof *paths);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_non_null(json_object_get(described, paths[i]));
    json_object_foreach(described, path, methods)
        json_object_foreach(methods, method, operation) {
        struct answer *tried = strcmp(method, "post")
                                   ? client_get(world->port, strchr(path, '{') ? "/v1/records/doc/0" : path)
                                   : client_post(world->port, path, "{}");

        assert_non_null(json_object_get(operation, "operationId"));
        if (tried->status != 200)
            fail_msg("%s %s: %s", method, path, tried->body);
        answer_free(tried);
        }
    json_decref(json);
    answer_free(answer);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(answers_are_those_of_an_offline_query),
        CASE(keys_may_hold_anything),
        CASE(links_lead_through_all_pages),
        CASE(what_cannot_be_answered_is_told),
        CASE(failures_of_the_store_are_told),
        CASE(too_many_groups_are_unprocessable),
        CASE(bodies_have_a_limit),
        CASE(head_is_get_without_a_body),
        CASE(it_is_ready_when_there_is_a_snapshot),
        CASE(foreign_hosts_are_refused_on_loopback),
        CASE(a_token_is_asked_for),
        CASE(addresses_are_checked),
        CASE(metrics_are_well_formed),
        CASE(the_description_names_every_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
