/* The cache under many threads: puts, gets, looks and prunes at once; two handles as two processes. For ThreadSanitizer. */
#include "cache_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, EACH = 400 };

struct worker {
    struct lam_cache *cache;
    uint64_t base;
    atomic_int *told;
};

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    (void)err;
    assert_int_equal(rc, 0);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct lam_error err;

    for (uint64_t i = 0; i < EACH; i++) {
        struct lam_cache_meta meta = {0, (uint32_t)(worker->base + i), 1};
        char value[512];
        size_t len = value_of(value, worker->base + i, 1);
        int rc;

        while ((rc = lam_cache_put(worker->cache, key_of(worker->base + i), lam_sv(value, len), &meta, on_flushed, worker->told, &err)) == LAM_PENDING)
            lam_cache_flush(worker->cache, &err);
        assert_int_equal(rc, 0);
        got(worker->cache, worker->base + i / 2, i % 32 == 0);
        got(worker->cache, (worker->base + EACH + i / 2) % (THREADS * EACH), false);
        if (i % 200 == 199)
            lam_cache_prune(worker->cache, 0, 0, NULL, NULL);
    }
    return NULL;
}

static void all_that_was_put_is_found_by_all(void **state)
{
    struct lam_cache_options options = {.max_keys = 100, .file_bytes = 32768, .max_open = 2, .flush_us = 2000, .refresh_us = 5000, .pending_bytes = 16384};
    struct lam_cache *caches[2] = {open_cache(*state, &options), open_cache(*state, &options)};
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    atomic_int told = 0;

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){caches[i % 2], (uint64_t)i * EACH, &told};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    flush(caches[0]);
    flush(caches[1]);
    assert_int_equal(told, THREADS * EACH);
    for (int which = 0; which < 2; which++)
        for (uint64_t n = 0; n < THREADS * EACH; n++)
            assert_int_equal(got(caches[which], n, true), 1);
    lam_cache_close(caches[0]);
    lam_cache_close(caches[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(all_that_was_put_is_found_by_all, scratch_setup, scratch_teardown)};

    return cmocka_run_group_tests_name("cache_threads", tests, NULL, NULL);
}
