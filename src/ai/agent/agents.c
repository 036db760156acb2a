#include "agents.h"

#include "agent_own.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/pool.h"

#define ANSWER_MAX ((size_t)4 << 20)  /* bytes of a model's answer that are kept */
#define FULL_WAIT_MS 20               /* until a client that is full is asked again */
#define LOOK_MS 100                   /* how late a cancelled run is noticed while a model thinks */

struct lam_agents {
    struct lam_agents_options options;
    struct lam_agent_kept kept;
    struct lam_pool *pool;
    _Atomic int protocol; /* that the server turned out to speak: later agents begin with it */
    atomic_bool cancelled;
    struct lam_agent_task *open;  /* the owner's: with the threads. Of equal records one is, so that the others find what it came to */
    struct lam_agent_task *equal; /* the others, oldest first */
    size_t equal_count;
};

/* One exchange with the client, on the agent's thread and the client's. */
struct exchange {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool done;
    enum lam_llm_outcome outcome;
    bool no_tools, timed_out;
    size_t endpoint;
    struct lam_buf body;
    int rc; /* of keeping the body */
    char reason[LAM_LLM_REASON];
};

/* --- one exchange --- */

static void answered(void *arg, const struct lam_llm_response *response)
{
    struct exchange *exchange = arg;
    struct lam_error err;

    pthread_mutex_lock(&exchange->lock);
    exchange->outcome = response->outcome;
    exchange->no_tools = response->no_tools;
    exchange->timed_out = response->timed_out;
    exchange->endpoint = response->endpoint;
    lam_buf_clear(&exchange->body);
    exchange->rc = response->outcome == LAM_LLM_ANSWERED ? lam_buf_add_sv(&exchange->body, response->body, &err) : 0;
    snprintf(exchange->reason, sizeof exchange->reason, "%s", response->reason);
    exchange->done = true;
    pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};

    nanosleep(&time, NULL);
}

/* Waits for the callback; looks now and then whether the run ends, and cancels the request then: the callback comes all the same. */
static void await(struct lam_agents *agents, struct exchange *exchange, uint64_t id)
{
    struct timespec until;

    pthread_mutex_lock(&exchange->lock);
    while (!exchange->done) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&exchange->changed, &exchange->lock, &until) == ETIMEDOUT && atomic_load(&agents->cancelled))
            lam_llm_client_cancel(agents->options.client, id);
    }
    pthread_mutex_unlock(&exchange->lock);
}

static int send(struct lam_agents *agents, struct exchange *exchange, struct lam_llm_request *request, uint64_t *id, struct lam_error *err)
{
    int rc;

    exchange->done = false;
    while ((rc = lam_llm_client_submit(agents->options.client, request, id, err)) == LAM_PENDING) {
        if (atomic_load(&agents->cancelled))
            return LAM_FAIL(err, LAM_E_CANCELLED, "the run ends");
        sleep_ms(FULL_WAIT_MS);
    }
    return rc;
}

/* Sends and waits. The client calls back once whatever happens, so this ends. */
static int ask(struct lam_agents *agents, struct exchange *exchange, struct lam_llm_request *request, struct lam_error *err)
{
    uint64_t id = 0;
    int rc;

    request->tier = agents->options.tier;
    request->done = answered;
    request->arg = exchange;
    do { /* the client has other users, and one that ends cancels all that it holds */
        if ((rc = send(agents, exchange, request, &id, err)))
            return rc;
        await(agents, exchange, id);
    } while (exchange->outcome == LAM_LLM_CANCELLED && !atomic_load(&agents->cancelled));
    return 0;
}

/* --- one agent --- */

static enum lam_agent_outcome end(struct lam_agent *agent, enum lam_agent_outcome outcome, const char *kind, const char *why)
{
    char text[LAM_LLM_REASON + 40];

    snprintf(text, sizeof text, "%s: %s", kind, why);
    lam_agent_end(agent, text);
    return outcome;
}

