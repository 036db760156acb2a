/* Rows that are read once: what is mapped no more, what the page cache lets go of, and that all of it can be read again. */
#include "segment_fixture.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROWS 600
#define TEXT ((size_t)8 << 10)
#define DIM 1024

struct big {
    struct lam_segment_entry entry;
    struct lam_map *map;
    struct lam_arena arena;
    struct lam_row rows[ROWS];
};

/* A segment with a large column of strings and one of vectors, mapped. */
static void big_open(struct big *big, void **state, const char *path)
{
    uint64_t seed = first_seed();
    const struct lam_row *list[ROWS];
    struct lam_target target = {&lam_fs_system, *state, path, LAM_SEGMENT_SILVER};
    struct lam_error err = {0};

    lam_arena_init(&big->arena, (size_t)64 << 20);
    for (size_t i = 0; i < ROWS; i++) {
        struct lam_row *row = &big->rows[i];
        char *text = lam_arena_alloc(&big->arena, TEXT);
        float *vector = lam_arena_alloc(&big->arena, DIM * sizeof *vector);
        size_t len = TEXT - below(&seed, 1000);

        assert_non_null(text);
        assert_non_null(vector);
        *row = random_row(&big->arena, &seed, DIM);
        for (size_t c = 0; c < len; c++)
            text[c] = (char)('a' + below(&seed, 26));
        for (size_t d = 0; d < DIM; d++)
            vector[d] = (float)below(&seed, 1000);
        row->rec.text = lam_sv(text, len);
        row->enr.embedding = vector;
        row->enr.dim = DIM;
        list[i] = row;
    }
    lam_segment_entry_init(&big->entry);
    assert_ok(lam_rows_write_array(&target, list, ROWS, DIM, &big->entry, NULL, &err));
    assert_ok(lam_map_open(&lam_fs_system, *state, &big->entry, &big->map, &err));
}

static void big_close(struct big *big)
{
    lam_map_unref(big->map);
    lam_segment_entry_release(&big->entry);
    lam_arena_release(&big->arena);
}

static void assert_all_there(const struct big *big)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct lam_row row;

        lam_rows_get(big->map, i, LAM_COLUMNS_ALL, &row);
        assert_true(lam_sv_eq(row.rec.text, big->rows[i].rec.text));
        assert_true(lam_sv_eq(row.rec.key, big->rows[i].rec.key));
        assert_memory_equal(row.enr.embedding, big->rows[i].enr.embedding, DIM * sizeof(float));
    }
}

struct pages {
    unsigned char *first;
    size_t count;
};

/* The pages of a column's rows [first, end). It reads from them, and what is not there comes back then: ask before. */
static struct pages pages_of(const struct big *big, bool text, size_t first, size_t end)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const char *from = text ? lam_map_string(big->map, LAM_ROWS_TEXT, first).ptr : (const char *)lam_map_vector(big->map, LAM_ROWS_EMBEDDING, first);
    const char *last = text ? lam_map_string(big->map, LAM_ROWS_TEXT, end - 1).ptr : (const char *)lam_map_vector(big->map, LAM_ROWS_EMBEDDING, end - 1);

    return (struct pages){(unsigned char *)((uintptr_t)from / page * page), (uintptr_t)last / page - (uintptr_t)from / page + 1};
}

/* How many of them the page cache holds. */
static size_t cached(struct pages pages)
{
    unsigned char *in = malloc(pages.count);
    size_t sum = 0;

    assert_non_null(in);
    assert_int_equal(mincore(pages.first, pages.count * (size_t)sysconf(_SC_PAGESIZE), in), 0);
    for (size_t i = 0; i < pages.count; i++)
        sum += in[i] & 1;
    free(in);
    return sum;
}

