/* The response cache: found after a flush, in this process, in another, in the next; damage costs answers and never gives wrong ones. */
#include "cache_fixture.h"

#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

static char *folder_of(void **state) { return *state; }

static size_t count_files(const char *root, const char *suffix, char last[512])
{
    struct lam_names names;
    struct lam_error err;
    size_t count = 0;

    if (lam_fs_list(&lam_fs_system, scratch_join(root, LAM_CACHE_FOLDER), &names, &err))
        return 0;
    for (size_t i = 0; i < names.count; i++)
        if (strlen(names.names[i]) > strlen(suffix) && !strcmp(names.names[i] + strlen(names.names[i]) - strlen(suffix), suffix)) {
            count++;
            if (last)
                snprintf(last, 512, "%s", scratch_join(scratch_join(root, LAM_CACHE_FOLDER), names.names[i]));
        }
    lam_names_release(&names);
    return count;
}

static void keys_differ_in_every_part(void **state)
{
    struct lam_sv parts[4] = {LAM_SV("model"), LAM_SV("3"), LAM_SV("{}"), LAM_SV("t=0")};
    struct lam_cache_scope scope = lam_cache_scope(parts[0], parts[1], parts[2], parts[3]), other;
    struct lam_digest key = lam_cache_key(&scope, LAM_SV("text"));

    (void)state;
    assert_true(lam_digest_eq(key, lam_cache_key(&scope, LAM_SV("text"))));
    assert_false(lam_digest_eq(key, lam_cache_key(&scope, LAM_SV("texts"))));
    for (int i = 0; i < 4; i++) {
        struct lam_sv kept = parts[i];

        parts[i] = LAM_SV("another");
        other = lam_cache_scope(parts[0], parts[1], parts[2], parts[3]);
        assert_false(lam_digest_eq(key, lam_cache_key(&other, LAM_SV("text"))));
        parts[i] = kept;
    }
    scope = lam_cache_scope(LAM_SV("ab"), LAM_SV("c"), LAM_SV(""), LAM_SV(""));
    other = lam_cache_scope(LAM_SV("a"), LAM_SV("bc"), LAM_SV(""), LAM_SV(""));
    assert_false(lam_digest_eq(scope.digest, other.digest));
}

static void an_answer_is_found_after_its_flush_here_and_in_the_next_run(void **state)
{
    struct lam_cache *cache = open_cache(folder_of(state), NULL);
    struct lam_cache_counts counts;

    assert_int_equal(got(cache, 1, false), -1);
    assert_int_equal(count_files(folder_of(state), "", NULL), 0); /* who only reads leaves nothing behind */
    for (uint64_t n = 0; n < 500; n++)
        put(cache, n, 1, 0);
    flush(cache);
    for (uint64_t n = 0; n < 500; n++)
        assert_int_equal(got(cache, n, false), 1);
    assert_int_equal(got(cache, 500, false), -1);
    lam_cache_counts(cache, &counts);
    assert_int_equal(counts.hits, 500);
    assert_int_equal(counts.misses, 2);
    assert_int_equal(counts.flushed, 500);
    assert_int_equal(counts.entries, 500);
    assert_int_equal(counts.saved_in, 499 * 500 / 2);
    lam_cache_close(cache);

    cache = open_cache(folder_of(state), NULL);
    lam_cache_counts(cache, &counts);
    assert_int_equal(counts.keys_in_memory, 0); /* the index that was written at the end has them */
    assert_int_equal(counts.indexes, 1);
    assert_int_equal(counts.entries, 500);
    for (uint64_t n = 0; n < 500; n++)
        assert_int_equal(got(cache, n, false), 1);
    lam_cache_close(cache);
}

static void the_newest_answer_to_a_key_counts_wherever_it_stands(void **state)
{
    struct lam_cache *cache = open_cache(folder_of(state), NULL);

    put(cache, 1, 1, 10 * SECOND);
    put(cache, 1, 3, 30 * SECOND);
    put(cache, 1, 2, 20 * SECOND);
    put(cache, 2, 1, 50 * SECOND);
    flush(cache);
    assert_int_equal(got(cache, 1, false), 3);
    lam_cache_close(cache);
    cache = open_cache(folder_of(state), NULL);
    assert_int_equal(got(cache, 1, false), 3);
    put(cache, 1, 4, 40 * SECOND);
    put(cache, 2, 0, 40 * SECOND);
    flush(cache);
    assert_int_equal(got(cache, 1, false), 4);
    assert_int_equal(got(cache, 2, false), 1);
    lam_cache_close(cache);
    cache = open_cache(folder_of(state), NULL);
    assert_int_equal(got(cache, 1, false), 4);
    assert_int_equal(got(cache, 2, false), 1);
    lam_cache_close(cache);
}

