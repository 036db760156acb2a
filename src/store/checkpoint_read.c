/* Reading a checkpoint from hostile bytes: every length against what is left, every number against what the rest of the engine takes for granted. */
#include <endian.h>
#include <stdlib.h>

#include "base/utf8.h"

#include "checkpoint.h"
#include "checkpoint_bytes.h"
#include "state_own.h"

/* A cursor over the body. After the first thing that is wrong, rc is set and everything reads as zero. */
struct in {
    const char *ptr;
    size_t left;
    struct lam_error *err;
    int rc;
};

static void damaged(struct in *in, const char *what)
{
    if (!in->rc)
        in->rc = LAM_FAIL(in->err, LAM_E_CORRUPT, "a checkpoint with damaged %s, %zu bytes before its end", what, in->left);
}

static void no_memory(struct in *in)
{
    if (!in->rc)
        in->rc = LAM_FAIL(in->err, LAM_E_MEMORY, "no memory to read a checkpoint");
}

static void get(struct in *in, void *to, size_t len)
{
    if (!in->rc && len > in->left)
        damaged(in, "length");
    if (in->rc) {
        memset(to, 0, len);
        return;
    }
    memcpy(to, in->ptr, len);
    in->ptr += len;
    in->left -= len;
}

static uint8_t get_u8(struct in *in)
{
    uint8_t value;

    get(in, &value, sizeof value);
    return value;
}

static uint32_t get_u32(struct in *in)
{
    uint32_t value;

    get(in, &value, sizeof value);
    return le32toh(value);
}

static uint64_t get_u64(struct in *in)
{
    uint64_t value;

    get(in, &value, sizeof value);
    return le64toh(value);
}

static int64_t get_i64(struct in *in) { return (int64_t)get_u64(in); }

/* Numbers that JSON can hold. */
static uint64_t get_count(struct in *in)
{
    uint64_t value = get_u64(in);

    if (value > INT64_MAX)
        damaged(in, "number");
    return in->rc ? 0 : value;
}

static bool get_flag(struct in *in)
{
    uint8_t value = get_u8(in);

    if (value > 1)
        damaged(in, "flag");
    return !in->rc && value;
}

/* A number of items, each of at least least bytes: more than fit into what is left cannot be. */
static uint32_t get_items(struct in *in, size_t least)
{
    uint32_t count = get_u32(in);

    if (!in->rc && count > in->left / least)
        damaged(in, "count");
    return in->rc ? 0 : count;
}

/* count zeroed items; NULL for none, or with rc set. */
static void *array(struct in *in, size_t count, size_t size)
{
    void *items = count && !in->rc ? calloc(count, size) : NULL;

    if (count && !in->rc && !items)
        no_memory(in);
    return items;
}

/* Owned bytes of at most max; NULL where there are none. */
static uint8_t *get_bytes(struct in *in, size_t max, uint32_t *len)
{
    uint8_t *bytes;

    *len = get_u32(in);
    if (!in->rc && (*len > in->left || *len > max))
        damaged(in, "length");
    if (in->rc)
        *len = 0;
    bytes = array(in, *len, 1);
    if (bytes)
        get(in, bytes, *len);
    return bytes;
}

/* Owned text; NULL only with rc set. */
static char *get_text(struct in *in, size_t max)
{
    uint32_t len = get_u32(in);
    char *text;

    if (!in->rc && (len > in->left || len > max))
        damaged(in, "length");
    if (in->rc || !(text = array(in, (size_t)len + 1, 1)))
        return NULL;
    get(in, text, len);
    if (memchr(text, 0, len) || lam_utf8_valid(lam_sv(text, len)) != len)
        damaged(in, "text");
    return text;
}

static char *get_maybe_text(struct in *in, size_t max) { return get_flag(in) ? get_text(in, max) : NULL; }

/* Text into an array of size bytes. */
static void get_name(struct in *in, char *to, size_t size)
{
    uint32_t len = get_u32(in);

    memset(to, 0, size);
    if (!in->rc && len >= size)
        damaged(in, "length");
    if (in->rc)
        return;
    get(in, to, len);
    if (memchr(to, 0, len) || lam_utf8_valid(lam_sv(to, len)) != len)
        damaged(in, "text");
}

