#include "scratch.h"

static void assert_reads(const char *name, enum lam_format format, const struct lam_files_options *given, const char *expected)
{
    struct lam_files_options options = given ? *given : options_here();
    struct lam_scan_file file = look_at(name, format);
    struct reading reading = {0};

    read_file(&options, &file, UINT64_MAX, NULL, 0, &reading);
    assert_string_equal(reading.text ? reading.text : "", expected);
    reading_release(&reading);
}

static void lines_of_json_are_records_at_their_bytes(void **state)
{
    (void)state;
    put_text("a.jsonl", "{\"a\":1}\n\n  \t\n{\"b\":2}\r\n{\"c\":3}");
    assert_reads("a.jsonl", LAM_FORMAT_AUTO, NULL,
                 "record 0 [{\"a\":1}] [{\"a\":1}] \nrecord 13 [{\"b\":2}] [{\"b\":2}] \nrecord 22 [{\"c\":3}] [{\"c\":3}] \n");
    put_text("b.jsonl", "\xef\xbb\xbf{}\n{}\n");
    assert_reads("b.jsonl", LAM_FORMAT_AUTO, NULL, "record 0 [{}] [{}] \nrecord 6 [{}] [{}] \n");
    put_text("e.jsonl", "");
    assert_reads("e.jsonl", LAM_FORMAT_AUTO, NULL, "");
}

static void lines_of_text_are_records_and_must_be_utf8(void **state)
{
    (void)state;
    put_text("a.log", "one\n \n\ntwo\r\nbad \xff\nthree");
    assert_reads("a.log", LAM_FORMAT_LINES, NULL,
                 "record 0 [one] [one] \nrecord 4 [ ] [ ] \nrecord 7 [two] [two] \n"
                 "reject 12 [] [bad \xff] a.log at byte 12: the line is not UTF-8 at its byte 4; other encodings are "
                 "not yet read\nrecord 18 [three] [three] \n");
}

static void a_line_that_is_too_long_is_rejected_and_the_next_one_read(void **state)
{
    struct lam_files_options options = options_here();

    (void)state;
    options.max_record = 8;
    options.max_raw = 4;
    put_text("l.jsonl", "12345678\n123456789\n1\n123456789012345678901234567890\r\n2\n123456789");
    assert_reads("l.jsonl", LAM_FORMAT_AUTO, &options,
                 "record 0 [12345678] [12345678] \nreject 9 [] [1234] l.jsonl at byte 9: a record of more than 8 "
                 "bytes\nrecord 19 [1] [1] \n"
                 "reject 21 [] [1234] l.jsonl at byte 21: a record of more than 8 bytes\nrecord 53 [2] [2] \n"
                 "reject 55 [] [1234] l.jsonl at byte 55: a record of more than 8 bytes\n");
}

static void a_document_is_one_record(void **state)
{
    struct lam_files_options options = options_here();
    char packed[200];

    (void)state;
    put_text("d.md", "# T\n\ntext\n");
    assert_reads("d.md", LAM_FORMAT_AUTO, NULL, "record 0 [# T\n\ntext\n] [# T\n\ntext\n] \n");
    put_text("e.md", "");
    assert_reads("e.md", LAM_FORMAT_AUTO, NULL, "record 0 [] [] \n");
    put_file("d.txt.gz", packed, pack_gzip("packed\n", 7, packed, sizeof packed));
    assert_reads("d.txt.gz", LAM_FORMAT_AUTO, NULL, "record 0 [packed\n] [packed\n] \n");
    options.max_document = 4;
    options.max_raw = 2;
    put_text("d4.txt", "1234");
    assert_reads("d4.txt", LAM_FORMAT_AUTO, &options, "record 0 [1234] [1234] \n");
    put_text("d5.txt", "12345");
    assert_reads("d5.txt", LAM_FORMAT_AUTO, &options, "reject 0 [] [12] d5.txt at byte 0: a document of more than 4 bytes\n");
    put_file("d.txt.gz", packed, 12);
    assert_reads("d.txt.gz", LAM_FORMAT_AUTO, NULL,
                 "reject 0 [] [p] d.txt.gz at byte 0: d.txt.gz is damaged at raw byte 12: it ends within a member\n");
}

