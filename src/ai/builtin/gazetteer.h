/*
 * The gazetteer: what the corpus itself tells of the people, organisations and places in it.
 *
 * Built-in rules (titles before a name, legal forms behind it, well-known countries and first names) type some of the capitalised
 * sequences of the sample. What these have in common, the whole name, its words, and the words before and behind it, is counted;
 * what speaks for one type nearly always becomes a clue, types more of them, and so on for a few rounds, in a fixed order.
 * (Collins and Singer 1999; Riloff and Jones 1999.) A clue is a hash and one weight a type, so that names.h adds up what the rules and
 * the clues say of a sequence. Words that stand in lower case as well are kept too: they are
 * hardly names where a sentence begins with them.
 *
 * Immutable once made; shared by any number of handles and threads. A function of the documents in their order alone.
 *
 * Bytes (little-endian), a section of the model artifact, which has its checksum:
 *
 *      0  4  magic "GAZ1"
 *      4  4  clues n, at most LAM_GAZETTEER_MAX
 *      8  4  names among them, for the report
 *     12  4  zero
 *     16 8n  hashes, ascending, none twice, none 0
 *        4n  for each the weights for person, organisation and place (i8), and how common the word is in lower case
 */
#ifndef LAMINA_AI_BUILTIN_GAZETTEER_H
#define LAMINA_AI_BUILTIN_GAZETTEER_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"

#define LAM_GAZETTEER_MAX 65536u                 /* clues: 768 KiB */
#define LAM_GAZETTEER_TEXT ((size_t)32 << 20)    /* bytes of documents that are learned from; those beyond are left out */

enum lam_name_type { LAM_NAME_PERSON, LAM_NAME_ORG, LAM_NAME_PLACE, LAM_NAME_TYPES };

struct lam_builtin_doc; /* train.h */

struct lam_clue {
    uint64_t hash; /* 0: a free slot */
    int8_t weight[LAM_NAME_TYPES];
    uint8_t common; /* a word that stands in lower case too: 1; mostly so: 2 */
};

struct lam_gazetteer {
    struct lam_clue *clues; /* ascending by hash */
    uint32_t count, names;
    uint32_t *slots;        /* clue + 1, by hash */
    size_t mask;
    uint64_t filter[1024];  /* a bit for each clue: most words are none, and need not look into slots for that */
};

/*
 * Learns from the texts of the documents (titles write too much in capitals), in the order that the caller fixed. Few or no
 * documents give few or no clues, which is no error. Takes about a second for 30 MB; any thread. LAM_E_MEMORY, or LAM_E_CANCELLED where stop (may be NULL) said
 * so.
 */
int lam_gazetteer_learn(const struct lam_builtin_doc *docs, size_t count, bool (*stop)(void *arg), void *arg,
                        struct lam_gazetteer **gazetteer, struct lam_error *err);
void lam_gazetteer_free(struct lam_gazetteer *gazetteer);

/* For learn and read: room for so many clues, all zero; and the slots, once the clues stand. */
int lam_gazetteer_new(uint32_t count, struct lam_gazetteer **gazetteer, struct lam_error *err);
void lam_gazetteer_index(struct lam_gazetteer *gazetteer);

/* Adds its bytes to buf: equal gazetteers give equal bytes on every platform. */
int lam_gazetteer_write(const struct lam_gazetteer *gazetteer, struct lam_buf *buf, struct lam_error *err);

/* The way back, from exactly these bytes. LAM_E_CORRUPT where they are not a whole gazetteer; nothing of them is trusted. Copies. */
int lam_gazetteer_read(struct lam_sv bytes, struct lam_gazetteer **gazetteer, struct lam_error *err);

/* What is known of the hash; NULL: nothing. gazetteer may be NULL. */
static inline const struct lam_clue *lam_gazetteer_find(const struct lam_gazetteer *gazetteer, uint64_t hash)
{
    if (!gazetteer || !(gazetteer->filter[hash >> 54] >> (hash >> 48 & 63) & 1))
        return NULL;
    for (size_t i = hash & gazetteer->mask; gazetteer->slots[i]; i = (i + 1) & gazetteer->mask)
        if (gazetteer->clues[gazetteer->slots[i] - 1].hash == hash)
            return &gazetteer->clues[gazetteer->slots[i] - 1];
    return NULL;
}

#endif
