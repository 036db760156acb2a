/* The size of the response cache: after each pruning the newest answers that fit are there, those of this very run among them, and nothing is lost on the way. */
#include "cache_fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWERS 300

static char *folder_of(void **state) { return *state; }

/* Of all that is in the cache's folder. */
static uint64_t bytes_on_disk(const char *root)
{
    struct lam_names names;
    struct lam_error err;
    uint64_t bytes = 0;

    assert_int_equal(lam_fs_list(&lam_fs_system, scratch_join(root, LAM_CACHE_FOLDER), &names, &err), 0);
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;

        assert_int_equal(stat(scratch_join(scratch_join(root, LAM_CACHE_FOLDER), names.names[i]), &st), 0);
        bytes += (uint64_t)st.st_size;
    }
    lam_names_release(&names);
    return bytes;
}

/* The oldest that is there; all newer ones must be. */
static uint64_t oldest_found(struct lam_cache *cache, uint64_t count)
{
    uint64_t oldest = count;

    while (oldest && got(cache, oldest - 1, true) == 1)
        oldest--;
    for (uint64_t n = 0; n < oldest; n++)
        assert_int_equal(got(cache, n, false), -1);
    return oldest;
}

static void the_newest_answers_that_fit_are_kept(void **state)
{
    struct lam_cache *cache = open_cache(folder_of(state), NULL);
    struct lam_cache_pruned pruned;
    struct lam_error err;
    uint64_t all, oldest, count = ANSWERS;

    for (uint64_t n = 0; n < count; n++)
        put(cache, n, 1, (int64_t)(n + 1) * SECOND / 7);
    lam_cache_close(cache);
    all = bytes_on_disk(folder_of(state));
    for (int run = 0; run < 5; run++) { /* each adds some; what it finds of the others it need not ask for */
        cache = open_cache(folder_of(state), NULL);
        for (int i = 0; i < 20; i++, count++)
            put(cache, count, 1, (int64_t)(count + 1) * SECOND / 7);
        assert_int_equal(lam_cache_prune(cache, all * 3 / 4, 0, &pruned, &err), 0);
        oldest = oldest_found(cache, count);
        assert_int_equal(pruned.in_use, 0);
        assert_true(pruned.answers > 0);
        lam_cache_close(cache);
        assert_true(bytes_on_disk(folder_of(state)) <= all * 3 / 4);
        assert_true(bytes_on_disk(folder_of(state)) > all * 3 / 4 - 1200);
        cache = open_cache(folder_of(state), NULL);
        assert_int_equal(oldest_found(cache, count), oldest);
        lam_cache_close(cache);
    }
}

static void whole_files_go_before_a_part_of_one(void **state)
{
    struct lam_cache_options options = {.file_bytes = 8192};
    struct lam_cache *cache = open_cache(folder_of(state), &options);
    struct lam_cache_pruned pruned;
    struct lam_error err;
    uint64_t all, oldest;

    for (uint64_t n = 0; n < ANSWERS; n++) {
        put(cache, n, 1, (int64_t)(n + 1) * SECOND);
        if (n % 10 == 9)
            flush(cache);
    }
    lam_cache_close(cache);
    all = bytes_on_disk(folder_of(state));
    cache = open_cache(folder_of(state), &options);
    assert_int_equal(lam_cache_prune(cache, all / 2, 0, &pruned, &err), 0);
    oldest = oldest_found(cache, ANSWERS);
    lam_cache_close(cache);
    assert_true(pruned.files > 2);
    assert_true(pruned.rewritten < 60);
    assert_true(oldest > ANSWERS / 3 && oldest < ANSWERS * 2 / 3);
    assert_int_equal(pruned.answers, oldest);
    assert_true(bytes_on_disk(folder_of(state)) <= all / 2);
}

static int no_unlink(void *arg, const char *path)
{
    (void)arg;
    return strstr(path, ".answers") ? -EIO : unlink(path) ? -errno : 0;
}

static void what_cannot_be_removed_is_not_lost(void **state)
{
    struct lam_fs_ops ops = *lam_fs_system.ops;
    struct lam_fs fs = {.ops = &ops, .arg = lam_fs_system.arg};
    struct lam_cache_options options = {.fs = &fs};
    struct lam_cache *cache = open_cache(folder_of(state), NULL);
    struct lam_error err;

    for (uint64_t n = 0; n < ANSWERS; n++)
        put(cache, n, 1, 0);
    lam_cache_close(cache);
    ops.unlink = no_unlink; /* as if the process had ended before */
    cache = open_cache(folder_of(state), &options);
    assert_int_equal(lam_cache_prune(cache, 10000, 0, NULL, &err), LAM_E_IO);
    lam_cache_close(cache);
    cache = open_cache(folder_of(state), NULL);
    assert_int_equal(oldest_found(cache, ANSWERS), 0);
    lam_cache_close(cache);
}

/* Two processes that both wrote: the one that ends last leaves no more than the limit. */
static void the_last_of_several_processes_keeps_the_limit(void **state)
{
    struct lam_cache *a = open_cache(folder_of(state), NULL), *b = open_cache(folder_of(state), NULL);
    struct lam_cache_pruned pruned;
    struct lam_error err;

    for (uint64_t n = 0; n < ANSWERS; n++)
        put(n % 2 ? a : b, n, 1, (int64_t)(n + 1) * SECOND);
    flush(a);
    flush(b);
    assert_int_equal(lam_cache_prune(a, 30000, 0, &pruned, &err), 0);
    assert_int_equal(pruned.in_use, 1); /* b's */
    assert_true(pruned.in_use_bytes > 10000);
    lam_cache_close(a);
    assert_int_equal(lam_cache_prune(b, 30000, 0, &pruned, &err), 0);
    assert_int_equal(pruned.in_use, 0);
    lam_cache_close(b);
    assert_true(bytes_on_disk(folder_of(state)) <= 30000);
    assert_true(bytes_on_disk(folder_of(state)) > 20000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newest_answers_that_fit_are_kept),
        CASE(whole_files_go_before_a_part_of_one),
        CASE(what_cannot_be_removed_is_not_lost),
        CASE(the_last_of_several_processes_keeps_the_limit),
    };

    return cmocka_run_group_tests_name("cache prune", tests, NULL, NULL);
}
