/*
 * BPE as Llama 2 uses it. A word's characters become symbols; of all neighbours that may be merged those of the lowest rank are, leftmost first,
 * until none may. Blanks are ▁ and belong to the word behind them.
 *
 * Where no piece has ▁ behind another character, no merge crosses the front of a run of ▁: words are merged by themselves, and those met before are
 * looked up.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "tokens.h"

#define BLANK "\xe2\x96\x81" /* ▁ */
#define BLANK_LEN 3u
#define MERGES_MAX (UINT32_C(1) << 22)
#define NONE UINT32_MAX

/* --- loading --- */

static bool is_blank(const char *text, size_t len) { return len >= BLANK_LEN && !memcmp(text, BLANK, BLANK_LEN); }

static uint64_t slot_of(const struct static_tokenizer *tokenizer, uint64_t pair)
{
    pair *= UINT64_C(0x9e3779b97f4a7c15);
    return (pair ^ pair >> 32) & tokenizer->merge_mask;
}

static const struct merge_rule *find_merge(const struct static_tokenizer *tokenizer, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right, at = slot_of(tokenizer, pair);

    while (tokenizer->merges[at].pair != pair) {
        if (tokenizer->merges[at].pair == UINT64_MAX)
            return NULL;
        at = (at + 1) & tokenizer->merge_mask;
    }
    return &tokenizer->merges[at];
}

/* "left right", or ["left","right"]. */
static bool split_merge(const struct lam_json *json, uint32_t at, struct lam_sv sides[2])
{
    struct lam_sv text = lam_json_string(json, at);
    const char *blank = text.len ? memchr(text.ptr, ' ', text.len) : NULL;
    struct lam_json_iter iter = lam_json_iter(json, at);
    int count = 0;

    if (blank) {
        sides[0] = lam_sv(text.ptr, (size_t)(blank - text.ptr));
        sides[1] = lam_sv(blank + 1, text.len - sides[0].len - 1);
        return true;
    }
    for (; lam_json_next(&iter); count++)
        if (count < 2)
            sides[count] = lam_json_string(json, iter.value);
    return count == 2;
}

static int read_merge(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t at, uint32_t rank, struct lam_buf *joined, struct lam_error *err)
{
    struct lam_sv sides[2];
    uint32_t left, right, id;
    uint64_t slot;
    int rc;

    if (!split_merge(json, at, sides))
        return LAM_FAIL(err, LAM_E_INVALID, "merge %u is none of two pieces", (unsigned)rank);
    lam_buf_clear(joined);
    if ((rc = lam_buf_add_sv(joined, sides[0], err)) || (rc = lam_buf_add_sv(joined, sides[1], err)))
        return rc;
    left = pieces_find(&tokenizer->pieces, sides[0].ptr, sides[0].len);
    right = pieces_find(&tokenizer->pieces, sides[1].ptr, sides[1].len);
    id = pieces_find(&tokenizer->pieces, joined->ptr, joined->len);
    if (left == STATIC_NO_TOKEN || right == STATIC_NO_TOKEN || id == STATIC_NO_TOKEN)
        return LAM_FAIL(err, LAM_E_INVALID, "merge %u is of pieces that are not in the vocab", (unsigned)rank);
    slot = slot_of(tokenizer, (uint64_t)left << 32 | right);
    while (tokenizer->merges[slot].pair != UINT64_MAX && tokenizer->merges[slot].pair != ((uint64_t)left << 32 | right))
        slot = (slot + 1) & tokenizer->merge_mask;
    tokenizer->merges[slot] = (struct merge_rule){(uint64_t)left << 32 | right, rank, id}; /* of two that are equal the last counts, as there */
    return 0;
}

