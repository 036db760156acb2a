/* Numbers that count something: money and percentages; versions and CVE numbers. */
#include "entities.h"

#include <stdio.h>

static const char *const currency_codes[] = {"XXX", "USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK",
                                             "PLN", "RUB", "KRW", "BRL", "MXN", "ZAR", "CZK", "HUF", "TRY", "ILS", "UAH", "USD"};

static const struct {
    const char *sign;
    enum lam_currency currency;
} signs[] = {{"US$", LAM_CURRENCY_USD}, {"C$", LAM_CURRENCY_CAD}, {"CA$", LAM_CURRENCY_CAD}, {"A$", LAM_CURRENCY_AUD},
             {"AU$", LAM_CURRENCY_AUD}, {"R$", LAM_CURRENCY_BRL}, {"$", LAM_CURRENCY_USD},   {"€", LAM_CURRENCY_EUR},
             {"£", LAM_CURRENCY_GBP},   {"¥", LAM_CURRENCY_JPY},  {"₹", LAM_CURRENCY_INR},   {"₽", LAM_CURRENCY_RUB},
             {"₩", LAM_CURRENCY_KRW},   {"₺", LAM_CURRENCY_TRY},  {"₪", LAM_CURRENCY_ILS},   {"₴", LAM_CURRENCY_UAH}};

/*
 * Does the separator at i, with three digits behind it, part thousands? A comma does; a point where its currency or
 * what follows says so.
 */
static bool parts_thousands(const struct lam_tokens *tokens, size_t i, bool points_group)
{
    char after = lam_at(tokens, i + 4);

    return lam_at(tokens, i) != '.' || points_group || after == '.' || (after == ',' && lam_is_digit(lam_at(tokens, i + 5)));
}

/*
 * 1234.5 · 1,234,567.89 · 1.234.567,89 · 1 234 567: three digits after each separator make it one of thousands; a single comma
 * before three digits too, a single point only where points_group (a currency that writes so). The last separator of another
 * kind is the decimal one.
 */
bool lam_read_number(const struct lam_tokens *tokens, size_t i, bool points_group, struct lam_entity_number *number)
{
    char group = 0;
    size_t n = 0;

    *number = (struct lam_entity_number){.end = i};
    while (n < LAM_NUMBER_DIGITS && lam_is_digit(lam_at(tokens, i + n)))
        n++;
    if (!n || n == LAM_NUMBER_DIGITS)
        return false;
    memcpy(number->digits, tokens->text.ptr + i, n);
    number->count = n;
    i += n;
    for (;;) {
        char c = lam_at(tokens, i);
        size_t more = 0;

        if (c != ',' && c != '.' && c != '\'')
            break;
        while (more < LAM_NUMBER_DIGITS && lam_is_digit(lam_at(tokens, i + 1 + more)))
            more++;
        if (!more || number->count + more > LAM_NUMBER_DIGITS)
            break;
        if (more == 3 && (c == group || (!group && number->count <= 3 && parts_thousands(tokens, i, points_group)))) {
            group = c;
        } else if (c != group && c != '\'') {
            number->decimals = more;
        } else {
            break;
        }
        memcpy(number->digits + number->count, tokens->text.ptr + i + 1, more);
        number->count += more;
        i += 1 + more;
        if (number->decimals)
            break;
    }
    number->end = i;
    return true;
}

/* Writes the number times ten to the power. */
size_t lam_write_number(char *out, const struct lam_entity_number *number, unsigned power)
{
    size_t whole = number->count - number->decimals + power, len = 0, i = 0;

    while (i + 1 < whole && i < number->count && number->digits[i] == '0')
        i++; /* leading zeros */
    for (; i < whole; i++)
        out[len++] = i < number->count ? number->digits[i] : '0';
    if (whole < number->count) {
        out[len++] = '.';
        for (; i < number->count; i++)
            out[len++] = number->digits[i];
    }
    out[len] = '\0';
    return len;
}

static const struct lam_lex *lex_of(const struct lam_tokens *tokens, size_t i)
{
    return i < tokens->count ? tokens->terms[tokens->tokens[i].term].lex : NULL;
}

/* The token that starts at byte at, looking a few tokens from i on. */
static size_t token_at(const struct lam_tokens *tokens, size_t i, size_t at)
{
    for (size_t k = 0; k < 16 && i + k < tokens->count; k++)
        if (tokens->tokens[i + k].start >= at)
            return tokens->tokens[i + k].start == at ? i + k : SIZE_MAX;
    return SIZE_MAX;
}

/* A sign of money that ends at byte end; its start. */
static enum lam_currency sign_before(const struct lam_tokens *tokens, size_t end, size_t from, size_t *start)
{
    for (size_t k = 0; k < sizeof signs / sizeof *signs; k++) {
        size_t len = strlen(signs[k].sign);

        if (end >= from + len && !memcmp(tokens->text.ptr + end - len, signs[k].sign, len)) {
            *start = end - len;
            return signs[k].currency;
        }
    }
    return LAM_CURRENCY_NONE;
}

