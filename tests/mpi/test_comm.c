/* Messages between ranks, the same on every transport: order, size, back-pressure, handlers, sleep, heartbeats. */
#include "world.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBERED = 1, BIG, FLOOD, PING, PONG, NEWS };

/* Order: each message is [sequence u32][bytes that follow from sender, sequence and place]. */
enum { MESSAGES = 1500, LONG_EVERY = 300, LONG = 1 << 20, SHORT = 3000 };

static size_t length_of(int src, uint32_t sequence)
{
    uint64_t state = (uint64_t)src << 32 | sequence;

    return sequence % LONG_EVERY == LONG_EVERY - 1 ? LONG : random_next(&state) % SHORT;
}

static char byte_of(int src, uint32_t sequence, size_t place) { return (char)(src * 31 + (int)sequence * 7 + (int)place); }

struct order {
    uint32_t next[64]; /* by source */
    int done;
};

static void on_numbered(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct order *order = arg;
    uint32_t sequence;

    if (type != NUMBERED)
        return;
    assert_int_equal((uintptr_t)bytes.ptr % 8, 0);
    memcpy(&sequence, bytes.ptr, sizeof sequence);
    assert_int_equal(sequence, order->next[src]);
    assert_int_equal(bytes.len, 4 + length_of(src, sequence));
    for (size_t i = 4; i < bytes.len; i += 97)
        assert_int_equal(bytes.ptr[i], byte_of(src, sequence, i));
    if (++order->next[src] == MESSAGES)
        order->done++;
}

static bool all_done(void *arg) { return ((struct order *)arg)->done == size; }

static void messages_of_a_pair_keep_their_order_whatever_their_size(void **state)
{
    static char bytes[4 + LONG];
    struct order order = {0};

    (void)state;
    listen_to(NUMBERED, on_numbered, &order);
    for (uint32_t sequence = 0; sequence < MESSAGES; sequence++) {
        size_t len = length_of(rank, sequence);

        memcpy(bytes, &sequence, sizeof sequence);
        for (size_t i = 4; i < 4 + len; i++)
            bytes[i] = byte_of(rank, sequence, i);
        for (int dst = 0; dst < size; dst++)
            send_surely(dst, NUMBERED, lam_sv(bytes, 4 + len));
    }
    poll_until(all_done, &order);
    stop_listening(NUMBERED);
}

struct big {
    size_t len;
    uint32_t crc;
    bool came;
};

static uint32_t sum(const char *bytes, size_t len)
{
    uint32_t total = 1;

    for (size_t i = 0; i < len; i += 7)
        total = total * 33 + (unsigned char)bytes[i];
    return total;
}

static void on_big(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct big *big = arg;

    (void)src;
    if (type != BIG)
        return;
    big->len = bytes.len;
    big->crc = sum(bytes.ptr, bytes.len);
    big->came = true;
}

static bool big_came(void *arg) { return ((struct big *)arg)->came; }

static void the_largest_message_arrives_whole_and_a_larger_one_is_refused(void **state)
{
    size_t len = LAM_COMM_MESSAGE_MAX;
    char *bytes = malloc(len + 1);
    struct lam_error err;
    struct big big = {0};
    int last = size - 1;

    (void)state;
    assert_non_null(bytes);
    listen_to(BIG, on_big, &big);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(lam_comm_send(world, last, BIG, lam_sv(bytes, len + 1), &err), LAM_E_LIMIT);
    assert_int_equal(lam_comm_send(world, size, BIG, lam_sv(bytes, 1), &err), LAM_E_INVALID);
    if (rank == 0)
        send_surely(last, BIG, lam_sv(bytes, len));
    if (rank == last) {
        poll_until(big_came, &big);
        assert_int_equal(big.len, len);
        assert_int_equal(big.crc, sum(bytes, len));
    }
    free(bytes);
    stop_listening(BIG);
}

static void on_flood(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    (void)src;
    (void)bytes;
    *(int *)arg += type == FLOOD;
}

static bool flooded(void *arg) { return *(int *)arg == 300; }

static bool nothing_queued(void *arg) { return (void)arg, lam_comm_queued(world, -1) == 0; }

/* The receiver does not look: what the sender has accepted stays below its limit, however small the messages are that MPI would buffer. */
static void a_full_outbox_pushes_back_and_what_is_on_its_way_is_bounded(void **state)
{
    static char bytes[100000];
    int last = size - 1, count = 0, sent = 0, refused = 0;
    struct lam_error err;

    (void)state;
    listen_to(FLOOD, on_flood, &count);
    if (rank == last && size > 1)
        sleep_ms(500);
    if (rank == 0) {
        while (sent < 300) {
            int rc = lam_comm_send(world, last, FLOOD, lam_sv(bytes, sizeof bytes), &err);

            assert_true(lam_comm_queued(world, last) <= (size_t)16 << 20);
            if (rc == 0) {
                sent++;
                continue;
            }
            assert_int_equal(rc, LAM_PENDING);
            refused++;
            assert_true(sent >= 160 && sent <= 300); /* 16 MiB are 167 of them */
            lam_comm_wait(world, NULL, 20);
            assert_int_equal(lam_comm_poll(world, NULL, NULL, &err), 0);
        }
        assert_true(refused > 0);
    }
    if (rank == last)
        poll_until(flooded, &count);
    stop_listening(FLOOD);
    if (rank == 0)
        poll_until(nothing_queued, NULL);
    meet();
}

static void on_ping(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    int *pongs = arg;

    if (type == PING)
        assert_int_equal(lam_comm_send(world, src, PONG, bytes, NULL), 0);
    else if (type == PONG)
        ++*pongs;
}

