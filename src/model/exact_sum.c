/*
 * The long accumulator: a double is m · 2^e with m below 2^53, so it touches three limbs of 32 bits at most. Limbs are
 * signed and wide, so that a carry need not travel at once; settling makes every limb but the highest 0 .. 2^32-1, and
 * that form is unique for a value.
 */
#include "exact_sum.h"

#include <math.h>
#include <string.h>

#define SETTLE_AFTER ((uint64_t)1 << 30) /* each addition adds less than 2^32 to a limb: 2^62 at most, and the limb holds 2^63 */
#define LOWEST 1074                      /* limb 0 counts 2^-1074 */

void lam_exact_init(struct lam_exact_sum *sum) { memset(sum, 0, sizeof *sum); }

static void settle(struct lam_exact_sum *sum)
{
    int64_t carry = 0;

    for (int i = 0; i < LAM_EXACT_LIMBS - 1; i++) {
        int64_t value = sum->limb[i] + carry;

        carry = value >> 32; /* towards minus infinity: what stays is not negative */
        sum->limb[i] = value & 0xffffffff;
    }
    sum->limb[LAM_EXACT_LIMBS - 1] += carry;
    sum->pending = 0;
}

/* Adds sign · m · 2^(bit - 1074). */
static void add_bits(struct lam_exact_sum *sum, uint64_t m, int bit, bool negative)
{
    int first = bit / 32, shift = bit % 32;
    unsigned __int128 wide = (unsigned __int128)m << shift;

    for (int i = 0; i < 3; i++, wide >>= 32) {
        int64_t part = (int64_t)(uint32_t)wide;

        sum->limb[first + i] += negative ? -part : part;
    }
    if (++sum->pending >= SETTLE_AFTER)
        settle(sum);
}

static void add_finite(struct lam_exact_sum *sum, double value)
{
    uint64_t bits, m;
    int exponent;

    memcpy(&bits, &value, sizeof bits);
    m = bits & (((uint64_t)1 << 52) - 1);
    exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent)
        m |= (uint64_t)1 << 52;
    if (m)
        add_bits(sum, m, exponent ? exponent - 1 : 0, bits >> 63); /* the lowest exponent, 1, and a subnormal count 2^-1074 */
}

void lam_exact_add_int(struct lam_exact_sum *sum, int64_t value) { sum->integer += value; }

void lam_exact_add_double(struct lam_exact_sum *sum, double value)
{
    sum->doubles++;
    if (isnan(value))
        sum->nan++;
    else if (isinf(value))
        *(value > 0 ? &sum->plus_inf : &sum->minus_inf) += 1;
    else
        add_finite(sum, value);
}

void lam_exact_add(struct lam_exact_sum *sum, const struct lam_number *number)
{
    if (number->kind == LAM_NUMBER_I64)
        sum->integer += number->i64;
    else if (number->kind == LAM_NUMBER_U64)
        sum->integer += number->u64;
    else
        lam_exact_add_double(sum, number->d);
}

void lam_exact_merge(struct lam_exact_sum *sum, struct lam_exact_sum *other)
{
    settle(sum);
    settle(other);
    sum->integer += other->integer;
    sum->doubles += other->doubles;
    sum->plus_inf += other->plus_inf;
    sum->minus_inf += other->minus_inf;
    sum->nan += other->nan;
    for (int i = 0; i < LAM_EXACT_LIMBS; i++)
        sum->limb[i] += other->limb[i];
    settle(sum);
}

static bool bit(const int64_t *limb, int i) { return limb[i / 32] >> i % 32 & 1; }

/* The settled, non-negative limbs as a double: nearest, ties to even. Bit i counts 2^(i - 1074). */
static double round_limbs(const int64_t *limb)
{
    int top = LAM_EXACT_LIMBS - 1, high, low;
    uint64_t m = 0;

    while (top >= 0 && limb[top] == 0)
        top--;
    if (top < 0)
        return 0.0;
    high = top * 32 + 63 - __builtin_clzll((uint64_t)limb[top]); /* the highest bit that is set */
    low = high > 52 ? high - 52 : 0;                              /* the lowest of the 53 that a double keeps */
    for (int i = high; i >= low; i--)
        m = m << 1 | bit(limb, i);
    if (low > 0 && bit(limb, low - 1)) { /* at least half: up, unless it is exactly half and m is even */
        bool more = m & 1;

        for (int i = 0; i < (low - 1) / 32 && !more; i++)
            more = limb[i] != 0;
        for (int i = (low - 1) / 32 * 32; i < low - 1 && !more; i++)
            more = bit(limb, i);
        m += more;
    }
    return ldexp((double)m, low - LOWEST); /* m is at most 2^53: exact, or infinite beyond the largest double */
}

