/*
 * Votes go to rank 0, which keeps a tally for each agreement that is open, and its word goes back. Votes may come before rank 0 has
 * started the agreement itself, and words before a late rank has: both are kept. A tally stays until the last rank has
 * voted, so that a late vote is not taken for the first one of something new.
 */
#include "private.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAVE UINT32_MAX
#define GRACE_US 2000000 /* how much longer the others wait for rank 0's word than rank 0 waits for them, and a quarter of the deadline */

struct tally {
    struct tally *next;
    uint32_t number;
    int64_t deadline_us; /* INT64_MAX until rank 0 has started it */
    int64_t timeout_ms;
    int votes, worst;    /* how many; whose error counts, -1: none has one */
    bool decided;
    struct lam_error error;
    unsigned char *voted; /* by rank: 0 silent, 1 success, 2 failure */
};

struct word {
    struct word *next;
    uint32_t number;
    struct lam_error error;
};

struct lam_agreements {
    uint32_t next;
    struct tally *tallies; /* on rank 0 */
    struct word *words;    /* said and not yet asked for */
};

/* Votes and words on the wire; both ends are one program on one kind of machine, as MPI requires. */
struct ballot {
    uint32_t number;
    int32_t code, rank;
    uint32_t text_len;
    char text[LAM_ERROR_TEXT];
};

static int severity(int code)
{
    switch (lam_error_class(code)) {
    case LAM_CLASS_STOP:
        return 3;
    case LAM_CLASS_REJECT:
        return 2;
    case LAM_CLASS_RETRY:
        return 1;
    default:
        return 0;
    }
}

static struct lam_sv fill(struct ballot *ballot, uint32_t number, const struct lam_error *error)
{
    *ballot = (struct ballot){.number = number, .code = error->code, .rank = error->rank};
    ballot->text_len = (uint32_t)strnlen(error->text, LAM_ERROR_TEXT - 1);
    memcpy(ballot->text, error->text, ballot->text_len);
    return lam_sv((const char *)ballot, offsetof(struct ballot, text) + ballot->text_len);
}

static bool read_ballot(struct lam_sv bytes, uint32_t *number, struct lam_error *error)
{
    struct ballot ballot;
    const size_t head = offsetof(struct ballot, text);

    if (bytes.len < head || bytes.len > sizeof ballot)
        return false;
    memcpy(&ballot, bytes.ptr, bytes.len);
    if (ballot.text_len != bytes.len - head || ballot.text_len >= LAM_ERROR_TEXT)
        return false;
    *number = ballot.number;
    *error = (struct lam_error){.code = ballot.code, .rank = ballot.rank, .where = "another rank"};
    memcpy(error->text, ballot.text, ballot.text_len);
    return true;
}

static int keep_word(struct lam_agreements *all, uint32_t number, const struct lam_error *error)
{
    struct word *word = malloc(sizeof *word);

    if (!word)
        return LAM_E_MEMORY;
    *word = (struct word){all->words, number, *error};
    all->words = word;
    return 0;
}

static struct tally *tally_of(struct lam_comm *comm, uint32_t number)
{
    struct lam_agreements *all = comm->agreements;
    struct tally *tally;

    for (tally = all->tallies; tally; tally = tally->next)
        if (tally->number == number)
            return tally;
    if (!(tally = calloc(1, sizeof *tally + (size_t)comm->size)))
        return NULL;
    tally->voted = (unsigned char *)(tally + 1);
    tally->number = number;
    tally->worst = -1;
    tally->deadline_us = INT64_MAX;
    tally->next = all->tallies;
    all->tallies = tally;
    return tally;
}

static void drop(struct lam_agreements *all, struct tally *tally)
{
    struct tally **link = &all->tallies;

    while (*link != tally)
        link = &(*link)->next;
    *link = tally->next;
    free(tally);
}

/* Ranks whose vote is this one, without the one that is named already. */
static int who(const struct lam_comm *comm, const struct tally *tally, unsigned char vote, int except, char text[RANKS_TEXT])
{
    int ranks[16], count = 0, total = 0;

    for (int rank = 0; rank < comm->size; rank++)
        if (tally->voted[rank] == vote && rank != except && total++ < 16)
            ranks[count++] = rank;
    if (total)
        ranks_text(text, ranks, count, total);
    return total;
}

/* What all ranks will hold. */
static void conclude(const struct lam_comm *comm, const struct tally *tally, struct lam_error *word)
{
    char others[RANKS_TEXT];
    int silent = who(comm, tally, 0, -1, others);

    *word = (struct lam_error){.rank = -1, .where = LAM_WHERE};
    if (silent) {
        LAM_FAIL(word, LAM_E_TIMEOUT, "%s gave no sign within %" PRId64 " ms", others, tally->timeout_ms);
        for (int rank = 0; rank < comm->size && word->rank < 0; rank++)
            if (!tally->voted[rank])
                word->rank = rank;
        if (tally->worst >= 0)
            snprintf(word->text + strlen(word->text), RANKS_TEXT, "; rank %d: %.100s", tally->worst, tally->error.text);
    } else if (tally->worst >= 0) {
        *word = tally->error;
        word->rank = tally->worst;
        if (comm->size > 1)
            LAM_PASS(word, word->code, who(comm, tally, 2, tally->worst, others) ? "rank %d (and %s)" : "rank %d", tally->worst, others);
    }
}

