#include "buf.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 256

void lam_buf_init(struct lam_buf *buf, size_t max) { *buf = (struct lam_buf){.max = max}; }

void lam_buf_release(struct lam_buf *buf)
{
    free(buf->ptr);
    *buf = (struct lam_buf){.max = buf->max};
}

int lam_buf_reserve(struct lam_buf *buf, size_t len, struct lam_error *err)
{
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;
    char *ptr;

    if (len <= buf->cap - buf->len)
        return 0;
    if (len > buf->max - buf->len)
        return LAM_FAIL(err, LAM_E_LIMIT, "%zu bytes more than the limit of %zu", buf->len + len - buf->max, buf->max);
    while (cap - buf->len < len)
        cap *= 2;
    if (cap > buf->max)
        cap = buf->max;
    ptr = realloc(buf->ptr, cap);
    if (!ptr)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a buffer of %zu bytes", cap);
    buf->ptr = ptr;
    buf->cap = cap;
    return 0;
}

int lam_buf_add(struct lam_buf *buf, const void *bytes, size_t len, struct lam_error *err)
{
    int rc = lam_buf_reserve(buf, len, err);

    if (rc)
        return rc;
    if (len)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

int lam_buf_add_sv(struct lam_buf *buf, struct lam_sv sv, struct lam_error *err) { return lam_buf_add(buf, sv.ptr, sv.len, err); }

int lam_buf_addf(struct lam_buf *buf, struct lam_error *err, const char *fmt, ...)
{
    va_list ap;
    int len, rc;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if ((rc = lam_buf_reserve(buf, (size_t)len + 1, err))) /* + 1: vsnprintf ends with a NUL, which is not counted */
        return rc;
    va_start(ap, fmt);
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    buf->len += (size_t)len;
    return 0;
}

int lam_buf_add_json(struct lam_buf *buf, struct lam_sv sv, struct lam_error *err)
{
    static const char hex[] = "0123456789abcdef";
    size_t i = 0;
    int rc = lam_buf_add(buf, "\"", 1, err);

    while (!rc && i < sv.len) {
        unsigned char c = (unsigned char)sv.ptr[i];
        size_t plain = i;

        while (plain < sv.len && (c = (unsigned char)sv.ptr[plain]) >= 0x20 && c < 0x80 && c != '"' && c != '\\')
            plain++;
        if (plain > i) {
            rc = lam_buf_add(buf, sv.ptr + i, plain - i, err);
            i = plain;
        } else if (c >= 0x80) {
            size_t len = lam_utf8_len(sv.ptr + i, sv.len - i);

            rc = len ? lam_buf_add(buf, sv.ptr + i, len, err) : lam_buf_add(buf, "\xef\xbf\xbd", 3, err);
            i += len ? len : 1;
        } else {
            char esc[6] = {'\\', (char)c, 0, 0, 0, 0};
            size_t len = 2;

            if (c == '\n')
                esc[1] = 'n';
            else if (c == '\t')
                esc[1] = 't';
            else if (c == '\r')
                esc[1] = 'r';
            else if (c < 0x20) {
                memcpy(esc, "\\u00", 4);
                esc[4] = hex[c >> 4];
                esc[5] = hex[c & 15];
                len = 6;
            }
            rc = lam_buf_add(buf, esc, len, err);
            i++;
        }
    }
    return rc ? rc : lam_buf_add(buf, "\"", 1, err);
}
