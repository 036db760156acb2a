/*
 * String views: bytes that somebody else owns. Never NUL-terminated: print them with "%.*s" and LAM_SV_ARG.
 */
#ifndef LAMINA_SV_H
#define LAMINA_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lam_sv {
    const char *ptr; /* may be NULL where len is 0 */
    size_t len;      /* bytes */
};

#define LAM_SV(literal) ((struct lam_sv){(literal), sizeof(literal) - 1})
#define LAM_SV_ARG(sv) (int)(sv).len, ((sv).len ? (sv).ptr : "")

static inline struct lam_sv lam_sv(const char *ptr, size_t len) { return (struct lam_sv){ptr, len}; }
static inline struct lam_sv lam_sv_of(const char *text) { return (struct lam_sv){text, text ? strlen(text) : 0}; }
static inline bool lam_sv_eq(struct lam_sv a, struct lam_sv b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Order of the bytes, a prefix before what it begins: <0, 0, >0. */
static inline int lam_sv_cmp(struct lam_sv a, struct lam_sv b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