static void get_entry_lists(struct in *in, struct lam_segment_entry *entry)
{
    uint32_t count = get_items(in, 20);

    if (count > LAM_ENTRY_DATASETS)
        damaged(in, "count");
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        uint64_t offset = get_u64(in), len = get_u64(in);

        entry->datasets[i] = (struct lam_dataset_entry){offset, len, get_u32(in)};
        entry->dataset_count = i + 1;
    }
    count = get_items(in, 20);
    if (count > LAM_ENTRY_OFFSETS)
        damaged(in, "count");
    entry->offsets = array(in, count, sizeof *entry->offsets);
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        uint32_t partition = get_u32(in);
        uint64_t begin = get_u64(in);

        entry->offsets[i] = (struct lam_offset_range){partition, begin, get_u64(in)};
        entry->offset_count = i + 1;
    }
    entry->splits = get_maybe_text(in, LAM_ENTRY_SPLITS);
}

/* A shared entry; NULL only with rc set. */
static struct lam_segment_entry *get_entry(struct in *in)
{
    struct lam_segment_entry *entry = array(in, 1, sizeof *entry);

    if (!entry)
        return NULL;
    entry->refs = 1;
    get_name(in, entry->path, sizeof entry->path);
    entry->kind = get_u8(in);
    entry->layout = get_u32(in);
    entry->rows = get_u64(in);
    entry->bytes = get_u64(in);
    entry->min_hash = get_u64(in);
    entry->max_hash = get_u64(in);
    entry->min_time_us = get_i64(in);
    entry->max_time_us = get_i64(in);
    entry->source = get_u32(in);
    entry->life = get_u32(in);
    entry->range_bits = get_u32(in);
    entry->range = get_u32(in);
    entry->view = get_u64(in);
    entry->dim = get_u32(in);
    get_name(in, entry->run, sizeof entry->run);
    get_name(in, entry->masked, sizeof entry->masked);
    get_entry_lists(in, entry);
    if (!in->rc && lam_segment_entry_check(entry, in->err))
        in->rc = LAM_FAIL(in->err, LAM_E_CORRUPT, "a checkpoint with an impossible entry: %.200s", entry->path);
    return entry;
}

static void get_terms(struct in *in, struct lam_state *state)
{
    for (int layer = 0; layer < LAM_TERMS; layer++) {
        struct lam_state_term *term = &state->terms[layer];

        term->number = get_count(in);
        if (get_flag(in) != (term->number != 0) || term->number > state->number)
            damaged(in, "term");
        if (in->rc || !term->number)
            continue;
        get_name(in, term->holder.host, sizeof term->holder.host);
        get_name(in, term->holder.boot, sizeof term->holder.boot);
        get_name(in, term->holder.job, sizeof term->holder.job);
        get_name(in, term->holder.run, sizeof term->holder.run);
        term->holder.pid = get_count(in);
        term->holder.started = get_count(in);
        term->holder.pid_namespace = get_count(in);
        if (!in->rc && (!lam_segment_path_valid(term->holder.run) || strchr(term->holder.run, '/')))
            damaged(in, "run"); /* it becomes a folder's name */
    }
}

static void get_job(struct in *in, struct lam_state_job *job)
{
    if (!get_flag(in))
        return;
    job->identity = get_text(in, LAM_COMMIT_TEXT);
    job->analysis = get_text(in, LAM_COMMIT_TEXT);
    job->rest = get_text(in, LAM_COMMIT_TEXT);
    job->commit = get_count(in);
    if (in->rc)
        return;
    job->identity_digest = lam_hash128(job->identity, strlen(job->identity));
    job->analysis_digest = lam_hash128(job->analysis, strlen(job->analysis));
    job->rest_digest = lam_hash128(job->rest, strlen(job->rest));
}

static void get_counts(struct in *in, struct lam_counts *counts)
{
    counts->read = get_i64(in);
    counts->live = get_i64(in);
    counts->superseded = get_i64(in);
    counts->deleted = get_i64(in);
    counts->quarantined = get_i64(in);
    counts->filtered = get_i64(in);
    counts->pending = get_i64(in);
    counts->unavailable = get_i64(in);
}

