#include "cursor.h"

#include <stdlib.h>

#include "base/hash.h"

#define VERSION 1
#define HEAD 2
#define UPSERT_BODY 8 /* and the key */
#define APPEND_BODY 40
#define CRC 4
#define BINARY_MAX (HEAD + UPSERT_BODY + LAM_CURSOR_KEY_MAX + CRC)

_Static_assert((BINARY_MAX + 2) / 3 * 4 < LAM_CURSOR_TEXT, "a cursor's text fits");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + bytes;
}

static uint64_t take(const uint8_t *at, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void encode(const uint8_t *bytes, size_t len, char *text)
{
    uint32_t bits = 0;
    int have = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6)
            *text++ = alphabet[bits >> (have - 6) & 63];
    }
    if (have)
        *text++ = alphabet[bits << (6 - have) & 63];
    *text = '\0';
}

static int decode(struct lam_sv text, uint8_t *bytes, size_t *len)
{
    uint32_t bits = 0;
    int have = 0;

    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;

        if (!digit)
            return -1;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[(*len)++] = (uint8_t)(bits >> have);
        }
    }
    return 0;
}

void lam_cursor_format(const struct lam_hit *hit, bool append, char text[LAM_CURSOR_TEXT])
{
    const struct lam_record *rec = &hit->row.rec;
    uint8_t bytes[BINARY_MAX] = {VERSION, append ? 'a' : 'u'}, *at = bytes + HEAD;

    if (append) {
        at = put(at, rec->pos.source, 4);
        at = put(at, rec->pos.life, 4);
        memcpy(at, rec->pos.partition, 16);
        at = put(at + 16, rec->pos.offset, 8);
        at = put(at, hit->place, 8);
    } else {
        at = put(at, rec->hash, 8);
        if (rec->key.len)
            memcpy(at, rec->key.ptr, rec->key.len);
        at += rec->key.len;
    }
    at = put(at, lam_crc32c(0, bytes, (size_t)(at - bytes)), CRC);
    encode(bytes, (size_t)(at - bytes), text);
}

int lam_cursor_parse(struct lam_sv text, bool append, struct lam_buf *buf, struct lam_cursor *cursor, struct lam_error *err)
{
    uint8_t *bytes;
    size_t len;
    int rc;

    if (text.len >= LAM_CURSOR_TEXT)
        return LAM_FAIL(err, LAM_E_INVALID, "the cursor is none of ours: too long");
    lam_buf_clear(buf);
    if ((rc = lam_buf_reserve(buf, BINARY_MAX + 3, err)))
        return rc;
    bytes = (uint8_t *)buf->ptr;
    if (decode(text, bytes, &len) || len < HEAD + CRC || take(bytes + len - CRC, CRC) != lam_crc32c(0, bytes, len - CRC))
        return LAM_FAIL(err, LAM_E_INVALID, "the cursor is none of ours, or was cut: give it back as it came");
    if (bytes[0] != VERSION || bytes[1] != (append ? 'a' : 'u') || len - HEAD - CRC < (append ? APPEND_BODY : UPSERT_BODY) ||
        (append && len - HEAD - CRC != APPEND_BODY))
        return LAM_FAIL(err, LAM_E_INVALID, "the cursor belongs to another store or another version of lamina: start again without it");
    *cursor = (struct lam_cursor){0};
    if (append) {
        cursor->pos.source = (uint32_t)take(bytes + 2, 4);
        cursor->pos.life = (uint32_t)take(bytes + 6, 4);
        memcpy(cursor->pos.partition, bytes + 10, 16);
        cursor->pos.offset = take(bytes + 26, 8);
        cursor->place = take(bytes + 34, 8);
    } else {
        cursor->hash = take(bytes + HEAD, 8);
        cursor->key = lam_sv((char *)bytes + HEAD + UPSERT_BODY, len - HEAD - UPSERT_BODY - CRC);
    }
    return 0;
}
