/*
 * A wake: one thread sleeps on it until any other thread, or a signal handler, wakes it, or its time is up. Waking twice before
 * the sleeper looks counts once; waking one that does not sleep lets its next sleep return at once: no wake is lost, as long as
 * the waker first puts down what there is to do (into a ring) and then signals.
 */
#ifndef LAMINA_BASE_WAKE_H
#define LAMINA_BASE_WAKE_H

#include <lamina/error.h>
#include <stdatomic.h>
#include <stdbool.h>

struct lam_wake {
    int fd;           /* an eventfd: readable while signalled, so that others' poll loops can watch it; -1: released */
    atomic_bool set;  /* signalled and not yet seen: spares wakers the system call */
};

/* LAM_E_IO where the system has no descriptors left. */
int lam_wake_init(struct lam_wake *wake, struct lam_error *err);
void lam_wake_release(struct lam_wake *wake);

/* Any thread, any signal handler; never blocks. */
void lam_wake_signal(struct lam_wake *wake);

/* Sleeps for at most timeout_us (0: looks only; negative: without limit). True: it was signalled, and that signal is used up. */
bool lam_wake_wait(struct lam_wake *wake, int64_t timeout_us);

#endif
