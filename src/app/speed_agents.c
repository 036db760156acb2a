#include "speed_agents.h"

#include "ai/openai/spending.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>


static const char pending_trail[] = "{\"protocol\":\"\",\"outcome\":\"pending\",\"tokens\":0,\"ms\":0,\"steps\":[]}";

/* A row that is owed an agent, with a copy of it that outlives its chunk. */
struct owed {
    struct owed *next;
    struct lam_agent_task task;
    struct lam_row row;
    char *strings; /* of row */
    struct lam_arena masked;
    char *custom, *trace; /* of row, with what the agent came to */
    size_t bytes, index;  /* in the block that it came in */
    struct lam_tail_place place;
    bool placed, output;
    int64_t until_us; /* of one that has no place: how long it waits for an agent to be free */
};

struct queue {
    struct owed *first, **end;
};

struct lam_speed_agents {
    struct lam_engine *engine;
    struct lam_agent_setup setup;
    struct queue fresh;          /* not in the tail yet */
    struct queue again, waiting; /* of which only the output is owed; of the tail. Each in the order in which they came */
    struct owed *working;        /* with agents, or stopped with them */
    atomic_size_t bytes;         /* of all of them */
    bool stopped, refused, broken, unkept; /* but for stopped: told of */
    struct lam_speed_agents_stats stats;

    struct lam_spending spending;
    pthread_mutex_t lock; /* guards what was paid */
    struct lam_agent_usage used;
    double cost;
};

/* --- limits of the run --- */

static struct lam_spent most_of(const struct lam_speed_agents *agents, struct lam_agent_usage most)
{
    const struct lam_job_deep *deep = &agents->engine->job->deep;

    return lam_spent_at_most(deep, LAM_JOB_CHAT, deep->agent->tier, most.in, most.out);
}

/* Once a limit is reached none begins, however little it would take; who is under way goes on where it can. */
static bool reserve(void *arg, struct lam_agent_usage most, bool first)
{
    struct lam_speed_agents *agents = arg;

    if (first && lam_spending_reached(&agents->spending) != LAM_LIMIT_NONE)
        return false;
    return lam_spending_reserve(&agents->spending, most_of(agents, most));
}

static void spent(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint)
{
    struct lam_speed_agents *agents = arg;
    double cost = lam_endpoint_cost(&agents->engine->job->deep.endpoints[endpoint], used.in, used.out);

    lam_spending_settle(&agents->spending, most_of(agents, most), (struct lam_spent){used.in + used.out, cost});
    pthread_mutex_lock(&agents->lock);
    agents->used.in += used.in;
    agents->used.out += used.out;
    agents->cost += cost;
    pthread_mutex_unlock(&agents->lock);
}

/* --- a life --- */

static void queue_init(struct queue *queue) { *queue = (struct queue){NULL, &queue->first}; }

static void queue_push(struct queue *queue, struct owed *owed)
{
    owed->next = NULL;
    *queue->end = owed;
    queue->end = &owed->next;
}

static struct owed *queue_pop(struct queue *queue)
{
    struct owed *owed = queue->first;

    if (owed && !(queue->first = owed->next))
        queue->end = &queue->first;
    return owed;
}

static void owed_free(struct lam_speed_agents *agents, struct owed *owed)
{
    atomic_fetch_sub(&agents->bytes, owed->bytes);
    lam_buf_release(&owed->task.result);
    lam_buf_release(&owed->task.trail);
    free(owed->strings);
    lam_arena_release(&owed->masked);
    free(owed->custom);
    free(owed->trace);
    free(owed);
}

