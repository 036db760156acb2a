/* The setup of a speed run on its way to the ranks, and what it takes from the job. */
#include "speed_parts.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* [partition,archive,output,held…] */
static int write_start(const struct lam_speed_start *start, bool first, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, "%s[%" PRIu32 ",%" PRId64 ",%" PRId64, first ? "" : ",", start->partition, start->archive, start->output);

    for (size_t i = 0; !rc && i < start->held_count; i++)
        rc = lam_buf_addf(json, err, ",%" PRId64, start->held[i]);
    return rc ? rc : lam_buf_add(json, "]", 1, err);
}

static bool read_start(const json_t *item, struct lam_speed_start *start)
{
    size_t size = json_array_size(item), held = size > 3 ? size - 3 : 0;

    *start = (struct lam_speed_start){.partition = (uint32_t)json_integer_value(json_array_get(item, 0)), .archive = json_integer_value(json_array_get(item, 1)),
                                      .output = json_integer_value(json_array_get(item, 2))};
    if (held && !(start->held = calloc(held, sizeof *start->held)))
        return false;
    for (size_t i = 0; i < held; i++)
        start->held[i] = json_integer_value(json_array_get(item, 3 + i));
    start->held_count = held;
    return true;
}

int lam_speed_setup_write(const struct lam_speed_setup *setup, struct lam_buf *json, struct lam_error *err)
{
    int rc = lam_buf_addf(json, err, "{\"run\":\"%s\",\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"other_analysis\":%s,\"brokers\":", setup->run,
                          setup->source, setup->life, setup->other_analysis ? "true" : "false");

    if (!rc)
        rc = lam_buf_add_json(json, lam_sv_of(setup->brokers), err);
    if (!rc)
        rc = lam_buf_addf(json, err, ",\"starts\":[");
    for (size_t i = 0; !rc && i < setup->start_count; i++)
        rc = write_start(&setup->starts[i], i == 0, json, err);
    return rc ? rc : lam_buf_addf(json, err, "]}");
}

int lam_speed_setup_read(struct lam_sv json, struct lam_speed_setup *setup, struct lam_error *err)
{
    json_t *object = json_loadb(json.ptr, json.len, 0, NULL);
    const json_t *starts = json_object_get(object, "starts");
    const char *run = json_string_value(json_object_get(object, "run")), *brokers = json_string_value(json_object_get(object, "brokers"));
    bool ok = run && lam_id_valid(run) && brokers && strlen(brokers) < sizeof setup->brokers && json_array_size(starts) <= LAM_SPEED_PARTITIONS_MAX;

    *setup = (struct lam_speed_setup){0};
    if (ok && (setup->starts = calloc(json_array_size(starts) + 1, sizeof *setup->starts))) {
        memcpy(setup->run, run, LAM_RUN_ID);
        memcpy(setup->brokers, brokers, strlen(brokers) + 1);
        setup->source = (uint32_t)json_integer_value(json_object_get(object, "source"));
        setup->life = (uint32_t)json_integer_value(json_object_get(object, "life"));
        setup->other_analysis = json_is_true(json_object_get(object, "other_analysis"));
        setup->start_count = json_array_size(starts);
        for (size_t i = 0; ok && i < setup->start_count; i++)
            ok = read_start(json_array_get(starts, i), &setup->starts[i]);
    }
    json_decref(object);
    return ok && setup->starts ? 0 : LAM_FAIL(err, LAM_E_CORRUPT, "rank 0's word to consume is none");
}

void lam_speed_setup_release(struct lam_speed_setup *setup)
{
    for (size_t i = 0; setup->starts && i < setup->start_count; i++)
        free(setup->starts[i].held);
    free(setup->starts);
    setup->starts = NULL;
    setup->start_count = 0;
}

int lam_speed_props(const struct lam_job *job, struct lam_kafka_prop **props, size_t *count, struct lam_error *err)
{
    const struct lam_job_stream *stream = job->stream;

    *count = stream->kafka_count;
    if (!(*props = calloc(stream->kafka_count + 1, sizeof **props)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for properties");
    for (size_t i = 0; i < stream->kafka_count; i++) {
        const char *value = stream->kafka[i].env ? getenv(stream->kafka[i].env) : stream->kafka[i].value;

        if (!value) {
            free(*props);
            *props = NULL;
            return LAM_FAIL(err, LAM_E_INVALID, "stream.kafka.%s: the environment variable %s is not set", stream->kafka[i].name, stream->kafka[i].env);
        }
        (*props)[i] = (struct lam_kafka_prop){stream->kafka[i].name, value};
    }
    return 0;
}
