/*
 * What a full view does not read again it carries over from the view before: vanished files, files that could not be read this time, what a changed file
 * no longer has, and sources that are no longer in the job.
 *
 *     old view's runs, segments, quarantine ── not read in this scan, and no newer version is ──> staged, as if a scan had found it
 *
 * A row keeps its position, order, answers and provenance; a delete stays a delete, and which version of a key wins is for the ranges to say. Where the log has
 * no copy of its file's bytes it is marked LAM_ROW_UNAVAILABLE. Copies of what is carried over stay in the log. All of it is made in one piece and
 * resolved with what was read: nothing of it counts before the view is published, and the next attempt makes it anew.
 *
 * Streams of the job are read again whole, from the archive.
 */
#include "batch_staged.h"
#include "batch_table.h"

#include "store/rejects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX ((size_t)64 << 20)
#define PLACES_MAX ((size_t)16 << 30)
#define BLOCK_BYTES ((size_t)1 << 30) /* room for one row of any size; what is full at LAM_BATCH_STAGE_BYTES is staged */
#define PLACE 24 /* bytes of source, partition and life */
#define FILE_PLACE 20
#define COLUMNS (LAM_ROWS_SORT | LAM_ROWS_POSITION | LAM_COLUMN(LAM_ROWS_OP) | LAM_COLUMN(LAM_ROWS_FLAGS) | LAM_COLUMN(LAM_ROWS_EVENT_TIME))

struct carry {
    struct lam_batch_job *batch;
    struct lam_dict files;  /* source and partition to twice the index in the table of files, and 1 where it was read and has all that it had */
    struct lam_dict copied; /* places of which the log has copies */
    bool copies_known;
    struct lam_dict places; /* of what is carried over */
    struct lam_dict seen;   /* files of it */
    struct lam_batch_staged staged;
    struct lam_block *block, *rejects;
    struct lam_buf order;
    struct lam_count_deltas counts; /* append: nothing resolves its rows */
    bool staged_open;
    bool damaged; /* the last failure was one to look at the old view */
    uint64_t unavailable, deleted;
    uint64_t foreign; /* vectors of another length: segments leave them out */
    char example[500];
};

enum fate { READ, CARRIED, DELETED };

/* Source, partition, life: of a file its first FILE_PLACE bytes. */
static const char *place_of(char place[PLACE], uint32_t source, const uint8_t partition[16], uint32_t life)
{
    memcpy(place, &source, 4);
    memcpy(place + 4, partition, 16);
    memcpy(place + FILE_PLACE, &life, 4);
    return place;
}

static bool is_read(const struct lam_batch_file *file) { return file && lam_batch_file_is_read(file); }

/* Passes rc, that of a look at a segment of the old view. */
static int looked(struct carry *carry, int rc)
{
    carry->damaged = rc == LAM_E_CORRUPT || rc == LAM_E_NOT_FOUND;
    return rc;
}

/* Says that something of the old view cannot be looked at. What is damaged may be the reason for a full view: it does not stop one. */
static int pass_damage(struct carry *carry, const char *path, int rc, struct lam_error *err)
{
    if (!rc || !carry->damaged)
        return rc;
    carry->damaged = false;
    lam_log_warn(&carry->batch->engine->log, "batch", "%s: what stands in it alone, and cannot be read again, is not in the new view: %s", path, err->text);
    return 0;
}

static int index_files(struct carry *carry, struct lam_error *err)
{
    const struct lam_batch_files *files = carry->batch->files;
    int rc = 0;

    for (size_t i = 0; !rc && i < files->count; i++) {
        const struct lam_batch_file *file = &files->files[i];
        struct lam_digest partition = lam_hash128(file->path, file->path_len);
        uint64_t *index;
        char place[PLACE];

        place_of(place, carry->batch->sources[file->source].number, partition.bytes, 0);
        if (!(rc = lam_dict_add(&carry->files, lam_sv(place, FILE_PLACE), &index, NULL, err)))
            *index = 2 * i + (is_read(file) && (file->grown || lam_digest_eq(file->before, lam_digest_of_blocks(file->blocks, file->block_count))));
    }
    return rc;
}

