/*
 * Numbers as JSON writes them: 64-bit integers exactly, everything else as the nearest double.
 *
 * The text decides the kind: "1" is an integer, "1.0" and "1e0" are doubles. An integer beyond 64 bits becomes the nearest
 * double. Comparison is of the mathematical values, so 9007199254740993 and 9007199254740992.0 differ.
 */
#ifndef LAMINA_MODEL_NUMBER_H
#define LAMINA_MODEL_NUMBER_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"

enum lam_number_kind { LAM_NUMBER_I64, LAM_NUMBER_U64, LAM_NUMBER_DOUBLE };

struct lam_number {
    enum lam_number_kind kind; /* U64 only for what I64 does not hold */
    union {
        int64_t i64;
        uint64_t u64;
        double d; /* may be infinite: 1e999 */
    };
};

static inline struct lam_number lam_number_int(int64_t value) { return (struct lam_number){.kind = LAM_NUMBER_I64, .i64 = value}; }
static inline struct lam_number lam_number_double(double value) { return (struct lam_number){.kind = LAM_NUMBER_DOUBLE, .d = value}; }

/* The whole of text must be one number by the grammar of RFC 8259: LAM_E_INVALID. */
int lam_number_parse(struct lam_sv text, struct lam_number *number, struct lam_error *err);

/* <0, 0, >0 by value; a NaN is equal to itself and above all others, so that sorting is total. */
int lam_number_cmp(const struct lam_number *a, const struct lam_number *b);

double lam_number_as_double(const struct lam_number *number);

/*
 * As JSON: integers in decimal, doubles in the shortest form that reads back the same, with ".0" where it has no
 * fraction; null where not finite.
 */
int lam_number_add(struct lam_buf *buf, const struct lam_number *number, struct lam_error *err);

#endif
