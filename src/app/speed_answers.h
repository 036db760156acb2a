/*
 * Answers of a speed rank to questions for its tail (speed_asks.h has the other side, speed_parts.h the bytes), in parts that wait until the outbox to rank 0
 * takes them.
 *
 * Main thread; inside of speed_*.c only.
 */
#ifndef LAMINA_APP_SPEED_ANSWERS_H
#define LAMINA_APP_SPEED_ANSWERS_H

#include "speed_parts.h"

struct lam_speed_part;

/* Zeroes but for the engine: none. */
struct lam_speed_answers {
    struct lam_engine *engine;
    struct lam_speed_part *first; /* not sent yet */
    size_t bytes;
};

void lam_speed_answers_release(struct lam_speed_answers *answers);

/*
 * Answers an ASK with what of the tail the commit that it names has not archived, and sends as much of it as goes. tail: NULL where nothing was consumed yet.
 */
void lam_speed_answers_take(struct lam_speed_answers *answers, struct lam_tail_log *tail, struct lam_sv ask);

/* Sends what the outbox takes by now. */
void lam_speed_answers_send(struct lam_speed_answers *answers);

#endif
