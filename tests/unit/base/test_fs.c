/* The file layer: publish never replaces, replace is whole, and every single call may fail without leaving a half file under the name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_fs.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    struct lam_names names;
    char path[LAM_PATH_MAX];

    (void)state;
    if (lam_fs_list(&lam_fs_system, dir, &names, NULL))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (!lam_path_join(path, dir, names.names[i], NULL))
            unlink(path);
    lam_names_release(&names);
    return rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[LAM_PATH_MAX];

    assert_int_equal(lam_path_join(path, dir, name, NULL), 0);
    return path;
}

static void assert_content(const char *name, const char *want)
{
    struct lam_buf buf;

    lam_buf_init(&buf, 1000);
    assert_int_equal(lam_fs_read_all(&lam_fs_system, in_dir(name), &buf, NULL), 0);
    assert_true(lam_sv_eq(lam_buf_sv(&buf), lam_sv_of(want)));
    lam_buf_release(&buf);
}

static size_t files(void)
{
    struct lam_names names;
    size_t count;

    assert_int_equal(lam_fs_list(&lam_fs_system, dir, &names, NULL), 0);
    count = names.count;
    lam_names_release(&names);
    return count;
}

static void the_first_publisher_wins_and_nothing_stays_behind(void **state)
{
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_fs_publish(&lam_fs_system, in_dir("1"), LAM_SV("one"), &err), 0);
    assert_int_equal(lam_fs_publish(&lam_fs_system, in_dir("1"), LAM_SV("two"), &err), LAM_E_EXISTS);
    assert_content("1", "one");
    assert_int_equal(files(), 1);
}

static void of_many_processes_exactly_one_publishes(void **state)
{
    enum { WRITERS = 16 };
    int won = 0;

    (void)state;
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0)
            _exit(lam_fs_publish(&lam_fs_system, in_dir("2"), LAM_SV("x"), NULL) == 0 ? 1 : 0);
    for (int i = 0; i < WRITERS; i++) {
        int status;

        wait(&status);
        won += WEXITSTATUS(status);
    }
    assert_int_equal(won, 1);
}

static void replace_puts_new_bytes_in_place_of_the_old(void **state)
{
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_fs_replace(&lam_fs_system, in_dir("3"), LAM_SV("old"), &err), 0);
    assert_int_equal(lam_fs_replace(&lam_fs_system, in_dir("3"), LAM_SV("newer"), &err), 0);
    assert_content("3", "newer");
    assert_int_equal(files(), 1);
}

static void reading_respects_the_limit_to_the_byte(void **state)
{
    static const size_t limits[] = {0, 1, 999999, 1000000, 1000001};
    char *bytes = malloc(1000000);
    struct lam_error err;
    struct lam_buf buf;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 1000000; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    assert_int_equal(lam_fs_replace(&lam_fs_system, in_dir("4"), lam_sv(bytes, 1000000), &err), 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        lam_buf_init(&buf, limits[i]);
        assert_int_equal(lam_fs_read_all(&lam_fs_system, in_dir("4"), &buf, &err), limits[i] < 1000000 ? LAM_E_LIMIT : 0);
        if (limits[i] >= 1000000)
            assert_true(lam_sv_eq(lam_buf_sv(&buf), lam_sv(bytes, 1000000)));
        lam_buf_release(&buf);
    }
    lam_buf_init(&buf, 10);
    assert_int_equal(lam_fs_read_all(&lam_fs_system, in_dir("missing"), &buf, &err), LAM_E_NOT_FOUND);
    lam_buf_release(&buf);
    free(bytes);
}

static void names_are_listed_in_order_of_their_bytes(void **state)
{
    static const char *const made[] = {"b", "a", "\xc3\xbc", "B", "a1"}, *const want[] = {"B", "a", "a1", "b", "\xc3\xbc"};
    struct lam_names names;
    struct lam_error err;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(lam_fs_replace(&lam_fs_system, in_dir(made[i]), LAM_SV(""), NULL), 0);
    assert_int_equal(lam_fs_list(&lam_fs_system, dir, &names, &err), 0);
    assert_int_equal(names.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(names.names[i], want[i]);
    lam_names_release(&names);
    assert_int_equal(lam_fs_list(&lam_fs_system, in_dir("missing"), &names, &err), LAM_E_NOT_FOUND);
}

static void folders_are_made_with_those_above_them_as_often_as_one_likes(void **state)
{
    char path[LAM_PATH_MAX];
    struct lam_error err;
    struct stat st;

    (void)state;
    strcpy(path, in_dir("x/y/z"));
    assert_int_equal(lam_fs_mkdirs(&lam_fs_system, path, &err), 0);
    assert_int_equal(lam_fs_mkdirs(&lam_fs_system, path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    rmdir(path);
    rmdir(in_dir("x/y"));
    rmdir(in_dir("x"));
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
    char path[LAM_PATH_MAX], name[LAM_PATH_MAX], tmp[LAM_PATH_MAX];
    struct lam_error err;

    (void)state;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(lam_path_join(path, "/tmp", name, &err), LAM_E_LIMIT);
    name[LAM_PATH_MAX - 1 - 5] = '\0';
    assert_int_equal(lam_path_join(path, "/tmp", name, &err), 0);
    assert_int_equal(lam_fs_temporary(tmp, path, &err), LAM_E_LIMIT);
}

/* A file system whose n-th call fails; a write that fails has written half. */
static int calls, fail_at;

