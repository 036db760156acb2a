/* Staging: a group comes back as it was listed; adoption takes over from the right run, and nothing from any other. */
#include "log_fixture.h"
#include "rejects.h"
#include "stage.h"

#define BATCH (1u << LAM_TERM_BATCH)

static const char *const runs[] = {"00000000000000000000000000000000", "11111111111111111111111111111111", "22222222222222222222222222222222",
                                   "33333333333333333333333333333333", "44444444444444444444444444444444"};
static const struct lam_digest identity = {{1}}, analysis = {{2}}, other = {{3}};

static void make_run(const char *root, const char *run)
{
    char path[SCRATCH_PATH];
    struct lam_error err = {0};

    snprintf(path, sizeof path, "%s/runs/%s", root, run);
    OK(lam_fs_mkdirs(&lam_fs_system, path, &err));
}

/* A real segment, of one reject. */
static void write_segment(const char *root, const char *path, struct lam_segment_entry *entry)
{
    const struct lam_target target = {&lam_fs_system, root, path, LAM_SEGMENT_QUARANTINE};
    struct lam_block *block = lam_block_new(1, 4096);
    struct lam_error err = {0};

    assert_non_null(block);
    OK(lam_block_add_reject(block, &(struct lam_reject){.pos = {.source = 1, .life = 1}, .reason = LAM_SV("why"), .raw = LAM_SV("bytes")}, &err));
    lam_segment_entry_init(entry);
    OK(lam_rejects_write(&target, &block, 1, entry, &err));
    lam_block_free(block);
}

/* Lists a group of one segment, which is all of one piece; its name says whose it is. pending: of its rows. */
static void stage_pending(const char *root, const char *run, int rank, unsigned number, uint64_t pending)
{
    struct lam_piece piece = {.source = 1, .life = 1, .path = LAM_SV("a.jsonl"), .begin = number, .end = number + 1, .rows = pending, .pending = pending,
                              .blocks = &(struct lam_digest){{0}}};
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_buf json;
    struct lam_sv note;
    char path[LAM_SEGMENT_PATH];

    make_run(root, run);
    snprintf(path, sizeof path, "runs/%s/rejects-%d-%u.h5", run, rank, number);
    write_segment(root, path, &entry);
    lam_buf_init(&json, 4096);
    OK(lam_piece_write(&piece, &json, &err));
    note = lam_buf_sv(&json);
    OK(lam_stage_list(&lam_fs_system, root, run, rank, number, &entry, 1, &note, 1, &err));
    lam_buf_release(&json);
    lam_segment_entry_release(&entry);
}

static void stage(const char *root, const char *run, int rank, unsigned number) { stage_pending(root, run, rank, number, 0); }

static uint64_t term_of(struct lam_commitlog *log, const char *run)
{
    struct lam_holder holder = holder_of("job", run);
    struct lam_error err = {0};
    struct lam_commit commit;
    uint64_t number;

    lam_commit_init(&commit, lam_commitlog_peek(log)->number);
    OK(lam_commit_term(&commit, BATCH, &holder, &err));
    OK(lam_commitlog_commit(log, &commit, &number, &err));
    lam_commit_release(&commit);
    return number;
}

/* What a run takes over right after its term: the number of groups; *from as lam_stage_adopt tells. */
static size_t adopt_as(struct lam_commitlog *log, const char *run, uint64_t term, struct lam_digest by, struct lam_staged_list *list, char from[LAM_RUN_ID])
{
    const struct lam_state *state = lam_commitlog_snapshot(log);
    struct lam_adoption adoption = {run, term, state, identity, by, false};
    struct lam_error err = {0};

    make_run(lam_commitlog_root(log), run);
    *list = (struct lam_staged_list){0};
    OK(lam_stage_adopt(log, &adoption, list, from, &err));
    lam_state_unref(state);
    return list->count;
}

/* The same where only the number counts; run begins with its term. */
static size_t begin(struct lam_commitlog *log, const char *run, const char *expected_from)
{
    struct lam_staged_list list;
    char from[LAM_RUN_ID];
    size_t count = adopt_as(log, run, term_of(log, run), analysis, &list, from);

    assert_string_equal(from, expected_from);
    lam_staged_list_release(&list);
    return count;
}

