/* The check at start: every rank sees the coordinator's store and each source's root, or is named. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "comm/check.h"

enum { STORE = 1 };

static char store[64];

static void on_store(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    (void)src;
    (void)type;
    assert_true(bytes.len < sizeof store);
    memcpy(store, bytes.ptr, bytes.len);
    *(bool *)arg = true;
}

static bool told(void *arg) { return *(bool *)arg; }

/* A folder of rank 0's, whose name all ranks know. */
static int make_store(void **state)
{
    bool known = false;

    (void)state;
    listen_to(STORE, on_store, &known);
    if (rank == 0) {
        char path[] = "/tmp/test_check.XXXXXX";

        assert_non_null(mkdtemp(path));
        for (int dst = 0; dst < size; dst++)
            send_surely(dst, STORE, lam_sv(path, sizeof path));
    }
    poll_until(told, &known);
    stop_listening(STORE);
    return 0;
}

static int remove_store(void **state)
{
    (void)state;
    meet();
    return rank == 0 ? rmdir(store) : 0; /* fails when something was left behind */
}

static int checked(const struct lam_fs *fs, const char *where, const char *root, int64_t timeout_ms, struct lam_error *err)
{
    const char *roots[] = {"/tmp", root};
    int64_t end = now_ms() + LIMIT_MS;
    struct lam_check *check;
    int rc;

    assert_int_equal(lam_check_start(&check, world, fs, where, roots, 2, timeout_ms, err), 0);
    while ((rc = lam_check_test(check, err)) == LAM_PENDING) {
        assert_true(now_ms() < end);
        lam_comm_wait(world, NULL, 20);
        assert_int_equal(lam_comm_poll(world, NULL, NULL, err), 0);
    }
    assert_int_equal(lam_check_test(check, err), rc);
    lam_check_free(check);
    return rc;
}

static void a_store_that_all_ranks_share_passes_and_nothing_is_left_in_it(void **state)
{
    struct lam_error err;

    (void)state;
    assert_int_equal(checked(&lam_fs_system, store, store, LIMIT_MS, &err), 0);
}

static void a_rank_with_another_folder_is_named(void **state)
{
    struct lam_error err;
    char want[32];
    int last = size - 1;

    (void)state;
    if (size == 1)
        return;
    /* The time is for rank 0 too, which syncs its token before it tells of it: on a busy disk that takes a second. */
    assert_int_equal(checked(&lam_fs_system, rank == last ? "/tmp" : store, store, 4000, &err), LAM_E_NOT_FOUND);
    snprintf(want, sizeof want, "rank %d: on host ", last);
    assert_non_null(strstr(err.text, want));
    assert_non_null(strstr(err.text, "is not the one that rank 0 sees"));
    assert_int_equal(err.rank, last);
}

static void a_rank_that_does_not_see_a_source_is_named(void **state)
{
    struct lam_error err;
    int last = size - 1;

    (void)state;
    assert_int_equal(checked(&lam_fs_system, store, rank == last ? "/no/such/corpus" : store, LIMIT_MS, &err), LAM_E_NOT_FOUND);
    assert_int_equal(err.rank, last);
    assert_non_null(strstr(err.text, "/no/such/corpus"));
}

static void a_store_that_cannot_be_written_is_everybodys_error(void **state)
{
    struct lam_error err;
    char missing[128];

    (void)state;
    snprintf(missing, sizeof missing, "%s/missing", store);
    assert_true(checked(&lam_fs_system, missing, store, LIMIT_MS, &err) < 0);
    assert_int_equal(err.rank, 0);
    assert_non_null(strstr(err.text, "missing"));
}

/* A file system that shows a new file only at the third look, as a cached folder of NFS does. */
static int looks;

static int open_late(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    if (strstr(path, "/token") && rank > 0 && ++looks < 3)
        return -ENOENT;
    return lam_fs_system.ops->open(lam_fs_system.arg, path, flags, mode);
}

static void a_token_that_shows_late_is_waited_for(void **state)
{
    struct lam_fs_ops ops = *lam_fs_system.ops;
    struct lam_fs fs = {&ops, lam_fs_system.arg};
    struct lam_error err;

    (void)state;
    looks = 0;
    ops.open = open_late;
    assert_int_equal(checked(&fs, store, store, LIMIT_MS, &err), 0);
    assert_int_equal(looks, rank > 0 ? 3 : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_all_ranks_share_passes_and_nothing_is_left_in_it, make_store, remove_store),
        cmocka_unit_test_setup_teardown(a_rank_with_another_folder_is_named, make_store, remove_store),
        cmocka_unit_test_setup_teardown(a_rank_that_does_not_see_a_source_is_named, make_store, remove_store),
        cmocka_unit_test_setup_teardown(a_store_that_cannot_be_written_is_everybodys_error, make_store, remove_store),
        cmocka_unit_test_setup_teardown(a_token_that_shows_late_is_waited_for, make_store, remove_store),
    };

    return world_run("check", tests, sizeof tests / sizeof *tests);
}