static bool ponged(void *arg) { return *(int *)arg == size; }

static void a_handler_may_answer(void **state)
{
    int pongs = 0;

    (void)state;
    assert_int_equal(lam_comm_on(world, PING, PONG, on_ping, &pongs, NULL), 0);
    meet();
    for (int dst = 0; dst < size; dst++)
        send_surely(dst, PING, LAM_SV("hello"));
    poll_until(ponged, &pongs);
    stop_listening(PING);
    assert_int_equal(pongs, size);
}

static void on_echo(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    int *echoes = arg;

    assert_int_equal(src, rank);
    assert_int_equal(type, PING);
    if (++*echoes < 10)
        assert_int_equal(lam_comm_send(world, rank, PING, bytes, NULL), 0);
}

static void what_nobody_registered_for_goes_to_the_handler_of_the_poll_one_round_at_a_time(void **state)
{
    int echoes = 0;

    (void)state;
    assert_int_equal(lam_comm_send(world, rank, PING, LAM_SV("echo"), NULL), 0);
    for (int round = 1; round <= 10; round++) {
        assert_int_equal(lam_comm_poll(world, on_echo, &echoes, NULL), 0);
        assert_int_equal(echoes, round); /* what a handler sends comes with the next poll: no poll is endless */
    }
    meet();
}

static void on_news(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    assert_int_equal(src, 0);
    assert_int_equal(type, NEWS);
    assert_true(lam_sv_eq(bytes, LAM_SV("view 2")));
    ++*(int *)arg;
}

static bool heard(void *arg) { return *(int *)arg > 0; }

static void a_registered_handler_gets_its_types_and_send_all_reaches_all_others(void **state)
{
    struct lam_error err;
    int news = 0;

    (void)state;
    assert_int_equal(lam_comm_on(world, NEWS, NEWS + 3, on_news, &news, &err), 0);
    assert_int_equal(lam_comm_on(world, NEWS + 2, NEWS + 2, on_news, &news, &err), LAM_E_EXISTS);
    meet();
    if (rank == 0)
        assert_int_equal(lam_comm_send_all(world, NEWS, LAM_SV("view 2"), &err), 0);
    else
        poll_until(heard, &news);
    meet();
    assert_int_equal(news, rank == 0 ? 0 : 1);
    lam_comm_off(world, NEWS);
    assert_int_equal(lam_comm_on(world, NEWS, NEWS, on_news, &news, &err), 0);
    lam_comm_off(world, NEWS);
}

struct later {
    struct lam_wake wake;
    atomic_bool given;
};

static void *wake_later(void *arg)
{
    struct later *later = arg;

    sleep_ms(30);
    atomic_store(&later->given, true);
    lam_wake_signal(&later->wake);
    return NULL;
}

static void work_of_another_thread_ends_the_sleep(void **state)
{
    struct later later = {0};
    pthread_t thread;

    (void)state;
    assert_int_equal(lam_wake_init(&later.wake, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, &later), 0);
    do {
        assert_true(lam_comm_wait(world, &later.wake, LIMIT_MS)); /* also true for a message: then once more */
        assert_int_equal(lam_comm_poll(world, NULL, NULL, NULL), 0);
    } while (!atomic_load(&later.given));
    pthread_join(thread, NULL);
    lam_wake_release(&later.wake);
    meet();
}

static void a_message_to_oneself_ends_the_sleep(void **state)
{
    (void)state;
    assert_int_equal(lam_comm_send(world, rank, PING, LAM_SV("x"), NULL), 0);
    assert_true(lam_comm_wait(world, NULL, LIMIT_MS));
    assert_int_equal(lam_comm_poll(world, NULL, NULL, NULL), 0);
    meet();
}

static bool somebody_silent(void *arg) { return lam_comm_silent(world, 2500, arg, 2) > 0; }
static bool nobody_silent(void *arg) { return (void)arg, lam_comm_silent(world, 2500, NULL, 0) == 0; }

static void a_rank_that_stops_is_named_and_forgiven_when_it_comes_back(void **state)
{
    int last = size - 1, who[2] = {-1, -1};

    (void)state;
    meet();
    assert_int_equal(lam_comm_silent(world, 2500, who, 2), 0);
    if (size > 1 && rank == last) {
        sleep_ms(4000);
        assert_int_equal(lam_comm_poll(world, NULL, NULL, NULL), 0);
        assert_int_equal(lam_comm_silent(world, 2500, who, 2), 0); /* it was away itself: rank 0 is not to blame */
    }
    if (size > 1 && rank == 0) {
        poll_until(somebody_silent, who);
        assert_int_equal(who[0], last);
        assert_int_equal(who[1], -1);
        poll_until(nobody_silent, NULL);
    }
    meet();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_pair_keep_their_order_whatever_their_size),
        cmocka_unit_test(the_largest_message_arrives_whole_and_a_larger_one_is_refused),
        cmocka_unit_test(a_full_outbox_pushes_back_and_what_is_on_its_way_is_bounded),
        cmocka_unit_test(a_handler_may_answer),
        cmocka_unit_test(what_nobody_registered_for_goes_to_the_handler_of_the_poll_one_round_at_a_time),
        cmocka_unit_test(a_registered_handler_gets_its_types_and_send_all_reaches_all_others),
        cmocka_unit_test(work_of_another_thread_ends_the_sleep),
        cmocka_unit_test(a_message_to_oneself_ends_the_sleep),
        cmocka_unit_test(a_rank_that_stops_is_named_and_forgiven_when_it_comes_back),
    };

    return world_run("comm", tests, sizeof tests / sizeof *tests);
}
