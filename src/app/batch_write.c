/* What workers write: groups to staged segments, and ranges of the view to runs and masks: their bytes on pool threads, synced on the storage thread. */
#include "batch_job.h"

#include "store/rejects.h"

#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* --- groups --- */

bool lam_batch_together(void *arg, struct lam_sv note, struct lam_sv with)
{
    struct lam_piece a = {0}, b = {0};
    struct lam_error err;
    bool together = false;

    (void)arg;
    /* Two readings of one file that changed in between have the same positions and cannot be told apart in a segment; but a relisting starts new groups. */
    if (!lam_piece_read(note, &a, &err) && !lam_piece_read(with, &b, &err))
        together = a.stream == b.stream && a.again == b.again;
    lam_piece_release(&a);
    lam_piece_release(&b);
    return together;
}

static int write_rows(struct lam_batch_job *batch, struct lam_block *const *blocks, size_t count, struct lam_segment_entry *entry, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    bool upsert = job->dataset.kind == LAM_JOB_UPSERT;
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {batch->engine->fs, job->store.path, path, upsert ? LAM_SEGMENT_RUN : LAM_SEGMENT_SILVER};
    int rc = upsert ? lam_namer_staged(&batch->namer, path, err) : lam_namer_next(&batch->namer, target.kind, path, err);

    return rc ? rc : lam_rows_write(&target, blocks, count, job->tasks.dim, upsert, entry, NULL, err);
}

static int write_rejects(struct lam_batch_job *batch, struct lam_block *const *blocks, size_t count, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, NULL, LAM_SEGMENT_QUARANTINE};
    char path[LAM_SEGMENT_PATH];
    int rc = lam_namer_next(&batch->namer, target.kind, path, err);

    target.path = path;
    return rc ? rc : lam_rejects_write(&target, blocks, count, entry, err);
}

int lam_batch_write_copies(struct lam_batch_job *batch, const struct lam_bronze_row *rows, size_t count, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, NULL, LAM_SEGMENT_BRONZE_CORPUS};
    char path[LAM_SEGMENT_PATH];
    int rc = lam_namer_next(&batch->namer, target.kind, path, err);

    target.path = path;
    return rc ? rc : lam_bronze_write(&target, rows, count, entry, err);
}

static int write_copies(struct lam_batch_job *batch, struct lam_block *const *blocks, size_t count, size_t copies, struct lam_segment_entry *entry,
                        struct lam_error *err)
{
    struct lam_bronze_row *rows = calloc(copies, sizeof *rows);
    size_t n = 0;
    int rc;

    if (!rows)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for bronze");
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < lam_block_copies(blocks[b]); i++) {
            const struct lam_copy *copy = lam_block_copy(blocks[b], i);

            rows[n++] = (struct lam_bronze_row){.pos = copy->pos, .arrival_us = copy->arrival_us, .timestamp_us = LAM_TIME_NONE, .has_raw = true, .raw = copy->raw};
        }
    rc = lam_batch_write_copies(batch, rows, n, entry, err);
    free(rows);
    return rc;
}

int lam_batch_stage(void *arg, struct lam_batch_piece *const *pieces, size_t count, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_block **blocks = calloc(count, sizeof *blocks);
    struct lam_sv *notes = calloc(count, sizeof *notes);
    struct lam_segment_entry entries[3];
    size_t entry_count = 0, rows = 0, rejects = 0, copies = 0;
    int rc = blocks && notes ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a group");

    if (batch->estimate)
        count = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        blocks[i] = pieces[i]->block;
        notes[i] = lam_buf_sv(&pieces[i]->note);
        rows += lam_block_rows(blocks[i]);
        rejects += lam_block_rejects(blocks[i]);
        copies += lam_block_copies(blocks[i]);
    }
    for (size_t i = 0; i < 3; i++)
        lam_segment_entry_init(&entries[i]);
    if (!rc && rows)
        rc = write_rows(batch, blocks, count, &entries[entry_count++], err);
    if (!rc && rejects)
        rc = write_rejects(batch, blocks, count, &entries[entry_count++], err);
    if (!rc && copies)
        rc = write_copies(batch, blocks, count, copies, &entries[entry_count++], err);
    for (size_t i = 0; i < entry_count; i++)
        memcpy(entries[i].run, batch->run, LAM_RUN_ID);
    if (!rc && count)
        rc = lam_stage_list(batch->engine->fs, batch->engine->job->store.path, batch->run, batch->engine->rank, batch->groups++, entries, entry_count, notes, count, err);
    for (size_t i = 0; i < 3; i++)
        lam_segment_entry_release(&entries[i]);
    free(blocks);
    free(notes);
    return rc;
}

/* --- ranges --- */

