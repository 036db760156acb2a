/*
 * Splits: what one claim covers of a file.
 *
 * A plain file of JSON lines, CSV or lines is cut at multiples of the split size (and where adopted ranges end). A record belongs
 * to the split in which its first byte lies, so that no cut loses or doubles one. Packed files and documents are one split;
 * of a packed file it counts decoded bytes, and whoever reads it may accept it piece by piece (lam_piece_of).
 *
 *     bytes     0 ------------ S ------------ 2S ---------- size
 *     records   |aaaa|bbbbbbbbbbbbb|ccc|ddddddddddddd|eeeee|
 *     splits    [ a b         )[ c d          )[ e         )
 *
 * Where a line begins can be seen from the byte before. Where a CSV row begins cannot: a newline may stand within quotes. So the
 * cutter passes over a CSV file once, ahead of the readers and faster than they are, and each split says where its first row
 * begins. The alternative, to count quotes in parallel and correct afterwards, saves one pass over the page cache and costs
 * correctness where a quote stands in an unquoted field.
 */
#ifndef LAMINA_SOURCE_SPLIT_H
#define LAMINA_SOURCE_SPLIT_H

#include "base/buf.h"
#include "files.h"
#include "scan.h"

#define LAM_SPLIT_FIND UINT64_MAX       /* in first: the reader looks for it */
#define LAM_SPLIT_NONE (UINT64_MAX - 1) /* in first: no record starts here, and the file ends within one */
#define LAM_SPLIT_OPEN UINT64_MAX /* in end: to the end of the decoded bytes, wherever that is */

struct lam_split {
    uint32_t source;       /* whatever the caller numbers its sources by */
    enum lam_format format;
    enum lam_pack pack;
    struct lam_sv path;    /* below the source's root; borrowed */
    uint64_t begin, end;   /* records that start here; raw bytes of a plain file, decoded bytes of a packed one */
    uint64_t first;        /* where the first of them starts (at end or beyond: none does), or one of the above */
    uint64_t digest_begin; /* digests are made of the raw blocks that start in [digest_begin, end); of a packed file of all */
    uint64_t size;         /* of the file; with mtime_ns what it must still have when it was read */
    int64_t mtime_ns;
};

/* A byte range, in the sense of begin and end. */
struct lam_range {
    uint64_t begin, end;
};

struct lam_cutter;

/*
 * Cuts a file that a scan found (state NEW, GROWN or CHANGED). done are ranges that need not be read again (sorted, disjoint; of
 * a packed file those that follow each other from 0 on count). A GROWN file is cut from its old length on. split_size >= 1; in
 * production a multiple of LAM_DIGEST_BLOCK. file's path is copied.
 */
int lam_cutter_open(struct lam_cutter **cutter, const struct lam_files_options *options, uint32_t source, const struct lam_scan_file *file,
                    uint64_t split_size, const struct lam_range *done, size_t done_count, struct lam_error *err);

/*
 * The next split, in order of begin; its path lives until the cutter is closed. LAM_END after the last. Of CSV it reads on in the
 * file as far as it must: LAM_E_IO, LAM_E_NOT_FOUND, LAM_E_CONFLICT (the file is no longer what the scan saw).
 */
int lam_cutter_next(struct lam_cutter *cutter, struct lam_split *split, struct lam_error *err);
void lam_cutter_close(struct lam_cutter *cutter);

/* A split as bytes for another rank (same build, either byte order), and back. path then borrows from bytes. LAM_E_CORRUPT. */
int lam_split_encode(const struct lam_split *split, struct lam_buf *out, struct lam_error *err);
int lam_split_decode(struct lam_sv bytes, struct lam_split *split, struct lam_error *err);

/* The piece of a packed file in which a record lies: piece k has the records that start in [k * size, (k + 1) * size). */
static inline uint64_t lam_piece_of(uint64_t offset, uint64_t size) { return offset / size; }

#endif
