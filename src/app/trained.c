#include "trained.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define KIND "builtin"
#define KIND_EMPTY "builtin-none"
#define TRAINED_TASKS /* what training serves: classes, names, the corpus' words */ \
    (LAM_TASK_CLASSIFY | LAM_TASK_ENTITIES | LAM_TASK_SUMMARIZE | LAM_TASK_SENTIMENT | LAM_TASK_KEYWORDS | LAM_TASK_EMBED)

bool lam_trained_wanted(const struct lam_job *job)
{
    return job->deep.analyzer == LAM_JOB_DEEP_BUILTIN && (job->tasks.wanted & TRAINED_TASKS) != 0 && job->batch.sample > 0;
}

/* What a model is for, as text. */
static void key_of(const struct lam_job *job, char text[LAM_ARTIFACT_KEY])
{
    uint64_t parts[2] = {lam_builtin_tasks_digest(&job->tasks), lam_hash64(job->label_field.ptr, job->label_field.len)};

    snprintf(text, LAM_ARTIFACT_KEY, "%016" PRIx64, lam_hash64(parts, sizeof parts));
}

/* Reads info; key (may be NULL) must be what stands there. */
static bool describe(const struct lam_state *state, uint32_t number, const char *key, struct lam_artifact *artifact)
{
    const struct lam_state_model *model = &state->models[number - 1];
    bool empty = !strcmp(model->kind, KIND_EMPTY);
    struct lam_digest digest;
    const char *found;
    json_t *info;
    bool known;

    if (!empty && strcmp(model->kind, KIND))
        return false;
    info = json_loads(model->info, 0, NULL);
    found = json_string_value(json_object_get(info, "key"));
    known = found && strlen(found) < LAM_ARTIFACT_KEY && (!key || !strcmp(found, key)) && json_is_string(json_object_get(info, "digest")) &&
            lam_digest_parse(lam_sv_of(json_string_value(json_object_get(info, "digest"))), &digest);
    if (known)
        *artifact = (struct lam_artifact){.number = number, .empty = empty, .commit = model->commit, .path = model->path,
                                          .documents = (uint64_t)json_integer_value(json_object_get(info, "documents")),
                                          .digest = digest};
    if (known)
        memcpy(artifact->key, found, strlen(found) + 1);
    json_decref(info);
    return known;
}

struct lam_artifact lam_trained_newest(const struct lam_state *state, const struct lam_job *job)
{
    struct lam_artifact artifact = {0};
    char key[LAM_ARTIFACT_KEY];

    key_of(job, key);
    for (uint32_t number = state->model_count; number > 0; number--)
        if (describe(state, number, key, &artifact))
            return artifact;
    return artifact;
}

bool lam_trained_is_newest(const struct lam_state *state, const struct lam_artifact *artifact)
{
    struct lam_artifact newer;
    bool newest = true;

    for (uint32_t number = state->model_count; newest && number > artifact->number; number--)
        newest = !describe(state, number, artifact->key, &newer);
    return newest;
}

bool lam_trained_describe(const struct lam_state *state, uint32_t number, struct lam_artifact *artifact)
{
    return number >= 1 && number <= state->model_count && describe(state, number, NULL, artifact);
}

static int read_bytes(const struct lam_fs *fs, const char *root, const struct lam_artifact *artifact, struct lam_buf *bytes, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc = lam_path_join(path, root, artifact->path, err);

    if (rc || (rc = lam_fs_read_all(fs, path, bytes, err)))
        return rc;
    if (!lam_digest_eq(lam_hash128(bytes->ptr, bytes->len), artifact->digest)) /* not its CRC: that of bytes which end with theirs is the same for all */
        return LAM_FAIL(err, LAM_E_CORRUPT, "model %s has other bytes than those that the log names; train anew: lamina batch --retrain", artifact->path);
    return 0;
}

int lam_trained_check(struct lam_engine *engine, const char *root, const struct lam_artifact *artifact, struct lam_error *err)
{
    struct lam_builtin_model *model = NULL;
    struct lam_buf bytes;
    int rc;

    lam_buf_init(&bytes, LAM_BUILTIN_MODEL_MAX);
    rc = read_bytes(engine->fs, root, artifact, &bytes, err);
    if (!rc && !artifact->empty)
        rc = lam_builtin_model_read(lam_buf_sv(&bytes), &model, err);
    lam_builtin_model_free(model);
    lam_buf_release(&bytes);
    return rc;
}

struct lam_trained *lam_trained_ref(struct lam_trained *trained)
{
    if (trained)
        atomic_fetch_add(&trained->refs, 1);
    return trained;
}

