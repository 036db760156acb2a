#include "window.h"

#include <stdlib.h>

#define FILL_STEP ((size_t)128 << 10)

int lam_window_init(struct lam_window *window, struct lam_decoder *decoder, uint64_t offset, size_t first, size_t max,
                    struct lam_error *err)
{
    *window = (struct lam_window){.decoder = decoder, .offset = offset, .max = max};
    window->cap = first < FILL_STEP ? first + 1 : FILL_STEP;
    if (window->cap > max)
        window->cap = max;
    window->mem = malloc(window->cap);
    return window->mem ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory to read");
}

void lam_window_release(struct lam_window *window)
{
    free(window->mem);
    *window = (struct lam_window){0};
}

/* Makes room behind end: by moving what is shown to the front where that frees half of the memory, else by growing. */
static int make_room(struct lam_window *window, struct lam_error *err)
{
    size_t shown = window->end - window->begin;

    if (window->begin > 0 && (shown <= window->cap / 2 || window->cap == window->max)) {
        memmove(window->mem, window->mem + window->begin, shown);
        window->begin = 0;
        window->end = shown;
    }
    if (window->end == window->cap) {
        size_t cap = window->cap < window->max / 2 ? 2 * window->cap : window->max;
        char *mem = cap > window->cap ? realloc(window->mem, cap) : NULL;

        if (!mem)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a window of %zu bytes", cap);
        window->mem = mem;
        window->cap = cap;
    }
    return 0;
}

int lam_window_fill(struct lam_window *window, struct lam_error *err)
{
    struct lam_error why;
    size_t len;
    int rc;

    if (window->over)
        return window->over;
    if (window->begin == window->end)
        window->begin = window->end = 0;
    if (window->end == window->cap && (rc = make_room(window, err)))
        return rc;
    rc = lam_decoder_read(window->decoder, window->mem + window->end, window->cap - window->end, &len, &why);
    window->end += len;
    if (rc == LAM_END || rc == LAM_E_CORRUPT || rc == LAM_E_LIMIT) {
        window->over = rc;
        window->why = why;
    } else if (rc && err)
        *err = why;
    return rc;
}
