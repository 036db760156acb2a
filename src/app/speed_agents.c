#include "speed_agents.h"

#include "speed_owed.h"
#include "speed_spending.h"

#include <stdlib.h>

static const char pending_trail[] = "{\"protocol\":\"\",\"outcome\":\"pending\",\"tokens\":0,\"ms\":0,\"steps\":[]}";

struct lam_speed_agents {
    struct lam_engine *engine;
    struct lam_agent_setup setup;
    struct lam_speed_owed_queue fresh;          /* not in the tail yet */
    struct lam_speed_owed_queue again, waiting; /* of which only the output is owed; of the tail */
    struct lam_speed_owed *working;             /* with agents, or stopped with them */
    atomic_size_t bytes;                        /* of all of them */
    bool stopped;
    bool refused; /* told of */
    struct lam_speed_agents_stats stats;
    struct lam_speed_spending spending;
};

/* --- a life --- */

static void owed_free(struct lam_speed_agents *agents, struct lam_speed_owed *owed)
{
    atomic_fetch_sub(&agents->bytes, owed->bytes);
    lam_speed_owed_free(owed);
}

int lam_speed_agents_open(struct lam_speed_agents **out, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err)
{
    const struct lam_job_agent *agent = engine->job->deep.agent;
    struct lam_agent_setup_options options = {0};
    struct lam_speed_agents *agents;
    int rc;

    *out = NULL;
    if (!llm || !agent || agent->layers == LAM_JOB_AGENT_BATCH)
        return 0;
    if (!(agents = calloc(1, sizeof *agents)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    agents->engine = engine;
    lam_speed_spending_init(&agents->spending, engine);
    lam_speed_owed_queue_init(&agents->fresh);
    lam_speed_owed_queue_init(&agents->again);
    lam_speed_owed_queue_init(&agents->waiting);
    options.client = lam_openai_client(lam_llm_job_openai(llm));
    options.cache = lam_llm_job_cache(llm);
    options.max_open = 2 * (size_t)agent->parallel; /* so that no thread waits for the next turn of this one */
    lam_speed_spending_watch(&agents->spending, &options);
    if ((rc = lam_agent_setup_open(&agents->setup, engine, &options, err))) {
        lam_speed_agents_close(agents);
        return rc;
    }
    *out = agents;
    return 0;
}

void lam_speed_agents_close(struct lam_speed_agents *agents)
{
    struct lam_speed_owed *owed;

    if (!agents)
        return;
    lam_speed_spending_close(&agents->spending);
    lam_agent_setup_release(&agents->setup); /* no agent has a task any more */
    while ((owed = lam_speed_owed_pop(&agents->fresh)) || (owed = lam_speed_owed_pop(&agents->again)) || (owed = lam_speed_owed_pop(&agents->waiting)))
        owed_free(agents, owed);
    while ((owed = agents->working)) {
        agents->working = owed->next;
        owed->task.result = owed->task.trail = (struct lam_buf){0}; /* closing has released them, where it took them */
        owed_free(agents, owed);
    }
    lam_speed_spending_release(&agents->spending);
    free(agents);
}

/* --- owing --- */

bool lam_speed_agents_asks(struct lam_speed_agents *agents, const struct lam_record *rec, const struct lam_json *json)
{
    return agents && lam_agent_setup_asks(&agents->setup, rec, json);
}

/* A block without room for the trail leaves it out: the row is pending all the same. */
static void say_pending(struct lam_block *block, struct lam_row *row)
{
    row->rec.flags |= LAM_ROW_PENDING;
    lam_agent_add_member(block, &row->enr.trace, LAM_SV(pending_trail));
}

int lam_speed_agents_owe(struct lam_speed_agents *agents, struct lam_block *block, size_t i, bool output, struct lam_error *err)
{
    struct lam_speed_owed *owed;
    int rc = lam_speed_owed_new(&owed, lam_block_row(block, i), err);

    if (rc)
        return rc;
    owed->index = i;
    owed->output = output;
    atomic_fetch_add(&agents->bytes, owed->bytes);
    say_pending(block, lam_block_row(block, i));
    lam_speed_owed_push(&agents->fresh, owed);
    agents->stats.done.records++;
    return 0;
}

void lam_speed_agents_appended(struct lam_speed_agents *agents, const struct lam_tail_place *first)
{
    struct lam_speed_owed *owed;

    while (agents && (owed = lam_speed_owed_pop(&agents->fresh))) {
        owed->placed = first != NULL;
        if (first)
            owed->place = (struct lam_tail_place){first->chunk, first->row + owed->index};
        else
            owed->until_us = lam_mono_us(agents->engine->clock) + agents->setup.agent->time_us;
        lam_speed_owed_push(first ? &agents->waiting : &agents->again, owed);
    }
}

/* --- settling --- */

static void leave_working(struct lam_speed_agents *agents, const struct lam_speed_owed *owed)
{
    struct lam_speed_owed **link = &agents->working;

    while (*link != owed)
        link = &(*link)->next;
    *link = owed->next;
}

/* What is not answered stays pending: the batch layer asks again. */
static int fill_row(struct lam_speed_agents *agents, struct lam_speed_owed *owed, struct lam_error *err)
{
    const struct lam_agent_task *task = &owed->task;
    struct lam_row *row = &owed->row;
    int rc;

    agents->stats.done.found += task->found;
    agents->stats.done.answered += task->outcome == LAM_AGENT_ANSWERED;
    agents->stats.done.gave_up += task->outcome == LAM_AGENT_GAVE_UP;
    if (task->outcome != LAM_AGENT_ANSWERED && task->outcome != LAM_AGENT_GAVE_UP) {
        agents->stats.done.later++;
        row->rec.flags |= LAM_ROW_PENDING;
        return 0;
    }
    if ((rc = lam_speed_owed_fill(owed, err)))
        return rc;
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

static void tell_limit(struct lam_speed_agents *agents)
{
    if (agents->stats.limit[0] || !lam_speed_spending_reached(&agents->spending, agents->stats.limit, sizeof agents->stats.limit))
        return;
    lam_log_warn(&agents->engine->log, "speed", "%s was reached: no more agents are asked in this run; records that ask for one stay pending for the batch layer",
                 agents->stats.limit);
}

/* The row in the tail, then the output; the task is over. */
static int settle(struct lam_speed_agents *agents, struct lam_speed_owed *owed, struct lam_tail_log *tail, struct lam_speed_sender *sender, struct lam_error *err)
{
    struct lam_row *row = &owed->row;
    int rc = fill_row(agents, owed, err);

    tell_refused(agents, &owed->task);
    lam_agent_setup_tell(&agents->setup, &agents->engine->log, "speed", "the batch layer", &owed->task);
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
static bool is_over(const struct lam_speed_agents *agents, const struct lam_speed_owed *owed, struct lam_tail_log *tail)
{
    return owed->placed ? !lam_tail_waits(tail, owed->place) : lam_mono_us(agents->engine->clock) >= owed->until_us;
}

/* The first that waits stays pending: the batch layer asks. Its output goes out as it is. */
static int leave_pending(struct lam_speed_agents *agents, struct lam_speed_owed_queue *queue, struct lam_tail_log *tail, struct lam_speed_sender *sender,
                         struct lam_error *err)
{
    struct lam_speed_owed *owed = lam_speed_owed_pop(queue);
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
        struct lam_speed_owed *owed = task->arg;

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
static bool begin(struct lam_speed_agents *agents, struct lam_speed_owed_queue *queue, struct lam_error *err)
{
    struct lam_speed_owed *owed = queue->first;

    if (lam_agent_setup_task(&agents->setup, &owed->row, &owed->masked, &owed->task, err)) {
        lam_log_warn(&agents->engine->log, "speed", "no agent is asked about key %.*s, it stays pending: %s", LAM_SV_ARG(owed->row.rec.key), err->text);
        return false;
    }
    owed->task.arg = owed;
    lam_speed_owed_pop(queue);
    owed->next = agents->working;
    agents->working = owed;
    return lam_agents_submit(agents->setup.agents, &owed->task); /* there is room */
}

static int begin_some(struct lam_speed_agents *agents, struct lam_speed_owed_queue *queue, struct lam_tail_log *tail, struct lam_speed_sender *sender,
                      struct lam_error *err)
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

bool lam_speed_agents_idle(const struct lam_speed_agents *agents)
{
    return !agents || (!agents->fresh.first && !agents->again.first && !agents->waiting.first && !agents->working);
}

bool lam_speed_agents_full(const struct lam_speed_agents *agents, const struct lam_job_stream *stream, struct lam_tail_log *tail)
{
    return lam_tail_stats(tail).bytes + (agents ? atomic_load(&agents->bytes) : 0) >= stream->tail;
}

void lam_speed_agents_held(const struct lam_speed_agents *agents, void (*visit)(void *arg, const struct lam_record *rec), void *arg)
{
    const struct lam_speed_owed *const lists[] = {agents ? agents->fresh.first : NULL, agents ? agents->again.first : NULL, agents ? agents->waiting.first : NULL,
                                                 agents ? agents->working : NULL};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct lam_speed_owed *owed = lists[i]; owed; owed = owed->next)
            if (owed->output)
                visit(arg, &owed->row.rec);
}

void lam_speed_agents_stop(struct lam_speed_agents *agents)
{
    if (!agents)
        return;
    agents->stopped = true;
    lam_speed_spending_close(&agents->spending);
    lam_agent_tools_stop(agents->setup.tools);
    lam_agents_cancel(agents->setup.agents);
}

void lam_speed_agents_stats(struct lam_speed_agents *agents, struct lam_speed_agents_stats *stats)
{
    struct lam_agent_stats *done = &stats->done;

    *stats = agents ? agents->stats : (struct lam_speed_agents_stats){0};
    if (!agents)
        return;
    lam_speed_spending_bill(&agents->spending, stats);
    stats->open = done->records - done->answered - done->gave_up - done->later;
}
