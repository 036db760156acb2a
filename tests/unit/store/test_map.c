/* Mapping segments: no damaged byte is believed, columns are checked once, maps are shared and bounded. */
#include "segment_fixture.h"

#include <pthread.h>
#include <sys/wait.h>

#define DIM 8
#define ROWS 50

static void write_rows(void **state, const char *path, uint64_t seed, size_t rows, struct lam_segment_entry *entry)
{
    struct lam_block *block = lam_block_new(rows, (size_t)64 << 20);
    struct lam_target target = {&lam_fs_system, *state, path, LAM_SEGMENT_SILVER};
    struct lam_arena arena;
    struct lam_error err = {0};

    lam_arena_init(&arena, (size_t)64 << 20);
    for (size_t i = 0; i < rows; i++) {
        struct lam_row row = random_row(&arena, &seed, DIM);

        assert_ok(lam_block_add_row(block, &row, &err));
    }
    lam_segment_entry_init(entry);
    assert_ok(lam_rows_write(&target, &block, 1, DIM, false, entry, NULL, &err));
    lam_block_free(block);
    lam_arena_release(&arena);
}

static void full_path(void **state, const char *path,
                      char full[LAM_PATH_MAX]) { snprintf(full, LAM_PATH_MAX, "%s/%s", (char *)*state, path); }

