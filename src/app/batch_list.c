/* What a scan finds, file by file against the manifest of the last one: what is to be read is cut into splits, less what adopted groups hold. */
#include "batch_table.h"
#include "batch_estimate.h"

#include <inttypes.h>
#include <stdlib.h>

/* An adopted piece of one file; number: which of them, in the order in which they were adopted. */
struct candidate {
    struct lam_piece *piece;
    size_t number;
};

/* Of those that begin at one place the youngest comes first. */
static int by_begin(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->piece->begin != y->piece->begin)
        return x->piece->begin < y->piece->begin ? -1 : 1;
    return (x->number < y->number) - (x->number > y->number);
}

/* Pieces of this file, as it is, that adopted groups hold. */
static int find_adopted(struct lam_batch_job *batch, uint32_t source, const struct lam_scan_file *file, struct candidate **found, size_t *count, struct lam_error *err)
{
    size_t cap = 0;

    for (size_t g = 0; g < batch->adopted.count; g++)
        for (size_t p = 0; p < batch->adopted.groups[g].piece_count; p++) {
            struct lam_piece *piece = &batch->adopted.groups[g].pieces[p];

            if (piece->stream || piece->source != batch->sources[source].number || piece->life != batch->sources[source].life ||
                piece->size != file->size || piece->mtime_ns != file->mtime_ns || !lam_sv_eq(piece->path, file->path))
                continue;
            if (*count == cap) {
                size_t more = cap ? 2 * cap : 8;
                struct candidate *grown = realloc(*found, more * sizeof *grown);

                if (!grown)
                    return LAM_FAIL(err, LAM_E_MEMORY, "no memory for adopted ranges");
                *found = grown;
                cap = more;
            }
            (*found)[*count] = (struct candidate){piece, *count};
            ++*count;
        }
    if (*count)
        qsort(*found, *count, sizeof **found, by_begin);
    return 0;
}

/* What such a piece is to the file as a whole. */
static int note_adopted(struct lam_batch_job *batch, struct lam_batch_file *file, const struct lam_piece *piece, struct lam_error *err)
{
    file->rows += piece->rows;
    batch->report.adopted++;
    if (!piece->last)
        return 0;
    file->ended = file->ended || piece->ended;
    return lam_batch_file_put_blocks(file, piece->first_block, piece->blocks, piece->block_count, err);
}

/*
 * Ranges of this file that adopted groups hold, sorted; of a packed file only those that follow each other from 0 on. No two of them overlap: what an earlier run
 * could not use and read again may have been staged a second time since. What of a piece is not taken is read again, or stands in another one: it must not count.
 */
static int adopted_ranges(struct lam_batch_job *batch, struct lam_batch_file *file, uint32_t source, const struct lam_scan_file *scanned, struct lam_range **ranges,
                          size_t *count, struct lam_error *err)
{
    struct candidate *found = NULL;
    size_t candidates = 0;
    uint64_t reached = 0;
    int rc = find_adopted(batch, source, scanned, &found, &candidates, err);

    *count = 0;
    if (!rc && !(*ranges = calloc(candidates + 1, sizeof **ranges)))
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for adopted ranges");
    for (size_t i = 0; !rc && i < candidates; i++) {
        struct lam_piece *piece = found[i].piece;

        if (scanned->pack == LAM_PACK_NONE ? piece->begin < reached : piece->begin != reached) {
            piece->mtime_ns = INT64_MIN; /* holds for no file any more */
            continue;
        }
        reached = piece->end;
        (*ranges)[(*count)++] = (struct lam_range){piece->begin, piece->end};
        rc = note_adopted(batch, file, piece, err);
    }
    free(found);
    return rc;
}

