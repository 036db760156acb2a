#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct lam_comm *world;
int rank, size;

int64_t now_ms(void) { return lam_mono_us(&lam_clock_system) / 1000; }

void sleep_ms(int ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

    while (nanosleep(&ts, &ts))
        ;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void poll_once(void)
{
    struct lam_error err;

    if (lam_comm_poll(world, NULL, NULL, &err))
        fail_msg("rank %d: %s", rank, err.text);
}

void poll_until(bool (*done)(void *), void *arg)
{
    int64_t end = now_ms() + LIMIT_MS;

    while (!done(arg)) {
        if (now_ms() > end)
            fail_msg("rank %d waited in vain", rank);
        lam_comm_wait(world, NULL, 20);
        poll_once();
    }
}

void poll_for(int64_t ms)
{
    int64_t end = now_ms() + ms;

    while (now_ms() < end) {
        lam_comm_wait(world, NULL, end - now_ms());
        poll_once();
    }
}

void send_surely(int dst, uint16_t type, struct lam_sv bytes)
{
    int64_t end = now_ms() + LIMIT_MS;
    struct lam_error err;
    int rc;

    while ((rc = lam_comm_send(world, dst, type, bytes, &err)) == LAM_PENDING) {
        if (now_ms() > end)
            fail_msg("rank %d cannot send to rank %d", rank, dst);
        lam_comm_wait(world, NULL, 20);
        poll_once();
    }
    if (rc)
        fail_msg("rank %d: %s", rank, err.text);
}

int agreed(struct lam_agree *agree, struct lam_error *err)
{
    int64_t end = now_ms() + LIMIT_MS;
    int rc;

    while ((rc = lam_comm_agree_test(agree, err)) == LAM_PENDING) {
        if (now_ms() > end)
            fail_msg("rank %d waits for an agreement in vain", rank);
        lam_comm_wait(world, NULL, 20);
        poll_once();
    }
    return rc;
}

void meet(void)
{
    struct lam_agree agree;
    struct lam_error err;

    if (lam_comm_agree_start(&agree, world, NULL, LIMIT_MS, &err) || agreed(&agree, &err))
        fail_msg("rank %d: %s", rank, err.text);
}

void listen_to(uint16_t type, lam_message_fn handler, void *arg)
{
    assert_int_equal(lam_comm_on(world, type, type, handler, arg, NULL), 0);
    meet();
}

void stop_listening(uint16_t type)
{
    meet();
    lam_comm_off(world, type);
}

int world_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    struct lam_error err;
    int failed = 0;

    if (lam_comm_open(&world, NULL, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    rank = lam_comm_rank(world);
    size = lam_comm_size(world);
    for (size_t i = 0; i < count && !failed; i++) /* a failure leaves the ranks at different places: nothing further can be told */
        failed = _cmocka_run_group_tests(name, &tests[i], 1, NULL, NULL);
    if (lam_comm_close(world, failed ? 0 : 20000, &err) && !failed) {
        fprintf(stderr, "rank %d: %s\n", rank, err.text);
        failed = 1;
    }
    return failed ? 1 : 0;
}
