/*
 * The handle: what is open, which rows are under way, and where they stand.
 *
 *     analyzer.c   open, submit, poll; a document's end
 *     question.c   from the row to the cache and the queue; from an answer to the row
 *     long.c       documents beyond the context: map and reduce
 *     leave.c      one rank asks for what several want
 *     estimate.c   what it would cost
 *     request.c    from the queue to the client, within the limits
 *     pack.c       several documents in one request
 *     respond.c    what came back
 *     account.c    what it cost
 */
#include "own.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)32 << 20) /* bytes of a server's answer */
#define TEXT_MAX ((size_t)256 << 20)
#define START_AT_ONCE 512u          /* rows that one poll starts: the main loop has other work too */
#define OPEN_MIN 256u

uint32_t lam_openai_tasks(const struct lam_job *job)
{
    uint32_t tasks = job->tasks.wanted & ~(uint32_t)LAM_TASK_EMBED;

    for (size_t i = 0; i < job->deep.endpoint_count; i++)
        if (job->deep.endpoints[i].kind == LAM_JOB_EMBEDDINGS)
            tasks |= job->tasks.wanted & LAM_TASK_EMBED;
    return tasks;
}

/* Of an answer whose length nobody knows. */
static uint64_t expected_answer(const struct lam_openai *o, size_t endpoint)
{
    return o->job->deep.endpoints[endpoint].kind == LAM_JOB_CHAT ? o->asks.items[0].expected_tokens : 0;
}

/* An answer that cannot be taken is paid all the same. On the client's thread. */
static void on_lost(void *arg, size_t endpoint, uint64_t in, uint64_t out, bool told)
{
    struct lam_openai *o = arg;

    out = told ? out : expected_answer(o, endpoint);
    lam_spending_settle(&o->spending, (struct lam_spent){0}, (struct lam_spent){in + out, lam_endpoint_cost(&o->job->deep.endpoints[endpoint], (double)in, (double)out)});
}

static int open_client(struct lam_openai *o, struct lam_error *err)
{
    const struct lam_job_deep *deep = &o->job->deep;
    struct lam_llm_endpoint endpoints[LAM_LLM_ENDPOINTS] = {0};
    struct lam_llm_options options;

    lam_llm_options_init(&options);
    options.max_open = OPEN_MIN;
    for (size_t i = 0; i < deep->endpoint_count; i++) {
        const struct lam_job_endpoint *from = &deep->endpoints[i];

        endpoints[i] = (struct lam_llm_endpoint){.url = from->url, .model = from->model, .key_env = o->options.asks_nobody ? NULL : from->key_env, .tier = from->tier, .weight = from->weight,
                                                 .kinds = from->kind == LAM_JOB_CHAT ? 1u << LAM_LLM_CHAT : 1u << LAM_LLM_EMBEDDINGS,
                                                 .limits = {from->concurrency, from->rpm, from->tpm}, .start = from->start < from->concurrency ? from->start : from->concurrency, .price_in = from->price_in, .price_out = from->price_out,
                                                 .stream = from->stream};
        options.max_open += 2 * (size_t)from->concurrency;
    }
    options.endpoints = endpoints;
    options.endpoint_count = deep->endpoint_count;
    options.max_answer = BODY_MAX;
    options.attempt_timeout_ms = (unsigned)(deep->timeout_us / 1000);
    options.give_up_ms = (unsigned)(o->job->deep.patience_us / 1000);
    if (options.deadline_ms < 4 * options.attempt_timeout_ms)
        options.deadline_ms = 4 * options.attempt_timeout_ms;
    options.ca_file = deep->ca_file;
    options.clock = o->options.clock;
    options.lost = on_lost;
    options.lost_arg = o;
    options.log = o->options.log;
    options.transport = o->options.transport;
    options.transport_arg = o->options.transport_arg;
    return lam_llm_client_open(&options, &o->client, err);
}

