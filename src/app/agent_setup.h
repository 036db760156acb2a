/*
 * What agents of both layers have in common: the job's rule, what a record looks like to an agent, its tools, and where its answer goes in a row.
 *
 *     row ── asks? ──> task: key, title, text without what the job masks ── agents (ai/agent/agents.h) ──> members "agent" of custom and trace
 *
 * One thread, but for the agents' own.
 */
#ifndef LAMINA_APP_AGENT_SETUP_H
#define LAMINA_APP_AGENT_SETUP_H

#include <lamina/block.h>

#include "agent_tools.h"
#include "ai/agent/agents.h"
#include "base/arena.h"
#include "engine.h"
#include "model/json.h"
#include "redact_reader.h"

#define LAM_AGENT_MASKED_MAX ((size_t)1 << 30) /* bytes of masked titles and texts of one record, or of a piece of records */

struct lam_agent_setup {
    const struct lam_job_agent *agent;
    struct lam_agent_tools *tools;
    struct lam_agents *agents;
    struct lam_redactor *redactor; /* NULL: nothing is masked */
    struct lam_json *metadata;
    struct lam_hash_state *hash;
    struct lam_buf model, masked; /* names that answers are kept under */
    bool broken, unkept, doubted; /* told of */
};

/* What a layer chooses by itself; as in struct lam_agents_options. */
struct lam_agent_setup_options {
    struct lam_llm_client *client;
    struct lam_cache *cache;
    size_t max_open;
    struct lam_wake *wake;
    bool (*reserve)(void *arg, struct lam_agent_usage most, bool first);
    void (*spent)(void *arg, struct lam_agent_usage most, struct lam_agent_usage used, size_t endpoint);
    void *arg;
};

/* The job has a deep.agent. client and cache are borrowed. After a failure: release all the same. */
int lam_agent_setup_open(struct lam_agent_setup *setup, struct lam_engine *engine, const struct lam_agent_setup_options *options, struct lam_error *err);
void lam_agent_setup_release(struct lam_agent_setup *setup); /* of zeroes too; agents at work are ended */

/* Does the job's rule ask for an agent? json: what the record came as; NULL: its metadata says. */
bool lam_agent_setup_asks(struct lam_agent_setup *setup, const struct lam_record *rec, const struct lam_json *json);

/* The task of a row, which lives as long as the task; what is masked goes into the arena. */
int lam_agent_setup_task(struct lam_agent_setup *setup, const struct lam_row *row, struct lam_arena *masked, struct lam_agent_task *task,
                         struct lam_error *err);

/* Logs, once of each kind, what neither server nor limit explains, a cache that cannot be written, and counts of tokens that cannot be. later: who asks about a record again. */
void lam_agent_setup_tell(struct lam_agent_setup *setup, const struct lam_log *log, const char *area, const char *later, const struct lam_agent_task *task);

/* {…,"agent":value} of an object that has no such member; old is {} or empty where there is nothing. out, of len bytes, is what is returned. */
size_t lam_agent_member_len(struct lam_sv old, struct lam_sv value);
struct lam_sv lam_agent_member_write(struct lam_sv old, struct lam_sv value, char *out);

/* The same of an object in a block. False: it has no room, and the object stays as it is. */
bool lam_agent_add_member(struct lam_block *block, struct lam_sv *object, struct lam_sv value);

/* Plain data, so that ranks can add it up. */
struct lam_agent_stats {
    uint64_t records, answered, gave_up, later; /* records = answered + gave_up + later + those not done */
    uint64_t found;                             /* of answered and gave_up: kept already, nothing was asked */
    uint64_t tokens, tokens_in, tokens_out;     /* paid; tokens is the sum of both */
    double cost;
};

void lam_agent_stats_add(struct lam_agent_stats *sum, const struct lam_agent_stats *more);

#endif
