/*
 * Outputs on their way to Kafka: at least once, and no single one holds up the rest.
 *
 *     send ─┬─ delivered ───────────────────────────────────────────────────> settle: the output position may move
 *           ├─ refused for what it is ── again, alone ── refused again ── undelivered: logged, counted, kept in a file ──┘
 *           └─ no answer, not allowed, no such topic ── the job ends, and the position stays where it is
 *
 * A broker refuses a batch of messages for one that is too large: so each of them is sent again by itself before it is given up. What is given up stands, with
 * its position and the reason, in runs/<run>/undelivered-<rank>.jsonl; the record itself is in the store like any other.
 *
 * One thread: the speed thread. Inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_SENDER_H
#define LAMINA_APP_SPEED_SENDER_H

#include "speed_parts.h"

struct lam_speed_sender;

/* Between a thread that may wait for a broker and the main thread. */
struct lam_speed_signs {
    atomic_uint_least64_t turns; /* raised while it waits: who does not raise it hangs */
    atomic_bool abandoned;       /* the job ends as it can: nothing is waited for any more */
};

/* Borrows engine, setup and signs. */
int lam_speed_sender_open(struct lam_speed_sender **sender, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_speed_signs *signs,
                          struct lam_error *err);
void lam_speed_sender_close(struct lam_speed_sender *sender); /* NULL-safe; throws away what is not settled */

/*
 * Asks for the leaders of all topics that outputs can go to, so that the first one of a topic need not wait for that. Without an answer it waits. Blocks some
 * seconds.
 */
void lam_speed_sender_warm(struct lam_speed_sender *sender);

/* Routes and sends the output of a row. Waits while the queue is full. */
int lam_speed_sender_send(struct lam_speed_sender *sender, const struct lam_row *row, struct lam_error *err);

/* Takes in reports. */
void lam_speed_sender_poll(struct lam_speed_sender *sender);

/* Has every output that was sent its report? */
bool lam_speed_sender_idle(const struct lam_speed_sender *sender);

/*
 * Waits until everything sent so far is delivered or given up. LAM_E_TIMEOUT: the broker owes reports, ask again; else an output can neither be delivered nor
 * be given up, and the position must not pass it.
 */
int lam_speed_sender_settle(struct lam_speed_sender *sender, int timeout_ms, struct lam_error *err);

/* Adds produced, delivered and undelivered. */
void lam_speed_sender_stats(const struct lam_speed_sender *sender, struct lam_speed_stats *stats);

#endif
