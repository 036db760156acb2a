/*
 * lamina eval: how good are the answers of a job, by the labels of its records? Brings the view up to date, as `lamina batch` does, and holds each live
 * record's category against the label that stands among its fields.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/dict.h"
#include "batch_verb.h"
#include "eval.h"
#include "llm_job.h"
#include "model/json.h"
#include "process/work.h"
#include "store_reader.h"

#define PIN_MS 86400000 /* nobody waits for us but who asked */
#define TEXT_MAX ((size_t)256 << 20)
#define FIELDS_MAX ((size_t)64 << 20) /* of one record */
#define ANSWERERS_MAX 256

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"labels", 'l', "POINTER", "the field of a record that holds its label, such as /label; default: tasks.classify.label_field"},
    {"source", 's', "NAME", "records of this source only"},
    {"as-is", '\0', NULL, "take the view as it is: no batch before"},
    LAM_FRAME_OPTIONS,
};

extern const struct lam_verb lam_verb_eval;
const struct lam_verb lam_verb_eval = {
    .name = "eval",
    .arguments = "JOB",
    .summary = "how good the answers are, by the labels of labelled records",
    .details = "Brings the job's view up to date as `lamina batch` does, with whatever analyzer the job names, and compares the\n"
               "category of each live record with the label that stands among its fields: accuracy, macro F1, confusion,\n"
               "calibration error, and how accuracy grows where only the surest answers count. Records without a label are\n"
               "counted and left out. The labels are not looked at by the analysis, unless the job names their field itself\n"
               "(tasks.classify.label_field): then it learned from them, which is said.\n\n"
               "  lamina eval jobs/news.json --labels /label\n"
               "  lamina launch -n 2 eval jobs/complaints.json --labels /product --json\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .takes_job = true,
    .takes_ranks = true,
    .run = run,
};

/* What stands beside the figures. */
struct found {
    uint64_t records, unlabelled, unknown, pending, tokens; /* unknown: labels that are none of the job's */
    struct lam_dict answerers; /* "analyzer, model n" to records */
    uint64_t view;
};

struct eval_verb {
    struct lam_work work; /* first: what the pool gives back */
    struct lam_batch_verb batch;
    struct lam_sv labels;
    const char *source;
    bool batch_over, counting;
    double batch_seconds, eval_seconds;
    struct lam_json *json;
    struct lam_eval *eval;
    struct lam_eval_result result;
    struct found found;
    int rc;
    struct lam_error err;
};

/* --- counting, on the storage thread --- */

static bool is_label(const struct lam_tasks *tasks, struct lam_sv name)
{
    for (size_t i = 0; i < tasks->label_count; i++)
        if (lam_sv_eq(tasks->labels[i].name, name))
            return true;
    return false;
}

/* The label as text: of a string what it says, of a number or truth value how it is written; empty: none. */
static struct lam_sv label_of(struct eval_verb *verb, const struct lam_record *rec)
{
    struct lam_error why;
    uint32_t at;

    if (!rec->metadata.len || lam_json_parse(verb->json, rec->metadata, &why))
        return lam_sv("", 0);
    at = lam_json_find(verb->json, LAM_JSON_ROOT, verb->labels);
    switch (lam_json_type(verb->json, at)) {
    case LAM_JSON_STRING:
        return lam_json_string(verb->json, at);
    case LAM_JSON_NUMBER:
    case LAM_JSON_BOOL:
        return lam_json_raw(verb->json, at);
    default:
        return lam_sv("", 0);
    }
}

static int note_answerer(struct eval_verb *verb, const struct lam_enrichment *enr, struct lam_error *err)
{
    char text[128];
    uint64_t *records;
    int len = snprintf(text, sizeof text, "%.*s, model %" PRIu32, (int)(enr->analyzer.len < 80 ? enr->analyzer.len : 80), enr->analyzer.ptr, enr->model);
    int rc = lam_dict_add(&verb->found.answerers, lam_sv(text, (size_t)len), &records, NULL, err);

    if (!rc)
        ++*records;
    verb->found.tokens += enr->tokens;
    return rc;
}

static int visit(void *arg, const struct lam_hit *hit, struct lam_error *err)
{
    struct eval_verb *verb = arg;
    const struct lam_tasks *tasks = &verb->batch.job.engine->job->tasks;
    const struct lam_enrichment *enr = &hit->row.enr;
    struct lam_sv truth, answer = enr->category;
    int rc;

    if (verb->source && !lam_sv_eq(hit->source, lam_sv_of(verb->source)))
        return 0;
    verb->found.records++;
    verb->found.pending += (hit->row.rec.flags & LAM_ROW_PENDING) != 0;
    truth = label_of(verb, &hit->row.rec);
    if (!truth.len) {
        verb->found.unlabelled++;
        return 0;
    }
    verb->found.unknown += !is_label(tasks, truth);
    if (tasks->other.len && lam_sv_eq(answer, tasks->other) && !is_label(tasks, answer)) /* it abstained */
        answer = lam_sv("", 0);
    if ((rc = note_answerer(verb, enr, err)))
        return rc;
    return lam_eval_add(verb->eval, truth, answer, (double)enr->confidence, err);
}