static bool fails(void) { return ++calls == fail_at; }
static int f_open(void *arg, const char *path, int flags, mode_t mode) { return fails() ? -EMFILE : lam_fs_system.ops->open(arg, path, flags, mode); }
static int f_fsync(void *arg, int fd) { return fails() ? -EIO : lam_fs_system.ops->fsync(arg, fd); }
static int f_link(void *arg, const char *from, const char *to) { return fails() ? -EPERM : lam_fs_system.ops->link(arg, from, to); }
static int f_rename(void *arg, const char *from, const char *to) { return fails() ? -EACCES : lam_fs_system.ops->rename(arg, from, to); }

static ssize_t f_pwrite(void *arg, int fd, const void *bytes, size_t len, off_t offset)
{
    if (!fails())
        return lam_fs_system.ops->pwrite(arg, fd, bytes, len > 2 ? len / 2 : len, offset); /* short writes are gone on with */
    lam_fs_system.ops->pwrite(arg, fd, bytes, len / 2, offset);
    return -ENOSPC;
}

static int f_close(void *arg, int fd)
{
    int rc = lam_fs_system.ops->close(arg, fd);

    return fails() ? -EDQUOT : rc;
}

static void whatever_call_fails_the_name_has_all_bytes_or_none(void **state)
{
    struct lam_fs_ops ops = *lam_fs_system.ops;
    struct lam_fs fs = {&ops, NULL};
    struct lam_error err;
    int rc = -1;

    (void)state;
    ops.open = f_open;
    ops.fsync = f_fsync;
    ops.link = f_link;
    ops.rename = f_rename;
    ops.pwrite = f_pwrite;
    ops.close = f_close;
    for (int round = 0; round < 2; round++)
        for (fail_at = 1, rc = -1; rc; fail_at++) {
            struct stat st;

            unlink(in_dir("5"));
            calls = 0;
            rc = round ? lam_fs_replace(&fs, in_dir("5"), LAM_SV("all of these bytes"), &err) : lam_fs_publish(&fs, in_dir("5"), LAM_SV("all of these bytes"), &err);
            assert_true(rc == 0 || rc == LAM_E_IO);
            if (rc == 0 || (stat(in_dir("5"), &st) == 0)) {
                assert_content("5", "all of these bytes");
                if (rc)
                    assert_non_null(strstr(err.text, "not yet durable"));
            }
            if (rc)
                assert_non_null(strstr(err.text, dir));
            assert_true(files() <= 1); /* temporary files do not stay */
            assert_true(fail_at < 100);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_publisher_wins_and_nothing_stays_behind, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(of_many_processes_exactly_one_publishes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(replace_puts_new_bytes_in_place_of_the_old, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(reading_respects_the_limit_to_the_byte, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(names_are_listed_in_order_of_their_bytes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(folders_are_made_with_those_above_them_as_often_as_one_likes, make_dir, remove_dir),
        cmocka_unit_test(a_path_that_does_not_fit_is_refused),
        cmocka_unit_test_setup_teardown(whatever_call_fails_the_name_has_all_bytes_or_none, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
