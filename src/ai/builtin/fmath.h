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
    static const double inverse[] = {0,       1.0,     1.0 / 2, 1.0 / 3,  1.0 / 4,  1.0 / 5,  1.0 / 6,
                                     1.0 / 7, 1.0 / 8, 1.0 / 9, 1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13};
    const double log2e = 1.4426950408889634, ln2_hi = 6.93147180369123816490e-01, ln2_lo = 1.90821492927058770002e-10;
    double r, sum;
    int n;

    if (!(x >= -700))
        return 0;
    if (x > 700)
        x = 700;
    n = (int)(x * log2e + (x < 0 ? -0.5 : 0.5));
    r = (x - n * ln2_hi) - n * ln2_lo;
    sum = 1 + r * inverse[13]; /* Horner of the Taylor series: |r| <= 0.35 */
    for (int k = 12; k >= 1; k--)
        sum = 1 + r * inverse[k] * sum;
    return sum * lam_pow2i(n);
}

/* x > 0 and finite; 0 for everything else. */
static inline double lam_log(double x)
{
    const double ln2 = 0.69314718055994531;
    static const double inverse[] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,
                                     1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19}; /* a division each would be most of the time */
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
    for (int k = 9; k >= 0; k--)
        sum = sum * z2 + inverse[k];
    return n * ln2 + 2 * z * sum;
}

/* log of a count: most are small. */
static inline double lam_log_count(uint32_t count)
{
    static const double logs[32] = {
        0, 0, 0.6931471805599453, 1.0986122886681098, 1.3862943611198906, 1.6094379124341003, 1.791759469228055,
        1.9459101490553132, 2.0794415416798357, 2.1972245773362196, 2.302585092994046, 2.3978952727983707,
        2.4849066497880004, 2.5649493574615367, 2.6390573296152584, 2.70805020110221, 2.772588722239781,
        2.833213344056216, 2.8903717578961645, 2.9444389791664403, 2.995732273553991, 3.044522437723423,
        3.091042453358316, 3.1354942159291497, 3.1780538303479458, 3.2188758248682006, 3.258096538021482,
        3.295836866004329, 3.332204510175204, 3.367295829986474, 3.4011973816621555, 3.4339872044851463};

    return count < 32 ? logs[count] : lam_log(count);
}

#endif
