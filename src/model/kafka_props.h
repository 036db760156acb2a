/*
 * librdkafka's properties that the engine sets itself, each with the reason: stream.kafka passes every other one through.
 * Here, and not in source, because the job file is checked before anything of Kafka is opened.
 */
#ifndef LAMINA_MODEL_KAFKA_PROPS_H
#define LAMINA_MODEL_KAFKA_PROPS_H

#include <lamina/sv.h>

/* Why a job may not set the property, one sentence without a full stop; NULL where it may. Static storage. */
const char *lam_kafka_prop_refused(struct lam_sv name);

/* Whether the value is a secret, which must never stand in a job file, log or report in plain text. */
bool lam_kafka_prop_secret(struct lam_sv name);

#endif
