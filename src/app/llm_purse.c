#include "llm_purse.h"

#include <stdlib.h>

#define TELL_US 100000 /* between two words of a rank, and between two to it */
#define AT_ONCE 16     /* requests that a rank is given for at most, where others wait */

enum { MSG_WORD = 0x0330, MSG_SHARE };

/* Rank 0: of each rank. */
struct holder {
    struct lam_spending_word word; /* its last one */
    struct lam_spent given;
    int64_t told_us;
    uint64_t since; /* number of the word since which it waits: who has the lowest is first */
    uint32_t turn;
};

struct lam_llm_purse {
    struct lam_engine *engine;
    struct lam_spending *spending;
    bool idle;
    struct lam_spending_word told; /* last */
    int64_t told_us;
    struct holder *holders; /* rank 0 */
    uint64_t words;
};

bool lam_llm_purse_needed(const struct lam_engine *engine)
{
    return engine->roles.count[LAM_ROLE_BATCH] > 1 && (engine->job->deep.max_tokens || engine->job->deep.max_cost > 0);
}

/* --- a rank --- */

void lam_llm_purse_step(struct lam_llm_purse *purse, bool idle)
{
    int64_t now_us = purse ? lam_mono_us(purse->engine->clock) : 0;
    struct lam_spending_word word;
    struct lam_error err;

    if (!purse)
        return;
    purse->idle = idle;
    if (now_us - purse->told_us < TELL_US || !lam_roles_has(&purse->engine->roles, purse->engine->rank, LAM_ROLE_BATCH))
        return;
    lam_spending_tell(purse->spending, &word);
    purse->told_us = now_us;
    if ((word.turn || memcmp(&word, &purse->told, sizeof word) != 0) && !lam_comm_send(purse->engine->comm, 0, MSG_WORD, lam_sv((const char *)&word, sizeof word), &err))
        purse->told = word; /* else the outbox is full: the next word says more */
}

static void on_share(struct lam_llm_purse *purse, const struct lam_spending_share *share)
{
    lam_spending_hear(purse->spending, share, purse->idle);
    lam_wake_signal(&purse->engine->wake); /* who waited asks again */
}

/* --- rank 0 --- */

/* What a rank holds beyond what it has used; given may be news to it. */
static struct lam_spent spare_of(const struct holder *holder)
{
    uint64_t taken = holder->word.returned.tokens + holder->word.used.tokens;
    double cost = holder->given.cost - holder->word.returned.cost - holder->word.used.cost;

    return (struct lam_spent){holder->given.tokens > taken ? holder->given.tokens - taken : 0, cost > 0 ? cost : 0};
}

/* What nobody holds. */
static struct lam_spent left_of(const struct lam_llm_purse *purse)
{
    const struct lam_job_deep *deep = &purse->engine->job->deep;
    uint64_t tokens = 0;
    double cost = 0;

    for (int rank = 0; rank < purse->engine->size; rank++) {
        const struct holder *holder = &purse->holders[rank];
        uint64_t held = holder->given.tokens - holder->word.returned.tokens;
        double money = holder->given.cost - holder->word.returned.cost;

        tokens += held > holder->word.used.tokens ? held : holder->word.used.tokens; /* answers may be longer than was reserved */
        cost += money > holder->word.used.cost ? money : holder->word.used.cost;
    }
    return (struct lam_spent){deep->max_tokens > tokens ? deep->max_tokens - tokens : 0, deep->max_cost > cost ? deep->max_cost - cost : 0};
}

static void send_share(struct lam_llm_purse *purse, int rank, uint32_t over, bool wanted)
{
    struct lam_spending_share share;
    struct lam_error err;

    memset(&share, 0, sizeof share);
    share.given = purse->holders[rank].given;
    share.over = over;
    share.wanted = wanted;
    lam_comm_send(purse->engine->comm, rank, MSG_SHARE, lam_sv((const char *)&share, sizeof share), &err); /* a full outbox: who waits asks again */
    purse->holders[rank].told_us = lam_mono_us(purse->engine->clock);
}

static bool waits(const struct holder *holder) { return holder->word.turn && holder->word.given.tokens >= holder->given.tokens && holder->word.given.cost >= holder->given.cost; }

/* Of those that wait the one that does for longest; -1: nobody. */
static int first_waiting(const struct lam_llm_purse *purse, size_t *count)
{
    int first = -1;

    *count = 0;
    for (int rank = 0; rank < purse->engine->size; rank++)
        if (waits(&purse->holders[rank])) {
            ++*count;
            if (first < 0 || purse->holders[rank].since < purse->holders[first].since)
                first = rank;
        }
    return first;
}

