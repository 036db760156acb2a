/* Single flight: of all who want an answer one at a time may ask for it, whoever dies or is late, and nobody waits for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ai/cache/flight.h"
#include "base/clock.h"

#define DEADLINE 1000

struct told {
    int rank;
    uint64_t token;
    enum lam_flight_word word;
};

static struct told words[1000];
static size_t told;

static void tell(void *arg, int rank, uint64_t token, enum lam_flight_word word)
{
    (void)arg;
    assert_true(told < sizeof words / sizeof *words);
    words[told++] = (struct told){rank, token, word};
}

static struct lam_digest key_of(uint64_t n) { return lam_hash128(&n, sizeof n); }

static void expect(size_t at, int rank, uint64_t token, enum lam_flight_word word)
{
    assert_true(at < told);
    assert_int_equal(words[at].rank, rank);
    assert_int_equal(words[at].token, token);
    assert_int_equal(words[at].word, word);
}

static int setup(void **state)
{
    told = 0;
    *state = lam_flight_new(DEADLINE, 100);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    lam_flight_free(*state);
    return 0;
}

static void the_first_is_granted_and_the_others_are_told_when_it_is_flushed(void **state)
{
    struct lam_flight *flight = *state;

    assert_int_equal(lam_flight_ask(flight, key_of(1), 0, 10, 0), LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_ask(flight, key_of(1), 1, 11, 0), LAM_FLIGHT_WAIT);
    assert_int_equal(lam_flight_ask(flight, key_of(1), 0, 12, 0), LAM_FLIGHT_WAIT);
    assert_int_equal(lam_flight_ask(flight, key_of(2), 1, 13, 0), LAM_FLIGHT_GRANTED);
    lam_flight_done(flight, key_of(1), 0, true, 1, tell, NULL);
    assert_int_equal(told, 2);
    expect(0, 1, 11, LAM_FLIGHT_FLUSHED);
    expect(1, 0, 12, LAM_FLIGHT_FLUSHED);
    assert_int_equal(lam_flight_keys(flight), 1);
    lam_flight_done(flight, key_of(1), 0, true, 1, tell, NULL); /* once more: nobody waits */
    assert_int_equal(told, 2);
    assert_int_equal(lam_flight_ask(flight, key_of(1), 2, 14, 2), LAM_FLIGHT_FLUSHED); /* it came too late to see it */
    lam_flight_done(flight, key_of(1), 2, false, 3, tell, NULL);                       /* and did not find it */
    assert_int_equal(lam_flight_ask(flight, key_of(1), 2, 15, 4), LAM_FLIGHT_GRANTED);
}

static void who_has_no_answer_lets_the_next_one_try(void **state)
{
    struct lam_flight *flight = *state;

    lam_flight_ask(flight, key_of(1), 0, 10, 0);
    lam_flight_ask(flight, key_of(1), 1, 11, 0);
    lam_flight_ask(flight, key_of(1), 2, 12, 0);
    lam_flight_done(flight, key_of(1), 2, false, 1, tell, NULL); /* not the holder: says nothing */
    assert_int_equal(told, 0);
    lam_flight_done(flight, key_of(1), 0, false, 1, tell, NULL);
    assert_int_equal(told, 1);
    expect(0, 1, 11, LAM_FLIGHT_GRANTED);
    lam_flight_done(flight, key_of(1), 1, true, 2, tell, NULL);
    assert_int_equal(told, 2);
    expect(1, 2, 12, LAM_FLIGHT_FLUSHED);
    assert_int_equal(lam_flight_open(flight), 0);
}

static void a_lost_rank_holds_and_waits_for_nothing(void **state)
{
    struct lam_flight *flight = *state;

    lam_flight_ask(flight, key_of(1), 0, 10, 0);
    lam_flight_ask(flight, key_of(1), 1, 11, 0);
    lam_flight_ask(flight, key_of(1), 0, 12, 0);
    lam_flight_ask(flight, key_of(2), 1, 13, 0);
    lam_flight_ask(flight, key_of(2), 0, 14, 0);
    lam_flight_ask(flight, key_of(3), 0, 15, 0);
    lam_flight_lost(flight, 0, 1, tell, NULL);
    assert_int_equal(told, 1);
    expect(0, 1, 11, LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_keys(flight), 2);
    assert_int_equal(lam_flight_open(flight), 2);
}

static void a_grant_that_ran_out_passes_on_and_may_still_end_well(void **state)
{
    struct lam_flight *flight = *state;

    lam_flight_ask(flight, key_of(1), 0, 10, 0);
    lam_flight_ask(flight, key_of(2), 0, 20, 500);
    lam_flight_ask(flight, key_of(1), 1, 11, 600);
    lam_flight_ask(flight, key_of(1), 2, 12, 600);
    assert_int_equal(lam_flight_next_us(flight), DEADLINE);
    lam_flight_expire(flight, DEADLINE - 1, tell, NULL);
    assert_int_equal(told, 0);
    lam_flight_expire(flight, DEADLINE, tell, NULL);
    assert_int_equal(told, 1);
    expect(0, 1, 11, LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_next_us(flight), 500 + DEADLINE);
    lam_flight_done(flight, key_of(1), 0, true, DEADLINE + 1, tell, NULL);
    assert_int_equal(told, 3);
    expect(1, 1, 11, LAM_FLIGHT_FLUSHED); /* it need not go on */
    expect(2, 2, 12, LAM_FLIGHT_FLUSHED);
    lam_flight_expire(flight, 500 + DEADLINE, tell, NULL);
    assert_int_equal(told, 3);
    assert_int_equal(lam_flight_keys(flight), 0);
    assert_int_equal(lam_flight_next_us(flight), INT64_MAX);
}

