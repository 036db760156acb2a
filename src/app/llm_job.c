#include "llm_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent_job.h"
#include "ai/cache/flight_comm.h"
#include "ai/openai/recording.h"
#include "process/refine.h"
#include "explain.h"
#include "llm_batch.h"
#include "llm_refused.h"
#include "llm_purse.h"
#include "llm_share.h"
#include "store/piece.h"
#include "redact_reader.h"

#define ESTIMATE_KEYS ((size_t)1 << 20) /* texts of a sample that are known again */
#define TELL_US 200000 /* between two words to the coordinator */

enum { MSG_STATUS = 0x0300, MSG_FLIGHTS = 0x0310 };

/* Plain bytes, one build on all ranks. */
struct status {
    struct lam_openai_stats stats;
    struct lam_agent_stats agents;
    char limit[64];
    struct lam_spent too_much; /* of one request, for this limit; zeroes: of none */
    bool reached;              /* the limit, by many; else one request alone would pass it */
    struct lam_openai_usage used[LAM_LLM_ENDPOINTS]; /* at each endpoint, in all runs of this process */
};

struct lam_llm_job {
    struct lam_redactor *redactor; /* of what models are sent; NULL: all of it */
    struct lam_engine *engine;
    struct lam_cache *cache;
    struct lam_flights *flights; /* NULL: one rank asks, or this one does not */
    struct lam_llm_record_options record; /* where the job asks for them: transports in place of the network, and around it */
    struct lam_llm_replay_options replay;
    char rank_name[24];
    struct lam_llm_batch *batch; /* where requests go in place of models; NULL: models are asked */
    struct lam_openai *openai;
    struct lam_llm_shares *shares; /* NULL: one rank */
    struct lam_llm_purse *purse;   /* NULL: one rank, or no limit */
    struct lam_agent_job *agents; /* NULL: the job has none */
    struct lam_agent_need agents_need; /* of the piece that was given last, where nobody is asked */
    struct lam_llm_refused refused;
    size_t out;
    int64_t told_us;
    struct lam_openai_usage before[LAM_LLM_ENDPOINTS]; /* of status.used: in the runs before this one */
    struct status *all; /* rank 0: the last word of each rank */
};

uint32_t lam_llm_job_builtin_tasks(const struct lam_job *job)
{
    bool first = job->deep.cascade_count && !strcmp(job->deep.cascade[0].model, "builtin");

    uint32_t masked = job->redact.kinds.count ? LAM_TASK_ENTITIES : 0; /* what is to be masked is found before a model sees the text */

    return (job->tasks.wanted & ~(first ? (uint32_t)LAM_TASK_CUSTOM : lam_openai_tasks(job))) | (masked & job->tasks.wanted);
}

void lam_llm_job_defer(struct lam_block *block, size_t first)
{
    for (size_t i = first; i < lam_block_rows(block); i++) {
        struct lam_record *rec = &lam_block_row(block, i)->rec;

        rec->flags &= ~(uint32_t)LAM_ROW_PENDING;
        if (rec->op == LAM_OP_DELETE)
            continue;
        if (!rec->text.len && !rec->title.len)
            rec->flags |= LAM_ROW_NO_TEXT;
        else
            rec->flags |= LAM_ROW_PENDING;
    }
}

/* --- between the ranks --- */

static void tell(struct lam_llm_job *llm)
{
    struct status status = {0};
    struct lam_error err;

    lam_openai_stats(llm->openai, &status.stats);
    memcpy(status.used, llm->before, sizeof status.used);
    lam_openai_usages_add(status.used, status.stats.endpoints);
    lam_agent_job_stats(llm->agents, &status.agents);
    snprintf(status.limit, sizeof status.limit, "%s", lam_openai_limit(llm->openai));
    lam_spending_too_much(lam_openai_spending(llm->openai), &status.too_much);
    status.reached = lam_spending_reached(lam_openai_spending(llm->openai)) != LAM_LIMIT_NONE;
    llm->told_us = lam_mono_us(llm->engine->clock);
    lam_comm_send(llm->engine->comm, 0, MSG_STATUS, lam_sv((const char *)&status, sizeof status), &err); /* a full outbox: the next word says more */
}

