#include "rank_stats.h"

#include <sys/resource.h>

#include "report.h"

void lam_rank_stats_sample(struct lam_rank_stats *stats, int64_t now_us)
{
    struct rusage use;
    long anon, shmem;

    if (now_us < stats->next_us)
        return;
    stats->next_us = now_us + LAM_RANK_SAMPLE_US;
    lam_report_memory(&anon, &shmem);
    stats->anon_kib = anon;
    stats->shmem_kib = shmem;
    if (anon + shmem > stats->peak_kib)
        stats->peak_kib = anon + shmem;
    if (!getrusage(RUSAGE_SELF, &use))
        stats->cpu_us = ((int64_t)use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}
