#include "flow.h"

#include <math.h>
#include <string.h>

#define START 16
#define MIN_SAMPLES 32                    /* of a window: the mean's error is 9 % at the spread of usual latencies */
#define DECREASE 0.7
#define STAND_IN_LINE 0.8                 /* elasticity above: what was added only waits */
#define WORTH_IT 0.5                      /* and below: go on */
#define LOOK 4                            /* slow start looks when one in so many of a window's answers has come */
#define LOOK_MIN 4
#define LOOK_FEW 16                       /* of fewer the mean says too little for WORTH_IT: only a line is believed */
#define GROWN 1.2                         /* latency that grew by less is noise, whatever the elasticity of a small step */
#define POINT_AGE_US INT64_C(120000000)   /* the endpoint's other users change: older measurements are forgotten */
#define PROBE_WINDOWS 8                   /* at a limit that is right: windows between two looks upwards */
#define RECENTLY_US INT64_C(10000000)     /* after a 429 no hedges for so long */
#define BUDGET_SLOT_US INT64_C(236000)    /* × 256 slots: 60.4 s; a slot that is in use counts whole */
#define HEDGE_CREDIT_MAX 32.0             /* of a long run's budget, at its end: where stragglers are what is left */
#define SHARE_US INT64_C(1000000)         /* what a rank's part is too small for is looked at again: another one comes with a wake, sooner */
#define SILENCE_US INT64_C(90000000)      /* nobody asked for so long: longer than a minute's budget makes one wait */
#define USED_MAX UINT64_C(4000000)        /* tokens of one request that are believed: no context is that large */
#define RESET_MAX_MS INT64_C(120000)      /* an exhausted limit that says to wait longer is not believed without a 429 */

/* ---- budgets ---- */

static void budget_turn(struct lam_llm_budget *budget, int64_t now_us)
{
    int64_t slot = now_us / BUDGET_SLOT_US;

    if (slot - budget->slot >= LAM_LLM_FLOW_SLOTS) {
        memset(budget->slots, 0, sizeof budget->slots);
        budget->sum = 0;
        budget->slot = slot;
    }
    while (budget->slot < slot) {
        uint64_t *oldest = &budget->slots[++budget->slot % LAM_LLM_FLOW_SLOTS];

        budget->sum -= *oldest;
        *oldest = 0;
    }
}

/*
 * When `amount` fits. More than a whole minute's budget goes out when nothing else was spent, by a rank that has all of it: it could never
 * otherwise.
 */
static int64_t budget_ready_us(struct lam_llm_budget *budget, uint64_t amount, int64_t now_us)
{
    uint64_t spent;
    int64_t slot;

    if (!budget->whole)
        return now_us;
    budget_turn(budget, now_us);
    if (amount > budget->whole)
        amount = budget->whole;
    if (budget->sum + amount <= budget->limit)
        return now_us;
    if (amount > budget->limit)
        return now_us + SHARE_US;
    spent = budget->sum;
    for (slot = budget->slot - LAM_LLM_FLOW_SLOTS + 1; slot <= budget->slot; slot++) {
        spent -= budget->slots[(uint64_t)slot % LAM_LLM_FLOW_SLOTS];
        if (spent + amount <= budget->limit || spent == 0)
            break;
    }
    return (slot + LAM_LLM_FLOW_SLOTS) * BUDGET_SLOT_US;
}

static void budget_spend(struct lam_llm_budget *budget, uint64_t amount, int64_t now_us)
{
    budget_turn(budget, now_us);
    budget->slots[(uint64_t)budget->slot % LAM_LLM_FLOW_SLOTS] += amount;
    budget->sum += amount;
}

/* What was reserved at sent_us turned out to be less, or more. */
static void budget_correct(struct lam_llm_budget *budget, int64_t sent_us, uint64_t reserved, uint64_t used, int64_t now_us)
{
    int64_t slot = sent_us / BUDGET_SLOT_US;
    uint64_t *cell;

    budget_turn(budget, now_us);
    if (budget->slot - slot >= LAM_LLM_FLOW_SLOTS)
        return;
    cell = &budget->slots[(uint64_t)slot % LAM_LLM_FLOW_SLOTS];
    if (used < reserved && reserved - used > *cell)
        used = reserved - *cell;
    *cell += used - reserved; /* both wrap alike */
    budget->sum += used - reserved;
}

