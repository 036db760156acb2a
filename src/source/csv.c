#include "csv.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_NAME 128 /* bytes of a header's field; longer is text */

void lam_row_scanner_init(struct lam_row_scanner *scanner, bool csv, char delimiter, size_t max_record)
{
    *scanner = (struct lam_row_scanner){.csv = csv, .delimiter = delimiter, .max_record = max_record};
}

/* The bytes of a row up to its newline; len where it has none here. */
static size_t scan_csv(struct lam_row_scanner *scanner, const char *bytes, size_t len)
{
    const char delimiter = scanner->delimiter;
    uint8_t state = scanner->state;
    size_t i = 0;

    while (i < len) {
        const char *quote;
        char c;

        if (state == LAM_CSV_QUOTED) {
            quote = memchr(bytes + i, '"', len - i);
            if (!quote) {
                i = len;
                break;
            }
            i = (size_t)(quote - bytes) + 1;
            state = LAM_CSV_QUOTE;
            continue;
        }
        c = bytes[i++];
        if (c == '\n') {
            scanner->state = LAM_CSV_START;
            return i;
        }
        if (c == delimiter)
            state = LAM_CSV_START;
        else if (c == '"' && state != LAM_CSV_PLAIN)
            state = LAM_CSV_QUOTED; /* opens at the start of a field, or is the second of two */
        else
            state = LAM_CSV_PLAIN;
    }
    scanner->state = state;
    return len + 1; /* none */
}

size_t lam_row_scan(struct lam_row_scanner *scanner, const char *bytes, size_t len, bool *ended, bool *skipped)
{
    size_t max = scanner->max_record + 2, used = 0; /* + 2: CRLF */
    const char *newline;

    *ended = *skipped = false;
    if (scanner->state != LAM_CSV_SKIP) {
        size_t part = len < max - scanner->len ? len : (size_t)(max - scanner->len);

        if (scanner->csv)
            used = scan_csv(scanner, bytes, part);
        else {
            newline = part ? memchr(bytes, '\n', part) : NULL;
            used = newline ? (size_t)(newline - bytes) + 1 : part + 1;
        }
        *ended = used <= part;
        used = *ended ? used : part;
        scanner->len += used;
        if (!*ended && scanner->len == max)
            scanner->state = LAM_CSV_SKIP;
    }
    if (scanner->state == LAM_CSV_SKIP) {
        *skipped = true;
        newline = len > used ? memchr(bytes + used, '\n', len - used) : NULL;
        *ended = newline != NULL;
        used = newline ? (size_t)(newline - bytes) + 1 : len;
        scanner->len = max;
    }
    if (*ended) {
        scanner->state = LAM_CSV_START;
        scanner->len = 0;
    }
    return used;
}

char lam_csv_detect_delimiter(struct lam_sv sample)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    size_t counts[sizeof candidates] = {0}, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < sample.len && (quoted || sample.ptr[i] != '\n'); i++) {
        if (sample.ptr[i] == '"')
            quoted = !quoted;
        for (size_t k = 0; !quoted && k < sizeof candidates; k++)
            counts[k] += sample.ptr[i] == candidates[k];
    }
    for (size_t k = 1; k < sizeof candidates; k++)
        if (counts[k] > counts[best])
            best = k;
    return candidates[best];
}

/*
 * Takes the field at *at. The value is a view into row, or into scratch where quotes had to go. Returns LAM_END when it was the
 * row's last one.
 */
static int next_field(char delimiter, struct lam_sv row, size_t *at, struct lam_buf *scratch, struct lam_sv *value, struct lam_error *err)
{
    const char *end = row.ptr + row.len, *p = row.ptr + *at, *stop;
    int rc = 0;

    if (p == end || *p != '"') {
        stop = p == end ? NULL : memchr(p, delimiter, (size_t)(end - p));
        *value = lam_sv(p, (size_t)((stop ? stop : end) - p));
        *at = (size_t)((stop ? stop + 1 : end) - row.ptr);
        return stop ? 0 : LAM_END;
    }
    lam_buf_clear(scratch);
    p++;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));

        if (!quote)
            return LAM_FAIL(err, LAM_E_INVALID, "a quote is never closed");
        if (quote + 1 == end || quote[1] != '"') {
            stop = quote + 1 == end ? NULL : memchr(quote + 1, delimiter, (size_t)(end - quote - 1));
            if (scratch->len == 0 && quote + 1 == (stop ? stop : end)) /* the usual field: nothing to take out */
                *value = lam_sv(p, (size_t)(quote - p));
            else {
                rc = lam_buf_add(scratch, p, (size_t)(quote - p), err);
                if (!rc)
                    rc = lam_buf_add(scratch, quote + 1, (size_t)((stop ? stop : end) - quote - 1), err);
                *value = lam_buf_sv(scratch);
            }
            *at = (size_t)((stop ? stop + 1 : end) - row.ptr);
            return rc ? rc : stop ? 0 : LAM_END;
        }
        if ((rc = lam_buf_add(scratch, p, (size_t)(quote + 1 - p), err)))
            return rc;
        p = quote + 2;
    }
}

