#include "html_check.h"

#include <strings.h>

#define MAX_DEPTH 4096
#define MAX_ATTRIBUTES 1024      /* of one element */
#define MAX_ROOT_ATTRIBUTES 4096 /* of all <html> and <body> together: a repeated tag adds its own to the first one's */
#define LOOK_BACK 64             /* open elements that an end tag may close at once */

struct check {
    struct lam_sv bytes;
    size_t at, depth, max_depth, root_attributes;
    uint32_t open[MAX_DEPTH]; /* hashes of the names */
};

static bool is_alpha(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }

/* No content, or closed by the next of their kind: they do not nest by themselves. */
static bool does_not_nest(struct lam_sv name)
{
    static const char *const names[] = {
        "area",    "base",  "br",       "col",     "embed",   "hr",       "img",   "input",    "link",
        "meta",    "param", "source",   "track",   "wbr",     "keygen",   "frame", "basefont", "bgsound",
        "command", "p",     "li",       "dt",      "dd",      "tr",       "td",    "th",       "tbody",
        "thead",   "tfoot", "colgroup", "caption", "option",  "optgroup", "html",  "head",     "body",
        "a",       "nobr",  "rb",       "rt",      "rp",      "rtc",      "h1",    "h2",       "h3",
        "h4",      "h5",    "h6",       "image",   "isindex", "!"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == name.len && !strncasecmp(names[i], name.ptr, name.len))
            return true;
    return false;
}

/* What is in these is text up to their own end tag. */
static bool is_raw(struct lam_sv name)
{
    static const char *const names[] = {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == name.len && !strncasecmp(names[i], name.ptr, name.len))
            return true;
    return false;
}

static uint32_t hash_name(struct lam_sv name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)(is_alpha(name.ptr[i]) ? name.ptr[i] | 0x20 : name.ptr[i])) * 16777619u;
    return hash;
}

static void skip_behind(struct check *check, const char *mark)
{
    size_t left = check->bytes.len - check->at;
    const char *found = memmem(check->bytes.ptr + check->at, left, mark, strlen(mark));

    check->at = found ? (size_t)(found - check->bytes.ptr) + strlen(mark) : check->bytes.len;
}

static struct lam_sv take_name(struct check *check)
{
    size_t begin = check->at;

    while (check->at < check->bytes.len && !is_blank(check->bytes.ptr[check->at]) && !strchr("/>", check->bytes.ptr[check->at]))
        check->at++;
    return lam_sv(check->bytes.ptr + begin, check->at - begin);
}

/* Goes behind the tag's ">" and counts its attributes. */
static size_t skip_attributes(struct check *check)
{
    size_t count = 0;
    bool between = true;
    char quote = 0, before = ' ';

    for (; check->at < check->bytes.len; check->at++) {
        char c = check->bytes.ptr[check->at];

        if (quote) {
            if (c == quote)
                quote = 0, between = true;
            continue;
        }
        if (c == '>') {
            check->at++;
            break;
        }
        if ((c == '"' || c == '\'') && before == '=')
            quote = c;
        else if (is_blank(c) || c == '/')
            between = true;
        else if (between) {
            count += c != '=';
            between = false;
        }
        if (!is_blank(c))
            before = c;
    }
    return count;
}

static void skip_raw(struct check *check, struct lam_sv name)
{
    while (check->at < check->bytes.len) {
        skip_behind(check, "</");
        if (check->bytes.len - check->at >= name.len && !strncasecmp(check->bytes.ptr + check->at, name.ptr, name.len)) {
            skip_behind(check, ">");
            return;
        }
    }
}

static int open_tag(struct check *check, struct lam_error *err)
{
    struct lam_sv name = take_name(check);
    size_t attributes = skip_attributes(check);

    if (name.len == 4 && (!strncasecmp(name.ptr, "html", 4) || !strncasecmp(name.ptr, "body", 4)))
        check->root_attributes += attributes;
    if (attributes > MAX_ATTRIBUTES || check->root_attributes > MAX_ROOT_ATTRIBUTES)
        return LAM_FAIL(err, LAM_E_LIMIT, "an HTML element of more than %d attributes", MAX_ATTRIBUTES);
    if (is_raw(name))
        skip_raw(check, name);
    else if (!does_not_nest(name)) {
        if (check->depth == check->max_depth)
            return LAM_FAIL(err, LAM_E_LIMIT, "HTML elements nested deeper than %zu", check->max_depth);
        check->open[check->depth++] = hash_name(name);
    }
    return 0;
}

static void close_tag(struct check *check)
{
    uint32_t hash = hash_name(take_name(check));

    skip_attributes(check);
    for (size_t i = 0; i < LOOK_BACK && i < check->depth; i++)
        if (check->open[check->depth - 1 - i] == hash) {
            check->depth -= i + 1;
            break;
        }
}

int lam_html_check(struct lam_sv bytes, size_t max_depth, struct lam_error *err)
{
    struct check check;
    int rc = 0;

    check.bytes = bytes;
    check.at = check.depth = check.root_attributes = 0;
    check.max_depth = max_depth < MAX_DEPTH ? max_depth : MAX_DEPTH;
    while (!rc && check.at < bytes.len) {
        const char *tag = memchr(bytes.ptr + check.at, '<', bytes.len - check.at);
        size_t left;

        if (!tag)
            break;
        check.at = (size_t)(tag - bytes.ptr) + 1;
        left = bytes.len - check.at;
        if (left >= 3 && !memcmp(tag + 1, "!--", 3)) {
            check.at += 3 - 2; /* "<!-->" is a whole comment: the dashes may close what they open */
            skip_behind(&check, "-->");
        } else if (left >= 1 && (tag[1] == '!' || tag[1] == '?'))
            skip_behind(&check, ">");
        else if (left >= 2 && tag[1] == '/' && is_alpha(tag[2])) {
            check.at++;
            close_tag(&check);
        } else if (left >= 1 && is_alpha(tag[1]))
            rc = open_tag(&check, err);
    }
    return rc;
}
