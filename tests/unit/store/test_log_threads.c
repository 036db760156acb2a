/* Snapshots on other threads while the log goes on: run under ThreadSanitizer, too. */
#include <pthread.h>
#include <stdatomic.h>

#include "faulty_fs.h"
#include "log_fixture.h"

enum { READERS = 3, COMMITS = 150 };

struct shelf { /* one snapshot at a time is handed over; NULL: none */
    _Atomic(const struct lam_state *) slot;
    atomic_bool done;
    size_t seen;
};

static void *read_snapshots(void *arg)
{
    struct shelf *shelf = arg;
    uint64_t last = 0;

    for (;;) {
        bool done = atomic_load(&shelf->done);
        const struct lam_state *state = atomic_exchange(&shelf->slot, NULL);

        if (!state && done)
            return NULL;
        if (!state)
            continue;
        if (state->number < last || state->segment_count != state->number - 1)
            return (void *)"a snapshot that is not of one commit";
        for (size_t i = 0; i < state->segment_count; i++)
            if (!lam_state_segment(state, state->segments[i].entry->path))
                return (void *)"a segment that is not found";
        last = state->number;
        shelf->seen++;
        lam_state_unref(state);
    }
}

static void snapshots_are_read_and_let_go_by_other_threads_while_commits_go_on(void **state)
{
    struct faulty_fs quick;
    static struct shelf shelves[READERS]; /* all zero */
    pthread_t threads[READERS];
    struct lam_commitlog *log;
    struct lam_error err = {0};

    faulty_fs_init(&quick, &lam_fs_system);
    quick.no_sync = true;
    log = open_log(*state, &quick.fs, NULL);
    take_term(log, 1u << LAM_TERM_BATCH, "a");
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_snapshots, &shelves[i]), 0);
    for (int n = 0; n < COMMITS; n++) {
        char path[32];

        snprintf(path, sizeof path, "s/%d", n * 77 % COMMITS);
        OK(commit_path(log, 1, path, NULL, &err));
        for (int i = 0; i < READERS; i++) {
            const struct lam_state *old = atomic_exchange(&shelves[i].slot, lam_commitlog_snapshot(log));

            lam_state_unref(old);
        }
    }
    lam_commitlog_close(log);
    for (int i = 0; i < READERS; i++) {
        void *complaint;

        atomic_store(&shelves[i].done, true);
        pthread_join(threads[i], &complaint);
        if (complaint)
            fail_msg("%s", (const char *)complaint);
        assert_true(shelves[i].seen > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(snapshots_are_read_and_let_go_by_other_threads_while_commits_go_on, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
