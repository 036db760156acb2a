#include "batch_job.h"
#include "progress.h"
#include "report.h"
#include "session.h"
#include "stop_watch.h"

#include "process/work.h"

#include <stdio.h>

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"quiet", 'q', NULL, "no progress on standard error"},
};

extern const struct lam_verb lam_verb_batch;
const struct lam_verb lam_verb_batch = {
    .name = "batch",
    .arguments = "JOB",
    .summary = "read the corpora and the archived stream, publish one new view",
    .details = "Reads what is new since the last view, analyses it on all ranks, and publishes it as one new view of the\n"
               "store. With nothing new it publishes nothing and says so. A batch that was interrupted goes on where it\n"
               "stopped when it is run again, on any number of ranks.\n\n"
               "  lamina batch jobs/quickstart.json\n"
               "  lamina launch -n 4 batch jobs/quickstart.json --set batch.split='\"4 MiB\"'\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .takes_job = true,
    .takes_ranks = true,
    .run = run,
};

static int exit_code(const struct lam_session *session, const struct lam_batch_report *report)
{
    const struct lam_job *job = session->job;
    uint64_t bad = (uint64_t)report->counts.quarantined, read = (uint64_t)report->counts.read;

    if (read != (uint64_t)(report->counts.live + report->counts.superseded + report->counts.deleted) + bad +
                    (uint64_t)report->counts.filtered)
        return LAM_EXIT_FAILED;
    return bad > job->quarantine.records && (double)bad > job->quarantine.max * (double)read ? LAM_EXIT_QUARANTINE : LAM_EXIT_DONE;
}

/* Rank 0: the run is over, one way or the other. */
static int conclude(struct lam_session *session, struct lam_batch_job *batch, int rc, const struct lam_error *err)
{
    int code;

    if (rc == LAM_E_CANCELLED) {
        lam_log_info(&session->engine.log, "batch", "%s", err->text);
        return LAM_EXIT_RESUME;
    }
    if (rc) {
        session->failure = *err;
        return rc == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
    }
    code = exit_code(session, &batch->report);
    lam_report_batch(session, batch, code);
    return code;
}

static int run(struct lam_cli *cli)
{
    struct lam_session session;
    struct lam_batch_job job = {0};
    struct lam_batch *batch = NULL;
    struct lam_progress progress;
    struct lam_stop_watch stop = {0};
    struct lam_error err;
    int rc = lam_session_open(&session, cli, LAM_RANKS_BATCH);

    if (rc)
        return rc;
    if (!(rc = lam_batch_job_init(&job, &session.engine, &err))) {
        struct lam_batch_options batch_options = lam_batch_job_options(&job);

        rc = lam_batch_open(&batch, &batch_options, &err);
    }
    if (!(rc = lam_session_agree(&session, rc, &err)) && session.engine.rank == 0)
        rc = lam_batch_run(batch, &err);
    if (rc)
        lam_session_refuse(&session, rc, &err);
    lam_progress_init(&progress, &session, lam_cli_option(cli, "quiet") != NULL);
    while (!rc && lam_session_turn(&session, 250)) {
        lam_work_reap(session.engine.storage);
        if (session.engine.rank == 0) {
            lam_stop_watch_step(&stop, &session.engine);
            if (lam_session_stopping(&session))
                lam_batch_cancel(batch);
        }
        rc = lam_batch_step(batch, &err);
        if (session.engine.rank == 0) {
            lam_progress_batch(&progress, batch, &job);
            if (rc != LAM_PENDING)
                lam_session_bye(&session, conclude(&session, &job, rc, &err));
        }
        rc = 0;
    }
    lam_progress_end(&progress);
    lam_engine_quiesce(&session.engine);
    lam_batch_close(batch);
    lam_batch_job_release(&job);
    return lam_session_close(&session);
}
