/*
 * Blocks that were used, for the next to be filled: memory that a process writes for the first time costs a page fault every 4 KiB, which is more than
 * the copy into it. Reading threads take, whoever is done with a block gives. Any thread.
 */
#ifndef LAMINA_PROCESS_BLOCK_SPARES_H
#define LAMINA_PROCESS_BLOCK_SPARES_H

#include <lamina/block.h>

struct lam_block_spares;

/* Keeps at most max_held bytes of memory in spare blocks. NULL: out of memory. */
struct lam_block_spares *lam_block_spares_new(size_t max_held);
void lam_block_spares_free(struct lam_block_spares *spares); /* NULL-safe */

/* An empty block, as lam_block_new(max_rows, max_bytes) would make one: all callers of one set of spares give the same two. NULL: out of memory. */
struct lam_block *lam_block_spares_take(struct lam_block_spares *spares, size_t max_rows, size_t max_bytes);

/* Takes a block that nobody needs any more; frees it when there are spares enough. NULL-safe. */
void lam_block_spares_give(struct lam_block_spares *spares, struct lam_block *block);

/* Frees all spares: nothing is read any more, or not for a while. */
void lam_block_spares_drop(struct lam_block_spares *spares);

#endif
