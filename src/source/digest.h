/*
 * The digest of a file's raw (undecoded) bytes, made so that several readers can each digest their part:
 *
 *     file     | block 0 (1 MiB) | block 1 (1 MiB) | … | block n (what is left) |
 *     blocks   lam_hash128 of each block
 *     digest   lam_hash128 of the block digests, 16 bytes each, one behind the other
 *
 * The digest of a prefix is that of a file which ends there. An empty file has no block.
 */
#ifndef LAMINA_SOURCE_DIGEST_H
#define LAMINA_SOURCE_DIGEST_H

#include <lamina/error.h>

#include "base/hash.h"

#define LAM_DIGEST_BLOCK ((uint64_t)1 << 20)

/* Digests blocks of bytes that come in order, in parts of any size. One thread. */
struct lam_digester {
    struct lam_hash_state *hash; /* of the block that is not yet full */
    uint64_t filled;             /* its bytes */
    struct lam_digest *blocks;   /* the full ones */
    size_t count, cap;
};

/* Begins at a block's first byte. LAM_E_MEMORY. */
int lam_digester_init(struct lam_digester *digester, struct lam_error *err);
void lam_digester_release(struct lam_digester *digester);
int lam_digester_add(struct lam_digester *digester, const void *bytes, size_t len, struct lam_error *err);

/* Closes the last block where one is begun. Afterwards blocks[0..count) is all that was added. */
int lam_digester_end(struct lam_digester *digester, struct lam_error *err);

/* The digest of a file from the digests of all of its blocks, in order. */
struct lam_digest lam_digest_of_blocks(const struct lam_digest *blocks, size_t count);

/*
 * Adds the blocks of the first len bytes of an open file to a digester that is fresh: LAM_E_CONFLICT where the file is shorter.
 * Reads with pread, 256 KiB at once; blocks on the disk.
 */
int lam_digest_prefix(int fd, const char *name, uint64_t len, struct lam_digester *digester, struct lam_error *err);

#endif
