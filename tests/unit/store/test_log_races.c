/* Many writers at once: no number is given twice, nothing is lost, nothing is done twice, and who is fenced is kept out. */
#include <sys/wait.h>
#include <unistd.h>

#include "faulty_fs.h"
#include "log_fixture.h"

#define BATCH (1u << LAM_TERM_BATCH)

enum { WRITERS = 8, COMMITS = 50, NAMES = 20 };

static struct faulty_fs quick;

static int setup(void **state)
{
    faulty_fs_init(&quick, &lam_fs_system);
    quick.no_sync = true;
    return scratch_setup(state);
}

/* What a child found out, one line a commit, read by the parent. */
static void write_commits(const char *root, int writer)
{
    struct lam_commitlog *log;
    struct lam_commitlog_options options = {.fs = &quick.fs};
    struct lam_error err = {0};
    char path[64];
    FILE *out;

    snprintf(path, sizeof path, "out-%d", writer);
    out = fopen(scratch_join(root, path), "w");
    if (!out || lam_commitlog_open(&log, root, &options, &err))
        _exit(10);
    for (int i = 0; i < COMMITS; i++) {
        struct lam_commit commit = commit_of(lam_commitlog_peek(log)->number, 1);
        struct lam_segment_entry entry;
        uint64_t number;
        char name[32];

        snprintf(path, sizeof path, "w/%d-%d", writer, i);
        snprintf(name, sizeof name, "source-%d", (i * (writer + 1) + writer) % NAMES);
        entry = entry_of(path, LAM_SEGMENT_SILVER);
        if (lam_commit_source(&commit, name, &err) || lam_commit_life(&commit, name, path, &err) || lam_commit_add(&commit, &entry, &err) ||
            lam_commitlog_commit(log, &commit, &number, &err))
            _exit(11);
        lam_commit_release(&commit);
        fprintf(out, "%llu %s %s %u\n", (unsigned long long)number, path, name, lam_state_source_number(lam_commitlog_peek(log), name));
    }
    lam_commitlog_close(log);
    _exit(fclose(out) ? 12 : 0);
}

