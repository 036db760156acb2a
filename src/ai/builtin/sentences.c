#include "sentences.h"

#include <stdlib.h>

#include "base/utf8.h"

#define HEADING_MAX 56 /* bytes of a line that can be a heading */

void lam_sentences_init(struct lam_sentences *sentences) { *sentences = (struct lam_sentences){0}; }

void lam_sentences_release(struct lam_sentences *sentences)
{
    free(sentences->items);
    lam_sentences_init(sentences);
}

static bool blank(unsigned char c) { return c == ' ' || (c >= 9 && c <= 13); }

/* What stands between two tokens, read once. */
struct between {
    size_t stop_end;  /* byte after the last mark that may end a sentence and the quotes behind it; 0: none */
    size_t dot_start; /* of the first such mark */
    bool strong;      /* ! ? … or a mark of another script, more than one mark, or a mark that needs no blank behind it */
    bool spaced;      /* a blank follows the mark */
    uint8_t bangs;
    bool item;        /* a list item begins after a line break */
    size_t line_end;  /* of the first line break; SIZE_MAX: none */
};

static bool closing(uint32_t r)
{
    return r == '"' || r == '\'' || r == ')' || r == ']' || r == 0x201d || r == 0x2019 || r == 0xbb || r == 0x300d || r == 0x300f ||
           r == 0xff09;
}

static bool other_stop(uint32_t r)
{
    return r == 0x3002 || r == 0xff01 || r == 0xff1f || r == 0xff0e || r == 0xff61 || r == 0x61f || r == 0x6d4 || r == 0x964 ||
           r == 0x965 || r == 0x589 || r == 0x1362 || r == 0x104b || r == 0x2026;
}

static struct between read_between(struct lam_sv text, size_t from, size_t to)
{
    struct between gap = {.line_end = SIZE_MAX};
    bool after_mark = false, new_line = false;
    size_t i = from;

    while (i < to) {
        uint32_t r = 0;
        size_t n = lam_utf8_decode(text.ptr + i, to - i, &r);

        if (!n) {
            n = 1;
            r = 0;
        }
        if (r == '\n') {
            if (gap.line_end == SIZE_MAX)
                gap.line_end = i;
            new_line = true;
        } else if (new_line && (r == '-' || r == '*' || r == '+' || r == 0x2022 || r == 0x2013 || r == 0x2014 || r == '#')) {
            gap.item = true;
        } else if (!(r < 0x80 && blank((unsigned char)r))) {
            new_line = false;
        }
        if (r == '.' || r == '!' || r == '?' || other_stop(r)) {
            if (!gap.stop_end || after_mark) {
                if (!gap.stop_end)
                    gap.dot_start = i;
                else
                    gap.strong = true;
                gap.stop_end = i + n;
                after_mark = true;
                gap.strong |= r != '.';
                gap.bangs += r == '!' && gap.bangs < 3;
                gap.spaced |= other_stop(r) && r != 0x2026; /* these need no blank behind them */
            }
        } else if (after_mark && closing(r)) {
            gap.stop_end = i + n;
        } else if (after_mark) {
            gap.spaced |= r == 0xa0 || (r < 0x80 && blank((unsigned char)r));
            after_mark = false;
        }
        i += n;
    }
    gap.spaced |= after_mark && to == text.len;
    return gap;
}

static bool lower_follows(const struct lam_token *next)
{
    return !(next->flags & (LAM_TOKEN_UPPER | LAM_TOKEN_DIGIT | LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI));
}

/* Does the full stop after token i belong to it? */
static bool abbreviated(const struct lam_tokens *tokens, size_t i, const struct between *gap)
{
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_term *term = &tokens->terms[token->term];

    if (gap->dot_start != token->end)
        return false;
    if (term->lex && term->lex->flags & LAM_LEX_ABBREVIATION)
        return true;
    /* An initial (J. Smith), or the end of U.S. and e.g. */
    return token->end - token->start == 1 && !(token->flags & LAM_TOKEN_DIGITS);
}

/* A number that opens a line (1. First) is the mark of a list, not a sentence. */
static bool list_number(const struct lam_tokens *tokens, size_t i)
{
    const struct lam_token *token = &tokens->tokens[i];

    return token->flags & LAM_TOKEN_DIGIT && token->end - token->start <= 2 && token->gap & LAM_GAP_LINE;
}

