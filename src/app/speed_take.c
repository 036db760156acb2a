/* The speed thread's work on one batch of messages: refine, answer, send what is due, append to the tail. */
#include "speed_thread_own.h"

#include "model/order.h"
#include "process/refine.h"

static int refine(struct lam_speed_thread *t, const struct lam_kafka_event *event, bool archived, size_t *count)
{
    const struct lam_engine *engine = t->engine;
    struct lam_refiner *refiner = lam_tools_refiner(t->tools);
    struct lam_block *block = archived ? t->again : t->fresh;
    size_t rows = lam_block_rows(block);
    char place[LAM_PLACE_MAX];
    struct lam_raw raw = {.pos = {.source = t->setup->source, .life = t->setup->life, .offset = (uint64_t)event->offset}, .arrival_us = lam_wall_us(engine->clock),
                          .mtime_us = LAM_TIME_NONE, .message_us = event->timestamp_us, .bytes = event->value, .has_key = event->has_key,
                          .null_value = event->null_value, .key = event->key};
    int rc;

    lam_position_set_partition(&raw.pos, event->partition);
    lam_raw_of_message(&raw, lam_engine_extract(engine, engine->job->source_count), engine->job->stream->topic, place);
    if ((rc = lam_refiner_add(refiner, &raw, block, &t->err)))
        return rc;
    if (lam_block_rows(block) > rows) {
        struct lam_record *rec = &lam_block_row(block, rows)->rec;

        if (t->setup->other_analysis)
            rec->flags |= LAM_ROW_OTHER_ANALYSIS;
        if (rec->op != LAM_OP_DELETE && lam_rule_holds(engine->job->stream->analyze_when, lam_refiner_json(refiner), rec))
            rec->flags |= LAM_ROW_ESCALATED;
        (archived ? t->wants_again : t->wants)[rows] = lam_speed_agents_asks(t->agents, rec, lam_refiner_json(refiner));
    }
    if (!archived)
        t->messages[(*count)++] = (struct lam_tail_message){.pos = raw.pos, .arrival_us = raw.arrival_us, .timestamp_us = event->timestamp_us, .has_key = event->has_key,
                                                            .has_raw = !event->null_value, .key = event->key, .raw = event->value, .headers = event->headers};
    return 0;
}

/* Is the output of this offset due? A run before may have delivered it and died before the archive was there. */
static bool is_due_at(const struct lam_speed_start *start, int64_t offset)
{
    size_t i = 0;

    while (i < start->held_count && start->held[i] != offset)
        i++;
    return i < start->held_count || start->output < 0 || offset >= start->output;
}

static bool is_due(const struct lam_speed_thread *t, const struct lam_record *rec)
{
    size_t p = lam_speed_start_of(t, lam_position_partition(&rec->pos));

    return p == t->setup->start_count || is_due_at(&t->setup->starts[p], (int64_t)rec->pos.offset);
}

/* Its agent's word is owed, and with it its output where that is due. */
static int owe_agent(struct lam_speed_thread *t, struct lam_block *block, size_t i, bool due)
{
    t->owes[i] = block == t->fresh;
    return t->owes[i] || due ? lam_speed_agents_owe(t->agents, block, i, due, &t->err) : 0;
}

static int answer(struct lam_speed_thread *t, struct lam_block *block)
{
    const bool *wants = block == t->fresh ? t->wants : t->wants_again;
    int rc = lam_tools_follow(t->tools, &t->err);

    if (!rc)
        rc = lam_refiner_analyze(lam_tools_refiner(t->tools), block, 0, &t->err);
    for (size_t i = 0; !rc && i < lam_block_rows(block); i++) {
        struct lam_row *row = lam_block_row(block, i);

        if (row->rec.flags & LAM_ROW_ESCALATED) /* the deep analyzer is the built-in one as well: it has just answered */
            row->enr.depth = LAM_DEPTH_DEEP;
        bool due = is_due(t, &row->rec);

        t->owes[i] = false;
        t->answered_before += !due;
        if (wants[i] && !(row->rec.flags & LAM_ROW_NO_TEXT))
            rc = owe_agent(t, block, i, due);
        else if (due)
            rc = lam_speed_sender_send(t->sender, row, &t->err);
    }
    return rc;
}

