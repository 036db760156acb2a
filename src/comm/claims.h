/*
 * Claims: the coordinator's table of work. Pure logic, without messages, clocks or threads; claim_messages.h puts it on the wire.
 *
 *     added ──> waiting ──hand out──> running ──offer──> accepted          (the last piece)
 *                  ^                   │  ├──fail──────> failed            (for good, with a reason)
 *                  └────give back──────┘  └──overdue───> handed out again  (another attempt; the first may still win)
 *
 * Splits are added while others are worked on. Large ones are handed out first, small ones last. When none waits, one that is
 * overdue is handed out again, to another rank. The first *accepted* attempt counts.
 *
 * A split whose claim yields more than a group can hold is accepted piece by piece, in order: pieces are a function of
 * the split's bytes, so it does not matter which attempt brings the next one, and each piece is accepted exactly once.
 * Most splits have one piece: 0, the last.
 *
 * Splits that have ended are forgotten: an offer for one that is not here was beaten by another. So memory is bounded by what is open.
 */
#ifndef LAMINA_COMM_CLAIMS_H
#define LAMINA_COMM_CLAIMS_H

#include <lamina/error.h>
#include <lamina/sv.h>

struct lam_claims;

struct lam_claims_options {
    size_t max_open;      /* splits that have not ended; 0: 65,536 */
    size_t max_bytes;     /* of their payloads; 0: 64 MiB */
    int64_t overdue_us;   /* after this long without an accepted piece a split may be handed out again; 0: 60 s */
    unsigned max_returns; /* a split given back more often than this has failed; 0: 3 */
};

/* One attempt at a split, as handed out. */
struct lam_claim {
    uint64_t split;
    uint32_t attempt; /* counts the hand-outs of this split, from 1 */
    uint32_t piece;   /* the first piece that is not accepted yet: those before it need not be offered */
    uint64_t size;
    struct lam_sv payload; /* borrowed: until the table is changed */
};

struct lam_claims_progress {
    uint64_t added, accepted, failed;    /* splits */
    uint64_t waiting, running;           /* splits */
    uint64_t added_size, ended_size;     /* sums of size: for a bar */
    uint64_t handed_out, again, returned; /* attempts: all; those of splits that were overdue; those given back */
    uint64_t pieces, rejected;           /* offers accepted, and not */
};

/* options may be NULL. NULL: out of memory. */
struct lam_claims *lam_claims_new(const struct lam_claims_options *options);
void lam_claims_free(struct lam_claims *claims);

/*
 * Adds a split, with a copy of payload. id is the caller's, never used twice. LAM_PENDING: as many are open as fit, come again when some
 * have ended; LAM_E_EXISTS: it is open already; LAM_E_LIMIT: its payload alone is too large; LAM_E_MEMORY.
 */
int lam_claims_add(struct lam_claims *claims, uint64_t id, uint64_t size, struct lam_sv payload, struct lam_error *err);

/* No more splits will come: once all have ended, asking is answered with LAM_END. */
void lam_claims_finish(struct lam_claims *claims);

/* All splits have ended and no more will come. */
bool lam_claims_ended(const struct lam_claims *claims);

/* Work for rank: 0 and *claim; LAM_PENDING: none now; LAM_END: there will be none. */
int lam_claims_hand_out(struct lam_claims *claims, int rank, int64_t now_us, struct lam_claim *claim);

/*
 * rank offers one piece of what it was handed out; last: there are no further ones. 0: accepted, its rows count.
 * LAM_E_EXISTS: another attempt was first, discard the rows (and go on with the next piece, if there is one).
 * LAM_E_INVALID: this rank was never handed this attempt, or pieces are missing before this one: a bug of ours.
 */
int lam_claims_offer(struct lam_claims *claims, uint64_t split, uint32_t attempt, uint32_t piece, bool last, int rank, int64_t now_us,
                     struct lam_error *err);

/*
 * rank says that the split can never be done (a damaged file). 0: the split has failed, and this is its reason (pieces
 * that were accepted stay so); LAM_E_EXISTS: it had ended already, or another attempt is still at work and will say.
 * LAM_E_INVALID as above.
 */
int lam_claims_fail(struct lam_claims *claims, uint64_t split, uint32_t attempt, int rank, struct lam_error *err);

/*
 * rank cannot go on with it now (out of memory, the disk is full): it waits again, unless another attempt still runs.
 * 0: so be it; LAM_E_LIMIT: it was given back too often and has failed; LAM_E_EXISTS, LAM_E_INVALID as above.
 */
int lam_claims_give_back(struct lam_claims *claims, uint64_t split, uint32_t attempt, int rank, struct lam_error *err);

/* When the next split becomes overdue; INT64_MAX: none runs. For whoever sleeps. */
int64_t lam_claims_next_overdue_us(const struct lam_claims *claims);

struct lam_claims_progress lam_claims_progress(const struct lam_claims *claims);

#endif
