#include "sentiment.h"

#include <math.h>

#define REACH 3           /* words back that a negation or an intensifier reaches */
#define NEGATED -0.74     /* "not good" is weaker than "bad" */
#define CAPITALS 0.733    /* a word in capitals where others are not */
#define BANG 0.292        /* an exclamation mark */
#define SPREAD 15.0       /* of the normalisation x / sqrt(x^2 + SPREAD) */

static const struct lam_lex *lex_at(const struct lam_tokens *tokens, size_t i) { return tokens->terms[tokens->tokens[i].term].lex; }

/* What the lists say of the word; where they do not know it, what the corpus says. */
static int valence_at(const struct lam_tokens *tokens, size_t i)
{
    const struct lam_term *term = &tokens->terms[tokens->tokens[i].term];

    return term->lex && term->lex->valence ? term->lex->valence : term->word ? term->word->valence : 0;
}

static bool breaks(const struct lam_token *token) { return (token->gap & (LAM_GAP_PUNCT | LAM_GAP_STOP | LAM_GAP_PARA)) != 0; }

/* A verb's "like" praises; "looks like", "would like", "like a" and the word of comparison do not. */
static bool plain_like(const struct lam_tokens *tokens, size_t i, size_t first)
{
    struct lam_sv word = lam_term_sv(tokens, &tokens->terms[tokens->tokens[i].term]), before;

    if (!lam_sv_eq(word, LAM_SV("like")))
        return false;
    if (i == first)
        return true;
    before = lam_term_sv(tokens, &tokens->terms[tokens->tokens[i - 1].term]);
    return !(lam_sv_eq(before, LAM_SV("i")) || lam_sv_eq(before, LAM_SV("we")) || lam_sv_eq(before, LAM_SV("really")) ||
             lam_sv_eq(before, LAM_SV("don't")) || lam_sv_eq(before, LAM_SV("not")) || lam_sv_eq(before, LAM_SV("they")));
}

static double valence(const struct lam_tokens *tokens, size_t first, size_t i, bool shouted)
{
    const struct lam_token *token = &tokens->tokens[i];
    double value = valence_at(tokens, i) / 10.0;
    double sign = value < 0 ? -1 : 1;
    bool negated = false;

    if (plain_like(tokens, i, first))
        return 0;
    if (token->flags & LAM_TOKEN_CAPS && !shouted)
        value += sign * CAPITALS;
    for (size_t back = 1; back <= REACH && i >= first + back; back++) {
        const struct lam_lex *before = lex_at(tokens, i - back);

        if (breaks(&tokens->tokens[i - back + 1]))
            break;
        if (!before)
            continue;
        if (before->boost && !negated)
            value += sign * before->boost / 100.0 * (back == 1 ? 1 : back == 2 ? 0.95 : 0.9);
        if (before->flags & LAM_LEX_NEGATION)
            negated = !negated;
    }
    return negated ? value * NEGATED : value;
}

/* The sum over a run of tokens; *found: words that carried valence. */
static double score_run(const struct lam_tokens *tokens, size_t first, size_t last, unsigned bangs, size_t *found)
{
    size_t caps = 0, contrast = SIZE_MAX;
    double before = 0, after = 0, sum;
    bool shouted;

    *found = 0;
    for (size_t i = first; i < last; i++) {
        const struct lam_lex *lex = lex_at(tokens, i);

        caps += (tokens->tokens[i].flags & LAM_TOKEN_CAPS) != 0;
        if (lex && lex->flags & LAM_LEX_CONTRAST && i > first)
            contrast = i;
    }
    shouted = caps * 2 > last - first; /* all in capitals: they emphasise nothing */
    for (size_t i = first; i < last; i++) {
        double value;

        if (!valence_at(tokens, i))
            continue;
        value = valence(tokens, first, i, shouted);
        *found += value != 0;
        if (contrast != SIZE_MAX && i < contrast)
            before += value;
        else
            after += value;
    }
    sum = contrast == SIZE_MAX ? after : 0.5 * before + 1.5 * after;
    return sum + (sum > 0 ? 1 : sum < 0 ? -1 : 0) * BANG * bangs;
}

double lam_sentiment_sentence(const struct lam_tokens *tokens, const struct lam_sentence *sentence)
{
    size_t found;
    double value = score_run(tokens, sentence->first, sentence->last, sentence->bang, &found);

    return value / sqrt(value * value + SPREAD);
}

float lam_sentiment_score(const struct lam_tokens *tokens, const struct lam_sentences *sentences)
{
    double total = 0, value;
    size_t telling = 0, found;

    for (size_t i = 0; i <= sentences->count; i++) {
        const struct lam_sentence *sentence = i ? &sentences->items[i - 1] : NULL;

        value = sentence ? score_run(tokens, sentence->first, sentence->last, sentence->bang, &found)
                         : score_run(tokens, 0, tokens->title_count, 0, &found);
        if (!found)
            continue;
        total += value / sqrt(value * value + SPREAD);
        telling++;
    }
    return telling ? (float)(total / (double)telling) : 0;
}