int lam_openai_open(struct lam_openai **out, const struct lam_openai_options *options, struct lam_error *err)
{
    struct lam_openai *o = calloc(1, sizeof *o);
    int rc;

    *out = NULL;
    if (!o)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the analyzer");
    o->options = *options;
    o->job = options->job;
    o->builtin_first = o->job->deep.cascade_count && !strcmp(o->job->deep.cascade[0].model, "builtin");
    o->subs_end = &o->subs;
    o->done_end = &o->done;
    o->inbox_end = &o->inbox;
    pthread_mutex_init(&o->lock, NULL);
    lam_spending_init_part(&o->spending, &o->job->deep, options->size ? options->size : 1);
    if (options->shared_limits)
        lam_spending_set_shared(&o->spending);
    lam_buf_init(&o->scratch, TEXT_MAX);
    lam_buf_init(&o->scratch2, TEXT_MAX);
    lam_buf_init(&o->scratch3, TEXT_MAX);
    for (uint32_t tier = 0; tier < o->job->deep.tiers; tier++)
        o->context[tier] = lam_asks_context(o->job, tier, LAM_JOB_CHAT);
    o->embed_context = lam_asks_context(o->job, 0, LAM_JOB_EMBEDDINGS);
    o->flight = calloc(LAM_FLIGHT_BUCKETS, sizeof *o->flight);
    o->reader = lam_llm_reader_new(BODY_MAX);
    o->value = lam_json_new(LAM_CACHE_VALUE_MAX, LAM_LLM_DEPTH);
    if (!o->flight || !o->reader || !o->value)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for the analyzer");
    else if (!(rc = lam_leave_open(o, err)) && !(rc = lam_llm_prompts_open(o->job->deep.prompts, &o->prompts, err)) && !(rc = lam_asks_open(o->job, o->prompts, &o->asks, err)))
        rc = (rc = lam_request_write_trials(o, err)) ? rc : open_client(o, err);
    if (rc) {
        lam_openai_close(o);
        return rc;
    }
    *out = o;
    return 0;
}

/* --- documents and blocks --- */

static void doc_release(struct lam_openai_doc *doc)
{
    lam_buf_release(&doc->asks);
    lam_buf_release(&doc->steps);
    free(doc->masked);
    free(doc->reason);
    free(doc->raw);
}

static void sub_free(struct lam_openai_sub *sub)
{
    for (size_t i = 0; i < sub->count; i++)
        doc_release(&sub->docs[i]);
    free(sub->docs);
    free(sub);
}

static int keep_trace(struct lam_openai_doc *doc)
{
    struct lam_block *block = doc->sub->block;
    size_t len = doc->asks.len + doc->steps.len + 32;
    char *text = lam_block_alloc(block, len);

    if (!text)
        return LAM_E_LIMIT;
    len = (size_t)snprintf(text, len, "{\"asks\":[%.*s]", (int)doc->asks.len, doc->asks.len ? doc->asks.ptr : "");
    if (doc->steps.len)
        len += (size_t)sprintf(text + len, ",\"steps\":[%.*s]", (int)doc->steps.len, doc->steps.ptr);
    text[len++] = '}';
    doc->row->enr.trace = lam_sv(text, len);
    return 0;
}

void lam_openai_doc_end(struct lam_openai *o, struct lam_openai_doc *doc)
{
    struct lam_openai_sub *sub = doc->sub;
    struct lam_row *row = doc->row;

    if (doc->rejected) {
        o->stats.rejected++;
    } else if (doc->pending || keep_trace(doc)) {
        o->stats.pending++;
    } else {
        o->stats.answered++;
        row->rec.flags &= ~(uint32_t)LAM_ROW_PENDING;
        if (doc->asks.len) {
            row->enr.analyzer = LAM_SV("openai");
            row->enr.model = 0;
        }
        row->enr.prompt = doc->version;
        row->enr.tokens = doc->tokens;
    }
    if (--sub->left)
        return;
    sub->next = NULL;
    *o->done_end = sub;
    o->done_end = &sub->next;
}

int lam_openai_submit(struct lam_openai *o, struct lam_block *block, void *ticket, struct lam_error *err)
{
    struct lam_openai_sub *sub = calloc(1, sizeof *sub);
    size_t rows = lam_block_rows(block);

    if (!sub || !(sub->docs = calloc(rows + 1, sizeof *sub->docs))) {
        free(sub);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for rows under analysis");
    }
    sub->ticket = ticket;
    sub->block = block;
    for (size_t i = 0; i < rows; i++) {
        struct lam_row *row = lam_block_row(block, i);
        struct lam_openai_doc *doc = &sub->docs[sub->count];

        if (!(row->rec.flags & LAM_ROW_PENDING))
            continue;
        *doc = (struct lam_openai_doc){.sub = sub, .row = row, .index = i};
        lam_buf_init(&doc->asks, TEXT_MAX);
        lam_buf_init(&doc->steps, TEXT_MAX);
        sub->count++;
    }
    sub->left = sub->count;
    o->stats.rows += sub->count;
    o->under_way++;
    if (!sub->count) {
        *o->done_end = sub;
        o->done_end = &sub->next;
    } else {
        *o->subs_end = sub;
        o->subs_end = &sub->next;
    }
    if (o->options.wake)
        lam_wake_signal(o->options.wake);
    return 0;
}

