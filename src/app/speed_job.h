/*
 * The speed layer as the application wires it: rank 0 coordinates (term, life, commits, the local broker, questions about the tail), speed ranks consume.
 *
 *     rank 0                                       speed rank
 *     begin: broker, life, term ──START──>         thread: consume, refine, route, append to the tail
 *     queue  <──ROLLED── segments written          main: rolls closed chunks (storage thread)
 *     commit (at most one in commit_interval) ──COMMITTED, KEEP──> lets go of what no query can need
 *     fetch: ──ASK──> … <──ANSWER── tail rows that the pinned commit does not cover
 *
 *     rank 0                                    a speed rank's main thread               its speed thread
 *     speed_coordinator.c  the step             speed_rank.c     the step                speed_thread.c     its life
 *     speed_begin.c        begins a run         speed_rolls.c    rolls under way         speed_take.c       one batch of messages
 *     speed_starts.c       from which offsets   speed_roll.c     a chunk to segments     speed_agents.c     agents: rows that are owed one (speed_owed.c),
 *     speed_commits.c      rolls to commits     speed_answers.c  answers about the tail                     what they spend (speed_spending.c)
 *     speed_asks.c         questions            speed_setup.c    where consuming starts  speed_sender.c     what goes back to Kafka, and how (speed_output.c)
 *                                                                                        speed_delivered.c  up to where that is done (speed_position.c)
 */
#ifndef LAMINA_APP_SPEED_JOB_H
#define LAMINA_APP_SPEED_JOB_H

#include "llm_job.h"
#include "process/tail.h"
#include "process/work.h"
#include "source/broker.h"
#include "source/kafka.h"
#include "source/producer.h"
#include "source/replay.h"
#include "store/store.h"
#include "store_reader.h"

#define LAM_SPEED_BUCKETS 40 /* of latency: bucket i counts those below 2^i microseconds */
#define LAM_SPEED_PARTITIONS_MAX 65536
#define LAM_SPEED_LIMIT 64 /* bytes of a limit's name, NUL included */

/* Agents of the speed layer. Plain data. */
struct lam_speed_agents_stats {
    struct lam_agent_stats done;
    uint64_t open;   /* asked for, and not done */
    uint64_t passed; /* of done.later: no agent was free before their chunk was rolled */
    uint64_t late;   /* of done.answered and gave_up: after their chunk was rolled; the store has them with the next view */
    char limit[LAM_SPEED_LIMIT]; /* of the run that was reached; "": none */
    struct lam_openai_usage used[LAM_LLM_ENDPOINTS]; /* of done's tokens and cost: at each endpoint */
};

struct lam_speed_stats {
    uint64_t consumed, answered, rejected, escalated, produced, delivered;
    uint64_t answered_before; /* archived now, but their outputs were delivered by an earlier run: not sent again */
    uint64_t undelivered;     /* outputs that the broker refused for what they are: given up, and kept in a file */
    struct lam_speed_agents_stats agents;
    uint64_t tail_rows, tail_bytes;
    uint64_t latency[LAM_SPEED_BUCKETS]; /* event to queryable, by the message's timestamp */
    uint64_t at_end;                     /* partitions that are read to their end; 0 while an output is on its way */
};

/* One partition where it starts. */
struct lam_speed_start {
    uint32_t partition;
    int64_t archive, output; /* next offsets; output is never above archive unless outputs ran ahead */
    int64_t *held;           /* offsets below output whose outputs waited for agents, and are owed; ascending */
    size_t held_count;
};

struct lam_speed_rank;        /* speed_rank.c: NULL where this rank does not consume */
struct lam_speed_coordinator; /* speed_coordinator.c: NULL but on rank 0 */

struct lam_speed_job {
    struct lam_engine *engine;
    struct lam_speed_rank *rank;
    struct lam_speed_coordinator *coordinator;
};

/* All ranks, before any polls. Does nothing where the job has no stream. llm: for agents, borrowed until release; NULL where models are not asked. */
int lam_speed_job_init(struct lam_speed_job *speed, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err);
void lam_speed_job_release(struct lam_speed_job *speed);

/* Rank 0: begins; the reader (may be NULL) tells what is pinned. until_end: stops by itself at the end of all partitions. */
int lam_speed_begin(struct lam_speed_job *speed, struct lam_store_reader *reader, bool until_end, struct lam_error *err);

/* Rank 0: no more is consumed; what was is rolled and committed. */
void lam_speed_stop(struct lam_speed_job *speed);

/* One step, on every rank. LAM_PENDING: goes on; 0: over (or never begun); else why it failed. */
int lam_speed_step(struct lam_speed_job *speed, struct lam_error *err);

/* Rank 0: is all that was replayed archived, or (until_end) everything consumed? */
bool lam_speed_at_end(const struct lam_speed_job *speed);

/* Rank 0: records archived by this process so far; sums over ranks; what the replayer did. */
uint64_t lam_speed_archived(const struct lam_speed_job *speed);
struct lam_speed_stats lam_speed_stats(const struct lam_speed_job *speed);
bool lam_speed_replay(const struct lam_speed_job *speed, struct lam_replay_progress *progress);

/* Rank 0: for the store reader. Valid until release. */
struct lam_tail_source lam_speed_tail(struct lam_speed_job *speed);

/* What agents did: an object for a report, a line for people. */
#define LAM_SPEED_AGENTS_TEXT 512
int lam_speed_agents_json(const struct lam_speed_agents_stats *stats, struct lam_buf *json, struct lam_error *err);
void lam_speed_agents_text(const struct lam_speed_agents_stats *stats, char *text, size_t cap);

/* "; agents: 12 done, 3 at work" for the line of progress; "" where none was asked for. */
void lam_speed_agents_progress(const struct lam_speed_agents_stats *stats, char *text, size_t cap);

/* A latency below which this share of the events was queryable, in microseconds; 0: none. */
double lam_speed_quantile(const struct lam_speed_stats *stats, double share);

#endif
