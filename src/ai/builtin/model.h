/*
 * The model artifact of the built-in analyzer: what training learned from the corpus. Immutable once made; shared by any number of
 * handles and threads. One file of sections; a section that training had nothing for is absent.
 *
 * Bytes (all little-endian):
 *
 *      0  8  magic "LAMBLT2\n"
 *      8  4  format, 2
 *     12  4  sections S
 *     16  8  digest of the tasks that it was trained for (names and descriptions of the labels)
 *     24  4  documents it was trained on
 *     28  4  zero
 *     32 24S the table, ascending by kind: kind u32, zero u32, offset u64, length u64. The first section begins behind the table,
 *            each other where the one before ends, the checksum where the last one ends
 *         4  at the end: crc32c of all before
 *
 * Section 1, the classifier: a linear one over hashed words and pairs of words; absent where the tasks have no labels.
 *
 *      0  4  labels K               4  4  features F            8  4  length of the label names N, in bytes
 *     12  4  temperature, f32      16  4  share of the descriptions in the answer, f32          20  4  zero
 *     24  N  label names, each followed by a 0 byte
 *         8F hashes of the features, ascending, u64
 *         4F idf, f32
 *         4K bias, f32
 *         4FK weights, f32, by feature, then by label
 *         4K documents that the descriptions gave to the label, u32
 *         4K documents that the trained classifier gives to the label, u32
 *
 * Section 2, the corpus' words (corpus.h): idf for embeddings, keywords and summaries.
 *
 *      0  4  words W                4  4  zero
 *      8 8W  hashes of the folded words, ascending, u64
 *        4W  idf, f32
 *
 * Section 3, the names of people, organisations and places: gazetteer.h has its bytes.
 *
 * Section 4, the domain's sentiment: words of section 2 that no list knows, with the side that they take in this corpus.
 *
 *      0  4  words V                4  4  zero
 *      8 8V  hashes, ascending, u64
 *        1V  valence in tenths, i8, -40..40, not 0
 */
#ifndef LAMINA_AI_BUILTIN_MODEL_H
#define LAMINA_AI_BUILTIN_MODEL_H

#include <lamina/analyzer.h>

#include "corpus.h"

#include "base/buf.h"

#define LAM_BUILTIN_MODEL_MAX ((size_t)256 << 20) /* bytes; a larger one is refused before memory is taken */

enum lam_builtin_section { LAM_SECTION_CLASSIFIER = 1, LAM_SECTION_WORDS = 2, LAM_SECTION_NAMES = 3, LAM_SECTION_VALENCES = 4 };

struct lam_gazetteer;

struct lam_builtin_model {
    uint32_t document_count;
    uint64_t tasks_digest;

    /* the classifier; label_count 0: none */
    uint32_t label_count, feature_count;
    float temperature, mix;    /* mix: share of the descriptions, 0..1 */
    struct lam_sv *labels;     /* names */
    uint64_t *hashes;          /* [feature_count], ascending */
    float *idf;                /* [feature_count] */
    float *bias;               /* [label_count] */
    float *weights;            /* [feature_count][label_count] */
    uint32_t *matched, *given; /* [label_count]: documents of the sample, by the descriptions and by the trained classifier */
    char *names;               /* what labels point into */
    size_t names_len;
    uint32_t *slots;           /* feature + 1 and 8 more bits of the hash, by hash: made from hashes */
    size_t mask;

    struct lam_corpus corpus;        /* empty: none */
    struct lam_gazetteer *gazetteer; /* NULL: none */
};

/* A model that knows nothing. */
int lam_builtin_model_new(struct lam_builtin_model **model, struct lam_error *err);
void lam_builtin_model_free(struct lam_builtin_model *model);

/* Bytes for the store: equal models give equal bytes on every platform. */
int lam_builtin_model_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err);

/* The way back. LAM_E_CORRUPT where the bytes are not a whole model; nothing of them is trusted. Copies what it needs. */
int lam_builtin_model_read(struct lam_sv bytes, struct lam_builtin_model **model, struct lam_error *err);

/* Names and descriptions of the labels in one number: a changed label set is another digest, and asks for another model. */
uint64_t lam_builtin_tasks_digest(const struct lam_tasks *tasks);

/*
 * Did the label die out in training: the descriptions gave it documents, the trained classifier gives it none? Unseen: not even the
 * descriptions did. false, false for a label that lives.
 */
static inline bool lam_builtin_model_died_out(const struct lam_builtin_model *model, uint32_t label)
{
    return model->matched[label] && !model->given[label];
}
static inline bool lam_builtin_model_unseen(const struct lam_builtin_model *model, uint32_t label) { return !model->matched[label]; }

/* The classifier's part (model_classifier.c). */

/* Memory for a classifier of this shape, all zero. LAM_E_LIMIT beyond LAM_BUILTIN_MODEL_MAX. model has none before. */
int lam_builtin_classifier_new(struct lam_builtin_model *model, uint32_t label_count, uint32_t feature_count, size_t names_len,
                               struct lam_error *err);
void lam_builtin_classifier_release(struct lam_builtin_model *model);
int lam_builtin_classifier_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err);
int lam_builtin_classifier_read(struct lam_builtin_model *model, struct lam_sv bytes, struct lam_error *err);

/* Fills slots from hashes, once these stand. */
void lam_builtin_classifier_index(struct lam_builtin_model *model);

/* Tells the words of the corpus which features they are, once both stand. */
void lam_builtin_model_link(struct lam_builtin_model *model);

/* Most pairs of words are no feature: eight bits in the slot say so, and hashes is not looked at. */
static inline uint32_t lam_builtin_feature_tag(uint64_t hash) { return (uint32_t)(hash >> 32) & 0xff000000u; }

/* The feature's index, or UINT32_MAX where it is none. */
static inline uint32_t lam_builtin_model_find(const struct lam_builtin_model *model, uint64_t hash)
{
    uint32_t tag = lam_builtin_feature_tag(hash);

    for (size_t at = hash & model->mask; model->slots[at]; at = (at + 1) & model->mask) {
        uint32_t slot = model->slots[at];

        if ((slot & 0xff000000u) == tag && model->hashes[(slot & 0xffffff) - 1] == hash)
            return (slot & 0xffffff) - 1;
    }
    return UINT32_MAX;
}

#endif
