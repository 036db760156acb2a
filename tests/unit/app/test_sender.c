/* Outputs on their way to Kafka: where they can go, and that none is too large to be passed by. A broker of its own is behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "scratch.h"
#include "speed_sender.h"

#define TOO_LARGE ((size_t)65 << 20) /* beyond what a sender makes of a record */
#define LARGE ((size_t)40 << 20)     /* beyond the producer's queue as it is by itself */

static const char job_text[] = "{\"name\":\"t\",\"store\":\"%s\",\"dataset\":{\"kind\":\"upsert\",\"key\":\"/id\",\"order_by\":\"position\",\"text\":\"/body\"},"
                               "\"tasks\":{\"classify\":{\"labels\":{\"billing\":\"invoices\",\"net work\":\"down\"},\"other\":\"rest\",\"abstain_below\":0.1}},"
                               "\"stream\":{\"name\":\"events\",\"brokers\":\"localhost:1\",\"topic\":\"in\",\"route\":\"out_{category}_1\",\"route_default\":\"none\","
                               "\"kafka\":{\"message.max.bytes\":\"%s\"}}}";

static char folder[SCRATCH_PATH];
static struct lam_job *job;
static struct lam_engine engine;
static struct lam_speed_setup setup;
static struct lam_broker *broker;
static struct lam_speed_sender *sender;
static struct lam_speed_signs signs;
static struct lam_error err;

#define OK(call)                   \
    do {                           \
        if (call)                  \
            fail_msg("%s", err.text); \
    } while (0)

static void open_all(const char *message_max_bytes)
{
    char text[1024];

    scratch_make(folder);
    snprintf(text, sizeof text, job_text, folder, message_max_bytes);
    OK(lam_job_parse(lam_sv_of(text), "job.json", folder, NULL, 0, &job, NULL, &err));
    engine = (struct lam_engine){.log = {.fd = 2, .rank = -1, .level = LAM_LOG_ERROR}, .job = job, .fs = &lam_fs_system, .clock = &lam_clock_system};
    OK(lam_broker_open(&broker, &err));
    setup = (struct lam_speed_setup){.source = 1, .life = 1};
    snprintf(setup.run, sizeof setup.run, "r1");
    snprintf(setup.brokers, sizeof setup.brokers, "%s", lam_broker_bootstrap(broker));
    OK(lam_fs_mkdirs(&lam_fs_system, scratch_join(folder, "runs/r1"), &err));
    OK(lam_speed_sender_open(&sender, &engine, &setup, &signs, &err));
    lam_speed_sender_warm(sender);
}

static void close_all(void)
{
    lam_speed_sender_close(sender);
    lam_broker_close(broker);
    lam_job_free(job);
    scratch_remove(folder);
}

static void send(const char *key, struct lam_sv fields, uint64_t offset)
{
    struct lam_row row = {.rec = {.pos = {.source = 1, .life = 1, .offset = offset}, .key = lam_sv_of(key), .metadata = fields},
                          .enr = {.category = LAM_SV("billing"), .layer = LAM_LAYER_SPEED}};

    OK(lam_speed_sender_send(sender, &row, &err));
}

static char *json_of(size_t len)
{
    char *json = malloc(len);

    assert_non_null(json);
    memset(json, 'x', len);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + len - 2, "\"}", 2);
    return json;
}

static struct lam_speed_stats settle(void)
{
    struct lam_speed_stats stats = {0};
    int rc;

    while ((rc = lam_speed_sender_settle(sender, 10000, &err)) == LAM_E_TIMEOUT)
        ;
    OK(rc);
    lam_speed_sender_stats(sender, &stats);
    return stats;
}

/* Of the file of what was given up: one line. */
static const char *given_up(void)
{
    static char line[4096];
    FILE *file = fopen(scratch_join(folder, "runs/r1/undelivered-0.jsonl"), "r");

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return line;
}

static void an_output_that_no_buffer_holds_is_given_up_and_the_others_go_out(void **state)
{
    char *json = json_of(TOO_LARGE);
    struct lam_speed_stats stats;

    (void)state;
    open_all("1000000");
    send("a", LAM_SV("{}"), 0);
    send("b", lam_sv(json, TOO_LARGE), 1);
    send("c", LAM_SV("{}"), 2);
    stats = settle();
    assert_int_equal(stats.undelivered, 1);
    assert_int_equal(stats.delivered, 2);
    assert_non_null(strstr(given_up(), "\"offset\":1,\"topic\":\"out_billing_1\",\"reason\":\""));
    assert_non_null(strstr(given_up(), "\"key\":\"b\"}"));
    free(json);
    close_all();
}

static void an_output_that_kafka_takes_no_message_of_is_given_up_with_its_value(void **state)
{
    char *json = json_of(2000);
    struct lam_speed_stats stats;

    (void)state;
    open_all("1500");
    send("a", LAM_SV("{}"), 0);
    send("b", lam_sv(json, 2000), 1);
    stats = settle();
    assert_int_equal(stats.undelivered, 1);
    assert_int_equal(stats.delivered, 1);
    assert_non_null(strstr(given_up(), "Message size too large"));
    assert_non_null(strstr(given_up(), "\"key\":\"b\",\"value\":{\"a\":\"xxx"));
    free(json);
    close_all();
}

static void an_output_as_large_as_the_job_allows_does_not_wait_for_room_that_never_comes(void **state)
{
    char *json = json_of(LARGE);
    struct lam_speed_stats stats;

    (void)state;
    open_all("50000000");
    send("a", lam_sv(json, LARGE), 0);
    stats = settle();
    assert_int_equal(stats.undelivered, 0);
    assert_int_equal(stats.delivered, 1);
    free(json);
    close_all();
}

static void the_topics_that_outputs_can_go_to_are_known_ahead(void **state)
{
    static const char *const expected[] = {"none", "out_billing_1", "out_net_work_1", "out_rest_1"};
    char (*topics)[LAM_SPEED_TOPIC];
    size_t count;

    (void)state;
    open_all("1000000");
    OK(lam_speed_topics(job, &topics, &count, &err));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(topics[i], expected[i]);
    free(topics);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_that_no_buffer_holds_is_given_up_and_the_others_go_out),
        cmocka_unit_test(an_output_that_kafka_takes_no_message_of_is_given_up_with_its_value),
        cmocka_unit_test(an_output_as_large_as_the_job_allows_does_not_wait_for_room_that_never_comes),
        cmocka_unit_test(the_topics_that_outputs_can_go_to_are_known_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
