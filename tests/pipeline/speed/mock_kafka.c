/*
 * A broker for tests, in a process of its own, so that a job can be killed and started again while its topics stay: librdkafka's mock cluster, told what to do
 * line by line. It prints its address first; every command answers with one line.
 *
 *     topic NAME PARTITIONS        ok
 *     fill TOPIC PARTITIONS FILE   the number of lines sent, keyed by nothing, to the partitions in turn; a fourth word: to the broker at that address
 *     read TOPIC                   [{"partition":0,"offset":0,"key":"…","value":"…"},…], or [] where there is no such topic
 *     committed GROUP TOPIC        [next offset or -1 of each partition]
 *     notes GROUP TOPIC            ["…",…]: what stands beside them
 *     commit GROUP TOPIC OFFSET    ok: for partition 0, as somebody else would
 *     refuse CODE COUNT            ok: the next COUNT requests to write are refused with this error of Kafka's protocol; for good only, since the mock cluster
 *                                  takes what comes behind a refused batch, and librdkafka believes then that it took that one as well
 *     lead TOPIC PARTITIONS YES    ok: its partitions have a leader; 0: none, so that nobody writes or reads them
 *     forget CODE COUNT            ok: and so are the next COUNT questions for a group's offsets
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "source/producer.h"

#define PRODUCE 0 /* the numbers of these requests in the protocol */
#define OFFSET_FETCH 9
#define FLUSH_MS 30000
#define POLL_MAX 500

static rd_kafka_mock_cluster_t *cluster;
static const char *address;

static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) { (void)rk, (void)level, (void)facility, (void)text; }

static int fail(const struct lam_error *err)
{
    printf("error: %s\n", err->text);
    return 1;
}

static int fill(const char *topic, unsigned partitions, const char *path, const char *where)
{
    struct lam_producer_options options = {.brokers = where};
    struct lam_producer *producer;
    struct lam_error err;
    FILE *file = fopen(path, "re");
    unsigned sent = 0;
    size_t cap = 0;
    char *line = NULL;
    ssize_t len;

    if (!file || lam_producer_open(&producer, &options, &err))
        return puts("error: no file, or no producer");
    while ((len = getline(&line, &cap, file)) > 0) {
        struct lam_message message = {.topic = topic, .partition = (int32_t)(sent++ % partitions), .value = lam_sv(line, (size_t)len - (line[len - 1] == '\n')),
                                      .timestamp_us = LAM_TIME_NONE};

        while (lam_producer_send(producer, &message, &err) == LAM_PENDING)
            lam_producer_poll(producer, 10);
    }
    free(line);
    fclose(file);
    if (lam_producer_flush(producer, FLUSH_MS, &err))
        return fail(&err);
    lam_producer_close(producer);
    return printf("%u\n", sent);
}

static int add_events(struct lam_buf *out, const struct lam_kafka_event *events, size_t count, unsigned *ended, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        if (events[i].kind == LAM_KAFKA_EOF) {
            ++*ended;
            continue;
        }
        rc = lam_buf_addf(out, err, "%s{\"partition\":%u,\"offset\":%lld,\"key\":", out->len > 1 ? "," : "", events[i].partition, (long long)events[i].offset);
        if (rc || (rc = lam_buf_add_json(out, events[i].key, err)) || (rc = lam_buf_addf(out, err, ",\"value\":")) || (rc = lam_buf_add_json(out, events[i].value, err)))
            break;
        rc = lam_buf_addf(out, err, "}");
    }
    return rc;
}

static int read_topic(const char *topic)
{
    struct lam_kafka_options options = {.brokers = address, .topic = topic, .group = "reader"};
    struct lam_kafka_offset *starts;
    struct lam_kafka *kafka;
    struct lam_error err;
    struct lam_buf out;
    unsigned ended = 0, partitions;
    int rc;

    if (lam_kafka_open(&kafka, &options, &err))
        return puts("[]");
    partitions = lam_kafka_partitions(kafka);
    starts = calloc(partitions, sizeof *starts);
    for (unsigned i = 0; i < partitions; i++)
        starts[i] = (struct lam_kafka_offset){i, LAM_KAFKA_BEGINNING};
    rc = lam_kafka_assign(kafka, starts, partitions, &err);
    free(starts);
    lam_buf_init(&out, (size_t)256 << 20);
    if (!rc)
        rc = lam_buf_add(&out, "[", 1, &err);
    while (!rc && ended < partitions) {
        const struct lam_kafka_event *events;
        size_t count;

        if (!(rc = lam_kafka_poll(kafka, POLL_MAX, 100, &events, &count, &err)))
            rc = add_events(&out, events, count, &ended, &err);
    }
    if (rc)
        fail(&err);
    else
        printf("%.*s]\n", (int)out.len, out.ptr);
    lam_buf_release(&out);
    lam_kafka_close(kafka);
    return rc;
}

