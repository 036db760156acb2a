/*
 * What the coordinator makes of all that was staged: which of it counts, which ranges to resolve, and the one commit that makes the view public.
 */
#include "batch_job.h"

#include "store/rejects.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define RANGE_ROWS 16384    /* rows that a range of a large view has at most: a run of 60 MB with texts of 2 KB */
#define RANGE_ROWS_FEW 1024 /* and one of a small view */
#define RANGES 32           /* that every view but a small one has: work for many workers, and an end that comes for all of them at once */
#define RANGE_BITS_MAX 16
#define ANSWER_BYTES 2048 /* that a row and its answers take, without the vector */
#define QUARANTINE_BLOCK ((size_t)1 << 30)

/* --- counts by source and life --- */

struct tally {
    struct lam_life_counts *items;
    size_t count;
};

static struct lam_counts *tally_at(struct tally *tally, uint32_t source, uint32_t life)
{
    struct lam_life_counts *grown;

    for (size_t i = 0; i < tally->count; i++)
        if (tally->items[i].source == source && tally->items[i].life == life)
            return &tally->items[i].counts;
    if (!(grown = realloc(tally->items, (tally->count + 1) * sizeof *grown)))
        return NULL;
    tally->items = grown;
    tally->items[tally->count] = (struct lam_life_counts){.source = source, .life = life};
    return &tally->items[tally->count++].counts;
}

