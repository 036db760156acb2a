#include "cmd_frame.h"
#include "speed_job.h"

#include <inttypes.h>
#include <stdio.h>

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"until-end", '\0', NULL, "stop at the end of all partitions"},
    LAM_FRAME_OPTIONS,
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
    char agents[96];
    double seconds;

    if (!lam_progress_due(progress))
        return;
    stats = lam_speed_stats(speed);
    lam_speed_agents_progress(&stats.agents, agents, sizeof agents);
    seconds = (double)(lam_mono_us(&lam_clock_system) - progress->started_us) / 1e6;
    lam_progress_line(progress,
                      "speed: %" PRIu64 " consumed, %.0f/s, %" PRIu64 " archived, %" PRIu64 " in the tail, p99 %.1f ms%s",
                      stats.consumed, seconds > 0 ? (double)stats.consumed / seconds : 0.0, lam_speed_archived(speed),
                      stats.tail_rows, lam_speed_quantile(&stats, 0.99) / 1000, agents);
}

static void report_agents(const struct lam_session *session, const struct lam_speed_agents_stats *agents)
{
    char text[LAM_SPEED_AGENTS_TEXT];
    struct lam_error err;
    struct lam_buf json;

    if (!agents->done.records)
        return;
    if (!session->cli->json) {
        lam_speed_agents_text(agents, text, sizeof text);
        printf("\nagents: %s", text);
        return;
    }
    lam_buf_init(&json, 4096);
    if (!lam_speed_agents_json(agents, &json, &err))
        printf(",\"agents\":%.*s", LAM_SV_ARG(lam_buf_sv(&json)));
    lam_buf_release(&json);
}

static void report(const struct lam_session *session, const struct lam_speed_job *speed)
{
    struct lam_speed_stats stats = lam_speed_stats(speed);
    const char *form = session->cli->json ? "{\"consumed\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"escalated\":%" PRIu64
                                            ",\"answered_before\":%" PRIu64 ",\"undelivered\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"archived\":%" PRIu64
                                            ",\"p50_ms\":%.3f,\"p99_ms\":%.3f"
                                          : "%" PRIu64 " consumed, %" PRIu64 " answered, %" PRIu64 " rejected, %" PRIu64 " escalated, %" PRIu64
                                            " answered by an earlier run, %" PRIu64 " outputs refused, %" PRIu64 " delivered, %" PRIu64
                                            " archived; event to queryable p50 %.3f ms, p99 %.3f ms";

    printf(form, stats.consumed, stats.answered, stats.rejected, stats.escalated, stats.answered_before, stats.undelivered, stats.delivered,
           lam_speed_archived(speed), lam_speed_quantile(&stats, 0.5) / 1000, lam_speed_quantile(&stats, 0.99) / 1000);
    report_agents(session, &stats.agents);
    printf(session->cli->json ? "}\n" : "\n");
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

struct speed_verb {
    struct lam_frame *frame;
    struct lam_llm_job *llm; /* NULL: no agent is asked */
    struct lam_speed_job speed;
};

static int init(void *arg, struct lam_frame *frame, struct lam_error *err)
{
    struct speed_verb *verb = arg;
    struct lam_engine *engine = &frame->session.engine;
    const struct lam_job_agent *agent = engine->job->deep.agent;
    int rc = check(&frame->session, err);

    verb->frame = frame;
    if (!rc && agent && agent->layers != LAM_JOB_AGENT_BATCH)
        rc = lam_llm_job_open(&verb->llm, engine, err);
    return rc ? rc : lam_speed_job_init(&verb->speed, engine, verb->llm, err);
}

static int begin(void *arg, struct lam_error *err)
{
    struct speed_verb *verb = arg;

    return lam_speed_begin(&verb->speed, NULL, lam_cli_option(verb->frame->session.cli, "until-end") != NULL, err);
}

/* Rank 0: the layer is over, one way or the other. */
static int conclude(struct lam_session *session, int rc, const struct lam_error *err)
{
    if (rc == LAM_E_CANCELLED) { /* while it waited for its term */
        lam_log_info(&session->engine.log, "speed", "%s", err->text);
        return LAM_EXIT_RESUME;
    }
    if (rc)
        session->failure = *err;
    return rc == LAM_E_INVALID ? LAM_EXIT_USAGE : rc ? LAM_EXIT_FAILED : LAM_EXIT_DONE;
}

static void step(void *arg)
{
    struct speed_verb *verb = arg;
    struct lam_session *session = &verb->frame->session;
    struct lam_error err;
    int rc = lam_speed_step(&verb->speed, &err);

    if (lam_llm_job_step(verb->llm, &err) && !session->failure.code)
        session->failure = err;
    if (session->engine.rank > 0)
        return;
    show(&verb->frame->progress, &verb->speed);
    if (lam_session_stopping(session) || lam_speed_at_end(&verb->speed))
        lam_speed_stop(&verb->speed);
    if (rc != LAM_PENDING)
        lam_session_bye(session, conclude(session, rc, &err));
}

static void end(void *arg)
{
    struct speed_verb *verb = arg;
    const struct lam_session *session = &verb->frame->session;

    if (session->engine.rank == 0 && session->code == LAM_EXIT_DONE && !session->failure.code)
        report(session, &verb->speed);
}

static void release(void *arg)
{
    struct speed_verb *verb = arg;

    lam_speed_job_release(&verb->speed);
    lam_llm_job_close(verb->llm);
}

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_SPEED, 100, init, begin, step, end, release};
    struct speed_verb verb = {0};

    return lam_frame_run(cli, &ops, &verb);
}
