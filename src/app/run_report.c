#include "run_job.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"
#include "serve/query.h"

#define ASK_MS 30000

/* One answer over the merged view, as the server would give it; NULL where it cannot be had. */
static json_t *ask(struct lam_run_job *run, const char *aggregate)
{
    const struct lam_query_limits limits = {.timeout_ms = ASK_MS, .clock = &lam_clock_system};
    struct lam_reader reader = lam_store_reader(run->serve.reader);
    struct lam_query query;
    struct lam_error err;
    struct lam_buf json;
    json_t *answer = NULL;
    int rc = lam_query_init(&query, LAM_QUERY_AGGREGATE, &err);

    lam_buf_init(&json, LAM_QUERY_ANSWER_MAX);
    if (!rc && !(rc = lam_query_set_aggregate(&query, lam_sv_of(aggregate), &err)) &&
        !(rc = lam_query_run(&query, &reader, &limits, &json, NULL, &err)))
        answer = json_loadb(json.ptr, json.len, 0, NULL);
    if (rc)
        lam_log_error(&run->session->engine.log, "serve", "%s", err.text);
    lam_query_release(&query);
    lam_buf_release(&json);
    return answer;
}

static json_t *counts_of(const struct lam_source_count *c)
{
    return json_pack("{s:s#, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", c->name.ptr, (int)c->name.len,
                     "life", (int)c->life, "read", (json_int_t)c->read, "live", (json_int_t)c->live, "superseded",
                     (json_int_t)c->superseded, "deleted", (json_int_t)c->deleted, "quarantined",
                     (json_int_t)c->quarantined, "filtered", (json_int_t)c->filtered, "pending", (json_int_t)c->pending,
                     "unavailable", (json_int_t)c->unavailable);
}

/* Counts of the merged view, by source and life, and whether each of them balances. */
static json_t *count(struct lam_run_job *run, bool *balanced, uint64_t *read, uint64_t *quarantined)
{
    struct lam_reader reader = lam_store_reader(run->serve.reader);
    struct lam_reader_stats stats = LAM_READER_STATS_NONE;
    struct lam_snapshot *snapshot = NULL;
    json_t *sources = json_array();
    struct lam_error err;
    int rc = reader.ops->pin(reader.arg, ASK_MS, &snapshot, &err);

    *balanced = false;
    *read = *quarantined = 0;
    if (!rc && !(rc = reader.ops->stats(snapshot, &stats, &err))) {
        *balanced = true;
        for (size_t i = 0; i < stats.source_count; i++) {
            const struct lam_source_count *c = &stats.sources[i];

            *balanced = *balanced && c->read == c->live + c->superseded + c->deleted + c->quarantined + c->filtered;
            *read += c->read;
            *quarantined += c->quarantined;
            if (c->read)
                json_array_append_new(sources, counts_of(c));
        }
    }
    if (rc)
        lam_log_error(&run->session->engine.log, "serve", "the counts cannot be had: %s", err.text);
    reader.ops->release(snapshot);
    return sources;
}

static void add_views(const struct lam_run_job *run, json_t *report)
{
    json_t *views = json_array();

    for (size_t i = 0; i < run->view_count; i++)
        json_array_append_new(views, json_pack("{s:I, s:I, s:I, s:I, s:f}", "view", (json_int_t)run->views[i].number,
                                               "stream_read", (json_int_t)run->views[i].stream_read,
                                               "stream_next", (json_int_t)run->views[i].stream_next, "read",
                                               (json_int_t)run->views[i].read, "seconds", run->views[i].seconds));
    json_object_set_new(report, "views", views);
}

static void add_ranks(const struct lam_run_job *run, json_t *report)
{
    struct lam_error err;
    struct lam_buf json;

    lam_buf_init(&json, (size_t)64 << 20);
    if (!lam_report_ranks(&run->session->engine, &json, &err))
        json_object_set_new(report, "each_rank", json_loadb(json.ptr, json.len, 0, NULL));
    lam_buf_release(&json);
}

/* Of the last batch. */
static void add_failed(const struct lam_run_job *run, json_t *report)
{
    const struct lam_batch_report *batch = &run->batch_job.report;
    struct lam_error err;
    struct lam_buf text;

    lam_buf_init(&text, 8 * LAM_ERROR_TEXT);
    json_object_set_new(report, "files_failed", json_integer((json_int_t)batch->files_failed));
    if (!lam_buf_add_json(&text, lam_sv_of(batch->first_failure.code ? batch->first_failure.text : ""), &err)) /* a name may be no UTF-8 */
        json_object_set_new(report, "first_failure", json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL));
    lam_buf_release(&text);
}

/* Of the last batch. */
static void add_model(const struct lam_run_job *run, json_t *report)
{
    const struct lam_state *state = lam_engine_state(&run->session->engine);
    struct lam_error err;
    struct lam_buf json;

    lam_buf_init(&json, (size_t)1 << 20);
    if (!lam_report_model(state, &run->batch_job.report.model, &json, &err))
        json_object_set_new(report, "model", json_loadb(json.ptr, json.len, 0, NULL));
    lam_buf_release(&json);
    lam_state_unref(state);
}

