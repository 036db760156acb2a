/*
 * What a Kafka broker and our two handles promise each other: the same tests on the local broker (unit) and on a real one (interop).
 * Included by one test program each.
 */
#ifndef LAMINA_TESTS_KAFKA_CONTRACT_H
#define LAMINA_TESTS_KAFKA_CONTRACT_H

#include "kafka_kit.h"

#include <poll.h>
#include <sys/eventfd.h>

struct kit_seen {
    int64_t next[16];
    int count, tombstones, keyless;
    char headers[3][200];
};

static void kit_check(void *arg, const struct lam_kafka_event *event)
{
    struct kit_seen *seen = arg;
    int n;

    assert_int_equal(event->offset, seen->next[event->partition]); /* nothing jumped, nothing doubled */
    seen->next[event->partition]++;
    seen->count++;
    if (event->null_value) {
        seen->tombstones++;
        assert_int_equal(event->value.len, 0);
        return;
    }
    if (!event->has_key) {
        seen->keyless++;
        return;
    }
    n = atoi(event->key.ptr + 1);
    assert_int_equal(event->partition, lam_producer_partition(event->key, 4));
    assert_int_equal(event->timestamp_us, INT64_C(1795000000000000) + n * 1000);
    assert_int_equal(event->value.ptr[0], 'v');
    if (n < 3)
        snprintf(seen->headers[n], 200, "%.*s", LAM_SV_ARG(event->headers));
}

static void what_was_sent_is_read_once_with_all_that_belongs_to_it(void **state)
{
    const struct lam_header headers[] = {{LAM_SV("source"), LAM_SV("a \"quoted\" one")}, {LAM_SV("none"), {NULL, 0}}, {LAM_SV("source"), LAM_SV("")}};
    const struct lam_kafka_offset starts[] = {{0, 0}, {1, LAM_KAFKA_BEGINNING}, {2, 0}, {3, 0}};
    struct lam_producer *producer = kit_producer();
    struct kit_seen seen = {0};
    struct lam_kafka *kafka;
    char topic[64], key[16], value[16];

    (void)state;
    kit_fresh_topic(topic, 4);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        kit_send(producer, &(struct lam_message){.topic = topic, .partition = -1, .has_key = true, .key = lam_sv_of(key), .value = lam_sv_of(value), .headers = headers,
                                                 .header_count = i == 0 ? 3 : i == 1, .timestamp_us = INT64_C(1795000000000000) + i * 1000});
    }
    kit_send(producer, &(struct lam_message){.topic = topic, .partition = 2, .has_key = true, .key = LAM_SV("k7"), .null_value = true, .timestamp_us = LAM_TIME_NONE});
    kit_send(producer, &(struct lam_message){.topic = topic, .partition = 3, .value = LAM_SV("no key"), .timestamp_us = LAM_TIME_NONE});
    kit_flush(producer);
    lam_producer_close(producer);

    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_partitions(kafka), 4);
    assert_int_equal(lam_kafka_assign(kafka, starts, 4, NULL), 0);
    assert_int_equal(kit_read_to_end(kafka, 4, kit_check, &seen), 202);
    assert_int_equal(seen.tombstones, 1);
    assert_int_equal(seen.keyless, 1);
    assert_string_equal(seen.headers[0], "[[\"source\",\"a \\\"quoted\\\" one\"],[\"none\",null],[\"source\",\"\"]]");
    assert_string_equal(seen.headers[1], "[[\"source\",\"a \\\"quoted\\\" one\"]]");
    assert_string_equal(seen.headers[2], "");
    assert_int_equal(lam_kafka_stats(kafka).messages, 202);
    lam_kafka_close(kafka);
}

static void reading_begins_where_it_is_told_and_follows_what_comes(void **state)
{
    const struct lam_kafka_offset start = {1, 40};
    struct lam_kafka *kafka;
    int64_t low, high;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 2);
    kit_fill(topic, 1, 50);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_watermarks(kafka, 1, &low, &high, NULL), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, 50);
    assert_int_equal(lam_kafka_assign(kafka, &start, 1, NULL), 0);
    assert_int_equal(kit_read_to_end(kafka, 1, NULL, NULL), 10);
    kit_fill(topic, 1, 5);
    assert_int_equal(kit_read_to_end(kafka, 1, NULL, NULL), 5); /* the end is told again */
    lam_kafka_close(kafka);
}

