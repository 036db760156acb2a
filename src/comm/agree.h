/*
 * Agreement: every rank brings the outcome of its part, and all of them leave with the same one.
 *
 * The ranks send their outcomes to rank 0, which answers when it has all, or when its deadline has passed. The common outcome is the
 * worst: an error that stops the job before one that rejects a record before one that may be tried again; among equals
 * that of the lowest rank. Its text names that rank, and which others failed. When ranks are silent it is LAM_E_TIMEOUT
 * with their numbers.
 *
 *     lam_comm_agree_start(&agree, comm, rc ? &err : NULL, timeout_ms, &err)
 *     …                                              the main loop polls meanwhile
 *     lam_comm_agree_test(&agree, &err)              LAM_PENDING, then 0 or the common error
 *
 * Agreements have numbers, given in the order of the starts: all ranks must start the same ones in the same order;
 * several may be open at once. One that every rank starts with NULL is a barrier.
 */
#ifndef LAMINA_COMM_AGREE_H
#define LAMINA_COMM_AGREE_H

#include "comm.h"

struct lam_agree {
    struct lam_comm *comm;
    uint32_t number;
    int64_t deadline_us; /* of this rank, on the monotonic clock */
    bool done;
    struct lam_error result;
};

/*
 * outcome: NULL or code 0 is success. timeout_ms counts from here on rank 0; the other ranks wait a little longer for its word.
 * LAM_E_MEMORY. Collective.
 */
int lam_comm_agree_start(struct lam_agree *agree, struct lam_comm *comm, const struct lam_error *outcome,
                         int64_t timeout_ms, struct lam_error *err);

/*
 * LAM_PENDING until the ranks agree; then, as often as it is asked, 0 or the code of the common error, which is copied to err.
 * LAM_E_TIMEOUT with rank 0 as the silent one where no word came from there. Collective, in that all ranks get the same.
 */
int lam_comm_agree_test(struct lam_agree *agree, struct lam_error *err);

#endif