static int emit_splits(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, const struct lam_scan_file *found, struct lam_error *err)
{
    struct lam_batch_files *files = batch->files;
    struct lam_cutter *cutter = NULL;
    struct lam_range *ranges = NULL;
    struct lam_split split;
    struct lam_buf payload;
    struct lam_batch_file *file;
    size_t count = 0;
    int rc;

    lam_buf_init(&payload, LAM_PATH_MAX + 256);
    pthread_mutex_lock(&files->lock);
    file = lam_batch_files_find(files, source, found->path);
    rc = adopted_ranges(batch, file, source, found, &ranges, &count, err);
    if (!rc && found->state == LAM_FILE_GROWN) {
        rc = lam_batch_file_put_blocks(file, 0, found->blocks, found->block_count, err);
        file->rows += found->before->rows;
    }
    pthread_mutex_unlock(&files->lock);
    if (!rc)
        rc = lam_cutter_open(&cutter, &batch->sources[source].files, source, found, lam_batch_estimate_cut(batch), ranges, count, err);
    while (!rc && !(rc = lam_cutter_next(cutter, &split, err))) {
        lam_buf_clear(&payload);
        if ((rc = lam_buf_add(&payload, "F", 1, err)) || (rc = lam_split_encode(&split, &payload, err)))
            break;
        pthread_mutex_lock(&files->lock);
        lam_batch_files_find(files, source, found->path)->splits++;
        files->emitted++;
        pthread_mutex_unlock(&files->lock);
        rc = lam_batch_estimate_offer(batch, lister, source, split.end == LAM_SPLIT_OPEN ? found->size : split.end - split.begin, lam_buf_sv(&payload), err);
    }
    lam_cutter_close(cutter);
    lam_buf_release(&payload);
    free(ranges);
    return rc == LAM_END ? 0 : rc;
}

/* A full view reads each file from its beginning, whatever was known of it. */
static bool read_anew(const struct lam_batch_job *batch, const struct lam_scan_file *found, struct lam_scan_file *anew)
{
    if (!batch->rebuild || (found->state != LAM_FILE_UNCHANGED && found->state != LAM_FILE_GROWN && found->state != LAM_FILE_CHANGED))
        return false;
    *anew = *found;
    anew->state = LAM_FILE_NEW;
    anew->before = NULL;
    anew->blocks = NULL;
    anew->block_count = 0;
    return true;
}

/* Enters what the scan found of one file. What is to be read is cut and emitted. */
static int take_file(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, const struct lam_scan_file *found,
                     const struct lam_batch_stamps *stamps, struct lam_error *err)
{
    struct lam_batch_files *files = batch->files;
    const struct lam_file_stamp *before = found->before;
    struct lam_batch_file *file = NULL;
    struct lam_scan_file anew;
    bool read, grown = batch->rebuild && found->state == LAM_FILE_GROWN;
    int rc;

    if (read_anew(batch, found, &anew))
        found = &anew;
    read = found->state == LAM_FILE_NEW || found->state == LAM_FILE_CHANGED || found->state == LAM_FILE_GROWN;

    pthread_mutex_lock(&files->lock);
    rc = lam_batch_files_add(files, source, found->path, &file, err);
    if (!rc) {
        unsigned relists = file->relists;
        char *path = file->path;

        free(file->blocks);
        *file = (struct lam_batch_file){.source = source, .state = found->state, .format = found->format, .path = path, .path_len = found->path.len, .size = found->size,
                              .mtime_ns = found->mtime_ns, .relists = relists, .life = batch->sources[source].life, .since = batch->sources[source].life, .grown = grown};
        if (before) {
            file->before = before->digest;
            file->before_since = stamps->since[before - stamps->items];
        }
        if (found->before && (!read || found->state == LAM_FILE_GROWN))
            file->since = stamps->since[found->before - stamps->items];
        if (found->before && !read) {
            file->digest = found->before->digest;
            file->ended = found->before->ended;
            file->rows = found->before->rows;
            file->size = found->before->size;
            if (found->state != LAM_FILE_UNCHANGED) /* kept, gone, unreadable: as it was, until more is known */
                file->mtime_ns = found->before->mtime_ns;
        }
        if ((found->before && !read && found->before->mtime_ns != file->mtime_ns) || (found->state == LAM_FILE_VANISHED && lam_batch_deletes(batch, source)))
            files->news = true;
        batch->report.files += read && !relists;
        batch->report.files_unchanged += found->state == LAM_FILE_UNCHANGED;
        if (found->state == LAM_FILE_UNREADABLE)
            lam_batch_file_fail(batch, file, &found->error);
    }
    pthread_mutex_unlock(&files->lock);
    if (!rc && found->state == LAM_FILE_UNREADABLE)
        lam_log_warn(&batch->engine->log, "batch", "source %s: %s", batch->engine->job->sources[source].name, found->error.text);
    if (rc || !read)
        return rc;
    rc = emit_splits(batch, lister, source, found, err);
    if (rc && lam_error_class(rc) != LAM_CLASS_STOP && rc != LAM_E_CANCELLED) { /* this file only */
        struct lam_error why = *err, shown;

        pthread_mutex_lock(&files->lock);
        file = lam_batch_files_find(files, source, found->path);
        if (rc == LAM_E_CONFLICT && file->relists < LAM_BATCH_RELISTS)
            file->restless = files->relist = true;
        else
            lam_batch_file_fail(batch, file, &why);
        pthread_mutex_unlock(&files->lock);
        lam_batch_show_failure(batch, &why, &shown);
        lam_log_warn(&batch->engine->log, "batch", "%s", shown.text);
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
    struct lam_error why;

    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->count; i++) {
        struct lam_batch_file *file = &files->files[i];

        if (file->source != source || !file->lost)
            continue;
        LAM_FAIL(&why, LAM_E_CONFLICT, "source %s: %s: it was removed while it was read", batch->engine->job->sources[source].name, file->path);
        lam_batch_file_fail(batch, file, &why);
        file->lost = file->restless = false;
        lam_log_warn(&batch->engine->log, "batch", "%s", why.text);
    }
    pthread_mutex_unlock(&files->lock);
}

