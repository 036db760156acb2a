#include "tokens.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"

#define PROBES 64 /* a longer chain is somebody's hostile words: the word becomes a term of its own, and work stays linear */
#define FIRST_TOKENS 1024
#define FIRST_SLOTS 1024

/* ASCII: a letter's or digit's folded byte, 0 for all else. */
static const unsigned char folded[128] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't',
    ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',
    ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n',
    ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z'};

static const unsigned char gaps[128] = {
    [0 ... 8] = LAM_GAP_PUNCT,    [9 ... 13] = LAM_GAP_SPACE,   [14 ... 31] = LAM_GAP_PUNCT, [' '] = LAM_GAP_SPACE,
    ['!'] = LAM_GAP_STOP | LAM_GAP_BANG, [34 ... 38] = LAM_GAP_PUNCT, ['\''] = 0,              [40 ... 44] = LAM_GAP_PUNCT,
    ['-'] = LAM_GAP_HYPHEN,       ['.'] = LAM_GAP_STOP,         [47 ... 62] = LAM_GAP_PUNCT, ['?'] = LAM_GAP_STOP,
    [64 ... 127] = LAM_GAP_PUNCT};

void lam_tokens_init(struct lam_tokens *tokens, const struct lam_lexicon *lexicon) { *tokens = (struct lam_tokens){.lexicon = lexicon}; }

void lam_tokens_release(struct lam_tokens *tokens)
{
    free(tokens->tokens);
    free(tokens->terms);
    free(tokens->folds);
    free(tokens->bits);
    free(tokens->slots);
    lam_tokens_init(tokens, tokens->lexicon);
}