/* NULL: the table has no such file. *same: it has all that it had. */
static const struct lam_batch_file *find_file(const struct carry *carry, const struct lam_position *pos, bool *same)
{
    char place[PLACE];
    uint64_t *index = lam_dict_find(&carry->files, lam_sv(place_of(place, pos->source, pos->partition, 0), FILE_PLACE));

    *same = index && *index & 1;
    return index ? &carry->batch->files->files[*index / 2] : NULL;
}

/* Does its position say that it was read again? *file: where it stood, if the table has it. */
static bool is_read_again(const struct carry *carry, const struct lam_position *pos, const struct lam_batch_file **file)
{
    const struct lam_batch_job *batch = carry->batch;
    size_t source = lam_batch_source_at(batch, pos->source);
    bool ours = source < batch->source_count, same = false;

    *file = ours ? find_file(carry, pos, &same) : NULL;
    /* Upsert: rows of scans before its content began, and deletes of on_missing, may be of another one: their keys are looked for. */
    if (batch->engine->job->dataset.kind == LAM_JOB_UPSERT)
        same = same && pos->life >= (*file)->before_since && pos->offset <= INT64_MAX;
    else
        same = is_read(*file);
    return same || (ours && batch->sources[source].stream);
}

/* Of what was not. Upsert: what is newer stands instead, and on_missing may say that it is to be deleted. */
static int decide(struct carry *carry, const struct lam_record *rec, const struct lam_batch_file *file, enum fate *fate, struct lam_error *err)
{
    struct lam_batch_job *batch = carry->batch;
    int rc;

    *fate = CARRIED;
    if (batch->engine->job->dataset.kind == LAM_JOB_APPEND)
        return 0;
    if (!carry->staged_open && (carry->staged_open = true, rc = lam_batch_staged_open(batch, &carry->staged, err)))
        return rc;
    if (lam_batch_staged_beats(&carry->staged, rec))
        *fate = READ;
    else if (file && rec->op != LAM_OP_DELETE && lam_batch_deletes(batch, file->source) && !file->failed &&
             (file->state == LAM_FILE_NEW || file->state == LAM_FILE_VANISHED) && !lam_batch_staged_has(&carry->staged, rec))
        *fate = DELETED;
    return 0;
}

/* --- copies in the log --- */

static int keep_segment(struct carry *carry, const struct lam_segment_entry *entry, struct lam_error *err)
{
    uint64_t *value;

    return lam_dict_add(&carry->batch->kept_copies, lam_sv_of(entry->path), &value, NULL, err);
}

static int keep_copy(struct carry *carry, const struct lam_segment_entry *entry, const char place[PLACE], bool *done, struct lam_error *err)
{
    *done = lam_dict_find(&carry->places, lam_sv(place, PLACE)) != NULL;
    return *done ? keep_segment(carry, entry, err) : 0;
}

static int note_copy(struct carry *carry, const struct lam_segment_entry *entry, const char place[PLACE], bool *done, struct lam_error *err)
{
    uint64_t *value;

    (void)entry, (void)done;
    return lam_dict_add(&carry->copied, lam_sv(place, PLACE), &value, NULL, err);
}

/* What is done with the place of each copy of a segment; *done: that was enough of it. */
typedef int copy_visit(struct carry *carry, const struct lam_segment_entry *entry, const char place[PLACE], bool *done, struct lam_error *err);

