/*
 * exp and log with the same bits on every platform: libm's differ from version to version, and answers must not. Only additions,
 * multiplications and divisions of doubles in a fixed order (the area is built without contraction). Good to about 1e-14.
 */
#ifndef LAMINA_AI_FMATH_H
#define LAMINA_AI_FMATH_H

#include <stdint.h>
#include <string.h>

static inline double lam_pow2i(int n) /* -1022..1023 */
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 0 below -700, held at exp(700) above. NaN gives 0. */
static inline double lam_exp(double x)
{
    const double log2e = 1.4426950408889634, ln2_hi = 6.93147180369123816490e-01, ln2_lo = 1.90821492927058770002e-10;
    double r, sum;
    int n;

    if (!(x >= -700))
        return 0;
    if (x > 700)
        x = 700;
    n = (int)(x * log2e + (x < 0 ? -0.5 : 0.5));
    r = (x - n * ln2_hi) - n * ln2_lo;
    sum = 1 + r / 13; /* Horner of the Taylor series: |r| <= 0.35 */
    for (int k = 12; k >= 1; k--)
        sum = 1 + r / k * sum;
    return sum * lam_pow2i(n);
}

/* x > 0 and finite; 0 for everything else. */
static inline double lam_log(double x)
{
    const double ln2 = 0.69314718055994531;
    uint64_t bits;
    double z, z2, sum;
    int n;

    if (!(x >= 2.3e-308) || x > 1.7e308)
        return 0;
    memcpy(&bits, &x, sizeof bits);
    n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
    memcpy(&x, &bits, sizeof x); /* 1..2 */
    if (x > 1.4142135623730951) {
        x *= 0.5;
        n++;
    }
    z = (x - 1) / (x + 1);
    z2 = z * z;
    sum = 0;
    for (int k = 19; k >= 1; k -= 2)
        sum = sum * z2 + 1.0 / k;
    return n * ln2 + 2 * z * sum;
}

/* log of a count: most are 1. */
static inline double lam_log_count(uint32_t count) { return count <= 1 ? 0 : lam_log(count); }

#endif
