/*
 * Parsers: the bytes of a document to title, text and structure.
 *
 *     text/plain        text as it is (BOM dropped); no title, no structure
 *     text/markdown     CommonMark and tables (cmark-gfm): text without marks; title is the first heading of the highest level
 *     text/html         (Gumbo) text as a reader sees it: script, style and the like dropped, block elements on lines of their own,
 *                       entities decoded, blanks collapsed outside of <pre>; title is <title>, else the first <h1>
 *     application/json  checked to be UTF-8 and passed on: text empty, for the job's fields say what is text
 *
 * structure is JSON, empty where there is none:
 *
 *     {"headings":[{"level":1,"offset":0,"text":"…"}],"links":[{"offset":17,"text":"…","href":"…"}]}
 *
 * offset is the byte of text where the heading or link starts. All text is UTF-8; bytes that are not are rejected with the
 * offset of the first one.
 *
 * Deterministic: work is limited by counts (bytes, nested elements, memory of the parse tree), never by a clock.
 */
#ifndef LAMINA_PARSE_PARSE_H
#define LAMINA_PARSE_PARSE_H

#include <lamina/error.h>
#include <lamina/sv.h>

struct lam_parse_limits {
    size_t max_bytes;     /* of a document */
    size_t max_markup;    /* of one in Markdown or HTML: their trees are many times larger than their bytes */
    size_t max_depth;     /* nested elements */
    size_t max_tree;      /* bytes of a parse tree */
    size_t max_structure; /* headings and links that are kept, each; the rest is left out */
};

extern const struct lam_parse_limits lam_parse_limits_default;

struct lam_parsed {
    struct lam_sv title, text, structure; /* may be empty; live until the parser's next call */
    const char *media_type;               /* static storage */
};

/* Holds the buffers of one thread's documents, at most what the limits say; reused from document to document. */
struct lam_parser;

/* limits are copied; NULL: the defaults. NULL is out of memory. */
struct lam_parser *lam_parser_new(const struct lam_parse_limits *limits);
void lam_parser_free(struct lam_parser *parser);

/*
 * Parses one document. media_type (parameters such as "; charset=" are ignored) may be NULL or "": then lam_detect decides, by
 * name (without a pack's suffix; may be empty) and bytes. text may borrow from bytes.
 * LAM_E_INVALID: not a kind that is read, or not UTF-8; LAM_E_LIMIT: too large, too deep; both reject the document, one line of
 * text that says why. LAM_E_MEMORY.
 */
int lam_parser_parse(struct lam_parser *parser, struct lam_sv name, const char *media_type, struct lam_sv bytes, struct lam_parsed *parsed,
                     struct lam_error *err);

#endif
