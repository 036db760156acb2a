#include "vector.h"

void lam_add_scaled_portable(double *sums, const float *values, double factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += factor * values[i];
}

void lam_add_rounded_portable(float *sums, const double *values, double factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sums[i] = (float)(sums[i] + factor * values[i]);
}

#if defined __x86_64__

#include <immintrin.h>

__attribute__((target("avx2"))) static void add_scaled_avx2(double *sums, const float *values, double factor, size_t count)
{
    __m256d factors = _mm256_set1_pd(factor);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        __m256d products = _mm256_mul_pd(factors, _mm256_cvtps_pd(_mm_loadu_ps(values + i)));

        _mm256_storeu_pd(sums + i, _mm256_add_pd(_mm256_loadu_pd(sums + i), products));
    }
    lam_add_scaled_portable(sums + i, values + i, factor, count - i);
}

void lam_add_scaled(double *sums, const float *values, double factor, size_t count)
{
    if (__builtin_cpu_supports("avx2"))
        add_scaled_avx2(sums, values, factor, count);
    else
        lam_add_scaled_portable(sums, values, factor, count);
}

__attribute__((target("avx2"))) static void add_rounded_avx2(float *sums, const double *values, double factor, size_t count)
{
    __m256d factors = _mm256_set1_pd(factor);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        __m256d products = _mm256_mul_pd(factors, _mm256_loadu_pd(values + i));

        _mm_storeu_ps(sums + i, _mm256_cvtpd_ps(_mm256_add_pd(_mm256_cvtps_pd(_mm_loadu_ps(sums + i)), products)));
    }
    lam_add_rounded_portable(sums + i, values + i, factor, count - i);
}

void lam_add_rounded(float *sums, const double *values, double factor, size_t count)
{
    if (__builtin_cpu_supports("avx2"))
        add_rounded_avx2(sums, values, factor, count);
    else
        lam_add_rounded_portable(sums, values, factor, count);
}

#else

void lam_add_scaled(double *sums, const float *values, double factor, size_t count)
{
    lam_add_scaled_portable(sums, values, factor, count);
}

void lam_add_rounded(float *sums, const double *values, double factor, size_t count)
{
    lam_add_rounded_portable(sums, values, factor, count);
}

#endif
