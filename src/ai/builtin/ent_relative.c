/*
 * Dates told from the record's own time, and dates that are but a month or a year. A day of the week alone is the last one (in
 * reports it mostly is); a month alone is the nearest one.
 */
#include "entities.h"

#include <stdio.h>

#define DAY_US ((int64_t)86400 * 1000000)
#define NUMBER_MAX 1000 /* of days, weeks …: more is no date that anybody means */

enum unit { NO_UNIT, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR };

struct civil {
    int64_t year;
    unsigned month, day;
};

/* Days since 1970 and back: the proleptic Gregorian calendar, counted in eras of 400 years from March on. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400, of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct civil civil_of(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), mp = (5 * of_year + 2) / 153;
    unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);

    return (struct civil){year + era * 400 + (month <= 2), month, (unsigned)(of_year - (153 * mp + 2) / 5 + 1)};
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* 0: Monday */
static unsigned weekday_of(int64_t days) { return (unsigned)(((days + 3) % 7 + 7) % 7); }

static char *two_digits(char *p, unsigned value)
{
    *p++ = (char)('0' + value / 10);
    *p++ = (char)('0' + value % 10);
    return p;
}

/* By hand: days of the week stand everywhere in news, and printf takes longer than finding them. */
static void set_day(struct lam_entity *entity, int64_t days)
{
    struct civil civil = civil_of(days);
    char *p = entity->value;

    if (civil.year < 0 || civil.year > 9999) {
        snprintf(p, sizeof entity->value, "%lld-%02u-%02u", (long long)civil.year, civil.month, civil.day);
        return;
    }
    p = two_digits(p, (unsigned)civil.year / 100);
    p = two_digits(p, (unsigned)civil.year % 100);
    *p++ = '-';
    p = two_digits(p, civil.month);
    *p++ = '-';
    *two_digits(p, civil.day) = '\0';
}

static void set_month(struct lam_entity *entity, int64_t months) /* since year 0 */
{
    int64_t year = floor_div(months, 12);

    snprintf(entity->value, sizeof entity->value, "%04lld-%02u", (long long)year, (unsigned)(months - year * 12) + 1);
}

/* The ISO week that a day is in: that of its Thursday. */
static void set_week(struct lam_entity *entity, int64_t days)
{
    int64_t thursday = days - weekday_of(days) + 3;
    struct civil civil = civil_of(thursday);

    snprintf(entity->value, sizeof entity->value, "%04lld-W%02u", (long long)civil.year,
             (unsigned)((thursday - days_of(civil.year, 1, 1)) / 7) + 1);
}

/* now moved by count units, as exact as the unit. */
static void set_moved(struct lam_entity *entity, int64_t now_us, int64_t count, enum unit unit)
{
    int64_t days = floor_div(now_us, DAY_US), minutes;
    struct civil now = civil_of(days);

    switch (unit) {
    case MINUTE:
    case HOUR:
        minutes = floor_div(now_us, 60000000) + count * (unit == HOUR ? 60 : 1);
        set_day(entity, floor_div(minutes, 1440));
        minutes -= floor_div(minutes, 1440) * 1440;
        snprintf(entity->value + strlen(entity->value), 32, "T%02u:%02u:00Z", (unsigned)minutes / 60, (unsigned)minutes % 60);
        entity->type = "datetime";
        break;
    case DAY: set_day(entity, days + count); break;
    case WEEK: set_day(entity, days + 7 * count); break;
    case MONTH: set_month(entity, now.year * 12 + now.month - 1 + count); break;
    case QUARTER: set_month(entity, now.year * 12 + now.month - 1 + 3 * count); break;
    default: snprintf(entity->value, sizeof entity->value, "%04lld", (long long)(now.year + count));
    }
}

static enum unit unit_of(struct lam_sv word)
{
    static const struct {
        const char *word;
        enum unit unit;
    } units[] = {{"minute", MINUTE}, {"hour", HOUR}, {"day", DAY}, {"week", WEEK}, {"month", MONTH}, {"quarter", QUARTER}, {"year", YEAR}};