/* Rank 0: the word of a rank. */
static void on_status(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_llm_job *llm = arg;

    (void)type;
    if (llm->all && bytes.len == sizeof llm->all[src])
        memcpy(&llm->all[src], bytes.ptr, bytes.len);
}

/* --- open --- */

static void on_reject(void *arg, void *ticket, size_t row, struct lam_sv reason, struct lam_sv raw)
{
    struct lam_llm_job *llm = arg;

    lam_llm_refused_add(&llm->refused, &llm->engine->log, ticket, row, reason, raw);
}

/* The network, or a recording; and a recorder around either. */
static void choose_transport(struct lam_llm_job *llm, struct lam_openai_options *options)
{
    const struct lam_job_deep *deep = &llm->engine->job->deep;

    if (deep->replay) {
        llm->replay = (struct lam_llm_replay_options){.path = deep->replay->path, .speed = deep->replay->speed};
        options->transport = &lam_llm_transport_replay;
        options->transport_arg = &llm->replay;
    }
    if (deep->record) {
        snprintf(llm->rank_name, sizeof llm->rank_name, "rank%d", llm->engine->rank);
        llm->record = (struct lam_llm_record_options){.folder = deep->record, .name = llm->rank_name, .inner = options->transport, .inner_arg = options->transport_arg};
        options->transport = &lam_llm_transport_record;
        options->transport_arg = &llm->record;
    }
}

/* --- leave to ask --- */

static int ask_leave(void *arg, struct lam_digest key, uint64_t token, struct lam_error *err)
{
    return lam_flights_ask(((struct lam_llm_job *)arg)->flights, key, token, err);
}

static int leave_done(void *arg, struct lam_digest key, bool flushed, struct lam_error *err)
{
    return lam_flights_done(((struct lam_llm_job *)arg)->flights, key, flushed, err);
}

static void on_heard(void *arg, uint64_t token, enum lam_flight_word word)
{
    struct lam_llm_job *llm = arg;

    if (llm->openai)
        lam_openai_heard(llm->openai, token, word == LAM_FLIGHT_GRANTED);
}

/* Among the ranks that have the batch role; in `run` others have not, and ask nothing. */
static int open_flights(struct lam_llm_job *llm, struct lam_openai_options *options, struct lam_error *err)
{
    struct lam_engine *engine = llm->engine;
    struct lam_flights_options flights = {.first_type = MSG_FLIGHTS, .deadline_us = 8 * engine->job->deep.timeout_us, .heard = on_heard, .arg = llm};

    flights.first = engine->roles.first[LAM_ROLE_BATCH];
    flights.owners = engine->roles.count[LAM_ROLE_BATCH];
    if ((flights.owners < 2 && !engine->estimate) || !lam_roles_has(&engine->roles, engine->rank, LAM_ROLE_BATCH))
        return 0;
    if (engine->estimate) /* the owner tells equal texts apart */
        flights.max = ESTIMATE_KEYS;
    options->ask_leave = ask_leave;
    options->leave_done = leave_done;
    return lam_flights_open(&llm->flights, engine->comm, &flights, err);
}

int lam_llm_job_step(struct lam_llm_job *llm, struct lam_error *err)
{
    int rc;

    if (!llm)
        return 0;
    lam_llm_shares_step(llm->shares);
    lam_llm_purse_step(llm->purse, !llm->out);
    if (!llm->flights)
        return 0;
    if ((rc = lam_openai_step(llm->openai, err)))
        return rc;
    return lam_flights_step(llm->flights, err);
}

static int on_write(void *arg, enum lam_job_endpoint_kind kind, struct lam_digest key, struct lam_sv body, struct lam_error *err)
{
    return lam_llm_batch_add(((struct lam_llm_job *)arg)->batch, kind, key, body, err);
}

int lam_llm_job_written(struct lam_llm_job *llm, struct lam_error *err) { return llm ? lam_llm_batch_written(llm->batch, err) : 0; }

