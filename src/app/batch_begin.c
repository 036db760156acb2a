/* How a run begins: its term, what it works on, and what it takes over from the run before. */
#include "batch_job.h"
#include "batch_estimate.h"

#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static const char *source_name(const struct lam_job *job, size_t i) { return i < job->source_count ? job->sources[i].name : job->stream->name; }

/* What the store remembers of the job must be this one; says whether the view has to be made anew. */
static int compare_job(struct lam_batch_job *batch, const struct lam_state *state, struct lam_error *err)
{
    const struct lam_log *log = &batch->engine->log;
    struct lam_job_change change = {0};
    int rc;

    if (state->job.identity) {
        rc = lam_job_compare(batch->engine->job, lam_sv_of(state->job.identity), lam_sv_of(state->job.analysis), &change, err);
        if (rc)
            return LAM_PASS(err, rc, "the store %s belongs to another job", batch->engine->job->store.path);
    }
    batch->rebuild = state->view.number == 0 || change.analysis;
    if (change.analysis && state->view.number)
        lam_log_info(log, "batch", "the analysis changed (%s): this is a new full view", change.analysis_fields);
    if (change.sources_gone[0])
        lam_log_warn(log, "batch", "sources that are no longer in the job keep their rows: %s", change.sources_gone);
    return 0;
}

static int take_term(struct lam_batch_job *batch, struct lam_error *err)
{
    struct lam_commitlog *commits = batch->engine->commits;
    const struct lam_state *state;
    int rc;

    if ((rc = lam_commitlog_refresh(commits, err)) || (rc = compare_job(batch, lam_commitlog_peek(commits), err)) || (rc = lam_batch_take_term(batch, &state, err)))
        return rc;
    rc = compare_job(batch, state, err);
    lam_state_unref(state);
    return rc;
}

/* One commit that gives numbers to sources that have none, and opens the scans. Nothing where all is there. */
static int open_scans(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    const struct lam_state *state = lam_commitlog_peek(batch->engine->commits);
    struct lam_commit commit;
    char name[64];
    int rc = 0;

    lam_commit_init(&commit, state->number);
    lam_commit_set_term(&commit, LAM_TERM_BATCH, batch->term);
    if (!state->job.identity)
        rc = lam_commit_job(&commit, job->identity.ptr, job->analysis.ptr, job->rest.ptr, err);
    for (size_t i = 0; !rc && i < job->source_count; i++) {
        uint32_t number = lam_state_source_number(state, source_name(job, i));
        const struct lam_state_life *life = number ? lam_state_newest_life(state, number) : NULL;
        const struct lam_cutoff_source *covered = number ? lam_cutoff_source(&state->view.cutoff, number) : NULL;

        if (!number)
            rc = lam_commit_source(&commit, source_name(job, i), err);
        if (rc || (life && (!covered || covered->life != life->number))) /* an interrupted scan goes on under its number */
            continue;
        snprintf(name, sizeof name, "scan-%" PRIu32, life ? life->number + 1 : 1);
        rc = lam_commit_life(&commit, source_name(job, i), name, err);
    }
    if (!rc && commit.action_count)
        rc = lam_commitlog_commit(batch->engine->commits, &commit, NULL, err);
    lam_commit_release(&commit);
    return rc;
}

static int set_cutoff(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_state *state = batch->state;
    int rc;

    lam_cutoff_release(&batch->cutoff);
    if ((rc = lam_cutoff_copy(&batch->cutoff, &state->view.cutoff, err))) /* of sources that are no longer in the job too: their rows stay */
        return rc;
    for (size_t i = 0; i < batch->source_count; i++) {
        const struct lam_batch_source *source = &batch->sources[i];
        const struct lam_state_life *life;

        if (!source->number)
            continue;
        if (!source->stream) {
            if ((rc = lam_cutoff_set_corpus(&batch->cutoff, source->number, source->life, err)))
                return rc;
            continue;
        }
        if ((rc = lam_cutoff_set_stream(&batch->cutoff, source->number, source->life, err)))
            return rc;
        life = lam_state_life(state, source->number, source->life);
        for (uint32_t p = 0; life && p < life->partition_count; p++)
            if ((rc = lam_cutoff_set_partition(&batch->cutoff, source->number, source->life, life->partitions[p].partition, life->partitions[p].next, err)))
                return rc;
    }
    return 0;
}

