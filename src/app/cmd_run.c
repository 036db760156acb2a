#include "cmd_frame.h"
#include "run_job.h"

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"keep-serving", 'k', NULL, "stay up and answer queries when corpora and stream are at their end"},
    {"retrain", '\0', NULL, "train the built-in analyzer anew: the first view is a new full one"},
    LAM_FRAME_OPTIONS,
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

static int init(void *run, struct lam_frame *frame, struct lam_error *err) { return lam_run_init(run, frame, err); }
static int begin(void *run, struct lam_error *err) { return lam_run_begin(run, err); }
static void step(void *run) { lam_run_step(run); }
static void end(void *run) { lam_run_end(run); }
static void release(void *run) { lam_run_release(run); }

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_RUN, 100, init, begin, step, end, release};
    struct lam_run_job job = {0};

    return lam_frame_run(cli, &ops, &job);
}
