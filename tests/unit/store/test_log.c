/* The log: numbers without gaps, reopening by checkpoint, expiry, late readers, damage that is named. */
#include <sys/stat.h>
#include <unistd.h>

#include "faulty_fs.h"
#include "log_fixture.h"

#define BATCH (1u << LAM_TERM_BATCH)
#define SPEED (1u << LAM_TERM_SPEED)
#define DAY_US ((int64_t)24 * 3600 * 1000000)

/* Real files, written without waiting for the disk. */
static struct faulty_fs quick;

static int setup(void **state)
{
    faulty_fs_init(&quick, &lam_fs_system);
    quick.no_sync = true;
    return scratch_setup(state);
}

static void commit_many(struct lam_commitlog *log, uint64_t term, uint64_t until)
{
    struct lam_error err = {0};

    while (lam_commitlog_peek(log)->number < until) {
        struct lam_commit commit = commit_of(lam_commitlog_peek(log)->number, term);

        OK(lam_commit_source(&commit, "s", &err));
        OK(lam_commitlog_commit(log, &commit, NULL, &err));
        lam_commit_release(&commit);
    }
}

static bool there(const char *root, uint64_t number, const char *suffix)
{
    char path[LAM_PATH_MAX];

    lam_commitlog_path(path, number, suffix);
    return access(scratch_join(root, path), F_OK) == 0;
}

static const char *file_of(const char *root, uint64_t number, const char *suffix)
{
    char path[LAM_PATH_MAX];

    lam_commitlog_path(path, number, suffix);
    return scratch_join(root, path);
}

static void an_empty_store_has_an_empty_log_and_opening_leaves_nothing(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);

    assert_int_equal(lam_commitlog_peek(log)->number, 0);
    assert_int_equal(access(scratch_join(*state, "log"), F_OK), -1);
    lam_commitlog_close(log);
}

static void a_commit_is_one_file_and_every_reader_sees_it(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL), *reader = open_log(*state, &quick.fs, NULL);
    const struct lam_state *before;
    struct lam_error err = {0};
    uint64_t term, number;

    term = take_term(log, BATCH, "a");
    assert_int_equal(term, 1);
    OK(commit_path(log, term, "silver/a", &number, &err));
    assert_int_equal(number, 2);
    assert_true(there(*state, 2, ".json"));
    before = lam_commitlog_snapshot(reader);
    OK(lam_commitlog_refresh(reader, &err));
    assert_int_equal(before->number, 0);
    assert_int_equal(lam_commitlog_peek(reader)->number, 2);
    assert_non_null(lam_state_segment(lam_commitlog_peek(reader), "silver/a"));
    lam_state_unref(before);
    lam_commitlog_close(log);
    lam_commitlog_close(reader);
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 2);
    lam_commitlog_close(log);
}

static void nothing_but_commits_and_checkpoints_stays_behind(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    struct lam_names names;
    struct lam_error err = {0};

    commit_many(log, take_term(log, BATCH, "a"), 101);
    lam_commitlog_close(log);
    OK(lam_fs_list(&lam_fs_system, scratch_join(*state, "log"), &names, &err));
    assert_int_equal(names.count, 1);
    assert_string_equal(names.names[0], "0000");
    lam_names_release(&names);
    OK(lam_fs_list(&lam_fs_system, scratch_join(*state, "log/0000"), &names, &err));
    assert_int_equal(names.count, 102);
    assert_string_equal(names.names[99], "00000000000000000100.ckpt");
    lam_names_release(&names);
}

