/*
 * Cursors of pages: opaque to clients, and safe in a URL. A cursor names the last row that was looked at, never a place in a file, so
 * that it outlives the snapshot it was made under.
 *
 *     base64url of:  version u8   kind u8 'u'|'a'   body   crc32c u32 of all before it
 *     body           upsert: hash u64, key          append: source u32, life u32, partition 16, offset u64, place u64
 */
#ifndef LAMINA_SERVE_CURSOR_H
#define LAMINA_SERVE_CURSOR_H

#include <lamina/reader.h>

#include "base/buf.h"

#define LAM_CURSOR_KEY_MAX 4096 /* bytes of a key that a cursor can name */
#define LAM_CURSOR_TEXT 5600    /* bytes of its text with the NUL */

/* Can a page end behind this row? */
static inline bool lam_cursor_fits(const struct lam_hit *hit, bool append) { return append || hit->row.rec.key.len <= LAM_CURSOR_KEY_MAX; }

/* The cursor of a row that fits. */
void lam_cursor_format(const struct lam_hit *hit, bool append, char text[LAM_CURSOR_TEXT]);

/* Reads text; cursor's key points into bytes, which is replaced. LAM_E_INVALID: not a cursor, or one of the other kind of dataset. */
int lam_cursor_parse(struct lam_sv text, bool append, struct lam_buf *bytes, struct lam_cursor *cursor, struct lam_error *err);

#endif
