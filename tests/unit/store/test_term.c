/* Terms: taken when the holder is still, refused while it lives, and state from the commits up to the own term alone. */
#include "faulty_fs.h"
#include "log_fixture.h"
#include "term.h"

#define BATCH (1u << LAM_TERM_BATCH)
#define SPEED (1u << LAM_TERM_SPEED)

/* Time passes only by sleeping; meanwhile the holder on another host ticks, or somebody does something. */
struct world {
    struct fixture_clock clock;
    struct lam_alive *ticking;
    int64_t ticks_until_us;
    void (*meanwhile)(struct world *world);
    const char *root;
    int sleeps, stop_at;
};

static int world_sleep(void *arg, int64_t us)
{
    struct world *world = arg;

    fixture_sleep(&world->clock, us);
    if (world->ticking && world->clock.mono_us <= world->ticks_until_us && lam_alive_raise(world->ticking, NULL))
        fail();
    if (world->meanwhile)
        world->meanwhile(world);
    return ++world->sleeps == world->stop_at;
}

static struct lam_commitlog *open_in(struct world *world, const char *root)
{
    static struct lam_clock clock;
    struct lam_commitlog_options options = {.clock = &clock, .sleep = world_sleep, .sleep_arg = world};
    struct lam_error err = {0};
    struct lam_commitlog *log;

    world->root = root;
    clock = (struct lam_clock){fixture_wall, fixture_mono, &world->clock};
    OK(lam_commitlog_open(&log, root, &options, &err));
    return log;
}

static struct lam_term_options options_of(const char *job, const char *run, uint32_t layers)
{
    struct lam_term_options options = {.layers = layers, .holder = holder_of(job, run)};

    return options;
}

/* A holder on another host that took both terms. */
static void hold(const char *root, struct lam_alive *alive)
{
    struct lam_commitlog *log = open_log(root, NULL, NULL);
    struct lam_error err = {0};

    OK(lam_alive_start(alive, &lam_fs_system, root, "r1", &err));
    take_term(log, BATCH | SPEED, "first job");
    lam_commitlog_close(log);
}

static int take(struct lam_commitlog *log, struct lam_term_options options, uint64_t *term, struct lam_error *err)
{
    const struct lam_state *state;
    int rc;

    snprintf(options.holder.host, sizeof options.holder.host, "node2");
    rc = lam_term_take(log, &options, term, &state, err);
    if (!rc) {
        assert_int_equal(state->number, *term); /* as of this very commit */
        assert_int_equal(state->terms[LAM_TERM_BATCH].number, *term);
    }
    lam_state_unref(state);
    return rc;
}

static void a_first_term_is_taken_without_a_look(void **state)
{
    struct world world = {0};
    struct lam_commitlog *log = open_in(&world, *state);
    struct lam_error err = {0};
    uint64_t term;

    OK(take(log, options_of("a", "r2", BATCH), &term, &err));
    assert_int_equal(term, 1);
    assert_int_equal(world.sleeps, 0);
    lam_commitlog_close(log);
}