/* Tells everybody, once. */
static void decide(struct lam_comm *comm, struct tally *tally)
{
    struct lam_error word;
    struct ballot ballot;
    struct lam_sv bytes;
    uint32_t number = tally->number;

    conclude(comm, tally, &word);
    bytes = fill(&ballot, number, &word);
    tally->decided = true;
    if (tally->votes == comm->size)
        drop(comm->agreements, tally);
    for (int dst = 1; dst < comm->size; dst++)
        comm_send_control(comm, dst, TYPE_WORD, bytes, false, NULL); /* who does not get it runs into its own deadline */
    keep_word(comm->agreements, number, &word);
}

static void vote(struct lam_comm *comm, struct tally *tally, int rank, const struct lam_error *error)
{
    if (tally->voted[rank])
        return;
    tally->votes++;
    tally->voted[rank] = severity(error->code) ? 2 : 1;
    if (severity(error->code) > (tally->worst < 0 ? 0 : severity(tally->error.code)) ||
        (tally->worst >= 0 && severity(error->code) == severity(tally->error.code) && rank < tally->worst)) {
        tally->worst = rank;
        tally->error = *error;
    }
    if (tally->votes < comm->size)
        return;
    if (tally->decided)
        drop(comm->agreements, tally);
    else
        decide(comm, tally);
}

static void on_ballot(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_comm *comm = arg;
    struct lam_error error;
    struct tally *tally;
    uint32_t number;

    if (!read_ballot(bytes, &number, &error))
        return;
    if (type == TYPE_WORD)
        keep_word(comm->agreements, number, &error);
    else if ((tally = tally_of(comm, number)))
        vote(comm, tally, src, &error);
}

int agreements_new(struct lam_comm *comm, struct lam_error *err)
{
    if (!(comm->agreements = calloc(1, sizeof *comm->agreements)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agreements");
    return lam_comm_on(comm, TYPE_VOTE, TYPE_WORD, on_ballot, comm, err);
}

void agreements_free(struct lam_comm *comm)
{
    struct lam_agreements *all = comm->agreements;
    struct word *word;

    if (!all)
        return;
    while (all->tallies)
        drop(all, all->tallies);
    while ((word = all->words)) {
        all->words = word->next;
        free(word);
    }
    free(all);
    comm->agreements = NULL;
}

static int begin(struct lam_agree *agree, struct lam_comm *comm, uint32_t number, const struct lam_error *outcome, int64_t timeout_ms,
                 struct lam_error *err)
{
    static const struct lam_error success;
    struct ballot ballot;
    struct tally *tally;

    if (!outcome)
        outcome = &success;
    *agree = (struct lam_agree){.comm = comm, .number = number, .deadline_us = lam_mono_us(comm->clock) + timeout_ms * 1000};
    if (comm->rank) {
        agree->deadline_us += GRACE_US + timeout_ms * 250;
        return comm_send_control(comm, 0, TYPE_VOTE, fill(&ballot, number, outcome), false, err);
    }
    if (!(tally = tally_of(comm, number)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an agreement");
    tally->deadline_us = agree->deadline_us;
    tally->timeout_ms = timeout_ms;
    vote(comm, tally, 0, outcome);
    return 0;
}

int lam_comm_agree_start(struct lam_agree *agree, struct lam_comm *comm, const struct lam_error *outcome,
                         int64_t timeout_ms, struct lam_error *err)
{
    return begin(agree, comm, comm->agreements->next++, outcome, timeout_ms, err);
}

int agree_to_leave(struct lam_agree *agree, struct lam_comm *comm, int64_t timeout_ms, struct lam_error *err)
{
    return begin(agree, comm, LEAVE, NULL, timeout_ms, err);
}

static bool take_word(struct lam_agreements *all, struct lam_agree *agree)
{
    for (struct word **link = &all->words; *link; link = &(*link)->next)
        if ((*link)->number == agree->number) {
            struct word *word = *link;

            agree->result = word->error;
            agree->done = true;
            *link = word->next;
            free(word);
            return true;
        }
    return false;
}

int lam_comm_agree_test(struct lam_agree *agree, struct lam_error *err)
{
    struct lam_comm *comm = agree->comm;
    struct tally *tally;

    if (!agree->done && !take_word(comm->agreements, agree)) {
        if (lam_mono_us(comm->clock) < agree->deadline_us)
            return LAM_PENDING;
        if (comm->rank == 0 && (tally = tally_of(comm, agree->number))) {
            decide(comm, tally);
            take_word(comm->agreements, agree);
        }
        if (!agree->done) {
            LAM_FAIL(&agree->result, LAM_E_TIMEOUT, "rank 0 gave no word on what was agreed upon");
            agree->result.rank = 0;
            agree->done = true;
        }
    }
    if (agree->result.code && err)
        *err = agree->result;
    return agree->result.code;
}
