#include "files.h"

#include "base/utf8.h"
#include "rows.h"
#include "split.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct lam_files {
    const struct lam_files_options *options;
    const struct lam_split *split;
    int fd;
    char *name; /* of the path, for messages */
    struct lam_decoder *decoder;
    struct lam_rows rows; /* of a document only its window is used */
    struct lam_csv_head head;
    enum lam_head_state head_state;
    uint64_t head_offset;
    struct lam_error head_why, why;
    struct lam_buf json;
    uint64_t records, rejects;
    bool over, damaged;
};

void lam_files_defaults(struct lam_files_options *options)
{
    *options = (struct lam_files_options){.max_record = (size_t)1 << 20,
                                          .max_document = (size_t)64 << 20,
                                          .max_decoded = (uint64_t)256 << 30,
                                          .max_ratio = 250,
                                          .max_raw = (size_t)64 << 10};
}

static int check_same(const struct lam_files *files, struct lam_error *err)
{
    struct stat st;

    if (fstat(files->fd, &st))
        return LAM_FAIL(err, LAM_E_IO, "look at %s: %s", files->name, strerror(errno));
    if ((uint64_t)st.st_size != files->split->size ||
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != files->split->mtime_ns)
        return LAM_FAIL(err, LAM_E_CONFLICT, "%s was changed since it was listed", files->name);
    return 0;
}

static int open_decoder(struct lam_files *files, struct lam_error *err)
{
    const struct lam_split *split = files->split;
    const struct lam_files_options *o = files->options;
    bool plain = split->pack == LAM_PACK_NONE, csv = split->format == LAM_FORMAT_CSV, document = split->format == LAM_FORMAT_DOCUMENT;
    bool find = plain && !csv && split->first == LAM_SPLIT_FIND && split->begin > 0;
    uint64_t start = plain && !document ? (split->first == LAM_SPLIT_FIND ? split->begin : split->first) : 0;
    uint64_t whole = (split->digest_begin + LAM_DIGEST_BLOCK - 1) / LAM_DIGEST_BLOCK * LAM_DIGEST_BLOCK; /* first block to digest */
    struct lam_decoder_options decode = {.pack = split->pack, .name = files->name, .size = split->size, .digest_begin = split->digest_begin,
                                         .digest_end = split->end, .max_decoded = o->max_decoded, .max_ratio = o->max_ratio};
    /* text packs to a quarter */
    uint64_t expected = plain ? split->size - (split->size < start ? split->size : start) : 4 * split->size + 4096;
    int rc;

    if (plain && !document && start >= split->end) /* no record starts here (LAM_SPLIT_NONE, too): it is read for its digests alone */
        start = split->end, files->over = true;
    if (find)
        start--;
    if (!plain)
        decode.digest_begin = 0, decode.digest_end = split->size;
    else
        decode.begin = whole < split->end && whole < start ? whole : start;
    if ((rc = lam_decoder_open(&files->decoder, files->fd, &decode, err)))
        return rc;
    if (plain && (rc = lam_decoder_skip_to(files->decoder, start, err)))
        return rc;
    if (document)
        return lam_window_init(&files->rows.window, files->decoder, 0, expected, o->max_document + 1, err);
    rc = lam_rows_init(&files->rows, files->decoder, start, find, expected, csv, files->head.delimiter,
                       o->max_record, err);
    files->rows.stop = split->end;
    return rc;
}


int lam_files_open(struct lam_files **files, const struct lam_files_options *options, const struct lam_split *split, struct lam_error *err)
{
    struct lam_files *f = calloc(1, sizeof *f);
    int rc;

    *files = NULL;
    if (!f)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %.*s", LAM_SV_ARG(split->path));
    f->options = options;
    f->split = split;
    f->fd = -1;
    lam_buf_init(&f->json, 16 * options->max_record + ((size_t)1 << 20));
    f->name = strndup(split->path.len ? split->path.ptr : "", split->path.len);
    rc = f->name ? lam_source_open(options->root, split->path, &f->fd, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory to read a file");
    if (!rc)
        rc = check_same(f, err);
    if (!rc && split->format == LAM_FORMAT_CSV)
        rc = lam_csv_head_read(&f->head, &f->head_state, &f->head_offset, f->fd, f->name, split->pack, split->size,
                               options, &f->head_why, err);
    if (!rc)
        rc = open_decoder(f, err);
    if (rc) {
        lam_files_close(f);
        return rc;
    }
    *files = f;
    return 0;
}

void lam_files_close(struct lam_files *files)
{
    if (!files)
        return;
    lam_rows_release(&files->rows);
    lam_csv_head_release(&files->head);
    lam_decoder_close(files->decoder);
    lam_buf_release(&files->json);
    if (files->fd >= 0)
        close(files->fd);
    free(files->name);
    free(files);
}

/* item is a reject, or damage, whose reason stands in files->why: file and offset go before it. */
static int reject(struct lam_files *files, struct lam_item *item, enum lam_item_kind kind)
{
    LAM_PASS(&files->why, files->why.code, "%s at byte %" PRIu64, files->name, item->offset);
    item->kind = kind;
    item->bytes = lam_sv("", 0);
    item->reason = lam_sv_of(files->why.text);
    if (item->raw.len > files->options->max_raw)
        item->raw.len = files->options->max_raw;
    files->rejects++;
    if (kind == LAM_ITEM_DAMAGE)
        files->damaged = files->over = true;
    return 0;
}

/* The whole file is one record. */
static int next_document(struct lam_files *files, struct lam_item *item, struct lam_error *err)
{
    struct lam_window *window = &files->rows.window;
    size_t max = files->options->max_document;
    int rc = 0;

    if (files->over)
        return LAM_END;
    while (!rc && lam_window_len(window) <= max)
        rc = lam_window_fill(window, err);
    if (rc && rc != window->over)
        return rc;
    files->over = true;
    *item = (struct lam_item){.kind = LAM_ITEM_RECORD, .raw = lam_sv(lam_window_ptr(window), lam_window_len(window))};
    item->bytes = item->raw;
    if (rc == LAM_END) {
        files->records++;
        return 0;
    }
    if (rc)
        files->why = window->why;
    else
        LAM_FAIL(&files->why, LAM_E_LIMIT, "a document of more than %zu bytes", max);
    files->damaged = rc != 0;
    return reject(files, item, LAM_ITEM_REJECT);
}

static bool is_blank(struct lam_sv line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!strchr(" \t\r", line.ptr[i]))
            return false;
    return true;
}

