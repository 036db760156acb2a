#include "term.h"

#include <inttypes.h>

#define WATCH_STEP_US 1000000
#define MAX_RACES 1000

static int wait_step(struct lam_commitlog *log, int64_t us, struct lam_error *err)
{
    const struct lam_commitlog_options *options = lam_commitlog_options(log);

    return options->sleep(options->sleep_arg, us) ? LAM_FAIL(err, LAM_E_CANCELLED, "stopped while waiting for a term") : 0;
}

/* Does the counter move within LAM_ALIVE_WATCH_US? A file that cannot be read is like one that stands still: the term decides. */
static int watch(struct lam_commitlog *log, const struct lam_holder *holder, bool *alive, struct lam_error *err)
{
    const struct lam_fs *fs = lam_commitlog_options(log)->fs;
    const char *root = lam_commitlog_root(log);
    uint64_t first, now;
    bool known = !lam_alive_read(fs, root, holder->run, &first, NULL);

    *alive = false;
    for (int64_t waited = 0; waited < LAM_ALIVE_WATCH_US; waited += WATCH_STEP_US) {
        int rc = wait_step(log, WATCH_STEP_US, err);

        if (rc)
            return rc;
        if ((rc = lam_alive_read(fs, root, holder->run, &now, NULL)) == LAM_E_NOT_FOUND)
            return 0; /* it ended */
        if (!rc && known && now != first) {
            *alive = true;
            return 0;
        }
        if (!rc && !known) {
            known = true;
            first = now;
        }
    }
    return 0;
}

static int look_at(struct lam_commitlog *log, const struct lam_holder *holder, const struct lam_holder *self, bool *alive, struct lam_error *err)
{
    uint64_t counter;

    *alive = false;
    if (lam_alive_read(lam_commitlog_options(log)->fs, lam_commitlog_root(log), holder->run, &counter, NULL) == LAM_E_NOT_FOUND)
        return 0; /* stopped */
    switch (lam_holder_process(holder, self)) {
    case LAM_PROCESS_GONE:
        return 0;
    case LAM_PROCESS_RUNS:
        *alive = true;
        return 0;
    case LAM_PROCESS_FOREIGN:
        break;
    }
    return watch(log, holder, alive, err);
}

/* LAM_E_EXISTS where a holder of one of the layers lives. */
static int look(struct lam_commitlog *log, const struct lam_term_options *options, struct lam_error *err)
{
    const struct lam_state *state = lam_commitlog_snapshot(log);
    int rc = 0;

    for (int layer = 0; !rc && layer < LAM_TERMS; layer++) {
        const struct lam_state_term *term = &state->terms[layer];
        bool alive;

        if (!(options->layers >> layer & 1) || !term->number || term->number == options->own || !strcmp(term->holder.run, options->holder.run))
            continue;
        if (!(rc = look_at(log, &term->holder, &options->holder, &alive, err)) && alive)
            rc = LAM_FAIL(err, LAM_E_EXISTS, "the %s layer of this store is held by job '%s' on host %s, process %" PRIu64 " (run %s), which is alive",
                          lam_term_layer_name(layer), term->holder.job, term->holder.host, term->holder.pid, term->holder.run);
    }
    lam_state_unref(state);
    return rc;
}

static int try_once(struct lam_commitlog *log, const struct lam_term_options *options, uint64_t base, uint64_t *term, struct lam_error *err)
{
    struct lam_commit commit;
    int rc;

    lam_commit_init(&commit, base);
    if (!(rc = lam_commit_term(&commit, options->layers, &options->holder, err)))
        rc = lam_commitlog_commit(log, &commit, term, err);
    lam_commit_release(&commit);
    return rc;
}

int lam_term_take(struct lam_commitlog *log, const struct lam_term_options *options, uint64_t *term, const struct lam_state **state, struct lam_error *err)
{
    *state = NULL;
    for (int races = 0; races < MAX_RACES;) {
        uint64_t base;
        int rc = lam_commitlog_refresh(log, err);

        if (rc)
            return rc;
        base = lam_commitlog_peek(log)->number; /* what is looked at: a term taken since sends it back here */
        rc = options->take_over ? 0 : look(log, options, err);
        if (rc == LAM_E_EXISTS && options->wait) {
            if ((rc = wait_step(log, LAM_ALIVE_RAISE_US, err)))
                return rc;
            continue;
        }
        if (rc)
            return rc;
        rc = try_once(log, options, base, term, err);
        if (rc == LAM_E_CONFLICT) {
            races++;
            continue;
        }
        if (rc)
            return rc;
        *state = lam_commitlog_snapshot(log); /* ends with this very commit: the handle folded it last */
        return 0;
    }
    return LAM_FAIL(err, LAM_E_IO, "lost %d races for a term", MAX_RACES);
}