/* "Opening costs a listing of two folders, one checkpoint and the tail", whatever came before. */
static void five_thousand_commits_open_by_one_checkpoint_and_the_tail(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    struct faulty_fs counting;

    commit_many(log, take_term(log, BATCH, "a"), 5012);
    lam_commitlog_close(log);
    faulty_fs_init(&counting, &lam_fs_system);
    log = open_log(*state, &counting.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 5012);
    assert_int_equal(lam_commitlog_peek(log)->source_count, 1);
    /* listed: log/ and log/0005 before and after; read: 5000.ckpt and its header, 12 commits */
    assert_int_equal(counting.counts[FAULTY_OPEN], 4 + 2 + 12);
    lam_commitlog_close(log);
    log = open_log(*state, &counting.fs, NULL);
    faulty_fs_mend(&counting);
    for (int i = 0; i < 3; i++) {
        struct lam_error err = {0};

        OK(lam_commitlog_refresh(log, &err));
    }
    assert_int_equal(counting.counts[FAULTY_OPEN], 3 * 2); /* nothing new: nothing is read */
    lam_commitlog_close(log);
}

static void a_missing_checkpoint_costs_a_longer_tail_and_no_more(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(log, BATCH, "a");

    commit_many(log, term, 1050);
    unlink(file_of(*state, 1000, ".ckpt"));
    lam_commitlog_close(log);
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 1050);
    lam_commitlog_close(log);
    for (uint64_t n = 100; n < 1000; n += 100)
        unlink(file_of(*state, n, ".ckpt"));
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 1050);
    commit_many(log, term, 1100);
    assert_true(there(*state, 1100, ".ckpt"));
    lam_commitlog_close(log);
}

static void a_damaged_checkpoint_is_passed_by(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    size_t len;
    char *bytes;

    commit_many(log, take_term(log, BATCH, "a"), 250);
    lam_commitlog_close(log);
    bytes = scratch_read(file_of(*state, 200, ".ckpt"), &len);
    bytes[len - 1] ^= 1;
    scratch_write(file_of(*state, 200, ".ckpt"), bytes, len);
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 250);
    lam_commitlog_close(log);
    scratch_write(file_of(*state, 200, ".ckpt"), bytes, 10); /* its header, too */
    scratch_write(file_of(*state, 100, ".ckpt"), "", 0);
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 250);
    lam_commitlog_close(log);
    free(bytes);
}

static void a_missing_or_damaged_commit_is_named(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    struct fixture_clock clock = {0};
    struct lam_clock view = {fixture_wall, fixture_mono, &clock};
    struct lam_commitlog_options options = {.fs = &quick.fs, .clock = &view, .sleep = fixture_sleep, .sleep_arg = &clock};
    struct lam_error err = {0};

    commit_many(log, take_term(log, BATCH, "a"), 20);
    lam_commitlog_close(log);
    scratch_write(file_of(*state, 7, ".json"), "{\"format\":1", 11);
    assert_int_equal(lam_commitlog_open(&log, *state, &options, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "commit 7"));
    unlink(file_of(*state, 7, ".json"));
    assert_int_equal(lam_commitlog_open(&log, *state, &options, &err), LAM_E_CORRUPT);
    assert_non_null(strstr(err.text, "commit 7 is missing"));
    assert_null(log);
}

static void names_that_are_no_commits_are_passed_by(void **state)
{
    static const char *const names[] = {"log/0000/00000000000000000003.json.tmp.0123456789abcdef", "log/0000/3.json", "log/0000/0000000000000000000x.json",
                                        "log/0000/00000000000000000000.json", "log/0000/99999999999999999999.json", "log/0000/00000000000000000007.ckptx",
                                        "log/README", "log/0000/.nfs0000"};
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(log, BATCH, "a");

    commit_many(log, term, 2);
    lam_commitlog_close(log);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        scratch_write(scratch_join(*state, names[i]), "x", 1);
    mkdir(scratch_join(*state, "log/00007"), 0755);
    mkdir(scratch_join(*state, "log/x"), 0755);
    log = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(log)->number, 2);
    commit_many(log, term, 3);
    lam_commitlog_close(log);
}

