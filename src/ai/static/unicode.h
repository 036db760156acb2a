/* What a WordPiece tokenizer needs to know of characters. Tables: unicode_strip.c, unicode_lower.c, unicode_classes.c, made by make_tables.py. */
#ifndef LAMINA_AI_STATIC_UNICODE_H
#define LAMINA_AI_STATIC_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unicode_map {
    uint32_t from, to[3]; /* 0: no more */
};

struct unicode_range {
    uint32_t first, last;
};

extern const struct unicode_map unicode_stripped[], unicode_lower[];
extern const struct unicode_range unicode_punctuation[], unicode_other[];
extern const size_t unicode_stripped_count, unicode_lower_count, unicode_punctuation_count, unicode_other_count;

/* What a character becomes, up to three (Hangul: up to three letters); how many: 0 where it vanishes. */
unsigned unicode_strip(uint32_t rune, uint32_t to[3]); /* taken apart (NFD), without marks */
unsigned unicode_to_lower(uint32_t rune, uint32_t to[3]);

bool unicode_is_punctuation(uint32_t rune); /* ASCII's signs as well */
bool unicode_is_blank(uint32_t rune);
bool unicode_is_other(uint32_t rune);       /* control, format, private use */
bool unicode_is_chinese(uint32_t rune);     /* ideographs, as BERT has them */

#endif
