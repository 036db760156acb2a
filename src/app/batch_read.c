/*
 * A split to pieces. A piece ends where its block has piece_bytes, or at the split's end: a function of the bytes, the split and the job, so that
 * every attempt at a split yields the same ones.
 */
#include "batch_job.h"
#include "batch_estimate.h"

#include "reader.h"
#include "base/spill.h"
#include "store/bronze.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE_MIN ((size_t)1 << 20)   /* of a block, answers included; within these a sixty-fourth of batch.memory */
#define PIECE_MAX ((size_t)16 << 20)
#define PIECE_ROWS ((size_t)1 << 18)
#define BLOCK_BYTES ((size_t)1 << 30)  /* a piece ends after the record that passes piece_bytes: one record may be large */
#define ANALYZE_EVERY 64               /* rows between looks at the block's size */

struct lam_batch_reader {
    struct lam_tools *tools;
    struct lam_spill *spill; /* made when it is first asked for in a run */
};

/* One split being read. */
struct reading {
    struct lam_batch_job *batch;
    struct lam_batch_task *task;
    struct lam_refiner *refiner;
    struct lam_block *block;
    struct lam_piece piece;
    size_t piece_bytes, analyzed;
    uint32_t number; /* of the piece */
    struct lam_error *err;
    bool copies; /* this source's bronze is a copy */
    struct lam_batch_sampled sampled; /* size 0: this is no estimate */
    double share;                     /* of the split that was read for it */
};

static int analyze(struct reading *r)
{
    int rc = 0;

    bool models_alone = r->batch->llm && !lam_llm_job_builtin_tasks(r->batch->engine->job);

    if (r->batch->training || models_alone) /* they are answered by the model that is trained on them, or by a language model */
        lam_refiner_defer(r->refiner, r->block, r->analyzed);
    else
        rc = lam_refiner_analyze(r->refiner, r->block, r->analyzed, r->err);
    if (r->batch->llm)
        lam_llm_job_defer(r->block, r->analyzed);
    r->analyzed = lam_block_rows(r->block);
    return rc;
}

static void count_rows(struct reading *r)
{
    for (size_t i = 0; i < lam_block_rows(r->block); i++) {
        uint32_t flags = lam_block_row(r->block, i)->rec.flags;

        r->piece.pending += (flags & LAM_ROW_PENDING) != 0;
        r->piece.no_text += (flags & LAM_ROW_NO_TEXT) != 0;
        r->piece.no_order += (flags & LAM_ROW_NO_ORDER) != 0;
    }
    r->piece.rows = lam_block_rows(r->block);
    for (size_t i = 0; i < lam_block_rejects(r->block); i++) {
        bool filtered = lam_block_reject(r->block, i)->kind == LAM_FILTERED;

        r->piece.filtered += filtered;
        r->piece.quarantined += !filtered;
    }
}

/* For an estimate: bytes read and those that they stand for; the last piece of a split says it for all of it. */
static void note_sampled(struct reading *r)
{
    r->piece.begin = r->piece.last ? (uint64_t)(r->share * (double)r->sampled.size) : 0;
    r->piece.end = r->piece.last ? r->sampled.size : 0;
}

/* Ends the piece before the record at offset end. last: the split's, with what finish told of the file. */
static int emit(struct reading *r, uint64_t end, bool last, const struct lam_files_result *result)
{
    struct lam_buf note;
    int rc = analyze(r);

    if (rc)
        return rc;
    count_rows(r);
    r->piece.end = end;
    r->piece.last = last;
    if (result) {
        r->piece.ended = result->ended;
        r->piece.first_block = result->first_block;
        r->piece.blocks = result->blocks;
        r->piece.block_count = result->block_count;
    }
    if (r->sampled.size)
        note_sampled(r);
    lam_buf_init(&note, LAM_CLAIM_NOTE_MAX);
    if (r->number < lam_batch_first_piece(r->task)) { /* another attempt had this one accepted */
        lam_block_free(r->block);
        r->block = NULL;
    } else if (!(rc = lam_piece_write(&r->piece, &note, r->err))) {
        rc = lam_batch_piece_emit(r->task, r->block, lam_buf_sv(&note), last, r->err);
        r->block = NULL;
    }
    lam_buf_release(&note);
    r->number++;
    r->analyzed = 0;
    r->piece.begin = end;
    r->piece.rows = r->piece.quarantined = r->piece.filtered = r->piece.pending = r->piece.no_text = r->piece.no_order = 0;
    if (!rc && !last && !(r->block = lam_batch_block(r->task, PIECE_ROWS, BLOCK_BYTES)))
        rc = LAM_FAIL(r->err, LAM_E_MEMORY, "no memory for a block");
    return rc;
}