/* ---- the limit ---- */

static void new_window(struct lam_llm_flow *flow, int64_t now_us)
{
    flow->epoch_us = now_us;
    flow->samples = 0;
    flow->log_sum = flow->open_sum = 0;
    flow->reached = false;
}

static void set_limit(struct lam_llm_flow *flow, double limit, int64_t now_us)
{
    if (limit > flow->max)
        limit = flow->max;
    if (limit < 1)
        limit = 1;
    flow->limit = limit;
    new_window(flow, now_us);
}

/* In slow start: a higher limit, and a look at the first answers. */
static void leap(struct lam_llm_flow *flow, double limit, int64_t now_us)
{
    set_limit(flow, limit, now_us);
    flow->leapt = true;
}

static void begin(struct lam_llm_flow *flow, int64_t now_us)
{
    flow->slow_start = true;
    flow->look_open = 0;
    leap(flow, flow->start, now_us);
}

void lam_llm_flow_set_share(struct lam_llm_flow *flow, const struct lam_llm_share *share, int64_t now_us)
{
    if (share->number >= flow->share_number) {
        flow->share_number = share->number;
        flow->max = share->limits.concurrency; /* a part that falls for a moment is no reason to forget what the endpoint can take */
        flow->requests.limit = share->limits.requests_per_minute;
        flow->requests.whole = share->whole.requests_per_minute;
        flow->tokens.limit = share->limits.tokens_per_minute;
        flow->tokens.whole = share->whole.tokens_per_minute;
    }
    if (share->pause_ms && now_us + (int64_t)share->pause_ms * 1000 > flow->others_until_us)
        flow->others_until_us = now_us + (int64_t)share->pause_ms * 1000;
}

void lam_llm_flow_init(struct lam_llm_flow *flow, const struct lam_llm_share *share, uint32_t start, int64_t now_us)
{
    memset(flow, 0, sizeof *flow);
    flow->start = start ? start : START;
    flow->limited_us = flow->refusing_to_us = INT64_MIN;
    flow->paused_until_us = flow->others_until_us = now_us;
    flow->success_since = true;
    flow->hedge_credit = 1;
    flow->requests.slot = flow->tokens.slot = now_us / BUDGET_SLOT_US;
    lam_llm_breaker_init(&flow->breaker);
    lam_llm_flow_set_share(flow, share, now_us);
    begin(flow, now_us);
}

static uint32_t to_ms(int64_t us) { return us <= 0 ? 0 : us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000); }

void lam_llm_flow_demand(struct lam_llm_flow *flow, uint32_t waiting, int64_t now_us, struct lam_llm_demand *demand)
{
    uint32_t limit = (uint32_t)lam_llm_flow_limit(flow), busy = flow->open + waiting;

    budget_turn(&flow->requests, now_us);
    budget_turn(&flow->tokens, now_us);
    *demand = (struct lam_llm_demand){
        .open = flow->open,
        .waiting = waiting,
        .wanted = limit < flow->max && limit < busy ? limit : busy, /* at the maximum only demand counts: the share may grow */
        .minute_requests = (uint32_t)flow->requests.sum,
        .minute_tokens = flow->tokens.sum,
        .requests = flow->sent,
        .request_tokens = flow->next_tokens,
        .pause_ms = to_ms(flow->paused_until_us - now_us),
        .number = flow->share_number,
    };
}

int64_t lam_llm_flow_ready_us(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us)
{
    int64_t at_us = lam_llm_breaker_ready_us(&flow->breaker, now_us), other_us;

    flow->next_tokens = tokens;
    if (at_us == INT64_MAX || flow->open + 1 > lam_llm_flow_limit(flow))
        return INT64_MAX;
    at_us = lam_llm_flow_paused_until_us(flow) > at_us ? lam_llm_flow_paused_until_us(flow) : at_us;
    if ((other_us = budget_ready_us(&flow->requests, 1, now_us)) > at_us)
        at_us = other_us;
    if ((other_us = budget_ready_us(&flow->tokens, tokens, now_us)) > at_us)
        at_us = other_us;
    return at_us;
}