/* What an exchange came to; LAM_PENDING: the loop goes on. */
static int take(struct lam_agent *agent, struct exchange *exchange, enum lam_agent_outcome *outcome, struct lam_error *err)
{
    int rc;

    *outcome = LAM_AGENT_GAVE_UP;
    switch (exchange->outcome) {
    case LAM_LLM_ANSWERED:
        if (exchange->rc)
            return end(agent, LAM_AGENT_GAVE_UP, "limit", "the server's answer is too large"), 0;
        rc = lam_agent_take(agent, lam_buf_sv(&exchange->body), err);
        if (!rc)
            *outcome = LAM_AGENT_ANSWERED;
        else if (rc == LAM_E_CANCELLED)
            *outcome = LAM_AGENT_LATER;
        return rc == LAM_E_LIMIT || rc == LAM_E_CANCELLED ? 0 : rc;
    case LAM_LLM_REJECTED:
        if (lam_agent_refused(agent))
            return LAM_PENDING;
        if (exchange->no_tools) { /* one that takes them began it, and is not there */
            *outcome = end(agent, LAM_AGENT_LATER, "pending", exchange->reason);
            return 0;
        }
        end(agent, LAM_AGENT_GAVE_UP, "rejected", exchange->reason);
        return 0;
    case LAM_LLM_TOO_LONG:
        lam_agent_over(agent, "limit: its requests are longer than the model takes", err);
        return 0;
    case LAM_LLM_REFUSED:
        *outcome = end(agent, LAM_AGENT_REFUSED, "refused", exchange->reason);
        LAM_FAIL(err, LAM_E_INVALID, "%s", exchange->reason);
        return 0;
    case LAM_LLM_LATER:
    case LAM_LLM_CANCELLED:
        if (exchange->timed_out && lam_agent_late(agent))
            return 0;
        *outcome = end(agent, LAM_AGENT_LATER, "pending", exchange->reason);
        return 0;
    }
    return LAM_FAIL(err, LAM_E_INVALID, "an outcome that is none");
}

/* Room under the limits of the run. Waiting for it takes of the agent's time: what is left bounds the request. */
static bool reserve(struct lam_agents *agents, const struct lam_agent *agent, struct lam_llm_request *request, struct lam_agent_usage most, bool first)
{
    const struct lam_agents_options *o = &agents->options;
    unsigned left_ms;

    if (!o->reserve)
        return true;
    if (!o->reserve(o->arg, most, first))
        return false;
    if ((left_ms = lam_agent_left_ms(agent)) == 0)
        o->spent(o->arg, most, (struct lam_agent_usage){0}, 0);
    request->time_ms = left_ms + 1;
    return left_ms > 0;
}

/* One step: a request, what it costs, and what came back. LAM_PENDING: the loop goes on. */
static int step(struct lam_agents *agents, struct lam_agent *agent, struct exchange *exchange, enum lam_agent_outcome *outcome, struct lam_error *err)
{
    const struct lam_agents_options *o = &agents->options;
    struct lam_agent_usage before = lam_agent_usage(agent), after, most;
    struct lam_llm_request request;
    int rc;

    if ((rc = lam_agent_request(agent, &request, err)))
        return *outcome = LAM_AGENT_GAVE_UP, rc == LAM_E_LIMIT ? 0 : rc;
    most = (struct lam_agent_usage){request.tokens, request.max_tokens};
    if (!reserve(agents, agent, &request, most, before.in + before.out == 0))
        return *outcome = end(agent, LAM_AGENT_LATER, "pending", "a limit of the run has no room for it"), 0;
    exchange->endpoint = 0;
    if (!(rc = ask(agents, exchange, &request, err)))
        rc = take(agent, exchange, outcome, err);
    else if (rc == LAM_E_CANCELLED)
        rc = (*outcome = end(agent, LAM_AGENT_LATER, "pending", "the run ends"), 0);
    after = lam_agent_usage(agent);
    if (o->reserve)
        o->spent(o->arg, most, (struct lam_agent_usage){after.in - before.in, after.out - before.out}, exchange->endpoint);
    return rc;
}

