/*
 * What the corpus says of words: how rare each is (idf), and which side it takes there (valence). Learned in training, immutable
 * after, looked up once for each distinct word of a text (struct lam_term.word).
 */
#ifndef LAMINA_AI_CORPUS_H
#define LAMINA_AI_CORPUS_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"

#define LAM_CORPUS_WORDS_MAX 65536u

struct lam_corpus_word {
    uint64_t hash;  /* of the folded word */
    float idf;      /* 1 + log((1 + documents) / (1 + documents with the word)) */
    uint32_t feature : 24; /* of the classifier, + 1: saves its look-up; 0: none */
    int32_t valence : 8;   /* sentiment in tenths, as in the lexicon; 0: takes no side */
};

struct lam_corpus {
    struct lam_corpus_word *words; /* ascending by hash */
    uint32_t count;
    float idf_max; /* of a word that no document has; 0: there is no corpus */
    uint32_t *slots;
    size_t mask;
};

/* Room for count words, all zero; *corpus was empty. After words stand: lam_corpus_index. */
int lam_corpus_init(struct lam_corpus *corpus, uint32_t count, struct lam_error *err);
void lam_corpus_release(struct lam_corpus *corpus);

/* Makes slots and idf_max; documents: of the corpus. */
void lam_corpus_index(struct lam_corpus *corpus, uint32_t documents);

static inline const struct lam_corpus_word *lam_corpus_find(const struct lam_corpus *corpus, uint64_t hash)
{
    if (!corpus || !corpus->count)
        return NULL;
    for (size_t at = hash & corpus->mask; corpus->slots[at]; at = (at + 1) & corpus->mask)
        if (corpus->words[corpus->slots[at] - 1].hash == hash)
            return &corpus->words[corpus->slots[at] - 1];
    return NULL;
}

/* The idf of a word that was looked up; 1 for all where there is no corpus. */
static inline double lam_corpus_idf(const struct lam_corpus *corpus, const struct lam_corpus_word *word)
{
    return word ? (double)word->idf : corpus && corpus->count ? (double)corpus->idf_max : 1;
}

/* Sections 2 and 4 of the model artifact (model.h). The valences are read after the words. LAM_E_CORRUPT. */
int lam_corpus_write_words(const struct lam_corpus *corpus, struct lam_buf *buf, struct lam_error *err);
int lam_corpus_read_words(struct lam_corpus *corpus, struct lam_sv bytes, uint32_t documents, struct lam_error *err);
size_t lam_corpus_valences(const struct lam_corpus *corpus);
int lam_corpus_write_valences(const struct lam_corpus *corpus, struct lam_buf *buf, struct lam_error *err);
int lam_corpus_read_valences(struct lam_corpus *corpus, struct lam_sv bytes, struct lam_error *err);

#endif
