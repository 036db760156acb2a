#include "html.h"

#include <gumbo.h>

/* What a tag does to the text. */
enum layout { INLINE, DROP, LINE, BLOCK, CELL, PRE, NEWLINE };

static enum layout layout_of(GumboTag tag)
{
    switch (tag) {
    case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_NOSCRIPT: case GUMBO_TAG_NOEMBED:
    case GUMBO_TAG_NOFRAMES: case GUMBO_TAG_IFRAME: case GUMBO_TAG_OBJECT: case GUMBO_TAG_SVG: case GUMBO_TAG_MATH:
    case GUMBO_TAG_CANVAS: case GUMBO_TAG_AUDIO: case GUMBO_TAG_VIDEO: case GUMBO_TAG_SELECT: case GUMBO_TAG_DATALIST: case GUMBO_TAG_TITLE:
        return DROP;
    case GUMBO_TAG_BR:
        return NEWLINE;
    case GUMBO_TAG_PRE: case GUMBO_TAG_LISTING: case GUMBO_TAG_XMP: case GUMBO_TAG_PLAINTEXT: case GUMBO_TAG_TEXTAREA:
        return PRE;
    case GUMBO_TAG_TD: case GUMBO_TAG_TH:
        return CELL;
    case GUMBO_TAG_P: case GUMBO_TAG_BLOCKQUOTE: case GUMBO_TAG_TABLE: case GUMBO_TAG_UL: case GUMBO_TAG_OL: case GUMBO_TAG_DL:
    case GUMBO_TAG_SECTION: case GUMBO_TAG_ARTICLE: case GUMBO_TAG_HR: case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3:
    case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6: case GUMBO_TAG_FIGURE: case GUMBO_TAG_FORM: case GUMBO_TAG_FIELDSET:
        return BLOCK;
    case GUMBO_TAG_DIV: case GUMBO_TAG_LI: case GUMBO_TAG_DT: case GUMBO_TAG_DD: case GUMBO_TAG_TR: case GUMBO_TAG_BODY:
    case GUMBO_TAG_HEADER: case GUMBO_TAG_FOOTER: case GUMBO_TAG_NAV: case GUMBO_TAG_ASIDE: case GUMBO_TAG_MAIN: case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_CAPTION: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_DETAILS: case GUMBO_TAG_SUMMARY: case GUMBO_TAG_CENTER:
    case GUMBO_TAG_LEGEND: case GUMBO_TAG_DIR: case GUMBO_TAG_MENU: case GUMBO_TAG_HGROUP: case GUMBO_TAG_OPTION:
        return LINE;
    default:
        return INLINE;
    }
}

static int heading_level(GumboTag tag)
{
    switch (tag) {
    case GUMBO_TAG_H1: return 1;
    case GUMBO_TAG_H2: return 2;
    case GUMBO_TAG_H3: return 3;
    case GUMBO_TAG_H4: return 4;
    case GUMBO_TAG_H5: return 5;
    case GUMBO_TAG_H6: return 6;
    default: return 0;
    }
}

static struct lam_sv attribute(const GumboNode *node, const char *name)
{
    const GumboAttribute *found = gumbo_get_attribute(&node->v.element.attributes, name);

    return found ? lam_sv_of(found->value) : lam_sv(NULL, 0);
}

struct walk {
    struct lam_writer *writer;
    const GumboNode *heading, *link; /* the elements that opened them */
    int pre;                         /* elements around us that keep blanks */
};

