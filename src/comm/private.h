/* What the files of this area share about a struct lam_comm. Nobody else includes it. */
#ifndef LAMINA_COMM_PRIVATE_H
#define LAMINA_COMM_PRIVATE_H

#include "agree.h"
#include "comm.h"
#include "transport.h"

#define HANDLERS_MAX 48 /* ranges of types with a handler of their own */

enum reserved_type {
    TYPE_BEAT = LAM_COMM_TYPE_RESERVED,
    TYPE_VOTE,
    TYPE_WORD,
    TYPE_TOKEN,
    TYPE_CLAIMS = LAM_COMM_TYPE_RESERVED + 0x10 /* two for each channel: to the host, to the claimer */
};

struct outbox {
    struct lam_messages queue; /* not posted yet; for this rank itself: all */
    size_t bytes;              /* of these and of those posted */
    int posted;
    bool beating;              /* a heartbeat is among them */
};

struct handler {
    uint16_t first, last;
    lam_message_fn fn;
    void *arg;
};

struct lam_agreements; /* agree.c */

struct lam_comm {
    const struct lam_transport_ops *ops;
    void *state;
    const struct lam_clock *clock;
    int rank, size;
    size_t max_queued, queued; /* queued: over all outboxes */
    struct outbox *out;        /* by rank */
    struct lam_messages came;  /* not handed to their handlers yet */
    struct lam_messages parked; /* of reserved types without a handler: the sender was faster than we are */
    bool opened[0x10000 - LAM_COMM_TYPE_RESERVED]; /* reserved types that have a handler */
    struct handler handlers[HANDLERS_MAX];
    size_t handler_count;
    struct lam_agreements *agreements;
    int64_t *heard_us;         /* by rank: when its last message came */
    int64_t traffic_us, looked_us, beat_us; /* last message other than a heartbeat; last look; next heartbeat */
    bool moving;               /* a large message is on its way */
    bool full, drained;        /* a send was refused; since then some bytes have left */
    bool closing;              /* only agreements are still handed out */
    struct lam_error broken;   /* code 0: it is not */
};

/* As lam_comm_send, but never refused: for small messages whose number a protocol bounds. quiet: a heartbeat. */
int comm_send_control(struct lam_comm *comm, int dst, uint16_t type, struct lam_sv bytes, bool quiet, struct lam_error *err);

/* Looks once: posts, completes, receives, sends heartbeats. Nothing is handed out. */
int comm_look(struct lam_comm *comm);

/* Heartbeats that are due, and what a long time without a look means for silence. wait.c */
void comm_beat(struct lam_comm *comm, int64_t now_us);

int agreements_new(struct lam_comm *comm, struct lam_error *err);
void agreements_free(struct lam_comm *comm);

/* The agreement to leave has a number of its own: a rank that gives up early must not be taken for one that agrees to something else. */
int agree_to_leave(struct lam_agree *agree, struct lam_comm *comm, int64_t timeout_ms, struct lam_error *err);

/* "rank 3", "ranks 1, 3, 7 and 12 more". */
#define RANKS_TEXT 128
void ranks_text(char text[RANKS_TEXT], const int *ranks, int count, int total);

#endif
