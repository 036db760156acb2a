#include "agent_job.h"

#include <stdlib.h>

#define MAX_OPEN 1024 /* records that are with the threads; more wait here */

/* A piece whose records are with agents. */
struct visit {
    struct lam_batch_piece *piece;
    struct lam_agent_task *tasks;
    struct lam_row **rows;
    struct lam_arena masked; /* titles and texts as agents may see them, where the job masks something */
    size_t count, sent, open;
    struct visit *next;
};

struct lam_agent_job {
    struct lam_agent_setup setup;
    struct lam_openai *openai;
    const struct lam_job_deep *deep;
    struct visit *visits, **visits_end;
    struct lam_agent_stats stats;
    const struct lam_log *log;
};

/* --- what it costs --- */

/* Agents spend from the limits of the run, as all its requests do. On their threads. */
static bool reserve(void *arg, struct lam_agent_usage most, bool first)
{
    struct lam_agent_job *job = arg;

    (void)first;
    return lam_openai_reserve(job->openai, job->setup.agent->tier, most.in, most.out);
}

static void spent(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint)
{
    struct lam_agent_job *job = arg;
    struct lam_openai_usage reserved = {.tokens_in = most.in, .tokens_out = most.out};
    struct lam_openai_usage paid = {.requests = used.in + used.out > 0, .tokens_in = used.in, .tokens_out = used.out};

    lam_openai_spent(job->openai, job->setup.agent->tier, &reserved, &paid, endpoint);
}

/* --- a life --- */

