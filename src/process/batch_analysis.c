/*
 * Accepted pieces whose answers come from elsewhere: only what was accepted is asked for, so that nothing is paid twice, and no reading thread waits for
 * it. Where the application has no such answers, a piece passes straight through into its group.
 */
#include "worker_parts.h"

#define CLOSE_WAIT_US 10000

static const struct lam_batch_ops *ops_of(const struct lam_batch_worker *w) { return lam_batch_worker_options(w)->ops; }
static void *arg_of(const struct lam_batch_worker *w) { return lam_batch_worker_options(w)->arg; }

int lam_batch_analysis_add(struct lam_batch_worker *w, struct lam_batch_piece *piece, struct lam_error *err)
{
    piece->epoch = w->epoch;
    piece->next = NULL;
    if (!ops_of(w)->analyze)
        return lam_batch_group_add(w, piece, err);
    *w->waiting_end = piece;
    w->waiting_end = &piece->next;
    return 0;
}

bool lam_batch_analysis_busy(const struct lam_batch_worker *w) { return w->waiting || w->analysing; }

static struct lam_batch_piece *pop_waiting(struct lam_batch_worker *w)
{
    struct lam_batch_piece *piece = w->waiting;

    w->waiting = piece->next;
    if (!w->waiting)
        w->waiting_end = &w->waiting;
    piece->next = NULL;
    return piece;
}

static int submit_waiting(struct lam_batch_worker *w, struct lam_error *err)
{
    while (w->waiting) {
        struct lam_batch_piece *piece = w->waiting;
        int rc = ops_of(w)->analyze(arg_of(w), piece, err);

        if (rc == LAM_PENDING)
            return 0;
        if (rc && rc != LAM_END)
            return rc;
        pop_waiting(w);
        if (!rc)
            w->analysing++;
        else if ((rc = lam_batch_group_add(w, piece, err)))
            return rc;
    }
    return 0;
}

/* Its block has grown by its answers. */
static void recount(struct lam_batch_worker *w, struct lam_batch_piece *piece)
{
    uint64_t now = lam_batch_block_bytes(piece->block);

    atomic_fetch_add(&w->bytes, now - piece->counted);
    piece->counted = now;
}

int lam_batch_analysis_step(struct lam_batch_worker *w, struct lam_error *err)
{
    struct lam_batch_piece *piece;
    bool last;
    int rc = 0;

    if (!ops_of(w)->analyze || !lam_batch_analysis_busy(w))
        return 0;
    if (!w->ending && !w->failed && (rc = submit_waiting(w, err)))
        return rc;
    last = !w->waiting && !w->tasks && !w->offered;
    while (w->analysing) {
        piece = NULL;
        rc = ops_of(w)->analyzed(arg_of(w), last, &piece, err);
        if (!piece)
            break;
        w->analysing--;
        if (rc || w->ending) { /* with an error, too: it is not out any more */
            lam_batch_piece_free(w, piece);
            if (!w->ending)
                return rc;
            continue;
        }
        recount(w, piece);
        if ((rc = lam_batch_group_add(w, piece, err)))
            return rc;
    }
    return rc == LAM_PENDING || rc == LAM_END ? 0 : rc;
}

void lam_batch_analysis_drop(struct lam_batch_worker *w)
{
    while (w->waiting)
        lam_batch_piece_free(w, pop_waiting(w));
    if (w->analysing && !w->dropped)
        ops_of(w)->drop(arg_of(w));
    w->dropped = true;
}

void lam_batch_analysis_close(struct lam_batch_worker *w)
{
    struct lam_batch_piece *piece;
    struct lam_error err;

    while (w->analysing) {
        int rc;

        piece = NULL;
        rc = ops_of(w)->analyzed(arg_of(w), true, &piece, &err);
        if (rc == LAM_PENDING) {
            lam_wake_wait(lam_batch_worker_options(w)->wake, CLOSE_WAIT_US);
            continue;
        }
        if (!piece)
            return;
        w->analysing--;
        lam_batch_piece_free(w, piece);
    }
}
