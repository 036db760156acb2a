#include "agent_job.h"

#include <stdlib.h>

#include "agent_tools.h"
#include "ai/agent/agents.h"
#include "base/arena.h"
#include "model/json.h"
#include "redact_reader.h"

#define MAX_OPEN 1024             /* records that are with the threads; more wait here */
#define METADATA_MAX ((size_t)16 << 20)
#define METADATA_DEPTH 100
#define MASKED_MAX ((size_t)1 << 30) /* bytes of a piece's masked titles and texts */

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
    const struct lam_job_agent *agent;
    struct lam_agent_tools *tools;
    struct lam_agents *agents;
    struct lam_redactor *redactor; /* NULL: nothing is masked */
    struct lam_json *metadata;
    struct visit *visits, **visits_end;
    struct lam_agent_stats stats;
};

/* --- a life --- */

static int open_agents(struct lam_agent_job *job, struct lam_engine *engine, struct lam_llm_client *client, struct lam_error *err)
{
    const struct lam_job_agent *agent = job->agent;
    struct lam_agents_options options = {.client = client, .tier = agent->tier, .parallel = agent->parallel, .max_open = MAX_OPEN, .wake = &engine->wake};

    options.agent = (struct lam_agent_options){.limits = {agent->steps, agent->tokens, agent->time_us, agent->result}, .question = agent->question,
                                               .answer_schema = agent->schema, .answer_tokens = agent->answer_tokens, .clock = engine->clock,
                                               .protocol = agent->protocol == LAM_JOB_AGENT_CHOICE ? LAM_AGENT_CHOICE : LAM_AGENT_TOOLS};
    options.agent.tools = lam_agent_tools_list(job->tools, &options.agent.tool_count);
    return lam_agents_open(&job->agents, &options, err);
}

int lam_agent_job_open(struct lam_agent_job **out, struct lam_engine *engine, struct lam_llm_client *client, struct lam_error *err)
{
    struct lam_agent_job *job;
    int rc;

    *out = NULL;
    if (!engine->job->deep.agent)
        return 0;
    if (!(job = calloc(1, sizeof *job)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    job->agent = engine->job->deep.agent;
    job->visits_end = &job->visits;
    if (!(job->metadata = lam_json_new(METADATA_MAX, METADATA_DEPTH)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    else if (!(rc = lam_redactor_of_job(engine, &job->redactor, err)) && !(rc = lam_agent_tools_new(&job->tools, engine, job->agent, err)))
        rc = open_agents(job, engine, client, err);
    if (rc) {
        lam_agent_job_close(job);
        return LAM_PASS(err, rc, "deep.agent");
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
    if (job->tools)
        lam_agent_tools_stop(job->tools);
    lam_agents_close(job->agents);
    while (job->visits) {
        struct visit *visit = job->visits;

        job->visits = visit->next;
        visit_free(visit);
    }
    lam_agent_tools_free(job->tools);
    lam_redactor_free(job->redactor);
    lam_json_free(job->metadata);
    free(job);
}

/* --- which records --- */

static bool is_asked(struct lam_agent_job *job, const struct lam_record *rec)
{
    struct lam_error err;

    if (rec->op == LAM_OP_DELETE || (rec->flags & (LAM_ROW_PENDING | LAM_ROW_NO_TEXT)))
        return false;
    if (!job->agent->when)
        return true;
    lam_json_parse(job->metadata, rec->metadata.len ? rec->metadata : LAM_SV("{}"), &err); /* no JSON: its fields are absent */
    return lam_rule_holds(job->agent->when, job->metadata, rec);
}

/* --- pieces --- */

static void send(struct lam_agent_job *job)
{
    for (struct visit *visit = job->visits; visit; visit = visit->next)
        while (visit->sent < visit->count) {
            if (!lam_agents_submit(job->agents, &visit->tasks[visit->sent]))
                return;
            visit->sent++;
        }
}

/* The task of a row, without what the job masks. */
static int task_of(struct lam_agent_job *job, struct visit *visit, const struct lam_row *row, struct lam_agent_task *task, struct lam_error *err)
{
    struct lam_sv title, text;
    int rc;

    *task = (struct lam_agent_task){.key = row->rec.key, .title = row->rec.title, .text = row->rec.text, .arg = visit};
    if (!job->redactor)
        return 0;
    if ((rc = lam_redact_text(job->redactor, row->rec.title, lam_sv("", 0), &title, err)))
        return rc;
    task->title = lam_arena_copy(&visit->masked, title);
    if ((rc = lam_redact_text(job->redactor, row->rec.text, row->enr.entities, &text, err)))
        return rc;
    task->text = lam_arena_copy(&visit->masked, text);
    return task->title.ptr && task->text.ptr ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for the records of agents");
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
    lam_arena_init(&visit->masked, MASKED_MAX);
    for (size_t i = 0; i < rows; i++) {
        struct lam_row *row = lam_block_row(piece->block, i);

        if (!is_asked(job, &row->rec))
            continue;
        if ((rc = task_of(job, visit, row, &visit->tasks[visit->count], err))) {
            visit_free(visit);
            return rc;
        }
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

/* {…,"agent":value} in the block's arena; old is {} or empty where there was nothing. */
static int add_member(struct lam_block *block, struct lam_sv old, struct lam_sv value, struct lam_sv *out, struct lam_error *err)
{
    static const char name[] = "\"agent\":";
    bool first = old.len < 3;
    size_t kept = first ? 1 : old.len - 1, len = kept + !first + sizeof name - 1 + value.len + 1;
    char *text = lam_block_alloc(block, len), *to = text;

    if (!text)
        return LAM_FAIL(err, LAM_E_LIMIT, "no room for an agent's answer");
    memcpy(to, first ? "{" : old.ptr, kept);
    to += kept;
    if (!first)
        *to++ = ',';
    memcpy(to, name, sizeof name - 1);
    memcpy(to + sizeof name - 1, value.ptr, value.len);
    text[len - 1] = '}';
    *out = lam_sv(text, len);
    return 0;
}

/* What an agent came to goes into its row. A block without room leaves the row pending. */
static void keep(struct lam_agent_job *job, const struct visit *visit, const struct lam_agent_task *task)
{
    struct lam_row *row = visit->rows[task - visit->tasks];
    struct lam_block *block = visit->piece->block;
    struct lam_error err;

    row->enr.tokens += (uint32_t)task->tokens;
    job->stats.tokens += task->tokens;
    if (task->outcome == LAM_AGENT_LATER || task->outcome == LAM_AGENT_REFUSED ||
        add_member(block, row->enr.trace, lam_buf_sv(&task->trail), &row->enr.trace, &err) ||
        (task->outcome == LAM_AGENT_ANSWERED && add_member(block, row->enr.custom, lam_buf_sv(&task->result), &row->enr.custom, &err))) {
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

    while ((task = lam_agents_poll(job->agents))) {
        struct visit *visit = task->arg;

        keep(job, visit, task);
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
    lam_agent_tools_stop(job->tools);
    lam_agents_cancel(job->agents);
}

void lam_agent_job_stats(const struct lam_agent_job *job, struct lam_agent_stats *stats)
{
    *stats = job ? job->stats : (struct lam_agent_stats){0};
}
