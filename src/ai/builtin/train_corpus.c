/*
 * What training learns of the corpus' words: in how many documents each is, and which side it takes.
 *
 * Sides: sentences that the word lists call clearly good or bad are the seeds; a word that no list knows and that stands far more often
 * with one kind than with the other takes its side (pointwise mutual information: Turney and Littman 2003). Only words in small
 * letters count, for a name is on nobody's side, and only where chance is no explanation.
 */
#include "train_parts.h"

#include <math.h>
#include <stdlib.h>

#include "builtin.h"
#include "fmath.h"
#include "language.h"
#include "sentences.h"
#include "sentiment.h"

#include "base/utf8.h"

#define COUNTERS ((size_t)1 << 21) /* slots of the counting map, 64 MiB */
#define CLEAR 0.25       /* |sentiment| of a sentence that is a seed */
#define SEEDS_LEAST 200  /* sentences of each side; with fewer no word learns anything */
#define WORD_LEAST 20    /* seed sentences that have the word */
#define WORD_LETTERS 4
#define LEANING 0.9      /* log of the odds against those of all seeds: 2.5 times as often */
#define CHANCE 4.0       /* standard deviations from what chance would give */
#define TENTHS 5.0       /* of valence for each unit of leaning */
#define TENTHS_MAX 12    /* weaker than most words of the lists */
#define SEEN_BITS ((size_t)1 << 20)

struct count {
    uint64_t hash;
    uint32_t documents;         /* 0: a free slot */
    uint32_t good, bad;         /* seed sentences that have it */
    uint32_t last, last_seed;   /* document and seed sentence that counted it last, + 1 */
};

struct counts {
    struct count *slots;
    size_t mask, used;
    uint32_t documents, good, bad;
    uint8_t *seen; /* [SEEN_BITS / 8], by hash of a seed sentence: form letters teach once. A sentence taken for another teaches nothing */
};

static struct count *find(struct counts *counts, uint64_t hash)
{
    size_t at = hash & counts->mask;

    while (counts->slots[at].documents && counts->slots[at].hash != hash)
        at = (at + 1) & counts->mask;
    return &counts->slots[at];
}

