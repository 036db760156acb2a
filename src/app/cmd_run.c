#include "run_job.h"

#include "process/work.h"

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"keep-serving", 'k', NULL, "stay up and answer queries when corpora and stream are at their end"},
    {"quiet", 'q', NULL, "no progress on standard error"},
};

extern const struct lam_verb lam_verb_run; /* main.c lists it */

const struct lam_verb lam_verb_run = {
    .name = "run",
    .arguments = "JOB",
    .summary = "all three layers: batch, speed and serving, in one job",
    .details = "Publishes a view of the corpora at once and further ones as the stream grows, consumes the stream meanwhile, and\n"
               "answers queries over both from the start. Ends when the corpora are read and a replayed stream is at its end; else,\n"
               "and with --keep-serving, when it is stopped.\n\n"
               "  lamina run jobs/quickstart.json\n"
               "  lamina launch -n 4 run jobs/quickstart.json --keep-serving\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .takes_job = true,
    .takes_ranks = true,
    .run = run,
};

static int run(struct lam_cli *cli)
{
    struct lam_session session;
    struct lam_run_job job;
    struct lam_error err;
    int rc = lam_session_open(&session, cli, LAM_RANKS_RUN);

    if (rc)
        return rc;
    rc = lam_run_init(&job, &session, &err);
    if (!(rc = lam_session_agree(&session, rc, &err)) && session.engine.rank == 0)
        rc = lam_run_begin(&job, &err);
    if (rc)
        lam_session_refuse(&session, rc, &err);
    while (!rc && lam_session_turn(&session, 100)) {
        lam_work_reap(session.engine.storage);
        lam_run_step(&job);
    }
    lam_run_end(&job);
    lam_engine_quiesce(&session.engine);
    lam_run_release(&job);
    return lam_session_close(&session);
}
