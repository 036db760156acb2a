/*
 * Metrics in the Prometheus text format 0.0.4. Counters and histograms are atomics that any thread adds to; gauges are read when
 * somebody looks. A family (HELP, TYPE) is written before its samples, and all samples of a family stand together.
 */
#ifndef LAMINA_SERVE_METRICS_H
#define LAMINA_SERVE_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"

#define LAM_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define LAM_HISTOGRAM_BUCKETS 16

struct lam_histogram {
    _Atomic uint64_t buckets[LAM_HISTOGRAM_BUCKETS + 1]; /* not cumulative; the last one is +Inf */
    _Atomic uint64_t sum_us;
};

/* Upper bounds in microseconds, from 50 µs to 30 s. */
extern const uint32_t lam_histogram_bounds_us[LAM_HISTOGRAM_BUCKETS];

void lam_histogram_observe(struct lam_histogram *histogram, uint64_t duration_us);

struct lam_metric_label {
    const char *name;
    struct lam_sv value; /* any bytes: escaped here */
};

enum lam_metric_type { LAM_METRIC_COUNTER, LAM_METRIC_GAUGE, LAM_METRIC_HISTOGRAM };

int lam_metrics_family(struct lam_buf *out, const char *name, enum lam_metric_type type, const char *help, struct lam_error *err);
int lam_metrics_sample(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count, double value,
                       struct lam_error *err);
int lam_metrics_count(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count, uint64_t value,
                      struct lam_error *err);

/* Its cumulative buckets, sum and count, consistent with one another; the sum is in seconds. */
int lam_metrics_histogram(struct lam_buf *out, const char *name, const struct lam_metric_label *labels, size_t label_count,
                          const struct lam_histogram *histogram, struct lam_error *err);

/* Memory of this process in bytes, from /proc/self/status; 0 where it is not told. */
struct lam_memory_use {
    uint64_t rss_anon, rss_shmem, rss_file;
};

void lam_memory_use(struct lam_memory_use *use);

#endif
