/*
 * Learning of the gazetteer: names of the sample as rows of clues, and rounds in which what the rules and the clues type surely
 * teaches the clues.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "fmath.h"
#include "names_parts.h"
#include "train.h"

#define TEXT_EACH ((size_t)64 << 10) /* bytes of one document */
#define SEEN_MAX ((size_t)400000)    /* names of the sample */
#define CLUES_MAX ((size_t)1 << 20)  /* different ones, words in lower case among them */
#define ROUNDS 4
#define SURE_FIRST 34 /* points that a name needs to teach, in the first round and later */
#define SURE_LATER 28
#define SURE_AHEAD 16
#define STOP_EVERY 64 /* documents */

struct seen {
    uint32_t clues[LAM_CLUES]; /* index + 1; 0: none */
    int16_t score[LAM_NAME_TYPES];
};

/* A clue that is being counted. The common words' count[0] and count[1] are lower-case and capitals inside of sentences. */
struct tally {
    uint64_t hash;
    uint32_t count[LAM_NAME_TYPES], all;
    int8_t weight[LAM_NAME_TYPES];
    uint8_t kind, begins; /* begins: seen with a capital where a sentence begins, or all in capitals */
};

struct learner {
    struct lam_lexicon lexicon;
    struct lam_tokens tokens;
    struct lam_name_words words;
    struct seen *seen;
    size_t seen_count, seen_cap;
    struct tally *tallies;
    size_t tally_count, tally_cap;
    uint32_t *slots; /* tally + 1 */
    size_t mask;
};

/* The tally of a clue; NULL: no room for a new one. */
static struct tally *tally_of(struct learner *learner, uint64_t hash, unsigned kind)
{
    size_t i = hash & learner->mask;

    while (learner->slots[i] && learner->tallies[learner->slots[i] - 1].hash != hash)
        i = (i + 1) & learner->mask;
    if (learner->slots[i])
        return &learner->tallies[learner->slots[i] - 1];
    if (learner->tally_count == learner->tally_cap)
        return NULL;
    learner->tallies[learner->tally_count] = (struct tally){.hash = hash, .kind = (uint8_t)kind};
    learner->slots[i] = (uint32_t)++learner->tally_count;
    return &learner->tallies[learner->tally_count - 1];
}

