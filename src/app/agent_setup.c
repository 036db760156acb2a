#include "agent_setup.h"

#include <inttypes.h>

#include "ai/openai/ask.h"

#define METADATA_MAX ((size_t)16 << 20)
#define METADATA_DEPTH 100
#define MODEL_MAX ((size_t)64 << 10)

static const char member[] = "\"agent\":";

/* --- a life --- */

/* Who thinks: the model that the job names, or all that may answer for it. */
static int name_model(struct lam_agent_setup *setup, const struct lam_job *job, struct lam_error *err)
{
    lam_buf_init(&setup->model, MODEL_MAX);
    return setup->agent->model ? lam_buf_addf(&setup->model, err, "%s", setup->agent->model)
                               : lam_asks_models(job, setup->agent->tier, LAM_JOB_CHAT, &setup->model, err);
}

/* What agents are not shown: kinds of entities, and the patterns of the job's own kinds. */
static int name_masked(struct lam_agent_setup *setup, const struct lam_job *job, struct lam_error *err)
{
    int rc = 0;

    lam_buf_init(&setup->masked, MODEL_MAX);
    if (!job->redact.kinds.count)
        return 0;
    for (size_t i = 0; !rc && i < job->redact.kinds.count; i++)
        rc = lam_buf_addf(&setup->masked, err, "%.*s;", LAM_SV_ARG(job->redact.kinds.items[i]));
    for (size_t i = 0; !rc && i < job->tasks.pattern_count; i++)
        rc = lam_buf_addf(&setup->masked, err, "%.*s=%.*s;", LAM_SV_ARG(job->tasks.patterns[i].name), LAM_SV_ARG(job->tasks.patterns[i].expression));
    return rc;
}

static int open_agents(struct lam_agent_setup *setup, struct lam_engine *engine, const struct lam_agent_setup_options *o, struct lam_error *err)
{
    const struct lam_job_agent *agent = setup->agent;
    struct lam_agents_options options = {.client = o->client, .tier = agent->tier, .parallel = agent->parallel, .max_open = o->max_open, .wake = o->wake,
                                         .cache = o->cache, .model = lam_buf_sv(&setup->model), .reserve = o->reserve, .spent = o->spent, .arg = o->arg};

    options.agent = (struct lam_agent_options){.limits = {agent->steps, agent->tokens, agent->time_us, agent->result}, .question = agent->question,
                                               .answer_schema = agent->schema, .masked = lam_buf_sv(&setup->masked), .answer_tokens = agent->answer_tokens, .clock = engine->clock,
                                               .context = lam_asks_context(engine->job, agent->tier, LAM_JOB_CHAT),
                                               .protocol = agent->protocol == LAM_JOB_AGENT_CHOICE ? LAM_AGENT_CHOICE : LAM_AGENT_TOOLS};
    options.agent.tools = lam_agent_tools_list(setup->tools, &options.agent.tool_count);
    return lam_agents_open(&setup->agents, &options, err);
}

int lam_agent_setup_open(struct lam_agent_setup *setup, struct lam_engine *engine, const struct lam_agent_setup_options *options, struct lam_error *err)
{
    int rc;

    *setup = (struct lam_agent_setup){.agent = engine->job->deep.agent};
    if (!(setup->metadata = lam_json_new(METADATA_MAX, METADATA_DEPTH)) || !(setup->hash = lam_hash_new()))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for agents");
    else if (!(rc = name_model(setup, engine->job, err)) && !(rc = name_masked(setup, engine->job, err)) && !(rc = lam_redactor_of_job(engine, &setup->redactor, err)) &&
             !(rc = lam_agent_tools_new(&setup->tools, engine, setup->agent, err)))
        rc = open_agents(setup, engine, options, err);
    return rc ? LAM_PASS(err, rc, "deep.agent") : 0;
}

void lam_agent_setup_release(struct lam_agent_setup *setup)
{
    if (setup->tools)
        lam_agent_tools_stop(setup->tools);
    lam_agents_close(setup->agents);
    lam_agent_tools_free(setup->tools);
    lam_redactor_free(setup->redactor);
    lam_json_free(setup->metadata);
    lam_hash_free(setup->hash);
    lam_buf_release(&setup->model);
    lam_buf_release(&setup->masked);
    *setup = (struct lam_agent_setup){0};
}

/* --- records --- */

