/* The measure for a client's CPU: what a plain loop over libcurl's multi interface takes for the same requests, with nothing around it. */
#ifndef LAMINA_BENCHMARKS_PLAIN_MULTI_H
#define LAMINA_BENCHMARKS_PLAIN_MULTI_H

#include <stddef.h>

#include <lamina/sv.h>

/*
 * Posts body count times to url, `slots` at once, each easy handle used again. answered is called for each body that came with 200; anything
 * else ends the program.
 */
void plain_multi(const char *url, struct lam_sv body, size_t slots, size_t count, void (*answered)(void *arg, struct lam_sv answer), void *arg);

#endif
