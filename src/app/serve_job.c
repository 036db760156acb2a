#include "serve_job.h"

#include <stdlib.h>

int lam_serve_job_start(struct lam_serve_job *job, struct lam_engine *engine, const struct lam_tail_source *tail,
                        bool follow, struct lam_error *err)
{
    const struct lam_job *settings = engine->job;
    struct lam_http_config config;
    int rc;

    job->reader = NULL;
    job->redact = NULL;
    job->http = NULL;
    lam_http_config_init(&config);
    config.listen = settings->serve.listen;
    config.hosts = settings->serve.hosts;
    config.max_connections = settings->serve.connections;
    config.max_queries = settings->serve.queries;
    config.query_timeout_ms = (unsigned)(settings->serve.timeout_us / 1000);
    config.max_body = settings->serve.body;
    config.clock = engine->clock;
    config.log = &engine->log;
    config.metrics = job->metrics;
    config.metrics_arg = job->arg;
    if (settings->serve.token_env && !(config.token = getenv(settings->serve.token_env)))
        return LAM_FAIL(err, LAM_E_INVALID, "the environment variable %s, which /serve/token_env names, is not set",
                        settings->serve.token_env);
    if ((rc = lam_store_reader_new(&job->reader, engine, tail, follow, err)))
        return rc;
    if (job->more_stats)
        lam_store_reader_more_stats(job->reader, job->more_stats, job->arg);
    config.reader = lam_store_reader(job->reader);
    if ((rc = lam_redact_reader_new(&job->redact, engine, &config.reader, err)) || (rc = lam_http_start(&config, &job->http, err)))
        lam_serve_job_stop(job, 0);
    return rc;
}

void lam_serve_job_stop(struct lam_serve_job *job, unsigned grace_ms)
{
    lam_http_stop(job->http, grace_ms);
    lam_redact_reader_free(job->redact);
    lam_store_reader_free(job->reader);
    job->http = NULL;
    job->redact = NULL;
    job->reader = NULL;
}

const char *lam_serve_job_url(const struct lam_serve_job *job) { return lam_http_url(job->http); }
unsigned lam_serve_job_port(const struct lam_serve_job *job) { return lam_http_port(job->http); }
