/* /metrics: what this server counts, and what the newest snapshot knows. */
#include "http_impl.h"

#define FAMILY(name, type, help)                                        \
    do {                                                                \
        int rc_ = lam_metrics_family(out, (name), (type), (help), err); \
        if (rc_)                                                        \
            return rc_;                                                 \
    } while (0)

#define STATS_TIMEOUT_MS 2000 /* a scrape does not wait longer for a silent rank */

static int gauge(struct lam_buf *out, const char *name, const char *help, double value, struct lam_error *err)
{
    FAMILY(name, LAM_METRIC_GAUGE, help);
    return lam_metrics_sample(out, name, NULL, 0, value, err);
}

static int write_requests(struct lam_http *http, struct lam_buf *out, struct lam_error *err)
{
    static const char *const classes[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
    int rc = 0;

    FAMILY("lamina_http_requests_total", LAM_METRIC_COUNTER, "Requests answered, by endpoint and class of status.");
    for (int i = 0; i < ENDPOINTS; i++)
        for (int j = 2; j < 6 && !rc; j++) {
            const struct lam_metric_label labels[] = {{"endpoint", lam_sv_of(lam_http_endpoint_name((enum endpoint)i))},
                                                      {"status", lam_sv_of(classes[j])}};
            uint64_t count = atomic_load_explicit(&http->answered[i][j], memory_order_relaxed);

            if (count)
                rc = lam_metrics_count(out, "lamina_http_requests_total", labels, 2, count, err);
        }
    if (rc)
        return rc;
    FAMILY("lamina_query_duration_seconds", LAM_METRIC_HISTOGRAM, "From a request's first line to its answer, by query.");
    for (int i = ENDPOINT_RECORD; i <= ENDPOINT_STATUS && !rc; i++) {
        const struct lam_metric_label label = {"query", lam_sv_of(lam_http_endpoint_name((enum endpoint)i))};

        rc = lam_metrics_histogram(out, "lamina_query_duration_seconds", &label, 1, &http->durations[i], err);
    }
    if (rc)
        return rc;
    FAMILY("lamina_query_errors_total", LAM_METRIC_COUNTER,
           "Queries that failed while they ran, by error; keys that were not found are none.");
    for (int i = 1; i < 14 && !rc; i++) {
        const struct lam_metric_label label = {"code", lam_sv_of(lam_error_name(-i))};
        uint64_t count = atomic_load_explicit(&http->query_errors[i], memory_order_relaxed);

        if (count)
            rc = lam_metrics_count(out, "lamina_query_errors_total", &label, 1, count, err);
    }
    return rc;
}

static int write_process(struct lam_http *http, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_metric_label version = {"version", LAM_SV(LAMINA_VERSION)};
    struct lam_memory_use use;
    unsigned queries;
    int rc;

    FAMILY("lamina_build_info", LAM_METRIC_GAUGE, "Always 1; the version is its label.");
    if ((rc = lam_metrics_count(out, "lamina_build_info", &version, 1, 1, err)))
        return rc;
    lam_memory_use(&use);
    {
        const struct lam_metric_label anon = {"kind", LAM_SV("anon")}, shmem = {"kind", LAM_SV("shmem")}, file = {"kind", LAM_SV("file")};

        FAMILY("lamina_memory_bytes", LAM_METRIC_GAUGE,
               "Resident memory of this process; file is mapped segments, which the kernel can take back.");
        if ((rc = lam_metrics_count(out, "lamina_memory_bytes", &anon, 1, use.rss_anon, err)) ||
            (rc = lam_metrics_count(out, "lamina_memory_bytes", &shmem, 1, use.rss_shmem, err)) ||
            (rc = lam_metrics_count(out, "lamina_memory_bytes", &file, 1, use.rss_file, err)))
            return rc;
    }
    pthread_mutex_lock(&http->lock);
    queries = http->queries;
    pthread_mutex_unlock(&http->lock);
    if ((rc = gauge(out, "lamina_uptime_seconds", "Since the server started.",
                    (double)(lam_mono_us(http->config.clock) - http->start_us) / 1e6, err)) ||
        (rc = gauge(out, "lamina_http_connections", "Open now.", lam_watch_count(&http->watch), err)))
        return rc;
    return gauge(out, "lamina_queries_running", "Queries that run now.", queries, err);
}

static int write_records(const struct lam_reader_stats *stats, struct lam_buf *out, struct lam_error *err)
{
    static const char *const states[] = {"read", "live", "superseded", "deleted", "quarantined", "filtered", "pending", "unavailable"};
    uint64_t sums[8] = {0};
    int rc = 0;

    for (size_t i = 0; i < stats->source_count; i++) {
        const struct lam_source_count *count = &stats->sources[i];
        const uint64_t values[] = {count->read,        count->live,     count->superseded, count->deleted,
                                   count->quarantined, count->filtered, count->pending,    count->unavailable};

        for (size_t j = 0; j < 8; j++)
            sums[j] += values[j];
    }
    FAMILY("lamina_records", LAM_METRIC_GAUGE,
           "Positions of the view by what became of them; read is the sum of live, superseded, deleted, quarantined, "
           "filtered.");
    for (size_t j = 0; j < 8 && !rc; j++) {
        const struct lam_metric_label label = {"state", lam_sv_of(states[j])};

        rc = lam_metrics_count(out, "lamina_records", &label, 1, sums[j], err);
    }
    return rc;
}

static int write_rows(const struct lam_reader_stats *stats, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_metric_label view = {"where", LAM_SV("view")}, speed = {"where", LAM_SV("speed")}, tail = {"where", LAM_SV("tail")};
    int rc;

    FAMILY("lamina_rows", LAM_METRIC_GAUGE, "Rows of the view, of speed segments above it, and of the tail in memory.");
    if ((rc = lam_metrics_count(out, "lamina_rows", &view, 1, stats->view_rows, err)) ||
        (rc = lam_metrics_count(out, "lamina_rows", &speed, 1, stats->speed_rows, err)) ||
        (rc = lam_metrics_count(out, "lamina_rows", &tail, 1, stats->tail_rows, err)))
        return rc;
    if (stats->lag_records >= 0 &&
        (rc = gauge(out, "lamina_lag_records", "Records in the topic that were not consumed yet.",
                    (double)stats->lag_records, err)))
        return rc;
    if (stats->lag_ms >= 0 && (rc = gauge(out, "lamina_lag_seconds", "Age of the newest record that answers cover.",
                                          (double)stats->lag_ms / 1e3, err)))
        return rc;
    if (stats->documents_per_s >= 0 &&
        (rc = gauge(out, "lamina_documents_per_second", "Rate of the batch layer.", stats->documents_per_s, err)))
        return rc;
    if (stats->events_per_s >= 0 && (rc = gauge(out, "lamina_events_per_second", "Rate of the speed layer.", stats->events_per_s, err)))
        return rc;
    return stats->agreement >= 0 ? gauge(out, "lamina_agreement_ratio",
                                         "Fast and deep answers for the same record that agree.", stats->agreement, err)
                                 : 0;
}

static int write_agents(const struct lam_agent_counts *agents, struct lam_buf *out, struct lam_error *err)
{
    const struct {
        const char *state;
        uint64_t count;
    } states[] = {{"answered", agents->answered}, {"gave_up", agents->gave_up}, {"pending", agents->pending}, {"open", agents->open}};
    int rc = 0;

    if (!agents->records)
        return 0;
    FAMILY("lamina_agent_records", LAM_METRIC_GAUGE, "Records of the stream that asked for an agent, by what became of them.");
    for (size_t i = 0; !rc && i < sizeof states / sizeof *states; i++) {
        const struct lam_metric_label label = {"state", lam_sv_of(states[i].state)};

        rc = lam_metrics_count(out, "lamina_agent_records", &label, 1, states[i].count, err);
    }
    if (rc || (rc = gauge(out, "lamina_agent_records_from_cache", "Of these, answered before: nothing was asked.", (double)agents->from_cache, err)) ||
        (rc = gauge(out, "lamina_agent_tokens", "Tokens that agents of the stream took.", (double)agents->tokens, err)))
        return rc;
    return gauge(out, "lamina_agent_cost", "Money that they took, by the prices of the job.", agents->cost, err);
}

static int write_snapshot(const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_buf *out, struct lam_error *err)
{
    struct lam_reader_stats stats = LAM_READER_STATS_NONE;
    struct lam_as_of as_of;
    int rc;

    reader->ops->as_of(snapshot, &as_of);
    if ((rc = gauge(out, "lamina_view", "Number of the view that answers come from.", (double)as_of.view, err)) ||
        (rc = gauge(out, "lamina_commit", "Newest commit that answers come from.", (double)as_of.commit, err)))
        return rc;
    if (reader->ops->stats(snapshot, &stats, NULL))
        return 0; /* a scrape tells what it can */
    if ((rc = write_records(&stats, out, err)) || (rc = write_rows(&stats, out, err)))
        return rc;
    return write_agents(&stats.agents, out, err);
}

int lam_http_write_metrics(struct lam_http *http, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_reader *reader = &http->config.reader;
    struct lam_snapshot *snapshot = NULL;
    bool ready = !reader->ops->ready(reader->arg, NULL);
    int rc;

    if ((rc = write_process(http, out, err)) || (rc = write_requests(http, out, err)) ||
        (rc = gauge(out, "lamina_ready", "1: queries are answered; 0: loading.", ready, err)))
        return rc;
    if (ready && !reader->ops->pin(reader->arg, STATS_TIMEOUT_MS, &snapshot, NULL)) {
        rc = write_snapshot(reader, snapshot, out, err);
        reader->ops->release(snapshot);
    }
    if (!rc && http->config.metrics)
        rc = http->config.metrics(http->config.metrics_arg, out, err);
    return rc;
}
