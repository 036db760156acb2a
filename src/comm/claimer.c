/* The workers' side of claims. */
#include <stdlib.h>

#include "claim_messages.h"
#include "claim_wire.h"
#include "private.h"

struct parcel {
    struct parcel *next;
    struct lam_claim claim;
    char payload[];
};

struct lam_claimer {
    struct lam_comm *comm;
    int host;
    uint16_t type;
    unsigned asked;
    bool ended;
    struct parcel *first, *last; /* claims that came, oldest first */
    struct parcel *current;      /* the one that was given out: its payload is borrowed */
    struct lam_verdict *verdicts;
    size_t verdict_count, verdict_cap, verdict_next;
    int failure; /* LAM_E_MEMORY: an answer was lost */
};

static bool keep_claim(struct lam_claimer *claimer, const struct claim_answer *head, struct lam_sv payload)
{
    struct parcel *parcel = malloc(sizeof *parcel + payload.len);

    if (!parcel)
        return false;
    parcel->next = NULL;
    if (payload.len)
        memcpy(parcel->payload, payload.ptr, payload.len);
    parcel->claim = (struct lam_claim){head->split, head->attempt, head->piece, head->size, lam_sv(parcel->payload, payload.len)};
    if (claimer->last)
        claimer->last->next = parcel;
    else
        claimer->first = parcel;
    claimer->last = parcel;
    return true;
}

static bool keep_verdict(struct lam_claimer *claimer, const struct claim_answer *head)
{
    if (claimer->verdict_next == claimer->verdict_count)
        claimer->verdict_next = claimer->verdict_count = 0;
    if (claimer->verdict_count == claimer->verdict_cap) {
        size_t cap = claimer->verdict_cap ? 2 * claimer->verdict_cap : 16;
        struct lam_verdict *verdicts = realloc(claimer->verdicts, cap * sizeof *verdicts);

        if (!verdicts)
            return false;
        claimer->verdicts = verdicts;
        claimer->verdict_cap = cap;
    }
    claimer->verdicts[claimer->verdict_count++] = (struct lam_verdict){head->split, head->attempt, head->piece, head->accepted != 0};
    return true;
}

static void on_answer(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_claimer *claimer = arg;
    struct claim_answer head;
    bool kept = true;

    (void)src;
    (void)type;
    if (bytes.len < sizeof head)
        return;
    memcpy(&head, bytes.ptr, sizeof head);
    switch (head.kind) {
    case ANSWER_CLAIM:
        claimer->asked -= claimer->asked > 0;
        kept = keep_claim(claimer, &head, lam_sv(bytes.ptr + sizeof head, bytes.len - sizeof head));
        break;
    case ANSWER_VERDICT:
        kept = keep_verdict(claimer, &head);
        break;
    default:
        claimer->asked = 0;
        claimer->ended = true;
        break;
    }
    if (!kept)
        claimer->failure = LAM_E_MEMORY;
}

int lam_claimer_open(struct lam_claimer **out, struct lam_comm *comm, unsigned channel, int host_rank, struct lam_error *err)
{
    struct lam_claimer *claimer = calloc(1, sizeof *claimer);
    int rc;

    *out = NULL;
    if (!claimer)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for claims");
    claimer->comm = comm;
    claimer->host = host_rank;
    claimer->type = (uint16_t)(TYPE_CLAIMS + 2 * channel);
    rc = channel < LAM_CLAIM_CHANNELS
             ? lam_comm_on(comm, (uint16_t)(claimer->type + 1), (uint16_t)(claimer->type + 1), on_answer, claimer, err)
             : LAM_FAIL(err, LAM_E_INVALID, "no channel %u", channel);
    if (rc) {
        free(claimer);
        return rc;
    }
    *out = claimer;
    return 0;
}

void lam_claimer_close(struct lam_claimer *claimer)
{
    struct parcel *parcel;

    if (!claimer)
        return;
    lam_comm_off(claimer->comm, (uint16_t)(claimer->type + 1));
    while ((parcel = claimer->first)) {
        claimer->first = parcel->next;
        free(parcel);
    }
    free(claimer->current);
    free(claimer->verdicts);
    free(claimer);
}

int lam_claimer_ask(struct lam_claimer *claimer, unsigned count, struct lam_error *err)
{
    struct claim_request req = {.kind = REQUEST_ASK, .count = count};
    int rc = comm_send_control(claimer->comm, claimer->host, claimer->type, lam_sv((const char *)&req, sizeof req), false, err);

    if (!rc)
        claimer->asked += count;
    return rc;
}

unsigned lam_claimer_asked(const struct lam_claimer *claimer) { return claimer->asked; }

int lam_claimer_next(struct lam_claimer *claimer, struct lam_claim *claim)
{
    free(claimer->current);
    claimer->current = claimer->first;
    if (!claimer->current)
        return claimer->failure ? claimer->failure : claimer->ended ? LAM_END : LAM_PENDING;
    claimer->first = claimer->current->next;
    if (!claimer->first)
        claimer->last = NULL;
    *claim = claimer->current->claim;
    return 0;
}

int lam_claimer_offer(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, uint32_t piece, bool last, struct lam_sv note,
                      struct lam_error *err)
{
    struct claim_request req = {.split = split, .kind = REQUEST_OFFER, .attempt = attempt, .piece = piece, .last = last};
    char *bytes;
    int rc;

    if (note.len > LAM_CLAIM_NOTE_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "a note of %zu bytes", note.len);
    if (!(bytes = malloc(sizeof req + note.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an offer of %zu bytes", note.len);
    memcpy(bytes, &req, sizeof req);
    if (note.len)
        memcpy(bytes + sizeof req, note.ptr, note.len);
    rc = lam_comm_send(claimer->comm, claimer->host, claimer->type, lam_sv(bytes, sizeof req + note.len), err);
    free(bytes);
    return rc;
}

int lam_claimer_verdict(struct lam_claimer *claimer, struct lam_verdict *verdict)
{
    if (claimer->verdict_next == claimer->verdict_count)
        return claimer->failure ? claimer->failure : LAM_PENDING;
    *verdict = claimer->verdicts[claimer->verdict_next++];
    return 0;
}

static int say_failure(struct lam_claimer *claimer, uint32_t kind, uint64_t split, uint32_t attempt,
                       const struct lam_error *why, struct lam_error *err)
{
    struct claim_request req = {.split = split, .kind = kind, .attempt = attempt, .code = why->code};
    char bytes[sizeof req + LAM_ERROR_TEXT];
    size_t len = strnlen(why->text, LAM_ERROR_TEXT - 1);

    memcpy(bytes, &req, sizeof req);
    memcpy(bytes + sizeof req, why->text, len);
    return comm_send_control(claimer->comm, claimer->host, claimer->type, lam_sv(bytes, sizeof req + len), false, err);
}

int lam_claimer_fail(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, const struct lam_error *why, struct lam_error *err)
{
    return say_failure(claimer, REQUEST_FAIL, split, attempt, why, err);
}

int lam_claimer_give_back(struct lam_claimer *claimer, uint64_t split, uint32_t attempt, const struct lam_error *why, struct lam_error *err)
{
    return say_failure(claimer, REQUEST_GIVE_BACK, split, attempt, why, err);
}
