#include "progress.h"
#include "session.h"
#include "speed_job.h"
#include "stop_watch.h"

#include "process/work.h"

#include <inttypes.h>
#include <stdio.h>

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"until-end", '\0', NULL, "stop at the end of all partitions"},
    {"quiet", 'q', NULL, "no progress on standard error"},
};

extern const struct lam_verb lam_verb_speed; /* main.c lists it */

const struct lam_verb lam_verb_speed = {
    .name = "speed",
    .arguments = "JOB",
    .summary = "consume the stream until told to stop, or to its end",
    .details = "Consumes the job's topic, answers each event fast, routes the answers to output topics, and archives all of it in\n"
               "the store. Runs until it is stopped (Ctrl-C, SIGTERM, lamina stop), or with --until-end to the end of the topic.\n\n"
               "  lamina speed job.json --until-end\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .takes_job = true,
    .takes_ranks = true,
    .run = run,
};

static void show(struct lam_progress *progress, const struct lam_speed_job *speed)
{
    struct lam_speed_stats stats;
    double seconds;

    if (!lam_progress_due(progress))
        return;
    stats = lam_speed_stats(speed);
    seconds = (double)(lam_mono_us(&lam_clock_system) - progress->started_us) / 1e6;
    lam_progress_line(progress,
                      "speed: %" PRIu64 " consumed, %.0f/s, %" PRIu64 " archived, %" PRIu64 " in the tail, p99 %.1f ms",
                      stats.consumed, seconds > 0 ? (double)stats.consumed / seconds : 0.0, lam_speed_archived(speed),
                      stats.tail_rows, lam_speed_quantile(&stats, 0.99) / 1000);
}

static void report(const struct lam_session *session, const struct lam_speed_job *speed)
{
    struct lam_speed_stats stats = lam_speed_stats(speed);
    const char *form = session->cli->json ? "{\"consumed\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"rejected\":%" PRIu64
                                            ",\"escalated\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"archived\":%" PRIu64
                                            ",\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n"
                                          : "%" PRIu64 " consumed, %" PRIu64 " answered, %" PRIu64 " rejected, %" PRIu64
                                            " escalated, %" PRIu64 " outputs delivered, %" PRIu64
                                            " archived; event to queryable p50 %.3f ms, p99 %.3f ms\n";

    printf(form, stats.consumed, stats.answered, stats.rejected, stats.escalated, stats.delivered,
           lam_speed_archived(speed), lam_speed_quantile(&stats, 0.5) / 1000, lam_speed_quantile(&stats, 0.99) / 1000);
}

static int check(const struct lam_session *session, struct lam_error *err)
{
    const struct lam_job *job = session->job;

    if (!job->stream)
        return LAM_FAIL(err, LAM_E_INVALID, "the job has no stream: `lamina speed` has nothing to consume");
    if (job->stream->local)
        return LAM_FAIL(err, LAM_E_INVALID,
                        "stream.brokers is \"local\", a broker that lives inside `lamina run` alone: use that, or name "
                        "a real broker");
    return 0;
}

static int run(struct lam_cli *cli)
{
    struct lam_session session;
    struct lam_speed_job speed = {0};
    struct lam_progress progress;
    struct lam_stop_watch stop = {0};
    struct lam_error err;
    int rc = lam_session_open(&session, cli, LAM_RANKS_SPEED);

    if (rc)
        return rc;
    if (!(rc = check(&session, &err)))
        rc = lam_speed_job_init(&speed, &session.engine, &err);
    if (!(rc = lam_session_agree(&session, rc, &err)) && session.engine.rank == 0)
        rc = lam_speed_begin(&speed, NULL, lam_cli_option(cli, "until-end") != NULL, &err);
    if (rc)
        lam_session_refuse(&session, rc, &err);
    lam_progress_init(&progress, &session, lam_cli_option(cli, "quiet") != NULL);
    while (!rc && lam_session_turn(&session, 100)) {
        lam_work_reap(session.engine.storage);
        rc = lam_speed_step(&speed, &err);
        if (session.engine.rank == 0) {
            lam_stop_watch_step(&stop, &session.engine);
            show(&progress, &speed);
            if (lam_session_stopping(&session) || lam_speed_at_end(&speed))
                lam_speed_stop(&speed);
            if (rc && rc != LAM_PENDING)
                session.failure = err;
            if (rc != LAM_PENDING)
                lam_session_bye(&session, rc ? LAM_EXIT_FAILED : LAM_EXIT_DONE);
        }
        rc = 0;
    }
    lam_progress_end(&progress);
    if (session.engine.rank == 0 && !session.failure.code)
        report(&session, &speed);
    lam_engine_quiesce(&session.engine);
    lam_speed_job_release(&speed);
    return lam_session_close(&session);
}
