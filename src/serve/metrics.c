#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const uint32_t lam_histogram_bounds_us[LAM_HISTOGRAM_BUCKETS] = {50,    100,    250,    500,    1000,    2500,    5000,    10000,
                                                                 25000, 50000, 100000, 250000, 1000000, 2500000, 10000000, 30000000};

void lam_histogram_observe(struct lam_histogram *histogram, uint64_t duration_us)
{
    size_t i = 0;

    while (i < LAM_HISTOGRAM_BUCKETS && duration_us > lam_histogram_bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, duration_us, memory_order_relaxed);
}

int lam_metrics_family(struct lam_buf *out, const char *name, enum lam_metric_type type, const char *help, struct lam_error *err)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    return lam_buf_addf(out, err, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static int add_escaped(struct lam_buf *out, struct lam_sv value, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < value.len && !rc; i++)
        switch (value.ptr[i]) {
        case '\\':
            rc = lam_buf_add(out, "\\\\", 2, err);
            break;
        case '"':
            rc = lam_buf_add(out, "\\\"", 2, err);
            break;
        case '\n':
            rc = lam_buf_add(out, "\\n", 2, err);
            break;
        default:
            rc = lam_buf_add(out, &value.ptr[i], 1, err);
        }
    return rc;
}

/* The name with its labels, and a label of the caller's own behind them. */
static int add_series(struct lam_buf *out, const char *name, const char *suffix, const struct lam_metric_label *labels,
                      size_t count, const char *le, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "%s%s%s", name, suffix, count || le ? "{" : "");

    for (size_t i = 0; i < count && !rc; i++)
        if (!(rc = lam_buf_addf(out, err, "%s%s=\"", i ? "," : "", labels[i].name)) && !(rc = add_escaped(out, labels[i].value, err)))
            rc = lam_buf_add(out, "\"", 1, err);
    if (!rc && le)
        rc = lam_buf_addf(out, err, "%sle=\"%s\"", count ? "," : "", le);
    return rc ? rc : lam_buf_addf(out, err, count || le ? "} " : " ");
}

int lam_metrics_sample(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count, double value,
                       struct lam_error *err)
{
    int rc = add_series(out, name, "", labels, label_count, NULL, err);

    if (rc)
        return rc;
    if (isnan(value))
        return lam_buf_addf(out, err, "NaN\n");
    return isinf(value) ? lam_buf_addf(out, err, value > 0 ? "+Inf\n" : "-Inf\n") : lam_buf_addf(out, err, "%.17g\n", value);
}

int lam_metrics_count(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count, uint64_t value,
                      struct lam_error *err)
{
    int rc = add_series(out, name, "", labels, label_count, NULL, err);

    return rc ? rc : lam_buf_addf(out, err, "%" PRIu64 "\n", value);
}

/* The count is that of the buckets that were read, not a counter of its own: so they agree whatever is added meanwhile. */
int lam_metrics_histogram(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count,
                          const struct lam_histogram *histogram, struct lam_error *err)
{
    uint64_t count = 0;
    char le[32];
    int rc;

    for (size_t i = 0; i <= LAM_HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        if (i < LAM_HISTOGRAM_BUCKETS)
            snprintf(le, sizeof le, "%g", lam_histogram_bounds_us[i] / 1e6);
        else
            snprintf(le, sizeof le, "+Inf");
        if ((rc = add_series(out, name, "_bucket", labels, label_count, le, err)) || (rc = lam_buf_addf(out, err, "%" PRIu64 "\n", count)))
            return rc;
    }
    if ((rc = add_series(out, name, "_sum", labels, label_count, NULL, err)) ||
        (rc = lam_buf_addf(out, err, "%.6f\n", (double)atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) / 1e6)) ||
        (rc = add_series(out, name, "_count", labels, label_count, NULL, err)))
        return rc;
    return lam_buf_addf(out, err, "%" PRIu64 "\n", count);
}

void lam_memory_use(struct lam_memory_use *use)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib;

    *use = (struct lam_memory_use){0};
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
            use->rss_anon = kib * 1024;
        else if (sscanf(line, "RssShmem: %" SCNu64, &kib) == 1)
            use->rss_shmem = kib * 1024;
        else if (sscanf(line, "RssFile: %" SCNu64, &kib) == 1)
            use->rss_file = kib * 1024;
    if (file)
        fclose(file);
}
