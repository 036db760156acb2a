/* What the tests of the response cache share: a store in a scratch folder, keys and values by number. */
#ifndef LAMINA_TESTS_CACHE_FIXTURE_H
#define LAMINA_TESTS_CACHE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ai/cache.h"
#include "scratch.h"

static inline struct lam_digest key_of(uint64_t n) { return lam_hash128(&n, sizeof n); }

/* Bytes of an answer: what it is an answer to, which version of it, and a tail whose length depends on both. */
static inline size_t value_of(char out[512], uint64_t n, unsigned version)
{
    size_t len = (size_t)snprintf(out, 512, "{\"n\":%" PRIu64 ",\"version\":%u,\"rest\":\"", n, version), more = (n * 7 + version * 13) % 300;

    memset(out + len, 'x', more);
    return len + more;
}

static inline void put(struct lam_cache *cache, uint64_t n, unsigned version, int64_t time_us)
{
    struct lam_cache_meta meta = {time_us, (uint32_t)n, version};
    struct lam_error err;
    char value[512];
    size_t len = value_of(value, n, version);
    int rc;

    while ((rc = lam_cache_put(cache, key_of(n), lam_sv(value, len), &meta, NULL, NULL, &err)) == LAM_PENDING)
        assert_int_equal(lam_cache_flush(cache, &err), 0);
    if (rc)
        fail_msg("put: %s", err.text);
}

/* The version that the cache has of n; -1: none. Fails where the bytes are not those that were put. */
static inline int got(struct lam_cache *cache, uint64_t n, bool fresh)
{
    struct lam_cache_meta meta;
    struct lam_error err = {0};
    struct lam_buf value;
    char want[512];
    int rc, version = -1;

    lam_buf_init(&value, LAM_CACHE_VALUE_MAX);
    rc = (fresh ? lam_cache_get_fresh : lam_cache_get)(cache, key_of(n), &value, &meta, &err);
    if (rc && rc != LAM_E_NOT_FOUND)
        fail_msg("get: %s", err.text);
    if (!rc) {
        size_t len = value_of(want, n, meta.tokens_out);

        assert_int_equal(value.len, len);
        assert_memory_equal(value.ptr, want, len);
        assert_int_equal(meta.tokens_in, n);
        version = (int)meta.tokens_out;
    }
    lam_buf_release(&value);
    return version;
}

static inline struct lam_cache *open_cache(const char *root, const struct lam_cache_options *options)
{
    struct lam_cache *cache;
    struct lam_error err;

    if (lam_cache_open(&cache, root, options, &err))
        fail_msg("%s", err.text);
    return cache;
}

static inline void flush(struct lam_cache *cache)
{
    struct lam_error err;

    if (lam_cache_flush(cache, &err))
        fail_msg("flush: %s", err.text);
}

#define SECOND ((int64_t)1000000)

#endif
