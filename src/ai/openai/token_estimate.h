/*
 * How many tokens a text has, before any server counted it. Every model cuts text its own way, so this is an estimate by script: words of Latin
 * letters, numbers, ideographs, everything else; and it is corrected by what comes back as usage, for each endpoint apart. What it was wrong by is
 * kept, and told in the report.
 */
#ifndef LAMINA_AI_OPENAI_TOKEN_ESTIMATE_H
#define LAMINA_AI_OPENAI_TOKEN_ESTIMATE_H

#include <lamina/sv.h>

/* Plain data; all zero is a fresh one. */
struct lam_token_estimate {
    double factor;     /* counted by the server to guessed here; 0: nothing was counted yet, as 1 */
    uint64_t samples;
    double error;      /* sum of |estimated - counted| / counted, each with the factor of its time */
};

/* Of any bytes, without correction. */
uint32_t lam_token_guess(struct lam_sv text);

/* Corrected. */
uint32_t lam_token_correct(const struct lam_token_estimate *tokens, uint32_t guess);

/* What was guessed, and what the server counted (0: it did not say). */
void lam_token_learn(struct lam_token_estimate *tokens, uint32_t guess, uint32_t counted);

/* Mean relative error of the estimates so far; 0 where there are none. */
double lam_token_error(const struct lam_token_estimate *tokens);

/* The longest prefix of text whose guess is at most `most`, not cutting a character of UTF-8. */
struct lam_sv lam_token_cut(struct lam_sv text, uint32_t most);

#endif