static void an_offset_beyond_the_end_is_a_gap_with_its_numbers(void **state)
{
    const struct lam_kafka_offset start = {0, 17};
    struct lam_kafka_gap gap;
    struct lam_kafka *kafka;
    struct lam_error err;
    char topic[64], want[200];
    int messages;

    (void)state;
    kit_fresh_topic(topic, 1);
    kit_fill(topic, 0, 10);
    kafka = kit_consumer(topic);
    assert_false(lam_kafka_gap(kafka, &gap));
    assert_int_equal(lam_kafka_assign(kafka, &start, 1, NULL), 0);
    assert_int_equal(kit_poll_to_failure(kafka, &messages, &err), LAM_E_NOT_FOUND);
    snprintf(want, sizeof want, "consumer of %s: offset 17 of partition 0 is wanted next, and the broker does not have it: it has 0 to 9", topic);
    assert_string_equal(err.text, want);
    assert_true(lam_kafka_gap(kafka, &gap));
    assert_true(gap.partition == 0 && gap.wanted == 17 && gap.low == 0 && gap.high == 10);
    assert_int_equal(messages, 0);
    assert_int_equal(kit_poll_to_failure(kafka, &messages, &err), LAM_E_NOT_FOUND); /* it stays */
    lam_kafka_close(kafka);
}

static void a_witness_is_found_gone_or_beyond(void **state)
{
    struct lam_kafka_witness witnesses[] = {{.partition = 0, .offset = 7}, {.partition = 1, .offset = 3}, {.partition = 2, .offset = 9}, {.partition = 9, .offset = 0}};
    struct lam_kafka *kafka;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 3);
    kit_fill(topic, 0, 10);
    kit_fill(topic, 1, 4);
    kit_fill(topic, 2, 9);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_witnesses(kafka, witnesses, 4, NULL), 0);
    assert_int_equal(witnesses[0].state, LAM_WITNESS_FOUND);
    assert_int_equal(witnesses[0].crc, lam_witness_crc(LAM_SV("k7"), LAM_SV("v7")));
    assert_int_equal(witnesses[0].timestamp_us, INT64_C(1795000000007000));
    assert_int_equal(witnesses[1].state, LAM_WITNESS_FOUND);
    assert_int_equal(witnesses[2].state, LAM_WITNESS_BEYOND);
    assert_int_equal(witnesses[3].state, LAM_WITNESS_BEYOND);
    const struct lam_kafka_offset starts[] = {{0, 8}, {1, 4}}; /* and then reading begins as if nothing had been read */
    assert_int_equal(lam_kafka_assign(kafka, starts, 2, NULL), 0);
    assert_int_equal(kit_read_to_end(kafka, 2, NULL, NULL), 2);
    lam_kafka_close(kafka);
}

static void the_group_keeps_what_was_committed(void **state)
{
    const struct lam_kafka_offset commit[] = {{0, 7}, {1, 3}};
    const char said[][LAM_KAFKA_NOTE] = {"6 1795000000000 77", ""};
    char notes[3][LAM_KAFKA_NOTE];
    struct lam_kafka_offset offsets[] = {{0, 0}, {1, 0}, {2, 0}};
    struct lam_kafka *kafka;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 3);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_commit(kafka, commit, said, 2, NULL), 0);
    assert_int_equal(lam_kafka_committed(kafka, offsets, NULL, 3, NULL), 0);
    assert_int_equal(offsets[0].offset, 7);
    assert_int_equal(offsets[1].offset, 3);
    assert_int_equal(offsets[2].offset, LAM_KAFKA_NO_OFFSET);
    lam_kafka_close(kafka);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_committed(kafka, offsets, notes, 3, NULL), 0);
    assert_int_equal(offsets[0].offset, 7);
    assert_string_equal(notes[0], said[0]); /* kept beside it */
    assert_string_equal(notes[1], "");
    assert_string_equal(notes[2], "");
    assert_int_equal(lam_kafka_commit(kafka, commit, NULL, 1, NULL), 0);
    assert_int_equal(lam_kafka_committed(kafka, offsets, notes, 3, NULL), 0);
    assert_string_equal(notes[0], ""); /* a commit without one takes it away */
    lam_kafka_close(kafka);
}

