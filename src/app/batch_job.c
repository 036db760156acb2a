#include "batch_job.h"
#include "batch_estimate.h"

static int analyze(void *arg, struct lam_batch_piece *piece, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    int rc = batch->llm ? lam_llm_job_analyze(batch->llm, piece, err) : LAM_END, taken;

    if (rc == LAM_END && (taken = lam_batch_estimate_take(batch, piece, NULL, err)))
        return taken;
    return rc;
}

static int analyzed(void *arg, bool last, struct lam_batch_piece **piece, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_llm_need needed;
    int rc = lam_llm_job_analyzed(batch->llm, last, piece, err);

    if (rc || !*piece || !batch->estimator)
        return rc;
    lam_llm_job_needed(batch->llm, &needed);
    return lam_batch_estimate_take(batch, *piece, &needed, err);
}

static void drop(void *arg) { lam_llm_job_drop(((struct lam_batch_job *)arg)->llm); }

const struct lam_batch_ops lam_batch_job_ops = {
    .begin = lam_batch_begin,
    .list = lam_batch_list,
    .accepted = lam_batch_accepted,
    .failed = lam_batch_failed,
    .again = lam_batch_again,
    .sample = lam_batch_sample,
    .train = lam_batch_train,
    .plan = lam_batch_plan,
    .resolved = lam_batch_resolved,
    .publish = lam_batch_publish,
    .start = lam_batch_start,
    .read = lam_batch_read,
    .analyze = analyze,
    .analyzed = analyzed,
    .drop = drop,
    .together = lam_batch_together,
    .stage = lam_batch_stage,
    .prepare = lam_batch_prepare,
    .resolve = lam_batch_resolve,
    .write = lam_batch_write,
    .discard = lam_batch_discard,
    .end = lam_batch_end,
};

struct lam_batch_options lam_batch_job_options(struct lam_batch_job *batch)
{
    struct lam_engine *engine = batch->engine;
    uint64_t memory = engine->job->batch.memory;

    /*
     * An eighth for blocks: a group that is being written, and half of one that is filled meanwhile. More would only stand there while the disk stalls. Beside
     * them stand those being read, one a thread, the segment being written, and what the allocator has not given back.
     */
    return (struct lam_batch_options){.ops = &lam_batch_job_ops, .arg = batch, .comm = engine->comm, .roles = engine->roles, .wake = &engine->wake,
                                      .storage = engine->storage, .workers = batch->reader_count, .max_bytes = memory / 8, .group_bytes = memory / 12,
                                      .log = &engine->log};
}