/* A larger map, up to COUNTERS; from there on what was seen in few documents is forgotten, in more and more of them. */
static int regrow(struct counts *counts, struct lam_error *err)
{
    struct counts grown = *counts;
    uint32_t least = 1;

    if (counts->mask + 1 < COUNTERS)
        grown.mask = 2 * counts->mask + 1;
    if (!(grown.slots = calloc(grown.mask + 1, sizeof *grown.slots)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to count %zu words", grown.mask + 1);
    for (grown.used = SIZE_MAX; grown.used * 2 > grown.mask; least++) {
        grown.used = 0;
        memset(grown.slots, 0, (grown.mask + 1) * sizeof *grown.slots);
        for (size_t i = 0; i <= counts->mask; i++)
            if (counts->slots[i].documents >= (grown.mask == counts->mask ? least + 1 : least)) {
                *find(&grown, counts->slots[i].hash) = counts->slots[i];
                grown.used++;
            }
    }
    free(counts->slots);
    *counts = grown;
    return 0;
}

static int count_words(struct counts *counts, const struct lam_tokens *tokens, struct lam_error *err)
{
    uint32_t document = ++counts->documents;
    int rc = 0;

    for (size_t i = 0; i < tokens->term_count && !rc; i++) {
        struct count *count = find(counts, tokens->terms[i].hash);

        if (!count->documents) {
            count->hash = tokens->terms[i].hash;
            counts->used++;
        }
        count->documents += count->last != document; /* hostile texts have a word as several terms */
        count->last = document;
        if (counts->used * 4 > counts->mask * 3)
            rc = regrow(counts, err);
    }
    return rc;
}

/* May the token be a word that takes a side? */
static bool open_to_sides(const struct lam_tokens *tokens, const struct lam_token *token)
{
    const struct lam_term *term = &tokens->terms[token->term];

    if (token->flags & (LAM_TOKEN_UPPER | LAM_TOKEN_DIGITS | LAM_TOKEN_EMOJI) || term->fold_len < WORD_LETTERS)
        return false;
    return !term->lex || (!term->lex->valence && !term->lex->boost && !(term->lex->flags & ~(unsigned)LAM_LEX_FILLER));
}

static bool seen_before(struct counts *counts, const struct lam_tokens *tokens, const struct lam_sentence *sentence)
{
    uint64_t hash = 0;
    uint8_t *byte, bit;

    for (uint32_t i = sentence->first; i < sentence->last; i++)
        hash = (hash ^ tokens->terms[tokens->tokens[i].term].hash) * 0x9e3779b97f4a7c15u;
    hash = hash >> 40 & (SEEN_BITS - 1);
    byte = &counts->seen[hash / 8];
    bit = (uint8_t)(1u << hash % 8);
    if (*byte & bit)
        return true;
    *byte |= bit;
    return false;
}

static void count_sides(struct counts *counts, const struct lam_tokens *tokens, const struct lam_sentences *sentences)
{
    for (size_t s = 0; s < sentences->count; s++) {
        const struct lam_sentence *sentence = &sentences->items[s];
        double side = lam_sentiment_sentence(tokens, sentence);
        uint32_t seed;

        if (fabs(side) < CLEAR || seen_before(counts, tokens, sentence))
            continue;
        counts->good += side > 0;
        counts->bad += side < 0;
        seed = counts->good + counts->bad;
        for (uint32_t i = sentence->first; i < sentence->last; i++) {
            struct count *count;

            if (!open_to_sides(tokens, &tokens->tokens[i]))
                continue;
            count = find(counts, tokens->terms[tokens->tokens[i].term].hash);
            if (!count->documents || count->last_seed == seed)
                continue; /* forgotten words are not learned */
            count->last_seed = seed;
            count->good += side > 0;
            count->bad += side < 0;
        }
    }
}

/* Which side the word takes, in tenths; 0: none. */
static int8_t valence(const struct counts *counts, const struct count *count)
{
    double seen = (double)count->good + count->bad, share = (double)counts->good / ((double)counts->good + counts->bad);
    double expected = seen * share, deviation = sqrt(seen * share * (1 - share)), leaning, tenths;

    if (counts->good < SEEDS_LEAST || counts->bad < SEEDS_LEAST || seen < WORD_LEAST || fabs(count->good - expected) < CHANCE * deviation)
        return 0;
    leaning = lam_log((count->good + 0.5) / (count->bad + 0.5)) - lam_log((double)counts->good / counts->bad);
    if (fabs(leaning) < LEANING)
        return 0;
    tenths = leaning * TENTHS;
    tenths = tenths > TENTHS_MAX ? TENTHS_MAX : tenths < -TENTHS_MAX ? -TENTHS_MAX : tenths;
    return (int8_t)(tenths < 0 ? tenths - 0.5 : tenths + 0.5);
}

static int more_common(const void *a, const void *b)
{
    const struct count *x = a, *y = b;

    if (x->documents != y->documents)
        return x->documents > y->documents ? -1 : 1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int by_hash(const void *a, const void *b)
{
    const struct count *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int keep(struct counts *counts, struct lam_corpus *corpus, struct lam_error *err)
{
    uint32_t least = counts->documents >= 300 ? 3 : counts->documents >= 20 ? 2 : 1;
    size_t kept = 0;
    int rc;

    for (size_t i = 0; i <= counts->mask; i++)
        if (counts->slots[i].documents >= least)
            counts->slots[kept++] = counts->slots[i];
    qsort(counts->slots, kept, sizeof *counts->slots, more_common);
    kept = kept < LAM_CORPUS_WORDS_MAX ? kept : LAM_CORPUS_WORDS_MAX;
    qsort(counts->slots, kept, sizeof *counts->slots, by_hash);
    if (!kept)
        return 0;
    if ((rc = lam_corpus_init(corpus, (uint32_t)kept, err)))
        return rc;
    for (size_t i = 0; i < kept; i++)
        corpus->words[i] = (struct lam_corpus_word){
            .hash = counts->slots[i].hash,
            .idf = (float)(1 + lam_log((1 + (double)counts->documents) / (1 + (double)counts->slots[i].documents))),
            .valence = valence(counts, &counts->slots[i])};
    lam_corpus_index(corpus, counts->documents);
    return 0;
}

int lam_training_corpus(const struct lam_builtin_doc *docs, size_t count, const struct lam_builtin_training *options,
                        struct lam_corpus *corpus, struct lam_error *err)
{
    struct counts counts = {.mask = 4095};
    struct lam_lexicon lexicon = {0};
    struct lam_tokens tokens = {0};
    struct lam_sentences sentences;
    int rc;

    lam_sentences_init(&sentences);
    if ((rc = lam_lexicon_init(&lexicon, err)))
        return rc;
    lam_tokens_init(&tokens, &lexicon);
    counts.slots = calloc(counts.mask + 1, sizeof *counts.slots);
    counts.seen = calloc(SEEN_BITS / 8, 1);
    if (!counts.slots || !counts.seen)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to count words");
    for (size_t d = 0; d < count && !rc; d++) {
        if (d % 256 == 0 && options->stop && options->stop(options->arg))
            rc = LAM_FAIL(err, LAM_E_CANCELLED, "training was stopped");
        else if (!(rc = lam_tokens_read(&tokens, lam_utf8_cut(docs[d].title, LAM_BUILTIN_TITLE_MAX),
                                        lam_utf8_cut(docs[d].text, LAM_BUILTIN_TEXT_MAX), err)) &&
                 !(rc = count_words(&counts, &tokens, err)) && !(rc = lam_sentences_split(&sentences, &tokens, err)))
            count_sides(&counts, &tokens, &sentences);
    }
    if (!rc)
        rc = keep(&counts, corpus, err);
    free(counts.slots);
    free(counts.seen);
    lam_sentences_release(&sentences);
    lam_tokens_release(&tokens);
    lam_lexicon_release(&lexicon);
    return rc;
}