static int loop(struct lam_agents *agents, struct lam_agent *agent, enum lam_agent_outcome *outcome, struct lam_error *err)
{
    struct exchange exchange = {.outcome = LAM_LLM_CANCELLED};
    int rc = LAM_PENDING;

    pthread_mutex_init(&exchange.lock, NULL);
    pthread_cond_init(&exchange.changed, NULL);
    lam_buf_init(&exchange.body, ANSWER_MAX);
    while (rc == LAM_PENDING) {
        if (atomic_load(&agents->cancelled))
            rc = (*outcome = end(agent, LAM_AGENT_LATER, "pending", "the run ends"), 0);
        else
            rc = step(agents, agent, &exchange, outcome, err);
    }
    lam_buf_release(&exchange.body);
    pthread_cond_destroy(&exchange.changed);
    pthread_mutex_destroy(&exchange.lock);
    return rc;
}

/* What it came to is kept where asking again would come to the same. A cache that cannot be written loses an answer to the next run, never to this one. */
static void keep(struct lam_agents *agents, struct lam_agent_task *task, const struct lam_agent *agent)
{
    struct lam_agent_end end = {.answered = task->outcome == LAM_AGENT_ANSWERED, .used = task->used, .result = task->result, .trail = task->trail};

    if (end.answered || (task->outcome == LAM_AGENT_GAVE_UP && lam_agent_lasting(agent)))
        task->unkept = lam_agent_kept_put(&agents->kept, task->record, &end, &agents->cancelled, &task->err) != 0;
}

static int ask_anew(struct lam_agents *agents, struct lam_agent_task *task, struct lam_error *err)
{
    struct lam_agent_options options = agents->options.agent;
    struct lam_agent *agent;
    int rc;

    options.protocol = (enum lam_agent_protocol)atomic_load(&agents->protocol);
    if ((rc = lam_agent_new(&agent, &options, task->key, task->title, task->text, err)))
        return rc;
    rc = loop(agents, agent, &task->outcome, err);
    atomic_store(&agents->protocol, (int)lam_agent_protocol(agent));
    task->used = lam_agent_usage(agent);
    task->doubted = lam_agent_doubted(agent);
    if (!rc && !(rc = lam_agent_trail(agent, &task->trail, err)) && !(rc = lam_buf_add_sv(&task->result, lam_agent_result(agent), err)))
        keep(agents, task, agent);
    lam_agent_free(agent);
    return rc;
}

static int work(struct lam_agents *agents, struct lam_agent_task *task, struct lam_error *err)
{
    struct lam_agent_end end = {.result = task->result, .trail = task->trail};
    int rc = lam_agent_kept_get(&agents->kept, task->record, &end, err);

    task->result = end.result;
    task->trail = end.trail;
    if (rc == LAM_E_NOT_FOUND)
        return ask_anew(agents, task, err);
    if (rc)
        return rc;
    task->found = true;
    task->used = end.used;
    task->outcome = end.answered ? LAM_AGENT_ANSWERED : LAM_AGENT_GAVE_UP;
    return 0;
}

static void run(void *arg, unsigned worker)
{
    struct lam_agent_task *task = arg;

    (void)worker;
    task->broken = work(task->agents, task, &task->err) != 0;
    if (task->broken)
        task->outcome = LAM_AGENT_LATER; /* memory, or a client that closes: nothing is known of this record */
}

/* --- the owner's side --- */

static void agents_free(struct lam_agents *agents)
{
    lam_pool_free(agents->pool);
    lam_agent_kept_release(&agents->kept);
    free(agents);
}