static int tally_delta(struct tally *tally, const struct lam_count_delta *delta, struct lam_error *err)
{
    struct lam_counts *counts = tally_at(tally, delta->source, delta->life);

    if (!counts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    counts->live += delta->live;
    counts->superseded += delta->superseded;
    counts->deleted += delta->deleted;
    counts->pending += delta->pending;
    counts->read += delta->live + delta->superseded + delta->deleted;
    return 0;
}

static int tally_piece(struct tally *tally, const struct lam_piece *piece, bool append, struct lam_error *err)
{
    struct lam_counts *counts = tally_at(tally, piece->source, piece->life);

    if (!counts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    counts->quarantined += (int64_t)piece->quarantined;
    counts->filtered += (int64_t)piece->filtered;
    counts->read += (int64_t)(piece->quarantined + piece->filtered);
    if (append) { /* rows are not resolved: all of them are live */
        counts->live += (int64_t)piece->rows;
        counts->pending += (int64_t)piece->pending;
        counts->read += (int64_t)piece->rows;
    }
    return 0;
}

/* A view that is made anew counts from nothing. */
static int tally_forget(struct tally *tally, const struct lam_state *state, struct lam_error *err)
{
    for (uint32_t s = 1; s <= state->source_count; s++)
        for (uint32_t l = 0; l < state->sources[s - 1].life_count; l++) {
            const struct lam_state_life *life = state->sources[s - 1].lives[l];
            struct lam_counts *counts;

            if (!life->counts.read)
                continue;
            if (!(counts = tally_at(tally, s, life->number)))
                return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
            *counts = (struct lam_counts){-life->counts.read,        -life->counts.live,     -life->counts.superseded, -life->counts.deleted,
                                          -life->counts.quarantined, -life->counts.filtered, -life->counts.pending,    -life->counts.unavailable};
        }
    return 0;
}

static void add_counts(struct lam_counts *to, const struct lam_counts *more)
{
    to->read += more->read;
    to->live += more->live;
    to->superseded += more->superseded;
    to->deleted += more->deleted;
    to->quarantined += more->quarantined;
    to->filtered += more->filtered;
    to->pending += more->pending;
    to->unavailable += more->unavailable;
}

static int by_life(const void *a, const void *b)
{
    const struct lam_life_counts *x = a, *y = b;

    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->life > y->life) - (x->life < y->life);
}

/* --- the plan --- */

static int add_rule(struct lam_batch_input *input, const struct lam_piece *piece, struct lam_error *err)
{
    struct lam_mask_rule *grown = realloc(input->rules, (input->rule_count + 1) * sizeof *grown);
    struct lam_digest partition = lam_hash128(piece->path.ptr, piece->path.len);

    if (!grown)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
    input->rules = grown;
    input->rules[input->rule_count] = (struct lam_mask_rule){.source = piece->source, .life_end = UINT64_MAX, .offset_first = piece->begin,
                                                             .offset_end = piece->end, .uncounted = true};
    memcpy(input->rules[input->rule_count++].partition, partition.bytes, sizeof partition.bytes);
    return 0;
}

static bool reject_dropped(const struct lam_batch_input *input, const struct lam_position *pos)
{
    for (size_t i = 0; i < input->rule_count; i++) {
        const struct lam_mask_rule *rule = &input->rules[i];

        if (rule->source == pos->source && !memcmp(rule->partition, pos->partition, sizeof rule->partition) && pos->offset >= rule->offset_first &&
            pos->offset < rule->offset_end)
            return true;
    }
    return false;
}

/* The input is another segment from now on, in which nothing has to be left out. Takes entry. */
static void replace_segment(struct lam_batch_job *batch, struct lam_batch_input *input, struct lam_segment_entry *entry)
{
    memcpy(entry->run, batch->run, LAM_RUN_ID);
    lam_segment_entry_release(&input->entry);
    input->entry = *entry;
    free(input->rules);
    input->rules = NULL;
    input->rule_count = 0;
}

/* Writes a quarantine segment anew without the rejects of pieces that do not hold any more. */
static int filter_rejects(struct lam_batch_job *batch, struct lam_batch_input *input, struct lam_error *err)
{
    struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, NULL, LAM_SEGMENT_QUARANTINE};
    struct lam_segment_entry entry;
    struct lam_block *block = NULL;
    struct lam_map *map = NULL;
    char path[LAM_SEGMENT_PATH];
    int rc = lam_map_cache_get(batch->engine->maps, &input->entry, &map, err);

    if (!rc && !(rc = lam_map_need(map, LAM_COLUMNS_ALL, err)) && !(block = lam_block_new(lam_map_rows(map) + 1, QUARANTINE_BLOCK)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a block");
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        struct lam_reject reject;

        lam_rejects_get(map, i, &reject);
        if (!reject_dropped(input, &reject.pos))
            rc = lam_block_add_reject(block, &reject, err);
    }
    if (!rc && !(rc = lam_namer_next(&batch->namer, LAM_SEGMENT_QUARANTINE, path, err))) {
        target.path = path;
        lam_segment_entry_init(&entry);
        if (!(rc = lam_rejects_write(&target, &block, 1, &entry, err)))
            replace_segment(batch, input, &entry);
    }
    lam_block_free(block);
    lam_map_unref(map);
    return rc;
}

/* The same for raw copies. */
static int filter_copies(struct lam_batch_job *batch, struct lam_batch_input *input, struct lam_error *err)
{
    struct lam_bronze_row *rows = NULL;
    struct lam_segment_entry entry;
    struct lam_map *map = NULL;
    size_t count = 0;
    int rc = lam_map_cache_get(batch->engine->maps, &input->entry, &map, err);

    if (!rc && !(rc = lam_map_need(map, LAM_COLUMNS_ALL, err)) && !(rows = calloc(lam_map_rows(map) + 1, sizeof *rows)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for bronze");
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        lam_bronze_get(map, i, &rows[count]);
        count += !reject_dropped(input, &rows[count].pos);
    }
    lam_segment_entry_init(&entry);
    if (!rc && !(rc = lam_batch_write_copies(batch, rows, count, &entry, err)))
        replace_segment(batch, input, &entry);
    free(rows);
    lam_map_unref(map);
    return rc;
}

/* Were rows of this group staged without answers that the built-in analyzer is to give? */
static bool owes(const struct lam_batch_job *batch, const struct lam_staged *group)
{
    uint64_t pending = 0;

    for (size_t i = 0; i < group->piece_count; i++)
        pending += group->pieces[i].pending;
    return pending > 0 && batch->engine->job->deep.analyzer == LAM_JOB_DEEP_BUILTIN;
}

/* Takes over the segments of one group, with rules for those of its pieces that do not hold. */
static int plan_group(struct lam_batch_job *batch, struct lam_staged *group, struct lam_error *err)
{
    size_t holding = 0;
    int rc;

    for (size_t i = 0; i < group->piece_count; i++)
        holding += lam_batch_piece_holds(batch, &group->pieces[i]);
    for (size_t s = 0; holding && s < group->segment_count; s++) {
        struct lam_batch_input *input;
        struct lam_batch_inputs *planned = &batch->planned;

        if (planned->count == planned->cap) {
            size_t cap = planned->cap ? 2 * planned->cap : 32;
            struct lam_batch_input *grown = realloc(planned->items, cap * sizeof *grown);

            if (!grown)
                return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
            planned->items = grown;
            planned->cap = cap;
        }
        input = &planned->items[planned->count++];
        *input = (struct lam_batch_input){.entry = group->segments[s], .owed = group->segments[s].kind == LAM_SEGMENT_SILVER && owes(batch, group)};
        lam_segment_entry_init(&group->segments[s]); /* it is the plan's now */
        for (size_t i = 0; i < group->piece_count; i++)
            if (!lam_batch_piece_holds(batch, &group->pieces[i]) && (rc = add_rule(input, &group->pieces[i], err)))
                return rc;
        if (input->rule_count && input->entry.kind == LAM_SEGMENT_QUARANTINE && (rc = filter_rejects(batch, input, err)))
            return rc;
        if (input->rule_count && input->entry.kind == LAM_SEGMENT_BRONZE_CORPUS && (rc = filter_copies(batch, input, err)))
            return rc;
    }
    return 0;
}

/*
 * Rows that a range has at most. Where they are answered while they are resolved, the answers of as many ranges as there are threads are held at once:
 * an eighth of the job's memory is for them.
 */
static uint64_t range_rows(const struct lam_batch_job *batch)
{
    const struct lam_job *job = batch->engine->job;
    uint64_t answer = ANSWER_BYTES + job->tasks.dim * sizeof(float), rows = job->batch.memory / 8 / batch->reader_count / answer;

    if (!batch->training)
        return RANGE_ROWS;
    return rows < RANGE_ROWS_FEW ? RANGE_ROWS_FEW : rows > RANGE_ROWS ? RANGE_ROWS : rows;
}

static uint32_t choose_bits(const struct lam_batch_job *batch)
{
    uint64_t rows = 0, most = range_rows(batch);
    uint32_t bits = 0;
    const struct lam_state_segment *segment;

    for (size_t at = 0; !batch->rebuild && (segment = lam_state_next(batch->state, LAM_SEGMENT_RUN, &at));)
        rows += segment->entry->rows;
    for (size_t i = 0; i < batch->planned.count; i++)
        if (batch->planned.items[i].entry.kind == LAM_SEGMENT_RUN)
            rows += batch->planned.items[i].entry.rows;
    while (bits < RANGE_BITS_MAX && rows >> bits > (1u << bits < RANGES ? RANGE_ROWS_FEW : most))
        bits++;
    if (!batch->rebuild && bits < batch->old_bits + 2) /* all of the view is written anew when it changes: only when it has grown fourfold */
        bits = batch->old_bits;
    return bits;
}

/* {"bits":…,"old_bits":…,"commit":…,"model":…}, then {"entry":…,"rules":[…]} for each staged segment, one a line: so that a reader never holds a tree of all of them. */
static int write_plan(struct lam_batch_job *batch, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "{\"bits\":%" PRIu32 ",\"old_bits\":%" PRIu32 ",\"commit\":%" PRIu64 ",\"model\":%" PRIu32 "}", batch->bits, batch->old_bits,
                          lam_commitlog_peek(batch->engine->commits)->number, lam_trained_number(batch->trained));

    for (size_t i = 0; !rc && i < batch->planned.count; i++) {
        const struct lam_batch_input *input = &batch->planned.items[i];

        if (input->entry.kind != LAM_SEGMENT_RUN && !input->owed)
            continue;
        if ((rc = lam_buf_addf(out, err, "\n{\"entry\":")) || (rc = lam_segment_entry_write(&input->entry, out, err)) ||
            (rc = lam_buf_addf(out, err, ",\"rules\":[")))
            return rc;
        for (size_t r = 0; !rc && r < input->rule_count; r++) {
            struct lam_digest partition;
            char hex[LAM_DIGEST_HEX];

            memcpy(partition.bytes, input->rules[r].partition, sizeof partition.bytes);
            lam_digest_hex(partition, hex);
            rc = lam_buf_addf(out, err, "%s[%" PRIu32 ",\"%s\",%" PRIu64 ",%" PRId64 "]", r ? "," : "", input->rules[r].source, hex, input->rules[r].offset_first,
                              input->rules[r].offset_end > INT64_MAX ? -1 : (int64_t)input->rules[r].offset_end);
        }
        if (!rc)
            rc = lam_buf_addf(out, err, "]}");
    }
    return rc;
}

bool lam_batch_has_work(const struct lam_batch_job *batch)
{
    for (size_t i = 0; i < batch->source_count; i++)
        if (lam_batch_files_news(batch->files, i))
            return true;
    return batch->asks_again;
}

int lam_batch_gather(struct lam_batch_job *batch, struct lam_error *err)
{
    int rc;

    if (batch->gathered)
        return 0;
    batch->gathered = true;
    rc = lam_stage_read_run(batch->engine->fs, batch->engine->job->store.path, batch->run, &batch->staged, err);
    for (size_t i = 0; !rc && i < batch->adopted.count; i++)
        rc = plan_group(batch, &batch->adopted.groups[i], err);
    for (size_t i = 0; !rc && i < batch->staged.count; i++)
        rc = plan_group(batch, &batch->staged.groups[i], err);
    return rc;
}

static int emit(struct lam_batch_job *batch, struct lam_batch_lister *lister, const char *kind, uint32_t number, struct lam_error *err)
{
    char text[16];

    snprintf(text, sizeof text, "%s%" PRIu32, kind, number);
    batch->report.ranges++;
    return lam_batch_emit(lister, 1, lam_sv_of(text), err);
}

int lam_batch_plan(void *arg, struct lam_batch_lister *lister, struct lam_buf *out, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    uint64_t pending;
    uint32_t owed = 0;
    int rc;

    if (!lam_batch_has_work(batch)) {
        batch->report.nothing_new = true;
        return LAM_END;
    }
    batch->old_bits = batch->state->view.range_bits;
    if ((rc = lam_batch_commit_model(batch, err)) || (rc = lam_batch_gather(batch, err)) || (rc = lam_batch_delete_missing(batch, err)))
        return rc;
    if (batch->llm && batch->engine->job->deep.require && (pending = lam_batch_staged_pending(&batch->staged)))
        return LAM_FAIL(err, LAM_E_CANCELLED, "%" PRIu64 " records have no answer yet and deep.require is set: no view was published; run it again to go on", pending);
    batch->bits = batch->rebuild ? (batch->old_bits = 0, choose_bits(batch)) : choose_bits(batch);
    if ((rc = write_plan(batch, out, err)))
        return rc;
    if (batch->engine->job->dataset.kind == LAM_JOB_APPEND) {
        for (size_t i = 0; !rc && i < batch->planned.count; i++)
            rc = batch->planned.items[i].owed ? emit(batch, lister, "s", owed++, err) : 0;
        return rc;
    }
    for (uint32_t range = 0; !rc && range < 1u << batch->bits; range++)
        rc = emit(batch, lister, "", range, err);
    return rc;
}

void lam_batch_resolved(void *arg, int rank, struct lam_sv note)
{
    struct lam_batch_job *batch = arg;
    struct lam_error err;

    (void)rank;
    if (lam_buf_add_sv(&batch->results, note, &err) || lam_buf_add(&batch->results, "\n", 1, &err))
        lam_log_error(&batch->engine->log, "batch", "%s", err.text); /* publish counts them and fails */
}

/* --- the commit --- */

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
static int commit_range(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, const json_t *result, struct lam_error *err)
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
                                              json_integer_value(json_array_get(item, 4)), json_integer_value(json_array_get(item, 5))};

        rc = tally_delta(tally, &delta, err);
    }
    return rc;
}

