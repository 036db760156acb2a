/*
 * What the speed ranks rolled, on its way into the log: one committer, at most one commit in commit_interval, whatever the number of ranks. Each commit moves
 * the archive position, and with it the replayer's cursor. Rank 0; inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_COMMITS_H
#define LAMINA_APP_SPEED_COMMITS_H

#include "speed_coordinator.h"

struct lam_speed_rolled; /* a roll that waits for its commit */

struct lam_speed_commits {
    struct lam_engine *engine;
    struct lam_speed_begun *begun;
    struct lam_work work;
    struct lam_speed_rolled *queue, *committing;
    bool busy;
    int64_t next_us;
    uint64_t committed; /* the newest commit's number */
    uint64_t archived;  /* records, by this process */
    struct lam_error failure; /* code 0: none */

    /* the storage thread's, while busy */
    int rc;
    struct lam_error err;
    uint64_t number, records;
};

void lam_speed_commits_init(struct lam_speed_commits *commits, struct lam_engine *engine, struct lam_speed_begun *begun);
void lam_speed_commits_release(struct lam_speed_commits *commits);

/* A rank's word that it has rolled (speed_parts.h has its form). */
int lam_speed_commits_take(struct lam_speed_commits *commits, int rank, struct lam_sv note, struct lam_error *err);

/* Begins the next commit when it is due; at once where at_once. Main thread. */
void lam_speed_commits_step(struct lam_speed_commits *commits, bool at_once);

/* Is nothing queued or being committed? */
bool lam_speed_commits_idle(const struct lam_speed_commits *commits);

#endif
