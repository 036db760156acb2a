/*
 * Takes Open MPI's "job has been aborted" paragraphs out of a stream and passes everything else on at once. A rank that returns
 * 3 or 75 is no accident, and two paragraphs of alarm below its report hide what it said.
 *
 * A paragraph stands between two lines of 74 dashes. Its first line decides: one of the two that are known goes, any other stays.
 * So goes the line "mpirun: Forwarding signal …", which tells what we asked for ourselves. What is held back (never more than
 * a line of dashes and the line after it) is given up by lam_abort_filter_flush.
 */
#ifndef LAMINA_APP_ABORT_FILTER_H
#define LAMINA_APP_ABORT_FILTER_H

#include <stdbool.h>
#include <stddef.h>

struct lam_abort_filter {
    int fd;           /* where the rest goes */
    int state;
    bool dashes;      /* the line so far is dashes only */
    bool forwarding;  /* the line so far is, or may become, "mpirun: Forwarding signal …" */
    size_t line_len;
    size_t held_len;
    char held[512];
};

void lam_abort_filter_init(struct lam_abort_filter *filter, int fd);
void lam_abort_filter_write(struct lam_abort_filter *filter, const char *bytes, size_t len);

/* Nothing more came for a while, or at all. */
void lam_abort_filter_flush(struct lam_abort_filter *filter);

#endif