static int keep(struct learner *learner, const struct lam_name *name, struct lam_error *err)
{
    struct seen *seen;

    if (learner->seen_count == learner->seen_cap) {
        size_t cap = learner->seen_cap ? learner->seen_cap * 2 : 4096;

        if (!(seen = realloc(learner->seen, cap * sizeof *seen)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu names", cap);
        learner->seen = seen;
        learner->seen_cap = cap;
    }
    seen = &learner->seen[learner->seen_count++];
    for (int t = 0; t < LAM_NAME_TYPES; t++)
        seen->score[t] = (int16_t)name->score[t];
    for (unsigned k = 0; k < LAM_CLUES; k++) {
        struct tally *tally = name->clues[k] ? tally_of(learner, name->clues[k], k) : NULL;

        seen->clues[k] = tally ? (uint32_t)(tally - learner->tallies) + 1 : 0;
        if (tally)
            tally->all++;
    }
    return 0;
}

/* How a word is written, where that tells something. */
static void note_case(struct learner *learner, size_t i)
{
    const struct lam_token *token = &learner->tokens.tokens[i];
    struct tally *tally;

    if (token->flags & (LAM_TOKEN_DIGITS | LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI))
        return;
    if (!(tally = tally_of(learner, lam_name_clue(LAM_CLUE_COMMON, learner->tokens.terms[token->term].hash), LAM_CLUE_COMMON)))
        return;
    if (!(token->flags & LAM_TOKEN_UPPER))
        tally->count[0]++;
    else if (token->flags & LAM_TOKEN_CAPS || lam_name_sentence_begins(&learner->tokens, i))
        tally->begins = 1;
    else
        tally->count[1]++;
}

static int read_document(struct learner *learner, struct lam_sv text, struct lam_error *err)
{
    struct lam_name_reader reader;
    enum lam_language language;
    struct lam_name name;
    int rc = lam_tokens_read(&learner->tokens, lam_sv("", 0), lam_utf8_cut(text, TEXT_EACH), err);

    if (rc)
        return rc;
    lam_language_detect(&learner->tokens, &language);
    lam_name_begin(&reader, &learner->tokens, &learner->words, NULL, language);
    for (size_t i = 0; i < learner->tokens.count; i++)
        note_case(learner, i);
    for (size_t i = 0; i < learner->tokens.count && learner->seen_count < SEEN_MAX;) {
        if (!lam_name_read(&reader, i, &name)) {
            i++;
            continue;
        }
        if (!reader.shouting && (rc = keep(learner, &name, err)))
            return rc;
        lam_name_decide(&reader, &name);
        i = name.last > i ? name.last : i + 1;
    }
    return 0;
}

/* The type that a name surely has by rules and clues; LAM_NAME_TYPES: none. */
static int sure_type(const struct learner *learner, const struct seen *seen, int enough)
{
    int score[LAM_NAME_TYPES], best = 0;

    for (int t = 0; t < LAM_NAME_TYPES; t++) {
        score[t] = seen->score[t];
        for (int k = 0; k < LAM_CLUES; k++)
            score[t] += seen->clues[k] ? learner->tallies[seen->clues[k] - 1].weight[t] : 0;
        if (score[t] > score[best])
            best = t;
    }
    for (int t = 0; t < LAM_NAME_TYPES; t++)
        if (t != best && score[best] - score[t] < SURE_AHEAD)
            return LAM_NAME_TYPES;
    return score[best] >= enough ? best : LAM_NAME_TYPES;
}

/* Weights of a clue by what it was counted with; few counts weigh little, and so does a neighbour beside a name. */
static void weigh(struct tally *tally)
{
    static const struct {
        double scale;
        uint32_t least;
    } kinds[LAM_CLUES] = {
        [LAM_CLUE_NAME] = {30, 1}, [LAM_CLUE_FIRST] = {16, 2}, [LAM_CLUE_LAST] = {16, 2}, [LAM_CLUE_BEFORE] = {10, 4}, [LAM_CLUE_BEHIND] = {10, 4}};
    uint32_t sum = 0;

    memset(tally->weight, 0, sizeof tally->weight);
    for (int t = 0; t < LAM_NAME_TYPES; t++)
        sum += tally->count[t];
    if (tally->kind >= LAM_CLUES || tally->all < 2 || sum < kinds[tally->kind].least)
        return;
    for (int t = 0; t < LAM_NAME_TYPES; t++) {
        double share = (tally->count[t] + 0.5) / (sum + 1.5) * 3, weight = kinds[tally->kind].scale * lam_log(share);

        weight *= sum >= tally->all ? 1 : 0.5 + 0.5 * sum / tally->all; /* mostly beside names of no type: says less */
        tally->weight[t] = (int8_t)(weight < -20 ? -20 : weight < 0 ? (int)(weight - 0.5) : (int)(weight + 0.5));
    }
}

static void learn_round(struct learner *learner, int enough)
{
    for (size_t i = 0; i < learner->tally_count; i++)
        if (learner->tallies[i].kind < LAM_CLUES)
            memset(learner->tallies[i].count, 0, sizeof learner->tallies[i].count);
    for (size_t i = 0; i < learner->seen_count; i++) {
        int type = sure_type(learner, &learner->seen[i], enough);

        for (int k = 0; k < LAM_CLUES && type < LAM_NAME_TYPES; k++)
            if (learner->seen[i].clues[k])
                learner->tallies[learner->seen[i].clues[k] - 1].count[type]++;
    }
    for (size_t i = 0; i < learner->tally_count; i++)
        weigh(&learner->tallies[i]);
}

static uint8_t common(const struct tally *tally)
{
    if (tally->kind != LAM_CLUE_COMMON || !(tally->begins || tally->count[1]) || tally->count[0] < 2)
        return 0;
    return tally->count[0] >= 4 * tally->count[1] ? 2 : tally->count[0] * 4 >= tally->count[1];
}

static bool worth(const struct tally *tally)
{
    return common(tally) || tally->weight[0] || tally->weight[1] || tally->weight[2];
}

/* Those most often seen come first where there are too many. */
static int by_count(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    uint32_t m = x->all + x->count[0], n = y->all + y->count[0];

    return m != n ? (m < n) - (m > n) : (x->hash > y->hash) - (x->hash < y->hash);
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct lam_clue *)a)->hash, y = ((const struct lam_clue *)b)->hash;

    return (x > y) - (x < y);
}

