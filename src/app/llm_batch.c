#include "llm_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ai/openai/analyzer.h"
#include "ai/openai/batch_file.h"

#define KINDS 2

struct lam_llm_batch {
    const struct lam_engine *engine;
    struct lam_batch_writer *writers[KINDS]; /* by enum lam_job_endpoint_kind; NULL: the job does not ask for these, or they are written */
};

_Static_assert(LAM_JOB_CHAT < KINDS && LAM_JOB_EMBEDDINGS < KINDS, "writers are found by the kind of their endpoint");

int lam_llm_batch_path(char out[LAM_PATH_MAX], const char *path, bool embeddings, int rank, struct lam_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - path) : strlen(path);
    char suffix[16] = "";

    if (rank)
        snprintf(suffix, sizeof suffix, ".%d", rank);
    if (snprintf(out, LAM_PATH_MAX, "%.*s%s%s%s", (int)stem, path, embeddings ? ".embeddings" : "", path + stem, suffix) >= LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s", path);
    return 0;
}

static int take_answers(const struct lam_engine *engine, struct lam_cache *cache, const char *path, struct lam_error *err)
{
    struct lam_batch_source source = {.fs = engine->fs, .path = path, .dim = lam_job_vector_dim(engine->job), .log = &engine->log};
    struct lam_batch_counts counts;
    int rc = lam_batch_import(cache, &source, &counts, err);

    if (rc)
        return rc;
    lam_log_info(&engine->log, "ai", "%s: %llu answers taken, %llu requests had failed, %llu lines are unusable%s", path, (unsigned long long)counts.taken,
                 (unsigned long long)counts.failed, (unsigned long long)counts.unusable, counts.failed + counts.unusable ? "; what they do not answer is asked" : "");
    return 0;
}

static int open_writers(struct lam_llm_batch *batch, struct lam_error *err)
{
    static const char *const urls[KINDS] = {[LAM_JOB_CHAT] = LAM_BATCH_CHAT_URL, [LAM_JOB_EMBEDDINGS] = LAM_BATCH_EMBEDDINGS_URL};
    const struct lam_engine *engine = batch->engine;
    uint32_t tasks = lam_openai_tasks(engine->job);
    bool wanted[KINDS] = {[LAM_JOB_CHAT] = tasks != LAM_TASK_EMBED, [LAM_JOB_EMBEDDINGS] = tasks & LAM_TASK_EMBED};
    char path[LAM_PATH_MAX];
    int rc = 0;

    for (int kind = 0; !rc && kind < KINDS; kind++)
        if (wanted[kind] && !(rc = lam_llm_batch_path(path, engine->write_requests, kind == LAM_JOB_EMBEDDINGS && wanted[LAM_JOB_CHAT], engine->rank, err)))
            rc = lam_batch_writer_open(&batch->writers[kind], engine->fs, path, urls[kind], err);
    return rc;
}

/* Those with fewer requests than this. */
static void drop(struct lam_llm_batch *batch, uint64_t least)
{
    for (int kind = 0; kind < KINDS; kind++)
        if (batch->writers[kind] && lam_batch_writer_count(batch->writers[kind]) < least) {
            lam_batch_writer_free(batch->writers[kind]);
            batch->writers[kind] = NULL;
        }
}

static void drop_all(struct lam_llm_batch *batch) { drop(batch, UINT64_MAX); }

int lam_llm_batch_open(struct lam_llm_batch **out, const struct lam_engine *engine, struct lam_cache *cache, struct lam_error *err)
{
    struct lam_llm_batch *batch;
    int rc = 0;

    *out = NULL;
    for (size_t i = 0; !rc && engine->rank == 0 && i < engine->response_count; i++)
        rc = take_answers(engine, cache, engine->read_responses[i], err);
    if (rc || !engine->write_requests)
        return rc;
    if (!(batch = calloc(1, sizeof *batch)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a file of requests");
    batch->engine = engine;
    if ((rc = open_writers(batch, err))) {
        drop_all(batch);
        free(batch);
        return rc;
    }
    *out = batch;
    return 0;
}

int lam_llm_batch_add(struct lam_llm_batch *batch, enum lam_job_endpoint_kind kind, struct lam_digest key, struct lam_sv body, struct lam_error *err)
{
    return lam_batch_writer_add(batch->writers[kind], key, body, err);
}

static void tell(const struct lam_llm_batch *batch, int kind, bool both)
{
    const struct lam_batch_writer *writer = batch->writers[kind];
    uint64_t count = lam_batch_writer_count(writer);

    lam_log_info(&batch->engine->log, "ai", "%llu requests%s are written for the batch API to %s%s", (unsigned long long)count, kind == LAM_JOB_EMBEDDINGS ? " for vectors" : "",
                 lam_batch_writer_path(writer), count && both && kind == LAM_JOB_EMBEDDINGS ? ": a batch is of one endpoint, so these are a batch of their own" : "");
}

int lam_llm_batch_written(struct lam_llm_batch *batch, struct lam_error *err)
{
    bool both = batch && batch->writers[LAM_JOB_CHAT] && batch->writers[LAM_JOB_EMBEDDINGS];
    int rc = 0;

    if (!batch)
        return 0;
    for (int kind = 0; !rc && kind < KINDS; kind++)
        if (batch->writers[kind] && !(rc = lam_batch_writer_finish(batch->writers[kind], err)))
            tell(batch, kind, both);
    drop_all(batch);
    return rc ? LAM_PASS(err, rc, "the requests are not written") : 0;
}

void lam_llm_batch_close(struct lam_llm_batch *batch)
{
    struct lam_error err;

    if (!batch)
        return;
    drop(batch, 1);
    if (lam_llm_batch_written(batch, &err))
        lam_log_error(&batch->engine->log, "ai", "%s", err.text);
    free(batch);
}