static void flip(void **state, const char *path, uint64_t offset, unsigned bit)
{
    char full[LAM_PATH_MAX];
    unsigned char byte;
    int fd;

    full_path(state, path, full);
    fd = open(full, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= (unsigned char)(1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static int open_and_read(void **state, const struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_map *map;
    int rc = lam_map_open(&lam_fs_system, *state, entry, &map, err);

    if (!rc)
        rc = lam_map_need(map, LAM_COLUMNS_ALL, err);
    lam_map_unref(map);
    return rc;
}

static void a_flipped_bit_in_any_dataset_is_found_and_named(void **state)
{
    uint64_t seed = first_seed();
    struct lam_segment_entry entry;
    struct lam_error err = {0};

    write_rows(state, "flipped.h5", seed, ROWS, &entry);
    for (uint32_t i = 0; i < entry.dataset_count; i++) {
        char name[LAM_DATASET_NAME];
        enum lam_dataset_part part;
        uint32_t column = lam_layout_column(lam_layout(LAM_LAYOUT_ROWS), i, &part, name);

        for (int round = 0; round < 5 && entry.datasets[i].len; round++) {
            uint64_t offset = entry.datasets[i].offset + below(&seed, entry.datasets[i].len);
            unsigned bit = (unsigned)below(&seed, 8);
            struct lam_map *map;
            char place[64];

            flip(state, "flipped.h5", offset, bit);
            assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
            assert_int_equal(lam_map_need(map, LAM_COLUMN(column), &err), LAM_E_CORRUPT);
            assert_int_equal(lam_map_need(map, LAM_COLUMN(column), &err), LAM_E_CORRUPT);
            assert_non_null(strstr(err.text, "flipped.h5"));
            assert_non_null(strstr(err.text, name));
            snprintf(place, sizeof place, "at byte %llu", (unsigned long long)entry.datasets[i].offset);
            assert_non_null(strstr(err.text, place));
            assert_ok(lam_map_need(map, LAM_COLUMNS_ALL & ~LAM_COLUMN(column), &err)); /* the others hold */
            lam_map_unref(map);
            flip(state, "flipped.h5", offset, bit);
        }
    }
    assert_ok(open_and_read(state, &entry, &err));
}

static void offsets_that_fall_are_found_though_their_sum_holds(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    uint32_t dataset = lam_layout_dataset(lam_layout(LAM_LAYOUT_ROWS), LAM_ROWS_TEXT);
    uint64_t offsets[ROWS + 1], good[ROWS + 1];
    char full[LAM_PATH_MAX];
    int fd;

    write_rows(state, "offsets.h5", 1, ROWS, &entry);
    full_path(state, "offsets.h5", full);
    fd = open(full, O_RDWR);
    assert_int_equal(pread(fd, good, sizeof good, (off_t)entry.datasets[dataset].offset), sizeof good);
    for (int i = 0; i < 4; i++) {
        memcpy(offsets, good, sizeof offsets);
        if (i == 0)
            offsets[0] = 1;
        else if (i == 1)
            offsets[20] = UINT64_MAX;
        else if (i == 2)
            offsets[ROWS]++;
        else
            offsets[30] = 0;
        assert_int_equal(pwrite(fd, offsets, sizeof offsets, (off_t)entry.datasets[dataset].offset), sizeof offsets);
        entry.datasets[dataset].crc32c = lam_crc32c(0, offsets, sizeof offsets);
        assert_int_equal(open_and_read(state, &entry, &err), LAM_E_CORRUPT);
        assert_non_null(strstr(err.text, "offsets of column text"));
    }
    close(fd);
}

static void an_entry_that_cannot_be_is_refused(void **state)
{
    struct lam_segment_entry entry, other;
    struct lam_error err = {0};
    uint64_t seed = first_seed();

    write_rows(state, "entry.h5", 1, ROWS, &entry);
    assert_ok(open_and_read(state, &entry, &err));
    for (int i = 0; i < 2000; i++) {
        uint32_t dataset = (uint32_t)below(&seed, entry.dataset_count);
        int rc;

        other = entry;
        switch (below(&seed, 7)) {
        case 0:
            other.rows = below(&seed, 2) ? random64(&seed) : below(&seed, 200);
            break;
        case 1:
            other.bytes = below(&seed, 2) ? random64(&seed) : below(&seed, 200);
            break;
        case 2:
            other.datasets[dataset].offset = below(&seed, 2) ? random64(&seed) : other.bytes - below(&seed, 8) * 8;
            break;
        case 3:
            other.datasets[dataset].len = below(&seed, 2) ? random64(&seed) : other.datasets[dataset].len + 1 + below(&seed, 8);
            break;
        case 4:
            other.dim = (uint32_t)random64(&seed);
            break;
        case 5:
            other.layout = 1 + (uint32_t)below(&seed, 7);
            break;
        default:
            other.datasets[dataset].crc32c ^= 1;
        }
        rc = open_and_read(state, &other, &err);
        if (memcmp(&other, &entry, sizeof entry) &&
            !(other.datasets[dataset].len == 0 && other.datasets[dataset].crc32c == entry.datasets[dataset].crc32c))
            assert_true(rc == LAM_E_CORRUPT || rc == LAM_E_INVALID);
    }
    strcpy(other.path, "missing.h5");
    assert_int_equal(open_and_read(state, &other, &err) == 0, 0);
    other = entry;
    strcpy(other.path, "missing.h5");
    assert_int_equal(open_and_read(state, &other, &err), LAM_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing.h5"));
}

static void a_file_of_another_length_or_kind_is_refused(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    char full[LAM_PATH_MAX];

    write_rows(state, "short.h5", 1, ROWS, &entry);
    full_path(state, "short.h5", full);
    flip(state, "short.h5", 3, 0);
    assert_int_equal(open_and_read(state, &entry, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "signature"));
    flip(state, "short.h5", 3, 0);
    assert_int_equal(truncate(full, (off_t)entry.bytes - 1), 0);
    assert_int_equal(open_and_read(state, &entry, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "its entry says"));
}

static int touch(void *arg)
{
    const struct lam_map *map = arg;
    volatile uint64_t sum = 0;

    for (uint64_t i = 0; i < lam_map_rows(map); i++)
        sum += lam_map_u64(map, LAM_ROWS_HASH)[i];
    return sum == 1;
}

static void a_fault_inside_a_map_fails_the_query_and_not_the_process(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_map *map, *fresh;
    char full[LAM_PATH_MAX];

    assert_ok(lam_map_catch_faults(&err));
    write_rows(state, "fault.h5", 1, 5000, &entry);
    full_path(state, "fault.h5", full);
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &map, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &entry, &fresh, &err));
    assert_ok(lam_map_need(map, LAM_COLUMNS_ALL, &err));
    assert_int_equal(lam_map_guard(touch, map, &err), 0);
    assert_int_equal(truncate(full, 4096), 0);
    assert_int_equal(lam_map_guard(touch, map, &err), LAM_E_CORRUPT);
    assert_int_equal(lam_map_need(fresh, LAM_COLUMNS_ALL, &err), LAM_E_CORRUPT); /* while it is checked, without a guard of the caller */
    assert_non_null(strstr(err.text, "could not be read"));
    lam_map_unref(map);
    lam_map_unref(fresh);
}

static void the_cache_holds_so_many_and_lets_go_of_the_oldest(void **state)
{
    enum { SEGMENTS = 6, MOST = 3 };
    struct lam_segment_entry entries[SEGMENTS];
    struct lam_map_cache *cache = lam_map_cache_new(&lam_fs_system, *state, MOST);
    struct lam_map *first, *map;
    struct lam_error err = {0};
    char full[LAM_PATH_MAX];

    for (int i = 0; i < SEGMENTS; i++) {
        char path[32];

        snprintf(path, sizeof path, "cached%d.h5", i);
        write_rows(state, path, (uint64_t)i, 3, &entries[i]);
    }
    assert_ok(lam_map_cache_get(cache, &entries[0], &first, &err));
    assert_ok(lam_map_cache_get(cache, &entries[0], &map, &err));
    assert_ptr_equal(first, map);
    lam_map_unref(map);
    for (int i = 1; i < SEGMENTS; i++) {
        assert_ok(lam_map_cache_get(cache, &entries[i], &map, &err));
        lam_map_unref(map);
        assert_true(lam_map_cache_count(cache) <= MOST);
        if (i < 3) { /* used again and again, it stays */
            assert_ok(lam_map_cache_get(cache, &entries[0], &map, &err));
            assert_ptr_equal(first, map);
            lam_map_unref(map);
        }
    }
    assert_ok(lam_map_cache_get(cache, &entries[0], &map, &err));
    assert_ptr_not_equal(first, map); /* it had to go, and its reader did not notice */
    assert_ok(lam_map_need(first, LAM_COLUMNS_ALL, &err));
    lam_map_unref(first);
    lam_map_unref(map);
    full_path(state, "cached0.h5", full);
    assert_int_equal(unlink(full), 0);
    lam_map_cache_drop(cache, "cached0.h5");
    lam_map_cache_drop(cache, "never.h5");
    assert_int_equal(lam_map_cache_get(cache, &entries[0], &map, &err), LAM_E_NOT_FOUND);
    lam_map_cache_free(cache);
    lam_map_cache_free(NULL);
}

struct reader {
    struct lam_map_cache *cache;
    struct lam_segment_entry *entries;
    size_t count;
    uint64_t seed, sum;
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;

    for (int i = 0; i < 300; i++) {
        struct lam_segment_entry *entry = &reader->entries[below(&reader->seed, reader->count)];
        struct lam_error err = {0};
        struct lam_map *map;
        struct lam_row row;

        if (lam_map_cache_get(reader->cache, entry, &map, &err) || lam_map_need(map, LAM_COLUMNS_ALL, &err))
            return reader;
        lam_rows_get(map, below(&reader->seed, lam_map_rows(map)), LAM_COLUMNS_ALL, &row);
        reader->sum += row.rec.text.len + row.rec.hash;
        lam_map_unref(map);
        if (i % 50 == 0)
            lam_map_cache_drop(reader->cache, entry->path);
    }
    return NULL;
}

static void threads_share_maps_and_check_columns_once(void **state)
{
    enum { THREADS = 4, SEGMENTS = 5 };
    struct lam_segment_entry entries[SEGMENTS];
    struct lam_map_cache *cache = lam_map_cache_new(&lam_fs_system, *state, 3);
    struct reader readers[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < SEGMENTS; i++) {
        char path[32];

        snprintf(path, sizeof path, "shared%d.h5", i);
        write_rows(state, path, (uint64_t)i, 20, &entries[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.cache = cache, .entries = entries, .count = SEGMENTS, .seed = (uint64_t)i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    lam_map_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_in_any_dataset_is_found_and_named),
        cmocka_unit_test(offsets_that_fall_are_found_though_their_sum_holds),
        cmocka_unit_test(an_entry_that_cannot_be_is_refused),
        cmocka_unit_test(a_file_of_another_length_or_kind_is_refused),
        cmocka_unit_test(a_fault_inside_a_map_fails_the_query_and_not_the_process),
        cmocka_unit_test(the_cache_holds_so_many_and_lets_go_of_the_oldest),
        cmocka_unit_test(threads_share_maps_and_check_columns_once),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
