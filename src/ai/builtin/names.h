/*
 * Names of people, organisations and places: capitalised sequences, and what speaks for each type.
 *
 *     "… told New York Attorney General Eliot Spitzer of Computer Associates International Inc., …"
 *                                       └── person ──┘    └──────── organisation ─────────┘
 *
 * A sequence is a row of capitalised words with what may stand inside of a name (initials, hyphens, "de", "of" behind a word such
 * as University). Titles, weekdays, months and nationalities are no part of it and split it. Evidence is summed up a type: the name
 * itself and its words (well-known ones, legal forms, first names), what stands before it and behind it, names of the same text, and
 * the clues of the gazetteer. The best type wins where it has enough, and enough more than the second.
 */
#ifndef LAMINA_AI_NAMES_H
#define LAMINA_AI_NAMES_H

#include "gazetteer.h"
#include "language.h"
#include "tokens.h"

enum lam_name_flag {
    LAM_NAME_FIRST = 1,         /* a first name */
    LAM_NAME_TITLE = 2,         /* stands before people */
    LAM_NAME_TITLE_PART = 4,    /* a part of a title, beside another */
    LAM_NAME_ROLE = 8,          /* in lower case right before people: coach, striker, founder */
    LAM_NAME_LEGAL = 16,        /* ends the name of a company */
    LAM_NAME_BODY = 32,         /* a word in names of organisations; "of" may follow */
    LAM_NAME_SITE = 64,         /* ends the name of a place: City, River */
    LAM_NAME_SITE_HEAD = 128,   /* begins the name of a place: Lake, Mount */
    LAM_NAME_KNOWN_PLACE = 256,
    LAM_NAME_KNOWN_ORG = 512,
    LAM_NAME_NATION = 1024,     /* Swedish, Swedes: no name */
    LAM_NAME_WEEKDAY = 2048,
    LAM_NAME_NEVER = 4096,      /* PC, TV, Internet: capitalised, and no name */
    LAM_NAME_PARTICLE = 8192,   /* in lower case inside of a name */
    LAM_NAME_AT = 16384,        /* before places: in, near */
    LAM_NAME_SAY = 1 << 15,     /* behind whoever speaks */
    LAM_NAME_DIRECTION = 1 << 16, /* North, Southern */
    LAM_NAME_BUSINESS = 1 << 17   /* in lower case beside companies: shares, spokesman */
};

/* The built-in words and phrases, read once a handle; then read only. */
struct lam_name_words {
    struct lam_name_word {
        uint64_t hash; /* 0: free */
        uint32_t flags;
    } *slots;
    size_t mask, count;
    uint64_t filter[1024]; /* a bit for each: most words are none of these */
};

int lam_name_words_init(struct lam_name_words *words, struct lam_error *err);
void lam_name_words_release(struct lam_name_words *words);

static inline uint32_t lam_name_words_find(const struct lam_name_words *words, uint64_t hash)
{
    if (!(words->filter[hash >> 54] >> (hash >> 48 & 63) & 1))
        return 0;
    for (size_t i = hash & words->mask; words->slots[i].hash; i = (i + 1) & words->mask)
        if (words->slots[i].hash == hash)
            return words->slots[i].flags;
    return 0;
}

/* Hash of a phrase: begins with 0, takes the hash of each word; a phrase of one word has that word's hash. */
static inline uint64_t lam_phrase_hash(uint64_t hash, uint64_t word)
{
    return hash ? ((hash << 23 | hash >> 41) ^ word) * 0x9e3779b97f4a7c15u : word;
}

#define LAM_NAME_WORDS 8     /* of a name; a longer row of capitalised words is none */
#define LAM_NAME_MEMORY 32   /* names that a text's later words are compared with */

enum lam_name_clue { LAM_CLUE_NAME, LAM_CLUE_FIRST, LAM_CLUE_LAST, LAM_CLUE_BEFORE, LAM_CLUE_BEHIND, LAM_CLUES };

struct lam_name {
    size_t first, last;      /* tokens, last excluded */
    size_t start, end;       /* bytes of the text */
    int score[LAM_NAME_TYPES];
    uint64_t clues[LAM_CLUES]; /* 0: none */
};

/* What reading one text needs and remembers. */
struct lam_name_reader {
    const struct lam_tokens *tokens;
    const struct lam_name_words *words;
    const struct lam_gazetteer *gazetteer; /* NULL: none */
    enum lam_language language;            /* LAM_LANG_EN where it is not known */
    bool nouns;                            /* a language that writes every noun with a capital: names need more evidence */
    bool shouting;                         /* most words are all capitals, which then mean nothing */
    struct {
        uint32_t term;
        uint8_t type;
    } memory[LAM_NAME_MEMORY];
    size_t memory_count;
};

void lam_name_begin(struct lam_name_reader *reader, const struct lam_tokens *tokens, const struct lam_name_words *words,
                    const struct lam_gazetteer *gazetteer, enum lam_language language);

/*
 * The sequence that begins at token i, with the scores of rules and gazetteer. False: none begins there. At most LAM_NAME_WORDS
 * and a few tokens are looked at.
 */
bool lam_name_read(const struct lam_name_reader *reader, size_t i, struct lam_name *name);

/* The type of the name, which is remembered for the rest of the text; LAM_NAME_TYPES: not enough speaks for any. */
enum lam_name_type lam_name_decide(struct lam_name_reader *reader, const struct lam_name *name);

#endif