static int grow(void **items, size_t *cap, size_t need, size_t size, size_t first, struct lam_error *err)
{
    size_t more = *cap ? *cap : first;
    void *grown;

    if (need <= *cap)
        return 0;
    while (more < need)
        more *= 2;
    if (!(grown = realloc(*items, more * size)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu tokens", more);
    *items = grown;
    *cap = more;
    return 0;
}

/* Room for both parts in lower case and as much for words that are folded one by one (folding makes none longer); a table half full. */
static int prepare(struct lam_tokens *tokens, size_t title_len, size_t text_len, struct lam_error *err)
{
    size_t slots = FIRST_SLOTS, len = title_len + text_len;
    int rc;

    while (slots < len / 2)
        slots *= 2;
    if ((rc = grow((void **)&tokens->folds, &tokens->folds_cap, 2 * len + 4 * LAM_WORD_MAX, 1, 4096, err)) ||
        (rc = grow((void **)&tokens->bits, &tokens->bits_cap, lam_scan_entries(title_len > text_len ? title_len : text_len),
                   sizeof *tokens->bits, 64, err)) ||
        (rc = grow((void **)&tokens->slots, &tokens->slot_cap, slots, sizeof *tokens->slots, FIRST_SLOTS, err)))
        return rc;
    tokens->slot_count = slots;
    memset(tokens->slots, 0, slots * sizeof *tokens->slots);
    tokens->count = tokens->title_count = tokens->term_count = 0;
    tokens->folds_len = len;
    tokens->tail_gap = 0;
    memset(tokens->scripts, 0, sizeof tokens->scripts);
    memset(tokens->latin, 0, sizeof tokens->latin);
    memset(tokens->cyrillic, 0, sizeof tokens->cyrillic);
    memset(tokens->arabic, 0, sizeof tokens->arabic);
    return 0;
}

/* The term of the word, which stands in folds, or at their end: then it is taken where it is new. */
static int intern(struct lam_tokens *tokens, const char *word, size_t len, uint8_t flags, uint32_t *term, struct lam_error *err)
{
    uint64_t hash = lam_hash64(word, len);
    size_t mask = tokens->slot_count - 1, i = hash & mask;
    int rc;

    for (int probe = 0; probe < PROBES && tokens->slots[i]; probe++, i = (i + 1) & mask)
        if (tokens->terms[tokens->slots[i] - 1].hash == hash) {
            *term = tokens->slots[i] - 1;
            tokens->terms[*term].count++;
            return 0;
        }
    if (tokens->term_count == tokens->term_cap &&
        (rc = grow((void **)&tokens->terms, &tokens->term_cap, tokens->term_count + 1, sizeof *tokens->terms, FIRST_TOKENS, err)))
        return rc;
    *term = (uint32_t)tokens->term_count++;
    if (!tokens->slots[i])
        tokens->slots[i] = *term + 1;
    tokens->terms[*term] = (struct lam_term){.hash = hash,
                                             .fold = (uint32_t)(word - tokens->folds),
                                             .fold_len = (uint16_t)len,
                                             .flags = flags,
                                             .count = 1,
                                             .first = (uint32_t)tokens->count,
                                             .lex = lam_lexicon_find(tokens->lexicon, hash),
                                             .word = lam_corpus_find(tokens->corpus, hash)};
    tokens->folds_len += word == tokens->folds + tokens->folds_len ? len : 0;
    return 0;
}

static int add(struct lam_tokens *tokens, size_t start, size_t end, const char *word, size_t fold_len, uint8_t gap, uint8_t flags,
               struct lam_error *err)
{
    uint32_t term;
    int rc = 0;

    if (tokens->count == tokens->token_cap &&
        (rc = grow((void **)&tokens->tokens, &tokens->token_cap, tokens->count + 1, sizeof *tokens->tokens, FIRST_TOKENS, err)))
        return rc;
    if ((rc = intern(tokens, word, fold_len, flags, &term, err)))
        return rc;
    tokens->tokens[tokens->count++] = (struct lam_token){(uint32_t)start, (uint32_t)end, term, gap, flags};
    return 0;
}

static void note(struct lam_tokens *tokens, uint32_t fold, uint8_t script)
{
    uint16_t *count = NULL;

    tokens->scripts[script]++;
    if (fold >= 0xc0 && fold < 0x180)
        count = &tokens->latin[fold - 0xc0];
    else if (fold >= 0x400 && fold < 0x500)
        count = &tokens->cyrillic[fold - 0x400];
    else if (fold >= 0x600 && fold < 0x700)
        count = &tokens->arabic[fold - 0x600];
    if (count && *count < UINT16_MAX)
        ++*count;
}

/* l'homme and d'un are two words each, don't is one: one letter (or qu) before the apostrophe, but not the English i and o. */
static bool elided(const char *word, size_t len)
{
    if (len == 1)
        return word[0] != 'i' && word[0] != 'o';
    return len == 2 && word[0] == 'q' && word[1] == 'u';
}

struct word {
    size_t end;    /* byte after it */
    size_t fold_len;
    uint32_t letters, uppers;
    uint8_t flags;
};

/*
 * Reads the word at p[i], its folded bytes to out (room for LAM_WORD_MAX and a character more). An apostrophe between letters
 * belongs to it.
 */
static struct word read_word(struct lam_tokens *tokens, const char *p, size_t i, size_t len, char *out)
{
    struct word word = {.end = i};
    uint32_t ascii = 0;

    while (i < len && word.fold_len < LAM_WORD_MAX) {
        unsigned char c = (unsigned char)p[i];

        if (c < 0x80 && folded[c]) {
            bool upper = c >= 'A' && c <= 'Z', digit = c <= '9';

            out[word.fold_len++] = (char)folded[c];
            if (digit)
                word.flags |= LAM_TOKEN_DIGITS | (word.letters || word.flags ? 0 : LAM_TOKEN_DIGIT);
            else
                ascii++;
            if (upper && !word.letters && !(word.flags & LAM_TOKEN_DIGITS))
                word.flags |= LAM_TOKEN_UPPER;
            word.uppers += upper;
            word.letters += !digit;
            i++;
        } else if (c < 0x80) {
            if (c != '\'' || i + 1 >= len || !word.letters || (unsigned char)p[i + 1] >= 0x80 || !folded[(unsigned char)p[i + 1]] ||
                elided(out, word.fold_len))
                break;
            out[word.fold_len++] = '\'';
            i++;
        } else {
            uint32_t r = 0;
            size_t n = lam_utf8_decode(p + i, len - i, &r);
            struct lam_rune rune;

            if (!n)
                break;
            rune = lam_rune_of(r);
            if (rune.kind == LAM_RUNE_INNER) {
                i += n;
                continue; /* word.end is not moved: a joiner at the end is not part of it */
            }
            if (r == 0x2019 && word.letters && i + 3 < len && (unsigned char)p[i + 3] < 0x80 && folded[(unsigned char)p[i + 3]] &&
                !elided(out, word.fold_len)) {
                out[word.fold_len++] = '\'';
                i += n;
                continue;
            }
            if (rune.kind != LAM_RUNE_LETTER)
                break;
            if (rune.upper && !word.letters && !(word.flags & LAM_TOKEN_DIGITS))
                word.flags |= LAM_TOKEN_UPPER;
            if (rune.fold >= '0' && rune.fold <= '9')
                word.flags |= LAM_TOKEN_DIGITS | (word.letters || word.flags ? 0 : LAM_TOKEN_DIGIT);
            word.uppers += rune.upper;
            word.letters++;
            word.fold_len += lam_utf8_encode(rune.fold, out + word.fold_len);
            note(tokens, rune.fold, rune.script);
            i += n;
        }
        word.end = i;
    }
    tokens->scripts[LAM_SCRIPT_LATIN] += ascii;
    if (word.letters >= 2 && word.uppers == word.letters)
        word.flags |= LAM_TOKEN_CAPS;
    return word;
}

/* 64 bits of a class from byte i on. */
static uint64_t bits_at(uint64_t low, uint64_t high, unsigned shift) { return shift ? low >> shift | high << (64 - shift) : low; }

/*
 * The word at p[i] where it is of ASCII letters and digits alone, which nearly all are; its lower-case form stands in folds already.
 * false: it goes on with something else, and read_word reads it.
 */
static bool read_ascii(struct lam_tokens *tokens, const char *p, size_t i, size_t len, struct word *word)
{
    const struct lam_scan_bits *low = &tokens->bits[i / 64], *high = low + 1;
    uint64_t run = bits_at(low->word, high->word, i % 64), mask, upper, digit;
    unsigned count = run == UINT64_MAX ? 64 : (unsigned)__builtin_ctzll(~run), digits;

    if (count >= LAM_WORD_MAX || (i + count < len && (p[i + count] == '\'' || (unsigned char)p[i + count] >= 0x80)))
        return false;
    mask = ((uint64_t)1 << count) - 1;
    upper = bits_at(low->upper, high->upper, i % 64) & mask;
    digit = bits_at(low->digit, high->digit, i % 64) & mask;
    digits = digit ? (unsigned)__builtin_popcountll(digit) : 0;
    *word = (struct word){.end = i + count, .fold_len = count, .letters = count - digits};
    if (digit)
        word->flags = (uint8_t)(LAM_TOKEN_DIGITS | (digit & 1 ? LAM_TOKEN_DIGIT : 0));
    if (upper & 1)
        word->flags |= LAM_TOKEN_UPPER;
    if (word->letters >= 2 && (upper | digit) == mask)
        word->flags |= LAM_TOKEN_CAPS;
    tokens->scripts[LAM_SCRIPT_LATIN] += word->letters;
    return true;
}

/* What a character between words adds to the gap; *lines is 1 after a line break that only blanks followed. */
static uint8_t gap_of(unsigned char c, int *lines)
{
    if (c == '\n') {
        uint8_t gap = *lines ? LAM_GAP_LINE | LAM_GAP_PARA : LAM_GAP_LINE;

        *lines = 1;
        return gap;
    }
    if (gaps[c] != LAM_GAP_SPACE)
        *lines = 0;
    return gaps[c];
}

static uint8_t gap_of_rune(uint32_t r, uint8_t kind)
{
    if (kind == LAM_RUNE_SPACE)
        return r == 0x2029 ? LAM_GAP_PARA | LAM_GAP_LINE : r == 0x2028 ? LAM_GAP_LINE : LAM_GAP_SPACE;
    if (kind == LAM_RUNE_INNER)
        return 0;
    switch (r) {
    case 0x3002:
    case 0xff0e:
    case 0x2026:
    case 0xff1f:
    case 0x61f:
    case 0x6d4:
    case 0x964:
    case 0x965:
    case 0x589:
    case 0x1362:
    case 0x104b:
    case 0xff61: return LAM_GAP_STOP;
    case 0xff01:
        return LAM_GAP_STOP | LAM_GAP_BANG;
    case 0x2010: case 0x2011:
        return LAM_GAP_HYPHEN;
    case 0x2018: case 0x2019:
        return 0;
    }
    return LAM_GAP_PUNCT;
}

static int read_part(struct lam_tokens *tokens, struct lam_sv part, char *folds, uint8_t where, struct lam_error *err)
{
    const char *p = part.ptr;
    uint8_t gap = LAM_GAP_PARA | LAM_GAP_LINE;
    size_t i = 0, last_end = SIZE_MAX;
    int lines = 0, rc;

    if (!part.len) {
        tokens->tail_gap = gap;
        return 0;
    }
    lam_scan(p, part.len, folds, tokens->bits);
    while (i < part.len) {
        unsigned char c = (unsigned char)p[i];
        struct lam_rune rune = {.kind = LAM_RUNE_LETTER};
        uint32_t r = 0;
        size_t n = 1;

        if (c < 0x80 && !folded[c]) {
            gap |= gap_of(c, &lines);
            i++;
            continue;
        }
        if (c >= 0x80) {
            if (!(n = lam_utf8_decode(p + i, part.len - i, &r))) {
                gap |= LAM_GAP_PUNCT;
                i++;
                continue;
            }
            rune = lam_rune_of(r);
        }
        if (rune.kind == LAM_RUNE_LETTER) {
            const char *fold = folds + i;
            struct word word;

            if (c >= 0x80 || !read_ascii(tokens, p, i, part.len, &word)) {
                fold = tokens->folds + tokens->folds_len;
                word = read_word(tokens, p, i, part.len, tokens->folds + tokens->folds_len);
            }
            if (last_end == i && tokens->count)
                tokens->tokens[tokens->count - 1].flags |= LAM_TOKEN_CUT;
            if ((rc = add(tokens, i, word.end, fold, word.fold_len, gap, word.flags | where, err)))
                return rc;
            i = last_end = word.end;
        } else if (rune.kind == LAM_RUNE_SIGN || rune.kind == LAM_RUNE_EMOJI) {
            char *fold = tokens->folds + tokens->folds_len;
            size_t fold_len = lam_utf8_encode(rune.fold, fold);

            if (rune.kind == LAM_RUNE_SIGN)
                note(tokens, rune.fold, rune.script);
            if ((rc = add(tokens, i, i + n, fold, fold_len, gap, where | (rune.kind == LAM_RUNE_SIGN ? LAM_TOKEN_SIGN : LAM_TOKEN_EMOJI), err)))
                return rc;
            i += n;
        } else {
            gap |= gap_of_rune(r, rune.kind);
            lines = rune.kind == LAM_RUNE_SPACE ? lines : 0;
            i += n;
            continue;
        }
        gap = 0;
        lines = 0;
    }
    tokens->tail_gap = gap;
    return 0;
}

int lam_tokens_read(struct lam_tokens *tokens, struct lam_sv title, struct lam_sv text, struct lam_error *err)
{
    int rc = prepare(tokens, title.len, text.len, err);

    if (rc)
        return rc;
    tokens->title = title;
    tokens->text = text;
    if ((rc = read_part(tokens, title, tokens->folds, LAM_TOKEN_TITLE, err)))
        return rc;
    tokens->title_count = tokens->count;
    return read_part(tokens, text, tokens->folds + title.len, 0, err);
}
