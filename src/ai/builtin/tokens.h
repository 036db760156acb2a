/*
 * Tokens: the one reading of a text that all tasks share.
 *
 * A title and a text become a row of tokens (words, numbers, ideographs, emoji), the title's first. Each token knows where it
 * stands, what stands before it, and its term: the distinct folded (lower-case) word, with its hash, its count and what the lexicon
 * says of it. Work is linear; a handle's scratch memory is kept from text to text.
 */
#ifndef LAMINA_AI_TOKENS_H
#define LAMINA_AI_TOKENS_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "corpus.h"
#include "lexicon.h"
#include "runes.h"
#include "scan.h"

#define LAM_WORD_MAX 64 /* bytes of a folded word; a longer run of letters is cut into several */

enum lam_gap { /* what stands between a token and the one before */
    LAM_GAP_SPACE = 1,
    LAM_GAP_LINE = 2,    /* a line break */
    LAM_GAP_PARA = 4,    /* an empty line */
    LAM_GAP_STOP = 8,    /* . ! ? and their like */
    LAM_GAP_PUNCT = 16,  /* anything else but a hyphen or an apostrophe: ends a phrase */
    LAM_GAP_HYPHEN = 32,
    LAM_GAP_BANG = 64    /* an exclamation mark (and STOP) */
};

enum lam_token_flag {
    LAM_TOKEN_UPPER = 1,  /* begins with an upper-case letter */
    LAM_TOKEN_CAPS = 2,   /* two or more letters, all upper-case */
    LAM_TOKEN_DIGIT = 4,  /* begins with a digit */
    LAM_TOKEN_DIGITS = 8, /* has a digit */
    LAM_TOKEN_SIGN = 16,  /* an ideograph */
    LAM_TOKEN_EMOJI = 32,
    LAM_TOKEN_TITLE = 64, /* stands in the title */
    LAM_TOKEN_CUT = 128   /* goes on in the next token without anything between */
};

struct lam_token {
    uint32_t start, end; /* bytes, in the title or the text */
    uint32_t term;
    uint8_t gap, flags;
};

struct lam_term {
    uint64_t hash;       /* of the folded word */
    uint32_t fold;       /* offset of the folded word in folds */
    uint16_t fold_len;
    uint8_t flags;       /* of its first token */
    uint32_t count;      /* in title and text */
    uint32_t first;      /* its first token */
    const struct lam_lex *lex; /* NULL: the lexicon does not know it */
    const struct lam_corpus_word *word; /* NULL: the corpus does not know it, or there is none */
};

struct lam_tokens {
    const struct lam_lexicon *lexicon;
    const struct lam_corpus *corpus; /* NULL: none; set by the owner */
    struct lam_sv title, text;  /* what was read: cut at their limits */
    struct lam_token *tokens;
    size_t count, title_count, token_cap;
    struct lam_term *terms;
    size_t term_count, term_cap;
    char *folds;                /* title and text in lower case as far as they are ASCII, then the words that are not */
    size_t folds_len, folds_cap;
    struct lam_scan_bits *bits; /* of the part that is read */
    size_t bits_cap;
    uint32_t *slots;            /* term + 1 */
    size_t slot_count, slot_cap;
    uint8_t tail_gap;           /* what follows the last token of the text */
    uint32_t scripts[LAM_SCRIPTS]; /* letters by script */
    uint16_t latin[0x180 - 0xc0];  /* folded letters of three blocks, held at 65535: some tell languages apart */
    uint16_t cyrillic[0x100], arabic[0x100];
};

void lam_tokens_init(struct lam_tokens *tokens, const struct lam_lexicon *lexicon);
void lam_tokens_release(struct lam_tokens *tokens);

/* Reads title and text, which must live as long as the tokens are used. Invalid UTF-8 is a gap. LAM_E_MEMORY. */
int lam_tokens_read(struct lam_tokens *tokens, struct lam_sv title, struct lam_sv text, struct lam_error *err);

static inline struct lam_sv lam_term_sv(const struct lam_tokens *tokens, const struct lam_term *term)
{
    return lam_sv(tokens->folds + term->fold, term->fold_len);
}

/* The bytes of token i as they stand. */
static inline struct lam_sv lam_token_sv(const struct lam_tokens *tokens, size_t i)
{
    const struct lam_token *token = &tokens->tokens[i];
    struct lam_sv whole = token->flags & LAM_TOKEN_TITLE ? tokens->title : tokens->text;

    return lam_sv(whole.ptr + token->start, token->end - token->start);
}

#endif