/* Records before the damage stand; then one item names file and offset; the file is not ended. */
static void of_a_damaged_archive_the_records_before_the_damage_stand(void **state)
{
    struct lam_files_options options = options_here();
    struct lam_scan_file file;
    struct reading reading = {0};
    char text[20000] = "", packed[40000];
    size_t n, records = 0;

    (void)state;
    for (int i = 0; i < 800; i++)
        sprintf(text + strlen(text), "{\"n\":%d}\n", i * 7919 % 10007);
    n = pack_gzip(text, strlen(text), packed, sizeof packed);
    put_file("cut.jsonl.gz", packed, n / 2);
    file = look_at("cut.jsonl.gz", LAM_FORMAT_AUTO);
    read_file(&options, &file, 1, NULL, 0, &reading);
    for (const char *p = reading.text; (p = strstr(p, "record ")); p++)
        records++;
    assert_true(records > 50 && records == reading.records);
    assert_int_equal(reading.rejects, 1);
    assert_non_null(strstr(reading.text, "\ndamage "));
    assert_non_null(strstr(reading.text, "cut.jsonl.gz is damaged at raw byte"));
    assert_false(reading.ended);
    assert_true(reading.have[0]);
    assert_true(lam_digest_eq(reading.blocks[0], lam_hash128(packed, n / 2)));
    reading_release(&reading);
    put_text("none.csv.gz", "no gzip");
    assert_reads("none.csv.gz", LAM_FORMAT_AUTO, NULL,
                 "damage 0 [] [] none.csv.gz at byte 0: none.csv.gz is damaged at raw byte 0: it does not begin like gzip\n");
}

static void packed_rows_are_those_of_the_plain_file(void **state)
{
    static const char text[] = "name,text\na,\"two\nlines\"\nb,\"x\"\"y\"\n";
    char packed[400];
    static const char expected[] = "record 10 [{\"name\":\"a\",\"text\":\"two\\nlines\"}] [a,\"two\nlines\"] \n"
                                   "record 24 [{\"name\":\"b\",\"text\":\"x\\\"y\"}] [b,\"x\"\"y\"] \n";

    (void)state;
    put_text("r.csv", text);
    assert_reads("r.csv", LAM_FORMAT_AUTO, NULL, expected);
    put_file("r.csv.gz", packed, pack_gzip(text, sizeof text - 1, packed, sizeof packed));
    assert_reads("r.csv.gz", LAM_FORMAT_AUTO, NULL, expected);
    put_file("r.csv.zst", packed, pack_zstd(text, sizeof text - 1, packed, sizeof packed));
    assert_reads("r.csv.zst", LAM_FORMAT_AUTO, NULL, expected);
}

static struct lam_split split_of(const struct lam_scan_file *file)
{
    return (struct lam_split){.format = file->format,
                              .pack = file->pack,
                              .path = file->path,
                              .end = file->size,
                              .size = file->size,
                              .mtime_ns = file->mtime_ns};
}

static void a_file_that_changes_under_the_reader_is_a_conflict(void **state)
{
    struct lam_files_options options = options_here();
    struct lam_files_result result;
    struct lam_scan_file file;
    struct lam_split split;
    struct lam_files *files;
    struct lam_error err = {0};
    struct lam_item item;

    (void)state;
    put_text("c.jsonl", "1\n2\n");
    file = look_at("c.jsonl", LAM_FORMAT_AUTO);
    split = split_of(&file);
    assert_ok(lam_files_open(&files, &options, &split, &err));
    while (lam_files_next(files, &item, &err) == 0)
        ;
    put_age("c.jsonl", 5);
    assert_int_equal(lam_files_finish(files, &result, &err), LAM_E_CONFLICT);
    lam_files_close(files);
    assert_int_equal(lam_files_open(&files, &options, &split, &err), LAM_E_CONFLICT); /* and before the first byte */
    file = look_at("c.jsonl", LAM_FORMAT_AUTO);
    split = split_of(&file);
    assert_ok(lam_files_open(&files, &options, &split, &err));
    while (lam_files_next(files, &item, &err) == 0)
        ;
    put_text("c.jsonl", "1\n2\n3\n");
    assert_int_equal(lam_files_finish(files, &result, &err), LAM_E_CONFLICT);
    lam_files_close(files);
    unlink(at("c.jsonl"));
    assert_int_equal(lam_files_open(&files, &options, &split, &err), LAM_E_NOT_FOUND);
}

