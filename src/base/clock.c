#include "clock.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t wall(void *arg) { return (void)arg, now_us(CLOCK_REALTIME); }
static int64_t mono(void *arg) { return (void)arg, now_us(CLOCK_MONOTONIC); }

const struct lam_clock lam_clock_system = {wall, mono, NULL};

void lam_time_format(int64_t time_us, char text[LAM_TIME_TEXT])
{
    int64_t fraction = ((time_us % 1000000) + 1000000) % 1000000;
    time_t seconds = (time_t)(time_us / 1000000 - (time_us % 1000000 < 0)); /* rounded down; no subtraction that INT64_MIN overflows */
    struct tm tm;
    size_t len;

    if (time_us == LAM_TIME_NONE || !gmtime_r(&seconds, &tm)) {
        snprintf(text, LAM_TIME_TEXT, "none");
        return;
    }
    len = strftime(text, LAM_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction)
        len += (size_t)snprintf(text + len, LAM_TIME_TEXT - len, ".%06d", (int)fraction);
    snprintf(text + len, LAM_TIME_TEXT - len, "Z");
}

/* A run of 1 to most digits; -1 where there is none. Moves *p behind it. */
static int64_t digits(const char **p, const char *end, int most)
{
    int64_t value = 0;
    const char *start = *p;

    while (*p < end && *p - start < most && isdigit((unsigned char)**p))
        value = value * 10 + (*(*p)++ - '0');
    return *p > start ? value : -1;
}

int64_t lam_time_of_integer(int64_t n)
{
    int64_t size = n < 0 ? -n : n;

    if (size < 100000000000) /* seconds, until the year 5138 */
        return n * 1000000;
    if (size < 100000000000000)
        return n * 1000;
    return size < 100000000000000000 ? n : n / 1000;
}

static bool all_digits(struct lam_sv text)
{
    size_t i = text.len > 1 && text.ptr[0] == '-';

    if (text.len - i < 5 || text.len - i > 18) /* four digits are a year, not a number of seconds */
        return false;
    for (; i < text.len; i++)
        if (!isdigit((unsigned char)text.ptr[i]))
            return false;
    return true;
}

static bool parse_clock(const char **p, const char *end, struct tm *tm, int64_t *fraction_us)
{
    int64_t hour = digits(p, end, 2), minute, second = 0;

    if (hour < 0 || hour > 23 || *p >= end || *(*p)++ != ':' || (minute = digits(p, end, 2)) < 0 || minute > 59)
        return false;
    if (*p < end && **p == ':') {
        ++*p;
        if ((second = digits(p, end, 2)) < 0 || second > 60)
            return false;
    }
    if (*p < end && (**p == '.' || **p == ',')) {
        int64_t unit = 100000;

        for (++*p; *p < end && isdigit((unsigned char)**p); ++*p, unit /= 10)
            *fraction_us += (**p - '0') * unit;
    }
    tm->tm_hour = (int)hour;
    tm->tm_min = (int)minute;
    tm->tm_sec = (int)second;
    return true;
}

static bool parse_zone(const char **p, const char *end, int64_t *offset_s)
{
    int64_t hour, minute = 0;
    int sign;

    *offset_s = 0;
    while (*p < end && **p == ' ')
        ++*p;
    if (*p == end)
        return true;
    if (**p == 'Z' || **p == 'z')
        return ++*p == end;
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if ((hour = digits(p, end, 2)) < 0 || hour > 15)
        return false;
    if (*p < end && **p == ':')
        ++*p;
    if (*p < end && ((minute = digits(p, end, 2)) < 0 || minute > 59))
        return false;
    *offset_s = sign * (hour * 3600 + minute * 60);
    return *p == end;
}

int lam_time_parse(struct lam_sv text, int64_t *time_us, struct lam_error *err)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    struct tm tm = {0};
    int64_t year, month, day, fraction_us = 0, offset_s = 0;
    char separator;

    if (all_digits(text)) {
        int64_t n = 0;
        bool negative = *p == '-';

        p += negative;
        n = digits(&p, end, 18);
        *time_us = lam_time_of_integer(negative ? -n : n);
        return 0;
    }
    if ((year = digits(&p, end, 4)) < 0 || p - text.ptr != 4 || p >= end || ((separator = *p) != '-' && separator != '/'))
        goto invalid;
    p++;
    if ((month = digits(&p, end, 2)) < 1 || month > 12 || p >= end || *p++ != separator || (day = digits(&p, end, 2)) < 1 || day > 31)
        goto invalid;
    if (p < end) {
        if ((*p != 'T' && *p != 't' && *p != ' ') || (p++, !parse_clock(&p, end, &tm, &fraction_us)) || !parse_zone(&p, end, &offset_s))
            goto invalid;
    }
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    int64_t seconds = (int64_t)timegm(&tm);
    if (tm.tm_mday != (int)day) /* timegm made 31 April the 1st of May */
        goto invalid;
    *time_us = (seconds - offset_s) * 1000000 + fraction_us;
    return 0;
invalid:
    return LAM_FAIL(err, LAM_E_INVALID, "'%.*s' is no time: expected ISO 8601, or a number since 1970 of at least five digits",
                    (int)(text.len < 40 ? text.len : 40), text.len ? text.ptr : "");
}
