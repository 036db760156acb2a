#include "piece.h"

#include "base/utf8.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static int write_path(struct lam_sv path, struct lam_buf *json, struct lam_error *err)
{
    int rc;

    if (lam_utf8_valid(path) == path.len && !memchr(path.ptr, 0, path.len))
        return (rc = lam_buf_addf(json, err, ",\"path\":")) ? rc : lam_buf_add_json(json, path, err);
    rc = lam_buf_addf(json, err, ",\"path_hex\":\"");
    for (size_t i = 0; !rc && i < path.len; i++)
        rc = lam_buf_addf(json, err, "%02x", (unsigned char)path.ptr[i]);
    return rc ? rc : lam_buf_add(json, "\"", 1, err);
}

int lam_piece_write(const struct lam_piece *piece, struct lam_buf *json, struct lam_error *err)
{
    char hex[LAM_DIGEST_HEX];
    int rc = lam_buf_addf(json, err, "{\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"stream\":%s", piece->source, piece->life, piece->stream ? "true" : "false");

    if (rc || (rc = write_path(piece->path, json, err)) ||
        (rc = lam_buf_addf(json, err, ",\"begin\":%" PRId64 ",\"end\":%" PRId64 ",\"size\":%" PRId64 ",\"mtime\":%" PRId64, (int64_t)piece->begin,
                           piece->end > INT64_MAX ? -1 : (int64_t)piece->end, (int64_t)piece->size, piece->mtime_ns)) ||
        (rc = lam_buf_addf(json, err, ",\"rows\":%" PRIu64 ",\"quarantined\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"no_text\":%" PRIu64
                           ",\"no_order\":%" PRIu64, piece->rows, piece->quarantined, piece->filtered, piece->pending, piece->no_text, piece->no_order)) ||
        (rc = lam_buf_addf(json, err, ",\"last\":%s,\"ended\":%s,\"first_block\":%" PRIu64 ",\"blocks\":\"", piece->last ? "true" : "false",
                           piece->ended ? "true" : "false", piece->first_block)))
        return rc;
    for (size_t i = 0; i < piece->block_count; i++) {
        lam_digest_hex(piece->blocks[i], hex);
        if ((rc = lam_buf_add(json, hex, LAM_DIGEST_HEX - 1, err)))
            return rc;
    }
    return lam_buf_addf(json, err, "\"%s}", piece->again ? ",\"again\":true" : "");
}

/* A field that is an integer of at least 0 (or least); false where it is not. */
static bool get_integer(const json_t *object, const char *name, int64_t least, int64_t *value)
{
    const json_t *field = json_object_get(object, name);

    if (!json_is_integer(field) || json_integer_value(field) < least)
        return false;
    *value = json_integer_value(field);
    return true;
}

static bool get_path(const json_t *object, struct lam_sv *path)
{
    const json_t *plain = json_object_get(object, "path"), *hex = json_object_get(object, "path_hex");
    size_t len;
    char *copy;

    if (json_is_string(plain)) {
        len = json_string_length(plain);
        if (!(copy = malloc(len + 1)))
            return false;
        memcpy(copy, json_string_value(plain), len + 1);
    } else if (json_is_string(hex) && json_string_length(hex) % 2 == 0) {
        const char *text = json_string_value(hex);

        len = json_string_length(hex) / 2;
        if (!(copy = malloc(len + 1)))
            return false;
        for (size_t i = 0; i < len; i++) {
            char pair[3] = {text[2 * i], text[2 * i + 1], 0};

            if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1])) { /* strtoul takes blanks and signs */
                free(copy);
                return false;
            }
            copy[i] = (char)strtoul(pair, NULL, 16);
        }
    } else {
        return false;
    }
    *path = lam_sv(copy, len);
    return true;
}

static bool get_blocks(const json_t *object, struct lam_piece *piece)
{
    const json_t *field = json_object_get(object, "blocks");
    size_t count = json_string_length(field) / (LAM_DIGEST_HEX - 1);
    struct lam_digest *blocks;

    if (!json_is_string(field) || json_string_length(field) % (LAM_DIGEST_HEX - 1) || count > LAM_PIECE_BLOCKS || !(blocks = calloc(count + 1, sizeof *blocks)))
        return false;
    piece->blocks = blocks;
    piece->block_count = count;
    for (size_t i = 0; i < count; i++)
        if (!lam_digest_parse(lam_sv(json_string_value(field) + i * (LAM_DIGEST_HEX - 1), LAM_DIGEST_HEX - 1), &blocks[i]))
            return false;
    return true;
}

int lam_piece_read(struct lam_sv json, struct lam_piece *piece, struct lam_error *err)
{
    json_t *object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    int64_t n[11];
    bool ok;

    *piece = (struct lam_piece){0};
    ok = json_is_object(object) && get_integer(object, "source", 1, &n[0]) && get_integer(object, "life", 1, &n[1]) && n[0] <= UINT32_MAX &&
         n[1] <= UINT32_MAX && get_integer(object, "begin", 0, &n[2]) && get_integer(object, "end", -1, &n[3]) && get_integer(object, "size", 0, &n[4]) &&
         get_integer(object, "mtime", INT64_MIN, &n[5]) && get_integer(object, "rows", 0, &n[6]) && get_integer(object, "quarantined", 0, &n[7]) &&
         get_integer(object, "filtered", 0, &n[8]) && get_integer(object, "pending", 0, &n[9]) && get_integer(object, "first_block", 0, &n[10]) &&
         get_path(object, &piece->path) && get_blocks(object, piece);
    if (ok) {
        int64_t no_text = 0, no_order = 0;

        get_integer(object, "no_text", 0, &no_text);
        get_integer(object, "no_order", 0, &no_order);
        piece->source = (uint32_t)n[0];
        piece->life = (uint32_t)n[1];
        piece->begin = (uint64_t)n[2];
        piece->end = n[3] < 0 ? UINT64_MAX : (uint64_t)n[3];
        piece->size = (uint64_t)n[4];
        piece->mtime_ns = n[5];
        piece->rows = (uint64_t)n[6];
        piece->quarantined = (uint64_t)n[7];
        piece->filtered = (uint64_t)n[8];
        piece->pending = (uint64_t)n[9];
        piece->no_text = (uint64_t)no_text;
        piece->no_order = (uint64_t)no_order;
        piece->first_block = (uint64_t)n[10];
        piece->stream = json_is_true(json_object_get(object, "stream"));
        piece->again = json_is_true(json_object_get(object, "again"));
        piece->last = json_is_true(json_object_get(object, "last"));
        piece->ended = json_is_true(json_object_get(object, "ended"));
    }
    json_decref(object);
    if (ok)
        return 0;
    lam_piece_release(piece);
    return LAM_FAIL(err, LAM_E_CORRUPT, "a note of %zu bytes is no piece: %.60s", json.len, json.len ? json.ptr : "");
}

void lam_piece_release(struct lam_piece *piece)
{
    free((char *)(uintptr_t)piece->path.ptr);
    free((struct lam_digest *)(uintptr_t)piece->blocks);
    piece->path = lam_sv(NULL, 0);
    piece->blocks = NULL;
    piece->block_count = 0;
}
