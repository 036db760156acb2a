/*
 * Which model answers in a run, and how one is trained where there is none.
 *
 *     begin    the newest artifact for this job's questions, or: this run trains (its rows are staged without answers)
 *     sample   when all is staged: of the keys with the smallest hash the newest versions, as views into the staged segments
 *     train    on the lister's thread
 *     commit   first thing of the plan: the artifact is in the log before any answer that uses it
 *
 * The sample is a function of what was staged, whoever staged it: every number of ranks, and a run that goes on with another's work, trains the same
 * model. An artifact that is newer than the view asks for a new full view: so a run that ended after its commit is gone on with, with its model.
 */
#include "batch_sample.h"

#include "ai/builtin/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DOCUMENTS_MIN 100             /* with fewer there is nothing to generalise from */
#define GROWN 4                       /* so many times the documents that did not suffice are tried again */

/* --- begin --- */

/* About how many documents a new full view would see: those of the view, and what was archived beyond it. */
static uint64_t documents_at_hand(const struct lam_batch_job *batch)
{
    const struct lam_state *state = batch->state;
    uint64_t count = (uint64_t)state->totals.live;

    for (uint32_t s = 1; s <= state->source_count; s++) {
        const struct lam_state_life *life = lam_state_newest_life(state, s);

        for (uint32_t p = 0; life && p < life->partition_count; p++)
            count += life->partitions[p].next - lam_cutoff_next(&state->view.cutoff, s, life->number, life->partitions[p].partition);
    }
    return count;
}

/* Has the view none because there was too little to learn from, and is there much more now? */
static bool grew(const struct lam_batch_job *batch, const struct lam_artifact *artifact)
{
    uint64_t count = documents_at_hand(batch);

    return count >= DOCUMENTS_MIN && count >= GROWN * artifact->documents;
}

int lam_batch_choose_model(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_state *state = batch->state;
    struct lam_artifact artifact;
    int rc = 0;

    lam_trained_unref(batch->trained);
    batch->trained = NULL;
    batch->training = false;
    batch->generation = 0;
    if (!lam_trained_wanted(batch->engine->job))
        return 0;
    artifact = lam_trained_newest(state, batch->engine->job);
    if (artifact.number && artifact.commit > state->view.commit) { /* a run made it and did not publish: this one goes on */
        batch->rebuild = true;
    } else if (batch->retrain || (batch->rebuild && (!artifact.number || artifact.empty)) ||
               (!batch->rebuild && (!artifact.number || artifact.empty) && grew(batch, &artifact))) {
        batch->rebuild = batch->training = true;
        artifact = (struct lam_artifact){0};
    }
    batch->retrain = false;
    batch->generation = batch->training ? state->model_count + 1 : artifact.number;
    if (artifact.number && !artifact.empty)
        rc = lam_trained_load(batch->engine, &artifact, &batch->trained, err);
    if (batch->training && state->view.number)
        lam_log_info(&batch->engine->log, "batch", "there may be enough to train a model now: this is a new full view");
    batch->report.model.number = lam_trained_number(batch->trained);
    return rc;
}

struct lam_digest lam_batch_staging_digest(const struct lam_batch_job *batch)
{
    const struct lam_job *job = batch->engine->job;
    uint8_t bytes[sizeof job->analysis_digest + sizeof batch->generation];

    if (!batch->generation)
        return job->analysis_digest;
    memcpy(bytes, &job->analysis_digest, sizeof job->analysis_digest);
    memcpy(bytes + sizeof job->analysis_digest, &batch->generation, sizeof batch->generation);
    return lam_hash128(bytes, sizeof bytes);
}

int lam_batch_load_model(struct lam_batch_job *batch, uint32_t number, struct lam_error *err)
{
    const struct lam_state *state = lam_commitlog_peek(batch->engine->commits);
    struct lam_artifact artifact;

    if (batch->trained && batch->trained->number == number)
        return 0;
    lam_trained_unref(batch->trained);
    batch->trained = NULL;
    if (!number)
        return 0;
    if (!lam_trained_describe(state, number, &artifact))
        return LAM_FAIL(err, LAM_E_CORRUPT, "model %" PRIu32 " is not in the log as this rank knows it", number);
    return lam_trained_load(batch->engine, &artifact, &batch->trained, err);
}

/* --- train and commit --- */

static bool stop(void *arg) { return lam_batch_cancelled(arg); }