static int open_parts(struct lam_llm_job *llm, struct lam_error *err)
{
    struct lam_engine *engine = llm->engine;
    struct lam_cache_options cache = {.fs = engine->fs, .clock = engine->clock, .log = &engine->log, .max_age_us = engine->job->deep.cache.age_us};
    struct lam_openai_options options = {.job = engine->job, .log = &engine->log, .clock = engine->clock, .wake = &engine->wake,
                                         .size = (unsigned)engine->roles.count[LAM_ROLE_BATCH], .reject = on_reject, .arg = llm};
    int rc;

    if (engine->rank == 0 && !(llm->all = calloc((size_t)engine->size, sizeof *llm->all)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what ranks say of endpoints");
    if ((rc = lam_cache_open(&llm->cache, engine->job->store.path, &cache, err)))
        return rc;
    if ((rc = lam_llm_batch_open(&llm->batch, engine, llm->cache, err)))
        return rc;
    options.write_request = llm->batch ? on_write : NULL;
    options.cache = llm->cache;
    options.asks_nobody = engine->estimate || engine->write_requests || engine->job->deep.replay;
    options.shared_limits = lam_llm_purse_needed(engine);
    if ((rc = lam_redactor_of_job(engine, &llm->redactor, err)))
        return rc;
    options.redactor = llm->redactor;
    choose_transport(llm, &options);
    if ((rc = open_flights(llm, &options, err)))
        return rc;
    if ((rc = lam_openai_open(&llm->openai, &options, err)) || (rc = lam_llm_shares_open(&llm->shares, engine, lam_openai_client(llm->openai), err)) ||
        (rc = lam_llm_purse_open(&llm->purse, engine, lam_openai_spending(llm->openai), err)) || (lam_roles_has(&engine->roles, engine->rank, LAM_ROLE_BATCH) && (rc = lam_agent_job_open(&llm->agents, engine, llm->openai, llm->cache, err))))
        return rc;
    if (engine->estimate)
        lam_openai_estimate(llm->openai);
    if (engine->rank == 0 && (rc = lam_explain_keep(engine, llm->openai, err)))
        return rc;
    return lam_comm_on(engine->comm, MSG_STATUS, MSG_STATUS, on_status, llm, err);
}

int lam_llm_job_open(struct lam_llm_job **out, struct lam_engine *engine, struct lam_error *err)
{
    struct lam_llm_job *llm;
    int rc;

    *out = NULL;
    if (engine->job->deep.analyzer != LAM_JOB_DEEP_OPENAI)
        return 0;
    if (!(llm = calloc(1, sizeof *llm)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the analyzer");
    llm->engine = engine;
    if ((rc = open_parts(llm, err))) {
        lam_llm_job_close(llm);
        return rc;
    }
    *out = llm;
    return 0;
}

/* When all is over: what deep.cache allows. Each rank does it, since none may touch what another still writes to: the last one finds all. */
static void keep_cache_small(struct lam_llm_job *llm)
{
    const struct lam_job_deep *deep = &llm->engine->job->deep;
    const struct lam_log *log = &llm->engine->log;
    struct lam_cache_pruned pruned;
    struct lam_error err;

    if (!llm->cache || !(deep->cache.size || deep->cache.age_us))
        return;
    if (lam_cache_prune(llm->cache, deep->cache.size, deep->cache.age_us, &pruned, &err))
        lam_log_warn(log, "llm", "the cache could not be made smaller: %s", err.text);
    else if (pruned.answers)
        lam_log_warn(log, "llm", "removed %" PRIu64 " of the oldest answers from the cache, as deep.cache.size and deep.cache.age say: they are paid again where they are needed",
                     pruned.answers);
}

void lam_llm_job_close(struct lam_llm_job *llm)
{
    if (!llm)
        return;
    lam_comm_off(llm->engine->comm, MSG_STATUS);
    if (llm->openai)
        lam_spending_close(lam_openai_spending(llm->openai)); /* agents may wait for leave */
    lam_agent_job_close(llm->agents); /* its threads wait for the client's */
    lam_llm_purse_close(llm->purse);
    lam_llm_shares_close(llm->shares);
    lam_openai_close(llm->openai);
    lam_llm_batch_close(llm->batch);
    lam_redactor_free(llm->redactor);
    lam_flights_close(llm->flights);
    keep_cache_small(llm);
    lam_cache_close(llm->cache);
    lam_llm_refused_release(&llm->refused);
    free(llm->all);
    free(llm);
}

void lam_llm_job_begin(struct lam_llm_job *llm)
{
    struct lam_openai_stats stats;

    if (!llm)
        return;
    lam_openai_stats(llm->openai, &stats);
    lam_openai_usages_add(llm->before, stats.endpoints);
    lam_openai_begin(llm->openai);
    llm->refused.told = false;
    if (llm->engine->response_count)
        lam_cache_refresh(llm->cache, NULL); /* the first rank has taken them in by now */
    for (int rank = 0; llm->all && rank < llm->engine->size; rank++) {
        struct status *status = &llm->all[rank], fresh = {0};

        memcpy(fresh.used, status->used, sizeof fresh.used);
        *status = fresh;
    }
}

/* --- pieces --- */

int lam_llm_job_analyze(struct lam_llm_job *llm, struct lam_batch_piece *piece, struct lam_error *err)
{
    bool owed = false;
    int rc;

    for (size_t i = 0; !owed && i < lam_block_rows(piece->block); i++)
        owed = lam_block_row(piece->block, i)->rec.flags & LAM_ROW_PENDING;
    if (!owed)
        return LAM_END;
    lam_openai_drain(llm->openai, false);
    if ((rc = lam_openai_submit(llm->openai, piece->block, piece, err)))
        return rc;
    llm->out++;
    return 0;
}

/* Rows, quarantined and pending of the note, as the block now stands. */
static int rewrite_note(struct lam_llm_job *llm, struct lam_batch_piece *piece, struct lam_error *err)
{
    size_t before = lam_block_rows(piece->block), rejects = lam_block_rejects(piece->block);
    struct lam_piece said = {0};
    int rc = lam_piece_read(lam_buf_sv(&piece->note), &said, err);

    if (rc || (rc = lam_llm_refused_take(&llm->refused, piece, &said, llm->engine->job->dataset.kind == LAM_JOB_UPSERT, err)))
        goto cleanup;
    said.rows -= before - lam_block_rows(piece->block);
    said.quarantined += lam_block_rejects(piece->block) - rejects;
    said.pending = 0;
    for (size_t i = 0; i < lam_block_rows(piece->block); i++) {
        struct lam_row *row = lam_block_row(piece->block, i);

        said.pending += (row->rec.flags & LAM_ROW_PENDING) != 0;
        if (!(row->rec.flags & (LAM_ROW_PENDING | LAM_ROW_NO_TEXT | LAM_ROW_REJECTED)))
            lam_refine_abstain(&llm->engine->job->tasks, &row->enr);
    }
    lam_buf_clear(&piece->note);
    rc = lam_piece_write(&said, &piece->note, err);
cleanup:
    lam_piece_release(&said);
    return rc;
}

/* A piece that needs nothing more. Answered ones with records for agents go there first. */
static int next_done(struct lam_llm_job *llm, struct lam_batch_piece **piece, struct lam_error *err)
{
    int with_agents = lam_agent_job_poll(llm->agents, piece, err), with_models, rc;
    void *ticket;

    if (with_agents != LAM_PENDING && with_agents != LAM_END)
        return with_agents;
    while (!(with_models = lam_openai_poll(llm->openai, &ticket, err))) {
        *piece = ticket;
        if (llm->engine->estimate) { /* agents are not asked either */
            llm->agents_need = (struct lam_agent_need){0};
            return lam_agent_job_estimate(llm->agents, ticket, &llm->agents_need, err);
        }
        if ((rc = lam_agent_job_submit(llm->agents, ticket, err)) == LAM_END)
            return 0;
        if (rc)
            return rc;
        *piece = NULL; /* it is with the agents */
        with_agents = LAM_PENDING;
    }
    return with_models == LAM_END ? with_agents : with_models;
}

int lam_llm_job_analyzed(struct lam_llm_job *llm, bool last, struct lam_batch_piece **piece, struct lam_error *err)
{
    int rc;

    *piece = NULL;
    lam_openai_drain(llm->openai, last);
    rc = next_done(llm, piece, err);
    if ((rc && rc != LAM_PENDING && rc != LAM_END) || lam_mono_us(llm->engine->clock) - llm->told_us >= TELL_US)
        tell(llm); /* with an error the run ends: what was paid is known before */
    if (!*piece)
        return rc;
    if (--llm->out == 0)
        tell(llm); /* before the coordinator hears that this rank is done */
    return rc ? rc : rewrite_note(llm, *piece, err);
}

void lam_llm_job_needed(const struct lam_llm_job *llm, struct lam_llm_need *need)
{
    lam_openai_estimated(llm->openai, &need->models);
    need->agents = llm->agents_need;
}

void lam_llm_job_drop(struct lam_llm_job *llm)
{
    lam_openai_cancel(llm->openai);
    lam_agent_job_cancel(llm->agents);
}

/* --- what it cost --- */

void lam_llm_job_stats(const struct lam_llm_job *llm, struct lam_openai_stats *stats)
{
    *stats = (struct lam_openai_stats){0};
    for (int rank = 0; llm->all && rank < llm->engine->size; rank++)
        lam_openai_stats_add(stats, &llm->all[rank].stats);
}

void lam_llm_job_agents(const struct lam_llm_job *llm, struct lam_agent_stats *stats)
{
    *stats = (struct lam_agent_stats){0};
    for (int rank = 0; llm->all && rank < llm->engine->size; rank++)
        lam_agent_stats_add(stats, &llm->all[rank].agents);
}

void lam_llm_job_used(const struct lam_llm_job *llm, struct lam_openai_usage used[LAM_LLM_ENDPOINTS])
{
    memset(used, 0, LAM_LLM_ENDPOINTS * sizeof *used);
    for (int rank = 0; llm && llm->all && rank < llm->engine->size; rank++)
        lam_openai_usages_add(used, llm->all[rank].used);
}

bool lam_llm_job_asked(const struct lam_llm_job *llm)
{
    struct lam_openai_stats stats;

    if (!llm || llm->engine->estimate)
        return false;
    lam_llm_job_stats(llm, &stats);
    return stats.unseen.requests + lam_openai_usages_total(stats.endpoints).requests > 0;
}

const char *lam_llm_job_limit(const struct lam_llm_job *llm)
{
    for (int rank = 0; llm && llm->all && rank < llm->engine->size; rank++)
        if (llm->all[rank].limit[0])
            return llm->all[rank].limit;
    return "";
}

bool lam_llm_job_over_limit(const struct lam_llm_job *llm, bool *too_small, char *text, size_t cap)
{
    const char *limit = lam_llm_job_limit(llm);
    struct lam_openai_usage spent;
    struct lam_openai_stats stats;
    struct lam_spent least = {0};
    bool reached = false;

    *too_small = false;
    if (!limit[0])
        return false;
    lam_llm_job_stats(llm, &stats);
    spent = lam_openai_usages_total(stats.endpoints);
    for (int rank = 0; rank < llm->engine->size; rank++) {
        reached = reached || llm->all[rank].reached;
        if (llm->all[rank].too_much.tokens > least.tokens)
            least = llm->all[rank].too_much;
    }
    *too_small = least.tokens && !stats.answered && !lam_llm_job_asked(llm);
    if (*too_small)
        snprintf(text, cap, "%s is less than one request takes, about %llu tokens and %.6f: raise it; nobody was asked, and the records are pending", limit, (unsigned long long)least.tokens,
                 least.cost);
    else if (!reached)
        snprintf(text, cap, "%s is less than one request takes, about %llu tokens and %.6f: its record is pending until it is raised", limit,
                 (unsigned long long)least.tokens, least.cost);
    else
        snprintf(text, cap, "%s was reached: %llu tokens and %.6f were spent; records without an answer are pending, and the next run goes on with them", limit,
                 (unsigned long long)(spent.tokens_in + spent.tokens_out), spent.cost);
    return true;
}

const struct lam_engine *lam_llm_job_engine(const struct lam_llm_job *llm) { return llm->engine; }
struct lam_openai *lam_llm_job_openai(const struct lam_llm_job *llm) { return llm->openai; }
struct lam_cache *lam_llm_job_cache(const struct lam_llm_job *llm) { return llm->cache; }
