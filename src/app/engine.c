#include "engine.h"

#include "process/work.h"
#include "redact_reader.h"
#include "trained.h"
#include "store/store.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORAGE_JOBS 1024
#define MAPS_MAX 4096 /* of vm.max_map_count's 65,530 */

static void fill_extract(struct lam_extract *extract, const struct lam_job *job, const struct lam_job_mapping *map)
{
    *extract = (struct lam_extract){
        .append = job->dataset.kind == LAM_JOB_APPEND,
        .key = map->key.items,
        .key_count = map->key.count,
        .text = map->text.items,
        .text_count = map->text.count,
        .event_time = map->event_time,
        .order_by = job->dataset.order_by,
        .order_field = job->dataset.order_field,
        .deleted = map->deleted,
        .max_skew_us = job->dataset.max_skew_us,
    };
}

static int open_embedder(struct lam_engine *engine, struct lam_job *job, struct lam_error *err)
{
    int rc;

    if (job->embed.analyzer != LAM_JOB_EMBED_STATIC || !(job->tasks.wanted & LAM_TASK_EMBED))
        return 0;
    if ((rc = lam_static_open(engine->fs, job->embed.path, job->embed.tokenizer, job->tasks.dim, &engine->embedder, err)))
        return rc;
    if (engine->rank == 0)
        lam_log_info(&engine->log, "ai", "embeddings are of the space %s", lam_static_space(engine->embedder));
    return lam_job_set_space(job, lam_static_space(engine->embedder), err);
}

int lam_engine_open(struct lam_engine *engine, struct lam_job *job, struct lam_comm *comm, const struct lam_roles *roles, struct lam_error *err)
{
    struct lam_commitlog_options options;
    int rc;

    engine->job = job;
    engine->fs = &lam_fs_system;
    engine->clock = &lam_clock_system;
    engine->comm = comm;
    if (roles)
        engine->roles = *roles;
    engine->rank = comm ? lam_comm_rank(comm) : 0;
    engine->size = comm ? lam_comm_size(comm) : 1;
    pthread_mutex_init(&engine->lock, NULL);
    if (!(engine->extracts = calloc(job->source_count + 1, sizeof *engine->extracts)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a job");
    for (size_t i = 0; i < job->source_count; i++)
        fill_extract(&engine->extracts[i], job, &job->sources[i].map);
    if (job->stream)
        fill_extract(&engine->extracts[job->source_count], job, &job->stream->map);
    if ((rc = lam_wake_init(&engine->wake, err)) || (rc = lam_pool_new(&engine->storage, "storage", 1, STORAGE_JOBS, &engine->wake, err)))
        return rc;
    if (engine->rank == 0 && ((rc = lam_store_make(engine->fs, job->store.path, err)) || (rc = lam_redact_make_salt(engine, err))))
        return rc;
    options = (struct lam_commitlog_options){.fs = engine->fs, .clock = engine->clock, .log = &engine->log};
    if ((rc = lam_commitlog_open(&engine->commits, job->store.path, &options, err)))
        return rc;
    if (!(engine->maps = lam_map_cache_new(engine->fs, job->store.path, MAPS_MAX)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for mapped segments");
    engine->state = lam_commitlog_snapshot(engine->commits);
    return (rc = open_embedder(engine, job, err)) ? rc : lam_map_catch_faults(err);
}

int lam_engine_open_store(struct lam_engine *engine, const char *path, struct lam_error *err)
{
    struct lam_commitlog_options options;
    char folder[LAM_PATH_MAX];
    struct stat st;
    int rc;

    *engine = (struct lam_engine){.log = {.fd = 2, .rank = -1, .level = LAM_LOG_INFO}, .fs = &lam_fs_system, .clock = &lam_clock_system, .size = 1};
    pthread_mutex_init(&engine->lock, NULL);
    if ((rc = lam_wake_init(&engine->wake, err)) || (rc = lam_path_join(folder, path, "log", err)))
        return rc;
    if ((rc = engine->fs->ops->stat(engine->fs->arg, folder, &st)) && rc != -ENOENT && rc != -ENOTDIR)
        return LAM_FAIL(err, LAM_E_IO, "look at %s: %s", folder, strerror(-rc));
    if (rc || !S_ISDIR(st.st_mode))
        return LAM_FAIL(err, LAM_E_NOT_FOUND, "%s is no store: it has no folder log/", path);
    options = (struct lam_commitlog_options){.fs = engine->fs, .clock = engine->clock, .log = &engine->log};
    if ((rc = lam_commitlog_open(&engine->commits, path, &options, err)))
        return rc;
    if (!(engine->maps = lam_map_cache_new(engine->fs, path, MAPS_MAX)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for mapped segments");
    engine->state = lam_commitlog_snapshot(engine->commits);
    return lam_map_catch_faults(err);
}

void lam_engine_close(struct lam_engine *engine)
{
    lam_pool_free(engine->storage);
    lam_trained_unref(engine->trained);
    lam_static_close(engine->embedder);
    lam_state_unref(engine->state);
    lam_map_cache_free(engine->maps);
    lam_commitlog_close(engine->commits);
    lam_wake_release(&engine->wake);
    free(engine->extracts);
    pthread_mutex_destroy(&engine->lock);
}

void lam_engine_quiesce(struct lam_engine *engine)
{
    while (engine->storage && lam_pool_open_jobs(engine->storage) > 0)
        if (!lam_work_reap(engine->storage))
            lam_wake_wait(&engine->wake, 10000);
}

void lam_engine_share(struct lam_engine *engine)
{
    const struct lam_state *newest = lam_commitlog_snapshot(engine->commits), *old;

    pthread_mutex_lock(&engine->lock);
    old = engine->state;
    engine->state = newest;
    pthread_mutex_unlock(&engine->lock);
    lam_state_unref(old);
}

const struct lam_state *lam_engine_state(struct lam_engine *engine)
{
    const struct lam_state *state;

    pthread_mutex_lock(&engine->lock);
    state = lam_state_ref(engine->state);
    pthread_mutex_unlock(&engine->lock);
    return state;
}

const struct lam_extract *lam_engine_extract(const struct lam_engine *engine, size_t i) { return &engine->extracts[i]; }

unsigned lam_engine_workers(const struct lam_engine *engine)
{
    const char *local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    long ranks = local ? atol(local) : 1, cores;
    cpu_set_t set;

    if (engine->job->batch.workers)
        return engine->job->batch.workers;
    cores = sched_getaffinity(0, sizeof set, &set) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
    if (ranks < 1)
        ranks = 1;
    return cores > ranks ? (unsigned)(cores / ranks) : 1;
}
