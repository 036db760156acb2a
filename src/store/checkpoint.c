/*
 * A checkpoint, to the byte. All integers little-endian, nothing aligned; text = u32 length, bytes (no NUL); maybe(x) = u8 0, or u8 1 and x.
 *
 *     header, 64 bytes
 *       0  "LAMCKPT\n"
 *       8  u32 format (1)
 *      12  u32 crc32c of the header's bytes 16 to 63
 *      16  u64 number of the last commit in it
 *      24  u64 log_from
 *      32  u64 bytes of the body
 *      40  u32 crc32c of the body
 *      44  20 bytes of zero
 *
 *     body
 *       i64 time   u64 voids
 *       u32 samples  { u64 first  i64 time }
 *       3 times (batch, speed, upkeep): u64 term  maybe(host text, boot text, job text, run text, u64 pid, u64 started, u64 pid_namespace)
 *       maybe(identity text, analysis text, rest text, u64 commit)                                                the job
 *       u32 sources  { name text
 *           u32 lives  { name text  u64 commit  i64 opened  horizon text  8 × i64 counts
 *               u32 partitions  { u32 partition  u64 next  maybe(u64 offset, i64 timestamp, u32 crc32c) }
 *               maybe(cursor text) } }
 *       u32 models  { name, kind, path, info text  u64 commit }
 *       u64 view  u64 commit  i64 time  run text  u32 range_bits
 *       u32 cutoff sources  { u32 source  u32 life  u8 stream  u32 partitions  { u32 partition  u64 next } }
 *       horizon text  u64 commit
 *       u64 live segments  { entry  maybe(entry of its mask)  u64 added  u64 touched }                            sorted by path
 *
 *     entry
 *       path text  u8 kind  u32 layout  u64 rows  u64 bytes  u64 min_hash  u64 max_hash  i64 min_time  i64 max_time
 *       u32 source  u32 life  u32 range_bits  u32 range  u64 view  u32 dim  run text  masked text
 *       u32 datasets  { u64 offset  u64 len  u32 crc32c }
 *       u32 offsets   { u32 partition  u64 begin  u64 end }
 *       maybe(splits text)
 *
 * Counts: read, live, superseded, deleted, quarantined, filtered, pending, unavailable. Totals are their sums and not stored.
 */
#include "checkpoint.h"

#include <assert.h>
#include <endian.h>

#include "checkpoint_bytes.h"

/* The first failure is kept, so that a structure is written as a plain sequence. */
struct out {
    struct lam_buf *buf;
    struct lam_error *err;
    int rc;
};

static void put(struct out *out, const void *bytes, size_t len)
{
    if (!out->rc)
        out->rc = lam_buf_add(out->buf, bytes, len, out->err);
}

static void put_u8(struct out *out, uint8_t value) { put(out, &value, sizeof value); }

static void put_u32(struct out *out, uint32_t value)
{
    value = htole32(value);
    put(out, &value, sizeof value);
}

static void put_u64(struct out *out, uint64_t value)
{
    value = htole64(value);
    put(out, &value, sizeof value);
}

static void put_i64(struct out *out, int64_t value) { put_u64(out, (uint64_t)value); }

static void put_bytes(struct out *out, const void *bytes, uint32_t len)
{
    put_u32(out, len);
    put(out, bytes, len);
}

static void put_text(struct out *out, const char *text) { put_bytes(out, text, (uint32_t)strlen(text)); }

static void put_maybe_text(struct out *out, const char *text)
{
    put_u8(out, text != NULL);
    if (text)
        put_text(out, text);
}

static void put_entry(struct out *out, const struct lam_segment_entry *entry)
{
    put_text(out, entry->path);
    put_u8(out, entry->kind);
    put_u32(out, entry->layout);
    put_u64(out, entry->rows);
    put_u64(out, entry->bytes);
    put_u64(out, entry->min_hash);
    put_u64(out, entry->max_hash);
    put_i64(out, entry->min_time_us);
    put_i64(out, entry->max_time_us);
    put_u32(out, entry->source);
    put_u32(out, entry->life);
    put_u32(out, entry->range_bits);
    put_u32(out, entry->range);
    put_u64(out, entry->view);
    put_u32(out, entry->dim);
    put_text(out, entry->run);
    put_text(out, entry->masked);
    put_u32(out, entry->dataset_count);
    for (uint32_t i = 0; i < entry->dataset_count; i++) {
        put_u64(out, entry->datasets[i].offset);
        put_u64(out, entry->datasets[i].len);
        put_u32(out, entry->datasets[i].crc32c);
    }
    put_u32(out, entry->offset_count);
    for (uint32_t i = 0; i < entry->offset_count; i++) {
        put_u32(out, entry->offsets[i].partition);
        put_u64(out, entry->offsets[i].begin);
        put_u64(out, entry->offsets[i].end);
    }
    put_maybe_text(out, entry->splits);
}

static void put_terms(struct out *out, const struct lam_state *state)
{
    for (int layer = 0; layer < LAM_TERMS; layer++) {
        const struct lam_state_term *term = &state->terms[layer];

        put_u64(out, term->number);
        put_u8(out, term->number != 0);
        if (!term->number)
            continue;
        put_text(out, term->holder.host);
        put_text(out, term->holder.boot);
        put_text(out, term->holder.job);
        put_text(out, term->holder.run);
        put_u64(out, term->holder.pid);
        put_u64(out, term->holder.started);
        put_u64(out, term->holder.pid_namespace);
    }
}