static void a_loser_reads_the_winner_and_takes_the_next_number(void **state)
{
    struct lam_commitlog *a = open_log(*state, &quick.fs, NULL), *b = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(a, BATCH, "a"), number;
    struct lam_error err = {0};

    OK(lam_commitlog_refresh(b, &err));
    for (int i = 0; i < 30; i++) { /* one layer's holder on two handles: they commute */
        char path[32];

        snprintf(path, sizeof path, "a/%d", i);
        OK(commit_path(a, term, path, &number, &err));
        assert_int_equal(number, 2 + 2 * i);
        snprintf(path, sizeof path, "b/%d", i);
        OK(commit_path(b, term, path, &number, &err));
        assert_int_equal(number, 3 + 2 * i);
    }
    OK(lam_commitlog_refresh(a, &err));
    assert_int_equal(lam_commitlog_peek(a)->segment_count, 60);
    lam_commitlog_close(a);
    lam_commitlog_close(b);
}

static void a_fenced_writer_commits_nothing_and_learns_by_whom(void **state)
{
    struct lam_commitlog *old = open_log(*state, &quick.fs, NULL), *fresh = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(old, BATCH | SPEED, "old job"), newer, before;
    struct lam_error err = {0};
    struct lam_commit commit;

    OK(lam_commitlog_refresh(fresh, &err));
    newer = take_term(fresh, BATCH, "new job");
    before = lam_commitlog_peek(fresh)->number;
    assert_int_equal(commit_path(old, term, "zombie", NULL, &err), LAM_E_FENCED);
    assert_non_null(strstr(err.text, "new job"));
    OK(lam_commitlog_refresh(fresh, &err));
    assert_int_equal(lam_commitlog_peek(fresh)->number, before);
    lam_commit_init(&commit, before); /* of speed it is still the holder */
    lam_commit_set_term(&commit, LAM_TERM_SPEED, term);
    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commitlog_commit(old, &commit, NULL, &err));
    lam_commit_release(&commit);
    OK(commit_path(fresh, newer, "good", NULL, &err));
    lam_commitlog_close(old);
    lam_commitlog_close(fresh);
}

/* A writer that does not ask before it links, put into the log by hand: the fold is what keeps it out. */
static void a_zombies_commit_in_the_log_is_void_for_every_reader(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL), *reader;
    uint64_t old = take_term(log, BATCH, "old"), term = take_term(log, BATCH, "new");
    struct lam_commit zombie = commit_of(1, old);
    struct lam_error err = {0};
    struct lam_buf json;

    lam_buf_init(&json, LAM_COMMIT_BYTES);
    add_path(&zombie, "z");
    OK(lam_commit_seal(&zombie, 1, &err));
    OK(lam_commit_write(&zombie, &json, &err));
    scratch_write(file_of(*state, 3, ".json"), json.ptr, json.len);
    OK(commit_path(log, term, "good", NULL, &err)); /* loses 3, takes 4 */
    assert_int_equal(lam_commitlog_peek(log)->number, 4);
    assert_int_equal(lam_commitlog_peek(log)->voids, 1);
    assert_null(lam_state_segment(lam_commitlog_peek(log), "z"));
    reader = open_log(*state, &quick.fs, NULL);
    assert_int_equal(lam_commitlog_peek(reader)->voids, 1);
    assert_int_equal(lam_commitlog_peek(reader)->segment_count, 1);
    lam_commit_release(&zombie);
    lam_buf_release(&json);
    lam_commitlog_close(log);
    lam_commitlog_close(reader);
}

static void who_was_overtaken_on_what_it_computed_from_gets_a_conflict_and_may_go_on(void **state)
{
    struct lam_commitlog *batch = open_log(*state, &quick.fs, NULL), *tool = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(batch, BATCH, "batch"), upkeep;
    struct lam_segment_entry mask = mask_of("m", "s");
    struct lam_error err = {0};
    struct lam_commit compact, publish;

    OK(commit_path(batch, term, "s", NULL, &err));
    OK(lam_commitlog_refresh(tool, &err));
    upkeep = take_term(tool, 1u << LAM_TERM_UPKEEP, "tool");
    lam_commit_init(&compact, upkeep);
    lam_commit_set_term(&compact, LAM_TERM_UPKEEP, upkeep);
    OK(lam_commit_remove(&compact, "s", &err));
    add_path(&compact, "c");
    publish = commit_of(2, term);
    OK(lam_commit_mask(&publish, "s", &mask, &err));
    OK(lam_commitlog_commit(batch, &publish, NULL, &err));
    lam_commit_release(&publish);
    assert_int_equal(lam_commitlog_commit(tool, &compact, NULL, &err), LAM_E_CONFLICT);
    lam_commit_release(&compact);
    assert_string_equal(lam_state_segment(lam_commitlog_peek(tool), "s")->mask->path, "m"); /* it has read why */
    lam_commit_init(&compact, lam_commitlog_peek(tool)->number);
    lam_commit_set_term(&compact, LAM_TERM_UPKEEP, upkeep);
    OK(lam_commit_remove(&compact, "s", &err));
    add_path(&compact, "c");
    OK(lam_commitlog_commit(tool, &compact, NULL, &err));
    lam_commit_release(&compact);
    lam_commitlog_close(batch);
    lam_commitlog_close(tool);
}

