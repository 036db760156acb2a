/*
 * The serving layer as the application wires it: an HTTP server over the store's reader. `lamina serve` runs it alone
 * and follows the log by itself; in `run` it stands on what the engine shares, and on the tail of the speed ranks.
 */
#ifndef LAMINA_APP_SERVE_JOB_H
#define LAMINA_APP_SERVE_JOB_H

#include "redact_reader.h"
#include "serve/http.h"
#include "store_reader.h"

struct lam_serve_job {
    struct lam_store_reader *reader;
    struct lam_redact_reader *redact; /* before it, where the job masks entities; else NULL */
    struct lam_http *http;

    /* Set before start by whoever knows more than the store. Any thread. May be NULL. */
    void (*more_stats)(void *arg, struct lam_reader_stats *stats); /* fills rates, lags and layers of a snapshot's statistics */
    int (*metrics)(void *arg, struct lam_buf *out, struct lam_error *err); /* more families of /metrics */
    void *arg; /* of both */
};

/*
 * Starts to answer at the job's address. job->more_stats, metrics and arg are set already; all else is overwritten.
 * tail may be NULL. follow: nobody else in this process reads the log, so that pins do. LAM_E_INVALID: the address, or
 * a token that is not set.
 */
int lam_serve_job_start(struct lam_serve_job *job, struct lam_engine *engine, const struct lam_tail_source *tail,
                        bool follow, struct lam_error *err);

/* Requests under way may finish for at most grace_ms. Safe on one that was zeroed, or whose start failed. */
void lam_serve_job_stop(struct lam_serve_job *job, unsigned grace_ms);

/* "http://127.0.0.1:8080". */
const char *lam_serve_job_url(const struct lam_serve_job *job);
unsigned lam_serve_job_port(const struct lam_serve_job *job);

#endif