static int commit_ranges(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, struct lam_error *err)
{
    struct lam_sv rest = lam_buf_sv(&batch->results);
    uint64_t count = 0;
    int rc = 0;

    while (!rc && rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        json_t *result = json_loadb(rest.ptr, len, 0, NULL);

        rc = result ? commit_range(batch, commit, tally, result, err) : LAM_FAIL(err, LAM_E_CORRUPT, "the result of a range is no JSON");
        json_decref(result);
        count++;
        rest = lam_sv(rest.ptr + len + 1, rest.len - len - (end != NULL));
    }
    if (!rc && count != batch->report.ranges)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "%" PRIu64 " ranges were resolved, %" PRIu64 " results are here", batch->report.ranges, count);
    return rc;
}

/* Masks rows of one segment by rules, on top of the mask that is in force. Nothing where no row is meant. */
static int commit_mask(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, const struct lam_segment_entry *entry,
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
        rc = lam_resolve_mask(map, rules, count, &mask, &deltas, err);
        if (!rc && mask.set > before && !(rc = lam_namer_next(&batch->namer, LAM_SEGMENT_MASK, path, err))) {
            target.path = path;
            lam_segment_entry_init(&made);
            if (!(rc = lam_mask_write(&target, &mask, entry->path, &made, err)))
                rc = lam_commit_mask(commit, entry->path, &made, err);
            lam_segment_entry_release(&made);
        }
    }
    for (size_t i = 0; !rc && i < deltas.count; i++)
        rc = tally_delta(tally, &deltas.items[i], err);
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
    uint32_t life = 0;

    if (!grown)
        return LAM_FAIL(changed->err, LAM_E_MEMORY, "no memory for changed files");
    for (size_t i = 0; i < changed->batch->source_count; i++)
        if (changed->batch->sources[i].number == source)
            life = changed->batch->sources[i].life;
    changed->rules = grown;
    grown[changed->count] = (struct lam_mask_rule){.source = source, .life_end = life, .offset_end = UINT64_MAX};
    memcpy(grown[changed->count++].partition, partition->bytes, sizeof partition->bytes);
    return 0;
}

