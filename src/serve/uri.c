#include "uri.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int lam_uri_decode(struct lam_sv text, bool plus_is_blank, struct lam_buf *out, struct lam_error *err)
{
    size_t before = out->len;
    int rc = lam_buf_reserve(out, text.len, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '+' && plus_is_blank)
            c = ' ';
        if (c == '%') {
            bool whole = i + 2 < text.len;
            int high = whole ? digit(text.ptr[i + 1]) : -1, low = whole ? digit(text.ptr[i + 2]) : -1;

            if (high < 0 || low < 0) {
                out->len = before;
                return LAM_FAIL(err, LAM_E_INVALID, "a percent sign at byte %zu that two hexadecimal digits do not follow", i);
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out->ptr[out->len++] = c;
    }
    return 0;
}

int lam_uri_encode(struct lam_sv text, struct lam_buf *out, struct lam_error *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    int rc = 0;

    for (size_t i = 0; i < text.len && !rc; i++)
        if (text.ptr[i] && strchr(plain, text.ptr[i]))
            rc = lam_buf_add(out, &text.ptr[i], 1, err);
        else
            rc = lam_buf_addf(out, err, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
    return rc;
}

static struct lam_sv until(struct lam_sv *rest, char end)
{
    const char *at = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
    struct lam_sv part = lam_sv(rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len);
    size_t used = part.len + (at ? 1 : 0);

    *rest = lam_sv(used ? rest->ptr + used : rest->ptr, rest->len - used);
    return part;
}

static int decode_part(struct lam_uri *uri, struct lam_sv text, struct lam_sv *decoded, struct lam_error *err)
{
    size_t before = uri->decoded.len;
    int rc = lam_uri_decode(text, true, &uri->decoded, err);

    *decoded = lam_sv(uri->decoded.ptr + before, uri->decoded.len - before);
    return rc;
}

int lam_uri_parse(struct lam_sv target, struct lam_uri *uri, struct lam_error *err)
{
    struct lam_sv query = target;
    int rc;

    uri->param_count = 0;
    uri->path = until(&query, '?');
    lam_buf_init(&uri->decoded, target.len + 1);
    if ((rc = lam_buf_reserve(&uri->decoded, target.len + 1, err))) /* views into it must not move */
        return rc;
    while (query.len) {
        struct lam_sv value = until(&query, '&'), name;
        struct lam_uri_param *param = &uri->params[uri->param_count];

        if (!value.len)
            continue;
        if (uri->param_count == LAM_URI_MAX_PARAMS)
            return LAM_FAIL(err, LAM_E_LIMIT, "more than %d parameters", LAM_URI_MAX_PARAMS);
        name = until(&value, '=');
        if ((rc = decode_part(uri, name, &param->name, err)) || (rc = decode_part(uri, value, &param->value, err)))
            return LAM_PASS(err, rc, "parameter %zu", uri->param_count + 1);
        uri->param_count++;
    }
    return 0;
}

void lam_uri_release(struct lam_uri *uri) { lam_buf_release(&uri->decoded); }
