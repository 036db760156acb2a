/*
 * The commit log: a folder of commits, one a file, created exclusively and never changed; the only thing that writers agree upon.
 *
 *     log/0000/00000000000000000042.json    folder = number / 1000; numbers begin with 1
 *     log/0000/00000000000000000100.ckpt    a checkpoint after every 100th commit
 *     log/commit.tmp.<random>               not yet a commit
 *
 *     write temporary, sync  ->  link as last-read + 1  ->  read that number back  ->  look at log_from  ->  sync folder  ->  act
 *
 * After `link`, whatever it answered, the id under the number decides: mine, and it is committed; another's, and it lost; nothing, and the same
 * file is linked again. So nothing is lost or doubled by an answer that did not arrive.
 *
 * A handle is for one thread at a time; it blocks on the disk. Snapshots are immutable, for any thread. (base/log.h, which shares the
 * name, writes lines; this one is struct lam_commitlog.)
 */
#ifndef LAMINA_STORE_LOG_H
#define LAMINA_STORE_LOG_H

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include "state.h"

#define LAM_LOG_FOLDER 1000   /* commits a folder */
#define LAM_LOG_LINK_TRIES 20 /* at one number, until its fate is called unknown */

struct lam_commitlog; /* one handle */

struct lam_commitlog_options {
    const struct lam_fs *fs;       /* NULL: lam_fs_system */
    const struct lam_clock *clock; /* NULL: lam_clock_system */
    const struct lam_log *log;     /* where a failed checkpoint is told; NULL: nowhere */
    int (*sleep)(void *arg, int64_t us); /* NULL: nanosleep. Anything but 0: stop was asked for */
    void *sleep_arg;
};

/*
 * Opens the log of the store at root and reads all of it: a listing of two folders, one checkpoint and the tail. A store without a log is
 * empty (its folder is made by the first commit). options may be NULL. LAM_E_CORRUPT names the damaged or missing file.
 */
int lam_commitlog_open(struct lam_commitlog **log, const char *root, const struct lam_commitlog_options *options, struct lam_error *err);
void lam_commitlog_close(struct lam_commitlog *log); /* NULL-safe; snapshots stay */

/* Reads what was committed since. After a failure the handle is as it was. */
int lam_commitlog_refresh(struct lam_commitlog *log, struct lam_error *err);

/* Refreshes until commit number is there, for at most timeout_us (store.visibility): a network file system may show it late. LAM_E_TIMEOUT. */
int lam_commitlog_await(struct lam_commitlog *log, uint64_t number, int64_t timeout_us, struct lam_error *err);

/* The state as last read. peek borrows it until the next call on log; snapshot is a reference, lam_state_unref it. */
const struct lam_state *lam_commitlog_peek(const struct lam_commitlog *log);
const struct lam_state *lam_commitlog_snapshot(struct lam_commitlog *log);

/* log_from of the newest checkpoint seen: commits below it may be gone. */
uint64_t lam_commitlog_log_from(const struct lam_commitlog *log);

/*
 * Commits. commit is sealed here and belongs to the caller still. 0: it is in the log, effective, durable, and folded: *number (may be NULL) is
 * its number, and the handle's state includes it.
 *
 * LAM_E_FENCED    a newer term of a layer of its exists (text: who holds it): nothing happened, the job ends. Also: its fate is unknown (text says
 *                 so), because its number lies below log_from or nothing could be read back; then every later commit by this handle fails,
 *                 and a restart goes on from the state
 * LAM_E_CONFLICT  what it was computed from has changed, or (a term commit) another took the term: nothing happened; the handle has read what
 *                 did it: compute anew, from a new snapshot
 * LAM_E_INVALID, LAM_E_LIMIT, LAM_E_IO, LAM_E_MEMORY   nothing happened, and it may be tried again
 */
int lam_commitlog_commit(struct lam_commitlog *log, struct lam_commit *commit, uint64_t *number, struct lam_error *err);

/*
 * Reads every commit from log_from up to the state's, also those behind checkpoints, and compares each checkpoint that is there with what the commits say.
 * found is called for each file that is damaged, missing or untrue, with its path below the root; what it returns, if not 0, ends the check.
 */
typedef int lam_log_found(void *arg, const char *path, const struct lam_error *what, struct lam_error *err);
int lam_commitlog_check(struct lam_commitlog *log, lam_log_found *found, void *arg, struct lam_error *err);

/* Removes commits and checkpoints below log_from, and temporary files older than an hour. *removed may be NULL. A file that cannot be removed is passed by. */
int lam_commitlog_expire(struct lam_commitlog *log, uint64_t *removed, struct lam_error *err);

/* What was given to open, for the modules beside this one. */
const struct lam_commitlog_options *lam_commitlog_options(const struct lam_commitlog *log);
const char *lam_commitlog_root(const struct lam_commitlog *log);

/* "log/0000/….json" or ".ckpt" below the root. */
void lam_commitlog_path(char path[LAM_PATH_MAX], uint64_t number, const char *suffix);

#endif
