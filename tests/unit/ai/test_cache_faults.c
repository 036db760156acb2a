/*
 * Every single call to the file layer fails, is done and said to have failed, or is the last one before a crash: an answer that was told
 * as flushed is there in the next run, nothing else than what was put is ever given, and the cache goes on.
 */
#include "cache_fixture.h"

#include <errno.h>

#include "faulty_fs.h"

enum { ANSWERS = 12 };

struct told {
    int count;
    bool flushed[ANSWERS];
};

struct ticket {
    struct told *told;
    int n;
};

static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    struct ticket *ticket = arg;

    assert_true(!rc == !err);
    ticket->told->count++;
    ticket->told->flushed[ticket->n] = !rc;
}

/* Puts in three commits, over several files, with a prune in between. Whatever fails, each put that was taken is told. */
static void work(const char *root, const struct lam_fs *fs, struct told *told)
{
    struct lam_cache_options options = {.fs = fs, .file_bytes = 600, .max_keys = 5, .refresh_us = -1, .flush_us = 3600 * SECOND};
    struct ticket tickets[ANSWERS];
    struct lam_cache *cache;
    struct lam_error err;
    int taken = 0;

    if (lam_cache_open(&cache, root, &options, &err))
        return;
    for (int n = 0; n < ANSWERS; n++) {
        struct lam_cache_meta meta = {(n + 1) * SECOND, (uint32_t)n, 1};
        char value[512];
        size_t len = value_of(value, (uint64_t)n, 1);

        tickets[n] = (struct ticket){told, n};
        taken += !lam_cache_put(cache, key_of((uint64_t)n), lam_sv(value, len), &meta, on_flushed, &tickets[n], &err);
        if (n % 4 == 3)
            lam_cache_flush(cache, &err);
        if (n == 7)
            lam_cache_prune(cache, 0, 0, NULL, &err);
    }
    lam_cache_close(cache);
    assert_int_equal(told->count, taken);
}

static void check(const char *root, const struct told *told, const char *what, uint64_t at)
{
    struct lam_cache *cache = open_cache(root, NULL);

    for (int n = 0; n < ANSWERS; n++)
        if (got(cache, (uint64_t)n, false) != 1 && told->flushed[n])
            fail_msg("answer %d was flushed and is lost: %s at call %d", n, what, (int)at);
    put(cache, 100, 1, 0);
    flush(cache);
    assert_int_equal(got(cache, 100, false), 1);
    lam_cache_close(cache);
}

static void spoil_each_call(enum faulty_mode mode, int error, const char *what)
{
    for (uint64_t at = 1;; at++) {
        struct told told = {0};
        struct faulty_fs faulty;
        void *root;

        scratch_setup(&root);
        faulty_fs_init(&faulty, &lam_fs_system);
        faulty_fs_spoil(&faulty, FAULTY_ANY, at, mode, error);
        work(root, &faulty.fs, &told);
        check(root, &told, what, at);
        scratch_teardown(&root);
        if (!faulty.hit) {
            assert_true(at > 40);
            assert_int_equal(told.count, ANSWERS);
            break;
        }
    }
}

static void any_call_may_fail(void **state) { (void)state, spoil_each_call(FAULTY_FAIL, EIO, "failed"); }
static void any_call_may_be_done_and_say_it_failed(void **state) { (void)state, spoil_each_call(FAULTY_DONE_FAIL, EIO, "done and failed"); }
static void the_process_may_end_at_any_call(void **state) { (void)state, spoil_each_call(FAULTY_CRASH, EIO, "crash"); }
static void it_may_end_after_any_call(void **state) { (void)state, spoil_each_call(FAULTY_DONE_CRASH, EIO, "done and crash"); }
static void a_write_may_be_torn(void **state) { (void)state, spoil_each_call(FAULTY_TEAR_CRASH, EIO, "torn"); }

static void a_full_disk_is_told_and_the_next_put_works_when_there_is_room(void **state)
{
    struct lam_cache_options options = {.flush_us = 3600 * SECOND};
    struct told told = {0};
    struct ticket ticket = {&told, 0};
    struct faulty_fs faulty;
    struct lam_cache *cache;
    struct lam_error err;

    faulty_fs_init(&faulty, &lam_fs_system);
    options.fs = &faulty.fs;
    cache = open_cache(*state, &options);
    put(cache, 1, 1, 0);
    flush(cache);
    faulty_fs_spoil_from(&faulty, FAULTY_PWRITE, 1, FAULTY_FAIL, ENOSPC);
    assert_int_equal(lam_cache_put(cache, key_of(0), LAM_SV("x"), NULL, on_flushed, &ticket, &err), 0);
    assert_int_equal(lam_cache_flush(cache, &err), LAM_E_IO);
    assert_non_null(strstr(err.text, "No space left"));
    assert_int_equal(told.count, 1);
    assert_false(told.flushed[0]);
    faulty_fs_mend(&faulty);
    put(cache, 2, 1, 0);
    flush(cache);
    assert_int_equal(got(cache, 1, false), 1);
    assert_int_equal(got(cache, 2, false), 1);
    lam_cache_close(cache);
}

