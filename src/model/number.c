#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 400 /* of a number that is read without malloc */

/* The length of the number that text begins with by RFC 8259's grammar, 0 where it begins with none; *integer: no fraction, no exponent. */
static size_t scan(struct lam_sv text, bool *integer)
{
    size_t i = text.len > 0 && text.ptr[0] == '-', start = i;

#define DIGIT_AT(k) ((k) < text.len && text.ptr[k] >= '0' && text.ptr[k] <= '9')
    *integer = true;
    while (DIGIT_AT(i))
        i++;
    if (i == start || (text.ptr[start] == '0' && i > start + 1))
        return 0;
    if (i < text.len && text.ptr[i] == '.') {
        *integer = false;
        for (start = ++i; DIGIT_AT(i);)
            i++;
        if (i == start)
            return 0;
    }
    if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
        *integer = false;
        i++;
        if (i < text.len && (text.ptr[i] == '+' || text.ptr[i] == '-'))
            i++;
        for (start = i; DIGIT_AT(i);)
            i++;
        if (i == start)
            return 0;
    }
    return i;
#undef DIGIT_AT
}

/* strtod needs a NUL; glibc's is correctly rounded, however many digits there are. */
static int parse_double(struct lam_sv text, double *d, struct lam_error *err)
{
    char small[DIGITS_MAX], *copy = text.len < sizeof small ? small : malloc(text.len + 1);

    if (!copy)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a number of %zu digits", text.len);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *d = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return 0;
}

/* An integer of at most 20 digits, where it fits 64 bits. */
static bool parse_integer(struct lam_sv text, struct lam_number *number)
{
    bool negative = text.ptr[0] == '-';
    uint64_t value = 0;

    for (size_t i = negative; i < text.len; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value))
            return false;
    if (negative && value > (uint64_t)INT64_MAX + 1)
        return false;
    if (!negative && value > INT64_MAX)
        *number = (struct lam_number){.kind = LAM_NUMBER_U64, .u64 = value};
    else
        *number = lam_number_int(negative ? (int64_t)(0 - value) : (int64_t)value);
    return true;
}

int lam_number_parse(struct lam_sv text, struct lam_number *number, struct lam_error *err)
{
    bool integer;
    double d;
    int rc;

    if (text.len == 0 || scan(text, &integer) != text.len)
        return LAM_FAIL(err, LAM_E_INVALID, "'%.*s' is no number", (int)(text.len < 40 ? text.len : 40), text.len ? text.ptr : "");
    if (integer && parse_integer(text, number))
        return 0;
    if ((rc = parse_double(text, &d, err)))
        return rc;
    *number = lam_number_double(d);
    return 0;
}

double lam_number_as_double(const struct lam_number *number)
{
    switch (number->kind) {
    case LAM_NUMBER_I64:
        return (double)number->i64;
    case LAM_NUMBER_U64:
        return (double)number->u64;
    default:
        return number->d;
    }
}

static __int128 wide(const struct lam_number *number)
{
    return number->kind == LAM_NUMBER_I64 ? (__int128)number->i64 : (__int128)number->u64;
}

/* An integer against a double, exactly: the double's whole part fits 128 bits wherever the two are close. */
static int cmp_integer_double(__int128 n, double d)
{
    __int128 whole;
    double fraction;

    if (isnan(d) || d >= 0x1p65)
        return -1;
    if (d <= -0x1p65)
        return 1;
    whole = (__int128)d; /* towards zero */
    fraction = d - (double)whole;
    if (n != whole)
        return n < whole ? -1 : 1;
    return fraction > 0 ? -1 : fraction < 0;
}

int lam_number_cmp(const struct lam_number *a, const struct lam_number *b)
{
    if (a->kind != LAM_NUMBER_DOUBLE && b->kind != LAM_NUMBER_DOUBLE)
        return (wide(a) > wide(b)) - (wide(a) < wide(b));
    if (a->kind != LAM_NUMBER_DOUBLE)
        return cmp_integer_double(wide(a), b->d);
    if (b->kind != LAM_NUMBER_DOUBLE)
        return -cmp_integer_double(wide(b), a->d);
    if (isnan(a->d) || isnan(b->d))
        return !!isnan(a->d) - !!isnan(b->d);
    return (a->d > b->d) - (a->d < b->d);
}

int lam_number_add(struct lam_buf *buf, const struct lam_number *number, struct lam_error *err)
{
    char text[40];

    if (number->kind == LAM_NUMBER_I64)
        return lam_buf_addf(buf, err, "%lld", (long long)number->i64);
    if (number->kind == LAM_NUMBER_U64)
        return lam_buf_addf(buf, err, "%llu", (unsigned long long)number->u64);
    if (!isfinite(number->d))
        return lam_buf_add(buf, "null", 4, err);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number->d);
        if (strtod(text, NULL) == number->d)
            break;
    }
    return lam_buf_addf(buf, err, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}
