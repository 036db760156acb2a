/*
 * Owed: a row that waits for an agent's word, as a copy that outlives the chunk it stands in; and the queue of such rows.
 *
 * One thread. Inside of speed_agents.c only.
 */
#ifndef LAMINA_APP_SPEED_OWED_H
#define LAMINA_APP_SPEED_OWED_H

#include "agent_setup.h"
#include "process/tail.h"

struct lam_speed_owed {
    struct lam_speed_owed *next;
    struct lam_agent_task task;
    struct lam_row row;             /* as much of it as its agent and its output need */
    char *strings, *custom, *trace; /* of row: as it came, and with what the agent came to */
    struct lam_arena masked;
    size_t bytes;
    size_t index; /* in the block that it came in */
    struct lam_tail_place place;
    bool placed;      /* else it is not in the tail */
    bool output;      /* is owed too */
    int64_t until_us; /* of one that has no place: how long it waits for an agent to be free */
};

int lam_speed_owed_new(struct lam_speed_owed **owed, const struct lam_row *row, struct lam_error *err);
void lam_speed_owed_free(struct lam_speed_owed *owed); /* with what its agent came to */

/* What an agent came to, an answer or that it gave up, goes into the copy of the row. */
int lam_speed_owed_fill(struct lam_speed_owed *owed, struct lam_error *err);

/* --- in the order in which they came --- */

struct lam_speed_owed_queue {
    struct lam_speed_owed *first, **end;
};

void lam_speed_owed_queue_init(struct lam_speed_owed_queue *queue);
void lam_speed_owed_push(struct lam_speed_owed_queue *queue, struct lam_speed_owed *owed);
struct lam_speed_owed *lam_speed_owed_pop(struct lam_speed_owed_queue *queue); /* NULL: it is empty */

#endif