static void number_sources(struct lam_batch_job *batch)
{
    for (size_t i = 0; i < batch->source_count; i++) {
        struct lam_batch_source *source = &batch->sources[i];
        const struct lam_state_life *life;

        source->number = lam_state_source_number(batch->state, source_name(batch->engine->job, i));
        life = source->number ? lam_state_newest_life(batch->state, source->number) : NULL;
        source->life = life ? life->number : 0;
        if (!life)
            source->number = 0;
    }
}

static int adopt(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    struct lam_adoption adoption = {batch->run, batch->term, batch->state, job->identity_digest, lam_batch_staging_digest(batch), false};
    char from[LAM_RUN_ID];
    int rc;

    adoption.answered = batch->llm != NULL; /* staged pending rows would stay so in this view: what was answered is in the cache */
    lam_staged_list_release(&batch->adopted);
    if ((rc = lam_stage_adopt(batch->engine->commits, &adoption, &batch->adopted, from, err)))
        return rc;
    if (batch->adopted.count)
        lam_log_info(&batch->engine->log, "batch", "takes over %zu groups of run %s, which did not publish", batch->adopted.count, from);
    return 0;
}

static int write_start(struct lam_batch_job *batch, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "{\"run\":\"%s\",\"commit\":%" PRIu64 ",\"rebuild\":%s,\"training\":%s,\"model\":%" PRIu32 ",\"arrival\":%" PRId64 ",\"sources\":[",
                          batch->run, batch->state->number, batch->rebuild ? "true" : "false", batch->training ? "true" : "false",
                          lam_trained_number(batch->trained), batch->arrival_us);

    for (size_t i = 0; !rc && i < batch->source_count; i++)
        rc = lam_buf_addf(out, err, "%s[%" PRIu32 ",%" PRIu32 "]", i ? "," : "", batch->sources[i].number, batch->sources[i].life);
    return rc ? rc : lam_buf_addf(out, err, "]}");
}

static void name_segments(struct lam_batch_job *batch)
{
    batch->namer = (struct lam_namer){.rank = batch->engine->rank};
    memcpy(batch->namer.run, batch->run, LAM_RUN_ID);
    batch->groups = 0;
}

int lam_batch_begin(void *arg, struct lam_buf *out, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    int rc;

    batch->report = (struct lam_batch_report){0};
    batch->asks_again = false;
    batch->gathered = false;
    lam_batch_sample_free(batch->sample);
    batch->sample = NULL;
    lam_buf_clear(&batch->results);
    lam_buf_clear(&batch->resolved_paths);
    lam_batch_tally_release(&batch->tally);
    lam_batch_inputs_release(&batch->planned);
    lam_batch_again_forget(batch);
    lam_batch_files_free(batch->files);
    if (!(batch->files = lam_batch_files_new()))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the table of files");
    if ((rc = take_term(batch, err)) || (rc = open_scans(batch, err)))
        return rc;
    lam_state_unref(batch->state);
    batch->state = lam_commitlog_snapshot(batch->engine->commits);
    lam_engine_share(batch->engine);
    batch->arrival_us = lam_wall_us(batch->engine->clock);
    name_segments(batch);
    number_sources(batch);
    if ((rc = lam_batch_choose_model(batch, err)))
        return rc;
    batch->report.rebuilt = batch->rebuild;
    if ((rc = set_cutoff(batch, err)) || (rc = adopt(batch, err)))
        return rc;
    return write_start(batch, out, err);
}

static int read_start(struct lam_batch_job *batch, const json_t *object, uint64_t *commit, uint32_t *model, struct lam_error *err)
{
    const json_t *sources = json_object_get(object, "sources");
    const char *run = json_string_value(json_object_get(object, "run"));

    if (!run || !lam_id_valid(run) || json_array_size(sources) != batch->source_count)
        return LAM_FAIL(err, LAM_E_CORRUPT, "the coordinator's word to begin is not what this program understands: do all ranks run the same job file and build?");
    memcpy(batch->run, run, LAM_RUN_ID);
    *commit = (uint64_t)json_integer_value(json_object_get(object, "commit"));
    *model = (uint32_t)json_integer_value(json_object_get(object, "model"));
    batch->rebuild = json_is_true(json_object_get(object, "rebuild"));
    batch->training = json_is_true(json_object_get(object, "training"));
    batch->arrival_us = json_integer_value(json_object_get(object, "arrival"));
    for (size_t i = 0; i < batch->source_count; i++) {
        const json_t *pair = json_array_get(sources, i);

        batch->sources[i].number = (uint32_t)json_integer_value(json_array_get(pair, 0));
        batch->sources[i].life = (uint32_t)json_integer_value(json_array_get(pair, 1));
    }
    return 0;
}