static void no_commit_overtakes_another(void **state)
{
    struct lam_kafka_offset offset;
    struct lam_kafka *kafka;
    struct lam_error err;
    char topic[64];
    int rc;

    (void)state;
    kit_fresh_topic(topic, 1);
    kafka = kit_consumer(topic); /* it does not know the group's coordinator yet */
    assert_int_equal(lam_kafka_commit_end(kafka, 0, &err), 0);
    for (int64_t to = 1; to <= 3; to++) {
        offset = (struct lam_kafka_offset){0, to};
        assert_int_equal(lam_kafka_commit_begin(kafka, &offset, NULL, 1, &err), 0);
        assert_int_equal(lam_kafka_commit_begin(kafka, &offset, NULL, 1, &err), LAM_E_INVALID);
        assert_int_equal(lam_kafka_commit(kafka, &offset, NULL, 1, &err), LAM_E_INVALID);
        while ((rc = lam_kafka_commit_end(kafka, 100, &err)) == LAM_PENDING)
            ;
        assert_int_equal(rc, 0);
    }
    assert_int_equal(lam_kafka_committed(kafka, &offset, NULL, 1, &err), 0);
    assert_int_equal(offset.offset, 3);
    lam_kafka_close(kafka);
}

static void a_commit_under_way_does_not_keep_a_consumer_open(void **state)
{
    const struct lam_kafka_offset offset = {0, 5};
    struct lam_kafka *kafka;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 1);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_commit_begin(kafka, &offset, NULL, 1, NULL), 0);
    lam_kafka_close(kafka);
}

static void a_pause_holds_messages_back_and_loses_none(void **state)
{
    const struct lam_kafka_offset start = {0, 0};
    const struct lam_kafka_event *events;
    struct kit_seen seen = {0};
    struct lam_kafka *kafka;
    struct pollfd fd = {.fd = eventfd(0, EFD_NONBLOCK), .events = POLLIN};
    char topic[64];
    size_t count;

    (void)state;
    kit_fresh_topic(topic, 1);
    kit_fill(topic, 0, 300);
    kafka = kit_consumer(topic);
    lam_kafka_wake(kafka, fd.fd);
    assert_int_equal(lam_kafka_assign(kafka, &start, 1, NULL), 0);
    assert_int_equal(poll(&fd, 1, PATIENCE_US / 1000), 1); /* something came, and woke us */
    lam_kafka_pause(kafka, true);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(lam_kafka_poll(kafka, 10, 20, &events, &count, NULL), 0);
        assert_int_equal(count, 0);
    }
    lam_kafka_pause(kafka, false);
    assert_int_equal(kit_read_to_end(kafka, 1, NULL, &seen), 300);
    lam_kafka_close(kafka);
    close(fd.fd);
}

#define KIT_TESTS                                                                                                                                              \
    cmocka_unit_test(what_was_sent_is_read_once_with_all_that_belongs_to_it), cmocka_unit_test(reading_begins_where_it_is_told_and_follows_what_comes),        \
        cmocka_unit_test(an_offset_beyond_the_end_is_a_gap_with_its_numbers), cmocka_unit_test(a_witness_is_found_gone_or_beyond),                             \
        cmocka_unit_test(the_group_keeps_what_was_committed), cmocka_unit_test(no_commit_overtakes_another),                                           \
        cmocka_unit_test(a_commit_under_way_does_not_keep_a_consumer_open), cmocka_unit_test(a_pause_holds_messages_back_and_loses_none)

#endif
