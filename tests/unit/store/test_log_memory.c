/* Every allocation fails in turn: opening, committing and reading say so, and the log is whole. */
#include <jansson.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "faulty_fs.h"
#include "log_fixture.h"

#define BATCH (1u << LAM_TERM_BATCH)

static struct faulty_fs quick;

/* One commit with all that a commit can have, but `term`. */
static int commit_everything(struct lam_commitlog *log, struct lam_error *err)
{
    struct lam_commit commit = commit_of(lam_commitlog_peek(log)->number, 1);
    struct lam_segment_entry entry = entry_of("new", LAM_SEGMENT_RUN), mask = mask_of("mask", "old/2");
    struct lam_archived at = {.partition = 3, .next = 5};
    struct lam_life_counts counts = {1, 1, {.read = 1, .live = 1}};
    struct lam_cutoff cutoff = {0};
    int rc;

    (void)((rc = lam_segment_entry_add_offsets(&entry, 1, 2, 3, err)) || (rc = lam_segment_entry_set_splits(&entry, LAM_SV("[]"), err)) ||
           (rc = lam_commit_source(&commit, "other", err)) || (rc = lam_commit_life(&commit, "first", "scan-2", err)) ||
           (rc = lam_commit_job(&commit, "i", "a", "r", err)) || (rc = lam_commit_add(&commit, &entry, err)) ||
           (rc = lam_commit_remove(&commit, "old/3", err)) || (rc = lam_commit_mask(&commit, "old/2", &mask, err)) ||
           (rc = lam_commit_based_on(&commit, "old/2", err)) || (rc = lam_commit_archive(&commit, 1, 1, &at, 1, "cursor", err)) ||
           (rc = lam_commit_model(&commit, "m", "k", "models/m", "", err)) || (rc = lam_commit_horizon(&commit, LAM_SV("h"), err)) ||
           (rc = lam_cutoff_set_partition(&cutoff, 1, 1, 3, 5, err)) ||
           (rc = lam_commit_publish(&commit, 1, "run", 0, &cutoff, &counts, 1, err)) || (rc = lam_commitlog_commit(log, &commit, NULL, err)));
    lam_cutoff_release(&cutoff);
    lam_segment_entry_release(&entry);
    lam_commit_release(&commit);
    return rc;
}

static void make_log(const char *root, uint64_t count)
{
    struct lam_commitlog *log = open_log(root, &quick.fs, NULL);
    struct lam_commit commit = commit_of(0, take_term(log, BATCH, "a"));
    struct lam_error err = {0};

    OK(lam_commit_source(&commit, "first", &err));
    OK(lam_commit_life(&commit, "first", "scan-1", &err));
    add_path(&commit, "old/2");
    OK(lam_commitlog_commit(log, &commit, NULL, &err));
    lam_commit_release(&commit);
    for (uint64_t n = 3; n <= count; n++) {
        char path[64];

        snprintf(path, sizeof path, "old/%d", (int)n);
        OK(commit_path(log, 1, path, NULL, &err));
    }
    lam_commitlog_close(log);
}

/* A copy of the log's files from a number on; commits and checkpoints are never changed, so links do. */
static void link_log(const char *from, const char *to, uint64_t first)
{
    struct lam_error err = {0};
    struct lam_names names;

    OK(lam_fs_mkdirs(&quick.fs, scratch_join(to, "log/0000"), &err));
    OK(lam_fs_list(&lam_fs_system, scratch_join(from, "log/0000"), &names, &err));
    for (size_t i = 0; i < names.count; i++)
        if (strtoull(names.names[i], NULL, 10) >= first)
            assert_int_equal(link(scratch_join(scratch_join(from, "log/0000"), names.names[i]), scratch_join(scratch_join(to, "log/0000"), names.names[i])), 0);
    lam_names_release(&names);
}

static void sweep(const char *template, uint64_t count)
{
    int committed = 0, refused = 0, unknown = 0;

    for (uint64_t n = 1;; n++) {
        struct fixture_clock clock = {0};
        struct lam_clock view = {fixture_wall, fixture_mono, &clock};
        struct lam_commitlog_options options = {.fs = &quick.fs, .clock = &view, .sleep = fixture_sleep, .sleep_arg = &clock};
        struct lam_commitlog *log = NULL;
        struct lam_error err = {0};
        char root[SCRATCH_PATH];
        bool seen, hit;
        int rc;

        scratch_make(root);
        link_log(template, root, count > LAM_CHECKPOINT_EVERY ? LAM_CHECKPOINT_EVERY : 1);
        failing_alloc_after((long)n - 1);
        if (!(rc = lam_commitlog_open(&log, root, &options, &err)))
            rc = commit_everything(log, &err);
        hit = failing_alloc_stop() < 0;
        if (log && rc == LAM_E_MEMORY && lam_commitlog_peek(log)->segment_count == count - 1)
            OK(commit_everything(log, &err)); /* nothing happened: the same again */
        lam_commitlog_close(log);
        log = open_log(root, &quick.fs, NULL);
        seen = lam_state_segment(lam_commitlog_peek(log), "new") != NULL;
        assert_int_equal(lam_commitlog_peek(log)->number, count + seen);
        assert_int_equal(lam_commitlog_peek(log)->voids, 0);
        if (rc == 0)
            assert_true(seen);
        if (rc && rc != LAM_E_MEMORY && rc != LAM_E_FENCED && rc != LAM_E_CORRUPT && rc != LAM_E_IO)
            fail_msg("allocation %d: %s (%s)", (int)n, lam_error_name(rc), err.text);
        committed += rc == 0;
        unknown += rc == LAM_E_FENCED;
        refused += rc && rc != LAM_E_FENCED;
        lam_commitlog_close(log);
        scratch_remove(root);
        if (!hit)
            break;
    }
    print_message("%d without a failure that mattered, %d refused, %d unknown\n", committed, refused, unknown);
    assert_true(committed > 0 && refused > 20);
}

static void each_allocation_of_opening_and_committing_fails_in_turn(void **state)
{
    make_log(*state, 4);
    sweep(*state, 4);
}

static void and_with_a_checkpoint_to_read(void **state)
{
    make_log(*state, 101);
    sweep(*state, 101);
}

static int setup(void **state)
{
    faulty_fs_init(&quick, &lam_fs_system);
    quick.no_sync = true;
    json_set_alloc_funcs(__wrap_malloc, free); /* the library is linked as it is: it asks through these */
    return scratch_setup(state);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(each_allocation_of_opening_and_committing_fails_in_turn),
        WITH_FOLDER(and_with_a_checkpoint_to_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
