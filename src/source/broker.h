/*
 * The local broker ("brokers": "local"): librdkafka's mock cluster, inside this process, for trying out.
 *
 * Other processes can connect to it at its bootstrap address (127.0.0.1 and a free port). It keeps the last 5 MB of a
 * partition, forgets everything with the process, and takes transactions without effect: so each process of it is a
 * life of its own, outputs are at-least-once, and the replayer never runs far ahead (replay.h). Any thread may call;
 * each call is short.
 */
#ifndef LAMINA_SOURCE_BROKER_H
#define LAMINA_SOURCE_BROKER_H

#include <lamina/error.h>
#include <stddef.h>
#include <stdint.h>

#define LAM_BROKER_WAIT_MS 10 /* for lam_kafka_options: a fetch that found nothing is held back for all of its time, whatever comes meanwhile */
#define LAM_BROKER_KEEPS ((size_t)4 << 20) /* bytes of a partition that are safe; the mock drops beyond 5 MB, overheads counted */

struct lam_broker;

int lam_broker_open(struct lam_broker **broker, struct lam_error *err);
void lam_broker_close(struct lam_broker *broker); /* NULL-safe; clients lose their connection */

/* Makes a topic; one that exists keeps its partitions (LAM_E_EXISTS). Topics that are never made come by first use, with 4 partitions. */
int lam_broker_topic(struct lam_broker *broker, const char *topic, uint32_t partitions, struct lam_error *err);

/* "127.0.0.1:PORT": for bootstrap.servers, in this process and others. The broker's own. */
const char *lam_broker_bootstrap(const struct lam_broker *broker);

/* "local-" and 16 random hex digits: the cluster id of this life. */
const char *lam_broker_id(const struct lam_broker *broker);

#endif
