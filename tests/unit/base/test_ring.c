/* Rings and wakes: nothing lost, nothing twice, order kept; full and empty are ordinary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"
#include "wake.h"

static void items_leave_in_the_order_in_which_they_entered(void **state)
{
    struct item {
        char bytes[13]; /* no multiple of anything */
    } in = {{0}}, out;
    struct lam_ring *ring = lam_ring_new(sizeof in, 5);

    (void)state;
    assert_non_null(ring);
    assert_int_equal(lam_ring_cap(ring), 8);
    for (int round = 0; round < 100; round++) {
        assert_false(lam_ring_pop(ring, &out));
        for (int i = 0; i < 8; i++) {
            memset(in.bytes, round + i, sizeof in.bytes);
            assert_true(lam_ring_push(ring, &in));
        }
        assert_int_equal(lam_ring_count(ring), 8);
        assert_false(lam_ring_push(ring, &in));
        for (int i = 0; i < 8; i++) {
            assert_true(lam_ring_pop(ring, &out));
            for (size_t k = 0; k < sizeof out.bytes; k++)
                assert_int_equal(out.bytes[k], (char)(round + i));
        }
    }
    lam_ring_free(ring);
    lam_ring_free(NULL);
}

enum { PUSHERS = 3, POPPERS = 3, ITEMS = 20000 };

struct traffic {
    struct lam_ring *ring;
    atomic_int next_pusher, left;
    _Atomic unsigned char seen[PUSHERS * ITEMS];
    atomic_int disordered;
};

struct item {
    uint32_t from, number;
    uint64_t check;
};

static void *push_all(void *arg)
{
    struct traffic *traffic = arg;
    uint32_t from = (uint32_t)atomic_fetch_add(&traffic->next_pusher, 1);

    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item item = {from, i, (uint64_t)from << 32 ^ i * 2654435761u};

        while (!lam_ring_push(traffic->ring, &item))
            sched_yield();
    }
    return NULL;
}

static void *pop_all(void *arg)
{
    struct traffic *traffic = arg;
    int64_t last[PUSHERS] = {-1, -1, -1};
    struct item item;

    while (atomic_load(&traffic->left) > 0) {
        if (!lam_ring_pop(traffic->ring, &item)) {
            sched_yield();
            continue;
        }
        atomic_fetch_sub(&traffic->left, 1);
        if (item.check != ((uint64_t)item.from << 32 ^ item.number * 2654435761u) || (int64_t)item.number <= last[item.from])
            atomic_fetch_add(&traffic->disordered, 1);
        last[item.from] = item.number;
        atomic_fetch_add(&traffic->seen[item.from * ITEMS + item.number], 1);
    }
    return NULL;
}

static void many_threads_push_and_pop_each_item_exactly_once(void **state)
{
    static struct traffic traffic;
    pthread_t threads[PUSHERS + POPPERS];

    (void)state;
    traffic.ring = lam_ring_new(sizeof(struct item), 64);
    atomic_store(&traffic.left, PUSHERS * ITEMS);
    for (int i = 0; i < PUSHERS + POPPERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < PUSHERS ? push_all : pop_all, &traffic), 0);
    for (int i = 0; i < PUSHERS + POPPERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&traffic.disordered), 0); /* what one popper sees of one pusher is in order */
    for (int i = 0; i < PUSHERS * ITEMS; i++)
        assert_int_equal(atomic_load(&traffic.seen[i]), 1);
    assert_int_equal(lam_ring_count(traffic.ring), 0);
    lam_ring_free(traffic.ring);
}

static void a_wake_counts_once_and_is_used_up(void **state)
{
    struct lam_wake wake;

    (void)state;
    assert_int_equal(lam_wake_init(&wake, NULL), 0);
    assert_false(lam_wake_wait(&wake, 0));
    assert_false(lam_wake_wait(&wake, 1000));
    lam_wake_signal(&wake);
    lam_wake_signal(&wake);
    assert_true(lam_wake_wait(&wake, -1));
    assert_false(lam_wake_wait(&wake, 0));
    lam_wake_signal(&wake);
    assert_true(lam_wake_wait(&wake, 0));
    lam_wake_release(&wake);
}

struct sleeper {
    struct lam_ring *ring;
    struct lam_wake wake;
    atomic_int left;
};

static void *feed(void *arg)
{
    struct sleeper *sleeper = arg;

    for (uint32_t i = 0; i < ITEMS; i++) {
        while (!lam_ring_push(sleeper->ring, &i))
            sched_yield();
        lam_wake_signal(&sleeper->wake);
    }
    return NULL;
}

/* The sleeper sleeps without a time limit: one lost wake, and this test hangs. */
static void no_wake_is_lost_between_many_wakers_and_a_sleeper(void **state)
{
    struct sleeper sleeper = {.ring = lam_ring_new(sizeof(uint32_t), 16)};
    pthread_t threads[PUSHERS];
    int left = PUSHERS * ITEMS;
    uint32_t item;

    (void)state;
    assert_int_equal(lam_wake_init(&sleeper.wake, NULL), 0);
    for (int i = 0; i < PUSHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, feed, &sleeper), 0);
    while (left > 0) {
        while (lam_ring_pop(sleeper.ring, &item))
            left--;
        if (left > 0)
            assert_true(lam_wake_wait(&sleeper.wake, -1));
    }
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(threads[i], NULL);
    lam_wake_release(&sleeper.wake);
    lam_ring_free(sleeper.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_the_order_in_which_they_entered),
        cmocka_unit_test(many_threads_push_and_pop_each_item_exactly_once),
        cmocka_unit_test(a_wake_counts_once_and_is_used_up),
        cmocka_unit_test(no_wake_is_lost_between_many_wakers_and_a_sleeper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
