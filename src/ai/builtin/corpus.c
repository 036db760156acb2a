#include "corpus.h"

#include <stdlib.h>

#include "fmath.h"
#include "model_bytes.h"

#define VALENCE_MAX 40

int lam_corpus_init(struct lam_corpus *corpus, uint32_t count, struct lam_error *err)
{
    size_t slots = 64;

    *corpus = (struct lam_corpus){0};
    while (slots < 2 * (size_t)count)
        slots *= 2;
    corpus->words = calloc(count + 1u, sizeof *corpus->words);
    corpus->slots = calloc(slots, sizeof *corpus->slots);
    if (!corpus->words || !corpus->slots) {
        lam_corpus_release(corpus);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u words of a corpus", count);
    }
    corpus->count = count;
    corpus->mask = slots - 1;
    return 0;
}

void lam_corpus_release(struct lam_corpus *corpus)
{
    free(corpus->words);
    free(corpus->slots);
    *corpus = (struct lam_corpus){0};
}

void lam_corpus_index(struct lam_corpus *corpus, uint32_t documents)
{
    corpus->idf_max = (float)(1 + lam_log(1 + (double)documents));
    for (uint32_t i = 0; i < corpus->count; i++) {
        size_t at = corpus->words[i].hash & corpus->mask;

        while (corpus->slots[at])
            at = (at + 1) & corpus->mask;
        corpus->slots[at] = i + 1;
    }
}

int lam_corpus_write_words(const struct lam_corpus *corpus, struct lam_buf *buf, struct lam_error *err)
{
    int rc;

    if ((rc = lam_put32(buf, corpus->count, err)) || (rc = lam_put32(buf, 0, err)) ||
        (rc = lam_buf_reserve(buf, (size_t)12 * corpus->count, err)))
        return rc;
    for (uint32_t i = 0; i < corpus->count && !rc; i++)
        rc = lam_put64(buf, corpus->words[i].hash, err);
    for (uint32_t i = 0; i < corpus->count && !rc; i++)
        rc = lam_put_float(buf, corpus->words[i].idf, err);
    return rc;
}

int lam_corpus_read_words(struct lam_corpus *corpus, struct lam_sv bytes, uint32_t documents, struct lam_error *err)
{
    size_t count = bytes.len >= 8 ? lam_get32(bytes.ptr) : 0;
    const char *p = bytes.ptr + 8;
    int rc;

    if (!count || count > LAM_CORPUS_WORDS_MAX || bytes.len != 8 + 12 * count || lam_get32(bytes.ptr + 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu words of a corpus do not fit their %zu bytes", count, bytes.len);
    if ((rc = lam_corpus_init(corpus, (uint32_t)count, err)))
        return rc;
    for (size_t i = 0; i < count; i++) {
        struct lam_corpus_word *word = &corpus->words[i];

        word->hash = lam_get64(p + 8 * i);
        if ((i && word->hash <= corpus->words[i - 1].hash) || !lam_get_floats(p + 8 * count + 4 * i, &word->idf, 1) ||
            !(word->idf >= 0.5f && word->idf <= 64)) {
            lam_corpus_release(corpus);
            return LAM_FAIL(err, LAM_E_CORRUPT, "word %zu of the corpus is not what training writes", i);
        }
    }
    lam_corpus_index(corpus, documents);
    for (size_t i = 0; i < count; i++)
        if (corpus->words[i].idf > corpus->idf_max) {
            lam_corpus_release(corpus);
            return LAM_FAIL(err, LAM_E_CORRUPT, "word %zu is rarer than one that no document has", i);
        }
    return 0;
}

size_t lam_corpus_valences(const struct lam_corpus *corpus)
{
    size_t count = 0;

    for (uint32_t i = 0; i < corpus->count; i++)
        count += corpus->words[i].valence != 0;
    return count;
}

int lam_corpus_write_valences(const struct lam_corpus *corpus, struct lam_buf *buf, struct lam_error *err)
{
    int rc;

    if ((rc = lam_put32(buf, (uint32_t)lam_corpus_valences(corpus), err)) || (rc = lam_put32(buf, 0, err)))
        return rc;
    for (uint32_t i = 0; i < corpus->count && !rc; i++)
        if (corpus->words[i].valence)
            rc = lam_put64(buf, corpus->words[i].hash, err);
    for (uint32_t i = 0; i < corpus->count && !rc; i++)
        if (corpus->words[i].valence)
            rc = lam_buf_add(buf, &(char){(char)corpus->words[i].valence}, 1, err);
    return rc;
}

int lam_corpus_read_valences(struct lam_corpus *corpus, struct lam_sv bytes, struct lam_error *err)
{
    size_t count = bytes.len >= 8 ? lam_get32(bytes.ptr) : 0;

    if (!count || count > corpus->count || bytes.len != 8 + 9 * count || lam_get32(bytes.ptr + 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "%zu valences do not fit their %zu bytes", count, bytes.len);
    for (size_t i = 0; i < count; i++) {
        const char *at = bytes.ptr + 8 + 8 * i;
        const struct lam_corpus_word *word = lam_corpus_find(corpus, lam_get64(at));
        int valence = (int8_t)bytes.ptr[8 + 8 * count + i];

        if (!word || (i && lam_get64(at) <= lam_get64(at - 8)) || !valence || valence < -VALENCE_MAX || valence > VALENCE_MAX)
            return LAM_FAIL(err, LAM_E_CORRUPT, "valence %zu is not what training writes", i);
        corpus->words[word - corpus->words].valence = (int8_t)valence;
    }
    return 0;
}
