#include "kafka_props.h"

static const struct {
    const char *name;
    const char *reason;
} refused[] = {
    {"bootstrap.servers", "the brokers stand in stream.brokers"},
    {"metadata.broker.list", "the brokers stand in stream.brokers"},
    {"group.id", "the group is derived from the store, so that two stores never share an output position"},
    {"group.instance.id", "partitions are assigned, there are no group members"},
    {"partition.assignment.strategy", "partitions are assigned by the engine, so that each is read by one rank from a known offset"},
    {"group.protocol.type", "partitions are assigned, there are no group members"},
    {"enable.auto.commit", "offsets are committed only after what they cover is delivered"},
    {"auto.commit.enable", "offsets are committed only after what they cover is delivered"},
    {"auto.commit.interval.ms", "offsets are committed only after what they cover is delivered"},
    {"enable.auto.offset.store", "offsets are committed only after what they cover is delivered"},
    {"offset.store.method", "offsets are committed to the group only"},
    {"offset.store.path", "offsets are committed to the group only"},
    {"offset.store.sync.interval.ms", "offsets are committed to the group only"},
    {"auto.offset.reset", "it is error: any other value would jump over lost records silently"},
    {"enable.partition.eof", "--until-end ends by it"},
    {"isolation.level", "it is read_committed: records of aborted transactions do not count"},
    {"queued.max.messages.kbytes", "memory is bounded by the job file, and derived from it"},
    {"queued.min.messages", "memory is bounded by the job file, and derived from it"},
    {"queue.buffering.max.kbytes", "memory is bounded by the job file, and derived from it"},
    {"queue.buffering.max.messages", "memory is bounded by the job file, and derived from it"},
    {"enable.idempotence", "it is on: a retry must neither double nor reorder outputs"},
    {"enable.gapless.guarantee", "a failed output is reported and sent again, it does not end the producer"},
    {"acks", "it is all: an output counts as delivered only when it survives the loss of a broker"},
    {"request.required.acks", "it is all: an output counts as delivered only when it survives the loss of a broker"},
    {"max.in.flight", "it follows from the idempotent producer"},
    {"max.in.flight.requests.per.connection", "it follows from the idempotent producer"},
    {"transactional.id", "it is derived from the store and the partition, so that a restart fences its predecessor"},
    {"transaction.timeout.ms", "the engine sets it by its commit interval"},
    {"message.timeout.ms", "the engine's deadlines follow from it"},
    {"delivery.timeout.ms", "the engine's deadlines follow from it"},
    {"delivery.report.only.error", "every delivery is counted"},
    {"dr_cb", "every delivery is counted"},
    {"partitioner", "it is murmur2_random, so that a key lands where Java's clients put it"},
    {"log.queue", "logs go to the engine's log"},
    {"log_cb", "callbacks are no text"},
    {"plugin.library.paths", "it would load foreign code into the job"},
    {"builtin.features", "it is read-only"},
    {"test.mock.num.brokers", "the local broker is \"brokers\": \"local\""},
    {"api.version.request", "it is on: brokers without it are not supported"},
};

static const char *const secrets[] = {
    "sasl.password", "ssl.key.password",        "ssl.keystore.password",         "ssl.key.pem",
    "ssl_key",       "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret"};

const char *lam_kafka_prop_refused(struct lam_sv name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (lam_sv_eq(name, lam_sv_of(refused[i].name)))
            return refused[i].reason;
    return NULL;
}

bool lam_kafka_prop_secret(struct lam_sv name)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (lam_sv_eq(name, lam_sv_of(secrets[i])))
            return true;
    return false;
}