static void the_media_type_of_rows_is_known_and_of_documents_asked_for(void **state)
{
    struct lam_files_options options = options_here();
    static const struct {
        const char *name;
        enum lam_format format;
        const char *media_type;
    } cases[] = {{"m.jsonl", LAM_FORMAT_AUTO, "application/json"},
                 {"m.csv", LAM_FORMAT_AUTO, "application/json"},
                 {"m.x", LAM_FORMAT_LINES, "text/plain"},
                 {"m.md", LAM_FORMAT_AUTO, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_scan_file file;
        struct lam_split split;
        struct lam_files *files;
        struct lam_error err = {0};
        struct lam_item item;

        put_text(cases[i].name, "aaa\nbbb\n");
        file = look_at(cases[i].name, cases[i].format);
        split = split_of(&file);
        assert_ok(lam_files_open(&files, &options, &split, &err));
        assert_ok(lam_files_next(files, &item, &err));
        if (cases[i].media_type)
            assert_string_equal(item.media_type, cases[i].media_type);
        else
            assert_null(item.media_type);
        lam_files_close(files);
    }
}

/* Recounted with another tool: Python's csv module finds 3,973 rows of 18 columns. */
static void the_complaints_have_as_many_rows_as_python_counts(void **state)
{
    const char *data = getenv("LAMINA_TEST_DATA");
    struct lam_files_options options = options_here();
    struct lam_scan_options scanning = {.path = NULL, .began_ns = 1};
    struct lam_scan_file file;
    struct lam_scan *scan;
    struct lam_error err = {0};
    char path[1024];
    static const uint64_t sizes[] = {UINT64_MAX, (uint64_t)1 << 20, 4097};

    (void)state;
    snprintf(path, sizeof path, "%s/complaints.csv", data && *data ? data : LAMINA_DATA_DEFAULT);
    if (access(path, R_OK)) {
        print_message("no %s: skipped\n", path);
        skip();
    }
    scanning.path = path;
    assert_ok(lam_scan_open(&scan, &scanning, NULL, 0, &err));
    assert_ok(lam_scan_next(scan, &file, &err));
    options.root = lam_scan_root(scan);
    for (size_t i = 0; i < 3; i++) {
        struct reading reading = {0};

        read_file(&options, &file, sizes[i], NULL, 0, &reading);
        assert_int_equal(reading.records, 3973);
        assert_int_equal(reading.rejects, 0);
        assert_true(reading.ended);
        reading_release(&reading);
    }
    lam_scan_close(scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_json_are_records_at_their_bytes),
        cmocka_unit_test(lines_of_text_are_records_and_must_be_utf8),
        cmocka_unit_test(a_line_that_is_too_long_is_rejected_and_the_next_one_read),
        cmocka_unit_test(a_document_is_one_record),
        cmocka_unit_test(of_a_damaged_archive_the_records_before_the_damage_stand),
        cmocka_unit_test(packed_rows_are_those_of_the_plain_file),
        cmocka_unit_test(a_file_that_changes_under_the_reader_is_a_conflict),
        cmocka_unit_test(the_media_type_of_rows_is_known_and_of_documents_asked_for),
        cmocka_unit_test(the_complaints_have_as_many_rows_as_python_counts),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
