/* A spill keeps what is put into it, in place, whatever comes after; emptied, it is filled again in the same room; and its file has no name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    assert_int_equal(lam_spill_new(&spill, folder, &err), 0);
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
    assert_int_equal(lam_spill_new(&spill, "/nowhere/at/all", &err), LAM_E_IO);
    assert_null(spill);
    assert_non_null(strstr(err.text, "/nowhere/at/all/spill.tmp."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_stays_and_room_is_used_again),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
