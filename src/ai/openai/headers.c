#include "headers.h"

#include <stdio.h>
#include <strings.h>

#define DAY_MS INT64_C(86400000) /* nobody waits longer, whatever a header says */

void lam_llm_headers_init(struct lam_llm_headers *headers)
{
    headers->retry_after_ms = headers->limit_requests = headers->remaining_requests = headers->reset_requests_ms = LAM_LLM_HEADER_NONE;
    headers->limit_tokens = headers->remaining_tokens = headers->reset_tokens_ms = LAM_LLM_HEADER_NONE;
    headers->should_retry = -1;
    headers->json = true;
    headers->event_stream = false;
    headers->location[0] = '\0';
    headers->location_cut = false;
    headers->retry_rank = 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits with an optional fraction, in thousandths; bytes read, 0: none. Large numbers stay at a day of seconds. */
static size_t read_thousandths(struct lam_sv text, int64_t *out)
{
    int64_t value = 0, unit = 100;
    size_t i = 0;

    for (; i < text.len && is_digit(text.ptr[i]); i++)
        value = value > DAY_MS ? value : value * 10 + (text.ptr[i] - '0');
    if (i == 0)
        return 0;
    value *= 1000;
    if (i < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && is_digit(text.ptr[i]); i++, unit /= 10)
            value += (text.ptr[i] - '0') * unit;
    *out = value;
    return i;
}

static bool read_integer(struct lam_sv text, int64_t *out)
{
    bool negative = text.len && text.ptr[0] == '-';
    int64_t value;
    size_t n = read_thousandths(lam_sv(text.ptr + negative, text.len - negative), &value);

    if (n == 0 || n + negative != text.len)
        return false;
    *out = (negative ? -value : value) / 1000;
    return true;
}

bool lam_llm_duration_parse(struct lam_sv text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"d", DAY_MS}, {"h", 3600000}, {"m", 60000}, {"s", 1000}}; /* ms before m */
    int64_t sum = 0, value;
    size_t n = read_thousandths(text, &value);

    if (n && n == text.len) {
        *ms = value < DAY_MS ? value : DAY_MS;
        return true;
    }
    while (text.len) {
        size_t u = 0;

        if (!(n = read_thousandths(text, &value)))
            return false;
        text = lam_sv(text.ptr + n, text.len - n);
        while (u < 5 && !(text.len >= strlen(units[u].unit) && memcmp(text.ptr, units[u].unit, strlen(units[u].unit)) == 0))
            u++;
        if (u == 5)
            return false;
        n = strlen(units[u].unit);
        text = lam_sv(text.ptr + n, text.len - n);
        sum += value < DAY_MS * 1000 / units[u].ms ? value * units[u].ms / 1000 : DAY_MS;
        if (text.len == 0) {
            *ms = sum < DAY_MS ? sum : DAY_MS;
            return true;
        }
    }
    return false;
}

