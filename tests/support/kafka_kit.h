/* For tests with Kafka: topics, messages, reading to the end. The including program says how a topic is made, and where the broker is. */
#ifndef LAMINA_TESTS_KAFKA_KIT_H
#define LAMINA_TESTS_KAFKA_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/producer.h"

#define KIT static __attribute__((unused)) /* no program needs all of it */
#define PATIENCE_US 60000000 /* until a test gives up; nothing here takes long */

static const char *kit_bootstrap;
static void kit_make_topic(const char *topic, int partitions);

KIT void kit_fresh_topic(char topic[64], int partitions)
{
    static int serial;

    snprintf(topic, 64, "t%d-%d", (int)getpid(), serial++);
    kit_make_topic(topic, partitions);
}

KIT struct lam_kafka *kit_consumer(const char *topic)
{
    struct lam_kafka_options options = {.brokers = kit_bootstrap, .topic = topic, .group = "kit"};
    struct lam_kafka *kafka;
    struct lam_error err;

    if (lam_kafka_open(&kafka, &options, &err))
        fail_msg("%s", err.text);
    return kafka;
}

KIT struct lam_producer *kit_producer(void)
{
    struct lam_producer_options options = {.brokers = kit_bootstrap};
    struct lam_producer *producer;
    struct lam_error err;

    if (lam_producer_open(&producer, &options, &err))
        fail_msg("%s", err.text);
    return producer;
}

KIT void kit_send(struct lam_producer *producer, const struct lam_message *message)
{
    struct lam_error err;
    int rc;

    while ((rc = lam_producer_send(producer, message, &err)) == LAM_PENDING)
        lam_producer_poll(producer, 10);
    if (rc)
        fail_msg("%s", err.text);
}

KIT void kit_flush(struct lam_producer *producer)
{
    struct lam_error err;

    if (lam_producer_flush(producer, 30000, &err))
        fail_msg("%s", err.text);
}

/* count messages "k<i>" → "v<i>", to one partition (or by key with -1). */
KIT void kit_fill(const char *topic, int partition, int count)
{
    struct lam_producer *producer = kit_producer();

    for (int i = 0; i < count; i++) {
        char key[16], value[16];

        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        kit_send(producer, &(struct lam_message){.topic = topic, .partition = partition, .has_key = true, .key = lam_sv_of(key), .value = lam_sv_of(value),
                                                 .timestamp_us = INT64_C(1795000000000000) + i * 1000});
    }
    kit_flush(producer);
    assert_int_equal(lam_producer_stats(producer).delivered, count);
    lam_producer_close(producer);
}

/* Reads until each of these partitions has ended once; each message goes to see. The number of messages. */
KIT int kit_read_to_end(struct lam_kafka *kafka, int partitions, void (*see)(void *arg, const struct lam_kafka_event *event), void *arg)
{
    int64_t deadline = lam_mono_us(&lam_clock_system) + PATIENCE_US;
    int ended = 0, messages = 0;

    while (ended < partitions) {
        const struct lam_kafka_event *events;
        struct lam_error err;
        size_t count;

        if (lam_kafka_poll(kafka, 500, 100, &events, &count, &err))
            fail_msg("%s", err.text);
        for (size_t i = 0; i < count; i++) {
            ended += events[i].kind == LAM_KAFKA_EOF;
            messages += events[i].kind == LAM_KAFKA_MESSAGE;
            if (see && events[i].kind == LAM_KAFKA_MESSAGE)
                see(arg, &events[i]);
        }
        assert_true(lam_mono_us(&lam_clock_system) < deadline);
    }
    return messages;
}

/* Polls until reading fails; what was given out before. */
KIT int kit_poll_to_failure(struct lam_kafka *kafka, int *messages, struct lam_error *err)
{
    int64_t deadline = lam_mono_us(&lam_clock_system) + PATIENCE_US;
    const struct lam_kafka_event *events;
    size_t count;
    int rc;

    *messages = 0;
    while (!(rc = lam_kafka_poll(kafka, 100, 100, &events, &count, err))) {
        for (size_t i = 0; i < count; i++)
            *messages += events[i].kind == LAM_KAFKA_MESSAGE;
        assert_true(lam_mono_us(&lam_clock_system) < deadline);
    }
    return rc;
}

#endif