/* Digits or an address without a word: not what a column is called. */
static bool looks_like_data(struct lam_sv field)
{
    bool digits = false, letters = false, at = false;

    for (size_t i = 0; i < field.len; i++) {
        unsigned char c = (unsigned char)field.ptr[i];

        digits |= c >= '0' && c <= '9';
        letters |= (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        letters |= c >= 0x80;
        at |= c == '@';
        if (c == '\n')
            return true;
    }
    return field.len > MAX_NAME || at || (digits && !letters);
}

static bool name_taken(const struct lam_csv_head *head, size_t begin)
{
    struct lam_sv name = lam_sv(head->names.ptr + begin, head->names.len - begin);
    size_t from = 0;

    for (size_t i = 0; i < head->count; from = head->ends[i++])
        if (lam_sv_eq(lam_sv(head->names.ptr + from, head->ends[i] - from), name))
            return true;
    return false;
}

/* Adds a column: "name":, or "name_2": and so on where it is taken, "column_3": where it is empty. */
static int add_column(struct lam_csv_head *head, struct lam_sv field, struct lam_error *err)
{
    size_t begin = head->names.len, try = 1;
    int rc;

    if (head->count == LAM_CSV_COLUMNS)
        return LAM_FAIL(err, LAM_E_LIMIT, "more than %d columns", LAM_CSV_COLUMNS);
    do {
        char number[32] = "";
        struct lam_buf *names = &head->names;

        names->len = begin;
        lam_buf_clear(&head->field);
        rc = field.len ? lam_buf_add_sv(&head->field, field, err) : lam_buf_addf(&head->field, err, "column_%zu", head->count + 1);
        if (try > 1)
            snprintf(number, sizeof number, "_%zu", try);
        if (!rc)
            rc = lam_buf_add(&head->field, number, strlen(number), err);
        if (!rc)
            rc = lam_buf_add_json(names, lam_buf_sv(&head->field), err);
        if (!rc)
            rc = lam_buf_add(names, ":", 1, err);
        try++;
    } while (!rc && name_taken(head, begin));
    if (!rc)
        head->ends[head->count++] = head->names.len;
    return rc;
}

/* Whether the first row is one of names: all fields are looked at. */
static int judge_header(struct lam_csv_head *head, struct lam_sv row, struct lam_buf *scratch, struct lam_error *err)
{
    bool named = false;
    size_t at = 0;
    int rc;

    head->header = true;
    do {
        struct lam_sv value;

        rc = next_field(head->delimiter, row, &at, scratch, &value, err);
        if (rc && rc != LAM_END)
            return rc;
        named |= value.len > 0;
        head->header &= !looks_like_data(value);
    } while (!rc);
    head->header &= named;
    return 0;
}

/* The first carriage return outside of quotes; row.len: there is none. */
static size_t bare_return(struct lam_sv row)
{
    bool quoted = false;
    size_t at = 0;

    for (; at < row.len && (quoted || row.ptr[at] != '\r'); at++)
        quoted ^= row.ptr[at] == '"';
    return at;
}

int lam_csv_head_init(struct lam_csv_head *head, struct lam_sv row, const struct lam_files_options *options, struct lam_error *err)
{
    struct lam_buf scratch;
    size_t at = 0, bad = lam_utf8_valid(row), bare = bare_return(row);
    int rc = 0;

    lam_buf_init(&head->names, 8 * options->max_record + (LAM_CSV_COLUMNS * 64));
    lam_buf_init(&head->field, options->max_record + 64);
    lam_buf_init(&scratch, options->max_record + 64);
    head->count = 0;
    head->ends = malloc(LAM_CSV_COLUMNS * sizeof *head->ends);
    if (!head->ends)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for the columns");
    if (!rc && bad < row.len)
        rc = LAM_FAIL(err, LAM_E_INVALID, "the first row is not UTF-8 at its byte %zu; other encodings are not yet read", bad);
    if (!rc && bare < row.len)
        rc = LAM_FAIL(err, LAM_E_INVALID, "the first row has a carriage return at its byte %zu: rows have to end with LF or CRLF, not with CR alone", bare);
    head->header = options->csv_header == LAM_CSV_HEADER_YES;
    if (!rc && options->csv_header == LAM_CSV_HEADER_DETECT)
        rc = judge_header(head, row, &scratch, err);
    while (!rc) {
        struct lam_sv value;
        int more = next_field(head->delimiter, row, &at, &scratch, &value, err);

        rc = more == 0 || more == LAM_END ? add_column(head, head->header ? value : lam_sv("", 0), err) : more;
        if (!rc)
            rc = more;
    }
    lam_buf_release(&scratch);
    if (rc == LAM_END)
        return 0;
    lam_csv_head_release(head);
    return rc;
}

void lam_csv_head_release(struct lam_csv_head *head)
{
    free(head->ends);
    lam_buf_release(&head->names);
    lam_buf_release(&head->field);
    *head = (struct lam_csv_head){.delimiter = head->delimiter};
}

int lam_csv_to_json(struct lam_csv_head *head, struct lam_sv row, struct lam_buf *out, struct lam_error *err)
{
    size_t at = 0, count = 0, bad = lam_utf8_valid(row);
    int rc = 0, more = 0;

    lam_buf_clear(out);
    if (bad < row.len)
        return LAM_FAIL(err, LAM_E_INVALID, "the row is not UTF-8 at its byte %zu; other encodings are not yet read", bad);
    while (!rc && !more) {
        size_t from = count && count < head->count ? head->ends[count - 1] : 0;
        struct lam_sv value;

        more = next_field(head->delimiter, row, &at, &head->field, &value, err);
        if (more && more != LAM_END)
            return more;
        if (count++ >= head->count)
            continue;
        rc = lam_buf_add(out, count == 1 ? "{" : ",", 1, err);
        if (!rc)
            rc = lam_buf_add(out, head->names.ptr + from, head->ends[count - 1] - from, err);
        if (!rc)
            rc = lam_buf_add_json(out, value, err);
    }
    if (!rc && count != head->count)
        return LAM_FAIL(err, LAM_E_INVALID, "the row has %zu field%s, the first one has %zu", count, count == 1 ? "" : "s", head->count);
    return rc ? rc : lam_buf_add(out, "}", 1, err);
}