/* Into the tail; who is owed an agent there is found by place. */
static int append(struct lam_speed_thread *t, size_t count)
{
    const struct lam_tail_batch batch = {.messages = t->messages, .count = count, .block = t->fresh, .owed = t->owes, .reached = t->reached,
                                         .reached_count = t->setup->start_count, .now_us = lam_mono_us(t->engine->clock)};
    struct lam_tail_place first;
    int rc = lam_tail_append(t->tail, &batch, &first, &t->err);

    if (!rc)
        lam_speed_agents_appended(t->agents, &first);
    return rc;
}

static void measure(struct lam_speed_thread *t, size_t count)
{
    int64_t now = lam_wall_us(t->engine->clock);

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < count; i++) {
        int64_t late = t->messages[i].timestamp_us == LAM_TIME_NONE ? 0 : now - t->messages[i].timestamp_us;
        unsigned bucket = 0;

        while (bucket + 1 < LAM_SPEED_BUCKETS && late >= (int64_t)1 << bucket)
            bucket++;
        t->stats.latency[bucket]++;
    }
    t->stats.consumed += count + lam_block_rows(t->again);
    t->stats.answered += lam_block_rows(t->fresh);
    t->stats.rejected += lam_block_rejects(t->fresh);
    for (size_t i = 0; i < lam_block_rows(t->fresh); i++)
        t->stats.escalated += (lam_block_row(t->fresh, i)->rec.flags & LAM_ROW_ESCALATED) != 0;
    pthread_mutex_unlock(&t->lock);
}

/* One crc a partition and poll. */
static void note_last(struct lam_speed_thread *t, const struct lam_kafka_event *events, size_t event_count)
{
    for (size_t i = event_count; i-- > 0;) {
        size_t p = lam_speed_start_of(t, events[i].partition);

        if (events[i].kind != LAM_KAFKA_MESSAGE || p == t->setup->start_count || t->last[p].offset >= events[i].offset)
            continue;
        t->last[p] = (struct lam_speed_note){events[i].offset, events[i].timestamp_us == LAM_TIME_NONE ? -1 : events[i].timestamp_us / 1000,
                                             lam_witness_crc(events[i].key, events[i].value)};
    }
}

int lam_speed_take(struct lam_speed_thread *t, const struct lam_kafka_event *events, size_t event_count)
{
    size_t count = 0;
    int rc = 0;

    lam_block_clear(t->fresh);
    lam_block_clear(t->again);
    for (size_t i = 0; !rc && i < event_count; i++) {
        size_t p = lam_speed_start_of(t, events[i].partition);

        if (p == t->setup->start_count)
            continue;
        t->silent -= !t->heard[p];
        t->heard[p] = true;
        t->ended[p] = events[i].kind == LAM_KAFKA_EOF;
        t->reached[p].partition = events[i].partition;
        t->reached[p].end = (uint64_t)events[i].offset + (events[i].kind == LAM_KAFKA_MESSAGE);
        if (events[i].kind == LAM_KAFKA_MESSAGE && (events[i].offset >= t->setup->starts[p].archive || is_due_at(&t->setup->starts[p], events[i].offset)))
            rc = refine(t, &events[i], events[i].offset < t->setup->starts[p].archive, &count);
    }
    if (!rc && !(rc = answer(t, t->again)))
        lam_speed_agents_appended(t->agents, NULL);
    if (!rc)
        rc = answer(t, t->fresh);
    if (!rc && count)
        rc = append(t, count);
    if (!rc) {
        note_last(t, events, event_count);
        measure(t, count);
        if (count)
            lam_wake_signal(&t->engine->wake);
    }
    return rc;
}
