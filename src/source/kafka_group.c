/* The group's offsets, and how long the topic keeps its records: questions beside the reading. */
#include "kafka_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASK_AGAIN_US 100000 /* after a broker that is not, or not yet, the coordinator of the group */

static rd_kafka_topic_partition_list_t *list_of(struct lam_kafka *kafka, const struct lam_kafka_offset *offsets, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, kafka->topic, (int32_t)offsets[i].partition)->offset = offsets[i].offset;
    return list;
}

/* --- commits: one at a time, because librdkafka may let one overtake another that waits for the group's coordinator --- */

static rd_kafka_resp_err_t outcome(rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);

    for (int i = 0; !code && list && i < list->cnt; i++)
        code = list->elems[i].err;
    return code;
}

int lam_kafka_commit_end(struct lam_kafka *kafka, int timeout_ms, struct lam_error *err)
{
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t code;

    if (!kafka->committing)
        return 0;
    if (!(event = rd_kafka_queue_poll(kafka->commits, timeout_ms)))
        return LAM_PENDING;
    kafka->committing = false;
    code = outcome(event);
    rd_kafka_event_destroy(event);
    return code ? lam_kafka_no_answer(kafka, "the group's offsets were not committed", code, err) : 0;
}

int lam_kafka_commit_begin(struct lam_kafka *kafka, const struct lam_kafka_offset *offsets, const char (*notes)[LAM_KAFKA_NOTE], size_t count, struct lam_error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code;

    if (!count)
        return 0;
    if (kafka->committing)
        return LAM_FAIL(err, LAM_E_INVALID, "%s: a commit is under way", kafka->who);
    list = list_of(kafka, offsets, count);
    for (size_t i = 0; notes && i < count; i++)
        if ((list->elems[i].metadata = strdup(notes[i]))) /* the list's own: it frees it */
            list->elems[i].metadata_size = strlen(notes[i]);
    code = rd_kafka_commit_queue(kafka->rk, list, kafka->commits, NULL, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    kafka->committing = !code;
    return code ? lam_kafka_no_answer(kafka, "the group's offsets were not committed", code, err) : 0;
}

int lam_kafka_commit(struct lam_kafka *kafka, const struct lam_kafka_offset *offsets, const char (*notes)[LAM_KAFKA_NOTE], size_t count, struct lam_error *err)
{
    int rc = lam_kafka_commit_begin(kafka, offsets, notes, count, err);

    if (!rc && (rc = lam_kafka_commit_end(kafka, kafka->timeout_ms, err)) == LAM_PENDING)
        rc = lam_kafka_no_answer(kafka, "whether the group's offsets were committed", RD_KAFKA_RESP_ERR__TIMED_OUT, err);
    return rc;
}

/* librdkafka asks for another coordinator by itself, but hands the first answer of the old one on. */
static bool coordinator_moves(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

static rd_kafka_resp_err_t fetch_committed(struct lam_kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
    int64_t end_us = lam_kafka_now_us() + (int64_t)kafka->timeout_ms * 1000;
    rd_kafka_resp_err_t code;

    while (coordinator_moves(code = rd_kafka_committed(kafka->rk, list, kafka->timeout_ms)) && lam_kafka_now_us() < end_us)
        usleep(ASK_AGAIN_US);
    return code;
}

int lam_kafka_committed(struct lam_kafka *kafka, struct lam_kafka_offset *offsets, char (*notes)[LAM_KAFKA_NOTE], size_t count, struct lam_error *err)
{
    rd_kafka_topic_partition_list_t *list = list_of(kafka, offsets, count);
    rd_kafka_resp_err_t code = fetch_committed(kafka, list);

    for (size_t i = 0; !code && i < count; i++) {
        const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(list, kafka->topic, (int32_t)offsets[i].partition);

        code = found->err;
        offsets[i].offset = found->offset >= 0 ? found->offset : LAM_KAFKA_NO_OFFSET;
        if (notes)
            snprintf(notes[i], LAM_KAFKA_NOTE, "%.*s", (int)found->metadata_size, found->metadata ? (const char *)found->metadata : "");
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code ? lam_kafka_no_answer(kafka, "the group's offsets", code, err) : 0;
}

/* --- retention: the one question that needs librdkafka's admin interface --- */

static int read_answer(const rd_kafka_ConfigResource_t *resource, int64_t *retention_ms)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);

        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") || !value)
            continue;
        *retention_ms = strtoll(value, NULL, 10);
        if (*retention_ms < 0)
            *retention_ms = INT64_MAX;
        return 0;
    }
    return LAM_E_NOT_FOUND;
}

int lam_kafka_retention_ms(struct lam_kafka *kafka, int64_t *retention_ms, struct lam_error *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->rk);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, kafka->topic);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    const rd_kafka_ConfigResource_t **answers;
    rd_kafka_event_t *event;
    char why[200];
    size_t count;
    int rc = LAM_E_NOT_FOUND;

    rd_kafka_AdminOptions_set_request_timeout(options, kafka->timeout_ms, why, sizeof why);
    rd_kafka_DescribeConfigs(kafka->rk, &resource, 1, options, queue);
    event = rd_kafka_queue_poll(queue, kafka->timeout_ms);
    if (event && !rd_kafka_event_error(event)) {
        answers = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
        if (count == 1 && !rd_kafka_ConfigResource_error(answers[0]))
            rc = read_answer(answers[0], retention_ms);
    }
    if (rc)
        LAM_FAIL(err, rc, "the broker does not tell how long %s keeps its records: %s", kafka->topic,
                 event ? rd_kafka_event_error_string(event) : "no answer");
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    return rc;
}
