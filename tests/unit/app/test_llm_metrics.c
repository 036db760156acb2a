/* Metrics of endpoints: each host and model once, whatever their URLs are, and nothing else of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../serve/prometheus_text.h"
#include "llm_metrics.h"

static const struct lam_job_endpoint endpoints[] = {{.url = "http://127.0.0.1:8000/a/v1", .model = "qwen"},
                                                    {.url = "https://ann:secret@models.example/v1?key=secret", .model = "he said \"hi\"\\"},
                                                    {.url = "http://127.0.0.1:8000/b/v1", .model = "qwen", .kind = LAM_JOB_EMBEDDINGS},
                                                    {.url = "http://127.0.0.1:8000", .model = "llama"}};

static void write(struct lam_llm_metrics *metrics, struct lam_buf *out)
{
    struct lam_error err;

    lam_buf_clear(out);
    assert_int_equal(lam_llm_metrics_write(metrics, out, &err), 0);
    assert_int_equal(lam_buf_add(out, "", 1, &err), 0);
}

static void has_line(const struct lam_buf *out, const char *line)
{
    const char *at = strstr(out->ptr, line);

    if (!at || at[strlen(line)] != '\n' || (at > out->ptr && at[-1] != '\n'))
        fail_msg("no line %s in\n%s", line, out->ptr);
}

static void each_model_at_a_host_is_one_series(void **state)
{
    struct lam_job_agent agent = {.layers = LAM_JOB_AGENT_BATCH};
    const struct lam_job_stream stream = {.name = "events"};
    struct lam_job job = {.stream = &stream, .deep = {.analyzer = LAM_JOB_DEEP_OPENAI, .endpoints = endpoints, .endpoint_count = 4, .agent = &agent}};
    struct lam_openai_usage batch[LAM_LLM_ENDPOINTS] = {{.requests = 3, .tokens_in = 100, .tokens_out = 10, .cost = 0.25}, {.requests = 1, .tokens_in = UINT64_C(1) << 60}, {.requests = 4, .tokens_in = 50, .cost = 0.5}};
    struct lam_openai_usage speed[LAM_LLM_ENDPOINTS] = {[3] = {.requests = 7, .tokens_in = 70, .tokens_out = 7}};
    struct lam_llm_metrics metrics;
    struct lam_buf out;

    (void)state;
    lam_buf_init(&out, 1 << 16);
    lam_llm_metrics_init(&metrics, &job);
    write(&metrics, &out);
    assert_null(prometheus_check(out.ptr));
    has_line(&out, "lamina_model_requests_total{model=\"llama\",host=\"127.0.0.1:8000\",layer=\"batch\"} 0"); /* before anything is asked */
    lam_llm_metrics_set(&metrics, batch, speed);
    write(&metrics, &out);
    assert_null(prometheus_check(out.ptr));
    has_line(&out, "# TYPE lamina_model_tokens_total counter");
    has_line(&out, "lamina_model_requests_total{model=\"qwen\",host=\"127.0.0.1:8000\",layer=\"batch\"} 7");
    has_line(&out, "lamina_model_tokens_total{model=\"qwen\",host=\"127.0.0.1:8000\",layer=\"batch\",direction=\"in\"} 150");
    has_line(&out, "lamina_model_tokens_total{model=\"qwen\",host=\"127.0.0.1:8000\",layer=\"batch\",direction=\"out\"} 10");
    has_line(&out, "lamina_model_cost_total{model=\"qwen\",host=\"127.0.0.1:8000\",layer=\"batch\"} 0.75");
    has_line(&out, "lamina_model_tokens_total{model=\"he said \\\"hi\\\"\\\\\",host=\"models.example\",layer=\"batch\",direction=\"in\"} 1152921504606846976");
    assert_null(strstr(out.ptr, "secret"));
    assert_null(strstr(out.ptr, "ann"));
    assert_null(strstr(out.ptr, "speed")); /* its agents are the batch layer's */
    lam_llm_metrics_release(&metrics);
    agent.layers = LAM_JOB_AGENT_BOTH;
    lam_llm_metrics_init(&metrics, &job);
    lam_llm_metrics_set(&metrics, batch, speed);
    write(&metrics, &out);
    assert_null(prometheus_check(out.ptr));
    has_line(&out, "lamina_model_tokens_total{model=\"llama\",host=\"127.0.0.1:8000\",layer=\"speed\",direction=\"in\"} 70");
    has_line(&out, "lamina_model_requests_total{model=\"llama\",host=\"127.0.0.1:8000\",layer=\"batch\"} 0");
    lam_llm_metrics_release(&metrics);
    lam_buf_release(&out);
}

static void a_job_that_asks_no_models_has_none(void **state)
{
    const struct lam_job job = {.deep = {.endpoints = endpoints, .endpoint_count = 4}};
    struct lam_llm_metrics metrics;
    struct lam_buf out;

    (void)state;
    lam_buf_init(&out, 1 << 16);
    lam_llm_metrics_init(&metrics, &job);
    write(&metrics, &out);
    assert_string_equal(out.ptr, "");
    lam_llm_metrics_release(&metrics);
    lam_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_model_at_a_host_is_one_series), cmocka_unit_test(a_job_that_asks_no_models_has_none)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
