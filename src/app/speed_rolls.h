/*
 * Rolls: chunks of the tail on their way into the store.
 *
 *     begin ── storage thread: speed_roll.c ── written ── ROLLED, to rank 0 ── COMMITTED ── the tail may let go of the chunk
 *
 * Main thread; inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_ROLLS_H
#define LAMINA_APP_SPEED_ROLLS_H

#include "speed_parts.h"

struct lam_speed_rolled;

struct lam_speed_rolls {
    struct lam_engine *engine;
    const struct lam_speed_setup *setup;
    struct lam_tail_log *tail;
    struct lam_namer namer;         /* storage thread */
    struct lam_speed_rolled *first; /* not committed yet, oldest first */
    uint64_t next;
    unsigned count;
    struct lam_error failure; /* code 0: all went well */
};

/* All are borrowed. release: of zeroes too; the storage thread has ended. */
void lam_speed_rolls_init(struct lam_speed_rolls *rolls, struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_tail_log *tail);
void lam_speed_rolls_release(struct lam_speed_rolls *rolls);

/* Is there room for another? More would only make more of the tail unfree. */
bool lam_speed_rolls_have_room(const struct lam_speed_rolls *rolls);
int lam_speed_rolls_begin(struct lam_speed_rolls *rolls, struct lam_tail_chunk *chunk, struct lam_error *err);

/* Tells rank 0 what is written, in the order of rolling, which is that of the log; as much as the outbox takes. */
void lam_speed_rolls_send(struct lam_speed_rolls *rolls);

/* Rank 0's COMMITTED. */
void lam_speed_rolls_committed(struct lam_speed_rolls *rolls, struct lam_sv bytes);

#endif
