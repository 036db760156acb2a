/*
 * How many documents a model is asked about at once. It begins with a few and doubles while answers about all of them come back. When one does not it
 * is halved, or goes back to where it was good, and from then on grows slowly, with more patience after each failure: a model that cannot answer about
 * several is soon asked about one alone, and only now and then about two. Also learned: tokens and time that an answer has for each document. Plain data; all
 * zero is a fresh one.
 */
#ifndef LAMINA_AI_OPENAI_PACK_SIZE_H
#define LAMINA_AI_OPENAI_PACK_SIZE_H

#include <stdint.h>

#define LAM_PACK_MAX 64u /* documents in one request: beyond it answers are mixed up more than is saved */

struct lam_pack_size {
    uint32_t most;     /* documents; 0: nothing was learned */
    uint32_t sure;     /* the largest pack since the last failure that was answered */
    uint32_t good;     /* documents answered in packs of about this size */
    uint32_t patience; /* of them, before it grows after a failure; 0: there was none */
    double tokens, us; /* of an answer, for each document: what the larger ones have lately; 0: none came */
};

/* Documents in the next pack at most, so that its answer takes half of timeout_us or less. */
uint32_t lam_pack_most(const struct lam_pack_size *size, int64_t timeout_us);

/* Tokens to keep free for the answer about one document: of expected ones until some came back, never more than it may have. */
uint32_t lam_pack_answer(const struct lam_pack_size *size, uint32_t expected, uint32_t allowed);

/* An answer about `asked` documents, 1 or more, came after so long; `usable` of them were. */
void lam_pack_answered(struct lam_pack_size *size, uint32_t asked, uint32_t usable, uint32_t tokens, int64_t latency_us);

/* None did that was of use: mixed, not in time, refused. tokens: that were written before it was cut off; 0: it was not. A cut is first met with more room. */
void lam_pack_failed(struct lam_pack_size *size, uint32_t asked, uint32_t tokens);

#endif
