#include "markdown.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>
#include <pthread.h>

#define MAX_MARKS 32768     /* in one paragraph: cmark 0.29 takes quadratic time over some of them */
#define FRONT_MATTER 16384  /* bytes within which it must end */

/* cmark's allocator takes no argument: the tree of the document that this thread parses. */
static _Thread_local struct lam_tree *current;

static void *tree_calloc(size_t count, size_t size)
{
    size_t len;
    void *ptr;

    if (__builtin_mul_overflow(count, size, &len))
        longjmp(current->full, 1);
    ptr = lam_tree_alloc(current, len);
    return memset(ptr, 0, len);
}

static void *tree_realloc(void *ptr, size_t len) { return lam_tree_realloc(current, ptr, len); }
static void tree_free(void *ptr) { (void)ptr; }

static cmark_mem tree_mem = {tree_calloc, tree_realloc, tree_free};
static pthread_once_t registered = PTHREAD_ONCE_INIT;

static struct lam_sv next_line(struct lam_sv bytes, size_t *at)
{
    const char *begin = bytes.ptr + *at, *end = memchr(begin, '\n', bytes.len - *at);
    size_t len = end ? (size_t)(end - begin) : bytes.len - *at;

    *at += len + (end != NULL);
    return lam_sv(begin, len > 0 && begin[len - 1] == '\r' ? len - 1 : len);
}

