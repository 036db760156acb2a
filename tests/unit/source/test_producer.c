/* The producer: every message has its report, what cannot be delivered is told, and a full queue is back-pressure. */
#include "kafka_local.h"

#define CONNECTED_US 200000 /* by then a producer has its broker, and looks for topics once a second */

struct reports {
    uint64_t tags, count;
    int rc;
    int64_t offset;
    char reason[200];
};

static void on_report(void *arg, const struct lam_report *report)
{
    struct reports *reports = arg;

    reports->tags += report->tag;
    reports->count++;
    reports->rc = report->rc;
    reports->offset = report->offset;
    snprintf(reports->reason, sizeof reports->reason, "%s", report->reason);
}

static void each_message_is_reported_with_its_tag_and_place(void **state)
{
    struct reports reports = {0};
    struct lam_producer_options options = {.brokers = kit_bootstrap, .on_report = on_report, .arg = &reports};
    struct lam_producer *producer;
    char topic[64];

    (void)state;
    kit_fresh_topic(topic, 1);
    assert_int_equal(lam_producer_open(&producer, &options, NULL), 0);
    for (uint64_t i = 1; i <= 100; i++)
        kit_send(producer,
                 &(struct lam_message){
                     .topic = topic, .partition = -1, .value = LAM_SV("x"), .timestamp_us = LAM_TIME_NONE, .tag = i});
    kit_flush(producer);
    assert_int_equal(reports.count, 100);
    assert_int_equal(reports.tags, 5050);
    assert_int_equal(reports.offset, 99);
    assert_int_equal(lam_producer_stats(producer).bytes, 100);
    lam_producer_close(producer);
}

static void what_no_broker_takes_fails_by_its_deadline_and_flush_says_so(void **state)
{
    struct reports reports = {0};
    struct lam_producer_options options = {.brokers = "127.0.0.1:1", .on_report = on_report, .arg = &reports, .message_timeout_ms = 700};
    const struct lam_message message = {.topic = "docs", .partition = -1, .value = LAM_SV("x"), .timestamp_us = LAM_TIME_NONE};
    struct lam_producer *producer;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_producer_open(&producer, &options, NULL), 0);
    kit_send(producer, &message);
    kit_send(producer, &message);
    assert_int_equal(lam_producer_flush(producer, 50, &err), LAM_E_TIMEOUT);
    assert_non_null(strstr(err.text, "2 messages are not delivered after 50 ms"));
    assert_int_equal(lam_producer_flush(producer, 30000, &err), LAM_E_IO);
    assert_non_null(strstr(err.text, "2 messages were not delivered; the first: docs: Local: Message timed out"));
    assert_int_equal(reports.rc, LAM_E_TIMEOUT);
    assert_int_equal(reports.offset, -1);
    assert_int_equal(lam_producer_stats(producer).failed, 2);
    assert_int_equal(lam_producer_flush(producer, 1000, &err), 0); /* told once */
    lam_producer_close(producer);
}

static void a_full_queue_is_back_pressure(void **state)
{
    static char value[100000];
    struct lam_producer_options options = {.brokers = "127.0.0.1:1", .max_bytes = 1 << 20};
    const struct lam_message message = {.topic = "docs", .partition = 0, .value = {value, sizeof value}, .timestamp_us = LAM_TIME_NONE};
    struct lam_producer *producer;
    int rc, sent = 0;

    (void)state;
    assert_int_equal(lam_producer_open(&producer, &options, NULL), 0);
    while (!(rc = lam_producer_send(producer, &message, NULL)) && sent < 1000)
        sent++;
    assert_int_equal(rc, LAM_PENDING);
    assert_in_range(sent, 9, 12);
    assert_int_equal(lam_producer_stats(producer).sent, sent);
    lam_producer_close(producer); /* does not wait for what cannot be delivered */
}

static void a_message_too_large_is_refused_at_once(void **state)
{
    size_t len = 2 << 20;
    char *value = calloc(1, len);
    struct lam_producer *producer = kit_producer();
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_producer_send(producer,
                                       &(struct lam_message){.topic = "docs",
                                                             .partition = 0,
                                                             .value = lam_sv(value, len),
                                                             .timestamp_us = LAM_TIME_NONE},
                                       &err),
                     LAM_E_LIMIT);
    assert_string_equal(err.text, "producer of docs: Broker: Message size too large");
    assert_int_equal(lam_producer_stats(producer).sent, 0);
    lam_producer_close(producer);
    free(value);
}