static int read_merges(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err)
{
    uint32_t list = lam_json_field(json, model, LAM_SV("merges")), count = 0, rank = 0;
    struct lam_json_iter iter = lam_json_iter(json, list);
    uint64_t slots = 16;
    struct lam_buf joined;
    int rc = 0;

    if (lam_json_type(json, list) != LAM_JSON_ARRAY)
        return LAM_FAIL(err, LAM_E_INVALID, "its model has no merges");
    while (lam_json_next(&iter))
        count++;
    if (count > MERGES_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "%u merges are too many", (unsigned)count);
    while (slots < 2u * count)
        slots *= 2;
    if (!(tokenizer->merges = malloc(slots * sizeof *tokenizer->merges)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u merges", (unsigned)count);
    memset(tokenizer->merges, 0xff, slots * sizeof *tokenizer->merges);
    tokenizer->merge_mask = slots - 1;
    lam_buf_init(&joined, STATIC_TOKENIZER_MAX);
    for (iter = lam_json_iter(json, list); !rc && lam_json_next(&iter);)
        rc = read_merge(tokenizer, json, iter.value, rank++, &joined, err);
    lam_buf_release(&joined);
    return rc;
}

/* The one normalizer that is known: ▁ in front, blanks become ▁. */
static int read_normalizer(struct static_tokenizer *tokenizer, const struct lam_json *json, struct lam_error *err)
{
    uint32_t at = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("normalizer")), steps = lam_json_field(json, at, LAM_SV("normalizers"));
    struct lam_json_iter iter = lam_json_iter(json, steps);
    bool known = at != LAM_JSON_NONE;

    while (lam_json_next(&iter)) {
        struct lam_sv type = lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("type")));

        if (lam_sv_eq(type, LAM_SV("Prepend")) && !tokenizer->blanks &&
            lam_sv_eq(lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("prepend"))), LAM_SV(BLANK)))
            tokenizer->prepend = true;
        else if (lam_sv_eq(type, LAM_SV("Replace")) && lam_sv_eq(lam_json_string(json, lam_json_find(json, iter.value, LAM_SV("/pattern/String"))), LAM_SV(" ")) &&
                 lam_sv_eq(lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("content"))), LAM_SV(BLANK)))
            tokenizer->blanks = true;
        else
            known = false;
    }
    if (!known || !tokenizer->blanks)
        return LAM_FAIL(err, LAM_E_INVALID, "its normalizer is not that of Llama 2 (Prepend and Replace)");
    at = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("pre_tokenizer"));
    if (at != LAM_JSON_NONE && lam_json_type(json, at) != LAM_JSON_NULL)
        return LAM_FAIL(err, LAM_E_INVALID, "it has a pre-tokenizer; BPE is known without one");
    return 0;
}

static bool has_text(const struct lam_json *json, uint32_t model, const char *name)
{
    return lam_json_string(json, lam_json_field(json, model, lam_sv_of(name))).len > 0;
}

/* Does ▁ stand behind another character in this piece? */
static bool inner_blank(const char *text, size_t len)
{
    bool other = false;

    for (size_t i = 0; i < len; i++) {
        if (is_blank(text + i, len - i)) {
            if (other)
                return true;
            i += BLANK_LEN - 1;
        } else {
            other = true;
        }
    }
    return false;
}

int bpe_load(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err)
{
    static const char hex[] = "0123456789ABCDEF";
    int rc;

    if (has_text(json, model, "continuing_subword_prefix") || has_text(json, model, "end_of_word_suffix") ||
        lam_json_type(json, lam_json_field(json, model, LAM_SV("dropout"))) == LAM_JSON_NUMBER)
        return LAM_FAIL(err, LAM_E_INVALID, "its model has a prefix, a suffix or dropout: not known here");
    if ((rc = read_normalizer(tokenizer, json, err)) || (rc = read_merges(tokenizer, json, model, err)))
        return rc;
    tokenizer->byte_fallback = lam_json_bool(json, lam_json_field(json, model, LAM_SV("byte_fallback")));
    tokenizer->fuse_unknown = lam_json_bool(json, lam_json_field(json, model, LAM_SV("fuse_unk")));
    tokenizer->whole_words = lam_json_bool(json, lam_json_field(json, model, LAM_SV("ignore_merges")));
    for (unsigned byte = 0; byte < 256; byte++) {
        const char name[6] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};

        tokenizer->bytes[byte] = pieces_find(&tokenizer->pieces, name, sizeof name);
    }
    for (unsigned c = 0; c < 128; c++)
        tokenizer->ascii[c] = pieces_find(&tokenizer->pieces, &(char){(char)c}, 1);
    tokenizer->splits = !tokenizer->whole_words;
    for (uint32_t i = 0; i < tokenizer->pieces.count && tokenizer->splits; i++)
        tokenizer->splits = !inner_blank(tokenizer->pieces.text.ptr + tokenizer->pieces.items[i].begin, tokenizer->pieces.items[i].len);
    return 0;
}

