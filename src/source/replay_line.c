#include "replay_line.h"

#include <errno.h>
#include <stdlib.h>

struct lam_sv lam_replay_line_trim(struct lam_sv text)
{
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r' ||
                        text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    while (text.len && (*text.ptr == ' ' || *text.ptr == '\t' || *text.ptr == '\r'))
        text = lam_sv(text.ptr + 1, text.len - 1);
    return text;
}

int lam_replay_line_read(const struct lam_replay_options *options, struct lam_json *json, struct lam_buf *key,
                         struct lam_sv text, struct lam_replay_line *line, struct lam_error *err)
{
    uint32_t at;
    int rc;

    *line = (struct lam_replay_line){.value = text, .time_us = LAM_TIME_NONE};
    if (lam_json_parse(json, text, NULL))
        return 0;
    at = options->key.len ? lam_json_find(json, LAM_JSON_ROOT, options->key) : LAM_JSON_NONE;
    lam_buf_clear(key);
    switch (lam_json_type(json, at)) {
    case LAM_JSON_STRING:
        line->has_key = true;
        rc = lam_buf_add_sv(key, lam_json_string(json, at), err);
        break;
    case LAM_JSON_NUMBER:
    case LAM_JSON_BOOL:
        line->has_key = true;
        rc = lam_buf_add_sv(key, lam_json_raw(json, at), err);
        break;
    default:
        rc = 0;
    }
    if (rc) /* a key that no consumer would take: the line goes without one, and is judged where it is read */
        line->has_key = false;
    else
        line->key = lam_buf_sv(key);
    at = options->time.len ? lam_json_find(json, LAM_JSON_ROOT, options->time) : LAM_JSON_NONE;
    if (lam_json_type(json, at) == LAM_JSON_STRING || lam_json_type(json, at) == LAM_JSON_NUMBER)
        lam_time_parse(lam_json_type(json, at) == LAM_JSON_STRING ? lam_json_string(json, at) : lam_json_raw(json, at),
                       &line->time_us, NULL);
    line->deleted = line->has_key && options->deleted.len && lam_json_bool(json, lam_json_find(json, LAM_JSON_ROOT, options->deleted));
    return 0;
}

int lam_replay_count(const char *path, uint64_t *total, struct lam_error *err)
{
    FILE *file = fopen(path, "re");
    char *bytes = NULL;
    size_t cap = 0;
    ssize_t len;
    int failed;

    *total = 0;
    if (!file)
        return LAM_FAIL(err, LAM_E_IO, "open %s: %s", path, strerror(errno));
    while ((len = getline(&bytes, &cap, file)) > 0)
        *total += lam_replay_line_trim(lam_sv(bytes, (size_t)len)).len > 0;
    failed = ferror(file);
    free(bytes);
    fclose(file);
    return failed ? LAM_FAIL(err, LAM_E_IO, "read %s", path) : 0;
}

static bool unsigned_at(const struct lam_json *json, uint32_t at, uint64_t *value)
{
    struct lam_number number;

    if (!lam_json_number(json, at, &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0)
        return false;
    *value = (uint64_t)number.i64;
    return true;
}

int lam_replay_cursor_read(struct lam_sv text, uint32_t partitions, uint64_t *lines, uint64_t *line, uint64_t *byte, struct lam_error *err)
{
    struct lam_json *json = lam_json_new((size_t)1 << 20, 8);
    struct lam_json_iter iter;
    uint32_t count = 0;
    bool good;

    if (!json)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cursor");
    good = lam_json_parse(json, text, NULL) == 0 &&
           unsigned_at(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("line")), line) && *line > 0 &&
           unsigned_at(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("byte")), byte);
    iter = lam_json_iter(json, good ? lam_json_field(json, LAM_JSON_ROOT, LAM_SV("lines")) : LAM_JSON_NONE);
    while (good && lam_json_next(&iter)) {
        good = count < partitions && unsigned_at(json, iter.value, &lines[count]);
        count++;
    }
    lam_json_free(json);
    if (good && count == partitions)
        return 0;
    return LAM_FAIL(err, LAM_E_INVALID, "'%.*s' is no cursor of a replay into %u partitions",
                    (int)(text.len < 100 ? text.len : 100), text.ptr, partitions);
}

int lam_replay_seek(FILE *file, const char *path, uint64_t byte, struct lam_error *err)
{
    int before = '\n';

    if (byte == 0)
        return 0;
    if (fseeko(file, (off_t)byte - 1, SEEK_SET) == 0)
        before = getc(file);
    if (before == '\n')
        return 0;
    if (before == EOF && ferror(file))
        return LAM_FAIL(err, LAM_E_IO, "read %s: %s", path, strerror(errno));
    if (before != EOF && getc(file) == EOF) /* the last line, without a line end */
        return 0;
    return LAM_FAIL(err, LAM_E_INVALID, "%s is not the file that was replayed: no line begins at byte %llu", path,
                    (unsigned long long)byte);
}
