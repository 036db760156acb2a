/* Each allocation of the cache, of single flight, and of static tables failing in turn: an error or less comfort, nothing leaked, no answer lost that was told. */
#include "cache_fixture.h"

#include "ai/cache/flight.h"
#include "ai/static/tokenizer.h"
#include "failing_alloc.h"

enum { ANSWERS = 6 };

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    (void)err;
    *(int *)arg = rc ? 2 : 1;
}

/* told: 0 not taken, 1 flushed, 2 told as failed. False: all went well. */
static bool use_cache(const char *root, int told[ANSWERS])
{
    struct lam_cache_options options = {.max_keys = 4, .file_bytes = 600, .flush_us = 3600 * SECOND, .refresh_us = -1};
    struct lam_cache *cache;
    struct lam_error err;
    bool failed = false;

    if (lam_cache_open(&cache, root, &options, &err))
        return true;
    for (uint64_t n = 0; n < ANSWERS; n++) {
        struct lam_cache_meta meta = {(int64_t)(n + 1) * SECOND, (uint32_t)n, 1};
        struct lam_buf value;
        char bytes[512];
        size_t len = value_of(bytes, n, 1);

        failed |= lam_cache_put(cache, key_of(n), lam_sv(bytes, len), &meta, on_flushed, &told[n], &err) != 0;
        failed |= lam_cache_flush(cache, &err) != 0;
        lam_buf_init(&value, 1000);
        failed |= lam_cache_get_fresh(cache, key_of(n), &value, NULL, &err) != 0;
        lam_buf_release(&value);
    }
    failed |= lam_cache_prune(cache, 0, 0, NULL, &err) != 0;
    lam_cache_close(cache);
    return failed;
}

static void a_flushed_answer_survives_each_failed_allocation(void **state)
{
    bool failed = true, spent = true;
    long n;

    (void)state;
    for (n = 0; failed || spent; n++) {
        int told[ANSWERS] = {0};
        struct lam_cache *cache;
        void *root;

        assert_true(n < 2000);
        scratch_setup(&root);
        failing_alloc_after(n);
        failed = use_cache(root, told);
        spent = failing_alloc_stop() < 0; /* the failure came */
        cache = open_cache(root, NULL);
        for (uint64_t i = 0; i < ANSWERS; i++)
            if (told[i] == 1)
                assert_int_equal(got(cache, i, false), 1);
        lam_cache_close(cache);
        scratch_teardown(&root);
    }
    print_message("%ld allocations\n", n);
    assert_true(n > 30);
}

static void tell(void *arg, int rank, uint64_t token, enum lam_flight_word word)
{
    (void)rank;
    (void)token;
    (void)word;
    ++*(int *)arg;
}

/* Without memory nobody waits: each is granted. */
static void a_table_of_flights_without_memory_holds_up_nobody(void **state)
{
    (void)state;
    for (long n = 0; n < 40; n++) {
        struct lam_flight *flight;
        int waits = 0, told = 0;

        failing_alloc_after(n);
        if ((flight = lam_flight_new(1000, 100)))
            for (uint64_t token = 0; token < 16; token++)
                waits += lam_flight_ask(flight, key_of(token % 4), (int)token, token, 0) == LAM_FLIGHT_WAIT;
        failing_alloc_stop();
        for (uint64_t key = 0; flight && key < 4; key++)
            lam_flight_done(flight, key_of(key), (int)key, true, 1, tell, &told);
        for (uint64_t key = 0; flight && key < 4; key++)
            for (int rank = 0; rank < 16; rank++)
                lam_flight_done(flight, key_of(key), rank, true, 1, tell, &told);
        assert_true(told >= waits);
        lam_flight_free(flight);
    }
}

static void ignore(void *arg, uint32_t id)
{
    (void)arg;
    (void)id;
}

static void a_tokenizer_is_whole_or_none(void **state)
{
    static const char json[] = "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"
                               "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]},\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\"}],"
                               "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"\xe2\x96\x81\":1,\"a\":2,\"\xe2\x96\x81"
                               "a\":3,\"aa\":4},\"merges\":[\"\xe2\x96\x81 a\",\"a a\"]}}";
    int rc = 1;
    long n;

    (void)state;
    for (n = 0; rc; n++) {
        struct static_tokenizer *tokenizer;
        struct static_reader *reader;
        struct lam_error err;

        assert_true(n < 200);
        failing_alloc_after(n);
        if (!(rc = static_tokenizer_new(lam_sv(json, sizeof json - 1), &tokenizer, &err))) {
            if (!(reader = static_reader_new(tokenizer)) || static_tokenize(reader, LAM_SV("a aaa <unk> aaaa"), ignore, NULL, &err))
                rc = LAM_E_MEMORY;
            failing_alloc_stop();
            if (reader)
                assert_int_equal(static_tokenize(reader, LAM_SV("a aaa <unk> aaaa"), ignore, NULL, &err), 0);
            static_reader_free(reader);
            static_tokenizer_free(tokenizer);
        }
        failing_alloc_stop();
        assert_true(rc == 0 || rc == LAM_E_MEMORY);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flushed_answer_survives_each_failed_allocation),
        cmocka_unit_test(a_table_of_flights_without_memory_holds_up_nobody),
        cmocka_unit_test(a_tokenizer_is_whole_or_none),
    };

    return cmocka_run_group_tests_name("cache_memory", tests, NULL, NULL);
}
