/*
 * The MPI transport, and the only file that calls MPI. Everything after start-up is non-blocking and MPI-3.1.
 *
 * Sending is MPI_Issend: it completes when the receiver has matched the message, so that a receiver that does not look holds back its
 * senders' memory, not its own. Receiving is a matched probe (MPI_Improbe) for any source and a receive of exactly that message; what was
 * matched earlier is handed up earlier, so a small message does not overtake a large one of the same rank while that is still arriving.
 */
#include "transport.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#define TAG 1
#define LARGE ((size_t)64 << 10)            /* what is longer is cut into pieces, which move only while somebody looks */
#define COMING_MAX 64                       /* messages being received at once */
#define COMING_BYTES ((size_t)128 << 20)    /* no further one is matched while these are on their way: bounds the receiver */

/* Messages under way in one direction: requests[i] is msgs[i]'s, MPI_REQUEST_NULL once it is done. */
struct flights {
    MPI_Request *requests;
    struct lam_message **msgs;
    int *done;
    int count, cap;
};

struct mpi {
    MPI_Comm comm;
    int size;
    struct flights going, coming;
    size_t coming_bytes;
    unsigned char *behind; /* by source, while scanning: an earlier message of it is still arriving */
};

static struct mpi *abandoned; /* still reachable: what is left behind on purpose is no leak */

static int fail(int code, const char *what, struct lam_error *err)
{
    char text[MPI_MAX_ERROR_STRING];
    int len = 0;

    if (MPI_Error_string(code, text, &len) != MPI_SUCCESS)
        len = 0;
    return LAM_FAIL(err, LAM_E_IO, "%s: %.*s", what, len, text);
}

static int make_room(struct flights *flights, struct lam_error *err)
{
    int cap = flights->cap ? 2 * flights->cap : 64;
    void *requests, *msgs, *done;

    if (flights->count < flights->cap)
        return 0;
    if ((requests = realloc(flights->requests, (size_t)cap * sizeof *flights->requests)))
        flights->requests = requests;
    if ((msgs = realloc(flights->msgs, (size_t)cap * sizeof *flights->msgs)))
        flights->msgs = msgs;
    if ((done = realloc(flights->done, (size_t)cap * sizeof *flights->done)))
        flights->done = done;
    if (!requests || !msgs || !done)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %d messages under way", cap);
    flights->cap = cap;
    return 0;
}

static void free_flights(struct flights *flights)
{
    free(flights->requests);
    free(flights->msgs);
    free(flights->done);
}

