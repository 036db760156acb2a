/*
 * What a transport does: the part of comm that differs between MPI and a single process, and what a test may put in their place.
 * It sees messages to and from *other* ranks only; order within a pair is its duty.
 */
#ifndef LAMINA_COMM_TRANSPORT_H
#define LAMINA_COMM_TRANSPORT_H

#include <lamina/error.h>
#include <stdbool.h>
#include <stddef.h>

#define LAM_MESSAGE_HEADER 8 /* type u16 little-endian, six zeros: keeps what follows 8-aligned */

/* A message with its bytes as they travel. Owned by exactly one list at a time. */
struct lam_message {
    struct lam_message *next;
    int peer;        /* dst of one that leaves, src of one that came */
    bool quiet;      /* a heartbeat: does not keep the loop awake */
    size_t len;      /* bytes on the wire, header included */
    _Alignas(16) char wire[];
};

struct lam_messages {
    struct lam_message *first, *last;
};

struct lam_message *lam_message_new(size_t len); /* len with its header; NULL: out of memory */
void lam_messages_push(struct lam_messages *list, struct lam_message *msg);
struct lam_message *lam_messages_pop(struct lam_messages *list); /* NULL: empty */
void lam_messages_free(struct lam_messages *list);

struct lam_transport_ops {
    const char *name;
    bool remote; /* messages can come from outside of this process: somebody has to look */

    /* Blocks until all ranks are there. arg is what lam_comm_open_on's caller put into the table below. */
    int (*open)(const struct lam_transport_ops *ops, void **state, int *rank, int *size, struct lam_error *err);

    /* Begins to send msg and owns it until progress puts it into sent: then its receiver has taken it. */
    int (*post)(void *state, struct lam_message *msg, struct lam_error *err);

    /*
     * Looks once: messages that their receivers have taken, and messages that have come, in order of each pair. *moving: some are
     * so large that only further looks move their bytes on.
     */
    int (*progress)(void *state, struct lam_messages *sent, struct lam_messages *came, bool *moving, struct lam_error *err);

    /* together: all ranks are here and nothing is on its way. If not, whatever would wait for others is left undone. */
    int (*close)(void *state, bool together, struct lam_error *err);

    void *arg;
};

extern const struct lam_transport_ops lam_transport_mpi, lam_transport_self;

#endif
