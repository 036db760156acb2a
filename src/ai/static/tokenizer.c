#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 32
#define SPECIALS_MAX 4096u

uint32_t pieces_find(const struct pieces *pieces, const char *text, size_t len)
{
    if (!pieces->count)
        return STATIC_NO_TOKEN;
    for (uint32_t at = (uint32_t)lam_hash64(text, len) & pieces->mask; pieces->slots[at]; at = (at + 1) & pieces->mask) {
        const struct piece *piece = &pieces->items[pieces->slots[at] - 1];

        if (piece->len == len && !memcmp(pieces->text.ptr + piece->begin, text, len))
            return piece->id;
    }
    return STATIC_NO_TOKEN;
}

static void place(struct pieces *pieces, uint32_t item)
{
    const struct piece *piece = &pieces->items[item];
    uint32_t at = (uint32_t)lam_hash64(pieces->text.ptr + piece->begin, piece->len) & pieces->mask;

    while (pieces->slots[at])
        at = (at + 1) & pieces->mask;
    pieces->slots[at] = item + 1;
}

static int grow(struct pieces *pieces)
{
    uint32_t cap = pieces->cap ? 2 * pieces->cap : 1024;
    struct piece *items = realloc(pieces->items, cap * sizeof *items);
    uint32_t *slots;

    if (!items)
        return LAM_E_MEMORY;
    pieces->items = items;
    if (!(slots = calloc((size_t)cap * 2, sizeof *slots)))
        return LAM_E_MEMORY;
    free(pieces->slots);
    pieces->slots = slots;
    pieces->cap = cap;
    pieces->mask = 2 * cap - 1;
    for (uint32_t i = 0; i < pieces->count; i++)
        place(pieces, i);
    return 0;
}