/* --- the step --- */

static int start_some(struct lam_openai *o, struct lam_error *err)
{
    unsigned started = 0;
    int rc = 0;

    while (!rc && o->subs && started < START_AT_ONCE) {
        struct lam_openai_sub *sub = o->subs;
        struct lam_openai_doc *doc = &sub->docs[sub->started++];

        if (sub->started == sub->count) { /* before its last row starts, with which it may end */
            o->subs = sub->next;
            if (!o->subs)
                o->subs_end = &o->subs;
        }
        started++;
        if (o->cancelled) {
            doc->pending = true;
            lam_openai_doc_end(o, doc);
        } else {
            rc = lam_question_start_doc(o, doc, err);
        }
    }
    if (o->subs && o->options.wake)
        lam_wake_signal(o->options.wake);
    return rc;
}

static int take_inbox(struct lam_openai *o, struct lam_error *err)
{
    struct lam_openai_request *request, *next;
    int rc = 0;

    pthread_mutex_lock(&o->lock);
    request = o->inbox;
    o->inbox = NULL;
    o->inbox_end = &o->inbox;
    pthread_mutex_unlock(&o->lock);
    for (; request; request = next) {
        struct lam_error failed;
        int one;

        next = request->next;
        request->next = NULL;
        if ((one = lam_request_respond(o, request, &failed)) && !rc) {
            rc = one;
            *err = failed;
        }
    }
    return rc;
}

static void drop_ready(struct lam_openai *o)
{
    struct lam_question *question;

    for (uint32_t ask = 0; ask < LAM_ASKS_MAX; ask++)
        for (uint32_t tier = 0; tier < LAM_JOB_CASCADE_MAX; tier++)
            while ((question = lam_question_pop(&o->ready[ask][tier])))
                lam_question_pending(o, question);
}

int lam_openai_poll(struct lam_openai *o, void **ticket, struct lam_error *err)
{
    struct lam_openai_sub *sub;
    int rc = o->cancelled ? 0 : o->failed.code;

    if (rc)
        *err = o->failed;
    else if (!(rc = take_inbox(o, err)) && !(rc = start_some(o, err)) && !o->cancelled)
        rc = lam_request_pump(o, err);
    if (!rc && (rc = o->failed.code)) /* on the way: where nobody was there to be told */
        *err = o->failed;
    if (o->cancelled) { /* whatever came back on the way: all rows return */
        lam_leave_drop(o);
        drop_ready(o);
        rc = 0;
    }
    if (rc) {
        o->failed = *err;
        return rc;
    }
    if (!(sub = o->done))
        return o->under_way ? LAM_PENDING : LAM_END;
    o->done = sub->next;
    if (!o->done)
        o->done_end = &o->done;
    o->under_way--;
    *ticket = sub->ticket;
    o->estimated = sub->estimate;
    for (size_t i = 0; i < sub->count; i++)
        if (sub->docs[i].rejected)
            o->options.reject(o->options.arg, sub->ticket, sub->docs[i].index, lam_sv_of(sub->docs[i].reason), lam_sv_of(sub->docs[i].raw));
    sub_free(sub);
    return 0;
}

int lam_openai_step(struct lam_openai *o, struct lam_error *err) { return lam_leave_step(o, err); }

void lam_openai_drain(struct lam_openai *o, bool draining)
{
    if (o->draining == draining)
        return;
    o->draining = draining;
    lam_llm_client_drain(o->client, draining);
    if (o->options.wake)
        lam_wake_signal(o->options.wake);
}

void lam_openai_estimate(struct lam_openai *o) { o->estimating = true; }
void lam_openai_estimated(const struct lam_openai *o, struct lam_openai_estimate *estimate) { *estimate = o->estimated; }

