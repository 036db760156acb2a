/*
 * The real reader behind queries: a snapshot of the log, the view's and the speed layer's mapped segments, and, within
 * a job that has a speed layer, the tail in the memory of its ranks.
 *
 *     pin: newest known state (commit n), entered into the table of pins ── get, scan: view + speed segments of n + tail rows in [archive position of n, now)
 *
 * `lamina query` and `lamina export` use it without a tail, HTTP in `run` with one: the same code, the same answers.
 */
#ifndef LAMINA_APP_STORE_READER_H
#define LAMINA_APP_STORE_READER_H

#include <lamina/block.h>
#include <lamina/reader.h>

#include "engine.h"

/*
 * Fetches the tail's rows that commit n does not cover, all of them or (key.ptr not NULL) those of one key, into block
 * (made large enough by the callee, freed by the caller), and adds {"<source>":{"0":next,…}} without the outer braces
 * to speed. Any thread; waits up to deadline (monotonic). LAM_E_TIMEOUT names the silent rank; LAM_E_CONFLICT: there is no tail of
 * this commit any more, pin anew.
 */
struct lam_tail_source {
    int (*fetch)(void *arg, uint64_t commit, struct lam_sv key, int64_t deadline_us, struct lam_block **block,
                 struct lam_buf *speed, struct lam_error *err);
    void *arg;
};

struct lam_store_reader;

/*
 * tail may be NULL. refresh: look at the log anew at each pin (offline, `serve` alone: at most every second), instead
 * of taking what the engine shares.
 */
int lam_store_reader_new(struct lam_store_reader **reader, struct lam_engine *engine,
                         const struct lam_tail_source *tail, bool refresh, struct lam_error *err);
void lam_store_reader_free(struct lam_store_reader *reader); /* NULL-safe; no snapshot may be held */

/* What else statistics are filled with, by whoever knows more than the store (rates, lags). Before the first pin. Any thread calls it. */
void lam_store_reader_more_stats(struct lam_store_reader *reader, void (*more)(void *arg, struct lam_reader_stats *stats), void *arg);

struct lam_reader lam_store_reader(struct lam_store_reader *reader);

/* The oldest commit that is pinned, or can still be: what the tail must not let go of. Any thread. */
uint64_t lam_store_reader_oldest(struct lam_store_reader *reader);

#endif