bool lam_llm_flow_sent(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us)
{
    flow->open++;
    flow->sent++;
    if (flow->open + 1 > lam_llm_flow_limit(flow))
        flow->reached = true;
    budget_spend(&flow->requests, 1, now_us);
    budget_spend(&flow->tokens, tokens, now_us);
    return lam_llm_breaker_sent(&flow->breaker);
}

static int point_of(double n)
{
    int point = (int)lround(2 * log2(n < 1 ? 1 : n));

    return point < LAM_LLM_FLOW_POINTS ? point : LAM_LLM_FLOW_POINTS - 1;
}

/* The nearest measured concurrency below (step -1) or above (1), between √2 and 4 times away; -1: none. */
static int neighbour(const struct lam_llm_flow *flow, int point, int step, int64_t now_us)
{
    for (int i = point + step, far = 1; i >= 0 && i < LAM_LLM_FLOW_POINTS && far <= 4; i += step, far++)
        if (flow->points[i].known && now_us - flow->points[i].at_us < POINT_AGE_US)
            return i;
    return -1;
}

static double elasticity(const struct lam_llm_flow *flow, int low, int high)
{
    return (flow->points[high].log_latency - flow->points[low].log_latency) / ((high - low) * 0.5 * M_LN2);
}

/* A window is full: its latency is put down for its concurrency, and the limit follows what the neighbours tell. */
static void decide(struct lam_llm_flow *flow, int64_t now_us)
{
    double n = flow->open_sum / flow->samples, log_latency = flow->log_sum / flow->samples, limit = lam_llm_flow_limit(flow);
    int point = point_of(n), low, high;
    bool reached = flow->reached;

    flow->points[point].log_latency = log_latency;
    flow->points[point].at_us = now_us;
    flow->points[point].known = true;
    low = neighbour(flow, point, -1, now_us);
    high = neighbour(flow, point, 1, now_us);
    new_window(flow, now_us);
    if (!reached)
        return;
    if (low >= 0 && elasticity(flow, low, point) > STAND_IN_LINE && log_latency - flow->points[low].log_latency > log(GROWN)) {
        flow->slow_start = false;
        flow->probe_wait = PROBE_WINDOWS;
        set_limit(flow, limit * (low < point - 1 ? 0.5 : DECREASE), now_us);
    } else if (low >= 0 && elasticity(flow, low, point) > WORTH_IT && log_latency - flow->points[low].log_latency > log(GROWN)) {
        flow->slow_start = false; /* between the two: stay */
        flow->probe_wait = PROBE_WINDOWS;
    } else if (low < 0 && high >= 0 && !flow->slow_start && elasticity(flow, point, high) > STAND_IN_LINE && limit > 1) {
        set_limit(flow, limit * DECREASE, now_us); /* on the way down, and it cost nothing so far */
    } else if (flow->slow_start) {
        leap(flow, limit * 2, now_us);
    } else if (high >= 0 && elasticity(flow, point, high) > WORTH_IT && flow->probe_wait) {
        flow->probe_wait--; /* more was tried and was of no use: look again later */
    } else {
        set_limit(flow, limit + fmax(1, sqrt(limit)), now_us);
    }
}

/*
 * The first answers of a window in slow start: not later than the first ones of the window before, and the next leap follows. Else the limit
 * goes back to where they came sooner, and a whole window is measured there; when the leap from there ends here again, slow start is over.
 */
static void look(struct lam_llm_flow *flow, int64_t now_us)
{
    double n = flow->open_sum / flow->samples, log_latency = flow->log_sum / flow->samples, before = flow->look_open;
    double most = flow->samples < LOOK_FEW ? STAND_IN_LINE : WORTH_IT;
    int low = point_of(before);

    flow->leapt = false;
    if (!flow->reached || n < before * GROWN)
        return;
    if (before < 1 || log_latency - flow->look_log <= most * log(n / before)) {
        flow->look_open = n;
        flow->look_log = log_latency;
        leap(flow, lam_llm_flow_limit(flow) * 2, now_us);
        return;
    }
    if (flow->points[low].known) {
        flow->slow_start = false;
        flow->probe_wait = PROBE_WINDOWS;
        flow->points[point_of(n)] = flow->points[low];
        flow->points[point_of(n)].log_latency += log_latency - flow->look_log;
    }
    set_limit(flow, before, now_us);
}

