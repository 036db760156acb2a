#include <lamina/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int lam_error_set(struct lam_error *err, int code, const char *where, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    err->rank = -1;
    err->where = where;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return code;
}

int lam_error_prefix(struct lam_error *err, int code, const char *fmt, ...)
{
    char prefix[LAM_ERROR_TEXT];
    va_list ap;
    size_t len;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    len = strlen(prefix);
    if (len + 2 < sizeof err->text) {
        memmove(err->text + len + 2, err->text, sizeof err->text - len - 2);
        memcpy(err->text + len, ": ", 2);
    }
    memcpy(err->text, prefix, len);
    err->text[sizeof err->text - 1] = '\0';
    return code;
}

enum lam_class lam_error_class(int code)
{
    switch (code) {
    case LAM_OK:
    case LAM_PENDING:
    case LAM_END:
        return LAM_CLASS_NONE;
    case LAM_E_IO:
    case LAM_E_CONFLICT:
    case LAM_E_TIMEOUT:
        return LAM_CLASS_RETRY;
    case LAM_E_CORRUPT:
    case LAM_E_INVALID:
    case LAM_E_LIMIT:
        return LAM_CLASS_REJECT;
    default:
        return LAM_CLASS_STOP;
    }
}

const char *lam_error_name(int code)
{
    static const char *const names[] = {"ok",        "pending", "io",       "exists",    "corrupt", "invalid", "memory",
                                        "cancelled", "fenced",  "conflict", "not_found", "timeout", "limit",   "end"};

    if (code > 0 || code <= -(int)(sizeof names / sizeof *names))
        return "unknown";
    return names[-code];
}