static int each_copy(struct carry *carry, copy_visit *each, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc = 0;

    for (size_t at = 0; !rc && (segment = lam_state_next(carry->batch->state, LAM_SEGMENT_BRONZE_CORPUS, &at));) {
        struct lam_map *map = NULL;
        bool done = false;
        char place[PLACE];

        if (!(rc = looked(carry, lam_map_cache_get(carry->batch->engine->maps, segment->entry, &map, err))))
            rc = looked(carry, lam_map_need(map, LAM_ROWS_POSITION, err));
        for (uint64_t i = 0; !rc && !done && i < lam_map_rows(map); i++) {
            place_of(place, lam_map_u32(map, LAM_POS_SOURCE)[i], lam_map_bytes16(map, LAM_POS_PARTITION, i), lam_map_u32(map, LAM_POS_LIFE)[i]);
            rc = each(carry, segment->entry, place, &done, err);
        }
        lam_map_unref(map);
        if (rc && carry->damaged) { /* it stays: what it has is not known */
            lam_log_warn(&carry->batch->engine->log, "batch", "%s: what it has copies of is not known: %s", segment->entry->path, err->text);
            carry->damaged = false;
            rc = each == keep_copy ? keep_segment(carry, segment->entry, err) : 0;
        }
    }
    return rc;
}

bool lam_batch_carry_keeps(const struct lam_batch_job *batch, const char *path) { return lam_dict_find(&batch->kept_copies, lam_sv_of(path)) != NULL; }

/* --- rows --- */

/* The archive has all of it. */
static bool is_stream(const struct carry *carry, const struct lam_position *pos)
{
    const struct lam_state_life *life = lam_state_life(carry->batch->state, pos->source, pos->life);

    return life && life->partition_count > 0;
}

/* Counts and names a place that is carried over; is there a copy of its bytes? */
static int note_place(struct carry *carry, const struct lam_position *pos, struct lam_sv name, const struct lam_batch_file *file, bool *copied,
                      struct lam_error *err)
{
    bool added, stream = is_stream(carry, pos);
    uint64_t *value;
    char place[PLACE];
    int rc = 0;

    if (!carry->copies_known && (carry->copies_known = true, rc = each_copy(carry, note_copy, err)))
        return rc;
    place_of(place, pos->source, pos->partition, pos->life);
    *copied = stream || lam_dict_find(&carry->copied, lam_sv(place, PLACE)) != NULL;
    if ((rc = lam_dict_add(&carry->places, lam_sv(place, PLACE), &value, NULL, err)) ||
        (rc = lam_dict_add(&carry->seen, lam_sv(place, FILE_PLACE), &value, &added, err)))
        return rc;
    if (!carry->example[0])
        snprintf(carry->example, sizeof carry->example, "%.*s (source %.100s%s%.200s)", (int)(name.len < 150 ? name.len : 150), name.ptr,
                 lam_state_source(carry->batch->state, pos->source)->name, file ? ", " : "", file ? file->path : "");
    carry->batch->report.carried_files += added && !stream;
    return 0;
}

static int count_row(struct carry *carry, const struct lam_record *rec, struct lam_error *err)
{
    struct lam_count_delta *delta = lam_count_deltas_at(&carry->counts, rec->pos.source, rec->pos.life);

    if (!delta)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for counts");
    delta->live++;
    delta->pending += (rec->flags & LAM_ROW_PENDING) != 0;
    delta->unavailable += (rec->flags & LAM_ROW_UNAVAILABLE) != 0;
    return 0;
}

static int carry_row(struct carry *carry, struct lam_row *row, const struct lam_batch_file *file, struct lam_error *err)
{
    struct lam_batch_job *batch = carry->batch;
    bool copied;
    int rc = note_place(carry, &row->rec.pos, row->rec.key, file, &copied, err);

    if (rc)
        return rc;
    row->rec.flags &= ~(uint32_t)LAM_ROW_UNAVAILABLE;
    if (!copied && row->rec.op != LAM_OP_DELETE) {
        row->rec.flags |= LAM_ROW_UNAVAILABLE;
        carry->unavailable++;
    }
    carry->foreign += batch->engine->job->tasks.dim && row->enr.embedding && row->enr.dim != batch->engine->job->tasks.dim;
    batch->report.carried++;
    if (!batch->llm && row->rec.flags & LAM_ROW_PENDING)
        batch->gathered_pending++;
    if (batch->engine->job->dataset.kind == LAM_JOB_APPEND && (rc = count_row(carry, &row->rec, err)))
        return rc;
    return lam_batch_stage_row(batch, carry->block, row, err);
}