static void publish(struct lam_commitlog *log, uint64_t term, const char *run)
{
    struct lam_commit commit = commit_of(lam_commitlog_peek(log)->number, term);
    struct lam_cutoff cutoff;
    struct lam_error err = {0};

    lam_cutoff_init(&cutoff);
    OK(lam_commit_publish(&commit, lam_commitlog_peek(log)->view.number + 1, run, 0, &cutoff, NULL, 0, &err));
    OK(lam_commitlog_commit(log, &commit, NULL, &err));
    lam_commit_release(&commit);
    lam_cutoff_release(&cutoff);
}

static bool has(const struct lam_staged_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->groups[i].path, path))
            return true;
    return false;
}

/* --- lists --- */

static void a_group_comes_back_as_it_was_listed(void **state)
{
    struct lam_staged_list list = {0};
    struct lam_error err = {0};

    stage(*state, runs[0], 0, 0);
    stage(*state, runs[0], 3, 17);
    scratch_write(scratch_join(*state, "runs/00000000000000000000000000000000/staged-9-9.json.tmp.0123456789abcdef"), "{", 1);
    scratch_write(scratch_join(*state, "runs/00000000000000000000000000000000/alive"), "0", 1);
    OK(lam_stage_read_run(&lam_fs_system, *state, runs[0], &list, &err));
    assert_int_equal(list.count, 2);
    for (size_t i = 0; i < list.count; i++) {
        unsigned number = strstr(list.groups[i].path, "-3-17") ? 17 : 0;

        assert_int_equal(list.groups[i].segment_count, 1);
        assert_int_equal(list.groups[i].piece_count, 1);
        assert_int_equal(list.groups[i].segments[0].rows, 1);
        assert_int_equal(list.groups[i].pieces[0].begin, number);
        assert_true(lam_sv_eq(list.groups[i].pieces[0].path, LAM_SV("a.jsonl")));
    }
    lam_staged_list_release(&list);
}

static void a_run_that_staged_nothing_has_no_groups(void **state)
{
    struct lam_staged_list list = {0};
    struct lam_error err = {0};

    OK(lam_stage_read_run(&lam_fs_system, *state, runs[0], &list, &err));
    assert_int_equal(list.count, 0);
}

static void hostile_lists_are_named_and_leave_the_others_as_they_were(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"format\":2,\"segments\":[],\"pieces\":[]}", "{\"segments\":[],\"pieces\":[]}",
        "{\"format\":1,\"segments\":[{}],\"pieces\":[]}",
        "{\"format\":1,\"segments\":[{\"path\":\"../../etc/passwd\",\"kind\":\"run\",\"layout\":1,\"rows\":1,\"bytes\":1}],\"pieces\":[]}",
        "{\"format\":1,\"segments\":[7],\"pieces\":[]}",
        "{\"format\":1,\"segments\":[],\"pieces\":[{}]}",
        "{\"format\":1,\"segments\":[],\"pieces\":[null]}",
        "{\"format\":1,\"format\":1,\"segments\":[],\"pieces\":[]}",
    };
    struct lam_staged_list list = {0};
    struct lam_error err = {0};

    stage(*state, runs[0], 0, 0);
    OK(lam_stage_read_run(&lam_fs_system, *state, runs[0], &list, &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make_run(*state, runs[1]);
        scratch_write(scratch_join(*state, "runs/11111111111111111111111111111111/staged-0-0.json"), bad[i], strlen(bad[i]));
        if (lam_stage_read_run(&lam_fs_system, *state, runs[1], &list, &err) != LAM_E_CORRUPT)
            fail_msg("taken for a list: %s", bad[i]);
        assert_non_null(strstr(err.text, "staged-0-0.json"));
        assert_int_equal(list.count, 1);
    }
    lam_staged_list_release(&list);
}

/* --- adoption --- */

static void the_first_run_adopts_nothing_and_says_so_on_disk(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    char *adopted;

    assert_int_equal(begin(log, runs[0], ""), 0);
    adopted = scratch_read(scratch_join(*state, "runs/00000000000000000000000000000000/adopted"), NULL);
    assert_non_null(adopted);
    assert_non_null(strstr(adopted, "\"lists\":[]"));
    free(adopted);
    lam_commitlog_close(log);
}

static void a_dead_runs_groups_are_taken_over_and_handed_on(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    stage(*state, runs[0], 1, 0);
    assert_int_equal(begin(log, runs[1], runs[0]), 2);
    stage(*state, runs[1], 0, 0); /* killed as well */
    assert_int_equal(begin(log, runs[2], runs[1]), 3);
    assert_int_equal(begin(log, runs[3], runs[2]), 3);
    lam_commitlog_close(log);
}

