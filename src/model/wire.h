/*
 * The wire frame: rows and rejects as bytes, for sending between ranks.
 *
 *     offset  0  "LAMW"            4 bytes
 *             4  version u16       1
 *             6  flags   u16       0
 *             8  length  u64       of the whole frame, header and crc included
 *            16  rows    u32
 *            20  rejects u32
 *            24  rows, then rejects, each its fields in the order of the structs (formats.md), strings with a u32 length before them
 *            end crc32c  u32       of all bytes before it
 *
 * Integers are little-endian, floats their IEEE bits. A frame never leaves the job, so its version need only tell two builds
 * apart, but its bytes are not trusted: whatever they are, decoding ends with rows, LAM_E_CORRUPT or LAM_E_LIMIT.
 */
#ifndef LAMINA_MODEL_WIRE_H
#define LAMINA_MODEL_WIRE_H

#include <lamina/block.h>

#include "base/buf.h"

#define LAM_WIRE_HEADER 24
#define LAM_WIRE_MIN (LAM_WIRE_HEADER + 4) /* bytes of a frame without rows */

/* A frame under construction at the end of buf: begin, add rows, add rejects (in this order), end. Plain data; buf is borrowed. */
struct lam_wire {
    struct lam_buf *buf;
    size_t start; /* where the frame begins in buf */
    uint32_t rows, rejects;
};

int lam_wire_begin(struct lam_wire *wire, struct lam_buf *buf, struct lam_error *err);

/* LAM_E_LIMIT where buf is full: nothing was added, end the frame and send it. */
int lam_wire_add_row(struct lam_wire *wire, const struct lam_row *row, struct lam_error *err);
int lam_wire_add_reject(struct lam_wire *wire, const struct lam_reject *reject, struct lam_error *err);

/* Writes counts, length and crc (room for it was kept). The frame is buf from wire->start on. */
int lam_wire_end(struct lam_wire *wire, struct lam_error *err);

/* A whole block as one frame. */
int lam_wire_add_block(struct lam_buf *buf, struct lam_block *block, struct lam_error *err);

/* Takes the first frame off *bytes (several may stand behind each other): LAM_END where nothing is left, LAM_E_CORRUPT. */
int lam_wire_next(struct lam_sv *bytes, struct lam_sv *frame, struct lam_error *err);

/*
 * Adds all rows and rejects of one frame to block, with copies of their strings; alignment of frame does not matter.
 * LAM_E_CORRUPT, LAM_E_LIMIT (the block is full): then the block has what it had before.
 */
int lam_wire_decode(struct lam_sv frame, struct lam_block *block, struct lam_error *err);

#endif
