#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "log_own.h"

#define GAP_TRIES 5            /* listings until a missing number is damage and not a listing that raced with its link */
#define GAP_WAIT_US 20000
#define AWAIT_STEP_US 100000

static int sleep_for_real(void *arg, int64_t us)
{
    struct timespec left = {us / 1000000, us % 1000000 * 1000};

    (void)arg;
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    return 0;
}

void lam_commitlog_close(struct lam_commitlog *log)
{
    if (!log)
        return;
    lam_state_unref(log->state);
    lam_buf_release(&log->buf);
    free(log);
}

int lam_commitlog_open(struct lam_commitlog **log, const char *root, const struct lam_commitlog_options *options, struct lam_error *err)
{
    struct lam_commitlog *made;
    int rc;

    *log = NULL;
    if (strlen(root) >= LAM_PATH_MAX - 64)
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", root);
    if (!(made = calloc(1, sizeof *made)) || !(made->state = lam_state_new())) {
        free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to open the log");
    }
    if (options)
        made->options = *options;
    if (!made->options.fs)
        made->options.fs = &lam_fs_system;
    if (!made->options.clock)
        made->options.clock = &lam_clock_system;
    if (!made->options.sleep)
        made->options.sleep = sleep_for_real;
    memcpy(made->root, root, strlen(root) + 1);
    made->log_from = 1;
    lam_buf_init(&made->buf, LAM_CHECKPOINT_BYTES);
    if ((rc = lam_commitlog_refresh(made, err))) {
        lam_commitlog_close(made);
        return rc == LAM_E_CORRUPT ? LAM_PASS(err, rc, "the log of %s is damaged and to be restored from a backup", root) : LAM_PASS(err, rc, "open the log of %s", root);
    }
    *log = made;
    return 0;
}

const struct lam_state *lam_commitlog_peek(const struct lam_commitlog *log) { return log->state; }
const struct lam_state *lam_commitlog_snapshot(struct lam_commitlog *log) { return lam_state_ref(log->state); }
uint64_t lam_commitlog_log_from(const struct lam_commitlog *log) { return log->log_from; }
const struct lam_commitlog_options *lam_commitlog_options(const struct lam_commitlog *log) { return &log->options; }
const char *lam_commitlog_root(const struct lam_commitlog *log) { return log->root; }

/* A whole file into log->buf. */
static int read_file(struct lam_commitlog *log, uint64_t number, const char *suffix, size_t max, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc = lam_log_full_path(log, path, number, suffix, err);

    if (log->buf.cap > LAM_COMMIT_BYTES) /* a large one does not stay in memory */
        lam_buf_release(&log->buf);
    lam_buf_clear(&log->buf);
    log->buf.max = max;
    return rc ? rc : lam_fs_read_all(log->options.fs, path, &log->buf, err);
}

int lam_log_read(struct lam_commitlog *log, uint64_t number, struct lam_commit *commit, struct lam_error *err)
{
    int rc = read_file(log, number, ".json", LAM_COMMIT_BYTES, err);

    return rc || (rc = lam_commit_read(lam_buf_sv(&log->buf), commit, err)) ? LAM_PASS(err, rc, "commit %" PRIu64, number) : 0;
}

static int load_checkpoint(struct lam_commitlog *log, uint64_t number, struct lam_state **state, struct lam_error *err)
{
    int rc = read_file(log, number, ".ckpt", LAM_CHECKPOINT_BYTES, err);

    if (!rc && !(rc = lam_checkpoint_read(lam_buf_sv(&log->buf), state, err)) && (*state)->number != number) {
        lam_state_unref(*state);
        *state = NULL;
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "the checkpoint of another commit stands under %" PRIu64, number);
    }
    return rc ? LAM_PASS(err, rc, "checkpoint %" PRIu64, number) : 0;
}

int lam_log_fold(struct lam_commitlog *log, const struct lam_commit *commit, struct lam_error *err)
{
    struct lam_state *next;
    int rc = lam_state_clone(log->state, &next, err);

    if (rc)
        return rc;
    if ((rc = lam_state_fold(next, commit, err))) {
        lam_state_unref(next);
        return rc;
    }
    lam_state_unref(log->state);
    log->state = next;
    return 0;
}

/*
 * From where does it go on: the newest checkpoint that can be read where that is shorter or all that is left, else the state as it is (a copy;
 * NULL where nothing is new). *listing is what lies above.
 */