static int count_all(struct eval_verb *verb, struct lam_error *err)
{
    struct lam_store_reader *store;
    struct lam_snapshot *snapshot = NULL;
    struct lam_reader reader;
    struct lam_as_of as_of;
    int rc;

    if (!(verb->json = lam_json_new(FIELDS_MAX, verb->batch.job.engine->job->limits.depth)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a JSON parser");
    if ((rc = lam_eval_new(&verb->eval, err)) || (rc = lam_store_reader_new(&store, verb->batch.job.engine, NULL, false, err)))
        return rc;
    reader = lam_store_reader(store);
    if (!(rc = reader.ops->pin(reader.arg, PIN_MS, &snapshot, err))) {
        reader.ops->as_of(snapshot, &as_of);
        verb->found.view = as_of.view;
        if (!as_of.view)
            rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "the store has no view yet: leave --as-is out");
        else if (!(rc = reader.ops->scan(snapshot, NULL, LAM_WANT_METADATA | LAM_WANT_ANSWERS | LAM_WANT_PROVENANCE, visit, verb, err)))
            rc = lam_eval_finish(verb->eval, &verb->result, err);
        reader.ops->release(snapshot);
    }
    lam_store_reader_free(store);
    if (!rc && !verb->result.records)
        rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "none of %" PRIu64 " records has a label at %.*s", verb->found.records, LAM_SV_ARG(verb->labels));
    return rc;
}

static void count_run(struct lam_work *work, unsigned worker)
{
    struct eval_verb *verb = (struct eval_verb *)work;
    int64_t began = lam_mono_us(&lam_clock_system);

    (void)worker;
    verb->rc = count_all(verb, &verb->err);
    verb->eval_seconds = (double)(lam_mono_us(&lam_clock_system) - began) / 1e6;
}

/* --- telling --- */

static int add_answerers(struct eval_verb *verb, bool json, struct lam_buf *out, struct lam_error *err)
{
    uint64_t records;
    struct lam_sv name;
    size_t cursor = 0;
    bool first = true;
    int rc = 0;

    while (!rc && lam_dict_next(&verb->found.answerers, &cursor, &name, &records)) {
        if (!(rc = lam_buf_addf(out, err, first ? "" : json ? "," : "; ")))
            rc = json ? lam_buf_add_json(out, name, err) : lam_buf_add_sv(out, name, err);
        if (!rc)
            rc = lam_buf_addf(out, err, json ? ":%" PRIu64 : ": %" PRIu64 " records", records);
        first = false;
    }
    return rc;
}

static int tell_json(struct eval_verb *verb, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_job *job = verb->batch.job.engine->job;
    const struct found *found = &verb->found;
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"job\":")) || (rc = lam_buf_add_json(out, lam_sv_of(job->name), err)) ||
        (rc = lam_buf_addf(out, err, ",\"view\":%" PRIu64 ",\"labels_at\":", found->view)) || (rc = lam_buf_add_json(out, verb->labels, err)) ||
        (rc = lam_buf_addf(out, err, ",\"source\":")) ||
        (rc = verb->source ? lam_buf_add_json(out, lam_sv_of(verb->source), err) : lam_buf_addf(out, err, "null")) ||
        (rc = lam_buf_addf(out, err,
                           ",\"learned_from_labels\":%s,\"records\":%" PRIu64 ",\"without_label\":%" PRIu64 ",\"with_unknown_label\":%" PRIu64
                           ",\"pending\":%" PRIu64 ",",
                           lam_sv_eq(job->label_field, verb->labels) ? "true" : "false", found->records, found->unlabelled, found->unknown, found->pending)) ||
        (rc = lam_eval_json(&verb->result, out, err)) || (rc = lam_buf_addf(out, err, ",\"answered_by\":{")) ||
        (rc = add_answerers(verb, true, out, err)))
        return rc;
    rc = lam_buf_addf(out, err, "},\"tokens\":%" PRIu64 ",\"seconds\":{\"batch\":%.3f,\"eval\":%.3f},\"ranks\":%d", found->tokens, verb->batch_seconds,
                      verb->eval_seconds, verb->batch.job.engine->size);
    if (rc || (verb->batch.job.llm && (rc = lam_llm_job_report(verb->batch.job.llm, out, err)))) /* what this run asked and paid */
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

