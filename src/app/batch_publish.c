/* The one commit that makes the view public: runs, masks, what is kept of what was staged, manifests, removals, counts. Coordinator, storage thread. */
#include "batch_job.h"
#include "batch_table.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static int add_entry(struct lam_commit *commit, const json_t *object, int (*add)(struct lam_commit *, const char *, const struct lam_segment_entry *, struct lam_error *),
                     const char *path, struct lam_error *err)
{
    struct lam_segment_entry entry;
    char *text = json_dumps(object, JSON_COMPACT);
    int rc = text ? lam_segment_entry_read(lam_sv_of(text), &entry, err) : LAM_FAIL(err, LAM_E_CORRUPT, "a result without an entry");

    free(text);
    if (rc)
        return rc;
    rc = add(commit, path, &entry, err);
    lam_segment_entry_release(&entry);
    return rc;
}

static int add_plain(struct lam_commit *commit, const char *path, const struct lam_segment_entry *entry, struct lam_error *err)
{
    return (void)path, lam_commit_add(commit, entry, err);
}

static int remove_once(struct lam_commit *commit, const char *path, struct lam_error *err)
{
    for (size_t i = 0; i < commit->action_count; i++)
        if (commit->actions[i].type == LAM_ACTION_REMOVE && !strcmp(commit->actions[i].remove.path, path))
            return 0;
    return lam_commit_remove(commit, path, err);
}

/* A staged segment that was written anew with its answers: the new one is what counts. */
static int take_answered(struct lam_batch_job *batch, const char *path, const json_t *object, struct lam_error *err)
{
    char *text = json_dumps(object, JSON_COMPACT);
    struct lam_segment_entry entry;
    int rc = text ? lam_segment_entry_read(lam_sv_of(text), &entry, err) : LAM_FAIL(err, LAM_E_CORRUPT, "a result without an entry");

    free(text);
    for (size_t i = 0; !rc && i < batch->planned.count; i++) {
        struct lam_batch_input *input = &batch->planned.items[i];

        if (strcmp(input->entry.path, path))
            continue;
        memcpy(input->replaced, input->entry.path, sizeof input->replaced);
        lam_segment_entry_release(&input->entry);
        input->entry = entry;
        return 0;
    }
    if (!rc) {
        lam_segment_entry_release(&entry);
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s was answered, and is not planned", path);
    }
    return rc;
}

/* What one range became: its run, masks, removals and counts; or what took the place of a staged segment. */
static int commit_range(struct lam_batch_job *batch, struct lam_commit *commit, const json_t *result, struct lam_error *err)
{
    const json_t *item, *counts = json_object_get(result, "counts"), *run = json_object_get(result, "run");
    const char *segment = json_string_value(json_object_get(result, "segment"));
    size_t i;
    int rc = run ? add_entry(commit, run, add_plain, NULL, err) : 0;

    if (!rc && segment)
        rc = take_answered(batch, segment, json_object_get(result, "entry"), err);
    for (i = 0; !rc && (item = json_array_get(json_object_get(result, "masks"), i)); i++)
        rc = add_entry(commit, json_object_get(item, "entry"), lam_commit_mask, json_string_value(json_object_get(item, "path")), err);
    for (i = 0; !rc && (item = json_array_get(json_object_get(result, "removed"), i)); i++)
        rc = remove_once(commit, json_string_value(item), err);
    for (i = 0; !rc && (item = json_array_get(counts, i)); i++) {
        const struct lam_count_delta delta = {(uint32_t)json_integer_value(json_array_get(item, 0)), (uint32_t)json_integer_value(json_array_get(item, 1)),
                                              json_integer_value(json_array_get(item, 2)), json_integer_value(json_array_get(item, 3)),
                                              json_integer_value(json_array_get(item, 4)), json_integer_value(json_array_get(item, 5)),
                                              json_integer_value(json_array_get(item, 6)), json_integer_value(json_array_get(item, 7))};

        rc = lam_batch_tally_delta(&batch->tally, &delta, err);
    }
    return rc;
}

