#include "train.h"

int lam_builtin_train(const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count, const struct lam_builtin_training *options,
                      struct lam_builtin_model **model, struct lam_builtin_training_report *report, struct lam_error *err)
{
    (void)tasks, (void)docs, (void)count, (void)options, (void)model, (void)report;
    return LAM_FAIL(err, LAM_E_NOT_FOUND, "nothing to learn from");
}
