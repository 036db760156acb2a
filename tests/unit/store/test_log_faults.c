/* Invariant 1: a commit is seen whole or not at all, whichever call fails, and wherever its writer dies. */
#include <errno.h>
#include <unistd.h>

#include "faulty_fs.h"
#include "log_fixture.h"

#define BATCH (1u << LAM_TERM_BATCH)

static struct faulty_fs quick; /* real files, not synced */

static int setup(void **state)
{
    faulty_fs_init(&quick, &lam_fs_system);
    quick.no_sync = true;
    return scratch_setup(state);
}

static const char *file_of(const char *root, uint64_t number, const char *suffix)
{
    char path[LAM_PATH_MAX];

    lam_commitlog_path(path, number, suffix);
    return scratch_join(root, path);
}

/* A log of this many commits, the first of which takes term 1. */
static void make_log(const char *root, uint64_t count)
{
    struct lam_commitlog *log = open_log(root, &quick.fs, NULL);
    struct lam_error err = {0};

    if (count)
        take_term(log, BATCH, "a");
    for (uint64_t n = 2; n <= count; n++) {
        char path[64];

        snprintf(path, sizeof path, "old/%d", (int)n);
        OK(commit_path(log, 1, path, NULL, &err));
    }
    lam_commitlog_close(log);
}

/* Its files again under another root: commits are never changed, so links do. */
static void link_log(const char *from, const char *to, uint64_t count)
{
    struct lam_error err = {0};

    OK(lam_fs_mkdirs(&quick.fs, scratch_join(to, "log/0000"), &err));
    for (uint64_t n = 1; n <= count; n++)
        assert_int_equal(link(file_of(from, n, ".json"), file_of(to, n, ".json")), 0);
}

/* One attempt with one spoiled call: opens, takes a term where the log is empty, commits "new". */
static int attempt(const char *root, struct faulty_fs *faulty, const struct lam_clock *clock, struct lam_commitlog **log, struct lam_error *err)
{
    struct lam_commitlog_options options = {.fs = &faulty->fs, .clock = clock, .sleep = fixture_sleep, .sleep_arg = clock->arg};
    struct lam_holder holder = holder_of("a", "r1");
    struct lam_commit commit;
    int rc = lam_commitlog_open(log, root, &options, err);

    if (rc)
        return rc;
    if (lam_commitlog_peek(*log)->number == 0) {
        lam_commit_init(&commit, 0);
        if (!(rc = lam_commit_term(&commit, BATCH, &holder, err)))
            rc = lam_commitlog_commit(*log, &commit, NULL, err);
        lam_commit_release(&commit);
    }
    return rc ? rc : commit_path(*log, 1, "new", NULL, err);
}

/* What a reader finds then, and that the log still takes commits. */
static void check(const char *root, uint64_t count, int rc, const char *what, uint64_t n, const struct lam_error *how)
{
    struct lam_commitlog *log = open_log(root, &quick.fs, NULL);
    const struct lam_state *state = lam_commitlog_peek(log);
    bool seen = lam_state_segment(state, "new") != NULL;
    struct lam_error err = {0};

    if (count && state->number != count + seen)
        fail_msg("%s %d: %d commits, %s", what, (int)n, (int)state->number, how->text);
    if (rc == 0 && !seen)
        fail_msg("%s %d: committed, and not there", what, (int)n);
    if (rc && rc != LAM_E_FENCED && seen)
        fail_msg("%s %d: refused with %s (%s), and there", what, (int)n, lam_error_name(rc), how->text);
    if (count)
        assert_int_equal(state->segment_count, count - 1 + seen);
    assert_int_equal(state->voids, 0);
    if (state->number == 0)
        take_term(log, BATCH, "a");
    OK(commit_path(log, 1, "after", NULL, &err));
    lam_commitlog_close(log);
}

static void sweep(const char *template, uint64_t count, uint64_t first, enum faulty_mode mode, const char *what)
{
    bool dies = mode != FAULTY_FAIL && mode != FAULTY_DONE_FAIL;
    int committed = 0, refused = 0, unknown = 0;
    uint64_t n;

    for (n = first;; n++) {
        struct fixture_clock clock = {.wall_us = 1};
        struct lam_clock view = {fixture_wall, fixture_mono, &clock};
        struct lam_commitlog *log = NULL;
        struct lam_error err = {0}, later = {0};
        struct faulty_fs faulty;
        char root[SCRATCH_PATH];
        bool hit;
        int rc;

        scratch_make(root);
        if (count)
            link_log(template, root, count);
        faulty_fs_init(&faulty, &quick.fs);
        faulty_fs_spoil(&faulty, FAULTY_ANY, n, mode, EIO);
        rc = attempt(root, &faulty, &view, &log, &err);
        hit = faulty.hit;
        faulty_fs_mend(&faulty);
        if (rc == 0)
            committed++;
        else if (rc == LAM_E_FENCED)
            unknown++;
        else
            refused++;
        if (rc && rc != LAM_E_IO && rc != LAM_E_FENCED)
            fail_msg("%s %d: %s (%s)", what, (int)n, lam_error_name(rc), err.text);
        if (!dies && log && rc == LAM_E_IO && lam_commitlog_peek(log)->number) { /* "nothing happened, and it may be tried again" */
            rc = commit_path(log, 1, "new", NULL, &later);
            if (rc)
                fail_msg("%s %d: the second attempt ended with %s", what, (int)n, later.text);
        }
        lam_commitlog_close(log);
        check(root, count, rc, what, n, &err);
        scratch_remove(root);
        if (!hit)
            break;
    }
    print_message("%s: %d calls; committed %d, refused %d, unknown %d\n", what, (int)(n - first), committed, refused, unknown);
    assert_true(n > first + 15 && committed > 0 && refused > 0 && unknown > 0);
}