/* Whether the element's children are to be seen. */
static bool enter(struct walk *walk, const GumboNode *node)
{
    GumboTag tag = node->v.element.tag;
    enum layout layout = layout_of(tag);
    int level = heading_level(tag);

    if (tag == GUMBO_TAG_TITLE && node->v.element.tag_namespace == GUMBO_NAMESPACE_HTML && node->v.element.children.length > 0) {
        const GumboNode *text = node->v.element.children.data[0];

        if (text->type == GUMBO_NODE_TEXT || text->type == GUMBO_NODE_WHITESPACE)
            lam_writer_title(walk->writer, 1, lam_sv_of(text->v.text.text));
    }
    if (layout == DROP || gumbo_get_attribute(&node->v.element.attributes, "hidden"))
        return false;
    if (layout == BLOCK || layout == PRE)
        lam_writer_break(walk->writer, 2);
    else if (layout == LINE || layout == NEWLINE)
        lam_writer_break(walk->writer, 1);
    else if (layout == CELL)
        lam_writer_text(walk->writer, LAM_SV(" "));
    walk->pre += layout == PRE;
    if (level && lam_writer_heading(walk->writer, level))
        walk->heading = node;
    if (tag == GUMBO_TAG_A && gumbo_get_attribute(&node->v.element.attributes, "href") && lam_writer_link(walk->writer))
        walk->link = node;
    if (tag == GUMBO_TAG_IMG)
        lam_writer_text(walk->writer, attribute(node, "alt"));
    return true;
}

static void leave(struct walk *walk, const GumboNode *node)
{
    enum layout layout = layout_of(node->v.element.tag);

    if (walk->link == node) {
        lam_writer_link_end(walk->writer, attribute(node, "href"));
        walk->link = NULL;
    }
    if (walk->heading == node) {
        lam_writer_heading_end(walk->writer);
        walk->heading = NULL;
    }
    walk->pre -= layout == PRE;
    if (layout == BLOCK || layout == PRE)
        lam_writer_break(walk->writer, 2);
    else if (layout == LINE)
        lam_writer_break(walk->writer, 1);
    else if (layout == CELL)
        lam_writer_text(walk->writer, LAM_SV(" "));
}

static bool is_element(const GumboNode *node) { return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE; }

static void write_leaf(struct walk *walk, const GumboNode *node)
{
    struct lam_sv text;

    if (node->type != GUMBO_NODE_TEXT && node->type != GUMBO_NODE_WHITESPACE && node->type != GUMBO_NODE_CDATA)
        return;
    text = lam_sv_of(node->v.text.text);
    if (walk->pre)
        lam_writer_pre(walk->writer, text);
    else
        lam_writer_text(walk->writer, text);
}

/* Down, along and up by the parents' links: no recursion, however deep. */
static void write_tree(struct walk *walk, const GumboNode *root)
{
    const GumboNode *node = root;
    bool down = enter(walk, root);

    while (!walk->writer->rc) {
        if (down && is_element(node) && node->v.element.children.length > 0)
            node = node->v.element.children.data[0];
        else {
            while (node != root) {
                const GumboNode *parent = node->parent;

                if (is_element(node) && down)
                    leave(walk, node);
                if (node->index_within_parent + 1 < parent->v.element.children.length) {
                    node = parent->v.element.children.data[node->index_within_parent + 1];
                    break;
                }
                node = parent;
                down = true; /* its children were seen, so it was entered */
            }
            if (node == root)
                return;
        }
        down = true;
        if (is_element(node))
            down = enter(walk, node);
        else
            write_leaf(walk, node);
    }
}

static void *tree_alloc(void *tree, size_t len) { return lam_tree_alloc(tree, len); }

static void tree_free(void *tree, void *ptr)
{
    (void)tree; /* all of it ends together */
    (void)ptr;
}

int lam_html_write(struct lam_tree *tree, struct lam_writer *writer, struct lam_sv bytes, struct lam_error *err)
{
    GumboOptions options = kGumboDefaultOptions;
    struct walk walk = {.writer = writer};

    options.allocator = tree_alloc;
    options.deallocator = tree_free;
    options.userdata = tree;
    options.max_errors = 0;
    if (setjmp(tree->full))
        return tree->no_memory ? LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse HTML")
                               : LAM_FAIL(err, LAM_E_LIMIT, "its HTML makes a tree of more than %zu bytes", tree->max);
    write_tree(&walk, gumbo_parse_with_options(&options, bytes.len ? bytes.ptr : "", bytes.len)->root);
    return 0;
}