static void two_writers_write_the_same_checkpoint(void **state)
{
    struct lam_commitlog *a = open_log(*state, &quick.fs, NULL), *b;
    size_t len, again_len;
    char *bytes, *again;
    struct lam_error err = {0};
    struct lam_buf other;

    commit_many(a, take_term(a, BATCH, "a"), 99);
    b = open_log(*state, &quick.fs, NULL);
    commit_many(a, 1, 100);
    bytes = scratch_read(file_of(*state, 100, ".ckpt"), &len);
    OK(lam_commitlog_refresh(b, &err)); /* folded from the files, not from what the writer had in memory */
    lam_buf_init(&other, LAM_CHECKPOINT_BYTES);
    OK(lam_checkpoint_write(lam_commitlog_peek(b), &other, &err));
    assert_int_equal(len, other.len);
    assert_memory_equal(bytes, other.ptr, len);
    unlink(file_of(*state, 100, ".ckpt"));
    commit_many(b, 1, 200); /* and through a checkpoint of its own */
    again = scratch_read(file_of(*state, 200, ".ckpt"), &again_len);
    OK(lam_commitlog_refresh(a, &err));
    lam_buf_clear(&other);
    OK(lam_checkpoint_write(lam_commitlog_peek(a), &other, &err));
    assert_int_equal(again_len, other.len);
    assert_memory_equal(again, other.ptr, again_len);
    lam_buf_release(&other);
    free(bytes);
    free(again);
    lam_commitlog_close(a);
    lam_commitlog_close(b);
}

/* A day passes with every block of 100 commits. */
static void age(struct lam_commitlog *log, uint64_t term, struct fixture_clock *clock, uint64_t until)
{
    while (lam_commitlog_peek(log)->number < until) {
        clock->wall_us += DAY_US / 100;
        commit_many(log, term, lam_commitlog_peek(log)->number + 1);
    }
}

static void what_is_older_than_a_week_expires_and_readers_jump_over_it(void **state)
{
    struct fixture_clock clock = {.wall_us = 100 * DAY_US};
    struct lam_commitlog *log = open_log(*state, &quick.fs, &clock), *asleep, *fresh;
    uint64_t term = take_term(log, BATCH, "a"), removed;
    struct lam_error err = {0};

    age(log, term, &clock, 50);
    asleep = open_log(*state, &quick.fs, &clock);
    age(log, term, &clock, 1300);
    OK(lam_commitlog_expire(log, &removed, &err));
    assert_int_equal(lam_commitlog_log_from(log), 601);
    assert_int_equal(removed, 600 + 6);
    assert_false(there(*state, 600, ".json"));
    assert_true(there(*state, 601, ".json"));
    fresh = open_log(*state, &quick.fs, &clock);
    OK(lam_commitlog_refresh(asleep, &err));
    assert_int_equal(lam_commitlog_peek(fresh)->number, 1300);
    assert_int_equal(lam_commitlog_peek(asleep)->number, 1300);
    OK(lam_commitlog_expire(log, &removed, &err));
    assert_int_equal(removed, 0);
    lam_commitlog_close(log);
    lam_commitlog_close(asleep);
    lam_commitlog_close(fresh);
}