/* Append: what a changed file said before is superseded, wherever it stands. */
static int commit_changed(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, struct lam_error *err)
{
    struct changed changed = {.batch = batch, .err = err};
    const struct lam_state_segment *segment;
    int rc = lam_batch_changed(batch, collect_changed, &changed, err);

    for (size_t at = 0; !rc && changed.count && (segment = lam_state_next(batch->state, LAM_SEGMENT_SILVER, &at));)
        rc = commit_mask(batch, commit, tally, segment->entry, segment->mask, changed.rules, changed.count, err);
    free(changed.rules);
    return rc;
}

static int commit_staged(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, struct lam_error *err)
{
    uint64_t view = batch->state->view.number + 1;
    int rc = 0;

    for (size_t i = 0; !rc && i < batch->planned.count; i++) {
        struct lam_batch_input *input = &batch->planned.items[i];

        if (input->entry.kind == LAM_SEGMENT_RUN) /* staged rows of an upsert dataset: they are in the runs now */
            continue;
        input->entry.view = view;
        rc = lam_commit_add(commit, &input->entry, err);
        if (!rc && input->rule_count && input->entry.kind == LAM_SEGMENT_SILVER)
            rc = commit_mask(batch, commit, tally, &input->entry, NULL, input->rules, input->rule_count, err);
    }
    return rc;
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
            gone = batch->rebuild; /* of sources that are no longer in the job too: the new view has no rows of them */
            for (size_t i = 0; i < batch->source_count; i++)
                gone = gone || (!batch->sources[i].stream && batch->sources[i].number == entry->source);
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
        case LAM_SEGMENT_BRONZE_CORPUS:
            gone = batch->rebuild;
            break;
        default:
            break;
        }
        if (gone)
            rc = remove_once(commit, entry->path, err);
    }
    return rc;
}