    if (word.len > 1 && word.ptr[word.len - 1] == 's')
        word.len -= word.len > 2 && word.ptr[word.len - 2] == '\'' ? 2 : 1; /* weeks, week's */
    if (word.len < 3 || word.len > 7)
        return NO_UNIT;
    for (size_t k = 0; k < sizeof units / sizeof *units; k++)
        if (word.ptr[0] == units[k].word[0] && lam_sv_eq(word, lam_sv_of(units[k].word)))
            return units[k].unit;
    return NO_UNIT;
}

/* 1 to 7, Monday first; 0: no day of the week. */
static unsigned weekday_at(const struct lam_tokens *tokens, size_t i)
{
    static const char *const names[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "montag", "dienstag",
                                        "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"};
    struct lam_sv word = lam_folded(tokens, i);

    if (i >= tokens->count || !(tokens->tokens[i].flags & LAM_TOKEN_UPPER) || word.len < 6)
        return 0;
    if (word.len > 7 && word.ptr[word.len - 2] == '\'')
        word.len -= 2; /* Tuesday's */
    for (unsigned k = 0; k < 14; k++)
        if (word.ptr[0] == names[k][0] && lam_sv_eq(word, lam_sv_of(names[k])))
            return k % 7 + 1;
    return 0;
}

static inline bool is(const struct lam_tokens *tokens, size_t i, const char *word)
{
    return lam_sv_eq(lam_folded(tokens, i), lam_sv_of(word));
}

static size_t end_of(const struct lam_tokens *tokens, size_t i)
{
    size_t end = tokens->tokens[i].end;

    if (end > tokens->tokens[i].start + 3 && tokens->text.ptr[end - 1] == 's' && tokens->text.ptr[end - 2] == '\'')
        end -= 2;
    return end;
}

static bool found(const struct lam_tokens *tokens, size_t first, size_t last, struct lam_entity *entity)
{
    entity->type = "date";
    entity->start = tokens->tokens[first].start;
    entity->end = end_of(tokens, last);
    return true;
}

/* Does the sentence tell of the future, within a few words before token i? */
static bool looks_ahead(const struct lam_tokens *tokens, size_t i)
{
    static const char *const names[] = {"will", "shall", "due",    "expires", "expire", "starts",
                                        "begins", "ends", "leaves", "arrives", "meet",   "meets"};

    for (size_t back = 1; back <= 7 && i >= tokens->title_count + back; back++) {
        struct lam_sv word = lam_folded(tokens, i - back);

        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (lam_sv_eq(word, lam_sv_of(names[k])))
                return true;
        if (word.len > 3 && !memcmp(word.ptr + word.len - 3, "'ll", 3))
            return true;
        if (tokens->tokens[i - back].gap & (LAM_GAP_STOP | LAM_GAP_PARA))
            return false;
    }
    return false;
}

/* 3 days ago · two weeks from now · a year ago: from the number on. */
static bool counted(const struct lam_tokens *tokens, size_t i, int64_t now_us, bool ahead, struct lam_entity *entity)
{
    size_t start = i, digits;
    unsigned value;
    enum unit unit;

    if (!lam_parted_by(tokens, i, " ") || !(unit = unit_of(lam_folded(tokens, i + 1))))
        return false;
    digits = lam_read_digits(tokens, tokens->tokens[i].start, 5, &value);
    if (digits ? tokens->tokens[i].start + digits != tokens->tokens[i].end : !(value = lam_number_word(lam_folded(tokens, i)))) {
        if (!is(tokens, i, "a") && !is(tokens, i, "an"))
            return false;
        value = 1;
    }
    if (value > NUMBER_MAX)
        return false;
    if (ahead && !looks_ahead(tokens, i - 1))
        return false; /* done in 3 days: how long, not when */
    if (ahead) { /* "in 3 days": the word before is part of it */
        found(tokens, start - 1, i + 1, entity);
        set_moved(entity, now_us, value, unit);
        return true;
    }
    if (!lam_parted_by(tokens, i + 1, " "))
        return false;
    if (is(tokens, i + 2, "ago") || is(tokens, i + 2, "earlier")) {
        found(tokens, start, i + 2, entity);
        set_moved(entity, now_us, -(int64_t)value, unit);
        return true;
    }
    if (is(tokens, i + 2, "from") && lam_parted_by(tokens, i + 2, " ") && (is(tokens, i + 3, "now") || is(tokens, i + 3, "today"))) {
        found(tokens, start, i + 3, entity);
        set_moved(entity, now_us, value, unit);
        return true;
    }
    return false;
}