static void eight_processes_commit_fifty_times_each_and_everything_counts_once(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    bool given[WRITERS * COMMITS + 2] = {0};
    const struct lam_state *end;
    size_t lives = 0;

    take_term(log, BATCH, "a");
    lam_commitlog_close(log);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_commits(*state, i);
    for (int i = 0; i < WRITERS; i++) {
        int status;

        wait(&status);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    log = open_log(*state, &quick.fs, NULL);
    end = lam_commitlog_peek(log);
    assert_int_equal(end->number, 1 + WRITERS * COMMITS);
    assert_int_equal(end->segment_count, WRITERS * COMMITS);
    assert_int_equal(end->source_count, NAMES);
    assert_int_equal(end->voids, 0);
    for (int i = 0; i < WRITERS; i++) {
        char name[64], path[64], source[64];
        unsigned long long number;
        unsigned read_back;
        FILE *in;

        snprintf(name, sizeof name, "out-%d", i);
        in = fopen(scratch_join(*state, name), "r");
        assert_non_null(in);
        for (int k = 0; k < COMMITS; k++) {
            assert_int_equal(fscanf(in, "%llu %63s %63s %u", &number, path, source, &read_back), 4);
            assert_in_range(number, 2, WRITERS * COMMITS + 1);
            assert_false(given[number]);
            given[number] = true;
            assert_int_equal(lam_state_segment(end, path)->added, number);
            assert_int_equal(lam_state_source_number(end, source), read_back); /* the number it read back is everybody's */
        }
        fclose(in);
    }
    for (uint32_t i = 1; i <= NAMES; i++)
        lives += lam_state_source(end, i)->life_count;
    assert_int_equal(lives, WRITERS * COMMITS);
    lam_commitlog_close(log);
}

/* A state folded from the files alone, each in turn, against each checkpoint that some process wrote meanwhile. */
static void checkpoints_written_in_a_race_are_the_fold_of_the_files(void **unused)
{
    struct lam_state *state = lam_state_new();
    char root[SCRATCH_PATH];
    struct lam_commitlog *log;

    (void)unused;
    scratch_make(root);
    log = open_log(root, &quick.fs, NULL);
    take_term(log, BATCH, "a");
    lam_commitlog_close(log);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_commits(root, i);
    for (int i = 0; i < WRITERS; i++)
        wait(NULL);
    for (uint64_t n = 1; n <= 1 + WRITERS * COMMITS; n++) {
        char path[LAM_PATH_MAX], *bytes;
        struct lam_commit commit;
        struct lam_error err = {0};
        struct lam_buf expected;
        size_t len;

        lam_commitlog_path(path, n, ".json");
        bytes = scratch_read(scratch_join(root, path), &len);
        assert_non_null(bytes);
        OK(lam_commit_read(lam_sv(bytes, len), &commit, &err));
        OK(lam_state_fold(state, &commit, &err));
        lam_commit_release(&commit);
        free(bytes);
        if (n % LAM_CHECKPOINT_EVERY)
            continue;
        lam_commitlog_path(path, n, ".ckpt");
        bytes = scratch_read(scratch_join(root, path), &len);
        assert_non_null(bytes);
        lam_buf_init(&expected, LAM_CHECKPOINT_BYTES);
        OK(lam_checkpoint_write(state, &expected, &err));
        assert_int_equal(len, expected.len);
        assert_memory_equal(bytes, expected.ptr, len);
        lam_buf_release(&expected);
        free(bytes);
    }
    lam_state_unref(state);
    scratch_remove(root);
}

/*
 * m1: an action is "the layer goes on from position f", right only if f is where the layer stands. Each process takes the term without looking, again and
 * again, and moves the archive position one up from the state of its own term, until it is fenced.
 */
static void take_and_move(const char *root, int writer)
{
    struct lam_commitlog *log;
    struct lam_commitlog_options options = {.fs = &quick.fs};
    struct lam_error err = {0};
    struct lam_holder holder = holder_of("job", "r1");
    unsigned seed = (unsigned)writer + 1;
    int moved = 0;

    if (lam_commitlog_open(&log, root, &options, &err))
        _exit(210);
    for (int turn = 0; turn < 10; turn++) {
        struct lam_commit commit;
        uint64_t term, at;
        int rc;

        do {
            lam_commit_init(&commit, lam_commitlog_peek(log)->number);
            if (lam_commit_term(&commit, 1u << LAM_TERM_SPEED, &holder, &err))
                _exit(211);
            rc = lam_commitlog_commit(log, &commit, &term, &err);
            lam_commit_release(&commit);
        } while (rc == LAM_E_CONFLICT);
        if (rc)
            _exit(212);
        at = lam_state_archived(lam_commitlog_peek(log), 1, 1, 0)->next;
        for (int i = rand_r(&seed) % 6; i >= 0; i--) {
            struct lam_archived to = {.partition = 0, .next = ++at};

            lam_commit_init(&commit, term);
            lam_commit_set_term(&commit, LAM_TERM_SPEED, term);
            if (lam_commit_archive(&commit, 1, 1, &to, 1, NULL, &err))
                _exit(213);
            rc = lam_commitlog_commit(log, &commit, NULL, &err);
            lam_commit_release(&commit);
            if (rc == LAM_E_FENCED)
                break;
            if (rc)
                _exit(214);
            moved++;
        }
    }
    lam_commitlog_close(log);
    _exit(moved); /* at most 60 */
}

static void terms_taken_in_a_race_lose_and_double_no_position(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    struct lam_archived start = {.partition = 0, .next = 0};
    struct lam_commit commit = commit_of(0, take_term(log, BATCH | 1u << LAM_TERM_SPEED, "a"));
    struct lam_error err = {0};
    int moved = 0;

    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commit_life(&commit, "s", "l", &err));
    OK(lam_commitlog_commit(log, &commit, NULL, &err));
    lam_commit_release(&commit);
    lam_commit_init(&commit, 2);
    lam_commit_set_term(&commit, LAM_TERM_SPEED, 1);
    OK(lam_commit_archive(&commit, 1, 1, &start, 1, NULL, &err));
    OK(lam_commitlog_commit(log, &commit, NULL, &err));
    lam_commit_release(&commit);
    for (int i = 0; i < 6; i++)
        if (fork() == 0)
            take_and_move(*state, i);
    for (int i = 0; i < 6; i++) {
        int status;

        wait(&status);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 200);
        moved += WEXITSTATUS(status);
    }
    OK(lam_commitlog_refresh(log, &err));
    assert_int_equal(lam_state_archived(lam_commitlog_peek(log), 1, 1, 0)->next, moved);
    assert_int_equal(lam_commitlog_peek(log)->number, 3 + 60 + moved);
    assert_int_equal(lam_commitlog_peek(log)->voids, 0);
    assert_true(moved > 0);
    print_message("%d of at least 60 moves were not fenced\n", moved);
    lam_commitlog_close(log);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(eight_processes_commit_fifty_times_each_and_everything_counts_once),
        WITH_FOLDER(checkpoints_written_in_a_race_are_the_fold_of_the_files),
        WITH_FOLDER(terms_taken_in_a_race_lose_and_double_no_position),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
