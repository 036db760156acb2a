/*
 * Properties of splits over random files: whatever the split size, the splits' records one behind the other are those of one
 * reading, neither lost nor doubled; and one reading is what a naive parser finds.
 */
#include "scratch.h"

#include "source/digest.h"

#define MAX_FILE 6000

static uint64_t seed, rnd_state;

static uint64_t rnd(uint64_t below) /* splitmix64 */
{
    uint64_t z = rnd_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static size_t random_bytes(char *out, size_t room, const char *const *pieces, size_t count)
{
    size_t len = 0, wanted = rnd(room);

    while (len < wanted) {
        const char *piece = pieces[rnd(count)];
        size_t n = strlen(piece);

        if (len + n > room)
            break;
        memcpy(out + len, piece, n);
        len += n;
    }
    return len;
}

static const char *const csv_pieces[] = {"a",
                                         "b,",
                                         ",",
                                         "\"x\"",
                                         "\"",
                                         "\"\"",
                                         "\n",
                                         "\r\n",
                                         "\r",
                                         "é",
                                         "日本",
                                         "\"q\nr\"",
                                         "\"long, \"\"quoted\"\"\r\nfield\",",
                                         "1,2\n",
                                         "a,b\n",
                                         "c,\"d\"\n",
                                         "\n",
                                         "\xff",
                                         ";",
                                         "\t",
                                         "\"e\"f,g\n"};
static const char *const line_pieces[] = {
    "{\"a\":1}", "\n",  "\n",  "\r\n", "\r", " ", "\t", "x", "é", "日本語", "a long line, longer than others",
    "\"",        "\\n", "\xff"};
/* Mostly well-formed rows of two fields, so that records are seen, too. */
static const char *const row_pieces[] = {
    "name,text\n", "a,b\r\n", "\"a \"\"q\"\" b\",c\n", "x,\"two\nlines\"\n", "é,\"日\r\n本\"\n", ",\n", "1,\n",
    "s\"t,u\n",    "\n"};

#define COUNT(array) (sizeof array / sizeof *array)

static size_t random_file(enum lam_format format, char *out)
{
    size_t len = 0, room = rnd(4) ? 400 : MAX_FILE;

    if (rnd(5) == 0) {
        memcpy(out, "\xef\xbb\xbf", 3);
        len = 3;
    }
    if (format == LAM_FORMAT_CSV && rnd(2))
        len += random_bytes(out + len, room, row_pieces, COUNT(row_pieces));
    else if (format == LAM_FORMAT_CSV)
        len += random_bytes(out + len, room, csv_pieces, COUNT(csv_pieces));
    else
        len += random_bytes(out + len, room, line_pieces, COUNT(line_pieces));
    return rnd(20) == 0 ? 0 : len;
}

static uint64_t random_split_size(void) { return rnd(3) == 0 ? 1 + rnd(8) : 1 + rnd(700); }

static void assert_same(const struct reading *one, const struct reading *other, const char *what)
{
    if (one->len != other->len || (one->len && memcmp(one->text, other->text, one->len)))
        fail_msg("seed %" PRIu64 ", %s:\n--- in one go\n%s\n--- in splits\n%s", seed, what, one->text ? one->text : "",
                 other->text ? other->text : "");
}

static enum lam_format random_format(void)
{
    static const enum lam_format formats[] = {LAM_FORMAT_JSONL, LAM_FORMAT_LINES, LAM_FORMAT_CSV, LAM_FORMAT_CSV};

    return formats[rnd(4)];
}

static void begin_case(uint64_t number)
{
    seed = number;
    rnd_state = number * 7919 + 1;
}

static void any_split_size_gives_the_records_of_one_reading(void **state)
{
    static char bytes[2 * MAX_FILE];

    (void)state;
    for (uint64_t n = 0; n < 800; n++) {
        struct lam_files_options options = options_here();
        struct reading one = {0}, cut = {0};
        struct lam_scan_file file;
        enum lam_format format;

        begin_case(n);
        format = random_format();
        options.max_record = rnd(2) ? 40 : 100000; /* the small limit meets the skipping of what is too long */
        put_file("f", bytes, random_file(format, bytes));
        file = look_at("f", format);
        read_file(&options, &file, UINT64_MAX, NULL, 0, &one);
        read_file(&options, &file, random_split_size(), NULL, 0, &cut);
        assert_same(&one, &cut, lam_format_name(format));
        assert_int_equal(one.records, cut.records);
        assert_int_equal(one.rejects, cut.rejects);
        if (one.ended != cut.ended)
            fail_msg("seed %" PRIu64 ": in one go the file %s a record's end", seed, one.ended ? "ends at" : "does not end at");
        assert_int_equal(one.have[0], cut.have[0]);
        assert_memory_equal(&one.blocks[0], &cut.blocks[0], sizeof one.blocks[0]);
        reading_release(&one);
        reading_release(&cut);
    }
}

/* A resumed run cuts what the ranges of the earlier one leave, with a split size of its own. */
static void what_adopted_ranges_leave_is_read_once(void **state)
{
    static char bytes[2 * MAX_FILE];

    (void)state;
    for (uint64_t n = 0; n < 250; n++) {
        struct lam_files_options options = options_here();
        struct reading one = {0}, first = {0}, rest = {0};
        struct lam_range done[MAX_FILE];
        struct lam_scan_file file;
        struct lam_cutter *cutter;
        struct lam_error err = {0};
        struct lam_split split;
        size_t done_count = 0;
        enum lam_format format;

        begin_case(n + 1000000);
        format = random_format();
        put_file("f", bytes, random_file(format, bytes));
        file = look_at("f", format);
        read_file(&options, &file, UINT64_MAX, NULL, 0, &one);
        assert_ok(lam_cutter_open(&cutter, &options, 0, &file, random_split_size(), NULL, 0, &err));
        while (lam_cutter_next(cutter, &split, &err) == 0)
            if (rnd(2)) {
                read_split(&options, &split, &first);
                done[done_count++] = (struct lam_range){split.begin, split.end};
            }
        lam_cutter_close(cutter);
        read_file(&options, &file, random_split_size(), done, done_count, &rest);
        if (one.records != first.records + rest.records || one.rejects != first.rejects + rest.rejects)
            fail_msg("seed %" PRIu64 ": %" PRIu64 " records in one go, %" PRIu64 " and %" PRIu64 " in two runs", seed,
                     one.records, first.records, rest.records);
        assert_int_equal(one.len, first.len + rest.len);
        reading_release(&one);
        reading_release(&first);
        reading_release(&rest);
    }
}

/* A file that ended at a record's end and grew: the old records and the new ones are those of the whole. */
static void a_grown_file_gives_only_what_is_new(void **state)
{
    static char bytes[4 * MAX_FILE];
    size_t tried = 0;

    (void)state;
    for (uint64_t n = 0; n < 900; n++) {
        struct lam_files_options options = options_here();
        struct reading old = {0}, whole = {0};
        struct lam_file_stamp before;
        struct lam_scan_file file;
        enum lam_format format;
        size_t len;

        begin_case(n + 2000000);
        format = random_format();
        options.max_record = rnd(2) ? 40 : 100000;
        len = random_file(format, bytes);
        put_file("f", bytes, len);
        file = look_at("f", format);
        read_file(&options, &file, random_split_size(), NULL, 0, &old);
        if (old.ended) {
            before = (struct lam_file_stamp){.path = file.path, .size = len};
            len += random_bytes(bytes + len, 600, row_pieces, COUNT(row_pieces));
            put_file("f", bytes, len);
            file = look_at("f", format);
            read_file(&options, &file, UINT64_MAX, NULL, 0, &whole);
            file.state = LAM_FILE_GROWN;
            file.before = &before;
            if (before.size > 0 || len == 0) {
                memset(old.have, 0, sizeof old.have);
                read_file(&options, &file, random_split_size(), NULL, 0, &old);
                assert_same(&whole, &old, "grown");
                tried++;
            }
        }
        reading_release(&old);
        reading_release(&whole);
    }
    assert_true(tried > 200);
}

/* -------- a parser of CSV that goes byte by byte and knows nothing of windows, as Python's csv does -------- */

struct naive {
    char rows[4 * MAX_FILE]; /* "offset|field|field\n" of each row, an open quote as "offset!\n" */
    size_t len;
};

static void naive_put(struct naive *naive, const char *bytes, size_t len)
{
    memcpy(naive->rows + naive->len, bytes, len);
    naive->len += len;
}

static void naive_csv(const char *bytes, size_t len, char delimiter, struct naive *naive)
{
    enum { START, PLAIN, QUOTED, QUOTE } at = START;
    size_t begin = 0, row = 0, i = 0;
    char offset[32];

    naive->len = 0;
    if (len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3))
        i = 3;
    for (begin = i; i <= len; i++) {
        bool end = i == len || (bytes[i] == '\n' && at != QUOTED);
        bool cr = i < len && bytes[i] == '\r' && at != QUOTED && (i + 1 == len || bytes[i + 1] == '\n');

        if (i == begin) {
            snprintf(offset, sizeof offset, "%zu|", begin == 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 0 : begin);
            row = naive->len;
            naive_put(naive, offset, strlen(offset));
        }
        if (cr)
            continue;
        if (end) {
            bool empty = i == begin || (i == begin + 1 && bytes[begin] == '\r');

            if (at == QUOTED) {
                naive->len = row + strlen(offset) - 1;
                naive_put(naive, "!", 1);
            }
            if (empty)
                naive->len = row;
            else
                naive_put(naive, "\n", 1);
            begin = i + 1;
            at = START;
        } else if (at == QUOTED)
            bytes[i] == '"' ? (void)(at = QUOTE) : naive_put(naive, bytes + i, 1);
        else if (bytes[i] == delimiter) {
            naive_put(naive, "|", 1);
            at = START;
        } else if (bytes[i] == '"' && at == START)
            at = QUOTED;
        else if (bytes[i] == '"' && at == QUOTE) {
            naive_put(naive, "\"", 1);
            at = QUOTED;
        } else {
            naive_put(naive, bytes + i, 1);
            at = PLAIN;
        }
    }
    naive->rows[naive->len] = '\0';
}

