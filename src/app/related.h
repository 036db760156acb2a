/*
 * Related records: those whose vectors are nearest to a record's own, by an exact scan of a snapshot.
 *
 *     {"key":"INC-7","related":[{"key":"INC-9","similarity":0.83,"category":"outage","title":"…","summary":"…"},…]}
 *
 * Vectors have unit length, so the similarity is their dot product: 1 the same direction, 0 nothing in common. Compared are vectors of one space. Time is
 * linear in the rows, memory in limit.
 */
#ifndef LAMINA_APP_RELATED_H
#define LAMINA_APP_RELATED_H

#include <lamina/reader.h>

#include <stdatomic.h>

#include "base/buf.h"

#define LAM_RELATED_MAX 50

/* Adds the object to out. LAM_E_NOT_FOUND: no such key, or it has no vector. LAM_E_CANCELLED once
 * *stop is set (NULL: nobody stops it). Any thread, with a snapshot of its own. */
int lam_related(const struct lam_reader *reader, struct lam_sv key, size_t limit, unsigned timeout_ms, const atomic_bool *stop, struct lam_buf *out,
                struct lam_error *err);

#endif
