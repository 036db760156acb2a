/*
 * Reading one split of a file into items: records, and what had to be rejected.
 *
 *     open -> next, next, … LAM_END -> finish (digests, and was the file still the same?) -> close
 *
 * Offsets count the decoded bytes. An item's views live until the next call. Memory is bounded by the limits, whatever the file:
 * one window of max_record (or max_document) bytes, and the decoder's own.
 *
 * A record that cannot be read (too long, a ragged CSV row, a quote never closed, not UTF-8 in a CSV row) is an item of kind
 * REJECT, and the reading goes on behind it. A packed file that is damaged or cut short, or that unpacks beyond its limits, gives
 * the records before the damage, then one item of kind DAMAGE at the offset where the next record would have started, then the
 * end. A document is one record, so that a damaged one is a REJECT.
 */
#ifndef LAMINA_SOURCE_FILES_H
#define LAMINA_SOURCE_FILES_H

#include <lamina/error.h>

#include "base/hash.h"
#include "format.h"

struct lam_split;
struct lam_files;

enum lam_csv_header { LAM_CSV_HEADER_DETECT, LAM_CSV_HEADER_YES, LAM_CSV_HEADER_NO };

/* How the files of one source are read. The same for its cutter and its readers. Begin with lam_files_defaults. */
struct lam_files_options {
    const char *root; /* lam_scan_root; borrowed */
    char csv_delimiter; /* 0: detected in the first row, among , ; tab | */
    enum lam_csv_header csv_header;
    size_t max_record;    /* bytes of a line or row; longer ones are rejected */
    size_t max_document;  /* decoded bytes of a file that is one record */
    uint64_t max_decoded; /* of one packed file */
    uint32_t max_ratio;   /* decoded to raw bytes; looked at beyond the first 64 MiB */
    size_t max_raw;       /* bytes of a reject's raw that are kept */
};

void lam_files_defaults(struct lam_files_options *options);

enum lam_item_kind { LAM_ITEM_RECORD, LAM_ITEM_REJECT, LAM_ITEM_DAMAGE };

struct lam_item {
    enum lam_item_kind kind;
    uint64_t offset;       /* decoded byte where it starts */
    struct lam_sv bytes;   /* RECORD: the line, the document, or of CSV a JSON object of strings */
    struct lam_sv raw;     /* the decoded bytes as they stood there, without the end of the line; of others than records cut at max_raw */
    const char *media_type; /* "application/json", "text/plain"; of a document NULL: parse/detect.h, with lam_path_unpacked */
    struct lam_sv reason;  /* REJECT, DAMAGE: one line that names file and offset */
};

/* What finish tells. */
struct lam_files_result {
    uint64_t records, rejects; /* damage is a reject */
    bool damaged;
    uint64_t raw_bytes, decoded_bytes; /* read in this split */
    bool ended; /* of the split that has the end of its file: the last byte ended a record (or there was none) */
    uint64_t first_block;            /* of the digests: blocks first_block … + block_count - 1 of the file */
    const struct lam_digest *blocks; /* live until close */
    size_t block_count;
};

/*
 * Opens a split; it and options outlive the reader. LAM_E_NOT_FOUND, LAM_E_IO, LAM_E_INVALID (not a regular file below the root);
 * LAM_E_CONFLICT: size or mtime are not the split's, list the file again.
 * One thread at a time; blocks on the disk.
 */
int lam_files_open(struct lam_files **files, const struct lam_files_options *options, const struct lam_split *split, struct lam_error *err);

/* The next item; LAM_END. LAM_E_IO, LAM_E_MEMORY: the split failed, what it gave does not count. */
int lam_files_next(struct lam_files *files, struct lam_item *item, struct lam_error *err);

/*
 * Reads what is left for the digests and looks at size and mtime again. LAM_E_CONFLICT: they changed, nothing that was
 * read counts. Call it once, after LAM_END (before it, the records that were not asked for are not counted).
 */
int lam_files_finish(struct lam_files *files, struct lam_files_result *result, struct lam_error *err);
void lam_files_close(struct lam_files *files);

/* Raw bytes before a place in the decoded ones: of a packed file about, by what was decoded so far. */
uint64_t lam_files_raw_before(const struct lam_files *files, uint64_t offset);

#endif
