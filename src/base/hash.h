/*
 * Hashes. What stands on disk uses exactly these, so none may change without a new format number:
 * lam_hash64 (XXH3, 64 bits) places a key; lam_hash128 (XXH3, 128 bits, canonical big-endian) is a digest of paths and files;
 * lam_crc32c (Castagnoli) guards bytes at rest. None of them is cryptographic.
 */
#ifndef LAMINA_BASE_HASH_H
#define LAMINA_BASE_HASH_H

#include <lamina/sv.h>

struct lam_digest {
    uint8_t bytes[16];
};

#define LAM_DIGEST_HEX 33 /* bytes of its text with the NUL */

uint64_t lam_hash64(const void *bytes, size_t len);
struct lam_digest lam_hash128(const void *bytes, size_t len);
static inline bool lam_digest_eq(struct lam_digest a, struct lam_digest b) { return memcmp(a.bytes, b.bytes, 16) == 0; }
void lam_digest_hex(struct lam_digest digest, char text[LAM_DIGEST_HEX]);
bool lam_digest_parse(struct lam_sv text, struct lam_digest *digest);

/* lam_hash128 of bytes that come in parts. The state is a heap object of about 600 bytes; NULL: out of memory. */
struct lam_hash_state;
struct lam_hash_state *lam_hash_new(void);
void lam_hash_free(struct lam_hash_state *state);
void lam_hash_reset(struct lam_hash_state *state);
void lam_hash_add(struct lam_hash_state *state, const void *bytes, size_t len);
struct lam_digest lam_hash_end(const struct lam_hash_state *state); /* of what was added since the reset; more may follow */

/* crc of what was summed before (0 at the start) and these bytes. */
uint32_t lam_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
