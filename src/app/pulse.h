/*
 * The pulse of a holder: raises its counter (store/alive.h) for as long as its layer's term is held and the process is at work.
 *
 * A thread of its own: the storage thread may write for longer than a newcomer watches, and what is slow is not dead. It looks at the main loop, without which
 * nothing is ever committed: one that has not turned for the job's `deadline` hangs, and the counter stands still until it turns again. Other threads are
 * looked after by the main loop, and one that hangs ends the job.
 */
#ifndef LAMINA_APP_PULSE_H
#define LAMINA_APP_PULSE_H

#include "engine.h"

struct lam_pulse;

/* Makes the counter of a run and raises it from now on. area: of its warnings. Before lam_term_take. Storage thread. */
int lam_pulse_start(struct lam_pulse **pulse, struct lam_engine *engine, const char *run, const char *area, struct lam_error *err);

/* Ends the thread and removes the counter. NULL-safe. */
void lam_pulse_stop(struct lam_pulse *pulse);

#endif
