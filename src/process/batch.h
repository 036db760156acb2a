/*
 * The batch run: many ranks turn splits into one view, and none of them waits for a lock.
 *
 *     coordinator   begin ─ list ─────────────────────────────┐         ┌ sample ─ train ─ plan ─ resolve ──┐          publish ─ end
 *     workers       start ─ claim split ─ read ─ offer piece ─┴─ flush ─┘           prepare ─ claim range ─ write ┴─ (done)
 *                                                └ accepted ─ group ─ stage
 *
 * This file is the protocol alone: who does what when, over claims (comm/claim_messages.h) and a few messages of its own. What a split is, how it is
 * read, where rows go and what a view is, stands in the callbacks of struct lam_batch_ops, which the application plugs in; each says on which
 * thread it runs. Splits, pieces, notes and plans are bytes to this file.
 *
 * A piece is what a split yields at once: a block of rows and rejects with a note. It counts once the coordinator accepted it, and goes then, once its rows
 * have their answers, into its rank's open group; a group that is large enough, and the last one, is staged: made durable as a whole. Blocks of a rank are
 * bounded by max_bytes: above it no split is asked for.
 *
 * Both roles are step functions of the main loop. A rank can have both. Any failure ends the run on all ranks with the same error.
 */
#ifndef LAMINA_PROCESS_BATCH_H
#define LAMINA_PROCESS_BATCH_H

#include <lamina/block.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/pool.h"
#include "comm/claim_messages.h"
#include "comm/roles.h"

struct lam_batch_lister; /* what list gives its splits to */
struct lam_batch_task;   /* one claim being read */

/* An accepted piece, on its way into a group. */
struct lam_batch_piece {
    struct lam_block *block;
    struct lam_buf note;
    struct lam_batch_piece *next; /* this and the two after it: the worker's own */
    uint64_t counted;             /* bytes, in the sum that max_bytes bounds */
    uint32_t epoch;               /* pieces of two epochs (see `again`) share no group */
};

struct lam_batch_ops {
    /* Coordinator, storage thread: takes what it needs (a term, the state). out: bytes that every worker's start gets. */
    int (*begin)(void *arg, struct lam_buf *out, struct lam_error *err);

    /* Coordinator, lister thread: finds work and calls lam_batch_emit for each split. Called again while again says so. */
    int (*list)(void *arg, struct lam_batch_lister *lister, struct lam_error *err);

    /*
     * Coordinator, main thread: a piece was accepted, a split failed for good. Bookkeeping in memory only. failed: an error says that the run is nothing
     * without it.
     */
    void (*accepted)(void *arg, int rank, struct lam_sv note);
    int (*failed)(void *arg, uint64_t split, const struct lam_error *why, struct lam_error *err);

    /*
     * Coordinator, main thread, when all splits have ended: must something be listed again (files that changed while they were read)? What was accepted until
     * then shares no group with what comes after.
     */
    bool (*again)(void *arg);

    /*
     * Coordinator, when everything is staged: what is to be learned from it before it is answered. sample, on the storage thread, gathers what training
     * needs, or says LAM_END: nothing is to be trained. train, on the lister's thread, learns, and looks at lam_batch_cancelled now and then.
     */
    int (*sample)(void *arg, struct lam_error *err);
    int (*train)(void *arg, const struct lam_batch_lister *lister, struct lam_error *err);

    /*
     * Coordinator, storage thread, after training: emits the ranges to resolve, at most max_ranges: with more the run ends (LAM_E_LIMIT). out: what every
     * worker's prepare gets, at most LAM_COMM_MESSAGE_MAX.
     */
    int (*plan)(void *arg, struct lam_batch_lister *lister, struct lam_buf *out, struct lam_error *err);
    void (*resolved)(void *arg, int rank, struct lam_sv note); /* main thread */

    /* Coordinator, storage thread: makes the view public. */
    int (*publish)(void *arg, struct lam_error *err);

    /* Worker, storage thread: with what begin gave. */
    int (*start)(void *arg, struct lam_sv bytes, struct lam_error *err);

    /* Worker, pool thread: reads a split and emits its pieces in order (lam_batch_piece_emit). */
    int (*read)(void *arg, unsigned worker, struct lam_batch_task *task, struct lam_sv split, struct lam_error *err);

    /*
     * Worker, main thread; all three or none: answers that come from elsewhere, for accepted pieces. analyze takes a piece and does not wait; LAM_END: it has
     * its answers already; LAM_PENDING: later. analyzed gives one back, in any order, its rows and its note as they now stand; LAM_PENDING: none yet, LAM_END:
     * none is out; another error: with it *piece may come back, or else be NULL. last: no more pieces come until these are back. drop: what is out is to come
     * back soon, answered or not. The wake is signalled when one is back.
     */
    int (*analyze)(void *arg, struct lam_batch_piece *piece, struct lam_error *err);
    int (*analyzed)(void *arg, bool last, struct lam_batch_piece **piece, struct lam_error *err);
    void (*drop)(void *arg);

