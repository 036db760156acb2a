#include "scratch.h"

#include "source/csv.h"

static void read_csv(const char *text, const struct lam_files_options *options, struct reading *reading)
{
    struct lam_scan_file file;

    put_text("t.csv", text);
    file = look_at("t.csv", LAM_FORMAT_CSV);
    read_file(options, &file, UINT64_MAX, NULL, 0, reading);
}

/* The records of a CSV text, one JSON a line; rejects as "! reason". */
static void assert_csv(const char *text, const struct lam_files_options *given, const char *expected)
{
    struct lam_files_options options = given ? *given : options_here();
    struct lam_scan_file file;
    struct lam_split split;
    struct lam_files *files;
    struct lam_error err = {0};
    struct lam_item item;
    char out[8192] = "";

    put_text("t.csv", text);
    file = look_at("t.csv", LAM_FORMAT_CSV);
    split = (struct lam_split){.format = LAM_FORMAT_CSV, .path = file.path, .end = file.size, .size = file.size, .mtime_ns = file.mtime_ns};
    assert_ok(lam_files_open(&files, &options, &split, &err));
    while (lam_files_next(files, &item, &err) == 0)
        sprintf(out + strlen(out), "%s%.*s\n", item.kind == LAM_ITEM_RECORD ? "" : "! ",
                LAM_SV_ARG(item.kind == LAM_ITEM_RECORD ? item.bytes : item.reason));
    lam_files_close(files);
    assert_string_equal(out, expected);
}

static void fields_are_those_of_rfc_4180(void **state)
{
    (void)state;
    assert_csv("name,text\na,b\n", NULL, "{\"name\":\"a\",\"text\":\"b\"}\n");
    assert_csv("name,text\r\na,b\r\n", NULL, "{\"name\":\"a\",\"text\":\"b\"}\n");
    assert_csv("name,text\na,b", NULL, "{\"name\":\"a\",\"text\":\"b\"}\n");
    assert_csv("name,text\n\"a,1\",\"two\nlines\"\n", NULL, "{\"name\":\"a,1\",\"text\":\"two\\nlines\"}\n");
    assert_csv("name,text\n\"a \"\"q\"\" b\",\"\"\n", NULL, "{\"name\":\"a \\\"q\\\" b\",\"text\":\"\"}\n");
    assert_csv("name,text\n\"\"\"\",\"\"\"\"\"\"\n", NULL, "{\"name\":\"\\\"\",\"text\":\"\\\"\\\"\"}\n");
    assert_csv("name,text\n,\n", NULL, "{\"name\":\"\",\"text\":\"\"}\n");
    assert_csv("name,text\n\n\r\na,b\n\n", NULL, "{\"name\":\"a\",\"text\":\"b\"}\n");
    assert_csv("name,text\n\"two\r\nlines\",x\n", NULL, "{\"name\":\"two\\r\\nlines\",\"text\":\"x\"}\n");
    assert_csv("name\n日本\n\"é\"\n", NULL, "{\"name\":\"日本\"}\n{\"name\":\"é\"}\n");
}

/* As Python's csv has it, for people compare. */
static void stray_quotes_are_characters(void **state)
{
    (void)state;
    assert_csv("name,text\n5\" pipe,a\"b\"\n", NULL, "{\"name\":\"5\\\" pipe\",\"text\":\"a\\\"b\\\"\"}\n");
    assert_csv("name,text\n\"a\"b,c\n", NULL, "{\"name\":\"ab\",\"text\":\"c\"}\n");
    assert_csv("name,text\n\"a\" \"b\",c\n", NULL, "{\"name\":\"a \\\"b\\\"\",\"text\":\"c\"}\n");
    assert_csv("name,text\n \"a\",c\n", NULL, "{\"name\":\" \\\"a\\\"\",\"text\":\"c\"}\n");
}

static void the_delimiter_is_detected_in_the_first_row(void **state)
{
    struct lam_files_options options = options_here();

    (void)state;
    assert_csv("a;b,c;d\n1;2;3\n", NULL, "{\"a\":\"1\",\"b,c\":\"2\",\"d\":\"3\"}\n");
    assert_csv("a\tb\n1\t2\n", NULL, "{\"a\":\"1\",\"b\":\"2\"}\n");
    assert_csv("a|b\n1|2\n", NULL, "{\"a\":\"1\",\"b\":\"2\"}\n");
    assert_csv("\"a;;;;\",b\n1,2\n", NULL, "{\"a;;;;\":\"1\",\"b\":\"2\"}\n");
    assert_csv("\n\na;b\n1;2\n", NULL, "{\"a\":\"1\",\"b\":\"2\"}\n");
    options.csv_delimiter = ';';
    assert_csv("a,b;c\n1,2;3\n", &options, "{\"a,b\":\"1,2\",\"c\":\"3\"}\n");
}

static void the_header_is_detected_or_told(void **state)
{
    struct lam_files_options options = options_here();

    (void)state;
    assert_csv("ada,12\nbob,13\n", NULL, "{\"column_1\":\"ada\",\"column_2\":\"12\"}\n{\"column_1\":\"bob\",\"column_2\":\"13\"}\n");
    assert_csv("a@b.org,x\n", NULL, "{\"column_1\":\"a@b.org\",\"column_2\":\"x\"}\n");
    assert_csv("2020/3/18,x\n", NULL, "{\"column_1\":\"2020/3/18\",\"column_2\":\"x\"}\n");
    options.csv_header = LAM_CSV_HEADER_YES;
    assert_csv("ada,12\nbob,13\n", &options, "{\"ada\":\"bob\",\"12\":\"13\"}\n");
    options.csv_header = LAM_CSV_HEADER_NO;
    assert_csv("name,text\na,b\n", &options, "{\"column_1\":\"name\",\"column_2\":\"text\"}\n{\"column_1\":\"a\",\"column_2\":\"b\"}\n");
}

