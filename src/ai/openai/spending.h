/*
 * What a run may spend on models, and has: by the analyzer's requests, and by others who use its client (agents, which have threads of their own).
 *
 *     reserve, before a request: as much as it is expected to take ──> settle, when it is over: what it took
 *
 * Each rank has an even part of the run's limits: what one does not use is lost to the others, and all together never pass them. Any thread.
 */
#ifndef LAMINA_AI_OPENAI_SPENDING_H
#define LAMINA_AI_OPENAI_SPENDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lam_limit { LAM_LIMIT_NONE, LAM_LIMIT_TOKENS, LAM_LIMIT_COST };

struct lam_spent {
    uint64_t tokens;
    double cost;
};

struct lam_spending {
    pthread_mutex_t lock;             /* guards the rest */
    struct lam_spent most;            /* 0: without limit */
    struct lam_spent spent, reserved;
    enum lam_limit reached;           /* the first one that a request would have passed */
};

void lam_spending_init(struct lam_spending *spending, uint64_t max_tokens, double max_cost);
void lam_spending_release(struct lam_spending *spending);
void lam_spending_begin(struct lam_spending *spending); /* a new run: nothing is spent */

/* False: it would pass a limit, which is then reached. */
bool lam_spending_reserve(struct lam_spending *spending, struct lam_spent expected);

/* A reservation ends with what was really spent. */
void lam_spending_settle(struct lam_spending *spending, struct lam_spent reserved, struct lam_spent spent);

enum lam_limit lam_spending_reached(struct lam_spending *spending);
struct lam_spent lam_spending_reserved(struct lam_spending *spending);

#endif
