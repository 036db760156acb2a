/* The coordinator's side: a table of claims behind messages. */
#include <stdlib.h>

#include "claim_messages.h"
#include "claim_wire.h"
#include "private.h"

struct lam_claim_host {
    struct lam_comm *comm;
    struct lam_claims *claims;
    struct lam_claim_events events;
    uint16_t type;
    unsigned *asked;  /* by rank: claims that it waits for */
    size_t asked_all;
    int turn;         /* the rank that is looked at first: all get their share */
    struct lam_error failure; /* code 0: none. Somebody broke the protocol, or there was no memory */
};

static void remember(struct lam_claim_host *host, const struct lam_error *error, int rc)
{
    if (host->failure.code)
        return;
    host->failure = *error;
    host->failure.code = rc;
}

static void answer(struct lam_claim_host *host, int dst, const struct claim_answer *head, struct lam_sv tail)
{
    char *bytes = malloc(sizeof *head + tail.len);
    struct lam_error err;
    int rc;

    if (!bytes) {
        rc = LAM_FAIL(&err, LAM_E_MEMORY, "no memory for an answer to rank %d", dst);
        remember(host, &err, rc);
        return;
    }
    memcpy(bytes, head, sizeof *head);
    if (tail.len)
        memcpy(bytes + sizeof *head, tail.ptr, tail.len);
    if ((rc = comm_send_control(host->comm, dst, (uint16_t)(host->type + 1), lam_sv(bytes, sizeof *head + tail.len), false, &err)))
        remember(host, &err, rc);
    free(bytes);
}

/* One claim for a rank that asked; false: there is none for it now. */
static bool serve(struct lam_claim_host *host, int rank, int64_t now_us)
{
    struct lam_claim claim;
    int rc = lam_claims_hand_out(host->claims, rank, now_us, &claim);

    if (rc == LAM_PENDING)
        return false;
    if (rc == LAM_END) {
        struct claim_answer head = {.kind = ANSWER_END};

        host->asked_all -= host->asked[rank];
        host->asked[rank] = 0;
        answer(host, rank, &head, lam_sv(NULL, 0));
        return true;
    }
    struct claim_answer head = {
        .split = claim.split, .size = claim.size, .kind = ANSWER_CLAIM, .attempt = claim.attempt, .piece = claim.piece};

    host->asked[rank]--;
    host->asked_all--;
    answer(host, rank, &head, claim.payload);
    return true;
}

static void serve_all(struct lam_claim_host *host)
{
    int64_t now = lam_mono_us(host->comm->clock);
    bool any = true;

    while (host->asked_all && any && !host->failure.code) {
        int size = host->comm->size;

        if (!lam_claims_progress(host->claims).waiting && !lam_claims_ended(host->claims) && lam_claims_next_overdue_us(host->claims) > now)
            return;
        any = false;
        for (int i = 0; i < size; i++) {
            int rank = (host->turn + i) % size;

            if (host->asked[rank] && serve(host, rank, now))
                any = true;
        }
        host->turn = (host->turn + 1) % size;
    }
}

static void on_offer(struct lam_claim_host *host, int src, const struct claim_request *req, struct lam_sv note)
{
    struct claim_answer head = {.split = req->split, .kind = ANSWER_VERDICT, .attempt = req->attempt, .piece = req->piece};
    struct lam_error err;
    int rc = lam_claims_offer(host->claims, req->split, req->attempt, req->piece, req->last, src, lam_mono_us(host->comm->clock), &err);

    head.accepted = rc == 0;
    if (rc == 0 && host->events.accepted)
        host->events.accepted(host->events.arg, req->split, req->piece, req->last, src, note);
    else if (rc != 0 && rc != LAM_E_EXISTS)
        remember(host, &err, rc);
    answer(host, src, &head, lam_sv(NULL, 0));
}

static void on_failure(struct lam_claim_host *host, int src, const struct claim_request *req, struct lam_sv text)
{
    struct lam_error why = {.code = req->code, .rank = src, .where = LAM_WHERE}, err;
    int rc;

    memcpy(why.text, text.ptr, text.len < LAM_ERROR_TEXT - 1 ? text.len : LAM_ERROR_TEXT - 1);
    rc = req->kind == REQUEST_FAIL ? lam_claims_fail(host->claims, req->split, req->attempt, src, &err)
                                   : lam_claims_give_back(host->claims, req->split, req->attempt, src, &err);
    if (rc == LAM_E_LIMIT)
        LAM_PASS(&why, why.code, "%s", err.text);
    if ((rc == LAM_E_LIMIT || (rc == 0 && req->kind == REQUEST_FAIL)) && host->events.failed)
        host->events.failed(host->events.arg, req->split, src, &why);
    if (rc == LAM_E_INVALID)
        remember(host, &err, rc);
}

static void on_request(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_claim_host *host = arg;
    struct claim_request req;
    struct lam_sv tail;

    (void)type;
    if (bytes.len < sizeof req)
        return;
    memcpy(&req, bytes.ptr, sizeof req);
    tail = lam_sv(bytes.ptr + sizeof req, bytes.len - sizeof req);
    switch (req.kind) {
    case REQUEST_ASK:
        host->asked[src] += req.count;
        host->asked_all += req.count;
        break;
    case REQUEST_OFFER:
        on_offer(host, src, &req, tail);
        break;
    default:
        on_failure(host, src, &req, tail);
        break;
    }
    serve_all(host);
}

int lam_claim_host_open(struct lam_claim_host **out, struct lam_comm *comm, unsigned channel, struct lam_claims *claims,
                        const struct lam_claim_events *events, struct lam_error *err)
{
    struct lam_claim_host *host = calloc(1, sizeof *host);
    int rc;

    *out = NULL;
    if (!host || !(host->asked = calloc((size_t)comm->size, sizeof *host->asked))) {
        free(host);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to hand out claims");
    }
    host->comm = comm;
    host->claims = claims;
    host->type = (uint16_t)(TYPE_CLAIMS + 2 * channel);
    if (events)
        host->events = *events;
    rc = channel < LAM_CLAIM_CHANNELS ? lam_comm_on(comm, host->type, host->type, on_request, host, err)
                                      : LAM_FAIL(err, LAM_E_INVALID, "no channel %u", channel);
    if (rc) {
        free(host->asked);
        free(host);
        return rc;
    }
    *out = host;
    return 0;
}

void lam_claim_host_close(struct lam_claim_host *host)
{
    if (!host)
        return;
    lam_comm_off(host->comm, host->type);
    free(host->asked);
    free(host);
}

int lam_claim_host_step(struct lam_claim_host *host, struct lam_error *err)
{
    serve_all(host);
    return host->failure.code ? LAM_FAIL(err, host->failure.code, "%s", host->failure.text) : 0;
}

size_t lam_claim_host_waiting(const struct lam_claim_host *host) { return host->asked_all; }