static int64_t months_of(int64_t now_us)
{
    struct civil now = civil_of(floor_div(now_us, DAY_US));

    return now.year * 12 + now.month - 1;
}

/* last, next, this: by sign. What follows is a unit, a day of the week, or a month. */
static bool beside_now(const struct lam_tokens *tokens, size_t i, int64_t now_us, int sign, struct lam_entity *entity)
{
    int64_t today = floor_div(now_us, DAY_US), months, day;
    const struct lam_lex *lex;
    unsigned weekday;
    enum unit unit;

    if (!lam_parted_by(tokens, i, " ") || !(lex = tokens->terms[tokens->tokens[i + 1].term].lex))
        return false; /* units, days and months are all in the lexicon */
    months = months_of(now_us);
    if ((weekday = weekday_at(tokens, i + 1))) {
        day = today - weekday_of(today) + weekday - 1;
        day += sign < 0 && day >= today ? -7 : sign > 0 && day <= today ? 7 : 0;
        found(tokens, i, i + 1, entity);
        set_day(entity, day);
        return true;
    }
    if (is(tokens, i + 1, "weekend")) {
        found(tokens, i, i + 1, entity);
        set_day(entity, today - weekday_of(today) + 5 + 7 * sign);
        return true;
    }
    if (lex->flags & LAM_LEX_MONTH && tokens->tokens[i + 1].flags & LAM_TOKEN_UPPER &&
        !lam_is_digit(lam_at(tokens, tokens->tokens[i + 1].end + 1))) {
        int64_t month = months - months % 12 + lex->value - 1;

        month += sign < 0 && month >= months ? -12 : sign > 0 && month <= months ? 12 : 0;
        found(tokens, i, i + 1, entity);
        set_month(entity, month);
        return true;
    }
    if (!(unit = unit_of(lam_folded(tokens, i + 1))) || unit < WEEK)
        return false;
    if (lam_at(tokens, tokens->tokens[i + 1].end - 1) == 's' && lam_at(tokens, tokens->tokens[i + 1].end - 2) != '\'')
        return false; /* the next weeks */
    found(tokens, i, i + 1, entity);
    if (unit == WEEK) {
        set_week(entity, today + 7 * sign);
    } else if (unit == QUARTER) {
        months += 3 * sign;
        snprintf(entity->value, sizeof entity->value, "%04lld-Q%u", (long long)(months / 12), (unsigned)(months % 12) / 3 + 1);
    } else {
        set_moved(entity, now_us, sign, unit);
    }
    return true;
}

/* Words before a month or a year that make it a date: in August, since 1990. */
static bool time_word(const struct lam_tokens *tokens, size_t i)
{
    static const char *const names[] = {"in", "since", "until", "till", "from", "to", "by", "of", "during", "through", "before", "after",
                                        "early", "late", "mid", "least", "im", "seit", "bis", "en", "depuis"};
    struct lam_sv word;

    if (i <= tokens->title_count || !(lam_parted_by(tokens, i - 1, " ") || lam_parted_by(tokens, i - 1, "-")))
        return false;
    word = lam_folded(tokens, i - 1);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (word.ptr[0] == names[k][0] && lam_sv_eq(word, lam_sv_of(names[k])))
            return true;
    return false;
}

