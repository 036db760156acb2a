/*
 * What the files of a worker share: inside of batch_worker.c, batch_task.c, batch_group.c and batch_range.c only. Main thread, unless a member says otherwise.
 */
#ifndef LAMINA_PROCESS_WORKER_PARTS_H
#define LAMINA_PROCESS_WORKER_PARTS_H

#include <pthread.h>

#include "base/ring.h"
#include "batch_parts.h"
#include "block_spares.h"

struct lam_batch_task {
    struct lam_work work; /* first: what the pool gives back */
    struct lam_batch_worker *worker;
    struct lam_batch_task *next;
    uint64_t split;
    uint32_t attempt, first_piece, emitted;
    struct lam_buf payload;
    int rc;
    struct lam_error err;
    bool finished; /* its thread is done with it */
    pthread_mutex_t lock; /* guards open and unwanted */
    pthread_cond_t changed;
    unsigned open; /* pieces without verdict */
    bool unwanted;
};

/* A piece from a reading thread to the main one. */
struct lam_batch_offer_item {
    struct lam_batch_task *task;
    struct lam_batch_piece *piece;
    uint32_t number;
    bool last;
};

struct lam_batch_offer {
    struct lam_batch_offer_item item;
    struct lam_batch_offer *next;
    bool sent;
};

struct lam_batch_group {
    struct lam_work work;
    struct lam_batch_worker *worker;
    struct lam_batch_piece **pieces;
    size_t count, cap;
    uint64_t bytes;
    uint32_t epoch;
    int rc;
    struct lam_error err;
};

struct lam_batch_range {
    struct lam_work work;
    struct lam_batch_worker *worker;
    uint64_t split;
    uint32_t attempt;
    struct lam_buf payload, note;
    void *made;
    bool written;
    int rc;
    struct lam_error err;
};

struct lam_batch_worker {
    struct lam_batch *batch;
    struct lam_claimer *splits, *ranges;
    struct lam_pool *pool;
    struct lam_ring *ring; /* of struct lam_batch_offer_item */
    struct lam_batch_task *tasks;
    struct lam_batch_offer *offered, **offered_end; /* in order of the offers: verdicts come in it */
    struct lam_batch_group *group;
    struct lam_batch_piece *waiting, **waiting_end; /* accepted, not yet taken for analysis */
    size_t analysing;           /* pieces that are out for it */
    uint32_t epoch;
    bool dropped;
    atomic_uint_fast64_t bytes; /* of all blocks that live */
    struct lam_block_spares *spares; /* any thread */
    unsigned reading, resolving, staging;
    bool running, splits_ended, ranges_open, ranges_ended, seal, flush, ending, failed;
    struct lam_work control; /* start and prepare, on the storage thread */
    uint16_t control_type;
    struct lam_buf control_bytes;
    bool control_busy;
    int control_rc;
    struct lam_error control_err, outcome;
};

static inline const struct lam_batch_options *lam_batch_worker_options(const struct lam_batch_worker *w) { return &w->batch->options; }

/* Tells the coordinator how a phase ended here (outcome NULL: well). */
void lam_batch_worker_report(struct lam_batch_worker *w, uint16_t type, const struct lam_error *outcome);

/* Something here went wrong for good: the coordinator ends the run for all. */
void lam_batch_worker_fail(struct lam_batch_worker *w, const struct lam_error *err);

uint64_t lam_batch_block_bytes(const struct lam_block *block);

/* Frees an accepted or offered piece, whose bytes count, and wakes tasks that wait for room. NULL-safe. */
void lam_batch_piece_free(struct lam_batch_worker *w, struct lam_batch_piece *piece);

int lam_batch_task_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err);
void lam_batch_task_free(struct lam_batch_task *task);

/* A verdict for one piece of task, or (gone) the end of all interest in it. */
void lam_batch_task_tell(struct lam_batch_task *task, bool gone);

/* batch_analysis.c: an accepted piece, on its way to its group; takes it. One step; busy: pieces are waiting or out. */
int lam_batch_analysis_add(struct lam_batch_worker *w, struct lam_batch_piece *piece, struct lam_error *err);
int lam_batch_analysis_step(struct lam_batch_worker *w, struct lam_error *err);
bool lam_batch_analysis_busy(const struct lam_batch_worker *w);
void lam_batch_analysis_drop(struct lam_batch_worker *w); /* the run ends: what comes back is freed */
void lam_batch_analysis_close(struct lam_batch_worker *w); /* waits for what is out */

/* Adds an accepted piece to the open group, which is staged when it is full; takes the piece. */
int lam_batch_group_add(struct lam_batch_worker *w, struct lam_batch_piece *piece, struct lam_error *err);
void lam_batch_group_close(struct lam_batch_worker *w); /* stages the open group, if there is one */
void lam_batch_group_free(struct lam_batch_group *group); /* NULL-safe */

int lam_batch_range_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err);

#endif