bool lam_agent_setup_asks(struct lam_agent_setup *setup, const struct lam_record *rec, const struct lam_json *json)
{
    struct lam_error err;

    if (rec->op == LAM_OP_DELETE)
        return false;
    if (!setup->agent->when)
        return true;
    if (!json)
        lam_json_parse(setup->metadata, rec->metadata.len ? rec->metadata : LAM_SV("{}"), &err); /* no JSON: its fields are absent */
    return lam_rule_holds(setup->agent->when, json ? json : setup->metadata, rec);
}

/* A title that an analyzer made is no word of the record's, and not the same in both layers. */
static struct lam_sv title_of(const struct lam_record *rec) { return rec->flags & LAM_ROW_TITLE_MADE ? lam_sv("", 0) : rec->title; }

/*
 * What makes a record this one and no other: its key, its fields, its text; not where it stood, which is another place when a broker begins anew or a file is
 * read again.
 */
static struct lam_digest digest_of(struct lam_agent_setup *setup, const struct lam_record *rec)
{
    const struct lam_sv parts[] = {rec->key, rec->metadata, title_of(rec), rec->text};

    lam_hash_reset(setup->hash);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t len = parts[i].len;

        lam_hash_add(setup->hash, &len, sizeof len);
        if (len)
            lam_hash_add(setup->hash, parts[i].ptr, parts[i].len);
    }
    return lam_hash_end(setup->hash);
}

int lam_agent_setup_task(struct lam_agent_setup *setup, const struct lam_row *row, struct lam_arena *masked, struct lam_agent_task *task, struct lam_error *err)
{
    struct lam_sv title, text;
    int rc;

    *task = (struct lam_agent_task){.key = row->rec.key, .title = title_of(&row->rec), .text = row->rec.text, .record = digest_of(setup, &row->rec)};
    if (!setup->redactor)
        return 0;
    if ((rc = lam_redact_text(setup->redactor, task->title, lam_sv("", 0), &title, err)))
        return rc;
    task->title = lam_arena_copy(masked, title);
    if ((rc = lam_redact_text(setup->redactor, row->rec.text, row->enr.entities, &text, err)))
        return rc;
    task->text = lam_arena_copy(masked, text);
    return task->title.ptr && task->text.ptr ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for the records of agents");
}

/* --- answers --- */

static bool is_empty(struct lam_sv object) { return object.len < 3; }

size_t lam_agent_member_len(struct lam_sv old, struct lam_sv value) { return (is_empty(old) ? 1 : old.len) + sizeof member - 1 + value.len + 1; }

struct lam_sv lam_agent_member_write(struct lam_sv old, struct lam_sv value, char *out)
{
    size_t at = 1;

    *out = '{';
    if (!is_empty(old)) {
        memcpy(out, old.ptr, old.len - 1);
        at = old.len;
        out[at - 1] = ',';
    }
    memcpy(out + at, member, sizeof member - 1);
    at += sizeof member - 1;
    memcpy(out + at, value.ptr, value.len);
    out[at + value.len] = '}';
    return lam_sv(out, at + value.len + 1);
}

bool lam_agent_add_member(struct lam_block *block, struct lam_sv *object, struct lam_sv value)
{
    char *text = lam_block_alloc(block, lam_agent_member_len(*object, value));

    if (text)
        *object = lam_agent_member_write(*object, value, text);
    return text != NULL;
}

void lam_agent_setup_tell(struct lam_agent_setup *setup, const struct lam_log *log, const char *area, const char *later, const struct lam_agent_task *task)
{
    if (task->broken && !setup->broken)
        lam_log_warn(log, area, "an agent could not work, and its record stays pending for %s: %s", later, task->err.text);
    if (task->unkept && !setup->unkept)
        lam_log_warn(log, area, "what an agent came to cannot be kept in the cache: it is used all the same, and who needs it next may pay for it again: %s", task->err.text);
    if (task->doubted.in + task->doubted.out && !setup->doubted)
        lam_log_warn(log, area, "a server counts %" PRIu64 " tokens in and %" PRIu64 " out for one request of an agent: estimates take the place of what cannot be", task->doubted.in,
                     task->doubted.out);
    setup->doubted |= task->doubted.in + task->doubted.out > 0;
    setup->broken |= task->broken;
    setup->unkept |= task->unkept;
}

void lam_agent_stats_add(struct lam_agent_stats *sum, const struct lam_agent_stats *more)
{
    sum->records += more->records;
    sum->answered += more->answered;
    sum->gave_up += more->gave_up;
    sum->later += more->later;
    sum->found += more->found;
    sum->tokens += more->tokens;
    sum->tokens_in += more->tokens_in;
    sum->tokens_out += more->tokens_out;
    sum->cost += more->cost;
}