void lam_batch_maps_release(struct lam_batch_job *batch)
{
    for (size_t i = 0; i < batch->mapped.count; i++) {
        struct lam_batch_mapped *mapped = &batch->mapped.items[i];

        if (mapped->map) /* the cache's reference too: the last one gives the disk back what was removed */
            lam_map_cache_drop(batch->engine->maps, lam_map_path(mapped->map));
        lam_map_unref(mapped->map);
        lam_mask_release(&mapped->mask);
    }
    free(batch->mapped.items);
    batch->mapped = (struct lam_batch_maps){0};
}

void lam_batch_end(void *arg)
{
    lam_batch_maps_release(arg);
    lam_batch_spills_free(arg);
}

/* rules: malloc, count of them. */
static int read_rules(const json_t *array, struct lam_mask_rule **rules, size_t count, struct lam_error *err)
{
    if (!(*rules = calloc(count + 1, sizeof **rules)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        struct lam_mask_rule *rule = &(*rules)[i];
        struct lam_digest partition;

        if (!lam_digest_parse(lam_sv_of(json_string_value(json_array_get(item, 1))), &partition))
            return LAM_FAIL(err, LAM_E_CORRUPT, "a plan with a rule that is none");
        rule->source = (uint32_t)json_integer_value(json_array_get(item, 0));
        memcpy(rule->partition, partition.bytes, sizeof rule->partition);
        rule->life_end = UINT64_MAX;
        rule->offset_first = (uint64_t)json_integer_value(json_array_get(item, 2));
        rule->offset_end = json_integer_value(json_array_get(item, 3)) < 0 ? UINT64_MAX : (uint64_t)json_integer_value(json_array_get(item, 3));
        rule->uncounted = true;
    }
    return 0;
}

static int mask_rows(struct lam_batch_mapped *mapped, const json_t *array, struct lam_error *err)
{
    size_t count = json_array_size(array);
    struct lam_count_deltas none = {0};
    struct lam_mask_rule *rules = NULL;
    int rc;

    if (!count)
        return 0;
    if (!(rc = read_rules(array, &rules, count, err)) && !(rc = lam_mask_init(&mapped->mask, lam_map_rows(mapped->map), NULL, err)))
        rc = lam_resolve_mask(mapped->map, rules, count, &mapped->mask, &none, err);
    lam_count_deltas_release(&none);
    free(rules);
    return rc;
}

static int map_input(struct lam_batch_job *batch, const json_t *item, struct lam_batch_mapped *mapped, struct lam_error *err)
{
    char *text = json_dumps(json_object_get(item, "entry"), JSON_COMPACT);
    struct lam_segment_entry entry;
    int rc = text ? lam_segment_entry_read(lam_sv_of(text), &entry, err) : LAM_FAIL(err, LAM_E_CORRUPT, "a plan without an entry");

    free(text);
    if (rc)
        return rc;
    if (!(rc = lam_map_cache_get(batch->engine->maps, &entry, &mapped->map, err)))
        rc = mask_rows(mapped, json_object_get(item, "rules"), err);
    lam_segment_entry_release(&entry);
    return rc;
}

static size_t count_lines(struct lam_sv bytes)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes.len; i++)
        count += bytes.ptr[i] == '\n';
    return count;
}

/* The next line of bytes as JSON, and bytes behind it. */
static json_t *next_line(struct lam_sv *bytes)
{
    const char *end = bytes->len ? memchr(bytes->ptr, '\n', bytes->len) : NULL;
    size_t len = end ? (size_t)(end - bytes->ptr) : bytes->len;
    json_t *json = json_loadb(bytes->ptr, len, 0, NULL);

    *bytes = lam_sv(bytes->ptr + len + (end != NULL), bytes->len - len - (end != NULL));
    return json;
}

/* The model that answers what was staged without answers. */
static int load_model(struct lam_batch_job *batch, const json_t *head, struct lam_error *err)
{
    struct lam_engine *engine = batch->engine;
    int rc = lam_commitlog_await(engine->commits, (uint64_t)json_integer_value(json_object_get(head, "commit")), engine->job->store.visibility_us, err);

    if (rc)
        return rc;
    lam_engine_share(engine); /* the speed layer may run here too */
    return lam_batch_load_model(batch, (uint32_t)json_integer_value(json_object_get(head, "model")), err);
}