static int committed(const char *group, const char *topic, bool tell_notes)
{
    static char notes[64][LAM_KAFKA_NOTE];
    struct lam_kafka_options options = {.brokers = address, .topic = topic, .group = group};
    struct lam_kafka_offset offsets[64];
    struct lam_kafka *kafka;
    struct lam_error err;
    unsigned partitions;
    int rc;

    if (lam_kafka_open(&kafka, &options, &err))
        return fail(&err);
    partitions = lam_kafka_partitions(kafka) < 64 ? lam_kafka_partitions(kafka) : 64;
    for (unsigned i = 0; i < partitions; i++)
        offsets[i] = (struct lam_kafka_offset){i, LAM_KAFKA_NO_OFFSET};
    rc = lam_kafka_committed(kafka, offsets, notes, partitions, &err);
    lam_kafka_close(kafka);
    if (rc)
        return fail(&err);
    for (unsigned i = 0; i < partitions && tell_notes; i++)
        printf("%s\"%s\"", i ? "," : "[", notes[i]);
    for (unsigned i = 0; i < partitions && !tell_notes; i++)
        printf("%s%lld", i ? "," : "[", (long long)offsets[i].offset);
    return puts("]");
}

static int commit(const char *group, const char *topic, int64_t offset)
{
    struct lam_kafka_options options = {.brokers = address, .topic = topic, .group = group};
    const struct lam_kafka_offset to = {0, offset};
    struct lam_kafka *kafka;
    struct lam_error err;
    int rc;

    if (lam_kafka_open(&kafka, &options, &err))
        return fail(&err);
    rc = lam_kafka_commit(kafka, &to, NULL, 1, &err);
    lam_kafka_close(kafka);
    return rc ? fail(&err) : puts("ok");
}

static int refuse(int request, int code, size_t count)
{
    rd_kafka_resp_err_t *errors = calloc(count + 1, sizeof *errors);

    rd_kafka_mock_clear_request_errors(cluster, (int16_t)request);
    for (size_t i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)code;
    if (count)
        rd_kafka_mock_push_request_errors_array(cluster, (int16_t)request, count, errors);
    free(errors);
    return puts("ok");
}

static int lead(const char *topic, unsigned partitions, bool leader)
{
    for (unsigned i = 0; i < partitions; i++)
        if (rd_kafka_mock_partition_set_leader(cluster, topic, (int32_t)i, leader ? 1 : -1))
            return puts("error: no such partition");
    return puts("ok");
}

static int obey(char *line)
{
    char first[256], second[1024], where[64];
    unsigned number;
    int code, words, yes;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "topic %255s %u", first, &number) == 2)
        return rd_kafka_mock_topic_create(cluster, first, (int)number, 1) ? puts("error: no topic") : puts("ok");
    if ((words = sscanf(line, "fill %255s %u %1023s %63s", first, &number, second, where)) >= 3)
        return fill(first, number, second, words == 4 ? where : address);
    if (sscanf(line, "read %255s", first) == 1)
        return read_topic(first);
    if (sscanf(line, "committed %255s %1023s", first, second) == 2)
        return committed(first, second, false);
    if (sscanf(line, "notes %255s %1023s", first, second) == 2)
        return committed(first, second, true);
    if (sscanf(line, "commit %255s %1023s %d", first, second, &code) == 3)
        return commit(first, second, code);
    if (sscanf(line, "refuse %d %u", &code, &number) == 2)
        return refuse(PRODUCE, code, number);
    if (sscanf(line, "lead %255s %u %d", first, &number, &yes) == 3)
        return lead(first, number, yes);
    if (sscanf(line, "forget %d %u", &code, &number) == 2)
        return refuse(OFFSET_FETCH, code, number);
    return puts("error: unknown command");
}

int main(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[300], line[2048];
    rd_kafka_t *rk;

    rd_kafka_conf_set_log_cb(conf, no_log);
    if (!(rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why)) || !(cluster = rd_kafka_mock_cluster_new(rk, 1)))
        return 1;
    address = rd_kafka_mock_cluster_bootstraps(cluster);
    puts(address);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        obey(line);
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}
