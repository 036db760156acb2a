/*
 * Vectors as servers send them, live or in a batch's file, and as the cache keeps them.
 *
 *     {"data":[{"index":1,"embedding":[0.1,…]},{"index":0,"embedding":"zczMPQ…"}],…}    in any order, as numbers or as base64 of little-endian floats
 *         ──lam_embeddings_find──> where each one stands ──lam_embedding_read──> floats ──lam_embedding_normalise──> of unit length
 *         ──lam_embedding_add──> {"embedding":"…"}, base64
 */
#ifndef LAMINA_AI_OPENAI_EMBEDDING_H
#define LAMINA_AI_OPENAI_EMBEDDING_H

#include "base/buf.h"
#include "model/json.h"

#define LAM_EMBEDDING_BYTES ((size_t)1 << 20) /* of one vector, at most */

/* Where the vector of each of count texts stands, into by_index, which is zeroed; of the document's "data". False: one is missing, or told twice. */
bool lam_embeddings_find(const struct lam_json *json, size_t count, uint32_t *by_index);

/* The vector at `at` as floats, in place of what out had. LAM_E_INVALID: it is none, with the reason. */
int lam_embedding_read(const struct lam_json *json, uint32_t at, struct lam_buf *out, struct lam_error *err);

/* To unit length; false: it has none, or is not finite. */
bool lam_embedding_normalise(float *vector, size_t dim);

/* Adds the answer that the cache keeps. */
int lam_embedding_add(struct lam_buf *out, struct lam_sv floats, struct lam_error *err);

#endif
