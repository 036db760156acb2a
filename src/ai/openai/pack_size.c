#include "pack_size.h"

#define START 8u
#define PATIENCE_FIRST 32u
#define PATIENCE_MAX 4096u
#define CUT 1.5   /* an answer that was cut off would have had so many times more */
#define SPARE 1.25

static uint32_t most_of(const struct lam_pack_size *size) { return size->most ? size->most : START; }

/* Follows what is larger at once, and what is smaller slowly: too little room costs a whole answer. */
static void follow(double *value, double seen) { *value = seen > *value ? seen : *value + (seen - *value) / 16; }

uint32_t lam_pack_most(const struct lam_pack_size *size, int64_t timeout_us)
{
    uint32_t most = most_of(size);
    double in_time = size->us > 0 ? (double)timeout_us / 2 / size->us : most;

    return in_time >= most ? most : in_time < 1 ? 1 : (uint32_t)in_time;
}

uint32_t lam_pack_answer(const struct lam_pack_size *size, uint32_t expected, uint32_t allowed)
{
    double tokens = size->tokens > 0 ? size->tokens * SPARE : 2.0 * expected;

    return tokens < allowed ? (uint32_t)tokens + 1 : allowed;
}

static void shrink(struct lam_pack_size *size, uint32_t asked)
{
    uint32_t most = most_of(size), half = asked / 2 > most / 4 ? asked / 2 : most / 4; /* a small pack alone says less */

    if (asked < 2 || asked > most) /* of the time before the last failure, which has told already */
        return;
    size->most = size->sure && size->sure < asked ? size->sure : half ? half : 1;
    size->sure = 0;
    size->good = 0;
    size->patience = !size->patience ? PATIENCE_FIRST : size->patience < PATIENCE_MAX ? 2 * size->patience : PATIENCE_MAX;
}

static void grow(struct lam_pack_size *size, uint32_t documents)
{
    uint32_t most = most_of(size), more = size->patience ? (most + 3) / 4 : most;

    size->good += documents;
    if (size->good < (size->patience ? size->patience : most))
        return;
    size->good = 0;
    size->most = most + more < LAM_PACK_MAX ? most + more : LAM_PACK_MAX;
}

void lam_pack_answered(struct lam_pack_size *size, uint32_t asked, uint32_t usable, uint32_t tokens, int64_t latency_us)
{
    if (asked > 1) { /* of one alone the form is another */
        follow(&size->tokens, (double)tokens / asked);
        follow(&size->us, (double)latency_us / asked);
    }
    if (usable < asked - asked / 4) {
        shrink(size, asked);
    } else if (asked > most_of(size) / 2) {
        size->sure = asked > size->sure ? asked : size->sure;
        grow(size, usable);
    }
}

void lam_pack_failed(struct lam_pack_size *size, uint32_t asked, uint32_t tokens)
{
    if (CUT * tokens / asked > size->tokens)
        size->tokens = CUT * tokens / asked; /* more room for each may be all that it takes */
    else
        shrink(size, asked);
}
