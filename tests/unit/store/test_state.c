/* States: the fold of commits, numbers by log order, void commits, conflicts, snapshots that stay. */
#include "log_fixture.h"

#define BATCH (1u << LAM_TERM_BATCH)
#define SPEED (1u << LAM_TERM_SPEED)
#define DAY_US ((int64_t)24 * 3600 * 1000000)

static void sources_lives_and_models_are_numbered_by_log_order_and_once(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 1);
    struct lam_commit commit = commit_of(0, term);
    struct lam_error err = {0};

    (void)unused;
    OK(lam_commit_source(&commit, "tickets", &err));
    OK(lam_commit_life(&commit, "tickets", "scan-1", &err));
    OK(lam_commit_source(&commit, "events", &err));
    OK(lam_commit_model(&commit, "m", "builtin", "models/m", "", &err));
    assert_false(fold(state, &commit, 2));
    commit = commit_of(0, term); /* a writer that had read none of that asks for the same, and for more */
    OK(lam_commit_source(&commit, "events", &err));
    OK(lam_commit_source(&commit, "news", &err));
    OK(lam_commit_source(&commit, "tickets", &err));
    OK(lam_commit_life(&commit, "tickets", "scan-1", &err));
    OK(lam_commit_life(&commit, "tickets", "scan-2", &err));
    OK(lam_commit_life(&commit, "events", "topic", &err));
    OK(lam_commit_model(&commit, "m", "student", "models/other", "", &err));
    assert_false(fold(state, &commit, 3));
    assert_int_equal(state->source_count, 3);
    assert_int_equal(lam_state_source_number(state, "tickets"), 1);
    assert_int_equal(lam_state_source_number(state, "events"), 2);
    assert_int_equal(lam_state_source_number(state, "news"), 3);
    assert_int_equal(lam_state_source_number(state, "none"), 0);
    assert_int_equal(lam_state_life_number(state, 1, "scan-2"), 2);
    assert_int_equal(lam_state_life_number(state, 2, "topic"), 1);
    assert_int_equal(lam_state_newest_life(state, 1)->number, 2);
    assert_null(lam_state_newest_life(state, 3));
    assert_int_equal(lam_state_model_number(state, "m"), 1);
    assert_string_equal(state->models[0].path, "models/m");
    lam_state_unref(state);
}

static void a_commit_under_an_old_term_is_void_as_a_whole(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t old = fold_term(state, BATCH | SPEED, "first", 1), term = fold_term(state, BATCH, "second", 2);
    struct lam_commit commit = commit_of(0, old);
    struct lam_error err = {0};

    (void)unused;
    commit.terms[LAM_TERM_SPEED] = old; /* this one is still the newest: it does not help */
    OK(lam_commit_source(&commit, "ghost", &err));
    add_path(&commit, "a");
    assert_int_equal(lam_state_admits(state, &commit, &err), LAM_E_FENCED);
    assert_non_null(strstr(err.text, "second"));
    assert_non_null(strstr(err.text, "node1"));
    assert_true(fold(state, &commit, 3));
    assert_int_equal(state->number, 3);
    assert_int_equal(state->voids, 1);
    assert_int_equal(state->source_count, 0);
    assert_int_equal(state->segment_count, 0);
    commit = commit_of(0, term);
    add_path(&commit, "a");
    assert_false(fold(state, &commit, 4));
    assert_int_equal(state->segment_count, 1);
    assert_string_equal(state->terms[LAM_TERM_SPEED].holder.job, "first");
    lam_state_unref(state);
}