/* --- merging --- */

static int make_room(struct static_reader *reader, size_t symbols, struct lam_error *err)
{
    struct symbol *grown;
    struct candidate *heap;

    if (symbols <= reader->symbol_cap)
        return 0;
    if (symbols > UINT32_MAX / 8)
        return LAM_FAIL(err, LAM_E_LIMIT, "a text of %zu characters is too long for a tokenizer", symbols);
    symbols = symbols < 64 ? 64 : symbols + symbols / 2;
    if ((grown = realloc(reader->symbols, symbols * sizeof *grown)))
        reader->symbols = grown;
    if ((heap = realloc(reader->heap, 3 * symbols * sizeof *heap))) /* each symbol begins with one, and each merge adds at most two */
        reader->heap = heap;
    if (!grown || !heap)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to tokenize a word of %zu characters", symbols);
    reader->symbol_cap = (uint32_t)symbols;
    return 0;
}

static bool before(const struct candidate *a, const struct candidate *b) { return a->rank != b->rank ? a->rank < b->rank : a->at < b->at; }

static void push(struct candidate *heap, uint32_t *count, struct candidate candidate)
{
    uint32_t at = (*count)++;

    for (; at && before(&candidate, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = candidate;
}

static struct candidate pop(struct candidate *heap, uint32_t *count)
{
    struct candidate first = heap[0], last = heap[--*count];
    uint32_t at = 0;

    for (uint32_t child; (child = 2 * at + 1) < *count; at = child) {
        child += child + 1 < *count && before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

static void consider(struct static_reader *reader, uint32_t *count, uint32_t at)
{
    const struct symbol *left = &reader->symbols[at];
    const struct merge_rule *rule = left->next == NONE ? NULL : find_merge(reader->tokenizer, left->id, reader->symbols[left->next].id);

    if (rule)
        push(reader->heap, count, (struct candidate){rule->rank, at, rule->id});
}

static void merge_all(struct static_reader *reader, uint32_t symbols)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < symbols; i++)
        consider(reader, &count, i);
    while (count) {
        struct candidate top = pop(reader->heap, &count);
        struct symbol *left = &reader->symbols[top.at], *right;
        const struct merge_rule *rule;

        if (left->id == STATIC_NO_TOKEN || left->next == NONE)
            continue;
        right = &reader->symbols[left->next];
        rule = find_merge(reader->tokenizer, left->id, right->id);
        if (!rule || rule->id != top.id) /* one of both was merged with another meanwhile */
            continue;
        left->id = top.id;
        left->next = right->next;
        right->id = STATIC_NO_TOKEN;
        if (left->next != NONE)
            reader->symbols[left->next].prev = top.at;
        if (left->prev != NONE)
            consider(reader, &count, left->prev);
        consider(reader, &count, top.at);
    }
}

/* Symbols of a word: characters that are pieces, bytes, or the unknown one, in the order in which the reference adds them. */
static uint32_t make_symbols(struct static_reader *reader, const char *word, size_t len)
{
    const struct static_tokenizer *tokenizer = reader->tokenizer;
    struct symbol *symbols = reader->symbols;
    uint32_t count = 0, unknown = STATIC_NO_TOKEN;

    for (size_t at = 0, step; at < len; at += step) {
        unsigned char c = (unsigned char)word[at];
        uint32_t id;
        bool bytes = tokenizer->byte_fallback;

        step = c < 128 ? 1 : lam_utf8_len(word + at, len - at);
        id = c < 128 ? tokenizer->ascii[c] : pieces_find(&tokenizer->pieces, word + at, step);
        if (id != STATIC_NO_TOKEN) {
            if (unknown != STATIC_NO_TOKEN)
                symbols[count++].id = unknown;
            unknown = STATIC_NO_TOKEN;
            symbols[count++].id = id;
            continue;
        }
        for (size_t i = 0; i < step && bytes; i++)
            bytes = tokenizer->bytes[(unsigned char)word[at + i]] != STATIC_NO_TOKEN;
        for (size_t i = 0; i < step && bytes; i++)
            symbols[count++].id = tokenizer->bytes[(unsigned char)word[at + i]];
        if (bytes || tokenizer->unknown == STATIC_NO_TOKEN)
            continue;
        if (unknown != STATIC_NO_TOKEN && !tokenizer->fuse_unknown)
            symbols[count++].id = unknown;
        unknown = tokenizer->unknown;
    }
    if (unknown != STATIC_NO_TOKEN)
        symbols[count++].id = unknown;
    for (uint32_t i = 0; i < count; i++) {
        symbols[i].prev = i ? i - 1 : NONE;
        symbols[i].next = i + 1 < count ? i + 1 : NONE;
    }
    return count;
}

static int merge_word(struct static_reader *reader, const char *word, size_t len, struct known_word *known, static_token_fn visit, void *arg, struct lam_error *err)
{
    uint32_t whole = reader->tokenizer->whole_words ? pieces_find(&reader->tokenizer->pieces, word, len) : STATIC_NO_TOKEN;
    uint32_t ids[WORD_IDS], symbols, count = 0;
    int rc;

    if (whole != STATIC_NO_TOKEN) {
        visit(arg, whole);
        return 0;
    }
    if ((rc = make_room(reader, len + 1, err)))
        return rc;
    if (!(symbols = make_symbols(reader, word, len)))
        return 0;
    merge_all(reader, symbols);
    for (uint32_t at = 0; at != NONE; at = reader->symbols[at].next, count++) {
        visit(arg, reader->symbols[at].id);
        if (count < WORD_IDS)
            ids[count] = reader->symbols[at].id;
    }
    if (known && len <= WORD_BYTES && count <= WORD_IDS) {
        known->len = (uint8_t)len;
        known->count = (uint8_t)count;
        memcpy(known->text, word, len);
        memcpy(known->ids, ids, count * sizeof *ids);
    }
    return 0;
}

/* --- words --- */

/* ▁ for blanks, U+FFFD for what is no UTF-8. */
static int normalize(struct static_reader *reader, struct lam_sv text, struct lam_error *err)
{
    struct lam_buf *normal = &reader->normal;
    int rc = lam_buf_reserve(normal, 3 * text.len + BLANK_LEN, err);
    char *out;

    if (rc)
        return rc;
    out = normal->ptr;
    if (reader->tokenizer->prepend) {
        memcpy(out, BLANK, BLANK_LEN);
        out += BLANK_LEN;
    }
    for (size_t at = 0, step; at < text.len; at += step) {
        unsigned char c = (unsigned char)text.ptr[at];

        step = 1;
        if (c == ' ') {
            memcpy(out, BLANK, BLANK_LEN);
            out += BLANK_LEN;
        } else if (c < 128) {
            *out++ = (char)c;
        } else if ((step = lam_utf8_len(text.ptr + at, text.len - at))) {
            memcpy(out, text.ptr + at, step);
            out += step;
        } else {
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            step = 1;
        }
    }
    normal->len = (size_t)(out - normal->ptr);
    return 0;
}

/* The end of a word that begins at the front of text: a run of ▁, then what is none. */
static size_t word_end(const char *text, size_t len)
{
    size_t at = 0;

    while (is_blank(text + at, len - at))
        at += BLANK_LEN;
    while (at < len && !((unsigned char)text[at] == 0xe2 && is_blank(text + at, len - at)))
        at++;
    return at;
}

int bpe_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err)
{
    size_t at = 0;
    int rc;

    lam_buf_clear(&reader->normal);
    if ((rc = normalize(reader, text, err)))
        return rc;
    if (!reader->tokenizer->splits)
        return merge_word(reader, reader->normal.ptr, reader->normal.len, NULL, visit, arg, err);
    while (at < reader->normal.len && !rc) {
        const char *word = reader->normal.ptr + at;
        size_t len = word_end(word, reader->normal.len - at);
        struct known_word *known = len <= WORD_BYTES ? known_slot(reader, word, len) : NULL;

        if (known && known->len == len && !memcmp(known->text, word, len))
            for (unsigned i = 0; i < known->count; i++)
                visit(arg, known->ids[i]);
        else
            rc = merge_word(reader, word, len, known, visit, arg, err);
        at += len;
    }
    return rc;
}