static int tell_text(struct eval_verb *verb, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_job *job = verb->batch.job.engine->job;
    const struct found *found = &verb->found;
    int rc = lam_buf_addf(out, err, "View %" PRIu64 " of %s: %" PRIu64 " labelled records (%.*s), %" PRIu64 " without a label", found->view, job->store.path,
                          verb->result.records, LAM_SV_ARG(verb->labels), found->unlabelled);

    if (!rc && found->unknown)
        rc = lam_buf_addf(out, err, ", %" PRIu64 " with one that the job does not know", found->unknown);
    if (!rc && found->pending)
        rc = lam_buf_addf(out, err, ", %" PRIu64 " whose answer is still owed", found->pending);
    if (!rc && lam_sv_eq(job->label_field, verb->labels))
        rc = lam_buf_addf(out, err, ".\nThe analysis learned from these very labels: on other records it does worse");
    if (rc || (rc = lam_buf_addf(out, err, ".\n\n")) || (rc = lam_eval_text(&verb->result, out, err)) || (rc = lam_buf_addf(out, err, "\n  answered by         ")) ||
        (rc = add_answerers(verb, false, out, err)))
        return rc;
    return lam_buf_addf(out, err, "\n  cost                %.2f s of analysis on %d rank%s, %" PRIu64 " tokens\n", verb->batch_seconds, verb->batch.job.engine->size,
                        verb->batch.job.engine->size == 1 ? "" : "s", found->tokens);
}

static int conclude(struct eval_verb *verb)
{
    struct lam_session *session = &verb->batch.frame->session;
    struct lam_buf out;
    int rc = verb->rc;

    lam_progress_end(&verb->batch.frame->progress);
    lam_buf_init(&out, TEXT_MAX);
    if (!rc)
        rc = session->cli->json ? tell_json(verb, &out, &verb->err) : tell_text(verb, &out, &verb->err);
    if (rc)
        session->failure = verb->err;
    else
        fwrite(out.ptr, 1, out.len, stdout);
    if (!rc && !session->cli->json && verb->batch.job.llm)
        lam_llm_job_print(verb->batch.job.llm);
    fflush(stdout);
    lam_buf_release(&out);
    return rc ? (rc == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED) : LAM_EXIT_DONE;
}

static void count_done(struct lam_work *work)
{
    struct eval_verb *verb = (struct eval_verb *)work;

    lam_session_bye(&verb->batch.frame->session, conclude(verb));
}

static int count_start(struct eval_verb *verb, struct lam_error *err)
{
    verb->batch_over = verb->counting = true;
    verb->work = (struct lam_work){count_run, count_done};
    return lam_work_submit(verb->batch.job.engine->storage, &verb->work) ? 0 : LAM_FAIL(err, LAM_E_LIMIT, "the storage thread has too many jobs");
}

/* --- the verb --- */

static int init(void *arg, struct lam_frame *frame, struct lam_error *err)
{
    struct eval_verb *verb = arg;
    const struct lam_session *session = &frame->session;
    const char *labels = lam_cli_option(session->cli, "labels");
    int rc;

    verb->labels = labels ? lam_sv_of(labels) : session->job->label_field;
    verb->source = lam_cli_option(session->cli, "source");
    lam_dict_init(&verb->found.answerers, ANSWERERS_MAX, ANSWERERS_MAX * 128);
    if ((rc = lam_batch_verb_open(&verb->batch, frame, false, err)))
        return rc;
    if (!verb->labels.len || verb->labels.ptr[0] != '/')
        return LAM_FAIL(err, LAM_E_INVALID, "--labels: expected a JSON pointer to the field of a record that holds its label, such as /label");
    if (!(session->job->tasks.wanted & LAM_TASK_CLASSIFY))
        return LAM_FAIL(err, LAM_E_INVALID, "the job classifies nothing: it has no tasks.classify");
    return 0;
}

static int begin(void *arg, struct lam_error *err)
{
    struct eval_verb *verb = arg;

    return lam_cli_option(verb->batch.frame->session.cli, "as-is") ? count_start(verb, err) : lam_batch_run(verb->batch.batch, err);
}

/* Nothing was counted. */
static void give_up(struct eval_verb *verb, int rc, const struct lam_error *err)
{
    struct lam_session *session = &verb->batch.frame->session;

    verb->batch_over = true;
    if (rc == LAM_E_CANCELLED)
        lam_log_info(&session->engine.log, "batch", "%s", err->text);
    else
        session->failure = *err;
    lam_session_bye(session, rc == LAM_E_CANCELLED ? LAM_EXIT_RESUME : rc == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED);
}

static void step(void *arg)
{
    struct eval_verb *verb = arg;
    struct lam_session *session = &verb->batch.frame->session;
    struct lam_error err;
    int rc = lam_batch_verb_step(&verb->batch, &err);

    if (session->engine.rank > 0 || verb->batch_over || (rc = lam_batch_verb_outcome(&verb->batch, rc, &err)) == LAM_PENDING)
        return;
    verb->batch_seconds = (double)(lam_mono_us(&lam_clock_system) - session->started_us) / 1e6;
    if (rc || (rc = count_start(verb, &err)))
        give_up(verb, rc, &err);
}

static void release(void *arg)
{
    struct eval_verb *verb = arg;

    lam_batch_verb_release(&verb->batch);
    lam_eval_free(verb->eval);
    lam_json_free(verb->json);
    lam_dict_release(&verb->found.answerers);
}

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_BATCH, 250, init, begin, step, NULL, release};
    struct eval_verb verb = {0};

    return lam_frame_run(cli, &ops, &verb);
}
