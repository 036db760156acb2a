#include "batch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "recording.h"

#define WRITE_AT ((size_t)256 << 10)

/* JSON on one line: a line break can only stand between its tokens. */
static int add_flat(struct lam_buf *out, struct lam_sv json, struct lam_error *err)
{
    size_t from = out->len;
    int rc = lam_buf_add_sv(out, json, err);

    for (size_t i = from; !rc && i < out->len; i++)
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
            out->ptr[i] = ' ';
    return rc;
}

int lam_batch_request_add(struct lam_buf *out, struct lam_digest key, const char *url, struct lam_sv body, struct lam_error *err)
{
    char hex[LAM_DIGEST_HEX];
    int rc;

    lam_digest_hex(key, hex);
    if ((rc = lam_buf_addf(out, err, "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":\"%s\",\"body\":", hex, url)) || (rc = add_flat(out, body, err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

struct lam_batch_writer {
    const struct lam_fs *fs;
    char path[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    int fd;
    uint64_t at, count;
    struct lam_buf buf;
};

int lam_batch_writer_open(struct lam_batch_writer **writer, const struct lam_fs *fs, const char *path, struct lam_error *err)
{
    struct lam_batch_writer *made = calloc(1, sizeof *made);
    int rc;

    *writer = NULL;
    if (!made)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to write %s", path);
    made->fs = fs ? fs : &lam_fs_system;
    made->fd = -1;
    lam_buf_init(&made->buf, 2 * LAM_BATCH_LINE_MAX);
    if (strlen(path) >= LAM_PATH_MAX) {
        rc = LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", path);
    } else if (memcpy(made->path, path, strlen(path) + 1), !(rc = lam_fs_temporary(made->tmp, path, err))) {
        made->fd = made->fs->ops->open(made->fs->arg, made->tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
        rc = made->fd < 0 ? LAM_FAIL(err, LAM_E_IO, "create %s: %s", path, strerror(-made->fd)) : 0;
    }
    if (rc) {
        made->tmp[0] = '\0';
        lam_batch_writer_free(made);
        return rc;
    }
    *writer = made;
    return 0;
}

static int write_buf(struct lam_batch_writer *writer, struct lam_error *err)
{
    int rc = lam_fs_write_at(writer->fs, writer->fd, writer->buf.ptr, writer->buf.len, (off_t)writer->at, err);

    writer->at += writer->buf.len;
    lam_buf_clear(&writer->buf);
    return rc ? LAM_PASS(err, rc, "%s", writer->path) : 0;
}

int lam_batch_writer_add(struct lam_batch_writer *writer, struct lam_digest key, const char *url, struct lam_sv body, struct lam_error *err)
{
    int rc = lam_batch_request_add(&writer->buf, key, url, body, err);

    if (rc)
        return rc;
    writer->count++;
    return writer->buf.len >= WRITE_AT ? write_buf(writer, err) : 0;
}

uint64_t lam_batch_writer_count(const struct lam_batch_writer *writer) { return writer->count; }

int lam_batch_writer_finish(struct lam_batch_writer *writer, struct lam_error *err)
{
    int rc = write_buf(writer, err), closed;

    if (!rc && (rc = writer->fs->ops->fsync(writer->fs->arg, writer->fd)))
        rc = LAM_FAIL(err, LAM_E_IO, "sync %s: %s", writer->path, strerror(-rc));
    closed = writer->fs->ops->close(writer->fs->arg, writer->fd);
    writer->fd = -1;
    if (!rc && closed)
        rc = LAM_FAIL(err, LAM_E_IO, "close %s: %s", writer->path, strerror(-closed));
    if (!rc && (rc = writer->fs->ops->rename(writer->fs->arg, writer->tmp, writer->path)))
        rc = LAM_FAIL(err, LAM_E_IO, "rename to %s: %s", writer->path, strerror(-rc));
    if (!rc)
        writer->tmp[0] = '\0';
    return rc;
}

void lam_batch_writer_free(struct lam_batch_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        writer->fs->ops->close(writer->fs->arg, writer->fd);
    if (writer->tmp[0])
        writer->fs->ops->unlink(writer->fs->arg, writer->tmp);
    lam_buf_release(&writer->buf);
    free(writer);
}

static uint64_t whole_number(const struct lam_json *json, uint32_t at, uint64_t max)
{
    struct lam_number number;

    if (!lam_json_number(json, at, &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0)
        return 0;
    return (uint64_t)number.i64 > max ? max : (uint64_t)number.i64;
}

static int parse_own(const struct lam_json *json, struct lam_batch_line *parsed, struct lam_error *err)
{
    uint32_t value = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("value")), base64 = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("value_base64"));

    parsed->own = true;
    parsed->base64 = value == LAM_JSON_NONE;
    parsed->value = parsed->base64 ? lam_json_string(json, base64) : lam_json_raw(json, value);
    parsed->meta.time_us = (int64_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("time")), INT64_MAX);
    parsed->meta.tokens_in = (uint32_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("tokens_in")), UINT32_MAX);
    parsed->meta.tokens_out = (uint32_t)whole_number(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("tokens_out")), UINT32_MAX);
    return value == LAM_JSON_NONE && lam_json_type(json, base64) != LAM_JSON_STRING ? LAM_FAIL(err, LAM_E_INVALID, "a key without a value") : 0;
}

static void parse_answer(const struct lam_json *json, struct lam_batch_line *parsed)
{
    uint32_t response = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("response")), body = lam_json_field(json, response, LAM_SV("body"));
    uint32_t error = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("error")), status = lam_json_field(json, response, LAM_SV("status_code"));

    parsed->status = status == LAM_JSON_NONE ? 200 : (int)whole_number(json, status, 999);
    if (body == LAM_JSON_NONE && lam_json_field(json, response, LAM_SV("choices")) != LAM_JSON_NONE)
        body = response;
    if (lam_json_type(json, body) == LAM_JSON_OBJECT)
        parsed->body = lam_json_raw(json, body);
    if (error != LAM_JSON_NONE && lam_json_type(json, error) != LAM_JSON_NULL)
        parsed->problem = lam_json_raw(json, error);
}