/* Turns {"column_1":"a","column_2":"b"} back into a|b. */
static void fields_of(struct lam_sv json, char *out)
{
    size_t i = 0;

    while (i < json.len) {
        i = (size_t)((const char *)memmem(json.ptr + i, json.len - i, "\":\"", 3) - json.ptr) + 3;
        for (; json.ptr[i] != '"'; i++) {
            if (json.ptr[i] == '\\') {
                i++;
                *out++ = json.ptr[i] == 'n' ? '\n' : json.ptr[i] == 'r' ? '\r' : json.ptr[i] == 't' ? '\t' : json.ptr[i];
            } else
                *out++ = json.ptr[i];
        }
        if (json.ptr[i + 1] == '}')
            break;
        *out++ = '|';
    }
    *out = '\0';
}

static void rows_are_those_of_a_naive_parser(void **state)
{
    static char bytes[2 * MAX_FILE], fields[2 * MAX_FILE], expected[2 * MAX_FILE];
    static struct naive naive;
    static const char *const pieces[] = {"a",       "b,",   "\"x\"", "\"\"",     ",",
                                         "\n",      "\r\n", "é",     "\"q\nr\"", "\"s, \"\"t\"\"\r\nu\",",
                                         "\"e\"f,", "g\"h", "a,b\n", "c,d\r\n",  "\""};

    size_t compared = 0;

    (void)state;
    for (uint64_t n = 0; n < 2000; n++) {
        struct lam_files_options options = options_here();
        struct lam_files *files;
        struct lam_error err = {0};
        struct lam_scan_file file;
        struct lam_split split = {0};
        struct lam_item item;
        size_t from = 0;

        begin_case(n + 3000000);
        options.csv_header = LAM_CSV_HEADER_NO;
        options.csv_delimiter = ',';
        put_file("f", bytes, random_bytes(bytes, rnd(3) ? 60 : 600, pieces, COUNT(pieces)));
        file = look_at("f", LAM_FORMAT_CSV);
        naive_csv(bytes, file.size, ',', &naive);
        split = (struct lam_split){.format = LAM_FORMAT_CSV,
                                   .path = file.path,
                                   .end = file.size,
                                   .size = file.size,
                                   .mtime_ns = file.mtime_ns};
        assert_ok(lam_files_open(&files, &options, &split, &err));
        while (lam_files_next(files, &item, &err) == 0) {
            char *row = naive.rows + from, *bar;
            size_t len = 0;

            if (item.kind == LAM_ITEM_DAMAGE) /* the first row has an open quote: the file is one row of nothing */
                break;
            /* Rows of the naive parser end with a newline that fields may have, too: compare by the length of ours. */
            snprintf(expected, sizeof expected, "%" PRIu64 "|", item.offset);
            len = strlen(expected);
            bar = strchr(row, '|');
            if (item.kind == LAM_ITEM_RECORD) {
                fields_of(item.bytes, fields);
                strcat(expected, fields);
                strcat(expected, "\n");
                if (strncmp(row, expected, strlen(expected)))
                    fail_msg("seed %" PRIu64 ": expected %.200s, got %.200s", seed, row, expected);
                compared++;
                from += strlen(expected);
                continue;
            }
            /* a reject: the offset is the same, and it has another count, or an open quote */
            assert_true(!strncmp(row, expected, len - 1));
            if (row[len - 1] == '!')
                break;
            assert_non_null(bar);
            for (from += len;; from++) { /* up to the row that the next item has */
                size_t next = (size_t)(item.offset + item.raw.len);
                char mark[32];

                if (!naive.rows[from])
                    break;
                while (next < file.size && (bytes[next] == '\n' || bytes[next] == '\r'))
                    next++;
                snprintf(mark, sizeof mark, "\n%zu", next);
                if (!strncmp(naive.rows + from, mark, strlen(mark)) && strchr("|!", naive.rows[from + strlen(mark)])) {
                    from++;
                    break;
                }
            }
        }
        lam_files_close(files);
    }
    assert_true(compared > 3000);
}

