/*
 * What each rank takes and does, for the report: every rank samples itself and tells rank 0 once a second.
 */
#ifndef LAMINA_APP_RANK_STATS_H
#define LAMINA_APP_RANK_STATS_H

#include <stdint.h>

#define LAM_RANK_SAMPLE_US 100000

struct lam_rank_stats {
    int64_t anon_kib, shmem_kib; /* resident, of /proc; -1: not told */
    int64_t peak_kib;            /* the highest sum of both that a sample saw */
    int64_t cpu_us;              /* of all threads, in user and kernel */
    uint64_t documents, events;  /* rank 0 fills these in: records of corpora and archives that it read, events that it consumed */
    int64_t next_us;             /* when the next sample is due; monotonic */
};

/* Takes a sample of this process when one is due. */
void lam_rank_stats_sample(struct lam_rank_stats *stats, int64_t now_us);

#endif
