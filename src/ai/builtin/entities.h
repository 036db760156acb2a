/*
 * Entities by pattern: what has a form that can be recognised without knowing the world.
 *
 *     type      value (canonical)
 *     date      2024-03-12; 2024-03 and --03-12 where day or year are not said
 *     datetime  2024-03-12T14:05:00Z, the zone as written
 *     time      14:05, 14:05:30
 *     money     USD 1250000.50; the currency is XXX where the sign is not enough
 *     percent   12.5
 *     email     lower-case domain
 *     url       as written, without punctuation that ends the sentence
 *     ip        IPv4 with /prefix if there is one, IPv6 in its short form
 *     version   2.10.3-rc1
 *     phone     +4930123456 where the country is written, else digits
 *     cve       CVE-2024-12345
 *     iban      DE89370400440532013000, verified
 *     card      4111111111111111, verified
 *     isbn      9780306406157, verified; ten digits only behind the word ISBN
 *     doi       lower-case
 *     ssn       123456789, written 123-45-6789
 *     path      as written: absolute, ~/, ./, C:\, or several parts with an extension
 *
 * Offsets are bytes of the text. No pattern looks further than a constant, so work is linear.
 */
#ifndef LAMINA_AI_ENTITIES_H
#define LAMINA_AI_ENTITIES_H

#include "tokens.h"

#include "base/buf.h"

#define LAM_ENTITIES_MAX 256             /* of a text */
#define LAM_ENTITIES_JSON ((size_t)64 << 10) /* bytes of the array: what does not fit is left out */
#define LAM_ENTITY_VALUE 2080            /* bytes with the NUL */

enum lam_currency {
    LAM_CURRENCY_NONE,
    LAM_CURRENCY_USD,
    LAM_CURRENCY_EUR,
    LAM_CURRENCY_GBP,
    LAM_CURRENCY_JPY,
    LAM_CURRENCY_CHF,
    LAM_CURRENCY_CNY,
    LAM_CURRENCY_INR,
    LAM_CURRENCY_CAD,
    LAM_CURRENCY_AUD,
    LAM_CURRENCY_SEK,
    LAM_CURRENCY_NOK,
    LAM_CURRENCY_DKK,
    LAM_CURRENCY_PLN,
    LAM_CURRENCY_RUB,
    LAM_CURRENCY_KRW,
    LAM_CURRENCY_BRL,
    LAM_CURRENCY_MXN,
    LAM_CURRENCY_ZAR,
    LAM_CURRENCY_CZK,
    LAM_CURRENCY_HUF,
    LAM_CURRENCY_TRY,
    LAM_CURRENCY_ILS,
    LAM_CURRENCY_UAH,
    LAM_CURRENCY_CENT /* hundredths of a dollar */
};

struct lam_entity {
    const char *type;                /* static */
    size_t start, end;
    char value[LAM_ENTITY_VALUE];
};

/* Adds the JSON array to json, in the order of the text; entities do not overlap. */
int lam_entities_find(const struct lam_tokens *tokens, struct lam_buf *json, struct lam_error *err);

/*
 * The matchers, by what begins at token i (or a few bytes before it). Each returns false, or true with *entity filled.
 * from: bytes before it belong to the entity before.
 */
bool lam_match_date(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_month_date(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_time(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_money(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);
bool lam_match_percent(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);
bool lam_match_email(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);
bool lam_match_url(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_ip(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);
bool lam_match_version(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_phone(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);
bool lam_match_cve(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_iban(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_identifier(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity); /* card, isbn, doi, ssn */
bool lam_match_path(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);

/* Helpers of the matchers. */

/* The byte at i of the text; 0 behind its end. */
static inline char lam_at(const struct lam_tokens *tokens, size_t i) { return i < tokens->text.len ? tokens->text.ptr[i] : 0; }

static inline bool lam_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool lam_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool lam_is_alnum(char c) { return lam_is_digit(c) || lam_is_alpha(c); }

/* Reads up to most digits from i: the number of digits, *value. */
size_t lam_read_digits(const struct lam_tokens *tokens, size_t i, size_t most, unsigned *value);

/* Is the number that starts at i the beginning of something, and not the rest of 1.2.3 or a-1? */
bool lam_starts_clean(const struct lam_tokens *tokens, size_t i);

/* Does something end at i: no letter or digit follows, and no dash or dot that a digit follows? */
bool lam_ends_clean(const struct lam_tokens *tokens, size_t i);

#endif
