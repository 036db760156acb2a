/* What the files of the tokenizer share. */
#ifndef LAMINA_AI_STATIC_TOKENS_H
#define LAMINA_AI_STATIC_TOKENS_H

#include "base/buf.h"
#include "base/hash.h"
#include "model/json.h"
#include "tokenizer.h"

#define PIECES_MAX (UINT32_C(1) << 21)

/* Texts to numbers: pieces to ids. Texts stand in one buffer. */
struct piece {
    uint32_t begin, len, id;
};

struct pieces {
    struct piece *items;
    uint32_t count, cap;
    uint32_t *slots; /* item + 1, by hash */
    uint32_t mask;
    struct lam_buf text;
};

/* Two pieces that become one. */
struct merge_rule {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: an empty slot */
    uint32_t rank, id;
};

/* A special token that is cut out of the text before anything else. */
struct special {
    uint32_t begin, len, id; /* in texts */
};

struct static_tokenizer {
    bool wordpiece;
    struct pieces pieces;
    uint32_t id_count; /* the highest id, plus one */
    uint32_t unknown;  /* STATIC_NO_TOKEN: unknown characters vanish */
    struct special *specials;
    uint32_t special_count;
    struct lam_buf texts;

    /* BPE */
    struct merge_rule *merges;
    uint64_t merge_mask;
    uint32_t bytes[256]; /* of <0x00> … <0xFF>; STATIC_NO_TOKEN: there is none */
    uint32_t ascii[128]; /* of one character */
    bool byte_fallback, fuse_unknown, whole_words; /* whole_words: one that is a piece is not merged together */
    bool prepend;        /* ▁ before the text */
    bool blanks;         /* blanks become ▁ */
    bool splits;         /* no piece has ▁ behind another character: words can be merged by themselves */

    /* WordPiece */
    bool clean, chinese, strip, lower;
    uint32_t longest_word, longest_piece; /* characters; bytes */
    char prefix[16];
    size_t prefix_len;
};

/* One word that was met: its text and ids. */
#define WORD_BYTES 30
#define WORD_IDS 8
struct known_word {
    uint8_t len, count; /* len 0: an empty slot */
    char text[WORD_BYTES];
    uint32_t ids[WORD_IDS];
};
#define KNOWN_WORDS 16384u /* a power of two; 1 MiB */

/* A symbol of a word that is being merged; a list by place. */
struct symbol {
    uint32_t id, prev, next; /* UINT32_MAX: none */
};

/* A merge that may be made: the lowest rank first, then the leftmost. */
struct candidate {
    uint32_t rank, at, id;
};

struct static_reader {
    const struct static_tokenizer *tokenizer;
    struct known_word *known;
    struct lam_buf normal; /* the text as it is cut into words */
    struct symbol *symbols;
    struct candidate *heap;
    uint32_t symbol_cap, heap_cap;
    uint32_t ids[WORD_IDS];
    uint32_t id_count;     /* of the word at hand; more than fit into ids are told at once */
};

uint32_t pieces_find(const struct pieces *pieces, const char *text, size_t len); /* STATIC_NO_TOKEN: none */
int pieces_add(struct pieces *pieces, struct lam_sv text, uint32_t id, struct lam_error *err);

/* A text between special tokens. */
int bpe_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err);
int wordpiece_tokenize(struct static_reader *reader, struct lam_sv text, static_token_fn visit, void *arg, struct lam_error *err);

/* Reads what is the model's own. */
int bpe_load(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err);
int wordpiece_load(struct static_tokenizer *tokenizer, const struct lam_json *json, uint32_t model, struct lam_error *err);

/* Where a known word is, or would be put. */
static inline struct known_word *known_slot(const struct static_reader *reader, const char *text, size_t len)
{
    uint64_t hash = lam_hash64(text, len);

    return &reader->known[hash & (KNOWN_WORDS - 1)];
}

#endif
