/*
 * Errors: what a function that can fail tells its caller.
 *
 * A function returns 0 or a negative enum lam_code and, when it fails, fills the caller's struct lam_error. The struct is
 * plain bytes of a fixed size: it lives on the stack, is copied between threads, and is sent to other ranks as it is. Text
 * grows outwards: the place that failed says what, each caller may say what for.
 *
 * Each code belongs to one class (lam_error_class), and policy hangs on the class alone: try again, give the record to
 * quarantine, or stop the job.
 */
#ifndef LAMINA_ERROR_H
#define LAMINA_ERROR_H

#include <stdint.h>

#define LAM_ERROR_TEXT 512 /* longer text is cut at the end: the outermost context comes first and survives */

enum lam_code {
    LAM_OK = 0,
    LAM_PENDING = -1,      /* not an error: ask again */
    LAM_E_IO = -2,         /* storage or network; text has the path and errno; retry may help */
    LAM_E_EXISTS = -3,     /* somebody else was first */
    LAM_E_CORRUPT = -4,    /* bytes that fail their own checks: quarantine, never retry */
    LAM_E_INVALID = -5,    /* the user's input: job file, arguments, a record's fields */
    LAM_E_MEMORY = -6,     /* a limit of the job, or malloc */
    LAM_E_CANCELLED = -7,  /* stop was asked for */
    LAM_E_FENCED = -8,     /* a newer term of the layer exists; text says whose */
    LAM_E_CONFLICT = -9,   /* what a commit was computed from was changed by another: compute anew */
    LAM_E_NOT_FOUND = -10, /* no such file, key, segment */
    LAM_E_TIMEOUT = -11,   /* a deadline passed; text names who was silent */
    LAM_E_LIMIT = -12,     /* input beyond a stated limit: size, depth, count */
    LAM_END = -13          /* not an error: there is no more */
};

enum lam_class { LAM_CLASS_NONE, LAM_CLASS_RETRY, LAM_CLASS_REJECT, LAM_CLASS_STOP };

struct lam_error {
    int32_t code;      /* enum lam_code */
    int32_t rank;      /* where it happened; -1 before the ranks know each other */
    const char *where; /* "file.c:123", static storage; not meaningful on another rank */
    char text[LAM_ERROR_TEXT];
};

/* Fills err (unless NULL) and returns code, so that a failing function can end in `return LAM_FAIL(...)`. */
#define LAM_FAIL(err, code, ...) lam_error_set((err), (code), LAM_WHERE, __VA_ARGS__)

/* Puts context in front of err's text and returns code unchanged: `return LAM_PASS(err, rc, "open view %d", v)`. */
#define LAM_PASS(err, code, ...) lam_error_prefix((err), (code), __VA_ARGS__)

#define LAM_WHERE __FILE__ ":" LAM_STR(__LINE__)
#define LAM_STR(x) LAM_STR_(x)
#define LAM_STR_(x) #x

int lam_error_set(struct lam_error *err, int code, const char *where, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int lam_error_prefix(struct lam_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The class of a code, which decides what the engine does about it. */
enum lam_class lam_error_class(int code);

/* A code's name, such as "io" or "invalid": for logs and JSON. Static storage. */
const char *lam_error_name(int code);

#endif
