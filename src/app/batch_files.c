/*
 * The coordinator's table of files: what a scan found, what of it was read, and what the next scan will compare with.
 *
 * Three threads meet here, under one lock: the lister adds files and cuts them, the main thread adds accepted pieces, the storage thread reads it all
 * when the others are done. One file costs about 200 bytes and 16 for each MiB of it.
 *
 *     listed ──pieces──> whole (its last split's last piece is in, and none failed)
 *       └── changed while it was read ──> listed again, with its new size and mtime; what was read of it before no longer holds
 */
#include "batch_table.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX ((size_t)64 << 20)
#define PATH_SHOWN 300 /* bytes of a path in an error */
#define PATHS_MAX ((size_t)16 << 30)

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
    lam_dict_release(&files->by_path);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

struct lam_batch_file *lam_batch_files_find(const struct lam_batch_files *files, uint32_t source, struct lam_sv path)
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

int lam_batch_files_add(struct lam_batch_files *files, uint32_t source, struct lam_sv path, struct lam_batch_file **file, struct lam_error *err)
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
        struct lam_batch_file *grown = realloc(files->files, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu files", cap);
        files->files = grown;
        files->cap = cap;
    }
    *index = files->count;
    *file = &files->files[files->count++];
    **file = (struct lam_batch_file){.source = source, .path_len = path.len, .path = malloc(path.len + 1)};
    if (!(*file)->path)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a path");
    memcpy((*file)->path, path.ptr, path.len);
    (*file)->path[path.len] = '\0';
    return 0;
}

int lam_batch_file_put_blocks(struct lam_batch_file *file, uint64_t first, const struct lam_digest *blocks, size_t count, struct lam_error *err)
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

bool lam_batch_deletes(const struct lam_batch_job *batch, size_t source)
{
    const struct lam_job *job = batch->engine->job;

    return job->dataset.kind == LAM_JOB_UPSERT && source < job->source_count && job->sources[source].on_missing == LAM_JOB_MISSING_DELETE;
}

/* --- what comes back --- */

size_t lam_batch_source_at(const struct lam_batch_job *batch, uint32_t number)
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
    struct lam_batch_file *file;

    if (lam_piece_read(note, &piece, &err)) {
        lam_log_error(&batch->engine->log, "batch", "%s", err.text);
        return;
    }
    pthread_mutex_lock(&files->lock);
    file = piece.stream ? NULL : lam_batch_files_find(files, (uint32_t)lam_batch_source_at(batch, piece.source), piece.path);
    if (file && file->size == piece.size && file->mtime_ns == piece.mtime_ns) {
        file->rows += piece.rows + piece.quarantined + piece.filtered;
        file->splits_done += piece.last;
        if (piece.last)
            lam_batch_file_put_blocks(file, piece.first_block, piece.blocks, piece.block_count, &err);
        if (piece.last && piece.ended)
            file->ended = true;
    }
    pthread_mutex_unlock(&files->lock);
    batch->report.splits += piece.last;
    if (batch->engine->ranks)
        batch->engine->ranks[rank].documents += piece.rows + piece.quarantined + piece.filtered;
    lam_piece_release(&piece);
}

/* "source N: PATH: why". Of a long path only the beginning fits, and its digest tells which it is: "source N: #DIGEST BEGINNING…: why". */
int lam_batch_name_file(uint32_t source, struct lam_sv path, int rc, struct lam_error *err)
{
    char hex[LAM_DIGEST_HEX];

    if (path.len <= PATH_SHOWN)
        return LAM_PASS(err, rc, "source %" PRIu32 ": %.*s", source, LAM_SV_ARG(path));
    lam_digest_hex(lam_hash128(path.ptr, path.len), hex);
    return LAM_PASS(err, rc, "source %" PRIu32 ": #%s %.*s…", source, hex, LAM_SV_ARG(lam_utf8_cut(path, PATH_SHOWN - LAM_DIGEST_HEX)));
}

