/* What the two sides of a batch run share: inside of batch*.c only. Main thread, unless a member says otherwise. */
#ifndef LAMINA_PROCESS_BATCH_PARTS_H
#define LAMINA_PROCESS_BATCH_PARTS_H

#include "batch.h"
#include "work.h"

/* Messages. Those to the workers carry bytes of a callback, those to the coordinator a struct lam_error (code 0: done). */
enum {
    MSG_START = 0x0100, MSG_SEAL, MSG_FLUSH, MSG_PREPARE, MSG_END, /* coordinator to all with a batch role, itself included */
    MSG_STARTED, MSG_FLUSHED, MSG_PREPARED, MSG_ENDED, MSG_FAILED /* and back */
};

enum { CHANNEL_SPLITS = 1, CHANNEL_RANGES = 2 };

#define LAM_BATCH_LIST_RING 256 /* splits between the lister and the table */
#define LAM_BATCH_PIECES_OPEN 2 /* of one task without verdict */
#define LAM_BATCH_NOTE_MAX ((size_t)1 << 20)

struct lam_batch_coordinator;
struct lam_batch_worker;

struct lam_batch {
    struct lam_batch_options options;
    struct lam_batch_coordinator *coordinator; /* NULL: another rank */
    struct lam_batch_worker *worker;           /* NULL: this rank has no part in it */
};

struct lam_batch_lister {
    struct lam_batch *batch;
    struct lam_ring *ring;  /* of struct lam_batch_emitted */
    atomic_bool cancelled;
};

/* A split on its way from the lister's thread to the table. */
struct lam_batch_emitted {
    uint64_t size;
    char *bytes; /* malloc */
    size_t len;
};

int lam_batch_coordinator_open(struct lam_batch *batch, struct lam_error *err);
void lam_batch_coordinator_close(struct lam_batch *batch);
int lam_batch_coordinator_step(struct lam_batch *batch, struct lam_error *err);

int lam_batch_worker_open(struct lam_batch *batch, struct lam_error *err);
void lam_batch_worker_close(struct lam_batch *batch);
int lam_batch_worker_step(struct lam_batch *batch, struct lam_error *err);

/* Sends an outcome (NULL: all is well) as a message; the outbox for such small ones is never full for long, so full counts as broken. */
int lam_batch_send_outcome(struct lam_batch *batch, int dst, uint16_t type, const struct lam_error *outcome, struct lam_error *err);

/* Reads it back. LAM_E_CORRUPT where it is none. */
int lam_batch_outcome(struct lam_sv bytes, struct lam_error *outcome);

#endif