static int finish(struct learner *learner, struct lam_gazetteer **gazetteer, struct lam_error *err)
{
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < learner->tally_count; i++)
        if (worth(&learner->tallies[i]))
            learner->tallies[count++] = learner->tallies[i];
    qsort(learner->tallies, count, sizeof *learner->tallies, by_count);
    if (count > LAM_GAZETTEER_MAX)
        count = LAM_GAZETTEER_MAX;
    if ((rc = lam_gazetteer_new((uint32_t)count, gazetteer, err)))
        return rc;
    for (size_t i = 0; i < count; i++) {
        const struct tally *tally = &learner->tallies[i];
        struct lam_clue *clue = &(*gazetteer)->clues[i];

        clue->hash = tally->hash;
        clue->common = common(tally);
        memcpy(clue->weight, tally->weight, sizeof clue->weight);
        (*gazetteer)->names += tally->kind == LAM_CLUE_NAME;
    }
    qsort((*gazetteer)->clues, count, sizeof *(*gazetteer)->clues, by_hash);
    lam_gazetteer_index(*gazetteer);
    return 0;
}

/* Room for as many clues as so many bytes can have: a word has two bytes at least, a name up to six clues. */
static int make_room(struct learner *learner, size_t bytes, struct lam_error *err)
{
    size_t slots = 2048;

    learner->tally_cap = bytes * 3 + 1024 < CLUES_MAX ? bytes * 3 + 1024 : CLUES_MAX;
    while (slots < learner->tally_cap * 2)
        slots *= 2;
    learner->mask = slots - 1;
    learner->tallies = calloc(learner->tally_cap, sizeof *learner->tallies);
    learner->slots = calloc(slots, sizeof *learner->slots);
    return learner->tallies && learner->slots ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory to learn names");
}

int lam_gazetteer_learn(const struct lam_builtin_doc *docs, size_t count, bool (*stop)(void *arg), void *arg,
                        struct lam_gazetteer **gazetteer, struct lam_error *err)
{
    struct learner learner = {0};
    size_t bytes = 0;
    int rc;

    *gazetteer = NULL;
    lam_tokens_init(&learner.tokens, &learner.lexicon);
    for (size_t i = 0; i < count && bytes < LAM_GAZETTEER_TEXT; i++)
        bytes += docs[i].text.len < TEXT_EACH ? docs[i].text.len : TEXT_EACH;
    if ((rc = make_room(&learner, bytes, err)) || (rc = lam_lexicon_init(&learner.lexicon, err)) || (rc = lam_name_words_init(&learner.words, err)))
        goto cleanup;
    bytes = 0;
    for (size_t i = 0; i < count && bytes < LAM_GAZETTEER_TEXT && !rc; i++) {
        if (stop && i % STOP_EVERY == 0 && stop(arg))
            rc = LAM_FAIL(err, LAM_E_CANCELLED, "stopped while learning names");
        else
            rc = read_document(&learner, docs[i].text, err);
        bytes += docs[i].text.len < TEXT_EACH ? docs[i].text.len : TEXT_EACH;
    }
    for (int round = 0; round < ROUNDS && !rc; round++)
        learn_round(&learner, round ? SURE_LATER : SURE_FIRST);
    if (!rc)
        rc = finish(&learner, gazetteer, err);
cleanup:
    lam_name_words_release(&learner.words);
    lam_tokens_release(&learner.tokens);
    lam_lexicon_release(&learner.lexicon);
    free(learner.seen);
    free(learner.slots);
    free(learner.tallies);
    return rc;
}
