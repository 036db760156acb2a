/* Joining and leaving the world. */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUED_DEFAULT ((size_t)16 << 20)

int lam_comm_choose(enum lam_comm_kind *kind, struct lam_error *err)
{
    static const char *const launchers[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"};
    const char *tasks = getenv("SLURM_NTASKS");

    *kind = LAM_COMM_SELF;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (getenv(launchers[i]))
            *kind = LAM_COMM_MPI;
    /* Inside of srun a step has a number; the script of a batch job with several tasks has none, and may well run us alone. */
    if (*kind == LAM_COMM_SELF && getenv("SLURM_STEP_ID") && getenv("SLURM_PROCID") && tasks && atoi(tasks) > 1)
        return LAM_FAIL(err, LAM_E_INVALID,
                        "srun started %s tasks that do not know each other: use srun --mpi=pmix (srun --mpi=list shows "
                        "what there is), or lamina launch",
                        tasks);
    return 0;
}

static void free_comm(struct lam_comm *comm)
{
    if (!comm)
        return;
    agreements_free(comm);
    lam_messages_free(&comm->came);
    lam_messages_free(&comm->parked);
    if (comm->out)
        for (int i = 0; i < comm->size; i++)
            lam_messages_free(&comm->out[i].queue);
    free(comm->out);
    free(comm->heard_us);
    free(comm);
}

int lam_comm_open_on(struct lam_comm **out, const struct lam_transport_ops *ops, const struct lam_comm_options *options,
                     struct lam_error *err)
{
    struct lam_comm *comm = calloc(1, sizeof *comm);
    int64_t now;
    int rc;

    *out = NULL;
    if (!comm)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the messages");
    comm->ops = ops;
    comm->clock = options && options->clock ? options->clock : &lam_clock_system;
    comm->max_queued = options && options->max_queued ? options->max_queued : QUEUED_DEFAULT;
    if ((rc = ops->open(ops, &comm->state, &comm->rank, &comm->size, err))) {
        free(comm);
        return LAM_PASS(err, rc, "join the other ranks");
    }
    comm->out = calloc((size_t)comm->size, sizeof *comm->out);
    comm->heard_us = calloc((size_t)comm->size, sizeof *comm->heard_us);
    if (!comm->out || !comm->heard_us) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for %d ranks", comm->size);
    } else {
        now = lam_mono_us(comm->clock);
        for (int i = 0; i < comm->size; i++)
            comm->heard_us[i] = now;
        comm->looked_us = comm->traffic_us = comm->beat_us = now;
        rc = agreements_new(comm, err);
    }
    if (rc) {
        ops->close(comm->state, false, NULL);
        free_comm(comm);
        return rc;
    }
    *out = comm;
    return 0;
}

int lam_comm_open(struct lam_comm **comm, const struct lam_comm_options *options, struct lam_error *err)
{
    enum lam_comm_kind kind;
    int rc = lam_comm_choose(&kind, err);

    *comm = NULL;
    return rc ? rc : lam_comm_open_on(comm, kind == LAM_COMM_MPI ? &lam_transport_mpi : &lam_transport_self, options, err);
}

/* Until nothing is on its way from here to another rank; LAM_E_TIMEOUT names those that take nothing. */
static int drain(struct lam_comm *comm, int64_t deadline_us, struct lam_error *err)
{
    int rc;

    while (!(rc = lam_comm_poll(comm, NULL, NULL, err)) && comm->queued > comm->out[comm->rank].bytes) {
        int64_t left_us = deadline_us - lam_mono_us(comm->clock);

        if (left_us <= 0) {
            int ranks[8], count = 0, total = 0;
            char text[RANKS_TEXT];

            for (int i = 0; i < comm->size; i++)
                if (i != comm->rank && comm->out[i].bytes && total++ < 8)
                    ranks[count++] = i;
            ranks_text(text, ranks, count, total);
            return LAM_FAIL(err, LAM_E_TIMEOUT, "%s did not take the last messages", text);
        }
        lam_comm_wait(comm, NULL, 1); /* it does not end when a message has left */
    }
    return rc;
}

static int leave_together(struct lam_comm *comm, int64_t timeout_ms, struct lam_error *err)
{
    struct lam_agree agree;
    int rc = drain(comm, lam_mono_us(comm->clock) + timeout_ms * 1000, err);

    if (rc || (rc = agree_to_leave(&agree, comm, timeout_ms, err)))
        return rc;
    while ((rc = lam_comm_agree_test(&agree, err)) == LAM_PENDING) {
        if ((rc = lam_comm_poll(comm, NULL, NULL, err)))
            return rc;
        lam_comm_wait(comm, NULL, 10);
    }
    return rc ? rc : drain(comm, lam_mono_us(comm->clock) + timeout_ms * 1000, err);
}

int lam_comm_close(struct lam_comm *comm, int64_t timeout_ms, struct lam_error *err)
{
    int rc = 0, closed;

    if (!comm)
        return 0;
    comm->closing = true;
    if (comm->broken.code)
        rc = LAM_FAIL(err, comm->broken.code, "%s", comm->broken.text);
    else if (comm->size > 1)
        rc = timeout_ms > 0 ? leave_together(comm, timeout_ms, err)
                            : LAM_FAIL(err, LAM_E_TIMEOUT, "left without waiting for the other ranks");
    closed = comm->ops->close(comm->state, rc == 0, rc ? NULL : err);
    free_comm(comm);
    return rc ? LAM_PASS(err, rc, "leave the other ranks") : closed;
}