/* m1_conflict: publish masks S while a compaction rewrites it; whoever comes second computes anew. */
static void adds_commute_but_what_was_touched_since_is_a_conflict(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH | 1u << LAM_TERM_UPKEEP, "a", 1), base;
    struct lam_commit commit = commit_of(0, term), compact, late;
    struct lam_segment_entry mask = mask_of("m1", "s");
    struct lam_error err = {0};

    (void)unused;
    add_path(&commit, "s");
    add_path(&commit, "other");
    assert_false(fold(state, &commit, 2));
    base = state->number;

    lam_commit_init(&compact, base); /* reads S as it is now */
    compact.terms[LAM_TERM_UPKEEP] = term;
    OK(lam_commit_remove(&compact, "s", &err));
    add_path(&compact, "c");

    lam_commit_init(&late, base); /* computed from S, changes nothing of it */
    late.terms[LAM_TERM_UPKEEP] = term;
    OK(lam_commit_based_on(&late, "s", &err));
    add_path(&late, "d");

    commit = commit_of(base, term);
    add_path(&commit, "t");
    assert_false(fold(state, &commit, 3)); /* another add: nobody minds */
    OK(lam_state_admits(state, &compact, &err));

    commit = commit_of(base, term);
    OK(lam_commit_mask(&commit, "s", &mask, &err));
    assert_false(fold(state, &commit, 4));
    assert_int_equal(lam_state_admits(state, &compact, &err), LAM_E_CONFLICT);
    assert_non_null(strstr(err.text, "s was added or masked by commit 4"));
    assert_int_equal(lam_state_admits(state, &late, &err), LAM_E_CONFLICT);
    assert_true(fold(state, &compact, 5)); /* and a reader voids it, even where its writer did not ask */
    assert_non_null(lam_state_segment(state, "s"));
    assert_null(lam_state_segment(state, "c"));

    lam_commit_init(&compact, state->number);
    compact.terms[LAM_TERM_UPKEEP] = term;
    OK(lam_commit_remove(&compact, "s", &err));
    add_path(&compact, "c");
    assert_false(fold(state, &compact, 6));
    assert_null(lam_state_segment(state, "s"));
    assert_int_equal(lam_state_admits(state, &late, &err), LAM_E_CONFLICT);
    lam_commit_release(&late);
    lam_state_unref(state);
}

static void what_does_not_apply_is_a_conflict(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 1);
    struct lam_commit commit = commit_of(0, term);
    struct lam_segment_entry mask = mask_of("m", "x"), twice = mask_of("m2", "x");
    struct lam_archived at = {.partition = 0, .next = 10};
    struct lam_life_counts counts = {1, 2, {0}};
    struct lam_cutoff cutoff = {0};
    struct lam_error err = {0};

    (void)unused;
    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commit_life(&commit, "s", "l", &err));
    add_path(&commit, "x");
    assert_false(fold(state, &commit, 2));
#define CONFLICTS(build)                                                                                                                             \
    do {                                                                                                                                             \
        commit = commit_of(state->number, term);                                                                                                     \
        build;                                                                                                                                       \
        assert_int_equal(lam_state_admits(state, &commit, &err), LAM_E_CONFLICT);                                                                    \
        lam_commit_release(&commit);                                                                                                                 \
    } while (0)
    CONFLICTS(add_path(&commit, "x"));
    CONFLICTS(add_path(&commit, "y"); add_path(&commit, "y"));
    CONFLICTS(OK(lam_commit_remove(&commit, "y", &err)));
    CONFLICTS(OK(lam_commit_remove(&commit, "x", &err)); OK(lam_commit_remove(&commit, "x", &err)));
    CONFLICTS(OK(lam_commit_remove(&commit, "x", &err)); OK(lam_commit_mask(&commit, "x", &mask, &err)));
    CONFLICTS(OK(lam_commit_mask(&commit, "x", &mask, &err)); OK(lam_commit_mask(&commit, "x", &twice, &err)));
    CONFLICTS(OK(lam_commit_life(&commit, "nobody", "l", &err)));
    CONFLICTS(OK(lam_commit_archive(&commit, 2, 1, &at, 1, NULL, &err)));
    CONFLICTS(OK(lam_commit_archive(&commit, 1, 2, &at, 1, NULL, &err)));
    CONFLICTS(OK(lam_commit_publish(&commit, 1, "r", 0, &cutoff, &counts, 1, &err)));
    OK(lam_cutoff_set_corpus(&cutoff, 7, 1, &err));
    CONFLICTS(OK(lam_commit_publish(&commit, 1, "r", 0, &cutoff, NULL, 0, &err)));
