/* What fuzzers of whole analyzers share. */
#ifndef LAMINA_TESTS_FUZZ_H
#define LAMINA_TESTS_FUZZ_H

#include <lamina/sv.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where a claim does not hold the fuzzer has found something. */
#define CHECK(claim)  \
    do {              \
        if (!(claim)) \
            abort();  \
    } while (0)

/* Takes the bytes up to the next 0 byte off the input, and that one; empty where there is none. */
static inline struct lam_sv fuzz_part(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, 0, *size);
    struct lam_sv part = lam_sv("", 0);

    if (end) {
        part = lam_sv((const char *)*data, (size_t)(end - *data));
        *size -= part.len + 1;
        *data = end + 1;
    }
    return part;
}

#endif
