/*
 * Deadlines of connections. libmicrohttpd ends a connection on which nothing moves; one on which a byte moves now and then it keeps
 * for ever. So each connection has a deadline for what it does now, and one thread ends those that miss it, by shutting down a
 * duplicate of their descriptor: its owner sees the end of the connection and closes it as usual.
 */
#ifndef LAMINA_SERVE_WATCH_H
#define LAMINA_SERVE_WATCH_H

#include <lamina/error.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define LAM_WATCH_NEVER INT64_MAX

struct lam_watch_entry {
    struct lam_watch_entry *next, *before;
    int fd; /* the duplicate */
    int64_t deadline_us;
};

struct lam_watch {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t thread;
    struct lam_watch_entry *entries;
    unsigned count;
    bool stop;
    const struct lam_clock *clock;
};

int lam_watch_start(struct lam_watch *watch, const struct lam_clock *clock, struct lam_error *err);

/* No entry is left. */
void lam_watch_stop(struct lam_watch *watch);

/* Begins to watch fd. NULL: out of memory or descriptors; then the connection is not watched. */
struct lam_watch_entry *lam_watch_add(struct lam_watch *watch, int fd, unsigned timeout_ms);
void lam_watch_remove(struct lam_watch *watch, struct lam_watch_entry *entry);

/* Sets a new deadline, from now. 0: none. entry may be NULL. */
void lam_watch_set(struct lam_watch *watch, struct lam_watch_entry *entry, unsigned timeout_ms);

/* Ends all connections at once. */
void lam_watch_end_all(struct lam_watch *watch);

unsigned lam_watch_count(struct lam_watch *watch);

#endif
