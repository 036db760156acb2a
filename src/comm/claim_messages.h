/*
 * Claims on the wire: the coordinator's side (lam_claim_host) and the workers' (lam_claimer). A rank can be both.
 *
 *     claimer                                host
 *     lam_claimer_ask(n)      ──ask──>       answered at once, or when there is work (added, overdue), or at the end
 *     lam_claimer_next        <──claim──     0: a claim, LAM_END: there will be none
 *     lam_claimer_offer       ──offer──>     on_accepted(…) where it is the first
 *     lam_claimer_verdict     <──verdict──   accepted: the rows count; or not: discard them
 *     lam_claimer_fail, _give_back ──>       on_failed(…) where it has failed for good
 *
 * Both use a channel: a number 0 … 15 that tells several tables of one job apart; it is given to both sides. What comes
 * before its side was opened waits. Close both sides only after an agreement that each rank joins when its claimer has
 * got LAM_END and has nothing under way: messages of a pair keep their order, so none of this table is on its way any
 * more, and the channel can be used again. Main thread.
 */
#ifndef LAMINA_COMM_CLAIM_MESSAGES_H
#define LAMINA_COMM_CLAIM_MESSAGES_H

#include "claims.h"
#include "comm.h"

#define LAM_CLAIM_CHANNELS 16

/* What the coordinator does about outcomes. Called from lam_comm_poll. */
struct lam_claim_events {
    /* A piece was accepted: note is what the worker sent with it (counts, digests); borrowed. */
    void (*accepted)(void *arg, uint64_t split, uint32_t piece, bool last, int rank, struct lam_sv note);
    void (*failed)(void *arg, uint64_t split, int rank, const struct lam_error *why);
    void *arg;
};

struct lam_claim_host;

/* claims is borrowed; events too, may be NULL. */
int lam_claim_host_open(struct lam_claim_host **host, struct lam_comm *comm, unsigned channel, struct lam_claims *claims,
                        const struct lam_claim_events *events, struct lam_error *err);
void lam_claim_host_close(struct lam_claim_host *host);

/* Answers those that wait for work: after splits were added or the list finished, and now and then for what is overdue. Cheap. */
int lam_claim_host_step(struct lam_claim_host *host, struct lam_error *err);

/* Ranks that asked and have no answer yet. */
size_t lam_claim_host_waiting(const struct lam_claim_host *host);

struct lam_claimer;

struct lam_verdict {
    uint64_t split;
    uint32_t attempt, piece;
    bool accepted;
};

/* A worker of the table that host_rank holds. */
int lam_claimer_open(struct lam_claimer **claimer, struct lam_comm *comm, unsigned channel, int host_rank, struct lam_error *err);
void lam_claimer_close(struct lam_claimer *claimer);

/* Asks for count more claims. */
int lam_claimer_ask(struct lam_claimer *claimer, unsigned count, struct lam_error *err);

/* Claims asked for and not yet answered. */
unsigned lam_claimer_asked(const struct lam_claimer *claimer);

/*
 * The next claim that has come; its payload lives until the next call. LAM_PENDING: none has; LAM_END: none will, for
 * whatever was asked.
 */
int lam_claimer_next(struct lam_claimer *claimer, struct lam_claim *claim);

/*
 * Offers a piece; its verdict comes in the order of the offers. note: at most LAM_CLAIM_NOTE_MAX bytes. LAM_PENDING:
 * the outbox is full, come again.
 */
#define LAM_CLAIM_NOTE_MAX ((size_t)1 << 20)
int lam_claimer_offer(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, uint32_t piece, bool last, struct lam_sv note,
                      struct lam_error *err);

/* The next verdict that has come; LAM_PENDING: none has. */
int lam_claimer_verdict(struct lam_claimer *claimer, struct lam_verdict *verdict);

/* Nothing comes back for these two. */
int lam_claimer_fail(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, const struct lam_error *why, struct lam_error *err);
int lam_claimer_give_back(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, const struct lam_error *why,
                          struct lam_error *err);

#endif
