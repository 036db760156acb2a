/*
 * A growing buffer with a stated maximum. What does not fit is LAM_E_LIMIT, what malloc refuses LAM_E_MEMORY, and in both
 * cases the buffer is as it was. Not thread-safe.
 */
#ifndef LAMINA_BASE_BUF_H
#define LAMINA_BASE_BUF_H

#include <lamina/error.h>
#include <lamina/sv.h>
#include <stdarg.h>

struct lam_buf {
    char *ptr;
    size_t len, cap, max; /* bytes */
};

/* An empty buffer that will never hold more than max bytes. Allocates nothing. */
void lam_buf_init(struct lam_buf *buf, size_t max);
void lam_buf_release(struct lam_buf *buf);

/* Empties it and keeps its memory. */
static inline void lam_buf_clear(struct lam_buf *buf) { buf->len = 0; }

static inline struct lam_sv lam_buf_sv(const struct lam_buf *buf) { return lam_sv(buf->ptr, buf->len); }

/* Makes room for len more bytes behind buf->len and returns 0; the caller writes there and adds to buf->len. */
int lam_buf_reserve(struct lam_buf *buf, size_t len, struct lam_error *err);

int lam_buf_add(struct lam_buf *buf, const void *bytes, size_t len, struct lam_error *err);
int lam_buf_add_sv(struct lam_buf *buf, struct lam_sv sv, struct lam_error *err);
int lam_buf_addf(struct lam_buf *buf, struct lam_error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds sv as a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD. */
int lam_buf_add_json(struct lam_buf *buf, struct lam_sv sv, struct lam_error *err);

#endif
