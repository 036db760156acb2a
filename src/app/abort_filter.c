#include "abort_filter.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define RULE_LEN 74 /* dashes in Open MPI's rules */

static const char forwarding[] = "mpirun: Forwarding signal "; /* its first letter occurs in it but once: a mismatch starts anew */
#define FORWARDING_LEN (sizeof forwarding - 1)

enum {
    LINES,   /* ordinary text */
    OPENED,  /* behind a rule: the line decides */
    DROPPED, /* in a paragraph that goes */
    KEPT     /* in a paragraph that stays */
};

void lam_abort_filter_init(struct lam_abort_filter *filter, int fd)
{
    memset(filter, 0, sizeof *filter);
    filter->fd = fd;
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

/* Passes on what cannot have to go any more. */
static void release(struct lam_abort_filter *filter)
{
    put(filter->fd, filter->held, filter->start);
    filter->held_len -= filter->start;
    memmove(filter->held, filter->held + filter->start, filter->held_len);
    filter->start = 0;
}

static void pass_all(struct lam_abort_filter *filter)
{
    filter->start = filter->held_len;
    release(filter);
}

static void hold(struct lam_abort_filter *filter, char c)
{
    if (filter->held_len == sizeof filter->held)
        release(filter);
    if (filter->held_len == sizeof filter->held) { /* only a paragraph's first line can be so long, and none that is known is */
        filter->state = KEPT;
        pass_all(filter);
    }
    filter->held[filter->held_len++] = c;
}

static void in_lines(struct lam_abort_filter *filter, char c)
{
    bool rule = c == '\n' && filter->dashes == RULE_LEN;

    if (filter->matched == FORWARDING_LEN) {
        filter->held_len = filter->start;
        filter->matched = c == '\n' ? 0 : FORWARDING_LEN;
        return;
    }
    hold(filter, c);
    filter->dashes = c == '-' ? filter->dashes + 1 : 0;
    filter->matched = c == forwarding[filter->matched] ? filter->matched + 1 : c == forwarding[0];
    if (rule)
        filter->state = OPENED;
    else if (filter->dashes == 1 || filter->matched == 1)
        filter->start = filter->held_len - 1;
    else if (!filter->matched && (!filter->dashes || filter->dashes > RULE_LEN))
        filter->start = filter->held_len;
}

static bool is_known(const char *text, size_t len)
{
    static const char *const known[] = {"Primary job  terminated normally", "detected that one or more processes exited with non-zero status"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memmem(text, len, known[i], strlen(known[i])))
            return true;
    return false;
}

static void decide(struct lam_abort_filter *filter)
{
    if (is_known(filter->held + filter->start, filter->held_len - filter->start)) {
        filter->held_len = filter->start;
        filter->state = DROPPED;
    } else {
        filter->start = filter->held_len;
        filter->state = KEPT;
    }
}

static void in_paragraph(struct lam_abort_filter *filter, char c)
{
    bool rule = filter->dashes == RULE_LEN && filter->line_len == RULE_LEN;

    if (filter->state != DROPPED)
        hold(filter, c);
    if (filter->state == KEPT)
        filter->start = filter->held_len;
    if (c != '\n') {
        filter->line_len++;
        filter->dashes = c == '-' ? filter->dashes + 1 : 0;
        return;
    }
    if (filter->state == OPENED)
        decide(filter);
    else if (rule)
        filter->state = LINES;
    filter->line_len = filter->dashes = filter->matched = 0;
}

void lam_abort_filter_write(struct lam_abort_filter *filter, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (filter->state == LINES)
            in_lines(filter, bytes[i]);
        else
            in_paragraph(filter, bytes[i]);
    }
    release(filter);
}

void lam_abort_filter_flush(struct lam_abort_filter *filter)
{
    pass_all(filter);
    if (filter->state == OPENED)
        filter->state = KEPT;
    if (filter->state == LINES && filter->dashes) /* shown in part: the rest is shown too */
        filter->dashes = RULE_LEN + 1;
    if (filter->matched < FORWARDING_LEN)
        filter->matched = 0;
}