#undef CONFLICTS
    lam_cutoff_release(&cutoff);
    lam_state_unref(state);
}

static void an_archive_position_never_goes_back(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, SPEED, "a", 1);
    struct lam_archived at[] = {{.partition = 1, .next = 10, .has_witness = true, .witness = {9, 5, 6}}, {.partition = 4, .next = 2}};
    struct lam_error err = {0};
    struct lam_commit commit;

    (void)unused;
#define SPEED_COMMIT() (lam_commit_init(&commit, state->number), commit.terms[LAM_TERM_SPEED] = term)
    SPEED_COMMIT();
    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commit_life(&commit, "s", "topic", &err));
    assert_false(fold(state, &commit, 2));
    SPEED_COMMIT();
    OK(lam_commit_archive(&commit, 1, 1, at, 2, "cursor", &err));
    assert_false(fold(state, &commit, 3));
    SPEED_COMMIT();
    at[0] = (struct lam_archived){.partition = 0, .next = 7};
    OK(lam_commit_archive(&commit, 1, 1, at, 1, NULL, &err));
    assert_false(fold(state, &commit, 4));
    assert_int_equal(lam_state_archived(state, 1, 1, 0)->next, 7);
    assert_int_equal(lam_state_archived(state, 1, 1, 1)->witness.crc32c, 6);
    assert_int_equal(lam_state_archived(state, 1, 1, 4)->next, 2);
    assert_null(lam_state_archived(state, 1, 1, 5));
    assert_string_equal(lam_state_life(state, 1, 1)->cursor, "cursor");
    SPEED_COMMIT();
    at[0] = (struct lam_archived){.partition = 1, .next = 9};
    OK(lam_commit_archive(&commit, 1, 1, at, 1, NULL, &err));
    assert_true(fold(state, &commit, 5));
    assert_int_equal(lam_state_archived(state, 1, 1, 1)->next, 10);
#undef SPEED_COMMIT
    lam_state_unref(state);
}

static void publishing_moves_view_cutoff_and_counts_and_never_back(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 1);
    struct lam_commit commit = commit_of(0, term);
    struct lam_life_counts counts[] = {{1, 1, {10, 6, 1, 1, 1, 1, 2, 0}}, {1, 2, {3, 3, 0, 0, 0, 0, 0, 0}}};
    struct lam_life_counts later = {1, 1, {0, -2, 2, 0, 0, 0, -1, 1}};
    struct lam_cutoff cutoff = {0};
    struct lam_error err = {0};

    (void)unused;
    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commit_life(&commit, "s", "1", &err));
    OK(lam_commit_life(&commit, "s", "2", &err));
    assert_false(fold(state, &commit, 2));
    OK(lam_cutoff_set_partition(&cutoff, 1, 1, 0, 5, &err));
    commit = commit_of(state->number, term);
    OK(lam_commit_publish(&commit, 1, "run-1", 4, &cutoff, counts, 2, &err));
    assert_false(fold(state, &commit, 30));
    assert_int_equal(state->view.number, 1);
    assert_int_equal(state->view.range_bits, 4);
    assert_int_equal(state->view.time_us, 30);
    assert_int_equal(lam_cutoff_next(&state->view.cutoff, 1, 1, 0), 5);
    commit = commit_of(state->number, term);
    OK(lam_commit_publish(&commit, 2, "run-2", 4, &cutoff, &later, 1, &err));
    assert_false(fold(state, &commit, 31));
    assert_int_equal(lam_state_life(state, 1, 1)->counts.live, 4);
    assert_int_equal(lam_state_life(state, 1, 1)->counts.superseded, 3);
    assert_int_equal(state->totals.read, 13);
    assert_int_equal(state->totals.live, 7);
    assert_int_equal(state->totals.pending, 1);
    commit = commit_of(state->number, term);
    OK(lam_commit_publish(&commit, 2, "run-3", 4, &cutoff, NULL, 0, &err));
    assert_true(fold(state, &commit, 32));
    assert_string_equal(state->view.run, "run-2");
    lam_cutoff_release(&cutoff);
    lam_state_unref(state);
}