static bool letters_are_cased(const struct lam_tokens *tokens)
{
    return tokens->scripts[LAM_SCRIPT_LATIN] + tokens->scripts[LAM_SCRIPT_CYRILLIC] + tokens->scripts[LAM_SCRIPT_GREEK] > 0;
}

/* Does a sentence end between token i and i + 1? *end: byte after it. */
static bool ends(const struct lam_tokens *tokens, size_t i, size_t line_start, bool cased, size_t *end, struct between *gap)
{
    const struct lam_token *token = &tokens->tokens[i], *next = token + 1;

    *gap = (struct between){.line_end = SIZE_MAX};
    if (!(next->gap & (LAM_GAP_STOP | LAM_GAP_LINE | LAM_GAP_PARA)))
        return false;
    *gap = read_between(tokens->text, token->end, next->start);
    if (gap->stop_end && gap->spaced && !(cased && lower_follows(next) && !(next->gap & LAM_GAP_PARA)) &&
        (gap->strong || (!abbreviated(tokens, i, gap) && !list_number(tokens, i)))) {
        *end = gap->stop_end;
        return true;
    }
    if (gap->line_end == SIZE_MAX)
        return false;
    *end = gap->line_end;
    if (next->gap & LAM_GAP_PARA || gap->item)
        return true;
    if (next->flags & LAM_TOKEN_DIGIT && next->end - next->start <= 2 && next->end < tokens->text.len &&
        (tokens->text.ptr[next->end] == '.' || tokens->text.ptr[next->end] == ')'))
        return true; /* "2. Second" on a line of its own */
    return gap->line_end - line_start <= HEADING_MAX && next->flags & LAM_TOKEN_UPPER;
}

static int add(struct lam_sentences *sentences, const struct lam_tokens *tokens, size_t first, size_t last, size_t end,
               const struct between *gap, struct lam_error *err)
{
    size_t start = tokens->tokens[first].start;
    const char *p = tokens->text.ptr;

    if (sentences->count == sentences->cap) {
        size_t more = sentences->cap ? 2 * sentences->cap : 64;
        struct lam_sentence *grown = realloc(sentences->items, more * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu sentences", more);
        sentences->items = grown;
        sentences->cap = more;
    }
    while (end > start && blank((unsigned char)p[end - 1]))
        end--;
    /* An opening quote or bracket, or a sign of money, belongs to the first word. */
    if (start > 0 && strchr("\"'([$", p[start - 1]) && p[start - 1])
        start--;
    else if (start > 2 && (!memcmp(p + start - 3, "\xe2\x80\x9c", 3) || !memcmp(p + start - 3, "\xe2\x82\xac", 3)))
        start -= 3;
    sentences->items[sentences->count++] = (struct lam_sentence){.first = (uint32_t)first, .last = (uint32_t)last, .start = (uint32_t)start,
                                                                 .end = (uint32_t)end, .bang = gap->bangs, .heading = !gap->stop_end};
    return 0;
}

int lam_sentences_split(struct lam_sentences *sentences, const struct lam_tokens *tokens, struct lam_error *err)
{
    size_t first = tokens->title_count, line_start = 0, end = 0;
    bool cased = letters_are_cased(tokens);
    struct between gap;
    int rc;

    sentences->count = 0;
    if (first == tokens->count)
        return 0;
    for (size_t i = first; i + 1 < tokens->count; i++) {
        if (ends(tokens, i, line_start, cased, &end, &gap)) {
            if ((rc = add(sentences, tokens, first, i + 1, end, &gap, err)))
                return rc;
            first = i + 1;
            if (sentences->count == LAM_SENTENCES_MAX)
                return 0;
        }
        if (tokens->tokens[i + 1].gap & LAM_GAP_LINE)
            line_start = tokens->tokens[i + 1].start;
    }
    gap = read_between(tokens->text, tokens->tokens[tokens->count - 1].end, tokens->text.len);
    end = gap.stop_end ? gap.stop_end : gap.line_end != SIZE_MAX ? gap.line_end : tokens->text.len;
    return add(sentences, tokens, first, tokens->count, end, &gap, err);
}
