#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TERMINAL_US 200000
#define PLAIN_US 2000000

void lam_progress_init(struct lam_progress *progress, const struct lam_session *session, bool quiet)
{
    int64_t now = lam_mono_us(&lam_clock_system);

    *progress = (struct lam_progress){.on = session->engine.rank == 0 && !quiet, .terminal = isatty(2) || getenv("LAMINA_TERMINAL"), .started_us = now};
    progress->next_us = now + (progress->terminal ? TERMINAL_US : PLAIN_US);
}

bool lam_progress_due(struct lam_progress *progress)
{
    int64_t now = lam_mono_us(&lam_clock_system);

    if (!progress->on || now < progress->next_us)
        return false;
    progress->next_us = now + (progress->terminal ? TERMINAL_US : PLAIN_US);
    return true;
}

void lam_progress_line(struct lam_progress *progress, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    size_t len;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    len = strlen(text);
    if (progress->terminal)
        fprintf(stderr, "\r%s%*s", text, progress->width > len ? (int)(progress->width - len) : 0, "");
    else
        fprintf(stderr, "%s\n", text);
    fflush(stderr);
    progress->width = len;
}

void lam_progress_end(struct lam_progress *progress)
{
    if (progress->on && progress->terminal && progress->width)
        fprintf(stderr, "\r%*s\r", (int)progress->width, "");
    progress->width = 0;
}

void lam_progress_of_batch(char *text, size_t cap, const struct lam_batch *batch, double seconds)
{
    struct lam_batch_progress p = lam_batch_progress(batch);
    double done = p.splits.added_size ? (double)p.splits.ended_size / (double)p.splits.added_size : 0;
    double rate = seconds > 0 ? (double)p.splits.ended_size / seconds / (1 << 20) : 0;

    if (p.state == LAM_BATCH_READ)
        snprintf(text, cap, "batch: read %.0f %%%s of %.1f MiB, %.1f MiB/s, %" PRIu64 "/%" PRIu64 " splits, %.0f s left", 100 * done, p.listed ? "" : "+",
                 (double)p.splits.added_size / (1 << 20), rate, p.splits.accepted, p.splits.added,
                 rate > 0 ? (double)(p.splits.added_size - p.splits.ended_size) / (1 << 20) / rate : 0.0);
    else if (p.state == LAM_BATCH_RESOLVE)
        snprintf(text, cap, "batch: resolve %" PRIu64 "/%" PRIu64 " ranges", p.ranges.accepted, p.ranges.added);
    else
        snprintf(text, cap, "batch: %s", lam_batch_state_name(p.state));
}

void lam_progress_batch(struct lam_progress *progress, const struct lam_batch *batch, const struct lam_batch_job *job)
{
    char text[256], models[1024];

    if (!lam_progress_due(progress))
        return;
    lam_progress_of_batch(text, sizeof text, batch, (double)(lam_mono_us(&lam_clock_system) - progress->started_us) / 1e6);
    lam_llm_job_progress(job->llm, models, sizeof models);
    lam_progress_line(progress, "%s%s", text, models);
}
