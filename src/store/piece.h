/*
 * Pieces: what one accepted part of a split covers, as its worker notes it, its group lists it, and a later run adopts it.
 *
 * Of a file: the records that start in [begin, end), decoded bytes, of the file that had this size and mtime. Of a stream: the rows of one bronze
 * segment. JSON on the way and on disk; a path that is not UTF-8 stands there in hex.
 */
#ifndef LAMINA_STORE_PIECE_H
#define LAMINA_STORE_PIECE_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"
#include "base/hash.h"

#define LAM_PIECE_BLOCKS 65536 /* block digests of one piece: 64 GiB of raw bytes */

struct lam_piece {
    uint32_t source, life;
    bool again;            /* rows of the view that were owed an answer: path is their segment's, and nothing here was read anew. With stream */
    bool stream;           /* path is a bronze segment's, the rest of the file's fields are 0 */
    struct lam_sv path;
    uint64_t begin, end;   /* end: UINT64_MAX for all to the end */
    uint64_t size;         /* of the file when it was read */
    int64_t mtime_ns;
    uint64_t rows, quarantined, filtered, pending, no_text, no_order;
    bool last;             /* of its split */
    bool ended;            /* with last: the file's last byte ended a record */
    uint64_t first_block;  /* with last: digests of the raw blocks that the split covers */
    const struct lam_digest *blocks;
    size_t block_count;
};

/* Adds it as one JSON object. */
int lam_piece_write(const struct lam_piece *piece, struct lam_buf *json, struct lam_error *err);

/* The way back, from hostile bytes: LAM_E_CORRUPT. path and blocks are owned: lam_piece_release. */
int lam_piece_read(struct lam_sv json, struct lam_piece *piece, struct lam_error *err);
void lam_piece_release(struct lam_piece *piece);

#endif