/* How many of them this process has mapped; -1: the kernel does not tell. */
static long mapped(struct pages pages)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    long sum = fd < 0 ? -1 : 0;

    for (size_t i = 0; sum >= 0 && i < pages.count; i++) {
        uint64_t entry;
        off_t at = (off_t)(((uintptr_t)pages.first / (uintptr_t)sysconf(_SC_PAGESIZE) + i) * sizeof entry);

        if (pread(fd, &entry, sizeof entry, at) == sizeof entry)
            sum += entry >> 63;
        else
            sum = -1;
    }
    if (fd >= 0)
        close(fd);
    return sum;
}

/* Has this machine a page cache that can be told to let go? */
static bool can_forget(void **state)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = page != MAP_FAILED && !madvise(page, 4096, MADV_PAGEOUT);
    struct statfs system;

    if (page != MAP_FAILED)
        munmap(page, 4096);
    return can && !statfs(*state, &system) && system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC;
}

static void what_was_checked_once_is_mapped_no_more(void **state)
{
    struct big big;
    struct pages pages;
    struct lam_error err = {0};

    big_open(&big, state, "once.h5");
    assert_ok(lam_map_need_once(big.map, LAM_COLUMNS_ALL, &err));
    pages = pages_of(&big, true, 0, ROWS);
    if (mapped(pages) < 0)
        print_message("no /proc/self/pagemap: not looked at\n");
    else
        assert_true(mapped(pages) < (long)pages.count / 2); /* a few: what pages_of read, and its neighbours */
    assert_all_there(&big);
    if (mapped(pages) >= 0)
        assert_true(mapped(pages) > (long)pages.count / 2);
    assert_ok(lam_map_need_once(big.map, LAM_COLUMNS_ALL, &err)); /* nothing is left to check: whoever reads there now is left alone */
    if (mapped(pages) >= 0)
        assert_true(mapped(pages) > (long)pages.count / 2);
    big_close(&big);
}

static void what_is_forgotten_leaves_the_page_cache_and_can_be_read_again(void **state)
{
    struct pages gone[2], kept[2];
    struct big big;
    struct lam_error err = {0};

    big_open(&big, state, "forgotten.h5");
    assert_ok(lam_map_need(big.map, LAM_COLUMNS_ALL, &err));
    assert_all_there(&big);
    for (int text = 0; text < 2; text++) {
        gone[text] = pages_of(&big, text, 0, 400);
        kept[text] = pages_of(&big, text, 402, ROWS);
        assert_true(cached(gone[text]) > 0 && cached(kept[text]) > 0);
    }
    lam_map_forget(big.map, 0, 400);
    for (int text = 0; text < 2 && can_forget(state); text++) {
        assert_true(cached(gone[text]) < gone[text].count / 2); /* a large folio that goes beyond may stay, and what another processor has in hand */
        assert_true(cached(kept[text]) > kept[text].count / 2); /* nobody spoke of those; but the kernel may need memory just now */
    }
    assert_all_there(&big);
    lam_map_forget(big.map, ROWS, ROWS);
    lam_map_forget(big.map, 7, 9); /* too little */
    lam_map_forget(big.map, 0, ROWS);
    lam_map_forget(big.map, 0, ROWS); /* what is not there */
    assert_all_there(&big);
    big_close(&big);
}

static void a_column_that_was_not_checked_is_left_alone(void **state)
{
    struct pages pages;
    struct big big;
    struct lam_error err = {0};

    big_open(&big, state, "unchecked.h5");
    assert_ok(lam_map_need(big.map, LAM_COLUMN(LAM_ROWS_EMBEDDING), &err));
    pages = pages_of(&big, false, 0, ROWS);
    lam_map_forget(big.map, 0, ROWS); /* where texts lie is not known yet */
    if (can_forget(state))
        assert_true(cached(pages) < pages.count / 2);
    assert_ok(lam_map_need(big.map, LAM_COLUMNS_ALL, &err));
    assert_all_there(&big);
    big_close(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_checked_once_is_mapped_no_more),
        cmocka_unit_test(what_is_forgotten_leaves_the_page_cache_and_can_be_read_again),
        cmocka_unit_test(a_column_that_was_not_checked_is_left_alone),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
