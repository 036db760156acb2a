/* Is the whole log whole? Opening looks at one checkpoint and what lies above it; here everything behind it is read as well. */
#include "log_own.h"

struct checking {
    struct lam_commitlog *log;
    lam_log_found *found;
    void *arg;
    struct lam_state *state; /* as the commits so far say; NULL: not known, for one is damaged */
};

static void forget(struct checking *checking)
{
    lam_state_unref(checking->state);
    checking->state = NULL;
}

static int tell(struct checking *checking, uint64_t number, const char *suffix, const struct lam_error *what, struct lam_error *err)
{
    char path[LAM_PATH_MAX];

    lam_commitlog_path(path, number, suffix);
    return checking->found(checking->arg, path, what, err);
}

static int check_commit(struct checking *checking, uint64_t number, struct lam_error *err)
{
    struct lam_commit commit;
    struct lam_error what = {0};
    int rc = lam_log_read(checking->log, number, &commit, &what);

    if (rc == LAM_E_MEMORY) {
        *err = what;
        return rc;
    }
    if (rc) {
        forget(checking);
        return tell(checking, number, ".json", &what, err);
    }
    rc = checking->state ? lam_state_fold(checking->state, &commit, err) : 0;
    lam_commit_release(&commit);
    return rc;
}

/* One that is missing costs its readers time. */
static int check_checkpoint(struct checking *checking, uint64_t number, struct lam_error *err)
{
    struct lam_buf bytes, own;
    struct lam_state *read = NULL;
    struct lam_error what = {0};
    char path[LAM_PATH_MAX];
    int rc;

    lam_buf_init(&bytes, LAM_CHECKPOINT_BYTES);
    lam_buf_init(&own, LAM_CHECKPOINT_BYTES);
    if (!(rc = lam_log_full_path(checking->log, path, number, ".ckpt", &what)) && !(rc = lam_fs_read_all(checking->log->options.fs, path, &bytes, &what)) &&
        !(rc = lam_checkpoint_read(lam_buf_sv(&bytes), &read, &what)) && checking->state && !(rc = lam_checkpoint_write(checking->state, &own, &what)) &&
        (own.len != bytes.len || memcmp(own.ptr, bytes.ptr, own.len)))
        rc = LAM_FAIL(&what, LAM_E_CORRUPT, "it says something else than the commits up to it");
    lam_buf_release(&bytes);
    lam_buf_release(&own);
    if (rc == LAM_E_MEMORY)
        *err = what;
    else if (rc && rc != LAM_E_NOT_FOUND)
        rc = tell(checking, number, ".ckpt", &what, err);
    else
        rc = 0;
    if (!checking->state && read && read->number == number) {
        checking->state = read; /* what was not known before is from here on */
        read = NULL;
    }
    lam_state_unref(read);
    return rc;
}

int lam_commitlog_check(struct lam_commitlog *log, lam_log_found *found, void *arg, struct lam_error *err)
{
    struct checking checking = {.log = log, .found = found, .arg = arg, .state = log->log_from == 1 ? lam_state_new() : NULL};
    uint64_t last = log->state->number;
    int rc = log->log_from == 1 && !checking.state ? LAM_FAIL(err, LAM_E_MEMORY, "no memory to check the log") : 0;

    for (uint64_t number = log->log_from; !rc && number <= last; number++) {
        rc = check_commit(&checking, number, err);
        if (!rc && number % LAM_CHECKPOINT_EVERY == 0)
            rc = check_checkpoint(&checking, number, err);
    }
    forget(&checking);
    return rc;
}
