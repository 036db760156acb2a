/*
 * The `deep.agent` object of a job: a model that looks things up before it answers, for the records that a rule names.
 *
 * What it is asked, of which records and in which form it answers belongs to the analysis; its limits, and where its tools live, are free.
 */
#ifndef LAMINA_CONFIG_AGENT_H
#define LAMINA_CONFIG_AGENT_H

#include <lamina/sv.h>

#include "model/rules.h"

#define LAM_JOB_AGENT_HTTP_MAX 16

enum lam_job_agent_method { LAM_JOB_AGENT_GET, LAM_JOB_AGENT_POST };
enum lam_job_agent_protocol { LAM_JOB_AGENT_TOOLS, LAM_JOB_AGENT_CHOICE };
enum lam_job_agent_layers { LAM_JOB_AGENT_BOTH, LAM_JOB_AGENT_BATCH };

/* A tool of the job's own: one URL, and nothing but it. */
struct lam_job_agent_http {
    const char *name, *description;
    const char *url;
    enum lam_job_agent_method method; /* GET: the arguments are the query; POST: the body, as JSON */
    const char *key_env;              /* environment variable with a bearer token; NULL: none is sent */
    int64_t timeout_us;
    struct lam_sv parameters;         /* JSON Schema of its arguments */
};

struct lam_job_agent {
    struct lam_sv question;
    struct lam_sv schema;             /* of its answer */
    const struct lam_rule *when;      /* on $key, $text and pointers into the record's metadata; NULL: all records */
    const char *model;                /* of an endpoint; NULL: that of the first step */
    enum lam_job_agent_protocol protocol;
    enum lam_job_agent_layers layers;
    uint32_t steps, answer_tokens, parallel;
    uint64_t tokens, result;
    int64_t time_us;
    const struct lam_job_agent_http *http;
    size_t http_count;
    uint32_t tier; /* of its model */
};

#endif
