#include "classify.h"

#include <stdlib.h>

#include "base/hash.h"
#include "builtin.h"
#include "fmath.h"

#define SHARPNESS 1.0 /* of the softmax: fitted so that confidence is near accuracy on the two data sets of docs/analyzers.md */
#define LATE_WEIGHT 0.15 /* of a word far from the beginning less: decides ties */

static int add(struct lam_label_words *words, struct lam_sv word, uint32_t label, struct lam_error *err)
{
    if (words->count == words->cap) {
        size_t more = words->cap ? 2 * words->cap : 256;
        struct lam_label_word *grown = realloc(words->items, more * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the words of %zu labels", (size_t)label);
        words->items = grown;
        words->cap = more;
    }
    words->items[words->count++] = (struct lam_label_word){lam_hash64(word.ptr, word.len), label, 1};
    return 0;
}

static bool ends_with(struct lam_sv word, const char *end)
{
    size_t len = strlen(end);

    return word.len > len && !memcmp(word.ptr + word.len - len, end, len);
}

/* The word, and its plural or singular: invoice, invoices; company, companies; box, boxes. */
static int add_forms(struct lam_label_words *words, struct lam_sv word, uint32_t label, struct lam_error *err)
{
    char form[LAM_WORD_MAX + 16];
    size_t len = word.len;
    int rc = add(words, word, label, err);

    if (rc || len < 3 || len > LAM_WORD_MAX || (unsigned char)word.ptr[len - 1] >= 0x80)
        return rc;
    memcpy(form, word.ptr, len);
    if (ends_with(word, "ss") || ends_with(word, "us") || ends_with(word, "is"))
        return 0;
    if (ends_with(word, "ies") && len > 4) {
        form[len - 3] = 'y';
        return add(words, lam_sv(form, len - 2), label, err);
    }
    if (ends_with(word, "s"))
        return len > 3 ? add(words, lam_sv(form, len - 1), label, err) : 0;
    if (ends_with(word, "y") && !strchr("aeiou", word.ptr[len - 2])) {
        memcpy(form + len - 1, "ies", 3);
        return add(words, lam_sv(form, len + 2), label, err);
    }
    if (ends_with(word, "x") || ends_with(word, "ch") || ends_with(word, "sh")) {
        memcpy(form + len, "es", 2);
        return add(words, lam_sv(form, len + 2), label, err);
    }
    form[len] = 's';
    return add(words, lam_sv(form, len + 1), label, err);
}

static int compare(const void *a, const void *b)
{
    const struct lam_label_word *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Sorted, once each; a word of n labels weighs 1/n for each. */
static int index_words(struct lam_label_words *words, struct lam_error *err)
{
    size_t kept = 0, slots = 64;

    if (words->count)
        qsort(words->items, words->count, sizeof *words->items, compare);
    for (size_t i = 0; i < words->count; i++)
        if (!kept || compare(&words->items[kept - 1], &words->items[i]))
            words->items[kept++] = words->items[i];
    words->count = kept;
    while (slots < 2 * kept)
        slots *= 2;
    if (!(words->slots = calloc(slots, sizeof *words->slots)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu words of labels", kept);
    words->mask = slots - 1;
    for (size_t i = 0, end; i < kept; i = end) {
        size_t at = words->items[i].hash & words->mask;

        for (end = i; end < kept && words->items[end].hash == words->items[i].hash; end++)
            ;
        for (size_t j = i; j < end; j++)
            words->items[j].weight = 1.0f / (float)(end - i);
        while (words->slots[at])
            at = (at + 1) & words->mask;
        words->slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

static int check_names(const struct lam_label *labels, size_t count, struct lam_error *err)
{
    uint64_t *hashes;
    size_t mask = 64;
    int rc = 0;

    if (count > LAM_BUILTIN_LABELS_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "%zu labels: at most %d", count, LAM_BUILTIN_LABELS_MAX);
    while (mask < 2 * count)
        mask *= 2;
    if (!(hashes = calloc(mask--, sizeof *hashes)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu labels", count);
    for (size_t i = 0; i < count && !rc; i++) {
        uint64_t hash = lam_hash64(labels[i].name.ptr, labels[i].name.len) | 1;
        size_t at = hash >> 1 & mask;

        if (!labels[i].name.len) {
            rc = LAM_FAIL(err, LAM_E_INVALID, "label %zu has no name", i + 1);
            break;
        }
        for (; hashes[at]; at = (at + 1) & mask)
            if (hashes[at] == hash)
                rc = LAM_FAIL(err, LAM_E_INVALID, "label \"%.*s\" is given twice", LAM_SV_ARG(labels[i].name));
        hashes[at] = hash;
    }
    free(hashes);
    return rc;
}

int lam_label_words_init(struct lam_label_words *words, const struct lam_label *labels, size_t count, struct lam_tokens *scratch,
                         struct lam_error *err)
{
    int rc = check_names(labels, count, err);

    *words = (struct lam_label_words){.label_count = (uint32_t)count};
    for (size_t label = 0; label < count && !rc; label++) {
        rc = lam_tokens_read(scratch, labels[label].name, labels[label].description, err);
        for (size_t i = 0; i < scratch->term_count && !rc; i++) {
            const struct lam_term *term = &scratch->terms[i];

            if (!(term->lex && term->lex->langs & 1) && (term->fold_len > 1 || term->flags & (LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI)))
                rc = add_forms(words, lam_term_sv(scratch, term), (uint32_t)label, err);
        }
    }
    if (!rc)
        rc = index_words(words, err);
    if (rc)
        lam_label_words_release(words);
    return rc;
}

void lam_label_words_release(struct lam_label_words *words)
{
    free(words->items);
    free(words->slots);
    *words = (struct lam_label_words){0};
}

const struct lam_label_word *lam_label_words_find(const struct lam_label_words *words, uint64_t hash)
{
    for (size_t at = hash & words->mask; words->slots[at]; at = (at + 1) & words->mask)
        if (words->items[words->slots[at] - 1].hash == hash)
            return &words->items[words->slots[at] - 1];
    return NULL;
}

size_t lam_label_scores(const struct lam_label_words *words, const struct lam_tokens *tokens, double *scores)
{
    const struct lam_label_word *end = words->count ? words->items + words->count : NULL;
    size_t matched = 0;

    for (size_t i = 0; i < tokens->term_count; i++) {
        const struct lam_term *term = &tokens->terms[i];
        const struct lam_label_word *word = lam_label_words_find(words, term->hash);
        double strength;

        if (!word)
            continue;
        matched++;
        strength = (1 + lam_log_count(term->count)) * (1 + LATE_WEIGHT / (1 + term->first / 16.0));
        for (; word < end && word->hash == term->hash; word++)
            scores[word->label] += strength * word->weight;
    }
    return matched;
}

void lam_label_softmax(double *scores, size_t count, double sharpness)
{
    double most = 0, sum = 0;

    for (size_t i = 0; i < count; i++)
        most = i == 0 || scores[i] > most ? scores[i] : most;
    for (size_t i = 0; i < count; i++)
        sum += scores[i] = lam_exp((scores[i] - most) * sharpness);
    for (size_t i = 0; i < count; i++)
        scores[i] /= sum;
}

double lam_label_prior(const struct lam_label_words *words, const struct lam_tokens *tokens, const struct lam_features *features,
                       const struct lam_builtin_model *model, double *prior)
{
    const struct lam_label_word *end = words->count ? words->items + words->count : NULL;
    double sum = 0;

    memset(prior, 0, words->label_count * sizeof *prior);
    for (size_t i = 0; i < tokens->term_count && words->count; i++) {
        const struct lam_label_word *word = lam_label_words_find(words, tokens->terms[i].hash);
        uint32_t feature;

        if (!word || (feature = lam_builtin_model_find(model, word->hash)) == UINT32_MAX)
            continue;
        for (; word < end && word->hash == tokens->terms[i].hash; word++) {
            prior[word->label] += features->values[feature] * word->weight;
            sum += features->values[feature] * word->weight;
        }
    }
    for (uint32_t k = 0; k < words->label_count && sum > 0; k++)
        prior[k] /= sum;
    return sum;
}

uint32_t lam_label_classify(const struct lam_label_words *words, const struct lam_tokens *tokens, double *scores, float *confidence)
{
    uint32_t best = 0;

    *confidence = 0;
    memset(scores, 0, words->label_count * sizeof *scores);
    if (!words->count || !lam_label_scores(words, tokens, scores))
        return UINT32_MAX;
    lam_label_softmax(scores, words->label_count, SHARPNESS);
    for (uint32_t i = 1; i < words->label_count; i++)
        if (scores[i] > scores[best])
            best = i;
    *confidence = (float)scores[best];
    return best;
}
