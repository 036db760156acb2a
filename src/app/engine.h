/*
 * The engine: what every layer of a job stands on in one process, made once and handed around.
 *
 * Threads: main (MPI, role steps), storage (segments, and the only one that touches the commit log), CPU workers of each layer, HTTP and Kafka threads.
 * What a member may be touched by is said beside it.
 */
#ifndef LAMINA_APP_ENGINE_H
#define LAMINA_APP_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ai/static/static.h"
#include "base/log.h"
#include "base/pool.h"
#include "comm/comm.h"
#include "comm/roles.h"
#include "config/job.h"
#include "model/extract.h"
#include "rank_stats.h"
#include "store/alive.h"
#include "store/log.h"
#include "store/map.h"

#define LAM_RESPONSES_MAX 32

struct lam_engine {
    const struct lam_job *job;    /* immutable */
    struct lam_log log;           /* any thread */
    const struct lam_fs *fs;
    const struct lam_clock *clock;
    struct lam_comm *comm;        /* main thread; NULL in tools that need no ranks */
    struct lam_roles roles;
    int rank, size;
    struct lam_rank_stats *ranks; /* main thread; rank 0: one a rank, others: their own at [rank] */
    struct lam_wake wake;         /* of the main loop; any thread signals */
    struct lam_pool *storage;     /* one thread; submitted to by main */
    struct lam_commitlog *commits; /* storage thread */
    struct lam_map_cache *maps;   /* any thread */

    pthread_mutex_t lock;         /* guards state and trained */
    const struct lam_state *state; /* newest known here */
    struct lam_static *embedder;  /* of the job's embed.path; immutable; NULL: embeddings are the built-in analyzer's, or a model's */
    struct lam_trained *trained;  /* the model that was loaded last (trained.h) */

    struct lam_extract *extracts; /* one a source of the job, the last one the stream's; immutable */
    atomic_int stop;              /* signals received: 1 stops cleanly */
    atomic_int_least64_t turned_us; /* monotonic; when the main loop turned last, 0: it has not. Any thread */
    bool estimate;                /* --estimate: the batch layer asks nobody and publishes nothing; set before it begins */
    double estimate_bytes, estimate_latency_s; /* --sample, --latency: 0: as it sees fit */
    const char *write_requests; /* --write-requests: a file of the batch API; NULL: none */
    const char *read_responses[LAM_RESPONSES_MAX]; /* --read-responses: files of its answers, response_count of them */
    size_t response_count;
    bool wait_for_term, take_over_term; /* --wait, --take-over: what the first term of a layer is taken with; set before any layer begins */
};

/*
 * Opens the store of a job (its folders are made where they are missing) with everything above but comm. The job learns what its table of vectors is
 * (lam_job_set_space), and changes no more from then on.
 */
int lam_engine_open(struct lam_engine *engine, struct lam_job *job, struct lam_comm *comm, const struct lam_roles *roles, struct lam_error *err);

/* The same for a store without a job, for tools that read it: no ranks, no extracts, job is NULL. Makes nothing: LAM_E_NOT_FOUND where path is no store. */
int lam_engine_open_store(struct lam_engine *engine, const char *path, struct lam_error *err);

void lam_engine_close(struct lam_engine *engine);

/* Waits until the storage thread has nothing to do, and ends its jobs: before what they point to is freed. Main thread. */
void lam_engine_quiesce(struct lam_engine *engine);

/* Makes what the log says known to all threads: after a commit, or a refresh. Storage thread. */
void lam_engine_share(struct lam_engine *engine);

/* A reference to the newest known state: lam_state_unref. Any thread. */
const struct lam_state *lam_engine_state(struct lam_engine *engine);

/* The settings for extraction of source i of the job (source_count: the stream's). */
const struct lam_extract *lam_engine_extract(const struct lam_engine *engine, size_t i);

/* How many threads a batch rank gives to reading: the job's number, or the cores it may use shared with the ranks of its node. */
unsigned lam_engine_workers(const struct lam_engine *engine);

#endif
