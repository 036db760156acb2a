#include "split.h"

#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One pass over a CSV file, as far as the cuts need it. */
struct pass {
    int fd;
    struct lam_decoder *decoder;
    struct lam_rows rows;
    uint64_t start; /* of the last row seen */
    bool seen, over;
};

struct lam_cutter {
    const struct lam_files_options *options;
    struct lam_split proto; /* what all splits of the file share */
    char *path;
    uint64_t split_size, base, next; /* base: 0, or a grown file's old length */
    struct lam_range *done;
    size_t done_count, next_done;
    bool empty_given;
    struct pass pass;
};

static int start_pass(struct lam_cutter *cutter, struct lam_error *err)
{
    struct pass *pass = &cutter->pass;
    const struct lam_files_options *o = cutter->options;
    const struct lam_split *proto = &cutter->proto;
    struct lam_decoder_options decode = {.name = cutter->path, .size = proto->size, .begin = cutter->base, .max_decoded = UINT64_MAX};
    struct lam_csv_head head = {0};
    enum lam_head_state state;
    struct lam_error why;
    struct stat st;
    uint64_t offset;
    int rc;

    if ((rc = lam_source_open(o->root, proto->path, &pass->fd, err)))
        return rc;
    if (fstat(pass->fd, &st))
        return LAM_FAIL(err, LAM_E_IO, "look at %s: %s", cutter->path, strerror(errno));
    if ((uint64_t)st.st_size != proto->size || (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != proto->mtime_ns)
        return LAM_FAIL(err, LAM_E_CONFLICT, "%s was changed since it was listed", cutter->path);
    if ((rc = lam_csv_head_read(&head, &state, &offset, pass->fd, cutter->path, LAM_PACK_NONE, proto->size, o, &why, err)))
        return rc;
    lam_csv_head_release(&head); /* keeps the delimiter */
    if ((rc = lam_decoder_open(&pass->decoder, pass->fd, &decode, err)))
        return rc;
    return lam_rows_init(&pass->rows, pass->decoder, cutter->base, false, proto->size, true, head.delimiter, o->max_record, err);
}

static void end_pass(struct pass *pass)
{
    lam_rows_release(&pass->rows);
    lam_decoder_close(pass->decoder);
    if (pass->fd >= 0)
        close(pass->fd);
    *pass = (struct pass){.fd = -1};
}

/* Where the first row at or behind begin starts. */
static int find_row(struct lam_cutter *cutter, uint64_t begin, uint64_t *first, struct lam_error *err)
{
    struct pass *pass = &cutter->pass;
    int rc = pass->decoder ? 0 : start_pass(cutter, err);

    while (!rc && !pass->over && (!pass->seen || pass->start < begin)) {
        struct lam_raw_row row;

        rc = lam_rows_next(&pass->rows, &row, err);
        pass->over = rc == LAM_END;
        if (pass->over)
            rc = 0;
        else {
            pass->seen = true;
            pass->start = row.offset;
        }
    }
    if (!rc && pass->over)
        *first = pass->rows.terminated ? cutter->proto.size : LAM_SPLIT_NONE;
    else
        *first = pass->start;
    return rc;
}

int lam_cutter_open(struct lam_cutter **cutter, const struct lam_files_options *options, uint32_t source, const struct lam_scan_file *file,
                    uint64_t split_size, const struct lam_range *done, size_t done_count, struct lam_error *err)
{
    struct lam_cutter *c = calloc(1, sizeof *c);

    *cutter = NULL;
    if (c) {
        c->path = strndup(file->path.len ? file->path.ptr : "", file->path.len);
        c->done = calloc(done_count + 1, sizeof *c->done);
    }
    if (!c || !c->path || !c->done) {
        lam_cutter_close(c);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to cut %.*s", LAM_SV_ARG(file->path));
    }
    c->options = options;
    c->pass.fd = -1;
    c->split_size = split_size;
    if (done_count)
        memcpy(c->done, done, done_count * sizeof *done);
    c->done_count = done_count;
    c->base = file->state == LAM_FILE_GROWN ? file->before->size : 0;
    c->next = c->base;
    c->proto = (struct lam_split){.source = source, .format = file->format, .pack = file->pack, .path = lam_sv(c->path, file->path.len),
                                  .size = file->size, .mtime_ns = file->mtime_ns};
    *cutter = c;
    return 0;
}

void lam_cutter_close(struct lam_cutter *cutter)
{
    if (!cutter)
        return;
    if (cutter->pass.fd >= 0)
        end_pass(&cutter->pass);
    free(cutter->done);
    free(cutter->path);
    free(cutter);
}

/* Packed files and documents: one split, of what the ranges that follow each other from 0 on leave. */
static int cut_whole(struct lam_cutter *cutter, struct lam_split *split)
{
    bool packed = cutter->proto.pack != LAM_PACK_NONE;
    uint64_t begin = 0;

    if (cutter->empty_given)
        return LAM_END;
    cutter->empty_given = true;
    for (size_t i = 0; i < cutter->done_count && cutter->done[i].begin <= begin; i++)
        if (cutter->done[i].end > begin)
            begin = cutter->done[i].end;
    if (begin == LAM_SPLIT_OPEN || (!packed && cutter->done_count > 0 && begin >= cutter->proto.size))
        return LAM_END;
    *split = cutter->proto;
    split->begin = packed ? begin : 0;
    split->end = packed ? LAM_SPLIT_OPEN : cutter->proto.size;
    return 0;
}

int lam_cutter_next(struct lam_cutter *cutter, struct lam_split *split, struct lam_error *err)
{
    uint64_t size = cutter->proto.size, left, begin, end;
    int rc = 0;

    if (cutter->proto.pack != LAM_PACK_NONE || !lam_format_has_lines(cutter->proto.format))
        return cut_whole(cutter, split);
    while (cutter->next_done < cutter->done_count && cutter->done[cutter->next_done].begin <= cutter->next) {
        const struct lam_range *range = &cutter->done[cutter->next_done++];

        cutter->next = range->end > cutter->next ? range->end : cutter->next;
    }
    if (cutter->next >= size && (size > 0 || cutter->empty_given || cutter->done_count > 0))
        return LAM_END;
    cutter->empty_given = true; /* of an empty file one split is given, so that it is read as any other */
    begin = cutter->next;
    left = cutter->split_size - begin % cutter->split_size;
    end = left < size - begin ? begin + left : size;
    if (cutter->next_done < cutter->done_count && cutter->done[cutter->next_done].begin < end)
        end = cutter->done[cutter->next_done].begin;
    *split = cutter->proto;
    split->begin = begin;
    split->end = cutter->next = end;
    split->digest_begin = begin == cutter->base ? begin / LAM_DIGEST_BLOCK * LAM_DIGEST_BLOCK : begin;
    split->first = begin == cutter->base ? begin : LAM_SPLIT_FIND;
    if (split->first == LAM_SPLIT_FIND && cutter->proto.format == LAM_FORMAT_CSV)
        rc = find_row(cutter, begin, &split->first, err);
    return rc;
}

/* -------- wire: version u8, format u8, pack u8, then little-endian: source u32, six u64, path length u32, path -------- */

#define WIRE_VERSION 1
#define WIRE_FIXED (3 + 4 + 6 * 8 + 4)

static void put(unsigned char **p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*p)++ = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char **p, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t) * (*p)++ << (8 * i);
    return value;
}