double lam_exact_double(const struct lam_exact_sum *sum)
{
    struct lam_exact_sum all = *sum;
    unsigned __int128 size = (unsigned __int128)(sum->integer < 0 ? -sum->integer : sum->integer);
    bool negative;

    if (sum->nan || (sum->plus_inf && sum->minus_inf))
        return NAN;
    if (sum->plus_inf || sum->minus_inf)
        return sum->plus_inf ? INFINITY : -INFINITY;
    for (int i = 0; i < 4; i++, size >>= 32)
        add_bits(&all, (uint32_t)size, LOWEST + 32 * i, sum->integer < 0);
    settle(&all);
    negative = all.limb[LAM_EXACT_LIMBS - 1] < 0;
    if (negative) {
        for (int i = 0; i < LAM_EXACT_LIMBS; i++)
            all.limb[i] = -all.limb[i];
        settle(&all);
    }
    return negative ? -round_limbs(all.limb) : round_limbs(all.limb);
}

bool lam_exact_integer(const struct lam_exact_sum *sum, __int128 *integer)
{
    if (sum->doubles)
        return false;
    *integer = sum->integer;
    return true;
}

int lam_exact_add_text(struct lam_buf *buf, const struct lam_exact_sum *sum, struct lam_error *err)
{
    unsigned __int128 size = (unsigned __int128)(sum->integer < 0 ? -sum->integer : sum->integer);
    char text[48], *p = text + sizeof text;
    struct lam_number number;

    if (sum->doubles) {
        number = lam_number_double(lam_exact_double(sum));
        return lam_number_add(buf, &number, err);
    }
    do
        *--p = (char)('0' + (int)(size % 10));
    while (size /= 10);
    if (sum->integer < 0)
        *--p = '-';
    return lam_buf_add(buf, p, (size_t)(text + sizeof text - p), err);
}

/*
 * integer u128, doubles, plus_inf, minus_inf, nan: u64 each; then u8 first, u8 count and the limbs that are not 0, i64
 * each. Little-endian: of the same machine or one like it.
 */
int lam_exact_encode(struct lam_buf *buf, struct lam_exact_sum *sum, struct lam_error *err)
{
    uint64_t head[6];
    uint8_t range[2] = {0, 0};
    int first = 0, end = LAM_EXACT_LIMBS, rc;

    settle(sum);
    while (first < end && !sum->limb[first])
        first++;
    while (end > first && !sum->limb[end - 1])
        end--;
    head[0] = (uint64_t)sum->integer;
    head[1] = (uint64_t)((unsigned __int128)sum->integer >> 64);
    head[2] = sum->doubles;
    head[3] = sum->plus_inf;
    head[4] = sum->minus_inf;
    head[5] = sum->nan;
    range[0] = (uint8_t)first;
    range[1] = (uint8_t)(end - first);
    if ((rc = lam_buf_reserve(buf, sizeof head + 2 + (size_t)range[1] * 8, err)))
        return rc;
    if ((rc = lam_buf_add(buf, head, sizeof head, err)) || (rc = lam_buf_add(buf, range, 2, err)))
        return rc;
    return lam_buf_add(buf, sum->limb + first, (size_t)range[1] * 8, err);
}

int lam_exact_decode(struct lam_sv *bytes, struct lam_exact_sum *sum, struct lam_error *err)
{
    uint64_t head[6];
    uint8_t range[2];
    size_t len = sizeof head + 2;

    lam_exact_init(sum);
    if (bytes->len < len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a sum ends after %zu bytes", bytes->len);
    memcpy(head, bytes->ptr, sizeof head);
    memcpy(range, bytes->ptr + sizeof head, 2);
    if (range[0] + range[1] > LAM_EXACT_LIMBS || bytes->len < len + (size_t)range[1] * 8)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a sum has limbs %u to %u in %zu bytes", range[0], range[0] + range[1], bytes->len);
    sum->integer = (__int128)((unsigned __int128)head[1] << 64 | head[0]);
    sum->doubles = head[2];
    sum->plus_inf = head[3];
    sum->minus_inf = head[4];
    sum->nan = head[5];
    memcpy(sum->limb + range[0], bytes->ptr + len, (size_t)range[1] * 8);
    for (int i = 0; i < LAM_EXACT_LIMBS; i++)
        if (sum->limb[i] >> 32 && (i < LAM_EXACT_LIMBS - 1 || sum->limb[i] != -1))
            return LAM_FAIL(err, LAM_E_CORRUPT, "limb %d of a sum is not settled", i);
    len += (size_t)range[1] * 8;
    *bytes = lam_sv(bytes->ptr + len, bytes->len - len);
    return 0;
}
