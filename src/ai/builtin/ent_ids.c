/* Identifiers whose check digits can be verified, or whose form is their own: bank accounts, cards, books, articles, US social security. */
#include "entities.h"

#include <stdio.h>

#define IBAN_MIN 15
#define IBAN_MAX 34
#define DOI_MAX 200

static void set(struct lam_entity *entity, const char *type, size_t start, size_t end, const char *value, size_t len)
{
    entity->type = type;
    entity->start = start;
    entity->end = end;
    memcpy(entity->value, value, len);
    entity->value[len] = '\0';
}

static bool upper(char c) { return c >= 'A' && c <= 'Z'; }

/* ISO 13616: the first four characters moved to the end, letters as numbers from 10 on, the remainder by 97 is 1. */
static bool iban_holds(const char *iban, size_t len)
{
    unsigned rest = 0;

    for (size_t i = 0; i < len; i++) {
        char c = iban[(i + 4) % len];

        rest = (upper(c) ? rest * 100 + (unsigned)(c - 'A') + 10 : rest * 10 + (unsigned)(c - '0')) % 97;
    }
    return rest == 1;
}

/* DE89 3704 0044 0532 0130 00, with blanks between groups or without: the longest that verifies. */
bool lam_match_iban(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, at = start, len = 0;
    bool found = false;
    char iban[IBAN_MAX];

    if (!upper(lam_at(tokens, at)) || !upper(lam_at(tokens, at + 1)) || !lam_is_digit(lam_at(tokens, at + 2)) ||
        !lam_is_digit(lam_at(tokens, at + 3)) || !lam_starts_clean(tokens, start))
        return false;
    while (len < IBAN_MAX) {
        while (len < IBAN_MAX && (upper(lam_at(tokens, at)) || lam_is_digit(lam_at(tokens, at))))
            iban[len++] = lam_at(tokens, at++);
        if (len >= IBAN_MIN && !lam_is_alnum(lam_at(tokens, at)) && iban_holds(iban, len)) {
            set(entity, "iban", start, at, iban, len);
            found = true;
        }
        if (lam_at(tokens, at) != ' ' || !(upper(lam_at(tokens, at + 1)) || lam_is_digit(lam_at(tokens, at + 1))))
            break;
        at++;
    }
    return found;
}

/* Digits at i with single separators from between; their number, up to most. *end is behind the last; *groups counts the separators. */
static size_t spaced_digits(const struct lam_tokens *tokens, size_t i, const char *between, size_t most, char *digits, size_t *end,
                            size_t *groups)
{
    size_t count = 0;

    *groups = 0;
    for (*end = i; count < most; i++) {
        char c = lam_at(tokens, i);

        if (lam_is_digit(c)) {
            digits[count++] = c;
            *end = i + 1;
        } else if (c && count && strchr(between, c) && lam_is_digit(lam_at(tokens, i + 1))) {
            ++*groups;
        } else {
            break;
        }
    }
    return count;
}

static bool luhn_holds(const char *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0') << (i & 1);

        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

/* 13 to 19 digits that begin with 3 to 6, at once or in groups, with their check digit. */
static bool match_card(const struct lam_tokens *tokens, size_t start, struct lam_entity *entity)
{
    size_t end, groups, count;
    char digits[20];

    count = spaced_digits(tokens, start, " -", sizeof digits, digits, &end, &groups);
    if (count < 13 || count > 19 || digits[0] < '3' || digits[0] > '6' || groups > 4 || !lam_ends_clean(tokens, end) ||
        !luhn_holds(digits, count))
        return false;
    set(entity, "card", start, end, digits, count);
    return true;
}

static bool isbn13_holds(const char *digits)
{
    unsigned sum = 0;

    for (int i = 0; i < 13; i++)
        sum += (unsigned)(digits[i] - '0') * (i & 1 ? 3 : 1);
    return sum % 10 == 0;
}

static bool isbn10_holds(const char *digits)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 10; i++)
        sum += (10 - i) * (digits[i] == 'X' ? 10 : (unsigned)(digits[i] - '0'));
    return sum % 11 == 0;
}