/* How many calls opening takes: what comes later is the commit and its checkpoint. */
static uint64_t calls_of_open(const char *root)
{
    struct lam_commitlog *log;
    struct faulty_fs faulty;

    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(root, &faulty.fs, NULL);
    lam_commitlog_close(log);
    return faulty.total;
}

static void each_call_of_opening_and_committing_fails_in_turn(void **state)
{
    make_log(*state, 4);
    sweep(*state, 4, 1, FAULTY_FAIL, "fails");
    sweep(*state, 4, 1, FAULTY_DONE_FAIL, "done, but answers an error");
}

static void the_writer_dies_at_each_call_of_opening_and_committing(void **state)
{
    make_log(*state, 4);
    sweep(*state, 4, 1, FAULTY_CRASH, "dies before");
    sweep(*state, 4, 1, FAULTY_DONE_CRASH, "dies after");
    sweep(*state, 4, 1, FAULTY_TEAR_CRASH, "dies within");
}

static void each_call_of_a_commit_with_its_checkpoint_fails_or_is_the_last(void **state)
{
    uint64_t first;

    make_log(*state, 99);
    first = calls_of_open(*state);
    sweep(*state, 99, first, FAULTY_FAIL, "checkpoint: fails");
    sweep(*state, 99, first, FAULTY_DONE_FAIL, "checkpoint: done, but answers an error");
    sweep(*state, 99, first, FAULTY_CRASH, "checkpoint: dies before");
    sweep(*state, 99, first, FAULTY_DONE_CRASH, "checkpoint: dies after");
    sweep(*state, 99, first, FAULTY_TEAR_CRASH, "checkpoint: dies within");
}

static void the_first_commit_of_all_fails_or_dies_at_each_call(void **state)
{
    sweep(*state, 0, 1, FAULTY_FAIL, "first: fails");
    sweep(*state, 0, 1, FAULTY_DONE_FAIL, "first: done, but answers an error");
    sweep(*state, 0, 1, FAULTY_CRASH, "first: dies before");
    sweep(*state, 0, 1, FAULTY_DONE_CRASH, "first: dies after");
}

static void a_link_that_worked_and_answered_an_error_is_one_commit(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    struct faulty_fs faulty;
    uint64_t number;

    make_log(*state, 5);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(*state, &faulty.fs, &clock);
    faulty_fs_spoil_from(&faulty, FAULTY_LINK, 1, FAULTY_DONE_FAIL, EIO);
    OK(commit_path(log, 1, "new", &number, &err));
    assert_int_equal(number, 6);
    assert_int_equal(faulty.counts[FAULTY_LINK], 1);
    lam_commitlog_close(log);
}

static void a_link_that_never_works_ends_with_fate_unknown(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    struct faulty_fs faulty;

    make_log(*state, 5);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(*state, &faulty.fs, &clock);
    faulty_fs_spoil_from(&faulty, FAULTY_LINK, 1, FAULTY_FAIL, ENOSPC);
    assert_int_equal(commit_path(log, 1, "new", NULL, &err), LAM_E_FENCED);
    assert_non_null(strstr(err.text, "unknown"));
    assert_non_null(strstr(err.text, "No space left"));
    assert_int_equal(faulty.counts[FAULTY_LINK], LAM_LOG_LINK_TRIES);
    faulty_fs_mend(&faulty);
    assert_int_equal(commit_path(log, 1, "new", NULL, &err), LAM_E_FENCED); /* never again by this handle */
    OK(lam_commitlog_refresh(log, &err));
    lam_commitlog_close(log);
}

static void what_cannot_be_read_back_ends_with_fate_unknown(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log, *reader;
    struct lam_error err = {0};
    struct faulty_fs faulty;

    make_log(*state, 5);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(*state, &faulty.fs, &clock);
    faulty_fs_spoil_from(&faulty, FAULTY_PREAD, 1, FAULTY_FAIL, EIO);
    assert_int_equal(commit_path(log, 1, "new", NULL, &err), LAM_E_FENCED);
    reader = open_log(*state, &quick.fs, NULL);
    assert_non_null(lam_state_segment(lam_commitlog_peek(reader), "new")); /* it was committed, though nobody could tell */
    lam_commitlog_close(log);
    lam_commitlog_close(reader);
}

