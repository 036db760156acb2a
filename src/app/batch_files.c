/*
 * The coordinator's table of files: what a scan found, what of it was read, and what the next scan will compare with.
 *
 * Three threads meet here, under one lock: the lister adds files and cuts them, the main thread adds accepted pieces, the storage thread reads it all
 * when the others are done. One file costs about 200 bytes and 16 for each MiB of it.
 *
 *     listed ──pieces──> whole (its last split's last piece is in, and none failed)
 *       └── changed while it was read ──> listed again, with its new size and mtime; what was read of it before no longer holds
 */
#include "batch_job.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "base/dict.h"

#define FILES_MAX ((size_t)64 << 20)
#define PATHS_MAX ((size_t)16 << 30)
#define RELISTS_MAX 5 /* of one file that never stands still */

struct file {
    uint32_t source; /* index into the job's sources */
    enum lam_file_state state;
    enum lam_format format;
    char *path;
    size_t path_len;
    uint64_t size;
    int64_t mtime_ns;
    struct lam_digest digest; /* of an unchanged one */
    struct lam_digest *blocks;
    size_t block_count;
    uint64_t rows, splits, splits_done;
    uint32_t life;
    bool ended, failed;
    bool restless, lost; /* it changed while it was read; and another look has not found it yet */
    unsigned relists;
};

struct lam_batch_files {
    pthread_mutex_t lock;
    struct lam_dict by_path; /* source and path to index */
    struct file *files;
    size_t count, cap;
    bool *news;  /* by source: something is not as the manifest has it */
    size_t news_count;
    bool relist; /* some file is restless */
    uint64_t emitted;
};

struct lam_batch_files *lam_batch_files_new(void)
{
    struct lam_batch_files *files = calloc(1, sizeof *files);

    if (files) {
        pthread_mutex_init(&files->lock, NULL);
        lam_dict_init(&files->by_path, FILES_MAX, PATHS_MAX);
    }
    return files;
}

void lam_batch_files_free(struct lam_batch_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].path);
        free(files->files[i].blocks);
    }
    free(files->files);
    free(files->news);
    lam_dict_release(&files->by_path);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

/* Under the lock. The file of this name, or NULL. */
static struct file *find(const struct lam_batch_files *files, uint32_t source, struct lam_sv path)
{
    char key[4 + LAM_PATH_MAX];
    uint64_t *index;

    if (path.len > LAM_PATH_MAX)
        return NULL;
    memcpy(key, &source, 4);
    memcpy(key + 4, path.ptr, path.len);
    index = lam_dict_find(&files->by_path, lam_sv(key, 4 + path.len));
    return index ? &files->files[*index] : NULL;
}