static json_t *agents_of(const struct lam_speed_agents_stats *stats)
{
    struct lam_error err;
    struct lam_buf text;
    json_t *agents;

    lam_buf_init(&text, 4096);
    agents = lam_speed_agents_json(stats, &text, &err) ? NULL : json_loadb(text.ptr, text.len, 0, NULL);
    lam_buf_release(&text);
    return agents;
}

static void add_speed(const struct lam_run_job *run, json_t *report)
{
    struct lam_speed_stats stats = lam_speed_stats(&run->speed);

    if (!run->has_stream)
        return;
    json_object_set_new(report, "speed",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "consumed", (json_int_t)stats.consumed, "answered",
                                  (json_int_t)stats.answered, "rejected", (json_int_t)stats.rejected, "escalated", (json_int_t)stats.escalated,
                                  "outputs_delivered", (json_int_t)stats.delivered, "outputs_undelivered", (json_int_t)stats.undelivered,
                                  "answered_before", (json_int_t)stats.answered_before, "archived", (json_int_t)lam_speed_archived(&run->speed),
                                  "p50_ms", lam_speed_quantile(&stats, 0.5) / 1000, "p99_ms", lam_speed_quantile(&stats, 0.99) / 1000));
    if (stats.agents.done.records)
        json_object_set_new(json_object_get(report, "speed"), "agents", agents_of(&stats.agents));
}

static void print_table(const json_t *sources)
{
    const json_t *item;
    size_t i;

    printf("  %-26s %4s %9s %9s %10s %8s %11s %8s\n", "source", "life", "read", "live", "superseded", "deleted", "quarantined", "filtered");
    json_array_foreach((json_t *)(uintptr_t)sources, i, item) {
#define N(name) json_integer_value(json_object_get(item, name))
        printf("  %-26.26s %4lld %9lld %9lld %10lld %8lld %11lld %8lld\n",
               json_string_value(json_object_get(item, "name")), (long long)N("life"), (long long)N("read"),
               (long long)N("live"), (long long)N("superseded"), (long long)N("deleted"), (long long)N("quarantined"),
               (long long)N("filtered"));
#undef N
    }
}

static void print_categories(const json_t *answer)
{
    const json_t *groups = json_object_get(answer, "groups"), *group;
    size_t i;

    printf("\n  categories (merged: view and speed tail)\n");
    json_array_foreach((json_t *)(uintptr_t)groups, i, group) {
        char *text = json_dumps(group, JSON_COMPACT | JSON_ENCODE_ANY);

        printf("    %s\n", text ? text : "?");
        free(text);
    }
}

/* Of the speed layer; those of the batch layer stand with the models. */
static void print_agents(const struct lam_run_job *run)
{
    struct lam_speed_stats stats = lam_speed_stats(&run->speed);
    char text[LAM_SPEED_AGENTS_TEXT];

    if (!stats.agents.done.records)
        return;
    lam_speed_agents_text(&stats.agents, text, sizeof text);
    printf("  agents       %s\n", text);
}

static void print_report(const struct lam_run_job *run, const json_t *report)
{
    const json_t *speed = json_object_get(report, "speed"), *merged = json_object_get(report, "merged");
    char *as_of = json_dumps(json_object_get(merged, "as_of"), JSON_COMPACT);

    printf("\n%s: %.2f s, %zu views, exit code %lld\n\n", run->session->job->name,
           json_real_value(json_object_get(report, "seconds")), run->view_count,
           (long long)json_integer_value(json_object_get(report, "exit")));
    for (size_t i = 0; i < run->view_count; i++)
        printf("  view %" PRIu64 " after %.2f s: %" PRId64 " new records; it covers %" PRId64 " events of the stream\n",
               run->views[i].number, run->views[i].seconds, run->views[i].read, run->views[i].stream_read);
    printf("\n");
    print_table(json_object_get(report, "counts"));
    print_categories(merged);
    printf("\n  as of        %s\n", as_of ? as_of : "?");
    if (speed)
        printf("  speed        %lld events, %.0f a second; queryable after p50 %.2f ms, p99 %.2f ms; %lld outputs "
               "delivered\n",
               (long long)json_integer_value(json_object_get(speed, "consumed")),
               json_real_value(json_object_get(report, "events_per_second")),
               json_real_value(json_object_get(speed, "p50_ms")), json_real_value(json_object_get(speed, "p99_ms")),
               (long long)json_integer_value(json_object_get(speed, "outputs_delivered")));
    print_agents(run);
    printf("  batch        %.0f documents a second\n", json_real_value(json_object_get(report, "documents_per_second")));
    lam_report_print_failed(run->batch_job.report.files_failed, &run->batch_job.report.first_failure, "               ");
    if (json_integer_value(json_object_get(speed, "outputs_undelivered")))
        printf("  given up     %lld outputs that the broker refuses for what they are: runs/*/undelivered-*.jsonl of the store has them\n",
               (long long)json_integer_value(json_object_get(speed, "outputs_undelivered")));
    printf("\n");
    lam_report_print_ranks(&run->session->engine, json_real_value(json_object_get(report, "seconds")));
    lam_llm_job_print(run->batch_job.llm);
    printf("\nTry next:\n"
           "  lamina query %s --aggregate '{\"metrics\":[{\"op\":\"count\"}],\"group_by\":[\"category\"]}'\n"
           "  lamina store show %s\n"
           "  lamina export %s | head\n",
           run->session->job->store.path, run->session->job->store.path, run->session->job->store.path);
    free(as_of);
}

