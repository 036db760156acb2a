/*
 * WordPiece as BERT uses it: the text is cleaned and folded, words end at blanks, each punctuation mark is a word, and a word is cut from its front into the
 * longest pieces there are; one that cannot be cut to its end is unknown as a whole.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "tokens.h"
#include "unicode.h"

int wordpiece_load(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err)
{
    uint32_t normalizer = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("normalizer")), strip = lam_json_field(json, normalizer, LAM_SV("strip_accents"));
    struct lam_sv prefix = lam_json_string(json, lam_json_field(json, model, LAM_SV("continuing_subword_prefix")));
    struct lam_number longest;

    if (!lam_sv_eq(lam_json_string(json, lam_json_field(json, normalizer, LAM_SV("type"))), LAM_SV("BertNormalizer")) ||
        !lam_sv_eq(lam_json_string(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/pre_tokenizer/type"))), LAM_SV("BertPreTokenizer")))
        return LAM_FAIL(err, LAM_E_INVALID, "its normalizer and pre-tokenizer are not those of BERT");
    if (tokenizer->unknown == STATIC_NO_TOKEN)
        return LAM_FAIL(err, LAM_E_INVALID, "it has no unk_token");
    if (!prefix.len || prefix.len > sizeof tokenizer->prefix)
        return LAM_FAIL(err, LAM_E_INVALID, "its continuing_subword_prefix has %zu bytes", prefix.len);
    memcpy(tokenizer->prefix, prefix.ptr, prefix.len);
    tokenizer->prefix_len = prefix.len;
    tokenizer->clean = lam_json_bool(json, lam_json_field(json, normalizer, LAM_SV("clean_text")));
    tokenizer->chinese = lam_json_bool(json, lam_json_field(json, normalizer, LAM_SV("handle_chinese_chars")));
    tokenizer->lower = lam_json_bool(json, lam_json_field(json, normalizer, LAM_SV("lowercase")));
    tokenizer->strip = lam_json_type(json, strip) == LAM_JSON_BOOL ? lam_json_bool(json, strip) : tokenizer->lower;
    tokenizer->longest_word = 100;
    if (lam_json_number(json, lam_json_field(json, model, LAM_SV("max_input_chars_per_word")), &longest) && longest.kind == LAM_NUMBER_I64 && longest.i64 >= 0 &&
        longest.i64 < 1000000)
        tokenizer->longest_word = (uint32_t)longest.i64;
    for (uint32_t i = 0; i < tokenizer->pieces.count; i++)
        if (tokenizer->pieces.items[i].len > tokenizer->longest_piece)
            tokenizer->longest_piece = tokenizer->pieces.items[i].len;
    return 0;
}

/* The word that has gathered, and how many characters it has. */
struct word {
    struct static_reader *reader;
    static_token_fn visit;
    void *arg;
    uint32_t runes;
};

/* The piece that the longest beginning of text is, and its length; text is a word's rest that begins with the prefix where it is not its front. */
static uint32_t longest_piece(const struct static_tokenizer *tokenizer, const char *text, size_t len, size_t shortest, size_t *taken)
{
    size_t end = len > tokenizer->longest_piece ? tokenizer->longest_piece : len;

    for (; end > shortest; end--) {
        uint32_t id;

        if (end < len && ((unsigned char)text[end] & 0xc0) == 0x80) /* within a character */
            continue;
        if ((id = pieces_find(&tokenizer->pieces, text, end)) != STATIC_NO_TOKEN) {
            *taken = end;
            return id;
        }
    }
    return STATIC_NO_TOKEN;
}

/* Cuts the word, which has room for the prefix in front of it: so what is left has it, too, written over what was taken. */
static uint32_t cut(const struct static_tokenizer *tokenizer, char *word, size_t len, uint32_t *ids, uint32_t max)
{
    size_t prefix = 0, taken;
    uint32_t count = 0;

    while (len > prefix) {
        uint32_t id = count < max ? longest_piece(tokenizer, word, len, prefix, &taken) : STATIC_NO_TOKEN;

        if (id == STATIC_NO_TOKEN) {
            ids[0] = tokenizer->unknown;
            return 1;
        }
        ids[count++] = id;
        word = word + taken - tokenizer->prefix_len;
        len = len - taken + tokenizer->prefix_len;
        prefix = tokenizer->prefix_len;
        if (len > prefix)
            memcpy(word, tokenizer->prefix, prefix);
    }
    return count;
}