static struct lam_batch_file *find_by_digest(struct lam_batch_files *files, uint32_t source, struct lam_sv hex)
{
    struct lam_digest digest, found;

    if (!lam_digest_parse(hex, &digest))
        return NULL;
    for (size_t i = 0; i < files->count; i++) {
        if (files->files[i].source != source)
            continue;
        found = lam_hash128(files->files[i].path, files->files[i].path_len);
        if (!memcmp(found.bytes, digest.bytes, sizeof digest.bytes))
            return &files->files[i];
    }
    return NULL;
}

/* Which file lam_batch_name_file has named. *named: one was. */
static struct lam_batch_file *named_file(const struct lam_batch_job *batch, const char *text, bool *named)
{
    const char *path = text;
    unsigned long source = strncmp(text, "source ", 7) ? ULONG_MAX : strtoul(text + 7, (char **)(uintptr_t)&path, 10);
    struct lam_batch_file *file = NULL;

    *named = source < batch->source_count && !strncmp(path, ": ", 2);
    if (!*named)
        return NULL;
    path += 2;
    for (const char *end = path; !file && (end = strstr(end, ": ")); end++)
        file = lam_batch_files_find(batch->files, (uint32_t)source, lam_sv(path, (size_t)(end - path)));
    if (!file && path[0] == '#' && strlen(path) >= LAM_DIGEST_HEX)
        file = find_by_digest(batch->files, (uint32_t)source, lam_sv(path + 1, LAM_DIGEST_HEX - 1));
    return file;
}

void lam_batch_file_fail(struct lam_batch_job *batch, struct lam_batch_file *file, const struct lam_error *why)
{
    batch->report.files_failed += !file->failed;
    file->failed = true;
    if (!batch->report.first_failure.code)
        lam_batch_show_failure(batch, why, &batch->report.first_failure);
}

void lam_batch_show_failure(const struct lam_batch_job *batch, const struct lam_error *why, struct lam_error *shown)
{
    unsigned long source;
    int len = 0;

    if (sscanf(why->text, "source %lu%n", &source, &len) == 1 && why->text[len] == ':' && source < batch->engine->job->source_count)
        LAM_FAIL(shown, why->code, "source %s%s", batch->engine->job->sources[source].name, why->text + len);
    else
        *shown = *why;
}

/* A file is left out, said, and new to the next scan. What the store itself holds is in no other place: a view without it would let go of it. */
int lam_batch_failed(void *arg, uint64_t split, const struct lam_error *why, struct lam_error *err)
{
    struct lam_batch_job *batch = arg;
    struct lam_batch_files *files = batch->files;
    struct lam_batch_file *file;
    struct lam_error shown;
    bool named;

    (void)split;
    pthread_mutex_lock(&files->lock);
    file = named_file(batch, why->text, &named);
    if (file && why->code == LAM_E_CONFLICT && file->relists < LAM_BATCH_RELISTS) {
        file->restless = files->relist = true;
    } else {
        if (file)
            lam_batch_file_fail(batch, file, why);
    }
    pthread_mutex_unlock(&files->lock);
    if (!named && !batch->estimate) {
        *err = *why;
        return LAM_PASS(err, why->code, "what the store holds cannot be read, and no view is made without it");
    }
    lam_batch_show_failure(batch, why, &shown);
    lam_log_warn(&batch->engine->log, "batch", "%s", shown.text);
    return 0;
}

bool lam_batch_again(void *arg)
{
    struct lam_batch_job *batch = arg;

    return batch->files->relist && !batch->estimate;
}

bool lam_batch_file_is_read(const struct lam_batch_file *file)
{
    return !file->failed && (file->state == LAM_FILE_NEW || file->state == LAM_FILE_CHANGED || file->state == LAM_FILE_GROWN);
}