static int take_row(struct carry *carry, struct lam_map *map, uint64_t i, struct lam_error *err)
{
    const struct lam_batch_file *file;
    struct lam_row row;
    enum fate fate;
    int rc;

    lam_rows_get(map, i, LAM_ROWS_POSITION, &row);
    if (is_read_again(carry, &row.rec.pos, &file))
        return 0;
    if ((rc = looked(carry, lam_map_need(map, COLUMNS, err))))
        return rc;
    lam_rows_get(map, i, COLUMNS, &row);
    if ((rc = decide(carry, &row.rec, file, &fate, err)) || fate == READ)
        return rc;
    if (fate == DELETED) {
        carry->deleted++;
        return lam_batch_delete_row(carry->batch, &row, lam_sv(file->path, file->path_len), &carry->order, carry->block, err);
    }
    if ((rc = looked(carry, lam_map_need(map, LAM_COLUMNS_ALL, err))))
        return rc;
    lam_rows_get(map, i, LAM_COLUMNS_ALL, &row);
    return carry_row(carry, &row, file, err);
}

static int visit_rows(struct carry *carry, const struct lam_state_segment *segment, struct lam_error *err)
{
    struct lam_map_cache *maps = carry->batch->engine->maps;
    struct lam_map *map = NULL, *mask = NULL;
    const uint8_t *bits = NULL;
    int rc = looked(carry, lam_map_cache_get(maps, segment->entry, &map, err));

    if (!rc && segment->mask && !(rc = looked(carry, lam_map_cache_get(maps, segment->mask, &mask, err))))
        rc = looked(carry, lam_mask_bits(mask, segment->entry->path, segment->entry->rows, &bits, err));
    if (!rc)
        rc = looked(carry, lam_map_need(map, LAM_ROWS_POSITION, err));
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++)
        if (!lam_mask_test(bits, i))
            rc = take_row(carry, map, i, err);
    lam_map_unref(map);
    lam_map_unref(mask);
    return pass_damage(carry, segment->entry->path, rc, err);
}

/* --- rejects --- */

static int carry_reject(struct carry *carry, const struct lam_reject *reject, const struct lam_batch_file *file, struct lam_error *err)
{
    bool filtered = reject->kind == LAM_FILTERED, copied;
    const struct lam_counts counts = {.read = 1, .filtered = filtered, .quarantined = !filtered};
    int rc;

    if ((rc = note_place(carry, &reject->pos, reject->place, file, &copied, err)) ||
        (rc = lam_batch_tally_add(&carry->batch->tally, reject->pos.source, reject->pos.life, &counts, err)))
        return rc;
    if (lam_block_bytes(carry->rejects) >= LAM_BATCH_STAGE_BYTES && (rc = lam_batch_stage_rejects(carry->batch, carry->rejects, err)))
        return rc;
    if ((rc = lam_block_add_reject(carry->rejects, reject, err)) != LAM_E_LIMIT)
        return rc;
    return (rc = lam_batch_stage_rejects(carry->batch, carry->rejects, err)) ? rc : lam_block_add_reject(carry->rejects, reject, err);
}

static int visit_rejects(struct carry *carry, const struct lam_state_segment *segment, struct lam_error *err)
{
    struct lam_map *map = NULL;
    int rc;

    if (segment->entry->offset_count) /* the speed layer's */
        return 0;
    if (!(rc = looked(carry, lam_map_cache_get(carry->batch->engine->maps, segment->entry, &map, err))))
        rc = looked(carry, lam_map_need(map, LAM_COLUMNS_ALL, err));
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        const struct lam_batch_file *file;
        struct lam_reject reject;

        lam_rejects_get(map, i, &reject);
        if (!is_read_again(carry, &reject.pos, &file) && !is_read(file))
            rc = carry_reject(carry, &reject, file, err);
    }
    lam_map_unref(map);
    return pass_damage(carry, segment->entry->path, rc, err);
}

