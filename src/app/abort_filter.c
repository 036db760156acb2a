#include "abort_filter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RULE_LEN 74 /* dashes in Open MPI's rules */

static const char forwarding[] = "mpirun: Forwarding signal ";

enum {
    LINES,   /* ordinary lines */
    OPENED,  /* behind a rule: its first line decides */
    DROPPED, /* in a paragraph that goes */
    KEPT     /* in a paragraph that stays */
};

void lam_abort_filter_init(struct lam_abort_filter *filter, int fd)
{
    memset(filter, 0, sizeof *filter);
    filter->fd = fd;
    filter->dashes = filter->forwarding = true;
}

static void put(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* standard error is gone: there is nobody to tell */
        bytes += n;
        len -= (size_t)n;
    }
}

static void release(struct lam_abort_filter *filter)
{
    put(filter->fd, filter->held, filter->held_len);
    filter->held_len = 0;
}

static bool is_known(const char *text, size_t len)
{
    static const char *const known[] = {"Primary job  terminated normally", "detected that one or more processes exited with non-zero status"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memmem(text, len, known[i], strlen(known[i])))
            return true;
    return false;
}

static void end_line(struct lam_abort_filter *filter)
{
    bool rule = filter->dashes && filter->line_len == RULE_LEN;

    switch (filter->state) {
    case LINES:
        if (rule)
            filter->state = OPENED;
        else if (filter->forwarding && filter->line_len >= sizeof forwarding - 1)
            filter->held_len = 0;
        else
            release(filter);
        break;
    case OPENED:
        filter->state = is_known(filter->held, filter->held_len) ? DROPPED : KEPT;
        if (filter->state == DROPPED)
            filter->held_len = 0;
        else
            release(filter);
        break;
    case DROPPED:
        filter->held_len = 0;
        if (rule)
            filter->state = LINES;
        break;
    default:
        release(filter);
        if (rule)
            filter->state = LINES;
    }
    filter->line_len = 0;
    filter->dashes = filter->forwarding = true;
}

/* May this byte still belong to something that will be dropped? */
static bool must_hold(const struct lam_abort_filter *filter)
{
    if (filter->state == LINES)
        return filter->forwarding || (filter->dashes && filter->line_len <= RULE_LEN);
    return filter->state == OPENED || filter->state == DROPPED;
}

void lam_abort_filter_write(struct lam_abort_filter *filter, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (filter->held_len == sizeof filter->held) {
            if (filter->state == DROPPED)
                filter->held_len = 0;
            else
                release(filter);
        }
        filter->held[filter->held_len++] = bytes[i];
        if (bytes[i] == '\n') {
            end_line(filter);
            continue;
        }
        filter->dashes = filter->dashes && bytes[i] == '-';
        if (filter->line_len < sizeof forwarding - 1)
            filter->forwarding = filter->forwarding && bytes[i] == forwarding[filter->line_len];
        filter->line_len++;
    }
    if (!must_hold(filter))
        release(filter);
}

void lam_abort_filter_flush(struct lam_abort_filter *filter)
{
    if (filter->state == DROPPED || (filter->state == LINES && !filter->line_len))
        return;
    release(filter);
    filter->dashes = filter->forwarding = false; /* of a line that was shown in part the rest is shown too */
    if (filter->state == OPENED)
        filter->state = KEPT;
}
