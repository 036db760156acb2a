/*
 * The log: one line a message, one write a line, so that lines of several ranks and threads do not mix.
 *
 *     2026-11-22T19:48:51.102Z level=info rank=3 area=store msg="published view 2"
 *
 * Any thread. An error is logged or returned, never both.
 */
#ifndef LAMINA_BASE_LOG_H
#define LAMINA_BASE_LOG_H

#include "clock.h"

enum lam_log_level { LAM_LOG_ERROR, LAM_LOG_WARN, LAM_LOG_INFO, LAM_LOG_DEBUG };

struct lam_log {
    int fd;   /* where lines go; 2 as a rule. -1: nowhere */
    int rank; /* -1: outside of MPI */
    enum lam_log_level level; /* what is more detailed than this is not written */
};

void lam_log_write(const struct lam_log *log, enum lam_log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define lam_log_error(log, area, ...) lam_log_write((log), LAM_LOG_ERROR, (area), __VA_ARGS__)
#define lam_log_warn(log, area, ...) lam_log_write((log), LAM_LOG_WARN, (area), __VA_ARGS__)
#define lam_log_info(log, area, ...) lam_log_write((log), LAM_LOG_INFO, (area), __VA_ARGS__)
#define lam_log_debug(log, area, ...) lam_log_write((log), LAM_LOG_DEBUG, (area), __VA_ARGS__)

#endif