/* What models did for the last view. */
static void add_llm(const struct lam_run_job *run, json_t *report)
{
    struct lam_error err;
    struct lam_buf text;
    json_t *llm;

    lam_buf_init(&text, (size_t)1 << 20);
    if (run->batch_job.llm && !lam_buf_addf(&text, &err, "{\"job\":0") && !lam_llm_job_report(run->batch_job.llm, &text, &err) && !lam_buf_addf(&text, &err, "}") &&
        (llm = json_loadb(text.ptr, text.len, 0, NULL))) {
        json_object_set(report, "llm", json_object_get(llm, "llm"));
        json_decref(llm);
    }
    lam_buf_release(&text);
}

void lam_run_report(struct lam_run_job *run, int *code)
{
    struct lam_session *session = run->session;
    json_t *report = json_object(), *counts;
    double seconds = (double)(lam_mono_us(&lam_clock_system) - session->started_us) / 1e6;
    struct lam_speed_stats stats = lam_speed_stats(&run->speed);
    char path[LAM_PATH_MAX], *text, said[LAM_ERROR_TEXT];
    struct lam_error err;
    bool balanced, too_small;
    long anon, shmem;
    uint64_t all, bad;
    int64_t read = 0;

    lam_report_memory(&anon, &shmem);
    for (size_t i = 0; i < run->view_count && i < 1; i++)
        read += run->views[i].read;
    counts = count(run, &balanced, &all, &bad);
    if (*code == LAM_EXIT_DONE && lam_report_over_quarantine(session, bad, all))
        *code = LAM_EXIT_QUARANTINE;
    if (*code == LAM_EXIT_DONE && lam_llm_job_over_limit(run->batch_job.llm, &too_small, said, sizeof said)) {
        lam_log_error(&session->engine.log, "batch", "%s", said);
        *code = too_small ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
    }
    if (!balanced) {
        lam_log_error(&session->engine.log, "job", "the counts of this run do not balance: see its report.json");
        *code = LAM_EXIT_FAILED;
    }
    if (*code == LAM_EXIT_DONE && lam_report_unreadable(session, &run->batch_job))
        *code = LAM_EXIT_FAILED;
    json_object_set_new(report, "job", json_string(session->job->name));
    json_object_set_new(report, "exit", json_integer(*code));
    json_object_set_new(report, "seconds", json_real(seconds));
    json_object_set_new(report, "ranks", json_integer(session->engine.size));
    json_object_set_new(report, "balanced", json_boolean(balanced));
    json_object_set_new(report, "counts", counts);
    json_object_set_new(report, "merged", ask(run, "{\"metrics\":[{\"op\":\"count\"}],\"group_by\":[\"category\"]}"));
    json_object_set_new(report, "documents_per_second",
                        json_real(run->view_count && run->views[0].seconds > 0 ? (double)read / run->views[0].seconds
                                                                               : 0));
    json_object_set_new(report, "events_per_second", json_real(seconds > 0 ? (double)stats.consumed / seconds : 0));
    json_object_set_new(report, "rss_anon_kib", json_integer(anon));
    json_object_set_new(report, "rss_shmem_kib", json_integer(shmem));
    add_ranks(run, report);
    add_views(run, report);
    add_failed(run, report);
    add_model(run, report);
    add_llm(run, report);
    add_speed(run, report);
    if (!(text = json_dumps(report, JSON_INDENT(1)))) {
        lam_log_error(&session->engine.log, "job", "no report could be made");
        *code = *code == LAM_EXIT_DONE ? LAM_EXIT_FAILED : *code;
    }
    if (text && snprintf(path, sizeof path, "%s/runs/%s/report.json", session->job->store.path, run->batch_job.run) < (int)sizeof path &&
        lam_fs_replace(session->engine.fs, path, lam_sv_of(text), &err))
        lam_log_warn(&session->engine.log, "job", "no report could be written: %s", err.text);
    if (session->cli->json)
        printf("%s\n", text ? text : "{}");
    else
        print_report(run, report);
    if (!balanced)
        lam_log_error(&session->engine.log, "job",
                      "the counts do not balance: read is not live + superseded + deleted + quarantined + filtered");
    fflush(stdout);
    free(text);
    json_decref(report);
}
