/* What the parts of names.h share with each other and with the gazetteer. */
#ifndef LAMINA_AI_NAMES_PARTS_H
#define LAMINA_AI_NAMES_PARTS_H

#include "names.h"

#define LAM_CLUE_COMMON LAM_CLUES /* one more kind: a word that mostly stands in lower case */

/* The gazetteer's hash of a clue: what kind it is and which word or phrase. Never 0. */
static inline uint64_t lam_name_clue(unsigned kind, uint64_t hash)
{
    uint64_t mixed = (hash + kind + 1) * 0x9e3779b97f4a7c15u;

    mixed ^= mixed >> 29;
    return mixed ? mixed : 1;
}

uint64_t lam_name_word(const struct lam_tokens *tokens, size_t i, size_t *end, bool *possessive);
uint32_t lam_name_flags(const struct lam_name_reader *reader, size_t i);
uint8_t lam_name_common(const struct lam_name_reader *reader, size_t i); /* struct lam_clue.common of the word */
bool lam_name_sentence_begins(const struct lam_tokens *tokens, size_t i);

/* Fills scores and clues of a name whose tokens and bytes stand. False: it is none after all. */
bool lam_name_score(const struct lam_name_reader *reader, struct lam_name *name);

#endif
