/* Chunks of the tail to bronze, speed and quarantine segments, and what rank 0 has to know of them. */
#include "speed_parts.h"

#include "store/bronze.h"
#include "store/rejects.h"

#include <inttypes.h>
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

static int write_note(uint64_t roll, const struct lam_segment_entry *entries, size_t count, const struct lam_tail_chunk *chunk, struct lam_buf *note,
                      struct lam_error *err)
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

        rc = lam_buf_addf(note, err, "%s[%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRIu32 "]", i ? "," : "", ranges[i].partition, ranges[i].end,
                          last->pos.offset, last->timestamp_us == LAM_TIME_NONE ? -1 : last->timestamp_us / 1000, lam_witness_crc(last->key, last->raw));
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
