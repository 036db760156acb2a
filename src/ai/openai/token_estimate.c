#include "token_estimate.h"

#include <math.h>

#include "base/utf8.h"

/* In sixteenths of a token. From common tokenizers: English words are 1.3 tokens, three digits are one, an ideograph is a little more than one. */
#define ONE 16u
#define LETTERS 5u /* of Latin words that one token has, after the first */
#define LEARN_MIN 0.05 /* weight of a new count once many were seen */
#define FACTOR_MIN 0.2
#define FACTOR_MAX 5.0

enum class { SPACE, LETTER, DIGIT, MARK, IDEOGRAPH, OTHER };

static enum class class_of(uint32_t rune)
{
    if (rune < 128) {
        if (rune == ' ' || rune == '\t' || rune == '\r')
            return SPACE;
        if ((rune | 32) >= 'a' && (rune | 32) <= 'z')
            return LETTER;
        return rune >= '0' && rune <= '9' ? DIGIT : MARK;
    }
    if (rune < 0x250)
        return LETTER;
    if ((rune >= 0x2E80 && rune < 0xA000) || (rune >= 0xAC00 && rune < 0xD7B0) || (rune >= 0xF900 && rune < 0xFB00) || (rune >= 0x20000 && rune < 0x32000))
        return IDEOGRAPH;
    return OTHER;
}

/* A walk over text; its weight so far is what the runes before it cost. */
struct walk {
    uint32_t weight;
    uint32_t run; /* of letters or digits */
    enum class last;
};

static void step(struct walk *walk, uint32_t rune, size_t len)
{
    enum class class = class_of(rune);

    walk->run = class == walk->last ? walk->run + 1 : 1;
    walk->last = class;
    switch (class) {
    case SPACE: /* belongs to the word after it; several in a row are tokens of their own */
        walk->weight += walk->run > 1 ? ONE / 8 : 0;
        break;
    case LETTER:
        walk->weight += walk->run == 1 ? ONE : (walk->run - 1) % LETTERS == 0 ? ONE : 0;
        walk->weight += rune >= 128 ? ONE / 2 : 0;
        break;
    case DIGIT:
        walk->weight += (walk->run - 1) % 2 == 0 ? ONE : 0;
        break;
    case MARK:
        walk->weight += walk->run > 1 ? ONE / 2 : ONE;
        break;
    case IDEOGRAPH:
        walk->weight += ONE + ONE / 8;
        break;
    case OTHER: /* Cyrillic, Greek, Arabic about half a token a letter; symbols and faces several */
        walk->weight += len == 4 ? 2 * ONE + ONE / 2 : len == 3 ? ONE : ONE / 2 + 1;
        break;
    }
}

static size_t next_rune(struct lam_sv text, size_t at, uint32_t *rune)
{
    size_t len;

    if ((unsigned char)text.ptr[at] < 128) {
        *rune = (unsigned char)text.ptr[at];
        return 1;
    }
    len = lam_utf8_decode(text.ptr + at, text.len - at, rune);
    if (!len)
        *rune = 0xFFFD;
    return len ? len : 1;
}

uint32_t lam_token_guess(struct lam_sv text)
{
    struct walk walk = {.last = SPACE};
    uint64_t whole = 0;
    uint32_t rune;

    for (size_t at = 0, len; at < text.len; at += len) {
        len = next_rune(text, at, &rune);
        step(&walk, rune, len);
        if (walk.weight > UINT32_MAX / 2) { /* texts of gigabytes */
            whole += walk.weight / ONE;
            walk.weight %= ONE;
        }
    }
    whole += (walk.weight + ONE - 1) / ONE;
    return whole > UINT32_MAX ? UINT32_MAX : (uint32_t)whole;
}

struct lam_sv lam_token_cut(struct lam_sv text, uint32_t most)
{
    struct walk walk = {.last = SPACE};
    uint64_t limit = (uint64_t)most * ONE;
    uint32_t rune;

    for (size_t at = 0, len; at < text.len; at += len) {
        len = next_rune(text, at, &rune);
        step(&walk, rune, len);
        if (walk.weight > limit || walk.weight > UINT32_MAX / 2)
            return lam_sv(text.ptr, at);
    }
    return text;
}

uint32_t lam_token_correct(const struct lam_token_estimate *tokens, uint32_t guess)
{
    double corrected = tokens->factor > 0 ? ceil(guess * tokens->factor) : guess;

    return corrected > UINT32_MAX ? UINT32_MAX : (uint32_t)corrected;
}

void lam_token_learn(struct lam_token_estimate *tokens, uint32_t guess, uint32_t counted)
{
    double ratio, weight;

    if (!guess || !counted)
        return;
    tokens->error += fabs((double)lam_token_correct(tokens, guess) - counted) / counted;
    tokens->samples++;
    ratio = (double)counted / guess;
    ratio = ratio < FACTOR_MIN ? FACTOR_MIN : ratio > FACTOR_MAX ? FACTOR_MAX : ratio;
    weight = 1.0 / (double)tokens->samples;
    if (weight < LEARN_MIN)
        weight = LEARN_MIN;
    tokens->factor = tokens->samples == 1 ? ratio : tokens->factor + weight * (ratio - tokens->factor);
}

double lam_token_error(const struct lam_token_estimate *tokens) { return tokens->samples ? tokens->error / (double)tokens->samples : 0; }
