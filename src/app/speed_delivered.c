/* What is delivered, or given up, moves the output position: one commit at a time. */
#include "speed_thread_own.h"

#include <stdlib.h>

#define FLUSH_MS 10000
#define COMMIT_STEP_MS 100

/* Has the last commit ended? Waits timeout_ms for it; where it failed, what it said is given again. */
static bool commit_ended(struct lam_speed_thread *t, int timeout_ms)
{
    struct lam_error err;
    int rc, step_ms;

    do { /* in steps: who waits for a broker does not hang */
        step_ms = timeout_ms < COMMIT_STEP_MS ? timeout_ms : COMMIT_STEP_MS;
        timeout_ms -= step_ms;
        rc = lam_kafka_commit_end(t->kafka, step_ms, &err);
        atomic_fetch_add(&t->signs.turns, 1);
    } while (rc == LAM_PENDING && timeout_ms > 0 && !atomic_load(&t->signs.abandoned));
    if (rc && rc != LAM_PENDING) {
        lam_log_warn(&t->engine->log, "speed", "output position: %s", err.text);
        lam_speed_positions_forget(t->positions);
    }
    return rc != LAM_PENDING;
}

/*
 * Moves the output position to what is delivered, or given up. A broker that does not answer only makes outputs come twice later; one that loses an output, or
 * does not allow it, ends the job, so that the position never passes it.
 */
static int commit_position(struct lam_speed_thread *t)
{
    struct lam_kafka_offset *offsets = calloc(t->setup->start_count + 1, sizeof *offsets);
    char (*notes)[LAM_KAFKA_NOTE] = calloc(t->setup->start_count + 1, sizeof *notes);
    size_t count = 0;
    struct lam_error err = {0};
    int rc = 0;

    if (offsets && notes)
        count = lam_speed_positions(t->positions, t->setup, t->reached, t->last, t->agents, offsets, notes);
    if (count && !(rc = lam_speed_sender_settle(t->sender, FLUSH_MS, &err)) &&
        lam_kafka_commit_begin(t->kafka, offsets, (const char (*)[LAM_KAFKA_NOTE])notes, count, &err))
        lam_log_warn(&t->engine->log, "speed", "output position: %s", err.text);
    if (count && (rc || err.code))
        lam_speed_positions_forget(t->positions);
    free(offsets);
    free(notes);
    if (rc == LAM_E_TIMEOUT)
        lam_log_warn(&t->engine->log, "speed", "outputs wait for the broker: %s", err.text);
    if (!rc || rc == LAM_E_TIMEOUT)
        return 0;
    t->err = err;
    return rc;
}

int lam_speed_delivered(struct lam_speed_thread *t) { return commit_ended(t, 0) ? commit_position(t) : LAM_PENDING; }

int lam_speed_delivered_last(struct lam_speed_thread *t)
{
    int rc = commit_ended(t, FLUSH_MS) ? commit_position(t) : 0;

    if (!rc && !commit_ended(t, FLUSH_MS))
        lam_log_warn(&t->engine->log, "speed", "output position: the broker did not answer in %d s; the last outputs may come twice", FLUSH_MS / 1000);
    return rc;
}