void lam_trained_unref(struct lam_trained *trained)
{
    if (!trained || atomic_fetch_sub(&trained->refs, 1) > 1)
        return;
    lam_builtin_model_free(trained->model);
    free(trained);
}

/* The engine's own reference is to the model that was loaded last: whoever asks next wants the same one. */
static struct lam_trained *known(struct lam_engine *engine, uint32_t number)
{
    struct lam_trained *found = NULL;

    pthread_mutex_lock(&engine->lock);
    if (engine->trained && engine->trained->number == number)
        found = lam_trained_ref(engine->trained);
    pthread_mutex_unlock(&engine->lock);
    return found;
}

static void share(struct lam_engine *engine, struct lam_trained *trained)
{
    struct lam_trained *old;

    pthread_mutex_lock(&engine->lock);
    old = engine->trained;
    engine->trained = lam_trained_ref(trained);
    pthread_mutex_unlock(&engine->lock);
    lam_trained_unref(old);
}

int lam_trained_load(struct lam_engine *engine, const struct lam_artifact *artifact, struct lam_trained **out, struct lam_error *err)
{
    struct lam_trained *trained;
    struct lam_buf bytes;
    int rc;

    if ((*out = known(engine, artifact->number)))
        return 0;
    if (!(trained = calloc(1, sizeof *trained)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model");
    atomic_init(&trained->refs, 1);
    trained->number = artifact->number;
    lam_buf_init(&bytes, LAM_BUILTIN_MODEL_MAX);
    if (!(rc = read_bytes(engine->fs, engine->job->store.path, artifact, &bytes, err)))
        rc = lam_builtin_model_read(lam_buf_sv(&bytes), &trained->model, err);
    lam_buf_release(&bytes);
    if (rc) {
        lam_trained_unref(trained);
        return LAM_PASS(err, rc, "load model %" PRIu32, artifact->number);
    }
    share(engine, trained);
    *out = trained;
    return 0;
}

static int write_info(const struct lam_job *job, struct lam_sv bytes, uint64_t documents, const char *more, struct lam_buf *info, struct lam_error *err)
{
    char key[LAM_ARTIFACT_KEY], digest[LAM_DIGEST_HEX];

    key_of(job, key);
    lam_digest_hex(lam_hash128(bytes.ptr, bytes.len), digest);
    return lam_buf_addf(info, err, "{\"key\":\"%s\",\"bytes\":%zu,\"digest\":\"%s\",\"documents\":%" PRIu64 "%s%s}", key, bytes.len, digest, documents,
                        more[0] ? "," : "", more);
}

int lam_trained_new(struct lam_builtin_model *model, struct lam_trained **out, struct lam_error *err)
{
    struct lam_trained *trained = calloc(1, sizeof *trained);

    *out = trained;
    if (!trained) {
        lam_builtin_model_free(model);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model");
    }
    atomic_init(&trained->refs, 1);
    trained->model = model;
    return 0;
}

int lam_trained_commit(struct lam_engine *engine, uint64_t term, const char *run, struct lam_trained *made, struct lam_sv bytes, uint64_t documents,
                       const char *more, struct lam_error *err)
{
    char name[LAM_RUN_ID + 16], path[LAM_SEGMENT_PATH], full[LAM_PATH_MAX];
    struct lam_commit commit;
    struct lam_buf info;
    int rc;

    snprintf(name, sizeof name, "builtin-%s", run);
    snprintf(path, sizeof path, "models/%s.bin", name);
    lam_buf_init(&info, LAM_COMMIT_TEXT);
    lam_commit_init(&commit, lam_commitlog_peek(engine->commits)->number);
    lam_commit_set_term(&commit, LAM_TERM_BATCH, term);
    if (!(rc = lam_path_join(full, engine->job->store.path, path, err)) && !(rc = lam_fs_replace(engine->fs, full, bytes, err)) &&
        !(rc = write_info(engine->job, bytes, documents, more, &info, err)) && !(rc = lam_buf_add(&info, "", 1, err)) &&
        !(rc = lam_commit_model(&commit, name, made ? KIND : KIND_EMPTY, path, info.ptr, err)))
        rc = lam_commitlog_commit(engine->commits, &commit, NULL, err);
    if (!rc) {
        lam_engine_share(engine);
        if (made) {
            made->number = lam_state_model_number(lam_commitlog_peek(engine->commits), name);
            share(engine, made);
        }
    }
    lam_commit_release(&commit);
    lam_buf_release(&info);
    return rc ? LAM_PASS(err, rc, "commit the model %s", path) : 0;
}