void lam_llm_flow_forget(struct lam_llm_flow *flow, int64_t now_us)
{
    for (int i = 0; i < LAM_LLM_FLOW_POINTS; i++)
        flow->points[i].known = false;
    flow->look_open = 0;
    new_window(flow, now_us);
}

/* ---- outcomes ---- */

int64_t lam_llm_backoff_us(unsigned n, double jitter)
{
    int64_t wait_us = n < 4 ? INT64_C(500000) << n : INT64_C(8000000);

    return wait_us - (int64_t)(0.25 * jitter * (double)wait_us);
}

static void pause_until(struct lam_llm_flow *flow, int64_t until_us)
{
    if (until_us > flow->paused_until_us)
        flow->paused_until_us = until_us;
}

static void refusing(struct lam_llm_flow *flow, int64_t sent_us, int64_t now_us)
{
    int64_t quiet_us = flow->refusing_to_us;

    if (lam_llm_flow_paused_until_us(flow) > quiet_us)
        quiet_us = lam_llm_flow_paused_until_us(flow);
    if (flow->refusing_to_us == INT64_MIN || sent_us - quiet_us > SILENCE_US)
        flow->refusing_from_us = sent_us;
    flow->refusing_to_us = now_us;
}

int64_t lam_llm_flow_refusing_us(const struct lam_llm_flow *flow) { return flow->refusing_to_us == INT64_MIN ? 0 : flow->refusing_to_us - flow->refusing_from_us; }

/* What a 429 says of its limits, where it says nothing plainer. */
static void used_up(struct lam_llm_flow *flow, const struct lam_llm_headers *headers, int64_t now_us)
{
    if (headers->remaining_requests == 0 && headers->reset_requests_ms > 0)
        pause_until(flow, now_us + headers->reset_requests_ms * 1000);
    if (headers->remaining_tokens == 0 && headers->reset_tokens_ms > 0)
        pause_until(flow, now_us + headers->reset_tokens_ms * 1000);
}

static void limited(struct lam_llm_flow *flow, const struct lam_llm_end *end, int64_t now_us)
{
    int64_t wait_ms = end->headers ? end->headers->retry_after_ms : LAM_LLM_HEADER_NONE;

    refusing(flow, end->sent_us, now_us);
    if (wait_ms >= 0)
        pause_until(flow, now_us + wait_ms * 1000);
    else if (end->headers)
        used_up(flow, end->headers, now_us);
    if (end->sent_us < flow->limited_us)
        return; /* sent before the limit fell: the same news */
    flow->limited_rounds = flow->success_since ? 0 : flow->limited_rounds + 1;
    flow->success_since = false;
    flow->slow_start = false;
    flow->limited_us = now_us;
    flow->probe_wait = PROBE_WINDOWS;
    set_limit(flow, lam_llm_flow_limit(flow) * DECREASE, now_us);
    if (flow->limited_rounds) /* it lets nothing through, whatever it says */
        pause_until(flow, now_us + lam_llm_backoff_us(flow->limited_rounds - 1, end->jitter));
}

/* A 2xx may say that it was the last one for now. Some servers always say 0, or -1: believed only with a limit and a time that fit. */
static void exhausted(struct lam_llm_flow *flow, const struct lam_llm_headers *headers, int64_t now_us)
{
    if (headers->remaining_requests == 0 && headers->limit_requests > 0 && headers->reset_requests_ms > 0 && headers->reset_requests_ms <= RESET_MAX_MS)
        pause_until(flow, now_us + headers->reset_requests_ms * 1000);
    if (headers->remaining_tokens == 0 && headers->limit_tokens > 0 && headers->reset_tokens_ms > 0 && headers->reset_tokens_ms <= RESET_MAX_MS)
        pause_until(flow, now_us + headers->reset_tokens_ms * 1000);
}

static void count_latency(struct lam_llm_flow *flow, int64_t latency_us)
{
    int bin = latency_us <= 1000 ? 0 : (int)(log((double)latency_us / 1000) / log(1.15));

    flow->bins[bin < LAM_LLM_FLOW_BINS ? bin : LAM_LLM_FLOW_BINS - 1]++;
    if (++flow->bin_sum < 4096)
        return;
    flow->bin_sum = 0;
    for (int i = 0; i < LAM_LLM_FLOW_BINS; i++)
        flow->bin_sum += flow->bins[i] /= 2;
}