int lam_batch_train(void *arg, const struct lam_batch_lister *lister, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_batch_sample *sample = batch->sample;
    struct lam_builtin_training options = {.stop = stop, .arg = (void *)(uintptr_t)lister};
    struct lam_batch_model_report *report = &batch->report.model;
    struct lam_builtin_model *model = NULL;
    struct lam_error why;
    int rc;

    report->sampled = sample->count;
    if (sample->count < DOCUMENTS_MIN) {
        snprintf(report->why, sizeof report->why, "%zu documents are too few to learn from: at least %d", sample->count, DOCUMENTS_MIN);
        return 0;
    }
    rc = lam_builtin_train(&batch->engine->job->tasks, sample->docs, sample->count, &options, &model, &report->training, &why);
    if (rc == LAM_E_NOT_FOUND || rc == LAM_E_INVALID) {
        snprintf(report->why, sizeof report->why, "%.*s", (int)sizeof report->why - 1, why.text);
        return 0;
    }
    if (rc) {
        *err = why;
        return LAM_PASS(err, rc, "train on %zu documents", sample->count);
    }
    rc = lam_builtin_model_write(model, &sample->artifact, err);
    if (!rc)
        rc = lam_trained_new(model, &sample->made, err);
    else
        lam_builtin_model_free(model);
    return rc;
}

/* Further members of the artifact's info: what the training was. */
static int describe(const struct lam_batch_job *batch, struct lam_buf *more, struct lam_error *err)
{
    const struct lam_builtin_training_report *training = &batch->report.model.training;
    const struct lam_tasks *tasks = &batch->engine->job->tasks;
    const struct lam_builtin_model *model = batch->sample->made->model;
    bool first = true;
    int rc = lam_buf_addf(more, err, "\"rounds\":%" PRIu32 ",\"features\":%" PRIu32 ",\"temperature\":%.6g,\"labels\":%zu,\"died_out\":[", training->rounds,
                          training->features, (double)training->temperature, tasks->label_count);

    for (uint32_t i = 0; !rc && i < model->label_count; i++)
        if (lam_builtin_model_died_out(model, i)) {
            if (!(rc = lam_buf_addf(more, err, first ? "" : ",")))
                rc = lam_buf_add_json(more, model->labels[i], err);
            first = false;
        }
    if (!rc)
        rc = lam_buf_addf(more, err, "],\"unseen\":[");
    first = true;
    for (uint32_t i = 0; !rc && i < model->label_count; i++)
        if (lam_builtin_model_unseen(model, i)) {
            if (!(rc = lam_buf_addf(more, err, first ? "" : ",")))
                rc = lam_buf_add_json(more, model->labels[i], err);
            first = false;
        }
    return rc ? rc : lam_buf_addf(more, err, "]");
}

static void tell(const struct lam_batch_job *batch, const char *more)
{
    const struct lam_batch_model_report *report = &batch->report.model;

    if (report->sampled < DOCUMENTS_MIN) /* a small corpus is nothing to be warned of */
        lam_log_info(&batch->engine->log, "batch", "no model was trained, records are classified by the label descriptions: %s", report->why);
    else if (report->why[0])
        lam_log_warn(&batch->engine->log, "batch", "no model was trained, records are classified by the label descriptions: %s", report->why);
    else
        lam_log_info(&batch->engine->log, "batch", "model %" PRIu32 " was trained on %" PRIu32 " documents: %.300s", report->number, report->training.documents,
                     more);
    if (report->training.died_out + report->training.unseen > 0)
        lam_log_warn(&batch->engine->log, "batch", "%" PRIu32 " labels get no record any more after training, %" PRIu32
                     " have no word that occurs: `lamina store show` names them; better descriptions help", report->training.died_out, report->training.unseen);
}

int lam_batch_commit_model(struct lam_batch_job *batch, struct lam_error *err)
{
    struct lam_batch_model_report *report = &batch->report.model;
    struct lam_batch_sample *sample = batch->sample;
    struct lam_buf more;
    int rc = 0;

    if (!sample)
        return 0;
    lam_buf_init(&more, (size_t)1 << 20);
    if (sample->made)
        rc = describe(batch, &more, err);
    if (!rc && !(rc = lam_buf_add(&more, "", 1, err)))
        rc = lam_trained_commit(batch->engine, batch->term, batch->run, sample->made, sample->made ? lam_buf_sv(&sample->artifact) : LAM_SV("nothing was learned\n"),
                                sample->rows, more.ptr, err);
    if (!rc) {
        lam_trained_unref(batch->trained);
        batch->trained = lam_trained_ref(sample->made);
        report->trained = sample->made != NULL;
        report->number = lam_trained_number(batch->trained);
        tell(batch, more.ptr);
    }
    lam_buf_release(&more);
    lam_batch_sample_free(sample);
    batch->sample = NULL;
    return rc;
}
