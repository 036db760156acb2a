/*
 * Takes Open MPI's "job has been aborted" paragraphs out of a stream and passes everything else on at once. A rank that returns
 * 3 or 75 is no accident, and two paragraphs of alarm below its report hide what it said.
 *
 * A paragraph stands between two lines of 74 dashes. Its first line decides: one of the two that are known goes, any other stays.
 * So goes "mpirun: Forwarding signal …" to the end of its line, which tells what we asked for ourselves. Both may begin behind
 * text without an end of line, such as a line of progress. What is held back (never more than such a beginning) is given
 * up by lam_abort_filter_flush.
 */
#ifndef LAMINA_APP_ABORT_FILTER_H
#define LAMINA_APP_ABORT_FILTER_H

#include <stddef.h>

struct lam_abort_filter {
    int fd;           /* where the rest goes */
    int state;
    size_t line_len;  /* of the line so far, in a paragraph */
    size_t dashes;    /* at the end of the line so far */
    size_t matched;   /* bytes of "mpirun: Forwarding signal " there */
    size_t start;     /* in held: from here on it may yet have to go */
    size_t held_len;
    char held[1024];
};

void lam_abort_filter_init(struct lam_abort_filter *filter, int fd);
void lam_abort_filter_write(struct lam_abort_filter *filter, const char *bytes, size_t len);

/* Nothing more came for a while, or at all. */
void lam_abort_filter_flush(struct lam_abort_filter *filter);

#endif
