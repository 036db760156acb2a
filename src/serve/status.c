#include "status.h"

#include <inttypes.h>

#include "json_row.h"

static int add_counts(struct lam_buf *out, const struct lam_source_count *count, struct lam_error *err)
{
    return lam_buf_addf(out, err,
                        "\"read\":%" PRIu64 ",\"live\":%" PRIu64 ",\"superseded\":%" PRIu64 ",\"deleted\":%" PRIu64
                        ",\"quarantined\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"pending\":%" PRIu64
                        ",\"unavailable\":%" PRIu64 ",\"balanced\":%s}",
                        count->read, count->live, count->superseded, count->deleted, count->quarantined,
                        count->filtered, count->pending, count->unavailable,
                        lam_source_count_balances(count) ? "true" : "false");
}

static void add_up(struct lam_source_count *total, const struct lam_source_count *count)
{
    total->read += count->read;
    total->live += count->live;
    total->superseded += count->superseded;
    total->deleted += count->deleted;
    total->quarantined += count->quarantined;
    total->filtered += count->filtered;
    total->pending += count->pending;
    total->unavailable += count->unavailable;
}

static int add_sources(struct lam_buf *out, const struct lam_reader_stats *stats, struct lam_error *err)
{
    struct lam_source_count total = {0};
    int rc = lam_buf_addf(out, err, ",\"sources\":[");

    for (size_t i = 0; i < stats->source_count && !rc; i++) {
        const struct lam_source_count *count = &stats->sources[i];

        add_up(&total, count);
        if ((rc = lam_buf_addf(out, err, "%s{\"name\":", i ? "," : "")) || (rc = lam_buf_add_json(out, count->name, err)) ||
            (rc = lam_buf_addf(out, err, ",\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",", count->source, count->life)))
            return rc;
        rc = add_counts(out, count, err);
    }
    if (rc || (rc = lam_buf_addf(out, err, "],\"counts\":{")))
        return rc;
    return add_counts(out, &total, err);
}

static int add_categories(struct lam_buf *out, const struct lam_reader_stats *stats, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, ",\"categories\":%s", stats->categories ? "[" : "null");

    if (rc || !stats->categories)
        return rc;
    for (size_t i = 0; i < stats->category_count; i++) {
        const struct lam_category_count *category = &stats->categories[i];

        if ((rc = lam_buf_addf(out, err, "%s{\"category\":", i ? "," : "")) ||
            (rc = category->name.len ? lam_buf_add_json(out, category->name, err) : lam_buf_addf(out, err, "null")) ||
            (rc = lam_buf_addf(out, err, ",\"rows\":%" PRIu64 "}", category->rows)))
            return rc;
    }
    return lam_buf_add(out, "]", 1, err);
}

/* null where it is negative: nothing was measured. */
static int add_measured(struct lam_buf *out, const char *before, double value, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "%s", before);

    return rc ? rc : value < 0 ? lam_buf_addf(out, err, "null") : lam_json_add_double(out, value, err);
}

static int add_lag(struct lam_buf *out, const char *before, int64_t value, struct lam_error *err)
{
    return value < 0 ? lam_buf_addf(out, err, "%snull", before) : lam_buf_addf(out, err, "%s%" PRId64, before, value);
}

static int add_rates(struct lam_buf *out, const struct lam_reader_stats *stats, struct lam_error *err)
{
    int rc;

    if ((rc = add_lag(out, ",\"lag\":{\"records\":", stats->lag_records, err)) ||
        (rc = add_lag(out, ",\"ms\":", stats->lag_ms, err)) ||
        (rc = add_measured(out, "},\"rates\":{\"documents_per_s\":", stats->documents_per_s, err)) ||
        (rc = add_measured(out, ",\"events_per_s\":", stats->events_per_s, err)) ||
        (rc = add_measured(out, "},\"queryable_ms\":{\"p50\":", stats->queryable_p50_ms, err)) ||
        (rc = add_measured(out, ",\"p99\":", stats->queryable_p99_ms, err)) ||
        (rc = add_measured(out, "},\"agreement\":", stats->agreement, err)) ||
        (rc = lam_buf_addf(out, err, ",\"layers\":")))
        return rc;
    return lam_json_add_raw(out, stats->layers, "{}", err);
}

static int add_agents(struct lam_buf *out, const struct lam_agent_counts *agents, struct lam_error *err)
{
    if (!agents->records)
        return 0;
    return lam_buf_addf(out, err,
                        ",\"agents\":{\"records\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"gave_up\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"open\":%" PRIu64
                        ",\"from_cache\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"cost\":%.6f}",
                        agents->records, agents->answered, agents->gave_up, agents->pending, agents->open, agents->from_cache, agents->tokens, agents->cost);
}

int lam_status_add_json(struct lam_buf *out, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err)
{
    struct lam_reader_stats stats = LAM_READER_STATS_NONE;
    int rc = reader->ops->stats(snapshot, &stats, err);

    if (rc ||
        (rc = lam_buf_addf(out, err, ",\"rows\":{\"view\":%" PRIu64 ",\"speed\":%" PRIu64 ",\"tail\":%" PRIu64 "}",
                           stats.view_rows, stats.speed_rows, stats.tail_rows)) ||
        (rc = add_sources(out, &stats, err)) || (rc = add_categories(out, &stats, err)) || (rc = add_agents(out, &stats.agents, err)))
        return rc;
    return add_rates(out, &stats, err);
}
