/* What tests on a real broker do to it: make, delete and configure topics, delete records. By librdkafka's admin interface. */
#ifndef LAMINA_TESTS_KAFKA_ADMIN_H
#define LAMINA_TESTS_KAFKA_ADMIN_H

#include <librdkafka/rdkafka.h>
#include <string.h>
#include <unistd.h>

static rd_kafka_t *admin_client;
static rd_kafka_queue_t *admin_queue;

static void admin_open(const char *bootstrap)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[300];

    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    admin_client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(admin_client);
    admin_queue = rd_kafka_queue_new(admin_client);
}

static void admin_close(void)
{
    rd_kafka_queue_destroy(admin_queue);
    rd_kafka_destroy(admin_client);
}

/* Waits for the answer, and fails the test where it is an error. */
static rd_kafka_event_t *admin_answer(const char *what)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin_queue, 30000);

    if (!event || rd_kafka_event_error(event))
        fail_msg("%s: %s", what, event ? rd_kafka_event_error_string(event) : "no answer");
    return event;
}

static void admin_check_topics(const rd_kafka_topic_result_t **results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_topic_result_error(results[i]))
            fail_msg("%s: %s", rd_kafka_topic_result_name(results[i]), rd_kafka_topic_result_error_string(results[i]));
}

/* Has the broker heard of the topic, and do all of its partitions have a leader? */
static bool admin_is_there(const char *topic, int partitions)
{
    const struct rd_kafka_metadata *metadata;
    int led = 0;

    if (rd_kafka_metadata(admin_client, 1, NULL, &metadata, 30000))
        return false;
    for (int i = 0; i < metadata->topic_cnt; i++)
        for (int p = 0; !strcmp(metadata->topics[i].topic, topic) && p < metadata->topics[i].partition_cnt; p++)
            led += metadata->topics[i].partitions[p].leader >= 0;
    rd_kafka_metadata_destroy(metadata);
    return led == partitions;
}

/* config: name and value, or NULL. A topic that was made is not known at once: it waits until it is. */
static void admin_create(const char *topic, int partitions, const char *name, const char *value)
{
    char why[300];
    rd_kafka_NewTopic_t *fresh = rd_kafka_NewTopic_new(topic, partitions, 1, why, sizeof why);
    rd_kafka_event_t *event;
    size_t count;

    if (name)
        rd_kafka_NewTopic_set_config(fresh, name, value);
    rd_kafka_CreateTopics(admin_client, &fresh, 1, NULL, admin_queue);
    event = admin_answer("create topic");
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    admin_check_topics(results, count);
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(fresh);
    for (int i = 0; !admin_is_there(topic, partitions); i++) {
        if (i == 3000)
            fail_msg("%s was made, and the broker does not know it after %d s", topic, i / 100);
        usleep(10000);
    }
}

static void admin_delete(const char *topic)
{
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_event_t *event;
    size_t count;

    rd_kafka_DeleteTopics(admin_client, &gone, 1, NULL, admin_queue);
    event = admin_answer("delete topic");
    const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    admin_check_topics(results, count);
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(gone);
}

/* All records of the partition below before. */
static void admin_delete_records(const char *topic, int partition, int64_t before)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_DeleteRecords_t *records;

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    records = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(admin_client, &records, 1, NULL, admin_queue);
    rd_kafka_event_destroy(admin_answer("delete records"));
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
}

#endif
