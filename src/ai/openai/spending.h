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
#include <stddef.h>
#include <stdint.h>

#include "config/job.h"

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

/* With an even part of the job's limits, of so many ranks. */
void lam_spending_init_part(struct lam_spending *spending, const struct lam_job_deep *deep, unsigned ranks);
void lam_spending_release(struct lam_spending *spending);
void lam_spending_begin(struct lam_spending *spending); /* a new run: nothing is spent */

/* False: it would pass a limit, which is then reached. */
bool lam_spending_reserve(struct lam_spending *spending, struct lam_spent expected);

/* A reservation ends with what was really spent. */
void lam_spending_settle(struct lam_spending *spending, struct lam_spent reserved, struct lam_spent spent);

enum lam_limit lam_spending_reached(struct lam_spending *spending);
struct lam_spent lam_spending_reserved(struct lam_spending *spending);

/* What is said of a limit: the field and its value; "" of LAM_LIMIT_NONE. */
void lam_limit_text(enum lam_limit limit, const struct lam_job_deep *deep, char *text, size_t size);

/* Money for so many tokens at this endpoint. */
double lam_endpoint_cost(const struct lam_job_endpoint *endpoint, double in, double out);

/* The same where nobody knows which endpoint of this kind and tier it will be: by their weights. */
double lam_expected_cost(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, double in, double out);

/* What a request may take at most: at the dearest endpoint of this kind and tier. */
struct lam_spent lam_spent_at_most(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, uint64_t in, uint64_t out);

#endif
