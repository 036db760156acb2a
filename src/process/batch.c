#include "batch.h"

#include "batch_parts.h"

#include <stdlib.h>

int lam_batch_open(struct lam_batch **out, const struct lam_batch_options *options, struct lam_error *err)
{
    struct lam_batch *batch = calloc(1, sizeof *batch);
    int rank = lam_comm_rank(options->comm), rc = 0;

    *out = NULL;
    if (!batch)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a batch run");
    batch->options = *options;
    if (rank == 0)
        rc = lam_batch_coordinator_open(batch, err);
    if (!rc && lam_roles_has(&options->roles, rank, LAM_ROLE_BATCH))
        rc = lam_batch_worker_open(batch, err);
    if (rc) {
        lam_batch_close(batch);
        return rc;
    }
    *out = batch;
    return 0;
}

void lam_batch_close(struct lam_batch *batch)
{
    if (!batch)
        return;
    lam_batch_worker_close(batch);
    lam_batch_coordinator_close(batch);
    free(batch);
}

int lam_batch_step(struct lam_batch *batch, struct lam_error *err)
{
    int worker = batch->worker ? lam_batch_worker_step(batch, err) : 0;
    int coordinator;

    if (worker && worker != LAM_PENDING && !batch->coordinator)
        return worker;
    coordinator = batch->coordinator ? lam_batch_coordinator_step(batch, err) : 0;
    if (batch->coordinator && worker != LAM_PENDING)
        return coordinator; /* the worker's error reached the coordinator as a message and is part of its outcome */
    return coordinator && coordinator != LAM_PENDING ? coordinator : worker == LAM_PENDING || coordinator == LAM_PENDING ? LAM_PENDING : worker;
}

int lam_batch_send_outcome(struct lam_batch *batch, int dst, uint16_t type, const struct lam_error *outcome, struct lam_error *err)
{
    struct lam_error copy = {.rank = -1};
    int rc;

    if (outcome)
        copy = *outcome;
    if (copy.rank < 0)
        copy.rank = lam_comm_rank(batch->options.comm);
    copy.where = NULL;
    rc = lam_comm_send(batch->options.comm, dst, type, lam_sv((const char *)&copy, sizeof copy), err);
    return rc == LAM_PENDING ? LAM_FAIL(err, LAM_E_IO, "rank %d takes no messages", dst) : rc;
}

int lam_batch_outcome(struct lam_sv bytes, struct lam_error *outcome)
{
    if (bytes.len != sizeof *outcome)
        return LAM_FAIL(outcome, LAM_E_CORRUPT, "a message of %zu bytes is no outcome", bytes.len);
    memcpy(outcome, bytes.ptr, sizeof *outcome);
    outcome->where = NULL;
    outcome->text[sizeof outcome->text - 1] = '\0';
    return outcome->code;
}

const char *lam_batch_state_name(enum lam_batch_state state)
{
    static const char *const names[] = {"begin", "read", "flush", "train", "plan", "resolve", "publish", "done"};

    return names[state];
}
