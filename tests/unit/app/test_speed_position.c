/* The note beside an output position: what is owed below it comes back as it was, in as much room as there is, and strangers' notes say nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "speed_position.h"

enum { HELD = 2000 };

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static void what_is_written_is_read(void **state)
{
    uint64_t seed = (uint64_t)time(NULL) | 1;
    static int64_t held[HELD];

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (int round = 0; round < 3000; round++) {
        const struct lam_speed_note last = {(int64_t)(next(&seed) >> 20), round % 3 ? (int64_t)(next(&seed) >> 22) : -1, (uint32_t)next(&seed)};
        size_t count = next(&seed) % (round % 2 ? 20 : HELD), read_count, fit = 0;
        int64_t offset = round % 7 ? (int64_t)(next(&seed) >> (next(&seed) % 40 + 2)) : 0, end, position, *read;
        uint64_t far = (uint64_t)1 << next(&seed) % 30;
        char note[LAM_KAFKA_NOTE];
        struct lam_speed_note again;
        struct lam_error err;

        for (size_t i = 0; i < count; i++, offset += 1 + (int64_t)(next(&seed) % far))
            held[i] = offset;
        end = offset + 1;
        position = lam_speed_note_write(note, &last, end, held, count);
        assert_true(strlen(note) < LAM_KAFKA_NOTE);
        assert_true(lam_speed_note_read(note, &again));
        assert_true(again.offset == last.offset && again.timestamp_ms == last.timestamp_ms && again.crc == last.crc);
        assert_int_equal(lam_speed_note_held(note, position, &read, &read_count, &err), 0);
        while (fit < count && held[fit] < position)
            fit++;
        assert_true(fit == count ? position == end : position == held[fit]); /* what does not fit is above it, and so is owed as well */
        assert_true(fit == count || fit > 30);
        assert_int_equal(read_count, fit);
        for (size_t i = 0; i < fit; i++)
            assert_int_equal(read[i], held[i]);
        free(read);
    }
}

static void a_position_never_moves_back_when_fewer_are_held(void **state)
{
    uint64_t seed = (uint64_t)time(NULL) | 1;
    static int64_t held[HELD];

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (int round = 0; round < 300; round++) {
        const struct lam_speed_note last = {1 << 20, 1700000000123, 4000000000u};
        char note[LAM_KAFKA_NOTE];
        int64_t offset = (int64_t)(next(&seed) % 100000), before;
        size_t count = HELD, kept = 0;

        for (size_t i = 0; i < count; i++, offset += 1 + (int64_t)(next(&seed) % 50))
            held[i] = offset;
        before = lam_speed_note_write(note, &last, offset, held, count);
        for (size_t i = 0; i < count; i++)
            if (next(&seed) % 5) /* some are done */
                held[kept++] = held[i];
        assert_true(lam_speed_note_write(note, &last, offset, held, kept) >= before);
    }
}

static void what_is_no_note_says_nothing(void **state)
{
    static const struct {
        const char *note;
        size_t held;
    } cases[] = {{"", 0}, {"hello", 0}, {"1 2", 0}, {"99 1 5", 0}, {"99 1 5 ", 0}, {"99 1 5x41", 0}, {"99 1 5 41", 1}, {"99 1 5 41+6+12", 3}, {"99 1 5 41+0", 1},
                 {"99 1 5 41+-3", 1}, {"99 1 5 41+6 12", 3}, {"99 1 5 100", 0}, {"99 1 5 41+59", 1}, {"99 1 5 -4", 0}, {"99 1 5 9223372036854775807+9223372036854775807", 0},
                 {"99 1 5 41+9223372036854775807", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_error err;
        int64_t *held;
        size_t count;

        assert_int_equal(lam_speed_note_held(cases[i].note, 100, &held, &count, &err), 0);
        if (count != cases[i].held)
            fail_msg("\"%s\": %zu", cases[i].note, count);
        for (size_t k = 0; k < count; k++)
            assert_true(held[k] >= 0 && held[k] < 100 && (!k || held[k] > held[k - 1]));
        free(held);
    }
}

static void a_position_is_given_once_and_never_goes_back(void **state)
{
    struct lam_speed_start start = {.partition = 7};
    const struct lam_speed_setup setup = {.starts = &start, .start_count = 1};
    struct lam_tail_range reached = {.partition = 7, .end = 10};
    struct lam_speed_note last = {9, 5, 1};
    struct lam_speed_positions *positions = lam_speed_positions_new(1);
    struct lam_kafka_offset offset;
    char notes[1][LAM_KAFKA_NOTE];

    (void)state;
    assert_non_null(positions);
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    assert_int_equal(offset.offset, 10);
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 0);
    lam_speed_positions_forget(positions);
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    last.crc = 2; /* another note */
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    reached.end = 8;
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 0);
    lam_speed_positions_forget(positions);
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 0);
    reached.end = 11;
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    lam_speed_positions_free(positions);
}

static void what_the_last_run_left_is_not_given_again(void **state)
{
    int64_t owed = 4;
    struct lam_speed_start start = {.partition = 7, .output = 10, .held = &owed, .held_count = 1};
    const struct lam_speed_setup setup = {.starts = &start, .start_count = 1};
    struct lam_tail_range reached = {.partition = 7, .end = 8};
    struct lam_speed_note last = {9, 5, 1};
    struct lam_speed_positions *positions = lam_speed_positions_new(1);
    struct lam_kafka_offset offset;
    char notes[1][LAM_KAFKA_NOTE];

    (void)state;
    assert_non_null(positions);
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 0); /* not back where it was */
    reached.end = 10; /* and nobody holds the output at 4 any more */
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    assert_string_equal(notes[0], "9 5 1");
    lam_speed_positions_forget(positions);
    start.held_count = 0; /* as the last run left it */
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 0);
    reached.end = 11;
    assert_int_equal(lam_speed_positions(positions, &setup, &reached, &last, NULL, &offset, notes), 1);
    lam_speed_positions_free(positions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_position_never_moves_back_when_fewer_are_held),
        cmocka_unit_test(what_is_no_note_says_nothing),
        cmocka_unit_test(a_position_is_given_once_and_never_goes_back),
        cmocka_unit_test(what_the_last_run_left_is_not_given_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
