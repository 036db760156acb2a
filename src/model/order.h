/*
 * The total order of a key's versions, as bytes: memcmp of two order strings is the order, in every layer, whatever arrived when.
 *
 *     [value] [source u32] [life u32] [place] [offset u64]        integers big-endian
 *
 *     value   00                            missing: sorts lowest
 *             01 i64 with its sign flipped  time in microseconds
 *             02 f64 i64                    number: the largest double not above it, then what is left; exact for 64-bit integers
 *             03 text 00 01                 string; a 00 in it is written 00 ff
 *             (nothing)                     order_by position
 *     place   corpus: path bytes, 00        a path holds no 00
 *             stream: partition u32
 *
 * The position at the end makes ties impossible: two versions with equal order strings are one version, and then the layer that
 * answered better counts (lam_better_answer). "Versions within one scan are ordered by the bytes of the path" is why the
 * path itself is in it, and not the digest that stands in the position.
 */
#ifndef LAMINA_MODEL_ORDER_H
#define LAMINA_MODEL_ORDER_H

#include <lamina/error.h>
#include <lamina/record.h>

#include "base/buf.h"

enum lam_order_by { LAM_ORDER_POSITION, LAM_ORDER_TIME, LAM_ORDER_FIELD };

/* A value: exactly one of these is added first, nothing where order_by is position. */
int lam_order_add_missing(struct lam_buf *buf, struct lam_error *err);
int lam_order_add_time(struct lam_buf *buf, int64_t time_us, struct lam_error *err);
int lam_order_add_string(struct lam_buf *buf, struct lam_sv text, struct lam_error *err);

/* A JSON number as written. Integers of 64 bits are exact, others the nearest double. LAM_E_INVALID where it is none. */
int lam_order_add_number(struct lam_buf *buf, struct lam_sv text, struct lam_error *err);

/* Then the position. path is the corpus path below the source's root; for a stream ptr is NULL. */
int lam_order_add_position(struct lam_buf *buf, const struct lam_position *pos, struct lam_sv path, struct lam_error *err);

/* The value part of an order string: what an on_missing delete carries over. LAM_E_CORRUPT where it is not one. */
int lam_order_value(struct lam_sv order, enum lam_order_by by, struct lam_sv *value, struct lam_error *err);

/* At equal order: is a the better founded answer than b? batch before speed, then deep or escalated before fast. */
bool lam_better_answer(const struct lam_row *a, const struct lam_row *b);

/* A stream's partition number in its position, and back. */
void lam_position_set_partition(struct lam_position *pos, uint32_t partition);
uint32_t lam_position_partition(const struct lam_position *pos);

/* Identity: equal positions are the same record. Any total order, for sorting and maps. */
int lam_position_cmp(const struct lam_position *a, const struct lam_position *b);

#endif
