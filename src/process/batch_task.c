/*
 * Reading: a claimed split is a task on a reading thread, which yields pieces. The thread meets the main one at two places: the ring of emitted
 * pieces, and its task's mutex, under which it waits for verdicts.
 */
#include "worker_parts.h"

#include <stdlib.h>

#define PIECE_BYTES 1024 /* about: what a piece takes beside its block's items */
#define ROOMY 4          /* a block that holds so many times what it has is copied into one that does not */

uint64_t lam_batch_block_bytes(const struct lam_block *block)
{
    return PIECE_BYTES + lam_block_bytes(block) + lam_block_rows(block) * sizeof(struct lam_row) + lam_block_rejects(block) * sizeof(struct lam_reject) +
           lam_block_copies(block) * sizeof(struct lam_copy);
}

/* Of a piece that is in no sum: any thread. */
static void free_uncounted(struct lam_batch_worker *w, struct lam_batch_piece *piece)
{
    lam_block_spares_give(w->spares, piece->block);
    lam_buf_release(&piece->note);
    free(piece);
}

void lam_batch_piece_free(struct lam_batch_worker *w, struct lam_batch_piece *piece)
{
    if (!piece)
        return;
    if (piece->block)
        atomic_fetch_sub(&w->bytes, piece->counted);
    free_uncounted(w, piece);
    for (struct lam_batch_task *task = w->tasks; task; task = task->next) { /* one may wait for these bytes */
        pthread_mutex_lock(&task->lock);
        pthread_cond_signal(&task->changed);
        pthread_mutex_unlock(&task->lock);
    }
}

/* --- the reading thread's side --- */

struct lam_block *lam_batch_block(struct lam_batch_task *task, size_t max_rows, size_t max_bytes)
{
    return lam_block_spares_take(task->worker->spares, max_rows, max_bytes);
}

/*
 * Pieces of small files wait by the thousand until their group is full: each in memory of its size, and the block that it was read into is there for the next.
 * Where there is no memory for the copy, the block goes on as it is.
 */
static struct lam_block *without_room(struct lam_batch_worker *w, struct lam_block *block)
{
    struct lam_block *copy;

    if (lam_block_held(block) / ROOMY < lam_batch_block_bytes(block) || !(copy = lam_block_compact(block)))
        return block;
    lam_block_spares_give(w->spares, block);
    return copy;
}

uint32_t lam_batch_first_piece(const struct lam_batch_task *task) { return task->first_piece; }

int lam_batch_piece_emit(struct lam_batch_task *task, struct lam_block *block, struct lam_sv note, bool last, struct lam_error *err)
{
    struct lam_batch_worker *w = task->worker;
    struct lam_batch_offer_item item = {.task = task, .number = task->first_piece + task->emitted, .last = last, .piece = calloc(1, sizeof *item.piece)};
    bool unwanted;
    int rc;

    if (!item.piece) {
        lam_block_free(block);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a piece");
    }
    item.piece->block = without_room(w, block);
    lam_buf_init(&item.piece->note, LAM_BATCH_NOTE_MAX);
    pthread_mutex_lock(&task->lock);
    /* Above max_bytes something is offered, analysed or staged, for an open group has less: bytes are freed, and lam_batch_piece_free wakes. */
    while ((task->open >= LAM_BATCH_PIECES_OPEN || atomic_load(&w->bytes) >= lam_batch_worker_options(w)->max_bytes) && !task->unwanted)
        pthread_cond_wait(&task->changed, &task->lock);
    unwanted = task->unwanted;
    task->open += !unwanted;
    pthread_mutex_unlock(&task->lock);
    rc = unwanted ? LAM_FAIL(err, LAM_E_CANCELLED, "nobody waits for this split any more") : lam_buf_add_sv(&item.piece->note, note, err);
    if (!rc) {
        item.piece->counted = lam_batch_block_bytes(item.piece->block);
        atomic_fetch_add(&w->bytes, item.piece->counted);
        if (!lam_ring_push(w->ring, &item)) { /* its size is that of all pieces that may be open */
            atomic_fetch_sub(&w->bytes, item.piece->counted);
            rc = LAM_FAIL(err, LAM_E_LIMIT, "the ring of pieces is full");
        }
    }
    if (rc) {
        free_uncounted(w, item.piece);
        return rc;
    }
    task->emitted++;
    lam_wake_signal(lam_batch_worker_options(w)->wake);
    return 0;
}

/* --- the main thread's side --- */

static void task_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_task *task = (struct lam_batch_task *)work;
    const struct lam_batch_options *o = lam_batch_worker_options(task->worker);

    task->rc = o->ops->read(o->arg, worker, task, lam_buf_sv(&task->payload), &task->err);
}

static void task_done(struct lam_work *work)
{
    struct lam_batch_task *task = (struct lam_batch_task *)work;

    task->finished = true;
    task->worker->reading--;
    lam_wake_signal(lam_batch_worker_options(task->worker)->wake);
}

void lam_batch_task_free(struct lam_batch_task *task)
{
    lam_buf_release(&task->payload);
    pthread_cond_destroy(&task->changed);
    pthread_mutex_destroy(&task->lock);
    free(task);
}

int lam_batch_task_start(struct lam_batch_worker *w, const struct lam_claim *claim, struct lam_error *err)
{
    struct lam_batch_task *task = calloc(1, sizeof *task);
    int rc;

    if (!task)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a task");
    pthread_mutex_init(&task->lock, NULL);
    pthread_cond_init(&task->changed, NULL);
    lam_buf_init(&task->payload, LAM_COMM_MESSAGE_MAX);
    task->work = (struct lam_work){task_run, task_done};
    task->worker = w;
    task->split = claim->split;
    task->attempt = claim->attempt;
    task->first_piece = claim->piece;
    if ((rc = lam_buf_add_sv(&task->payload, claim->payload, err)) || !lam_work_submit(w->pool, &task->work)) {
        lam_batch_task_free(task);
        return rc ? rc : LAM_FAIL(err, LAM_E_LIMIT, "too many tasks");
    }
    task->next = w->tasks;
    w->tasks = task;
    w->reading++;
    return 0;
}

/* A verdict for one piece of task, or (gone) the end of all interest in it. */
void lam_batch_task_tell(struct lam_batch_task *task, bool gone)
{
    pthread_mutex_lock(&task->lock);
    if (gone)
        task->unwanted = true;
    else if (task->open > 0)
        task->open--;
    pthread_cond_signal(&task->changed);
    pthread_mutex_unlock(&task->lock);
}