static size_t piece_bytes(uint64_t memory)
{
    uint64_t bytes = memory / 64;

    return bytes < PIECE_MIN ? PIECE_MIN : bytes > PIECE_MAX ? PIECE_MAX : (size_t)bytes;
}

static bool is_full(const struct reading *r)
{
    size_t rows = lam_block_rows(r->block);

    return lam_block_bytes(r->block) + rows * sizeof(struct lam_row) >= r->piece_bytes || rows + 1 >= PIECE_ROWS || lam_block_rejects(r->block) + 1 >= PIECE_ROWS;
}

/* Is this part of the split, in its bytes, as much as an estimate reads of it? */
static bool is_sampled(struct reading *r, double share)
{
    double bytes = share * (double)r->sampled.size;

    if (!r->sampled.size || r->sampled.limit == UINT64_MAX || (bytes < (double)r->sampled.limit && !is_full(r)) || bytes < 1)
        return false;
    r->share = share;
    return true;
}

/* --- files --- */

static struct lam_extract document_settings(const struct lam_extract *settings)
{
    static const struct lam_sv path_key = {"$path", 5};
    struct lam_extract copy = *settings;

    if (copy.key_count == 0) { /* a file that is one document has its path for a key */
        copy.key = &path_key;
        copy.key_count = 1;
    }
    return copy;
}

/* What the job says that the documents of a source are; NULL: name and first bytes decide. */
static const char *media_type_of(enum lam_job_format format)
{
    switch (format) {
    case LAM_JOB_TEXT:
        return "text/plain";
    case LAM_JOB_MARKDOWN:
        return "text/markdown";
    case LAM_JOB_HTML:
        return "text/html";
    case LAM_JOB_JSON:
        return "application/json";
    default:
        return NULL;
    }
}

static int add_item(struct reading *r, struct lam_raw *raw, const struct lam_item *item)
{
    int rc;

    raw->pos.offset = item->offset;
    raw->bytes = item->bytes;
    raw->raw = item->raw;
    if (item->media_type)
        raw->media_type = item->media_type;
    rc = item->kind == LAM_ITEM_RECORD ? lam_refiner_add(r->refiner, raw, r->block, r->err)
                                       : lam_refiner_reject(r->refiner, raw, LAM_QUARANTINED, item->reason, r->block, r->err);
    if (rc || !r->copies)
        return rc;
    return lam_block_add_copy(r->block, &(struct lam_copy){raw->pos, raw->arrival_us, item->raw}, r->err);
}

static int read_items(struct reading *r, const struct lam_split *split, struct lam_files *files)
{
    const struct lam_batch_source *source = &r->batch->sources[split->source];
    const struct lam_extract *settings = lam_engine_extract(r->batch->engine, split->source);
    struct lam_extract as_document = document_settings(settings);
    struct lam_digest partition = lam_hash128(split->path.ptr, split->path.len);
    struct lam_raw raw = {.pos = {.source = source->number, .life = source->life}, .path = split->path, .place = split->path, .arrival_us = r->batch->arrival_us,
                          .mtime_us = split->mtime_ns / 1000, .message_us = INT64_MIN};
    struct lam_files_result result;
    uint64_t first = UINT64_MAX;
    struct lam_item item;
    int rc;

    memcpy(raw.pos.partition, partition.bytes, sizeof raw.pos.partition);
    r->copies = r->batch->engine->job->sources[split->source].bronze == LAM_JOB_BRONZE_COPY;
    raw.document = split->format == LAM_FORMAT_DOCUMENT || split->format == LAM_FORMAT_LINES;
    raw.name = lam_path_unpacked(split->path);
    raw.media_type = media_type_of(r->batch->engine->job->sources[split->source].format);
    raw.settings = raw.document ? &as_document : settings;
    while (!(rc = lam_files_next(files, &item, r->err))) {
        if (first == UINT64_MAX) /* what stands before it belongs to the split before */
            first = item.offset;
        if (is_sampled(r, (double)(lam_files_raw_before(files, item.offset) - lam_files_raw_before(files, first)) / (double)r->sampled.size))
            return emit(r, split->end, true, NULL);
        if (is_full(r) && (rc = emit(r, item.offset, false, NULL)))
            return rc;
        if ((rc = add_item(r, &raw, &item)))
            return rc;
        if (lam_block_rows(r->block) - r->analyzed >= ANALYZE_EVERY && (rc = analyze(r)))
            return rc;
    }
    if (rc != LAM_END || (rc = lam_files_finish(files, &result, r->err)))
        return rc;
    return emit(r, split->end, true, &result);
}

