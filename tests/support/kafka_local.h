/* The kit on a local broker, which lives as long as the group of tests. */
#ifndef LAMINA_TESTS_KAFKA_LOCAL_H
#define LAMINA_TESTS_KAFKA_LOCAL_H

#include "kafka_kit.h"

#include "source/broker.h"

static struct lam_broker *broker;

static void kit_make_topic(const char *topic, int partitions)
{
    assert_int_equal(lam_broker_topic(broker, topic, (uint32_t)partitions, NULL), 0);
}

static int kit_setup(void **state)
{
    (void)state;
    if (lam_broker_open(&broker, NULL))
        return -1;
    kit_bootstrap = lam_broker_bootstrap(broker);
    return 0;
}

static int kit_teardown(void **state)
{
    (void)state;
    lam_broker_close(broker);
    return 0;
}

#endif
