/* RFC 8259, read byte by byte without recursion: where does it stop being JSON, and what was expected there? */
#include "json.h"

#include <string.h>

#include "base/utf8.h"

struct reader {
    struct lam_sv text;
    size_t at;
    const char *what; /* NULL while all is well */
};

static bool fail(struct reader *reader, const char *what)
{
    reader->what = what;
    return false;
}

static int peek(const struct reader *reader) { return reader->at < reader->text.len ? (unsigned char)reader->text.ptr[reader->at] : -1; }

static void skip_space(struct reader *reader)
{
    int c;

    while ((c = peek(reader)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        reader->at++;
}

static int hex4(const struct reader *reader, size_t at)
{
    int value = 0;

    for (size_t i = at; i < at + 4; i++) {
        int c = i < reader->text.len ? reader->text.ptr[i] : 0;

        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            value = value * 16 + (c | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return value;
}

/* Behind the backslash. A character beyond U+FFFF is two escapes, and half of one is no character. */
static bool read_escape(struct reader *reader)
{
    int c = peek(reader), unit;

    if (c < 0 || !memchr("\"\\/bfnrtu", c, 9))
        return fail(reader, "no such escape");
    reader->at++;
    if (c != 'u')
        return true;
    if ((unit = hex4(reader, reader->at)) < 0)
        return fail(reader, "expected four hex digits");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail(reader, "half of a surrogate pair");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        int low = reader->at + 5 < reader->text.len && reader->text.ptr[reader->at + 4] == '\\' && reader->text.ptr[reader->at + 5] == 'u'
                      ? hex4(reader, reader->at + 6)
                      : -1;

        if (low < 0xdc00 || low > 0xdfff)
            return fail(reader, "half of a surrogate pair");
        reader->at += 6;
    }
    reader->at += 4;
    return true;
}

static bool read_string(struct reader *reader)
{
    reader->at++;
    for (;;) {
        int c = peek(reader);
        size_t len;

        if (c < 0)
            return fail(reader, "the text ends within a string");
        if (c < 0x20)
            return fail(reader, "a control character within a string must be escaped");
        if (c == '"') {
            reader->at++;
            return true;
        }
        if (c == '\\') {
            reader->at++;
            if (!read_escape(reader))
                return false;
            continue;
        }
        len = lam_utf8_len(reader->text.ptr + reader->at, reader->text.len - reader->at);
        if (!len)
            return fail(reader, "these bytes are not UTF-8");
        reader->at += len;
    }
}

static bool read_scalar(struct reader *reader)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t end = reader->at;
    struct lam_number number;
    struct lam_sv word;

    while (end < reader->text.len && !memchr(" \t\n\r,:]}[{\"", reader->text.ptr[end], 11))
        end++;
    word = lam_sv(reader->text.ptr + reader->at, end - reader->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (lam_sv_eq(word, lam_sv_of(words[i]))) {
            reader->at = end;
            return true;
        }
    if (word.len == 0)
        return fail(reader, reader->at < reader->text.len ? "expected a value" : "the text ends where a value is expected");
    if (lam_number_parse(word, &number, NULL))
        return fail(reader, "expected a value: a string in double quotes, a number, true, false, null, [ or {");
    reader->at = end;
    return true;
}

static bool read_name(struct reader *reader)
{
    skip_space(reader);
    if (peek(reader) != '"')
        return fail(reader, "expected a field's name in double quotes");
    if (!read_string(reader))
        return false;
    skip_space(reader);
    if (peek(reader) != ':')
        return fail(reader, "expected ':'");
    reader->at++;
    return true;
}

#define DEPTH_MAX 4096
#define IS_OBJECT(depth) (objects[(depth) / 8] & (1 << (depth) % 8))

/* Reads on to the end of the value at reader->at, and to where the next value starts, or to the end. */
static bool read_all(struct reader *reader, unsigned max_depth)
{
    unsigned char objects[DEPTH_MAX / 8 + 1] = {0}; /* a bit for each level: is it an object? */
    unsigned depth = 0;

    for (;;) {
        int c;

        skip_space(reader);
        c = peek(reader);
        if (c == '{' || c == '[') {
            if (++depth > max_depth || depth > DEPTH_MAX)
                return fail(reader, "nested too deeply");
            objects[depth / 8] = (unsigned char)((objects[depth / 8] & ~(1 << depth % 8)) | (c == '{') << depth % 8);
            reader->at++;
            skip_space(reader);
            if (peek(reader) != (c == '{' ? '}' : ']')) {
                if (c == '{' && !read_name(reader))
                    return false;
                continue;
            }
        } else if (c == '"' ? !read_string(reader) : !read_scalar(reader)) {
            return false;
        }
        for (;;) { /* behind a value, or before the brace that closes an empty container */
            skip_space(reader);
            c = peek(reader);
            if (depth == 0)
                return c < 0 ? true : fail(reader, "expected nothing more");
            if (c == (IS_OBJECT(depth) ? '}' : ']')) {
                reader->at++;
                depth--;
                continue;
            }
            if (c != ',')
                return fail(reader, IS_OBJECT(depth) ? "expected ',' or '}'" : "expected ',' or ']'");
            reader->at++;
            if (IS_OBJECT(depth) && !read_name(reader))
                return false;
            break;
        }
    }
}

size_t lam_json_locate(struct lam_sv text, unsigned max_depth, const char **what)
{
    struct reader reader = {.text = text};

    *what = NULL;
    if (text.len >= 3 && !memcmp(text.ptr, "\xef\xbb\xbf", 3))
        reader.what = "a byte order mark is no JSON";
    else if (read_all(&reader, max_depth))
        return text.len + 1;
    *what = reader.what;
    return reader.at;
}