int pieces_add(struct pieces *pieces, struct lam_sv text, uint32_t id, struct lam_error *err)
{
    int rc;

    if (pieces->count == PIECES_MAX || (pieces->count == pieces->cap && grow(pieces)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u pieces", (unsigned)pieces->count);
    pieces->items[pieces->count] = (struct piece){(uint32_t)pieces->text.len, (uint32_t)text.len, id};
    if ((rc = lam_buf_add_sv(&pieces->text, text, err)))
        return rc;
    place(pieces, pieces->count++);
    return 0;
}

void static_tokenizer_free(struct static_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    free(tokenizer->pieces.items);
    free(tokenizer->pieces.slots);
    lam_buf_release(&tokenizer->pieces.text);
    lam_buf_release(&tokenizer->texts);
    free(tokenizer->specials);
    free(tokenizer->merges);
    free(tokenizer);
}

uint32_t static_tokenizer_ids(const struct static_tokenizer *tokenizer) { return tokenizer->id_count; }

static int read_id(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t at, uint32_t *id, struct lam_error *err)
{
    struct lam_number number;

    if (!lam_json_number(json, at, &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0 || number.i64 >= PIECES_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "a piece's id is no number below %u", (unsigned)PIECES_MAX);
    *id = (uint32_t)number.i64;
    if (*id >= tokenizer->id_count)
        tokenizer->id_count = *id + 1;
    return 0;
}

static int read_vocab(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err)
{
    uint32_t vocab = lam_json_field(json, model, LAM_SV("vocab"));
    struct lam_json_iter iter = lam_json_iter(json, vocab);
    int rc = 0;

    if (lam_json_type(json, vocab) != LAM_JSON_OBJECT)
        return LAM_FAIL(err, LAM_E_INVALID, "its model has no vocab");
    while (!rc && lam_json_next(&iter)) {
        uint32_t id = 0;

        if (!(rc = read_id(tokenizer, json, iter.value, &id, err)))
            rc = pieces_add(&tokenizer->pieces, iter.name, id, err);
    }
    if (!rc && !tokenizer->pieces.count)
        return LAM_FAIL(err, LAM_E_INVALID, "its vocab is empty");
    return rc;
}

static int read_unknown(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err)
{
    uint32_t at = lam_json_field(json, model, LAM_SV("unk_token"));
    struct lam_sv name = lam_json_string(json, at);

    tokenizer->unknown = STATIC_NO_TOKEN;
    if (lam_json_type(json, at) != LAM_JSON_STRING)
        return 0;
    tokenizer->unknown = pieces_find(&tokenizer->pieces, name.ptr, name.len);
    return tokenizer->unknown == STATIC_NO_TOKEN ? LAM_FAIL(err, LAM_E_INVALID, "its unk_token is none of its pieces") : 0;
}

/* Tokens that stand for themselves wherever they occur. Those with rules for the blanks around them are not known here. */
static int read_specials(struct static_tokenizer *tokenizer, const struct lam_json *json, struct lam_error *err)
{
    uint32_t list = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("added_tokens"));
    struct lam_json_iter iter = lam_json_iter(json, list);
    uint32_t count = 0;
    int rc = 0;

    while (lam_json_next(&iter))
        count++;
    if (count > SPECIALS_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "%u added tokens", (unsigned)count);
    if (!(tokenizer->specials = calloc(count + 1u, sizeof *tokenizer->specials)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for added tokens");
    iter = lam_json_iter(json, list);
    while (!rc && lam_json_next(&iter)) {
        struct lam_sv content = lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("content")));
        struct special *special = &tokenizer->specials[tokenizer->special_count];

        if (!content.len || lam_json_bool(json, lam_json_field(json, iter.value, LAM_SV("single_word"))) ||
            lam_json_bool(json, lam_json_field(json, iter.value, LAM_SV("lstrip"))) || lam_json_bool(json, lam_json_field(json, iter.value, LAM_SV("rstrip"))))
            return LAM_FAIL(err, LAM_E_INVALID, "an added token that is not known here: %.*s", content.len > 100 ? 100 : (int)content.len, content.len ? content.ptr : "");
        *special = (struct special){(uint32_t)tokenizer->texts.len, (uint32_t)content.len, 0};
        if (!(rc = read_id(tokenizer, json, lam_json_field(json, iter.value, LAM_SV("id")), &special->id, err)) &&
            !(rc = lam_buf_add_sv(&tokenizer->texts, content, err)))
            tokenizer->special_count++;
    }
    return rc;
}

static int load(struct static_tokenizer *tokenizer, const struct lam_json *json, struct lam_error *err)
{
    uint32_t model = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model"));
    struct lam_sv type = lam_json_string(json, lam_json_field(json, model, LAM_SV("type")));
    int rc;

    tokenizer->wordpiece = lam_sv_eq(type, LAM_SV("WordPiece"));
    if (!tokenizer->wordpiece && !lam_sv_eq(type, LAM_SV("BPE")))
        return LAM_FAIL(err, LAM_E_INVALID, "its model is %.*s: BPE and WordPiece are known here", type.len ? (int)(type.len > 60 ? 60 : type.len) : 7,
                        type.len ? type.ptr : "nothing");
    if ((rc = read_vocab(tokenizer, json, model, err)) || (rc = read_unknown(tokenizer, json, model, err)) || (rc = read_specials(tokenizer, json, err)))
        return rc;
    return tokenizer->wordpiece ? wordpiece_load(tokenizer, json, model, err) : bpe_load(tokenizer, json, model, err);
}

int static_tokenizer_new(struct lam_sv text, struct static_tokenizer **tokenizer, struct lam_error *err)
{
    struct static_tokenizer *made = calloc(1, sizeof *made);
    struct lam_json *json = lam_json_new(STATIC_TOKENIZER_MAX, DEPTH);
    int rc;

    *tokenizer = NULL;
    if (!made || !json) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a tokenizer");
    } else {
        lam_buf_init(&made->pieces.text, STATIC_TOKENIZER_MAX);
        lam_buf_init(&made->texts, STATIC_TOKENIZER_MAX);
        if (!(rc = lam_json_parse(json, text, err)))
            rc = load(made, json, err);
    }
    lam_json_free(json);
    if (rc)
        static_tokenizer_free(made);
    else
        *tokenizer = made;
    return rc;
}

struct static_reader *static_reader_new(const struct static_tokenizer *tokenizer)
{
    struct static_reader *reader = calloc(1, sizeof *reader);

    if (!reader || !(reader->known = calloc(KNOWN_WORDS, sizeof *reader->known))) {
        free(reader);
        return NULL;
    }
    reader->tokenizer = tokenizer;
    lam_buf_init(&reader->normal, SIZE_MAX / 2);
    return reader;
}

void static_reader_free(struct static_reader *reader)
{
    if (!reader)
        return;
    free(reader->known);
    free(reader->symbols);
    free(reader->heap);
    lam_buf_release(&reader->normal);
    free(reader);
}

/* The special token that begins at the front of text, the longest one; NULL: none. */
static const struct special *special_at(const struct static_tokenizer *tokenizer, struct lam_sv text)
{
    const struct special *longest = NULL;

    for (uint32_t i = 0; i < tokenizer->special_count; i++) {
        const struct special *special = &tokenizer->specials[i];

        if (special->len <= text.len && !memcmp(tokenizer->texts.ptr + special->begin, text.ptr, special->len) && (!longest || special->len > longest->len))
            longest = special;
    }
    return longest;
}

/* Can a special token begin with this byte? */
static void first_bytes(const struct static_tokenizer *tokenizer, bool first[256])
{
    memset(first, 0, 256 * sizeof *first);
    for (uint32_t i = 0; i < tokenizer->special_count; i++)
        first[(unsigned char)tokenizer->texts.ptr[tokenizer->specials[i].begin]] = true;
}

int static_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err)
{
    const struct static_tokenizer *tokenizer = reader->tokenizer;
    int (*tokenize)(struct static_reader *, struct lam_sv, static_token_fn, void *, struct lam_error *) = tokenizer->wordpiece ? wordpiece_tokenize : bpe_tokenize;
    size_t from = 0;
    bool first[256];
    int rc = 0;

    first_bytes(tokenizer, first);
    for (size_t at = 0; at < text.len && !rc; at++) {
        const struct special *special = first[(unsigned char)text.ptr[at]] ? special_at(tokenizer, lam_sv(text.ptr + at, text.len - at)) : NULL;

        if (!special)
            continue;
        if (at > from)
            rc = tokenize(reader, lam_sv(text.ptr + from, at - from), visit, arg, err);
        visit(arg, special->id);
        from = at + special->len;
        at = from - 1;
    }
    return rc || from == text.len ? rc : tokenize(reader, lam_sv(text.ptr + from, text.len - from), visit, arg, err);
}
