#include "speed_rolls.h"

#include "speed_rank.h"

#include <stdlib.h>

#define ROLLS_MAX 2 /* being written, or written and not committed yet */

struct lam_speed_rolled {
    struct lam_work work;
    struct lam_speed_rolls *rolls;
    struct lam_speed_rolled *next;
    uint64_t number;
    struct lam_tail_chunk *chunk;
    struct lam_buf note;
    bool written, sent;
    int rc;
    struct lam_error err;
};

void lam_speed_rolls_init(struct lam_speed_rolls *rolls, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_tail_log *tail)
{
    *rolls = (struct lam_speed_rolls){.engine = engine, .setup = setup, .tail = tail};
    rolls->namer = (struct lam_namer){.rank = engine->rank, .next = 1u << 30}; /* apart from the batch layer's names of the same rank */
    memcpy(rolls->namer.run, setup->run, LAM_RUN_ID);
}

static void rolled_free(struct lam_speed_rolled *rolled)
{
    lam_buf_release(&rolled->note);
    free(rolled);
}

static void remove_first(struct lam_speed_rolls *rolls)
{
    struct lam_speed_rolled *rolled = rolls->first;

    rolls->first = rolled->next;
    rolls->count--;
    rolled_free(rolled);
}

void lam_speed_rolls_release(struct lam_speed_rolls *rolls)
{
    while (rolls->first)
        remove_first(rolls);
}

static void roll_run(struct lam_work *work, unsigned worker)
{
    struct lam_speed_rolled *rolled = (struct lam_speed_rolled *)work;
    struct lam_speed_rolls *rolls = rolled->rolls;
    struct lam_engine *engine = rolls->engine;
    struct lam_error err;

    (void)worker;
    if (engine->rank > 0 && !lam_commitlog_refresh(engine->commits, &err)) /* rank 0 knows what is committed; here it is looked for: a new model */
        lam_engine_share(engine);
    rolled->rc = lam_speed_roll(engine, rolls->setup, &rolls->namer, rolled->number, rolled->chunk, &rolled->note, &rolled->err);
}

static void roll_done(struct lam_work *work)
{
    struct lam_speed_rolled *rolled = (struct lam_speed_rolled *)work;
    struct lam_speed_rolls *rolls = rolled->rolls;

    rolled->written = true;
    if (rolled->rc && !rolls->failure.code)
        rolls->failure = rolled->err;
    lam_wake_signal(&rolls->engine->wake);
}

bool lam_speed_rolls_have_room(const struct lam_speed_rolls *rolls) { return rolls->count < ROLLS_MAX; }

int lam_speed_rolls_begin(struct lam_speed_rolls *rolls, struct lam_tail_chunk *chunk, struct lam_error *err)
{
    struct lam_speed_rolled *rolled = calloc(1, sizeof *rolled), **link;

    if (!rolled)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to roll the tail");
    rolled->work = (struct lam_work){roll_run, roll_done};
    rolled->rolls = rolls;
    rolled->number = ++rolls->next;
    lam_buf_init(&rolled->note, LAM_COMM_MESSAGE_MAX);
    rolled->chunk = chunk;
    if (!lam_work_submit(rolls->engine->storage, &rolled->work)) {
        rolled_free(rolled);
        return LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
    }
    for (link = &rolls->first; *link; link = &(*link)->next)
        ;
    *link = rolled;
    rolls->count++;
    return 0;
}

void lam_speed_rolls_send(struct lam_speed_rolls *rolls)
{
    for (struct lam_speed_rolled *rolled = rolls->first; rolled && rolled->written && !rolled->rc; rolled = rolled->next)
        if (!rolled->sent && !(rolled->sent = lam_speed_rank_send(rolls->engine, MSG_SPEED_ROLLED, lam_buf_sv(&rolled->note))))
            return;
}

void lam_speed_rolls_committed(struct lam_speed_rolls *rolls, struct lam_sv bytes)
{
    struct lam_speed_committed message;

    if (bytes.len != sizeof message)
        return;
    memcpy(&message, bytes.ptr, sizeof message);
    while (rolls->first && rolls->first->number <= message.roll && rolls->first->written) {
        lam_tail_archived(rolls->tail, rolls->first->chunk, message.commit);
        remove_first(rolls);
    }
}
