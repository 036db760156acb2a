/*
 * Progress on standard error: one line rewritten on a terminal, a plain line every few seconds elsewhere. Rank 0, main thread.
 */
#ifndef LAMINA_APP_PROGRESS_H
#define LAMINA_APP_PROGRESS_H

#include "batch_job.h"
#include "session.h"

struct lam_progress {
    bool on, terminal;
    int64_t started_us, next_us;
    size_t width; /* of the line that stands on the terminal */
};

void lam_progress_init(struct lam_progress *progress, const struct lam_session *session, bool quiet);

/* Time for another line? Says so at most a few times a second on a terminal, every 2 s elsewhere. */
bool lam_progress_due(struct lam_progress *progress);

/* Shows a line. */
void lam_progress_line(struct lam_progress *progress, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The batch layer's part as text: phase, share, rate, time left. */
void lam_progress_of_batch(char *text, size_t cap, const struct lam_batch *batch, double seconds);

void lam_progress_batch(struct lam_progress *progress, const struct lam_batch *batch, const struct lam_batch_job *job);

/* Leaves the terminal with a clean line. */
void lam_progress_end(struct lam_progress *progress);

#endif