static int list_corpus(struct lam_batch_job *batch, struct lam_batch_lister *lister, uint32_t source, bool again, struct lam_error *err)
{
    const struct lam_job_source *given = &batch->engine->job->sources[source];
    struct lam_scan_options options = {.path = given->path, .max_files = given->max_files, .began_ns = lam_wall_us(batch->engine->clock) * 1000};
    struct lam_batch_stamps stamps;
    struct lam_scan *scan = NULL;
    struct lam_scan_file found;
    bool any = again;
    int rc = lam_batch_stamps_load(batch, batch->sources[source].number, &stamps, err);

    options.format = given->format == LAM_JOB_AUTO ? LAM_FORMAT_AUTO : given->format == LAM_JOB_JSONL ? LAM_FORMAT_JSONL : given->format == LAM_JOB_CSV ? LAM_FORMAT_CSV
                     : given->format == LAM_JOB_LINES ? LAM_FORMAT_LINES : LAM_FORMAT_DOCUMENT;
    options.before_began_ns = stamps.began_ns;
    if (again)
        look_again(batch->files, source);
    if (!rc)
        rc = lam_scan_open(&scan, &options, stamps.items, stamps.count, err);
    while (!rc && !(rc = lam_scan_next(scan, &found, err))) {
        any = any || found.state != LAM_FILE_VANISHED;
        if (again) {
            struct lam_batch_file *file;
            bool lost;

            pthread_mutex_lock(&batch->files->lock);
            file = lam_batch_files_find(batch->files, source, found.path);
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
    lam_batch_stamps_release(&stamps);
    if (rc == LAM_END && !any)
        lam_log_warn(&batch->engine->log, "batch", "source %s: %s matches no file", given->name, given->path);
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
        batch->files->news = true;
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
            rc = lam_batch_estimate_offer(batch, lister, source, entry->bytes, lam_buf_sv(&payload), err);
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

    if (batch->estimate && !batch->llm) /* the built-in analyzer costs nothing */
        return 0;
    batch->files->relist = false;
    if (!again && (rc = lam_batch_list_pending(batch, lister, err)))
        return rc;
    for (size_t i = 0; !rc && i < batch->source_count; i++) {
        if (!batch->sources[i].number)
            continue;
        if (!batch->sources[i].stream)
            rc = list_corpus(batch, lister, (uint32_t)i, again, err);
        else if (!again)
            rc = list_stream(batch, lister, (uint32_t)i, err);
    }
    return rc ? rc : lam_batch_estimate_choose(batch, lister, err);
}
