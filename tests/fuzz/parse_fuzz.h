/* One document through a parser that lives as long as the fuzzer, and what has to hold of the result whatever the bytes. */
#ifndef LAMINA_TESTS_FUZZ_PARSE_H
#define LAMINA_TESTS_FUZZ_PARSE_H

#include "base/utf8.h"
#include "parse/parse.h"

#include <stdlib.h>

static void fuzz_parse(const char *media_type, const uint8_t *data, size_t size)
{
    static struct lam_parser *parser;
    struct lam_parse_limits limits = lam_parse_limits_default;
    struct lam_parsed parsed;
    struct lam_error err;
    int rc;

    limits.max_tree = (size_t)32 << 20;
    if (!parser && !(parser = lam_parser_new(&limits)))
        abort();
    rc = lam_parser_parse(parser, lam_sv(NULL, 0), media_type, lam_sv((const char *)data, size), &parsed, &err);
    if (rc && rc != LAM_E_INVALID && rc != LAM_E_LIMIT)
        abort();
    if (!rc && (lam_utf8_valid(parsed.text) < parsed.text.len || lam_utf8_valid(parsed.title) < parsed.title.len ||
                lam_utf8_valid(parsed.structure) < parsed.structure.len))
        abort();
}

#endif