static void blocks_of_all_splits_make_the_digest_of_the_file(void **state)
{
    size_t len = (5u << 20) + 12345;
    char *bytes = malloc(len);
    static const uint64_t sizes[] = {UINT64_MAX, (uint64_t)1 << 20, (uint64_t)3 << 20, 777777};

    (void)state;
    assert_non_null(bytes);
    begin_case(1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = i % 97 == 96 ? '\n' : (char)('a' + rnd(26));
    put_file("big.jsonl", bytes, len);
    for (size_t k = 0; k < COUNT(sizes); k++) {
        struct lam_files_options options = options_here();
        struct lam_scan_file file = look_at("big.jsonl", LAM_FORMAT_AUTO);
        struct reading reading = {0};
        struct lam_digester digester;
        struct lam_error err = {0};
        struct lam_digest whole, joined;

        read_file(&options, &file, sizes[k], NULL, 0, &reading);
        for (size_t i = 0; i < 6; i++)
            assert_true(reading.have[i]);
        assert_false(reading.have[6]);
        joined = lam_digest_of_blocks(reading.blocks, 6);
        assert_ok(lam_digester_init(&digester, &err));
        assert_ok(lam_digester_add(&digester, bytes, len, &err));
        assert_ok(lam_digester_end(&digester, &err));
        whole = lam_digest_of_blocks(digester.blocks, digester.count);
        assert_true(lam_digest_eq(whole, joined));
        lam_digester_release(&digester);
        reading_release(&reading);
    }
    free(bytes);
}

static void a_grown_file_is_digested_from_the_block_of_its_old_end(void **state)
{
    size_t old_len = (2u << 20) + 500, len = (4u << 20) + 7;
    char *bytes = malloc(len);
    struct lam_files_options options = options_here();
    struct lam_file_stamp before = {.path = LAM_SV("big.jsonl"), .size = old_len};
    struct reading reading = {0};
    struct lam_scan_file file;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'x', len);
    bytes[old_len - 1] = '\n';
    put_file("big.jsonl", bytes, len);
    options.max_record = len;
    file = look_at("big.jsonl", LAM_FORMAT_AUTO);
    file.state = LAM_FILE_GROWN;
    file.before = &before;
    read_file(&options, &file, (uint64_t)1 << 20, NULL, 0, &reading);
    assert_int_equal(reading.records, 1);
    assert_false(reading.have[1]); /* the scan has those */
    assert_true(reading.have[2] && reading.have[3] && reading.have[4]);
    for (size_t i = 2; i < 5; i++) {
        size_t n = i < 4 ? (size_t)LAM_DIGEST_BLOCK : len - 4 * (size_t)LAM_DIGEST_BLOCK;

        assert_true(lam_digest_eq(reading.blocks[i], lam_hash128(bytes + i * LAM_DIGEST_BLOCK, n)));
    }
    reading_release(&reading);
    free(bytes);
}

