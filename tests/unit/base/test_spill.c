/*
 * A spill keeps what is put into it, in place, whatever comes after; emptied, it is filled again in the same room; its file has no name; and any call that
 * fails is told, and spoils nothing that is in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faulty_fs.h"
#include "spill.h"

#define PIECES 3000
#define LARGEST ((size_t)9 << 20) /* more than is taken from the disk at once */

static char folder[] = "/tmp/lamina_spill_XXXXXX";

static unsigned files_in_folder(void)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static size_t length_of(unsigned *seed) { return rand_r(seed) % 500 ? (size_t)(rand_r(seed) % 3000) : (size_t)rand_r(seed) % LARGEST; }

/* Pieces of random lengths, each filled with bytes of its own, are whole when all are there. */
static void fill_and_check(struct lam_spill *spill, unsigned seed)
{
    struct lam_sv *kept = calloc(PIECES, sizeof *kept);
    char *bytes = malloc(LARGEST);
    struct lam_error err;

    assert_non_null(kept);
    assert_non_null(bytes);
    for (int i = 0; i < PIECES; i++) {
        size_t len = length_of(&seed);

        memset(bytes, i * 7 + 1, len);
        assert_int_equal(lam_spill_copy(spill, lam_sv(bytes, len), &kept[i], &err), 0);
        assert_int_equal(kept[i].len, len);
        assert_int_equal(len ? (uintptr_t)kept[i].ptr % alignof(max_align_t) : 0, 0);
    }
    for (int i = 0; i < PIECES; i++) {
        memset(bytes, i * 7 + 1, kept[i].len);
        assert_memory_equal(kept[i].ptr, bytes, kept[i].len);
    }
    free(bytes);
    free(kept);
}

static void what_is_kept_stays_and_room_is_used_again(void **state)
{
    unsigned seed = 20261123;
    struct lam_spill *spill;
    struct lam_error err;

    (void)state;
    print_message("seed %u\n", seed);
    assert_int_equal(lam_spill_new(&spill, &lam_fs_system, folder, &err), 0);
    assert_int_equal(files_in_folder(), 0);
    for (int round = 0; round < 3; round++) {
        fill_and_check(spill, seed + (unsigned)round);
        lam_spill_clear(spill);
    }
    lam_spill_free(spill);
    lam_spill_free(NULL);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct lam_spill *spill;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_spill_new(&spill, &lam_fs_system, "/nowhere/at/all", &err), LAM_E_IO);
    assert_null(spill);
    assert_non_null(strstr(err.text, "/nowhere/at/all/spill.tmp."));
}

static void remove_files(void)
{
    struct lam_names names;
    char path[LAM_PATH_MAX];

    assert_int_equal(lam_fs_list(&lam_fs_system, folder, &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++) {
        assert_int_equal(lam_path_join(path, folder, names.names[i], NULL), 0);
        assert_int_equal(unlink(path), 0);
    }
    lam_names_release(&names);
}

/* Three pieces, for each of which the disk is asked for room. How many were kept is told; the first error ends it. */
static int fill_three(struct lam_spill *spill, unsigned *kept_count, struct lam_error *err)
{
    const char *bytes = "what stays";
    struct lam_sv kept[3];
    void *room;
    int rc = 0;

    for (*kept_count = 0; *kept_count < 3; ++*kept_count)
        if ((rc = lam_spill_copy(spill, lam_sv_of(bytes), &kept[*kept_count], err)) || (rc = lam_spill_room(spill, LARGEST, &room, err)))
            break;
    for (unsigned i = 0; i < *kept_count; i++)
        assert_true(lam_sv_eq(kept[i], lam_sv_of(bytes)));
    return rc;
}

static void each_call_that_fails_is_told_and_spoils_nothing(void **state)
{
    static const struct {
        enum faulty_call call;
        uint64_t nth;
        int error, in_new, in_room; /* what both answer */
        unsigned kept;              /* before it */
        const char *text;
    } cases[] = {
        {FAULTY_OPEN, 1, EMFILE, LAM_E_IO, 0, 0, "spill.tmp."},
        {FAULTY_UNLINK, 1, EACCES, LAM_E_IO, 0, 0, "remove the name"},
        {FAULTY_ALLOCATE, 1, ENOSPC, 0, LAM_E_IO, 0, "No space left"},
        {FAULTY_ALLOCATE, 3, EDQUOT, 0, LAM_E_IO, 1, "Disk quota exceeded"},
        {FAULTY_MAP, 1, ENOMEM, 0, LAM_E_MEMORY, 0, "map a spill"},
        {FAULTY_MAP, 4, ENOMEM, 0, LAM_E_MEMORY, 2, "map a spill"},
        {FAULTY_CLOSE, 1, EIO, 0, 0, 3, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct faulty_fs faulty;
        struct lam_spill *spill;
        struct lam_error err;
        unsigned kept = 0;

        print_message("call %d, the %d-th\n", cases[i].call, (int)cases[i].nth);
        faulty_fs_init(&faulty, &lam_fs_system);
        faulty_fs_spoil(&faulty, (int)cases[i].call, cases[i].nth, FAULTY_FAIL, cases[i].error);
        assert_int_equal(lam_spill_new(&spill, &faulty.fs, folder, &err), cases[i].in_new);
        if (spill) {
            assert_int_equal(fill_three(spill, &kept, &err), cases[i].in_room);
            assert_int_equal(kept, cases[i].kept);
        }
        if (cases[i].text)
            assert_non_null(strstr(err.text, cases[i].text));
        if (spill && cases[i].in_room) { /* once there is room again, it goes on */
            faulty_fs_mend(&faulty);
            assert_int_equal(fill_three(spill, &kept, &err), 0);
        }
        lam_spill_free(spill);
        assert_true(faulty.hit || cases[i].in_room);
        assert_int_equal(files_in_folder(), cases[i].call == FAULTY_UNLINK); /* which the text names */
        remove_files();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_stays_and_room_is_used_again),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(each_call_that_fails_is_told_and_spoils_nothing),
    };
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