static enum lam_currency sign_after(const struct lam_tokens *tokens, size_t at, size_t *end)
{
    for (size_t k = 0; k < sizeof signs / sizeof *signs; k++) {
        size_t len = strlen(signs[k].sign);

        if (at + len <= tokens->text.len && !memcmp(tokens->text.ptr + at, signs[k].sign, len) && !lam_is_digit(lam_at(tokens, at + len))) {
            *end = at + len;
            return signs[k].currency;
        }
    }
    return LAM_CURRENCY_NONE;
}

/* A code such as USD right before token i; only in capitals, since "won" and "try" are words. */
static enum lam_currency code_before(const struct lam_tokens *tokens, size_t i, size_t from, size_t *start)
{
    const struct lam_lex *lex;

    if (i == tokens->title_count)
        return LAM_CURRENCY_NONE;
    lex = lex_of(tokens, i - 1);
    if (!lex || !(lex->flags & LAM_LEX_CURRENCY) || !(tokens->tokens[i - 1].flags & LAM_TOKEN_CAPS) ||
        tokens->tokens[i].start - tokens->tokens[i - 1].end > 1 || tokens->tokens[i - 1].start < from)
        return LAM_CURRENCY_NONE;
    *start = tokens->tokens[i - 1].start;
    return (enum lam_currency)lex->value;
}

/* $5k, €2M, $3bn: the power of ten of letters that follow a number at once, 0 where there are none; *end moves behind them. */
static unsigned read_suffix(const struct lam_tokens *tokens, size_t *end)
{
    char c = lam_at(tokens, *end) | 0x20;
    size_t len = 1 + (strchr("mbt", c) && c && (lam_at(tokens, *end + 1) | 0x20) == 'n');
    unsigned power = c == 'k' ? 3 : c == 'm' ? 6 : c == 'b' ? 9 : c == 't' && len == 2 ? 12 : 0;

    if (!power || lam_is_alnum(lam_at(tokens, *end + len)))
        return 0;
    *end += len;
    return power;
}

bool lam_match_money(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end, at, next;
    enum lam_currency currency;
    const struct lam_lex *lex;
    struct lam_entity_number number;
    unsigned power = 0;
    int len;

    if (!(currency = sign_before(tokens, start, from, &start)) &&
        !(start > from && tokens->text.ptr[start - 1] == ' ' && (currency = sign_before(tokens, start - 1, from, &start))))
        currency = code_before(tokens, i, from, &start);
    if (!currency && !lam_starts_clean(tokens, start))
        return false;
    if (!lam_read_number(tokens, tokens->tokens[i].start, currency && currency != LAM_CURRENCY_USD && currency != LAM_CURRENCY_GBP, &number))
        return false;
    end = number.end;
    at = end + (lam_at(tokens, end) == ' ' || lam_at(tokens, end) == '-');
    next = token_at(tokens, i + 1, at);
    lex = next != SIZE_MAX ? lex_of(tokens, next) : NULL;
    if (lex && lex->flags & LAM_LEX_SCALE) {
        power = lex->value;
        end = tokens->tokens[next].end;
        at = end + (lam_at(tokens, end) == '.' && lam_at(tokens, end + 1) == ' '); /* Mio. Euro */
        at += lam_at(tokens, at) == ' ' || lam_at(tokens, at) == '-';
        next = token_at(tokens, next + 1, at);
        lex = next != SIZE_MAX ? lex_of(tokens, next) : NULL;
    } else if (currency && (power = read_suffix(tokens, &end))) {
        at = end;
    }
    if (!currency && (currency = sign_after(tokens, at, &at)))
        end = at;
    if (!currency && lex && lex->flags & LAM_LEX_CURRENCY &&
        (tokens->tokens[next].flags & LAM_TOKEN_CAPS || tokens->tokens[next].end - tokens->tokens[next].start > 3)) {
        currency = (enum lam_currency)lex->value;
        end = tokens->tokens[next].end;
    }
    if (!currency || lam_is_alnum(lam_at(tokens, end)))
        return false;
    if (currency == LAM_CURRENCY_CENT) {
        if (number.decimals || power || number.count > 6)
            return false;
        memmove(number.digits + 2, number.digits, number.count);
        memcpy(number.digits, "00", 2);
        number.count += 2;
        number.decimals = 2;
    }
    *entity = (struct lam_entity){.type = "money", .start = start, .end = end};
    len = snprintf(entity->value, sizeof entity->value, "%s ", currency_codes[currency]);
    lam_write_number(entity->value + len, &number, power);
    return true;
}

