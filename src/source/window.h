/*
 * A window over decoded bytes: what has been decoded and not yet consumed, contiguous, growing up to a maximum. What the window
 * shows stays in place until the next lam_window_fill.
 */
#ifndef LAMINA_SOURCE_WINDOW_H
#define LAMINA_SOURCE_WINDOW_H

#include "decode.h"

struct lam_window {
    struct lam_decoder *decoder; /* borrowed */
    char *mem;
    size_t cap, max, begin, end; /* shown are mem[begin..end) */
    uint64_t offset;             /* decoded byte at begin */
    int over;                    /* 0; LAM_END; LAM_E_CORRUPT or LAM_E_LIMIT: no more comes, and why has the reason */
    struct lam_error why;
};

/* max: bytes shown at most; first: bytes to begin with, where it is known how many there are. */
int lam_window_init(struct lam_window *window, struct lam_decoder *decoder, uint64_t offset, size_t first, size_t max,
                    struct lam_error *err);
void lam_window_release(struct lam_window *window);

static inline const char *lam_window_ptr(const struct lam_window *window) { return window->mem + window->begin; }
static inline size_t lam_window_len(const struct lam_window *window) { return window->end - window->begin; }
static inline void lam_window_consume(struct lam_window *window, size_t len)
{
    window->begin += len;
    window->offset += len;
}

/* Shows at least one byte more: 0; window->over where there is none; LAM_E_IO, LAM_E_CONFLICT, LAM_E_MEMORY. Never beyond max:
 * the caller stops asking before. */
int lam_window_fill(struct lam_window *window, struct lam_error *err);

#endif