static struct lam_sv trim(struct lam_sv text)
{
    while (text.len > 0 && strchr(" \t\"'", text.ptr[0]))
        text = lam_sv(text.ptr + 1, text.len - 1);
    while (text.len > 0 && strchr(" \t\"'", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* Bytes of the front matter at the start; 0 where there is none. */
static size_t front_matter(struct lam_writer *writer, struct lam_sv bytes)
{
    struct lam_sv title = lam_sv(NULL, 0), line;
    size_t at = 0;

    if (bytes.len < 4 || !lam_sv_eq(next_line(bytes, &at), LAM_SV("---")))
        return 0;
    while (at < bytes.len && at < FRONT_MATTER) {
        size_t lines = at;

        line = next_line(bytes, &at);
        if (lam_sv_eq(line, LAM_SV("---"))) {
            if (lines == 4 || lines == 5) /* two rules, not front matter */
                return 0;
            lam_writer_title(writer, 1, title);
            return at;
        }
        if (line.len == 0 || (line.len > 0 && line.ptr[0] == '#' && lines <= 5)) /* a heading behind a rule */
            return 0;
        if (line.len > 6 && !memcmp(line.ptr, "title:", 6))
            title = trim(lam_sv(line.ptr + 6, line.len - 6));
    }
    return 0;
}

static int check_marks(struct lam_sv bytes, struct lam_error *err)
{
    size_t at = 0, marks = 0;

    while (at < bytes.len) {
        struct lam_sv line = next_line(bytes, &at);
        bool blank = true;

        for (size_t i = 0; i < line.len; i++) {
            char c = line.ptr[i];

            blank &= c == ' ' || c == '\t';
            marks += c == '[' || c == ']' || c == '*' || c == '_' || c == '`' || c == '<' || c == '!' || c == '&';
        }
        if (blank)
            marks = 0;
        if (marks > MAX_MARKS)
            return LAM_FAIL(err, LAM_E_LIMIT, "a paragraph of Markdown with more than %d marks", MAX_MARKS);
    }
    return 0;
}

/* The text of a piece of HTML within Markdown: what stands outside of tags and comments. */
static void write_html(struct lam_writer *writer, struct lam_sv html)
{
    size_t at = 0;

    while (at < html.len) {
        const char *tag = memchr(html.ptr + at, '<', html.len - at), *end;
        size_t len = tag ? (size_t)(tag - html.ptr) - at : html.len - at;
        bool comment;

        lam_writer_text(writer, lam_sv(html.ptr + at, len));
        at += len;
        if (!tag)
            break;
        comment = html.len - at >= 4 && !memcmp(tag, "<!--", 4);
        end = comment ? memmem(tag, html.len - at, "-->", 3) : memchr(tag, '>', html.len - at);
        at = end ? (size_t)(end - html.ptr) + (comment ? 3 : 1) : html.len;
        lam_writer_text(writer, LAM_SV(" "));
    }
}

static struct lam_sv literal(cmark_node *node) { return lam_sv_of(cmark_node_get_literal(node)); }

static bool in_tight_list(cmark_node *paragraph)
{
    cmark_node *item = cmark_node_parent(paragraph), *list = item ? cmark_node_parent(item) : NULL;

    return list && cmark_node_get_type(list) == CMARK_NODE_LIST && cmark_node_get_list_tight(list);
}

/* Tables are of an extension: their types are numbered when it registers, and named always. */
static void write_table_part(struct lam_writer *writer, cmark_node *node)
{
    const char *type = cmark_node_get_type_string(node);

    if (!strcmp(type, "table_cell"))
        lam_writer_text(writer, LAM_SV(" "));
    else if (!strcmp(type, "table_row") || !strcmp(type, "table_header"))
        lam_writer_break(writer, 1);
    else if (!strcmp(type, "table"))
        lam_writer_break(writer, 2);
}

struct walk {
    struct lam_writer *writer;
    cmark_node *heading, *link; /* the nodes that opened them */
};

static void write_node(struct walk *walk, cmark_node *node, bool entering)
{
    struct lam_writer *writer = walk->writer;

    switch (cmark_node_get_type(node)) {
    case CMARK_NODE_TEXT:
    case CMARK_NODE_CODE:
        lam_writer_text(writer, literal(node));
        break;
    case CMARK_NODE_SOFTBREAK:
        lam_writer_text(writer, LAM_SV(" "));
        break;
    case CMARK_NODE_LINEBREAK:
    case CMARK_NODE_ITEM:
        lam_writer_break(writer, 1);
        break;
    case CMARK_NODE_PARAGRAPH:
        lam_writer_break(writer, in_tight_list(node) ? 1 : 2);
        break;
    case CMARK_NODE_HEADING:
        if (entering && lam_writer_heading(writer, cmark_node_get_heading_level(node)))
            walk->heading = node;
        else if (!entering && walk->heading == node)
            lam_writer_heading_end(writer), walk->heading = NULL;
        break;
    case CMARK_NODE_LINK:
        if (entering && lam_writer_link(writer))
            walk->link = node;
        else if (!entering && walk->link == node)
            lam_writer_link_end(writer, lam_sv_of(cmark_node_get_url(node))), walk->link = NULL;
        break;
    case CMARK_NODE_CODE_BLOCK:
        lam_writer_break(writer, 2);
        lam_writer_pre(writer, literal(node));
        lam_writer_break(writer, 2);
        break;
    case CMARK_NODE_HTML_BLOCK:
        lam_writer_break(writer, 2);
        write_html(writer, literal(node));
        lam_writer_break(writer, 2);
        break;
    case CMARK_NODE_LIST:
    case CMARK_NODE_BLOCK_QUOTE:
    case CMARK_NODE_THEMATIC_BREAK:
        lam_writer_break(writer, 2);
        break;
    case CMARK_NODE_HTML_INLINE: /* a tag; the text between two is a node of its own */
    case CMARK_NODE_DOCUMENT:
    case CMARK_NODE_IMAGE:
        break;
    default:
        write_table_part(writer, node);
    }
}

static void write_document(struct lam_writer *writer, struct lam_sv bytes)
{
    cmark_parser *parser = cmark_parser_new_with_mem(CMARK_OPT_DEFAULT, &tree_mem);
    cmark_syntax_extension *tables = cmark_find_syntax_extension("table");
    struct walk walk = {.writer = writer};
    cmark_event_type event;
    cmark_iter *iter;

    if (tables)
        cmark_parser_attach_syntax_extension(parser, tables);
    cmark_parser_feed(parser, bytes.len ? bytes.ptr : "", bytes.len);
    iter = cmark_iter_new(cmark_parser_finish(parser));
    while ((event = cmark_iter_next(iter)) != CMARK_EVENT_DONE && !writer->rc)
        write_node(&walk, cmark_iter_get_node(iter), event == CMARK_EVENT_ENTER);
}

int lam_markdown_write(struct lam_tree *tree, struct lam_writer *writer, struct lam_sv bytes, struct lam_error *err)
{
    size_t front = front_matter(writer, bytes);
    int rc;

    bytes = lam_sv(bytes.ptr + front, bytes.len - front);
    if ((rc = check_marks(bytes, err)))
        return rc;
    pthread_once(&registered, cmark_gfm_core_extensions_ensure_registered);
    current = tree;
    if (setjmp(tree->full) == 0)
        write_document(writer, bytes);
    else
        rc = tree->no_memory ? LAM_E_MEMORY : LAM_E_LIMIT;
    current = NULL;
    if (tree->no_memory)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse Markdown");
    return rc ? LAM_FAIL(err, LAM_E_LIMIT, "its Markdown makes a tree of more than %zu bytes", tree->max) : 0;
}
