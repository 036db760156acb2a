/* Committing: one file, one id, linked as last-read + 1 until the number's owner is known. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "log_own.h"

#define MAX_RACES 10000       /* lost in a row: something is wrong */
#define LOOK_TRIES 5
#define RETRY_US 2000         /* doubled with each try, at most RETRY_MAX_US */
#define RETRY_MAX_US 500000

static int wait_before(struct lam_commitlog *log, int tries)
{
    int64_t us = tries < 8 ? (int64_t)RETRY_US << tries : RETRY_MAX_US;

    return log->options.sleep(log->options.sleep_arg, us < RETRY_MAX_US ? us : RETRY_MAX_US);
}

/* From here on this handle commits nothing more: nobody can say whether the last one is in the log. */
static int unknown(struct lam_commitlog *log, uint64_t number, const char *why, struct lam_error *err)
{
    LAM_FAIL(&log->fate, LAM_E_FENCED, "the fate of a commit at %" PRIu64 " is unknown (%.300s): start again, it goes on from the state of the log", number, why);
    if (err)
        *err = log->fate;
    return LAM_E_FENCED;
}

/* The folder of the log, made by the first commit. */
static int make_log(struct lam_commitlog *log, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc;

    if (log->state->number)
        return 0;
    if ((rc = lam_path_join(path, log->root, "log", err)) || (rc = lam_fs_mkdirs(log->options.fs, path, err)))
        return rc;
    return lam_fs_sync_dir(log->options.fs, log->root, err);
}

