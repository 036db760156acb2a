/* One document through a fresh parser, and what came of it compared as strings. */
#ifndef LAMINA_TESTS_PARSE_SUPPORT_H
#define LAMINA_TESTS_PARSE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse/detect.h"
#include "parse/parse.h"

#include <stdio.h>
#include <stdlib.h>

#define UNUSED __attribute__((unused))

static UNUSED void assert_sv(const char *what, struct lam_sv got, const char *expected)
{
    if (!lam_sv_eq(got, lam_sv_of(expected)))
        fail_msg("%s is\n%.*s\nnot\n%s", what, LAM_SV_ARG(got), expected);
}

/* NULL: not looked at. */
static UNUSED void assert_parses(const char *media_type, const char *bytes, const char *title, const char *text, const char *structure)
{
    struct lam_parser *parser = lam_parser_new(NULL);
    struct lam_parsed parsed;
    struct lam_error err = {0};

    assert_non_null(parser);
    if (lam_parser_parse(parser, lam_sv(NULL, 0), media_type, lam_sv_of(bytes), &parsed, &err))
        fail_msg("%.100s: %s", bytes, err.text);
    if (title)
        assert_sv("title", parsed.title, title);
    if (text)
        assert_sv("text", parsed.text, text);
    if (structure)
        assert_sv("structure", parsed.structure, structure);
    lam_parser_free(parser);
}

static UNUSED void assert_refused(const char *media_type, struct lam_sv bytes, int code, const char *reason)
{
    struct lam_parser *parser = lam_parser_new(NULL);
    struct lam_parsed parsed;
    struct lam_error err = {0};

    assert_non_null(parser);
    assert_int_equal(lam_parser_parse(parser, lam_sv(NULL, 0), media_type, bytes, &parsed, &err), code);
    if (!strstr(err.text, reason))
        fail_msg("the reason is \"%s\", without \"%s\"", err.text, reason);
    lam_parser_free(parser);
}

/* piece, count times. */
static UNUSED struct lam_sv repeated(const char *piece, size_t count)
{
    size_t len = strlen(piece);
    char *bytes = malloc(len * count + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * len, piece, len);
    return lam_sv(bytes, len * count);
}

#endif
