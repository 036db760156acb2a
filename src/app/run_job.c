#include "run_job.h"

#include <inttypes.h>
#include <stdio.h>

#include "report.h"

#define SERVE_GRACE_MS 3000

int lam_run_init(struct lam_run_job *run, struct lam_frame *frame, struct lam_error *err)
{
    struct lam_session *session = &frame->session;
    struct lam_batch_options options;
    int rc;

    *run = (struct lam_run_job){.session = session, .progress = &frame->progress, .has_stream = session->job->stream != NULL};
    pthread_mutex_init(&run->lock, NULL);
    lam_llm_metrics_init(&run->models, session->job);
    run->keep = session->job->serve.keep || lam_cli_option(session->cli, "keep-serving");
    if ((rc = lam_batch_job_init(&run->batch_job, &session->engine, err)))
        return rc;
    run->batch_job.retrain = lam_cli_option(session->cli, "retrain") != NULL;
    options = lam_batch_job_options(&run->batch_job);
    if ((rc = lam_batch_open(&run->batch, &options, err)))
        return rc;
    return lam_speed_job_init(&run->speed, &session->engine, run->batch_job.llm, err);
}

void lam_run_release(struct lam_run_job *run)
{
    lam_batch_close(run->batch);
    lam_speed_job_release(&run->speed); /* its agents ask by the batch layer's client */
    lam_batch_job_release(&run->batch_job);
    lam_llm_metrics_release(&run->models);
    pthread_mutex_destroy(&run->lock);
}

static int begin_batch(struct lam_run_job *run, struct lam_error *err)
{
    run->archived_at_begin = lam_speed_archived(&run->speed);
    run->begun_us = lam_mono_us(run->session->engine.clock);
    run->batch_running = true;
    return lam_batch_run(run->batch, err);
}

/* Any thread: rates for whoever asks over HTTP. */
static void more_stats(void *arg, struct lam_reader_stats *stats)
{
    struct lam_run_job *run = arg;

    pthread_mutex_lock(&run->lock);
    stats->events_per_s = run->events_per_s;
    stats->queryable_p50_ms = run->p50_ms;
    stats->queryable_p99_ms = run->p99_ms;
    stats->agents = run->agents;
    pthread_mutex_unlock(&run->lock);
}

/* Any thread: metrics beside those of the store. */
static int more_metrics(void *arg, struct lam_buf *out, struct lam_error *err) { return lam_llm_metrics_write(&((struct lam_run_job *)arg)->models, out, err); }

static struct lam_agent_counts counts_of(const struct lam_speed_agents_stats *agents)
{
    const struct lam_agent_stats *done = &agents->done;

    return (struct lam_agent_counts){.records = done->records, .answered = done->answered, .gave_up = done->gave_up, .pending = done->later, .open = agents->open,
                                     .from_cache = done->found, .tokens = done->tokens, .cost = done->cost};
}

/* Main thread, once a turn: what more_stats hands out. */
static void share_rates(struct lam_run_job *run)
{
    int64_t now = lam_mono_us(&lam_clock_system);
    struct lam_speed_stats stats;

    if (!run->has_stream || now - run->rates_us < 1000000)
        return;
    stats = lam_speed_stats(&run->speed);
    pthread_mutex_lock(&run->lock);
    run->events_per_s = (double)(stats.consumed - run->rates_consumed) * 1e6 / (double)(now - run->rates_us);
    run->p50_ms = lam_speed_quantile(&stats, 0.5) / 1000;
    run->p99_ms = lam_speed_quantile(&stats, 0.99) / 1000;
    run->agents = counts_of(&stats.agents);
    pthread_mutex_unlock(&run->lock);
    run->rates_us = now;
    run->rates_consumed = stats.consumed;
}