static int commit_ranges(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    struct lam_sv rest = lam_buf_sv(&batch->results);
    uint64_t count = 0;
    int rc = 0;

    while (!rc && rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        json_t *result = json_loadb(rest.ptr, len, 0, NULL);

        rc = result ? commit_range(batch, commit, result, err) : LAM_FAIL(err, LAM_E_CORRUPT, "the result of a range is no JSON");
        json_decref(result);
        count++;
        rest = lam_sv(rest.ptr + len + 1, rest.len - len - (end != NULL));
    }
    if (!rc && count != batch->report.ranges)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "%" PRIu64 " ranges were resolved, %" PRIu64 " results are here", batch->report.ranges, count);
    return rc;
}

static int tally_deltas(struct lam_batch_job *batch, const struct lam_count_deltas *deltas, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < deltas->count; i++)
        rc = lam_batch_tally_delta(&batch->tally, &deltas->items[i], err);
    return rc;
}

/* Masks rows of one segment, those that were replaced and those that rules name, on top of the mask that is in force. Nothing where no row is meant. */
static int commit_mask(struct lam_batch_job *batch, struct lam_commit *commit, const struct lam_segment_entry *entry,
                       const struct lam_segment_entry *old, struct lam_mask_rule *rules, size_t count, struct lam_error *err)
{
    struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, NULL, LAM_SEGMENT_MASK};
    struct lam_count_deltas deltas = {0};
    struct lam_segment_entry made;
    struct lam_mask mask = {0};
    struct lam_map *map = NULL, *old_map = NULL;
    const uint8_t *bits = NULL;
    char path[LAM_SEGMENT_PATH];
    uint64_t before;
    int rc = lam_map_cache_get(batch->engine->maps, entry, &map, err);

    if (!rc && old && !(rc = lam_map_cache_get(batch->engine->maps, old, &old_map, err)))
        rc = lam_mask_bits(old_map, entry->path, entry->rows, &bits, err);
    if (!rc && !(rc = lam_mask_init(&mask, entry->rows, bits, err))) {
        before = mask.set;
        if (!(rc = lam_batch_again_mask(batch, map, bits, &mask, &deltas, err)))
            rc = lam_resolve_mask(map, rules, count, &mask, &deltas, err);
        if (!rc && mask.set > before && !(rc = lam_namer_next(&batch->namer, LAM_SEGMENT_MASK, path, err))) {
            target.path = path;
            lam_segment_entry_init(&made);
            if (!(rc = lam_mask_write(&target, &mask, entry->path, &made, err)))
                rc = lam_commit_mask(commit, entry->path, &made, err);
            lam_segment_entry_release(&made);
        }
    }
    if (!rc)
        rc = tally_deltas(batch, &deltas, err);
    lam_count_deltas_release(&deltas);
    lam_mask_release(&mask);
    lam_map_unref(map);
    lam_map_unref(old_map);
    return rc;
}

struct changed {
    struct lam_mask_rule *rules;
    size_t count;
    const struct lam_batch_job *batch;
    struct lam_error *err;
};

static int collect_changed(void *arg, uint32_t source, const struct lam_digest *partition)
{
    struct changed *changed = arg;
    struct lam_mask_rule *grown = realloc(changed->rules, (changed->count + 1) * sizeof *grown);
    size_t at = lam_batch_source_at(changed->batch, source);
    uint32_t life = at < changed->batch->source_count ? changed->batch->sources[at].life : 0;

    if (!grown)
        return LAM_FAIL(changed->err, LAM_E_MEMORY, "no memory for changed files");
    changed->rules = grown;
    grown[changed->count] = (struct lam_mask_rule){.source = source, .life_end = life, .offset_end = UINT64_MAX};
    memcpy(grown[changed->count++].partition, partition->bytes, sizeof partition->bytes);
    return 0;
}

