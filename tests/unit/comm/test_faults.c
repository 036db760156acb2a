/* What comm does when its transport fails, when others take nothing or fall silent: on a transport and a clock that the test owns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agree.h"
#include "comm.h"
#include "transport.h"

enum { RANKS = 3 };

/* A world of three in which this process is one rank and the test plays the others. */
static struct {
    int rank;
    struct lam_messages posted; /* what the others have not taken */
    struct lam_messages coming; /* what the others have sent */
    int posts, beats;
    bool take_all, post_fails, progress_fails, closed, together;
    int64_t now_us, step_us; /* the clock moves by a step each time it is looked at */
} fake;

static int64_t fake_now(void *arg) { return (void)arg, fake.now_us += fake.step_us; }
static const struct lam_clock fake_clock = {fake_now, fake_now, NULL};

static int fake_open(const struct lam_transport_ops *ops, void **state, int *rank, int *size, struct lam_error *err)
{
    (void)ops;
    (void)err;
    *state = &fake;
    *rank = fake.rank;
    *size = RANKS;
    return 0;
}

static int fake_post(void *state, struct lam_message *msg, struct lam_error *err)
{
    (void)state;
    if (fake.post_fails)
        return LAM_FAIL(err, LAM_E_IO, "the cable is cut");
    fake.posts++;
    fake.beats += msg->quiet;
    lam_messages_push(&fake.posted, msg);
    return 0;
}

static int fake_progress(void *state, struct lam_messages *sent, struct lam_messages *came, bool *moving, struct lam_error *err)
{
    struct lam_message *msg;

    (void)state;
    (void)moving;
    if (fake.progress_fails)
        return LAM_FAIL(err, LAM_E_IO, "the switch is off");
    while (fake.take_all && (msg = lam_messages_pop(&fake.posted)))
        lam_messages_push(sent, msg);
    while ((msg = lam_messages_pop(&fake.coming)))
        lam_messages_push(came, msg);
    return 0;
}

static int fake_close(void *state, bool together, struct lam_error *err)
{
    (void)state;
    (void)err;
    fake.closed = true;
    fake.together = together;
    lam_messages_free(&fake.posted);
    lam_messages_free(&fake.coming);
    return 0;
}

static const struct lam_transport_ops fake_ops = {"fake", true, fake_open, fake_post, fake_progress, fake_close, NULL};

static struct lam_comm *open_as(int rank, size_t max_queued)
{
    struct lam_comm_options options = {.max_queued = max_queued, .clock = &fake_clock};
    struct lam_comm *comm;

    memset(&fake, 0, sizeof fake);
    fake.rank = rank;
    fake.now_us = 1000000;
    assert_int_equal(lam_comm_open_on(&comm, &fake_ops, &options, NULL), 0);
    return comm;
}

static void hear(int src, uint16_t type, const char *text)
{
    struct lam_message *msg = lam_message_new(LAM_MESSAGE_HEADER + strlen(text));

    assert_non_null(msg);
    memset(msg->wire, 0, LAM_MESSAGE_HEADER);
    msg->wire[0] = (char)type;
    msg->wire[1] = (char)(type >> 8);
    memcpy(msg->wire + LAM_MESSAGE_HEADER, text, strlen(text));
    msg->peer = src;
    lam_messages_push(&fake.coming, msg);
}

static void poll_once(struct lam_comm *comm) { assert_int_equal(lam_comm_poll(comm, NULL, NULL, NULL), 0); }

static void an_outbox_takes_as_much_as_was_said_and_one_larger_message_when_empty(void **state)
{
    struct lam_comm *comm = open_as(0, 1000);
    char bytes[5000] = {0};
    struct lam_error err;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(lam_comm_send(comm, 1, 1, lam_sv(bytes, 92), &err), 0); /* 100 with its header */
    assert_int_equal(lam_comm_send(comm, 1, 1, lam_sv(bytes, 0), &err), LAM_PENDING);
    assert_int_equal(lam_comm_queued(comm, 1), 1000);
    assert_int_equal(lam_comm_send(comm, 2, 1, lam_sv(bytes, 5000), &err), 0); /* another destination, and empty */
    assert_int_equal(lam_comm_send(comm, 2, 1, lam_sv(bytes, 0), &err), LAM_PENDING);
    assert_int_equal(lam_comm_send_all(comm, 1, LAM_SV("x"), &err), LAM_PENDING);
    assert_int_equal(lam_comm_queued(comm, -1), 1000 + 5008);
    fake.take_all = true;
    assert_true(lam_comm_wait(comm, NULL, 1)); /* there is room again, and a sender was told to come back */
    assert_int_equal(lam_comm_queued(comm, -1), 0);
    assert_int_equal(lam_comm_send_all(comm, 1, LAM_SV("x"), &err), 0);
    assert_int_equal(lam_comm_close(comm, 0, &err), LAM_E_TIMEOUT);
}

static void a_bounded_number_of_messages_is_handed_to_the_transport(void **state)
{
    struct lam_comm *comm = open_as(0, 1 << 20);

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lam_comm_send(comm, 1, 1, LAM_SV("small"), NULL), 0);
    assert_true(fake.posts < 100);
    fake.take_all = true;
    for (int i = 0; i < 200; i++)
        poll_once(comm);
    assert_true(fake.posts >= 1000);
    assert_int_equal(lam_comm_queued(comm, -1), 0);
    lam_comm_close(comm, 0, NULL);
}

