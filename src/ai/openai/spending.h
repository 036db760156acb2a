/*
 * What a run may spend on models, and has: by the analyzer's requests, and by others who use its client (agents, which have threads of their own).
 *
 *     reserve, before a request: as much as it is expected to take ──> settle, when it is over: what it took
 *
 * Each rank begins with an even part of the run's limits, and all together never pass them. Where parts are shared (app/llm_purse.h), one that a rank does not use goes to
 * another that waits: what it was given and what it gave back only grow, so that the newest word of each side is all that the other one needs. Any thread.
 */
#ifndef LAMINA_AI_OPENAI_SPENDING_H
#define LAMINA_AI_OPENAI_SPENDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "config/job.h"

enum lam_spending_leave { LAM_SPENDING_YES, LAM_SPENDING_WAIT, LAM_SPENDING_NO, LAM_SPENDING_NEVER };
enum lam_limit { LAM_LIMIT_NONE, LAM_LIMIT_TOKENS, LAM_LIMIT_COST };

struct lam_spent {
    uint64_t tokens;
    double cost;
};

struct lam_spending {
    pthread_mutex_t lock;             /* guards the rest */
    struct lam_spent whole;           /* the run's limits; 0: without */
    struct lam_spent most;            /* this rank's part: given - returned */
    struct lam_spent given, returned;
    struct lam_spent spent, reserved;
    struct lam_spent need;            /* of the request that waits */
    struct lam_spent too_much;        /* of the largest one that was told NEVER and passed by */
    enum lam_limit too_much_for;
    uint32_t turn;                    /* of waiting: each has a number */
    bool shared, waits, over, closed; /* over: no rank has any left for the one that waits */
    enum lam_limit reached;           /* the first one that a request would have passed */
};

/* What rank 0 is told, and answers: plain bytes, one build on all ranks. */
struct lam_spending_word {
    struct lam_spent given, returned, used, need; /* given: as it was heard; used: with what is reserved */
    uint32_t turn;                                /* 0: nothing waits */
    uint32_t under_way;                           /* 1: something is reserved */
};

struct lam_spending_share {
    struct lam_spent given;
    uint32_t over;     /* the turn for which nothing is left */
    uint32_t wanted;   /* 1: others could use what this rank does not */
};

void lam_spending_init(struct lam_spending *spending, uint64_t max_tokens, double max_cost);

/* An even part of the job's limits. */
struct lam_spent lam_spending_part(const struct lam_job_deep *deep, unsigned ranks);

/* With an even part of the job's limits, of so many ranks. */
void lam_spending_init_part(struct lam_spending *spending, const struct lam_job_deep *deep, unsigned ranks);
void lam_spending_release(struct lam_spending *spending);
void lam_spending_begin(struct lam_spending *spending); /* a new run: nothing is spent */

/*
 * WAIT: there is room once others have settled, or given something back. NO: nothing more can come, and a limit is reached by that. NEVER: alone it takes more than this rank
 * can ever have, its part or, where parts are shared, the whole limit; which is not reached by that: others may be sent.
 */
enum lam_spending_leave lam_spending_ask(struct lam_spending *spending, struct lam_spent expected);
enum lam_spending_leave lam_spending_await(struct lam_spending *spending, struct lam_spent expected); /* sleeps instead of WAIT: for threads that may */
bool lam_spending_waits(struct lam_spending *spending); /* nothing has changed since WAIT was the answer */
void lam_spending_close(struct lam_spending *spending); /* until the next run who asks is told NO */

/* From here on its part changes by the words of rank 0. idle: this rank has no work. */
void lam_spending_set_shared(struct lam_spending *spending);
void lam_spending_tell(struct lam_spending *spending, struct lam_spending_word *word);
void lam_spending_hear(struct lam_spending *spending, const struct lam_spending_share *share, bool idle);

/* A reservation ends with what was really spent. */
void lam_spending_settle(struct lam_spending *spending, struct lam_spent reserved, struct lam_spent spent);

enum lam_limit lam_spending_reached(struct lam_spending *spending);
struct lam_spent lam_spending_reserved(struct lam_spending *spending);

/* One that is told NEVER is not sent in parts either: it stays pending. True: it is the first one. */
bool lam_spending_pass_by(struct lam_spending *spending, struct lam_spent expected);

/* The same, and the first one is told of. */
void lam_spending_leave_out(struct lam_spending *spending, struct lam_spent expected, const struct lam_job_deep *deep, const struct lam_log *log, const char *area, const char *what);
enum lam_limit lam_spending_too_much(struct lam_spending *spending, struct lam_spent *most); /* the limit, and what the largest of these takes; NONE: there was none */

/* What is said of a limit: the field and its value; "" of LAM_LIMIT_NONE. */
void lam_limit_text(enum lam_limit limit, const struct lam_job_deep *deep, char *text, size_t size);

/* Money for so many tokens at this endpoint. */
double lam_endpoint_cost(const struct lam_job_endpoint *endpoint, double in, double out);

/* The same where nobody knows which endpoint of this kind and tier it will be: by their weights. */
double lam_expected_cost(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, double in, double out);

/* What a request may take at most: at the dearest endpoint of this kind and tier. */
struct lam_spent lam_spent_at_most(const struct lam_job_deep *deep, enum lam_job_endpoint_kind kind, uint32_t tier, uint64_t in, uint64_t out);

#endif
