/* Splits from the wire, and globs: nothing of other ranks or of a job file may lead out of bounds. What is read is written back the same. */
#include "source/split.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_sv bytes = lam_sv((const char *)data, size);
    struct lam_split split;
    struct lam_error err;
    struct lam_buf out;
    const char *cut = size ? memchr(data, '\n', size) : NULL;

    if (lam_split_decode(bytes, &split, &err) == 0) {
        lam_buf_init(&out, size + 64);
        if (lam_split_encode(&split, &out, &err) || !lam_sv_eq(lam_buf_sv(&out), bytes))
            abort();
        lam_buf_release(&out);
    }
    if (cut && size < 60) {
        struct lam_sv pattern = lam_sv(bytes.ptr, (size_t)(cut - bytes.ptr)), path = lam_sv(cut + 1, size - pattern.len - 1);

        (void)lam_glob_match_below(pattern, path);
        (void)lam_glob_match(pattern, path);
    }
    return 0;
}