/* Rows that take the place of others: what of them still waits; and what of them is of a file that has changed since. Or such as have no answer at all. */
static int commit_again(struct lam_batch_job *batch, struct lam_commit *commit, const struct lam_segment_entry *entry, const struct changed *changed, struct lam_error *err)
{
    struct lam_count_deltas deltas = {0};
    struct lam_map *map = NULL;
    int rc = lam_map_cache_get(batch->engine->maps, entry, &map, err);

    if (!rc && entry->kind == LAM_SEGMENT_QUARANTINE) {
        if (!(rc = lam_batch_again_rejected(map, &deltas, err)))
            rc = tally_deltas(batch, &deltas, err);
    } else if (!rc && !(rc = lam_batch_again_count(map, &deltas, err)) && !(rc = tally_deltas(batch, &deltas, err)) && changed->count)
        rc = commit_mask(batch, commit, entry, NULL, changed->rules, changed->count, err);
    lam_count_deltas_release(&deltas);
    lam_map_unref(map);
    return rc;
}

/* Append: what a changed file said before is superseded, wherever it stands; and what was answered now is replaced. */
static int commit_changed(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    struct changed changed = {.batch = batch, .err = err};
    const struct lam_state_segment *segment;
    int rc = lam_batch_changed(batch, collect_changed, &changed, err);

    for (size_t at = 0; !rc && (segment = lam_state_next(batch->state, LAM_SEGMENT_SILVER, &at));)
        if (changed.count || lam_batch_again_in(batch, segment->entry->path))
            rc = commit_mask(batch, commit, segment->entry, segment->mask, changed.rules, changed.count, err);
    for (size_t i = 0; !rc && i < batch->planned.count; i++)
        if (batch->planned.items[i].again)
            rc = commit_again(batch, commit, &batch->planned.items[i].entry, &changed, err);
    free(changed.rules);
    return rc;
}

static int commit_staged(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    uint64_t view = batch->state->view.number + 1;
    int rc = 0;

    for (size_t i = 0; !rc && i < batch->planned.count; i++) {
        struct lam_batch_input *input = &batch->planned.items[i];

        input->entry.view = view;
        rc = lam_commit_add(commit, &input->entry, err);
        if (!rc && input->rule_count && input->entry.kind == LAM_SEGMENT_SILVER)
            rc = commit_mask(batch, commit, &input->entry, NULL, input->rules, input->rule_count, err);
    }
    return rc;
}

static bool is_corpus(const struct lam_batch_job *batch, uint32_t source)
{
    size_t i = lam_batch_source_at(batch, source);

    return i < batch->source_count && !batch->sources[i].stream;
}

/* Segments that the new view replaces: manifests, what speed holds below the cutoff, and (made anew) all of the old view. */
static int commit_removals(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc = 0;

    for (size_t at = 0; !rc && (segment = lam_state_next(batch->state, 0, &at));) {
        const struct lam_segment_entry *entry = segment->entry;
        bool gone = false;

        switch (entry->kind) {
        case LAM_SEGMENT_MANIFEST:
            gone = batch->rebuild; /* of sources that are no longer in the job there is another one */
            gone = gone || is_corpus(batch, entry->source);
            break;
        case LAM_SEGMENT_SPEED:
        case LAM_SEGMENT_QUARANTINE:
            gone = entry->offset_count > 0;
            for (uint32_t i = 0; gone && i < entry->offset_count; i++)
                gone = entry->offsets[i].end <= lam_cutoff_next(&batch->cutoff, entry->source, entry->life, entry->offsets[i].partition);
            gone = gone || (batch->rebuild && entry->kind == LAM_SEGMENT_QUARANTINE && entry->offset_count == 0);
            break;
        case LAM_SEGMENT_RUN:
        case LAM_SEGMENT_SILVER:
            gone = batch->rebuild; /* what could not be read again was carried over */
            break;
        case LAM_SEGMENT_BRONZE_CORPUS:
            gone = batch->rebuild && !lam_batch_carry_keeps(batch, entry->path);
            break;
        default:
            break;
        }
        if (gone)
            rc = remove_once(commit, entry->path, err);
    }
    return rc;
}

/* Takes entry; rc: of what made it. */
static int commit_manifest(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_segment_entry *entry, int rc, struct lam_error *err)
{
    if (!rc && entry->path[0]) {
        memcpy(entry->run, batch->run, LAM_RUN_ID);
        entry->view = batch->state->view.number + 1;
        rc = lam_commit_add(commit, entry, err);
    }
    lam_segment_entry_release(entry);
    return rc;
}

