/* Dates and times. Where day and month could be either, the form decides: 3/4 is month first, 3.4. and 3-4 are day first. */
#include "entities.h"

#include <stdio.h>

static bool valid_date(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (year < 1000 || year > 2999 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static void set(struct lam_entity *entity, const char *type, size_t start, size_t end)
{
    entity->type = type;
    entity->start = start;
    entity->end = end;
}

static unsigned full_year(unsigned year, size_t digits) { return digits == 4 ? year : year < 70 ? 2000 + year : 1900 + year; }

/* hh:mm[:ss[.fff]] at i: its end, or 0. */
static size_t read_clock(const struct lam_tokens *tokens, size_t i, unsigned *hour, unsigned *minute, unsigned *second, bool *seconds)
{
    size_t n = lam_read_digits(tokens, i, 2, hour), k;

    *second = 0;
    *seconds = false;
    if (!n || *hour > 24 || lam_at(tokens, i + n) != ':' || lam_read_digits(tokens, i + n + 1, 3, minute) != 2 || *minute > 59)
        return 0;
    i += n + 3;
    if (lam_at(tokens, i) == ':' && lam_read_digits(tokens, i + 1, 3, second) == 2 && *second <= 60) {
        *seconds = true;
        i += 3;
        if ((lam_at(tokens, i) == '.' || lam_at(tokens, i) == ',') && lam_is_digit(lam_at(tokens, i + 1)))
            for (i++, k = 0; k < 9 && lam_is_digit(lam_at(tokens, i)); k++)
                i++;
    }
    return lam_is_digit(lam_at(tokens, i)) ||
                   ((lam_at(tokens, i) == ':' || lam_at(tokens, i) == '.') && lam_is_digit(lam_at(tokens, i + 1)))
               ? 0
               : i; /* 1:00.88 */
}

/* Z, UTC, +02:00 or +0200 at i: its end (i where there is none) and the text of it. */
static size_t read_zone(const struct lam_tokens *tokens, size_t i, char zone[8])
{
    unsigned hour, minute;
    size_t at;

    zone[0] = '\0';
    if (lam_at(tokens, i) == 'Z' && !lam_is_alnum(lam_at(tokens, i + 1))) {
        strcpy(zone, "Z");
        return i + 1;
    }
    if ((lam_at(tokens, i) == '+' || lam_at(tokens, i) == '-') && lam_read_digits(tokens, i + 1, 2, &hour) == 2) {
        at = i + 3 + (lam_at(tokens, i + 3) == ':');
        if (lam_read_digits(tokens, at, 2, &minute) == 2 && hour <= 14 && minute < 60) {
            snprintf(zone, 8, "%c%02u:%02u", lam_at(tokens, i), hour, minute);
            return at + 2;
        }
    }
    at = i + (lam_at(tokens, i) == ' ');
    if (at + 3 <= tokens->text.len && (!memcmp(tokens->text.ptr + at, "UTC", 3) || !memcmp(tokens->text.ptr + at, "GMT", 3)) &&
        !lam_is_alnum(lam_at(tokens, at + 3))) {
        strcpy(zone, "Z");
        return at + 3;
    }
    return i;
}

static bool finish_date(const struct lam_tokens *tokens, size_t start, size_t end, unsigned year, unsigned month, unsigned day,
                        struct lam_entity *entity)
{
    unsigned hour, minute, second;
    char zone[8];
    bool seconds;
    size_t clock_end;

    if (!valid_date(year, month, day))
        return false;
    set(entity, "date", start, end);
    snprintf(entity->value, sizeof entity->value, "%04u-%02u-%02u", year, month, day);
    if ((lam_at(tokens, end) == 'T' || lam_at(tokens, end) == ' ') &&
        (clock_end = read_clock(tokens, end + 1, &hour, &minute, &second, &seconds))) {
        entity->type = "datetime";
        entity->end = read_zone(tokens, clock_end, zone);
        snprintf(entity->value, sizeof entity->value, "%04u-%02u-%02uT%02u:%02u:%02u%s", year, month, day, hour, minute, second, zone);
        return true;
    }
    return lam_ends_clean(tokens, end);
}

/* 12 March 2024, 12. März, 3rd of May 2021 */
static bool day_month(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_lex *lex = NULL;
    unsigned day, year = 0;
    size_t n = lam_read_digits(tokens, token->start, 3, &day), at = token->start + n, j = i + 1, end;

    if (!n || n > 2 || day < 1 || day > 31)
        return false;
    if (token->end - at == 2 && strchr("snrtSNRT", lam_at(tokens, at))) /* 1st, 2nd, 3rd, 4th */
        at += 2;
    if (at != token->end)
        return false;
    if (j < tokens->count && lam_sv_eq(lam_token_sv(tokens, j), LAM_SV("of")))
        j++;
    if (j < tokens->count && tokens->tokens[j].start - tokens->tokens[j - 1].end <= 2 && !(tokens->tokens[j].gap & LAM_GAP_PUNCT))
        lex = tokens->terms[tokens->tokens[j].term].lex;
    if (!lex || !(lex->flags & LAM_LEX_MONTH) || (lex->month_weak && !(tokens->tokens[j].flags & LAM_TOKEN_UPPER)))
        return false;
    end = tokens->tokens[j].end;
    at = end;
    while (at < end + 2 &&
           (lam_at(tokens, at) == ' ' || lam_at(tokens, at) == ',' || lam_at(tokens, at) == '.' || lam_at(tokens, at) == '-'))
        at++;
    if (at > end && lam_read_digits(tokens, at, 5, &year) == 4 && lam_ends_clean(tokens, at + 4) && year >= 1000 && year < 3000)
        return finish_date(tokens, token->start, at + 4, year, lex->value, day, entity);
    if (!valid_date(2000, lex->value, day))
        return false;
    set(entity, "date", token->start, end);
    snprintf(entity->value, sizeof entity->value, "--%02u-%02u", lex->value, day);
    return true;
}

bool lam_match_date(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, n, m, k, at;
    unsigned a, b, c;
    char separator;

    if (!lam_starts_clean(tokens, start) || !(n = lam_read_digits(tokens, start, 5, &a)) || n == 5)
        return false;
    separator = lam_at(tokens, start + n);
    if (n == 3 || !separator || !strchr("-/.", separator) || !(m = lam_read_digits(tokens, start + n + 1, 3, &b)) || m == 3 ||
        lam_at(tokens, start + n + 1 + m) != separator || !(k = lam_read_digits(tokens, start + n + m + 2, 5, &c)))
        return n <= 2 && day_month(tokens, i, entity);
    at = start + n + m + k + 2;
    if (n == 4 && k <= 2)
        return finish_date(tokens, start, at, a, b, c, entity);
    if (n > 2 || (k != 4 && !(k == 2 && separator != '-')))
        return false;
    c = full_year(c, k);
    if (separator == '/' && !(a > 12 && b <= 12))
        return finish_date(tokens, start, at, c, a, b, entity);
    return finish_date(tokens, start, at, c, b, a, entity);
}

/* March 12, 2024 · Sept. 11 · March 2024 */
bool lam_match_month_date(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_lex *lex = tokens->terms[token->term].lex;
    unsigned day, year;
    size_t at = token->end, n, end;

    if (!(token->flags & LAM_TOKEN_UPPER) && (lex->month_weak || token->end - token->start <= 3))
        return false;
    at += lam_at(tokens, at) == '.';
    if (lam_at(tokens, at) != ' ')
        return false;
    at++;
    if (!(n = lam_read_digits(tokens, at, 5, &day)))
        return false;
    if (n == 4 && day >= 1000 && day < 3000 && lam_ends_clean(tokens, at + 4)) {
        set(entity, "date", token->start, at + 4);
        snprintf(entity->value, sizeof entity->value, "%04u-%02u", day, (unsigned)lex->value);
        return true;
    }
    if (n > 2 || !valid_date(2000, lex->value, day))
        return false;
    end = at + n;
    if (lam_is_alpha(lam_at(tokens, end)) && lam_is_alpha(lam_at(tokens, end + 1)) && strchr("snrt", lam_at(tokens, end)))
        end += 2;
    if (!lam_ends_clean(tokens, end) || lam_at(tokens, end) == '%')
        return false;
    at = end;
    if (lam_at(tokens, at) == ',')
        at++;
    if (lam_at(tokens, at) == ' ' && lam_read_digits(tokens, at + 1, 5, &year) == 4 && lam_ends_clean(tokens, at + 5) && year >= 1000 &&
        year < 3000)
        return finish_date(tokens, token->start, at + 5, year, lex->value, day, entity);
    set(entity, "date", token->start, end);
    snprintf(entity->value, sizeof entity->value, "--%02u-%02u", (unsigned)lex->value, day);
    return true;
}

/* am, p.m. and their like at i, after at most one blank: its end or 0; *pm. */
static size_t read_half(const struct lam_tokens *tokens, size_t i, bool *pm)
{
    char c;

    i += lam_at(tokens, i) == ' ';
    c = lam_at(tokens, i) | 0x20;
    if (c != 'a' && c != 'p')
        return 0;
    *pm = c == 'p';
    i++;
    i += lam_at(tokens, i) == '.';
    if ((lam_at(tokens, i) | 0x20) != 'm' || lam_is_alnum(lam_at(tokens, i + 1)))
        return 0;
    return i + 1 + (lam_at(tokens, i + 1) == '.' && lam_at(tokens, i - 1) == '.');
}

bool lam_match_time(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end, half, n;
    unsigned hour, minute = 0, second = 0;
    bool seconds = false, pm = false;
    char zone[8];

    if (!lam_starts_clean(tokens, start))
        return false;
    if (!(end = read_clock(tokens, start, &hour, &minute, &second, &seconds))) {
        n = lam_read_digits(tokens, start, 3, &hour);
        if (!n || n > 2 || hour < 1 || hour > 12 || !read_half(tokens, start + n, &pm))
            return false;
        end = start + n;
    }
    if ((half = read_half(tokens, end, &pm)) && hour >= 1 && hour <= 12) {
        hour = hour % 12 + (pm ? 12 : 0);
        end = half;
    }
    if (hour > 23)
        return false;
    set(entity, "time", start, read_zone(tokens, end, zone));
    if (seconds)
        snprintf(entity->value, sizeof entity->value, "%02u:%02u:%02u%s", hour, minute, second, zone);
    else
        snprintf(entity->value, sizeof entity->value, "%02u:%02u%s", hour, minute, zone);
    return true;
}
