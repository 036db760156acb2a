/* What the tests of the built-in analyzer share: cmocka, and one analysis of one text. */
#ifndef LAMINA_TEST_AI_H
#define LAMINA_TEST_AI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin/builtin.h"
#include "builtin/tokens.h"

#define ALL_TASKS (127 | LAM_TASK_TITLE | LAM_TASK_READABILITY)
#define OK(call) assert_int_equal((call), 0)

/* A reader of texts: lexicon and tokens together. */
struct reader {
    struct lam_lexicon lexicon;
    struct lam_tokens tokens;
};

static inline void reader_init(struct reader *reader)
{
    struct lam_error err;

    OK(lam_lexicon_init(&reader->lexicon, &err));
    lam_tokens_init(&reader->tokens, &reader->lexicon);
}

static inline void reader_release(struct reader *reader)
{
    lam_tokens_release(&reader->tokens);
    lam_lexicon_release(&reader->lexicon);
}

static inline void read_text(struct reader *reader, const char *title, const char *text)
{
    struct lam_error err;

    OK(lam_tokens_read(&reader->tokens, lam_sv_of(title), lam_sv_of(text), &err));
}

#endif