void lam_openai_usage_add(struct lam_openai_usage *sum, const struct lam_openai_usage *more)
{
    sum->requests += more->requests;
    sum->tokens_in += more->tokens_in;
    sum->tokens_out += more->tokens_out;
    sum->cached += more->cached;
    sum->estimated += more->estimated;
    sum->cost += more->cost;
}

void lam_openai_usages_add(struct lam_openai_usage *sums, const struct lam_openai_usage *more)
{
    for (size_t i = 0; i < LAM_LLM_ENDPOINTS; i++)
        lam_openai_usage_add(&sums[i], &more[i]);
}

struct lam_openai_usage lam_openai_usages_total(const struct lam_openai_usage *used)
{
    struct lam_openai_usage sum = {0};

    for (size_t i = 0; i < LAM_LLM_ENDPOINTS; i++)
        lam_openai_usage_add(&sum, &used[i]);
    return sum;
}

/* Requests of this run that came to no end: their prompts as they were estimated, and answers as long as others were. And those whose answers could not be taken. */
static void add_unseen(const struct lam_openai *o, struct lam_openai_stats *stats)
{
    for (size_t i = 0; i < o->job->deep.endpoint_count; i++) {
        const struct lam_job_endpoint *endpoint = &o->job->deep.endpoints[i];
        const struct lam_openai_usage *seen = &stats->endpoints[i];
        struct lam_openai_usage unseen = {0};
        struct lam_llm_counters counters;
        uint64_t answer = expected_answer(o, i);

        lam_llm_client_counters(o->client, i, &counters);
        if (seen->requests)
            answer = seen->tokens_out / seen->requests;
        unseen.requests = counters.unseen - o->unseen_before[i].requests;
        unseen.tokens_in = counters.unseen_tokens - o->unseen_before[i].tokens_in;
        unseen.tokens_out = unseen.requests * answer;
        unseen.requests += counters.lost - o->lost_before[i].requests;
        unseen.tokens_in += counters.lost_in - o->lost_before[i].tokens_in;
        unseen.tokens_out += counters.lost_out - o->lost_before[i].tokens_out;
        unseen.cost = lam_endpoint_cost(endpoint, (double)unseen.tokens_in, (double)unseen.tokens_out);
        lam_openai_usage_add(&stats->unseen, &unseen);
    }
}

/* Trials of endpoints in this run: paid like any other request. */
static void add_trials(const struct lam_openai *o, struct lam_openai_stats *stats)
{
    for (size_t i = 0; i < o->job->deep.endpoint_count; i++) {
        const struct lam_openai_usage *before = &o->trials_before[i];
        struct lam_openai_usage trials = {0};
        struct lam_llm_counters counters;

        lam_llm_client_counters(o->client, i, &counters);
        trials.requests = counters.trials - before->requests;
        trials.tokens_in = counters.trial_in - before->tokens_in;
        trials.tokens_out = counters.trial_out - before->tokens_out;
        trials.cost = lam_endpoint_cost(&o->job->deep.endpoints[i], (double)trials.tokens_in, (double)trials.tokens_out);
        lam_openai_usage_add(&stats->trials, &trials);
        lam_openai_usage_add(&stats->endpoints[i], &trials);
    }
}

void lam_openai_begin(struct lam_openai *o)
{
    for (size_t i = 0; i < o->job->deep.endpoint_count; i++) {
        struct lam_llm_counters counters;

        lam_llm_client_counters(o->client, i, &counters);
        o->unseen_before[i] = (struct lam_openai_usage){.requests = counters.unseen, .tokens_in = counters.unseen_tokens};
        o->lost_before[i] = (struct lam_openai_usage){.requests = counters.lost, .tokens_in = counters.lost_in, .tokens_out = counters.lost_out};
        o->trials_before[i] = (struct lam_openai_usage){.requests = counters.trials, .tokens_in = counters.trial_in, .tokens_out = counters.trial_out};
    }
    o->stats = (struct lam_openai_stats){0};
    lam_spending_begin(&o->spending);
    pthread_mutex_lock(&o->lock);
    o->others = (struct lam_openai_usage){0};
    memset(o->others_at, 0, sizeof o->others_at);
    pthread_mutex_unlock(&o->lock);
    o->cancelled = false;
    o->failed.code = 0;
}

void lam_openai_cancel(struct lam_openai *o)
{
    o->cancelled = true;
    o->failed.code = 0;
    lam_spending_close(&o->spending);
    lam_llm_client_cancel_all(o->client);
    if (o->options.wake)
        lam_wake_signal(o->options.wake);
}

