/*
 * The first look at a text: which bytes are ASCII letters and digits, one bit each, and the text with its ASCII letters in lower case.
 * Tokens are then runs of bits. With AVX2, where the processor has it (asked at run time), else byte by byte; both give the same.
 */
#ifndef LAMINA_AI_SCAN_H
#define LAMINA_AI_SCAN_H

#include <stddef.h>
#include <stdint.h>

struct lam_scan_bits { /* of 64 bytes, the first is bit 0 */
    uint64_t word;     /* an ASCII letter or digit */
    uint64_t upper, digit;
};

/* How many entries lam_scan fills: one more than needed, all zero, so that a run may be read over the end. */
static inline size_t lam_scan_entries(size_t len) { return len / 64 + 2; }

/* bits: lam_scan_entries(len). folded: len bytes. */
void lam_scan(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits);

/* The version without vectors, for the test that compares them. */
void lam_scan_portable(const char *bytes, size_t len, char *folded, struct lam_scan_bits *bits);

#endif
