/*
 * The rows of decoded bytes, before anybody asks what they mean: where each line, or CSV row, starts and ends. Readers take their
 * records from here, the cutter its cuts, and both the first row of a CSV file, so that all of them agree.
 *
 * A byte order mark at byte 0 belongs to the first row, which starts at 0 and is shown without it.
 */
#ifndef LAMINA_SOURCE_ROWS_H
#define LAMINA_SOURCE_ROWS_H

#include "csv.h"
#include "window.h"

struct lam_rows {
    struct lam_window window;
    struct lam_row_scanner scanner;
    uint64_t stop;   /* rows that start here or later are not asked for */
    size_t consume;  /* of the window, with the next call: what was shown last */
    bool bom;
    bool skipping;   /* the rest of a row that is no row of ours, or too long */
    bool terminated; /* the last row seen had its newline (or there was none) */
};

struct lam_raw_row {
    uint64_t offset;
    struct lam_sv bytes; /* without LF or CRLF; of one that is too long its beginning. Lives until the next call */
    bool too_long;
};

/* decoder stands at offset, which is a row's start, or (find) the byte before the one at which to look for it. */
int lam_rows_init(struct lam_rows *rows, struct lam_decoder *decoder, uint64_t offset, bool find, uint64_t expected,
                  bool csv, char delimiter, size_t max_record, struct lam_error *err);
void lam_rows_release(struct lam_rows *rows);

/*
 * The next row. LAM_END: there is none before stop. LAM_E_CORRUPT, LAM_E_LIMIT: the bytes are damaged from here on, row->offset is
 * where the next row would have started. LAM_E_IO, LAM_E_CONFLICT, LAM_E_MEMORY.
 */
int lam_rows_next(struct lam_rows *rows, struct lam_raw_row *row, struct lam_error *err);

enum lam_head_state { LAM_HEAD_NONE, LAM_HEAD_OK, LAM_HEAD_BAD };

/*
 * Reads the first row of a CSV file that is open: NONE where it has none, BAD where it cannot be used (*why says). head is
 * then empty but for a delimiter. LAM_E_IO, LAM_E_CONFLICT, LAM_E_MEMORY.
 */
int lam_csv_head_read(struct lam_csv_head *head, enum lam_head_state *state, uint64_t *offset, int fd, const char *name, enum lam_pack pack,
                      uint64_t size, const struct lam_files_options *options, struct lam_error *why, struct lam_error *err);

#endif