bool lam_batch_piece_holds(struct lam_batch_job *batch, const struct lam_piece *piece)
{
    size_t source = lam_batch_source_at(batch, piece->source);
    const struct lam_batch_file *file;

    if (source == batch->source_count)
        return false;
    if (piece->stream)
        return piece->mtime_ns != INT64_MIN; /* dropped: lam_batch_list_pending */
    file = lam_batch_files_find(batch->files, (uint32_t)source, piece->path);
    return file && lam_batch_file_is_read(file) && piece->life == file->life && piece->size == file->size && piece->mtime_ns == file->mtime_ns;
}

int lam_batch_changed(struct lam_batch_job *batch, int (*each)(void *arg, uint32_t source, const struct lam_digest *partition), void *arg, struct lam_error *err)
{
    (void)err;
    for (size_t i = 0; i < batch->files->count; i++) {
        const struct lam_batch_file *file = &batch->files->files[i];
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
        const struct lam_batch_file *file = &batch->files->files[i];
        int rc;

        if (file->failed || (file->state != LAM_FILE_CHANGED && file->state != LAM_FILE_VANISHED) || !lam_batch_deletes(batch, file->source))
            continue;
        if ((rc = each(arg, batch->sources[file->source].number, lam_sv(file->path, file->path_len), err)))
            return rc;
    }
    return 0;
}

bool lam_batch_any_file(const struct lam_batch_files *files)
{
    bool any = false;

    for (size_t i = 0; files && !any && i < files->count; i++)
        any = !files->files[i].failed && files->files[i].state != LAM_FILE_VANISHED;
    return any;
}

bool lam_batch_files_news(const struct lam_batch_files *files)
{
    bool news = files->news;

    for (size_t i = 0; !news && i < files->count; i++)
        news = lam_batch_file_is_read(&files->files[i]);
    return news;
}

/* --- the manifest: what the scan before knew, and what this one leaves --- */

void lam_batch_stamps_release(struct lam_batch_stamps *stamps)
{
    lam_map_unref(stamps->map);
    free(stamps->items);
    free(stamps->since);
    *stamps = (struct lam_batch_stamps){0};
}

static int load_stamps(struct lam_batch_job *batch, uint32_t number, struct lam_batch_stamps *stamps, struct lam_error *err)
{
    const struct lam_state_segment *segment;
    int rc;

    for (size_t at = 0; (segment = lam_state_next(batch->state, LAM_SEGMENT_MANIFEST, &at));) {
        if (segment->entry->source != number)
            continue;
        if ((rc = lam_map_cache_get(batch->engine->maps, segment->entry, &stamps->map, err)) || (rc = lam_map_need(stamps->map, LAM_COLUMNS_ALL, err)))
            return rc;
        stamps->count = lam_map_rows(stamps->map);
        stamps->items = calloc(stamps->count + 1, sizeof *stamps->items);
        stamps->since = calloc(stamps->count + 1, sizeof *stamps->since);
        if (!stamps->items || !stamps->since)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu files", stamps->count);
        for (size_t i = 0; i < stamps->count; i++) {
            struct lam_manifest_row row;

            lam_manifest_get(stamps->map, i, &row);
            stamps->items[i] = (struct lam_file_stamp){row.path, row.size, row.mtime_ns, row.digest, row.ended, row.rows};
            stamps->since[i] = row.life;
        }
        const struct lam_state_life *life = lam_state_life(batch->state, number, segment->entry->life);

        stamps->began_ns = life ? life->opened_us * 1000 : 0;
        return 0;
    }
    return 0;
}

int lam_batch_stamps_load(struct lam_batch_job *batch, uint32_t number, struct lam_batch_stamps *stamps, struct lam_error *err)
{
    int rc;

    *stamps = (struct lam_batch_stamps){0};
    rc = load_stamps(batch, number, stamps, err);
    if (!batch->rebuild || (rc != LAM_E_CORRUPT && rc != LAM_E_NOT_FOUND))
        return rc;
    lam_log_warn(&batch->engine->log, "batch", "which files have vanished is not known: %s", err->text);
    lam_batch_stamps_release(stamps);
    return 0;
}