static void other_processes_see_it_when_they_look(void **state)
{
    struct lam_cache_options never = {.refresh_us = -1};
    struct lam_cache *a = open_cache(folder_of(state), &never), *b = open_cache(folder_of(state), &never);

    put(a, 1, 1, 0);
    flush(a);
    assert_int_equal(got(b, 1, false), -1);
    assert_int_equal(got(b, 1, true), 1);
    assert_int_equal(got(b, 1, false), 1);
    put(b, 2, 2, 0);
    put(a, 3, 3, 0);
    flush(b);
    flush(a);
    assert_int_equal(got(a, 2, true), 2);
    assert_int_equal(got(b, 3, true), 3);
    lam_cache_close(a); /* its index takes the place of what b has read itself */
    assert_int_equal(lam_cache_refresh(b, NULL), 0);
    assert_int_equal(got(b, 1, false), 1);
    assert_int_equal(got(b, 3, false), 3);
    lam_cache_close(b);
}

/* What a killed process leaves: bytes behind the last whole entry. They are passed by, and nothing is ever written behind them. */
static void a_torn_end_is_passed_by(void **state)
{
    struct lam_cache *cache = open_cache(folder_of(state), NULL);
    char path[512];
    size_t len, cut = 0;
    char *bytes;

    for (uint64_t n = 0; n < 20; n++)
        put(cache, n, 1, 0);
    flush(cache);
    count_files(folder_of(state), ".answers", path);
    bytes = scratch_read(path, &len);
    lam_cache_close(cache);
    assert_int_equal(count_files(folder_of(state), ".index", path), 1);
    unlink(path);
    count_files(folder_of(state), ".answers", path);
    for (cut = 0; cut <= len; cut += cut < 200 || cut > len - 60 ? 1 : 97) {
        int last = -1;

        scratch_write(path, bytes, cut);
        cache = open_cache(folder_of(state), NULL);
        for (uint64_t n = 0; n < 20; n++)
            if (got(cache, n, false) == 1) {
                assert_int_equal(last, (int)n - 1); /* a beginning of them, whole */
                last = (int)n;
            }
        assert_int_equal(last == 19, cut == len);
        lam_cache_close(cache);
    }
    free(bytes);
}

static void any_damage_costs_answers_and_gives_no_wrong_one(void **state)
{
    struct lam_cache *cache = open_cache(folder_of(state), NULL);
    char data[512], index[512];
    size_t lens[2];
    char *bytes[2];

    for (uint64_t n = 0; n < 8; n++)
        put(cache, n, 1, 0);
    lam_cache_close(cache);
    assert_int_equal(count_files(folder_of(state), ".answers", data), 1);
    assert_int_equal(count_files(folder_of(state), ".index", index), 1);
    bytes[0] = scratch_read(data, &lens[0]);
    bytes[1] = scratch_read(index, &lens[1]);
    for (int which = 0; which < 2; which++)
        for (size_t at = 0; at < lens[which]; at++) {
            int found = 0;

            bytes[which][at] ^= 0x41;
            scratch_write(data, bytes[0], lens[0]);
            scratch_write(index, bytes[1], lens[1]);
            bytes[which][at] ^= 0x41;
            cache = open_cache(folder_of(state), NULL);
            for (uint64_t n = 0; n < 8; n++)
                found += got(cache, n, false) == 1; /* got compares the bytes */
            assert_true(found >= 6); /* at most the one that is hit, or that an index does not find past it */
            lam_cache_close(cache);
        }
    free(bytes[0]);
    free(bytes[1]);
}

static void memory_and_descriptors_are_bounded_and_indexes_few(void **state)
{
    struct lam_cache_options options = {.max_keys = 64, .file_bytes = 8192, .max_open = 2, .flush_bytes = 2048};
    struct lam_cache *cache = open_cache(folder_of(state), &options), *reader = open_cache(folder_of(state), &options);
    struct lam_cache_counts counts;

    for (uint64_t n = 0; n < 5000; n++) {
        put(cache, n, 1, 0);
        if (n % 20 == 19)
            flush(cache);
    }
    lam_cache_counts(cache, &counts);
    assert_true(counts.keys_in_memory <= 64);
    assert_true(counts.files > 100);
    assert_true(counts.indexes < 8 * 4);
    for (uint64_t n = 0; n < 5000; n++)
        assert_int_equal(got(cache, n, false), 1);
    for (uint64_t n = 0; n < 5000; n++)
        assert_int_equal(got(reader, n, true), 1);
    lam_cache_counts(reader, &counts);
    assert_true(counts.keys_in_memory <= 64);
    lam_cache_close(cache);
    lam_cache_close(reader);
    cache = open_cache(folder_of(state), &options);
    for (uint64_t n = 0; n < 5000; n++)
        assert_int_equal(got(cache, n, false), 1);
    lam_cache_close(cache);
}