static int commit_manifests(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    struct lam_segment_entry entry;
    int rc = 0;

    for (size_t i = 0; !rc && i < batch->source_count; i++) {
        if (batch->sources[i].stream || !batch->sources[i].number)
            continue;
        lam_segment_entry_init(&entry);
        rc = commit_manifest(batch, commit, &entry, lam_batch_write_manifest(batch, i, &entry, err), err);
    }
    for (size_t at = 0; !rc && batch->rebuild && (segment = lam_state_next(batch->state, LAM_SEGMENT_MANIFEST, &at));) {
        if (is_corpus(batch, segment->entry->source))
            continue;
        lam_segment_entry_init(&entry);
        rc = commit_manifest(batch, commit, &entry, lam_batch_write_gone_manifest(batch, segment->entry, &entry, err), err);
    }
    return rc;
}

static int build(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    uint64_t view = batch->state->view.number + 1;
    int rc;

    lam_commit_set_term(commit, LAM_TERM_BATCH, batch->term);
    if ((batch->rebuild && (rc = lam_batch_tally_forget(&batch->tally, batch->state, err))) || (rc = commit_ranges(batch, commit, err)) ||
        (rc = commit_removals(batch, commit, err)) || (rc = commit_staged(batch, commit, err)) || (rc = commit_manifests(batch, commit, err)))
        return rc;
    if (!batch->rebuild && job->dataset.kind == LAM_JOB_APPEND && (rc = commit_changed(batch, commit, err)))
        return rc;
    if (!lam_digest_eq(lam_hash128(job->rest.ptr, job->rest.len), batch->state->job.rest_digest) || batch->rebuild)
        if ((rc = lam_commit_job(commit, job->identity.ptr, job->analysis.ptr, job->rest.ptr, err)))
            return rc;
    lam_batch_tally_sort(&batch->tally);
    return lam_commit_publish(commit, view, batch->run, batch->bits, &batch->cutoff, batch->tally.items, (uint32_t)batch->tally.count, err);
}

static void remove_file(struct lam_batch_job *batch, const char *staged)
{
    char path[LAM_PATH_MAX];

    if (!staged[0] || lam_path_join(path, batch->engine->job->store.path, staged, NULL))
        return;
    lam_map_cache_drop(batch->engine->maps, staged);
    batch->engine->fs->ops->unlink(batch->engine->fs->arg, path);
}

/* What only this run and those it adopted from could have used: their staged rows are in the view now. Nothing depends on it. */
static void remove_staged_rows(struct lam_batch_job *batch)
{
    struct lam_sv paths = lam_buf_sv(&batch->resolved_paths);

    for (size_t at = 0; at < paths.len; at += strlen(paths.ptr + at) + 1)
        remove_file(batch, paths.ptr + at);
    for (size_t i = 0; i < batch->planned.count; i++)
        remove_file(batch, batch->planned.items[i].replaced);
}

int lam_batch_publish(void *arg, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_commit commit;
    int rc;

    lam_commit_init(&commit, batch->state->number);
    if (!(rc = build(batch, &commit, err)) && !(rc = lam_commitlog_commit(batch->engine->commits, &commit, NULL, err))) {
        lam_engine_share(batch->engine);
        batch->report.view = batch->state->view.number + 1;
        for (size_t i = 0; i < batch->tally.count; i++)
            lam_counts_add(&batch->report.counts, &batch->tally.items[i].counts);
        for (uint32_t i = 0; batch->rebuild && i < batch->state->source_count; i++) /* what it forgot was not of this run */
            for (uint32_t l = 0; l < batch->state->sources[i].life_count; l++)
                lam_counts_add(&batch->report.counts, &batch->state->sources[i].lives[l]->counts);
        remove_staged_rows(batch);
    }
    lam_commit_release(&commit);
    if (rc == LAM_E_LIMIT)
        return LAM_PASS(err, rc, "publish view %" PRIu64 ": %zu segments in one commit; in another store, with more batch.memory or fewer ranks, there are fewer and larger ones",
                        batch->state->view.number + 1, batch->planned.count);
    return rc ? LAM_PASS(err, rc, "publish view %" PRIu64, batch->state->view.number + 1) : 0;
}