/* Main thread, once a turn: what more_metrics hands out. */
static void share_models(struct lam_run_job *run)
{
    int64_t now = lam_mono_us(&lam_clock_system);
    struct lam_openai_usage batch[LAM_LLM_ENDPOINTS];
    struct lam_speed_stats speed;

    if (!run->batch_job.llm || now - run->models_us < 1000000)
        return;
    run->models_us = now;
    lam_llm_job_used(run->batch_job.llm, batch);
    speed = lam_speed_stats(&run->speed);
    lam_llm_metrics_set(&run->models, batch, speed.agents.used);
}

int lam_run_begin(struct lam_run_job *run, struct lam_error *err)
{
    struct lam_tail_source tail = {0};
    int rc;

    run->serve.more_stats = more_stats;
    run->serve.metrics = more_metrics;
    run->serve.arg = run;
    run->serving = true;
    if (run->has_stream)
        tail = lam_speed_tail(&run->speed);
    if ((rc = lam_serve_job_start(&run->serve, &run->session->engine, run->has_stream ? &tail : NULL, false, err)))
        return rc;
    lam_log_info(&run->session->engine.log, "serve", "%s", lam_serve_job_url(&run->serve));
    if (run->has_stream && (rc = lam_speed_begin(&run->speed, run->serve.reader, false, err)))
        return rc;
    run->speed_over = !run->has_stream;
    return begin_batch(run, err);
}

static uint64_t stream_cutoff(const struct lam_batch_job *batch)
{
    uint64_t sum = 0;

    for (uint32_t s = 0; s < batch->cutoff.count; s++)
        for (uint32_t p = 0; p < batch->cutoff.sources[s].count; p++)
            sum += batch->cutoff.sources[s].partitions[p].next;
    return sum;
}

/* Offsets begin anew with each life of the stream; counts go on. */
static int64_t stream_read(struct lam_run_job *run)
{
    const struct lam_job_stream *stream = run->session->job->stream;
    const struct lam_state *state = lam_engine_state(&run->session->engine);
    uint32_t number = stream ? lam_state_source_number(state, stream->name) : 0;
    const struct lam_state_source *source = number ? lam_state_source(state, number) : NULL;
    int64_t read = 0;

    for (uint32_t l = 0; source && l < source->life_count; l++)
        read += source->lives[l]->counts.read;
    lam_state_unref(state);
    return read;
}

static void note_view(struct lam_run_job *run)
{
    const struct lam_batch_report *report = &run->batch_job.report;

    run->first_done = true;
    run->batch_cancelled = false;
    if (!report->view) {
        lam_log_info(&run->session->engine.log, "batch", "nothing new: no view was published");
        return;
    }
    lam_log_info(&run->session->engine.log, "batch", "published view %" PRIu64 ": %" PRId64 " new records; it covers %" PRId64 " events of the stream", report->view, report->counts.read,
                 stream_read(run));
    if (run->view_count < LAM_RUN_VIEWS)
        run->views[run->view_count++] = (struct lam_run_view){.number = report->view, .stream_next = stream_cutoff(&run->batch_job), .read = report->counts.read, .stream_read = stream_read(run),
                                                              .seconds = (double)(lam_mono_us(&lam_clock_system) - run->session->started_us) / 1e6};
}

static void step_batch(struct lam_run_job *run)
{
    struct lam_error err;
    int rc = lam_batch_step(run->batch, &err);

    if (run->session->engine.rank > 0 || rc == LAM_PENDING || !run->batch_running)
        return;
    run->batch_running = false;
    if (lam_term_wait_takes(&run->wait, &run->session->engine, rc, &err))
        return;
    if (rc == LAM_E_CANCELLED) {
        run->batch_cancelled = true;
        if (!run->stopping) { /* nobody asked for it: answers are missing that the job requires. The others go on, and so may a later view */
            lam_log_warn(&run->session->engine.log, "batch", "%s", err.text);
            run->first_done = true;
        }
    } else if (rc)
        run->session->failure = err;
    else
        note_view(run);
}

static void step_speed(struct lam_run_job *run)
{
    struct lam_error err;
    int rc = lam_speed_step(&run->speed, &err);

    if (run->session->engine.rank > 0 || !run->has_stream || rc == LAM_PENDING || run->speed_over)
        return;
    run->speed_over = true;
    if (rc && rc != LAM_E_CANCELLED) /* stopped while it waited for its term */
        run->session->failure = err;
}