static void what_a_zombie_stages_after_it_was_adopted_from_is_never_used(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    struct lam_staged_list list;
    char from[LAM_RUN_ID];

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    assert_int_equal(begin(log, runs[1], runs[0]), 1);
    stage(*state, runs[0], 0, 1); /* the zombie */
    stage(*state, runs[1], 0, 0);
    assert_int_equal(adopt_as(log, runs[2], term_of(log, runs[2]), analysis, &list, from), 2);
    assert_true(has(&list, "runs/00000000000000000000000000000000/staged-0-0.json"));
    assert_true(has(&list, "runs/11111111111111111111111111111111/staged-0-0.json"));
    assert_false(has(&list, "runs/00000000000000000000000000000000/staged-0-1.json"));
    lam_staged_list_release(&list);
    lam_commitlog_close(log);
}

static void a_run_that_died_before_its_adopted_is_passed_over_whatever_it_staged(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    term_of(log, runs[1]);
    stage(*state, runs[1], 0, 0);
    assert_int_equal(begin(log, runs[2], runs[0]), 1);
    lam_commitlog_close(log);
}

static void nothing_is_adopted_from_a_run_that_published(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    struct lam_staged_list list;
    char from[LAM_RUN_ID];
    uint64_t term;

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    term = term_of(log, runs[1]);
    adopt_as(log, runs[1], term, analysis, &list, from);
    lam_staged_list_release(&list);
    stage(*state, runs[1], 0, 0);
    publish(log, term, runs[1]);
    assert_int_equal(begin(log, runs[2], ""), 0);
    stage(*state, runs[2], 0, 0);
    assert_int_equal(begin(log, runs[3], runs[2]), 1);
    lam_commitlog_close(log);
}

static void nothing_is_adopted_from_a_run_with_another_identity_or_analysis(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    struct lam_staged_list list;
    char from[LAM_RUN_ID];

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    assert_int_equal(adopt_as(log, runs[1], term_of(log, runs[1]), other, &list, from), 0);
    assert_string_equal(from, "");
    stage(*state, runs[1], 0, 0);
    assert_int_equal(begin(log, runs[2], ""), 0); /* back to the first analysis: what lies beyond the other one is not looked at */
    lam_commitlog_close(log);
}

static void other_layers_terms_and_commits_between_do_not_matter(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    struct lam_holder holder = holder_of("speed job", "feedfeedfeedfeedfeedfeedfeedfeed");
    struct lam_error err = {0};
    struct lam_commit commit;
    uint64_t term;

    term = term_of(log, runs[0]);
    make_run(*state, runs[0]);
    assert_int_equal(adopt_as(log, runs[0], term, analysis, &(struct lam_staged_list){0}, (char[LAM_RUN_ID]){0}), 0);
    stage(*state, runs[0], 0, 0);
    OK(commit_path(log, term, "silver/x.h5", NULL, &err));
    lam_commit_init(&commit, lam_commitlog_peek(log)->number);
    OK(lam_commit_term(&commit, 1u << LAM_TERM_SPEED, &holder, &err));
    OK(lam_commitlog_commit(log, &commit, NULL, &err));
    lam_commit_release(&commit);
    stage(*state, holder.run, 0, 0);
    assert_int_equal(begin(log, runs[1], runs[0]), 1);
    lam_commitlog_close(log);
}

static void damage_means_doing_it_again_and_never_a_run_that_cannot_begin(void **state)
{
    static const char *const damaged[] = {"runs/00000000000000000000000000000000/staged-0-1.json", "runs/00000000000000000000000000000000/adopted"};

    for (size_t i = 0; i < 2; i++) {
        struct lam_commitlog *log;

        scratch_remove(scratch_join(*state, "log"));
        scratch_remove(scratch_join(*state, "runs"));
        log = open_log(*state, NULL, NULL);
        begin(log, runs[0], "");
        stage(*state, runs[0], 0, 0);
        stage(*state, runs[0], 0, 1);
        scratch_write(scratch_join(*state, damaged[i]), "{\"format\":1,", 12);
        assert_int_equal(begin(log, runs[1], ""), 0);
        stage(*state, runs[1], 0, 0);
        assert_int_equal(begin(log, runs[2], runs[1]), 1);
        lam_commitlog_close(log);
    }
}

