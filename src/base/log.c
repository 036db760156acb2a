#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_LEN 2048

void lam_log_write(const struct lam_log *log, enum lam_log_level level, const char *area, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char text[LINE_MAX_LEN / 2], line[LINE_MAX_LEN], when[LAM_TIME_TEXT], rank[24] = "";
    size_t len;
    va_list ap;

    if (!log || log->fd < 0 || level > log->level)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lam_time_format(lam_wall_us(&lam_clock_system), when);
    if (log->rank >= 0)
        snprintf(rank, sizeof rank, " rank=%d", log->rank);
    len = (size_t)snprintf(line, sizeof line, "%s level=%s%s area=%s msg=\"", when, names[level], rank, area);
    for (const char *p = text; *p && len + 4 < sizeof line; p++) {
        if (*p == '"' || *p == '\\')
            line[len++] = '\\';
        line[len++] = *p == '\n' ? ' ' : *p;
    }
    line[len++] = '"';
    line[len++] = '\n';
    if (write(log->fd, line, len) < 0)
        return; /* nobody reads the log: there is no better place to say so */
}
