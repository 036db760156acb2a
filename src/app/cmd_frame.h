/*
 * The frame of the verbs that run layers on ranks (run, batch, speed, serve): one way from the command line to the exit code.
 *
 *     session open ── init (all ranks) ── agreed upon ── begin (rank 0) ── turn: messages, finished work, step ── end ── release ── exit code
 *
 * A verb plugs in what its layers do there; what every one of them needs stands here: the options, progress, `lamina stop`.
 */
#ifndef LAMINA_APP_CMD_FRAME_H
#define LAMINA_APP_CMD_FRAME_H

#include "progress.h"
#include "session.h"
#include "stop_watch.h"

/* Of every verb that writes: the first entries of its table of options. */
#define LAM_FRAME_OPTIONS                                                                                                           \
    {"quiet", 'q', NULL, "no progress on standard error"},                                                                          \
    {"wait", 'w', NULL, "where another job writes to this layer of the store: wait for its end, then begin"},                       \
    {"take-over", '\0', NULL, "do not look whether another job writes: begin, and end it (its commits are void from then on)"}

struct lam_frame {
    struct lam_session session;
    struct lam_progress progress;
    struct lam_stop_watch stop;
};

struct lam_frame_ops {
    enum lam_layout_of_ranks ranks;
    int64_t turn_ms; /* the loop sleeps no longer than this */

    /* All ranks: sets the layers up. The outcome is agreed upon. */
    int (*init)(void *job, struct lam_frame *frame, struct lam_error *err);

    /* Rank 0: begins. NULL: there is nothing to begin. */
    int (*begin)(void *job, struct lam_error *err);

    /* All ranks, once a turn: steps the layers. What goes wrong is the session's failure; rank 0 says bye when all is over. */
    void (*step)(void *job);

    /* All ranks, when the loop has ended, before the storage thread is waited for. NULL: nothing. */
    void (*end)(void *job);

    /* All ranks, whatever came before. Frees. */
    void (*release)(void *job);
};

/* Runs the verb and returns what the process exits with. job: all zero. Main thread. */
int lam_frame_run(const struct lam_cli *cli, const struct lam_frame_ops *ops, void *job);

#endif