    /* Worker, main thread: may these pieces share a group? (notes of two of them) */
    bool (*together)(void *arg, struct lam_sv note, struct lam_sv with);

    /* Worker, storage thread: makes a group durable, all of it or nothing. */
    int (*stage)(void *arg, struct lam_batch_piece *const *pieces, size_t count, struct lam_error *err);

    /* Worker, storage thread: with what plan gave. */
    int (*prepare)(void *arg, struct lam_sv bytes, struct lam_error *err);

    /* Worker: one range, first on a pool thread (the number worker), then on the storage thread with what the first made. note goes to resolved. */
    int (*resolve)(void *arg, unsigned worker, struct lam_sv range, void **made, struct lam_error *err);
    int (*write)(void *arg, void *made, struct lam_buf *note, struct lam_error *err); /* frees made whatever it returns; err NULL-safe */
    void (*discard)(void *arg, void *made); /* instead of write, main thread: the storage thread takes no jobs */

    /* Worker, storage thread: the run is over here, however it went; what it held can go. */
    void (*end)(void *arg);
};

struct lam_batch_options {
    const struct lam_batch_ops *ops;
    void *arg;
    struct lam_comm *comm;
    struct lam_roles roles;
    struct lam_wake *wake;    /* of the main loop */
    struct lam_pool *storage; /* one thread, shared with others; its jobs are struct lam_work (work.h), and the main loop reaps them */
    unsigned workers;         /* threads that read */
    uint64_t max_bytes;       /* of blocks on this rank */
    uint64_t group_bytes;     /* at which a group is staged; less than max_bytes */
    size_t max_ranges;        /* of one view, all known before the first is claimed; 0: 1,048,576, at some 200 bytes each on the coordinator */
    const struct lam_log *log;
};

struct lam_batch;

enum lam_batch_state {
    LAM_BATCH_BEGIN,
    LAM_BATCH_READ,
    LAM_BATCH_FLUSH,
    LAM_BATCH_TRAIN,
    LAM_BATCH_PLAN,
    LAM_BATCH_RESOLVE,
    LAM_BATCH_PUBLISH,
    LAM_BATCH_DONE
};

/* Sets up both sides on this rank. All ranks open before any polls. */
int lam_batch_open(struct lam_batch **batch, const struct lam_batch_options *options, struct lam_error *err);
void lam_batch_close(struct lam_batch *batch); /* NULL-safe; waits for its own threads */

/* Coordinator: begins a run. Workers follow by its messages. Only when the last one is done. */
int lam_batch_run(struct lam_batch *batch, struct lam_error *err);

/* Asks a run to end: LAM_E_CANCELLED on all ranks, once what runs has come to a safe place. Coordinator. */
void lam_batch_cancel(struct lam_batch *batch);

/*
 * One step of both sides. 0: the last run is done, and well (or none was begun); LAM_PENDING: one is under way; else its error, once, after which another may
 * be begun. Call it whenever the loop wakes.
 */
int lam_batch_step(struct lam_batch *batch, struct lam_error *err);

struct lam_batch_progress {
    enum lam_batch_state state;
    struct lam_claims_progress splits, ranges; /* coordinator only */
    bool listed;                               /* all splits are known */
};

struct lam_batch_progress lam_batch_progress(const struct lam_batch *batch);
const char *lam_batch_state_name(enum lam_batch_state state);

/* --- for the callbacks --- */

/* Adds a split (or a range, in plan). Waits while the table is full. LAM_E_CANCELLED: the run ends. */
int lam_batch_emit(struct lam_batch_lister *lister, uint64_t size, struct lam_sv payload, struct lam_error *err);

/* Does the run end? For callbacks that take long on the lister's thread. */
bool lam_batch_cancelled(const struct lam_batch_lister *lister);

/* An empty block for a piece of this task. NULL: out of memory. */
struct lam_block *lam_batch_block(struct lam_batch_task *task, size_t max_rows, size_t max_bytes);

/* The piece before which nothing has to be emitted: they were accepted from another attempt. */
uint32_t lam_batch_first_piece(const struct lam_batch_task *task);

/*
 * Offers a piece; takes the block. Waits while two of the task's pieces have no verdict. LAM_E_CANCELLED: the run ends, or (last is
 * then moot) nobody wants the split any more.
 */
int lam_batch_piece_emit(struct lam_batch_task *task, struct lam_block *block, struct lam_sv note, bool last, struct lam_error *err);

#endif