/* m1 EXPIRY: the number is free again because its file expired. */
static void a_commit_linked_at_an_expired_number_is_nobodys_and_its_writer_ends(void **state)
{
    struct fixture_clock clock = {.wall_us = 100 * DAY_US};
    struct lam_commitlog *log = open_log(*state, &quick.fs, &clock), *zombie, *reader;
    uint64_t term = take_term(log, BATCH, "a");
    struct lam_error err = {0};

    age(log, term, &clock, 50);
    zombie = open_log(*state, &quick.fs, &clock);
    age(log, term, &clock, 1200);
    OK(lam_commitlog_expire(log, NULL, &err));
    assert_int_equal(commit_path(zombie, term, "ghost", NULL, &err), LAM_E_FENCED);
    assert_non_null(strstr(err.text, "unknown"));
    assert_true(there(*state, 51, ".json")); /* it was linked, and it counts for nobody */
    assert_int_equal(commit_path(zombie, term, "ghost", NULL, &err), LAM_E_FENCED);
    reader = open_log(*state, &quick.fs, &clock);
    assert_null(lam_state_segment(lam_commitlog_peek(reader), "ghost"));
    assert_int_equal(lam_commitlog_peek(reader)->number, 1200);
    OK(lam_commitlog_refresh(zombie, &err)); /* as a reader it goes on */
    assert_int_equal(lam_commitlog_peek(zombie)->number, 1200);
    lam_commitlog_close(log);
    lam_commitlog_close(zombie);
    lam_commitlog_close(reader);
}

struct meanwhile {
    struct lam_commitlog *log;
    uint64_t term;
    struct fixture_clock *clock;
    const char *root;
    bool done;
};

/* While a reader that stood at 50 reads on, the log expires past it and a zombie links its next number anew. */
static void expire_meanwhile(void *arg, enum faulty_call call, const char *path)
{
    struct meanwhile *with = arg;
    struct lam_commit commit;
    struct lam_error err = {0};
    struct lam_buf json;

    if (with->done || call != FAULTY_OPEN || !path || !strstr(path, "0051.json"))
        return;
    with->done = true;
    age(with->log, with->term, with->clock, 1200);
    OK(lam_commitlog_expire(with->log, NULL, &err));
    commit = commit_of(50, with->term);
    add_path(&commit, "ghost");
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    OK(lam_commit_seal(&commit, 1, &err));
    OK(lam_commit_write(&commit, &json, &err));
    scratch_write(file_of(with->root, 51, ".json"), json.ptr, json.len);
    lam_commit_release(&commit);
    lam_buf_release(&json);
}

/* m1 READ_PRECHECK: the look at log_from comes after the reading. */
static void a_reader_that_read_below_log_from_starts_again(void **state)
{
    struct fixture_clock clock = {.wall_us = 100 * DAY_US};
    struct lam_commitlog *log = open_log(*state, &quick.fs, &clock), *reader;
    struct meanwhile with = {.log = log, .term = take_term(log, BATCH, "a"), .clock = &clock, .root = *state};
    struct lam_error err = {0};
    struct faulty_fs faulty;

    faulty_fs_init(&faulty, &quick.fs);
    age(log, with.term, &clock, 50);
    reader = open_log(*state, &faulty.fs, &clock);
    age(log, with.term, &clock, 51);
    faulty.before = expire_meanwhile;
    faulty.before_arg = &with;
    OK(lam_commitlog_refresh(reader, &err));
    assert_true(with.done);
    assert_int_equal(lam_commitlog_peek(reader)->number, 1200);
    assert_null(lam_state_segment(lam_commitlog_peek(reader), "ghost"));
    lam_commitlog_close(log);
    lam_commitlog_close(reader);
}