static int end_word(struct word *word, struct lam_error *err)
{
    struct static_reader *reader = word->reader;
    const struct static_tokenizer *tokenizer = reader->tokenizer;
    size_t room = sizeof tokenizer->prefix, len = reader->normal.len - room;
    char *text = reader->normal.ptr + room;
    struct known_word *known = len && len <= WORD_BYTES ? known_slot(reader, text, len) : NULL;
    uint32_t few[WORD_IDS], *ids = few, max = WORD_IDS, count;

    if (!len)
        return 0;
    if (known && known->len == len && !memcmp(known->text, text, len)) {
        for (unsigned i = 0; i < known->count; i++)
            word->visit(word->arg, known->ids[i]);
    } else {
        char kept[WORD_BYTES];

        if (len > WORD_IDS && !(ids = malloc((max = (uint32_t)len + 1) * sizeof *ids)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to tokenize a word of %zu bytes", len);
        if (known)
            memcpy(kept, text, len);
        if (word->runes > tokenizer->longest_word)
            ids[0] = tokenizer->unknown, count = 1;
        else
            count = cut(tokenizer, text, len, ids, max);
        for (uint32_t i = 0; i < count; i++)
            word->visit(word->arg, ids[i]);
        if (known && count <= WORD_IDS) {
            known->len = (uint8_t)len;
            known->count = (uint8_t)count;
            memcpy(known->text, kept, len);
            memcpy(known->ids, ids, count * sizeof *ids);
        }
        if (ids != few)
            free(ids);
    }
    reader->normal.len = room;
    word->runes = 0;
    return 0;
}

/* A character as it is after cleaning and folding. */
static int add_rune(struct word *word, uint32_t rune, struct lam_error *err)
{
    bool alone = unicode_is_punctuation(rune);
    char bytes[4];
    int rc = 0;

    if (unicode_is_blank(rune))
        return end_word(word, err);
    if (alone && (rc = end_word(word, err)))
        return rc;
    if ((rc = lam_buf_add(&word->reader->normal, bytes, lam_utf8_encode(rune, bytes), err)))
        return rc;
    word->runes++;
    return alone ? end_word(word, err) : 0;
}

/* Cleaned, taken apart, folded; ideographs are words of their own. */
static int add_raw(struct word *word, uint32_t rune, struct lam_error *err)
{
    const struct static_tokenizer *tokenizer = word->reader->tokenizer;
    uint32_t bare[3] = {rune}, low[3];
    unsigned bares = 1, lows = 1;
    bool alone = tokenizer->chinese && unicode_is_chinese(rune);
    int rc = 0;

    if (tokenizer->clean && (rune == 0 || rune == 0xfffd || (unicode_is_other(rune) && !(rune >= 9 && rune <= 13 && rune != 11 && rune != 12))))
        return 0;
    if (alone && (rc = end_word(word, err)))
        return rc;
    if (tokenizer->strip)
        bares = unicode_strip(rune, bare);
    for (unsigned i = 0; i < bares && !rc; i++) {
        low[0] = bare[i];
        if (tokenizer->lower)
            lows = unicode_to_lower(bare[i], low);
        for (unsigned j = 0; j < lows && !rc; j++)
            rc = add_rune(word, low[j], err);
    }
    return rc || !alone ? rc : end_word(word, err);
}

int wordpiece_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err)
{
    struct word word = {reader, visit, arg, 0};
    int rc;

    lam_buf_clear(&reader->normal);
    if ((rc = lam_buf_reserve(&reader->normal, sizeof reader->tokenizer->prefix, err)))
        return rc;
    memset(reader->normal.ptr, 0, sizeof reader->tokenizer->prefix); /* room in front of each word */
    reader->normal.len = sizeof reader->tokenizer->prefix;
    for (size_t at = 0, step; at < text.len && !rc; at += step) {
        uint32_t rune = 0xfffd;

        if (!(step = lam_utf8_decode(text.ptr + at, text.len - at, &rune)))
            step = 1;
        rc = add_raw(&word, rune, err);
    }
    return rc ? rc : end_word(&word, err);
}