static void names_are_made_unique_and_never_empty(void **state)
{
    (void)state;
    assert_csv("a,,a,a_2,\n1,2,3,4,5\n", NULL, "{\"a\":\"1\",\"column_2\":\"2\",\"a_2\":\"3\",\"a_2_2\":\"4\",\"column_5\":\"5\"}\n");
    assert_csv("\"x\"\"y\",b\n1,2\n", NULL, "{\"x\\\"y\":\"1\",\"b\":\"2\"}\n");
}

static void a_byte_order_mark_is_no_text(void **state)
{
    (void)state;
    assert_csv("\xef\xbb\xbfname,text\na,b\n", NULL, "{\"name\":\"a\",\"text\":\"b\"}\n");
    assert_csv("\xef\xbb\xbf\"na,me\",text\na,b\n", NULL, "{\"na,me\":\"a\",\"text\":\"b\"}\n");
    assert_csv("\xef\xbb\xbf", NULL, "");
}

static void bad_rows_are_rejected_by_file_and_offset(void **state)
{
    struct lam_files_options options = options_here();

    (void)state;
    assert_csv("a,b\n1\n2,3\n4,5,6\n7,8\n", NULL,
               "! t.csv at byte 4: the row has 1 field, the first one has 2\n{\"a\":\"2\",\"b\":\"3\"}\n"
               "! t.csv at byte 10: the row has 3 fields, the first one has 2\n{\"a\":\"7\",\"b\":\"8\"}\n");
    assert_csv("a,b\n1,\xff\n2,3\n", NULL,
               "! t.csv at byte 4: the row is not UTF-8 at its byte 2; other encodings are not yet read\n{\"a\":\"2\",\"b\":\"3\"}\n");
    assert_csv("a,b\n1,2\n3,\"open\n4,5\n", NULL, "{\"a\":\"1\",\"b\":\"2\"}\n! t.csv at byte 8: a quote is never closed\n");
    options.max_record = 12;
    assert_csv("a,b\n1,2\n3,\"open and so on\n4,5\n6,7\n", &options,
               "{\"a\":\"1\",\"b\":\"2\"}\n! t.csv at byte 8: a record of more than 12 "
               "bytes\n{\"a\":\"4\",\"b\":\"5\"}\n{\"a\":\"6\",\"b\":\"7\"}\n");
    assert_csv("a,b\n123456,89012\n123456,890123\n1,2\n", &options,
               "{\"a\":\"123456\",\"b\":\"89012\"}\n! t.csv at byte 17: a record of more than 12 bytes\n{\"a\":\"1\",\"b\":\"2\"}\n");
}

static void a_file_whose_first_row_cannot_be_read_is_damaged_once(void **state)
{
    struct lam_files_options options = options_here();
    struct reading reading = {0};
    char commas[5000];

    (void)state;
    assert_csv("id,x\r1,mac\r2,mac2\r", NULL, "! t.csv at byte 0: the first row has a carriage return at its byte 4: rows have to end with LF or CRLF, not with CR alone\n");
    assert_csv("id,\"x\ry\"\r\n1,2\r\n", NULL, "{\"id\":\"1\",\"x\\ry\":\"2\"}\n");
    assert_csv("a,\xff\n1,2\n", NULL, "! t.csv at byte 0: the first row is not UTF-8 at its byte 2; other encodings are not yet read\n");
    options.max_record = 4;
    assert_csv("first,row\n1,2\n", &options, "! t.csv at byte 0: the first row is longer than 4 bytes\n");
    memset(commas, ',', sizeof commas - 1);
    commas[sizeof commas - 1] = '\0';
    options = options_here();
    read_csv(commas, &options, &reading);
    assert_int_equal(reading.rejects, 1);
    assert_int_equal(reading.records, 0);
    reading_release(&reading);
}

static void a_quote_that_stays_open_costs_a_bounded_part_of_the_file(void **state)
{
    struct lam_files_options options = options_here();
    struct reading reading = {0};
    char text[8192] = "a,b\n1,\"stray\n";

    (void)state;
    for (int i = 0; i < 500; i++)
        strcat(text, "10,20\n");
    options.max_record = 600;
    read_csv(text, &options, &reading);
    assert_int_equal(reading.rejects, 1);
    assert_int_equal(reading.records, 401); /* 600 bytes are a hundred rows */
    reading_release(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_those_of_rfc_4180),
        cmocka_unit_test(stray_quotes_are_characters),
        cmocka_unit_test(the_delimiter_is_detected_in_the_first_row),
        cmocka_unit_test(the_header_is_detected_or_told),
        cmocka_unit_test(names_are_made_unique_and_never_empty),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(bad_rows_are_rejected_by_file_and_offset),
        cmocka_unit_test(a_file_whose_first_row_cannot_be_read_is_damaged_once),
        cmocka_unit_test(a_quote_that_stays_open_costs_a_bounded_part_of_the_file),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
