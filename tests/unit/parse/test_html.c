#include "parse_support.h"

#define HTML LAM_MEDIA_HTML

static void text_is_what_a_reader_sees(void **state)
{
    (void)state;
    assert_parses(HTML, "<p>one</p><p>two  \n three</p>", "", "one\n\ntwo three", "");
    assert_parses(HTML, "<div>a</div><div>b</div><span>c</span> <b>d</b>e", NULL, "a\nb\nc de", NULL);
    assert_parses(HTML, "a<script>x<y</script><style>p{}</style>b<noscript>n</noscript><template>t</template>c", NULL, "abc", NULL);
    assert_parses(HTML, "<p hidden>x</p>y<!-- z -->", NULL, "y", NULL);
    assert_parses(HTML, "AT&amp;T &lt;&eacute;&#8364;&#x41;&nbsp;x", NULL, "AT&T <é€A\xc2\xa0x", NULL);
    assert_parses(HTML, "x&#999999999999;y&#xD800;z", NULL, NULL, NULL);
    assert_parses(HTML, "a<br>b<br/>c<hr>d", NULL, "a\nb\nc\n\nd", NULL);
    assert_parses(HTML, "<ul><li>one<li>two<ul><li>three</ul></ul>after", NULL, "one\ntwo\n\nthree\n\nafter", NULL);
    assert_parses(HTML, "<table><tr><th>a<th>b<tr><td>1<td>2</table>", NULL, "a b\n1 2", NULL);
    assert_parses(HTML, "<p>x</p><pre>  two\n   lines\n</pre><p>y</p>", NULL, "x\n\n  two\n   lines\n\n\ny", NULL);
    assert_parses(HTML, "<p>a <img src=x alt='a picture'> b", NULL, "a a picture b", NULL);
    assert_parses(HTML, "", "", "", "");
    assert_parses(HTML, "just text", "", "just text", "");
    assert_parses(HTML, "\xef\xbb\xbf<p>bom</p>", "", "bom", "");
}

static void the_title_is_the_documents_or_its_first_heading(void **state)
{
    (void)state;
    assert_parses(HTML, "<html><head><title> A\n  title </title><body><h1>H</h1>t", "A title", "H\n\nt", NULL);
    assert_parses(HTML, "<h2>two</h2><h1>one</h1><h1>other</h1>", "one", NULL, NULL);
    assert_parses(HTML, "<title></title><h3>three</h3>", "three", NULL, NULL);
    assert_parses(HTML, "<svg><title>drawing</title></svg>x", "", "x", NULL);
}

static void headings_and_links_have_their_offsets_in_the_text(void **state)
{
    (void)state;
    assert_parses(HTML, "<p>é</p><h1>Top</h1><p>see <a href='http://x.org/?a=1&amp;b=\"2\"'>the  page</a>, <a name=n>not</a></p><h2>Sub <i>two</i></h2>", "Top",
                  "é\n\nTop\n\nsee the page, not\n\nSub two",
                  "{\"headings\":[{\"level\":1,\"offset\":4,\"text\":\"Top\"},{\"level\":2,\"offset\":28,\"text\":\"Sub two\"}],"
                  "\"links\":[{\"offset\":13,\"text\":\"the page\",\"href\":\"http://x.org/?a=1&b=\\\"2\\\"\"}]}");
    assert_parses(HTML, "<h1><a href=a>in</a></h1><h2></h2>", "in", "in",
                  "{\"headings\":[{\"level\":1,\"offset\":0,\"text\":\"in\"}],\"links\":[{\"offset\":0,\"text\":\"in\",\"href\":\"a\"}]}");
    assert_parses(HTML, "x<a href=b><img></a>", NULL, "x", "{\"headings\":[],\"links\":[{\"offset\":1,\"text\":\"\",\"href\":\"b\"}]}");
}