static int read_file(struct reading *r, struct lam_sv bytes)
{
    struct lam_files *files = NULL;
    struct lam_split split;
    int rc = lam_split_decode(bytes, &split, r->err);

    if (rc)
        return rc;
    if (split.source >= r->batch->source_count || r->batch->sources[split.source].stream)
        return LAM_FAIL(r->err, LAM_E_CORRUPT, "a split of source %u, of which there is none", (unsigned)split.source);
    r->piece = (struct lam_piece){.source = r->batch->sources[split.source].number, .life = r->batch->sources[split.source].life, .path = split.path,
                                  .begin = split.begin, .size = split.size, .mtime_ns = split.mtime_ns};
    if (!(rc = lam_files_open(&files, &r->batch->sources[split.source].files, &split, r->err)))
        rc = read_items(r, &split, files);
    lam_files_close(files);
    return rc && rc != LAM_E_CANCELLED ? lam_batch_name_file(split.source, split.path, rc, r->err) : rc;
}

/* The segment that a split names. */
static int find_segment(struct reading *r, struct lam_sv path, const struct lam_state_segment **segment)
{
    char name[LAM_SEGMENT_PATH];

    if (path.len >= sizeof name)
        return LAM_FAIL(r->err, LAM_E_CORRUPT, "a split with a path of %zu bytes", path.len);
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    if (!(*segment = lam_state_segment(r->batch->state, name)))
        return LAM_FAIL(r->err, LAM_E_MEMORY, "%s is not in the log as this rank knows it", name);
    return 0;
}

/* --- streams --- */

static int read_bronze(struct reading *r, struct lam_sv path)
{
    struct lam_batch_job *batch = r->batch;
    size_t stream = batch->source_count - 1;
    const struct lam_extract *settings = lam_engine_extract(batch->engine, stream);
    const struct lam_state_segment *segment;
    char place[LAM_PLACE_MAX];
    struct lam_map *map;
    int rc;

    if ((rc = find_segment(r, path, &segment)))
        return rc;
    r->piece = (struct lam_piece){.source = segment->entry->source, .life = segment->entry->life, .stream = true, .path = path};
    if ((rc = lam_map_cache_get(batch->engine->maps, segment->entry, &map, r->err)))
        return rc;
    rc = lam_map_need(map, LAM_COLUMNS_ALL, r->err);
    for (uint64_t i = 0; !rc && i < lam_map_rows(map) && !is_sampled(r, (double)i / (double)lam_map_rows(map)); i++) {
        struct lam_bronze_row row;
        struct lam_raw raw;

        lam_bronze_get(map, i, &row);
        /* all of it lies below the new cutoff, which is an archive position; an old one too, but a life may have ended within */
        if (!batch->rebuild && lam_cutoff_covers(&batch->state->view.cutoff, &row.pos))
            continue;
        raw = (struct lam_raw){.pos = row.pos, .arrival_us = row.arrival_us, .mtime_us = INT64_MIN, .message_us = row.timestamp_us, .bytes = row.raw,
                               .has_key = row.has_key, .null_value = !row.has_raw, .key = row.key};
        lam_raw_of_message(&raw, settings, batch->engine->job->stream->topic, place);
        rc = lam_refiner_add(r->refiner, &raw, r->block, r->err);
        if (!rc && lam_block_rows(r->block) - r->analyzed >= ANALYZE_EVERY)
            rc = analyze(r);
    }
    if (!rc) {
        r->piece.size = lam_map_rows(map);
        rc = emit(r, lam_map_rows(map), true, NULL);
    }
    lam_map_unref(map);
    return rc;
}

