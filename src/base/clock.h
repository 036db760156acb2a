/*
 * Time. Wall time is microseconds since 1970 (UTC) and may jump: it dates things. Monotonic time is for deadlines.
 * Both go through a struct lam_clock, so that a simulator can own them.
 */
#ifndef LAMINA_BASE_CLOCK_H
#define LAMINA_BASE_CLOCK_H

#include <lamina/error.h>
#include <lamina/sv.h>

#define LAM_TIME_NONE INT64_MIN /* no time was given: sorts before every other */
#define LAM_TIME_TEXT 32        /* bytes of "2026-11-22T19:48:51.000000Z" and its NUL, with room to spare */

struct lam_clock {
    int64_t (*wall_us)(void *arg);
    int64_t (*mono_us)(void *arg);
    void *arg;
};

extern const struct lam_clock lam_clock_system;

static inline int64_t lam_wall_us(const struct lam_clock *clock) { return clock->wall_us(clock->arg); }
static inline int64_t lam_mono_us(const struct lam_clock *clock) { return clock->mono_us(clock->arg); }

/* ISO 8601 in UTC; microseconds only where there are some. */
void lam_time_format(int64_t time_us, char text[LAM_TIME_TEXT]);

/*
 * Reads a time: ISO 8601 date, or date and time with T or a blank, a fraction, and Z or an offset (none is UTC);
 * dates such as 2019/9/8; or an integer of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size, in five digits or more: four
 * are a year.
 * Returns LAM_E_INVALID and leaves *time_us alone where it is none of these.
 */
int lam_time_parse(struct lam_sv text, int64_t *time_us, struct lam_error *err);

/* An integer since 1970 by its size, as above, however few digits it has: where it is known to be one, and not a year. |n| is below LAM_TIME_INTEGER_MAX. */
#define LAM_TIME_INTEGER_MAX INT64_C(1000000000000000000)
int64_t lam_time_of_integer(int64_t n);

#endif
