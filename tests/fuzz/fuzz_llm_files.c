/* Lines of recordings and of batch files: refused, or read into what can be written again and means the same. */
#include <stdlib.h>
#include <string.h>

#include "ai/openai/batch_file.h"
#include "ai/openai/recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the cache would have of a line can be written in both forms, and read again. */
static void write_again(struct lam_json *json, const struct lam_cache_entry *entry, bool vectors)
{
    struct lam_batch_line again;
    struct lam_error err;
    struct lam_buf out;

    lam_buf_init(&out, 1 << 24);
    if (lam_batch_export_own(json, entry, &out, &err) || lam_batch_line_parse(json, lam_sv(out.ptr, out.len - 1), &again, &err) || !again.own ||
        !lam_digest_eq(again.key, entry->key) || !lam_sv_eq(again.value, entry->value))
        abort();
    lam_buf_clear(&out);
    if (lam_batch_export_answer(json, entry, &out, &err) || lam_batch_line_parse(json, lam_sv(out.ptr, out.len - 1), &again, &err) || again.own || !again.body.len ||
        (vectors && !again.vectors))
        abort();
    lam_buf_release(&out);
}

static void use_batch(struct lam_json *json, struct lam_json *body, struct lam_sv line)
{
    struct lam_llm_reader *reader = lam_llm_reader_new(1 << 20);
    struct lam_batch_line parsed;
    struct lam_cache_meta meta;
    struct lam_buf value;
    struct lam_error err;

    lam_buf_init(&value, 1 << 22);
    if (reader && !lam_batch_line_parse(json, line, &parsed, &err) && parsed.body.len &&
        !(parsed.vectors ? lam_batch_vector(body, parsed.body, 0, &value, &meta, &err) : lam_batch_value(reader, parsed.body, &value, &meta, &err)))
        write_again(json, &(struct lam_cache_entry){.key = parsed.key, .meta = meta, .value = lam_buf_sv(&value)}, parsed.vectors);
    lam_llm_reader_free(reader);
    lam_buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_json *json = lam_json_new(1 << 24, 64), *body = lam_json_new(1 << 24, 64);
    struct lam_sv line = lam_sv((const char *)data, size);
    struct lam_recorded recorded;
    struct lam_digest digest;
    struct lam_error err;
    struct lam_buf bytes;

    if (!json || !body)
        abort();
    lam_buf_init(&bytes, 1 << 24);
    if (!lam_recorded_parse(json, line, &recorded, &err)) {
        if (recorded.request.len)
            lam_llm_request_digest(body, recorded.request, &digest, &err);
        if (recorded.base64)
            lam_base64_undo(recorded.answer, &bytes, &err);
    }
    lam_base64_undo(line, &bytes, &err);
    use_batch(json, body, line);
    lam_buf_release(&bytes);
    lam_json_free(json);
    lam_json_free(body);
    return 0;
}
