#include "readability.h"

#define WORDS_LEAST 10
#define LONG 7         /* letters of a long word, for LIX: more than six */
#define TENTHS_MAX 9999

static bool vowel(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y'; }

uint32_t lam_syllables(struct lam_sv word)
{
    uint32_t count = 0;
    size_t len = word.len;

    for (size_t i = 0; i < len; i++)
        count += vowel(word.ptr[i]) && (i == 0 || !vowel(word.ptr[i - 1]));
    /* A last e is silent (made, made's, makes, hoped) but not in -le (table), nor -es and -ed where they are spoken (boxes, wanted). */
    if (len > 2 && count > 1) {
        char last = word.ptr[len - 1], before = word.ptr[len - 2], third = word.ptr[len - 3];

        if (last == 'e' && !vowel(before) && !(before == 'l' && !vowel(third)))
            count--;
        else if (len > 3 && before == 'e' && last == 's' && !vowel(third) && !strchr("sxzhcg", third))
            count--;
        else if (len > 3 && before == 'e' && last == 'd' && !vowel(third) && third != 't' && third != 'd')
            count--;
    }
    return count ? count : 1;
}

static size_t letters(struct lam_sv word)
{
    size_t count = 0;

    for (size_t i = 0; i < word.len; i++)
        count += ((unsigned char)word.ptr[i] & 0xc0) != 0x80;
    return count;
}

struct lam_readability lam_readability_of(const struct lam_tokens *tokens, const struct lam_sentences *sentences, bool english)
{
    struct lam_readability none = {0}, found = {.measure = english ? "flesch" : "lix"};
    uint64_t words = 0, parts = 0;
    double score;

    for (size_t i = tokens->title_count; i < tokens->count; i++) {
        const struct lam_token *token = &tokens->tokens[i];
        struct lam_sv word = lam_term_sv(tokens, &tokens->terms[token->term]);

        if (token->flags & LAM_TOKEN_SIGN)
            return none; /* words without blanks */
        if (token->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_EMOJI))
            continue;
        words++;
        parts += english ? lam_syllables(word) : letters(word) >= LONG;
    }
    if (words < WORDS_LEAST || !sentences->count || tokens->scripts[LAM_SCRIPT_THAI] || tokens->scripts[LAM_SCRIPT_LAO] ||
        tokens->scripts[LAM_SCRIPT_KHMER] || tokens->scripts[LAM_SCRIPT_MYANMAR] || tokens->scripts[LAM_SCRIPT_TIBETAN])
        return none;
    if (english)
        score = 206.835 - 1.015 * (double)words / (double)sentences->count - 84.6 * (double)parts / (double)words;
    else
        score = (double)words / (double)sentences->count + 100 * (double)parts / (double)words;
    score = score * 10 > TENTHS_MAX ? TENTHS_MAX : score * 10 < -TENTHS_MAX ? -TENTHS_MAX : score * 10;
    found.tenths = (int)(score + (score < 0 ? -0.5 : 0.5));
    return found;
}
