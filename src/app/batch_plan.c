/*
 * What the coordinator makes of all that was staged: which of it counts, and which ranges to resolve.
 */
#include "batch_job.h"

#include "store/rejects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RANGE_ROWS 16384    /* rows that a range of a large view has at most: a run of 60 MB with texts of 2 KB */
#define RANGE_ROWS_FEW 2048 /* and one of a small view */
#define RANGES 16           /* that every view but a small one has: work for many workers, and an end that comes for all of them at once */
#define RANGE_BITS_MAX 16
#define ANSWER_BYTES 2048 /* that a row and its answers take, without the vector */
#define QUARANTINE_BLOCK ((size_t)1 << 30)

void lam_batch_input_release(struct lam_batch_input *input)
{
    lam_segment_entry_release(&input->entry);
    free(input->rules);
}

void lam_batch_inputs_release(struct lam_batch_inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        lam_batch_input_release(&inputs->items[i]);
    free(inputs->items);
    *inputs = (struct lam_batch_inputs){0};
}

struct lam_batch_input *lam_batch_inputs_add(struct lam_batch_inputs *inputs)
{
    if (inputs->count == inputs->cap) {
        size_t cap = inputs->cap ? 2 * inputs->cap : 32;
        struct lam_batch_input *grown = realloc(inputs->items, cap * sizeof *grown);

        if (!grown)
            return NULL;
        inputs->items = grown;
        inputs->cap = cap;
    }
    inputs->items[inputs->count] = (struct lam_batch_input){0};
    return &inputs->items[inputs->count++];
}

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
        struct lam_batch_input *input = lam_batch_inputs_add(&batch->planned);

        if (!input)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a plan");
        *input = (struct lam_batch_input){.entry = group->segments[s], .owed = group->segments[s].kind == LAM_SEGMENT_SILVER && owes(batch, group),
                                          .again = group->pieces[0].again && batch->engine->job->dataset.kind == LAM_JOB_APPEND};
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

    if (!batch->training && !(batch->gathered_pending && job->deep.analyzer == LAM_JOB_DEEP_BUILTIN)) /* the second: staged by a run that trained */
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
    return batch->asks_again || lam_batch_files_news(batch->files);
}

/* Takes over what of a group counts, and its pieces' counts. */
static int take_group(void *arg, struct lam_staged *group, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    bool append = batch->engine->job->dataset.kind == LAM_JOB_APPEND;
    int rc = plan_group(batch, group, err);

    for (size_t i = 0; !rc && i < group->piece_count; i++) {
        const struct lam_piece *piece = &group->pieces[i];

        if (!lam_batch_piece_holds(batch, piece))
            continue;
        batch->gathered_pending += piece->pending;
        batch->report.no_text += piece->again ? 0 : piece->no_text;
        batch->report.no_order += piece->again ? 0 : piece->no_order;
        batch->report.asked_again += piece->again ? piece->rows + (append ? piece->quarantined : 0) : 0;
        if (!(rc = lam_batch_tally_piece(&batch->tally, piece, append, err)) && append && piece->again)
            rc = lam_batch_again_add(batch, piece, err);
    }
    return rc;
}

int lam_batch_gather(struct lam_batch_job *batch, struct lam_error *err)
{
    int rc = 0;

    if (batch->gathered)
        return 0;
    batch->gathered = true;
    batch->gathered_pending = 0;
    for (size_t i = 0; !rc && i < batch->adopted.count; i++)
        rc = take_group(batch, &batch->adopted.groups[i], err);
    lam_staged_list_release(&batch->adopted);
    return rc ? rc : lam_stage_each(batch->engine->fs, batch->engine->job->store.path, batch->run, take_group, batch, err);
}

/* Of staged rows that ranges take, the workers have been told: here only their files' names are kept, for there are many. */
static int forget_resolved(struct lam_batch_job *batch, struct lam_error *err)
{
    struct lam_batch_inputs *planned = &batch->planned;
    struct lam_batch_input *fewer;
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < planned->count; i++) {
        struct lam_batch_input *input = &planned->items[i];

        if (rc || input->entry.kind != LAM_SEGMENT_RUN) {
            planned->items[kept++] = *input;
            continue;
        }
        rc = lam_buf_add(&batch->resolved_paths, input->entry.path, strlen(input->entry.path) + 1, err);
        lam_batch_input_release(input);
    }
    planned->count = kept;
    if ((fewer = realloc(planned->items, (kept + 1) * sizeof *fewer))) {
        planned->items = fewer;
        planned->cap = kept + 1;
    }
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
    uint32_t owed = 0;
    int rc;

    if (batch->estimate || !lam_batch_has_work(batch)) {
        batch->report.nothing_new = true;
        return LAM_END;
    }
    batch->old_bits = batch->state->view.range_bits;
    if ((rc = lam_batch_commit_model(batch, err)) || (rc = lam_batch_gather(batch, err)) || (rc = lam_batch_delete_missing(batch, err)) || (rc = lam_batch_carry(batch, err)))
        return rc;
    if (batch->llm && batch->engine->job->deep.require && batch->gathered_pending)
        return LAM_FAIL(err, LAM_E_CANCELLED, "%" PRIu64 " records have no answer yet and deep.require is set: no view was published; run it again to go on",
                        batch->gathered_pending);
    batch->bits = batch->rebuild ? (batch->old_bits = 0, choose_bits(batch)) : choose_bits(batch);
    if ((rc = write_plan(batch, out, err)))
        return rc != LAM_E_LIMIT ? rc : LAM_FAIL(err, rc, "%zu staged segments do not fit into one plan of %zu bytes: in another store, with more batch.memory or fewer ranks, there "
                                                           "are fewer and larger ones", batch->planned.count, out->max);
    if (batch->engine->job->dataset.kind == LAM_JOB_APPEND) {
        for (size_t i = 0; !rc && i < batch->planned.count; i++)
            rc = batch->planned.items[i].owed ? emit(batch, lister, "s", owed++, err) : 0;
        return rc;
    }
    rc = forget_resolved(batch, err);
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
