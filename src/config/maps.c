/* Fields with names of the user's own: labels, and librdkafka's properties. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 100
#define DESCRIPTION_MAX 10000
#define KAFKA_MAX 200

/* Properties that the engine sets itself, and why nobody else may. allowed: a value that says what the engine does anyway. */
static const struct owned {
    const char *name, *allowed, *reason;
} owned[] = {
    {"bootstrap.servers", NULL, "the brokers stand in stream.brokers"},
    {"metadata.broker.list", NULL, "the brokers stand in stream.brokers"},
    {"group.id", NULL, "the group stands in stream.group, which the store's output position depends on"},
    {"group.instance.id", NULL, "partitions are assigned by the engine, not by the group: a static member would be fenced by the next restart"},
    {"partition.assignment.strategy", NULL, "partitions are assigned by the engine, not by the group"},
    {"enable.auto.commit", "false", "an offset is committed only after what it covers is durable"},
    {"auto.commit.enable", "false", "an offset is committed only after what it covers is durable"},
    {"auto.commit.interval.ms", NULL, "an offset is committed only after what it covers is durable"},
    {"enable.auto.offset.store", "false", "an offset is stored only after its outputs were delivered"},
    {"offset.store.method", NULL, "the archive position stands in the store's log, the output position in the group"},
    {"offset.store.path", NULL, "the archive position stands in the store's log, the output position in the group"},
    {"auto.offset.reset", "error", "a gap in the topic must be reported; any other value jumps over it silently"},
    {"enable.partition.eof", "true", "the end of each partition is how --until-end and the lag are known"},
    {"isolation.level", "read_committed", "records of aborted transactions must never be archived"},
    {"check.crcs", "true", "what is archived for ever must be what the broker sent"},
    {"transactional.id", NULL, "it is derived from the store and the partition, so that a restart fences its predecessor"},
    {"enable.idempotence", "true", "a retry would double and reorder outputs"},
    {"acks", "all", "an output position may move only over outputs that all replicas have"},
    {"request.required.acks", "all", "an output position may move only over outputs that all replicas have"},
    {"delivery.report.only.error", "false", "the output position moves by the delivery reports of what succeeded"},
    {"test.mock.num.brokers", NULL, "\"brokers\": \"local\" starts the mock cluster"},
    {"test.mock.broker.rtt", NULL, "it is for \"brokers\": \"local\", which has no network"},
};

static const char *const secrets[] = {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"};

static const struct owned *find_owned(const char *name)
{
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (!strcmp(owned[i].name, name))
            return &owned[i];
    return NULL;
}

static bool is_secret(const char *name)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (!strcmp(secrets[i], name))
            return true;
    return false;
}

/* librdkafka takes text: numbers and booleans are written as it reads them. A new reference; NULL: no scalar. */
static json_t *property_text(json_t *value)
{
    char *text;
    json_t *made;

    if (json_is_string(value))
        return json_incref(value);
    if (json_is_boolean(value))
        return json_string(json_is_true(value) ? "true" : "false");
    if (!json_is_number(value))
        return NULL;
    text = json_dumps(value, JSON_ENCODE_ANY);
    made = json_string(text);
    free(text);
    return made;
}

static bool is_env(json_t *value)
{
    const char *env = json_string_value(json_object_get(value, "env"));

    return env && json_object_size(value) == 1 && strlen(env) <= 200 && lam_pattern_match("^[A-Za-z_][A-Za-z0-9_]*$", env);
}

static json_t *check_property(struct lam_checker *checker, const char *name, json_t *value, const char *pointer)
{
    const struct owned *own = find_owned(name);
    json_t *text = property_text(value);
    bool same = own && own->allowed && text && !strcmp(json_string_value(text), own->allowed);

    if (own && !same) {
        lam_problem_add(checker, pointer, "the engine sets this property itself: %s", own->reason);
        goto refuse;
    }
    if (text && is_secret(name)) {
        lam_problem_add(checker, pointer, "a secret may not stand in a job file; name the environment variable that holds it: {\"env\": \"KAFKA_SECRET\"}");
        goto refuse;
    }
    if (text)
        return text;
    if (is_env(value))
        return json_incref(value);
    lam_problem_expected(checker, pointer, value, "a string, a number, true, false, or {\"env\": \"NAME\"}");
refuse:
    json_decref(text);
    return NULL;
}

