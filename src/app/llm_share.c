#include "llm_share.h"

#include <stdlib.h>

enum { MSG_DEMAND = 0x0320, MSG_SHARE };

/* Plain bytes, one build on all ranks. */
struct word {
    struct lam_llm_demand demands[LAM_LLM_ENDPOINTS];
};

struct answer {
    struct lam_llm_share shares[LAM_LLM_ENDPOINTS];
};

struct lam_llm_shares {
    struct lam_engine *engine;
    struct lam_llm_client *client;
    size_t count;      /* endpoints */
    struct word told;  /* last */
    int64_t told_us;
    struct lam_llm_book *books[LAM_LLM_ENDPOINTS]; /* rank 0 */
    int64_t *heard_us; /* rank 0: of each rank, or when it was looked at after it had been silent */
    int64_t looked_us; /* rank 0: at all of them */
};

/* --- a rank --- */

static bool has_news(const struct lam_llm_shares *shares, const struct word *word)
{
    for (size_t i = 0; i < shares->count; i++)
        if (lam_llm_demand_is_news(&shares->told.demands[i], &word->demands[i]))
            return true;
    return false;
}

void lam_llm_shares_step(struct lam_llm_shares *shares)
{
    int64_t now_us = shares ? lam_mono_us(shares->engine->clock) : 0;
    struct lam_error err;
    struct word word;

    if (!shares || now_us - shares->told_us < LAM_LLM_TELL_US)
        return;
    memset(&word, 0, sizeof word);
    for (size_t i = 0; i < shares->count; i++)
        lam_llm_client_demand(shares->client, i, &word.demands[i]);
    shares->told_us = now_us;
    if (has_news(shares, &word) && !lam_comm_send(shares->engine->comm, 0, MSG_DEMAND, lam_sv((const char *)&word, sizeof word), &err))
        shares->told = word; /* else the outbox is full: the next word says more */
}

static void on_share(struct lam_llm_shares *shares, const struct answer *answer)
{
    for (size_t i = 0; i < shares->count; i++)
        lam_llm_client_set_share(shares->client, i, &answer->shares[i]);
}

/* --- rank 0 --- */

/* The share of a rank, if it asked, or if it is not what it has. */
static void answer_to(struct lam_llm_shares *shares, int rank, bool asked)
{
    struct answer answer;
    struct lam_error err;
    bool another = false;

    memset(&answer, 0, sizeof answer);
    for (size_t i = 0; i < shares->count; i++)
        another |= lam_llm_book_share(shares->books[i], (size_t)rank, &answer.shares[i]);
    if ((!asked && !another) || lam_comm_send(shares->engine->comm, rank, MSG_SHARE, lam_sv((const char *)&answer, sizeof answer), &err) == 0)
        shares->heard_us[rank] = lam_mono_us(shares->engine->clock);
}

/* Not with each word: hundreds of ranks say thousands a second, and each that is silent is held against all others. */
static void look_after_silent(struct lam_llm_shares *shares, int64_t now_us)
{
    if (now_us - shares->looked_us < LAM_LLM_TELL_US)
        return;
    shares->looked_us = now_us;
    for (int rank = 0; rank < shares->engine->size; rank++)
        if (now_us - shares->heard_us[rank] >= LAM_LLM_SILENT_US)
            answer_to(shares, rank, false);
}

static void on_demand(struct lam_llm_shares *shares, int src, const struct word *word)
{
    int64_t now_us = lam_mono_us(shares->engine->clock);

    for (size_t i = 0; i < shares->count; i++)
        lam_llm_book_hear(shares->books[i], (size_t)src, &word->demands[i]);
    answer_to(shares, src, true);
    look_after_silent(shares, now_us);
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_llm_shares *shares = arg;

    if (type == MSG_DEMAND && shares->heard_us && bytes.len == sizeof(struct word))
        on_demand(shares, src, (const void *)bytes.ptr);
    else if (type == MSG_SHARE && bytes.len == sizeof(struct answer))
        on_share(shares, (const void *)bytes.ptr);
}

/* --- open --- */

static int open_parts(struct lam_llm_shares *shares, struct lam_error *err)
{
    const struct lam_job_deep *deep = &shares->engine->job->deep;
    size_t rank = (size_t)shares->engine->rank, size = (size_t)shares->engine->size;
    int rc;

    if (rank == 0 && !(shares->heard_us = calloc(size, sizeof *shares->heard_us)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the shares of %zu ranks", size);
    for (size_t i = 0; i < shares->count; i++) {
        struct lam_llm_limits limits = {deep->endpoints[i].concurrency, deep->endpoints[i].rpm, deep->endpoints[i].tpm};
        struct lam_llm_share share;

        lam_llm_share_even(&limits, rank, size, &share);
        lam_llm_client_set_share(shares->client, i, &share);
        if (rank == 0 && (rc = lam_llm_book_new(&shares->books[i], &limits, size, err)))
            return rc;
    }
    return lam_comm_on(shares->engine->comm, MSG_DEMAND, MSG_SHARE, on_message, shares, err);
}

int lam_llm_shares_open(struct lam_llm_shares **out, struct lam_engine *engine, struct lam_llm_client *client, struct lam_error *err)
{
    struct lam_llm_shares *shares;
    int rc;

    *out = NULL;
    if (engine->size < 2)
        return 0;
    if (!(shares = calloc(1, sizeof *shares)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the shares of endpoints");
    shares->engine = engine;
    shares->client = client;
    shares->count = engine->job->deep.endpoint_count;
    if ((rc = open_parts(shares, err))) {
        lam_llm_shares_close(shares);
        return rc;
    }
    *out = shares;
    return 0;
}

void lam_llm_shares_close(struct lam_llm_shares *shares)
{
    if (!shares)
        return;
    lam_comm_off(shares->engine->comm, MSG_DEMAND);
    for (size_t i = 0; i < shares->count; i++)
        lam_llm_book_free(shares->books[i]);
    free(shares->heard_us);
    free(shares);
}
