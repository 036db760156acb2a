#include "llm_metrics.h"

#include <string.h>

#include "serve/metrics.h"

struct layer {
    const char *name;
    struct lam_openai_usage at[LAM_LLM_ENDPOINTS]; /* of endpoints with the same labels the first one has it all */
};

/* Writes the samples of one endpoint. */
typedef int write_samples(struct lam_buf *out, struct lam_metric_label labels[4], const struct lam_openai_usage *used, struct lam_error *err);

void lam_llm_metrics_init(struct lam_llm_metrics *metrics, const struct lam_job *job)
{
    *metrics = (struct lam_llm_metrics){.job = job};
    pthread_mutex_init(&metrics->lock, NULL);
}

void lam_llm_metrics_release(struct lam_llm_metrics *metrics) { pthread_mutex_destroy(&metrics->lock); }

void lam_llm_metrics_set(struct lam_llm_metrics *metrics, const struct lam_openai_usage *batch, const struct lam_openai_usage *speed)
{
    pthread_mutex_lock(&metrics->lock);
    memcpy(metrics->batch, batch, sizeof metrics->batch);
    memcpy(metrics->speed, speed, sizeof metrics->speed);
    pthread_mutex_unlock(&metrics->lock);
}

/* Host and port of a URL. A job file with a user in one is refused; here it would be left out. */
static struct lam_sv host_of(const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url, *end = host + strcspn(host, "/?#");

    for (const char *at = host; at < end; at++)
        if (*at == '@')
            host = at + 1;
    return lam_sv(host, (size_t)(end - host));
}

static bool is_same(const struct lam_job_endpoint *a, const struct lam_job_endpoint *b)
{
    return !strcmp(a->model, b->model) && lam_sv_eq(host_of(a->url), host_of(b->url));
}

/* The first endpoint with the labels of this one. */
static size_t first_of(const struct lam_job_deep *deep, size_t endpoint)
{
    size_t first = 0;

    while (!is_same(&deep->endpoints[first], &deep->endpoints[endpoint]))
        first++;
    return first;
}

static void gather(struct layer *layer, const struct lam_job_deep *deep, const char *name, const struct lam_openai_usage *at)
{
    *layer = (struct layer){.name = name};
    for (size_t i = 0; i < deep->endpoint_count; i++)
        lam_openai_usage_add(&layer->at[first_of(deep, i)], &at[i]);
}

static int write_requests(struct lam_buf *out, struct lam_metric_label labels[4], const struct lam_openai_usage *used, struct lam_error *err)
{
    return lam_metrics_count(out, "lamina_model_requests_total", labels, 3, used->requests, err);
}

static int write_tokens(struct lam_buf *out, struct lam_metric_label labels[4], const struct lam_openai_usage *used, struct lam_error *err)
{
    int rc;

    labels[3] = (struct lam_metric_label){"direction", LAM_SV("in")};
    rc = lam_metrics_count(out, "lamina_model_tokens_total", labels, 4, used->tokens_in, err);
    labels[3].value = LAM_SV("out");
    return rc ? rc : lam_metrics_count(out, "lamina_model_tokens_total", labels, 4, used->tokens_out, err);
}

static int write_cost(struct lam_buf *out, struct lam_metric_label labels[4], const struct lam_openai_usage *used, struct lam_error *err)
{
    return lam_metrics_sample(out, "lamina_model_cost_total", labels, 3, used->cost, err);
}

/* Series are there from the beginning, with nothing in them: so that their first increase can be seen. */
static int write_family(struct lam_buf *out, const struct lam_job_deep *deep, const struct layer *layers, size_t layer_count, write_samples *write, struct lam_error *err)
{
    int rc = 0;

    for (size_t l = 0; l < layer_count; l++)
        for (size_t i = 0; !rc && i < deep->endpoint_count; i++) {
            struct lam_metric_label labels[4] = {{"model", lam_sv_of(deep->endpoints[i].model)}, {"host", host_of(deep->endpoints[i].url)}, {"layer", lam_sv_of(layers[l].name)}};

            if (first_of(deep, i) == i)
                rc = write(out, labels, &layers[l].at[i], err);
        }
    return rc;
}

static bool speed_asks(const struct lam_job *job) { return job->stream && job->deep.agent && job->deep.agent->layers != LAM_JOB_AGENT_BATCH; }

int lam_llm_metrics_write(struct lam_llm_metrics *metrics, struct lam_buf *out, struct lam_error *err)
{
    static const struct {
        const char *name, *help;
        write_samples *write;
    } families[] = {{"lamina_model_requests_total", "Requests that models answered since this process began, by model, host and layer.", write_requests},
                    {"lamina_model_tokens_total", "Tokens that they took, in and out.", write_tokens},
                    {"lamina_model_cost_total", "Money for them, by the prices of the job.", write_cost}};
    const struct lam_job_deep *deep = &metrics->job->deep;
    struct layer layers[2];
    int rc = 0;

    if (deep->analyzer != LAM_JOB_DEEP_OPENAI)
        return 0;
    pthread_mutex_lock(&metrics->lock);
    gather(&layers[0], deep, "batch", metrics->batch);
    gather(&layers[1], deep, "speed", metrics->speed);
    pthread_mutex_unlock(&metrics->lock);
    for (size_t i = 0; !rc && i < sizeof families / sizeof *families; i++)
        if (!(rc = lam_metrics_family(out, families[i].name, LAM_METRIC_COUNTER, families[i].help, err)))
            rc = write_family(out, deep, layers, speed_asks(metrics->job) ? 2 : 1, families[i].write, err);
    return rc;
}