int lam_batch_tools(struct lam_batch_job *batch, unsigned worker, struct lam_tools **tools, struct lam_error *err)
{
    struct lam_batch_reader **reader = &batch->readers[worker];
    int rc = 0;

    if (!*reader) {
        if (!(*reader = calloc(1, sizeof **reader)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a reader");
        if ((rc = lam_tools_new(&(*reader)->tools, batch->engine, LAM_LAYER_BATCH, LAM_DEPTH_DEEP, err))) {
            free(*reader);
            *reader = NULL;
            return rc;
        }
    }
    *tools = (*reader)->tools;
    return 0;
}

int lam_batch_spill(struct lam_batch_job *batch, unsigned worker, struct lam_spill **spill, struct lam_error *err)
{
    struct lam_batch_reader *reader = batch->readers[worker]; /* which has its tools */
    char folder[LAM_PATH_MAX], name[LAM_RUN_ID + 8];
    int rc;

    snprintf(name, sizeof name, "runs/%s", batch->run);
    if (!reader->spill && ((rc = lam_path_join(folder, batch->engine->job->store.path, name, err)) || (rc = lam_spill_new(&reader->spill, batch->engine->fs, folder, err))))
        return rc;
    lam_spill_clear(reader->spill);
    *spill = reader->spill;
    return 0;
}

void lam_batch_spills_free(struct lam_batch_job *batch)
{
    for (unsigned i = 0; batch->readers && i < batch->reader_count; i++)
        if (batch->readers[i]) {
            lam_spill_free(batch->readers[i]->spill);
            batch->readers[i]->spill = NULL;
        }
}

/* --- rows that are owed an answer --- */

static int read_pending(struct reading *r, struct lam_sv path)
{
    struct lam_batch_job *batch = r->batch;
    const struct lam_state_segment *segment;
    struct lam_batch_owed owed = {0};
    int rc;

    if ((rc = find_segment(r, path, &segment)))
        return rc;
    r->piece = (struct lam_piece){.stream = true, .again = true, .path = path};
    for (size_t i = 0; i < batch->source_count && !r->piece.source; i++) { /* its rows have theirs; this is one that the job has */
        r->piece.source = batch->sources[i].number;
        r->piece.life = batch->sources[i].life;
    }
    rc = lam_batch_owed_open(batch, segment, &owed, r->err);
    if (!rc)
        rc = lam_map_need(owed.map, LAM_COLUMNS_ALL, r->err);
    for (uint64_t i = 0; !rc && i < lam_map_rows(owed.map) && !is_sampled(r, (double)i / (double)lam_map_rows(owed.map)); i++) {
        struct lam_row row;

        if (!lam_batch_owed_at(&owed, i))
            continue;
        if (is_full(r) && (rc = emit(r, i, false, NULL)))
            break;
        lam_rows_get(owed.map, i, LAM_COLUMNS_ALL, &row);
        rc = lam_block_add_row(r->block, &row, r->err);
        if (!rc && lam_block_rows(r->block) - r->analyzed >= ANALYZE_EVERY)
            rc = analyze(r);
    }
    if (!rc) {
        r->piece.size = lam_map_rows(owed.map);
        rc = emit(r, lam_map_rows(owed.map), true, NULL);
    }
    lam_batch_owed_close(&owed);
    return rc;
}

int lam_batch_read(void *arg, unsigned worker, struct lam_batch_task *task, struct lam_sv split, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct reading r = {.batch = batch, .task = task, .err = err, .share = 1};
    struct lam_tools *tools = NULL;
    int rc = lam_batch_tools(batch, worker, &tools, err);

    if (rc || (rc = lam_tools_use(tools, batch->trained, err)))
        return rc;
    r.refiner = lam_tools_refiner(tools);
    lam_batch_estimate_split(&split, &r.sampled);
    r.piece_bytes = piece_bytes(batch->engine->job->batch.memory);
    if (split.len < 1 || !(r.block = lam_batch_block(task, PIECE_ROWS, BLOCK_BYTES)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a block");
    if (split.ptr[0] == 'F')
        rc = read_file(&r, lam_sv(split.ptr + 1, split.len - 1));
    else if (split.ptr[0] == 'P')
        rc = read_pending(&r, lam_sv(split.ptr + 1, split.len - 1));
    else
        rc = read_bronze(&r, lam_sv(split.ptr + 1, split.len - 1));
    lam_block_free(r.block);
    return rc;
}

void lam_batch_readers_free(struct lam_batch_job *batch)
{
    lam_batch_spills_free(batch);
    for (unsigned i = 0; batch->readers && i < batch->reader_count; i++)
        if (batch->readers[i]) {
            lam_tools_free(batch->readers[i]->tools);
            free(batch->readers[i]);
        }
    free(batch->readers);
    batch->readers = NULL;
}