/* Enough for a request, and for more where there is more than those that wait need. False: there is not enough for one. */
static bool give(struct lam_llm_purse *purse, int rank, size_t count)
{
    const struct lam_job_deep *deep = &purse->engine->job->deep;
    struct holder *holder = &purse->holders[rank];
    struct lam_spent left = left_of(purse), need = holder->word.need;
    double times = AT_ONCE;

    if ((deep->max_tokens && need.tokens > left.tokens) || (deep->max_cost > 0 && need.cost > left.cost))
        return false;
    if (deep->max_tokens && need.tokens && (double)left.tokens / (double)count / (double)need.tokens < times)
        times = (double)left.tokens / (double)count / (double)need.tokens;
    if (deep->max_cost > 0 && need.cost > 0 && left.cost / (double)count / need.cost < times)
        times = left.cost / (double)count / need.cost;
    times = times < 1 ? 1 : times;
    holder->given.tokens += (uint64_t)((double)need.tokens * times);
    holder->given.cost += need.cost * times;
    send_share(purse, rank, 0, false);
    return true;
}

/* Somebody has what could be given back, or something under way that may take less than was reserved. */
static bool more_may_come(struct lam_llm_purse *purse)
{
    const struct lam_job_deep *deep = &purse->engine->job->deep;
    int64_t now_us = lam_mono_us(purse->engine->clock);
    bool more = false;

    for (int rank = 0; rank < purse->engine->size; rank++) {
        const struct holder *holder = &purse->holders[rank];
        struct lam_spent spare = spare_of(holder);
        bool has = (deep->max_tokens && spare.tokens) || (deep->max_cost > 0 && spare.cost > deep->max_cost * 1e-9);

        more |= has || holder->word.under_way;
        if (has && now_us - holder->told_us >= TELL_US)
            send_share(purse, rank, 0, true);
    }
    return more;
}

static void deal(struct lam_llm_purse *purse)
{
    size_t count;
    int rank;

    while ((rank = first_waiting(purse, &count)) >= 0 && give(purse, rank, count))
        ;
    if (rank < 0 || more_may_come(purse))
        return;
    for (rank = 0; rank < purse->engine->size; rank++)
        if (waits(&purse->holders[rank]))
            send_share(purse, rank, purse->holders[rank].word.turn, false);
}

static void on_word(struct lam_llm_purse *purse, int src, const struct lam_spending_word *word)
{
    struct holder *holder = &purse->holders[src];

    purse->words++;
    if (word->turn != holder->turn)
        holder->since = purse->words;
    holder->turn = word->turn;
    holder->word = *word;
    if (word->given.tokens < holder->given.tokens || word->given.cost < holder->given.cost)
        send_share(purse, src, 0, false); /* it was lost, or is under way */
    deal(purse);
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_llm_purse *purse = arg;
    struct lam_spending_share share;
    struct lam_spending_word word;

    if (type == MSG_WORD && purse->holders && bytes.len == sizeof word) {
        memcpy(&word, bytes.ptr, sizeof word);
        on_word(purse, src, &word);
    } else if (type == MSG_SHARE && bytes.len == sizeof share) {
        memcpy(&share, bytes.ptr, sizeof share);
        on_share(purse, &share);
    }
}

/* --- open --- */

int lam_llm_purse_open(struct lam_llm_purse **out, struct lam_engine *engine, struct lam_spending *spending, struct lam_error *err)
{
    struct lam_llm_purse *purse;
    int rc;

    *out = NULL;
    if (!lam_llm_purse_needed(engine))
        return 0;
    if (!(purse = calloc(1, sizeof *purse)) || (engine->rank == 0 && !(purse->holders = calloc((size_t)engine->size, sizeof *purse->holders)))) {
        free(purse);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the limits of %d ranks", engine->size);
    }
    purse->engine = engine;
    purse->spending = spending;
    for (int rank = 0; purse->holders && rank < engine->size; rank++)
        if (lam_roles_has(&engine->roles, rank, LAM_ROLE_BATCH))
            purse->holders[rank].given = purse->holders[rank].word.given = lam_spending_part(&engine->job->deep, (unsigned)engine->roles.count[LAM_ROLE_BATCH]);
    if ((rc = lam_comm_on(engine->comm, MSG_WORD, MSG_SHARE, on_message, purse, err))) {
        lam_llm_purse_close(purse);
        return rc;
    }
    *out = purse;
    return 0;
}

void lam_llm_purse_close(struct lam_llm_purse *purse)
{
    if (!purse)
        return;
    lam_comm_off(purse->engine->comm, MSG_WORD);
    free(purse->holders);
    free(purse);
}