void lam_openai_close(struct lam_openai *o)
{
    struct lam_openai_sub *sub;
    struct lam_error err;

    if (!o)
        return;
    lam_llm_client_close(o->client); /* its callbacks have filled the inbox */
    o->cancelled = true;
    take_inbox(o, &err);
    while (o->subs)
        start_some(o, &err);
    lam_leave_drop(o);
    if (o->flight)
        drop_ready(o);
    lam_leave_close(o);
    while ((sub = o->done)) {
        o->done = sub->next;
        sub_free(sub);
    }
    for (size_t i = 0; i < o->asks.count; i++) {
        lam_buf_release(&o->trials[i][0]);
        lam_buf_release(&o->trials[i][1]);
    }
    lam_asks_release(&o->asks);
    lam_llm_prompts_free(o->prompts);
    lam_llm_reader_free(o->reader);
    lam_json_free(o->value);
    lam_buf_release(&o->scratch);
    lam_buf_release(&o->scratch2);
    lam_buf_release(&o->scratch3);
    free(o->flight);
    lam_spending_release(&o->spending);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* --- what it cost --- */

void lam_openai_stats(struct lam_openai *o, struct lam_openai_stats *stats)
{
    struct lam_spent reserved = lam_spending_reserved(&o->spending);

    *stats = o->stats;
    stats->reserved_tokens = reserved.tokens;
    stats->reserved_cost = reserved.cost;
    pthread_mutex_lock(&o->lock);
    stats->others = o->others;
    lam_openai_usages_add(stats->endpoints, o->others_at);
    pthread_mutex_unlock(&o->lock);
    add_unseen(o, stats);
    add_trials(o, stats);
}

void lam_openai_stats_add(struct lam_openai_stats *sum, const struct lam_openai_stats *more)
{
    for (size_t i = 0; i < LAM_OPENAI_ASKS; i++)
        lam_openai_usage_add(&sum->asks[i], &more->asks[i]);
    lam_openai_usage_add(&sum->others, &more->others);
    lam_openai_usage_add(&sum->unseen, &more->unseen);
    lam_openai_usage_add(&sum->trials, &more->trials);
    lam_openai_usages_add(sum->endpoints, more->endpoints);
    for (size_t i = 0; i < LAM_JOB_CASCADE_MAX; i++) {
        lam_openai_usage_add(&sum->tiers[i], &more->tiers[i]);
        sum->asked[i] += more->asked[i];
        sum->steps[i] += more->steps[i];
    }
    sum->rows += more->rows;
    sum->answered += more->answered;
    sum->pending += more->pending;
    sum->rejected += more->rejected;
    sum->hits += more->hits;
    sum->shared += more->shared;
    sum->saved_in += more->saved_in;
    sum->saved_out += more->saved_out;
    sum->repairs += more->repairs;
    sum->moved += more->moved;
    sum->splits += more->splits;
    sum->cut += more->cut;
    sum->refused_by_limit += more->refused_by_limit;
    sum->estimates += more->estimates;
    sum->estimate_error += more->estimate_error;
    sum->latency_s += more->latency_s;
    sum->reserved_tokens += more->reserved_tokens;
    sum->reserved_cost += more->reserved_cost;
}

size_t lam_openai_ask_count(const struct lam_openai *o) { return o->asks.count; }
const char *lam_openai_ask_name(const struct lam_openai *o, size_t ask) { return o->asks.items[ask].name; }
struct lam_openai_prompt lam_openai_prompt(const struct lam_openai *o, size_t i)
{
    const struct lam_ask *ask = &o->asks.items[i];

    return (struct lam_openai_prompt){ask->digest, ask->version, lam_buf_sv(&ask->system[0]), lam_buf_sv(&ask->schema)};
}

struct lam_llm_client *lam_openai_client(struct lam_openai *o) { return o->client; }

struct lam_spending *lam_openai_spending(struct lam_openai *o) { return &o->spending; }

const char *lam_openai_limit(struct lam_openai *o)
{
    enum lam_limit limit = lam_spending_reached(&o->spending);
    struct lam_spent most;

    if (limit == LAM_LIMIT_NONE)
        limit = lam_spending_too_much(&o->spending, &most);
    lam_limit_text(limit, &o->job->deep, o->limit, sizeof o->limit);
    return o->limit;
}
