/*
 * Checking a store: everything that one commit lists is read and compared with what the log says of it.
 *
 *     the log        each commit that has not expired, each checkpoint against the commits that it stands for
 *     each segment   size, layout, CRC of every column (mapped); attributes, names, types, places (HDF5); its mask
 *     sorted rows    order of (hash, key, order), hash of each key, range of a run
 *     manifests      paths in order
 *     models         the digest of each file that the built-in analyzer may load, and that it can be read
 *     the view       live, deleted and pending rows that no mask hides = the counts of the log, so that no key stands twice
 */
#ifndef LAMINA_APP_STORE_CHECK_H
#define LAMINA_APP_STORE_CHECK_H

#include "base/buf.h"
#include "engine.h"

struct lam_store_check {
    uint64_t segments, bytes; /* read, masks included */
    uint64_t rows;            /* live, of the view */
    uint64_t problems;
};

/*
 * Adds two lines for each problem to list, what is wrong and what to do, or (json) objects {"path","code","text","advice"} with commas between them. 0 also
 * where there are problems; an error is one that kept it from checking. One thread: it calls HDF5.
 */
int lam_store_check(struct lam_engine *engine, const struct lam_state *state, bool json, struct lam_buf *list, struct lam_store_check *result,
                    struct lam_error *err);

#endif
