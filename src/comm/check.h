/*
 * The check at start that all ranks see one store: the coordinator writes a token into it, and every rank must read it there, within a
 * bounded time (NFS caches folders), and must see the root of each source. A failure is agreed upon and names the ranks.
 *
 *     rank 0: writes token, tells name and content ──> all: look for it, stat roots ──> agreement ──> rank 0 removes it
 *
 * The one place where the main thread touches files: before anything else runs. Collective, with a start and a test.
 */
#ifndef LAMINA_COMM_CHECK_H
#define LAMINA_COMM_CHECK_H

#include "agree.h"
#include "base/fs.h"

struct lam_check;

/*
 * store: an existing folder on rank 0. roots: what every rank must be able to stat; all are borrowed until the check is
 * freed. The check fails when it is not done within timeout_ms.
 */
int lam_check_start(struct lam_check **check, struct lam_comm *comm, const struct lam_fs *fs, const char *store, const char *const *roots,
                    size_t root_count, int64_t timeout_ms, struct lam_error *err);

/* LAM_PENDING, then 0 or the common error. Call it again at least every 100 ms or so; the caller polls comm. */
int lam_check_test(struct lam_check *check, struct lam_error *err);
void lam_check_free(struct lam_check *check);

#endif