int lam_split_encode(const struct lam_split *split, struct lam_buf *out, struct lam_error *err)
{
    unsigned char fixed[WIRE_FIXED], *p = fixed;
    int rc = lam_buf_reserve(out, WIRE_FIXED + split->path.len, err);

    if (rc)
        return rc;
    put(&p, WIRE_VERSION, 1);
    put(&p, (uint64_t)split->format, 1);
    put(&p, (uint64_t)split->pack, 1);
    put(&p, split->source, 4);
    put(&p, split->begin, 8);
    put(&p, split->end, 8);
    put(&p, split->first, 8);
    put(&p, split->digest_begin, 8);
    put(&p, split->size, 8);
    put(&p, (uint64_t)split->mtime_ns, 8);
    put(&p, split->path.len, 4);
    rc = lam_buf_add(out, fixed, sizeof fixed, err);
    return rc ? rc : lam_buf_add_sv(out, split->path, err);
}

int lam_split_decode(struct lam_sv bytes, struct lam_split *split, struct lam_error *err)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;

    if (bytes.len < WIRE_FIXED || p[0] != WIRE_VERSION || p[1] < LAM_FORMAT_DOCUMENT || p[1] > LAM_FORMAT_LINES || p[2] > LAM_PACK_ZSTD)
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes that are no split", bytes.len);
    *split = (struct lam_split){.format = (enum lam_format)p[1], .pack = (enum lam_pack)p[2]};
    p += 3;
    split->source = (uint32_t)get(&p, 4);
    split->begin = get(&p, 8);
    split->end = get(&p, 8);
    split->first = get(&p, 8);
    split->digest_begin = get(&p, 8);
    split->size = get(&p, 8);
    split->mtime_ns = (int64_t)get(&p, 8);
    split->path = lam_sv(bytes.ptr + WIRE_FIXED, (size_t)get(&p, 4));
    if (split->path.len != bytes.len - WIRE_FIXED || split->begin > split->end)
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes that are no split", bytes.len);
    return 0;
}