static void a_write_that_fails_at_a_put_is_tried_again(void **state)
{
    struct lam_cache_options options = {.flush_us = 3600 * SECOND};
    struct told told = {0};
    struct ticket ticket = {&told, 0};
    struct faulty_fs faulty;
    struct lam_cache *cache;
    struct lam_error err;

    faulty_fs_init(&faulty, &lam_fs_system);
    options.fs = &faulty.fs;
    cache = open_cache(*state, &options);
    put(cache, 1, 1, 0);
    flush(cache);
    put(cache, 2, 1, 0);
    faulty_fs_spoil(&faulty, FAULTY_PWRITE, 1, FAULTY_FAIL, EIO);
    assert_int_equal(lam_cache_put(cache, key_of(0), LAM_SV("x"), NULL, on_flushed, &ticket, &err), 0);
    flush(cache); /* it is due without it */
    assert_true(faulty.hit && told.flushed[0]);
    put(cache, 3, 1, 0);
    lam_cache_close(cache);
    cache = open_cache(*state, NULL);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(got(cache, n, false), 1);
    lam_cache_close(cache);
}

/* Somebody puts while the answers before are being synced. */
struct latecomer {
    struct lam_cache *cache;
    struct ticket ticket;
    char value[512];
    bool came;
};

static void come_late(void *arg, enum faulty_call call, const char *path)
{
    struct latecomer *late = arg;
    struct lam_cache_meta meta = {0, (uint32_t)late->ticket.n, 1};
    struct lam_error err;

    (void)path;
    if (call != FAULTY_FSYNC || late->came)
        return;
    late->came = true;
    assert_int_equal(lam_cache_put(late->cache, key_of((uint64_t)late->ticket.n), lam_sv(late->value, value_of(late->value, (uint64_t)late->ticket.n, 1)), &meta, on_flushed, &late->ticket, &err), 0);
}

static void a_failed_sync_takes_nothing_with_it_that_was_put_meanwhile(void **state)
{
    struct lam_cache_options options = {.flush_us = 3600 * SECOND};
    struct told told = {0};
    struct ticket ticket = {&told, 0};
    struct latecomer late = {.ticket = {&told, 7}};
    struct faulty_fs faulty;
    struct lam_error err;

    faulty_fs_init(&faulty, &lam_fs_system);
    options.fs = &faulty.fs;
    late.cache = open_cache(*state, &options);
    put(late.cache, 1, 1, 0);
    flush(late.cache);
    assert_int_equal(lam_cache_put(late.cache, key_of(0), LAM_SV("x"), NULL, on_flushed, &ticket, &err), 0);
    faulty_fs_spoil(&faulty, FAULTY_FSYNC, 1, FAULTY_FAIL, EIO);
    faulty.before_arg = &late;
    faulty.before = come_late;
    assert_int_equal(lam_cache_flush(late.cache, &err), LAM_E_IO);
    flush(late.cache);
    assert_true(late.came && told.count == 2 && !told.flushed[0] && told.flushed[7]);
    assert_int_equal(got(late.cache, 1, false), 1);
    assert_int_equal(got(late.cache, 7, false), 1);
    lam_cache_close(late.cache);
    late.cache = open_cache(*state, NULL);
    assert_int_equal(got(late.cache, 0, false), -1); /* it was told as lost, and may have been put again elsewhere */
    assert_int_equal(got(late.cache, 1, false), 1);
    assert_int_equal(got(late.cache, 7, false), 1);
    lam_cache_close(late.cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(any_call_may_be_done_and_say_it_failed),
        cmocka_unit_test(the_process_may_end_at_any_call),
        cmocka_unit_test(it_may_end_after_any_call),
        cmocka_unit_test(a_write_may_be_torn),
        cmocka_unit_test_setup_teardown(a_write_that_fails_at_a_put_is_tried_again, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_takes_nothing_with_it_that_was_put_meanwhile, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_the_next_put_works_when_there_is_room, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests_name("cache_faults", tests, NULL, NULL);
}