static bool year_alone(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start;
    unsigned year;

    if (tokens->tokens[i].end - start != 4 || lam_read_digits(tokens, start, 5, &year) != 4 || year < 1500 || year > 2199 ||
        !lam_ends_clean(tokens, start + 4) || lam_at(tokens, start + 4) == '%' || !time_word(tokens, i) || is(tokens, i - 1, "to"))
        return false;
    found(tokens, i, i, entity);
    snprintf(entity->value, sizeof entity->value, "%04u", year);
    return true;
}

static bool month_alone(const struct lam_tokens *tokens, size_t i, int64_t now_us, struct lam_entity *entity)
{
    const struct lam_lex *lex = tokens->terms[tokens->tokens[i].term].lex; /* a month's */
    int64_t months, month;

    if (!(tokens->tokens[i].flags & LAM_TOKEN_UPPER) || !time_word(tokens, i))
        return false;
    months = months_of(now_us);
    month = months - months % 12 + lex->value - 1;
    month += month - months > 6 ? -12 : months - month > 6 ? 12 : 0;
    found(tokens, i, i, entity);
    set_month(entity, month);
    return true;
}

static bool one_word(const struct lam_tokens *tokens, size_t i, int64_t now_us, struct lam_entity *entity)
{
    static const struct {
        const char *word;
        int days;
    } names[] = {{"yesterday", -1}, {"today", 0}, {"tonight", 0}, {"tomorrow", 1}, {"gestern", -1}, {"heute", 0}, {"übermorgen", 2},
                 {"vorgestern", -2}, {"hier", -1}, {"aujourd'hui", 0}, {"demain", 1}, {"ayer", -1}, {"hoy", 0}, {"mañana", 1}};
    struct lam_sv word = lam_folded(tokens, i);
    size_t end = end_of(tokens, i);

    if (end < tokens->tokens[i].end)
        word.len -= 2;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (word.len && word.ptr[0] == names[k].word[0] && lam_sv_eq(word, lam_sv_of(names[k].word))) {
            if (k >= 8 && tokens->tokens[i].flags & LAM_TOKEN_UPPER)
                return false;
            found(tokens, i, i, entity);
            set_day(entity, floor_div(now_us, DAY_US) + names[k].days);
            return true;
        }
    return false;
}

bool lam_match_relative(const struct lam_tokens *tokens, size_t i, int64_t now_us, struct lam_entity *entity)
{
    bool known = now_us > -DAY_US * 365 * 1900 && now_us < DAY_US * 365 * 7900;
    const struct lam_lex *lex = tokens->terms[tokens->tokens[i].term].lex;
    unsigned weekday;
    int64_t today;

    if (tokens->tokens[i].flags & LAM_TOKEN_DIGIT)
        return (known && counted(tokens, i, now_us, false, entity)) || year_alone(tokens, i, entity);
    if (!known || !lex || !(lex->flags & (LAM_LEX_TIME | LAM_LEX_NUMBER | LAM_LEX_MONTH)))
        return false;
    if (lex->flags & LAM_LEX_NUMBER)
        return counted(tokens, i, now_us, false, entity);
    if (lex->flags & LAM_LEX_MONTH && month_alone(tokens, i, now_us, entity))
        return true;
    if (is(tokens, i, "in"))
        return lam_parted_by(tokens, i, " ") && counted(tokens, i + 1, now_us, true, entity);
    if (is(tokens, i, "last"))
        return beside_now(tokens, i, now_us, -1, entity);
    if (is(tokens, i, "next"))
        return beside_now(tokens, i, now_us, 1, entity);
    if (is(tokens, i, "this"))
        return beside_now(tokens, i, now_us, 0, entity);
    if ((weekday = weekday_at(tokens, i))) {
        today = floor_div(now_us, DAY_US);
        found(tokens, i, i, entity);
        set_day(entity, today - (weekday_of(today) + 7 - (weekday - 1)) % 7);
        return true;
    }
    return one_word(tokens, i, now_us, entity);
}
