#include "parse.h"

#include "base/utf8.h"
#include "detect.h"
#include "html.h"
#include "html_check.h"
#include "markdown.h"

#include <stdlib.h>
#include <strings.h>

const struct lam_parse_limits lam_parse_limits_default = {
    .max_bytes = (size_t)64 << 20,
    .max_markup = (size_t)16 << 20,
    .max_depth = 512,
    .max_tree = (size_t)256 << 20,
    .max_structure = 1024,
};

struct lam_parser {
    struct lam_parse_limits limits;
    struct lam_tree tree;
    struct lam_writer writer;
};

struct lam_parser *lam_parser_new(const struct lam_parse_limits *limits)
{
    struct lam_parser *parser = calloc(1, sizeof *parser);

    if (!parser)
        return NULL;
    parser->limits = limits ? *limits : lam_parse_limits_default;
    lam_tree_init(&parser->tree, parser->limits.max_tree);
    /* Entities and tags may make a little more text than there were bytes ("<p>" two newlines, "&nGt;" six bytes). */
    lam_writer_init(&parser->writer, 2 * parser->limits.max_markup + 64, parser->limits.max_structure);
    return parser;
}

void lam_parser_free(struct lam_parser *parser)
{
    if (!parser)
        return;
    lam_tree_release(&parser->tree);
    lam_writer_release(&parser->writer);
    free(parser);
}

/* One of the four types that are read, or NULL; parameters are left aside. */
static const char *known_type(const char *media_type)
{
    static const char *const types[] = {LAM_MEDIA_TEXT, LAM_MEDIA_MARKDOWN, LAM_MEDIA_HTML, LAM_MEDIA_JSON, "application/xhtml+xml"};
    size_t len = strcspn(media_type, "; \t");

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == len && !strncasecmp(types[i], media_type, len))
            return i == 4 ? LAM_MEDIA_HTML : types[i];
    return NULL;
}

static int find_type(struct lam_sv name, const char *media_type, struct lam_sv bytes, const char **type, struct lam_error *err)
{
    if (!media_type || !*media_type)
        return lam_detect(name, bytes, type, err);
    *type = known_type(media_type);
    return *type ? 0 : LAM_FAIL(err, LAM_E_INVALID, "is of type %.100s, not yet read", media_type);
}

static int check_text(struct lam_sv bytes, struct lam_error *err)
{
    size_t bad = lam_utf8_valid(bytes);
    const char *nul = bytes.len ? memchr(bytes.ptr, 0, bytes.len) : NULL;

    if (nul)
        return LAM_FAIL(err, LAM_E_INVALID, "is binary: a NUL at byte %zu", (size_t)(nul - bytes.ptr));
    if (bad < bytes.len)
        return LAM_FAIL(err, LAM_E_INVALID, "is not UTF-8: 0x%02x at byte %zu; other encodings are not yet read",
                        (unsigned char)bytes.ptr[bad], bad);
    return 0;
}

static int parse_markup(struct lam_parser *parser, const char *type, struct lam_sv bytes, struct lam_parsed *parsed, struct lam_error *err)
{
    struct lam_writer *writer = &parser->writer;
    int rc = 0;

    if (bytes.len > parser->limits.max_markup)
        return LAM_FAIL(err, LAM_E_LIMIT, "%zu bytes of %s, more than the limit of %zu", bytes.len, type, parser->limits.max_markup);
    lam_writer_clear(writer);
    if (!strcmp(type, LAM_MEDIA_HTML)) {
        rc = lam_html_check(bytes, parser->limits.max_depth, err);
        if (!rc)
            rc = lam_html_write(&parser->tree, writer, bytes, err);
    } else
        rc = lam_markdown_write(&parser->tree, writer, bytes, err);
    lam_tree_reset(&parser->tree);
    if (!rc)
        rc = lam_writer_finish(writer, err);
    if (rc)
        return rc;
    parsed->title = lam_buf_sv(&writer->title);
    parsed->text = lam_buf_sv(&writer->text);
    parsed->structure = lam_buf_sv(&writer->structure);
    return 0;
}

int lam_parser_parse(struct lam_parser *parser, struct lam_sv name, const char *media_type, struct lam_sv bytes, struct lam_parsed *parsed,
                     struct lam_error *err)
{
    const char *type;
    int rc;

    *parsed = (struct lam_parsed){0};
    if (bytes.len > parser->limits.max_bytes)
        return LAM_FAIL(err, LAM_E_LIMIT, "%zu bytes, more than the limit of %zu", bytes.len, parser->limits.max_bytes);
    if ((rc = find_type(name, media_type, bytes, &type, err)))
        return rc;
    parsed->media_type = type;
    if ((rc = check_text(bytes, err)))
        return rc;
    if (bytes.len >= 3 && !memcmp(bytes.ptr, "\xef\xbb\xbf", 3))
        bytes = lam_sv(bytes.ptr + 3, bytes.len - 3);
    if (!strcmp(type, LAM_MEDIA_JSON))
        return 0;
    if (strcmp(type, LAM_MEDIA_TEXT))
        return parse_markup(parser, type, bytes, parsed, err);
    parsed->text = bytes;
    return 0;
}