static void a_life_remembers_the_horizon_that_was_in_force_when_it_began(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 1);
    struct lam_error err = {0};
    const char *horizons[] = {"", "\x01\x05", "\x01\x03", "\x01\x07"}; /* the third is lower: the second stays */
    const char *expected[] = {"", "\x01\x05", "\x01\x05", "\x01\x07"};

    (void)unused;
    for (int i = 0; i < 4; i++) {
        struct lam_commit commit = commit_of(0, term);
        char name[32];

        if (*horizons[i])
            OK(lam_commit_horizon(&commit, lam_sv_of(horizons[i]), &err));
        snprintf(name, sizeof name, "scan-%d", i);
        OK(lam_commit_source(&commit, "s", &err));
        OK(lam_commit_life(&commit, "s", name, &err));
        assert_false(fold(state, &commit, 2));
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct lam_state_life *life = lam_state_life(state, 1, i + 1);

        assert_true(lam_sv_eq(lam_sv((const char *)life->horizon, life->horizon_len), lam_sv_of(expected[i])));
    }
    assert_int_equal(state->horizon_commit, 5);
    lam_state_unref(state);
}

static void a_snapshot_stays_as_it_was(void **unused)
{
    struct lam_state *state = lam_state_new(), *next;
    uint64_t term = fold_term(state, BATCH, "a", 1);
    struct lam_commit commit = commit_of(0, term);
    struct lam_segment_entry mask = mask_of("m", "x");
    struct lam_archived at = {.partition = 0, .next = 10};
    struct lam_error err = {0};

    (void)unused;
    OK(lam_commit_source(&commit, "s", &err));
    OK(lam_commit_life(&commit, "s", "1", &err));
    OK(lam_commit_job(&commit, "identity", "analysis", "rest", &err));
    add_path(&commit, "x");
    assert_false(fold(state, &commit, 2));
    OK(lam_state_clone(state, &next, &err));
    commit = commit_of(state->number, term);
    OK(lam_commit_mask(&commit, "x", &mask, &err));
    OK(lam_commit_archive(&commit, 1, 1, &at, 1, "c", &err));
    OK(lam_commit_job(&commit, "identity", "analysis 2", "rest", &err));
    add_path(&commit, "a");
    assert_false(fold(next, &commit, 3));
    assert_null(lam_state_segment(state, "x")->mask);
    assert_null(lam_state_segment(state, "a"));
    assert_null(lam_state_archived(state, 1, 1, 0));
    assert_string_equal(state->job.analysis, "analysis");
    assert_string_equal(lam_state_segment(next, "x")->mask->path, "m");
    assert_true(lam_state_segment(next, "x")->entry == lam_state_segment(state, "x")->entry);
    assert_int_equal(lam_state_archived(next, 1, 1, 0)->next, 10);
    assert_true(lam_digest_eq(state->job.identity_digest, next->job.identity_digest));
    assert_false(lam_digest_eq(state->job.analysis_digest, next->job.analysis_digest));
    lam_state_unref(state);
    assert_string_equal(lam_state_life(next, 1, 1)->cursor, "c");
    lam_state_unref(next);
}

