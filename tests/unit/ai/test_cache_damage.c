/* One byte of the response cache that is not what it was costs the answer that it hits, and is told; all others are found, with an index and without one. */
#include "cache_fixture.h"

#include <unistd.h>

#include "base/log.h"

#define ANSWERS 8

static char *folder_of(void **state) { return *state; }

/* The path of the only file of the cache with this suffix. */
static void only_file(const char *root, const char *suffix, char path[512])
{
    struct lam_names names;
    struct lam_error err;
    size_t found = 0;

    assert_int_equal(lam_fs_list(&lam_fs_system, scratch_join(root, LAM_CACHE_FOLDER), &names, &err), 0);
    for (size_t i = 0; i < names.count; i++)
        if (strstr(names.names[i], suffix)) {
            snprintf(path, 512, "%s", scratch_join(scratch_join(root, LAM_CACHE_FOLDER), names.names[i]));
            found++;
        }
    lam_names_release(&names);
    assert_int_equal(found, 1);
}

static int count_one(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    (void)entry;
    (void)err;
    ++*(unsigned *)arg;
    return 0;
}

/* A cache of some answers in one file, whose bytes are given back; its index is removed unless it is to stay. */
static char *fill(const char *root, bool indexed, char path[512], size_t *len)
{
    struct lam_cache *cache = open_cache(root, NULL);
    char index[512];

    for (uint64_t n = 0; n < ANSWERS; n++)
        put(cache, n, 1, 0);
    lam_cache_close(cache);
    only_file(root, ".index", index);
    if (!indexed)
        unlink(index);
    only_file(root, ".answers", path);
    return scratch_read(path, len);
}

static unsigned count_found(struct lam_cache *cache)
{
    unsigned found = 0;

    for (uint64_t n = 0; n < ANSWERS; n++)
        found += got(cache, n, false) == 1; /* got compares the bytes */
    return found;
}

static void each_byte_in_turn(const char *root, bool indexed)
{
    char path[512], log_path[512];
    size_t len;
    char *bytes = fill(root, indexed, path, &len);

    snprintf(log_path, sizeof log_path, "%s", scratch_join(root, "log"));
    for (size_t at = 0; at < len; at++) {
        FILE *file = fopen(log_path, "w+");
        struct lam_log log = {.fd = fileno(file), .rank = -1, .level = LAM_LOG_WARN};
        struct lam_cache_options options = {.log = &log, .refresh_us = -1};
        struct lam_cache_counts counts;
        struct lam_cache *cache;
        unsigned found, walked = 0;
        struct lam_error err;
        char *told, *first;
        size_t told_len;

        bytes[at] ^= 0x41;
        scratch_write(path, bytes, len);
        bytes[at] ^= 0x41;
        cache = open_cache(root, &options);
        found = count_found(cache);
        assert_int_equal(lam_cache_walk(cache, count_one, &walked, &err), 0);
        assert_int_equal(lam_cache_walk(cache, count_one, &walked, &err), 0);
        lam_cache_counts(cache, &counts);
        told = scratch_read(log_path, &told_len);
        first = memmem(told, told_len, "is damaged at byte", 18);
        if (found != (at < 32 ? ANSWERS : ANSWERS - 1) || walked != 2 * found || counts.whole != found)
            fail_msg("byte %zu of %zu: found %u, walked %u, whole %" PRIu64, at, len, found, walked, counts.whole);
        if (counts.damaged) {
            assert_int_equal(counts.damaged, 1);
            assert_non_null(first);
        }
        assert_true(counts.damaged || at > len - 400); /* the last may look as if it were still being written */
        assert_true(!first || !memmem(first + 1, told_len - (size_t)(first + 1 - told), "is damaged at byte", 18));
        free(told);
        lam_cache_close(cache);
        fclose(file);
    }
    free(bytes);
}

static void one_byte_costs_one_answer_without_an_index(void **state) { each_byte_in_turn(folder_of(state), false); }
static void one_byte_costs_one_answer_with_an_index(void **state) { each_byte_in_turn(folder_of(state), true); }

/* A hole that another process sees while it reads on: what stands behind it is found, and what comes later as well. */
static void what_is_written_behind_damage_is_found(void **state)
{
    struct lam_cache_options never = {.refresh_us = -1};
    struct lam_cache *reader;
    char path[512];
    size_t len;
    char *bytes = fill(folder_of(state), false, path, &len);

    memset(bytes + 100, 0, 100); /* the first two */
    scratch_write(path, bytes, len / 2);
    reader = open_cache(folder_of(state), &never);
    assert_true(count_found(reader) < ANSWERS - 2);
    scratch_write(path, bytes, len);
    assert_int_equal(lam_cache_refresh(reader, NULL), 0);
    assert_int_equal(count_found(reader), ANSWERS - 2);
    put(reader, ANSWERS, 1, 0);
    lam_cache_close(reader); /* which writes an index over all that it knows */
    reader = open_cache(folder_of(state), &never);
    assert_int_equal(count_found(reader), ANSWERS - 2);
    lam_cache_close(reader);
    free(bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_byte_costs_one_answer_without_an_index),
        CASE(one_byte_costs_one_answer_with_an_index),
        CASE(what_is_written_behind_damage_is_found),
    };

    return cmocka_run_group_tests_name("cache damage", tests, NULL, NULL);
}
