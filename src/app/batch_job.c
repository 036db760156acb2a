#include "batch_job.h"

const struct lam_batch_ops lam_batch_job_ops = {
    .begin = lam_batch_begin,
    .list = lam_batch_list,
    .accepted = lam_batch_accepted,
    .failed = lam_batch_failed,
    .again = lam_batch_again,
    .plan = lam_batch_plan,
    .resolved = lam_batch_resolved,
    .publish = lam_batch_publish,
    .start = lam_batch_start,
    .read = lam_batch_read,
    .together = lam_batch_together,
    .stage = lam_batch_stage,
    .prepare = lam_batch_prepare,
    .resolve = lam_batch_resolve,
    .write = lam_batch_write,
};
