/* What servers say in bodies of errors and in headers: whatever the bytes, texts end within their bounds, and numbers are none or not negative. */
#include <stdint.h>
#include <stdlib.h>

#include "ai/openai/headers.h"
#include "ai/openai/problem.h"
#include "model/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_headers(struct lam_sv text)
{
    struct lam_llm_headers headers;

    lam_llm_headers_init(&headers);
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) + 1 : text.len;

        lam_llm_headers_add(&headers, lam_sv(text.ptr, len), INT64_C(1700000000000000));
        text = lam_sv(text.ptr + len, text.len - len);
    }
    if ((headers.retry_after_ms < 0 && headers.retry_after_ms != LAM_LLM_HEADER_NONE) || headers.retry_after_ms > INT64_C(86400000) ||
        (headers.remaining_tokens < 0 && headers.remaining_tokens != LAM_LLM_HEADER_NONE) || strlen(headers.location) >= sizeof headers.location)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_json *json = lam_json_new((size_t)1 << 20, 64);
    struct lam_sv text = lam_sv((const char *)data, size);
    struct lam_llm_problem problem;

    lam_llm_problem_read(&problem, json, text);
    if (strlen(problem.message) >= sizeof problem.message || strpbrk(problem.message, "\r\n") || strlen(problem.param) >= sizeof problem.param ||
        (!problem.too_long && lam_llm_problem_names(&problem, "\x01")))
        abort();
    if (lam_llm_total_tokens(text) > UINT64_C(99999999999))
        abort();
    look_at_headers(text);
    lam_json_free(json);
    return 0;
}
