/*
 * A session: a job on its ranks, from the command line to the exit code. Every verb that runs layers goes through it.
 *
 *     open: job file, ranks, the same store seen by all, engine ── agreed upon ──> loop: messages, finished work, steps ──> bye: one exit code
 */
#ifndef LAMINA_APP_SESSION_H
#define LAMINA_APP_SESSION_H

#include "cli.h"
#include "engine.h"

struct lam_session {
    const struct lam_cli *cli;
    struct lam_job *job;
    struct lam_comm *comm;
    struct lam_engine engine;
    struct lam_error failure; /* the first thing that ends the session; code 0: none */
    bool bye;                 /* rank 0 has said that it is over */
    int code;                 /* enum lam_exit, as rank 0 said */
    int64_t started_us;       /* monotonic */
    int64_t next_tick_us;
};

enum lam_layout_of_ranks { LAM_RANKS_RUN, LAM_RANKS_BATCH, LAM_RANKS_SPEED, LAM_RANKS_SERVE };

/*
 * Loads the job that the command line names and joins the ranks. 0, or the exit code, told already. Collective.
 */
int lam_session_open(struct lam_session *session, const struct lam_cli *cli, enum lam_layout_of_ranks layout);

/* Does every rank's set-up hold? rc and err are this rank's. 0 where all of them are well; else the common error. Collective. */
int lam_session_agree(struct lam_session *session, int rc, struct lam_error *err);

/* This rank's work cannot begin: err ends the session. rc is err's code. */
void lam_session_refuse(struct lam_session *session, int rc, const struct lam_error *err);

/*
 * One turn of the main loop: sleeps for at most max_ms, moves messages, ends finished work, watches for signals and silent ranks. What goes wrong is
 * session->failure. False: it is over, leave the loop.
 */
bool lam_session_turn(struct lam_session *session, int64_t max_ms);

/* Was a stop asked for: a signal on any rank, or `lamina stop`? */
bool lam_session_stopping(const struct lam_session *session);

/* Rank 0: tells all that it is over. */
void lam_session_bye(struct lam_session *session, int code);

/* Frees all and returns what the process exits with: rank 0 the code, the others 0 unless they failed by themselves. Collective. */
int lam_session_close(struct lam_session *session);

#endif