/* Makes an item of a row that is ours. Returns LAM_PENDING for one that is none: blank, or the header. */
static int take_row(struct lam_files *files, const struct lam_raw_row *row, struct lam_item *item, struct lam_error *err)
{
    enum lam_format format = files->split->format;
    size_t bad;
    int rc = 0;

    if (row->bytes.len == 0 || (format == LAM_FORMAT_JSONL && !row->too_long && is_blank(row->bytes)))
        return LAM_PENDING;
    if (format == LAM_FORMAT_CSV && files->head.header && row->offset == files->head_offset)
        return LAM_PENDING;
    *item = (struct lam_item){
        .kind = LAM_ITEM_RECORD, .offset = row->offset, .bytes = row->bytes, .raw = row->bytes, .media_type = "application/json"};
    if (row->too_long)
        rc = LAM_FAIL(&files->why, LAM_E_LIMIT, "a record of more than %zu bytes", files->options->max_record);
    else if (format == LAM_FORMAT_CSV) {
        rc = lam_csv_to_json(&files->head, row->bytes, &files->json, &files->why);
        item->bytes = lam_buf_sv(&files->json);
    } else if (format == LAM_FORMAT_LINES) {
        item->media_type = "text/plain";
        if ((bad = lam_utf8_valid(row->bytes)) < row->bytes.len)
            rc = LAM_FAIL(&files->why, LAM_E_INVALID, "the line is not UTF-8 at its byte %zu; other encodings are not yet read", bad);
    }
    if (rc && lam_error_class(rc) == LAM_CLASS_REJECT)
        return reject(files, item, LAM_ITEM_REJECT);
    if (rc) {
        if (err)
            *err = files->why;
        return rc;
    }
    files->records++;
    return 0;
}

int lam_files_next(struct lam_files *files, struct lam_item *item, struct lam_error *err)
{
    struct lam_raw_row row;
    int rc;

    if (files->split->format == LAM_FORMAT_DOCUMENT)
        return next_document(files, item, err);
    if (files->over)
        return LAM_END;
    if (files->split->format == LAM_FORMAT_CSV && files->head_state != LAM_HEAD_OK) {
        files->over = true;
        if (files->head_state == LAM_HEAD_NONE || files->split->begin > 0)
            return LAM_END;
        *item = (struct lam_item){.offset = files->head_offset};
        files->why = files->head_why;
        return reject(files, item, LAM_ITEM_DAMAGE);
    }
    do {
        rc = lam_rows_next(&files->rows, &row, err);
        if (rc == LAM_END)
            files->over = true;
        else if (rc && rc == files->rows.window.over) {
            *item = (struct lam_item){
                .offset = row.offset, .raw = lam_sv(lam_window_ptr(&files->rows.window), lam_window_len(&files->rows.window))};
            files->why = files->rows.window.why;
            return reject(files, item, LAM_ITEM_DAMAGE);
        }
        if (rc)
            return rc;
        rc = row.offset < files->split->begin ? LAM_PENDING : take_row(files, &row, item, err); /* before: accepted with an earlier piece */
    } while (rc == LAM_PENDING);
    return rc;
}

uint64_t lam_files_raw_before(const struct lam_files *files, uint64_t offset)
{
    uint64_t decoded = lam_decoder_decoded(files->decoder);

    if (files->split->pack == LAM_PACK_NONE)
        return offset;
    return decoded ? (uint64_t)((double)lam_decoder_used(files->decoder) * (double)offset / (double)decoded) : 0;
}

int lam_files_finish(struct lam_files *files, struct lam_files_result *result, struct lam_error *err)
{
    const struct lam_split *split = files->split;
    const struct lam_digester *digests = lam_decoder_digests(files->decoder);
    bool plain = split->pack == LAM_PACK_NONE;
    int rc = lam_decoder_drain(files->decoder, err);

    if (!rc)
        rc = check_same(files, err);
    if (rc)
        return rc;
    *result = (struct lam_files_result){.records = files->records, .rejects = files->rejects, .damaged = files->damaged};
    result->raw_bytes = lam_decoder_raw(files->decoder);
    result->decoded_bytes = lam_decoder_decoded(files->decoder);
    result->first_block = plain ? (split->digest_begin + LAM_DIGEST_BLOCK - 1) / LAM_DIGEST_BLOCK : 0;
    result->blocks = digests->blocks;
    result->block_count = digests->count;
    if (!lam_format_has_lines(split->format) || !files->over || files->damaged || (plain && split->end < split->size))
        result->ended = false;
    else if (split->format == LAM_FORMAT_CSV && files->head_state != LAM_HEAD_OK)
        result->ended = split->size == 0;
    else if (plain && split->first != LAM_SPLIT_FIND && split->first >= split->end) /* nothing was read: the cutter saw how the file ends */
        result->ended = split->first == split->size;
    else
        result->ended = files->rows.terminated;
    return 0;
}
