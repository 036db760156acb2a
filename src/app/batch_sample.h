/* The sample that a model is trained on: inside of batch_sample.c and batch_train.c only. */
#ifndef LAMINA_APP_BATCH_SAMPLE_H
#define LAMINA_APP_BATCH_SAMPLE_H

#include "batch_job.h"

#include "model/json.h"
#include "store/rows_merge.h"

struct lam_batch_sample {
    struct lam_merge_input *inputs; /* planned segments: their maps are held while the views are used */
    struct lam_mask *masks;
    size_t input_count;
    struct lam_builtin_doc *docs;
    size_t count, cap;
    uint64_t bytes, max_bytes;
    struct lam_json *json;     /* of a record's fields, for its label */
    uint64_t rows;             /* staged, of which the sample is one */
    struct lam_trained *made;  /* by training; NULL: there was nothing to learn */
    struct lam_buf artifact;   /* its bytes */
};

#endif
