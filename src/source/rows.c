#include "rows.h"

#define WINDOW_SLACK ((size_t)256 << 10) /* beyond one row, so that not every row costs a call */

int lam_rows_init(struct lam_rows *rows, struct lam_decoder *decoder, uint64_t offset, bool find, uint64_t expected,
                  bool csv, char delimiter, size_t max_record, struct lam_error *err)
{
    *rows = (struct lam_rows){.stop = UINT64_MAX, .terminated = true};
    lam_row_scanner_init(&rows->scanner, csv, delimiter, max_record);
    if (find) {
        rows->scanner.state = LAM_CSV_SKIP;
        rows->skipping = true;
    }
    return lam_window_init(&rows->window, decoder, offset, expected < WINDOW_SLACK ? (size_t)expected : WINDOW_SLACK,
                           max_record + WINDOW_SLACK, err);
}

void lam_rows_release(struct lam_rows *rows) { lam_window_release(&rows->window); }

static void fill_why(const struct lam_rows *rows, int rc, struct lam_error *err)
{
    if ((rc == LAM_E_CORRUPT || rc == LAM_E_LIMIT) && err)
        *err = rows->window.why;
}

/* Goes behind the next newline. */
static int skip_rest(struct lam_rows *rows, struct lam_error *err)
{
    struct lam_window *window = &rows->window;

    rows->terminated = false;
    while (rows->skipping) {
        bool ended, skipped;
        int rc;

        if (lam_window_len(window) == 0 && (rc = lam_window_fill(window, err))) {
            fill_why(rows, rc, err);
            return rc;
        }
        lam_window_consume(window, lam_row_scan(&rows->scanner, lam_window_ptr(window), lam_window_len(window), &ended, &skipped));
        rows->skipping = !ended;
        if (rows->skipping && window->offset >= rows->stop)
            return LAM_END;
    }
    rows->terminated = true;
    return 0;
}

static int drop_bom(struct lam_rows *rows, struct lam_error *err)
{
    struct lam_window *window = &rows->window;
    int rc = 0;

    while (lam_window_len(window) < 3 && !rc)
        rc = lam_window_fill(window, err);
    if (lam_window_len(window) >= 3 && !memcmp(lam_window_ptr(window), "\xef\xbb\xbf", 3)) {
        lam_window_consume(window, 3);
        rows->bom = true;
        rows->terminated = false; /* a line has begun */
    }
    return rc == window->over ? 0 : rc; /* an end, or damage, comes again where it matters */
}

static struct lam_sv without_newline(struct lam_sv bytes, bool ended)
{
    if (ended)
        bytes.len--;
    if (bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\r')
        bytes.len--;
    return bytes;
}

int lam_rows_next(struct lam_rows *rows, struct lam_raw_row *row, struct lam_error *err)
{
    struct lam_window *window = &rows->window;
    bool ended = false, too_long = false;
    size_t seen = 0;
    int rc = 0;

    lam_window_consume(window, rows->consume);
    rows->consume = 0;
    if (rows->skipping)
        rc = skip_rest(rows, err);
    else if (window->offset == 0)
        rc = drop_bom(rows, err);
    row->offset = rows->bom && window->offset == 3 ? 0 : window->offset;
    if (rc || row->offset >= rows->stop)
        return rc ? rc : LAM_END;
    while (!ended && !too_long && !rc) {
        if (seen == lam_window_len(window))
            rc = lam_window_fill(window, err);
        if (!rc)
            seen += lam_row_scan(&rows->scanner, lam_window_ptr(window) + seen, lam_window_len(window) - seen, &ended, &too_long);
    }
    if (rc && rc != LAM_END) {
        fill_why(rows, rc, err);
        return rc;
    }
    if (rc == LAM_END && seen == 0)
        return LAM_END;
    rows->skipping = too_long && !ended;
    rows->terminated = ended;
    rows->consume = seen;
    row->bytes = without_newline(lam_sv(lam_window_ptr(window), seen), ended);
    if (ended && row->bytes.len > rows->scanner.max_record)
        too_long = true;
    row->too_long = too_long || row->bytes.len > rows->scanner.max_record;
    return 0;
}

/* Shows the file's first line, up to a newline outside of quotes or the limit, and guesses the delimiter from it. */
static int guess_delimiter(struct lam_rows *rows, struct lam_error *err)
{
    struct lam_window *window = &rows->window;
    size_t seen = 0, start = 0;
    bool quoted = false;

    for (;;) {
        const char *p = lam_window_ptr(window);
        size_t shown = lam_window_len(window);
        int rc;

        for (; seen < shown; seen++) {
            if (p[seen] == '"')
                quoted = !quoted;
            else if (p[seen] == '\n' && !quoted) {
                if (seen - start > 1 || (seen - start == 1 && p[start] != '\r'))
                    break;
                start = seen + 1; /* empty lines before the first row */
            }
        }
        if (seen < shown || seen > rows->scanner.max_record) {
            rows->scanner.delimiter = lam_csv_detect_delimiter(lam_sv(p + start, shown - start));
            return 0;
        }
        rc = lam_window_fill(window, err);
        if (rc == LAM_END || rc == LAM_E_CORRUPT || rc == LAM_E_LIMIT) {
            rows->scanner.delimiter = lam_csv_detect_delimiter(lam_sv(lam_window_ptr(window) + start, lam_window_len(window) - start));
            return 0;
        }
        if (rc)
            return rc;
    }
}

static int read_first(struct lam_rows *rows, struct lam_csv_head *head, enum lam_head_state *state, uint64_t *offset,
                      const struct lam_files_options *options, struct lam_error *why, struct lam_error *err)
{
    struct lam_raw_row row;
    int rc = 0;

    if (!options->csv_delimiter)
        rc = guess_delimiter(rows, err);
    head->delimiter = rows->scanner.delimiter;
    do
        rc = rc ? rc : lam_rows_next(rows, &row, why);
    while (!rc && row.bytes.len == 0);
    if (rc == LAM_END)
        return 0;
    *offset = row.offset;
    if (!rc && row.too_long)
        rc = LAM_FAIL(why, LAM_E_LIMIT, "the first row is longer than %zu bytes", options->max_record);
    else if (!rc)
        rc = lam_csv_head_init(head, row.bytes, options, why);
    *state = rc ? LAM_HEAD_BAD : LAM_HEAD_OK;
    if (rc && lam_error_class(rc) != LAM_CLASS_REJECT) {
        if (err)
            *err = *why;
        return rc;
    }
    return 0;
}

int lam_csv_head_read(struct lam_csv_head *head, enum lam_head_state *state, uint64_t *offset, int fd, const char *name, enum lam_pack pack,
                      uint64_t size, const struct lam_files_options *options, struct lam_error *why, struct lam_error *err)
{
    struct lam_decoder_options decode = {
        .pack = pack, .name = name, .size = size, .max_decoded = options->max_decoded, .max_ratio = options->max_ratio};
    struct lam_decoder *decoder;
    struct lam_rows rows;
    int rc;

    *state = LAM_HEAD_NONE;
    *offset = 0;
    *head = (struct lam_csv_head){.delimiter = options->csv_delimiter ? options->csv_delimiter : ','};
    if ((rc = lam_decoder_open(&decoder, fd, &decode, err)))
        return rc;
    rc = lam_rows_init(&rows, decoder, 0, false, pack == LAM_PACK_NONE ? size : 4 * size, true, head->delimiter, options->max_record, err);
    if (!rc)
        rc = read_first(&rows, head, state, offset, options, why, err);
    lam_rows_release(&rows);
    lam_decoder_close(decoder);
    return rc;
}
