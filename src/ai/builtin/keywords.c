#include "keywords.h"

#include <stdlib.h>

#include "fmath.h"

#define WORDS_MAX 3
#define TOKENS_MAX 50000 /* of a text: phrases further on change little */
#define PROBES 64
#define COMMON 0.25      /* weight of a word of every document, against 1 for a rare one */
#define RARE 0.75        /* share of the largest idf from which on a word is rare enough: beyond are misspellings and numbers of cases */
#define POOL 4           /* chosen among this many times max, so that overlaps can be dropped */

struct lam_phrase {
    uint64_t hash;
    uint32_t first;  /* its first token where it first occurs */
    uint8_t words;
    uint8_t titled;
    uint8_t named;   /* begins with a capital inside of a sentence */
    uint32_t count;
    double score;
};

void lam_keywords_init(struct lam_keywords *keywords) { *keywords = (struct lam_keywords){0}; }

void lam_keywords_release(struct lam_keywords *keywords)
{
    free(keywords->phrases);
    free(keywords->slots);
    free(keywords->weights);
    lam_keywords_init(keywords);
}

static int room(void *items, size_t *cap, size_t need, size_t size, struct lam_error *err)
{
    void *grown, *old;
    size_t more = *cap ? *cap : 1024;

    if (need <= *cap)
        return 0;
    while (more < need)
        more *= 2;
    memcpy(&old, items, sizeof old);
    if (!(grown = realloc(old, more * size)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu phrases", more);
    memcpy(items, &grown, sizeof grown);
    *cap = more;
    return 0;
}

/* Can the word be part of a phrase? Not stop words of the text's language or of English, no numbers, no single letters. */
static bool content(const struct lam_tokens *tokens, const struct lam_term *term, enum lam_language language)
{
    const char *fold = tokens->folds + term->fold;

    if (term->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_EMOJI))
        return false;
    if (term->fold_len < 2 || (term->fold_len == 2 && !(term->flags & (LAM_TOKEN_CAPS | LAM_TOKEN_SIGN))))
        return false;
    if (fold[0] == fold[1] && term->fold_len <= 8 && !memcmp(fold, fold + 1, term->fold_len - 1u))
        return false; /* xxxx: something was masked */
    return !(term->lex && (term->lex->langs >> language & 1 || (term->lex->langs & 1 && language == LAM_LANG_EN) ||
                           term->lex->flags & LAM_LEX_FILLER || term->lex->flags & LAM_LEX_NEGATION));
}

/* What a content word weighs in this text. */
static double weigh(const struct lam_tokens *tokens, const struct lam_term *term)
{
    double weight = (1 + lam_log_count(term->count)) * (term->fold_len >= 5 ? 1.0 : 0.8), rarity;

    if (!tokens->corpus || !tokens->corpus->count)
        return weight;
    rarity = lam_corpus_idf(tokens->corpus, term->word) / (RARE * (double)tokens->corpus->idf_max);
    return weight * (COMMON + (1 - COMMON) * (rarity < 1 ? rarity : 1));
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    a ^= b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
    a *= 0xff51afd7ed558ccdu;
    return a ^ a >> 33;
}

static void count_phrase(struct lam_keywords *keywords, size_t *count, size_t mask, const struct lam_tokens *tokens, size_t first,
                         size_t words, uint64_t hash)
{
    const struct lam_token *token = &tokens->tokens[first];
    struct lam_phrase *phrase;
    size_t i = hash & mask;

    for (int probe = 0; keywords->slots[i]; i = (i + 1) & mask) {
        if (keywords->phrases[keywords->slots[i] - 1].hash == hash)
            break;
        if (++probe == PROBES)
            return;
    }
    if (!keywords->slots[i]) {
        keywords->phrases[*count] = (struct lam_phrase){.hash = hash, .first = (uint32_t)first, .words = (uint8_t)words};
        keywords->slots[i] = (uint32_t)++*count;
    }
    phrase = &keywords->phrases[keywords->slots[i] - 1];
    phrase->count++;
    phrase->titled |= (token->flags & LAM_TOKEN_TITLE) != 0;
    phrase->named |=
        token->flags & LAM_TOKEN_UPPER && !(token->gap & (LAM_GAP_STOP | LAM_GAP_PARA | LAM_GAP_LINE)) && !(token->flags & LAM_TOKEN_TITLE);
}

static bool joined(const struct lam_token *token) { return !(token->gap & (LAM_GAP_PUNCT | LAM_GAP_STOP | LAM_GAP_PARA)); }

/* All phrases of the runs of content words; a run of up to three words is one phrase, and each of its words one more. */
static size_t collect(struct lam_keywords *keywords, const struct lam_tokens *tokens, size_t tokens_max, size_t mask)
{
    size_t count = 0, i = 0;

    while (i < tokens_max) {
        size_t run = 0;

        while (i + run < tokens_max && keywords->weights[tokens->tokens[i + run].term] >= 0 &&
               (run == 0 || joined(&tokens->tokens[i + run])))
            run++;
        for (size_t w = 0; w < run; w++) {
            uint64_t hash = 0;

            for (size_t words = 1; words <= WORDS_MAX && w + words <= run; words++) {
                const struct lam_token *last = &tokens->tokens[i + w + words - 1];

                hash = mix(hash, tokens->terms[last->term].hash);
                if (words > 1 || !(last->flags & LAM_TOKEN_SIGN)) /* one ideograph says little */
                    count_phrase(keywords, &count, mask, tokens, i + w, words, hash);
            }
        }
        i += run ? run : 1;
    }
    return count;
}

static void score(struct lam_phrase *phrase, const struct lam_keywords *keywords, const struct lam_tokens *tokens)
{
    static const double by_words[] = {0, 1.0, 1.15, 1.2};
    double sum = 0;

    for (size_t w = 0; w < phrase->words; w++)
        sum += keywords->weights[tokens->tokens[phrase->first + w].term];
    phrase->score = sum / phrase->words * by_words[phrase->words] * (1 + lam_log_count(phrase->count) * (phrase->words > 1 ? 1.6 : 1.0));
    if (phrase->words > 1 && phrase->count == 1 && !phrase->named && !phrase->titled)
        phrase->score *= 0.8; /* seen once, it may be chance */
    phrase->score *= (phrase->titled ? 1.5 : 1) * (phrase->named ? 1.25 : 1) * (1 + 16.0 / (40.0 + phrase->first));
}

/* Of equal scores: the earlier, then the longer. */
static bool goes_before(const struct lam_phrase *a, const struct lam_phrase *b)
{
    return a->first != b->first ? a->first < b->first : a->words > b->words;
}

/* Do the words of one stand within the other? */
static bool within(const struct lam_tokens *tokens, const struct lam_phrase *a, const struct lam_phrase *b)
{
    const struct lam_phrase *small = a->words <= b->words ? a : b, *large = small == a ? b : a;
    size_t shared = 0;

    for (size_t i = 0; i < small->words; i++)
        for (size_t j = 0; j < large->words; j++)
            if (tokens->tokens[small->first + i].term == tokens->tokens[large->first + j].term) {
                shared++;
                break;
            }
    return shared == small->words || (small->words > 1 && shared == small->words - 1u);
}

/* The best `most` phrases in order: insertion into a short sorted list. */
static size_t take_best(const struct lam_keywords *keywords, size_t count, const struct lam_phrase *best[], size_t most)
{
    double scores[LAM_KEYWORDS_MAX * POOL];
    size_t taken = 0;

    for (size_t i = 0; i < count; i++) {
        const struct lam_phrase *phrase = &keywords->phrases[i];
        double score = phrase->score;
        size_t at;

        if (taken == most && score <= scores[taken - 1] && (score < scores[taken - 1] || !goes_before(phrase, best[taken - 1])))
            continue;
        at = taken < most ? taken++ : taken - 1;
        for (; at > 0 && (score > scores[at - 1] || (score == scores[at - 1] && goes_before(phrase, best[at - 1]))); at--) {
            best[at] = best[at - 1];
            scores[at] = scores[at - 1];
        }
        best[at] = phrase;
        scores[at] = score;
    }
    return taken;
}

static int add_phrase(struct lam_buf *json, const struct lam_tokens *tokens, const struct lam_phrase *phrase, struct lam_error *err)
{
    char text[WORDS_MAX * (LAM_WORD_MAX + 1)];
    size_t len = 0;

    for (size_t w = 0; w < phrase->words; w++) {
        const struct lam_token *token = &tokens->tokens[phrase->first + w];
        struct lam_sv word = lam_term_sv(tokens, &tokens->terms[token->term]);

        if (w && !(token->flags & LAM_TOKEN_SIGN))
            text[len++] = token->gap & LAM_GAP_HYPHEN ? '-' : ' ';
        memcpy(text + len, word.ptr, word.len);
        len += word.len;
    }
    return lam_buf_add_json(json, lam_sv(text, len), err);
}

int lam_keywords_find(struct lam_keywords *keywords, const struct lam_tokens *tokens, enum lam_language language, uint32_t max,
                      struct lam_buf *json, struct lam_error *err)
{
    const struct lam_phrase *best[LAM_KEYWORDS_MAX * POOL], *chosen[LAM_KEYWORDS_MAX];
    size_t tokens_max = tokens->count < TOKENS_MAX ? tokens->count : TOKENS_MAX, slots = 1024, count, taken, given = 0;
    int rc;

    max = max < LAM_KEYWORDS_MAX ? max : LAM_KEYWORDS_MAX;
    while (slots < tokens_max * 4)
        slots *= 2;
    if ((rc = room(&keywords->phrases, &keywords->phrase_cap, 3 * tokens_max + 1, sizeof *keywords->phrases, err)) ||
        (rc = room(&keywords->slots, &keywords->slot_cap, slots, sizeof *keywords->slots, err)) ||
        (rc = room(&keywords->weights, &keywords->weight_cap, tokens->term_count + 1, sizeof *keywords->weights, err)))
        return rc;
    memset(keywords->slots, 0, slots * sizeof *keywords->slots);
    for (size_t i = 0; i < tokens->term_count; i++) {
        const struct lam_term *term = &tokens->terms[i];

        keywords->weights[i] = content(tokens, term, language) ? weigh(tokens, term) : -1;
    }
    count = collect(keywords, tokens, tokens_max, slots - 1);
    for (size_t i = 0; i < count; i++)
        score(&keywords->phrases[i], keywords, tokens);
    taken = take_best(keywords, count, best, (size_t)max * POOL);
    if ((rc = lam_buf_add(json, "[", 1, err)))
        return rc;
    for (size_t i = 0; i < taken && given < max; i++) {
        bool overlaps = false;

        for (size_t j = 0; j < given && !overlaps; j++)
            overlaps = within(tokens, best[i], chosen[j]);
        if (overlaps)
            continue;
        if ((given && (rc = lam_buf_add(json, ",", 1, err))) || (rc = add_phrase(json, tokens, best[i], err)))
            return rc;
        chosen[given++] = best[i];
    }
    return lam_buf_add(json, "]", 1, err);
}
