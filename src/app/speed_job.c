#include "speed_job.h"

#include "speed_coordinator.h"
#include "speed_rank.h"

int lam_speed_job_init(struct lam_speed_job *speed, struct lam_engine *engine, struct lam_error *err)
{
    int rc = 0;

    *speed = (struct lam_speed_job){.engine = engine};
    if (!engine->job->stream)
        return 0;
    if (engine->rank == 0)
        rc = lam_speed_coordinator_open(&speed->coordinator, engine, err);
    if (!rc && lam_roles_has(&engine->roles, engine->rank, LAM_ROLE_SPEED))
        rc = lam_speed_rank_open(&speed->rank, engine, err);
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