/* 978-… anywhere; ten digits only behind the word. */
static bool match_isbn(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end, groups, count;
    char digits[13];
    bool named = false;

    for (size_t back = 1; back <= 2 && i >= tokens->title_count + back; back++)
        named |= lam_sv_eq(lam_term_sv(tokens, &tokens->terms[tokens->tokens[i - back].term]), LAM_SV("isbn"));
    count = spaced_digits(tokens, start, "- ", sizeof digits, digits, &end, &groups);
    if (count == 13 && !memcmp(digits, "97", 2) && (digits[2] == '8' || digits[2] == '9') && isbn13_holds(digits) &&
        lam_ends_clean(tokens, end)) {
        set(entity, "isbn", start, end, digits, count);
        return true;
    }
    if (named && count == 9 && (lam_at(tokens, end) | 0x20) == 'x') {
        digits[count++] = 'X';
        end++;
    } else if (named && count == 9 && lam_at(tokens, end) == '-' && (lam_at(tokens, end + 1) | 0x20) == 'x') {
        digits[count++] = 'X';
        end += 2;
    }
    if (!named || count != 10 || !isbn10_holds(digits) || !lam_ends_clean(tokens, end))
        return false;
    set(entity, "isbn", start, end, digits, count);
    return true;
}

/* 123-45-6789, without the numbers that are never given out. */
static bool match_ssn(const struct lam_tokens *tokens, size_t start, struct lam_entity *entity)
{
    unsigned area, group, serial;
    char digits[12];

    if (lam_read_digits(tokens, start, 4, &area) != 3 || lam_at(tokens, start + 3) != '-' ||
        lam_read_digits(tokens, start + 4, 3, &group) != 2 || lam_at(tokens, start + 6) != '-' ||
        lam_read_digits(tokens, start + 7, 5, &serial) != 4)
        return false;
    if (!area || area == 666 || area >= 900 || !group || !serial || !lam_ends_clean(tokens, start + 11))
        return false;
    snprintf(digits, sizeof digits, "%03u%02u%04u", area % 1000, group % 100, serial % 10000);
    set(entity, "ssn", start, start + 11, digits, 9);
    return true;
}

static bool match_doi(const struct lam_tokens *tokens, size_t start, struct lam_entity *entity)
{
    size_t n, end, begin;
    unsigned value;

    if (lam_read_digits(tokens, start, 3, &value) != 2 || value != 10 || lam_at(tokens, start + 2) != '.')
        return false;
    n = lam_read_digits(tokens, start + 3, 10, &value);
    if (n < 4 || n > 9 || lam_at(tokens, start + 3 + n) != '/')
        return false;
    begin = end = start + 4 + n;
    while (end - start < DOI_MAX && lam_at(tokens, end) > ' ' && lam_at(tokens, end) < 127 && !strchr("<>\"{}", lam_at(tokens, end)))
        end++;
    while (end > begin && strchr(".,;:)]'", lam_at(tokens, end - 1)))
        end--;
    if (end == begin)
        return false;
    set(entity, "doi", start, end, tokens->text.ptr + start, end - start);
    for (char *c = entity->value; *c; c++) /* a DOI has no case */
        if (upper(*c))
            *c |= 0x20;
    return true;
}

bool lam_match_identifier(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start;

    if (lam_at(tokens, start) == '1' && (start == 0 || !strchr(".-", tokens->text.ptr[start - 1])) && match_doi(tokens, start, entity))
        return true; /* doi:10.1000/182 and doi.org/10.1000/182 too */
    return lam_starts_clean(tokens, start) &&
           (match_ssn(tokens, start, entity) || match_isbn(tokens, i, entity) || match_card(tokens, start, entity));
}