static int by_path(const void *a, const void *b) { return lam_sv_cmp(((const struct lam_manifest_row *)a)->path, ((const struct lam_manifest_row *)b)->path); }

/* A full view: rows of this file were carried over as an older one had them. Should it be there to the next scan, it has changed, whatever is in it. */
static void mark_unread(const struct lam_batch_job *batch, struct lam_manifest_row *row)
{
    if (!batch->rebuild)
        return;
    row->digest = (struct lam_digest){0};
    row->mtime_ns = INT64_MIN;
    row->ended = false;
}

int lam_batch_write_gone_manifest(struct lam_batch_job *batch, const struct lam_segment_entry *old, struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_manifest_row *rows = NULL;
    char path[LAM_SEGMENT_PATH];
    const struct lam_target target = {batch->engine->fs, batch->engine->job->store.path, path, LAM_SEGMENT_MANIFEST};
    struct lam_map *map = NULL;
    int rc = lam_map_cache_get(batch->engine->maps, old, &map, err);

    if (!rc)
        rc = lam_map_need(map, LAM_COLUMNS_ALL, err);
    if (rc == LAM_E_CORRUPT || rc == LAM_E_NOT_FOUND) {
        lam_log_warn(&batch->engine->log, "batch", "%s", err->text);
        lam_map_unref(map);
        return 0;
    }
    if (!rc && !(rows = calloc(lam_map_rows(map) + 1, sizeof *rows)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a manifest");
    for (uint64_t i = 0; !rc && i < lam_map_rows(map); i++) {
        lam_manifest_get(map, i, &rows[i]);
        mark_unread(batch, &rows[i]);
    }
    if (!rc && !(rc = lam_namer_next(&batch->namer, LAM_SEGMENT_MANIFEST, path, err)) && !(rc = lam_manifest_write(&target, rows, lam_map_rows(map), entry, err))) {
        entry->source = old->source;
        entry->life = old->life;
    }
    free(rows);
    lam_map_unref(map);
    return rc;
}

int lam_batch_write_manifest(struct lam_batch_job *batch, size_t source, struct lam_segment_entry *entry, struct lam_error *err)
{
    const struct lam_batch_files *files = batch->files;
    struct lam_manifest_row *rows = calloc(files->count + 1, sizeof *rows);
    char path[LAM_SEGMENT_PATH];
    struct lam_batch_stamps stamps;
    size_t count = 0;
    int rc;

    if (!rows)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a manifest");
    rc = lam_batch_stamps_load(batch, batch->sources[source].number, &stamps, err);
    for (size_t i = 0; !rc && i < files->count; i++) {
        const struct lam_batch_file *file = &files->files[i];
        bool read = file->state == LAM_FILE_NEW || file->state == LAM_FILE_CHANGED || file->state == LAM_FILE_GROWN;
        struct lam_manifest_row *row = &rows[count];
        struct lam_digest partition = lam_hash128(file->path, file->path_len);

        if (file->source != source || (file->state == LAM_FILE_VANISHED && !file->failed && lam_batch_deletes(batch, source))) /* should it come back, it is new */
            continue;
        if (file->failed) { /* to the next scan it is what it was before this one: the view's rows of it still are those */
            if (stamps.map && !lam_manifest_find(stamps.map, lam_sv(file->path, file->path_len), row)) {
                mark_unread(batch, row);
                count++;
            }
            continue;
        }
        *row = (struct lam_manifest_row){.path = lam_sv(file->path, file->path_len), .size = file->size, .mtime_ns = file->mtime_ns, .ended = file->ended,
                                         .rows = file->rows, .life = file->since};
        memcpy(row->partition, partition.bytes, sizeof row->partition);
        row->digest = read ? lam_digest_of_blocks(file->blocks, file->block_count) : file->digest;
        if (!read)
            mark_unread(batch, row);
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
    lam_batch_stamps_release(&stamps);
    return rc;
}
