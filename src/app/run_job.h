/*
 * `run`: the three layers in one job, and rank 0's decisions: when the next view is due, when all is done, what the report says.
 */
#ifndef LAMINA_APP_RUN_JOB_H
#define LAMINA_APP_RUN_JOB_H

#include "batch_job.h"
#include "cmd_frame.h"
#include "llm_metrics.h"
#include "serve_job.h"
#include "speed_job.h"
#include "term_wait.h"

#define LAM_RUN_VIEWS 64 /* kept for the report */

struct lam_run_view {
    uint64_t number, stream_next; /* stream_next: sum of the next offsets of the stream's cutoff */
    double seconds;               /* since the start, when it was published */
    int64_t read, stream_read; /* new records; records of the stream that it covers, of all its lives */
};

struct lam_run_job {
    struct lam_session *session;
    struct lam_progress *progress;
    struct lam_batch_job batch_job;
    struct lam_batch *batch;
    struct lam_speed_job speed;
    struct lam_serve_job serve;
    struct lam_term_wait wait; /* for the batch layer's term */
    bool serving, has_stream, keep, batch_running, batch_cancelled, stopping, speed_over, first_done, ended;
    uint64_t archived_at_begin;
    int64_t begun_us;
    int code;
    struct lam_run_view views[LAM_RUN_VIEWS];
    size_t view_count;

    pthread_mutex_t lock; /* guards the three rates, and agents */
    double events_per_s, p50_ms, p99_ms;
    struct lam_agent_counts agents;
    struct lam_llm_metrics models;
    int64_t models_us;
    int64_t rates_us;
    uint64_t rates_consumed;
};

int lam_run_init(struct lam_run_job *run, struct lam_frame *frame, struct lam_error *err);
void lam_run_release(struct lam_run_job *run);

/* Rank 0: begins serving, speed and the first batch. */
int lam_run_begin(struct lam_run_job *run, struct lam_error *err);

/* One step of all layers; what goes wrong is the session's failure. */
void lam_run_step(struct lam_run_job *run);

/* Stops serving; after the loop. */
void lam_run_end(struct lam_run_job *run);

/*
 * run_report.c: on screen, with --json on standard output, and runs/<id>/report.json. *code becomes 1 where the counts do not balance, 3 where too much is in
 * quarantine.
 */
void lam_run_report(struct lam_run_job *run, int *code);

#endif