int lam_speed_agents_open(struct lam_speed_agents **out, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err)
{
    const struct lam_job_agent *agent = engine->job->deep.agent;
    struct lam_agent_setup_options options = {.reserve = reserve, .spent = spent};
    struct lam_speed_agents *agents;
    int rc;

    *out = NULL;
    if (!llm || !agent || agent->layers == LAM_JOB_AGENT_BATCH)
        return 0;
    if (!(agents = calloc(1, sizeof *agents)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    agents->engine = engine;
    pthread_mutex_init(&agents->lock, NULL);
    lam_spending_init_part(&agents->spending, &engine->job->deep, (unsigned)engine->roles.count[LAM_ROLE_SPEED]);
    queue_init(&agents->fresh);
    queue_init(&agents->again);
    queue_init(&agents->waiting);
    options.client = lam_openai_client(lam_llm_job_openai(llm));
    options.cache = lam_llm_job_cache(llm);
    options.max_open = 2 * (size_t)agent->parallel; /* so that no thread waits for the next turn of this one */
    options.arg = agents;
    if ((rc = lam_agent_setup_open(&agents->setup, engine, &options, err))) {
        lam_speed_agents_close(agents);
        return rc;
    }
    *out = agents;
    return 0;
}

void lam_speed_agents_close(struct lam_speed_agents *agents)
{
    struct owed *owed;

    if (!agents)
        return;
    lam_agent_setup_release(&agents->setup); /* no agent has a task any more */
    while ((owed = queue_pop(&agents->fresh)) || (owed = queue_pop(&agents->again)) || (owed = queue_pop(&agents->waiting)))
        owed_free(agents, owed);
    while ((owed = agents->working)) {
        agents->working = owed->next;
        owed->task.result = owed->task.trail = (struct lam_buf){0}; /* closing has released them, where it took them */
        owed_free(agents, owed);
    }
    lam_spending_release(&agents->spending);
    pthread_mutex_destroy(&agents->lock);
    free(agents);
}

/* --- owing --- */

bool lam_speed_agents_asks(struct lam_speed_agents *agents, const struct lam_record *rec, const struct lam_json *json)
{
    return agents && lam_agent_setup_asks(&agents->setup, rec, json);
}

/* As much of the row as its agent and its output need: one piece of memory, so that no size of its parts is a special one. */
static int copy_row(struct owed *owed, const struct lam_row *row, struct lam_error *err)
{
    struct lam_record *rec = &owed->row.rec;
    struct lam_enrichment *enr = &owed->row.enr;
    struct lam_sv *const views[] = {&rec->key,      &rec->order,    &rec->media_type, &rec->title,    &rec->text,   &rec->metadata, &enr->category,
                                    &enr->entities, &enr->summary,  &enr->language,   &enr->keywords, &enr->custom, &enr->analyzer, &enr->trace};
    size_t bytes = 0, at = 0;

    owed->row = *row;
    rec->structure = enr->space = lam_sv("", 0);
    enr->embedding = NULL;
    enr->dim = 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        bytes += views[i]->len;
    if (!(owed->strings = malloc(bytes + 1)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a record that an agent is asked about");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (views[i]->len)
            memcpy(owed->strings + at, views[i]->ptr, views[i]->len);
        views[i]->ptr = owed->strings + at;
        at += views[i]->len;
    }
    owed->bytes = sizeof *owed + bytes;
    return 0;
}

/* {…,"agent":value} in memory of its own. */
static int add_member(struct lam_sv *object, struct lam_sv value, char **text, struct lam_error *err)
{
    size_t len = lam_agent_member_len(*object, value);

    if (!(*text = malloc(len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an agent's answer");
    lam_agent_member_write(*object, value, *text);
    *object = lam_sv(*text, len);
    return 0;
}

/* A block without room for the trail leaves it out: the row is pending all the same. */
static void say_pending(struct lam_block *block, struct lam_row *row)
{
    struct lam_sv trail = LAM_SV(pending_trail);
    size_t len = lam_agent_member_len(row->enr.trace, trail);
    char *text = lam_block_alloc(block, len);

    row->rec.flags |= LAM_ROW_PENDING;
    if (!text)
        return;
    lam_agent_member_write(row->enr.trace, trail, text);
    row->enr.trace = lam_sv(text, len);
}

int lam_speed_agents_owe(struct lam_speed_agents *agents, struct lam_block *block, size_t i, bool output, struct lam_error *err)
{
    struct owed *owed = calloc(1, sizeof *owed);
    int rc;

    if (!owed)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a record that an agent is asked about");
    owed->index = i;
    owed->output = output;
    lam_arena_init(&owed->masked, LAM_AGENT_MASKED_MAX);
    if ((rc = copy_row(owed, lam_block_row(block, i), err))) {
        owed_free(agents, owed);
        return rc;
    }
    atomic_fetch_add(&agents->bytes, owed->bytes);
    say_pending(block, lam_block_row(block, i));
    queue_push(&agents->fresh, owed);
    agents->stats.done.records++;
    return 0;
}

void lam_speed_agents_appended(struct lam_speed_agents *agents, const struct lam_tail_place *first)
{
    struct owed *owed;

    while (agents && (owed = queue_pop(&agents->fresh))) {
        owed->placed = first != NULL;
        if (first)
            owed->place = (struct lam_tail_place){first->chunk, first->row + owed->index};
        else
            owed->until_us = lam_mono_us(agents->engine->clock) + agents->setup.agent->time_us;
        queue_push(first ? &agents->waiting : &agents->again, owed);
    }
}

/* --- settling --- */

static void leave_working(struct lam_speed_agents *agents, const struct owed *owed)
{
    struct owed **link = &agents->working;

    while (*link != owed)
        link = &(*link)->next;
    *link = owed->next;
}

/* What an agent came to, in the copy of its row. What is not answered stays pending: the batch layer asks again. */
static int fill_row(struct lam_speed_agents *agents, struct owed *owed, struct lam_row *row, struct lam_error *err)
{
    const struct lam_agent_task *task = &owed->task;
    bool answered = task->outcome == LAM_AGENT_ANSWERED;
    int rc;

    agents->stats.done.found += task->found;
    agents->stats.done.answered += answered;
    agents->stats.done.gave_up += task->outcome == LAM_AGENT_GAVE_UP;
    if (!answered && task->outcome != LAM_AGENT_GAVE_UP) {
        agents->stats.done.later++;
        row->rec.flags |= LAM_ROW_PENDING;
        return 0;
    }
    if ((rc = add_member(&row->enr.trace, lam_buf_sv(&task->trail), &owed->trace, err)) ||
        (answered && (rc = add_member(&row->enr.custom, lam_buf_sv(&task->result), &owed->custom, err))))
        return rc;
    row->enr.tokens += (uint32_t)(task->used.in + task->used.out);
    row->enr.processed_us = lam_wall_us(agents->engine->clock);
    return 0;
}

static void tell_refused(struct lam_speed_agents *agents, const struct lam_agent_task *task)
{
    if (task->outcome != LAM_AGENT_REFUSED || agents->refused)
        return;
    agents->refused = true;
    lam_log_error(&agents->engine->log, "speed", "no agent can be asked: %s; records that ask for one stay pending for the batch layer", task->err.text);
}

/* Once of each kind: what neither server nor limit explains, and a cache that cannot be written. */
static void tell_broken(struct lam_speed_agents *agents, const struct lam_agent_task *task)
{
    if (task->broken && !agents->broken)
        lam_log_warn(&agents->engine->log, "speed", "an agent could not work, and its record stays pending for the batch layer: %s", task->err.text);
    agents->broken |= task->broken;
    if (lam_agents_unkept(agents->setup.agents) && !agents->unkept)
        lam_log_warn(&agents->engine->log, "speed", "what an agent came to cannot be kept in the cache; it is used all the same, and paid for again by who needs it next");
    agents->unkept |= lam_agents_unkept(agents->setup.agents) > 0;
}

static void tell_limit(struct lam_speed_agents *agents)
{
    enum lam_limit limit = agents->stats.limit[0] ? LAM_LIMIT_NONE : lam_spending_reached(&agents->spending);

    if (limit == LAM_LIMIT_NONE)
        return;
    lam_limit_text(limit, &agents->engine->job->deep, agents->stats.limit, sizeof agents->stats.limit);
    lam_log_warn(&agents->engine->log, "speed", "%s was reached: no more agents are asked in this run; records that ask for one stay pending for the batch layer",
                 agents->stats.limit);
}

/* The row in the tail, then the output; the task is over. */
static int settle(struct lam_speed_agents *agents, struct owed *owed, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    struct lam_row *row = &owed->row;
    int rc = fill_row(agents, owed, row, err);

    tell_refused(agents, &owed->task);
    tell_broken(agents, &owed->task);
    if (!rc && owed->placed) {
        rc = lam_tail_settle(tail, owed->place, row->rec.flags & LAM_ROW_PENDING ? NULL : row, err);
        agents->stats.late += rc == LAM_END && !(row->rec.flags & LAM_ROW_PENDING);
        if (rc == LAM_E_LIMIT)
            lam_log_warn(&agents->engine->log, "speed", "%s", err->text);
        if (rc == LAM_END || rc == LAM_E_LIMIT)
            rc = 0; /* the next view has it, from the cache */
    }
    if (!rc && owed->output)
        rc = lam_speed_sender_send(sender, row, err);
    return rc;
}

/* Waited for too long: its chunk was rolled before an agent was free, or would have been. */
static bool is_over(const struct lam_speed_agents *agents, const struct owed *owed, struct lam_tail_log *tail)
{
    return owed->placed ? !lam_tail_waits(tail, owed->place) : lam_mono_us(agents->engine->clock) >= owed->until_us;
}

/* The first that waits stays pending: the batch layer asks. Its output goes out as it is. */
static int leave_pending(struct lam_speed_agents *agents, struct queue *queue, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    struct owed *owed = queue_pop(queue);
    int rc;

    owed->row.rec.flags |= LAM_ROW_PENDING;
    if (owed->placed)
        lam_tail_settle(tail, owed->place, NULL, err); /* its chunk may be gone */
    rc = owed->output ? lam_speed_sender_send(sender, &owed->row, err) : 0;
    agents->stats.done.later++;
    owed_free(agents, owed);
    return rc;
}

/* --- the step --- */

static int take_done(struct lam_speed_agents *agents, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    struct lam_agent_task *task;
    int rc = 0;

    while (!rc && (task = lam_agents_poll(agents->setup.agents))) {
        struct owed *owed = task->arg;

        if (agents->stopped && task->outcome == LAM_AGENT_LATER) { /* it stays owed: the next run asks */
            lam_buf_release(&task->result);
            lam_buf_release(&task->trail);
            continue;
        }
        leave_working(agents, owed);
        rc = settle(agents, owed, tail, sender, err);
        owed_free(agents, owed);
    }
    return rc;
}

/* A row that no task can be made of is the batch layer's. */
static bool begin(struct lam_speed_agents *agents, struct queue *queue, struct lam_error *err)
{
    struct owed *owed = queue->first;

    if (lam_agent_setup_task(&agents->setup, &owed->row, &owed->masked, &owed->task, err)) {
        lam_log_warn(&agents->engine->log, "speed", "no agent is asked about key %.*s, it stays pending: %s", LAM_SV_ARG(owed->row.rec.key), err->text);
        return false;
    }
    owed->task.arg = owed;
    queue_pop(queue);
    owed->next = agents->working;
    agents->working = owed;
    return lam_agents_submit(agents->setup.agents, &owed->task); /* there is room */
}

static int begin_some(struct lam_speed_agents *agents, struct queue *queue, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    size_t most = 2 * (size_t)agents->setup.agent->parallel;
    int rc = 0;

    while (!rc && queue->first) {
        bool over = is_over(agents, queue->first, tail);

        if (!over && lam_agents_open_tasks(agents->setup.agents) >= most)
            break;
        if (!over && begin(agents, queue, err))
            continue;
        agents->stats.passed += over;
        rc = leave_pending(agents, queue, tail, sender, err);
    }
    return rc;
}

int lam_speed_agents_step(struct lam_speed_agents *agents, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    int rc;

    if (!agents)
        return 0;
    rc = take_done(agents, tail, sender, err);
    tell_limit(agents);
    if (!rc && !agents->stopped)
        rc = begin_some(agents, &agents->again, tail, sender, err);
    return rc || agents->stopped ? rc : begin_some(agents, &agents->waiting, tail, sender, err);
}

bool lam_speed_agents_idle(const struct lam_speed_agents *agents) { return !agents || (!agents->fresh.first && !agents->again.first && !agents->waiting.first && !agents->working); }

bool lam_speed_agents_full(const struct lam_speed_agents *agents, const struct lam_job_stream *stream, struct lam_tail_log *tail)
{
    return lam_tail_stats(tail).bytes + (agents ? atomic_load(&agents->bytes) : 0) >= stream->tail;
}

void lam_speed_agents_held(const struct lam_speed_agents *agents, void (*visit)(void *arg, const struct lam_record *rec), void *arg)
{
    const struct owed *const lists[] = {agents ? agents->fresh.first : NULL, agents ? agents->again.first : NULL, agents ? agents->waiting.first : NULL,
                                         agents ? agents->working : NULL};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct owed *owed = lists[i]; owed; owed = owed->next)
            if (owed->output)
                visit(arg, &owed->row.rec);
}

void lam_speed_agents_stop(struct lam_speed_agents *agents)
{
    if (!agents)
        return;
    agents->stopped = true;
    lam_agent_tools_stop(agents->setup.tools);
    lam_agents_cancel(agents->setup.agents);
}

void lam_speed_agents_stats(struct lam_speed_agents *agents, struct lam_speed_agents_stats *stats)
{
    struct lam_agent_stats *done = &stats->done;

    *stats = agents ? agents->stats : (struct lam_speed_agents_stats){0};
    if (!agents)
        return;
    pthread_mutex_lock(&agents->lock);
    done->tokens_in = agents->used.in;
    done->tokens_out = agents->used.out;
    done->tokens = done->tokens_in + done->tokens_out;
    done->cost = agents->cost;
    pthread_mutex_unlock(&agents->lock);
    stats->open = done->records - done->answered - done->gave_up - done->later;
}
