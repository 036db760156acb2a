#include "batch_estimate.h"
#include "config/units.h"
#include "cmd_frame.h"
#include "report.h"
#include "term_wait.h"

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"estimate", '\0', NULL, "ask no model, publish nothing: records, requests, tokens, time and cost of the run, from a sample"},
    {"sample", '\0', "SIZE", "with --estimate: how much to read; 32 MiB. What is no larger is counted exactly"},
    {"latency", '\0', "TIME", "with --estimate: what a request takes, such as 2s; as the last view's did, else 2 s"},
    {"retrain", '\0', NULL, "train the built-in analyzer anew, and publish a new full view"},
    {"write-requests", '\0', "FILE", "ask no model: write the requests as a file of the OpenAI batch API; records stay pending"},
    {"read-responses", '\0', "FILE", "take answers from a file that the batch API returned, before anything is asked"},
    LAM_FRAME_OPTIONS,
};

extern const struct lam_verb lam_verb_batch;
const struct lam_verb lam_verb_batch = {
    .name = "batch",
    .arguments = "JOB",
    .summary = "read the corpora and the archived stream, publish one new view",
    .details = "Reads what is new since the last view, analyses it on all ranks, and publishes it as one new view of the\n"
               "store. With nothing new it publishes nothing and says so. A batch that was interrupted goes on where it\n"
               "stopped when it is run again, on any number of ranks.\n\n"
               "With several ranks each one but the first writes --write-requests FILE.<rank>. What FILE of\n"
               "--read-responses does not answer is asked as usual.\n\n"
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

static int exit_code(const struct lam_session *session, const struct lam_batch_job *batch)
{
    const struct lam_batch_report *report = &batch->report;
    uint64_t bad = report->counts.quarantined > 0 ? (uint64_t)report->counts.quarantined : 0, read = (uint64_t)report->counts.read;

    if (report->counts.read != report->counts.live + report->counts.superseded + report->counts.deleted + report->counts.quarantined + report->counts.filtered) {
        lam_log_error(&session->engine.log, "job", "the counts of this run do not balance: see its report.json");
        return LAM_EXIT_FAILED;
    }
    return lam_report_over_quarantine(session, bad, read + report->asked_again) ? LAM_EXIT_QUARANTINE : LAM_EXIT_DONE;
}

/* Rank 0: the run is over, one way or the other. */
static int conclude(struct lam_session *session, struct lam_batch_job *batch, int rc, const struct lam_error *err)
{
    int code;

    if (rc == LAM_E_CANCELLED) {
        lam_log_info(&session->engine.log, "batch", "%s", err->text);
        lam_report_batch_ended(session, batch, LAM_EXIT_RESUME, err->text);
        return LAM_EXIT_RESUME;
    }
    if (rc) {
        session->failure = *err;
        code = rc == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
        lam_report_batch_ended(session, batch, code, err->text);
        return code;
    }
    if (batch->estimate) {
        struct lam_estimate_sums sums;

        if (batch->estimator)
            lam_batch_estimate_sums(batch, &sums);
        lam_llm_job_print_estimate(&session->engine, batch->estimator ? &sums : NULL, session->cli->json);
        return LAM_EXIT_DONE;
    }
    code = exit_code(session, batch);
    if (code == LAM_EXIT_DONE && lam_llm_job_limit(batch->llm)[0]) {
        lam_log_error(&session->engine.log, "batch", "%s was reached: records without an answer are pending, and the next run goes on with them",
                      lam_llm_job_limit(batch->llm));
        code = LAM_EXIT_FAILED;
    }
    lam_report_batch(session, batch, code);
    return code;
}

struct batch_verb {
    struct lam_frame *frame;
    struct lam_batch_job job;
    struct lam_batch *batch;
    struct lam_term_wait wait;
};

static int set_estimate(struct lam_session *session, struct lam_error *err)
{
    const char *sample = lam_cli_option(session->cli, "sample"), *latency = lam_cli_option(session->cli, "latency");
    struct lam_engine *engine = &session->engine;

    engine->estimate = lam_cli_option(session->cli, "estimate") != NULL;
    if (!engine->estimate && (sample || latency))
        return LAM_FAIL(err, LAM_E_INVALID, "--%s is of --estimate alone, and this run would ask and publish", sample ? "sample" : "latency");
    if (sample && (!lam_size_parse(sample, &engine->estimate_bytes) || engine->estimate_bytes < 1))
        return LAM_FAIL(err, LAM_E_INVALID, "--sample %s is no size such as \"32 MiB\"", sample);
    if (latency && (!lam_duration_parse(latency, &engine->estimate_latency_s) || engine->estimate_latency_s <= 0))
        return LAM_FAIL(err, LAM_E_INVALID, "--latency %s is no time such as \"2s\"", latency);
    return 0;
}

static int init(void *arg, struct lam_frame *frame, struct lam_error *err)
{
    struct batch_verb *verb = arg;
    struct lam_batch_options batch_options;
    int rc;

    verb->frame = frame;
    frame->session.engine.write_requests = lam_cli_option(frame->session.cli, "write-requests");
    frame->session.engine.read_responses = lam_cli_option(frame->session.cli, "read-responses");
    if ((rc = set_estimate(&frame->session, err)) || (rc = lam_batch_job_init(&verb->job, &frame->session.engine, err)))
        return rc;
    verb->job.retrain = lam_cli_option(frame->session.cli, "retrain") != NULL;
    batch_options = lam_batch_job_options(&verb->job);
    return lam_batch_open(&verb->batch, &batch_options, err);
}

static int begin(void *arg, struct lam_error *err)
{
    struct batch_verb *verb = arg;

    return lam_batch_run(verb->batch, err);
}

/* Another job has the term, and this one waits for its end. */
static void step_waiting(struct batch_verb *verb, struct lam_session *session)
{
    struct lam_error err;
    int rc = 0;

    if (lam_session_stopping(session))
        rc = LAM_FAIL(&err, LAM_E_CANCELLED, "stopped while the batch layer waited for another job to end");
    else if (lam_term_wait_due(&verb->wait, &session->engine))
        rc = lam_batch_run(verb->batch, &err);
    if (rc)
        lam_session_bye(session, conclude(session, &verb->job, rc, &err));
}

static void step(void *arg)
{
    struct batch_verb *verb = arg;
    struct lam_session *session = &verb->frame->session;
    struct lam_error err;
    int rc;

    if (session->engine.rank == 0 && lam_session_stopping(session))
        lam_batch_cancel(verb->batch);
    if ((lam_llm_job_step(verb->job.llm, &err) || lam_batch_estimate_step(&verb->job, &err)) && !session->failure.code)
        session->failure = err;
    rc = lam_batch_step(verb->batch, &err);
    if (session->engine.rank > 0)
        return;
    if (lam_term_wait_on(&verb->wait)) {
        step_waiting(verb, session);
        return;
    }
    lam_progress_batch(&verb->frame->progress, verb->batch, &verb->job);
    if (rc != LAM_PENDING && !lam_term_wait_takes(&verb->wait, &session->engine, rc, &err))
        lam_session_bye(session, conclude(session, &verb->job, rc, &err));
}

static void release(void *arg)
{
    struct batch_verb *verb = arg;

    lam_batch_close(verb->batch);
    lam_batch_job_release(&verb->job);
}

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_BATCH, 250, init, begin, step, NULL, release};
    struct batch_verb verb = {0};

    return lam_frame_run(cli, &ops, &verb);
}