static int start(struct lam_commitlog *log, struct lam_state **state, struct lam_log_listing *listing, struct lam_error *err)
{
    uint64_t from = log->state->number + 1, limit = UINT64_MAX;

    for (;;) {
        bool behind = from < log->log_from;
        int rc = lam_log_list(log, behind ? log->log_from : from, limit, listing, err);

        if (rc)
            return rc;
        if (listing->checkpoint > log->state->number &&
            (log->state->number == 0 || behind || listing->checkpoint > log->state->number + LAM_CHECKPOINT_EVERY ||
             !listing->count || listing->commits[0] != from)) {
            if (!(rc = load_checkpoint(log, listing->checkpoint, state, err)))
                return 0;
            limit = listing->checkpoint;
            lam_log_listing_release(listing);
            if (rc != LAM_E_CORRUPT && rc != LAM_E_NOT_FOUND)
                return rc;
            if (log->options.log && rc == LAM_E_CORRUPT)
                lam_log_warn(log->options.log, "store", "checkpoint %" PRIu64 " is passed by: %s", limit, err ? err->text : "damaged");
            continue;
        }
        return listing->count ? lam_state_clone(log->state, state, err) : 0;
    }
}

/* Folds what was listed above state. LAM_E_NOT_FOUND: a number is missing, or its file was gone when it was to be read. */
static int read_on(struct lam_commitlog *log, struct lam_state *state, const struct lam_log_listing *listing, struct lam_error *err)
{
    for (size_t i = 0; i < listing->count; i++) {
        struct lam_commit commit;
        int rc;

        if (listing->commits[i] <= state->number)
            continue;
        if (listing->commits[i] != state->number + 1)
            return LAM_FAIL(err, LAM_E_NOT_FOUND, "commit %" PRIu64 " is missing in %s, though %" PRIu64 " is there", state->number + 1, log->root,
                            listing->commits[i]);
        if ((rc = lam_log_read(log, listing->commits[i], &commit, err)))
            return rc;
        rc = lam_state_fold(state, &commit, err);
        lam_commit_release(&commit);
        if (rc)
            return rc;
    }
    return 0;
}

/* One reading: *again where what was read lies below a log_from that came meanwhile, and so was never there. */
static int refresh_once(struct lam_commitlog *log, bool *again, struct lam_error *err)
{
    struct lam_log_listing listing = {0};
    struct lam_state *state = NULL;
    uint64_t first;
    int rc = start(log, &state, &listing, err), looked;

    *again = false;
    if (rc == LAM_E_NOT_FOUND && log->state->number == 0)
        return 0; /* nobody has committed yet */
    if (rc || !state)
        goto cleanup;
    first = state->number + 1;
    rc = read_on(log, state, &listing, err);
    if ((looked = lam_log_look(log, rc ? NULL : err))) {
        rc = rc ? rc : looked;
        goto cleanup;
    }
    if (state->number >= first || rc)
        *again = first < log->log_from;
    if (*again || rc || state->number == log->state->number)
        goto cleanup;
    lam_state_unref(log->state);
    log->state = state;
    state = NULL;

cleanup:
    lam_log_listing_release(&listing);
    lam_state_unref(state);
    return *again ? 0 : rc;
}

int lam_commitlog_refresh(struct lam_commitlog *log, struct lam_error *err)
{
    struct lam_error mine;

    err = err ? err : &mine;
    for (int tries = 1;; tries++) {
        bool again;
        int rc = refresh_once(log, &again, err);

        if (!again && rc != LAM_E_NOT_FOUND)
            return rc;
        if (tries == GAP_TRIES)
            return rc ? (err->code = LAM_E_CORRUPT) : LAM_FAIL(err, LAM_E_IO, "the log of %s expires faster than it can be read", log->root);
        if (!again && log->options.sleep(log->options.sleep_arg, GAP_WAIT_US))
            return LAM_FAIL(err, LAM_E_CANCELLED, "stopped while reading the log");
    }
}

int lam_commitlog_await(struct lam_commitlog *log, uint64_t number, int64_t timeout_us, struct lam_error *err)
{
    int64_t deadline = lam_mono_us(log->options.clock) + timeout_us;

    for (;;) {
        int rc = lam_commitlog_refresh(log, err);

        if (rc || log->state->number >= number)
            return rc;
        if (lam_mono_us(log->options.clock) >= deadline)
            return LAM_FAIL(err, LAM_E_TIMEOUT, "commit %" PRIu64 " is not visible in %s, which ends with %" PRIu64 ": does this host see another folder?", number,
                            log->root, log->state->number);
        if (log->options.sleep(log->options.sleep_arg, AWAIT_STEP_US))
            return LAM_FAIL(err, LAM_E_CANCELLED, "stopped while waiting for commit %" PRIu64, number);
    }
}