/* --- all of it --- */

static void tell(const struct carry *carry)
{
    const struct lam_log *log = &carry->batch->engine->log;
    const struct lam_batch_report *report = &carry->batch->report;
    char files[48] = "", unavailable[96] = "", foreign[96] = "";

    if (report->carried_files)
        snprintf(files, sizeof files, " of %" PRIu64 " files", report->carried_files);
    if (carry->unavailable)
        snprintf(unavailable, sizeof unavailable, "; %" PRIu64 " are unavailable: the store has no copy of their bytes", carry->unavailable);
    if (carry->foreign)
        snprintf(foreign, sizeof foreign, "; %" PRIu64 " have no vector any more: theirs had another length", carry->foreign);
    if (report->carried)
        lam_log_warn(log, "batch", "%" PRIu64 " records%s could not be read again, such as %s: they stay as view %" PRIu64 " had them%s%s", report->carried,
                     files, carry->example, carry->batch->state->view.number, unavailable, foreign);
    if (carry->deleted)
        lam_log_info(log, "batch", "%" PRIu64 " records are deleted: on_missing says so of what is no longer there", carry->deleted);
}

static int open_carry(struct carry *carry, struct lam_batch_job *batch, struct lam_error *err)
{
    *carry = (struct carry){.batch = batch};
    lam_dict_init(&carry->files, FILES_MAX, PLACES_MAX);
    lam_dict_init(&carry->copied, FILES_MAX, PLACES_MAX);
    lam_dict_init(&carry->places, FILES_MAX, PLACES_MAX);
    lam_dict_init(&carry->seen, FILES_MAX, PLACES_MAX);
    lam_buf_init(&carry->order, LAM_BATCH_STAGE_BYTES);
    carry->block = lam_block_new(LAM_BATCH_STAGE_ROWS, BLOCK_BYTES);
    carry->rejects = lam_block_new(LAM_BATCH_STAGE_ROWS, BLOCK_BYTES);
    if (!carry->block || !carry->rejects)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a block");
    return index_files(carry, err);
}

static void close_carry(struct carry *carry)
{
    lam_dict_release(&carry->files);
    lam_dict_release(&carry->copied);
    lam_dict_release(&carry->places);
    lam_dict_release(&carry->seen);
    lam_buf_release(&carry->order);
    lam_block_free(carry->block);
    lam_block_free(carry->rejects);
    lam_batch_staged_close(&carry->staged);
    lam_count_deltas_release(&carry->counts);
}

int lam_batch_carry(struct lam_batch_job *batch, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    struct carry carry;
    int rc;

    lam_dict_clear(&batch->kept_copies);
    if (!batch->rebuild || !batch->state->view.number)
        return 0;
    rc = open_carry(&carry, batch, err);
    for (size_t at = 0; !rc && (segment = lam_state_next(batch->state, 0, &at));) {
        if (segment->entry->kind == LAM_SEGMENT_RUN || segment->entry->kind == LAM_SEGMENT_SILVER)
            rc = visit_rows(&carry, segment, err);
        else if (segment->entry->kind == LAM_SEGMENT_QUARANTINE)
            rc = visit_rejects(&carry, segment, err);
    }
    if (!rc && !(rc = lam_batch_stage_rows(batch, carry.block, err)) && !(rc = lam_batch_stage_rejects(batch, carry.rejects, err)) && carry.places.count)
        rc = each_copy(&carry, keep_copy, err);
    for (size_t i = 0; !rc && i < carry.counts.count; i++)
        rc = lam_batch_tally_delta(&batch->tally, &carry.counts.items[i], err);
    if (!rc)
        tell(&carry);
    close_carry(&carry);
    return rc ? LAM_PASS(err, rc, "carry over what cannot be read again") : 0;
}