/* Is it time for another view? */
static bool is_due(struct lam_run_job *run)
{
    const struct lam_job *job = run->session->job;
    uint64_t fresh = lam_speed_archived(&run->speed) - run->archived_at_begin;

    if (run->batch_running || run->stopping || run->ended)
        return false;
    if (lam_term_wait_on(&run->wait))
        return lam_term_wait_due(&run->wait, &run->session->engine);
    return (job->batch.every_records && fresh >= job->batch.every_records) ||
           (job->batch.every_us && lam_mono_us(run->session->engine.clock) - run->begun_us >= job->batch.every_us);
}

static void show(struct lam_run_job *run)
{
    struct lam_speed_stats stats;
    struct lam_replay_progress replay;
    char batch[256], share[64] = "", agents[96];
    double seconds;

    if (!lam_progress_due(run->progress))
        return;
    seconds = (double)(lam_mono_us(&lam_clock_system) - run->progress->started_us) / 1e6;
    lam_progress_of_batch(batch, sizeof batch, run->batch, seconds);
    stats = lam_speed_stats(&run->speed);
    if (lam_speed_replay(&run->speed, &replay) && replay.total)
        snprintf(share, sizeof share, " of %" PRIu64, replay.total);
    lam_speed_agents_progress(&stats.agents, agents, sizeof agents);
    lam_progress_line(run->progress, "%s | speed: %" PRIu64 "%s events, %.0f/s, %" PRIu64 " archived%s | serve: view %" PRIu64, batch, stats.consumed, share,
                      seconds > 0 ? (double)stats.consumed / seconds : 0.0, lam_speed_archived(&run->speed), agents,
                      run->view_count ? run->views[run->view_count - 1].number : 0);
}

/* Everything is quiet: the last word. */
static void conclude(struct lam_run_job *run)
{
    const struct lam_job_stream *stream = run->session->job->stream;
    bool unfinished = run->batch_cancelled || !run->first_done || lam_term_wait_on(&run->wait) || (run->stopping && stream && stream->replay && !lam_speed_at_end(&run->speed));
    int code = LAM_EXIT_DONE;

    if (run->session->failure.code)
        code = run->session->failure.code == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
    else if (unfinished)
        code = LAM_EXIT_RESUME;
    lam_progress_end(run->progress);
    if (code == LAM_EXIT_DONE || code == LAM_EXIT_RESUME)
        lam_run_report(run, &code);
    else
        lam_report_batch_ended(run->session, &run->batch_job, code, run->session->failure.text);
    run->code = code;
    lam_session_bye(run->session, code);
}

void lam_run_step(struct lam_run_job *run)
{
    struct lam_session *session = run->session;
    struct lam_error err;
    bool at_end;

    if (lam_llm_job_step(run->batch_job.llm, &err) && !session->failure.code)
        session->failure = err;
    step_batch(run);
    step_speed(run);
    if (session->engine.rank > 0)
        return;
    show(run);
    share_rates(run);
    share_models(run);
    at_end = run->first_done && (!run->has_stream || lam_speed_at_end(&run->speed));
    if (lam_session_stopping(session) && !run->stopping) {
        run->stopping = true;
        lam_log_info(&session->engine.log, "job", "stopping");
        lam_batch_cancel(run->batch);
        lam_speed_stop(&run->speed);
    }
    if (is_due(run) && begin_batch(run, &err))
        session->failure = err;
    if (at_end && !run->keep && !run->batch_running && !run->stopping && !run->ended) {
        run->ended = true;
        lam_speed_stop(&run->speed);
    }
    if ((run->ended || run->stopping) && !run->batch_running && run->speed_over && !session->bye)
        conclude(run);
    else if (session->failure.code)
        conclude(run);
}

void lam_run_end(struct lam_run_job *run)
{
    if (run->serving)
        lam_serve_job_stop(&run->serve, SERVE_GRACE_MS);
    run->serving = false;
}