static int count_entry(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    unsigned *seen = arg;
    uint64_t n = entry->meta.tokens_in;

    (void)err;
    assert_true(n < 3000);
    assert_true(lam_digest_eq(entry->key, key_of(n)));
    assert_int_equal(seen[n], 0);
    seen[n] = entry->meta.tokens_out;
    return 0;
}

static void a_walk_visits_the_newest_answer_to_each_key_once(void **state)
{
    struct lam_cache_options options = {.file_bytes = 16384, .max_keys = 500};
    static unsigned seen[3000];
    struct lam_error err;
    struct lam_cache *cache;

    for (unsigned version = 1; version <= 3; version++) {
        cache = open_cache(folder_of(state), &options);
        for (uint64_t n = 0; n < 3000; n += version)
            put(cache, n, version, version * SECOND);
        lam_cache_close(cache);
    }
    cache = open_cache(folder_of(state), &options);
    memset(seen, 0, sizeof seen);
    assert_int_equal(lam_cache_walk(cache, count_entry, seen, &err), 0);
    for (uint64_t n = 0; n < 3000; n++)
        assert_int_equal(seen[n], n % 3 == 0 ? 3 : n % 2 == 0 ? 2 : 1);
    lam_cache_close(cache);
}

static void old_answers_are_not_given(void **state)
{
    struct lam_cache_options options = {.max_age_us = 3600 * SECOND};
    struct lam_cache *cache = open_cache(folder_of(state), &options);
    int64_t now = lam_wall_us(&lam_clock_system);

    put(cache, 1, 1, now - 7200 * SECOND);
    put(cache, 2, 1, now - 1800 * SECOND);
    flush(cache);
    assert_int_equal(got(cache, 1, false), -1);
    assert_int_equal(got(cache, 2, false), 1);
    lam_cache_close(cache);
}

static void pruning_removes_the_oldest_and_makes_one_file_of_many(void **state)
{
    int64_t now = lam_wall_us(&lam_clock_system);
    struct lam_cache_pruned pruned;
    struct lam_cache_counts counts;
    struct lam_error err;
    struct lam_cache *cache;

    for (uint64_t run = 0; run < 12; run++) { /* of these, four are older than two hours */
        cache = open_cache(folder_of(state), NULL);
        for (uint64_t n = 0; n < 50; n++)
            put(cache, run * 50 + n, 1, now - (int64_t)(12 - run) * 1800 * SECOND + 60 * SECOND);
        put(cache, 1000, (unsigned)run, now - (int64_t)(12 - run) * 1800 * SECOND);
        lam_cache_close(cache);
    }
    cache = open_cache(folder_of(state), NULL);
    assert_int_equal(lam_cache_prune(cache, 0, 4 * 3600 * SECOND, &pruned, &err), 0);
    assert_int_equal(pruned.files, 4 + 8); /* and the eight that are left become one */
    assert_int_equal(pruned.rewritten, 8 * 50 + 1);
    for (uint64_t n = 0; n < 600; n++)
        assert_int_equal(got(cache, n, false), n < 200 ? -1 : 1);
    assert_int_equal(got(cache, 1000, false), 11);
    lam_cache_counts(cache, &counts);
    assert_int_equal(counts.files, 1);
    assert_int_equal(counts.entries, 8 * 50 + 1);
    lam_cache_close(cache);
    assert_int_equal(count_files(folder_of(state), ".answers", NULL), 1);

    cache = open_cache(folder_of(state), NULL);
    for (uint64_t n = 0; n < 600; n++)
        assert_int_equal(got(cache, n, false), n < 200 ? -1 : 1);
    assert_int_equal(lam_cache_prune(cache, 1, 0, &pruned, &err), 0); /* of one byte: all goes */
    assert_int_equal(pruned.files, 1);
    assert_int_equal(got(cache, 300, false), -1);
    lam_cache_close(cache);
}

static void a_file_that_is_perhaps_written_to_is_left_alone(void **state)
{
    struct lam_cache *writer = open_cache(folder_of(state), NULL), *tool = open_cache(folder_of(state), NULL);
    struct utimbuf long_ago = {1000000, 1000000};
    struct lam_cache_pruned pruned;
    struct lam_error err;
    char path[512];

    put(writer, 1, 1, 0);
    flush(writer);
    assert_int_equal(lam_cache_prune(tool, 1, 0, &pruned, &err), 0);
    assert_int_equal(pruned.files, 0);
    assert_int_equal(got(tool, 1, true), 1);
    count_files(folder_of(state), ".answers", path);
    utime(path, &long_ago); /* as if its process had died long ago */
    assert_int_equal(lam_cache_prune(tool, 1, 0, &pruned, &err), 0);
    assert_int_equal(pruned.files, 1);
    put(writer, 2, 2, 0); /* it had not: what comes now goes into a new file */
    flush(writer);
    assert_int_equal(got(tool, 2, true), 2);
    lam_cache_close(writer);
    lam_cache_close(tool);
}