static void get_life(struct in *in, struct lam_state_life *life)
{
    uint32_t count;

    life->name = get_text(in, LAM_COMMIT_NAME);
    life->commit = get_count(in);
    life->opened_us = get_i64(in);
    life->horizon = get_bytes(in, LAM_COMMIT_VALUE, &life->horizon_len);
    get_counts(in, &life->counts);
    count = get_items(in, 13);
    if (count > LAM_ENTRY_OFFSETS)
        damaged(in, "count");
    life->partitions = array(in, count, sizeof *life->partitions);
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        struct lam_archived *at = &life->partitions[i];

        at->partition = get_u32(in);
        at->next = get_count(in);
        at->has_witness = get_flag(in);
        if (at->has_witness) {
            at->witness.offset = get_count(in);
            at->witness.timestamp_ms = get_i64(in);
            at->witness.crc32c = get_u32(in);
        }
        if (i && at->partition <= at[-1].partition)
            damaged(in, "order of partitions");
        life->partition_count = i + 1;
    }
    life->cursor = get_maybe_text(in, LAM_COMMIT_TEXT);
}

static void get_sources(struct in *in, struct lam_state *state)
{
    uint32_t count = get_items(in, 8);

    state->sources = array(in, count, sizeof *state->sources);
    state->source_cap = state->sources ? count : 0;
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        struct lam_state_source *source = &state->sources[i];
        uint32_t lives;

        state->source_count = i + 1;
        source->name = get_text(in, LAM_COMMIT_NAME);
        lives = get_items(in, 93);
        source->lives = array(in, lives, sizeof *source->lives);
        source->life_cap = source->lives ? lives : 0;
        for (uint32_t k = 0; k < lives && !in->rc; k++) {
            struct lam_state_life *life = array(in, 1, sizeof *life);

            if (!life)
                break;
            life->refs = 1;
            life->number = k + 1;
            source->lives[source->life_count++] = life;
            get_life(in, life);
            lam_counts_add(&state->totals, &life->counts);
        }
    }
}

static void get_models(struct in *in, struct lam_state *state)
{
    uint32_t count = get_items(in, 24);

    state->models = array(in, count, sizeof *state->models);
    state->model_cap = state->models ? count : 0;
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        struct lam_state_model *model = &state->models[i];

        state->model_count = i + 1;
        model->name = get_text(in, LAM_COMMIT_NAME);
        model->kind = get_text(in, LAM_COMMIT_NAME);
        model->path = get_text(in, LAM_SEGMENT_PATH - 1);
        model->info = get_text(in, LAM_COMMIT_TEXT);
        model->commit = get_count(in);
        if (!in->rc && !lam_segment_path_valid(model->path))
            damaged(in, "path");
    }
}

static void get_view(struct in *in, struct lam_state_view *view)
{
    uint32_t count;

    view->number = get_count(in);
    view->commit = get_count(in);
    view->time_us = get_i64(in);
    get_name(in, view->run, sizeof view->run);
    view->range_bits = get_u32(in);
    if (view->range_bits > LAM_RANGE_BITS_MAX)
        damaged(in, "range_bits");
    count = get_items(in, 13);
    view->cutoff.sources = array(in, count, sizeof *view->cutoff.sources);
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        struct lam_cutoff_source *source = &view->cutoff.sources[i];
        uint32_t partitions;

        view->cutoff.count = i + 1;
        source->source = get_u32(in);
        source->life = get_u32(in);
        source->stream = get_flag(in);
        partitions = get_items(in, 12);
        source->partitions = array(in, partitions, sizeof *source->partitions);
        for (uint32_t p = 0; p < partitions && !in->rc; p++) {
            source->partitions[p].partition = get_u32(in);
            source->partitions[p].next = get_count(in);
            source->count = p + 1;
            if (p && source->partitions[p].partition <= source->partitions[p - 1].partition)
                damaged(in, "order of the cutoff");
        }
        if (i && source->source <= source[-1].source)
            damaged(in, "order of the cutoff");
    }
}

static void get_segments(struct in *in, struct lam_state *state)
{
    uint64_t count = get_u64(in);

    if (!in->rc && count > in->left / 120) /* an entry with its numbers is longer */
        damaged(in, "count");
    state->segments = array(in, in->rc ? 0 : (size_t)count, sizeof *state->segments);
    state->segment_cap = state->segments ? (size_t)count : 0;
    for (uint64_t i = 0; i < count && !in->rc; i++) {
        struct lam_state_segment *segment = &state->segments[i];

        if (!(segment->entry = get_entry(in)))
            return;
        state->segment_count = (size_t)i + 1;
        if (get_flag(in))
            segment->mask = get_entry(in);
        segment->added = get_count(in);
        segment->touched = get_count(in);
        if (in->rc)
            return;
        if (segment->entry->kind == LAM_SEGMENT_MASK || (segment->mask && strcmp(segment->mask->masked, segment->entry->path)) || !segment->added ||
            segment->added > segment->touched || segment->touched > state->number || (i && strcmp(segment[-1].entry->path, segment->entry->path) >= 0))
            damaged(in, "list of segments");
    }
}

