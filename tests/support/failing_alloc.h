/*
 * Allocations of the program under test that fail when a test says so: malloc, calloc, realloc, strdup and strndup, but not those inside of shared libraries.
 * For a program of one file that includes this and is linked by lam_failing_alloc (cmake/LaminaAreas.cmake).
 *
 *     failing_alloc_after(n);                  n more are done, one fails, and all after it are done
 *     …
 *     failed = failing_alloc_stop() < 0;
 *
 * All threads are counted together. Where FAILING_ALLOC_OF_THREAD is defined before, each thread counts its own alone.
 */
#ifndef LAMINA_TESTS_FAILING_ALLOC_H
#define LAMINA_TESTS_FAILING_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef FAILING_ALLOC_OF_THREAD
static _Thread_local atomic_long failing_alloc_left = -1; /* until one fails; -1: none does */
#else
static atomic_long failing_alloc_left = -1;
#endif

static void failing_alloc_after(long count) { atomic_store(&failing_alloc_left, count); }

/* None fails any more. How many were left until the one that was to fail; -1: it has failed, or there was none. */
static long failing_alloc_stop(void) { return atomic_exchange(&failing_alloc_left, -1); }

static bool failing_alloc_now(void) { return atomic_load(&failing_alloc_left) >= 0 && atomic_fetch_sub(&failing_alloc_left, 1) == 0; }

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *ptr, size_t len);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t len) { return failing_alloc_now() ? NULL : __real_malloc(len); }
void *__wrap_calloc(size_t count, size_t len) { return failing_alloc_now() ? NULL : __real_calloc(count, len); }
void *__wrap_realloc(void *ptr, size_t len) { return failing_alloc_now() ? NULL : __real_realloc(ptr, len); }
char *__wrap_strdup(const char *text) { return failing_alloc_now() ? NULL : __real_strdup(text); }
char *__wrap_strndup(const char *text, size_t len) { return failing_alloc_now() ? NULL : __real_strndup(text, len); }

#endif