static int write_temporary(struct lam_commitlog *log, struct lam_commit *commit, char tmp[LAM_PATH_MAX], struct lam_error *err)
{
    const struct lam_fs *fs = log->options.fs;
    char path[LAM_PATH_MAX];
    struct lam_buf json;
    int fd = -1, rc, closed;

    tmp[0] = '\0';
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    if ((rc = lam_commit_write(commit, &json, err)) || (rc = make_log(log, err)) || (rc = lam_path_join(path, log->root, "log/commit", err)) || 
        (rc = lam_fs_temporary(tmp, path, err))) {
        tmp[0] = '\0';
        goto cleanup;
    }
    if ((fd = fs->ops->open(fs->arg, tmp, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0) {
        rc = LAM_FAIL(err, LAM_E_IO, "create %s: %s", tmp, strerror(-fd));
        goto cleanup;
    }
    rc = lam_fs_write_at(fs, fd, json.ptr, json.len, 0, err);
    if (!rc && (rc = fs->ops->fsync(fs->arg, fd)))
        rc = LAM_FAIL(err, LAM_E_IO, "sync %s: %s", tmp, strerror(-rc));
    if ((closed = fs->ops->close(fs->arg, fd)) && !rc)
        rc = LAM_FAIL(err, LAM_E_IO, "close %s: %s", tmp, strerror(-closed));

cleanup:
    lam_buf_release(&json);
    return rc;
}

static int make_folder(struct lam_commitlog *log, uint64_t number, struct lam_error *err)
{
    const struct lam_fs *fs = log->options.fs;
    char path[LAM_PATH_MAX];
    int rc;

    if (log->state->number && log->state->number / LAM_LOG_FOLDER == number / LAM_LOG_FOLDER)
        return 0; /* the last commit stands in it */
    if ((rc = lam_log_folder_path(log, path, number / LAM_LOG_FOLDER, err)) || (rc = lam_fs_mkdirs(fs, path, err)) ||
        (rc = lam_path_join(path, log->root, "log", err)))
        return rc;
    return lam_fs_sync_dir(fs, path, err); /* where it was there already its maker may have died before this */
}

/* Links tmp as number and reads it back until somebody's commit is there. *winner is released by the caller where 0 is returned. */
static int settle(struct lam_commitlog *log, const char *tmp, uint64_t number, struct lam_commit *winner, struct lam_error *err)
{
    const struct lam_fs *fs = log->options.fs;
    struct lam_error why = {0};
    char path[LAM_PATH_MAX];
    int rc = lam_log_full_path(log, path, number, ".json", err);

    if (rc)
        return rc;
    for (int tries = 0; tries < LAM_LOG_LINK_TRIES; tries++) {
        int linked, looked;

        if (tries && wait_before(log, tries))
            return unknown(log, number, "stopped while it was looked for", err);
        linked = fs->ops->link(fs->arg, tmp, path);
        rc = lam_log_read(log, number, winner, &why);
        if (rc) {
            if (rc == LAM_E_NOT_FOUND && linked)
                LAM_FAIL(&why, LAM_E_IO, "link: %s", strerror(-linked));
            continue; /* nothing there, or it could not be read (a parser without memory calls it damaged): the same file, the same number */
        }
        for (int looks = 0; (looked = lam_log_look(log, &why)) && looks < LOOK_TRIES; looks++)
            wait_before(log, looks);
        if (!looked && number >= log->log_from)
            return 0;
        lam_commit_release(winner);
        return unknown(log, number, looked ? why.text : "the log has expired beyond it", err);
    }
    return unknown(log, number, why.text, err);
}

/* A term that another took since the look at alive is looked at again. */
static int admit_term(const struct lam_state *state, const struct lam_commit *commit, struct lam_error *err)
{
    if (commit->actions[0].type != LAM_ACTION_TERM)
        return 0;
    for (int layer = 0; layer < LAM_TERMS; layer++)
        if (commit->actions[0].term.layers >> layer & 1 && state->terms[layer].number > commit->base)
            return LAM_FAIL(err, LAM_E_CONFLICT, "job '%s' on host %s took term %" PRIu64 " of %s first", state->terms[layer].holder.job,
                            state->terms[layer].holder.host, state->terms[layer].number, lam_term_layer_name(layer));
    return 0;
}

/* It is a help for readers, no part of the commit: a failure is told, and the next hundred has another chance. */
static void write_checkpoint(struct lam_commitlog *log)
{
    struct lam_error err = {0};
    char path[LAM_PATH_MAX];
    struct lam_buf bytes;

    lam_buf_init(&bytes, LAM_CHECKPOINT_BYTES);
    if ((lam_checkpoint_write(log->state, &bytes, &err) || lam_log_full_path(log, path, log->state->number, ".ckpt", &err) ||
         lam_fs_replace(log->options.fs, path, lam_buf_sv(&bytes), &err)) && log->options.log)
        lam_log_warn(log->options.log, "store", "no checkpoint was written, opening takes longer: %s", err.text);
    lam_buf_release(&bytes);
}

/* It is in the log: makes that durable and takes it over. */
static int take_over(struct lam_commitlog *log, const struct lam_commit *commit, uint64_t number, struct lam_error *err)
{
    struct lam_error why = {0};
    char path[LAM_PATH_MAX];

    if (lam_log_folder_path(log, path, number / LAM_LOG_FOLDER, &why) || lam_fs_sync_dir(log->options.fs, path, &why) || lam_log_fold(log, commit, &why))
        return unknown(log, number, why.text, err);
    assert(!log->state->last_void);
    if (number % LAM_CHECKPOINT_EVERY == 0)
        write_checkpoint(log);
    return 0;
}

int lam_commitlog_commit(struct lam_commitlog *log, struct lam_commit *commit, uint64_t *number, struct lam_error *err)
{
    const struct lam_fs *fs = log->options.fs;
    char tmp[LAM_PATH_MAX] = "";
    int rc;

    if (log->fate.code) {
        if (err)
            *err = log->fate;
        return log->fate.code;
    }
    if (commit->base > log->state->number && (rc = lam_commitlog_refresh(log, err)))
        return rc;
    if (commit->base > log->state->number)
        return LAM_FAIL(err, LAM_E_INVALID, "computed from commit %" PRIu64 ", but the log ends with %" PRIu64, commit->base, log->state->number);
    if ((rc = lam_commit_seal(commit, lam_wall_us(log->options.clock), err)))
        return rc;
    rc = write_temporary(log, commit, tmp, err);
    for (int races = 0; !rc; races++) {
        uint64_t next = log->state->number + 1;
        struct lam_commit winner;

        if (races == MAX_RACES)
            rc = LAM_FAIL(err, LAM_E_IO, "lost %d races for a number of the log", races);
        if (rc || (rc = lam_state_admits(log->state, commit, err)) || (rc = admit_term(log->state, commit, err)) || (rc = make_folder(log, next, err)) ||
            (rc = settle(log, tmp, next, &winner, err)))
            break;
        if (!strcmp(winner.id, commit->id)) {
            lam_commit_release(&winner);
            if (!(rc = take_over(log, commit, next, err)) && number)
                *number = next;
            break;
        }
        rc = lam_log_fold(log, &winner, err);
        lam_commit_release(&winner);
        if (!rc)
            rc = lam_commitlog_refresh(log, err); /* whoever is behind by many does not ask for each number */
    }
    if (tmp[0])
        fs->ops->unlink(fs->arg, tmp); /* a failure leaves a stray file: expire takes it */
    return rc;
}
