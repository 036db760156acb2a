/* The name up to the first newline, then the bytes. What is detected as readable goes through its parser. */
#include "parse/detect.h"
#include "parse_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t len = newline ? (size_t)(newline - data) : 0, from = newline ? len + 1 : 0;
    const char *media_type = NULL;
    struct lam_error err = {0};
    int rc = lam_detect(lam_sv((const char *)data, len), lam_sv((const char *)data + from, size - from), &media_type, &err);

    if (!media_type || (rc && (rc != LAM_E_INVALID || !err.text[0])))
        abort();
    if (!rc)
        fuzz_parse(media_type, data + from, size - from);
    return 0;
}