static void what_is_too_long_or_too_much_is_refused(void **state)
{
    struct lam_cache_options options = {.pending_bytes = 1000, .flush_us = 3600 * SECOND, .flush_bytes = (size_t)1 << 30};
    struct lam_cache *cache = open_cache(folder_of(state), &options);
    char *large = calloc(1, LAM_CACHE_VALUE_MAX + 1);
    struct lam_error err;
    struct lam_buf value;

    assert_non_null(large);
    put(cache, 0, 1, 0);
    flush(cache); /* what begins a file waits for nothing */
    assert_int_equal(lam_cache_put(cache, key_of(1), lam_sv(large, LAM_CACHE_VALUE_MAX + 1), NULL, NULL, NULL, &err), LAM_E_LIMIT);
    assert_int_equal(lam_cache_put(cache, key_of(1), lam_sv(large, LAM_CACHE_VALUE_MAX), NULL, NULL, NULL, &err), 0);
    assert_int_equal(lam_cache_put(cache, key_of(2), lam_sv(large, 1), NULL, NULL, NULL, &err), LAM_PENDING);
    flush(cache);
    assert_int_equal(lam_cache_put(cache, key_of(2), lam_sv(large, 1), NULL, NULL, NULL, &err), 0);
    flush(cache);
    lam_buf_init(&value, 100);
    assert_int_equal(lam_cache_get(cache, key_of(1), &value, NULL, &err), LAM_E_LIMIT);
    lam_buf_release(&value);
    lam_buf_init(&value, LAM_CACHE_VALUE_MAX + 100);
    assert_int_equal(lam_cache_get(cache, key_of(1), &value, NULL, &err), 0);
    assert_int_equal(value.len, LAM_CACHE_VALUE_MAX);
    lam_buf_release(&value);
    free(large);
    lam_cache_close(cache);
}

/* Against a plain table: random puts, runs, looks and prunes of two processes. */
static void two_processes_at_random_agree_with_a_table(void **state)
{
    struct lam_cache_options options = {.max_keys = 40, .file_bytes = 4096, .max_open = 3, .refresh_us = -1};
    struct lam_cache *caches[2] = {open_cache(folder_of(state), &options), open_cache(folder_of(state), &options)};
    unsigned seed = (unsigned)lam_wall_us(&lam_clock_system), clock = 1;
    static unsigned versions[200];
    struct lam_error err;

    print_message("seed %u\n", seed);
    srand(seed);
    memset(versions, 0, sizeof versions);
    for (int step = 0; step < 4000; step++) {
        int which = rand() % 2, what = rand() % 100;
        uint64_t n = (uint64_t)rand() % 200;

        if (what < 60) {
            put(caches[which], n, versions[n] = clock, clock * SECOND);
            clock++;
        } else if (what < 98) {
            flush(caches[0]);
            flush(caches[1]);
            assert_int_equal(lam_cache_refresh(caches[which], &err), 0);
            assert_int_equal(got(caches[which], n, false), versions[n] ? (int)versions[n] : -1);
        } else if (what < 99) {
            lam_cache_close(caches[which]);
            caches[which] = open_cache(folder_of(state), &options);
        } else {
            assert_int_equal(lam_cache_prune(caches[which], 0, 0, NULL, &err), 0);
        }
    }
    lam_cache_close(caches[0]);
    lam_cache_close(caches[1]);
    caches[0] = open_cache(folder_of(state), &options);
    for (uint64_t n = 0; n < 200; n++)
        assert_int_equal(got(caches[0], n, false), versions[n] ? (int)versions[n] : -1);
    lam_cache_close(caches[0]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_differ_in_every_part),
        CASE(an_answer_is_found_after_its_flush_here_and_in_the_next_run),
        CASE(the_newest_answer_to_a_key_counts_wherever_it_stands),
        CASE(other_processes_see_it_when_they_look),
        CASE(a_torn_end_is_passed_by),
        CASE(any_damage_costs_answers_and_gives_no_wrong_one),
        CASE(memory_and_descriptors_are_bounded_and_indexes_few),
        CASE(a_walk_visits_the_newest_answer_to_each_key_once),
        CASE(old_answers_are_not_given),
        CASE(pruning_removes_the_oldest_and_makes_one_file_of_many),
        CASE(a_file_that_is_perhaps_written_to_is_left_alone),
        CASE(what_is_too_long_or_too_much_is_refused),
        CASE(two_processes_at_random_agree_with_a_table),
    };

    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
