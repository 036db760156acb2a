/*
 * Entities: what a text names. Most have a form that can be recognised without knowing the world; people, organisations and places
 * are names (names.h).
 *
 *     type      value (canonical)
 *     date      2024-03-12; 2024-03, 2024, 2024-W11 or 2024-Q1 where no more is said; --03-12 where the year is not.
 *               "yesterday", "last Tuesday", "2 weeks ago" are told from the record's own time
 *     datetime  2024-03-12T14:05:00Z, the zone as written; "3 hours ago"
 *     time      14:05, 14:05:30
 *     money     USD 1250000.50; the currency is XXX where the sign is not enough
 *     percent   12.5
 *     quantity  12.5 km, 7-10 day; units by their symbols, nothing converted
 *     email     lower-case domain
 *     url       as written, without punctuation that ends the sentence
 *     host      lower-case
 *     ip        IPv4 with /prefix if there is one, IPv6 in its short form
 *     version   2.10.3-rc1
 *     phone     +4930123456 (E.164) where the country is written or the job's own, else digits
 *     cve       CVE-2024-12345
 *     iban      DE89370400440532013000, verified
 *     card      4111111111111111, verified
 *     isbn      9780306406157, verified; ten digits only behind the word ISBN
 *     doi       lower-case
 *     ssn       123456789, written 123-45-6789
 *     path      as written: absolute, ~/, ./, C:\, several parts with an extension, or a file's name with a well-known one
 *     person, organization, place   as written, single blanks between the words
 *
 * and the job's own patterns by their names, as written. Offsets are bytes of the text. No pattern looks further than a constant, so
 * work is linear.
 */
#ifndef LAMINA_AI_ENTITIES_H
#define LAMINA_AI_ENTITIES_H

#include "names.h"
#include "patterns.h"
#include "tokens.h"

#include "base/buf.h"
#include "base/clock.h"

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
    const char *type;                /* static, or a pattern's name */
    size_t start, end;
    char value[LAM_ENTITY_VALUE];
};

/* What the text alone does not tell. All zero but now_us is the least: no relative dates, no names, no patterns. */
struct lam_entity_options {
    int64_t now_us; /* what "yesterday" is told from, in microseconds since 1970; LAM_TIME_NONE: relative dates are not found */
    const struct lam_name_words *words;    /* NULL: no people, organisations and places */
    const struct lam_gazetteer *gazetteer; /* NULL: none learned */
    struct lam_patterns *patterns;         /* NULL: none */
    enum lam_language language;
    struct lam_sv country;                 /* struct lam_tasks.country */
    bool all;                              /* as many as there are, and not LAM_ENTITIES_MAX at most */
};

/* Called for each entity, in the order of the text; they do not overlap. Anything but 0 ends the search, which returns it. */
typedef int lam_entity_visit(void *arg, const struct lam_entity *entity, struct lam_error *err);

int lam_entities_each(const struct lam_tokens *tokens, const struct lam_entity_options *options, lam_entity_visit *visit, void *arg,
                      struct lam_error *err);

/* Is it a type of entities that are found without the job's patterns? */
bool lam_entity_type_known(struct lam_sv type);

/* Adds them to json as an array. */
int lam_entities_find(const struct lam_tokens *tokens, const struct lam_entity_options *options, struct lam_buf *json,
                      struct lam_error *err);

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
bool lam_match_phone(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_sv country, struct lam_entity *entity);
bool lam_match_cve(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_iban(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity);
bool lam_match_identifier(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity); /* card, isbn, doi, ssn */
bool lam_match_host(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity); /* and the name of a file */
bool lam_match_quantity(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity); /* at digits or a word */
bool lam_match_relative(const struct lam_tokens *tokens, size_t i, int64_t now_us, struct lam_entity *entity);
bool lam_match_path(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity);

/* Helpers of the matchers. */

#define LAM_NUMBER_DIGITS 24

/* A number with its separators, canonical: digits, and a point where there are decimals. */
struct lam_entity_number {
    char digits[LAM_NUMBER_DIGITS + 2]; /* without the point */
    size_t count, decimals;
    size_t end;
};

/* The number that starts at byte i; points_group: a single point before three digits parts thousands. */
bool lam_read_number(const struct lam_tokens *tokens, size_t i, bool points_group, struct lam_entity_number *number);

/* Writes the number times ten to the power, with a NUL; its length, at most LAM_NUMBER_DIGITS + power + 3. */
size_t lam_write_number(char *out, const struct lam_entity_number *number, unsigned power);

/* one … twelve, twenty …: the value, 0 for any other word. */
unsigned lam_number_word(struct lam_sv word);

/* The folded word of token i; empty behind the last. */
static inline struct lam_sv lam_folded(const struct lam_tokens *tokens, size_t i)
{
    return i < tokens->count ? lam_term_sv(tokens, &tokens->terms[tokens->tokens[i].term]) : lam_sv("", 0);
}

/* Is exactly this between tokens i and i + 1? */
static inline bool lam_parted_by(const struct lam_tokens *tokens, size_t i, const char *between)
{
    size_t len = strlen(between);

    return i + 1 < tokens->count && tokens->tokens[i + 1].start - tokens->tokens[i].end == len &&
           !memcmp(tokens->text.ptr + tokens->tokens[i].end, between, len);
}

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