static void a_packed_file_is_one_split_and_goes_on_behind_its_pieces(void **state)
{
    static const char text[] = "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n";
    struct lam_files_options options = options_here();
    struct lam_range done[] = {{0, 9}};
    struct reading reading = {0};
    struct lam_scan_file file;
    char packed[256];

    (void)state;
    put_file("p.jsonl.gz", packed, pack_gzip(text, sizeof text - 1, packed, sizeof packed));
    file = look_at("p.jsonl.gz", LAM_FORMAT_AUTO);
    read_file(&options, &file, 1, done, 1, &reading);
    assert_string_equal(reading.text, "record 16 [{\"c\":3}] [{\"c\":3}] \n");
    assert_int_equal(lam_piece_of(16, 9), 1);
    reading_release(&reading);
}

static void bytes_that_are_no_split_are_refused(void **state)
{
    struct lam_split split = {.format = LAM_FORMAT_CSV,
                              .path = LAM_SV("a/b.csv"),
                              .begin = 1,
                              .end = 5,
                              .first = LAM_SPLIT_FIND,
                              .mtime_ns = -1},
                     back;
    struct lam_error err = {0};
    struct lam_buf wire;

    (void)state;
    lam_buf_init(&wire, 1024);
    assert_ok(lam_split_encode(&split, &wire, &err));
    assert_ok(lam_split_decode(lam_buf_sv(&wire), &back, &err));
    assert_true(lam_sv_eq(back.path, split.path));
    assert_true(back.first == LAM_SPLIT_FIND && back.mtime_ns == -1 && back.begin == 1 && back.end == 5);
    for (size_t len = 0; len < wire.len; len++)
        assert_int_equal(lam_split_decode(lam_sv(wire.ptr, len), &back, &err), LAM_E_CORRUPT);
    wire.ptr[0] = 9;
    assert_int_equal(lam_split_decode(lam_buf_sv(&wire), &back, &err), LAM_E_CORRUPT);
    lam_buf_release(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_size_gives_the_records_of_one_reading),
        cmocka_unit_test(what_adopted_ranges_leave_is_read_once),
        cmocka_unit_test(a_grown_file_gives_only_what_is_new),
        cmocka_unit_test(rows_are_those_of_a_naive_parser),
        cmocka_unit_test(blocks_of_all_splits_make_the_digest_of_the_file),
        cmocka_unit_test(a_grown_file_is_digested_from_the_block_of_its_old_end),
        cmocka_unit_test(a_packed_file_is_one_split_and_goes_on_behind_its_pieces),
        cmocka_unit_test(bytes_that_are_no_split_are_refused),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