static int add(struct lam_batch_files *files, uint32_t source, struct lam_sv path, struct file **file, struct lam_error *err)
{
    char key[4 + LAM_PATH_MAX];
    uint64_t *index;
    bool added;
    int rc;

    if (path.len > LAM_PATH_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "a path of %zu bytes", path.len);
    memcpy(key, &source, 4);
    memcpy(key + 4, path.ptr, path.len);
    if ((rc = lam_dict_add(&files->by_path, lam_sv(key, 4 + path.len), &index, &added, err)))
        return rc;
    if (!added) {
        *file = &files->files[*index];
        return 0;
    }
    if (files->count == files->cap) {
        size_t cap = files->cap ? 2 * files->cap : 256;
        struct file *grown = realloc(files->files, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu files", cap);
        files->files = grown;
        files->cap = cap;
    }
    *index = files->count;
    *file = &files->files[files->count++];
    **file = (struct file){.source = source, .path_len = path.len, .path = malloc(path.len + 1)};
    if (!(*file)->path)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a path");
    memcpy((*file)->path, path.ptr, path.len);
    (*file)->path[path.len] = '\0';
    return 0;
}

static int put_blocks(struct file *file, uint64_t first, const struct lam_digest *blocks, size_t count, struct lam_error *err)
{
    size_t need = (size_t)first + count;

    if (need > file->block_count) {
        struct lam_digest *grown = realloc(file->blocks, need * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for digests");
        memset(grown + file->block_count, 0, (need - file->block_count) * sizeof *grown);
        file->blocks = grown;
        file->block_count = need;
    }
    if (count)
        memcpy(file->blocks + first, blocks, count * sizeof *blocks);
    return 0;
}

/* --- what the scan before knew --- */

struct stamps {
    struct lam_map *map;
    struct lam_file_stamp *items;
    uint32_t *lives;
    size_t count;
    int64_t began_ns;
};

static void stamps_release(struct stamps *stamps)
{
    lam_map_unref(stamps->map);
    free(stamps->items);
    free(stamps->lives);
    *stamps = (struct stamps){0};
}

/* The manifest of a source's last complete scan; none where there is none, or the view is made anew. */
static int load_stamps(struct lam_batch_job *batch, uint32_t number, struct stamps *stamps, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc;

    *stamps = (struct stamps){0};
    for (size_t at = 0; !batch->rebuild && (segment = lam_state_next(batch->state, LAM_SEGMENT_MANIFEST, &at));) {
        if (segment->entry->source != number)
            continue;
        if ((rc = lam_map_cache_get(batch->engine->maps, segment->entry, &stamps->map, err)) || (rc = lam_map_need(stamps->map, LAM_COLUMNS_ALL, err)))
            return rc;
        stamps->count = lam_map_rows(stamps->map);
        stamps->items = calloc(stamps->count + 1, sizeof *stamps->items);
        stamps->lives = calloc(stamps->count + 1, sizeof *stamps->lives);
        if (!stamps->items || !stamps->lives)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu files", stamps->count);
        for (size_t i = 0; i < stamps->count; i++) {
            struct lam_manifest_row row;

            lam_manifest_get(stamps->map, i, &row);
            stamps->items[i] = (struct lam_file_stamp){row.path, row.size, row.mtime_ns, row.digest, row.ended, row.rows};
            stamps->lives[i] = row.life;
        }
        const struct lam_state_life *life = lam_state_life(batch->state, number, segment->entry->life);

        stamps->began_ns = life ? life->opened_us * 1000 : 0;
        return 0;
    }
    return 0;
}

/* --- listing --- */

static int by_begin(const void *a, const void *b)
{
    const struct lam_range *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Ranges of this file that adopted groups hold. Sorted; of a packed file only those that follow each other from 0 on. */
static int adopted_ranges(struct lam_batch_job *batch, uint32_t source, const struct lam_scan_file *file, struct lam_range **ranges, size_t *count, struct lam_error *err)
{
    size_t cap = 0;

    *ranges = NULL;
    *count = 0;
    for (size_t g = 0; g < batch->adopted.count; g++)
        for (size_t p = 0; p < batch->adopted.groups[g].piece_count; p++) {
            const struct lam_piece *piece = &batch->adopted.groups[g].pieces[p];

            if (piece->stream || piece->source != batch->sources[source].number || piece->life != batch->sources[source].life ||
                piece->size != file->size || piece->mtime_ns != file->mtime_ns || !lam_sv_eq(piece->path, file->path))
                continue;
            if (*count == cap) {
                size_t more = cap ? 2 * cap : 8;
                struct lam_range *grown = realloc(*ranges, more * sizeof *grown);

                if (!grown)
                    return LAM_FAIL(err, LAM_E_MEMORY, "no memory for adopted ranges");
                *ranges = grown;
                cap = more;
            }
            (*ranges)[(*count)++] = (struct lam_range){piece->begin, piece->end};
        }
    if (*count)
        qsort(*ranges, *count, sizeof **ranges, by_begin);
    if (file->pack != LAM_PACK_NONE) {
        size_t keep = 0;
        uint64_t reached = 0;

        while (keep < *count && (*ranges)[keep].begin == reached)
            reached = (*ranges)[keep++].end;
        *count = keep;
    }
    return 0;
}

/* Pieces of a packed file that were adopted but do not follow from its start are read again: what was staged of them must not count. */
static void note_adopted(struct lam_batch_job *batch, struct file *file, const struct lam_range *ranges, size_t count, struct lam_error *err)
{
    for (size_t g = 0; g < batch->adopted.count; g++)
        for (size_t p = 0; p < batch->adopted.groups[g].piece_count; p++) {
            struct lam_piece *piece = &batch->adopted.groups[g].pieces[p];
            bool kept = false;

            if (piece->stream || piece->source != batch->sources[file->source].number || !lam_sv_eq(piece->path, lam_sv(file->path, file->path_len)) ||
                piece->size != file->size || piece->mtime_ns != file->mtime_ns || piece->life != batch->sources[file->source].life)
                continue;
            for (size_t r = 0; r < count; r++)
                kept = kept || (ranges[r].begin == piece->begin && ranges[r].end == piece->end);
            if (!kept) {
                piece->mtime_ns = INT64_MIN; /* holds for no file any more */
                continue;
            }
            file->rows += piece->rows;
            if (piece->last) {
                put_blocks(file, piece->first_block, piece->blocks, piece->block_count, err);
                if (piece->ended)
                    file->ended = true;
            }
            batch->report.adopted++;
        }
}

static int emit_splits(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, const struct lam_scan_file *found, struct lam_error *err)
{
    struct lam_batch_files *files = batch->files;
    struct lam_cutter *cutter = NULL;
    struct lam_range *ranges = NULL;
    struct lam_split split;
    struct lam_buf payload;
    struct file *file;
    size_t count = 0;
    int rc = adopted_ranges(batch, source, found, &ranges, &count, err);

    lam_buf_init(&payload, LAM_PATH_MAX + 256);
    if (!rc) {
        pthread_mutex_lock(&files->lock);
        file = find(files, source, found->path);
        note_adopted(batch, file, ranges, count, err);
        if (found->state == LAM_FILE_GROWN) {
            rc = put_blocks(file, 0, found->blocks, found->block_count, err);
            file->rows += found->before->rows;
        }
        pthread_mutex_unlock(&files->lock);
    }
    if (!rc)
        rc = lam_cutter_open(&cutter, &batch->sources[source].files, source, found, batch->engine->job->batch.split, ranges, count, err);
    while (!rc && !(rc = lam_cutter_next(cutter, &split, err))) {
        lam_buf_clear(&payload);
        if ((rc = lam_buf_add(&payload, "F", 1, err)) || (rc = lam_split_encode(&split, &payload, err)))
            break;
        pthread_mutex_lock(&files->lock);
        find(files, source, found->path)->splits++;
        files->emitted++;
        pthread_mutex_unlock(&files->lock);
        rc = lam_batch_emit(lister, split.end == LAM_SPLIT_OPEN ? found->size : split.end - split.begin, lam_buf_sv(&payload), err);
    }
    lam_cutter_close(cutter);
    lam_buf_release(&payload);
    free(ranges);
    return rc == LAM_END ? 0 : rc;
}

/* Upsert: are the keys of files that are no longer there to be deleted? */
static bool deletes(const struct lam_batch_job *batch, size_t source)
{
    const struct lam_job *job = batch->engine->job;

    return job->dataset.kind == LAM_JOB_UPSERT && source < job->source_count && job->sources[source].on_missing == LAM_JOB_MISSING_DELETE;
}

/* Enters what the scan found of one file. What is to be read is cut and emitted. */
static int take_file(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, const struct lam_scan_file *found, const struct stamps *stamps,
                     struct lam_error *err)
{
    struct lam_batch_files *files = batch->files;
    bool read = found->state == LAM_FILE_NEW || found->state == LAM_FILE_CHANGED || found->state == LAM_FILE_GROWN;
    struct file *file = NULL;
    int rc;

    pthread_mutex_lock(&files->lock);
    rc = add(files, source, found->path, &file, err);
    if (!rc) {
        unsigned relists = file->relists;
        char *path = file->path;

        free(file->blocks);
        *file = (struct file){.source = source, .state = found->state, .format = found->format, .path = path, .path_len = found->path.len, .size = found->size,
                              .mtime_ns = found->mtime_ns, .relists = relists, .life = batch->sources[source].life};
        if (found->before && !read) {
            file->digest = found->before->digest;
            file->ended = found->before->ended;
            file->rows = found->before->rows;
            file->size = found->before->size;
            file->life = stamps->lives[found->before - stamps->items];
            if (found->state != LAM_FILE_UNCHANGED) /* kept, gone, unreadable: as it was, until more is known */
                file->mtime_ns = found->before->mtime_ns;
        }
        if (read || (found->before && found->before->mtime_ns != file->mtime_ns) || (found->state == LAM_FILE_VANISHED && deletes(batch, source)))
            files->news[source] = true;
        batch->report.files += read;
        batch->report.files_unchanged += found->state == LAM_FILE_UNCHANGED;
        if (found->state == LAM_FILE_UNREADABLE) {
            file->failed = true;
            batch->report.files_failed++;
            if (!batch->report.first_failure.code)
                batch->report.first_failure = found->error;
        }
    }
    pthread_mutex_unlock(&files->lock);
    if (!rc && found->state == LAM_FILE_UNREADABLE)
        lam_log_warn(&batch->engine->log, "batch", "%s", found->error.text);
    if (rc || !read)
        return rc;
    rc = emit_splits(batch, lister, source, found, err);
    if (rc && lam_error_class(rc) != LAM_CLASS_STOP && rc != LAM_E_CANCELLED) { /* this file only */
        struct lam_error why = *err;

        pthread_mutex_lock(&files->lock);
        file = find(files, source, found->path);
        if (rc == LAM_E_CONFLICT && file->relists < RELISTS_MAX)
            file->restless = files->relist = true;
        else {
            file->failed = true;
            batch->report.files_failed++;
            if (!batch->report.first_failure.code)
                batch->report.first_failure = why;
        }
        pthread_mutex_unlock(&files->lock);
        lam_log_warn(&batch->engine->log, "batch", "%s", why.text);
        return 0;
    }
    return rc;
}

/* Files that changed while they were read are looked for again. */
static void look_again(struct lam_batch_files *files, uint32_t source)
{
    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->count; i++)
        if (files->files[i].source == source && files->files[i].restless)
            files->files[i].lost = true;
    pthread_mutex_unlock(&files->lock);
}

/* Files that changed while they were read, and that another look did not find: what was read of them is not all of them. */
static void fail_lost(struct lam_batch_job *batch, uint32_t source)
{
    struct lam_batch_files *files = batch->files;

    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->count; i++) {
        struct file *file = &files->files[i];

        if (file->source != source || !file->lost)
            continue;
        file->failed = true;
        file->lost = file->restless = false;
        batch->report.files_failed++;
        lam_log_warn(&batch->engine->log, "batch", "source %" PRIu32 ": %s: it was removed while it was read", source, file->path);
    }
    pthread_mutex_unlock(&files->lock);
}

static int list_corpus(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, bool again, struct lam_error *err)
{
    const struct lam_job_source *given = &batch->engine->job->sources[source];
    struct lam_scan_options options = {.path = given->path, .max_files = given->max_files, .began_ns = lam_wall_us(batch->engine->clock) * 1000};
    struct stamps stamps;
    struct lam_scan *scan = NULL;
    struct lam_scan_file found;
    int rc = load_stamps(batch, batch->sources[source].number, &stamps, err);

    options.format = given->format == LAM_JOB_AUTO ? LAM_FORMAT_AUTO : given->format == LAM_JOB_JSONL ? LAM_FORMAT_JSONL : given->format == LAM_JOB_CSV ? LAM_FORMAT_CSV
                     : given->format == LAM_JOB_LINES ? LAM_FORMAT_LINES : LAM_FORMAT_DOCUMENT;
    options.before_began_ns = stamps.began_ns;
    if (again)
        look_again(batch->files, source);
    if (!rc)
        rc = lam_scan_open(&scan, &options, stamps.items, stamps.count, err);
    while (!rc && !(rc = lam_scan_next(scan, &found, err))) {
        if (again) {
            struct file *file;
            bool lost;

            pthread_mutex_lock(&batch->files->lock);
            file = find(batch->files, source, found.path);
            lost = file && file->lost;
            if (lost)
                file->relists++;
            pthread_mutex_unlock(&batch->files->lock);
            if (!lost)
                continue;
        }
        if ((rc = take_file(batch, lister, source, &found, &stamps, err)))
            break;
    }
    lam_scan_close(scan);
    stamps_release(&stamps);
    if (rc == LAM_END && again)
        fail_lost(batch, source);
    return rc == LAM_END ? 0 : rc;
}

/* The bronze segments between the old cutoff and the new one, each a split. */
static int list_stream(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc;

    for (size_t at = 0; (segment = lam_state_next(batch->state, LAM_SEGMENT_BRONZE_STREAM, &at));) {
        const struct lam_segment_entry *entry = segment->entry;
        bool news = batch->rebuild, adopted = false;
        struct lam_buf payload;

        if (entry->source != batch->sources[source].number)
            continue;
        for (uint32_t i = 0; !news && i < entry->offset_count; i++)
            news = entry->offsets[i].end > lam_cutoff_next(&batch->state->view.cutoff, entry->source, entry->life, entry->offsets[i].partition);
        if (!news)
            continue;
        batch->files->news[source] = true;
        for (size_t g = 0; g < batch->adopted.count; g++)
            for (size_t p = 0; p < batch->adopted.groups[g].piece_count; p++)
                adopted = adopted || (batch->adopted.groups[g].pieces[p].stream && lam_sv_eq(batch->adopted.groups[g].pieces[p].path, lam_sv_of(entry->path)));
        if (adopted) {
            batch->report.adopted++;
            continue;
        }
        lam_buf_init(&payload, LAM_SEGMENT_PATH + 16);
        rc = lam_buf_addf(&payload, err, "B%s", entry->path);
        if (!rc)
            rc = lam_batch_emit(lister, entry->bytes, lam_buf_sv(&payload), err);
        batch->files->emitted++;
        lam_buf_release(&payload);
        if (rc)
            return rc;
    }
    return 0;
}

int lam_batch_list(void *arg, struct lam_batch_lister *lister, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    bool again = batch->files->relist;
    int rc = 0;

    batch->files->relist = false;
    if (!batch->files->news && !(batch->files->news = calloc(batch->source_count + 1, sizeof *batch->files->news)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for sources");
    batch->files->news_count = batch->source_count;
    for (size_t i = 0; !rc && i < batch->source_count; i++) {
        if (!batch->sources[i].number)
            continue;
        if (!batch->sources[i].stream)
            rc = list_corpus(batch, lister, (uint32_t)i, again, err);
        else if (!again)
            rc = list_stream(batch, lister, (uint32_t)i, err);
    }
    return rc;
}

/* --- what comes back --- */

static size_t source_index(const struct lam_batch_job *batch, uint32_t number)
{
    for (size_t i = 0; i < batch->source_count; i++)
        if (batch->sources[i].number == number)
            return i;
    return batch->source_count;
}

void lam_batch_accepted(void *arg, int rank, struct lam_sv note)
{
    struct lam_batch_job *batch = arg;
    struct lam_batch_files *files = batch->files;
    struct lam_piece piece;
    struct lam_error err;
    struct file *file;

    (void)rank;
    if (lam_piece_read(note, &piece, &err)) {
        lam_log_error(&batch->engine->log, "batch", "%s", err.text);
        return;
    }
    pthread_mutex_lock(&files->lock);
    file = piece.stream ? NULL : find(files, (uint32_t)source_index(batch, piece.source), piece.path);
    if (file && file->size == piece.size && file->mtime_ns == piece.mtime_ns) {
        file->rows += piece.rows + piece.quarantined + piece.filtered;
        file->splits_done += piece.last;
        if (piece.last)
            put_blocks(file, piece.first_block, piece.blocks, piece.block_count, &err);
        if (piece.last && piece.ended)
            file->ended = true;
    }
    pthread_mutex_unlock(&files->lock);
    batch->report.splits += piece.last;
    lam_piece_release(&piece);
}

/* The worker's error begins with "source N: PATH: ", which its reader put there. */
void lam_batch_failed(void *arg, uint64_t split, const struct lam_error *why)
{
    struct lam_batch_job *batch = arg;
    struct lam_batch_files *files = batch->files;
    const char *text = why->text, *path;
    unsigned long source = strncmp(text, "source ", 7) ? ULONG_MAX : strtoul(text + 7, (char **)(uintptr_t)&path, 10);
    struct file *file = NULL;
    const char *end;

    (void)split;
    pthread_mutex_lock(&files->lock);
    if (source < batch->source_count && !strncmp(path, ": ", 2))
        for (end = path + 2; !file && (end = strstr(end, ": ")); end++)
            file = find(files, (uint32_t)source, lam_sv(path + 2, (size_t)(end - path - 2)));
    if (file && why->code == LAM_E_CONFLICT && file->relists < RELISTS_MAX) {
        file->restless = files->relist = true;
    } else {
        if (file && !file->failed) {
            file->failed = true;
            batch->report.files_failed++;
        }
        if (!batch->report.first_failure.code)
            batch->report.first_failure = *why;
    }
    pthread_mutex_unlock(&files->lock);
    lam_log_warn(&batch->engine->log, "batch", "%s", text);
}

bool lam_batch_again(void *arg)
{
    struct lam_batch_job *batch = arg;

    return batch->files->relist;
}

bool lam_batch_piece_holds(struct lam_batch_job *batch, const struct lam_piece *piece)
{
    size_t source = source_index(batch, piece->source);
    const struct file *file;

    if (source == batch->source_count)
        return false;
    if (piece->stream)
        return true;
    file = find(batch->files, (uint32_t)source, piece->path);
    return file && !file->failed && (file->state == LAM_FILE_NEW || file->state == LAM_FILE_CHANGED || file->state == LAM_FILE_GROWN) &&
           piece->life == file->life && piece->size == file->size && piece->mtime_ns == file->mtime_ns;
}

int lam_batch_changed(struct lam_batch_job *batch, int (*each)(void *arg, uint32_t source, const struct lam_digest *partition), void *arg, struct lam_error *err)
{
    (void)err;
    for (size_t i = 0; i < batch->files->count; i++) {
        const struct file *file = &batch->files->files[i];
        struct lam_digest partition;
        int rc;

        if (file->state != LAM_FILE_CHANGED || file->failed)
            continue;
        partition = lam_hash128(file->path, file->path_len);
        if ((rc = each(arg, batch->sources[file->source].number, &partition)))
            return rc;
    }
    return 0;
}

int lam_batch_missing(struct lam_batch_job *batch, int (*each)(void *arg, uint32_t source, struct lam_sv path, struct lam_error *err), void *arg,
                      struct lam_error *err)
{
    for (size_t i = 0; i < batch->files->count; i++) {
        const struct file *file = &batch->files->files[i];
        int rc;

        if (file->failed || (file->state != LAM_FILE_CHANGED && file->state != LAM_FILE_VANISHED) || !deletes(batch, file->source))
            continue;
        if ((rc = each(arg, batch->sources[file->source].number, lam_sv(file->path, file->path_len), err)))
            return rc;
    }
    return 0;
}

bool lam_batch_files_news(const struct lam_batch_files *files, size_t source) { return files->news && files->news[source]; }

static int by_path(const void *a, const void *b) { return lam_sv_cmp(((const struct lam_manifest_row *)a)->path, ((const struct lam_manifest_row *)b)->path); }

int lam_batch_write_manifest(struct lam_batch_job *batch, size_t source, struct lam_segment_entry *entry, struct lam_error *err)
{
    const struct lam_batch_files *files = batch->files;
    struct lam_manifest_row *rows = calloc(files->count + 1, sizeof *rows);
    char path[LAM_SEGMENT_PATH];
    struct stamps stamps;
    size_t count = 0;
    int rc;

    if (!rows)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a manifest");
    rc = load_stamps(batch, batch->sources[source].number, &stamps, err);
    for (size_t i = 0; !rc && i < files->count; i++) {
        const struct file *file = &files->files[i];
        bool read = file->state == LAM_FILE_NEW || file->state == LAM_FILE_CHANGED || file->state == LAM_FILE_GROWN;
        struct lam_manifest_row *row = &rows[count];
        struct lam_digest partition = lam_hash128(file->path, file->path_len);

        if (file->source != source || (file->state == LAM_FILE_VANISHED && !file->failed && deletes(batch, source))) /* should it come back, it is new */
            continue;
        if (file->failed) { /* to the next scan it is what it was before this one: the view's rows of it still are those */
            count += stamps.map && !lam_manifest_find(stamps.map, lam_sv(file->path, file->path_len), row);
            continue;
        }
        *row = (struct lam_manifest_row){.path = lam_sv(file->path, file->path_len), .size = file->size, .mtime_ns = file->mtime_ns, .ended = file->ended,
                                         .rows = file->rows, .life = file->life};
        memcpy(row->partition, partition.bytes, sizeof row->partition);
        row->digest = read ? lam_digest_of_blocks(file->blocks, file->block_count) : file->digest;
        count++;
    }
    qsort(rows, count, sizeof *rows, by_path);
    if (!rc && !(rc = lam_namer_next(&batch->namer, LAM_SEGMENT_MANIFEST, path, err))) {
        const struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, path, LAM_SEGMENT_MANIFEST};

        rc = lam_manifest_write(&target, rows, count, entry, err);
        entry->source = batch->sources[source].number;
        entry->life = batch->sources[source].life;
    }
    free(rows);
    stamps_release(&stamps);
    return rc;
}
