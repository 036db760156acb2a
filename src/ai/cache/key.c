/*
 * Keys. Each part of a scope is hashed by itself, its length beside it, so that no boundary can move; a text too, so that
 * what all questions share is hashed once:
 *
 *     scope = hash128(length, hash128(part) of each part)      key = hash128(scope, hash128(text))
 */
#include "ai/cache.h"

struct lam_cache_scope lam_cache_scope(struct lam_sv model, struct lam_sv prompt_version, struct lam_sv schema, struct lam_sv parameters)
{
    const struct lam_sv parts[] = {model, prompt_version, schema, parameters};
    unsigned char bytes[4 * 24];

    for (size_t i = 0; i < 4; i++) {
        struct lam_digest digest = lam_hash128(parts[i].ptr, parts[i].len);

        for (int j = 0; j < 8; j++)
            bytes[24 * i + (size_t)j] = (unsigned char)((uint64_t)parts[i].len >> 8 * j);
        memcpy(bytes + 24 * i + 8, digest.bytes, 16);
    }
    return (struct lam_cache_scope){lam_hash128(bytes, sizeof bytes)};
}

struct lam_digest lam_cache_key(const struct lam_cache_scope *scope, struct lam_sv text)
{
    struct lam_digest digest = lam_hash128(text.ptr, text.len);
    unsigned char bytes[32];

    memcpy(bytes, scope->digest.bytes, 16);
    memcpy(bytes + 16, digest.bytes, 16);
    return lam_hash128(bytes, sizeof bytes);
}
