/*
 * What the built-in analyzer learned, as a store keeps it.
 *
 * A training leaves one file, models/<name>, and one commit that names it: kind "builtin", and as info a JSON object with the key of the job's
 * questions, length and digest of the file, and what the training was. The number that the commit gives it stands in provenance (`model`). A training
 * that found nothing to learn from leaves kind "builtin-none": nobody trains on the same again, and answers say `model: 0`.
 *
 * A model is used by jobs that ask what it was trained for (its key): the labels with their descriptions, and the field of labelled records. It is
 * loaded once a process and shared by its threads.
 */
#ifndef LAMINA_APP_TRAINED_H
#define LAMINA_APP_TRAINED_H

#include "ai/builtin/train.h"
#include "engine.h"

/* A loaded model, immutable. Reference counted. */
struct lam_trained {
    atomic_uint refs;
    uint32_t number;
    struct lam_builtin_model *model;
};

#define LAM_ARTIFACT_KEY 17 /* 16 hex digits */

/* What the log says of an artifact. number 0: there is none. */
struct lam_artifact {
    uint32_t number;
    bool empty;           /* kind "builtin-none" */
    char key[LAM_ARTIFACT_KEY]; /* of what it was trained for */
    uint64_t commit;
    uint64_t documents;   /* that it was trained on */
    const char *path;     /* the state's */
    struct lam_digest digest; /* lam_hash128 of the file */
};

/* Does the built-in analyzer learn anything for this job in the batch layer? */
bool lam_trained_wanted(const struct lam_job *job);

/* The newest artifact for this job's questions. */
struct lam_artifact lam_trained_newest(const struct lam_state *state, const struct lam_job *job);

/* Is it the newest for what it was trained for? No other one is ever loaded. */
bool lam_trained_is_newest(const struct lam_state *state, const struct lam_artifact *artifact);

/* What the log says of model number (1…model_count): false where it is none of the built-in analyzer's. */
bool lam_trained_describe(const struct lam_state *state, uint32_t number, struct lam_artifact *artifact);

/*
 * A reference to the model, from the process' own memory where it was loaded before. LAM_E_CORRUPT, LAM_E_NOT_FOUND name the file. Any thread.
 */
int lam_trained_load(struct lam_engine *engine, const struct lam_artifact *artifact, struct lam_trained **trained, struct lam_error *err);
struct lam_trained *lam_trained_ref(struct lam_trained *trained); /* NULL-safe */
void lam_trained_unref(struct lam_trained *trained);              /* NULL-safe; any thread */

/* For provenance; 0 where there is no model. */
static inline uint32_t lam_trained_number(const struct lam_trained *trained) { return trained ? trained->number : 0; }

/* Is the file whole: its digest, and (kind "builtin") a model that can be read? LAM_E_CORRUPT, LAM_E_NOT_FOUND. */
int lam_trained_check(struct lam_engine *engine, const char *root, const struct lam_artifact *artifact, struct lam_error *err);

/* A model that was just made, without a number yet. Takes the model, on failure too. */
int lam_trained_new(struct lam_builtin_model *model, struct lam_trained **trained, struct lam_error *err);

/*
 * Writes a training's outcome and commits it under the batch layer's term: the bytes of made, which gets its number; or, made NULL, that nothing was
 * learned from so many documents. more: further members of info, "\"rounds\":8,…" or "". Storage thread.
 */
int lam_trained_commit(struct lam_engine *engine, uint64_t term, const char *run, struct lam_trained *made, struct lam_sv bytes, uint64_t documents,
                       const char *more, struct lam_error *err);

#endif