static void unclosed_tags_of_old_pages_are_no_depth(void **state)
{
    struct lam_sv old = repeated("<p>x<li>y<a name=z><tr><td>w<br><img src=q>", 5000);
    struct lam_parser *parser = lam_parser_new(NULL);
    struct lam_parsed parsed;
    struct lam_error err = {0};

    (void)state;
    if (lam_parser_parse(parser, lam_sv(NULL, 0), HTML, old, &parsed, &err))
        fail_msg("%s", err.text);
    lam_parser_free(parser);
    free((char *)(uintptr_t)old.ptr);
}

static void hostile_pages_are_refused_in_linear_time(void **state)
{
    static const struct {
        const char *piece;
        size_t count;
        const char *reason;
    } cases[] = {
        {"<div>", 1000000, "nested deeper than 512"},
        {"<b><i><font size=1>", 300000, "nested deeper than 512"},
        {"<div></x>", 500000, "nested deeper than 512"},
        {"<table><tr><td>", 200000, "nested deeper than 512"},
        {"<svg>", 500000, "nested deeper than 512"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_sv page = repeated(cases[i].piece, cases[i].count);

        assert_refused(HTML, page, LAM_E_LIMIT, cases[i].reason);
        free((char *)(uintptr_t)page.ptr);
    }
    {
        char *many = malloc(20 << 20);
        size_t len = 0;

        assert_non_null(many);
        len += (size_t)sprintf(many, "<p ");
        for (int i = 0; i < 100000; i++)
            len += (size_t)sprintf(many + len, "a%d=1 ", i);
        assert_refused(HTML, lam_sv(many, len), LAM_E_LIMIT, "attributes");
        len = 0;
        for (int i = 0; i < 100000; i++)
            len += (size_t)sprintf(many + len, "<body a%d=1>", i);
        assert_refused(HTML, lam_sv(many, len), LAM_E_LIMIT, "attributes");
        /* Each paragraph builds all open elements anew: the tree is quadratic, its memory is the limit. */
        len = (size_t)sprintf(many, "<p>");
        for (int i = 0; i < 400; i++)
            len += (size_t)sprintf(many + len, "<b id=%d>", i);
        for (int i = 0; i < 100000; i++)
            len += (size_t)sprintf(many + len, "</p><p>x");
        assert_refused(HTML, lam_sv(many, len), LAM_E_LIMIT, "makes a tree of more than");
        memset(many, 'x', (size_t)20 << 20);
        assert_refused(HTML, lam_sv(many, (size_t)17 << 20), LAM_E_LIMIT, "more than the limit");
        free(many);
    }
}

/* After a tree that was too large the parser is as new. */
static void a_refused_page_leaves_the_parser_usable(void **state)
{
    struct lam_parse_limits limits = lam_parse_limits_default;
    struct lam_sv page = repeated("<i></i>", 100000);
    struct lam_parser *parser;
    struct lam_parsed parsed;
    struct lam_error err = {0};

    (void)state;
    limits.max_tree = 100000;
    parser = lam_parser_new(&limits);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lam_parser_parse(parser, lam_sv(NULL, 0), HTML, page, &parsed, &err), LAM_E_LIMIT);
        assert_int_equal(lam_parser_parse(parser, lam_sv(NULL, 0), HTML, LAM_SV("<h1>t</h1>x"), &parsed, &err), 0);
        assert_sv("text", parsed.text, "t\n\nx");
        assert_sv("title", parsed.title, "t");
    }
    lam_parser_free(parser);
    free((char *)(uintptr_t)page.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_what_a_reader_sees),
        cmocka_unit_test(the_title_is_the_documents_or_its_first_heading),
        cmocka_unit_test(headings_and_links_have_their_offsets_in_the_text),
        cmocka_unit_test(unclosed_tags_of_old_pages_are_no_depth),
        cmocka_unit_test(hostile_pages_are_refused_in_linear_time),
        cmocka_unit_test(a_refused_page_leaves_the_parser_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
