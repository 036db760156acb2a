/*
 * The `deep` object of a job: who answers in the batch layer, over which endpoints, at what price, up to which limit.
 *
 * Which models answer, in which steps, and with which prompts, belongs to the analysis: a change is a new full view. Where the models are, what they cost and
 * how they are asked is free: an answer that is paid for stays good when its endpoint moves.
 */
#ifndef LAMINA_CONFIG_DEEP_H
#define LAMINA_CONFIG_DEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"

enum lam_job_deep_analyzer { LAM_JOB_DEEP_BUILTIN, LAM_JOB_DEEP_OPENAI };
enum lam_job_request_mode { LAM_JOB_COMBINED, LAM_JOB_PER_TASK, LAM_JOB_PACKED };
enum lam_job_endpoint_kind { LAM_JOB_CHAT, LAM_JOB_EMBEDDINGS };

#define LAM_JOB_ENDPOINTS_MAX 16
#define LAM_JOB_CASCADE_MAX 6

struct lam_job_endpoint {
    const char *url;     /* the base, such as http://127.0.0.1:8000/v1 */
    const char *model;
    const char *key_env; /* environment variable that holds the key; NULL: none is sent */
    enum lam_job_endpoint_kind kind;
    double weight;
    uint32_t concurrency; /* requests at once, over all ranks */
    uint32_t start;       /* requests at once to begin with */
    uint32_t rpm;         /* requests a minute, over all ranks; 0: no limit */
    uint64_t tpm;         /* tokens a minute */
    uint32_t context;     /* tokens of prompt and answer together */
    double price_in, price_out; /* a million tokens */
    bool stream;          /* answers come in pieces, so that cancelled ones end at the server */
    uint32_t tier;        /* step of the cascade, counted among the models (builtin is none): 0 is asked first */
};

/* One step of a cascade. */
struct lam_job_step {
    const char *model; /* "builtin", or that of endpoints */
    double accept;     /* confidence of the category from which on its answer stands */
};

struct lam_job_recording {
    const char *path; /* absolute */
    double speed;     /* of the recorded latencies; 0: none at all */
};

struct lam_job_deep {
    enum lam_job_deep_analyzer analyzer;
    const struct lam_job_endpoint *endpoints;
    size_t endpoint_count;
    enum lam_job_request_mode request_mode;
    uint32_t token_budget;  /* of a packed request */
    uint32_t answer_tokens; /* at most, of one document's answer */
    double max_cost;        /* of one run; 0: no limit */
    uint64_t max_tokens;    /* of one run; 0: no limit */
    bool require;           /* no view while answers are missing */
    int64_t timeout_us;     /* of one request, retries not counted */
    int64_t patience_us;    /* how long requests wait while no endpoint can be used */
    const struct lam_job_step *cascade; /* none: the endpoints' models are equals */
    size_t cascade_count;
    struct {
        uint64_t size; /* bytes; 0: no limit */
        int64_t age_us; /* 0: no limit */
    } cache;
    const char *ca_file;              /* absolute; NULL: the certificates of the system */
    const char *record;               /* absolute; NULL: nothing is recorded */
    struct lam_job_recording *replay; /* NULL: live */
    const char *prompts;              /* absolute folder of templates that stand in for the built-in ones; NULL: none */
    struct lam_job_agent *agent;      /* NULL: none */
    uint32_t tiers;                   /* 1 without a cascade */
};

#endif
