/*
 * Sorting lines by key in bounded memory: chunks are sorted in memory and spilled to one unlinked file in TMPDIR (else /tmp), then merged. Fewer lines than a
 * chunk never touch the disk. One thread.
 */
#ifndef LAMINA_APP_EXPORT_SORT_H
#define LAMINA_APP_EXPORT_SORT_H

#include <lamina/error.h>
#include <lamina/sv.h>

#define LAM_EXPORT_SORT_MEMORY ((size_t)64 << 20) /* of a chunk, and of all buffers of the merge; one line may exceed it */

struct lam_export_sort;

int lam_export_sort_new(struct lam_export_sort **sort, struct lam_error *err);
void lam_export_sort_free(struct lam_export_sort *sort); /* NULL-safe */

/* Copies key and line. */
int lam_export_sort_add(struct lam_export_sort *sort, struct lam_sv key, struct lam_sv line, struct lam_error *err);

/* Gives all lines to put, by the bytes of their keys; lines of equal keys in the order in which they came. */
int lam_export_sort_end(struct lam_export_sort *sort, int (*put)(void *arg, struct lam_sv line, struct lam_error *err), void *arg, struct lam_error *err);

#endif