/* m1 DELAY: the server carries the first link out only after the writer has read that nothing is there. */
struct late {
    const char *root;
    char tmp[LAM_PATH_MAX];
    int links;
    bool other_first; /* another writer takes the number before the late link comes */
};

static void carry_out_late(void *arg, enum faulty_call call, const char *path)
{
    struct late *late = arg;
    struct lam_names names;
    struct lam_error err = {0};

    if (call != FAULTY_LINK || ++late->links != 2)
        return;
    if (late->other_first) {
        struct lam_commitlog *other = open_log(late->root, &quick.fs, NULL);

        OK(commit_path(other, 1, "other", NULL, &err));
        lam_commitlog_close(other);
    }
    OK(lam_fs_list(&lam_fs_system, scratch_join(late->root, "log"), &names, &err));
    for (size_t i = 0; i < names.count; i++)
        if (strstr(names.names[i], LAM_TMP_MARK))
            assert_int_equal(link(scratch_join(scratch_join(late->root, "log"), names.names[i]), path), late->other_first ? -1 : 0);
    lam_names_release(&names);
}

static void late_link(const char *root, bool other_first)
{
    struct fixture_clock clock = {0};
    struct late late = {.root = root, .other_first = other_first};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    struct faulty_fs faulty;
    uint64_t number;

    make_log(root, 5);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(root, &faulty.fs, &clock);
    faulty_fs_spoil(&faulty, FAULTY_LINK, 1, FAULTY_FAIL, EIO);
    faulty.before = carry_out_late;
    faulty.before_arg = &late;
    OK(commit_path(log, 1, "new", &number, &err));
    faulty.before = NULL;
    assert_int_equal(number, other_first ? 7 : 6);
    assert_int_equal(lam_commitlog_peek(log)->number, number);
    assert_int_equal(lam_commitlog_peek(log)->segment_count, other_first ? 6 : 5);
    lam_commitlog_close(log);
}

static void a_link_that_is_carried_out_late_commits_once(void **state) { late_link(*state, false); }
static void a_late_link_that_another_overtook_commits_once_at_the_next_number(void **state) { late_link(*state, true); }

static void a_checkpoint_that_cannot_be_written_is_no_failed_commit(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    struct faulty_fs faulty;
    uint64_t number;

    make_log(*state, 99);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(*state, &faulty.fs, &clock);
    faulty_fs_spoil_from(&faulty, FAULTY_RENAME, 1, FAULTY_FAIL, ENOSPC);
    OK(commit_path(log, 1, "new", &number, &err));
    assert_int_equal(number, 100);
    assert_true(faulty.hit);
    assert_int_equal(access(file_of(*state, 100, ".ckpt"), F_OK), -1);
    OK(commit_path(log, 1, "new2", &number, &err));
    lam_commitlog_close(log);
}

static void before_anybody_acts_file_and_folder_are_synced(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    struct faulty_fs faulty;

    make_log(*state, 5);
    faulty_fs_init(&faulty, &quick.fs);
    log = open_log(*state, &faulty.fs, &clock);
    faulty_fs_spoil(&faulty, FAULTY_FSYNC, 1, FAULTY_FAIL, EIO); /* the file: before its link */
    assert_int_equal(commit_path(log, 1, "new", NULL, &err), LAM_E_IO);
    assert_int_equal(faulty.counts[FAULTY_LINK], 0);
    faulty_fs_spoil(&faulty, FAULTY_FSYNC, 2, FAULTY_FAIL, EIO); /* the folder: after it */
    assert_int_equal(commit_path(log, 1, "new", NULL, &err), LAM_E_FENCED);
    assert_int_equal(faulty.counts[FAULTY_LINK], 1);
    lam_commitlog_close(log);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(each_call_of_opening_and_committing_fails_in_turn),
        WITH_FOLDER(the_writer_dies_at_each_call_of_opening_and_committing),
        WITH_FOLDER(each_call_of_a_commit_with_its_checkpoint_fails_or_is_the_last),
        WITH_FOLDER(the_first_commit_of_all_fails_or_dies_at_each_call),
        WITH_FOLDER(a_link_that_worked_and_answered_an_error_is_one_commit),
        WITH_FOLDER(a_link_that_never_works_ends_with_fate_unknown),
        WITH_FOLDER(what_cannot_be_read_back_ends_with_fate_unknown),
        WITH_FOLDER(a_link_that_is_carried_out_late_commits_once),
        WITH_FOLDER(a_late_link_that_another_overtook_commits_once_at_the_next_number),
        WITH_FOLDER(a_checkpoint_that_cannot_be_written_is_no_failed_commit),
        WITH_FOLDER(before_anybody_acts_file_and_folder_are_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
