/* What the tests of messages share: the world that they run in, and loops with a limit. */
#ifndef LAMINA_TESTS_WORLD_H
#define LAMINA_TESTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/agree.h"
#include "comm/comm.h"

extern struct lam_comm *world;
extern int rank, size; /* of this process in the world */

#define LIMIT_MS 60000 /* far more than anything takes: a test that hangs fails by name instead of by CTest's limit */

/* Opens the world, runs the tests on all ranks, leaves the world. The exit code of main. */
int world_run(const char *name, const struct CMUnitTest *tests, size_t count);

/* Polls and sleeps until done(arg). Fails after LIMIT_MS. */
void poll_until(bool (*done)(void *arg), void *arg);

/* Polls for so long. */
void poll_for(int64_t ms);

/* Goes on when all ranks are here. */
void meet(void);

/* Sends, polling while it is refused. */
void send_surely(int dst, uint16_t type, struct lam_sv bytes);

/* Registers a handler on all ranks before any of them goes on; and takes it off when all are done. */
void listen_to(uint16_t type, lam_message_fn handler, void *arg);
void stop_listening(uint16_t type);

/* The end of an agreement. */
int agreed(struct lam_agree *agree, struct lam_error *err);

int64_t now_ms(void);
void sleep_ms(int ms); /* without a look at messages */

/* A generator whose seed was printed: splitmix64. */
uint64_t random_next(uint64_t *state);

#endif