bool lam_match_percent(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end, next;
    struct lam_entity_number number;
    bool negative;

    if (!lam_starts_clean(tokens, start) || !lam_read_number(tokens, start, false, &number))
        return false;
    end = number.end;
    if (lam_at(tokens, end) == '%' || (lam_at(tokens, end) == ' ' && lam_at(tokens, end + 1) == '%')) {
        end += lam_at(tokens, end) == '%' ? 1 : 2;
    } else {
        struct lam_sv word;

        next = token_at(tokens, i + 1, end + 1);
        if (next == SIZE_MAX || (lam_at(tokens, end) != ' ' && lam_at(tokens, end) != '-'))
            return false;
        word = lam_term_sv(tokens, &tokens->terms[tokens->tokens[next].term]);
        if (lam_sv_eq(word, LAM_SV("percent")) || lam_sv_eq(word, LAM_SV("prozent")) || lam_sv_eq(word, LAM_SV("pct")))
            end = tokens->tokens[next].end;
        else if (lam_sv_eq(word, LAM_SV("per")) && next + 1 < tokens->count &&
                 lam_sv_eq(lam_term_sv(tokens, &tokens->terms[tokens->tokens[next + 1].term]), LAM_SV("cent")))
            end = tokens->tokens[next + 1].end;
        else
            return false;
    }
    negative = start > from && tokens->text.ptr[start - 1] == '-' && !(start > 1 && lam_is_alnum(tokens->text.ptr[start - 2]));
    *entity = (struct lam_entity){.type = "percent", .start = start - negative, .end = end};
    entity->value[0] = '-';
    lam_write_number(entity->value + negative, &number, 0);
    return true;
}

/* v1.2 · 1.2.3 · 2.10.3-rc1 · version 4.5; at least three parts, or two behind a v or the word. */
bool lam_match_version(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, at = start, parts = 1;
    bool named = (lam_at(tokens, at) | 0x20) == 'v';
    struct lam_sv before;
    unsigned value, first;

    if (!lam_starts_clean(tokens, start))
        return false;
    at += named;
    if (!lam_read_digits(tokens, at, 5, &first))
        return false;
    if (!named && i > tokens->title_count && tokens->tokens[i].start - tokens->tokens[i - 1].end == 1) {
        before = lam_term_sv(tokens, &tokens->terms[tokens->tokens[i - 1].term]);
        named = lam_sv_eq(before, LAM_SV("version")) || lam_sv_eq(before, LAM_SV("release")) || lam_sv_eq(before, LAM_SV("ver"));
    }
    at += lam_read_digits(tokens, at, 5, &value);
    while (parts < 5 && lam_at(tokens, at) == '.' && lam_is_digit(lam_at(tokens, at + 1))) {
        at += 1 + lam_read_digits(tokens, at + 1, 5, &value);
        parts++;
    }
    if (parts < (named ? 2 : 3) || (parts == 4 && !named && first >= 100)) /* four parts that begin so are an address gone wrong */
        return false;
    if ((lam_at(tokens, at) == '-' || lam_at(tokens, at) == '+' || lam_at(tokens, at) == '~') && lam_is_alnum(lam_at(tokens, at + 1)))
        for (size_t k = 0;
             k < 24 && (lam_is_alnum(lam_at(tokens, at + 1)) || (lam_at(tokens, at + 1) == '.' && lam_is_alnum(lam_at(tokens, at + 2))));
             k++)
            at += k ? 1 : 2;
    while (lam_is_alnum(lam_at(tokens, at)) && at < start + 64) /* 1.0.2k, 3.0.0rc1 */
        at++;
    if (lam_is_alnum(lam_at(tokens, at)) || (lam_at(tokens, at) == '.' && lam_is_digit(lam_at(tokens, at + 1))))
        return false;
    *entity = (struct lam_entity){.type = "version", .start = start, .end = at};
    start += (lam_at(tokens, start) | 0x20) == 'v';
    memcpy(entity->value, tokens->text.ptr + start, at - start);
    return true;
}

bool lam_match_cve(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, n;
    unsigned year, number;

    if (!lam_sv_eq(lam_term_sv(tokens, &tokens->terms[tokens->tokens[i].term]), LAM_SV("cve")) ||
        lam_read_digits(tokens, start + 4, 5, &year) != 4 || lam_at(tokens, start + 8) != '-' ||
        (n = lam_read_digits(tokens, start + 9, 8, &number)) < 4 || n > 7 || lam_is_alnum(lam_at(tokens, start + 9 + n)))
        return false;
    *entity = (struct lam_entity){.type = "cve", .start = start, .end = start + 9 + n};
    snprintf(entity->value, sizeof entity->value, "CVE-%04u-%.*s", year, (int)n, tokens->text.ptr + start + 9);
    return true;
}
