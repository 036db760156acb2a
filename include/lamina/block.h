/*
 * Blocks: rows and rejects that travel together in memory, from a parser to a segment, with the arena that holds their bytes.
 * A full block is an ordinary result: the consumer takes it, the producer goes on with another.
 */
#ifndef LAMINA_BLOCK_H
#define LAMINA_BLOCK_H

#include <lamina/error.h>
#include <lamina/record.h>

struct lam_block;

/* A block of at most max_rows rows (and as many rejects) and max_bytes bytes of strings. NULL: out of memory. */
struct lam_block *lam_block_new(size_t max_rows, size_t max_bytes);
void lam_block_free(struct lam_block *block);
void lam_block_clear(struct lam_block *block);

size_t lam_block_rows(const struct lam_block *block);
size_t lam_block_rejects(const struct lam_block *block);
size_t lam_block_bytes(const struct lam_block *block); /* of strings, for rolling by size */
size_t lam_block_held(const struct lam_block *block);  /* memory that it has, used or not: a cleared block keeps it */
struct lam_row *lam_block_row(struct lam_block *block, size_t i);
struct lam_reject *lam_block_reject(struct lam_block *block, size_t i);

/* Memory of the block's arena, 16-aligned, that lives until the block is cleared; NULL when the block is full. */
void *lam_block_alloc(struct lam_block *block, size_t len);

/* A copy of text there; its ptr is NULL when the block is full. */
struct lam_sv lam_block_keep(struct lam_block *block, struct lam_sv text);

/* Adds a row or a reject with copies of all that it points to: LAM_E_LIMIT when the block is full, and nothing was added. */
int lam_block_add_row(struct lam_block *block, const struct lam_row *row, struct lam_error *err);
int lam_block_add_reject(struct lam_block *block, const struct lam_reject *reject, struct lam_error *err);

/* Adds a row as it is: what it points to stays where it lies, and outlives the block. Answers go into the block's arena. LAM_E_LIMIT as above. */
int lam_block_lend_row(struct lam_block *block, const struct lam_row *row, struct lam_error *err);

/*
 * A raw item kept beside what became of it, where the job asks for bronze copies: its position and its bytes. Shares the block's
 * arena, and is bounded as rows are.
 */
struct lam_copy {
    struct lam_position pos;
    int64_t arrival_us;
    struct lam_sv raw;
};

int lam_block_add_copy(struct lam_block *block, const struct lam_copy *copy, struct lam_error *err);
size_t lam_block_copies(const struct lam_block *block);
const struct lam_copy *lam_block_copy(const struct lam_block *block, size_t i);

/* A copy that holds no more memory than it needs, with the same bounds; all that its rows point to is its own. NULL: out of memory. */
struct lam_block *lam_block_compact(const struct lam_block *block);

/* Forgets all rows and rejects from these indexes on (their bytes stay until clear): a lost attempt discards its rows. */
void lam_block_truncate(struct lam_block *block, size_t rows, size_t rejects);

#endif