int lam_agents_open(struct lam_agents **out, const struct lam_agents_options *options, struct lam_error *err)
{
    struct lam_agents *agents;
    int rc;

    *out = NULL;
    if (!options->parallel || options->parallel > LAM_AGENTS_PARALLEL_MAX || options->max_open < options->parallel)
        return LAM_FAIL(err, LAM_E_INVALID, "%u agents at once are none, or more than %d", options->parallel, LAM_AGENTS_PARALLEL_MAX);
    if ((rc = lam_agent_options_check(&options->agent, err)))
        return rc;
    if (!(agents = calloc(1, sizeof *agents)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    agents->options = *options;
    atomic_init(&agents->protocol, (int)options->agent.protocol);
    atomic_init(&agents->cancelled, false);
    if (!(rc = lam_agent_kept_init(&agents->kept, options->cache, &options->agent, options->model, err)))
        rc = lam_pool_new(&agents->pool, "agent", options->parallel, options->max_open, options->wake, err);
    if (rc) {
        agents_free(agents);
        return rc;
    }
    *out = agents;
    return 0;
}

void lam_agents_close(struct lam_agents *agents)
{
    void *task;

    if (!agents)
        return;
    lam_agents_cancel(agents);
    while (lam_pool_open_jobs(agents->pool)) {
        if (!lam_pool_take(agents->pool, &task)) {
            sleep_ms(1);
            continue;
        }
        lam_buf_release(&((struct lam_agent_task *)task)->result);
        lam_buf_release(&((struct lam_agent_task *)task)->trail);
    }
    agents_free(agents);
}

static bool submit(struct lam_agents *agents, struct lam_agent_task *task)
{
    if (!lam_pool_submit(agents->pool, run, task))
        return false;
    task->next = agents->open;
    agents->open = task;
    return true;
}

/* The link that holds the first of these records. */
static struct lam_agent_task **find(struct lam_agent_task **list, struct lam_digest record)
{
    while (*list && !lam_digest_eq((*list)->record, record))
        list = &(*list)->next;
    return list;
}

static bool wait_for_equal(struct lam_agents *agents, struct lam_agent_task *task)
{
    struct lam_agent_task **link = &agents->equal;

    while (*link)
        link = &(*link)->next;
    task->next = NULL;
    *link = task;
    agents->equal_count++;
    return true;
}

bool lam_agents_submit(struct lam_agents *agents, struct lam_agent_task *task)
{
    if (lam_agents_open_tasks(agents) >= agents->options.max_open)
        return false;
    task->agents = agents;
    task->outcome = LAM_AGENT_LATER;
    task->found = task->unkept = false;
    task->used = task->doubted = (struct lam_agent_usage){0};
    lam_buf_init(&task->result, LAM_AGENT_BODY_MAX);
    lam_buf_init(&task->trail, LAM_AGENT_STEPS_MAX + 4096);
    return *find(&agents->open, task->record) ? wait_for_equal(agents, task) : submit(agents, task);
}

/* The next of the same record, if one waits: there is room, for what it waited for is done. */
static void submit_equal(struct lam_agents *agents, struct lam_digest record)
{
    struct lam_agent_task **link = find(&agents->equal, record), *task = *link;

    if (!task)
        return;
    *link = task->next;
    agents->equal_count--;
    submit(agents, task);
}

struct lam_agent_task *lam_agents_poll(struct lam_agents *agents)
{
    struct lam_agent_task *task;
    void *taken;

    if (!lam_pool_take(agents->pool, &taken))
        return NULL;
    task = taken;
    *find(&agents->open, task->record) = task->next; /* the only one of its record */
    submit_equal(agents, task->record);
    return task;
}

int lam_agents_expect(const struct lam_agents *agents, const struct lam_agent_task *task, bool *kept, struct lam_agent_expected *expected, struct lam_error *err)
{
    struct lam_agent_end end;
    int rc;

    *expected = (struct lam_agent_expected){0};
    lam_buf_init(&end.result, LAM_AGENT_BODY_MAX);
    lam_buf_init(&end.trail, LAM_AGENT_STEPS_MAX + 4096);
    rc = lam_agent_kept_get(&agents->kept, task->record, &end, err);
    lam_buf_release(&end.result);
    lam_buf_release(&end.trail);
    *kept = !rc;
    return rc == LAM_E_NOT_FOUND ? lam_agent_expect(&agents->options.agent, task->key, task->title, task->text, expected, err) : rc;
}

size_t lam_agents_open_tasks(const struct lam_agents *agents) { return lam_pool_open_jobs(agents->pool) + agents->equal_count; }

void lam_agents_cancel(struct lam_agents *agents) { atomic_store(&agents->cancelled, true); }
