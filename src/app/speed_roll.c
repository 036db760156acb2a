/* Chunks of the tail to bronze, speed and quarantine segments, and what rank 0 has to know of them. */
#include "speed_parts.h"

#include "store/bronze.h"
#include "store/rejects.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static int set_ranges(struct lam_segment_entry *entry, const struct lam_speed_setup *setup, const struct lam_tail_range *ranges, size_t count, struct lam_error *err)
{
    int rc = 0;

    entry->source = setup->source;
    entry->life = setup->life;
    memcpy(entry->run, setup->run, LAM_RUN_ID);
    for (size_t i = 0; !rc && i < count; i++)
        rc = lam_segment_entry_add_offsets(entry, ranges[i].partition, ranges[i].begin, ranges[i].end, err);
    return rc;
}

static int write_bronze(const struct lam_target *target, const struct lam_tail_chunk *chunk, struct lam_segment_entry *entry, struct lam_error *err)
{
    size_t count;
    const struct lam_tail_message *messages = lam_tail_chunk_messages(chunk, &count);
    struct lam_bronze_row *rows = calloc(count + 1, sizeof *rows);
    int rc;

    if (!rows)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for bronze");
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct lam_bronze_row){.pos = messages[i].pos, .arrival_us = messages[i].arrival_us, .timestamp_us = messages[i].timestamp_us,
                                          .has_key = messages[i].has_key, .has_raw = messages[i].has_raw, .key = messages[i].key, .raw = messages[i].raw,
                                          .headers = messages[i].headers};
    rc = lam_bronze_write(target, rows, count, entry, err);
    free(rows);
    return rc;
}

static int write_kind(struct lam_engine *engine, struct lam_namer *namer, enum lam_segment_kind kind, struct lam_tail_chunk *chunk, struct lam_segment_entry *entry,
                      struct lam_error *err)
{
    struct lam_block *block = lam_tail_chunk_block(chunk);
    char path[LAM_SEGMENT_PATH];
    struct lam_target target = {engine->fs, engine->job->store.path, path, kind};
    int rc = lam_namer_next(namer, kind, path, err);

    if (rc)
        return rc;
    if (kind == LAM_SEGMENT_BRONZE_STREAM)
        return write_bronze(&target, chunk, entry, err);
    if (kind == LAM_SEGMENT_SPEED)
        return lam_rows_write(&target, &block, 1, engine->job->tasks.dim, true, entry, NULL, err);
    return lam_rejects_write(&target, &block, 1, entry, err);
}

static int write_note(uint64_t roll, const struct lam_segment_entry *entries, size_t count, const struct lam_tail_chunk *chunk, struct lam_buf *note, struct lam_error *err)
{
    size_t range_count;
    const struct lam_tail_range *ranges = lam_tail_chunk_ranges(chunk, &range_count);
    int rc = lam_buf_addf(note, err, "{\"roll\":%" PRIu64 ",\"entries\":[", roll);

    for (size_t i = 0; !rc && i < count; i++)
        if (!(rc = i ? lam_buf_add(note, ",", 1, err) : 0))
            rc = lam_segment_entry_write(&entries[i], note, err);
    if (!rc)
        rc = lam_buf_addf(note, err, "],\"archive\":[");
    for (size_t i = 0; !rc && i < range_count; i++) {
        const struct lam_tail_message *last = &ranges[i].last;

        rc = lam_buf_addf(note, err, "%s[%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRIu32 "]", i ? "," : "", ranges[i].partition, ranges[i].end, last->pos.offset,
                          last->timestamp_us == LAM_TIME_NONE ? -1 : last->timestamp_us / 1000, lam_witness_crc(last->key, last->raw));
    }
    return rc ? rc : lam_buf_addf(note, err, "]}");
}

int lam_speed_roll(struct lam_engine *engine, const struct lam_speed_setup *setup, struct lam_namer *namer, uint64_t roll, struct lam_tail_chunk *chunk,
                   struct lam_buf *note, struct lam_error *err)
{
    struct lam_block *block = lam_tail_chunk_block(chunk);
    const enum lam_segment_kind kinds[] = {LAM_SEGMENT_BRONZE_STREAM, LAM_SEGMENT_SPEED, LAM_SEGMENT_QUARANTINE};
    struct lam_segment_entry entries[3];
    const struct lam_tail_range *ranges;
    size_t count = 0, range_count;
    int rc = 0;

    for (size_t i = 0; i < 3; i++)
        lam_segment_entry_init(&entries[i]);
    ranges = lam_tail_chunk_ranges(chunk, &range_count);
    for (size_t i = 0; !rc && i < 3; i++) {
        if ((kinds[i] == LAM_SEGMENT_SPEED && !lam_block_rows(block)) || (kinds[i] == LAM_SEGMENT_QUARANTINE && !lam_block_rejects(block)))
            continue;
        if (!(rc = write_kind(engine, namer, kinds[i], chunk, &entries[count], err)))
            rc = set_ranges(&entries[count], setup, ranges, range_count, err);
        count++;
    }
    if (!rc)
        rc = write_note(roll, entries, count, chunk, note, err);
    for (size_t i = 0; i < 3; i++)
        lam_segment_entry_release(&entries[i]);
    return rc ? LAM_PASS(err, rc, "roll the tail") : 0;
}

/* --- the setup on the wire --- */

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
    int rc = lam_buf_addf(json, err, "{\"run\":\"%s\",\"source\":%" PRIu32 ",\"life\":%" PRIu32 ",\"other_analysis\":%s,\"brokers\":", setup->run, setup->source, setup->life,
                          setup->other_analysis ? "true" : "false");

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
