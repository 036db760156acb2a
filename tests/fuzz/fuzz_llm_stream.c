/* Streamed answers: whatever the bytes, what comes of them is a JSON document with one choice, or an error. */
#include <stdint.h>
#include <stdlib.h>

#include "ai/openai/sse.h"
#include "model/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_json *json = lam_json_new((size_t)1 << 20, 64);
    struct lam_error err;
    struct lam_buf out;

    lam_buf_init(&out, (size_t)1 << 20);
    if (lam_llm_sse_join(json, lam_sv((const char *)data, size), &out, &err) == 0) {
        if (lam_json_parse(json, lam_buf_sv(&out), &err) ||
            lam_json_type(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/choices/0/message"))) != LAM_JSON_OBJECT)
            abort();
    }
    lam_buf_release(&out);
    lam_json_free(json);
    return 0;
}
