/*
 * The inner loops over many labels and sentences. With AVX2, where the processor has it (asked at run time), else one by one. Each sum
 * has its own place and its own order, and nothing is contracted, so that both give the same bits.
 */
#ifndef LAMINA_AI_VECTOR_H
#define LAMINA_AI_VECTOR_H

#include <stddef.h>

/* sums[i] += factor * values[i] */
void lam_add_scaled(double *sums, const float *values, double factor, size_t count);

/* sums[i] += factor * values[i], in double, rounded to a float. */
void lam_add_rounded(float *sums, const double *values, double factor, size_t count);

/* The versions without vectors, for the test that compares them. */
void lam_add_scaled_portable(double *sums, const float *values, double factor, size_t count);
void lam_add_rounded_portable(float *sums, const double *values, double factor, size_t count);

#endif
