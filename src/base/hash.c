#include "hash.h"

#include <isa-l/crc.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t lam_hash64(const void *bytes, size_t len) { return XXH3_64bits(bytes, len); }

struct lam_digest lam_hash128(const void *bytes, size_t len)
{
    struct lam_digest digest;
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
    memcpy(digest.bytes, canonical.digest, sizeof digest.bytes);
    return digest;
}

struct lam_hash_state {
    XXH3_state_t *xxh; /* wants 64-byte alignment, which its own constructor knows */
};

struct lam_hash_state *lam_hash_new(void)
{
    struct lam_hash_state *state = malloc(sizeof *state);

    if (state && !(state->xxh = XXH3_createState())) {
        free(state);
        return NULL;
    }
    if (state)
        XXH3_128bits_reset(state->xxh);
    return state;
}

void lam_hash_free(struct lam_hash_state *state)
{
    if (state)
        XXH3_freeState(state->xxh);
    free(state);
}

void lam_hash_reset(struct lam_hash_state *state) { XXH3_128bits_reset(state->xxh); }

void lam_hash_add(struct lam_hash_state *state, const void *bytes, size_t len)
{
    if (len)
        XXH3_128bits_update(state->xxh, bytes, len);
}

struct lam_digest lam_hash_end(const struct lam_hash_state *state)
{
    struct lam_digest digest;
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state->xxh));
    memcpy(digest.bytes, canonical.digest, sizeof digest.bytes);
    return digest;
}

void lam_digest_hex(struct lam_digest digest, char text[LAM_DIGEST_HEX])
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        text[2 * i] = hex[digest.bytes[i] >> 4];
        text[2 * i + 1] = hex[digest.bytes[i] & 15];
    }
    text[32] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool lam_digest_parse(struct lam_sv text, struct lam_digest *digest)
{
    if (text.len != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        int high = nibble(text.ptr[2 * i]), low = nibble(text.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        digest->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* isa-l takes an int of bytes, and leaves the usual inversion before and after to its caller. */
uint32_t lam_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    crc = ~crc;
    while (len > 0) {
        size_t part = len < (1u << 30) ? len : 1u << 30;

        crc = crc32_iscsi((unsigned char *)(uintptr_t)p, (int)part, crc);
        p += part;
        len -= part;
    }
    return ~crc;
}
