#include "parse_support.h"

#define MD LAM_MEDIA_MARKDOWN

static void text_is_without_marks(void **state)
{
    (void)state;
    assert_parses(MD, "# Title\n\nSome *text* with `code`\nand **more**.\n\nNext\n", "Title", "Title\n\nSome text with code and more.\n\nNext", NULL);
    assert_parses(MD, "- one\n- two\n  - three\n\nafter", "", "one\ntwo\n\nthree\n\nafter", "");
    assert_parses(MD, "```c\nint  x;\n  y;\n```\nz", NULL, "int  x;\n  y;\n\n\nz", NULL);
    assert_parses(MD, "a  \nb\\\nc", NULL, "a\nb\nc", NULL);
    assert_parses(MD, "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n", NULL, "a b\n1 2\n3 4", NULL);
    assert_parses(MD, "x <b>bold</b> y\n\n<div>\nblock <i>html</i> <!-- no --> end\n</div>\n", NULL, "x bold y\n\nblock html end", NULL);
    assert_parses(MD, "> quote\n\n---\n\n![a picture](x.png)", NULL, "quote\n\na picture", NULL);
    assert_parses(MD, "", "", "", "");
    assert_parses(MD, "\xef\xbb\xbf# Bom\n", "Bom", "Bom", NULL);
    assert_parses(MD, "line\r\nline\r\n\r\npara &amp; &eacute;", NULL, "line line\n\npara & é", NULL);
}

static void headings_and_links_have_their_offsets_in_the_text(void **state)
{
    (void)state;
    assert_parses(MD, "é [a *b*](http://x \"t\")\n\n## Two `c`\n\n[r]: /ref\n\nsee [r]\n\nOne\n===\n", "One", "é a b\n\nTwo c\n\nsee r\n\nOne",
                  "{\"headings\":[{\"level\":2,\"offset\":8,\"text\":\"Two c\"},{\"level\":1,\"offset\":22,\"text\":\"One\"}],"
                  "\"links\":[{\"offset\":3,\"text\":\"a b\",\"href\":\"http://x\"},{\"offset\":19,\"text\":\"r\",\"href\":\"/ref\"}]}");
}

static void front_matter_is_no_text_and_names_the_title(void **state)
{
    (void)state;
    assert_parses(MD, "---\ntitle: \"My page\"\ntags: [a, b]\n---\n# Other\n\ntext\n", "My page", "Other\n\ntext", NULL);
    assert_parses(MD, "---\ntags: x\n---\n# Heading\n", "Heading", "Heading", NULL);
    assert_parses(MD, "---\n\ntext\n\n---\n", "", "text", NULL);
    assert_parses(MD, "---\n", "", "", NULL);
}

static void hostile_documents_are_refused_or_read_in_time(void **state)
{
    static const struct {
        const char *piece;
        size_t count;
    } cases[] = {
        {"[", 1000000}, {"![l", 500000}, {"*a ", 1000000}, {"_", 1000000}, {"<", 1000000}, {"`", 1000000}, {"> ", 500000}, {"- ", 10000},
        {"* a\n", 200000}, {"[a](", 500000}, {"&", 1000000}, {"***a ", 500000}, {"[a]: /u\n", 200000}, {"a\n", 500000}, {"    x\n", 300000}, {"|", 500000},
        {"*_", 500000}, {"\\", 1000000}, {"(", 1000000}, {"<!--", 500000}, {"]", 1000000}, {"\n>", 300000}, {"~", 1000000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_sv page = repeated(cases[i].piece, cases[i].count);
        struct lam_parser *parser = lam_parser_new(NULL);
        struct lam_parsed parsed;
        struct lam_error err = {0};
        int rc = lam_parser_parse(parser, lam_sv(NULL, 0), MD, page, &parsed, &err);

        if (rc && rc != LAM_E_LIMIT)
            fail_msg("%s: %s", cases[i].piece, err.text);
        lam_parser_free(parser);
        free((char *)(uintptr_t)page.ptr);
    }
}

static void references_do_not_multiply_beyond_the_limit(void **state)
{
    char *text = malloc(4 << 20);
    size_t len = 0;

    (void)state;
    assert_non_null(text);
    len += (size_t)sprintf(text, "[a]: /");
    memset(text + len, 'u', 100000);
    len += 100000;
    for (int i = 0; i < 100000; i++)
        len += (size_t)sprintf(text + len, "\n\n[a]");
    assert_refused(MD, lam_sv(text, len), LAM_E_LIMIT, "makes a tree of more than");
    len = 0;
    for (int i = 0; i < 10000; i++)
        text[len++] = '|';
    text[len++] = '\n';
    for (int i = 0; i < 10000; i++)
        len += (size_t)sprintf(text + len, "|-");
    text[len++] = '\n';
    for (int i = 0; i < 200000; i++)
        len += (size_t)sprintf(text + len, "|a\n"); /* each row is padded to the columns of the first */
    {
        struct lam_parser *parser = lam_parser_new(NULL);
        struct lam_parsed parsed;
        struct lam_error err = {0};
        int rc = lam_parser_parse(parser, lam_sv(NULL, 0), MD, lam_sv(text, len), &parsed, &err);

        assert_true(rc == 0 || rc == LAM_E_LIMIT);
        lam_parser_free(parser);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_without_marks),
        cmocka_unit_test(headings_and_links_have_their_offsets_in_the_text),
        cmocka_unit_test(front_matter_is_no_text_and_names_the_title),
        cmocka_unit_test(hostile_documents_are_refused_or_read_in_time),
        cmocka_unit_test(references_do_not_multiply_beyond_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