static void a_broken_transport_is_told_by_every_call_and_ends_without_waiting(void **state)
{
    struct lam_comm *comm = open_as(0, 0);
    struct lam_error err;

    (void)state;
    fake.post_fails = true;
    assert_int_equal(lam_comm_send(comm, 1, 1, LAM_SV("x"), &err), LAM_E_IO);
    assert_non_null(strstr(err.text, "the cable is cut"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lam_comm_poll(comm, NULL, NULL, &err), LAM_E_IO);
        assert_non_null(strstr(err.text, "the cable is cut"));
    }
    assert_true(lam_comm_wait(comm, NULL, 100000)); /* does not sleep over it */
    assert_int_equal(lam_comm_close(comm, 100000, &err), LAM_E_IO);
    assert_true(fake.closed && !fake.together);
    comm = open_as(1, 0);
    fake.progress_fails = true;
    assert_int_equal(lam_comm_poll(comm, NULL, NULL, &err), LAM_E_IO);
    assert_non_null(strstr(err.text, "the switch is off"));
    lam_comm_close(comm, 100000, NULL);
}

static void leaving_names_those_who_do_not_come_and_leaves_mpi_alone(void **state)
{
    struct lam_comm *comm = open_as(0, 0);
    struct lam_error err;

    (void)state;
    fake.take_all = true; /* they take messages, and never say that they leave */
    fake.step_us = 20000;
    assert_int_equal(lam_comm_close(comm, 1000, &err), LAM_E_TIMEOUT);
    assert_non_null(strstr(err.text, "ranks 1, 2 gave no sign"));
    assert_true(fake.closed && !fake.together);

    comm = open_as(0, 0); /* one does not even take what was sent */
    fake.step_us = 20000;
    assert_int_equal(lam_comm_send(comm, 2, 1, LAM_SV("x"), &err), 0);
    assert_int_equal(lam_comm_close(comm, 1000, &err), LAM_E_TIMEOUT);
    assert_non_null(strstr(err.text, "rank 2 did not take the last messages"));
}

static void a_heartbeat_goes_out_each_second_and_never_piles_up(void **state)
{
    struct lam_comm *comm = open_as(0, 0);

    (void)state;
    fake.take_all = true;
    for (int i = 0; i < 100; i++) { /* ten seconds */
        fake.now_us += 100000;
        poll_once(comm);
    }
    assert_in_range(fake.beats, 2 * 9, 2 * 11); /* to both others */
    fake.take_all = false;
    fake.beats = 0;
    for (int i = 0; i < 100; i++) {
        fake.now_us += 100000;
        poll_once(comm);
    }
    assert_int_equal(fake.beats, 2); /* those were not taken */
    lam_comm_close(comm, 0, NULL);
}

static void only_time_in_which_one_looked_counts_as_silence(void **state)
{
    struct lam_comm *comm = open_as(0, 0);
    int who[2];

    (void)state;
    for (int i = 0; i < 50; i++) {
        fake.now_us += 100000;
        hear(2, 1, "x");
        poll_once(comm);
    }
    assert_int_equal(lam_comm_silent(comm, 4000, who, 2), 1);
    assert_int_equal(who[0], 1);
    hear(1, 1, "back again");
    poll_once(comm);
    assert_int_equal(lam_comm_silent(comm, 4000, who, 2), 0);
    fake.now_us += 100000000; /* this process was stopped for 100 s */
    poll_once(comm);
    assert_int_equal(lam_comm_silent(comm, 4000, who, 2), 0);
    for (int i = 0; i < 50; i++) {
        fake.now_us += 100000;
        poll_once(comm);
    }
    assert_int_equal(lam_comm_silent(comm, 4000, who, 1), 2); /* counted beyond what fits */
    lam_comm_close(comm, 0, NULL);

    comm = open_as(2, 0); /* others watch rank 0 alone */
    for (int i = 0; i < 50; i++) {
        fake.now_us += 100000;
        poll_once(comm);
    }
    assert_int_equal(lam_comm_silent(comm, 4000, who, 2), 1);
    assert_int_equal(who[0], 0);
    lam_comm_close(comm, 0, NULL);
}

static void foreign_bytes_in_reserved_types_do_no_harm(void **state)
{
    struct lam_comm *comm = open_as(0, 0);
    struct lam_agree agree;
    struct lam_error err;

    (void)state;
    fake.take_all = true;
    assert_int_equal(lam_comm_agree_start(&agree, comm, NULL, 1000, &err), 0);
    for (int type = LAM_COMM_TYPE_RESERVED; type < 0x10000; type++) {
        hear(1, (uint16_t)type, "");
        hear(2, (uint16_t)type, "short");
        hear(1, (uint16_t)type, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    }
    poll_once(comm);
    assert_int_equal(lam_comm_agree_test(&agree, &err), LAM_PENDING);
    fake.now_us += 1000000;
    poll_once(comm);
    assert_int_equal(lam_comm_agree_test(&agree, &err), LAM_E_TIMEOUT);
    assert_non_null(strstr(err.text, "ranks 1, 2 gave no sign within 1000 ms"));
    lam_comm_close(comm, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outbox_takes_as_much_as_was_said_and_one_larger_message_when_empty),
        cmocka_unit_test(a_bounded_number_of_messages_is_handed_to_the_transport),
        cmocka_unit_test(a_broken_transport_is_told_by_every_call_and_ends_without_waiting),
        cmocka_unit_test(leaving_names_those_who_do_not_come_and_leaves_mpi_alone),
        cmocka_unit_test(a_heartbeat_goes_out_each_second_and_never_piles_up),
        cmocka_unit_test(only_time_in_which_one_looked_counts_as_silence),
        cmocka_unit_test(foreign_bytes_in_reserved_types_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