/* The queue's bound is ours, the size of a message the job's: a message that the queue can never hold would wait in front of it for ever. */
static void the_queue_holds_one_message_of_the_largest_size(void **state)
{
    size_t len = 3 << 20;
    char *value = calloc(1, len);
    const struct lam_kafka_prop large = {"message.max.bytes", "4000000"};
    struct lam_producer_options options = {.brokers = kit_bootstrap, .max_bytes = 1 << 20, .props = &large, .prop_count = 1};
    const struct lam_message message = {.topic = "docs", .partition = 0, .value = lam_sv(value, len), .timestamp_us = LAM_TIME_NONE};
    struct lam_producer *producer;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_producer_open(&producer, &options, &err), 0);
    assert_int_equal(lam_producer_send(producer, &message, &err), 0);
    kit_flush(producer);
    assert_int_equal(lam_producer_stats(producer).delivered, 1);
    lam_producer_close(producer);
    free(value);
}

/* From the first message to its delivery, of a producer that is connected. */
static int64_t first_delivery_us(bool warm)
{
    struct lam_producer *producer = kit_producer();
    struct lam_error err;
    int64_t began, took;
    char topic[64];

    kit_fresh_topic(topic, 4);
    usleep(CONNECTED_US);
    if (warm && lam_producer_warm(producer, (const char *const[]){"another", topic}, 2, 30000, &err))
        fail_msg("%s", err.text);
    began = lam_mono_us(&lam_clock_system);
    kit_send(producer, &(struct lam_message){.topic = topic, .partition = -1, .value = LAM_SV("x"), .timestamp_us = LAM_TIME_NONE});
    while (!lam_producer_stats(producer).delivered)
        lam_producer_poll(producer, 100);
    took = lam_mono_us(&lam_clock_system) - began;
    lam_producer_close(producer);
    return took;
}

/* Not timed against a clock: the best of several warmed ones against the best of some that wait for librdkafka's next look at its topics. */
static void a_warmed_producer_delivers_sooner(void **state)
{
    int64_t warm = INT64_MAX, cold = INT64_MAX;

    (void)state;
    for (int i = 0; i < 5; i++) {
        int64_t took = first_delivery_us(true);

        warm = took < warm ? took : warm;
    }
    for (int i = 0; i < 2; i++) {
        int64_t took = first_delivery_us(false);

        cold = took < cold ? took : cold;
    }
    assert_true(warm < cold / 2);
}

static void a_producer_that_finds_no_broker_is_not_warmed_and_works_on(void **state)
{
    struct lam_producer_options options = {.brokers = "127.0.0.1:1"};
    struct lam_producer *producer;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_producer_open(&producer, &options, NULL), 0);
    assert_int_not_equal(lam_producer_warm(producer, (const char *const[]){"docs"}, 1, 50, &err), 0);
    assert_int_not_equal(lam_producer_warm(producer, (const char *const[]){"docs"}, 1, 50, &err), 0);
    lam_producer_close(producer);
}

/* kafka-python's and Java's murmur2 place these keys so (the vectors of librdkafka's own and Kafka's Utils tests). */
static void keys_are_placed_as_java_does(void **state)
{
    static const struct {
        const char *key;
        uint32_t hash;
    } vectors[] = {{"kafka", 0xd067cf64},
                   {"giberish123456789", 0x8f552b0c},
                   {"1234", 0x9fc97b14},
                   {"234", 0xe7c009ca},
                   {"34", 0x873930da},
                   {"4", 0x5a4b5ca1},
                   {"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x78424f1c},
                   {"", 0x106e08d9}};

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        for (uint32_t count = 1; count < 20; count++)
            assert_int_equal(lam_producer_partition(lam_sv_of(vectors[i].key), count), (vectors[i].hash & 0x7fffffff) % count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_reported_with_its_tag_and_place),
        cmocka_unit_test(what_no_broker_takes_fails_by_its_deadline_and_flush_says_so),
        cmocka_unit_test(a_full_queue_is_back_pressure),
        cmocka_unit_test(a_message_too_large_is_refused_at_once),
        cmocka_unit_test(the_queue_holds_one_message_of_the_largest_size),
        cmocka_unit_test(keys_are_placed_as_java_does),
        cmocka_unit_test(a_warmed_producer_delivers_sooner),
        cmocka_unit_test(a_producer_that_finds_no_broker_is_not_warmed_and_works_on),
    };

    return cmocka_run_group_tests(tests, kit_setup, kit_teardown);
}