static int open_mpi(const struct lam_transport_ops *ops, void **state, int *rank, int *size, struct lam_error *err)
{
    struct mpi *mpi;
    int provided, started, rc;

    (void)ops;
    MPI_Initialized(&started);
    if (started)
        return LAM_FAIL(err, LAM_E_EXISTS, "MPI was started before in this process");
    if ((rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided)) != MPI_SUCCESS)
        return fail(rc, "MPI_Init_thread", err);
    if (provided < MPI_THREAD_FUNNELED)
        return LAM_FAIL(err, LAM_E_INVALID, "this MPI library allows no threads besides the main one (MPI_THREAD_FUNNELED)");
    if (!(mpi = calloc(1, sizeof *mpi)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the transport");
    if ((rc = MPI_Comm_dup(MPI_COMM_WORLD, &mpi->comm)) != MPI_SUCCESS) {
        free(mpi);
        return fail(rc, "MPI_Comm_dup", err);
    }
    MPI_Comm_set_errhandler(mpi->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(mpi->comm, rank);
    MPI_Comm_size(mpi->comm, size);
    mpi->size = *size;
    if (!(mpi->behind = calloc((size_t)*size, 1))) {
        free(mpi);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %d ranks", *size);
    }
    *state = mpi;
    return 0;
}

static int post_mpi(void *state, struct lam_message *msg, struct lam_error *err)
{
    struct mpi *mpi = state;
    struct flights *going = &mpi->going;
    int rc = make_room(going, err);

    if (rc)
        return rc;
    rc = MPI_Issend(msg->wire, (int)msg->len, MPI_BYTE, msg->peer, TAG, mpi->comm, &going->requests[going->count]);
    if (rc != MPI_SUCCESS)
        return fail(rc, "send a message", err);
    going->msgs[going->count++] = msg;
    return 0;
}

/* One look at all requests; those that are done become MPI_REQUEST_NULL. *any: were there any? */
static int look(struct flights *flights, bool *any, struct lam_error *err)
{
    int count = 0, rc;

    *any = false;
    if (!flights->count)
        return 0;
    rc = MPI_Testsome(flights->count, flights->requests, &count, flights->done, MPI_STATUSES_IGNORE);
    if (rc != MPI_SUCCESS)
        return fail(rc, "test messages under way", err);
    *any = count > 0 && count != MPI_UNDEFINED;
    return 0;
}

static int take_sent(struct mpi *mpi, struct lam_messages *sent, struct lam_error *err)
{
    struct flights *going = &mpi->going;
    int kept = 0, rc;
    bool any;

    if ((rc = look(going, &any, err)) || !any)
        return rc;
    for (int i = 0; i < going->count; i++) {
        if (going->requests[i] == MPI_REQUEST_NULL) {
            lam_messages_push(sent, going->msgs[i]);
            continue;
        }
        going->requests[kept] = going->requests[i];
        going->msgs[kept++] = going->msgs[i];
    }
    going->count = kept;
    return 0;
}

/* Matches what has come and begins to receive it. */
static int match(struct mpi *mpi, struct lam_error *err)
{
    struct flights *coming = &mpi->coming;

    while (coming->count < COMING_MAX && mpi->coming_bytes < COMING_BYTES) {
        MPI_Message handle;
        MPI_Status status;
        struct lam_message *msg;
        int there, len, rc;

        if ((rc = MPI_Improbe(MPI_ANY_SOURCE, TAG, mpi->comm, &there, &handle, &status)) != MPI_SUCCESS)
            return fail(rc, "look for messages", err);
        if (!there)
            break;
        MPI_Get_count(&status, MPI_BYTE, &len);
        if (len < LAM_MESSAGE_HEADER)
            return LAM_FAIL(err, LAM_E_CORRUPT, "a message of %d bytes from rank %d", len, status.MPI_SOURCE);
        if ((rc = make_room(coming, err)))
            return rc;
        if (!(msg = lam_message_new((size_t)len)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a message of %d bytes from rank %d", len, status.MPI_SOURCE);
        msg->peer = status.MPI_SOURCE;
        if ((rc = MPI_Imrecv(msg->wire, len, MPI_BYTE, &handle, &coming->requests[coming->count])) != MPI_SUCCESS) {
            free(msg);
            return fail(rc, "receive a message", err);
        }
        coming->msgs[coming->count++] = msg;
        mpi->coming_bytes += (size_t)len;
    }
    return 0;
}

static void take_come(struct mpi *mpi, struct lam_messages *came)
{
    struct flights *coming = &mpi->coming;
    int kept = 0;

    memset(mpi->behind, 0, (size_t)mpi->size);
    for (int i = 0; i < coming->count; i++) {
        struct lam_message *msg = coming->msgs[i];

        if (coming->requests[i] == MPI_REQUEST_NULL && !mpi->behind[msg->peer]) {
            mpi->coming_bytes -= msg->len;
            lam_messages_push(came, msg);
            continue;
        }
        mpi->behind[msg->peer] = 1;
        coming->requests[kept] = coming->requests[i];
        coming->msgs[kept++] = msg;
    }
    coming->count = kept;
}

static int progress_mpi(void *state, struct lam_messages *sent, struct lam_messages *came, bool *moving, struct lam_error *err)
{
    struct mpi *mpi = state;
    bool any;
    int rc;

    if ((rc = take_sent(mpi, sent, err)) || (rc = match(mpi, err)) || (rc = look(&mpi->coming, &any, err)))
        return rc;
    take_come(mpi, came);
    *moving = mpi->coming.count > 0;
    for (int i = 0; i < mpi->going.count && !*moving; i++)
        *moving = mpi->going.msgs[i]->len > LARGE;
    return 0;
}

static int close_mpi(void *state, bool together, struct lam_error *err)
{
    struct mpi *mpi = state;
    int rc = MPI_SUCCESS;

    if (!together) {
        abandoned = mpi; /* MPI still owns the buffers of what is under way; the process is about to end */
        return 0;
    }
    free_flights(&mpi->going);
    free_flights(&mpi->coming);
    free(mpi->behind);
    if ((rc = MPI_Comm_free(&mpi->comm)) == MPI_SUCCESS)
        rc = MPI_Finalize();
    free(mpi);
    return rc == MPI_SUCCESS ? 0 : fail(rc, "end MPI", err);
}

const struct lam_transport_ops lam_transport_mpi = {"mpi", true, open_mpi, post_mpi, progress_mpi, close_mpi, NULL};