static void waiting_for_a_commit_ends_when_it_comes_or_when_time_is_up(void **state)
{
    struct fixture_clock clock = {0};
    struct lam_commitlog *log = open_log(*state, &quick.fs, &clock), *reader = open_log(*state, &quick.fs, &clock);
    struct lam_error err = {0};

    take_term(log, BATCH, "a");
    OK(lam_commitlog_await(reader, 1, 90000000, &err));
    assert_int_equal(lam_commitlog_await(reader, 2, 90000000, &err), LAM_E_TIMEOUT);
    assert_in_range(clock.mono_us, 90000000, 91000000);
    lam_commitlog_close(log);
    lam_commitlog_close(reader);
}

static void a_commit_that_is_refused_leaves_the_handle_usable(void **state)
{
    struct lam_commitlog *log = open_log(*state, &quick.fs, NULL);
    uint64_t term = take_term(log, BATCH, "a");
    struct lam_commit commit = commit_of(1, 0);
    struct lam_error err = {0};

    add_path(&commit, "a");
    assert_int_equal(lam_commitlog_commit(log, &commit, NULL, &err), LAM_E_INVALID); /* no term */
    lam_commit_release(&commit);
    commit = commit_of(77, term);
    add_path(&commit, "a");
    assert_int_equal(lam_commitlog_commit(log, &commit, NULL, &err), LAM_E_INVALID); /* from the future */
    lam_commit_release(&commit);
    OK(commit_path(log, term, "a", NULL, &err));
    lam_commitlog_close(log);
}

static void old_temporary_files_are_swept(void **state)
{
    struct fixture_clock clock = {.wall_us = 0};
    struct lam_commitlog *log = open_log(*state, &quick.fs, &clock);
    uint64_t removed;
    struct lam_error err = {0};
    struct stat st;

    take_term(log, BATCH, "a");
    scratch_write(scratch_join(*state, "log/commit.tmp.0123456789abcdef"), "x", 1);
    scratch_write(scratch_join(*state, "log/0000/00000000000000000100.ckpt.tmp.0123456789abcdef"), "x", 1);
    assert_int_equal(stat(scratch_join(*state, "log/commit.tmp.0123456789abcdef"), &st), 0);
    clock.wall_us = ((int64_t)st.st_mtime + 3000) * 1000000;
    OK(lam_commitlog_expire(log, &removed, &err));
    assert_int_equal(removed, 0);
    clock.wall_us = ((int64_t)st.st_mtime + 4000) * 1000000;
    OK(lam_commitlog_expire(log, &removed, &err));
    assert_int_equal(removed, 2);
    lam_commitlog_close(log);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(an_empty_store_has_an_empty_log_and_opening_leaves_nothing),
        WITH_FOLDER(a_commit_is_one_file_and_every_reader_sees_it),
        WITH_FOLDER(nothing_but_commits_and_checkpoints_stays_behind),
        WITH_FOLDER(five_thousand_commits_open_by_one_checkpoint_and_the_tail),
        WITH_FOLDER(a_missing_checkpoint_costs_a_longer_tail_and_no_more),
        WITH_FOLDER(a_damaged_checkpoint_is_passed_by),
        WITH_FOLDER(a_missing_or_damaged_commit_is_named),
        WITH_FOLDER(names_that_are_no_commits_are_passed_by),
        WITH_FOLDER(a_loser_reads_the_winner_and_takes_the_next_number),
        WITH_FOLDER(a_fenced_writer_commits_nothing_and_learns_by_whom),
        WITH_FOLDER(a_zombies_commit_in_the_log_is_void_for_every_reader),
        WITH_FOLDER(who_was_overtaken_on_what_it_computed_from_gets_a_conflict_and_may_go_on),
        WITH_FOLDER(two_writers_write_the_same_checkpoint),
        WITH_FOLDER(what_is_older_than_a_week_expires_and_readers_jump_over_it),
        WITH_FOLDER(a_commit_linked_at_an_expired_number_is_nobodys_and_its_writer_ends),
        WITH_FOLDER(a_reader_that_read_below_log_from_starts_again),
        WITH_FOLDER(waiting_for_a_commit_ends_when_it_comes_or_when_time_is_up),
        WITH_FOLDER(a_commit_that_is_refused_leaves_the_handle_usable),
        WITH_FOLDER(old_temporary_files_are_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