int lam_agent_job_open(struct lam_agent_job **out, struct lam_engine *engine, struct lam_openai *openai, struct lam_cache *cache, struct lam_error *err)
{
    struct lam_agent_setup_options options = {.client = lam_openai_client(openai), .cache = cache, .max_open = MAX_OPEN, .wake = &engine->wake, .reserve = reserve,
                                              .spent = spent};
    struct lam_agent_job *job;
    int rc;

    *out = NULL;
    if (!engine->job->deep.agent)
        return 0;
    if (!(job = calloc(1, sizeof *job)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    job->visits_end = &job->visits;
    job->openai = openai;
    job->deep = &engine->job->deep;
    job->log = &engine->log;
    options.arg = job;
    if ((rc = lam_agent_setup_open(&job->setup, engine, &options, err))) {
        lam_agent_job_close(job);
        return rc;
    }
    *out = job;
    return 0;
}

static void visit_free(struct visit *visit)
{
    lam_arena_release(&visit->masked);
    free(visit->tasks);
    free(visit->rows);
    free(visit);
}

void lam_agent_job_close(struct lam_agent_job *job)
{
    if (!job)
        return;
    lam_agent_setup_release(&job->setup); /* no thread has a visit any more */
    while (job->visits) {
        struct visit *visit = job->visits;

        job->visits = visit->next;
        visit_free(visit);
    }
    free(job);
}

/* --- pieces --- */

static void send(struct lam_agent_job *job)
{
    for (struct visit *visit = job->visits; visit; visit = visit->next)
        while (visit->sent < visit->count) {
            if (!lam_agents_submit(job->setup.agents, &visit->tasks[visit->sent]))
                return;
            visit->sent++;
        }
}

int lam_agent_job_submit(struct lam_agent_job *job, struct lam_batch_piece *piece, struct lam_error *err)
{
    size_t rows = lam_block_rows(piece->block);
    struct visit *visit;
    int rc;

    if (!job || !rows)
        return LAM_END;
    if (!(visit = calloc(1, sizeof *visit)) || !(visit->tasks = calloc(rows, sizeof *visit->tasks)) || !(visit->rows = calloc(rows, sizeof *visit->rows))) {
        if (visit)
            visit_free(visit);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the records of agents");
    }
    visit->piece = piece;
    lam_arena_init(&visit->masked, LAM_AGENT_MASKED_MAX);
    for (size_t i = 0; i < rows; i++) {
        struct lam_row *row = lam_block_row(piece->block, i);

        if (row->rec.flags & (LAM_ROW_PENDING | LAM_ROW_NO_TEXT) || !lam_agent_setup_asks(&job->setup, &row->rec, NULL))
            continue;
        if ((rc = lam_agent_setup_task(&job->setup, row, &visit->masked, &visit->tasks[visit->count], err))) {
            visit_free(visit);
            return rc;
        }
        visit->tasks[visit->count].arg = visit;
        visit->rows[visit->count++] = row;
    }
    if (!visit->count) {
        visit_free(visit);
        return LAM_END;
    }
    visit->open = visit->count;
    *job->visits_end = visit;
    job->visits_end = &visit->next;
    job->stats.records += visit->count;
    send(job);
    return 0;
}

int lam_agent_job_estimate(struct lam_agent_job *job, const struct lam_batch_piece *piece, struct lam_agent_need *need, struct lam_error *err)
{
    return job ? lam_agent_estimate(&job->setup, job->deep, piece->block, need, err) : 0;
}

/* It may be asked again; what it did until then, and why it did no more, stays to be seen. */
static void leave_pending(struct lam_block *block, struct lam_row *row, const struct lam_agent_task *task)
{
    row->rec.flags |= LAM_ROW_PENDING;
    if (task->trail.len && !task->broken)
        lam_agent_add_member(block, &row->enr.trace, lam_buf_sv(&task->trail));
}

/* What an agent came to goes into its row. A block without room leaves the row pending. */
static void keep(struct lam_agent_job *job, const struct visit *visit, const struct lam_agent_task *task)
{
    struct lam_row *row = visit->rows[task - visit->tasks];
    struct lam_block *block = visit->piece->block;
    uint64_t tokens = task->used.in + task->used.out;

    row->enr.tokens += (uint32_t)tokens;
    job->stats.found += task->found;
    job->stats.tokens += task->found ? 0 : tokens;
    if (task->outcome == LAM_AGENT_LATER || task->outcome == LAM_AGENT_REFUSED) {
        leave_pending(block, row, task);
        job->stats.later++;
    } else if (!lam_agent_add_member(block, &row->enr.trace, lam_buf_sv(&task->trail)) ||
               (task->outcome == LAM_AGENT_ANSWERED && !lam_agent_add_member(block, &row->enr.custom, lam_buf_sv(&task->result)))) {
        row->rec.flags |= LAM_ROW_PENDING;
        job->stats.later++;
    } else if (task->outcome == LAM_AGENT_ANSWERED)
        job->stats.answered++;
    else
        job->stats.gave_up++;
}

static int take_done(struct lam_agent_job *job, struct lam_error *err)
{
    struct lam_agent_task *task;
    int rc = 0;

    while ((task = lam_agents_poll(job->setup.agents))) {
        struct visit *visit = task->arg;

        keep(job, visit, task);
        lam_agent_setup_tell(&job->setup, job->log, "batch", "the next run", task);
        if (task->outcome == LAM_AGENT_REFUSED) {
            *err = task->err;
            rc = err->code;
        }
        lam_buf_release(&task->result);
        lam_buf_release(&task->trail);
        visit->open--;
    }
    send(job);
    return rc;
}

int lam_agent_job_poll(struct lam_agent_job *job, struct lam_batch_piece **piece, struct lam_error *err)
{
    int rc;

    if (!job || !job->visits)
        return LAM_END;
    if ((rc = take_done(job, err)))
        return rc;
    for (struct visit **link = &job->visits; *link; link = &(*link)->next) {
        struct visit *visit = *link;

        if (visit->open)
            continue;
        *link = visit->next;
        if (!*link)
            job->visits_end = link;
        *piece = visit->piece;
        visit_free(visit);
        return 0;
    }
    return LAM_PENDING;
}

void lam_agent_job_cancel(struct lam_agent_job *job)
{
    if (!job)
        return;
    lam_agent_tools_stop(job->setup.tools);
    lam_agents_cancel(job->setup.agents);
}

void lam_agent_job_stats(const struct lam_agent_job *job, struct lam_agent_stats *stats)
{
    *stats = job ? job->stats : (struct lam_agent_stats){0};
}