int lam_batch_start(void *arg, struct lam_sv bytes, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    json_t *object = json_loadb(bytes.ptr, bytes.len, 0, NULL);
    uint64_t commit = 0;
    uint32_t model = 0;
    int rc;

    if (batch->engine->rank == 0) { /* it wrote them: state and sources are as they should be */
        json_decref(object);
    } else {
        rc = read_start(batch, object, &commit, &model, err);
        json_decref(object);
        if (rc || (rc = lam_commitlog_await(batch->engine->commits, commit, batch->engine->job->store.visibility_us, err)))
            return rc;
        lam_state_unref(batch->state);
        batch->state = lam_commitlog_snapshot(batch->engine->commits);
        lam_engine_share(batch->engine);
        if ((rc = lam_batch_load_model(batch, model, err)))
            return rc;
    }
    lam_batch_maps_release(batch);
    lam_llm_job_begin(batch->llm);
    if (batch->engine->rank > 0)
        name_segments(batch);
    return 0;
}

static int init_source(struct lam_batch_job *batch, size_t i, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    struct lam_batch_source *source = &batch->sources[i];
    struct lam_scan_options scan_options;
    struct lam_scan *scan;
    int rc;

    if (i == job->source_count) {
        source->stream = true;
        return 0;
    }
    scan_options = (struct lam_scan_options){.path = job->sources[i].path, .began_ns = 1};
    if ((rc = lam_scan_open(&scan, &scan_options, NULL, 0, err)))
        return LAM_PASS(err, rc, "source %s", job->sources[i].name);
    source->root = strdup(lam_scan_root(scan));
    lam_scan_close(scan);
    if (!source->root)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a source");
    lam_files_defaults(&source->files);
    source->files.root = source->root;
    source->files.csv_delimiter = job->sources[i].csv.delimiter;
    source->files.csv_header = (enum lam_csv_header)job->sources[i].csv.header;
    source->files.max_record = job->limits.record;
    source->files.max_document = job->limits.document;
    source->files.max_raw = job->limits.raw;
    return 0;
}

/*
 * Blocks are filled by one thread and freed by another. As glibc is by default, large chunks soon come from the heaps of single threads, which
 * keep what was freed: a rank takes several times what it uses. With a fixed threshold the chunks of blocks are mapped, and go back at once; few
 * heaps hold the rest.
 */
static void set_up_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 << 10); /* the smallest chunk of a block */
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
    mallopt(M_ARENA_MAX, 2);
}

int lam_batch_job_init(struct lam_batch_job *batch, struct lam_engine *engine, struct lam_error *err)
{
    int rc = 0;

    set_up_malloc();
    *batch = (struct lam_batch_job){.engine = engine, .analyzer = &lam_analyzer_builtin};
    lam_buf_init(&batch->results, (size_t)1 << 30);
    lam_buf_init(&batch->resolved_paths, (size_t)1 << 30);
    lam_dict_init(&batch->kept_copies, (size_t)64 << 20, (size_t)1 << 30);
    lam_cutoff_init(&batch->cutoff);
    batch->source_count = engine->job->source_count + (engine->job->stream ? 1 : 0);
    if (!(batch->sources = calloc(batch->source_count + 1, sizeof *batch->sources)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for sources");
    for (size_t i = 0; !rc && i < batch->source_count; i++)
        rc = init_source(batch, i, err);
    batch->reader_count = lam_engine_workers(engine);
    if (!rc && !(batch->readers = calloc(batch->reader_count, sizeof *batch->readers)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for readers");
    return rc || (rc = lam_llm_job_open(&batch->llm, engine, err)) ? rc : lam_batch_estimate_open(batch, err);
}

void lam_batch_job_release(struct lam_batch_job *batch)
{
    lam_batch_readers_free(batch);
    lam_batch_estimate_close(batch);
    lam_llm_job_close(batch->llm);
    batch->llm = NULL;
    lam_batch_leave_term(batch);
    lam_batch_sample_free(batch->sample);
    lam_trained_unref(batch->trained);
    for (size_t i = 0; batch->sources && i < batch->source_count; i++)
        free(batch->sources[i].root);
    free(batch->sources);
    lam_batch_files_free(batch->files);
    lam_staged_list_release(&batch->adopted);
    lam_buf_release(&batch->resolved_paths);
    lam_dict_release(&batch->kept_copies);
    lam_batch_tally_release(&batch->tally);
    lam_batch_inputs_release(&batch->planned);
    lam_batch_again_forget(batch);
    lam_batch_maps_release(batch);
    lam_cutoff_release(&batch->cutoff);
    lam_state_unref(batch->state);
    lam_buf_release(&batch->results);
}