static void a_holder_whose_counter_moves_is_named_and_left_alone(void **state)
{
    struct lam_alive alive;
    struct world world = {.ticking = &alive, .ticks_until_us = INT64_MAX};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    assert_int_equal(take(log, options_of("second job", "r2", BATCH), &term, &err), LAM_E_EXISTS);
    assert_non_null(strstr(err.text, "first job"));
    assert_non_null(strstr(err.text, "node1"));
    assert_non_null(strstr(err.text, "process 7"));
    assert_int_equal(lam_commitlog_peek(log)->number, 1);
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

static void a_counter_that_stands_still_for_ten_seconds_is_a_dead_holders(void **state)
{
    struct lam_alive alive;
    struct world world = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    OK(take(log, options_of("second job", "r2", BATCH), &term, &err));
    assert_int_equal(term, 2);
    assert_int_equal(world.clock.mono_us, LAM_ALIVE_WATCH_US);
    assert_int_equal(lam_commitlog_peek(log)->terms[LAM_TERM_SPEED].number, 1); /* that layer was not asked for */
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

static void a_holder_that_stopped_is_not_watched(void **state)
{
    struct lam_alive alive;
    struct world world = {0};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    lam_alive_stop(&alive);
    log = open_in(&world, *state);
    OK(take(log, options_of("second job", "r2", BATCH | SPEED), &term, &err));
    assert_int_equal(world.sleeps, 0);
    lam_commitlog_close(log);
}

static void on_the_same_host_the_process_decides_at_once(void **state)
{
    struct world world = {0};
    struct lam_commitlog *log = open_in(&world, *state);
    struct lam_term_options mine = {.layers = BATCH}, second;
    const struct lam_state *snapshot;
    struct lam_error err = {0};
    struct lam_alive alive;
    uint64_t term;

    OK(lam_alive_start(&alive, &lam_fs_system, *state, "r1", &err));
    OK(lam_holder_self(&mine.holder, "first job", "r1", &err));
    OK(lam_term_take(log, &mine, &term, &snapshot, &err));
    lam_state_unref(snapshot);
    second = mine;
    snprintf(second.holder.run, sizeof second.holder.run, "r2");
    assert_int_equal(lam_term_take(log, &second, &term, &snapshot, &err), LAM_E_EXISTS); /* this process runs */
    assert_null(snapshot);
    mine.holder.started++; /* a process that died: its number runs again, another one */
    mine.take_over = true;
    OK(lam_term_take(log, &mine, &term, &snapshot, &err));
    lam_state_unref(snapshot);
    OK(lam_term_take(log, &second, &term, &snapshot, &err));
    lam_state_unref(snapshot);
    assert_int_equal(term, 3);
    assert_int_equal(world.sleeps, 0);
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

static void who_waits_takes_it_when_the_holder_has_stopped(void **state)
{
    struct lam_alive alive;
    struct world world = {.ticking = &alive, .ticks_until_us = 60000000};
    struct lam_term_options options = options_of("second job", "r2", BATCH);
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    options.wait = true;
    OK(take(log, options, &term, &err));
    assert_in_range(world.clock.mono_us, 60000000, 60000000 + 2 * LAM_ALIVE_WATCH_US);
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

static void waiting_ends_when_stop_is_asked_for(void **state)
{
    struct lam_alive alive;
    struct world world = {.ticking = &alive, .ticks_until_us = INT64_MAX, .stop_at = 5};
    struct lam_term_options options = options_of("second job", "r2", BATCH);
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    options.wait = true;
    assert_int_equal(take(log, options, &term, &err), LAM_E_CANCELLED);
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

static void take_over_does_not_look_and_fences_the_old_one(void **state)
{
    struct lam_alive alive;
    struct world world = {.ticking = &alive, .ticks_until_us = INT64_MAX};
    struct lam_term_options options = options_of("second job", "r2", BATCH);
    struct lam_commitlog *log, *old;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    old = open_log(*state, NULL, NULL);
    log = open_in(&world, *state);
    options.take_over = true;
    OK(take(log, options, &term, &err));
    assert_int_equal(world.sleeps, 0);
    assert_int_equal(commit_path(old, 1, "zombie", NULL, &err), LAM_E_FENCED);
    assert_non_null(strstr(err.text, "second job"));
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
    lam_commitlog_close(old);
}

/* What a run does between two of its views. Where somebody took the layer over, also in the last moment, it must not take it back from one that lives. */
static void an_own_term_is_not_looked_at_and_anothers_is(void **state)
{
    struct lam_alive alive, other;
    struct world world = {.ticking = &other, .ticks_until_us = INT64_MAX};
    struct lam_term_options options = options_of("first job", "r2", BATCH);
    struct lam_commitlog *log, *third;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    options.own = lam_commitlog_peek(log)->terms[LAM_TERM_BATCH].number;
    OK(take(log, options, &term, &err));
    assert_int_equal(world.sleeps, 0);
    lam_alive_stop(&alive);
    OK(lam_alive_start(&other, &lam_fs_system, *state, "r1", &err));
    third = open_log(*state, NULL, NULL);
    take_term(third, BATCH, "third job"); /* this handle has not read it */
    options.own = term;
    options.holder = holder_of("first job", "r3");
    assert_int_equal(take(log, options, &term, &err), LAM_E_EXISTS);
    assert_non_null(strstr(err.text, "third job"));
    lam_alive_stop(&other);
    lam_commitlog_close(third);
    lam_commitlog_close(log);
}

/* While one watches the dead holder's counter, a third takes the term and is alive. */
static void a_third_takes_it(struct world *world)
{
    static struct lam_alive third;
    struct lam_commitlog *log;
    struct lam_error err = {0};

    if (world->sleeps == 5) {
        OK(lam_alive_start(&third, &lam_fs_system, world->root, "r1", &err));
        log = open_log(world->root, NULL, NULL);
        take_term(log, BATCH, "third job");
        lam_commitlog_close(log);
        world->ticking = &third;
        world->ticks_until_us = INT64_MAX;
    }
}

static void who_loses_the_race_for_a_term_looks_again(void **state)
{
    struct lam_alive alive;
    struct world world = {.meanwhile = a_third_takes_it};
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    lam_alive_stop(&alive);
    OK(lam_alive_start(&alive, &lam_fs_system, *state, "r1", &err)); /* it stands still */
    log = open_in(&world, *state);
    assert_int_equal(take(log, options_of("second job", "r2", BATCH), &term, &err), LAM_E_EXISTS);
    assert_non_null(strstr(err.text, "held by"));
    lam_alive_stop(&alive);
    lam_alive_stop(world.ticking);
    lam_commitlog_close(log);
}

/* The same, but the third dies at once: the second one sees its term, looks again, and takes the next. */
static void a_third_takes_it_and_dies(struct world *world)
{
    struct lam_commitlog *log;

    if (world->sleeps == 5) {
        log = open_log(world->root, NULL, NULL);
        take_term(log, BATCH, "third job");
        commit_path(log, lam_commitlog_peek(log)->number, "by-the-third", NULL, NULL);
        lam_commitlog_close(log);
    }
}

/* m1 STATE_EARLY: what was committed between its first look and its term is in the state that it begins with. */
static void the_state_is_that_of_the_own_term_and_nothing_from_before(void **state)
{
    struct lam_alive alive;
    struct world world = {.meanwhile = a_third_takes_it_and_dies};
    struct lam_term_options options = options_of("second job", "r2", BATCH);
    const struct lam_state *snapshot;
    struct lam_commitlog *log;
    struct lam_error err = {0};
    uint64_t term;

    hold(*state, &alive);
    log = open_in(&world, *state);
    snprintf(options.holder.host, sizeof options.holder.host, "node2");
    OK(lam_term_take(log, &options, &term, &snapshot, &err));
    assert_int_equal(term, 4); /* 2: the third's term, 3: its commit */
    assert_int_equal(snapshot->number, 4);
    assert_non_null(lam_state_segment(snapshot, "by-the-third"));
    lam_state_unref(snapshot);
    assert_int_equal(world.clock.mono_us, 2 * LAM_ALIVE_WATCH_US);
    lam_alive_stop(&alive);
    lam_commitlog_close(log);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_first_term_is_taken_without_a_look),
        WITH_FOLDER(a_holder_whose_counter_moves_is_named_and_left_alone),
        WITH_FOLDER(a_counter_that_stands_still_for_ten_seconds_is_a_dead_holders),
        WITH_FOLDER(a_holder_that_stopped_is_not_watched),
        WITH_FOLDER(on_the_same_host_the_process_decides_at_once),
        WITH_FOLDER(who_waits_takes_it_when_the_holder_has_stopped),
        WITH_FOLDER(waiting_ends_when_stop_is_asked_for),
        WITH_FOLDER(take_over_does_not_look_and_fences_the_old_one),
        WITH_FOLDER(an_own_term_is_not_looked_at_and_anothers_is),
        WITH_FOLDER(who_loses_the_race_for_a_term_looks_again),
        WITH_FOLDER(the_state_is_that_of_the_own_term_and_nothing_from_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