static int commit_manifests(struct lam_batch_job *batch, struct lam_commit *commit, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < batch->source_count; i++) {
        struct lam_segment_entry entry;

        if (batch->sources[i].stream || !batch->sources[i].number)
            continue;
        lam_segment_entry_init(&entry);
        if (!(rc = lam_batch_write_manifest(batch, i, &entry, err))) {
            memcpy(entry.run, batch->run, LAM_RUN_ID);
            entry.view = batch->state->view.number + 1;
            rc = lam_commit_add(commit, &entry, err);
        }
        lam_segment_entry_release(&entry);
    }
    return rc;
}

static int tally_pieces(struct lam_batch_job *batch, struct tally *tally, struct lam_error *err)
{
    const struct lam_staged_list *lists[] = {&batch->adopted, &batch->staged};
    bool append = batch->engine->job->dataset.kind == LAM_JOB_APPEND;

    for (size_t l = 0; l < 2; l++)
        for (size_t g = 0; g < lists[l]->count; g++)
            for (size_t p = 0; p < lists[l]->groups[g].piece_count; p++) {
                const struct lam_piece *piece = &lists[l]->groups[g].pieces[p];
                int rc = lam_batch_piece_holds(batch, piece) ? tally_piece(tally, piece, append, err) : 0;

                if (rc)
                    return rc;
            }
    return 0;
}