static void put_life(struct out *out, const struct lam_state_life *life)
{
    const struct lam_counts *c = &life->counts;
    const int64_t counts[] = {c->read, c->live, c->superseded, c->deleted, c->quarantined, c->filtered, c->pending, c->unavailable};

    put_text(out, life->name);
    put_u64(out, life->commit);
    put_i64(out, life->opened_us);
    put_bytes(out, life->horizon, life->horizon_len);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        put_i64(out, counts[i]);
    put_u32(out, life->partition_count);
    for (uint32_t i = 0; i < life->partition_count; i++) {
        const struct lam_archived *at = &life->partitions[i];

        put_u32(out, at->partition);
        put_u64(out, at->next);
        put_u8(out, at->has_witness);
        if (!at->has_witness)
            continue;
        put_u64(out, at->witness.offset);
        put_i64(out, at->witness.timestamp_ms);
        put_u32(out, at->witness.crc32c);
    }
    put_maybe_text(out, life->cursor);
}

static void put_view(struct out *out, const struct lam_state_view *view)
{
    put_u64(out, view->number);
    put_u64(out, view->commit);
    put_i64(out, view->time_us);
    put_text(out, view->run);
    put_u32(out, view->range_bits);
    put_u32(out, view->cutoff.count);
    for (uint32_t i = 0; i < view->cutoff.count; i++) {
        const struct lam_cutoff_source *source = &view->cutoff.sources[i];

        put_u32(out, source->source);
        put_u32(out, source->life);
        put_u8(out, source->stream);
        put_u32(out, source->count);
        for (uint32_t p = 0; p < source->count; p++) {
            put_u32(out, source->partitions[p].partition);
            put_u64(out, source->partitions[p].next);
        }
    }
}

static void put_body(struct out *out, const struct lam_state *state)
{
    put_i64(out, state->time_us);
    put_u64(out, state->voids);
    put_u32(out, (uint32_t)state->sample_count);
    for (size_t i = 0; i < state->sample_count; i++) {
        put_u64(out, state->samples[i].first);
        put_i64(out, state->samples[i].time_us);
    }
    put_terms(out, state);
    put_u8(out, state->job.identity != NULL);
    if (state->job.identity) {
        put_text(out, state->job.identity);
        put_text(out, state->job.analysis);
        put_text(out, state->job.rest);
        put_u64(out, state->job.commit);
    }
    put_u32(out, state->source_count);
    for (uint32_t i = 0; i < state->source_count; i++) {
        put_text(out, state->sources[i].name);
        put_u32(out, state->sources[i].life_count);
        for (uint32_t k = 0; k < state->sources[i].life_count; k++)
            put_life(out, state->sources[i].lives[k]);
    }
    put_u32(out, state->model_count);
    for (uint32_t i = 0; i < state->model_count; i++) {
        put_text(out, state->models[i].name);
        put_text(out, state->models[i].kind);
        put_text(out, state->models[i].path);
        put_text(out, state->models[i].info);
        put_u64(out, state->models[i].commit);
    }
    put_view(out, &state->view);
    put_bytes(out, state->horizon, state->horizon_len);
    put_u64(out, state->horizon_commit);
    put_u64(out, state->segment_count);
    for (size_t i = 0; i < state->segment_count; i++) {
        const struct lam_state_segment *segment = &state->segments[i];

        put_entry(out, segment->entry);
        put_u8(out, segment->mask != NULL);
        if (segment->mask)
            put_entry(out, segment->mask);
        put_u64(out, segment->added);
        put_u64(out, segment->touched);
    }
}

int lam_checkpoint_write(const struct lam_state *state, struct lam_buf *buf, struct lam_error *err)
{
    static const char zero[LAM_CHECKPOINT_HEADER];
    struct out out = {buf, err, 0};
    size_t start = buf->len, body;
    uint32_t word;
    uint64_t words[3];
    char *head;

    assert(state->number % LAM_CHECKPOINT_EVERY == 0);
    put(&out, zero, sizeof zero);
    put_body(&out, state);
    if (out.rc) {
        buf->len = start;
        return LAM_PASS(err, out.rc, "checkpoint of commit %llu", (unsigned long long)state->number);
    }
    head = buf->ptr + start;
    body = buf->len - start - LAM_CHECKPOINT_HEADER;
    words[0] = htole64(state->number);
    words[1] = htole64(state->log_from);
    words[2] = htole64(body);
    memcpy(head + LAM_HEAD_NUMBER, words, sizeof words);
    word = htole32(lam_crc32c(0, head + LAM_CHECKPOINT_HEADER, body));
    memcpy(head + LAM_HEAD_BODY_CRC, &word, sizeof word);
    memcpy(head, LAM_CHECKPOINT_MAGIC, 8);
    word = htole32(LAM_CHECKPOINT_FORMAT);
    memcpy(head + LAM_HEAD_FORMAT, &word, sizeof word);
    word = htole32(lam_crc32c(0, head + LAM_HEAD_NUMBER, LAM_CHECKPOINT_HEADER - LAM_HEAD_NUMBER));
    memcpy(head + LAM_HEAD_CRC, &word, sizeof word);
    return 0;
}