static int64_t days_of(int64_t year, int month, int day)
{
    int64_t era;

    year -= month <= 2;
    era = year / 400;
    return era * 146097 + (year - era * 400) * 365 + (year - era * 400) / 4 - (year - era * 400) / 100 + (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1 - 719468;
}

/* "Sun, 22 Nov 2026 18:05:01 GMT", and the two that RFC 9110 has for old servers: "Sunday, 22-Nov-26 18:05:01 GMT", "Sun Nov 22 18:05:01 2026". */
static bool read_date(struct lam_sv text, int64_t *seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char copy[40], name[4] = "";
    const char *month;
    int day, year, h, m, s;

    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (sscanf(copy, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d", &day, name, &year, &h, &m, &s) == 6)
        year += year < 70 ? 2000 : 1900;
    else if (sscanf(copy, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d", &day, name, &year, &h, &m, &s) != 6 &&
             sscanf(copy, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d", name, &day, &h, &m, &s, &year) != 6)
        return false;
    if (strlen(name) != 3 || !(month = strstr(months, name)) || (month - months) % 3 || day < 1 || year < 1970)
        return false;
    *seconds = days_of(year, (int)(month - months) / 3 + 1, day) * 86400 + h * 3600 + m * 60 + s;
    return true;
}

/* A better header replaces a worse one, in whichever order they come: ms, the standard one, a proxy's copy of its backend's. */
static void retry_after(struct lam_llm_headers *headers, struct lam_sv value, uint8_t rank, bool milliseconds, int64_t wall_us)
{
    int64_t wait_ms, at_s;

    if (rank < headers->retry_rank || !value.len)
        return;
    if (read_thousandths(value, &wait_ms) == value.len)
        wait_ms = milliseconds ? wait_ms / 1000 : wait_ms;
    else if (read_date(value, &at_s))
        wait_ms = at_s * 1000 - wall_us / 1000;
    else
        return;
    headers->retry_after_ms = wait_ms < 0 ? 0 : wait_ms < DAY_MS ? wait_ms : DAY_MS;
    headers->retry_rank = rank;
}

/* -1 and the like have been seen: no information. */
static void count_of(int64_t *out, struct lam_sv value)
{
    int64_t number;

    if (read_integer(value, &number) && number >= 0)
        *out = number;
}

static bool is(struct lam_sv name, const char *what) { return name.len == strlen(what) && strncasecmp(name.ptr, what, name.len) == 0; }

static bool holds(struct lam_sv value, const char *what)
{
    size_t len = strlen(what);

    for (size_t i = 0; i + len <= value.len; i++)
        if (!strncasecmp(value.ptr + i, what, len))
            return true;
    return false;
}

static void rate_limit(struct lam_llm_headers *headers, struct lam_sv name, struct lam_sv value)
{
    if (is(name, "x-ratelimit-limit-requests"))
        count_of(&headers->limit_requests, value);
    else if (is(name, "x-ratelimit-remaining-requests"))
        count_of(&headers->remaining_requests, value);
    else if (is(name, "x-ratelimit-reset-requests"))
        lam_llm_duration_parse(value, &headers->reset_requests_ms);
    else if (is(name, "x-ratelimit-limit-tokens"))
        count_of(&headers->limit_tokens, value);
    else if (is(name, "x-ratelimit-remaining-tokens"))
        count_of(&headers->remaining_tokens, value);
    else if (is(name, "x-ratelimit-reset-tokens"))
        lam_llm_duration_parse(value, &headers->reset_tokens_ms);
}

void lam_llm_headers_add(struct lam_llm_headers *headers, struct lam_sv line, int64_t wall_us)
{
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    struct lam_sv name, value;

    if (!colon || !strchr("cClLrRxX", line.ptr[0])) /* most lines are of no interest: told by their first letter */
        return;
    name = lam_sv(line.ptr, (size_t)(colon - line.ptr));
    value = lam_sv(colon + 1, line.len - name.len - 1);
    while (value.len && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
        value = lam_sv(value.ptr + 1, value.len - 1);
    while (value.len && strchr("\r\n \t", value.ptr[value.len - 1]))
        value.len--;
    if (is(name, "content-type")) {
        headers->json = holds(value, "json");
        headers->event_stream = holds(value, "event-stream");
    } else if (is(name, "retry-after-ms")) {
        retry_after(headers, value, 3, true, wall_us);
    } else if (is(name, "retry-after")) {
        retry_after(headers, value, 2, false, wall_us);
    } else if (is(name, "llm_provider-retry-after")) {
        retry_after(headers, value, 1, false, wall_us);
    } else if (is(name, "x-should-retry")) {
        headers->should_retry = is(value, "true") ? 1 : is(value, "false") ? 0 : -1;
    } else if (is(name, "location")) {
        headers->location_cut = value.len >= sizeof headers->location;
        if (headers->location_cut)
            value.len = sizeof headers->location - 1;
        memcpy(headers->location, value.ptr, value.len);
        headers->location[value.len] = '\0';
    } else if (name.len > 12 && (name.ptr[0] | 0x20) == 'x') {
        rate_limit(headers, name, value);
    }
}
