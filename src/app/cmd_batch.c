#include "batch_estimate.h"
#include "batch_verb.h"
#include "config/units.h"
#include "report.h"

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"estimate", '\0', NULL, "ask no model, publish nothing: records, requests, tokens, time and cost of the run, from a sample"},
    {"sample", '\0', "SIZE", "with --estimate: how much to read; 32 MiB. What is no larger is counted exactly"},
    {"latency", '\0', "TIME", "with --estimate: what a request takes, such as 2s; as the last view's did, else 2 s"},
    {"retrain", '\0', NULL, "train the built-in analyzer anew, and publish a new full view"},
    {"write-requests", '\0', "FILE", "ask no model: write the requests as a file of the OpenAI batch API; records stay pending"},
    {"read-responses", '\0', "FILE", "take answers from a file that the batch API returned, before anything is asked; may be repeated"},
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
               "--write-requests of a job that asks chat models and for vectors writes two files, since a batch is of one\n"
               "endpoint: night.jsonl and night.embeddings.jsonl. With several ranks each one but the first writes\n"
               "FILE.<rank>. What the files of --read-responses do not answer is asked as usual.\n\n"
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
    if (lam_report_unreadable(session, batch))
        return LAM_EXIT_FAILED;
    return lam_report_over_quarantine(session, bad, read + report->asked_again) ? LAM_EXIT_QUARANTINE : LAM_EXIT_DONE;
}

/* Rank 0: the run is over, one way or the other. */
static int conclude(struct lam_session *session, struct lam_batch_job *batch, int rc, const struct lam_error *err)
{
    char text[LAM_ERROR_TEXT];
    bool too_small;
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
    if (code == LAM_EXIT_DONE && lam_llm_job_over_limit(batch->llm, &too_small, text, sizeof text)) {
        lam_log_error(&session->engine.log, "batch", "%s", text);
        code = too_small ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
    }
    lam_report_batch(session, batch, code);
    return code;
}

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

/* Each --read-responses that was given. */
static int set_responses(struct lam_session *session, struct lam_error *err)
{
    const struct lam_cli *cli = session->cli;
    struct lam_engine *engine = &session->engine;

    for (size_t i = 0; i < cli->given_count; i++) {
        if (strcmp(cli->given[i].option->name, "read-responses"))
            continue;
        if (engine->response_count == LAM_RESPONSES_MAX)
            return LAM_FAIL(err, LAM_E_INVALID, "more than %d files of --read-responses: lamina cache import takes them one by one", LAM_RESPONSES_MAX);
        engine->read_responses[engine->response_count++] = cli->given[i].value;
    }
    return 0;
}

static int init(void *arg, struct lam_frame *frame, struct lam_error *err)
{
    struct lam_session *session = &frame->session;
    int rc;

    session->engine.write_requests = lam_cli_option(session->cli, "write-requests");
    if ((rc = set_responses(session, err)))
        return rc;
    if ((rc = set_estimate(session, err)))
        return rc;
    return lam_batch_verb_open(arg, frame, lam_cli_option(session->cli, "retrain") != NULL, err);
}

static int begin(void *arg, struct lam_error *err)
{
    struct lam_batch_verb *verb = arg;

    return lam_batch_run(verb->batch, err);
}

static void step(void *arg)
{
    struct lam_batch_verb *verb = arg;
    struct lam_session *session = &verb->frame->session;
    struct lam_error err;
    int rc = lam_batch_verb_step(verb, &err);

    if (session->engine.rank == 0 && (rc = lam_batch_verb_outcome(verb, rc, &err)) != LAM_PENDING)
        lam_session_bye(session, conclude(session, &verb->job, rc, &err));
}

static void release(void *verb) { lam_batch_verb_release(verb); }

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_BATCH, 250, init, begin, step, NULL, release};
    struct lam_batch_verb verb = {0};

    return lam_frame_run(cli, &ops, &verb);
}
