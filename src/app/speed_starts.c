/*
 * Where consuming starts: the archive position stands in the log, the output position with the group, in Kafka. The second may be ahead of the first, and then
 * what lies between is archived without being answered again. But a group's offset outlives its topic: it is believed only where the record that it was left
 * at, whose timestamp and crc stand beside it, is still there. Beside it stand too the outputs below that waited for agents, and are owed (speed_position.h).
 */
#include "speed_coordinator.h"
#include "speed_position.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What the group keeps of each partition. */
struct outputs {
    struct lam_kafka_offset *offsets;
    char (*notes)[LAM_KAFKA_NOTE];
    struct lam_kafka_witness *witnesses;
};

/*
 * A partition that nobody has answered from gets its output position before anything of it is consumed: a process that dies with records archived and their
 * outputs on the way leaves where these are owed from.
 */
static int owe_outputs(struct lam_kafka *kafka, const struct lam_speed_start *starts, uint32_t count, struct lam_error *err)
{
    struct lam_kafka_offset *offsets = calloc(count + 1, sizeof *offsets);
    size_t fresh = 0;
    int rc = 0;

    if (!offsets)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for partitions");
    for (uint32_t i = 0; i < count; i++)
        if (starts[i].output == LAM_KAFKA_NO_OFFSET)
            offsets[fresh++] = (struct lam_kafka_offset){starts[i].partition, starts[i].archive};
    if (fresh)
        rc = lam_kafka_commit(kafka, offsets, NULL, fresh, err);
    free(offsets);
    return rc;
}

/* Believes the output positions that are ahead of the archive, or forgets them. */
static int judge_ahead(struct lam_engine *engine, struct lam_kafka *kafka, struct lam_speed_start *starts, uint32_t count, struct outputs *outputs, struct lam_error *err)
{
    size_t asked = 0, at = 0;
    struct lam_speed_note note;
    int rc;

    for (uint32_t i = 0; i < count; i++)
        if (starts[i].output > starts[i].archive && lam_speed_note_read(outputs->notes[i], &note))
            outputs->witnesses[asked++] = (struct lam_kafka_witness){.partition = i, .offset = note.offset};
    if (asked && (rc = lam_kafka_witnesses(kafka, outputs->witnesses, asked, err)))
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        const struct lam_kafka_witness *witness = &outputs->witnesses[at];
        bool believed = false;

        if (starts[i].output <= starts[i].archive)
            continue;
        if (lam_speed_note_read(outputs->notes[i], &note)) {
            believed = witness->state == LAM_WITNESS_FOUND && witness->crc == note.crc &&
                       (witness->timestamp_us == LAM_TIME_NONE ? -1 : witness->timestamp_us / 1000) == note.timestamp_ms;
            at++;
        }
        if (believed)
            continue;
        lam_log_warn(&engine->log, "speed", "partition %" PRIu32 ": the output position %" PRId64 " is not of this topic as it is now: outputs are owed from %" PRId64 " on", i,
                     starts[i].output, starts[i].archive);
        starts[i].output = LAM_KAFKA_NO_OFFSET;
    }
    return 0;
}

/* What the topic does not hold any more cannot be answered. */
static int forget_gone(struct lam_engine *engine, struct lam_kafka *kafka, struct lam_speed_start *start, struct lam_error *err)
{
    int64_t low, high;
    size_t gone = 0;
    int rc = lam_kafka_watermarks(kafka, start->partition, &low, &high, err);

    while (!rc && gone < start->held_count && start->held[gone] < low)
        gone++;
    if (!gone)
        return rc;
    lam_log_warn(&engine->log, "speed", "partition %" PRIu32 ": %zu records whose outputs waited for an agent are gone from the topic: their outputs are not sent",
                 start->partition, gone);
    start->held_count -= gone;
    memmove(start->held, start->held + gone, start->held_count * sizeof *start->held);
    return 0;
}

/* What is owed below the output positions that are believed. */
static int read_held(struct lam_engine *engine, struct lam_kafka *kafka, struct lam_speed_start *starts, uint32_t count, const struct outputs *outputs, struct lam_error *err)
{
    int rc = 0;

    for (uint32_t i = 0; !rc && i < count; i++)
        if (starts[i].output != LAM_KAFKA_NO_OFFSET &&
            !(rc = lam_speed_note_held(outputs->notes[i], starts[i].output, &starts[i].held, &starts[i].held_count, err)) && starts[i].held_count)
            rc = forget_gone(engine, kafka, &starts[i], err);
    return rc;
}

static int find_starts(struct lam_engine *engine, struct lam_speed_begun *begun, uint32_t partitions, struct lam_kafka *kafka, struct outputs *outputs, struct lam_error *err)
{
    const struct lam_state *state = lam_commitlog_peek(engine->commits);
    struct lam_speed_start *starts = begun->setup.starts;
    int rc = 0;

    for (uint32_t i = 0; i < partitions; i++)
        outputs->offsets[i] = (struct lam_kafka_offset){i, LAM_KAFKA_NO_OFFSET};
    if (kafka)
        rc = lam_kafka_committed(kafka, outputs->offsets, outputs->notes, partitions, err);
    for (uint32_t i = 0; !rc && i < partitions; i++) {
        const struct lam_archived *archived = lam_state_archived(state, begun->setup.source, begun->setup.life, i);
        int64_t low = 0, high = 0;

        if (!archived && kafka)
            rc = lam_kafka_watermarks(kafka, i, &low, &high, err);
        starts[i] = (struct lam_speed_start){.partition = i, .archive = archived ? (int64_t)archived->next : low, .output = outputs->offsets[i].offset};
        if (!archived && starts[i].output <= low) /* older than anything there is, or of another topic: nothing was answered */
            starts[i].output = LAM_KAFKA_NO_OFFSET;
    }
    if (!rc && kafka && !(rc = judge_ahead(engine, kafka, starts, partitions, outputs, err)) && !(rc = read_held(engine, kafka, starts, partitions, outputs, err)))
        rc = owe_outputs(kafka, starts, partitions, err);
    return rc;
}

int lam_speed_find_starts(struct lam_engine *engine, struct lam_speed_begun *begun, uint32_t partitions, struct lam_kafka *kafka, struct lam_error *err)
{
    struct outputs outputs = {calloc(partitions + 1, sizeof *outputs.offsets), calloc(partitions + 1, sizeof *outputs.notes),
                              calloc(partitions + 1, sizeof *outputs.witnesses)};
    int rc;

    begun->setup.starts = calloc(partitions + 1, sizeof *begun->setup.starts);
    begun->setup.start_count = partitions;
    if (!outputs.offsets || !outputs.notes || !outputs.witnesses || !begun->setup.starts)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for partitions");
    else
        rc = find_starts(engine, begun, partitions, kafka, &outputs, err);
    free(outputs.offsets);
    free(outputs.notes);
    free(outputs.witnesses);
    return rc;
}
