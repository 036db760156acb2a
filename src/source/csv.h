/*
 * CSV (RFC 4180) as Python's csv module reads it, which is what people compare with:
 *
 * - a row ends with LF or CRLF outside of quotes; a quote opens only at the start of a field, is doubled within, and what follows
 *   a closing quote up to the delimiter belongs to the field as it is; a quote within an unquoted field is a character
 * - empty lines are no rows
 * - a row with more or fewer fields than the first is rejected, and so is one whose quote never closes
 *
 * Reading has two halves. The scanner finds where rows end, byte by byte, and says the same wherever it starts as long as that is
 * a row's start: cutters and readers share it. The head knows the file's columns and makes JSON of a row.
 *
 * The delimiter is the one of , ; tab | that stands most often in the first row outside of quotes. The first row is a header
 * unless one of its fields looks like data: has digits or @ and no letters but for an address, is longer than 128 bytes, or has a
 * newline. Only the first row decides, so that a file which grows is not suddenly understood otherwise. In doubt it is a header.
 */
#ifndef LAMINA_SOURCE_CSV_H
#define LAMINA_SOURCE_CSV_H

#include "base/buf.h"
#include "files.h"

#define LAM_CSV_COLUMNS 4096 /* at most */

enum lam_csv_state { LAM_CSV_START, LAM_CSV_PLAIN, LAM_CSV_QUOTED, LAM_CSV_QUOTE, LAM_CSV_SKIP };

/*
 * Finds the ends of records: CSV rows, or lines. A record that goes on for more than max_record + 1 bytes (the end of the line not
 * counted) turns into SKIP: it ends with the next newline, quotes or not, so that one stray quote costs a bounded part of a file.
 */
struct lam_row_scanner {
    bool csv;       /* else lines */
    char delimiter; /* of CSV */
    size_t max_record;
    uint8_t state;  /* enum lam_csv_state */
    uint64_t len;   /* of the record so far */
};

void lam_row_scanner_init(struct lam_row_scanner *scanner, bool csv, char delimiter, size_t max_record);

/* Takes bytes up to and with the record's newline and returns their count; *ended says whether it was there, and then the next
 * call begins a new record. *skipped: the record that ended (or goes on) is longer than the limit. */
size_t lam_row_scan(struct lam_row_scanner *scanner, const char *bytes, size_t len, bool *ended, bool *skipped);

/* What the first row of a file says. */
struct lam_csv_head {
    char delimiter;
    bool header;          /* the first row holds names, and is no record */
    size_t count;         /* columns */
    struct lam_buf names; /* `"name":` one behind the other, unique */
    size_t *ends;         /* of each in names */
    struct lam_buf field; /* scratch */
};

/* The most frequent delimiter in the first row of sample. */
char lam_csv_detect_delimiter(struct lam_sv sample);

/* head->delimiter is set. row is the first one, without its newline. LAM_E_INVALID (not UTF-8), LAM_E_LIMIT (columns), LAM_E_MEMORY. */
int lam_csv_head_init(struct lam_csv_head *head, struct lam_sv row, const struct lam_files_options *options, struct lam_error *err);
void lam_csv_head_release(struct lam_csv_head *head);

/* Makes {"name":"value",…} of a row in out, which is cleared. LAM_E_INVALID: ragged, an open quote, not UTF-8; LAM_E_LIMIT. */
int lam_csv_to_json(struct lam_csv_head *head, struct lam_sv row, struct lam_buf *out, struct lam_error *err);

#endif
