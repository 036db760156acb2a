/* Groups: accepted pieces of a rank that are staged, made durable, together. */
#include "worker_parts.h"

#include <stdlib.h>

void lam_batch_group_free(struct lam_batch_group *group)
{
    if (!group)
        return;
    for (size_t i = 0; i < group->count; i++)
        lam_batch_piece_free(group->worker, group->pieces[i]);
    free(group->pieces);
    free(group);
}

static void group_run(struct lam_work *work, unsigned worker)
{
    struct lam_batch_group *group = (struct lam_batch_group *)work;
    const struct lam_batch_options *o = lam_batch_worker_options(group->worker);

    (void)worker;
    group->rc = o->ops->stage(o->arg, group->pieces, group->count, &group->err);
}

static void group_done(struct lam_work *work)
{
    struct lam_batch_group *group = (struct lam_batch_group *)work;
    struct lam_batch_worker *w = group->worker;

    w->staging--;
    if (group->rc)
        lam_batch_worker_fail(w, &group->err);
    lam_batch_group_free(group);
    lam_wake_signal(lam_batch_worker_options(w)->wake);
}

void lam_batch_group_close(struct lam_batch_worker *w)
{
    struct lam_batch_group *group = w->group;
    struct lam_error err;

    if (!group)
        return;
    w->group = NULL;
    group->work = (struct lam_work){group_run, group_done};
    w->staging++;
    if (!lam_work_submit(lam_batch_worker_options(w)->storage, &group->work)) {
        w->staging--;
        lam_batch_group_free(group);
        LAM_FAIL(&err, LAM_E_LIMIT, "the storage thread has too many jobs");
        lam_batch_worker_fail(w, &err);
    }
}

int lam_batch_group_add(struct lam_batch_worker *w, struct lam_batch_piece *piece, struct lam_error *err)
{
    const struct lam_batch_options *o = lam_batch_worker_options(w);

    if (w->group && (w->group->epoch != piece->epoch || !o->ops->together(o->arg, lam_buf_sv(&piece->note), lam_buf_sv(&w->group->pieces[w->group->count - 1]->note))))
        lam_batch_group_close(w);
    if (!w->group && !(w->group = calloc(1, sizeof *w->group))) {
        lam_batch_piece_free(w, piece);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a group");
    }
    w->group->worker = w;
    w->group->epoch = piece->epoch;
    if (w->group->count == w->group->cap) {
        size_t cap = w->group->cap ? 2 * w->group->cap : 16;
        struct lam_batch_piece **grown = realloc(w->group->pieces, cap * sizeof *grown);

        if (!grown) {
            lam_batch_piece_free(w, piece);
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a group");
        }
        w->group->pieces = grown;
        w->group->cap = cap;
    }
    w->group->pieces[w->group->count++] = piece;
    w->group->bytes += lam_batch_block_bytes(piece->block);
    if (w->group->bytes >= o->group_bytes)
        lam_batch_group_close(w);
    return 0;
}