static void get_body(struct in *in, struct lam_state *state)
{
    uint32_t count;

    state->time_us = get_i64(in);
    state->voids = get_count(in);
    count = get_items(in, 16);
    state->samples = array(in, count, sizeof *state->samples);
    state->sample_count = state->sample_cap = state->samples ? count : 0;
    for (uint32_t i = 0; i < count && !in->rc; i++) {
        state->samples[i].first = get_count(in);
        state->samples[i].time_us = get_i64(in);
        if (state->samples[i].first > state->number || (i && state->samples[i].first <= state->samples[i - 1].first))
            damaged(in, "order of samples");
    }
    get_terms(in, state);
    get_job(in, &state->job);
    get_sources(in, state);
    get_models(in, state);
    get_view(in, &state->view);
    state->horizon = get_bytes(in, LAM_COMMIT_VALUE, &state->horizon_len);
    state->horizon_commit = get_count(in);
    get_segments(in, state);
    if (in->left)
        damaged(in, "end");
}

static uint32_t word_at(struct lam_sv bytes, size_t at)
{
    uint32_t word;

    memcpy(&word, bytes.ptr + at, sizeof word);
    return le32toh(word);
}

static uint64_t long_at(struct lam_sv bytes, size_t at)
{
    uint64_t word;

    memcpy(&word, bytes.ptr + at, sizeof word);
    return le64toh(word);
}

int lam_checkpoint_head(struct lam_sv bytes, uint64_t *number, uint64_t *log_from, struct lam_error *err)
{
    if (bytes.len < LAM_CHECKPOINT_HEADER || memcmp(bytes.ptr, LAM_CHECKPOINT_MAGIC, 8) ||
        word_at(bytes, LAM_HEAD_CRC) != lam_crc32c(0, bytes.ptr + LAM_HEAD_NUMBER, LAM_CHECKPOINT_HEADER - LAM_HEAD_NUMBER))
        return LAM_FAIL(err, LAM_E_CORRUPT, "no checkpoint, or its header is damaged");
    if (word_at(bytes, LAM_HEAD_FORMAT) != LAM_CHECKPOINT_FORMAT)
        return LAM_FAIL(err, LAM_E_INVALID, "a checkpoint of format %u, this program knows %d: a newer one wrote it", word_at(bytes, LAM_HEAD_FORMAT),
                        LAM_CHECKPOINT_FORMAT);
    *number = long_at(bytes, LAM_HEAD_NUMBER);
    *log_from = long_at(bytes, LAM_HEAD_LOG_FROM);
    if (!*number || *number > INT64_MAX || *number % LAM_CHECKPOINT_EVERY || !*log_from || *log_from > *number)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a checkpoint with impossible numbers");
    return 0;
}

int lam_checkpoint_read(struct lam_sv bytes, struct lam_state **state, struct lam_error *err)
{
    struct in in = {.err = err};
    struct lam_state *made;
    uint64_t number = 0, log_from = 0; /* gcc -O3 cannot tell that a failure is never 0 */
    int rc = lam_checkpoint_head(bytes, &number, &log_from, err);

    *state = NULL;
    if (rc)
        return rc;
    in.ptr = bytes.ptr + LAM_CHECKPOINT_HEADER;
    in.left = bytes.len - LAM_CHECKPOINT_HEADER;
    if (long_at(bytes, LAM_HEAD_BODY) != in.left || word_at(bytes, LAM_HEAD_BODY_CRC) != lam_crc32c(0, in.ptr, in.left))
        return LAM_FAIL(err, LAM_E_CORRUPT, "the checkpoint of commit %llu is damaged or cut off", (unsigned long long)number);
    if (!(made = lam_state_new()))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a state");
    made->number = number;
    made->log_from = log_from;
    get_body(&in, made);
    if (in.rc) {
        lam_state_unref(made);
        return in.rc;
    }
    *state = made;
    return 0;
}
