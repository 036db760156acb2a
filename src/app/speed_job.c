#include "speed_job.h"

#include "speed_coordinator.h"
#include "speed_rank.h"

#include <inttypes.h>
#include <stdio.h>

int lam_speed_job_init(struct lam_speed_job *speed, struct lam_engine *engine, struct lam_llm_job *llm, struct lam_error *err)
{
    int rc = 0;

    *speed = (struct lam_speed_job){.engine = engine};
    if (!engine->job->stream)
        return 0;
    if (engine->rank == 0)
        rc = lam_speed_coordinator_open(&speed->coordinator, engine, err);
    if (!rc && lam_roles_has(&engine->roles, engine->rank, LAM_ROLE_SPEED))
        rc = lam_speed_rank_open(&speed->rank, engine, llm, err);
    return rc;
}

void lam_speed_job_release(struct lam_speed_job *speed)
{
    lam_speed_rank_close(speed->rank);
    lam_speed_coordinator_close(speed->coordinator);
    *speed = (struct lam_speed_job){0};
}

int lam_speed_step(struct lam_speed_job *speed, struct lam_error *err)
{
    int rank = speed->rank ? lam_speed_rank_step(speed->rank) : 0;

    return speed->coordinator ? lam_speed_coordinator_step(speed->coordinator, err) : rank;
}

int lam_speed_agents_json(const struct lam_speed_agents_stats *stats, struct lam_buf *json, struct lam_error *err)
{
    const struct lam_agent_stats *done = &stats->done;

    return lam_buf_addf(json, err,
                        "{\"records\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"gave_up\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"open\":%" PRIu64 ",\"from_cache\":%" PRIu64
                        ",\"passed_on\":%" PRIu64 ",\"late\":%" PRIu64 ",\"tokens_in\":%" PRIu64 ",\"tokens_out\":%" PRIu64 ",\"cost\":%.6f,\"limit\":\"%s\"}",
                        done->records, done->answered, done->gave_up, done->later, stats->open, done->found, stats->passed, stats->late, done->tokens_in,
                        done->tokens_out, done->cost, stats->limit);
}

void lam_speed_agents_text(const struct lam_speed_agents_stats *stats, char *text, size_t cap)
{
    const struct lam_agent_stats *done = &stats->done;

    snprintf(text, cap,
             "%" PRIu64 " records, %" PRIu64 " answered, %" PRIu64 " gave up, %" PRIu64 " pending, %" PRIu64 " at work; %" PRIu64 " from the cache, %" PRIu64
             " passed on, %" PRIu64 " late; %" PRIu64 " tokens in, %" PRIu64 " out, cost %.4f%s%s",
             done->records, done->answered, done->gave_up, done->later, stats->open, done->found, stats->passed, stats->late, done->tokens_in, done->tokens_out,
             done->cost, stats->limit[0] ? "; ended by " : "", stats->limit);
}

void lam_speed_agents_progress(const struct lam_speed_agents_stats *stats, char *text, size_t cap)
{
    *text = '\0';
    if (stats->done.records)
        snprintf(text, cap, "; agents: %" PRIu64 " done, %" PRIu64 " at work", stats->done.records - stats->open, stats->open);
}

double lam_speed_quantile(const struct lam_speed_stats *stats, double share)
{
    uint64_t count = 0, seen = 0;

    for (int b = 0; b < LAM_SPEED_BUCKETS; b++)
        count += stats->latency[b];
    for (int b = 0; count && b < LAM_SPEED_BUCKETS; b++) {
        uint64_t here = stats->latency[b];

        if ((double)(seen + here) >= share * (double)count) { /* within a bucket as if evenly spread */
            double low = b ? (double)((uint64_t)1 << (b - 1)) : 0, high = (double)((uint64_t)1 << b);

            return low + (high - low) * (share * (double)count - (double)seen) / (double)(here ? here : 1);
        }
        seen += here;
    }
    return 0;
}