static int build(struct lam_batch_job *batch, struct lam_commit *commit, struct tally *tally, struct lam_error *err)
{
    const struct lam_job *job = batch->engine->job;
    uint64_t view = batch->state->view.number + 1;
    int rc;

    lam_commit_set_term(commit, LAM_TERM_BATCH, batch->term);
    if ((batch->rebuild && (rc = tally_forget(tally, batch->state, err))) || (rc = tally_pieces(batch, tally, err)) || (rc = commit_ranges(batch, commit, tally, err)) ||
        (rc = commit_removals(batch, commit, err)) || (rc = commit_staged(batch, commit, tally, err)) || (rc = commit_manifests(batch, commit, err)))
        return rc;
    if (!batch->rebuild && job->dataset.kind == LAM_JOB_APPEND && (rc = commit_changed(batch, commit, tally, err)))
        return rc;
    if (!lam_digest_eq(lam_hash128(job->rest.ptr, job->rest.len), batch->state->job.rest_digest) || batch->rebuild)
        if ((rc = lam_commit_job(commit, job->identity.ptr, job->analysis.ptr, job->rest.ptr, err)))
            return rc;
    if (tally->count)
        qsort(tally->items, tally->count, sizeof *tally->items, by_life);
    return lam_commit_publish(commit, view, batch->run, batch->bits, &batch->cutoff, tally->items, (uint32_t)tally->count, err);
}

/* What only this run and those it adopted from could have used: their staged rows are in the runs now. Nothing depends on it. */
static void remove_staged_rows(struct lam_batch_job *batch)
{
    for (size_t i = 0; i < batch->planned.count; i++) {
        char path[LAM_PATH_MAX];
        struct lam_error err;

        const struct lam_batch_input *input = &batch->planned.items[i];
        const char *staged = input->entry.kind == LAM_SEGMENT_RUN ? input->entry.path : input->replaced;

        if (!staged[0] || lam_path_join(path, batch->engine->job->store.path, staged, &err))
            continue;
        lam_map_cache_drop(batch->engine->maps, staged);
        batch->engine->fs->ops->unlink(batch->engine->fs->arg, path);
    }
}

int lam_batch_publish(void *arg, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_commit commit;
    struct tally tally = {0};
    int rc;

    lam_commit_init(&commit, batch->state->number);
    if (!(rc = build(batch, &commit, &tally, err)) && !(rc = lam_commitlog_commit(batch->engine->commits, &commit, NULL, err))) {
        lam_engine_share(batch->engine);
        batch->report.view = batch->state->view.number + 1;
        for (size_t i = 0; i < tally.count; i++)
            add_counts(&batch->report.counts, &tally.items[i].counts);
        for (uint32_t i = 0; batch->rebuild && i < batch->state->source_count; i++) /* what it forgot was not of this run */
            for (uint32_t l = 0; l < batch->state->sources[i].life_count; l++)
                add_counts(&batch->report.counts, &batch->state->sources[i].lives[l]->counts);
        remove_staged_rows(batch);
    }
    lam_commit_release(&commit);
    free(tally.items);
    return rc ? LAM_PASS(err, rc, "publish view %" PRIu64, batch->state->view.number + 1) : 0;
}
