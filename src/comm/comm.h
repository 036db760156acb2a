/*
 * Messages between the ranks of a job.
 *
 * Two transports: `mpi`, and `self`, where one process is the whole world and MPI is never started. Nothing above this header knows
 * which one runs. A message is a type and bytes; those of one pair of ranks arrive in their order, each exactly once. A message
 * to oneself takes the same way through a local queue.
 *
 *     lam_comm_send ──copy──> outbox of dst (bounded) ──Issend──> … ──Improbe──> lam_comm_poll ──> handler
 *
 * Nothing blocks after start-up. A full outbox answers LAM_PENDING and is the back-pressure: bytes leave it when the receiver has
 * taken them, not when MPI has buffered them somewhere (synchronous sends). So what is on its way is bounded at its sender,
 * whatever the receiver does.
 *
 * All functions belong to the main thread, which owns MPI (MPI_THREAD_FUNNELED). Other threads reach it by a ring and the wake
 * that it sleeps on in lam_comm_wait. Only MPI-3.1 is used, and only in this area.
 */
#ifndef LAMINA_COMM_COMM_H
#define LAMINA_COMM_COMM_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/clock.h"
#include "base/wake.h"

#define LAM_COMM_MESSAGE_MAX ((size_t)64 << 20) /* bytes of one message: an MPI count is an int, and memory is bounded */
#define LAM_COMM_TYPE_RESERVED 0xff00           /* types from here on belong to this area */

struct lam_comm;
struct lam_transport_ops; /* transport.h */

/*
 * What happens to a message. bytes are 8-aligned and borrowed until the handler returns. A handler may send; it must not poll, wait
 * or close.
 */
typedef void (*lam_message_fn)(void *arg, int src, uint16_t type, struct lam_sv bytes);

struct lam_comm_options {
    size_t max_queued;             /* bytes a destination; 0: 16 MiB. One larger message fits into an empty outbox */
    const struct lam_clock *clock; /* NULL: the system's */
};

/* What lam_comm_open would choose, from the environment. */
enum lam_comm_kind { LAM_COMM_SELF, LAM_COMM_MPI };
int lam_comm_choose(enum lam_comm_kind *kind, struct lam_error *err);

/*
 * Joins the world: over MPI when a launcher is seen (PMIX_RANK, PMI_RANK, OMPI_COMM_WORLD_RANK), alone otherwise. Several Slurm tasks
 * without one of them are LAM_E_INVALID, with advice. options may be NULL. Blocks. Once in a process over MPI. Collective.
 */
int lam_comm_open(struct lam_comm **comm, const struct lam_comm_options *options, struct lam_error *err);

/* The same on a given transport: a test's. */
int lam_comm_open_on(struct lam_comm **comm, const struct lam_transport_ops *ops,
                     const struct lam_comm_options *options, struct lam_error *err);

/*
 * Leaves the world together: sends what is queued, meets the others, ends MPI. Messages that still arrive are dropped. Frees comm in
 * any case; NULL is fine. When the others do not come within timeout_ms: LAM_E_TIMEOUT naming them, MPI is left as it is (ending
 * it would wait for them), and the process should exit with a failure, upon which the launcher ends the others. timeout_ms 0: do
 * not even try. Collective; waits, sleeping.
 */
int lam_comm_close(struct lam_comm *comm, int64_t timeout_ms, struct lam_error *err);

int lam_comm_rank(const struct lam_comm *comm);
int lam_comm_size(const struct lam_comm *comm);
const char *lam_comm_transport(const struct lam_comm *comm); /* "mpi", "self" */
const struct lam_clock *lam_comm_clock(const struct lam_comm *comm);

/*
 * Queues a copy of a message. LAM_PENDING: the outbox of dst is full, poll and come again (lam_comm_wait returns when it has drained).
 * LAM_E_LIMIT: longer than LAM_COMM_MESSAGE_MAX. Rank-local.
 */
int lam_comm_send(struct lam_comm *comm, int dst, uint16_t type, struct lam_sv bytes, struct lam_error *err);

/* To every rank but this one, or, with LAM_PENDING, to none. */
int lam_comm_send_all(struct lam_comm *comm, uint16_t type, struct lam_sv bytes, struct lam_error *err);

/* Bytes queued for dst or on their way to it; over all destinations for dst -1. */
size_t lam_comm_queued(const struct lam_comm *comm, int dst);

/*
 * Messages of types first … last go to this handler from now on, whoever polls; LAM_E_LIMIT where the table is full, LAM_E_EXISTS
 * where a type is taken. A module registers before it sends anything that could be answered. lam_comm_off undoes it.
 */
int lam_comm_on(struct lam_comm *comm, uint16_t first, uint16_t last, lam_message_fn handler, void *arg, struct lam_error *err);
void lam_comm_off(struct lam_comm *comm, uint16_t first);

/*
 * Moves messages on and hands those that have arrived to their handlers; those of types without one go to handler (NULL: dropped).
 * What handlers send to this rank comes with the next poll. Returns 0, or LAM_E_IO, LAM_E_MEMORY: then the world is broken, and
 * the job ends. Rank-local.
 */
int lam_comm_poll(struct lam_comm *comm, lam_message_fn handler, void *arg, struct lam_error *err);

/*
 * Sleeps until wake is signalled, a message has arrived, an outbox that was full has room, or max_ms have passed; true unless it
 * was the last. Looks for messages every 20 µs or so after traffic, ever more rarely without, down to every 10 ms; heartbeats go out.
 * Nothing is handed to handlers. Rank-local.
 */
bool lam_comm_wait(struct lam_comm *comm, struct lam_wake *wake, int64_t max_ms);

/*
 * Who has not been heard of (by any message) for limit_ms: rank 0 watches all, the others watch rank 0. Every rank that
 * polls or waits sends a heartbeat each second. Time during which this rank itself did not look does not count. Puts at
 * most max ranks into ranks and returns how many are silent in all. What to do about them is the caller's affair.
 * Rank-local.
 */
#define LAM_COMM_HEARTBEAT_MS 1000
int lam_comm_silent(const struct lam_comm *comm, int64_t limit_ms, int *ranks, int max);

#endif