static void a_full_table_holds_up_nobody(void **state)
{
    struct lam_flight *flight = *state;

    for (uint64_t n = 0; n < 100; n++)
        assert_int_equal(lam_flight_ask(flight, key_of(n), 0, n, 0), LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_ask(flight, key_of(0), 1, 0, 0), LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_ask(flight, key_of(1000), 1, 0, 0), LAM_FLIGHT_GRANTED);
    assert_int_equal(lam_flight_open(flight), 100);
}

/*
 * Random asks, ends, losses and time, against what must hold: of one key at most one grant is in force (a grant ends with done, loss or deadline);
 * who waits is told in the end; nothing stays behind.
 */
enum { KEYS = 12, RANKS = 5, TOKENS = 4000 };

struct world {
    int holder[KEYS];           /* -1: none */
    uint64_t token[KEYS];
    int64_t deadline[KEYS];
    bool flushed[KEYS];
    int wants[TOKENS];          /* by token: its key, -1: it was told or dropped */
    int of_rank[TOKENS];
    int64_t now;
};

static void world_tell(void *arg, int rank, uint64_t token, enum lam_flight_word word)
{
    struct world *world = arg;
    int key = world->wants[token];

    assert_int_equal(world->of_rank[token], rank);
    if (word == LAM_FLIGHT_GRANTED) {
        assert_true(key >= 0);
        world->holder[key] = rank;
        world->token[key] = token;
        world->deadline[key] = world->now + DEADLINE;
    }
    if (key >= 0)
        world->wants[token] = word == LAM_FLIGHT_GRANTED ? key : -1;
}

static void world_step(struct world *world, struct lam_flight *flight, uint64_t token)
{
    int key = rand() % KEYS, rank = rand() % RANKS, what = rand() % 100;
    bool flushed = rand() % 2;

    world->now += rand() % 100;
    lam_flight_expire(flight, world->now, world_tell, world);
    for (int i = 0; i < KEYS; i++)
        if (world->holder[i] >= 0 && world->deadline[i] <= world->now) /* nobody waited for it, or world_tell had set it anew */
            world->holder[i] = -1;
    if (what < 60) {
        enum lam_flight_word word = lam_flight_ask(flight, key_of((uint64_t)key), rank, token, world->now);

        world->wants[token] = key;
        world->of_rank[token] = rank;
        assert_int_equal(word, world->flushed[key] ? LAM_FLIGHT_FLUSHED : world->holder[key] < 0 ? LAM_FLIGHT_GRANTED : LAM_FLIGHT_WAIT);
        if (word != LAM_FLIGHT_WAIT)
            world_tell(world, rank, token, word);
    } else if (what < 70 && world->flushed[key]) {
        world->flushed[key] = false;
        lam_flight_done(flight, key_of((uint64_t)key), rank, false, world->now, world_tell, world);
    } else if (what < 98 && world->holder[key] >= 0) {
        int holder = world->holder[key];

        world->wants[world->token[key]] = -1;
        world->holder[key] = -1;
        world->flushed[key] = flushed;
        lam_flight_done(flight, key_of((uint64_t)key), holder, flushed, world->now, world_tell, world);
        assert_true(!flushed || world->holder[key] < 0);
    } else if (what >= 98) {
        for (int i = 0; i < KEYS; i++)
            world->holder[i] = world->holder[i] == rank ? -1 : world->holder[i];
        for (int i = 0; i < TOKENS; i++)
            world->wants[i] = world->of_rank[i] == rank ? -1 : world->wants[i];
        lam_flight_lost(flight, rank, world->now, world_tell, world);
    }
}

static void whatever_happens_one_at_a_time_and_all_in_the_end(void **state)
{
    unsigned seed = (unsigned)lam_wall_us(&lam_clock_system);
    struct lam_flight *flight = lam_flight_new(DEADLINE, TOKENS);
    static struct world world;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < KEYS; i++)
        world.holder[i] = -1;
    for (int i = 0; i < TOKENS; i++)
        world.wants[i] = world.of_rank[i] = -1;
    for (uint64_t token = 0; token < TOKENS; token++)
        world_step(&world, flight, token);
    for (int i = 0; i < KEYS; i++)
        for (int rank = 0; rank < RANKS; rank++)
            lam_flight_done(flight, key_of((uint64_t)i), rank, true, world.now, world_tell, &world);
    assert_int_equal(lam_flight_keys(flight), 0);
    assert_int_equal(lam_flight_open(flight), 0);
    lam_flight_free(flight);
}

static void owners_are_ranks_and_all_have_a_part(void **state)
{
    int counts[7] = {0};

    (void)state;
    for (uint64_t n = 0; n < 7000; n++)
        counts[lam_flight_owner(key_of(n), 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_is_granted_and_the_others_are_told_when_it_is_flushed, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_no_answer_lets_the_next_one_try, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_rank_holds_and_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_that_ran_out_passes_on_and_may_still_end_well, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_table_holds_up_nobody, setup, teardown),
        cmocka_unit_test(whatever_happens_one_at_a_time_and_all_in_the_end),
        cmocka_unit_test(owners_are_ranks_and_all_have_a_part),
    };

    return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