/* A list without order against the sorted array that is merged. */
static void many_segments_come_and_go_as_in_a_naive_list(void **unused)
{
    enum { NAMES = 64 };
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 1);
    bool live[NAMES] = {0};
    struct lam_error err = {0};
    unsigned seed = 7;

    (void)unused;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 500; round++) {
        struct lam_commit commit = commit_of(state->number, term);
        bool next[NAMES];
        size_t count = 0, at = 0;

        memcpy(next, live, sizeof live);
        for (int i = 0; i < NAMES; i++) {
            char path[32];

            if (rand_r(&seed) % 4)
                continue;
            snprintf(path, sizeof path, "s/%d", i * 7919 % 1000);
            if (live[i])
                OK(lam_commit_remove(&commit, path, &err));
            else
                add_path(&commit, path);
            next[i] = !live[i];
        }
        assert_false(fold(state, &commit, 2));
        memcpy(live, next, sizeof live);
        for (int i = 0; i < NAMES; i++) {
            char path[32];

            snprintf(path, sizeof path, "s/%d", i * 7919 % 1000);
            count += live[i];
            assert_true((lam_state_segment(state, path) != NULL) == live[i]);
        }
        assert_int_equal(state->segment_count, count);
        for (size_t i = 1; i < count; i++)
            assert_true(strcmp(state->segments[i - 1].entry->path, state->segments[i].entry->path) < 0);
        while (lam_state_next(state, LAM_SEGMENT_SILVER, &at))
            count--;
        assert_int_equal(count, 0);
        at = 0;
        assert_null(lam_state_next(state, LAM_SEGMENT_RUN, &at));
    }
    lam_state_unref(state);
}

/* Blocks of a hundred: everything a week old goes, the checkpoint's own block stays, and a clock that jumps back lowers nothing. */
static void log_from_follows_a_week_behind_and_never_goes_back(void **unused)
{
    struct lam_state *state = lam_state_new();
    uint64_t term = fold_term(state, BATCH, "a", 0), before = 1;
    struct lam_error err = {0};

    (void)unused;
    while (state->number < 2000) {
        struct lam_commit commit = commit_of(0, term);
        uint64_t n = state->number + 1;

        OK(lam_commit_source(&commit, "s", &err));
        assert_false(fold(state, &commit, n <= 1500 ? (int64_t)n * (DAY_US / 100) : DAY_US)); /* a day each block; then the clock is wrong */
        assert_true(state->log_from >= before && state->log_from <= n);
        before = state->log_from;
        if (n == 700)
            assert_int_equal(state->log_from, 1); /* the first block ends 6 days ago */
        if (n == 800)
            assert_int_equal(state->log_from, 101);
        if (n == 899)
            assert_int_equal(state->log_from, 101);
        if (n == 1500)
            assert_int_equal(state->log_from, 801);
    }
    assert_int_equal(state->log_from, 801);
    lam_state_unref(state);

    state = lam_state_new();
    term = fold_term(state, BATCH, "a", 0);
    while (state->number < 200) {
        struct lam_commit commit = commit_of(0, term);

        OK(lam_commit_source(&commit, "s", &err));
        assert_false(fold(state, &commit, state->number == 198 ? INT64_MAX : INT64_MIN));
    }
    assert_int_equal(state->log_from, 101);
    lam_state_unref(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_lives_and_models_are_numbered_by_log_order_and_once),
        cmocka_unit_test(a_commit_under_an_old_term_is_void_as_a_whole),
        cmocka_unit_test(adds_commute_but_what_was_touched_since_is_a_conflict),
        cmocka_unit_test(what_does_not_apply_is_a_conflict),
        cmocka_unit_test(an_archive_position_never_goes_back),
        cmocka_unit_test(publishing_moves_view_cutoff_and_counts_and_never_back),
        cmocka_unit_test(a_life_remembers_the_horizon_that_was_in_force_when_it_began),
        cmocka_unit_test(a_snapshot_stays_as_it_was),
        cmocka_unit_test(many_segments_come_and_go_as_in_a_naive_list),
        cmocka_unit_test(log_from_follows_a_week_behind_and_never_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
