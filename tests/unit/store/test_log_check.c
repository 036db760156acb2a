/* Checking a log: what readers pass by, or never look at behind a checkpoint, is found, each file once, and nothing else. */
#include "log_fixture.h"

#include <unistd.h>

#define COMMITS 230
#define BATCH (1u << LAM_TERM_BATCH)

struct found {
    char paths[8][LAM_PATH_MAX];
    size_t count;
};

static int keep(void *arg, const char *path, const struct lam_error *what, struct lam_error *err)
{
    struct found *found = arg;

    (void)err;
    assert_true(found->count < 8);
    assert_true(what->code && what->text[0]);
    snprintf(found->paths[found->count++], LAM_PATH_MAX, "%s", path);
    return 0;
}

static const char *file_of(const char *root, uint64_t number, const char *suffix)
{
    char path[LAM_PATH_MAX];

    lam_commitlog_path(path, number, suffix);
    return scratch_join(root, path);
}

static void make_log(const char *root)
{
    struct lam_commitlog *log = open_log(root, NULL, NULL);
    struct lam_error err = {0};
    uint64_t term = take_term(log, BATCH, "job");
    char path[64];

    for (int i = 1; i < COMMITS; i++) {
        snprintf(path, sizeof path, "silver/%d.h5", i);
        OK(commit_path(log, term, path, NULL, &err));
    }
    lam_commitlog_close(log);
}

static struct found check(const char *root)
{
    struct lam_commitlog *log = open_log(root, NULL, NULL);
    struct found found = {0};
    struct lam_error err = {0};

    OK(lam_commitlog_check(log, keep, &found, &err));
    lam_commitlog_close(log);
    return found;
}

static void flip(const char *path, size_t at)
{
    size_t len;
    char *bytes = scratch_read(path, &len);

    bytes[at] ^= 1;
    scratch_write(path, bytes, len);
    free(bytes);
}

static void a_whole_log_has_nothing_to_find_and_may_lack_a_checkpoint(void **state)
{
    make_log(*state);
    assert_int_equal(check(*state).count, 0);
    unlink(file_of(*state, 100, ".ckpt"));
    assert_int_equal(check(*state).count, 0);
}

static void commits_behind_a_checkpoint_are_read_too(void **state)
{
    struct found found;

    make_log(*state);
    flip(file_of(*state, 50, ".json"), 60);
    unlink(file_of(*state, 170, ".json"));
    found = check(*state);
    assert_int_equal(found.count, 2);
    assert_string_equal(found.paths[0], "log/0000/00000000000000000050.json");
    assert_string_equal(found.paths[1], "log/0000/00000000000000000170.json");
}

/* One that is whole and says something else than the commits: another log's. */
static void checkpoints_are_compared_with_the_commits(void **state)
{
    char other[SCRATCH_PATH], *bytes;
    struct found found;
    size_t len;

    make_log(*state);
    scratch_make(other);
    make_log(other); /* other ids and times */
    bytes = scratch_read(file_of(other, 100, ".ckpt"), &len);
    scratch_write(file_of(*state, 100, ".ckpt"), bytes, len);
    free(bytes);
    flip(file_of(*state, 200, ".ckpt"), 500);
    found = check(*state);
    assert_int_equal(found.count, 2);
    assert_string_equal(found.paths[0], "log/0000/00000000000000000100.ckpt");
    assert_string_equal(found.paths[1], "log/0000/00000000000000000200.ckpt");
    scratch_remove(other);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_whole_log_has_nothing_to_find_and_may_lack_a_checkpoint),
        WITH_FOLDER(commits_behind_a_checkpoint_are_read_too),
        WITH_FOLDER(checkpoints_are_compared_with_the_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
