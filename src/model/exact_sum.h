/*
 * A sum that is exact: of any number of 64-bit integers and doubles, in any order, over any partition, the same bits.
 *
 * Integers go into 128 bits. Doubles go into a long accumulator: a fixed-point number wide enough for every double at once, in
 * limbs of 32 bits kept in 64, so that carries are settled once in 2^30 additions. It is rounded once, at the end: to nearest,
 * ties to even, as math.fsum does. About 560 bytes each, no allocation. Two accumulators are compared by their results, not by bytes.
 */
#ifndef LAMINA_MODEL_EXACT_SUM_H
#define LAMINA_MODEL_EXACT_SUM_H

#include "number.h"

#define LAM_EXACT_LIMBS 69 /* 2^-1074 to 2^1023, and 64 bits for the number of addends */

struct lam_exact_sum {
    __int128 integer;
    uint64_t doubles;        /* how many were added */
    uint64_t plus_inf, minus_inf, nan;
    uint64_t pending;        /* additions since carries were settled */
    int64_t limb[LAM_EXACT_LIMBS]; /* limb[i] counts 2^(32 i - 1074) */
};

void lam_exact_init(struct lam_exact_sum *sum);
void lam_exact_add(struct lam_exact_sum *sum, const struct lam_number *number);
void lam_exact_add_int(struct lam_exact_sum *sum, int64_t value);
void lam_exact_add_double(struct lam_exact_sum *sum, double value);

/* Adds other to sum; other is settled, its value stays. */
void lam_exact_merge(struct lam_exact_sum *sum, struct lam_exact_sum *other);

/* All that was added, correctly rounded. NaN where a NaN, or infinities of both signs, were. */
double lam_exact_double(const struct lam_exact_sum *sum);

/* True where only integers were added: then *integer is the sum itself. */
bool lam_exact_integer(const struct lam_exact_sum *sum, __int128 *integer);

/* As JSON: the integer in full where only integers were added, else the double; null where it is not finite. */
int lam_exact_add_text(struct lam_buf *buf, const struct lam_exact_sum *sum, struct lam_error *err);

/* Bytes for another rank, and back (LAM_E_CORRUPT). *bytes moves behind what was read. */
int lam_exact_encode(struct lam_buf *buf, struct lam_exact_sum *sum, struct lam_error *err);
int lam_exact_decode(struct lam_sv *bytes, struct lam_exact_sum *sum, struct lam_error *err);

#endif