static void answered(struct lam_llm_flow *flow, const struct lam_llm_end *end, int64_t now_us)
{
    int64_t latency_us = now_us - end->sent_us;
    double want = fmax(lam_llm_flow_limit(flow), MIN_SAMPLES);

    count_latency(flow, latency_us);
    if (end->headers)
        exhausted(flow, end->headers, now_us);
    if (end->sent_us >= flow->limited_us)
        flow->success_since = true;
    if (end->hedge || end->sent_us < flow->epoch_us)
        return;
    flow->log_sum += log(latency_us > 1 ? (double)latency_us : 1);
    flow->open_sum += flow->open + 1;
    flow->samples++;
    if (flow->slow_start && flow->leapt && flow->samples >= fmax(LOOK_MIN, lam_llm_flow_limit(flow) / LOOK))
        look(flow, now_us);
    else if (flow->samples >= want)
        decide(flow, now_us);
}

bool lam_llm_flow_ended(struct lam_llm_flow *flow, const struct lam_llm_end *end, int64_t now_us)
{
    uint64_t used = end->tokens_used <= USED_MAX ? end->tokens_used : 0;
    bool changed = false;

    flow->open--;
    if (used || (!end->unseen && end->result != LAM_LLM_R_ANSWERED && end->result != LAM_LLM_R_FORGOTTEN))
        budget_correct(&flow->tokens, end->sent_us, end->tokens_reserved, used, now_us);
    if (end->result == LAM_LLM_R_ANSWERED || end->result == LAM_LLM_R_CLIENT)
        flow->refusing_to_us = INT64_MIN;
    switch (end->result) {
    case LAM_LLM_R_ANSWERED:
        changed = lam_llm_breaker_success(&flow->breaker, end->probe);
        answered(flow, end, now_us);
        break;
    case LAM_LLM_R_LIMITED:
        changed = lam_llm_breaker_success(&flow->breaker, end->probe); /* busy is not down */
        limited(flow, end, now_us);
        break;
    case LAM_LLM_R_CLIENT:
        changed = lam_llm_breaker_success(&flow->breaker, end->probe);
        break;
    case LAM_LLM_R_ERROR:
    case LAM_LLM_R_TRANSPORT:
        changed = lam_llm_breaker_failure(&flow->breaker, end->probe, end->sent_us, now_us, end->jitter);
        break;
    case LAM_LLM_R_FORGOTTEN:
        lam_llm_breaker_forgotten(&flow->breaker, end->probe);
        break;
    }
    if (changed && flow->breaker.state == LAM_LLM_CLOSED)
        begin(flow, now_us); /* back: not all at once */
    return changed;
}

/* ---- hedging ---- */

int64_t lam_llm_flow_quantile_us(const struct lam_llm_flow *flow, double at)
{
    uint64_t want = (uint64_t)((double)flow->bin_sum * at), seen = 0;

    if (flow->bin_sum == 0)
        return -1;
    for (int i = 0; i < LAM_LLM_FLOW_BINS; i++)
        if ((seen += flow->bins[i]) > want)
            return (int64_t)(1000 * pow(1.15, i + 1));
    return (int64_t)(1000 * pow(1.15, LAM_LLM_FLOW_BINS));
}

int64_t lam_llm_flow_hedge_after_us(const struct lam_llm_flow *flow, double factor)
{
    if (flow->bin_sum < MIN_SAMPLES)
        return INT64_MAX;
    return (int64_t)((double)lam_llm_flow_quantile_us(flow, 0.95) * factor);
}

bool lam_llm_flow_may_hedge(struct lam_llm_flow *flow, uint64_t tokens, int64_t now_us)
{
    return flow->hedge_credit >= 1 && flow->breaker.state == LAM_LLM_CLOSED && (flow->limited_us == INT64_MIN || now_us - flow->limited_us > RECENTLY_US) &&
           lam_llm_flow_ready_us(flow, tokens, now_us) <= now_us;
}

void lam_llm_flow_hedged(struct lam_llm_flow *flow) { flow->hedge_credit -= 1; }

void lam_llm_flow_earn(struct lam_llm_flow *flow, double budget)
{
    flow->hedge_credit = fmin(flow->hedge_credit + budget, HEDGE_CREDIT_MAX);
}
