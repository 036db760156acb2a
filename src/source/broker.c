#include "broker.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct lam_broker {
    rd_kafka_t *rk; /* owns the mock's thread */
    rd_kafka_mock_cluster_t *cluster;
    char id[32];
};

static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

int lam_broker_open(struct lam_broker **result, struct lam_error *err)
{
    struct lam_broker *broker = calloc(1, sizeof *broker);
    rd_kafka_conf_t *conf;
    char why[300];
    uint64_t id;
    int rc;

    *result = NULL;
    if (!broker)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the local broker");
    if (getrandom(&id, sizeof id, 0) != sizeof id) {
        rc = LAM_FAIL(err, LAM_E_IO, "no random bytes: %s", strerror(errno));
        goto failed;
    }
    snprintf(broker->id, sizeof broker->id, "local-%016" PRIx64, id);
    conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, no_log); /* the mock says a line for each connection */
    if (!(broker->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why))) {
        rd_kafka_conf_destroy(conf);
        rc = LAM_FAIL(err, LAM_E_IO, "the local broker does not start: %s", why);
        goto failed;
    }
    if (!(broker->cluster = rd_kafka_mock_cluster_new(broker->rk, 1))) {
        rc = LAM_FAIL(err, LAM_E_IO, "the local broker does not start: no port, or no memory");
        goto failed;
    }
    *result = broker;
    return 0;
failed:
    lam_broker_close(broker);
    return rc;
}

void lam_broker_close(struct lam_broker *broker)
{
    if (!broker)
        return;
    if (broker->cluster)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    if (broker->rk)
        rd_kafka_destroy(broker->rk);
    free(broker);
}

int lam_broker_topic(struct lam_broker *broker, const char *topic, uint32_t partitions, struct lam_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(broker->cluster, topic, (int)partitions, 1);

    if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return LAM_FAIL(err, LAM_E_EXISTS, "the local broker has a topic %s already", topic);
    if (code)
        return LAM_FAIL(err, LAM_E_IO, "the local broker makes no topic %s: %s", topic, rd_kafka_err2str(code));
    return 0;
}

const char *lam_broker_bootstrap(const struct lam_broker *broker) { return rd_kafka_mock_cluster_bootstraps(broker->cluster); }
const char *lam_broker_id(const struct lam_broker *broker) { return broker->id; }
