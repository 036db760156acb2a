/* The consumer on the local broker: the contract, and what it says when there is no broker or a property is not the job's to set. */
#include "kafka_contract.h"
#include "kafka_local.h"

static void without_a_broker_opening_ends_in_time_and_says_why(void **state)
{
    struct lam_kafka_options options = {.brokers = "127.0.0.1:1", .topic = "docs", .group = "kit", .timeout_ms = 700};
    struct lam_kafka *kafka;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_kafka_open(&kafka, &options, &err), LAM_E_TIMEOUT);
    assert_non_null(strstr(err.text, "consumer of docs: its metadata: no broker of 127.0.0.1:1 answered in 700 ms"));
    assert_non_null(strstr(err.text, "refused"));
    assert_null(kafka);
}

static void the_engines_properties_are_refused_and_the_others_pass(void **state)
{
    static const struct {
        struct lam_kafka_prop prop;
        const char *want;
    } cases[] = {
        {{"auto.offset.reset", "earliest"},
         "the property auto.offset.reset is the engine's: it is error: any other value would jump over lost records "
         "silently"},
        {{"no.such.thing", "1"}, "knows no property no.such.thing"},
        {{"fetch.wait.max.ms", "soon"}, "the property fetch.wait.max.ms: "},
    };
    struct lam_kafka_prop good = {"fetch.wait.max.ms", "20"};
    struct lam_kafka_options options = {.brokers = kit_bootstrap, .group = "kit", .prop_count = 1};
    struct lam_kafka *kafka;
    struct lam_error err;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 1);
    options.topic = topic;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.props = &cases[i].prop;
        assert_int_equal(lam_kafka_open(&kafka, &options, &err), LAM_E_INVALID);
        if (!strstr(err.text, cases[i].want))
            fail_msg("%s", err.text);
    }
    options.props = &good;
    assert_int_equal(lam_kafka_open(&kafka, &options, NULL), 0);
    lam_kafka_close(kafka);
}

static void a_partition_that_is_not_there_is_refused(void **state)
{
    const struct lam_kafka_offset starts[] = {{0, 0}, {2, 0}};
    struct lam_kafka *kafka;
    struct lam_error err;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 2);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_assign(kafka, starts, 2, &err), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "partition 2 of 2"));
    lam_kafka_close(kafka);
}

static void the_local_broker_does_not_tell_its_retention(void **state)
{
    struct lam_kafka_options options = {.brokers = kit_bootstrap, .group = "kit", .timeout_ms = 1000};
    struct lam_kafka *kafka;
    int64_t retention_ms;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 1);
    options.topic = topic;
    assert_int_equal(lam_kafka_open(&kafka, &options, NULL), 0);
    assert_int_equal(lam_kafka_retention_ms(kafka, &retention_ms, NULL), LAM_E_NOT_FOUND);
    lam_kafka_close(kafka);
}

/* The local broker keeps about 5 MB of a partition: what it dropped is a gap, and no reader is moved over it silently. */
static void what_the_local_broker_dropped_is_a_gap(void **state)
{
    static char value[100000];
    const struct lam_kafka_offset start = {0, 0};
    struct lam_producer *producer = kit_producer();
    struct lam_kafka_witness witness = {.partition = 0, .offset = 0};
    struct lam_kafka_gap gap;
    struct lam_kafka *kafka;
    struct lam_error err;
    char topic[64];
    int messages;

    (void)state;
    kit_fresh_topic(topic, 1);
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 80; i++)
        kit_send(producer, &(struct lam_message){.topic = topic, .value = lam_sv(value, sizeof value), .timestamp_us = LAM_TIME_NONE});
    kit_flush(producer);
    lam_producer_close(producer);
    kafka = kit_consumer(topic);
    assert_int_equal(lam_kafka_witnesses(kafka, &witness, 1, NULL), 0);
    assert_int_equal(witness.state, LAM_WITNESS_GONE);
    assert_int_equal(lam_kafka_assign(kafka, &start, 1, NULL), 0);
    assert_int_equal(kit_poll_to_failure(kafka, &messages, &err), LAM_E_NOT_FOUND);
    assert_true(lam_kafka_gap(kafka, &gap));
    assert_true(gap.wanted == 0 && gap.low > 0 && gap.high == 80);
    lam_kafka_close(kafka);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TESTS,
        cmocka_unit_test(without_a_broker_opening_ends_in_time_and_says_why),
        cmocka_unit_test(the_engines_properties_are_refused_and_the_others_pass),
        cmocka_unit_test(a_partition_that_is_not_there_is_refused),
        cmocka_unit_test(the_local_broker_does_not_tell_its_retention),
        cmocka_unit_test(what_the_local_broker_dropped_is_a_gap),
    };

    return cmocka_run_group_tests(tests, kit_setup, kit_teardown);
}
