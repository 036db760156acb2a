/*
 * A store's folder: what stands in it, and how files in it are named.
 */
#ifndef LAMINA_STORE_STORE_H
#define LAMINA_STORE_STORE_H

#include <stdatomic.h>

#include "base/fs.h"

#include "entry.h"

/* Makes the folders of a store where they are missing. Storage thread. */
int lam_store_make(const struct lam_fs *fs, const char *root, struct lam_error *err);

/* Hands out names of segments: "<folder of the kind>/<run>-<rank>-<counter>.h5"; none is ever given twice. Any thread. */
struct lam_namer {
    char run[LAM_RUN_ID];
    int rank;
    atomic_uint next;
};

/* lam_segment_namer of resolve.h: arg is a struct lam_namer. */
int lam_namer_next(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err);

/* The same for rows that no view names yet: they go into runs/<run>/. */
int lam_namer_staged(struct lam_namer *namer, char path[LAM_SEGMENT_PATH], struct lam_error *err);

#endif