int lam_batch_line_parse(struct lam_json *json, struct lam_sv line, struct lam_batch_line *parsed, struct lam_error *err)
{
    uint32_t own, custom;
    int rc = lam_json_parse(json, line, err);

    if (rc)
        return rc == LAM_E_LIMIT ? (err->code = LAM_E_INVALID) : rc;
    *parsed = (struct lam_batch_line){0};
    own = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("key"));
    custom = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("custom_id"));
    if (!lam_digest_parse(lam_json_string(json, custom != LAM_JSON_NONE ? custom : own), &parsed->key))
        return LAM_FAIL(err, LAM_E_INVALID, "its custom_id or key is not of 32 hex digits: not an answer to a question of ours");
    if (custom == LAM_JSON_NONE)
        return parse_own(json, parsed, err);
    parse_answer(json, parsed);
    return 0;
}

int lam_batch_value(struct lam_llm_reader *reader, struct lam_sv body, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err)
{
    struct lam_llm_reply reply;
    size_t before = value->len;
    int rc;

    if ((rc = lam_llm_reader_chat(reader, body, &reply, err)))
        return rc;
    if (reply.finish != LAM_LLM_STOP)
        return LAM_FAIL(err, LAM_E_INVALID, "the answer was %s", reply.finish == LAM_LLM_LENGTH ? "cut at its limit of tokens" : "withheld by a filter");
    if ((rc = lam_llm_reader_content(reader, reply.content, err)))
        return rc;
    *meta = (struct lam_cache_meta){.tokens_in = reply.tokens_in, .tokens_out = reply.tokens_out};
    if ((rc = lam_buf_addf(value, err, "{\"answer\":")) || (rc = add_flat(value, lam_json_raw(lam_llm_reader_answer(reader), LAM_JSON_ROOT), err)) ||
        (rc = lam_buf_addf(value, err, ",\"trace\":{\"model\":")) || (rc = lam_buf_add_json(value, reply.model, err)) ||
        (rc = lam_buf_addf(value, err, ",\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32 ",\"batch\":true}}", reply.tokens_in, reply.tokens_out)))
        value->len = before;
    return rc;
}

int lam_batch_export_own(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err)
{
    bool text = !lam_json_parse(json, entry->value, NULL);
    char hex[LAM_DIGEST_HEX];
    int rc;

    lam_digest_hex(entry->key, hex);
    if ((rc = lam_buf_addf(out, err, "{\"key\":\"%s\",\"time\":%" PRId64 ",\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32 ",\"value%s\":", hex, entry->meta.time_us,
                           entry->meta.tokens_in, entry->meta.tokens_out, text ? "" : "_base64")) ||
        (rc = text ? add_flat(out, entry->value, err) : lam_base64_add(out, entry->value, err)))
        return rc;
    return lam_buf_addf(out, err, "}\n");
}

int lam_batch_export_answer(struct lam_json *json, const struct lam_cache_entry *entry, struct lam_buf *out, struct lam_error *err)
{
    struct lam_sv answer, model;
    char hex[LAM_DIGEST_HEX];
    int rc;

    if (lam_json_parse(json, entry->value, NULL) || lam_json_type(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("answer"))) != LAM_JSON_OBJECT)
        return LAM_FAIL(err, LAM_E_INVALID, "not a model's answer");
    answer = lam_json_raw(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("answer")));
    model = lam_json_string(json, lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/trace/model")));
    lam_digest_hex(entry->key, hex);
    if ((rc = lam_buf_addf(out, err,
                           "{\"id\":\"cache-%s\",\"custom_id\":\"%s\",\"response\":{\"status_code\":200,\"request_id\":\"cache-%s\",\"body\":{\"id\":\"cache-%s\","
                           "\"object\":\"chat.completion\",\"created\":%" PRId64 ",\"model\":",
                           hex, hex, hex, hex, entry->meta.time_us / 1000000)) ||
        (rc = lam_buf_add_json(out, model, err)) ||
        (rc = lam_buf_addf(out, err, ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":")) ||
        (rc = lam_buf_add_json(out, answer, err)))
        return rc;
    return lam_buf_addf(out, err, "}}],\"usage\":{\"prompt_tokens\":%" PRIu32 ",\"completion_tokens\":%" PRIu32 ",\"total_tokens\":%" PRIu64 "}}},\"error\":null}\n",
                        entry->meta.tokens_in, entry->meta.tokens_out, (uint64_t)entry->meta.tokens_in + entry->meta.tokens_out);
}