json_t *lam_kafka_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *made, *member;
    const char *name;

    (void)field;
    if (!json_is_object(value) || json_object_size(value) > KAFKA_MAX) {
        lam_problem_expected(checker, pointer, value, "an object with at most %d properties of librdkafka", KAFKA_MAX);
        return NULL;
    }
    made = json_object();
    json_object_foreach(value, name, member) {
        char below[LAM_POINTER_MAX];
        json_t *checked;

        lam_pointer_join(below, pointer, name);
        checked = check_property(checker, name, member, below);
        if (checked && !find_owned(name)) /* one that says what the engine does anyway is nothing to pass on */
            lam_json_put(checker, made, name, checked);
        else
            json_decref(checked);
    }
    return made;
}

json_t *lam_kafka_schema(const struct lam_field *field)
{
    json_t *env = json_pack("{s:s, s:{s:{s:s, s:s}}, s:[s], s:b}", "type", "object", "properties", "env", "type", "string", "pattern",
                            "^[A-Za-z_][A-Za-z0-9_]*$", "required", "env", "additionalProperties", 0);
    json_t *known = json_object();

    (void)field;
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (!owned[i].allowed)
            json_object_set_new(known, owned[i].name, json_pack("{s:{}, s:s+}", "not", "description", "Not allowed: ", owned[i].reason));
        else if (!strcmp(owned[i].allowed, "true") || !strcmp(owned[i].allowed, "false"))
            json_object_set_new(known, owned[i].name,
                                json_pack("{s:[s,b], s:s}", "enum", owned[i].allowed, !strcmp(owned[i].allowed, "true"), "description", owned[i].reason));
        else
            json_object_set_new(known, owned[i].name, json_pack("{s:s, s:s}", "const", owned[i].allowed, "description", owned[i].reason));
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        json_object_set(known, secrets[i], env);
    return json_pack("{s:s, s:i, s:o, s:{s:[{s:[s,s,s]}, o]}}", "type", "object", "maxProperties", KAFKA_MAX, "properties", known,
                     "additionalProperties", "anyOf", "type", "string", "number", "boolean", env);
}

json_t *lam_labels_check(struct lam_checker *checker, const struct lam_field *field, json_t *value, const char *pointer)
{
    json_t *description;
    const char *name;
    uint32_t before = checker->problems->total;

    if (!json_is_object(value) || (double)json_object_size(value) < field->min || (double)json_object_size(value) > field->max) {
        lam_problem_expected(checker, pointer, value, "an object of %g to %g labels, each with words that describe it", field->min, field->max);
        return NULL;
    }
    json_object_foreach(value, name, description) {
        char below[LAM_POINTER_MAX];

        lam_pointer_join(below, pointer, name);
        if (strlen(name) > LABEL_MAX || !lam_pattern_match("^[^\001-\037\177]+$", name))
            lam_problem_add(checker, below, "a label's name has 1 to %d bytes, none of them a control character", LABEL_MAX);
        if (!json_is_string(description) || json_string_length(description) > DESCRIPTION_MAX)
            lam_problem_expected(checker, below, description, "text that describes the label, of at most %d bytes", DESCRIPTION_MAX);
    }
    return checker->problems->total == before ? json_incref(value) : NULL;
}

json_t *lam_labels_schema(const struct lam_field *field)
{
    return json_pack("{s:s, s:i, s:i, s:{s:s, s:i, s:i}, s:{s:s, s:i}}", "type", "object", "minProperties", (int)field->min, "maxProperties",
                     (int)field->max, "propertyNames", "pattern", "^[^\001-\037\177]+$", "minLength", 1, "maxLength", LABEL_MAX,
                     "additionalProperties", "type", "string", "maxLength", DESCRIPTION_MAX);
}