static void a_group_with_a_damaged_or_missing_segment_is_left_out_for_good(void **state)
{
    const char *hurt = "runs/00000000000000000000000000000000/rejects-0-1.h5";

    for (int missing = 0; missing < 2; missing++) {
        struct lam_commitlog *log;
        size_t len;
        char *bytes, *whole;

        scratch_remove(scratch_join(*state, "log"));
        scratch_remove(scratch_join(*state, "runs"));
        log = open_log(*state, NULL, NULL);
        begin(log, runs[0], "");
        for (unsigned i = 0; i < 3; i++)
            stage(*state, runs[0], 0, i);
        bytes = scratch_read(scratch_join(*state, hurt), &len);
        whole = scratch_read(scratch_join(*state, hurt), &len);
        for (size_t i = 0; i + 4 < len; i++)
            if (!memcmp(bytes + i, "bytes", 5))
                bytes[i] ^= 1;
        if (missing)
            scratch_remove(scratch_join(*state, hurt));
        else
            scratch_write(scratch_join(*state, hurt), bytes, len);
        assert_int_equal(begin(log, runs[1], runs[0]), 2);
        scratch_write(scratch_join(*state, hurt), whole, len); /* back again: its work was done by the second run, it must not count twice */
        assert_int_equal(begin(log, runs[2], runs[1]), 2);
        free(bytes);
        free(whole);
        lam_commitlog_close(log);
    }
}

/* What is left out is read again and staged anew: were it still handed on, a run that takes everything would have it twice. */
static void groups_that_wait_for_answers_are_left_out_for_good_where_that_is_asked_for(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);
    struct lam_staged_list list = {0};
    struct lam_adoption adoption = {.run = runs[1], .identity = identity, .analysis = analysis, .answered = true};
    struct lam_error err = {0};
    char from[LAM_RUN_ID];

    begin(log, runs[0], "");
    stage_pending(*state, runs[0], 0, 0, 0);
    stage_pending(*state, runs[0], 0, 1, 3);
    adoption.term = term_of(log, runs[1]);
    adoption.state = lam_commitlog_snapshot(log);
    make_run(*state, runs[1]);
    OK(lam_stage_adopt(log, &adoption, &list, from, &err));
    lam_state_unref(adoption.state);
    assert_string_equal(from, runs[0]);
    assert_int_equal(list.count, 1);
    assert_true(has(&list, "runs/00000000000000000000000000000000/staged-0-0.json"));
    lam_staged_list_release(&list);
    stage_pending(*state, runs[1], 0, 1, 2);
    assert_int_equal(begin(log, runs[2], runs[1]), 2);
    lam_commitlog_close(log);
}

static void a_list_that_was_adopted_and_is_gone_means_doing_it_again(void **state)
{
    struct lam_commitlog *log = open_log(*state, NULL, NULL);

    begin(log, runs[0], "");
    stage(*state, runs[0], 0, 0);
    assert_int_equal(begin(log, runs[1], runs[0]), 1);
    scratch_remove(scratch_join(*state, "runs/00000000000000000000000000000000"));
    assert_int_equal(begin(log, runs[2], ""), 0);
    lam_commitlog_close(log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_group_comes_back_as_it_was_listed),
        TEST(a_run_that_staged_nothing_has_no_groups),
        TEST(hostile_lists_are_named_and_leave_the_others_as_they_were),
        TEST(the_first_run_adopts_nothing_and_says_so_on_disk),
        TEST(a_dead_runs_groups_are_taken_over_and_handed_on),
        TEST(what_a_zombie_stages_after_it_was_adopted_from_is_never_used),
        TEST(a_run_that_died_before_its_adopted_is_passed_over_whatever_it_staged),
        TEST(nothing_is_adopted_from_a_run_that_published),
        TEST(nothing_is_adopted_from_a_run_with_another_identity_or_analysis),
        TEST(other_layers_terms_and_commits_between_do_not_matter),
        TEST(damage_means_doing_it_again_and_never_a_run_that_cannot_begin),
        TEST(a_group_with_a_damaged_or_missing_segment_is_left_out_for_good),
        TEST(groups_that_wait_for_answers_are_left_out_for_good_where_that_is_asked_for),
        TEST(a_list_that_was_adopted_and_is_gone_means_doing_it_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