int lam_batch_prepare(void *arg, struct lam_sv bytes, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    size_t count = count_lines(bytes);
    json_t *head = next_line(&bytes);
    int rc = json_is_object(head) ? 0 : LAM_FAIL(err, LAM_E_CORRUPT, "a plan that is none");

    lam_batch_maps_release(batch);
    malloc_trim(0); /* what reading left in the heaps: resolving needs little, and other things */
    batch->bits = (uint32_t)json_integer_value(json_object_get(head, "bits"));
    batch->old_bits = (uint32_t)json_integer_value(json_object_get(head, "old_bits"));
    if (!rc)
        rc = lam_llm_job_written(batch->llm, err);
    if (!rc && batch->engine->rank > 0) /* rank 0 trained it, or has known it from the start */
        rc = load_model(batch, head, err);
    json_decref(head);
    if (!rc && !(batch->mapped.items = calloc(count + 1, sizeof *batch->mapped.items)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    for (size_t i = 0; !rc && i < count; i++) {
        json_t *item = next_line(&bytes);

        rc = map_input(batch, item, &batch->mapped.items[batch->mapped.count++], err);
        json_decref(item);
    }
    return rc;
}

/* A range between planning and writing. */
struct made {
    struct lam_batch_job *batch;
    uint32_t range;
    struct lam_merge_input *inputs; /* staged, then runs */
    const struct lam_state_segment **runs;
    struct lam_map **maps; /* of runs, then of their masks */
    size_t staged_count, run_count;
    struct lam_resolve *resolve;
    struct lam_block *answers;         /* of rows that had none */
    struct lam_batch_rewrite *rewrite; /* it is no range: a staged segment that is written anew */
};

static void made_free(struct made *made)
{
    if (!made)
        return;
    lam_resolve_free(made->resolve);
    lam_block_free(made->answers);
    lam_batch_rewrite_free(made->rewrite);
    for (size_t i = 0; made->maps && i < 2 * made->run_count; i++)
        lam_map_unref(made->maps[i]);
    free(made->maps);
    free(made->runs);
    free(made->inputs);
    free(made);
}

static int oldest_first(const void *a, const void *b)
{
    const struct lam_state_segment *x = *(const struct lam_state_segment *const *)a, *y = *(const struct lam_state_segment *const *)b;

    return (x->added > y->added) - (x->added < y->added);
}

/* The view's runs that reach into [first, last], with their masks; none where the view is made anew. */
static int find_runs(struct made *made, uint64_t first, uint64_t last, struct lam_error *err)
{
    const struct lam_batch_job *batch = made->batch;
    const struct lam_state_segment *segment;
    size_t most = batch->state->segment_count;
    int rc = 0;

    made->runs = calloc(most + 1, sizeof *made->runs);
    if (!made->runs)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a range");
    for (size_t at = 0; !batch->rebuild && (segment = lam_state_next(batch->state, LAM_SEGMENT_RUN, &at));) {
        uint64_t run_first, run_last;

        lam_range_hashes(segment->entry->range_bits, segment->entry->range, &run_first, &run_last);
        if (run_first <= last && run_last >= first)
            made->runs[made->run_count++] = segment;
    }
    qsort(made->runs, made->run_count, sizeof *made->runs, oldest_first);
    made->maps = calloc(2 * made->run_count + 1, sizeof *made->maps);
    made->inputs = calloc(batch->mapped.count + made->run_count + 1, sizeof *made->inputs);
    if (!made->maps || !made->inputs)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a range");
    for (size_t i = 0; i < batch->mapped.count; i++)
        made->inputs[made->staged_count++] = (struct lam_merge_input){.map = batch->mapped.items[i].map, .mask = batch->mapped.items[i].mask.bits};
    for (size_t i = 0; !rc && i < made->run_count; i++) {
        struct lam_merge_input *input = &made->inputs[made->staged_count + i];
        const struct lam_segment_entry *mask = made->runs[i]->mask;

        if ((rc = lam_map_cache_get(batch->engine->maps, made->runs[i]->entry, &made->maps[i], err)))
            break;
        input->map = made->maps[i];
        if (mask && !(rc = lam_map_cache_get(batch->engine->maps, mask, &made->maps[made->run_count + i], err)))
            rc = lam_mask_bits(made->maps[made->run_count + i], made->runs[i]->entry->path, made->runs[i]->entry->rows, &input->mask, err);
    }
    return rc;
}

static int put_range(struct made *made, struct lam_error *err)
{
    struct lam_batch_job *batch = made->batch;
    int rc = lam_resolve_put(made->resolve, batch->engine->fs, batch->engine->job->store.path, lam_namer_next, &batch->namer, err);

    lam_block_free(made->answers);
    made->answers = NULL;
    if (!rc)
        lam_resolve_forget(made->resolve);
    return rc;
}

static int resolve_range(struct made *made, unsigned worker, struct lam_error *err)
{
    struct lam_resolve_spec spec;
    uint64_t first, last;
    int rc;

    spec = (struct lam_resolve_spec){.dim = made->batch->engine->job->tasks.dim, .rewrite = made->batch->bits != made->batch->old_bits};
    spec.range_bits = made->batch->bits;
    spec.range = made->range;
    lam_range_hashes(spec.range_bits, spec.range, &first, &last);
    rc = find_runs(made, first, last, err);
    spec.staged = made->inputs;
    spec.staged_count = made->staged_count;
    spec.runs = made->inputs ? made->inputs + made->staged_count : NULL;
    spec.run_count = made->run_count;
    if (rc || (rc = lam_resolve_plan(&spec, &made->resolve, err)) || (rc = lam_batch_answer_range(made->batch, worker, made->resolve, &made->answers, err)))
        return rc;
    return put_range(made, err);
}

/* A range by its number, or "s" and the number of a staged segment. */
int lam_batch_resolve(void *arg, unsigned worker, struct lam_sv range, void **out, struct lam_error *err)
{
    struct made *made = calloc(1, sizeof *made);
    struct lam_batch_job *batch = arg;
    char text[24];
    int rc;

    *out = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a range");
    snprintf(text, sizeof text, "%.*s", LAM_SV_ARG(range));
    made->batch = batch;
    made->range = (uint32_t)strtoul(text + (text[0] == 's'), NULL, 10);
    if (text[0] != 's')
        rc = resolve_range(made, worker, err);
    else if (made->range < batch->mapped.count)
        rc = lam_batch_rewrite_new(batch, worker, &batch->mapped.items[made->range], &made->rewrite, err);
    else
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "there is no staged segment %s", text);
    if (rc) {
        made_free(made);
        return rc;
    }
    *out = made;
    return 0;
}

int lam_batch_write_counts(const struct lam_count_deltas *counts, struct lam_buf *note, struct lam_error *err)
{
    int rc = lam_buf_addf(note, err, ",\"counts\":[");

    for (size_t i = 0; !rc && i < counts->count; i++) {
        const struct lam_count_delta *delta = &counts->items[i];

        rc = lam_buf_addf(note, err, "%s[%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", i ? "," : "", delta->source, delta->life,
                          delta->live, delta->superseded, delta->deleted, delta->pending, delta->quarantined, delta->unavailable);
    }
    return rc ? rc : lam_buf_addf(note, err, "]");
}

/* {"run":entry|absent,"masks":[{"path":…,"entry":…}],"removed":[…],"counts":[[source,life,live,superseded,deleted,pending,quarantined,unavailable]]} */
static int write_note(struct made *made, struct lam_resolve_result *result, struct lam_buf *note, struct lam_error *err)
{
    int rc = lam_buf_addf(note, err, "{\"masks\":[");

    for (size_t i = 0; !rc && i < result->mask_count; i++) {
        memcpy(result->masks[i].entry.run, made->batch->run, LAM_RUN_ID);
        if (!(rc = lam_buf_addf(note, err, "%s{\"path\":\"%s\",\"entry\":", i ? "," : "", made->runs[result->masks[i].run]->entry->path)) &&
            !(rc = lam_segment_entry_write(&result->masks[i].entry, note, err)))
            rc = lam_buf_addf(note, err, "}");
    }
    if (!rc)
        rc = lam_buf_addf(note, err, "],\"removed\":[");
    for (size_t i = 0; !rc && result->rewritten && i < made->run_count; i++)
        rc = lam_buf_addf(note, err, "%s\"%s\"", i ? "," : "", made->runs[i]->entry->path);
    if (!rc)
        rc = lam_buf_addf(note, err, "]");
    if (!rc && result->has_run) {
        result->run.range_bits = made->batch->bits;
        result->run.range = made->range;
        result->run.view = made->batch->state->view.number + 1;
        memcpy(result->run.run, made->batch->run, LAM_RUN_ID);
        if (!(rc = lam_buf_addf(note, err, ",\"run\":")))
            rc = lam_segment_entry_write(&result->run, note, err);
    }
    if (!rc && !(rc = lam_batch_write_counts(lam_resolve_counts(made->resolve), note, err)))
        rc = lam_buf_addf(note, err, "}");
    return rc;
}

void lam_batch_discard(void *arg, void *made)
{
    (void)arg;
    made_free(made);
}

int lam_batch_write(void *arg, void *given, struct lam_buf *note, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct made *made = given;
    struct lam_resolve_result result = {0};
    int rc = 0;

    if (!made)
        return 0;
    if (made->rewrite) {
        rc = lam_batch_rewrite_write(made->rewrite, note, err);
        made_free(made);
        return rc;
    }
    if (lam_resolve_changes(made->resolve))
        rc = lam_resolve_write(made->resolve, batch->engine->fs, batch->engine->job->store.path, lam_namer_next, &batch->namer, &result, err);
    if (!rc)
        rc = write_note(made, &result, note, err);
    lam_resolve_result_release(&result);
    made_free(made);
    return rc;
}
