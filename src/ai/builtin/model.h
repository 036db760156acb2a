/*
 * The model artifact of the built-in analyzer: what training learned from the corpus. Immutable once made; shared by any number of
 * handles and threads.
 *
 * A linear classifier over hashed words and pairs of words: for each feature its idf and one weight a label, a bias a label, the
 * temperature that calibrates, and the share of the label descriptions in the answer.
 *
 * Bytes (all little-endian):
 *
 *      0  8  magic "LAMBLT1\n"
 *      8  4  format, 1
 *     12  4  labels K
 *     16  4  features F
 *     20  4  length of the label names N, in bytes
 *     24  8  digest of the tasks that it was trained for (names and descriptions of the labels)
 *     32  4  temperature, f32     36  4  share of the descriptions, f32
 *     40  4  documents it was trained on
 *     44  4  zero
 *     48  N  label names, each followed by a 0 byte
 *         8F hashes of the features, ascending, u64
 *         4F idf, f32
 *         4K bias, f32
 *         4FK weights, f32, by feature, then by label
 *         4  crc32c of all before
 */
#ifndef LAMINA_AI_BUILTIN_MODEL_H
#define LAMINA_AI_BUILTIN_MODEL_H

#include <lamina/analyzer.h>

#include "base/buf.h"

#define LAM_BUILTIN_MODEL_MAX ((size_t)256 << 20) /* bytes; a larger one is refused before memory is taken */

struct lam_builtin_model {
    uint32_t label_count, feature_count;
    uint32_t document_count;
    uint64_t tasks_digest;
    float temperature, mix;    /* mix: share of the descriptions, 0..1 */
    struct lam_sv *labels;     /* names */
    uint64_t *hashes;          /* [feature_count], ascending */
    float *idf;                /* [feature_count] */
    float *bias;               /* [label_count] */
    float *weights;            /* [feature_count][label_count] */
    char *names;               /* what labels point into */
    size_t names_len;
    uint32_t *slots;           /* feature + 1, by hash: made from hashes */
    size_t mask;
};

/* Memory for a model of this shape, all zero. LAM_E_LIMIT beyond LAM_BUILTIN_MODEL_MAX. */
int lam_builtin_model_new(uint32_t label_count, uint32_t feature_count, size_t names_len, struct lam_builtin_model **model,
                          struct lam_error *err);
void lam_builtin_model_free(struct lam_builtin_model *model);

/* Bytes for the store: equal models give equal bytes on every platform. */
int lam_builtin_model_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err);

/* The way back. LAM_E_CORRUPT where the bytes are not a whole model; nothing of them is trusted. Copies what it needs. */
int lam_builtin_model_read(struct lam_sv bytes, struct lam_builtin_model **model, struct lam_error *err);

/* Names and descriptions of the labels in one number: a changed label set is another digest, and asks for another model. */
uint64_t lam_builtin_tasks_digest(const struct lam_tasks *tasks);

/* Fills slots from hashes, once these stand. */
void lam_builtin_model_index(struct lam_builtin_model *model);

/* The feature's index, or UINT32_MAX where it is none. */
uint32_t lam_builtin_model_find(const struct lam_builtin_model *model, uint64_t hash);

#endif
