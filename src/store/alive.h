/*
 * Alive: a counter in runs/<id>/alive that the holder of a term raises every 2 s, so that a newcomer can see from any host whether it goes on.
 * This decides who tries to take a term; the term alone decides who may write.
 *
 * The file holds the counter as 20 decimal digits and a newline, overwritten in place and synced (other hosts see it at their next open).
 */
#ifndef LAMINA_STORE_ALIVE_H
#define LAMINA_STORE_ALIVE_H

#include "base/fs.h"

#include "commit.h"

#define LAM_ALIVE_RAISE_US 2000000  /* the holder's tick */
#define LAM_ALIVE_WATCH_US 10000000 /* how long a newcomer watches a counter that does not move */

struct lam_alive {
    const struct lam_fs *fs;
    char path[LAM_PATH_MAX];
    int fd; /* -1: not started */
    uint64_t counter;
};

/* Makes runs/<run>/ and its counter. Before lam_term_take, so that nobody finds a term without one. */
int lam_alive_start(struct lam_alive *alive, const struct lam_fs *fs, const char *root, const char *run, struct lam_error *err);

/* One tick; the caller keeps the time. A failure is worth a warning, no more: the term decides. */
int lam_alive_raise(struct lam_alive *alive, struct lam_error *err);

/* Removes the counter: the next one need not watch it. Safe on one that was not started. */
void lam_alive_stop(struct lam_alive *alive);

/* The counter of a run as it stands now. LAM_E_NOT_FOUND: it was stopped. Any other bytes are hashed: only a change counts. */
int lam_alive_read(const struct lam_fs *fs, const char *root, const char *run, uint64_t *counter, struct lam_error *err);

/* Fills in this process, for a job and a run. */
int lam_holder_self(struct lam_holder *holder, const char *job, const char *run, struct lam_error *err);

/* What this host knows of a holder's process. FOREIGN: it is another host's, or another boot's or namespace's: only the counter can tell. */
enum lam_process { LAM_PROCESS_GONE, LAM_PROCESS_RUNS, LAM_PROCESS_FOREIGN };
enum lam_process lam_holder_process(const struct lam_holder *holder, const struct lam_holder *self);

#endif
